//! Whose the connections are that others opened to us, so that no user and no partner can take all places. A connection counts
//! for who proved himself on it first, at the worker that accepted it.

use std::collections::{BTreeMap, BTreeSet};

use federation::flow::{Direction, FlowFacts};
use sip::FlowId;

use crate::Output;
use crate::core::Core;
use crate::shares::Peer;

/// Connections by whose they are, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct FlowShares {
    peers_by_flow: BTreeMap<FlowId, Peer>,
    flows_by_peer: BTreeMap<Peer, BTreeSet<FlowId>>,
}

impl FlowShares {
    fn insert(&mut self, flow: FlowId, peer: Peer) {
        self.remove(flow);
        self.flows_by_peer.entry(peer.clone()).or_default().insert(flow);
        self.peers_by_flow.insert(flow, peer);
    }

    /// It is over.
    pub(crate) fn remove(&mut self, flow: FlowId) {
        let Some(peer) = self.peers_by_flow.remove(&flow) else { return };
        if let Some(flows) = self.flows_by_peer.get_mut(&peer) {
            flows.remove(&flow);
            if flows.is_empty() {
                self.flows_by_peer.remove(&peer);
            }
        }
    }

    /// One's connections, the oldest first.
    fn of(&self, peer: &Peer) -> impl Iterator<Item = FlowId> {
        self.flows_by_peer.get(peer).into_iter().flatten().copied()
    }

    fn count(&self, peer: &Peer) -> usize {
        self.flows_by_peer.get(peer).map_or(0, BTreeSet::len)
    }
}

impl Core {
    /// Counts a connection for who has just proven himself on it. Whoever has one more than he may loses the oldest by which he
    /// is not reached and rings nobody, or else the new one.
    pub(crate) fn count_flow(&mut self, facts: &FlowFacts, peer: Peer) {
        if facts.is_inner || facts.direction == Direction::Outbound || !facts.id.is_reliable() {
            return;
        }
        let (max, limit) = match &peer {
            Peer::User(_) => (self.limits.flows_per_user_max, "flows_per_user_max"),
            Peer::Domain(_) => (self.limits.flows_per_partner_max, "flows_per_partner_max"),
        };
        self.flow_shares.insert(facts.id, peer.clone());
        if self.flow_shares.count(&peer) <= max {
            return;
        }
        self.counts.hit(limit);
        let is_idle = |flow: &FlowId| {
            let Some(state) = self.flows.get(*flow) else { return false };
            // Where an edge's users are registered, their home knows.
            let reaches = match self.organisation.is_edge_only() {
                true => !state.users.is_empty(),
                false => self.location.carries(*flow),
            };
            !reaches && self.transactions.pending_invites(*flow).is_empty()
        };
        let oldest = self.flow_shares.of(&peer).filter(|flow| *flow != facts.id).take(LOOKED_AT_MAX).find(is_idle);
        let flow = oldest.unwrap_or(facts.id);
        self.flow_shares.remove(flow);
        self.put(Output::CloseFlow { flow });
    }
}

/// Connections that are looked at for one that is not needed.
const LOOKED_AT_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_comes_first_and_nothing_is_left_behind() {
        let flow = |serial| FlowId::Stream { worker: 0, serial };
        let alice = Peer::User("alice@contoso.example".parse().expect("an AOR"));
        let partner = Peer::Domain("fabrikam.example".to_owned());
        let mut shares = FlowShares::default();
        for serial in [3, 1, 2] {
            shares.insert(flow(serial), alice.clone());
        }
        shares.insert(flow(4), partner.clone());
        assert_eq!(Vec::from_iter(shares.of(&alice)), [flow(1), flow(2), flow(3)]);
        assert_eq!((shares.count(&alice), shares.count(&partner)), (3, 1));
        shares.insert(flow(1), partner.clone());
        assert_eq!((shares.count(&alice), shares.count(&partner)), (2, 2), "it is one's alone");
        for serial in 0..=4 {
            shares.remove(flow(serial));
            shares.remove(flow(serial));
        }
        assert!(shares.peers_by_flow.is_empty() && shares.flows_by_peer.is_empty());
    }
}
