//! Users of ours who are outside: what an edge does with their requests, and what their home knows of their connections.
//!
//! The edge lets them in for the home alone, and says by which connection a request came. It is the home that asks for the
//! password. A connection is a client's from when the home has answered for one who showed it.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use federation::admission::{Admitted, Origin};
use federation::external_access::check_outside;
use federation::flow::{FlowFacts, FlowKind};
use federation::inside::{ADMITTED_HEADER, RemoteFlow, gone_value, read_gone, read_remote};
use federation::refusal;
use registrar::{ClientFlow, EdgeFlow};
use sip::proxy::forward::via_value;
use sip::transaction::ServerTransactionId;
use sip::{Aor, FlowId, HeaderName, Message, Method, Refusal, Transport, Uri};

use crate::acceptor::Arrival;
use crate::aliases::Alias;
use crate::core::Core;
use crate::flow_table::FlowState;
use crate::links::edge_domain;
use crate::ownership::partner_connection;
use crate::route::{INSIDE, OwnRoutes};
use crate::shares::Peer;
use crate::token::Leg;
use crate::{AdmittedRequest, Handoff, Output, Requester, Upstream};

/// The requests of users outside that this worker of an edge has let in, and that wait for their home.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    asked_by_server: BTreeMap<ServerTransactionId, Asked>,
}

#[derive(Debug)]
struct Asked {
    facts: FlowFacts,
    /// It shows a password, or says to.
    has_credentials: bool,
    bytes: usize,
    aor: Aor,
    registers: bool,
}

impl Remotes {
    pub(crate) fn forget(&mut self, id: ServerTransactionId) {
        self.asked_by_server.remove(&id);
    }
}

impl Core {
    /// A request of a user outside was let in: by an edge, or by his home.
    pub(crate) fn remote_came(&mut self, arrival: &Arrival, admitted: &Admitted) {
        if admitted.remote().is_some() {
            self.edge_heard(&arrival.facts, &arrival.message);
        } else if self.is_home_only() && arrival.facts.is_inner {
            self.phone_gone(&arrival.message);
        }
        let Some(Upstream { requester: Requester::Outside(transaction), .. }) = arrival.upstream else { return };
        if let Origin::Remote { aor } = admitted.origin() {
            let message = &arrival.message;
            let shows = |name| message.header(name).is_some();
            let asked = Asked {
                facts: arrival.facts.clone(),
                has_credentials: shows(HeaderName::Authorization) || shows(HeaderName::ProxyAuthorization),
                bytes: message.as_bytes().len(),
                aor: aor.clone(),
                registers: message.method() == Some(Method::Register),
            };
            self.remotes.asked_by_server.insert(transaction, asked);
        }
    }

    /// His home answers. `None`: to a datagram whose sender is only a claim, and that has its answer.
    pub(crate) fn remote_answered(
        &mut self,
        now: Instant,
        to: Requester,
        status: u16,
        response: Bytes,
    ) -> Option<Bytes> {
        let Requester::Outside(id) = to else { return Some(response) };
        let Some(asked) = self.remotes.asked_by_server.get(&id) else { return Some(response) };
        let has_registered = asked.registers && status >= 200;
        let (facts, user) = (asked.facts.clone(), asked.aor.clone());
        let (flow, address) = (facts.id, facts.remote.ip());
        let (bytes, is_let_in) = (asked.bytes, asked.has_credentials && matches!(status, 101..=299));
        if status >= 200 {
            self.remotes.forget(id);
        }
        if is_let_in {
            if self.flows.fix(flow, FlowKind::Client) {
                self.count_flow(&facts, Peer::User(user.clone()));
            }
            let users_max = self.limits.users_per_flow_max;
            if has_registered && !self.flows.remember_user(flow, &user, users_max) {
                self.counts.hit("users_per_flow_max");
            }
            if !flow.is_reliable() {
                self.prove_address(now, address);
            }
        }
        if flow.is_reliable() || self.proven_addresses.has(now, address) {
            return Some(response);
        }
        // What would be repeated to whoever he says he is, is not kept.
        if status >= 200 {
            self.transactions.abandon(id);
        }
        if self.may_answer_datagram(now, address, bytes, response.len()) {
            self.transmit(now, flow, response);
        }
        None
    }

    /// Why somebody outside who has proven nothing is not asked about at his home: his address asks for too much.
    pub(crate) fn refused_outside(&mut self, now: Instant, arrival: &Arrival, kind: FlowKind) -> Option<Refusal> {
        let (facts, organisation) = (&arrival.facts, &self.organisation);
        if kind != FlowKind::Undecided || facts.is_inner || !organisation.is_edge_only() {
            return None;
        }
        let from = arrival.message.from().ok()?;
        let is_ours = organisation.is_local(from.uri().host());
        if !is_ours || self.proven_addresses.has(now, facts.remote.ip()) {
            return None;
        }
        let max = self.limits.unproven_per_address_max;
        if self.strangers.take(now, facts.remote.ip(), max) {
            return None;
        }
        self.counts.hit("unproven_per_address_max");
        Some(refusal::overloaded("an address sends too much that proves nobody", STRANGER_RETRY_SECS))
    }

    /// Of one who has proven nothing counts the address, not the user that he names.
    pub(crate) fn share_outside(&self, arrival: &Arrival, admitted: &Admitted) -> Option<Origin> {
        let Origin::Remote { .. } = admitted.origin() else { return None };
        Some(Origin::Inside { domain: arrival.facts.remote.ip().to_string() })
    }

    /// The connection of a phone outside, as its home is told of it.
    pub(crate) fn phone_outside(&self, request: &AdmittedRequest) -> Option<RemoteFlow> {
        let Origin::Remote { .. } = request.admitted.origin() else { return None };
        let facts = request.ingress.flow()?;
        let (edge, port, transport) = (self.organisation.edge.clone(), facts.local.port(), facts.transport);
        Some(RemoteFlow { token: self.phone_token(request, facts)?, edge, port, transport })
    }

    fn phone_token(&self, request: &AdmittedRequest, facts: &FlowFacts) -> Option<String> {
        let Origin::Remote { aor } = request.admitted.origin() else { return None };
        let worker = match facts.id {
            FlowId::Stream { worker, .. } => worker,
            FlowId::Datagram { .. } => 0,
        };
        self.mint.path(&self.mint.flow_leg(worker, facts.id, aor))
    }

    /// RFC 3327 section 5.2, with `ob` where the phone is connected to us and to nobody before (RFC 5626 section 5.1).
    pub(crate) fn path_to_phone(&self, request: &AdmittedRequest) -> Option<String> {
        if request.message.method() != Some(Method::Register) {
            return None;
        }
        let facts = request.ingress.flow()?;
        let token = self.phone_token(request, facts)?;
        let transport = self.organisation.inside()?.transport;
        let (name, port) = (self.inner_name(), self.inner_port(transport));
        let outbound = if request.message.vias().count() == 1 { ";ob" } else { "" };
        Some(format!("<sip:{token}@{name}:{port};transport={};lr{outbound}>", transport.param()))
    }

    /// A phone's connection to this edge has ended: its home is told, for each user who had registered over it.
    pub(crate) fn phone_left(&mut self, now: Instant, state: &FlowState) {
        let home = self.organisation.inside().filter(|inside| inside.is_comity && inside.takes_remote_users);
        let Some(home) = home.and_then(|inside| inside.hops.first()).map(|hop| hop.host.clone()) else { return };
        for aor in &state.users {
            let leg = self.mint.flow_leg(self.ownership.worker, state.facts.id, aor);
            if let Some(token) = self.mint.path(&leg) {
                let (tag, call_id) = (self.mint.stateless_tag(&token), format!("gone.{token}"));
                let (name, port) = (self.inner_name(), self.inner_port(Transport::Tls));
                let via = via_value(Transport::Tls, name, port, &format!("z9hG4bK{tag}"));
                let said = format!(
                    "OPTIONS sip:{home} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:{aor}>;tag={tag}\r\n\
                     To: <sip:{home}>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n{ADMITTED_HEADER}: {}\r\n\
                     Content-Length: 0\r\n\r\n",
                    gone_value(&token)
                );
                let connection = partner_connection(&call_id, self.limits.partner_connections);
                // What is answered counts for nothing: where it is lost, the next request for the phone finds out.
                self.respond_to(now, INSIDE.to_owned(), connection, said.into());
            }
        }
    }

    /// The home behind this edge has started anew and knows of no phone. A phone learns of it by the end of its connection, signs in
    /// once more (RFC 5626 section 4.5) and can be called again; one that speaks by datagrams does so in its own time.
    pub fn home_restarted(&mut self) {
        let is_phone = |state: &&FlowState| state.kind == FlowKind::Client && state.facts.id.is_reliable();
        for flow in self.flows.iter().filter(is_phone).map(|state| state.facts.id).collect::<Vec<_>>() {
            self.put(Output::CloseFlow { flow });
        }
    }

    /// At home: an edge says that a phone's connection has ended.
    fn phone_gone(&mut self, message: &Message) {
        let value = message.header_by_name(ADMITTED_HEADER).and_then(|value| std::str::from_utf8(value).ok());
        let Some(token) = value.and_then(read_gone) else { return };
        let name = edge_saying(message);
        if let Some(edge) = self.edge_number(&name) {
            let number = self.mint.remote_flow(&name, token);
            for worker in self.ownership.others() {
                self.hand(worker, Handoff::PhoneGone { edge, number });
            }
            self.phone_lost(EdgeFlow { edge, number });
        }
    }

    /// Of its user the owner knows bindings, and each worker what was proven.
    pub(crate) fn phone_lost(&mut self, flow: EdgeFlow) {
        self.location.edge_flow_failed(flow);
        self.proven_phones.forget(flow);
    }

    /// Whoever may not sign in from outside any more is reached there no more.
    pub(crate) fn leave_outside(&mut self) {
        let partners = self.partners.clone();
        for flow in self.location.leave_outside(|aor| check_outside(partners.access(), aor).is_err()) {
            self.proven_phones.forget(flow);
        }
    }

    pub(crate) fn edge_number(&self, name: &str) -> Option<u16> {
        let place = self.organisation.inside()?.hops.iter().position(|hop| hop.host == name)?;
        u16::try_from(place).ok()
    }

    /// A registration that names the edge is for the domain: its home does not know the edge by that name.
    pub(crate) fn registrar_uri(&self, request: &AdmittedRequest) -> Option<String> {
        let Origin::Remote { aor } = request.admitted.origin() else { return None };
        let uri = Uri::parse(request.message.request_uri()?).ok()?;
        (uri.user().is_none() && self.organisation.is_named(uri.host())).then(|| format!("sip:{}", aor.domain()))
    }

    /// The flow that a registration binds: the phone's own, or the one of the edge to which it is connected.
    ///
    /// # Errors
    /// 403 where no edge of ours has the name by which this one calls itself.
    pub(crate) fn client_flow(&self, request: &AdmittedRequest, facts: &FlowFacts) -> Result<ClientFlow, Refusal> {
        let Some(remote) = request.admitted.remote() else {
            let (transport, local_port) = (facts.transport, facts.local.port());
            return Ok(ClientFlow { id: facts.id, transport, local_port, edge: None });
        };
        let name = edge_saying(&request.message);
        let Some(edge) = self.edge_number(&name) else {
            let reason =
                format!("an edge that calls itself {name} is not in [inside] edges, so nobody could be reached there");
            return Err(refusal::not_vouched(reason));
        };
        let number = self.mint.remote_flow(&name, &remote.token);
        let edge = Some(EdgeFlow { edge, number });
        Ok(ClientFlow { id: facts.id, transport: remote.transport, local_port: remote.port, edge })
    }

    pub(crate) fn edge_name(&self, edge: EdgeFlow) -> &str {
        let hops = self.organisation.inside().map_or(&[][..], |inside| &inside.hops);
        hops.get(usize::from(edge.edge)).map_or("", |hop| &hop.host)
    }

    /// How a binding's phone is named in the Record-Route of what goes to it.
    pub(crate) fn edge_leg(&self, edge: EdgeFlow, aor: &Aor) -> Leg {
        Leg::Remote { edge: self.edge_name(edge).to_owned(), flow: edge.number, user: self.mint.user(aor) }
    }

    /// The same of whoever sends a request.
    pub(crate) fn remote_leg(&self, request: &AdmittedRequest, aor: &Aor) -> Leg {
        let edge = edge_saying(&request.message);
        let token = request.admitted.remote().map_or("", |remote| &remote.token);
        Leg::Remote { flow: self.mint.remote_flow(&edge, token), edge, user: self.mint.user(aor) }
    }

    /// Whether our own Route says that this user speaks by the connection that the edge names.
    pub(crate) fn proves_remote(&self, aor: &Aor, own: &OwnRoutes, message: &Message) -> bool {
        let Some(remote) = self.remote_saying(message) else { return false };
        let edge = edge_saying(message);
        own.proves_remote(aor, &edge, self.mint.remote_flow(&edge, &remote.token), &self.mint)
    }

    /// The phone's connection to an edge by which a request came, as the edge says.
    pub(crate) fn edge_flow_of(&self, message: &Message) -> Option<EdgeFlow> {
        let (remote, name) = (self.remote_saying(message)?, edge_saying(message));
        Some(EdgeFlow { edge: self.edge_number(&name)?, number: self.mint.remote_flow(&name, &remote.token) })
    }

    fn remote_saying(&self, message: &Message) -> Option<RemoteFlow> {
        let value = message.header_by_name(ADMITTED_HEADER).filter(|_| self.is_home_only())?;
        read_remote(std::str::from_utf8(value).ok()?)
    }

    /// The edge by which a user of ours asked.
    pub(crate) fn edge_asked_by(&self, request: &AdmittedRequest) -> Option<String> {
        request.admitted.remote().map(|_| edge_saying(&request.message))
    }

    /// An edge has sent something of a user's: what is for its phones can go over that connection, from every worker.
    fn edge_heard(&mut self, facts: &FlowFacts, message: &Message) {
        let edge = edge_saying(message);
        let domain = edge_domain(&edge);
        let is_ours = self.organisation.inside().is_some_and(|inside| inside.has_hop(&edge));
        if !is_ours || !self.flows.proves(facts.id, &domain, true) {
            return;
        }
        let alias = Alias { facts: facts.clone(), sent_by: edge, takes_requests: true };
        for worker in self.ownership.others() {
            self.hand(worker, Handoff::Alias { domain: domain.clone(), alias: Box::new(alias.clone()) });
        }
        self.aliases.insert(&domain, alias);
    }
}

/// By its inner name, which is the host of its Via.
fn edge_saying(message: &Message) -> String {
    message.top_via().map(|via| via.host.to_ascii_lowercase()).unwrap_or_default()
}

const STRANGER_RETRY_SECS: u32 = 10;
