//! The credentials that were asked for lately: a phone signs in every few minutes, and each time with the same ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sip::Aor;
use sip::auth::UserHa1;

/// What was read of users. Nothing of it outlives a change of any user that is committed here; one that another program
/// makes to the database is seen a minute later at the latest.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownCredentials(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Counts the commits that changed users.
    revision: AtomicU64,
    known_by_aor: Mutex<BTreeMap<Aor, Known>>,
}

struct Known {
    ha1: UserHa1,
    /// As it was before the database was read.
    revision: u64,
    read_at: Instant,
}

impl KnownCredentials {
    pub(crate) fn get(&self, aor: &Aor, now: Instant) -> Option<UserHa1> {
        let revision = self.revision();
        let known_by_aor = self.0.known_by_aor.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known_by_aor.get(aor)?;
        let holds = known.revision == revision && now.saturating_duration_since(known.read_at) < KEPT_FOR;
        holds.then(|| known.ha1.clone())
    }

    /// To be asked before the database is read for [`KnownCredentials::keep`].
    pub(crate) fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::SeqCst)
    }

    pub(crate) fn keep(&self, aor: Aor, ha1: UserHa1, revision: u64, read_at: Instant) {
        let mut known_by_aor = self.0.known_by_aor.lock().unwrap_or_else(PoisonError::into_inner);
        if known_by_aor.len() >= KNOWN_MAX {
            known_by_aor.clear();
        }
        known_by_aor.insert(aor, Known { ha1, revision, read_at });
    }

    /// A change of users is committed: what was read before it holds no more.
    pub(crate) fn users_changed(&self) {
        self.0.revision.fetch_add(1, Ordering::SeqCst);
    }
}

/// Nothing of what is known is shown.
impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

const KEPT_FOR: Duration = Duration::from_secs(60);

/// Some ten megabytes.
const KNOWN_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_holds_no_more() {
        let (known, now) = (KnownCredentials::default(), Instant::now());
        let alice: Aor = "alice@contoso.example".parse().unwrap();
        let ha1 = UserHa1::new(&alice, "one");
        let revision = known.revision();
        assert!(known.get(&alice, now).is_none());
        known.keep(alice.clone(), ha1.clone(), revision, now);
        assert!(known.get(&alice, now) == Some(ha1.clone()));
        assert!(known.get(&alice, now + KEPT_FOR).is_none(), "another program may have changed it");
        known.users_changed();
        assert!(known.get(&alice, now).is_none());
        // Read before the change, and kept only after it.
        known.keep(alice.clone(), ha1, revision, now);
        assert!(known.get(&alice, now).is_none());
    }

    #[test]
    fn beyond_the_limit_all_are_forgotten_and_the_newest_is_known() {
        let (known, now) = (KnownCredentials::default(), Instant::now());
        let aor = |number: usize| -> Aor { format!("u{number}@contoso.example").parse().unwrap() };
        let ha1 = UserHa1::new(&aor(0), "one");
        let keep = |number| known.keep(aor(number), ha1.clone(), known.revision(), now);
        let is_known = |number| known.get(&aor(number), now).is_some();
        (0..KNOWN_MAX).for_each(keep);
        assert!((0..KNOWN_MAX).all(is_known));
        keep(KNOWN_MAX);
        assert!(is_known(KNOWN_MAX) && !(0..KNOWN_MAX).any(is_known));
    }
}
