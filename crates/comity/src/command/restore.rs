//! `comity restore`

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use server::StartError;
use server::folder_lock::FolderLock;
use store::{Restored, StoreError};

use super::Global;
use super::backup::{answer, words};
use crate::client;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Example:
  systemctl stop comity
  comity restore /var/backups/comity-2027-03-01.db
  systemctl start comity

The copy is checked first. The database that it replaces is kept beside it, in the data folder.
A copy of an older version is brought up to date; FILE itself stays as it is.";

#[derive(Debug, clap::Args)]
pub struct RestoreArguments {
    /// What comity backup wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The copy is opened as who typed the command, and written as the server's user, to whom the database then belongs.
pub fn run(global: &Global, arguments: &RestoreArguments) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    check_alone(file)?;
    let mut copy = File::open(file).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", file.display()), "name a file that comity backup wrote")
    })?;
    let config = configuration::load_settings(global.config_file())?;
    // Held until this process ends: no server may start meanwhile.
    let _lock = FolderLock::take(&config, &client::typed_as()).map_err(|error| match error {
        StartError::FolderInUse { path, holder } if holder.is_server() => Failure::new(
            format!("{holder} works in {}", path.display()),
            "end it first, as with systemctl stop comity, then restore",
        ),
        other => client::in_use(other),
    })?;
    let restored = store::restore(&mut copy, &config.store_path(), store::now_unix());
    let Restored { contents, replaced } = restored.map_err(|error| named(error, file))?;
    let told = json!({ "database": config.store_path(), "replaced": replaced, "contents": answer(&contents) });
    global.print(&told, || {
        println!("{} restored, {}", config.store_path().display(), words(&contents));
        if let Some(replaced) = &replaced {
            println!("what was there before is now {}", replaced.display());
        }
        println!("next: {}", configuration::start_command(&config.file));
    })
}

/// A database that something has open, or had when it was killed, is more than the one file.
fn check_alone(file: &Path) -> Result<(), Failure> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let error = format!("{} is no backup: a part of it is in {}", file.display(), Path::new(&log).display());
        return Err(Failure::new(error, "name a file that comity backup wrote"));
    }
    Ok(())
}

/// What is wrong with the copy is said of the file that was named.
fn named(error: StoreError, file: &Path) -> Failure {
    let path = file.to_owned();
    match error {
        StoreError::Damaged { found, .. } => StoreError::Damaged { path, found }.into(),
        StoreError::Newer { found, known, .. } => StoreError::Newer { path, found, known }.into(),
        other => other.into(),
    }
}
