//! The stream flows of this worker: what each turned out to be, and where the ones we gave away went.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation::decision::Peer;
use federation::flow::{FlowFacts, FlowKind};
use federation::verification::Rung;
use sip::{Aor, FlowId};

use crate::WorkerId;
use crate::pace::Pace;

/// One stream flow that this worker owns.
#[derive(Debug)]
pub(crate) struct FlowState {
    pub facts: FlowFacts,
    pub kind: FlowKind,
    /// Users who proved themselves on it with a digest; on secure transports only, where nobody can slip in later.
    pub users: Vec<Aor>,
    /// The domain whose request was admitted on it last, and the rung by which it was proven.
    pub partner: Option<String>,
    pub rung: Option<Rung>,
    /// The domains of partners whose requests were admitted on it.
    pub proven: Vec<Proven>,
    pub pace: Pace,
    /// As decisions name who is at the other end, once one has.
    pub peer: Option<Arc<Peer>>,
}

/// A domain that was proven on a flow.
#[derive(Debug)]
pub(crate) struct Proven {
    pub domain: String,
    /// The partner said that it takes requests there too.
    pub takes_requests: bool,
}

/// Flows by id, and the whereabouts of those that moved.
#[derive(Debug, Default)]
pub(crate) struct FlowTable {
    flows: BTreeMap<FlowId, FlowState>,
    relocated: BTreeMap<FlowId, WorkerId>,
}

/// Where bytes for a flow must go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Here,
    At(WorkerId),
    Gone,
}

impl FlowTable {
    pub(crate) fn open(&mut self, facts: FlowFacts) {
        let state = FlowState {
            kind: FlowKind::Undecided,
            users: Vec::new(),
            partner: None,
            rung: None,
            proven: Vec::new(),
            pace: Pace::default(),
            peer: None,
            facts,
        };
        self.flows.insert(state.facts.id, state);
    }

    pub(crate) fn get(&self, flow: FlowId) -> Option<&FlowState> {
        self.flows.get(&flow)
    }

    pub(crate) fn get_mut(&mut self, flow: FlowId) -> Option<&mut FlowState> {
        self.flows.get_mut(&flow)
    }

    /// Who is at the other end, as decisions name him.
    pub(crate) fn peer(&mut self, facts: &FlowFacts) -> Arc<Peer> {
        let made = || Arc::new(Peer::from(facts));
        self.flows.get_mut(&facts.id).map_or_else(made, |state| state.peer.get_or_insert_with(made).clone())
    }

    pub(crate) fn close(&mut self, flow: FlowId) -> Option<FlowState> {
        self.flows.remove(&flow)
    }

    /// Gives a flow away and remembers where it went.
    pub(crate) fn relocate(&mut self, flow: FlowId, to: WorkerId) -> Option<FlowState> {
        let state = self.flows.remove(&flow)?;
        self.relocated.insert(flow, to);
        Some(state)
    }

    /// The new owner says that the flow has ended.
    pub(crate) fn forget(&mut self, flow: FlowId) {
        self.relocated.remove(&flow);
    }

    /// Where a worker finds a flow that it was not asked about by another.
    pub(crate) fn whereabouts(&self, flow: FlowId, us: WorkerId) -> Whereabouts {
        match (self.whereabouts_handed(flow), flow) {
            (Whereabouts::Gone, FlowId::Stream { worker, .. }) if worker != us => Whereabouts::At(worker),
            (known, _) => known,
        }
    }

    /// Where a worker finds a flow that another worker believes it has.
    pub(crate) fn whereabouts_handed(&self, flow: FlowId) -> Whereabouts {
        if matches!(flow, FlowId::Datagram { .. }) || self.flows.contains_key(&flow) {
            return Whereabouts::Here;
        }
        self.relocated.get(&flow).map_or(Whereabouts::Gone, |to| Whereabouts::At(*to))
    }

    /// Fixes what a flow is by the first request that was admitted on it. Says whether this decides it: what an edge lets
    /// through to a home decides nothing.
    pub(crate) fn fix(&mut self, flow: FlowId, kind: FlowKind) -> bool {
        let undecided = self.flows.get_mut(&flow).filter(|state| state.kind == FlowKind::Undecided);
        let decides = undecided.is_some() && kind != FlowKind::Undecided;
        if let Some(state) = undecided {
            state.kind = kind;
        }
        decides
    }

    /// Remembers who has spoken on a flow, where nobody can slip in later. `false`: there was no room for him.
    pub(crate) fn signed_in(&mut self, flow: FlowId, user: &Aor, users_max: usize) -> bool {
        let is_secure = self.flows.get(&flow).is_some_and(|state| state.facts.transport.is_secure());
        !is_secure || self.remember_user(flow, user, users_max)
    }

    /// The same at an edge, of a user outside who has registered over it, as his home said.
    pub(crate) fn remember_user(&mut self, flow: FlowId, user: &Aor, users_max: usize) -> bool {
        let Some(state) = self.flows.get_mut(&flow) else { return true };
        if state.users.contains(user) {
            return true;
        }
        let has_room = state.users.len() < users_max;
        if has_room {
            state.users.push(user.clone());
        }
        has_room
    }

    /// Remembers whose connection it is.
    pub(crate) fn speaks_for(&mut self, flow: FlowId, domain: &str, rung: Rung) {
        let Some(state) = self.flows.get_mut(&flow) else { return };
        state.rung = Some(rung);
        if state.partner.as_deref() != Some(domain) {
            state.partner = Some(domain.to_owned());
        }
    }

    /// Remembers that a domain was proven on a flow. Whether that is news; beyond a limit nothing is.
    pub(crate) fn proves(&mut self, flow: FlowId, domain: &str, takes_requests: bool) -> bool {
        let Some(state) = self.flows.get_mut(&flow) else { return false };
        let is_full = state.proven.len() >= PROVEN_PER_FLOW_MAX;
        match state.proven.iter_mut().find(|proven| proven.domain == domain) {
            Some(known) if known.takes_requests || !takes_requests => false,
            Some(known) => {
                known.takes_requests = true;
                true
            }
            None if is_full => false,
            None => {
                state.proven.push(Proven { domain: domain.to_owned(), takes_requests });
                true
            }
        }
    }

    /// Each domain that was proven on a connection, with that.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&String, &FlowFacts)> {
        self.flows.values().flat_map(|state| {
            let shown = state.proven.iter().map(|proven| &proven.domain).chain(&state.partner);
            shown.map(|domain| (domain, &state.facts))
        })
    }

    /// What was proven of other domains was judged by what no longer holds.
    pub(crate) fn retain_proven(&mut self, keep: impl Fn(&str) -> bool) {
        for state in self.flows.values_mut() {
            state.proven.retain(|proven| keep(&proven.domain));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FlowState> {
        self.flows.values()
    }
}

/// An edge may serve many domains.
const PROVEN_PER_FLOW_MAX: usize = 32;

#[cfg(test)]
pub(crate) mod tests {
    use std::net::SocketAddr;

    use federation::flow::Direction;
    use sip::Transport;

    use super::*;

    /// Of a connection that anybody could have opened.
    pub(crate) fn facts(id: FlowId) -> FlowFacts {
        let address = SocketAddr::from(([192, 0, 2, 1], 5061));
        FlowFacts {
            id,
            transport: Transport::Tls,
            local: address,
            remote: address,
            direction: Direction::Inbound,
            certificate: None,
            is_inner: false,
        }
    }

    #[test]
    fn a_flow_proves_so_many_domains_and_those_may_say_more() {
        let (mut table, flow) = (FlowTable::default(), FlowId::Stream { worker: 0, serial: 1 });
        table.open(facts(flow));
        let domain = |number: usize| format!("d{number}.example");
        let news = (0..2 * PROVEN_PER_FLOW_MAX).filter(|number| table.proves(flow, &domain(*number), false));
        assert_eq!(Vec::from_iter(news), Vec::from_iter(0..PROVEN_PER_FLOW_MAX));
        assert!(table.proves(flow, &domain(0), true) && !table.proves(flow, &domain(0), true));
        assert_eq!(table.get(flow).map(|state| state.proven.len()), Some(PROVEN_PER_FLOW_MAX));
        table.retain_proven(|kept| kept != domain(0));
        assert!(table.proves(flow, "late.example", false), "there is room again");
    }
}
