//! Whether the database can be written to. The writing thread says so after each commit, and tries by itself while it
//! cannot: what failed once may be long over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::params;

use crate::{Store, now_unix};

/// Why nothing can be written, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    pub since_unix: i64,
    /// In SQLite's words; of the last failure.
    pub why: String,
}

/// Shared by the writing thread, which changes it, and whoever wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<Option<Unwritable>>>);

impl Health {
    pub(crate) fn get(&self) -> Option<Unwritable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_well(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// A commit failed, or did not.
    pub(crate) fn note(&self, outcome: &rusqlite::Result<()>) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (outcome, &mut *trouble) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                *trouble = None;
                tracing::info!("the store can be written to again");
            }
            (Err(error), Some(known)) => known.why = error.to_string(),
            (Err(error), None) => *trouble = Some(Unwritable { since_unix: now_unix(), why: error.to_string() }),
        }
    }
}

impl Store {
    /// A change that means nothing, to see whether one can be made.
    pub(crate) fn probe(&self) -> rusqlite::Result<()> {
        let mut statement =
            self.connection().prepare_cached("INSERT OR REPLACE INTO server (name, value) VALUES ('probed', ?1)")?;
        statement.execute(params![now_unix().to_be_bytes()]).map(drop)
    }
}

/// Between two tries to write to a database that could not be written to.
pub(crate) const PROBE_PAUSE: Duration = Duration::from_secs(5);
