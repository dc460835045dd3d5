//! `cargo xtask attack`: those whom nobody entered, against a server of its own on this machine; docs/internals/attacks.md.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use crate::programs;

/// Builds the server and the attackers, and lets them at each other. Ends with 1 where more came through than may.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (profile, amount): (&str, &[&str]) = match options.as_slice() {
        [] => ("dev", &[]),
        ["--long"] => ("release", &LONG),
        other => bail!("cargo xtask attack takes --long or nothing, not {other:?}"),
    };
    let folder = programs::build(root, profile, &["comity", "floods"])?;
    programs::hand_over(&folder.join("floods"), &[&["--strangers"], amount].concat())
}

const LONG: [&str; 6] = ["--domains", "1000", "--messages", "1000000", "--names", "100000"];
