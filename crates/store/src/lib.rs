//! What outlives the server: users and their credentials, messages that wait for them, partners, scheduled meetings, what
//! became of calls, and why requests were refused.
//!
//! [`Store`] is the SQLite database of one server, used directly by commands when no server runs. [`StoreThread`] puts it
//! behind two threads: one writes, with several changes in a commit, and one reads. No policy lives here, except for what
//! a table itself must never hold: a domain that is both allowed and blocked.

mod access;
mod answers;
mod backup;
mod call_records;
mod changes;
mod consents;
mod domain_trust;
mod error;
mod health;
mod known_credentials;
mod meetings;
mod messages;
mod partners;
mod partners_seen;
mod password;
mod providers;
mod refusals;
mod revision;
mod schema;
mod server_facts;
mod snapshot;
mod suspects;
#[cfg(test)]
mod testing;
mod thread;
mod users;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

pub use access::{StoredAccess, USER_ALLOWS_MAX};
pub use answers::ANSWERS_MAX;
pub use backup::{Contents, Restored, back_up, restore};
pub use call_records::{CALL_RECORDS_MAX, CallQuery, StoredCall};
pub use changes::Changes;
pub use consents::{CONSENTS_PER_USER_MAX, HeldMessages, StoredConsent};
pub use domain_trust::{StoredTrust, TrustChange};
pub use error::StoreError;
pub use health::Unwritable;
pub use meetings::StoredMeeting;
pub use messages::WaitingMessages;
pub use partners::{PartnerRemoval, StoredPartner};
pub use partners_seen::{PARTNERS_SEEN_MAX, PartnerSeen, StoredSeen};
pub use password::Credentials;
pub use providers::StoredProvider;
pub use refusals::{REFUSAL_AGE_DAYS_MAX, REFUSALS_MAX, RefusalQuery, StoredRefusal};
pub use revision::{Revision, Rules};
pub use snapshot::{PoolSecret, Snapshot, Told};
pub use suspects::SUSPECTS_MAX;
pub use thread::{StoreHandle, StoreThread};
pub use users::StoredUser;

/// The database of one server. Every method is one statement or one transaction; what it returns `Ok` for is on disk.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Since it was last asked.
    users_changed: Cell<bool>,
}

impl Store {
    /// Opens the database, creates it where it is absent, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database, or was written by a newer version; and where it is absent because a
    /// restore was cut off after the old one was set aside: an empty one would look like a loss.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        if !path.exists() && backup::unfinished(path).exists() {
            return Err(StoreError::RestoreCut { path: path.to_owned() });
        }
        create_private(path)?;
        let unopened = |source| StoreError::Unopened { path: path.to_owned(), source };
        let mut connection = Connection::open_with_flags(path, open_flags()).map_err(unopened)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(unopened)?;
        connection.execute_batch(PRAGMAS).map_err(unopened)?;
        schema::migrate(&mut connection, path)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Store { connection, users_changed: Cell::new(false) })
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn users_change(&self) {
        self.users_changed.set(true);
    }

    /// Whether a change of users was begun since this was last asked.
    fn take_users_changed(&self) -> bool {
        self.users_changed.take()
    }
}

/// Seconds since 1970 in UTC, the form in which every moment is stored.
pub fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    integer(since.as_secs())
}

/// As SQLite keeps numbers.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn open_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The file holds what logs a user in: it is created readable by its owner alone. SQLite gives its companions (`-wal`,
/// `-shm`) the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })
}

const PRAGMAS: &str = "PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;";

/// How long one process waits for another's commit: a command beside a running server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_database_is_private_durable_and_in_wal_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let store = Store::open(&path).unwrap();
        let text = |pragma: &str| -> String {
            let value: rusqlite::types::Value =
                store.connection().pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
            format!("{value:?}")
        };
        assert_eq!(text("journal_mode"), "Text(\"wal\")");
        assert_eq!(text("synchronous"), "Integer(2)");
        assert_eq!(text("foreign_keys"), "Integer(1)");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        std::fs::write(&path, "this is a text file, long enough to be looked at as a database header").unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("comity.db"), "{error}");
    }

    #[test]
    fn a_folder_that_is_absent_is_named() {
        let error = Store::open(Path::new("/nonexistent/comity.db")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /nonexistent/comity.db"), "{error}");
    }
}
