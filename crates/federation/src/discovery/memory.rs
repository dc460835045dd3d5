//! What the name servers said, by name, for as long as it is believed: due to be asked for again before its time is over, and
//! believed on for a bounded time where they do not answer (serve-stale, RFC 8767).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How far beyond its own time an answer is believed, where asking again fails (RFC 8767 section 5: one to three days).
pub const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Until the name servers are asked again (RFC 8767 section 5: no more often than every 30 seconds).
const STALE_LIFE: Duration = Duration::from_secs(30);

/// Answers of one kind. When full, the one that would be the soonest to expire makes room.
#[derive(Debug)]
pub(super) struct Memory<T> {
    entries_by_name: BTreeMap<String, Entry<T>>,
    expiries: BTreeSet<(Instant, String)>,
    /// When to ask again so that nobody has to wait.
    refreshes: BTreeSet<(Instant, String)>,
    entries_max: usize,
    /// How often an entry made room.
    forgotten: u64,
}

#[derive(Debug)]
pub(super) struct Entry<T> {
    pub value: T,
    pub learnt: Instant,
    pub expires: Instant,
    refresh_at: Instant,
    /// Somebody asked for it since it was learnt.
    is_used: bool,
    pub stale: Option<Stale>,
}

/// An answer whose own time is over.
#[derive(Clone, Debug)]
pub(super) struct Stale {
    pub since: Instant,
    pub why: String,
}

impl<T> Memory<T> {
    pub fn new(entries_max: usize) -> Memory<T> {
        let (entries_by_name, expiries, refreshes) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Memory { entries_by_name, expiries, refreshes, entries_max, forgotten: 0 }
    }

    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.entries_by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries_by_name.iter().map(|(name, entry)| (name.as_str(), &entry.value))
    }

    /// Somebody makes use of it: it is worth asking for again.
    pub fn mark_used(&mut self, name: &str) {
        if let Some(entry) = self.entries_by_name.get_mut(name) {
            entry.is_used = true;
        }
    }

    /// The name must not be there: see [`Memory::take`].
    pub fn put(&mut self, name: String, entry: Entry<T>) {
        if self.entries_by_name.len() >= self.entries_max
            && let Some((_, soonest)) = self.expiries.first().cloned()
        {
            self.take(&soonest);
            self.forgotten += 1;
        }
        self.expiries.insert((entry.expires, name.clone()));
        self.refreshes.insert((entry.refresh_at, name.clone()));
        self.entries_by_name.insert(name, entry);
    }

    pub fn take(&mut self, name: &str) -> Option<Entry<T>> {
        let entry = self.entries_by_name.remove(name)?;
        self.expiries.remove(&(entry.expires, name.to_owned()));
        self.refreshes.remove(&(entry.refresh_at, name.to_owned()));
        Some(entry)
    }

    /// When the next entry is to be asked for again.
    pub fn next_refresh(&self) -> Option<Instant> {
        self.refreshes.first().map(|(at, _)| *at)
    }

    /// The names that are to be asked for again by now, and whether anybody asked for each since it was learnt. Each is given
    /// once for each answer.
    pub fn due(&mut self, now: Instant) -> Vec<(String, bool)> {
        let mut due = Vec::new();
        while let Some((at, name)) = self.refreshes.pop_first() {
            if at > now {
                self.refreshes.insert((at, name));
                break;
            }
            let is_used = self.entries_by_name.get(&name).is_some_and(|entry| entry.is_used);
            due.push((name, is_used));
        }
        due
    }

    pub fn len(&self) -> usize {
        self.entries_by_name.len()
    }

    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl<T> Entry<T> {
    pub fn new(now: Instant, value: T, life: Duration) -> Entry<T> {
        // The last tenth of its time is enough for an answer.
        let refresh_at = now + (life - life / 10);
        Entry { value, learnt: now, expires: now + life, refresh_at, is_used: false, stale: None }
    }

    fn stale_since(&self) -> Instant {
        self.stale.as_ref().map_or(self.expires, |stale| stale.since)
    }

    pub fn may_go_on(&self, now: Instant) -> bool {
        now < self.stale_since() + STALE_MAX
    }

    /// Believed until the name servers have been asked again.
    pub fn gone_on(self, now: Instant, why: String) -> Entry<T> {
        let since = self.stale_since();
        let expires = self.expires.max(now + STALE_LIFE).min(since + STALE_MAX);
        let refresh_at = now + (STALE_LIFE - STALE_LIFE / 10);
        Entry { expires, refresh_at, stale: Some(Stale { since, why }), ..self }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn a_full_memory_gives_up_the_soonest_to_expire() {
        let start = Instant::now();
        let mut memory = Memory::new(4);
        let entry = |secs| Entry::new(start, (), Duration::from_secs(secs));
        for (name, secs) in [("a", 30), ("b", 20), ("c", 30), ("d", 30), ("e", 10)] {
            memory.put(name.to_owned(), entry(secs));
        }
        assert!(memory.get("b").is_none() && memory.get("e").is_some());
        memory.take("e");
        memory.put("e".to_owned(), entry(40));
        assert_eq!((memory.len(), memory.expiries.len(), memory.refreshes.len(), memory.forgotten()), (4, 4, 4, 1));
    }
}
