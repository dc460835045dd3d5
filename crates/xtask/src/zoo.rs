//! `cargo xtask zoo`: hands over to interop/zoo, with the tools that `./test zoo` installs.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// Ends as the zoo does: 1 where a verdict was wrong.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let script = root.join("interop/zoo/run");
    let status = Command::new(&script).args(options).status().with_context(|| format!("{}", script.display()))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
