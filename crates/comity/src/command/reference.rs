//! `comity reference`, hidden: for `cargo xtask docs`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::reference;

#[derive(Debug, Args)]
pub struct ReferenceArguments {
    /// The folder to write to
    folder: PathBuf,
}

/// Writes the reference pages.
pub fn run(arguments: &ReferenceArguments) -> Result<ExitCode, Failure> {
    let folder = &arguments.folder;
    reference::write(folder).map_err(|error| Failure::told(format!("{}: {error}", folder.display())))?;
    Ok(ExitCode::SUCCESS)
}
