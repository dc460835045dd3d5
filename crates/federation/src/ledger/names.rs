//! The users whom one partner has addressed.

use std::collections::BTreeMap;

use super::NAME_LIFE_MS;

#[derive(Debug, Default)]
pub(super) struct Names {
    names_by_user: BTreeMap<u64, Name>,
}

#[derive(Debug)]
struct Name {
    last_unix_ms: u64,
    /// There is no such user.
    is_missing: bool,
}

/// Whether a user was addressed before.
pub(super) enum New {
    No,
    /// Before, and not since the window began.
    InWindow,
    Ever,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.names_by_user.len()
    }

    pub(super) fn touch(&mut self, now_unix_ms: u64, window_unix_ms: u64, user: u64) -> New {
        let Some(name) = self.names_by_user.get_mut(&user) else { return New::Ever };
        let last = std::mem::replace(&mut name.last_unix_ms, now_unix_ms);
        if last >= window_unix_ms {
            return New::No;
        }
        // He is counted anew, and may have come to exist.
        name.is_missing = false;
        New::InWindow
    }

    pub(super) fn insert(&mut self, now_unix_ms: u64, user: u64) {
        self.names_by_user.insert(user, Name { last_unix_ms: now_unix_ms, is_missing: false });
    }

    pub(super) fn restore(&mut self, user: u64, last_unix_ms: u64) {
        self.insert(last_unix_ms, user);
    }

    /// Whether this is the first that is known of it since he was counted.
    pub(super) fn miss(&mut self, user: u64) -> bool {
        self.names_by_user.get_mut(&user).is_some_and(|name| !std::mem::replace(&mut name.is_missing, true))
    }

    /// Where there is none, those who were not addressed for long make some.
    pub(super) fn has_room(&mut self, now_unix_ms: u64, max: usize) -> bool {
        if self.names_by_user.len() >= max {
            self.names_by_user.retain(|_, name| now_unix_ms.saturating_sub(name.last_unix_ms) < NAME_LIFE_MS);
        }
        self.names_by_user.len() < max
    }

    /// Those who are not known to be missing.
    pub(super) fn there(&self) -> impl Iterator<Item = u64> {
        self.names_by_user.iter().filter(|(_, name)| !name.is_missing).map(|(user, _)| *user)
    }
}
