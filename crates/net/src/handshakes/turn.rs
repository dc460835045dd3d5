//! Turns at handshakes, shared fairly: whoever begins handshakes and does not go on with them is not to keep others waiting.
//!
//! A turn is held for as long as there is TLS state, so there are so many and no more. Where all are held, a newcomer takes
//! the oldest one of whoever holds the most, if he himself then still holds fewer; else he waits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::sync::Notify;

/// Those of one worker.
#[derive(Clone)]
pub(crate) struct Turns {
    held: Rc<RefCell<Held>>,
}

struct Held {
    turns_max: usize,
    count: usize,
    /// They rise: the lowest is the oldest.
    serials: u64,
    holders_by_network: BTreeMap<IpAddr, BTreeMap<u64, Rc<Notify>>>,
    waiting_by_serial: BTreeMap<u64, (IpAddr, Rc<Notify>)>,
}

/// A turn, or a place among those that wait for one; given back when dropped.
pub(crate) struct Turn {
    serial: u64,
    network: IpAddr,
    /// Rings once when it has come, and once more when it is taken away.
    bell: Rc<Notify>,
    has_come: bool,
    turns: Turns,
}

impl Turns {
    pub(crate) fn new(turns_max: usize) -> Turns {
        let held = Held {
            turns_max,
            count: 0,
            serials: 0,
            holders_by_network: BTreeMap::new(),
            waiting_by_serial: BTreeMap::new(),
        };
        Turns { held: Rc::new(RefCell::new(held)) }
    }

    /// Whether the next newcomer finds none that is free.
    pub(crate) fn are_all_held(&self) -> bool {
        let held = self.held.borrow();
        held.count >= held.turns_max
    }

    /// A turn of this network, now or later.
    pub(crate) fn enter(&self, network: IpAddr) -> Turn {
        let mut held = self.held.borrow_mut();
        held.serials += 1;
        let (serial, bell) = (held.serials, Rc::new(Notify::new()));
        let has_come = held.count < held.turns_max || held.take_from_greediest(network);
        match has_come {
            true => held.give(serial, network, bell.clone()),
            false => drop(held.waiting_by_serial.insert(serial, (network, bell.clone()))),
        }
        Turn { serial, network, bell, has_come, turns: self.clone() }
    }
}

impl Turn {
    /// Returns when it has come.
    pub(crate) async fn come(&mut self) {
        if !self.has_come {
            self.bell.notified().await;
            self.has_come = true;
        }
    }

    /// Once it has come: returns when it was taken away.
    pub(crate) async fn taken_away(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.turns.held.borrow_mut();
        if held.waiting_by_serial.remove(&self.serial).is_none() && held.take_back(self.network, self.serial) {
            held.serve_next();
        }
    }
}

impl Held {
    fn give(&mut self, serial: u64, network: IpAddr, bell: Rc<Notify>) {
        self.count += 1;
        self.holders_by_network.entry(network).or_default().insert(serial, bell);
    }

    fn take_back(&mut self, network: IpAddr, serial: u64) -> bool {
        let Some(holders) = self.holders_by_network.get_mut(&network) else { return false };
        let was_held = holders.remove(&serial).is_some();
        if holders.is_empty() {
            self.holders_by_network.remove(&network);
        }
        self.count -= usize::from(was_held);
        was_held
    }

    fn count_of(&self, network: IpAddr) -> usize {
        self.holders_by_network.get(&network).map_or(0, BTreeMap::len)
    }

    /// Whether whoever holds the most had one to spare for this network.
    fn take_from_greediest(&mut self, newcomer: IpAddr) -> bool {
        let Some((network, holders)) = self.holders_by_network.iter().max_by_key(|(_, holders)| holders.len()) else {
            return false;
        };
        if holders.len() <= self.count_of(newcomer) + 1 {
            return false;
        }
        let (network, oldest) = (*network, holders.first_key_value().map(|(serial, bell)| (*serial, bell.clone())));
        let Some((serial, bell)) = oldest else { return false };
        bell.notify_one();
        self.take_back(network, serial)
    }

    /// The one goes on that waits longest of those whose network holds the fewest.
    fn serve_next(&mut self) {
        let waiting = self.waiting_by_serial.iter();
        let next = waiting.min_by_key(|(serial, (network, _))| (self.count_of(*network), **serial));
        if let Some(serial) = next.map(|(serial, _)| *serial)
            && let Some((network, bell)) = self.waiting_by_serial.remove(&serial)
        {
            bell.notify_one();
            self.give(serial, network, bell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn is_taken_away(turn: &Turn) -> bool {
        tokio::select! {
            biased;
            () = turn.taken_away() => true,
            () = std::future::ready(()) => false,
        }
    }

    async fn comes(turn: &mut Turn) -> bool {
        tokio::select! {
            biased;
            () = turn.come() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_newcomer_takes_the_oldest_turn_of_whoever_holds_the_most() {
        let turns = Turns::new(4);
        let greedy: Vec<Turn> = (0..3).map(|_| turns.enter(ip(1))).collect();
        let other = turns.enter(ip(2));
        assert!(turns.are_all_held());
        let newcomer = turns.enter(ip(3));
        assert!(newcomer.has_come && is_taken_away(&greedy[0]).await);
        assert!(!is_taken_away(&greedy[1]).await && !is_taken_away(&other).await);
        drop(greedy);
        assert!(!turns.are_all_held(), "what was taken away is not given back twice");
        assert_eq!(turns.held.borrow().count, 2);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_holds_as_many_as_others_waits_for_his_turn() {
        let turns = Turns::new(2);
        let (first, _second) = (turns.enter(ip(1)), turns.enter(ip(1)));
        let (mut own, mut stranger) = (turns.enter(ip(1)), turns.enter(ip(2)));
        assert!(!comes(&mut own).await && stranger.has_come && is_taken_away(&first).await);
        let mut waiting = turns.enter(ip(3));
        assert!(!comes(&mut waiting).await, "the two hold one each");
        drop(stranger);
        assert!(comes(&mut waiting).await && !comes(&mut own).await, "who holds none goes before who holds one");
        stranger = turns.enter(ip(2));
        drop(waiting);
        assert!(comes(&mut stranger).await, "again the one that holds none");
        drop((first, stranger));
        assert!(comes(&mut own).await);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_stops_waiting_takes_nobodys_turn() {
        let turns = Turns::new(1);
        let first = turns.enter(ip(1));
        let (gone, mut waiting) = (turns.enter(ip(2)), turns.enter(ip(3)));
        drop(gone);
        drop(first);
        assert!(comes(&mut waiting).await);
        drop(waiting);
        let held = turns.held.borrow();
        assert!(held.count == 0 && held.holders_by_network.is_empty() && held.waiting_by_serial.is_empty());
    }
}
