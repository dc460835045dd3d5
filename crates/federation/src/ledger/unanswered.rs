//! What partners without an entry bring to people who have not answered them: bounded for each such partner, and for each of
//! those people.
//!
//! Users are numbers here, and counted alike whether they exist or not: what is refused must not tell which of them do.

use std::collections::{BTreeMap, BTreeSet};

use super::WINDOW_MS;

/// Who of ours has turned to whom: whoever wrote to a domain, called it or took its call may be written to from there.
///
/// Two generations, so that it is bounded, and forgets those first who were not needed for longest.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    recent: BTreeSet<(u64, String)>,
    earlier: BTreeSet<(u64, String)>,
    /// How often some had to be forgotten for others.
    forgotten: u64,
}

impl Acquaintances {
    /// Says whether it was news.
    pub(super) fn insert(&mut self, user: u64, domain: &str, max: usize) -> bool {
        let pair = (user, domain.to_owned());
        if self.recent.contains(&pair) {
            return false;
        }
        if self.recent.len() >= max.div_ceil(2) {
            self.forgotten += u64::from(!self.earlier.is_empty());
            self.earlier = std::mem::take(&mut self.recent);
        }
        let is_news = !self.earlier.remove(&pair);
        self.recent.insert(pair);
        is_news
    }

    /// Whoever is asked about is needed, and kept.
    pub(super) fn knows(&mut self, user: u64, domain: &str, max: usize) -> bool {
        let pair = (user, domain.to_owned());
        let is_earlier = self.earlier.contains(&pair);
        if is_earlier {
            self.insert(user, domain, max);
        }
        is_earlier || self.recent.contains(&pair)
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.recent.len() + self.earlier.len()
    }
}

/// What reaches each user from all strangers together.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    hours_by_user: BTreeMap<u64, Hour>,
    swept_unix_ms: u64,
    /// How often there was no room for a user.
    full: u64,
}

#[derive(Debug)]
struct Hour {
    began_unix_ms: u64,
    count: u32,
}

impl Recipients {
    /// Counts one more, where the user may get one more. Where there are as many users as can be counted, none of a new one.
    pub(super) fn take(&mut self, now_unix_ms: u64, user: u64, per_hour: u32, max: usize) -> bool {
        if !self.hours_by_user.contains_key(&user) && !self.has_room(now_unix_ms, max) {
            self.full += 1;
            return false;
        }
        let hour = self.hours_by_user.entry(user).or_insert(Hour { began_unix_ms: now_unix_ms, count: 0 });
        if is_over(now_unix_ms, hour) {
            *hour = Hour { began_unix_ms: now_unix_ms, count: 0 };
        }
        let may = hour.count < per_hour;
        hour.count += u32::from(may);
        may
    }

    pub(super) fn full(&self) -> u64 {
        self.full
    }

    /// Looks through all of them once a minute at most: whoever fills it must not make each request cost that.
    fn has_room(&mut self, now_unix_ms: u64, max: usize) -> bool {
        let is_full = self.hours_by_user.len() >= max;
        if is_full && now_unix_ms.abs_diff(self.swept_unix_ms) >= SWEEP_MS {
            self.swept_unix_ms = now_unix_ms;
            self.hours_by_user.retain(|_, hour| !is_over(now_unix_ms, hour));
        }
        self.hours_by_user.len() < max
    }

    /// He has answered: what came of that partner was not unasked for.
    pub(super) fn give_back(&mut self, user: u64, count: u32) {
        if let Some(hour) = self.hours_by_user.get_mut(&user) {
            hour.count = hour.count.saturating_sub(count);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.hours_by_user.len()
    }
}

fn is_over(now_unix_ms: u64, hour: &Hour) -> bool {
    now_unix_ms.abs_diff(hour.began_unix_ms) >= WINDOW_MS
}

const SWEEP_MS: u64 = 60_000;
