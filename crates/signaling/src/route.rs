//! Where an admitted request goes (RFC 3261 sections 16.4 and 16.5): the one list of destinations.
//!
//! A request of a dialog that we record-routed carries our signed Routes: the last of them names the leg by which it
//! leaves. Every other request is routed by its Request-URI.

use std::net::IpAddr;

use conference::ConferenceId;
use conference::id::MeetingAddress;
use federation::admission::{Admitted, Organisation, Origin};
use federation::flow::is_written;
use serde::{Deserialize, Serialize};
use sip::refusal::Word;
use sip::{Aor, FlowId, Message, Method, Refusal, Uri};

use crate::WorkerId;
use crate::agent::AgentKey;
use crate::extensions::check_proxy_require;
use crate::ownership::{Ownership, partner_connection, partner_connection_of};
use crate::token::{Leg, Mint};

/// Where a request goes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// Our registrar, for this user's bindings.
    Registrar(Aor),
    /// A user at home: all bindings of this address.
    User(Aor),
    /// The client flow of a running dialog, or `by_path`, which our Path names: the request is of none, and may begin one. `user`:
    /// whose it is, where a token says so.
    Flow { worker: WorkerId, flow: FlowId, user: Option<TokenUser>, by_path: bool },
    /// The device of this user whose Contact the Request-URI is, or the connection over which the dialog began.
    InDialog { aor: Aor, began: Began },
    /// A phone outside, by way of this edge of ours; `phone`: its connection there, and whose it is, where a token says so.
    Edge { edge: String, phone: Option<(u64, TokenUser)> },
    /// Another domain, by connection number `connection` to it, or through the edge `via` ("host:port") to which the
    /// sender's policy leads.
    Partner { domain: String, connection: u16, via: Option<String> },
    /// What is behind this edge, by connection number `connection` to it.
    Inside { connection: u16 },
    /// An agent of ours: a conference, or the one between two dialogs.
    Agent(AgentKey),
    /// Whatever conference this request is going to begin, in this domain of ours.
    Factory,
    /// This server itself (RFC 3261 section 11: OPTIONS).
    Ourselves,
}

/// The connection over which a dialog began, of the user's phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Began {
    On {
        flow: FlowId,
        has_ended: bool,
    },
    /// By its number there; the edge alone knows whether it has ended.
    AtEdge {
        edge: String,
        number: u64,
    },
}

/// A user, as a token of ours names him.
pub type TokenUser = u64;

impl Destination {
    /// The worker that owns what the request is for; `None` where any worker may answer.
    pub fn owner(&self, ownership: &Ownership) -> Option<WorkerId> {
        match self {
            Destination::Registrar(aor) | Destination::User(aor) | Destination::InDialog { aor, .. } => {
                Some(ownership.of_aor(aor))
            }
            Destination::Flow { worker, .. } => Some(*worker),
            Destination::Partner { domain, connection, .. } => Some(ownership.of_partner(domain, *connection)),
            Destination::Inside { connection } => Some(ownership.of_partner(INSIDE, *connection)),
            Destination::Agent(agent) => Some(agent.owner(ownership)),
            Destination::Edge { .. } | Destination::Ourselves | Destination::Factory => None,
        }
    }

    /// A partner, by whichever way it is reached.
    pub(crate) fn to_partner(domain: &str, connection: u16) -> Destination {
        Destination::Partner { domain: domain.to_owned(), connection, via: None }
    }

    /// A new conference by this name, where one is wanted.
    pub fn or_conference(self, name: impl FnOnce() -> ConferenceId) -> Destination {
        match self {
            Destination::Factory => Destination::Agent(AgentKey::Conference(name())),
            other => other,
        }
    }
}

/// The topmost Route values that name this server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnRoutes {
    /// How many of them to take off.
    pub count: usize,
    /// The legs that our tokens in them name, top first.
    pub legs: Vec<Leg>,
    /// The way out is a connection of an earlier life of this server.
    pub stale: bool,
    /// The one Route is our Path (RFC 3327).
    pub by_path: bool,
    /// The address of ours that the request came to; `None`: it is our own.
    pub local: Option<IpAddr>,
}

impl OwnRoutes {
    /// Reads the leading Routes of a request that arrived at `local`.
    pub fn of(request: &Message, organisation: &Organisation, local: IpAddr, mint: &Mint) -> OwnRoutes {
        let mut own = OwnRoutes { local: Some(local), ..OwnRoutes::default() };
        let call_id = request.call_id().unwrap_or_default();
        own.count = routes_over_edge(request, organisation, mint);
        for route in request.routes().skip(own.count) {
            let Ok(route) = route else { break };
            let uri = route.uri();
            let leg = uri.user().and_then(|user| mint.read_route(user, call_id));
            // Edges of a pool have one key: what another of them has signed leads on through any.
            if leg.is_none() && !names_us(&uri, organisation, local) {
                break;
            }
            own.count += 1;
            own.legs.extend(leg);
            if let Some(leg) = uri.user().filter(|_| own.legs.is_empty()).and_then(|user| mint.read_path(user)) {
                own.legs.push(leg);
                own.by_path = true;
                break;
            }
        }
        own.stale = own.exit().is_some_and(|leg| !mint.is_of_this_life(leg));
        own
    }

    /// The leg by which the request leaves.
    pub fn exit(&self) -> Option<&Leg> {
        self.legs.last()
    }

    /// Whether our own token says that this user speaks over this very flow in this dialog: proof of who it is where
    /// a connection cannot be challenged again.
    pub fn proves(&self, aor: &Aor, flow: FlowId, mint: &Mint) -> bool {
        let is_this_flow = |leg: &&Leg| matches!(leg, Leg::Flow { flow: named, .. } if *named == flow);
        self.entered_by_user(mint.user(aor))
            && self.entry().filter(is_this_flow).is_some_and(|leg| mint.is_of_this_life(leg))
    }

    /// The same of a user outside, who came by this connection of an edge.
    pub fn proves_remote(&self, aor: &Aor, edge: &str, remote: u64, mint: &Mint) -> bool {
        self.entered_by_user(mint.user(aor))
            && matches!(self.entry(), Some(Leg::Remote { edge: named, flow, .. }) if named == edge && *flow == remote)
    }

    /// Whether it goes out to a phone's connection.
    pub fn leads_to_phone(&self) -> bool {
        matches!(self.exit(), Some(Leg::Flow { .. }))
    }

    /// The leg on the side that the request comes from.
    fn entry(&self) -> Option<&Leg> {
        self.legs.first().filter(|_| self.legs.len() > 1)
    }

    fn entered_by_user(&self, user: u64) -> bool {
        matches!(self.entry(), Some(Leg::Flow { user: named, .. } | Leg::Remote { user: named, .. }) if *named == user)
    }

    fn entered_from_inside(&self) -> bool {
        matches!(self.entry(), Some(Leg::Inside))
    }

    pub(crate) fn entered_by_partner(&self, domain: &str) -> bool {
        matches!(self.entry(), Some(Leg::Partner { domain: named }) if named == domain)
    }
}

/// How many Routes lead over the edge at which a dialog of a phone began that is inside by now: it sends them all the same (RFC 3261
/// section 12.2.1.1). The edge has recorded itself for each of its sides, and behind that we say by which of its connections.
fn routes_over_edge(request: &Message, organisation: &Organisation, mint: &Mint) -> usize {
    let call_id = request.call_id().unwrap_or_default();
    let mut routes = request.routes().take(3).map_while(Result::ok);
    let (Some(_), Some(inner), Some(ours)) = (routes.next(), routes.next(), routes.next()) else { return 0 };
    let is_of_edge = organisation.inside().is_some_and(|inside| inside.has_hop(&inner.uri().host_lowercase()));
    let leg = ours.uri().user().and_then(|user| mint.read_route(user, call_id));
    if is_of_edge && matches!(leg, Some(Leg::Remote { .. })) { 2 } else { 0 }
}

/// Decides where an admitted request goes.
pub fn route(
    request: &Message,
    admitted: &Admitted,
    own: &OwnRoutes,
    mint: &Mint,
    organisation: &Organisation,
    connections: u16,
) -> Result<Destination, Refusal> {
    check_proxy_require(request)?;
    if request.method() == Some(Method::Options) && request.max_forwards() == Ok(Some(0)) {
        return Ok(Destination::Ourselves);
    }
    if own.stale {
        return Err(flow_failed(request, own.by_path, "the connection ended when this server restarted"));
    }
    if let (Origin::Inside { .. }, true, Some(leg)) = (admitted.origin(), own.by_path, own.exit()) {
        return by_path(leg);
    }
    if let Some(leg) = own.exit() {
        check_side(own, admitted, mint)?;
        return in_dialog(leg, admitted, request, (organisation, connections));
    }
    if lacks_its_route(request, admitted, own, organisation) {
        let reason = "the request is of a dialog, and without the Route headers that lead along it";
        return Err(Refusal::new(481, Word::RouteMissing, reason));
    }
    by_uri(request, admitted, own, (organisation, connections))
}

/// Whether a user's phone sends what is of a dialog straight to the Contact at the other end, which says where that is, and not by
/// which way it is reached (RFC 3261 section 12.2.1.1).
fn lacks_its_route(request: &Message, admitted: &Admitted, own: &OwnRoutes, organisation: &Organisation) -> bool {
    let is_of_user = matches!(admitted.origin(), Origin::User { .. });
    let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok()).filter(Uri::is_sip);
    let (true, true, Some(uri)) = (is_of_user, request.is_within_dialog(), uri) else { return false };
    let host = uri.host_lowercase();
    let is_ours = organisation.is_named(&host) || own.local.is_some_and(|local| is_written(&host, local));
    !is_ours && !organisation.is_local(&host) && (uri.host_address().is_some() || is_of_one_network(&host))
}

/// A name that no DNS but a network's own may know, as browsers (RFC 7118 section 5) and phones write it into Contact.
fn is_of_one_network(host: &str) -> bool {
    host.rsplit_once('.').is_none_or(|(_, top)| ["invalid", "local"].contains(&top))
}

/// Decides where a request of an agent of ours goes: within its dialog by the Route that our token is in, which is its own.
pub(crate) fn route_own(
    request: &Message,
    admitted: &Admitted,
    own: &OwnRoutes,
    organisation: &Organisation,
    connections: u16,
) -> Result<Destination, Refusal> {
    match own.exit() {
        _ if own.stale => Err(flow_failed(request, false, "the dialog's connection ended when this server restarted")),
        Some(leg) => in_dialog(leg, admitted, request, (organisation, connections)),
        None => by_uri(request, admitted, own, (organisation, connections)),
    }
}

fn by_uri(
    request: &Message,
    admitted: &Admitted,
    own: &OwnRoutes,
    (organisation, connections): (&Organisation, u16),
) -> Result<Destination, Refusal> {
    let uri = request_uri(request)?;
    let domain = uri.host_lowercase();
    // Who he is the home finds out, and where it goes then.
    if let Origin::Remote { .. } = admitted.origin() {
        return to_inside(admitted, request, connections);
    }
    if request.method() == Some(Method::Register) {
        return match admitted.origin() {
            Origin::User { aor } => Ok(Destination::Registrar(aor.clone())),
            _ => Err(relay_denied("a partner cannot register with us")),
        };
    }
    if organisation.domains.iter().any(|ours| *ours == domain) {
        if organisation.is_edge_only() && uri.user().is_some() {
            return to_inside(admitted, request, connections);
        }
        return match uri.user() {
            Some(user) => match MeetingAddress::read(user) {
                Some(MeetingAddress::Conference(id)) => Ok(Destination::Agent(AgentKey::Conference(id))),
                Some(MeetingAddress::Factory) => Ok(Destination::Factory),
                None => Ok(Destination::User(aor(&uri)?)),
            },
            None => Ok(Destination::Ourselves),
        };
    }
    if organisation.is_named(&domain) || own.local.is_some_and(|local| is_written(&domain, local)) {
        return match uri.user() {
            Some(_) => {
                let reason = "users are addressed by a SIP domain, not by the name or the address of the edge";
                Err(Refusal::new(404, Word::UserUnknown, reason))
            }
            None => Ok(Destination::Ourselves),
        };
    }
    match admitted.origin() {
        Origin::User { .. } | Origin::Inside { .. } => Ok(partner(&domain, request, organisation, connections)),
        // A user of ours who is at home at a provider.
        Origin::Partner { domain: from, .. } if organisation.is_local(from) && is_from_ours(request, organisation) => {
            Ok(partner(&domain, request, organisation, connections))
        }
        Origin::Partner { .. } | Origin::Remote { .. } => {
            Err(relay_denied("a partner's request for a domain that is not ours"))
        }
    }
}

/// To the phone that our Path names: only its home sends there.
fn by_path(leg: &Leg) -> Result<Destination, Refusal> {
    match leg {
        Leg::Flow { worker, flow, user, .. } => {
            Ok(Destination::Flow { worker: *worker, flow: *flow, user: Some(*user), by_path: true })
        }
        _ => Err(relay_denied("a Path of ours names a phone's connection")),
    }
}

pub(crate) fn is_from_ours(request: &Message, organisation: &Organisation) -> bool {
    request.from().is_ok_and(|from| organisation.is_local(&from.uri().host_lowercase()))
}

/// A dialog is continued by the two who are in it, each from his side.
fn check_side(own: &OwnRoutes, admitted: &Admitted, mint: &Mint) -> Result<(), Refusal> {
    let is_theirs = match admitted.origin() {
        Origin::User { aor } => own.entered_by_user(mint.user(aor)),
        Origin::Partner { domain, .. } => own.entered_by_partner(domain),
        Origin::Inside { .. } => own.entered_from_inside(),
        // Whose dialog it is his home finds out.
        Origin::Remote { .. } => matches!(own.exit(), Some(Leg::Inside)),
    };
    if is_theirs { Ok(()) } else { Err(relay_denied("the Route belongs to a dialog of somebody else")) }
}

fn in_dialog(
    leg: &Leg,
    admitted: &Admitted,
    request: &Message,
    (organisation, connections): (&Organisation, u16),
) -> Result<Destination, Refusal> {
    match (leg, admitted.origin()) {
        (Leg::Flow { worker, flow, user, .. }, _) => {
            Ok(Destination::Flow { worker: *worker, flow: *flow, user: Some(*user), by_path: false })
        }
        (Leg::Remote { edge, flow, user }, _) => {
            Ok(Destination::Edge { edge: edge.clone(), phone: Some((*flow, *user)) })
        }
        (Leg::Agent(agent), _) => Ok(Destination::Agent(agent.clone())),
        (Leg::Partner { domain }, Origin::User { .. } | Origin::Inside { .. }) => {
            Ok(partner(domain, request, organisation, connections))
        }
        (Leg::Inside, _) => to_inside(admitted, request, connections),
        // With a user of ours who is at home at a provider.
        (Leg::Partner { domain }, Origin::Partner { domain: from, .. })
            if organisation.is_local(domain) != organisation.is_local(from) =>
        {
            Ok(partner(domain, request, organisation, connections))
        }
        (Leg::Partner { .. }, Origin::Partner { .. } | Origin::Remote { .. }) => {
            Err(relay_denied("a partner's dialog does not lead to another"))
        }
    }
}

/// The flow that our token names is gone: 481 within a dialog, 430 else, and to who sends by our Path and may know of another flow
/// (RFC 5626 section 5.3.1).
pub(crate) fn flow_failed(request: &Message, by_path: bool, reason: &str) -> Refusal {
    let has_no_other = request.is_within_dialog() && !by_path;
    Refusal::new(if has_no_other { 481 } else { 430 }, Word::FlowFailed, reason)
}

fn partner(domain: &str, request: &Message, organisation: &Organisation, connections: u16) -> Destination {
    let connection = partner_connection_of(request, organisation, connections);
    Destination::to_partner(domain, connection)
}

/// An edge's own domains are behind it; what came from there does not go back.
fn to_inside(admitted: &Admitted, request: &Message, connections: u16) -> Result<Destination, Refusal> {
    let call_id = request.call_id().unwrap_or_default();
    match admitted.origin() {
        Origin::Inside { .. } => Err(relay_denied("what came from the inner side would go back there")),
        _ => Ok(Destination::Inside { connection: partner_connection(call_id, connections) }),
    }
}

fn names_us(uri: &Uri<'_>, organisation: &Organisation, local: IpAddr) -> bool {
    let host = uri.host_lowercase();
    organisation.is_named(&host)
        || organisation.domains.iter().any(|domain| *domain == host)
        || is_written(&host, local)
}

fn request_uri<'a>(request: &'a Message) -> Result<Uri<'a>, Refusal> {
    let text = request.request_uri().unwrap_or_default();
    let uri = Uri::parse(text)
        .map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("Request-URI {text:?}: {error}")))?;
    match uri.headers() {
        _ if !uri.is_sip() => {
            Err(Refusal::new(416, Word::SchemeUnsupported, format!("Request-URI scheme {:?}", uri.scheme())))
        }
        // What would become headers of the next request (RFC 3261 19.1.1: not in a Request-URI).
        Some(_) => Err(Refusal::new(400, Word::MalformedRequest, format!("Request-URI {text:?} has headers in it"))),
        None => Ok(uri),
    }
}

fn aor(uri: &Uri<'_>) -> Result<Aor, Refusal> {
    Aor::from_uri(uri).map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("Request-URI: {error}")))
}

pub(crate) fn relay_denied(reason: &str) -> Refusal {
    Refusal::new(403, Word::RelayDenied, reason)
}

/// Names the links to the inner side among those to partners: no domain is called so.
pub(crate) const INSIDE: &str = "[inside]";
