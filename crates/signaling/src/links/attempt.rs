//! How a connection to a partner comes up: SRV, one server after the other, one address after the other, and the ladder
//! before the first byte. What failed lately is tried last.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use federation::decision::{Connection, SrvSeen};
use federation::discovery::SrvAnswer;
use federation::flow::{ConnectFailure, ConnectStep, FlowFacts, FlowKind};
use federation::partner::{By, Way};
use federation::refusal;
use federation::route::{RoutePlan, plan};
use federation::verification::{Role, Rung, Verdict, judge};
use sip::refusal::{NO_ADDRESS, TLS_FAILED};
use sip::transaction::Failure;
use sip::{FlowId, Refusal};

use super::{Attempt, Link, LinkKey, Rest, Stage, Waiter};
use crate::acceptor::{no_answer, overloaded};
use crate::core::Core;
use crate::failover;
use crate::waiting::Asker;
use crate::{Answer, Output, Question, Reach};

impl Core {
    /// From the partner entry or the SRV records to a list of targets.
    pub(super) fn start_link(&mut self, now: Instant, key: LinkKey) {
        if key.is_inside() {
            return self.start_inside(now, key);
        }
        self.discovery.mark_used(&key.domain);
        let srv = self.discovery.lookup(now, &key.domain).cloned();
        let mut draw = self.draw();
        match plan(&key.domain, self.way_of(&key), srv.as_ref(), &mut draw) {
            RoutePlan::Refused(refusal) => self.fail_link(now, key, refusal),
            // With its SRV records a connection of the partner's may prove the domain.
            RoutePlan::Targets(_) if self.take_alias(now, &key) => {
                if let Some((flow, connection)) = self.links.up(&key) {
                    self.serve_waiting(now, &key, flow, &connection);
                }
            }
            RoutePlan::Targets(targets) => {
                let is_only = targets.len() == 1;
                let targets = self.failover.health.order_targets(now, &key.domain, targets);
                let targets = self.untried_targets_first(&key, targets);
                match self.failover.rests.order(now, &key.domain, targets) {
                    Err(left) => {
                        let refusal = failover::rests(&key.domain, left);
                        self.fail_link(now, key, refusal);
                    }
                    Ok(targets) => {
                        let (targets, deadline) = (targets.into(), now + self.limits.link_time());
                        self.try_next_target(now, key, Rest { targets, is_only, left_out: false, deadline });
                    }
                }
            }
            RoutePlan::Needs => {
                let domain = key.domain.clone();
                self.ask_for_link(now, key, Question::Srv { domain }, Stage::ExpectSrv { since: now });
            }
        }
    }

    /// As it was decided for whoever sends by this connection.
    pub(super) fn way_of<'a>(&'a self, key: &'a LinkKey) -> Way<'a> {
        let way = self.partners.way(&key.domain, None);
        match &key.via {
            // Whose policy it is was asked when the request was sent.
            Some(via) => Way { edge: Some(via), by: By::Policy(""), ..way },
            None if matches!(way.by, By::Policy(_)) => self.partners.usual_way(&key.domain),
            None => way,
        }
    }

    /// For `why`, what led to this server: an answer of the DNS, or in words what was decided.
    fn led_by(&self, now: Instant, key: &LinkKey) -> (Option<&SrvAnswer>, String) {
        let way = self.way_of(key);
        let srv = self.discovery.lookup(now, &key.domain).and_then(|srv| srv.as_ref().ok());
        match (way.by, srv) {
            (By::Policy(_), _) => (None, "the route of the sender's policy".to_owned()),
            (By::Dns, Some(answer)) => (Some(answer), String::new()),
            (By::Dns, None) if way.last_resort.is_some() => (None, "the clearing house".to_owned()),
            (by, _) => (None, by.to_string()),
        }
    }

    pub(super) fn try_next_target(&mut self, now: Instant, key: LinkKey, rest: Rest) {
        let Rest { mut targets, is_only, left_out, deadline } = rest;
        let Some(target) = targets.pop_front().filter(|_| now < deadline) else {
            let known = self.links.links.get(&key).and_then(|link| link.last_failure.clone());
            let refusal = known.unwrap_or_else(|| refusal::partner_unreachable("no target is left to try"));
            return match left_out {
                // That these could not be sent on says nothing of the partner.
                true => self.fail_waiting(now, &key, &refusal),
                false => self.fail_link(now, key, refusal),
            };
        };
        let host = target.host.clone();
        let mut attempt = Attempt {
            target,
            address: None,
            addresses: VecDeque::new(),
            dialled: Vec::new(),
            serial: self.links.next_dial(),
            rest: targets,
            is_only,
            shares_name: false,
            left_out,
            deadline,
        };
        match self.hosts.lookup(now, &host) {
            Some(addresses) => {
                self.order_addresses(now, &key, &mut attempt, addresses);
                self.try_next_address(now, key, attempt);
            }
            None => self.ask_for_link(now, key, Question::Addresses { host }, Stage::ExpectAddresses { attempt }),
        }
    }

    fn order_addresses(&mut self, now: Instant, key: &LinkKey, attempt: &mut Attempt, addresses: Vec<IpAddr>) {
        attempt.is_only &= addresses.len() == 1;
        attempt.shares_name = addresses.len() > 1;
        let addresses = self.failover.health.order_addresses(now, &key.domain, &attempt.target, addresses);
        let known = addresses.len();
        let addresses = self.untried_addresses_first(key, &attempt.target.to_string(), addresses);
        attempt.left_out |= addresses.len() < known;
        attempt.addresses = addresses.into_iter().take(ADDRESSES_PER_TARGET_MAX).collect();
    }

    fn try_next_address(&mut self, now: Instant, key: LinkKey, mut attempt: Attempt) {
        let Some(address) = attempt.addresses.pop_front().filter(|_| now < attempt.deadline) else {
            if !attempt.dialled.is_empty() {
                return self.links.stage(&key, Stage::ExpectConnect { attempt });
            }
            if !attempt.left_out {
                // As a whole: of its addresses each failed, or none was found.
                let why = "none of its addresses works";
                self.place_failed(now, &key.domain, &attempt.target, None, why);
            }
            return self.try_next_target(now, key, attempt.into_rest());
        };
        attempt.address = Some(address);
        if key.is_inside() {
            return self.connect_inside(now, key, attempt, address);
        }
        self.dial(now, key, attempt, address);
    }

    pub(super) fn ask_for_link(&mut self, now: Instant, key: LinkKey, question: Question, stage: Stage) {
        self.links.stage(&key, stage);
        if self.ask(now, question, Asker::Link(key.clone())).is_err() {
            self.fail_link(now, key, overloaded("too many requests wait for an answer"));
        }
    }

    /// The answer that this connection waits for; `None` where it did not come.
    pub(crate) fn resume_link(&mut self, now: Instant, key: LinkKey, answer: Option<Answer>) {
        let Some(link) = self.links.links.get_mut(&key) else { return };
        match (std::mem::replace(&mut link.stage, Stage::Idle), answer) {
            (Stage::ExpectSrv { since }, Some(Answer::Srv(result))) => {
                link.srv_ms = u64::try_from(now.saturating_duration_since(since).as_millis()).ok();
                self.learn(now, &key.domain, result);
                self.start_link(now, key);
            }
            (Stage::ExpectAddresses { mut attempt }, Some(Answer::Addresses(found))) => {
                let addresses = match self.hosts.learn(now, &attempt.target.host, found) {
                    Ok(addresses) => addresses,
                    Err(error) => {
                        let why = refusal::partner_unreachable(error.to_string()).with_diagnostics_id(NO_ADDRESS);
                        return self.address_failed(now, key, attempt, why);
                    }
                };
                self.order_addresses(now, &key, &mut attempt, addresses);
                self.try_next_address(now, key, attempt);
            }
            (Stage::ExpectAddresses { attempt } | Stage::ExpectConnect { attempt }, None) => {
                self.address_failed(now, key, attempt, refusal::partner_unreachable("no answer came in time"));
            }
            (Stage::ExpectConnect { attempt }, Some(Answer::Connected(Ok(facts)))) => {
                self.judge_link(now, key, attempt, facts);
            }
            (Stage::ExpectConnect { attempt }, Some(Answer::Connected(Err(error)))) => {
                self.address_failed(now, key, attempt, unconnected(error));
            }
            (Stage::ExpectVerdict { attempt, facts }, Some(Answer::Srv(result))) => {
                self.learn(now, &key.domain, result);
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
    pub(super) fn judge_link(&mut self, now: Instant, key: LinkKey, mut attempt: Attempt, facts: FlowFacts) {
        if key.is_inside() {
            return self.judge_inside(now, key, attempt, facts);
        }
        // The table may have changed while we connected.
        if let Err(refusal) = self.partners.standing(&key.domain).check(&key.domain) {
            self.drop_unproven(&facts);
            return self.fail_link(now, key, refusal);
        }
        match self.judged(now, &facts, Role::Server, &key.domain) {
            Verdict::Proven(rung) => self.link_up(now, key, facts, attempt, rung),
            Verdict::Needs => {
                let domain = key.domain.clone();
                // What else is dialled comes too late for this one.
                attempt.dialled.clear();
                let stage = Stage::ExpectVerdict { attempt, facts: Box::new(facts) };
                self.ask_for_link(now, key, Question::Srv { domain }, stage);
            }
            Verdict::Failed(why) => {
                self.drop_unproven(&facts);
                let why = refusal::partner_certificate(format!("{}: {}", why.word, why.reason));
                self.address_failed(now, key, attempt, why);
            }
        }
    }

    /// Whether the certificate of a flow proves a domain, whose owner has this part in the handshake.
    pub(crate) fn judged(&self, now: Instant, facts: &FlowFacts, role: Role, domain: &str) -> Verdict {
        let claim = self.partners.claim(domain);
        match facts.secure_certificate() {
            Some(certificate) => judge(certificate, role, &claim, self.discovery.lookup(now, domain)),
            None => Verdict::Failed(refusal::partner_certificate("the partner showed no certificate")),
        }
    }

    /// This address will not do, or the target has none: the next one.
    pub(super) fn address_failed(&mut self, now: Instant, key: LinkKey, attempt: Attempt, why: Refusal) {
        let Attempt { target, address, .. } = &attempt;
        let reason = match address {
            Some(address) => format!("{target} ({address}): {}", why.reason),
            None => format!("{target}: {}", why.reason),
        };
        self.place_failed(now, &key.domain, target, *address, &why.reason);
        if let Some(link) = self.links.links.get_mut(&key) {
            link.last_failure = Some(Refusal { reason, ..why });
        }
        match address {
            Some(_) => self.try_next_address(now, key, attempt),
            None => self.try_next_target(now, key, attempt.into_rest()),
        }
    }

    pub(super) fn link_up(&mut self, now: Instant, key: LinkKey, facts: FlowFacts, attempt: Attempt, rung: Rung) {
        let flow = facts.id;
        let address = facts.remote.ip();
        let (answer, by) = if key.is_inside() { (None, String::new()) } else { self.led_by(now, &key) };
        let asked_ms = self.links.links.get(&key).and_then(|link| link.srv_ms);
        let connection = Arc::new(Connection {
            host: attempt.target.to_string(),
            address,
            rung,
            srv: answer.map(|answer| answer.name.clone()),
            dns: answer.map(|answer| SrvSeen::new(answer, asked_ms)),
            by,
            certificate: facts.secure_certificate().map(Into::into),
            is_reused: false,
        });
        self.flows.open(facts);
        let kind = if key.is_inside() { FlowKind::Inside } else { FlowKind::Partner };
        self.flows.fix(flow, kind);
        if !key.is_inside() {
            self.flows.speaks_for(flow, &key.domain, rung);
        }
        self.links.keys_by_flow.insert(flow, key.clone());
        let Some(link) = self.links.links.get_mut(&key) else { return };
        let Attempt { target, is_only, shares_name, .. } = attempt;
        link.last_place = Some((flow, target.clone(), address));
        let place = Some((target, address));
        link.stage = Stage::Up {
            flow,
            connection: connection.clone(),
            place,
            is_only,
            shares_name,
            since: now,
            is_heard: false,
        };
        link.last_failure = None;
        self.serve_waiting(now, &key, flow, &connection);
    }

    /// The connection is up: all that wait for it go out.
    fn serve_waiting(&mut self, now: Instant, key: &LinkKey, flow: FlowId, connection: &Arc<Connection>) {
        let Some(link) = self.links.links.get_mut(key) else { return };
        let mut been_there = Vec::new();
        for waiter in std::mem::take(&mut link.waiting) {
            match waiter {
                Waiter::Context(context) if !self.may_use(context, connection) => been_there.push(context),
                Waiter::Ack(request) => {
                    let target = self.link_target(flow, &request.destination);
                    self.send_single(now, *request, target);
                }
                Waiter::Context(context) => self.send_waiting(now, flow, connection, context),
                Waiter::OneWay(bytes) => self.transmit(now, flow, bytes),
                Waiter::Sent(_) | Waiter::Edge(_) => {}
                Waiter::Branch { id, method, bytes } => self.send_awaited(now, flow, (id, method, bytes)),
            }
        }
        self.pass_by(now, key, been_there);
    }

    /// Every way was tried: all that wait get the same answer, and the next request starts anew.
    pub(super) fn fail_link(&mut self, now: Instant, key: LinkKey, refusal: Refusal) {
        let refusal = if key.is_inside() { refusal::inside_unreachable(refusal.reason) } else { refusal };
        let Some(link) = self.links.links.get_mut(&key) else { return };
        link.last_failure = Some(refusal.clone());
        self.link_failed(now, &key, &refusal);
        self.fail_waiting(now, &key, &refusal);
    }

    fn fail_waiting(&mut self, now: Instant, key: &LinkKey, refusal: &Refusal) {
        let Some(link) = self.links.links.get_mut(key) else { return };
        link.stage = Stage::Idle;
        for waiter in std::mem::take(&mut link.waiting) {
            match waiter {
                Waiter::Context(context) => self.give_up(now, context, refusal),
                Waiter::OneWay(_) => self.undeliverable += 1,
                Waiter::Sent(request) => self.transactions.fail(request, Failure::TransportFailed),
                Waiter::Branch { id, .. } => self.edge_unreachable(now, id),
                Waiter::Edge(edge) => self.location.edge_failed(edge),
                Waiter::Ack(_) => {}
            }
        }
    }

    /// Where no connection of ours is up or coming up, one that the partner has opened takes its place (RFC 5923), if its
    /// certificate proves the domain as a server's has to.
    pub(super) fn take_alias(&mut self, now: Instant, key: &LinkKey) -> bool {
        let is_idle = |link: &Link| matches!(link.stage, Stage::Idle);
        if !self.may_take_alias(key) || !self.links.links.get(key).is_none_or(is_idle) {
            return false;
        }
        let Some(facts) = self.aliases.for_requests(&key.domain, key.connection).cloned() else { return false };
        let verdict = match key.is_inside() {
            true => self.proves_inside(&facts),
            false => self.judged(now, &facts, Role::Server, &key.domain),
        };
        let Verdict::Proven(rung) = verdict else { return false };
        let host = facts.remote.to_string();
        if self.have_all_tried(key, &host, facts.remote.ip()) {
            return false;
        }
        let connection = Arc::new(Connection {
            host,
            address: facts.remote.ip(),
            rung,
            srv: None,
            dns: None,
            by: String::new(),
            certificate: facts.secure_certificate().map(Into::into),
            is_reused: true,
        });
        self.links.make_room();
        let link = self.links.links.entry(key.clone()).or_insert_with(Link::new);
        link.stage = Stage::Up {
            flow: facts.id,
            connection,
            place: None,
            is_only: false,
            shares_name: false,
            since: now,
            is_heard: true,
        };
        link.last_failure = None;
        self.links.keys_by_alias.entry(facts.id).or_default().insert(key.clone());
        self.reach_changed(now, key, Reach::Reachable);
        true
    }

    /// Not where it is another certificate of ours that is to be shown, or where policies lead through an edge in between.
    pub(super) fn may_take_alias(&self, key: &LinkKey) -> bool {
        (self.organisation.shows_first(&key.domain) || key.is_inside()) && key.via.is_none()
    }

    pub(super) fn drop_unproven(&mut self, facts: &FlowFacts) {
        self.put(Output::CloseFlow { flow: facts.id });
    }
}

/// Why an address cannot be connected to.
pub(super) fn unconnected(failure: ConnectFailure) -> Refusal {
    let why = refusal::partner_unreachable(failure.what);
    match failure.at {
        ConnectStep::Tls | ConnectStep::Alert => why.with_diagnostics_id(TLS_FAILED),
        ConnectStep::Tcp | ConnectStep::Refused => why,
    }
}

/// A name with more addresses than this has them for other reasons than to be reached.
const ADDRESSES_PER_TARGET_MAX: usize = 4;
