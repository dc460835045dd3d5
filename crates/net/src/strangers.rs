//! The share that strangers have of a worker: connections that have proven nothing, discovered partners, and what other workers
//! hand over for these. There may be as many of them as there are addresses and domains, and each within its own limits; so all of
//! them together have a part of each round of those who have something to do, and nobody who is known here waits for more than
//! that part.
//!
//! The three kinds take turns, within the first two the addresses do, and a turn is one message.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use federation::flow::network_of;
use signaling::Precedence;
use sip::FlowId;
use tokio::sync::{Notify, oneshot};

use crate::mailbox::Queue;
use crate::turn::Next;
use crate::worker::{Shared, Worker};

/// Those of one worker whose connections wait for a turn.
#[derive(Default)]
pub(crate) struct Strangers {
    unproven: RefCell<ByNetwork<Asking>>,
    discovered: RefCell<ByNetwork<Asking>>,
    bell: Notify,
}

/// Who waits.
#[derive(Clone, Copy)]
pub(crate) struct Stranger {
    is_discovered: bool,
    network: IpAddr,
}

/// A flow's task, which hears what to do next.
struct Asking {
    flow: FlowId,
    reply: oneshot::Sender<Next>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unproven,
    Discovered,
    Handed,
}

/// What became of one share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    Some,
    Nothing,
    /// What is left would only wait elsewhere.
    Blocked,
}

impl Strangers {
    /// Waits for a turn of this flow, which is done by then.
    pub(crate) async fn turn(&self, stranger: Stranger, flow: FlowId) -> Next {
        let (reply, done) = oneshot::channel();
        let queue = if stranger.is_discovered { &self.discovered } else { &self.unproven };
        queue.borrow_mut().push(stranger.network, Asking { flow, reply });
        self.bell.notify_one();
        done.await.unwrap_or(Next::Over)
    }
}

impl Worker {
    /// `None`: it is known here, or gone, and waits for nobody.
    pub(crate) fn stranger(&self, id: FlowId) -> Option<Stranger> {
        let is_discovered = match self.core.precedence_of(id) {
            Precedence::Known => return None,
            Precedence::Unproven => false,
            Precedence::Discovered => true,
        };
        let remote = self.flows.get(&id)?.facts().remote;
        Some(Stranger { is_discovered, network: network_of(remote.ip()) })
    }

    /// One message of this kind, if there is one.
    fn serve_stranger(&mut self, kind: Kind, handed: &mut Queue) -> Served {
        let strangers = self.strangers.clone();
        let asking = match kind {
            Kind::Handed => {
                let Some(message) = handed.take() else { return Served::Nothing };
                self.take_mail(std::iter::once(message));
                return Served::Some;
            }
            Kind::Unproven => strangers.unproven.borrow_mut().pop(),
            Kind::Discovered if strangers.discovered.borrow().is_empty() => None,
            Kind::Discovered if self.mailboxes.iter().any(|mailbox| mailbox.is_crowded()) => return Served::Blocked,
            Kind::Discovered => strangers.discovered.borrow_mut().pop(),
        };
        let Some(Asking { flow, reply }) = asking else { return Served::Nothing };
        // Nobody hears it when the worker ends.
        reply.send(self.turn(flow, true)).ok();
        Served::Some
    }
}

/// The task that gives them their share.
pub(crate) async fn serve(worker: Shared, mut handed: Queue) {
    let strangers = worker.borrow().strangers.clone();
    let time = Duration::from_millis(worker.borrow().limits.strangers_millis_max);
    let mut kinds = Kinds::default();
    loop {
        let served = kinds.share(time, Instant::now, |kind| worker.borrow_mut().serve_stranger(kind, &mut handed));
        let message = match served {
            Served::Some => {
                tokio::task::yield_now().await;
                continue;
            }
            Served::Nothing => tokio::select! {
                () = strangers.bell.notified() => None,
                Some(message) = handed.receive() => Some(message),
            },
            Served::Blocked => tokio::select! {
                () = strangers.bell.notified() => None,
                Some(message) = handed.receive() => Some(message),
                () = tokio::time::sleep(BLOCKED_TIME) => None,
            },
        };
        if let Some(message) = message {
            worker.borrow_mut().take_mail(std::iter::once(message));
        }
    }
}

/// The kinds in turn, the next one first.
struct Kinds(VecDeque<Kind>);

impl Default for Kinds {
    fn default() -> Kinds {
        Kinds([Kind::Unproven, Kind::Discovered, Kind::Handed].into())
    }
}

impl Kinds {
    /// One share: at least one message, if there is one that can be taken, and more until the time is over.
    fn share(&mut self, time: Duration, clock: impl Fn() -> Instant, mut serve: impl FnMut(Kind) -> Served) -> Served {
        let until = clock() + time;
        let mut served = Served::Nothing;
        loop {
            match self.next(&mut serve) {
                Served::Some => served = Served::Some,
                none if served == Served::Nothing => return none,
                _ => return served,
            }
            if clock() >= until {
                return served;
            }
        }
    }

    fn next(&mut self, serve: &mut impl FnMut(Kind) -> Served) -> Served {
        let mut is_blocked = false;
        for place in 0..self.0.len() {
            match serve(self.0[place]) {
                Served::Some => {
                    self.0.rotate_left(place + 1);
                    return Served::Some;
                }
                Served::Blocked => is_blocked = true,
                Served::Nothing => {}
            }
        }
        if is_blocked { Served::Blocked } else { Served::Nothing }
    }
}

/// Who waits, the addresses in turn.
struct ByNetwork<Item> {
    networks: VecDeque<IpAddr>,
    items_by_network: HashMap<IpAddr, VecDeque<Item>>,
}

impl<Item> Default for ByNetwork<Item> {
    fn default() -> ByNetwork<Item> {
        ByNetwork { networks: VecDeque::new(), items_by_network: HashMap::new() }
    }
}

impl<Item> ByNetwork<Item> {
    fn push(&mut self, network: IpAddr, item: Item) {
        let items = self.items_by_network.entry(network).or_default();
        if items.is_empty() {
            self.networks.push_back(network);
        }
        items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let network = self.networks.pop_front()?;
        let items = self.items_by_network.get_mut(&network)?;
        let item = items.pop_front();
        match items.is_empty() {
            true => drop(self.items_by_network.remove(&network)),
            false => self.networks.push_back(network),
        }
        item
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

/// How long to leave what would only wait elsewhere.
const BLOCKED_TIME: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
