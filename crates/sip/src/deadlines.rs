//! What is due when: each thing has one deadline at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Deadlines by what happens at them. Two of the same time are reached in the order of `D`.
#[derive(Debug, Clone)]
pub struct Deadlines<D> {
    at_by_due: BTreeMap<D, Instant>,
    order: BTreeSet<(Instant, D)>,
}

impl<D> Default for Deadlines<D> {
    fn default() -> Deadlines<D> {
        Deadlines { at_by_due: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<D: Clone + Ord> Deadlines<D> {
    /// Replaces the one that was set; `None` clears it.
    pub fn set(&mut self, due: D, at: Option<Instant>) {
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
    pub fn pop(&mut self, now: Instant) -> Option<D> {
        self.next().filter(|at| *at <= now)?;
        let (_, due) = self.order.pop_first()?;
        self.at_by_due.remove(&due);
        Some(due)
    }
}
