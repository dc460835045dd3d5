//! The addresses of partners' servers, for as long as they are believed: a server that is spoken with is looked up again before
//! their time is over.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::memory::{Entry, Memory};
use super::{LIFE_MAX, LIFE_MIN};

/// Servers whose addresses are remembered.
pub const HOSTS_MAX: usize = 4096;
/// Addresses remembered of one server: the first, in the order in which to try them.
const ADDRESSES_MAX: usize = 32;

/// What the name servers say of a host. Never without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswer {
    /// In the order in which to try them.
    pub addresses: Vec<IpAddr>,
    /// The shortest of its records'.
    pub ttl: Duration,
}

/// Why no address of a server was found, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFailure {
    /// The name servers say that it has none.
    #[error("{0} has no address")]
    NoAddress(String),
    /// They do not say.
    #[error("{0}")]
    Unanswered(String),
}

/// Addresses by the name of their server.
#[derive(Debug)]
pub struct KnownHosts {
    memory: Memory<Vec<IpAddr>>,
}

impl Default for KnownHosts {
    fn default() -> KnownHosts {
        KnownHosts { memory: Memory::new(HOSTS_MAX) }
    }
}

impl KnownHosts {
    /// How often one made room for another.
    pub fn forgotten(&self) -> u64 {
        self.memory.forgotten()
    }

    /// What is known of a server and is believed, for somebody who goes there.
    pub fn lookup(&mut self, now: Instant, host: &str) -> Option<Vec<IpAddr>> {
        self.memory.mark_used(host);
        self.memory.get(host).filter(|known| now < known.expires).map(|known| known.value.clone())
    }

    /// What is to be believed of a server, now that the resolver has answered this: its answer, or if no name server gave one,
    /// what was known, for a day at most. That there is no address is an answer.
    ///
    /// # Errors
    /// The resolver's, where nothing is known.
    pub fn learn(
        &mut self,
        now: Instant,
        host: &str,
        answer: Result<HostAnswer, HostFailure>,
    ) -> Result<Vec<IpAddr>, HostFailure> {
        let known = self.memory.take(host);
        let entry = match answer {
            Ok(HostAnswer { mut addresses, ttl }) => {
                addresses.truncate(ADDRESSES_MAX);
                addresses.shrink_to_fit();
                Entry::new(now, addresses, ttl.clamp(LIFE_MIN, LIFE_MAX))
            }
            Err(error) => match known.filter(|known| known.may_go_on(now)) {
                Some(known) if matches!(error, HostFailure::Unanswered(_)) => known.gone_on(now, error.to_string()),
                _ => return Err(error),
            },
        };
        let addresses = entry.value.clone();
        self.memory.put(host.to_owned(), entry);
        Ok(addresses)
    }

    /// When the next server is to be looked up again.
    pub fn next_refresh(&self) -> Option<Instant> {
        self.memory.next_refresh()
    }

    /// The servers that are to be looked up again by now, and whether anybody went there since each was learnt. Each is given
    /// once for each answer.
    pub fn due(&mut self, now: Instant) -> Vec<(String, bool)> {
        self.memory.due(now)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;
    use crate::discovery::STALE_MAX;

    fn found() -> Result<HostAnswer, HostFailure> {
        Ok(HostAnswer { addresses: vec![[192, 0, 2, 1].into()], ttl: Duration::from_secs(100) })
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_was_found_last_stands_in_for_silence_and_not_for_a_no() {
        let start = Instant::now();
        let address: IpAddr = [192, 0, 2, 1].into();
        let mut hosts = KnownHosts::default();
        let silent = || Err(HostFailure::Unanswered("the name servers did not answer for a.example".to_owned()));
        assert!(hosts.learn(start, "a.example", silent()).is_err());
        assert_eq!(hosts.learn(start, "a.example", found()), Ok(vec![address]));
        let last = start + secs(100) + STALE_MAX - secs(1);
        assert_eq!(hosts.learn(last, "a.example", silent()), Ok(vec![address]));
        assert!(hosts.learn(last + secs(1), "a.example", silent()).is_err());
        assert_eq!(hosts.learn(start, "a.example", found()), Ok(vec![address]));
        assert!(hosts.learn(start, "a.example", Err(HostFailure::NoAddress("a.example".to_owned()))).is_err());
        assert!(hosts.learn(start, "a.example", silent()).is_err());
    }

    /// What a name server says by TCP may have some four thousand.
    #[test]
    fn of_a_server_with_many_addresses_the_first_few_are_remembered() {
        let start = Instant::now();
        let all: Vec<IpAddr> = (0..4_000_u32).map(|number| IpAddr::from(number.to_be_bytes())).collect();
        let mut hosts = KnownHosts::default();
        let answer = Ok(HostAnswer { addresses: all.clone(), ttl: secs(100) });
        assert_eq!(hosts.learn(start, "a.example", answer).as_deref(), Ok(&all[..ADDRESSES_MAX]));
        assert_eq!(hosts.lookup(start, "a.example").as_deref(), Some(&all[..ADDRESSES_MAX]));
        let kept = &hosts.memory.get("a.example").expect("it was learnt").value;
        assert!(kept.capacity() < 2 * ADDRESSES_MAX, "{}", kept.capacity());
    }

    #[test]
    fn nobody_waits_while_the_time_of_an_answer_is_not_over() {
        let start = Instant::now();
        let mut hosts = KnownHosts::default();
        assert_eq!(hosts.learn(start, "a.example", found()).map(|known| known.len()), Ok(1));
        assert!(hosts.lookup(start + secs(99), "a.example").is_some());
        assert_eq!(hosts.lookup(start + secs(100), "a.example"), None);
        assert_eq!(hosts.next_refresh(), Some(start + secs(90)));
        assert_eq!(hosts.due(start + secs(89)), []);
        assert_eq!(hosts.due(start + secs(90)), [("a.example".to_owned(), true)]);
        // Silence is asked about again in half a minute; until then nobody waits for it.
        assert!(hosts.learn(start + secs(99), "a.example", Err(HostFailure::Unanswered("silence".to_owned()))).is_ok());
        assert!(hosts.lookup(start + secs(128), "a.example").is_some());
        assert_eq!(hosts.lookup(start + secs(129), "a.example"), None);
    }
}
