//! Which targets of partners failed lately: what is to be tried last, and for how long.
//!
//! A target that failed is tried last, never left out. It is forgotten as soon as its partner is heard from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::domain_name;
use crate::route::NextHopTarget;

/// Failures remembered at once, of all partners; when full, the one that weighs least makes room.
pub const HEALTH_ENTRIES_MAX: usize = 4096;

/// What failed, for which domain: a target as a whole, or one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub domain: String,
    pub target: NextHopTarget,
    /// `None`: the target as a whole, all of its addresses or none found.
    pub address: Option<IpAddr>,
}

/// How a place failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In a row.
    pub failures: u32,
    pub last_failure: Instant,
    /// Until then it is tried last.
    pub avoided_until: Instant,
    /// For the operator.
    pub reason: String,
}

/// The places that failed lately.
#[derive(Debug, Default)]
pub struct Health {
    troubles_by_place: BTreeMap<Place, Trouble>,
    /// How often one made room for another.
    forgotten: u64,
}

impl Health {
    /// The place failed: it is tried last for a second, and twice as long with each failure that follows.
    pub fn failed(&mut self, now: Instant, place: Place, reason: impl Into<String>) {
        let before = self.troubles_by_place.get(&place).filter(|trouble| now < trouble.avoided_until + MEMORY);
        let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
        let reason = reason.into().chars().take(REASON_CHARS_MAX).collect();
        let trouble = Trouble { failures, last_failure: now, avoided_until: now + backoff(failures), reason };
        if self.troubles_by_place.len() >= HEALTH_ENTRIES_MAX && !self.troubles_by_place.contains_key(&place) {
            self.make_room();
            self.forgotten += 1;
        }
        self.troubles_by_place.insert(place, trouble);
    }

    /// Those that did not fail lately in the order given, then the others, the one first that is avoided least long.
    pub fn order_targets(&self, now: Instant, domain: &str, targets: Vec<NextHopTarget>) -> Vec<NextHopTarget> {
        let place = |target: &NextHopTarget| Place { domain: domain.to_owned(), target: target.clone(), address: None };
        self.order(now, targets, place)
    }

    /// The same for the addresses of one target.
    pub fn order_addresses(
        &self,
        now: Instant,
        domain: &str,
        target: &NextHopTarget,
        addresses: Vec<IpAddr>,
    ) -> Vec<IpAddr> {
        let place =
            |address: &IpAddr| Place { domain: domain.to_owned(), target: target.clone(), address: Some(*address) };
        self.order(now, addresses, place)
    }

    fn order<T>(&self, now: Instant, mut items: Vec<T>, place: impl Fn(&T) -> Place) -> Vec<T> {
        if !self.troubles_by_place.is_empty() {
            // The sort is stable: what is equally well keeps the order that discovery gave it.
            items.sort_by_cached_key(|item| {
                let trouble = self.troubles_by_place.get(&place(item));
                trouble.map(|trouble| trouble.avoided_until).filter(|until| now < *until)
            });
        }
        items
    }

    /// This very target answers.
    pub fn answers(&mut self, domain: &str, target: &NextHopTarget, address: IpAddr) {
        if self.troubles_by_place.is_empty() {
            return;
        }
        let mut place = Place { domain: domain.to_owned(), target: target.clone(), address: None };
        self.troubles_by_place.remove(&place);
        place.address = Some(address);
        self.troubles_by_place.remove(&place);
    }

    /// Forgets a whole domain; answers how many places that were.
    pub fn forget(&mut self, domain: &str) -> usize {
        let before = self.troubles_by_place.len();
        if before > 0 {
            let domain = domain_name::canonical(domain);
            self.troubles_by_place.retain(|place, _| place.domain != domain);
        }
        before - self.troubles_by_place.len()
    }

    /// Keeps what is known of these domains alone.
    pub fn retain_domains(&mut self, keep: impl Fn(&str) -> bool) {
        self.troubles_by_place.retain(|place, _| keep(&place.domain));
    }

    pub fn of_domain(&self, domain: &str) -> impl Iterator<Item = (&Place, &Trouble)> {
        let domain = domain_name::canonical(domain);
        self.troubles_by_place.iter().filter(move |(place, _)| place.domain == domain)
    }

    /// Of whichever domains it was to be reached for.
    pub fn at_host(&self, host: &str) -> impl Iterator<Item = (&Place, &Trouble)> {
        self.troubles_by_place.iter().filter(move |(place, _)| domain_name::same(&place.target.host, host))
    }

    /// Whether anything of the domain failed.
    pub fn is_troubled(&self, domain: &str) -> bool {
        !self.troubles_by_place.is_empty() && self.of_domain(domain).next().is_some()
    }

    pub fn len(&self) -> usize {
        self.troubles_by_place.len()
    }

    pub fn is_empty(&self) -> bool {
        self.troubles_by_place.is_empty()
    }

    /// How often a failure was forgotten for another.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn make_room(&mut self) {
        let least = self.troubles_by_place.iter().min_by_key(|(_, trouble)| trouble.avoided_until);
        if let Some(place) = least.map(|(place, _)| place.clone()) {
            self.troubles_by_place.remove(&place);
        }
    }
}

/// How long a place is tried last after so many failures in a row.
pub fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(BACKOFF_DOUBLINGS_MAX);
    (BACKOFF_FIRST * (1 << doublings)).min(BACKOFF_MAX)
}

const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// 512 seconds, more than the maximum.
const BACKOFF_DOUBLINGS_MAX: u32 = 9;
/// A failure longer ago than this, after its time to be avoided, does not count towards the next.
const MEMORY: Duration = BACKOFF_MAX;
const REASON_CHARS_MAX: usize = 400;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    const DOMAIN: &str = "fabrikam.example";

    fn target(host: &str) -> NextHopTarget {
        NextHopTarget { host: host.to_owned(), port: 5061 }
    }

    fn place(host: &str, address: Option<IpAddr>) -> Place {
        Place { domain: DOMAIN.to_owned(), target: target(host), address }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn hosts(health: &Health, now: Instant) -> Vec<String> {
        let ordered = health.order_targets(now, DOMAIN, ["a", "b", "c"].map(target).into());
        ordered.into_iter().map(|target| target.host).collect()
    }

    #[test]
    fn the_time_doubles_from_a_second_to_five_minutes() {
        let times: Vec<u64> = (1..=11).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }

    #[test]
    fn what_failed_is_tried_last_and_in_its_time_as_ever() {
        let start = Instant::now();
        let mut health = Health::default();
        health.failed(start, place("a", None), "refused");
        assert_eq!(hosts(&health, start), ["b", "c", "a"]);
        health.failed(start, place("b", None), "refused");
        health.failed(start, place("b", None), "refused");
        assert_eq!(hosts(&health, start), ["c", "a", "b"], "the one first that is avoided least long");
        assert_eq!(hosts(&health, start + secs(1)), ["a", "c", "b"]);
        assert_eq!(hosts(&health, start + secs(2)), ["a", "b", "c"]);
    }

    #[test]
    fn an_address_fails_by_itself_and_for_one_domain() {
        let start = Instant::now();
        let [first, second] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        let mut health = Health::default();
        health.failed(start, place("a", Some(first)), "timed out");
        let order = |domain: &str| health.order_addresses(start, domain, &target("a"), vec![first, second]);
        assert_eq!(order(DOMAIN), [second, first]);
        assert_eq!(order("adatum.example"), [first, second]);
        assert_eq!(hosts(&health, start), ["a", "b", "c"]);
    }

    #[test]
    fn an_old_failure_does_not_count_towards_the_next() {
        let start = Instant::now();
        let mut health = Health::default();
        let failures = |health: &Health| health.of_domain(DOMAIN).next().map(|(_, trouble)| trouble.failures);
        health.failed(start, place("a", None), "refused");
        health.failed(start + secs(60), place("a", None), "refused");
        assert_eq!(failures(&health), Some(2));
        health.failed(start + secs(60 + 2 + 300), place("a", None), "refused");
        assert_eq!(failures(&health), Some(1));
    }

    #[test]
    fn an_answer_clears_its_target_and_hearing_from_the_partner_clears_all() {
        let start = Instant::now();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut health = Health::default();
        for host in ["a", "b"] {
            health.failed(start, place(host, None), "refused");
            health.failed(start, place(host, Some(address)), "refused");
        }
        health.answers(DOMAIN, &target("a"), address);
        assert_eq!(hosts(&health, start), ["a", "c", "b"]);
        assert_eq!(health.len(), 2);
        assert_eq!(health.forget("adatum.example"), 0);
        health.retain_domains(|domain| domain == DOMAIN);
        assert_eq!(health.forget("Fabrikam.Example."), 2);
        assert!(health.is_empty() && !health.is_troubled(DOMAIN));
        health.failed(start, place("a", None), "refused");
        health.retain_domains(|domain| domain != DOMAIN);
        assert!(health.is_empty());
    }

    #[test]
    fn a_full_table_forgets_what_weighs_least() {
        let start = Instant::now();
        let mut health = Health::default();
        for number in 0..HEALTH_ENTRIES_MAX {
            health.failed(start, place(&number.to_string(), None), "refused");
            if number != 7 {
                health.failed(start, place(&number.to_string(), None), "refused");
            }
        }
        health.failed(start, place("late", None), "r".repeat(10_000));
        assert_eq!((health.len(), health.forgotten()), (HEALTH_ENTRIES_MAX, 1));
        assert!(!health.troubles_by_place.contains_key(&place("7", None)));
        assert_eq!(health.troubles_by_place[&place("late", None)].reason.len(), REASON_CHARS_MAX);
    }
}
