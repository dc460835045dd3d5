//! What discovery found, for as long as it is believed: refreshed in time while its domain is in use.

use std::time::Instant;

use super::memory::{Entry, Memory};
use super::{SrvAnswer, SrvResult, life};
use crate::domain_name;

/// Domains remembered at once.
pub const CACHE_ENTRIES_MAX: usize = 4096;

/// What discovery found, per domain, successes and failures alike.
#[derive(Debug)]
pub struct DiscoveryCache {
    memory: Memory<SrvResult>,
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
    /// When the name servers said so.
    pub learnt: Instant,
    /// When it ceases to be believed, unless it is refreshed.
    pub expires: Instant,
    /// Since when its own time is over, and how asking again failed.
    pub stale: Option<(Instant, &'a str)>,
}

impl Default for DiscoveryCache {
    fn default() -> DiscoveryCache {
        DiscoveryCache { memory: Memory::new(CACHE_ENTRIES_MAX) }
    }
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
        let entry = self.memory.get(&domain_name::canonical(domain))?;
        let stale = entry.stale.as_ref().map(|stale| (stale.since, stale.why.as_str()));
        Some(Remembered { result: &entry.value, learnt: entry.learnt, expires: entry.expires, stale })
    }

    /// Every domain with what is known of it, believed or not.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SrvResult)> {
        self.memory.iter()
    }

    /// The domain is spoken with: it is worth asking for again.
    pub fn mark_used(&mut self, domain: &str) {
        self.memory.mark_used(&domain_name::canonical(domain));
    }

    /// Remembers a result for as long as [`life`] says. A failure to find out leaves an answer that is known in force, up to
    /// [`STALE_MAX`](super::STALE_MAX) beyond its own time.
    pub fn insert(&mut self, now: Instant, domain: &str, result: SrvResult) -> Learnt {
        let (domain, result) = (domain_name::canonical(domain), result.map(SrvAnswer::within_limits));
        let before = self.memory.take(&domain);
        let was_stale = before.as_ref().is_some_and(|entry| entry.stale.is_some());
        let (entry, learnt) = match (before, &result) {
            (Some(known), Err(failure)) if failure.is_temporary() && known.value.is_ok() && known.may_go_on(now) => {
                let learnt = if was_stale { Learnt::Usual } else { Learnt::Stale };
                (known.gone_on(now, failure.to_string()), learnt)
            }
            _ => {
                let life = life(&result);
                (Entry::new(now, result, life), if was_stale { Learnt::Fresh } else { Learnt::Usual })
            }
        };
        self.memory.put(domain, entry);
        learnt
    }

    /// When the next entry is to be asked for again.
    pub fn next_refresh(&self) -> Option<Instant> {
        self.memory.next_refresh()
    }

    /// The domains that are to be asked for again by now, and whether anybody asked for each since it was learnt. Each is
    /// given once for each result.
    pub fn due(&mut self, now: Instant) -> Vec<(String, bool)> {
        self.memory.due(now)
    }

    /// Forgets one domain, as when an administrator clears what was learnt about a partner.
    pub fn forget(&mut self, domain: &str) {
        self.memory.take(&domain_name::canonical(domain));
    }

    /// How often one made room for another.
    pub fn forgotten(&self) -> u64 {
        self.memory.forgotten()
    }

    pub fn len(&self) -> usize {
        self.memory.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::discovery::tests::answer;
    use crate::discovery::{SRV_TARGETS_MAX, STALE_MAX, SrvFailure, SrvTarget};

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
    }

    /// As much as fits into what a name server says by TCP.
    #[test]
    fn of_a_huge_answer_the_targets_that_are_considered_are_remembered() {
        let target = |number: u16| SrvTarget {
            priority: number / 2,
            weight: 1 - number % 2,
            port: 5061,
            host: format!("{number}.example"),
        };
        let Ok(usual) = answer(100) else { panic!("an answer") };
        let huge = SrvAnswer { targets: (0..3_000).rev().map(target).collect(), ..usual };
        let (start, mut cache) = (Instant::now(), DiscoveryCache::new());
        cache.insert(start, "a.example", Ok(huge));
        let Some(Ok(kept)) = cache.lookup(start, "a.example") else { panic!("it is remembered") };
        let hosts: BTreeSet<&str> = kept.targets.iter().map(|target| target.host.as_str()).collect();
        let best: Vec<String> = (0..SRV_TARGETS_MAX).map(|number| format!("{number}.example")).collect();
        assert_eq!(hosts, best.iter().map(String::as_str).collect());
        assert!(kept.targets.capacity() < 2 * SRV_TARGETS_MAX, "{}", kept.targets.capacity());
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
