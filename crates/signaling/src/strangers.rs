//! What each address has sent lately that proved nobody: an edge that lets users in from outside asks their home about it, and
//! one address must not make it ask without end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use federation::flow::network_of;

/// Requests of each address, in the time that is counted now.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    counted_since: Option<Instant>,
    counts_by_address: BTreeMap<IpAddr, u32>,
    /// Of all addresses that found no place of their own.
    others: u32,
}

impl Strangers {
    /// Counts one more; whether it is not one too many.
    pub(crate) fn take(&mut self, now: Instant, address: IpAddr, max: u32) -> bool {
        if self.counted_since.is_none_or(|since| now.saturating_duration_since(since) >= COUNTED_TIME) {
            *self = Strangers { counted_since: Some(now), ..Strangers::default() };
        }
        let network = network_of(address);
        let has_place = self.counts_by_address.len() < ADDRESSES_MAX || self.counts_by_address.contains_key(&network);
        let count = if has_place { self.counts_by_address.entry(network).or_default() } else { &mut self.others };
        *count = count.saturating_add(1);
        *count <= max
    }
}

const COUNTED_TIME: Duration = Duration::from_secs(10);
const ADDRESSES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is read once, for a moment to count from.
    #[allow(clippy::disallowed_methods)]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn each_network_has_so_many_in_a_while_and_takes_none_of_another_s() {
        let (mut strangers, now) = (Strangers::default(), now());
        let mut take = |at, address: &str| strangers.take(at, address.parse().expect("an address"), 2);
        assert_eq!([1, 2, 3].map(|_| take(now, "192.0.2.1")), [true, true, false]);
        assert!(take(now, "192.0.2.2"));
        assert!(!take(now, "::ffff:192.0.2.1"), "the same by another name");
        assert_eq!(["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|ip| take(now, ip)), [true, true, false]);
        assert!(take(now, "2001:db8:0:1::1"));
        assert!(take(now + COUNTED_TIME, "192.0.2.1"));
    }

    #[test]
    fn who_finds_no_place_shares_one_with_all_others() {
        let (mut strangers, now) = (Strangers::default(), now());
        for number in 0..u32::try_from(ADDRESSES_MAX).expect("a few") {
            assert!(strangers.take(now, IpAddr::from(number.to_be_bytes()), 1));
        }
        assert!(strangers.take(now, "203.0.113.1".parse().expect("an address"), 1));
        assert!(!strangers.take(now, "203.0.113.2".parse().expect("an address"), 1));
        assert_eq!(strangers.counts_by_address.len(), ADDRESSES_MAX);
    }
}
