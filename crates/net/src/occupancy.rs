//! How many stream connections a worker holds, in all and by the network that they come from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use federation::flow::network_of;

use crate::Limits;

/// The count, shared by everything on the worker's thread that holds a [`Permit`].
#[derive(Clone, Default)]
pub(crate) struct Occupancy {
    counts: Rc<RefCell<Counts>>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
pub(crate) struct Permit {
    network: IpAddr,
    counts: Rc<RefCell<Counts>>,
}

/// Which limit a connection would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Total,
    Ip,
}

impl Occupancy {
    pub(crate) fn admit(&self, ip: IpAddr, limits: &Limits) -> Result<Permit, Full> {
        let counts = self.counts.borrow();
        if counts.total >= limits.connections_max {
            return Err(Full::Total);
        }
        if counts.by_network.get(&network_of(ip)).is_some_and(|count| *count >= limits.connections_per_ip_max) {
            return Err(Full::Ip);
        }
        drop(counts);
        Ok(self.enter(ip))
    }

    /// Returns when there is no connection left.
    pub(crate) async fn emptied(&self) {
        while self.counts.borrow().total > 0 {
            tokio::time::sleep(EMPTIED_PAUSE).await;
        }
    }

    /// Whatever the limits: for connections that we made, or that another worker admitted.
    pub(crate) fn enter(&self, ip: IpAddr) -> Permit {
        let network = network_of(ip);
        let mut counts = self.counts.borrow_mut();
        counts.total += 1;
        *counts.by_network.entry(network).or_default() += 1;
        Permit { network, counts: self.counts.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.borrow_mut();
        counts.total -= 1;
        if let Some(count) = counts.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.by_network.remove(&self.network);
            }
        }
    }
}

const EMPTIED_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_its_holder_goes() {
        let occupancy = Occupancy::default();
        let limits = Limits { connections_max: 3, connections_per_ip_max: 2, ..Limits::default() };
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        let first = occupancy.admit(ip(1), &limits).ok();
        let second = occupancy.admit(ip(1), &limits).ok();
        assert_eq!(occupancy.admit(ip(1), &limits).err(), Some(Full::Ip));
        let third = occupancy.admit(ip(2), &limits).ok();
        assert_eq!(occupancy.admit(ip(3), &limits).err(), Some(Full::Total));
        drop(first);
        assert!(occupancy.admit(ip(1), &limits).is_ok());
        drop((second, third));
        assert_eq!(occupancy.counts.borrow().total, 0);
        assert!(occupancy.counts.borrow().by_network.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let occupancy = Occupancy::default();
        let limits = Limits { connections_per_ip_max: 2, ..Limits::default() };
        let admit = |ip: &str| occupancy.admit(ip.parse().expect("an address"), &limits);
        let _permits = [admit("2001:db8::1").ok(), admit("2001:db8::2").ok()];
        assert_eq!(admit("2001:db8::3").err(), Some(Full::Ip));
        assert!(admit("2001:db8:0:1::1").is_ok());
        assert_eq!(occupancy.counts.borrow().by_network.len(), 1);
    }
}
