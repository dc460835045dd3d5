//! `cargo xtask zoo`: hands over to interop/zoo, with the tools that `./test zoo` installs.

use std::path::Path;
use std::process::ExitCode;

use crate::programs;

/// Ends as the zoo does: 1 where a verdict was wrong.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    programs::hand_over(&root.join("interop/zoo/run"), &options)
}
