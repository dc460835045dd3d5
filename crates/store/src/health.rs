//! Whether the database can be written to. The writing thread says so after each commit, and tries by itself while it
//! cannot: what failed once may be long over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
pub(crate) struct Health(Arc<Mutex<Option<Trouble>>>);

#[derive(Clone, Debug)]
struct Trouble {
    unwritable: Unwritable,
    failures: u64,
}

/// What the log is told: that it begins and that it is over, however often a commit fails in between.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Began { why: String },
    Over { failures: u64 },
}

impl Health {
    pub(crate) fn get(&self) -> Option<Unwritable> {
        self.held().as_ref().map(|trouble| trouble.unwritable.clone())
    }

    pub(crate) fn is_well(&self) -> bool {
        self.held().is_none()
    }

    /// A commit failed, or did not.
    pub(crate) fn note(&self, outcome: &rusqlite::Result<()>) {
        match self.change(outcome) {
            Some(News::Began { why }) => tracing::error!(error = why, "the store cannot be written to"),
            Some(News::Over { failures }) => tracing::info!(failures, "the store can be written to again"),
            None => {}
        }
    }

    fn change(&self, outcome: &rusqlite::Result<()>) -> Option<News> {
        let mut held = self.held();
        match (outcome, held.as_mut()) {
            (Ok(()), _) => held.take().map(|trouble| News::Over { failures: trouble.failures }),
            (Err(error), Some(trouble)) => {
                trouble.unwritable.why = error.to_string();
                trouble.failures += 1;
                None
            }
            (Err(error), None) => {
                let why = error.to_string();
                let unwritable = Unwritable { since_unix: now_unix(), why: why.clone() };
                *held = Some(Trouble { unwritable, failures: 1 });
                Some(News::Began { why })
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_a_full_disk_once_and_of_its_end_with_a_count() {
        let health = Health::default();
        let full = || Err(rusqlite::Error::InvalidQuery);
        assert_eq!(health.change(&Ok(())), None);
        assert!(matches!(health.change(&full()), Some(News::Began { .. })));
        assert!((0..99).all(|_| health.change(&full()).is_none()));
        assert!(!health.is_well() && health.get().is_some());
        assert_eq!(health.change(&Ok(())), Some(News::Over { failures: 100 }));
        assert_eq!((health.change(&Ok(())), health.get()), (None, None));
        assert!(matches!(health.change(&full()), Some(News::Began { .. })), "and of the next");
    }
}
