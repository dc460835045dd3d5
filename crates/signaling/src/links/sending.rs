//! What goes out over a connection to a partner: at once where it is up, else once it is.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use federation::decision::Connection;
use federation::discovery::KnownHosts;
use federation::modality::is_last_word;
use federation::partner::By;
use federation::verification::Verdict;
use sip::transaction::ClientTransactionId;
use sip::{Aor, FlowId};

use super::LinkKey;
use super::link::{Link, Stage, Waiter};
use crate::acceptor::overloaded;
use crate::core::Core;
use crate::owner::{ContextId, Target};
use crate::route::Destination;
use crate::token::Leg;
use crate::{AdmittedRequest, Forgotten};

impl Core {
    /// Forgets what was learnt about a domain, so that the next request finds out anew. Connections that are up stay.
    pub fn reset_partner(&mut self, domain: &str) -> Forgotten {
        let discovery = self.discovery.len();
        self.discovery.forget(domain);
        // Those of others are found again at the cost of a question.
        self.hosts = KnownHosts::default();
        Forgotten {
            discovery: discovery - self.discovery.len(),
            failures: {
                self.failover.rests.forget(domain);
                self.failover.health.forget(domain)
            },
            connections: self.links.forget_idle(domain),
            ledgers: self.ledgers.reset(domain).len(),
        }
    }

    /// Sends a request over connection number `connection` to a partner, bringing it up first where it is not.
    pub(crate) fn send_to_partner(&mut self, now: Instant, domain: &str, request: AdmittedRequest) {
        // A home's last word goes to its edge as everything does, which knows the connections that still stand.
        let is_for_edge = self.is_home_only() && is_last_word(&request.message);
        if let Err(refusal) = self.partners.standing(domain).check(domain)
            && !is_for_edge
        {
            return match (self.way_of_last_word(&request), request.upstream) {
                (Some(target), _) => self.send_single(now, request, target),
                (None, Some(upstream)) => self.refuse_owned(now, upstream, &request.message, &refusal),
                (None, None) => {}
            };
        }
        if let Some(target) = self.way_back(now, &request) {
            return self.send_single(now, request, target);
        }
        let request = self.by_route_of_sender(request);
        let Some(key) = self.link_key(&request.destination) else { return };
        self.send_over_link(now, key, request);
    }

    /// For a last word to who was reached by a connection that does not prove the domain any more, as one behind a provider that is
    /// gone: whoever is asked by another way knows of nothing.
    fn way_back(&self, now: Instant, request: &AdmittedRequest) -> Option<Target> {
        let key =
            self.link_key(&request.destination).filter(|key| !key.is_inside() && is_last_word(&request.message))?;
        if self.links.flow_of(&key).is_some() {
            return None;
        }
        let dialled = self.links.last_flow(&key).and_then(|flow| Some(&self.flows.get(flow)?.facts));
        let opened = || self.aliases.for_requests(&key.domain, key.connection);
        let last = dialled.or_else(|| self.aliases.for_last_word(&key.domain)).or_else(opened)?;
        let proves = self.judged(now, last, last.peer_role(), &key.domain);
        (!matches!(proves, Verdict::Proven(_))).then(|| self.link_target(last.id, &request.destination))
    }

    /// A partner that is not spoken to any more is told that its subscription or call is over, where a connection still stands.
    fn way_of_last_word(&self, request: &AdmittedRequest) -> Option<Target> {
        let key = self.link_key(&request.destination).filter(|_| is_last_word(&request.message))?;
        let last = self.links.last_flow(&key).or_else(|| self.aliases.for_last_word(&key.domain).map(|facts| facts.id));
        Some(self.link_target(last?, &request.destination))
    }

    /// The request, with the way that the policy of its sender gives it; at an edge alone the home has seen to that.
    fn by_route_of_sender(&self, mut request: AdmittedRequest) -> AdmittedRequest {
        if self.organisation.is_edge_only() {
            return request;
        }
        let Destination::Partner { domain, via, .. } = &mut request.destination else { return request };
        let from = Aor::of_sender(&request.message);
        let way = self.partners.way(domain, from.as_ref());
        *via = way.edge.filter(|_| matches!(way.by, By::Policy(_))).map(str::to_owned);
        request
    }

    /// The connection that leads to this destination.
    pub(crate) fn link_key(&self, destination: &Destination) -> Option<LinkKey> {
        match destination {
            Destination::Partner { domain, connection, via } => {
                Some(LinkKey { via: via.clone(), ..self.partner_link(domain, *connection) })
            }
            Destination::Inside { connection } => Some(LinkKey::inside(*connection)),
            Destination::Edge { edge, .. } => Some(LinkKey::edge(edge, self.ownership.worker)),
            _ => None,
        }
    }

    /// The connection by which a partner is reached: a home's lead to its edges.
    pub(crate) fn partner_link(&self, domain: &str, connection: u16) -> LinkKey {
        match self.is_home_only() {
            true => LinkKey::inside(connection % self.limits.partner_connections.max(1)),
            false => LinkKey { domain: domain.to_owned(), connection, via: None },
        }
    }

    pub(super) fn send_over_link(&mut self, now: Instant, key: LinkKey, request: AdmittedRequest) {
        self.take_alias(now, &key);
        if let Some((flow, connection)) = self.links.up(&key) {
            if let (Some(refusal), Some(upstream)) = (self.rest_of(now, flow, &request.message), request.upstream) {
                self.count_of_partner(&key.domain, |counts| counts.held_back += 1);
                return self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            self.record_sent(now, &request.message, now, connection.clone());
            let target = self.link_target(flow, &request.destination);
            let Some(upstream) = request.upstream else { return self.send_single(now, request, target) };
            let context = self.open_context(now, upstream, request);
            return self.send_over(now, context, &connection, target);
        }
        self.wait_for_link(now, key, request);
    }

    fn wait_for_link(&mut self, now: Instant, key: LinkKey, request: AdmittedRequest) {
        self.links.make_room();
        let waiting_max = self.limits.waiting_per_link_max;
        if self.links.is_full(&key, waiting_max) {
            self.counts.hit("waiting_per_link_max");
            if let Some(upstream) = request.upstream {
                let refusal = overloaded("too many requests wait for the connection to this partner");
                self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            return;
        }
        let waiter = match request.upstream {
            None => Waiter::Ack(Box::new(request)),
            Some(upstream) => Waiter::Context(self.open_context(now, upstream, request)),
        };
        self.await_link(now, key, waiter);
    }

    /// What nothing answers: a response that a partner waits for, all of whose own connections are gone, or an ACK.
    pub(crate) fn transmit_over_link(&mut self, now: Instant, key: LinkKey, bytes: Bytes) {
        if let Some(flow) = self.links.flow_of(&key) {
            return self.transmit(now, flow, bytes);
        }
        self.links.make_room();
        if self.links.is_full(&key, self.limits.waiting_per_link_max) {
            self.counts.hit("waiting_per_link_max");
            self.undeliverable += 1;
            return;
        }
        self.await_link(now, key, Waiter::OneWay(bytes));
    }

    /// Brings the connection up for what was sent over one that has ended; where that fails, so does the request.
    pub(crate) fn connect_for(&mut self, now: Instant, key: LinkKey, sent: ClientTransactionId) {
        self.take_alias(now, &key);
        if self.links.flow_of(&key).is_none() && !self.links.is_full(&key, self.limits.waiting_per_link_max) {
            self.await_link(now, key, Waiter::Sent(sent));
        }
    }

    pub(super) fn await_link(&mut self, now: Instant, key: LinkKey, waiter: Waiter) {
        let link = self.links.links.entry(key.clone()).or_insert_with(Link::new);
        link.waiting.push_back(waiter);
        if matches!(link.stage, Stage::Idle) {
            link.srv_ms = None;
            self.start_link(now, key);
        }
    }

    pub(super) fn send_waiting(
        &mut self,
        now: Instant,
        flow: FlowId,
        connection: &Arc<Connection>,
        context: ContextId,
    ) {
        let Some((request, since)) = self.owner.waited(context) else { return };
        let Some(destination) = self.owner.request(context).map(|request| request.destination.clone()) else { return };
        self.record_sent(now, &request, since, connection.clone());
        let target = self.link_target(flow, &destination);
        self.send_over(now, context, connection, target);
    }

    fn send_over(&mut self, now: Instant, context: ContextId, connection: &Arc<Connection>, target: Target) {
        self.owner.sends_over(context, connection);
        self.send_branch(now, context, target);
        self.close_target_set(now, context);
    }

    pub(super) fn link_target(&self, flow: FlowId, destination: &Destination) -> Target {
        let (transport, local_port) = self.facts_of(flow);
        let leg = match destination {
            Destination::Partner { domain, .. } => Some(Leg::Partner { domain: domain.clone() }),
            Destination::Inside { .. } => Some(Leg::Inside),
            _ => None,
        };
        Target {
            flow,
            transport,
            local_port,
            request_uri: None,
            path: Vec::new(),
            leg,
            q: 1000,
            others: Vec::new(),
            breadth: None,
            edge: None,
        }
    }
}
