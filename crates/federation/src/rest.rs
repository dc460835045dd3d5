//! Servers of partners that have asked for rest: a 503 with Retry-After (RFC 3261 section 21.5.4). Unlike one that failed, such a
//! server is asked for nothing new until then, and hearing from the partner does not end it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain_name;
use crate::route::NextHopTarget;

/// Servers that rest, of all partners; beyond these a 503 counts as a failure alone.
pub const RESTS_MAX: usize = 4096;
/// Whoever asks for more gets this much: a number typed wrong, or a 503 of a phone that its server passes on, is not to keep a whole
/// partner away for a year.
pub const REST_MAX: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub struct Rests {
    until_by_server: BTreeMap<(String, NextHopTarget), Instant>,
    /// How often there was no room for one.
    full: u64,
}

impl Rests {
    /// The server of this domain, as its own canonical name, asked for so much rest.
    pub fn begin(&mut self, now: Instant, domain: &str, target: &NextHopTarget, time: Duration) {
        if self.until_by_server.len() >= RESTS_MAX {
            self.until_by_server.retain(|_, until| now < *until);
        }
        match self.until_by_server.len() < RESTS_MAX {
            _ if time.is_zero() => {}
            true => drop(self.until_by_server.insert((domain.to_owned(), target.clone()), now + time.min(REST_MAX))),
            false => self.full += 1,
        }
    }

    /// How often there was no room for a further server.
    pub fn full(&self) -> u64 {
        self.full
    }

    /// How much longer the server rests, if it does.
    pub fn left(&self, now: Instant, domain: &str, target: &NextHopTarget) -> Option<Duration> {
        if self.until_by_server.is_empty() {
            return None;
        }
        let until = self.until_by_server.get(&(domain.to_owned(), target.clone()))?;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Those that rest go to the end. `Err`: all do, the first of them for so long.
    ///
    /// # Errors
    /// The shortest time that any of them still rests.
    pub fn order(
        &self,
        now: Instant,
        domain: &str,
        targets: Vec<NextHopTarget>,
    ) -> Result<Vec<NextHopTarget>, Duration> {
        let left = |target: &NextHopTarget| self.left(now, domain, target);
        let (resting, mut ready): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| left(target).is_some());
        if ready.is_empty()
            && let Some(shortest) = resting.iter().filter_map(left).min()
        {
            return Err(shortest);
        }
        ready.extend(resting);
        Ok(ready)
    }

    /// Forgets a domain's.
    pub fn forget(&mut self, domain: &str) {
        let domain = domain_name::canonical(domain);
        self.until_by_server.retain(|(known, _), _| *known != domain);
    }

    /// Keeps what is known of these domains alone.
    pub fn retain_domains(&mut self, keep: impl Fn(&str) -> bool) {
        self.until_by_server.retain(|(domain, _), _| keep(domain));
    }
}

/// The seconds of a Retry-After, whatever comment and parameters follow (RFC 3261 section 20.33).
pub fn retry_after(value: &str) -> Option<Duration> {
    let digits: String = value.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    const DOMAIN: &str = "fabrikam.example";

    fn target(host: &str) -> NextHopTarget {
        NextHopTarget { host: host.to_owned(), port: 5061 }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_retry_after_is_read_with_whatever_follows_it() {
        let read = ["120", " 18000;duration=3600", "120 (I'm in a meeting)", "soon", ""].map(retry_after);
        assert_eq!(read, [Some(secs(120)), Some(secs(18_000)), Some(secs(120)), None, None]);
    }

    #[test]
    fn what_rests_comes_last_and_all_that_rest_are_not_asked() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        let order = |rests: &Rests, now| rests.order(now, DOMAIN, vec![target("a"), target("b")]);
        rests.begin(now, DOMAIN, &target("a"), secs(30));
        assert_eq!(order(&rests, now), Ok(vec![target("b"), target("a")]));
        rests.begin(now, DOMAIN, &target("b"), secs(10));
        assert_eq!(order(&rests, now), Err(secs(10)));
        assert_eq!(order(&rests, now + secs(10)), Ok(vec![target("b"), target("a")]));
        assert_eq!(order(&rests, now + secs(30)), Ok(vec![target("a"), target("b")]));
        assert_eq!(rests.left(now, "adatum.example", &target("a")), None, "each domain by itself");
        rests.forget("Fabrikam.Example.");
        assert_eq!(order(&rests, now), Ok(vec![target("a"), target("b")]));
    }

    #[test]
    fn nobody_rests_for_longer_than_five_minutes_and_so_many_do() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        for number in 0..=RESTS_MAX {
            rests.begin(now, DOMAIN, &target(&number.to_string()), secs(1 << 40));
        }
        assert_eq!(rests.until_by_server.len(), RESTS_MAX);
        assert_eq!(rests.left(now, DOMAIN, &target("0")), Some(REST_MAX));
        rests.begin(now + REST_MAX, DOMAIN, &target("late"), secs(5));
        assert_eq!(rests.until_by_server.len(), 1, "those that have rested make room");
    }
}
