//! Programs of this repository that a task builds and hands over to.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

/// Builds the packages in one profile; answers where the programs are.
///
/// # Errors
/// When they cannot be built; cargo has said why.
pub fn build(root: &Path, profile: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--profile", profile]).current_dir(root);
    for package in packages {
        command.args(["--package", package]);
    }
    if !command.status().context("cargo build")?.success() {
        bail!("{} cannot be built", packages.join(" and "));
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(root.join("target").join(folder))
}

/// Ends as the program does.
///
/// # Errors
/// When it cannot be started.
pub fn hand_over(program: &Path, options: &[&str]) -> anyhow::Result<ExitCode> {
    let status = Command::new(program).args(options).status().with_context(|| format!("{}", program.display()))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
