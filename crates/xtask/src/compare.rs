//! `cargo xtask compare`: ours and a peer, in turn on this machine; docs/internals/performance.md.

use std::path::Path;
use std::process::ExitCode;

use crate::programs;

/// Builds what a release is, and hands over to the bench.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let folder = programs::build(root, "release", &["comity", "bench"])?;
    let options: Vec<&str> = std::iter::once("compare").chain(options.iter().map(String::as_str)).collect();
    programs::hand_over(&folder.join("bench"), &options)
}
