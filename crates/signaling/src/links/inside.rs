//! Connections between an edge and what is behind it: the configuration says where, over what, and who must be there.
//! Everything else is as it is with partners.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use federation::admission::{Flow, Origin};
use federation::flow::{Direction, FlowFacts, FlowKind};
use federation::inside::{Inside, TRUST_HEADER, admitted_value, remote_value, trust_value};
use federation::refusal;
use federation::route::NextHopTarget;
use federation::verification::Rung;
use sip::{FlowId, Refusal, Transport};

use super::{Attempt, LinkKey, Rest, Stage};
use crate::core::Core;
use crate::route::{Destination, INSIDE};
use crate::token::Leg;
use crate::{AdmittedRequest, Ingress, Question};

impl LinkKey {
    pub(crate) fn inside(connection: u16) -> LinkKey {
        LinkKey { domain: INSIDE.to_owned(), connection, via: None }
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.domain.starts_with(INSIDE)
    }
}

impl Core {
    /// Sends a request over a connection to what is behind this edge.
    pub(crate) fn send_inside(&mut self, now: Instant, request: AdmittedRequest) {
        let Some(key) = self.link_key(&request.destination) else { return };
        self.links.resolve_anew(now, &key);
        self.send_over_link(now, key, request);
    }

    pub(super) fn start_inside(&mut self, now: Instant, key: LinkKey) {
        let targets = match self.inside_targets(&key) {
            Ok(targets) => targets,
            Err(refusal) => return self.fail_link(now, key, refusal),
        };
        let is_only = targets.len() == 1;
        let targets = self.failover.health.order_targets(now, &key.domain, targets);
        let targets = self.untried_targets_first(&key, targets).into();
        let deadline = now + self.limits.link_time();
        self.try_next_target(now, key, Rest { targets, is_only, left_out: false, deadline });
    }

    /// Each connection begins with another of the servers, so that all of them have work.
    pub(super) fn inside_targets(&self, key: &LinkKey) -> Result<Vec<NextHopTarget>, Refusal> {
        let inside = self.organisation.inside().ok_or_else(|| refusal::inside_unreachable("there is no inner side"))?;
        let is_meant = |hop: &&federation::inside::Hop| key.edge_named().is_none_or(|edge| edge == hop.host);
        let mut targets: Vec<NextHopTarget> =
            inside.hops.iter().filter(is_meant).map(|hop| target(inside, hop)).collect();
        if let Some(via) = &key.via {
            targets.retain(|target| target.is_at(via));
            if targets.is_empty() {
                let why = format!("a policy has the route {via}, which is none of [inside] edges");
                return Err(refusal::inside_unreachable(why));
            }
        }
        let first = usize::from(key.connection) % targets.len().max(1);
        targets.rotate_left(first);
        Ok(targets)
    }

    /// To one address of one server. Datagrams need no connection.
    pub(super) fn connect_inside(&mut self, now: Instant, key: LinkKey, attempt: Attempt, address: IpAddr) {
        let transport = self.organisation.inside().map_or(Transport::Tls, |inside| inside.transport);
        let remote = SocketAddr::new(address, attempt.target.port);
        if transport != Transport::Udp {
            let server_name = attempt.target.host.clone();
            let question = Question::ConnectInside { remote, server_name, transport };
            return self.ask_for_link(now, key, question, Stage::ExpectConnect { attempt });
        }
        match self.datagram_facts(remote) {
            Some(facts) => self.judge_inside(now, key, attempt, facts),
            None => self.fail_link(now, key, refusal::inside_unreachable("[inside] listen has no address for UDP")),
        }
    }

    fn datagram_facts(&self, remote: SocketAddr) -> Option<FlowFacts> {
        let is_ours = |listener: &crate::Listener| {
            listener.is_inner && listener.transport == Transport::Udp && listener.address.is_ipv4() == remote.is_ipv4()
        };
        let number = self.listeners.iter().position(is_ours)?;
        Some(FlowFacts {
            id: FlowId::Datagram { listener: u8::try_from(number).ok()?, remote },
            transport: Transport::Udp,
            local: self.listeners[number].address,
            remote,
            direction: Direction::Outbound,
            certificate: None,
            is_inner: true,
        })
    }

    /// Before the first byte: is it who the configuration says?
    pub(super) fn judge_inside(&mut self, now: Instant, key: LinkKey, attempt: Attempt, facts: FlowFacts) {
        let verdict = match (self.organisation.inside(), facts.transport) {
            (None, _) => Err(refusal::not_inside("there is no inner side")),
            // An address that the configuration names, by itself or by its name, is all that there is.
            (Some(_), Transport::Tcp | Transport::Udp) => Ok(()),
            (Some(inside), _) => {
                let flow = Flow { facts: &facts, kind: &FlowKind::Undecided, users: &[] };
                inside.check_peer(&flow)
            }
        };
        match verdict {
            Ok(()) => self.link_up(now, key, facts, attempt, Rung::Configured),
            Err(why) => {
                self.drop_unproven(&facts);
                self.address_failed(now, key, attempt, why);
            }
        }
    }

    pub(crate) fn is_inner(&self, flow: FlowId) -> bool {
        self.flows.get(flow).is_some_and(|state| state.facts.is_inner)
    }

    /// What we are called on the inner side.
    pub(crate) fn inner_name(&self) -> &str {
        self.organisation.inside().map_or(&self.organisation.edge, |inside| &inside.name)
    }

    /// Whether the leg is on the inner side: of an edge what is behind it, of a home the partners beyond its edges.
    pub(crate) fn is_inner_leg(&self, leg: &Leg) -> bool {
        match leg {
            Leg::Inside | Leg::Remote { .. } => true,
            Leg::Partner { .. } => self.is_home_only(),
            Leg::Flow { .. } | Leg::Agent(_) => false,
        }
    }

    pub(crate) fn is_home_only(&self) -> bool {
        self.organisation.is_home_only()
    }

    /// What our home is told of a partner's request.
    pub(crate) fn told_inside(&self, request: &AdmittedRequest) -> Option<String> {
        self.behind(request).filter(|inside| inside.is_comity)?;
        if let Some(remote) = self.phone_outside(request) {
            return Some(remote_value(&remote));
        }
        admitted_value(request.admitted.origin())
    }

    /// What is behind an edge is told in Lync's words whom the edge has proven; a home passes them on to its phones.
    pub(crate) fn trust_inside(&self, request: &AdmittedRequest) -> Option<String> {
        if self.behind(request).is_some() {
            return trust_value(request.admitted.origin(), self.inner_name());
        }
        let Ingress::Flow(flow) = &request.ingress else { return None };
        let is_from_edge = self.is_home_only() && flow.is_inner && request.admitted.remote().is_none();
        let value = request.message.header_by_name(TRUST_HEADER).filter(|_| is_from_edge)?;
        String::from_utf8(value.to_vec()).ok()
    }

    /// Whom a next hop may take a partner's request to be from.
    pub(crate) fn asserted_inside(&self, request: &AdmittedRequest) -> Option<String> {
        self.behind(request).filter(|inside| inside.assert)?;
        let Origin::Partner { .. } = request.admitted.origin() else { return None };
        let from = request.message.from().ok()?;
        let uri = from.uri();
        Some(match uri.user() {
            Some(user) => format!("<sip:{user}@{}>", uri.host_lowercase()),
            None => format!("<sip:{}>", uri.host_lowercase()),
        })
    }

    fn behind(&self, request: &AdmittedRequest) -> Option<&Inside> {
        let is_inward = matches!(request.destination, Destination::Inside { .. });
        self.organisation.inside().filter(|_| is_inward)
    }
}

impl super::Links {
    /// Where there is no connection that could end, a server's name is asked for again from time to time.
    fn resolve_anew(&mut self, now: Instant, key: &LinkKey) {
        if let Some(link) = self.links.get_mut(key)
            && let Stage::Up { flow: FlowId::Datagram { .. }, since, .. } = &link.stage
            && now.saturating_duration_since(*since) > DATAGRAM_LINK_TIME
        {
            link.stage = Stage::Idle;
        }
    }
}

fn target(inside: &Inside, hop: &federation::inside::Hop) -> NextHopTarget {
    NextHopTarget { host: hop.host.clone(), port: hop.port.unwrap_or_else(|| inside.transport.default_port()) }
}

const DATAGRAM_LINK_TIME: std::time::Duration = std::time::Duration::from_secs(30);
