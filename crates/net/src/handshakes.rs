//! Connections without a finished handshake, of TLS or of a WebSocket: how many there may be, and which of them goes when there are too many.
//!
//! A connection that has sent nothing is silent. It costs a socket and no more, and where room is needed the oldest
//! silent one makes it. One that has begun to speak takes a turn at a handshake (`turn`), and is left to its time unless others need
//! the turn.

mod turn;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use federation::flow::network_of;
use tokio::sync::{Notify, Semaphore};

use crate::Limits;
use crate::handshakes::turn::{Turn, Turns};

/// Those of one worker, all listeners together.
#[derive(Clone)]
pub(crate) struct Handshakes {
    turns: Turns,
    /// Connections of load balancers that have not said yet whose they are.
    pub(crate) introductions: Arc<Semaphore>,
    unfinished: Rc<RefCell<Unfinished>>,
}

#[derive(Default)]
struct Unfinished {
    /// They rise: the lowest is the oldest.
    serials: u64,
    networks_by_serial: BTreeMap<u64, IpAddr>,
    serials_by_network: BTreeMap<IpAddr, BTreeSet<u64>>,
    silent_by_serial: BTreeMap<u64, Rc<Notify>>,
}

/// One connection's place; given back when dropped.
pub(crate) struct Place {
    serial: u64,
    displaced: Rc<Notify>,
    unfinished: Rc<RefCell<Unfinished>>,
}

/// Which limit a newcomer met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    Total,
    Ip,
}

impl Handshakes {
    pub(crate) fn new(limits: &Limits) -> Handshakes {
        let introductions = Arc::new(Semaphore::new(limits.introductions_max));
        Handshakes { turns: Turns::new(limits.handshakes_max), introductions, unfinished: Rc::default() }
    }

    /// Whether all turns are held.
    pub(crate) fn are_full(&self) -> bool {
        self.turns.are_all_held()
    }

    /// A turn at a handshake with this address, which may have to be waited for.
    pub(crate) fn turn(&self, ip: IpAddr) -> Turn {
        self.turns.enter(network_of(ip))
    }

    /// A place for a newcomer, and the limit for which the oldest silent connection had to go, if one had to.
    ///
    /// # Errors
    /// The limit is reached, and there is no silent connection under it.
    pub(crate) fn enter(&self, ip: IpAddr, limits: &Limits) -> Result<(Place, Option<Crowded>), Crowded> {
        let mut unfinished = self.unfinished.borrow_mut();
        let network = network_of(ip);
        let mut crowded = None;
        if unfinished.count_of(network) >= limits.unfinished_per_ip_max {
            crowded = Some(Crowded::Ip);
            unfinished.displace_of(network).ok_or(Crowded::Ip)?;
        }
        if unfinished.networks_by_serial.len() >= limits.unfinished_max {
            crowded = Some(Crowded::Total);
            unfinished.displace_any().ok_or(Crowded::Total)?;
        }
        let (serial, displaced) = unfinished.insert(network);
        Ok((Place { serial, displaced, unfinished: self.unfinished.clone() }, crowded))
    }
}

impl Place {
    /// Returns when a newcomer got this place.
    pub(crate) async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// The connection has sent something: from here on it makes room for nobody. `false`: it has already.
    pub(crate) fn speak(&self) -> bool {
        self.unfinished.borrow_mut().silent_by_serial.remove(&self.serial).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.unfinished.borrow_mut().remove(self.serial);
    }
}

impl Unfinished {
    fn count_of(&self, network: IpAddr) -> usize {
        self.serials_by_network.get(&network).map_or(0, BTreeSet::len)
    }

    fn displace_of(&mut self, network: IpAddr) -> Option<()> {
        let serials = self.serials_by_network.get(&network)?;
        let oldest = *serials.iter().find(|serial| self.silent_by_serial.contains_key(serial))?;
        self.displace(oldest)
    }

    fn displace_any(&mut self) -> Option<()> {
        let oldest = *self.silent_by_serial.first_key_value()?.0;
        self.displace(oldest)
    }

    /// The place is free at once; its connection is closed as soon as its task runs.
    fn displace(&mut self, serial: u64) -> Option<()> {
        self.silent_by_serial.get(&serial)?.notify_one();
        self.remove(serial);
        Some(())
    }

    fn insert(&mut self, network: IpAddr) -> (u64, Rc<Notify>) {
        self.serials += 1;
        let displaced = Rc::new(Notify::new());
        self.networks_by_serial.insert(self.serials, network);
        self.serials_by_network.entry(network).or_default().insert(self.serials);
        self.silent_by_serial.insert(self.serials, displaced.clone());
        (self.serials, displaced)
    }

    fn remove(&mut self, serial: u64) {
        self.silent_by_serial.remove(&serial);
        let Some(network) = self.networks_by_serial.remove(&serial) else { return };
        if let Some(serials) = self.serials_by_network.get_mut(&network) {
            serials.remove(&serial);
            if serials.is_empty() {
                self.serials_by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn handshakes(unfinished_max: usize, unfinished_per_ip_max: usize) -> (Handshakes, Limits) {
        let limits = Limits { unfinished_max, unfinished_per_ip_max, ..Limits::default() };
        (Handshakes::new(&limits), limits)
    }

    #[test]
    fn an_address_with_too_many_displaces_its_own_oldest_silent_one() {
        let (handshakes, limits) = handshakes(10, 2);
        let enter = |last| handshakes.enter(ip(last), &limits);
        let (other, _) = enter(2).expect("room");
        let (first, crowded) = enter(1).expect("room");
        assert_eq!(crowded, None);
        assert!(first.speak());
        let (second, _) = enter(1).expect("room");
        let (third, crowded) = enter(1).expect("the second makes room");
        assert_eq!((crowded, second.speak()), (Some(Crowded::Ip), false));
        assert!(third.speak());
        assert_eq!(enter(1).err(), Some(Crowded::Ip), "both speak");
        assert!(other.speak(), "another address is not touched");
        drop(first);
        assert!(enter(1).is_ok());
    }

    #[test]
    fn a_full_worker_displaces_its_oldest_silent_one() {
        let (handshakes, limits) = handshakes(2, 2);
        let enter = |last| handshakes.enter(ip(last), &limits);
        let (first, _) = enter(1).expect("room");
        let (second, _) = enter(2).expect("room");
        let (third, crowded) = enter(3).expect("the first makes room");
        assert_eq!((crowded, first.speak()), (Some(Crowded::Total), false));
        assert!(second.speak() && third.speak());
        drop(first);
        assert_eq!(enter(4).err(), Some(Crowded::Total), "a place is given back once, and both speak");
        drop((second, third));
        let unfinished = handshakes.unfinished.borrow();
        assert!(unfinished.networks_by_serial.is_empty() && unfinished.serials_by_network.is_empty());
    }

    #[test]
    fn an_ipv6_host_counts_as_one_whatever_address_it_picks() {
        let (handshakes, limits) = handshakes(10, 1);
        let enter = |ip: &str| handshakes.enter(ip.parse().expect("an address"), &limits).expect("room");
        let (_first, _) = enter("2001:db8::1");
        let (_second, crowded) = enter("2001:db8::2");
        assert_eq!(crowded, Some(Crowded::Ip));
        let (_third, crowded) = enter("2001:db8:0:1::1");
        assert_eq!(crowded, None);
    }
}
