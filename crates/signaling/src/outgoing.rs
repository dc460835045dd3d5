//! A request as it leaves for a target: our Via, and the two Record-Routes that lead back to either side.

use sip::proxy::breadth::breadth;
use sip::proxy::forward::{record_route_value, via_value};
use sip::refusal::Word;
use sip::transaction::ClientTransactionId;
use sip::{FlowId, Message, ParseError, Refusal, Transport};

use crate::AdmittedRequest;
use crate::agent::AgentKey;
use crate::core::Core;
use crate::forward::{self, Hop};
use crate::handoff::Ingress;
use crate::owner::{Target, crossing};
use crate::route::Destination;
use crate::token::Leg;
use federation::admission::Origin;
use federation::trust::PeerCertificate;

impl Core {
    /// The request as it goes out to a target.
    ///
    /// # Errors
    /// 513 where our own headers make it larger than a message may be, 440 where it may be on no branch more.
    pub(crate) fn outgoing(
        &self,
        request: &AdmittedRequest,
        target: &Target,
        id: ClientTransactionId,
    ) -> Result<Message, Refusal> {
        let name = if target.edge.is_some() || self.is_inner(target.flow) {
            self.inner_name()
        } else {
            &self.organisation.edge
        };
        let breadth = breadth_for(request, target)?;
        let branch = self.routing_mark(request).branch(&self.mint.branch(id.serial));
        let mut via = via_value(target.transport, name, target.local_port, &branch);
        if matches!(target.leg, Some(Leg::Partner { .. })) && !self.is_home_only() {
            // RFC 5923: what is for us may come back on the same connection.
            via += ";alias";
        }
        let hop = Hop {
            via,
            request_uri: target.request_uri.clone().or_else(|| self.registrar_uri(request)),
            path: target.path.clone(),
            record_routes: self.record_routes(request, target),
            crossing: crossing(request, &self.organisation),
            source: self.source_mark(request, Some(target.flow)),
            admitted: self.told_inside(request),
            trust: self.trust_inside(request),
            asserted: self.asserted_inside(request),
            breadth,
            path_to_phone: self.path_to_phone(request),
            is_unproven: matches!(request.admitted.origin(), Origin::Remote { .. }),
        };
        let bytes = forward::request(&request.message, request.routes_taken, &self.organisation.domains, &hop);
        let message = Message::parse(bytes).map_err(|error| too_large(&error))?;
        match request.destination {
            Destination::Partner { ref domain, .. } if self.hides_topology_from(domain, target.flow) => {
                Message::parse(self.conceal(&message)).map_err(|error| too_large(&error))
            }
            _ => Ok(message),
        }
    }

    /// What the request says of its sender across the border, where it begins something. The flow is the one by which it leaves,
    /// where it does.
    pub(crate) fn source_mark(&self, request: &AdmittedRequest, to: Option<FlowId>) -> Option<bool> {
        if !crossing(request, &self.organisation).is_border() || request.message.is_within_dialog() {
            return None;
        }
        match request.admitted.origin() {
            Origin::Partner { source, .. } => Some(source.is_verified),
            Origin::User { .. } | Origin::Remote { .. } | Origin::Inside { .. } => {
                let Destination::Partner { domain, .. } = &request.destination else { return None };
                let shown = to.and_then(|flow| self.certificate_outside(flow));
                self.partners.marks_source(domain, shown).then_some(true)
            }
        }
    }

    /// The certificate of whoever is at the other end of a connection; on the inner side that is an edge, and none counts.
    pub(crate) fn certificate_outside(&self, flow: FlowId) -> Option<&PeerCertificate> {
        let facts = &self.flows.get(flow)?.facts;
        if facts.is_inner { None } else { facts.secure_certificate() }
    }

    /// Two Record-Routes, always: each names the leg on its side, so that either side leads to the other
    /// (RFC 5658 does so where the transport changes).
    fn record_routes(&self, request: &AdmittedRequest, target: &Target) -> Vec<String> {
        let Some(egress) = target.leg.as_ref().filter(|_| forward::begins_dialog(&request.message)) else {
            return Vec::new();
        };
        vec![self.ingress_route(request), self.route_value(request, egress, target.transport, target.local_port)]
    }

    /// The same where the request goes no further than to an agent of ours.
    pub(crate) fn record_routes_to_agent(&self, agent: &AgentKey, request: &AdmittedRequest) -> Vec<String> {
        if !forward::begins_dialog(&request.message) {
            return Vec::new();
        }
        vec![self.ingress_route(request), self.agent_route(request, agent)]
    }

    /// The leg on the side that the request comes from.
    fn ingress_route(&self, request: &AdmittedRequest) -> String {
        match (&request.ingress, request.admitted.origin()) {
            (Ingress::Agent(agent), _) => self.agent_route(request, agent),
            (Ingress::Flow(flow), Origin::Inside { .. }) => {
                self.route_value(request, &Leg::Inside, flow.transport, self.our_port(flow))
            }
            (Ingress::Flow(flow), Origin::Partner { domain, .. }) if flow.is_inner => {
                let leg = Leg::Partner { domain: domain.clone() };
                self.route_value(request, &leg, flow.transport, self.our_port(flow))
            }
            (Ingress::Flow(flow), Origin::User { aor }) if flow.is_inner => {
                let leg = self.remote_leg(request, aor);
                self.route_value(request, &leg, flow.transport, self.our_port(flow))
            }
            (Ingress::Flow(flow), Origin::User { aor } | Origin::Remote { aor }) => {
                let worker = request.upstream.map_or(self.ownership.worker, |upstream| upstream.worker);
                let leg = self.mint.flow_leg(worker, flow.id, aor);
                self.route_value(request, &leg, flow.transport, flow.local.port())
            }
            (_, origin) => {
                let domain = match origin {
                    Origin::Partner { domain, .. } | Origin::Inside { domain } => domain.clone(),
                    Origin::User { aor } | Origin::Remote { aor } => aor.domain().to_owned(),
                };
                let port = self.listening_port(Transport::Tls);
                self.route_value(request, &Leg::Partner { domain }, Transport::Tls, port)
            }
        }
    }

    fn agent_route(&self, request: &AdmittedRequest, agent: &AgentKey) -> String {
        self.route_value(request, &Leg::Agent(agent.clone()), Transport::Tls, self.listening_port(Transport::Tls))
    }

    fn route_value(&self, request: &AdmittedRequest, leg: &Leg, transport: Transport, port: u16) -> String {
        let call_id = request.message.call_id().unwrap_or_default();
        let name = if self.is_inner_leg(leg) { self.inner_name() } else { &self.organisation.edge };
        record_route_value(&self.mint.route(leg, call_id), name, port, transport)
    }

    /// Transport of a flow of ours, and the port of ours that its peer speaks to.
    pub(crate) fn facts_of(&self, flow: FlowId) -> (Transport, u16) {
        match (self.flows.get(flow), flow) {
            (Some(state), _) => (state.facts.transport, self.our_port(&state.facts)),
            (None, FlowId::Datagram { .. }) => (Transport::Udp, self.listening_port(Transport::Udp)),
            (None, FlowId::Stream { .. }) => (Transport::Tls, self.listening_port(Transport::Tls)),
        }
    }
}

/// Of what the request may be on in all, the part that this target gets.
fn breadth_for(request: &AdmittedRequest, target: &Target) -> Result<u32, Refusal> {
    let whole = breadth(&request.message)
        .map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("Max-Breadth: {error}")))?;
    match target.breadth.unwrap_or(whole) {
        0 => Err(Refusal::new(440, Word::BreadthUsedUp, "Max-Breadth is 0")),
        breadth => Ok(breadth),
    }
}

pub(crate) fn too_large(error: &ParseError) -> Refusal {
    Refusal::new(513, Word::MessageTooLarge, format!("with our own headers added: {error}"))
}
