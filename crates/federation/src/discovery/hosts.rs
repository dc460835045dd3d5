//! The addresses of partners' servers as they were found last, for when the name servers do not answer (RFC 8767). For how long
//! an answer holds otherwise, the resolver knows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::cache::STALE_MAX;

/// Servers whose addresses are remembered; when full, the one that was looked up the longest ago makes room.
pub const HOSTS_MAX: usize = 4096;

/// Addresses by the name of their server.
#[derive(Debug, Default)]
pub struct KnownHosts {
    found_by_host: BTreeMap<String, (Instant, Vec<IpAddr>)>,
}

impl KnownHosts {
    /// What is to be believed of a server, now that the resolver has answered this: its answer, or if no name server gave one,
    /// what was known, for a day at most. That there is no address is an answer.
    ///
    /// # Errors
    /// The resolver's, where nothing is known.
    pub fn believed(
        &mut self,
        now: Instant,
        host: &str,
        answer: Result<Vec<IpAddr>, String>,
    ) -> Result<Vec<IpAddr>, String> {
        match answer {
            Ok(addresses) => {
                self.remember(now, host, addresses.clone());
                Ok(addresses)
            }
            Err(error) if error.contains(NO_ADDRESS) => {
                self.found_by_host.remove(host);
                Err(error)
            }
            Err(error) => match self.found_by_host.get(host) {
                Some((found, addresses)) if now < *found + STALE_MAX => Ok(addresses.clone()),
                _ => Err(error),
            },
        }
    }

    fn remember(&mut self, now: Instant, host: &str, addresses: Vec<IpAddr>) {
        if self.found_by_host.len() >= HOSTS_MAX && !self.found_by_host.contains_key(host) {
            let oldest = self.found_by_host.iter().min_by_key(|(_, (found, _))| *found).map(|(host, _)| host.clone());
            oldest.map(|oldest| self.found_by_host.remove(&oldest));
        }
        self.found_by_host.insert(host.to_owned(), (now, addresses));
    }
}

/// In the resolver's words where the name servers say that there is none.
const NO_ADDRESS: &str = "no address";

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_found_last_stands_in_for_silence_and_not_for_a_no() {
        let start = Instant::now();
        let address: IpAddr = [192, 0, 2, 1].into();
        let mut hosts = KnownHosts::default();
        let silent = || Err("the name servers did not answer for a.example".to_owned());
        assert!(hosts.believed(start, "a.example", silent()).is_err());
        assert_eq!(hosts.believed(start, "a.example", Ok(vec![address])), Ok(vec![address]));
        let last = start + STALE_MAX - Duration::from_secs(1);
        assert_eq!(hosts.believed(last, "a.example", silent()), Ok(vec![address]));
        assert!(hosts.believed(start + STALE_MAX, "a.example", silent()).is_err());
        assert!(hosts.believed(last, "a.example", Err("a.example has no address".to_owned())).is_err());
        assert!(hosts.believed(last, "a.example", silent()).is_err());
    }

    #[test]
    fn so_many_servers_are_remembered() {
        let start = Instant::now();
        let mut hosts = KnownHosts::default();
        for n in 0..=HOSTS_MAX as u64 {
            let _ = hosts.believed(start + Duration::from_millis(n), &format!("{n}.example"), Ok(vec![]));
        }
        assert_eq!(hosts.found_by_host.len(), HOSTS_MAX);
        assert!(!hosts.found_by_host.contains_key("0.example"));
    }
}
