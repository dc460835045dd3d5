//! `comity backup`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use store::{Contents, StoreError};

use super::Global;
use crate::configuration;
use crate::failure::Failure;
use crate::table::count;

pub const EXAMPLES: &str = "\
Examples:
  comity backup comity-backup.db
  comity backup /var/backups/comity-2027-03-01.db

The copy is of one moment, whether a server runs or not. Whoever reads it can sign in as any
user: keep it as you keep the key. comity.toml, the key and the certificate are not in it.";

#[derive(Debug, clap::Args)]
pub struct BackupArguments {
    /// The file to write; there may be none yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The copy belongs to who typed the command: root's folders need not be open to the server's user.
pub fn run(global: &Global, arguments: &BackupArguments) -> Result<ExitCode, Failure> {
    let config = configuration::read_settings(global.config_file())?;
    let contents = store::back_up(&config.store_path(), &arguments.file).map_err(|error| match error {
        StoreError::Sqlite(error) => Failure::new(
            format!("cannot write {}: {error}", arguments.file.display()),
            "make room on its disk, or name a file on another",
        ),
        other => other.into(),
    })?;
    let bytes = std::fs::metadata(&arguments.file).map(|file| file.len()).map_err(Failure::told)?;
    global.print(&json!({ "file": arguments.file, "bytes": bytes, "contents": answer(&contents) }), || {
        println!("{} written: {} bytes, {}", arguments.file.display(), bytes, words(&contents));
    })
}

/// What is in a database, as part of a sentence.
pub fn words(contents: &Contents) -> String {
    let Contents { users, partners, meetings, stored_messages, call_records } = contents;
    let told = [
        count(*users, "user", "users"),
        count(*partners, "partner", "partners"),
        count(*meetings, "meeting", "meetings"),
        count(*stored_messages, "message that waits", "messages that wait"),
        count(*call_records, "record of a call", "records of calls"),
    ];
    format!("with {}", told.join(", "))
}

/// The same for programs.
pub fn answer(contents: &Contents) -> serde_json::Value {
    let Contents { users, partners, meetings, stored_messages, call_records } = contents;
    json!({
        "users": users,
        "partners": partners,
        "meetings": meetings,
        "stored_messages": stored_messages,
        "call_records": call_records,
    })
}
