//! What discovery found, for as long as it is believed: refreshed in time while its domain is in use, and believed on for a
//! bounded time where the name servers do not answer (serve-stale, RFC 8767).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{SrvResult, life};
use crate::domain_name;

/// Domains remembered at once.
pub const CACHE_ENTRIES_MAX: usize = 4096;

/// What discovery found, per domain, successes and failures alike. When full, the entry that would be
/// the soonest to expire makes room.
#[derive(Debug, Default)]
pub struct DiscoveryCache {
    entries_by_domain: BTreeMap<String, CacheEntry>,
    expiries: BTreeSet<(Instant, String)>,
    /// When to ask again so that nobody has to wait.
    refreshes: BTreeSet<(Instant, String)>,
}

#[derive(Debug)]
struct CacheEntry {
    result: SrvResult,
    expires: Instant,
    refresh_at: Instant,
    /// Somebody asked for it since it was learnt.
    is_used: bool,
    stale: Option<Stale>,
}

/// An answer whose own time is over.
#[derive(Clone, Debug)]
struct Stale {
    since: Instant,
    why: String,
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    Usual,
    /// The name servers do not answer: what was known before goes on being believed.
    Stale,
    /// They answer again.
    Fresh,
}

/// One entry, for whoever looks at it.
#[derive(Clone, Debug)]
pub struct Remembered<'a> {
    pub result: &'a SrvResult,
    /// When it ceases to be believed, unless it is refreshed.
    pub expires: Instant,
    /// Since when its own time is over, and how asking again failed.
    pub stale: Option<(Instant, &'a str)>,
}

impl DiscoveryCache {
    pub fn new() -> DiscoveryCache {
        DiscoveryCache::default()
    }

    /// What is known of the domain and is believed.
    pub fn lookup(&self, now: Instant, domain: &str) -> Option<&SrvResult> {
        self.remembered(domain).filter(|found| now < found.expires).map(|found| found.result)
    }

    /// What is known of the domain, believed or not.
    pub fn remembered(&self, domain: &str) -> Option<Remembered<'_>> {
        self.entries_by_domain.get(&domain_name::canonical(domain)).map(CacheEntry::remembered)
    }

    /// The domain is spoken with: it is worth asking for again.
    pub fn mark_used(&mut self, domain: &str) {
        if let Some(entry) = self.entries_by_domain.get_mut(&domain_name::canonical(domain)) {
            entry.is_used = true;
        }
    }

    /// Remembers a result for as long as [`life`] says. A failure to find out leaves an answer that is known in force, up to
    /// [`STALE_MAX`] beyond its own time.
    pub fn insert(&mut self, now: Instant, domain: &str, result: SrvResult) -> Learnt {
        let domain = domain_name::canonical(domain);
        let before = self.take(&domain);
        let was_stale = before.as_ref().is_some_and(|entry| entry.stale.is_some());
        let (entry, learnt) = match (before, &result) {
            (Some(known), Err(failure)) if failure.is_temporary() && known.may_go_on(now) => {
                let learnt = if was_stale { Learnt::Usual } else { Learnt::Stale };
                (known.gone_on(now, failure.to_string()), learnt)
            }
            _ => (CacheEntry::new(now, result), if was_stale { Learnt::Fresh } else { Learnt::Usual }),
        };
        if self.entries_by_domain.len() >= CACHE_ENTRIES_MAX
            && let Some((_, soonest)) = self.expiries.first().cloned()
        {
            self.take(&soonest);
        }
        self.expiries.insert((entry.expires, domain.clone()));
        self.refreshes.insert((entry.refresh_at, domain.clone()));
        self.entries_by_domain.insert(domain, entry);
        learnt
    }

    /// When the next entry is to be asked for again.
    pub fn next_refresh(&self) -> Option<Instant> {
        self.refreshes.first().map(|(at, _)| *at)
    }

    /// The domains that are to be asked for again by now, and whether anybody asked for each since it was learnt. Each is
    /// given once for each result.
    pub fn due(&mut self, now: Instant) -> Vec<(String, bool)> {
        let mut due = Vec::new();
        while let Some((at, domain)) = self.refreshes.pop_first() {
            if at > now {
                self.refreshes.insert((at, domain));
                break;
            }
            let is_used = self.entries_by_domain.get(&domain).is_some_and(|entry| entry.is_used);
            due.push((domain, is_used));
        }
        due
    }

    /// Forgets one domain, as when an administrator clears what was learnt about a partner.
    pub fn forget(&mut self, domain: &str) {
        self.take(&domain_name::canonical(domain));
    }

    fn take(&mut self, domain: &str) -> Option<CacheEntry> {
        let entry = self.entries_by_domain.remove(domain)?;
        self.expiries.remove(&(entry.expires, domain.to_owned()));
        self.refreshes.remove(&(entry.refresh_at, domain.to_owned()));
        Some(entry)
    }

    pub fn len(&self) -> usize {
        self.entries_by_domain.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries_by_domain.is_empty()
    }
}

impl CacheEntry {
    fn new(now: Instant, result: SrvResult) -> CacheEntry {
        let life = life(&result);
        // The last tenth of its time is enough for an answer.
        let refresh_at = now + (life - life / 10);
        CacheEntry { result, expires: now + life, refresh_at, is_used: false, stale: None }
    }

    fn remembered(&self) -> Remembered<'_> {
        let stale = self.stale.as_ref().map(|stale| (stale.since, stale.why.as_str()));
        Remembered { result: &self.result, expires: self.expires, stale }
    }

    fn stale_since(&self) -> Instant {
        self.stale.as_ref().map_or(self.expires, |stale| stale.since)
    }

    fn may_go_on(&self, now: Instant) -> bool {
        self.result.is_ok() && now < self.stale_since() + STALE_MAX
    }

    /// Believed until the name servers have been asked again.
    fn gone_on(self, now: Instant, why: String) -> CacheEntry {
        let since = self.stale_since();
        let expires = self.expires.max(now + STALE_LIFE).min(since + STALE_MAX);
        let refresh_at = now + (STALE_LIFE - STALE_LIFE / 10);
        CacheEntry { expires, refresh_at, stale: Some(Stale { since, why }), ..self }
    }
}

/// How far beyond its own time an answer is believed, where asking again fails (RFC 8767 section 5: one to three days).
pub const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Until the name servers are asked again (RFC 8767 section 5: no more often than every 30 seconds).
const STALE_LIFE: Duration = Duration::from_secs(30);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;
    use crate::discovery::SrvFailure;
    use crate::discovery::tests::answer;

    #[test]
    fn the_cache_forgets_on_expiry_and_on_demand() {
        let start = Instant::now();
        let mut cache = DiscoveryCache::new();
        cache.insert(start, "Fabrikam.com.", answer(10));
        cache.insert(start, "tailspin.com", Err(SrvFailure::NoRecord));
        assert_eq!(cache.lookup(start + Duration::from_secs(9), "fabrikam.com"), Some(&answer(10)));
        assert_eq!(cache.lookup(start + Duration::from_secs(10), "fabrikam.com"), None);
        assert!(cache.lookup(start, "tailspin.com").is_some());
        cache.forget("tailspin.com");
        assert_eq!(cache.lookup(start, "tailspin.com"), None);
        assert_eq!(cache.expiries.len(), cache.len());
    }

    #[test]
    fn a_full_cache_evicts_the_soonest_to_expire() {
        let start = Instant::now();
        let mut cache = DiscoveryCache::new();
        for i in 0..CACHE_ENTRIES_MAX {
            cache.insert(start, &format!("d{i}.example"), answer(if i == 7 { 20 } else { 30 }));
        }
        cache.insert(start, "late.example", answer(10));
        assert_eq!(cache.len(), CACHE_ENTRIES_MAX);
        assert_eq!(cache.lookup(start, "d7.example"), None);
        assert!(cache.lookup(start, "late.example").is_some());
        cache.insert(start, "late.example", answer(40));
        assert_eq!((cache.len(), cache.expiries.len()), (CACHE_ENTRIES_MAX, CACHE_ENTRIES_MAX));
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_is_known_is_due_once_before_its_time_ends_with_whether_it_was_used() {
        let start = Instant::now();
        let mut cache = DiscoveryCache::new();
        cache.insert(start, "used.example", answer(100));
        cache.insert(start, "idle.example", answer(200));
        cache.mark_used("used.example");
        assert_eq!(cache.next_refresh(), Some(start + secs(90)));
        assert_eq!(cache.due(start + secs(89)), []);
        assert_eq!(cache.due(start + secs(90)), [("used.example".to_owned(), true)]);
        assert_eq!(cache.due(start + secs(95)), []);
        assert_eq!(cache.due(start + secs(180)), [("idle.example".to_owned(), false)]);
        cache.insert(start + secs(181), "used.example", answer(100));
        assert_eq!(cache.due(start + secs(271)), [("used.example".to_owned(), false)]);
    }

    #[test]
    fn where_the_name_servers_are_silent_what_is_known_is_believed_on_for_a_day() {
        let start = Instant::now();
        let mut cache = DiscoveryCache::new();
        cache.insert(start, "fabrikam.com", answer(100));
        let silent = || Err(SrvFailure::Timeout);
        assert_eq!(cache.insert(start + secs(95), "fabrikam.com", silent()), Learnt::Stale);
        assert!(cache.lookup(start + secs(124), "fabrikam.com").is_some_and(Result::is_ok));
        assert_eq!(cache.lookup(start + secs(125), "fabrikam.com"), None, "they are asked again");
        assert_eq!(cache.next_refresh(), Some(start + secs(122)));
        assert_eq!(cache.insert(start + secs(125), "fabrikam.com", silent()), Learnt::Usual, "told once");
        let found = cache.remembered("fabrikam.com").unwrap();
        assert_eq!(found.stale, Some((start + secs(100), "the SRV lookup timed out")));
        let last = start + secs(100) + STALE_MAX;
        cache.insert(last - secs(1), "fabrikam.com", silent());
        assert!(cache.lookup(last - secs(1), "fabrikam.com").is_some_and(Result::is_ok));
        assert_eq!(cache.lookup(last, "fabrikam.com"), None);
        cache.insert(last, "fabrikam.com", silent());
        assert!(cache.lookup(last, "fabrikam.com").is_some_and(Result::is_err));
    }

    #[test]
    fn a_name_server_that_answers_is_believed_at_once_whatever_it_says() {
        let start = Instant::now();
        for said in [answer(50), Err(SrvFailure::NoRecord)] {
            let mut cache = DiscoveryCache::new();
            cache.insert(start, "fabrikam.com", answer(100));
            cache.insert(start + secs(95), "fabrikam.com", Err(SrvFailure::Timeout));
            assert_eq!(cache.insert(start + secs(122), "fabrikam.com", said.clone()), Learnt::Fresh);
            assert_eq!(cache.lookup(start + secs(122), "fabrikam.com"), Some(&said));
            assert!(cache.remembered("fabrikam.com").unwrap().stale.is_none());
        }
        // What was no answer is not held to.
        let mut cache = DiscoveryCache::new();
        cache.insert(start, "fabrikam.com", Err(SrvFailure::NoRecord));
        assert_eq!(cache.insert(start + secs(1), "fabrikam.com", Err(SrvFailure::Timeout)), Learnt::Usual);
        assert_eq!(cache.lookup(start + secs(1), "fabrikam.com"), Some(&Err(SrvFailure::Timeout)));
    }
}
