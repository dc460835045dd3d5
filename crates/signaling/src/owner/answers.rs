//! What comes back over the branches of a request, and goes up to whoever sent it.

use std::net::IpAddr;
use std::time::Instant;

use federation::border::Crossing;
use federation::flow::{Direction, FlowKind};
use sip::proxy::response_context::ContextOutput;
use sip::refusal::Word;
use sip::transaction::{ClientTransactionId, Failure, ResponseOutcome};
use sip::{Aor, FlowId, Message, Method, Refusal};

use super::contexts::ContextId;
use super::crossing_back;
use crate::acceptor::overloaded;
use crate::acquaintance;
use crate::calls;
use crate::core::Core;
use crate::forward;
use crate::gateway;
use crate::handoff::Responder;
use crate::replacing;
use crate::route::Destination;
use crate::schedule::Machine;
use crate::store_and_forward::Keeping;
use crate::topology;
use crate::{AdmittedRequest, Handoff, Requester, Upstream};

impl Core {
    /// A response from outside, perhaps for another worker.
    pub(crate) fn handle_response(&mut self, now: Instant, from: Responder, message: Message) {
        let Some(branch) = message.top_via().ok().and_then(|via| self.mint.read_branch(via.branch()?)) else {
            return self.pass_on(now, from, message);
        };
        if !self.ownership.is_ours(branch.worker) {
            return self.hand(branch.worker, Handoff::Response { from, message: Box::new(message) });
        }
        let Ok(cseq) = message.cseq() else { return };
        let id = ClientTransactionId { serial: branch.serial, cancel: cseq.method == Method::Cancel };
        if !self.may_answer(from, id) {
            return;
        }
        let message = if from.is_inner { message } else { self.reveal_response(message) };
        if self.transactions.handle_response_on(now, id, from.flow, &message) != ResponseOutcome::Deliver {
            return;
        }
        let is_flow_gone = message.status() == Some(FLOW_FAILED) && self.edge_flow_failed(id);
        let Some(context) = self.owner.contexts_by_branch.get(&id).copied() else {
            return self.stored_answered(now, id, &message);
        };
        if message.status() >= Some(200)
            && let Some((aor, kept)) = self.owner.take_kept(id)
        {
            return self.answered_late(now, &aor, kept, &message);
        }
        if is_flow_gone {
            return self.branch_failed(now, id, Failure::TransportFailed);
        }
        if self.responded(now, id, &message) {
            return;
        }
        if message.status() == Some(FLOW_FAILED) {
            self.try_other_flow(now, id);
        }
        let taken_by = self.user_who_took(context, &message);
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.handle_response(now, id, message);
        }
        self.drain_context(now, context);
        if let Some(aor) = taken_by {
            self.forward_stored_answered(now, &aor);
        }
    }

    /// The user of whom a device says 2xx to a request for all of his.
    fn user_who_took(&self, context: ContextId, response: &Message) -> Option<Aor> {
        let is_taken = matches!(response.status(), Some(200..=299));
        match &self.owner.request(context)?.destination {
            Destination::User(aor) if is_taken => Some(aor.clone()),
            _ => None,
        }
    }

    /// A client answers where it was asked. A partner's edge may use another connection, with its certificate, and so may
    /// whoever is on the inner side; that it knows our branch says that the request reached it.
    fn may_answer(&mut self, from: Responder, id: ClientTransactionId) -> bool {
        let Some(asked) = self.transactions.client_flow(id) else { return false };
        let is_asked = match (from.flow, asked) {
            // It may send from another port than that at which it listens.
            (FlowId::Datagram { remote: from, .. }, FlowId::Datagram { remote: asked, .. }) => from.ip() == asked.ip(),
            (from, asked) => from == asked,
        };
        if is_asked {
            return true;
        }
        let kind = self.flows.get(asked).map(|state| state.kind);
        let tried = self.owner.tried(ClientTransactionId { cancel: false, ..id });
        let destination = tried.map(|(_, request, _)| request.destination.clone());
        let to_partner = kind == Some(FlowKind::Partner) || matches!(destination, Some(Destination::Partner { .. }));
        let to_inside = kind == Some(FlowKind::Inside)
            || matches!(destination, Some(Destination::Inside { .. } | Destination::Edge { .. }));
        match self.is_home_only() {
            true => from.is_inner && (to_inside || to_partner),
            false => (from.is_inner && to_inside) || (!from.is_inner && to_partner && from.is_certified),
        }
    }

    /// No final response will come of this branch: another server of the partner may do, else that is how it ended.
    pub(crate) fn branch_failed(&mut self, now: Instant, id: ClientTransactionId, failure: Failure) {
        if self.try_elsewhere(now, id, failure.into()) {
            return;
        }
        let is_lost = failure == Failure::TransportFailed;
        let mut is_awaited = is_lost;
        if let Some((_, request, trial)) = self.owner.tried(id) {
            trial.lost_connection |= is_lost;
            // Whoever sent another request has given up by the time that we do (RFC 4320 section 3).
            is_awaited |= request.message.method() == Some(Method::Invite);
        }
        if is_awaited {
            self.try_other_flow(now, id);
        }
        self.branch_ended(now, id, failure);
    }

    pub(crate) fn branch_ended(&mut self, now: Instant, id: ClientTransactionId, failure: Failure) {
        let Some(context) = self.owner.contexts_by_branch.get(&id).copied() else {
            return self.stored_unanswered(now, id);
        };
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.handle_failure(now, id, failure);
        }
        self.drain_context(now, context);
    }

    /// Its client transaction has ended, however.
    pub(crate) fn branch_over(&mut self, now: Instant, id: ClientTransactionId) {
        let context = self.owner.context_of(id);
        self.owner.forget_branch(id);
        if let Some(context) = context
            && let Some(found) = self.owner.contexts.get_mut(&context)
        {
            found.machine.handle_end(id);
            self.drain_context(now, context);
        }
    }

    /// Does what the response context wants done.
    pub(crate) fn drain_context(&mut self, now: Instant, id: ContextId) {
        while let Some(context) = self.owner.contexts.get_mut(&id) {
            match context.machine.poll_output() {
                Some(ContextOutput::Forward(message)) => {
                    let request = &context.request;
                    let may_act = message.status() >= Some(300) && !context.trial.is_given_up;
                    let refused = may_act.then(|| request.clone());
                    if refused.is_none_or(|request| self.answer_instead(now, request, &message).is_some()) {
                        self.forward_up(now, id, &message);
                    }
                }
                Some(ContextOutput::Overloaded(message)) => match self.is_of_home(id) {
                    true => self.forward_up(now, id, &forward::overload_below(&message)),
                    false => self.answer_without(now, id, 500),
                },
                Some(ContextOutput::Generate { status }) => self.answer_without(now, id, status),
                Some(ContextOutput::SendCancel { id, flow, cancel }) => {
                    let destination = context.request.destination.clone();
                    let sent_on = self.transactions.client_flow(ClientTransactionId { cancel: false, ..id });
                    let flow = self.flow_after(id, sent_on.unwrap_or(flow), &destination);
                    let is_hidden = match &destination {
                        Destination::Partner { domain, .. } => self.hides_topology_from(domain, flow),
                        _ => false,
                    };
                    let cancel = self.conceal_reason(cancel, is_hidden);
                    // No limit keeps a CANCEL back.
                    let _ = self.transactions.send_request(now, id, flow, &Method::Cancel, cancel);
                }
                Some(ContextOutput::GiveUp { id }) => self.transactions.fail(id, Failure::Timeout),
                Some(ContextOutput::Ended) => {
                    self.owner.remove(id);
                }
                None if context.machine.wants_more() && !context.later.is_empty() => self.call_next(now, id),
                None => {
                    let next = context.machine.next_timeout().into_iter().chain(context.later.moves_on_at).min();
                    if let Some(at) = next.filter(|at| context.wakes_at.is_none_or(|set| *at < set || set <= now)) {
                        context.wakes_at = Some(at);
                        self.schedule.push(at, Machine::Context(id));
                    }
                    return;
                }
            }
        }
    }

    /// Nothing of use came from below.
    fn answer_without(&mut self, now: Instant, id: ContextId, status: u16) {
        let Some(context) = self.owner.contexts.get_mut(&id) else { return };
        let (upstream, request, trial) = (context.upstream, context.request.clone(), context.trial.clone());
        let unanswered = context.machine.unanswered().collect();
        let of_partner = self.partner_refusal(&request, status, &trial).filter(|_| !trial.was_full);
        let status = if trial.was_full { 503 } else { status };
        match of_partner {
            Some(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
            None => self.answer_for_devices(now, request, (status, trial.lost_connection), unanswered),
        }
    }

    /// What the target refuses we may do for it. Gives the request back where not.
    fn answer_instead(&mut self, now: Instant, request: AdmittedRequest, refusal: &Message) -> Option<AdmittedRequest> {
        let is_session = gateway::is_refused_session(&request, refusal);
        if is_session && self.has_room_for_gateway(request.admitted.origin()) && !self.hides_from_stranger(&request) {
            self.begin_gateway(now, request, refusal);
            return None;
        }
        let request = self.follow_redirection(now, request, refusal)?;
        self.anchor_instead(now, request, refusal)
    }

    /// A response goes on towards whoever sent the request.
    fn forward_up(&mut self, now: Instant, id: ContextId, message: &Message) {
        let Some(context) = self.owner.contexts.get_mut(&id) else { return };
        context.has_rung |= matches!(message.status(), Some(101..=199));
        if message.status() >= Some(300) {
            let (request, upstream, has_rung) = (context.request.clone(), context.upstream, context.has_rung);
            if let Some(refusal) = self.told_instead(&request, has_rung, message) {
                return self.refuse_owned(now, upstream, &request.message, &refusal);
            }
        }
        self.note_answered(now, id, message);
        let declined = self.declined(id, message);
        let message = declined.as_ref().unwrap_or(message);
        let Some(context) = self.owner.contexts.get(&id) else { return };
        let (upstream, crossing) = (context.upstream, crossing_back(&context.request, &self.organisation));
        let missing = self.missing_inside(&context.request, message);
        let in_call = calls::parties(&context.request, message);
        let is_accepted = message.status().is_some_and(|status| status / 100 == 2);
        let answered = replacing::answered(&context.request, message);
        let taken = acquaintance::is_taken(&context.request, message).then(|| context.request.clone());
        let mut bytes = forward::response(message, crossing);
        if matches!(context.request.destination, Destination::Partner { .. }) && self.hides_topology() {
            bytes = topology::with_vias_of(&context.request.message, bytes);
        }
        let has_grown = bytes.len() > message.as_bytes().len();
        if crossing.is_border() && has_grown && Message::parse(bytes.clone()).is_err() {
            // In our own framing it is larger than a message may be.
            let request = context.request.message.clone();
            self.respond_generated(now, upstream, &request, 502);
        } else {
            let source = self.agent_asked(upstream).then(|| self.source_of(message)).flatten();
            self.respond_from(now, upstream, message.status().unwrap_or(500), bytes, source);
        }
        if is_accepted {
            self.owner.linger(id);
        }
        if let Some(request) = missing {
            self.missed(now, &request);
        }
        if let Some((call_id, call)) = answered {
            self.record_proxied(now, call_id, call);
        }
        if let Some(request) = taken {
            self.note_taken(now, &request);
        }
        for aor in in_call {
            self.call_changed(now, aor, message.call_id().unwrap_or_default(), true);
        }
    }

    /// A 2xx comes several times, and of several devices.
    fn note_answered(&mut self, now: Instant, id: ContextId, response: &Message) {
        let Some(context) = self.owner.contexts.get_mut(&id) else { return };
        let status = response.status().filter(|status| *status >= 200 && context.recorded != Some(*status));
        if status.is_none() {
            return;
        }
        context.recorded = status;
        let request = self.owner.request(id);
        if let Some(record) = request.and_then(|request| self.answered_here(now, request, response)) {
            self.keep_record(now, record);
        }
    }

    /// As [`Core::declined_answer`], of a response that crosses the border, and without a body that may not.
    fn declined(&mut self, id: ContextId, response: &Message) -> Option<Message> {
        let context = self.owner.contexts.get(&id).filter(|_| !response.body().is_empty())?;
        let (request, sent_on) = (&context.request, context.trial.sent_on);
        let direction = match crossing_back(request, &self.organisation) {
            Crossing::Within => return None,
            Crossing::Inward { .. } => Direction::Inbound,
            Crossing::Outward { .. } => Direction::Outbound,
        };
        let request = request.clone();
        let bare = self.without_unfit_body(response, direction);
        bare.or_else(|| self.declined_answer(&request, response, sent_on))
    }

    /// Whether what refuses is the home behind this edge: its words are for whoever asked.
    fn is_of_home(&self, id: ContextId) -> bool {
        let is_inward = |request: &AdmittedRequest| matches!(request.destination, Destination::Inside { .. });
        self.organisation.inside().is_some_and(|inside| inside.is_comity)
            && self.owner.request(id).is_some_and(is_inward)
    }

    fn agent_asked(&self, upstream: Upstream) -> bool {
        matches!(upstream.requester, Requester::Agent(_))
    }

    /// The other end of the flow over which a response to one of our branches came.
    fn source_of(&self, response: &Message) -> Option<IpAddr> {
        let branch = self.mint.read_branch(response.top_via().ok()?.branch()?)?;
        let id = ClientTransactionId { serial: branch.serial, cancel: false };
        match self.transactions.client_flow(id)? {
            FlowId::Datagram { remote, .. } => Some(remote.ip()),
            flow @ FlowId::Stream { .. } => self.flows.get(flow).map(|state| state.facts.remote.ip()),
        }
    }

    /// None of the targets answered. A MESSAGE for a user of ours is kept: his device may only have lost its connection.
    fn answer_for_devices(
        &mut self,
        now: Instant,
        request: AdmittedRequest,
        (status, lost_connection): (u16, bool),
        branches: Vec<ClientTransactionId>,
    ) {
        let Some(upstream) = request.upstream else { return };
        match (self.terms(now, &request), request.destination.clone()) {
            (Ok(Some(terms)), Destination::User(aor)) => {
                self.keep(now, Keeping { request, aor, was_sent: true, branches }, terms);
            }
            // Every device that was called has lost its connection meanwhile.
            (_, Destination::User(_)) if status == 500 && lost_connection => {
                let reason = "the connection to the user's device broke while it was called";
                let refusal = match self.hides_from_stranger(&request) {
                    true => self.nobody(reason),
                    false => Refusal::new(480, Word::UserOffline, reason),
                };
                self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            // No response context generates one: it is ours.
            _ if status == 503 => {
                self.refuse_owned(now, upstream, &request.message, &overloaded("too many client transactions"));
            }
            _ => {
                self.record_unanswered(now, &request, status);
                self.respond_generated(now, upstream, &request.message, status);
            }
        }
    }
}

/// RFC 5626 section 11.6.
const FLOW_FAILED: u16 = 430;
