//! `cargo xtask attack`: those whom nobody entered, against a server of its own on this machine; docs/internals/attacks.md.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

/// Builds the server and the attackers, and lets them at each other. Ends with 1 where more came through than may.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (profile, folder, amount): (&str, &str, &[&str]) = match options.as_slice() {
        [] => ("dev", "debug", &[]),
        ["--long"] => ("release", "release", &LONG),
        other => bail!("cargo xtask attack takes --long or nothing, not {other:?}"),
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let build = ["build", "--quiet", "--profile", profile, "--package", "comity", "--package", "floods"];
    let built = Command::new(&cargo).args(build).current_dir(root).status().context("cargo build")?;
    if !built.success() {
        bail!("the server and its attackers cannot be built");
    }
    let program = root.join("target").join(folder).join("floods");
    let status = Command::new(&program)
        .arg("--strangers")
        .args(amount)
        .status()
        .with_context(|| format!("{}", program.display()))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

const LONG: [&str; 6] = ["--domains", "1000", "--messages", "1000000", "--names", "100000"];
