//! The database copied while others write to it, and a copy put in its place.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, params};

use crate::{BUSY_TIMEOUT, Store, StoreError, schema};

/// What a database holds, for people to see that it is the one that they mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub users: u64,
    pub partners: u64,
    pub meetings: u64,
    pub stored_messages: u64,
    pub call_records: u64,
}

/// A copy that has become the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub contents: Contents,
    /// Where the database now is that was there before; `None`: there was none.
    pub replaced: Option<PathBuf>,
}

/// Copies a database as it is at one moment (SQLite's online backup), whoever else has it open. Writers do not wait.
///
/// The copy is one file of mode 0600, checked. It is no longer there when this fails.
///
/// # Errors
/// Where a file is at `copy` already, or either cannot be opened, or the copy has no room.
pub fn back_up(database: &Path, copy: &Path) -> Result<Contents, StoreError> {
    let unopened = |source| StoreError::Unopened { path: database.to_owned(), source };
    if !database.try_exists().unwrap_or(true) {
        return Err(StoreError::Absent { path: database.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(database, flags).map_err(unopened)?;
    source.busy_timeout(BUSY_TIMEOUT).map_err(unopened)?;
    schema::check_known(&source, database)?;
    create_new(copy)?;
    copy_pages(&source, copy).and_then(|()| inspect(copy)).inspect_err(|_| {
        let _ = fs::remove_file(copy);
    })
}

/// Makes a copy the database; no server and no command may have the database open. The one that was there is kept beside it.
///
/// The copy is read to its end, checked and brought up to date before anything is replaced.
///
/// # Errors
/// Where the copy is damaged, no database of ours or of a newer version, or the folder cannot be written. Then nothing has changed.
pub fn restore(copy: &mut impl Read, database: &Path, now_unix: i64) -> Result<Restored, StoreError> {
    let fresh = unfinished(database);
    let unwritable = |source| StoreError::Unwritable { path: fresh.clone(), source };
    for leftover in with_companions(&fresh) {
        remove_if_there(&leftover).map_err(unwritable)?;
    }
    create_new(&fresh)?;
    let contents = receive(copy, &fresh, now_unix).inspect_err(|_| {
        for file in with_companions(&fresh) {
            let _ = fs::remove_file(file);
        }
    })?;
    let replaced = set_aside(database, now_unix).map_err(unwritable)?;
    fs::rename(&fresh, database).and_then(|()| sync_folder(database)).map_err(unwritable)?;
    Ok(Restored { contents, replaced })
}

/// Where a restore makes what becomes the database.
pub(crate) fn unfinished(database: &Path) -> PathBuf {
    beside(database, ".restoring")
}

fn copy_pages(source: &Connection, copy: &Path) -> Result<(), StoreError> {
    let mut target = Connection::open(copy)?;
    let backup = Backup::new(source, &mut target)?;
    // All pages in one step, so within one reading transaction: else each change meanwhile would begin it again.
    let mut tries = 0;
    while backup.step(-1)? != StepResult::Done {
        tries += 1;
        if tries == BACKUP_TRIES_MAX {
            return Err(StoreError::Overloaded);
        }
        std::thread::sleep(BACKUP_PAUSE);
    }
    drop(backup);
    // One file that needs no other beside it; the copy has the mode of the original, which is WAL.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    sync_folder(copy).map_err(|source| StoreError::Unwritable { path: copy.to_owned(), source })
}

fn receive(copy: &mut impl Read, fresh: &Path, now_unix: i64) -> Result<Contents, StoreError> {
    let unwritable = |source| StoreError::Unwritable { path: fresh.to_owned(), source };
    let mut file = File::options().write(true).open(fresh).map_err(unwritable)?;
    io::copy(copy, &mut file).and_then(|_| file.sync_all()).map_err(unwritable)?;
    drop(file);
    inspect(fresh)?;
    let store = Store::open(fresh)?;
    store.leave_incarnations_behind(now_unix)?;
    store.begin_epoch()?;
    store.connection().pragma_update(None, "journal_mode", "DELETE")?;
    store.contents()
}

/// Checks that a file is a whole database of ours, and no newer than this program.
fn inspect(path: &Path) -> Result<Contents, StoreError> {
    let damaged = |found: String| StoreError::Damaged { path: path.to_owned(), found };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if schema::check_known(&connection, path).map_err(|error| match error {
        StoreError::Unopened { source, .. } => damaged(source.to_string()),
        other => other,
    })? == 0
    {
        return Err(damaged("it is no database of comity".to_owned()));
    }
    let found: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|error| damaged(error.to_string()))?;
    if found != "ok" {
        return Err(damaged(found));
    }
    Store { connection, users_changed: Cell::default() }.contents()
}

impl Store {
    /// How many rows there are. A table that an older version has not is empty.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        Ok(Contents {
            users: self.count("users")?,
            partners: self.count("partners")?,
            meetings: self.count("meetings")?,
            stored_messages: self.count("stored_messages")?,
            call_records: self.count("call_records")?,
        })
    }

    fn count(&self, table: &str) -> Result<u64, StoreError> {
        if !self.connection().table_exists(None, table)? {
            return Ok(0);
        }
        let count: i64 = self.connection().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// A copy does not know which starts came after it, and what these named by their numbers may still be under way with
    /// others. More starts than seconds since 1970 there never were.
    fn leave_incarnations_behind(&self, now_unix: i64) -> Result<(), StoreError> {
        let now = u32::try_from(now_unix).unwrap_or(u32::MAX);
        self.connection().execute(
            "INSERT OR REPLACE INTO server (name, value) VALUES ('incarnation', ?1)",
            params![now.to_be_bytes()],
        )?;
        Ok(())
    }
}

/// Renames the database with its log, which belongs to no other. The index of the log is made again when it is needed.
fn set_aside(database: &Path, now_unix: i64) -> io::Result<Option<PathBuf>> {
    let kept = (0..).map(|number| beside(database, &suffix(now_unix, number))).find(|path| !path.exists());
    let kept = kept.unwrap_or_else(|| beside(database, ".replaced"));
    let [old, old_log, old_index] = with_companions(database);
    let [new, new_log, _] = with_companions(&kept);
    remove_if_there(&old_index)?;
    let is_there = rename_if_there(&old, &new)?;
    rename_if_there(&old_log, &new_log)?;
    Ok(is_there.then_some(kept))
}

fn suffix(now_unix: i64, number: u32) -> String {
    if number == 0 { format!(".replaced-{now_unix}") } else { format!(".replaced-{now_unix}-{number}") }
}

/// A database and what SQLite keeps beside it: the log, and the log's index.
fn with_companions(database: &Path) -> [PathBuf; 3] {
    [database.to_owned(), beside(database, "-wal"), beside(database, "-shm")]
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn create_new(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let created = File::options().write(true).create_new(true).mode(0o600).open(path);
    created.map(drop).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::CopyExists { path: path.to_owned() },
        _ => StoreError::Unwritable { path: path.to_owned(), source },
    })
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes names durable, as what they name is already.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A database in WAL mode is busy only for moments: when another process opens or closes it.
const BACKUP_TRIES_MAX: u32 = 100;
const BACKUP_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
