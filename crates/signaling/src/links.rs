//! Connections to partners: found by the one discovery rule, proven by the ladder before the first byte, and kept.
//!
//! A partner has a fixed number of them over all workers; a Call-ID always takes the same one (`ownership`).

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use federation::discovery::SrvResult;
use federation::flow::{FlowFacts, FlowKind};
use federation::partner::{PartnerKind, Partners, Standing};
use federation::refusal;
use federation::route::{NextHopTarget, RoutePlan, plan};
use federation::verification::{Role, Rung, Verdict, judge};
use sip::{FlowId, Refusal, Transport};

use crate::acceptor::{no_answer, overloaded};
use crate::core::{Asker, Core};
use crate::owner::{ContextId, Target};
use crate::token::Leg;
use crate::{AdmittedRequest, Answer, Forgotten, LinkStatus, Question};

/// Names a connection to a partner: the domain, and its number among the domain's connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkKey {
    pub domain: String,
    pub connection: u16,
}

/// The partner connections that this worker owns.
#[derive(Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkKey, Link>,
    keys_by_flow: BTreeMap<FlowId, LinkKey>,
}

struct Link {
    stage: Stage,
    waiting: VecDeque<Waiter>,
    last_failure: Option<Refusal>,
    /// When the attempt under way, or the one that brought it up, began.
    since: Instant,
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
        host: String,
        rung: Rung,
    },
}

/// The target that is tried, what is left of its addresses, and the targets after it.
struct Attempt {
    target: NextHopTarget,
    addresses: VecDeque<IpAddr>,
    rest: VecDeque<NextHopTarget>,
}

/// A request that goes out once the connection is up.
enum Waiter {
    Context(ContextId),
    Ack(Box<AdmittedRequest>),
}

impl Links {
    /// A connection that ends as soon as it is up was most likely refused: under TLS 1.3 a server judges our
    /// certificate after we are through with the handshake, and can only hang up.
    pub(crate) fn flow_closed(&mut self, now: Instant, flow: FlowId) {
        let Some(link) = self.keys_by_flow.remove(&flow).and_then(|key| self.links.get_mut(&key)) else { return };
        if let Stage::Up { host, .. } = std::mem::replace(&mut link.stage, Stage::Idle)
            && now.saturating_duration_since(link.since) < REFUSED_WITHIN
        {
            let reason = format!(
                "{host} ended the connection as soon as it was up: its side most likely does not accept our \
                 certificate (the purpose clientAuth is often asked for), and its log says why"
            );
            link.last_failure = Some(refusal::partner_unreachable(reason));
        }
    }

    /// Why the partner could not be reached last, over any connection of ours to it.
    pub(crate) fn last_failure(&self, domain: &str) -> Option<&Refusal> {
        let of_domain = self.links.iter().filter(|(key, _)| key.domain == domain);
        of_domain.filter_map(|(_, link)| link.last_failure.as_ref()).next_back()
    }

    /// The connections whose partner stands otherwise in the new table: they were judged by what no longer holds.
    pub(crate) fn outdated(&self, old: &Partners, new: &Partners) -> Vec<FlowId> {
        let changed = |key: &LinkKey| !stand_alike(old.standing(&key.domain), new.standing(&key.domain));
        self.keys_by_flow.iter().filter(|(_, key)| changed(key)).map(|(flow, _)| *flow).collect()
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

impl Link {
    fn new(now: Instant) -> Link {
        Link { stage: Stage::Idle, waiting: VecDeque::new(), last_failure: None, since: now }
    }

    fn status(&self, key: &LinkKey) -> LinkStatus {
        let (state, host, rung) = match &self.stage {
            Stage::Idle => ("idle", None, None),
            Stage::ExpectSrv => ("resolving", None, None),
            Stage::ExpectAddresses { attempt } => ("resolving", Some(attempt.target.to_string()), None),
            Stage::ExpectConnect { attempt } | Stage::ExpectVerdict { attempt, .. } => {
                ("connecting", Some(attempt.target.to_string()), None)
            }
            Stage::Up { host, rung, .. } => ("up", Some(host.clone()), Some(rung.as_str().to_owned())),
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
        Forgotten { discovery: discovery - self.discovery.len(), connections: self.links.forget_idle(domain) }
    }

    /// Sends a request over connection number `connection` to a partner, bringing it up first where it is not.
    pub(crate) fn send_to_partner(&mut self, now: Instant, domain: String, connection: u16, request: AdmittedRequest) {
        let standing = self.partners.standing(&domain);
        if let Some(refusal) = check_standing(&domain, standing) {
            if let Some(upstream) = request.upstream {
                self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            return;
        }
        let key = LinkKey { domain, connection };
        if let Some(Link { stage: Stage::Up { flow, host, .. }, .. }) = self.links.links.get(&key) {
            let (flow, host) = (*flow, host.clone());
            self.record_routed(now, &request.message, &host);
            let target = self.partner_target(flow, &key.domain);
            return self.send_single(now, request, target);
        }
        self.wait_for_link(now, key, request);
    }

    fn wait_for_link(&mut self, now: Instant, key: LinkKey, request: AdmittedRequest) {
        self.links.make_room();
        let waiting_max = self.limits.waiting_per_link_max;
        let link = self.links.links.entry(key.clone()).or_insert_with(|| Link::new(now));
        if link.waiting.len() >= waiting_max {
            if let Some(upstream) = request.upstream {
                let refusal = overloaded("too many requests wait for the connection to this partner");
                self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            return;
        }
        let waiter = match request.upstream {
            None => Waiter::Ack(Box::new(request)),
            Some(upstream) => Waiter::Context(self.open_context(upstream, request)),
        };
        let Some(link) = self.links.links.get_mut(&key) else { return };
        link.waiting.push_back(waiter);
        if matches!(link.stage, Stage::Idle) {
            link.since = now;
            self.start_link(now, key);
        }
    }

    /// From the partner entry or the SRV records to a list of targets.
    fn start_link(&mut self, now: Instant, key: LinkKey) {
        let srv = self.discovery.lookup(now, &key.domain).cloned();
        let mut draw = self.draw();
        match plan(&key.domain, self.partners.standing(&key.domain), srv.as_ref(), &mut draw) {
            RoutePlan::Refused(refusal) => self.fail_link(now, key, refusal),
            RoutePlan::Targets(targets) => self.try_next_target(now, key, targets.into()),
            RoutePlan::Needs => {
                let domain = key.domain.clone();
                self.ask_for_link(now, key, Question::Srv { domain }, Stage::ExpectSrv);
            }
        }
    }

    fn try_next_target(&mut self, now: Instant, key: LinkKey, mut rest: VecDeque<NextHopTarget>) {
        let Some(target) = rest.pop_front() else {
            let known = self.links.links.get(&key).and_then(|link| link.last_failure.clone());
            let refusal = known.unwrap_or_else(|| refusal::partner_unreachable("no target is left to try"));
            return self.fail_link(now, key, refusal);
        };
        let host = target.host.clone();
        let attempt = Attempt { target, addresses: VecDeque::new(), rest };
        self.ask_for_link(now, key, Question::Addresses { host }, Stage::ExpectAddresses { attempt });
    }

    fn try_next_address(&mut self, now: Instant, key: LinkKey, mut attempt: Attempt) {
        let Some(address) = attempt.addresses.pop_front() else {
            return self.try_next_target(now, key, attempt.rest);
        };
        let question = Question::Connect {
            remote: SocketAddr::new(address, attempt.target.port),
            server_name: attempt.target.host.clone(),
        };
        self.ask_for_link(now, key, question, Stage::ExpectConnect { attempt });
    }

    fn ask_for_link(&mut self, now: Instant, key: LinkKey, question: Question, stage: Stage) {
        let time = self.limits.link_time();
        if self.links.links.get(&key).is_some_and(|link| now.saturating_duration_since(link.since) > time) {
            let reason = format!("no connection came up within {} s", time.as_secs());
            return self.fail_link(now, key, refusal::partner_unreachable(reason));
        }
        self.links.stage(&key, stage);
        if self.ask(now, question, Asker::Link(key.clone())).is_err() {
            self.fail_link(now, key, overloaded("too many requests wait for an answer"));
        }
    }

    /// The answer that this connection waits for; `None` where it did not come.
    pub(crate) fn resume_link(&mut self, now: Instant, key: LinkKey, answer: Option<Answer>) {
        let Some(link) = self.links.links.get_mut(&key) else { return };
        match (std::mem::replace(&mut link.stage, Stage::Idle), answer) {
            (Stage::ExpectSrv, Some(Answer::Srv(result))) => {
                self.discovery.insert(now, &key.domain, result);
                self.start_link(now, key);
            }
            (Stage::ExpectAddresses { mut attempt }, Some(Answer::Addresses(Ok(addresses)))) => {
                attempt.addresses = addresses.into_iter().take(ADDRESSES_PER_TARGET_MAX).collect();
                self.try_next_address(now, key, attempt);
            }
            (Stage::ExpectAddresses { attempt }, Some(Answer::Addresses(Err(error)))) => {
                self.note_failure(&key, refusal::partner_unreachable(format!("{}: {error}", attempt.target)));
                self.try_next_target(now, key, attempt.rest);
            }
            (Stage::ExpectConnect { attempt }, Some(Answer::Connected(Ok(facts)))) => {
                self.judge_link(now, key, attempt, facts);
            }
            (Stage::ExpectConnect { attempt }, Some(Answer::Connected(Err(error)))) => {
                self.note_failure(&key, refusal::partner_unreachable(format!("{}: {error}", attempt.target)));
                self.try_next_address(now, key, attempt);
            }
            (Stage::ExpectVerdict { attempt, facts }, Some(Answer::Srv(result))) => {
                self.discovery.insert(now, &key.domain, result);
                self.judge_link(now, key, attempt, *facts);
            }
            (Stage::ExpectVerdict { facts, .. }, None) => {
                self.drop_unproven(&facts);
                self.fail_link(now, key, no_answer());
            }
            _ => self.fail_link(now, key, no_answer()),
        }
    }

    /// Before the first byte: does the certificate prove the domain?
    fn judge_link(&mut self, now: Instant, key: LinkKey, attempt: Attempt, facts: FlowFacts) {
        // The table may have changed while we connected.
        if let Some(refusal) = check_standing(&key.domain, self.partners.standing(&key.domain)) {
            self.drop_unproven(&facts);
            return self.fail_link(now, key, refusal);
        }
        let edge = match self.partners.standing(&key.domain) {
            Standing::Allowed(partner) => match &partner.kind {
                PartnerKind::AllowedServer { edge } => Some(edge.clone()),
                PartnerKind::AllowedDomain | PartnerKind::Blocked => None,
            },
            _ => None,
        };
        let srv: Option<SrvResult> = self.discovery.lookup(now, &key.domain).cloned();
        let verdict = match facts.secure_certificate() {
            Some(certificate) => judge(certificate, Role::Server, &key.domain, edge.as_deref(), srv.as_ref()),
            None => Verdict::Failed(refusal::partner_certificate("the partner showed no certificate")),
        };
        match verdict {
            Verdict::Proven(rung) => self.link_up(now, key, facts, attempt.target.to_string(), rung),
            Verdict::Needs => {
                let domain = key.domain.clone();
                let stage = Stage::ExpectVerdict { attempt, facts: Box::new(facts) };
                self.ask_for_link(now, key, Question::Srv { domain }, stage);
            }
            Verdict::Failed(why) => {
                let reason = format!("{}: {}: {}", attempt.target, why.word, why.reason);
                self.note_failure(&key, refusal::partner_certificate(reason));
                self.drop_unproven(&facts);
                self.try_next_address(now, key, attempt);
            }
        }
    }

    fn link_up(&mut self, now: Instant, key: LinkKey, facts: FlowFacts, host: String, rung: Rung) {
        let flow = facts.id;
        self.flows.open(facts);
        self.flows.admitted(flow, FlowKind::Partner, None, 0);
        self.links.keys_by_flow.insert(flow, key.clone());
        let Some(link) = self.links.links.get_mut(&key) else { return };
        link.stage = Stage::Up { flow, host: host.clone(), rung };
        link.last_failure = None;
        for waiter in std::mem::take(&mut link.waiting) {
            let target = self.partner_target(flow, &key.domain);
            match waiter {
                Waiter::Ack(request) => self.send_single(now, *request, target),
                Waiter::Context(context) => {
                    if let Some(message) = self.owner.request(context).map(|request| request.message.clone()) {
                        self.record_routed(now, &message, &host);
                        self.send_branch(now, context, target);
                        self.close_target_set(now, context);
                    }
                }
            }
        }
    }

    /// Every way was tried: all that wait get the same answer, and the next request starts anew.
    fn fail_link(&mut self, now: Instant, key: LinkKey, refusal: Refusal) {
        let Some(link) = self.links.links.get_mut(&key) else { return };
        link.stage = Stage::Idle;
        link.last_failure = Some(refusal.clone());
        for waiter in std::mem::take(&mut link.waiting) {
            if let Waiter::Context(context) = waiter {
                self.abandon_context(now, context, &refusal);
            }
        }
    }

    fn note_failure(&mut self, key: &LinkKey, refusal: Refusal) {
        if let Some(link) = self.links.links.get_mut(key) {
            link.last_failure = Some(refusal);
        }
    }

    fn drop_unproven(&mut self, facts: &FlowFacts) {
        self.put(crate::Output::CloseFlow { flow: facts.id });
    }

    fn partner_target(&self, flow: FlowId, domain: &str) -> Target {
        Target {
            flow,
            transport: Transport::Tls,
            local_port: self.listening_port(Transport::Tls),
            request_uri: None,
            path: Vec::new(),
            leg: Some(Leg::Partner { domain: domain.to_owned() }),
        }
    }
}

/// Whether a connection judged by the one would be judged alike by the other; a comment makes no difference.
fn stand_alike(old: Standing<'_>, new: Standing<'_>) -> bool {
    match (old, new) {
        (Standing::Allowed(old), Standing::Allowed(new)) => old.kind == new.kind,
        (Standing::Discovered, Standing::Discovered) => true,
        _ => false,
    }
}

/// Whether the table lets our users reach this domain.
fn check_standing(domain: &str, standing: Standing<'_>) -> Option<Refusal> {
    match standing {
        Standing::Allowed(_) | Standing::Discovered => None,
        Standing::Blocked(_) => Some(refusal::domain_blocked(domain)),
        Standing::Unknown => Some(refusal::domain_not_allowed(domain)),
        Standing::FederationOff => Some(refusal::federation_off()),
    }
}

/// Connections that are down are remembered for their last failure, up to this many.
const LINKS_REMEMBERED_MAX: usize = 10_000;

/// Counted from the beginning of the attempt.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

/// A name with more addresses than this has them for other reasons than to be reached.
const ADDRESSES_PER_TARGET_MAX: usize = 4;
