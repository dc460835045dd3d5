//! Connections to partners: found by the one discovery rule, proven by the ladder before the first byte, and kept. How
//! one comes up is `attempt`.
//!
//! A partner has a fixed number of them over all workers; a Call-ID always takes the same one (`ownership`).

mod attempt;
mod dial;
mod edge;
mod inside;

pub(crate) use dial::Dial;
pub(crate) use edge::edge_domain;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::decision::Connection;
use federation::flow::FlowFacts;
use federation::modality::ends_subscription;
use federation::partner::{By, Partners};
use federation::refusal;
use federation::route::NextHopTarget;
use sip::refusal::TLS_FAILED;
use sip::transaction::ClientTransactionId;
use sip::{Aor, FlowId, Method, Refusal};

use crate::acceptor::overloaded;
use crate::core::Core;
use crate::owner::{ContextId, Target};
use crate::route::Destination;
use crate::token::Leg;
use crate::{AdmittedRequest, Breakage, Forgotten, LinkCounts, LinkStatus};

/// Names a connection to a partner: the domain, and its number among the domain's connections, of which there are so many with each
/// certificate of ours and through each edge to which policies lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkKey {
    pub domain: String,
    pub connection: u16,
    /// "host:port" of that edge.
    pub via: Option<String>,
}

/// The partner connections that this worker owns.
#[derive(Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkKey, Link>,
    /// Also of flows that are no longer used for new requests, until they end.
    keys_by_flow: BTreeMap<FlowId, LinkKey>,
    /// Those that go over a connection which the partner has opened, until it ends or they leave it.
    keys_by_alias: BTreeMap<FlowId, BTreeSet<LinkKey>>,
    /// Of partners that stand otherwise than when they came up: good for a last word alone.
    retired_by_key: BTreeMap<LinkKey, FlowId>,
    /// Those with a second address that may be tried beside the first.
    keys_by_dial: BTreeMap<u64, LinkKey>,
    last_dial: u64,
}

struct Link {
    stage: Stage,
    waiting: VecDeque<Waiter>,
    last_failure: Option<Refusal>,
    /// Where it was up last.
    last_place: Option<(FlowId, NextHopTarget, IpAddr)>,
    /// What came over its flow that cannot be taken.
    breakage: Option<(FlowId, Breakage)>,
}

/// How far a connection has come; each stage but the last two waits for one answer.
enum Stage {
    Idle,
    ExpectSrv,
    ExpectAddresses {
        attempt: Attempt,
    },
    ExpectConnect {
        attempt: Attempt,
    },
    /// Up, but the ladder needs the domain's SRV answer to judge the certificate.
    ExpectVerdict {
        attempt: Attempt,
        facts: Box<FlowFacts>,
    },
    Up {
        flow: FlowId,
        connection: Arc<Connection>,
        /// `None`: the partner has opened it.
        place: Option<(NextHopTarget, IpAddr)>,
        /// No other server could be tried instead.
        is_only: bool,
        /// Its name is that of several servers, by their addresses.
        shares_name: bool,
        since: Instant,
        /// A response came over it.
        is_heard: bool,
    },
}

/// The target that is tried, what is left of its addresses, and the targets after it.
struct Attempt {
    target: NextHopTarget,
    /// The one that is tried.
    address: Option<IpAddr>,
    addresses: VecDeque<IpAddr>,
    rest: VecDeque<NextHopTarget>,
    /// Those that are dialled by now, at most one of each address family.
    dialled: Vec<IpAddr>,
    /// Tells this attempt's dialling from that of others.
    serial: u64,
    /// There is one target, with one address.
    is_only: bool,
    /// The target has several.
    shares_name: bool,
    /// When to stop trying: whoever waits must still get an answer.
    deadline: Instant,
}

/// A request that goes out once the connection is up.
enum Waiter {
    Context(ContextId),
    Ack(Box<AdmittedRequest>),
    /// A response whose own connection has ended.
    Response(Bytes),
    /// A request that was sent over a connection which has ended: what answers it may come over this one.
    Sent(ClientTransactionId),
    /// A branch to a phone outside, whose transaction has not begun.
    Branch {
        id: ClientTransactionId,
        method: Method,
        bytes: Bytes,
    },
    /// Nothing but whether this edge is there.
    Edge(u16),
}

impl Links {
    /// A connection that ends as soon as it is up was most likely refused: under TLS 1.3 a server judges our
    /// certificate after we are through with the handshake, and can only hang up. Whether what went over it may have
    /// been read.
    pub(crate) fn flow_closed(&mut self, now: Instant, flow: FlowId) -> bool {
        self.retired_by_key.retain(|_, retired| *retired != flow);
        for key in self.keys_by_alias.remove(&flow).unwrap_or_default() {
            self.turn_from(&key, flow);
        }
        let Some(link) = self.keys_by_flow.remove(&flow).and_then(|key| self.links.get_mut(&key)) else { return true };
        let Stage::Up { flow: used, connection, since, is_heard, .. } = &link.stage else { return true };
        if *used != flow {
            return true;
        }
        let was_refused = !is_heard && now.saturating_duration_since(*since) < REFUSED_WITHIN;
        if was_refused {
            let how = link.breakage.take().filter(|(of, _)| *of == flow).map(|(_, how)| how);
            let why = refusal::partner_unreachable(hung_up(&connection.host, how.as_ref()));
            link.last_failure = Some(match how {
                Some(Breakage::NoSip(_)) => why,
                _ => why.with_diagnostics_id(TLS_FAILED),
            });
        }
        link.stage = Stage::Idle;
        !was_refused
    }

    /// Told once it has ended.
    pub(crate) fn flow_broke(&mut self, flow: FlowId, how: Breakage) {
        if let Some(link) = self.keys_by_flow.get(&flow).and_then(|key| self.links.get_mut(key)) {
            link.breakage.get_or_insert((flow, how));
        }
    }

    /// The flow of a connection that is up.
    pub(crate) fn flow_of(&self, key: &LinkKey) -> Option<FlowId> {
        self.up(key).map(|(flow, _)| flow)
    }

    fn up(&self, key: &LinkKey) -> Option<(FlowId, Arc<Connection>)> {
        match &self.links.get(key)?.stage {
            Stage::Up { flow, connection, .. } => Some((*flow, connection.clone())),
            _ => None,
        }
    }

    /// We end this flow ourselves: its end says nothing about the partner.
    pub(crate) fn let_go(&mut self, flow: FlowId) {
        if let Some(key) = self.keys_by_flow.remove(&flow) {
            self.turn_from(&key, flow);
        }
    }

    /// The same of a flow over which a partner may still be told that something is over.
    pub(crate) fn retire(&mut self, flow: FlowId) {
        if let Some(key) = self.keys_by_flow.get(&flow) {
            self.retired_by_key.insert(key.clone(), flow);
        }
        self.let_go(flow);
    }

    /// The flow for a last word to a partner that nothing else may be sent to.
    fn last_flow(&self, key: &LinkKey) -> Option<FlowId> {
        self.flow_of(key).filter(|_| key.is_inside()).or_else(|| self.retired_by_key.get(key).copied())
    }

    /// A response came over this flow; answers its connection where that is the first.
    pub(crate) fn heard(&mut self, flow: FlowId) -> Option<LinkKey> {
        let key = self.keys_by_flow.get(&flow)?;
        match &mut self.links.get_mut(key)?.stage {
            Stage::Up { flow: used, is_heard, .. } if *used == flow && !*is_heard => {
                *is_heard = true;
                Some(key.clone())
            }
            _ => None,
        }
    }

    pub(crate) fn key_of(&self, flow: FlowId) -> Option<LinkKey> {
        self.keys_by_flow.get(&flow).cloned()
    }

    /// Whether a connection to this domain is up or coming up.
    pub(crate) fn is_connected_to(&self, domain: &str) -> bool {
        let from = LinkKey { domain: domain.to_owned(), connection: 0, via: None };
        let of_domain = self.links.range(from..).take_while(|(key, _)| key.domain == domain);
        of_domain.into_iter().any(|(_, link)| !matches!(link.stage, Stage::Idle))
    }

    /// Whether it was ever up.
    pub(crate) fn was_up(&self, key: &LinkKey) -> bool {
        self.links.get(key).is_some_and(|link| link.last_place.is_some())
    }

    /// Why this connection could not be brought up last, or was lost. The domain's other connections may have failed
    /// for other reasons, long ago.
    pub(crate) fn last_failure(&self, key: &LinkKey) -> Option<&Refusal> {
        self.links.get(key)?.last_failure.as_ref()
    }

    /// The server that a flow leads to, while it is used for new requests.
    pub(crate) fn place_of(&self, flow: FlowId) -> Option<(&str, &NextHopTarget, IpAddr)> {
        let key = self.keys_by_flow.get(&flow)?;
        match &self.links.get(key)?.stage {
            Stage::Up { flow: used, place: Some((target, address)), .. } if *used == flow => {
                Some((&key.domain, target, *address))
            }
            _ => None,
        }
    }

    /// The server that a flow led to which has ended, if it was this connection's last.
    pub(crate) fn last_place(&self, key: &LinkKey, flow: FlowId) -> Option<(NextHopTarget, IpAddr)> {
        let (last, target, address) = self.links.get(key)?.last_place.as_ref()?;
        (*last == flow).then(|| (target.clone(), *address))
    }

    /// Whether new requests go over this flow, and no other server could be tried.
    pub(crate) fn is_only_way(&self, key: &LinkKey, flow: FlowId) -> bool {
        let stage = self.links.get(key).map(|link| &link.stage);
        matches!(stage, Some(Stage::Up { flow: used, is_only: true, .. }) if *used == flow)
    }

    /// Whether the flow leads to one of several servers by the same name.
    pub(crate) fn shares_name(&self, flow: FlowId) -> bool {
        let link = self.keys_by_flow.get(&flow).and_then(|key| self.links.get(key));
        matches!(link.map(|link| &link.stage), Some(Stage::Up { flow: used, shares_name: true, .. }) if *used == flow)
    }

    /// New requests find a new way; what is under way on the flow goes on there.
    pub(crate) fn turn_from(&mut self, key: &LinkKey, flow: FlowId) {
        if let Some(link) = self.links.get_mut(key)
            && matches!(link.stage, Stage::Up { flow: used, .. } if used == flow)
        {
            link.stage = Stage::Idle;
        }
        if let Some(keys) = self.keys_by_alias.get_mut(&flow) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys_by_alias.remove(&flow);
            }
        }
    }

    /// Whether too many requests wait for this connection already.
    pub(crate) fn is_full(&self, key: &LinkKey, waiting_max: usize) -> bool {
        self.links.get(key).is_some_and(|link| link.waiting.len() >= waiting_max)
    }

    /// Those to partners who stand otherwise in the new table leave the connections that they have opened.
    pub(crate) fn leave_aliases(&mut self, keep: impl Fn(&str) -> bool) {
        let used = self.keys_by_alias.iter().flat_map(|(flow, keys)| keys.iter().map(|key| (*flow, key.clone())));
        let outdated: Vec<_> = used.filter(|(_, key)| !keep(&key.domain)).collect();
        for (flow, key) in outdated {
            self.turn_from(&key, flow);
            self.retired_by_key.insert(key, flow);
        }
    }

    /// The connections whose partner stands otherwise in the new table: they were judged by what no longer holds.
    pub(crate) fn outdated(&self, old: &Partners, new: &Partners) -> Vec<FlowId> {
        let changed = |key: &LinkKey| {
            !key.is_inside()
                && (!old.standing(&key.domain).is_alike(new.standing(&key.domain))
                    || old.trust(&key.domain) != new.trust(&key.domain))
        };
        self.keys_by_flow.iter().filter(|(_, key)| changed(key)).map(|(flow, _)| *flow).collect()
    }

    /// Of the connections that stand.
    pub(crate) fn flows(&self) -> impl Iterator<Item = FlowId> {
        self.keys_by_flow.keys().copied()
    }

    /// Takes a request out of whichever queue it waits in.
    pub(crate) fn stop_waiting(&mut self, context: ContextId) -> bool {
        let mut found = false;
        for link in self.links.values_mut() {
            link.waiting.retain(|waiter| {
                let is_it = matches!(waiter, Waiter::Context(id) if *id == context);
                found |= is_it;
                !is_it
            });
        }
        found
    }

    pub(crate) fn statuses(&self) -> Vec<LinkStatus> {
        let mut all: Vec<_> = self.links.iter().map(|(key, link)| link.status(key)).collect();
        all.sort_by(|a, b| (&a.domain, a.connection).cmp(&(&b.domain, b.connection)));
        all
    }

    pub(crate) fn counts_by_state(&self) -> LinkCounts {
        let mut counts = LinkCounts::default();
        for link in self.links.values() {
            match &link.stage {
                Stage::Idle => counts.idle += 1,
                Stage::ExpectSrv | Stage::ExpectAddresses { .. } => counts.resolving += 1,
                Stage::ExpectConnect { .. } | Stage::ExpectVerdict { .. } => counts.connecting += 1,
                Stage::Up { .. } => counts.up += 1,
            }
        }
        counts
    }

    /// Forgets the connections to a domain that are down, and why; answers how many.
    fn forget_idle(&mut self, domain: &str) -> usize {
        let before = self.links.len();
        self.links.retain(|key, link| key.domain != domain || !matches!(link.stage, Stage::Idle));
        before - self.links.len()
    }

    fn stage(&mut self, key: &LinkKey, stage: Stage) {
        if let Some(link) = self.links.get_mut(key) {
            link.stage = stage;
        }
    }

    /// Forgets connections that are down when there are too many to remember.
    fn make_room(&mut self) {
        if self.links.len() >= LINKS_REMEMBERED_MAX {
            self.links.retain(|_, link| !matches!(link.stage, Stage::Idle));
        }
    }
}

/// The targets that are still to be tried.
struct Rest {
    targets: VecDeque<NextHopTarget>,
    is_only: bool,
    deadline: Instant,
}

impl Attempt {
    fn into_rest(self) -> Rest {
        Rest { targets: self.rest, is_only: self.is_only, deadline: self.deadline }
    }
}

impl Link {
    fn new() -> Link {
        Link { stage: Stage::Idle, waiting: VecDeque::new(), last_failure: None, last_place: None, breakage: None }
    }

    fn status(&self, key: &LinkKey) -> LinkStatus {
        let (state, host, rung) = match &self.stage {
            Stage::Idle => ("idle", None, None),
            Stage::ExpectSrv => ("resolving", None, None),
            Stage::ExpectAddresses { attempt } => ("resolving", Some(attempt.target.to_string()), None),
            Stage::ExpectConnect { attempt } | Stage::ExpectVerdict { attempt, .. } => {
                ("connecting", Some(attempt.target.to_string()), None)
            }
            Stage::Up { connection, .. } => {
                ("up", Some(connection.host.clone()), Some(connection.rung.as_str().to_owned()))
            }
        };
        LinkStatus {
            domain: key.domain.clone(),
            connection: key.connection,
            state: state.to_owned(),
            rung,
            host,
            last_failure: self.last_failure.as_ref().map(|refusal| format!("{}: {}", refusal.word, refusal.reason)),
        }
    }
}

impl Core {
    /// Forgets what was learnt about a domain, so that the next request finds out anew. Connections that are up stay.
    pub fn reset_partner(&mut self, domain: &str) -> Forgotten {
        let discovery = self.discovery.len();
        self.discovery.forget(domain);
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
        if let Err(refusal) = self.partners.standing(domain).check(domain) {
            return match (self.way_of_last_word(&request), request.upstream) {
                (Some(target), _) => self.send_single(now, request, target),
                (None, Some(upstream)) => self.refuse_owned(now, upstream, &request.message, &refusal),
                (None, None) => {}
            };
        }
        let request = self.by_route_of_sender(request);
        let Some(key) = self.link_key(&request.destination) else { return };
        self.send_over_link(now, key, request);
    }

    /// A partner that is not spoken to any more is told that its subscription or call is over, where a connection still stands.
    fn way_of_last_word(&self, request: &AdmittedRequest) -> Option<Target> {
        let is_last = match request.message.method() {
            Some(Method::Bye) => true,
            Some(Method::Notify) => ends_subscription(&request.message),
            _ => false,
        };
        let key = self.link_key(&request.destination).filter(|_| is_last)?;
        Some(self.link_target(self.links.last_flow(&key)?, &request.destination))
    }

    /// The request, with the way that the policy of its sender gives it; at an edge alone the home has seen to that.
    fn by_route_of_sender(&self, mut request: AdmittedRequest) -> AdmittedRequest {
        if self.organisation.is_edge_only() {
            return request;
        }
        let Destination::Partner { domain, via, .. } = &mut request.destination else { return request };
        let from = request.message.from().ok().and_then(|from| Aor::from_uri(&from.uri()).ok());
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
            Destination::Edge { edge } => Some(LinkKey::edge(edge, self.ownership.worker)),
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

    fn send_over_link(&mut self, now: Instant, key: LinkKey, request: AdmittedRequest) {
        self.take_alias(now, &key);
        if let Some((flow, connection)) = self.links.up(&key) {
            if let (Some(refusal), Some(upstream)) = (self.rest_of(now, flow, &request.message), request.upstream) {
                self.count_of_partner(&key.domain, |counts| counts.held_back += 1);
                return self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            self.record_sent(now, &request.message, now, connection);
            let target = self.link_target(flow, &request.destination);
            return self.send_single(now, request, target);
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

    /// A response that a partner waits for, all of whose own connections are gone.
    pub(crate) fn respond_over_link(&mut self, now: Instant, key: LinkKey, bytes: Bytes) {
        if let Some(flow) = self.links.flow_of(&key) {
            return self.transmit(now, flow, bytes);
        }
        self.links.make_room();
        if self.links.is_full(&key, self.limits.waiting_per_link_max) {
            self.counts.hit("waiting_per_link_max");
            self.undeliverable += 1;
            return;
        }
        self.await_link(now, key, Waiter::Response(bytes));
    }

    /// Brings the connection up for what was sent over one that has ended; where that fails, so does the request.
    pub(crate) fn connect_for(&mut self, now: Instant, key: LinkKey, sent: ClientTransactionId) {
        self.take_alias(now, &key);
        if self.links.flow_of(&key).is_none() && !self.links.is_full(&key, self.limits.waiting_per_link_max) {
            self.await_link(now, key, Waiter::Sent(sent));
        }
    }

    /// The context's request goes out over this connection, as soon as it is up.
    pub(crate) fn send_again(&mut self, now: Instant, key: LinkKey, context: ContextId) {
        self.take_alias(now, &key);
        if let Some((flow, connection)) = self.links.up(&key) {
            return self.send_waiting(now, flow, &connection, context);
        }
        self.await_link(now, key, Waiter::Context(context));
    }

    fn await_link(&mut self, now: Instant, key: LinkKey, waiter: Waiter) {
        let link = self.links.links.entry(key.clone()).or_insert_with(Link::new);
        link.waiting.push_back(waiter);
        if matches!(link.stage, Stage::Idle) {
            self.start_link(now, key);
        }
    }

    fn send_waiting(&mut self, now: Instant, flow: FlowId, connection: &Arc<Connection>, context: ContextId) {
        let Some((request, since)) = self.owner.waited(context) else { return };
        let Some(destination) = self.owner.request(context).map(|request| request.destination.clone()) else { return };
        self.record_sent(now, &request, since, connection.clone());
        let target = self.link_target(flow, &destination);
        self.send_branch(now, context, target);
        self.close_target_set(now, context);
    }

    fn link_target(&self, flow: FlowId, destination: &Destination) -> Target {
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
            edge: None,
        }
    }
}

/// Connections that are down are remembered for their last failure, up to this many.
const LINKS_REMEMBERED_MAX: usize = 10_000;

/// How soon after the handshake a server hangs up that does not accept our certificate.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

/// Why a connection that had just come up ended, for the operator.
fn hung_up(host: &str, how: Option<&Breakage>) -> String {
    match how {
        Some(Breakage::NoSip(beginning)) => {
            format!("{host} answers with what is no SIP; it begins with \"{beginning}\"")
        }
        Some(Breakage::Tls(alert)) => format!(
            "{host} ended the connection as soon as it was up ({alert}): its side does not accept our certificate, and its \
             log says why"
        ),
        None => format!(
            "{host} ended the connection as soon as it was up: its side most likely does not accept our certificate \
             (the purpose clientAuth is often asked for), and its log says why"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_failure_of_its_own() {
        let key = |connection| LinkKey { domain: "fabrikam.example".to_owned(), connection, via: None };
        let failed = |reason: &str| Link { last_failure: Some(refusal::partner_unreachable(reason)), ..Link::new() };
        let mut links = Links::default();
        links.links.insert(key(0), failed("it hung up"));
        links.links.insert(key(3), failed("an older trouble"));
        assert_eq!(links.last_failure(&key(0)).map(|refusal| refusal.reason.as_str()), Some("it hung up"));
        assert_eq!(links.last_failure(&key(1)), None);
    }

    #[test]
    fn at_the_limit_connections_that_are_down_are_forgotten() {
        let key = |number| LinkKey { domain: format!("p{number}.example"), connection: 0, via: None };
        let mut links = Links::default();
        (0..LINKS_REMEMBERED_MAX - 1).for_each(|number| drop(links.links.insert(key(number), Link::new())));
        links.make_room();
        assert_eq!(links.links.len(), LINKS_REMEMBERED_MAX - 1);
        links.links.insert(key(LINKS_REMEMBERED_MAX), Link::new());
        links.make_room();
        assert_eq!(links.links.len(), 0);
    }
}
