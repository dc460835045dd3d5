//! The users whom one partner has addressed.

use std::collections::BTreeMap;

use super::{KNOCKS_MS, NAME_LIFE_MS};

#[derive(Debug, Default)]
pub(super) struct Names {
    names_by_user: BTreeMap<u64, Name>,
}

#[derive(Debug)]
struct Name {
    last_unix_ms: u64,
    /// There is no such user.
    is_missing: bool,
    has_answered: bool,
    /// What was brought to him since then without an answer.
    knocks: u32,
    knocks_since_unix_ms: u64,
}

/// Whether a user was addressed before.
#[derive(Clone, Copy)]
pub(super) enum New {
    No,
    /// Before, and not since the window began.
    InWindow,
    Ever,
}

impl Name {
    fn is_knocked(&self, now_unix_ms: u64) -> bool {
        self.knocks > 0 && now_unix_ms.abs_diff(self.knocks_since_unix_ms) < KNOCKS_MS
    }
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

    /// He is addressed; `is_knock`: by something that he has not asked for.
    pub(super) fn address(&mut self, now_unix_ms: u64, user: u64, is_knock: bool) {
        let name = self.names_by_user.entry(user).or_insert(Name {
            last_unix_ms: now_unix_ms,
            is_missing: false,
            has_answered: false,
            knocks: 0,
            knocks_since_unix_ms: now_unix_ms,
        });
        if !name.is_knocked(now_unix_ms) {
            (name.knocks, name.knocks_since_unix_ms) = (0, now_unix_ms);
        }
        name.knocks += u32::from(is_knock);
    }

    pub(super) fn restore(&mut self, user: u64, last_unix_ms: u64) {
        self.address(last_unix_ms, user, false);
    }

    /// What was brought to the user without an answer.
    pub(super) fn knocks(&self, now_unix_ms: u64, user: u64) -> u32 {
        let name = self.names_by_user.get(&user).filter(|name| name.is_knocked(now_unix_ms));
        name.map_or(0, |name| name.knocks)
    }

    /// He has answered; says what had been brought to him before.
    pub(super) fn answered(&mut self, user: u64) -> u32 {
        let Some(name) = self.names_by_user.get_mut(&user) else { return 0 };
        name.has_answered = true;
        std::mem::take(&mut name.knocks)
    }

    /// How many have answered, and how many have not.
    pub(super) fn by_answer(&self, now_unix_ms: u64) -> (usize, usize) {
        let names = self.names_by_user.values();
        names.fold((0, 0), |(answered, unanswered), name| match name.has_answered {
            true => (answered + 1, unanswered),
            false => (answered, unanswered + usize::from(name.is_knocked(now_unix_ms))),
        })
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
