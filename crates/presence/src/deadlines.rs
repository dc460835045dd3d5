//! What is due when: each thing has one deadline at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sip::Aor;

use crate::SubscriptionId;

/// What happens at a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The soonest publication of the user runs out.
    Publications(Aor),
    /// A subscription runs out.
    Subscription(SubscriptionId),
    /// A watcher that said when may be notified again.
    Retry(SubscriptionId),
}

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    at_by_due: BTreeMap<Due, Instant>,
    order: BTreeSet<(Instant, Due)>,
}

impl Deadlines {
    /// Replaces the one that was set; `None` clears it.
    pub fn set(&mut self, due: Due, at: Option<Instant>) {
        if let Some(old) = self.at_by_due.remove(&due) {
            self.order.remove(&(old, due.clone()));
        }
        if let Some(at) = at {
            self.at_by_due.insert(due.clone(), at);
            self.order.insert((at, due));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The next that is reached, which is thereby cleared.
    pub fn pop(&mut self, now: Instant) -> Option<Due> {
        self.next().filter(|at| *at <= now)?;
        let (_, due) = self.order.pop_first()?;
        self.at_by_due.remove(&due);
        Some(due)
    }
}
