//! From a home to one edge among several: the one to which a phone outside is connected. The edge's own connections lead there,
//! and where there is none, one of ours.

use std::time::Instant;

use bytes::Bytes;
use registrar::EdgeFlow;
use sip::transaction::{ClientTransactionId, Failure};
use sip::{FlowId, Method};

use super::{LinkKey, Waiter};
use crate::core::Core;
use crate::route::INSIDE;
use crate::{AdmittedRequest, WorkerId};

impl LinkKey {
    /// Each worker has its own to every edge: its users are its own, too.
    pub(crate) fn edge(edge: &str, worker: WorkerId) -> LinkKey {
        LinkKey { domain: edge_domain(edge), connection: worker, via: None }
    }

    /// The edge that this connection leads to; `None`: any.
    pub(super) fn edge_named(&self) -> Option<&str> {
        self.domain.strip_prefix(INSIDE)?.strip_prefix(' ')
    }
}

impl Core {
    pub(crate) fn edge_link(&self, edge: EdgeFlow) -> LinkKey {
        LinkKey::edge(self.edge_name(edge), self.ownership.worker)
    }

    /// A connection to the phone's edge that is there.
    pub(crate) fn flow_to_edge(&mut self, now: Instant, edge: EdgeFlow) -> Option<FlowId> {
        let key = self.edge_link(edge);
        self.take_alias(now, &key);
        self.links.flow_of(&key)
    }

    /// What nothing answers, for a phone there: an ACK.
    pub(crate) fn transmit_to_edge(&mut self, now: Instant, edge: EdgeFlow, bytes: Bytes) {
        let key = self.edge_link(edge);
        self.take_alias(now, &key);
        self.transmit_over_link(now, key, bytes);
    }

    /// A request of a dialog with a user outside.
    pub(crate) fn send_to_edge(&mut self, now: Instant, request: AdmittedRequest) {
        let Some(key) = self.link_key(&request.destination) else { return };
        self.send_over_link(now, key, request);
    }

    /// Brings a connection to the phone's edge up for a branch to it.
    pub(crate) fn await_edge(
        &mut self,
        now: Instant,
        edge: EdgeFlow,
        (id, method, bytes): (ClientTransactionId, Method, Bytes),
    ) {
        let key = self.edge_link(edge);
        self.links.make_room();
        if self.links.is_full(&key, self.limits.waiting_per_link_max) {
            self.counts.hit("waiting_per_link_max");
            return self.branch_ended(now, id, Failure::TransportFailed);
        }
        self.await_link(now, key, Waiter::Branch { id, method, bytes });
    }

    /// The connection is up, and the branch goes out.
    pub(super) fn send_awaited(
        &mut self,
        now: Instant,
        flow: FlowId,
        (id, method, bytes): (ClientTransactionId, Method, Bytes),
    ) {
        if self.transactions.send_request(now, id, flow, &method, bytes).is_err() {
            self.counts.hit("client_transactions_max");
            self.branch_ended(now, id, Failure::TransportFailed);
        }
    }

    /// With the edge its phones' connections are gone.
    pub(super) fn edge_unreachable(&mut self, now: Instant, id: ClientTransactionId) {
        self.edge_flow_failed(id);
        self.branch_failed(now, id, Failure::TransportFailed);
        self.owner.forget_branch(id);
    }

    /// The last connection of an edge has ended: is the edge gone, and all its phones with it?
    pub(crate) fn look_for_edge(&mut self, now: Instant, domains: Vec<String>) {
        for domain in domains {
            let key = LinkKey { domain, connection: self.ownership.worker, via: None };
            let edge = key.edge_named().and_then(|edge| self.edge_number(edge));
            if let Some(edge) = edge.filter(|edge| self.location.has_edge(*edge) && self.links.flow_of(&key).is_none())
            {
                self.links.make_room();
                self.await_link(now, key, Waiter::Edge(edge));
            }
        }
    }

    /// The phone's connection is gone, and with it all that was bound to it. `false`: the branch leads to nobody outside.
    pub(crate) fn edge_flow_failed(&mut self, id: ClientTransactionId) -> bool {
        let Some(edge) = self.owner.edge_of(id) else { return false };
        self.location.edge_flow_failed(edge);
        true
    }
}

/// Names the links to one edge.
pub(crate) fn edge_domain(edge: &str) -> String {
    format!("{INSIDE} {edge}")
}
