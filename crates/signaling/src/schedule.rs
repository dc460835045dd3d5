//! The one heap of times: every machine that wants to be woken has an entry, and an entry may have gone stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use sip::FlowId;
use sip::transaction::TransactionKey;

use crate::QuestionId;
use crate::owner::ContextId;
use crate::store_and_forward::Settlement;

/// Whom to wake. The machine itself knows whether something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Machine {
    Transaction(TransactionKey),
    Context(ContextId),
    Waiting(QuestionId),
    /// A request of an agent of ours.
    Asked(u64),
    /// A conference, by its serial.
    Conference(u64),
    /// A call that we stand between, by its serial.
    Call(u64),
    /// A session of messages that we answer for a user, by its serial.
    Gateway(u64),
    Undecided(FlowId),
    /// What the DNS said of partners.
    Discovery,
    /// A second address may be tried beside the first, of the connection that this serial stands for.
    Dial(u64),
    Registrar,
    Presence,
    Settlement(Settlement),
    /// The queues of stored messages that the store failed.
    Queues,
    /// An edge that is about to end.
    Draining,
}

/// Lazily deleted: waking a machine that no longer exists, or too early, does nothing.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: BinaryHeap<Reverse<(Instant, Machine)>>,
}

impl Schedule {
    pub(crate) fn push(&mut self, at: Instant, machine: Machine) {
        self.entries.push(Reverse((at, machine)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Machine> {
        let Reverse((at, _)) = self.entries.peek()?;
        if *at > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, machine))| machine)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
