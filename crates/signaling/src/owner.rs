//! What the owner of a target does with an admitted request: finds the flows that lead there, runs the response
//! context over them (RFC 3261 section 16.7), and answers the acceptor.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use federation::admission::Origin;
use federation::flow::FlowKind;
use messaging::MessageId;
use sip::proxy::response_context::{ContextOutput, ResponseContext};
use sip::refusal::Word;
use sip::transaction::{ClientTransactionId, Failure, ResponseOutcome};
use sip::{Aor, FlowId, Message, Method, Refusal, Transport};

use crate::acceptor::{no_answer, overloaded, store_failed};
use crate::calls;
use crate::core::{Asker, Core};
use crate::failover::Trial;
use crate::flow_table::Whereabouts;
use crate::forward;
use crate::gateway;
use crate::handoff::Responder;
use crate::replacing;
use crate::route::{Destination, flow_failed};
use crate::schedule::Machine;
use crate::store_and_forward::Keeping;
use crate::token::Leg;
use crate::{AdmittedRequest, Answer, Handoff, Question, Requester, Upstream};

/// Names a response context. Unique within a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContextId(u64);

/// The requests that this worker carries for the targets it owns.
#[derive(Default)]
pub(crate) struct Owner {
    contexts: BTreeMap<ContextId, Context>,
    contexts_by_upstream: BTreeMap<Upstream, ContextId>,
    contexts_by_branch: BTreeMap<ClientTransactionId, ContextId>,
    /// Branches that were given up, and the message that was kept since nobody answered; while their transactions last.
    kept_by_branch: BTreeMap<ClientTransactionId, MessageId>,
    context_serial: u64,
    branch_serial: u64,
}

/// One request on its way, and what has come back.
struct Context {
    request: AdmittedRequest,
    upstream: Upstream,
    machine: ResponseContext,
    trial: Trial,
    /// Its entry in the schedule, so that not every response adds one.
    wakes_at: Option<Instant>,
}

/// One way to a target.
pub(crate) struct Target {
    pub flow: FlowId,
    pub transport: Transport,
    pub local_port: u16,
    pub request_uri: Option<String>,
    pub path: Vec<String>,
    /// What we record of it in a request that begins a dialog.
    pub leg: Option<Leg>,
}

impl Owner {
    /// Branches are unique over restarts too (RFC 3261 section 8.1.1.7): a partner may still remember those of the
    /// life before, and would take a new request for a repeat.
    pub(crate) fn new(incarnation: u32) -> Owner {
        Owner { branch_serial: u64::from(incarnation) << 32, ..Owner::default() }
    }

    pub(crate) fn contexts(&self) -> usize {
        self.contexts.len()
    }

    pub(crate) fn forget_branch(&mut self, id: ClientTransactionId) {
        self.contexts_by_branch.remove(&id);
        self.kept_by_branch.remove(&id);
    }

    /// An answer may come yet over those of these branches that have not ended.
    pub(crate) fn expect_late(&mut self, branches: &[ClientTransactionId], kept: MessageId) {
        let live = branches.iter().filter(|branch| self.contexts_by_branch.contains_key(branch));
        self.kept_by_branch.extend(live.map(|branch| (*branch, kept)));
    }

    /// The request of a context, while it has one.
    pub(crate) fn request(&self, id: ContextId) -> Option<&AdmittedRequest> {
        self.contexts.get(&id).map(|context| &context.request)
    }

    /// The request of a context, and since when it waits to be sent.
    pub(crate) fn waited(&self, id: ContextId) -> Option<(Message, Instant)> {
        self.contexts.get(&id).map(|context| (context.request.message.clone(), context.trial.opened_at))
    }

    /// The context of a branch, with what is known of its trial.
    pub(crate) fn tried(&mut self, id: ClientTransactionId) -> Option<(ContextId, &AdmittedRequest, &mut Trial)> {
        let id = self.contexts_by_branch.get(&id).copied()?;
        self.contexts.get_mut(&id).map(|context| (id, &context.request, &mut context.trial))
    }

    /// As if nothing had been sent: a branch that nothing came of is forgotten.
    pub(crate) fn begin_anew(&mut self, id: ContextId, branch: ClientTransactionId) {
        self.contexts_by_branch.remove(&branch);
        if let Some(context) = self.contexts.get_mut(&id) {
            context.machine = response_context(&context.request);
        }
    }

    pub(crate) fn next_branch(&mut self) -> ClientTransactionId {
        self.branch_serial += 1;
        ClientTransactionId { serial: self.branch_serial, cancel: false }
    }

    fn remove(&mut self, id: ContextId) -> Option<Context> {
        let context = self.contexts.remove(&id)?;
        self.contexts_by_upstream.remove(&context.upstream);
        Some(context)
    }
}

impl Core {
    /// An admitted request whose target is ours.
    pub(crate) fn own(&mut self, now: Instant, request: AdmittedRequest) {
        self.record_bye(now, &request);
        let Some(request) = self.stand_between(now, request) else { return };
        match request.destination.clone() {
            Destination::Ourselves | Destination::Factory => self.answer_ourselves(now, &request),
            Destination::Agent(agent) => self.serve_agent(now, &agent, request),
            Destination::Registrar(_) => self.register(now, &request),
            Destination::User(aor) => self.deliver(now, &aor, request),
            Destination::Flow { flow, .. } => self.relay(now, flow, request),
            Destination::Partner { domain, connection } => self.send_to_partner(now, domain, connection, request),
        }
    }

    /// To every device of a user of ours.
    fn deliver(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        if Core::is_for_presence(&request.message) {
            return self.handle_presence(now, aor, request);
        }
        let targets = self.devices(now, aor);
        let message = &request.message;
        if message.method() == Some(Method::Message) {
            match self.terms_if_kept(now, aor, &request, targets.len()) {
                Ok(None) => {}
                Ok(Some(terms)) => {
                    return self.keep(
                        now,
                        Keeping { request, aor: aor.clone(), was_sent: false, branches: Vec::new() },
                        terms,
                    );
                }
                Err(refusal) => return self.refuse_owned(now, upstream, message, &refusal),
            }
        }
        if targets.is_empty() {
            return self.ask_recipient(now, aor, request);
        }
        self.fork(now, request, targets);
    }

    /// A branch to each of these.
    pub(crate) fn fork(&mut self, now: Instant, request: AdmittedRequest, targets: Vec<Target>) {
        let Some(upstream) = request.upstream else { return };
        self.record_routed(now, &request.message, &devices_named(targets.len()));
        let context = self.open_context(now, upstream, request);
        for target in targets {
            self.send_branch(now, context, target);
        }
        self.close_target_set(now, context);
    }

    /// The flows that lead to a user's devices, most wanted first.
    pub(crate) fn devices(&self, now: Instant, aor: &Aor) -> Vec<Target> {
        let us = self.ownership.worker;
        self.location
            .lookup(now, aor)
            .into_iter()
            .filter(|binding| self.flows.whereabouts(binding.flow.id, us) != Whereabouts::Gone)
            .take(self.limits.branches_max)
            .map(|binding| Target {
                flow: binding.flow.id,
                transport: binding.flow.transport,
                local_port: binding.flow.local_port,
                request_uri: Some(binding.request_uri().to_owned()),
                path: binding.path.clone(),
                leg: Some(self.mint.flow_leg(us, binding.flow.id, aor)),
            })
            .collect()
    }

    /// Nobody is there: is he away (480), or is there no such user (404)?
    fn ask_recipient(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let asker = Asker::Recipient(Box::new(request));
        if let Err(Asker::Recipient(request)) = self.ask(now, Question::User(aor.clone()), asker)
            && let Some(upstream) = request.upstream
        {
            self.refuse_owned(now, upstream, &request.message, &overloaded("too many requests wait for an answer"));
        }
    }

    pub(crate) fn resume_recipient(&mut self, now: Instant, request: AdmittedRequest, answer: Option<Answer>) {
        let Some(upstream) = request.upstream else { return };
        if let (Some(Answer::User(Ok(true))), Destination::User(aor)) = (&answer, request.destination.clone())
            && Core::is_for_presence(&request.message)
        {
            return self.serve_presence(now, &aor, &request);
        }
        let refusal = match answer {
            Some(Answer::User(Ok(true))) => Refusal::new(480, Word::UserOffline, "no device of the user is registered"),
            Some(Answer::User(Err(why))) => store_failed(&why),
            Some(Answer::User(Ok(false))) => Refusal::new(404, Word::UserUnknown, "there is no such account"),
            _ => no_answer(),
        };
        self.refuse_owned(now, upstream, &request.message, &refusal);
    }

    /// Within a dialog, over the flow that our own token names.
    fn relay(&mut self, now: Instant, flow: FlowId, request: AdmittedRequest) {
        match self.flows.whereabouts_handed(flow) {
            Whereabouts::Here => {}
            Whereabouts::At(owner) => return self.hand(owner, Handoff::Request(Box::new(request))),
            Whereabouts::Gone => {
                if let Some(upstream) = request.upstream {
                    let refusal = flow_failed(&request.message, "the connection that the dialog runs over has ended");
                    self.refuse_owned(now, upstream, &request.message, &refusal);
                }
                return;
            }
        }
        let (transport, local_port) = self.facts_of(flow);
        let target = Target { flow, transport, local_port, request_uri: None, path: Vec::new(), leg: None };
        self.send_single(now, request, target);
    }

    /// A request for one target: with a response context, or an ACK without.
    pub(crate) fn send_single(&mut self, now: Instant, request: AdmittedRequest, target: Target) {
        match request.upstream {
            None => self.send_ack(&request, &target),
            Some(upstream) => {
                let context = self.open_context(now, upstream, request);
                self.send_branch(now, context, target);
                self.close_target_set(now, context);
            }
        }
    }

    pub(crate) fn open_context(&mut self, now: Instant, upstream: Upstream, request: AdmittedRequest) -> ContextId {
        self.owner.context_serial += 1;
        let id = ContextId(self.owner.context_serial);
        let (mut machine, trial) = (response_context(&request), Trial::new(now));
        if is_kept_unless_answered(&request) {
            machine = machine.giving_up_at(now + self.limits.message_answer_time());
        }
        self.owner.contexts_by_upstream.insert(upstream, id);
        self.owner.contexts.insert(id, Context { request, upstream, machine, trial, wakes_at: None });
        id
    }

    /// Starts a client transaction towards one target (RFC 3261 section 16.6).
    pub(crate) fn send_branch(&mut self, now: Instant, context: ContextId, target: Target) {
        let id = self.owner.next_branch();
        let Some(request) = self.owner.request(context) else { return };
        let method = request.message.method().unwrap_or(Method::Options);
        let sent = match self.outgoing(request, &target, id) {
            Ok(sent) => sent,
            Err(refusal) => return self.abandon_context(now, context, &refusal),
        };
        let bytes = sent.as_bytes().clone();
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.add_branch(now, id, sent, target.flow);
            context.trial.sent_on = Some(target.flow);
        }
        self.owner.contexts_by_branch.insert(id, context);
        if self.transactions.send_request(now, id, target.flow, &method, bytes).is_err() {
            // Our own limit: another target would not help.
            self.counts.hit("client_transactions_max");
            self.branch_ended(now, id, Failure::TransportFailed);
        }
    }

    /// Nobody could be told if it cannot go on.
    fn send_ack(&mut self, request: &AdmittedRequest, target: &Target) {
        let id = self.owner.next_branch();
        if let Ok(ack) = self.outgoing(request, target, id) {
            self.transmit(target.flow, ack.as_bytes().clone());
        }
    }

    /// No more branches come: what is already known may be the answer.
    pub(crate) fn close_target_set(&mut self, now: Instant, id: ContextId) {
        if let Some(context) = self.owner.contexts.get_mut(&id) {
            context.machine.close_target_set();
        }
        self.drain_context(now, id);
    }

    /// A response from outside, perhaps for another worker.
    pub(crate) fn handle_response(&mut self, now: Instant, from: Responder, message: Message) {
        let Some(branch) = message.top_via().ok().and_then(|via| self.mint.read_branch(via.branch()?)) else { return };
        if !self.ownership.is_ours(branch.worker) {
            return self.hand(branch.worker, Handoff::Response { from, message: Box::new(message) });
        }
        let Ok(cseq) = message.cseq() else { return };
        let id = ClientTransactionId { serial: branch.serial, cancel: cseq.method == Method::Cancel };
        if !self.may_answer(from, id) {
            return;
        }
        if self.transactions.handle_response(now, id, &message) != ResponseOutcome::Deliver {
            return;
        }
        let Some(context) = self.owner.contexts_by_branch.get(&id).copied() else {
            return self.stored_answered(now, id, &message);
        };
        if message.status() >= Some(200)
            && let Some(kept) = self.owner.kept_by_branch.remove(&id)
        {
            return self.answered_late(now, kept, &message);
        }
        if self.responded(now, id, &message) {
            return;
        }
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.handle_response(now, id, message);
        }
        self.drain_context(now, context);
    }

    /// A client answers where it was asked. A partner's edge may use another connection, with its certificate; that it
    /// knows our branch says that the request reached it.
    fn may_answer(&self, from: Responder, id: ClientTransactionId) -> bool {
        let Some(asked) = self.transactions.client_flow(id) else { return false };
        let to_partner = self.flows.get(asked).is_some_and(|state| state.kind == FlowKind::Partner);
        from.flow == asked || (to_partner && from.is_certified)
    }

    /// No final response will come of this branch: another server of the partner may do, else that is how it ended.
    pub(crate) fn branch_failed(&mut self, now: Instant, id: ClientTransactionId, failure: Failure) {
        if self.try_elsewhere(now, id, failure.into()) {
            return;
        }
        if let Some((.., trial)) = self.owner.tried(id) {
            trial.lost_connection |= failure == Failure::TransportFailed;
        }
        self.branch_ended(now, id, failure);
    }

    fn branch_ended(&mut self, now: Instant, id: ClientTransactionId, failure: Failure) {
        let Some(context) = self.owner.contexts_by_branch.get(&id).copied() else {
            return self.stored_unanswered(now, id);
        };
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.handle_failure(now, id, failure);
        }
        self.drain_context(now, context);
    }

    /// The caller gave up, and its request is with us.
    pub(crate) fn cancel_owned(&mut self, now: Instant, upstream: Upstream) {
        let waits = |asker: &Asker| matches!(asker, Asker::Recipient(request) if request.upstream == Some(upstream));
        if let Some(Asker::Recipient(request)) = self.stop_waiting(waits) {
            return self.respond_generated(now, upstream, &request.message, 487);
        }
        let Some(id) = self.owner.contexts_by_upstream.get(&upstream).copied() else {
            if !self.cancel_in_call(now, upstream) {
                self.cancel_in_conference(now, upstream);
            }
            return;
        };
        if self.links.stop_waiting(id) {
            if let Some(context) = self.owner.remove(id) {
                self.respond_generated(now, upstream, &context.request.message, 487);
            }
            return;
        }
        if let Some(context) = self.owner.contexts.get_mut(&id) {
            context.trial.is_given_up = true;
            context.machine.cancel(now);
        }
        self.drain_context(now, id);
    }

    /// The target cannot be reached at all: the refusal is the answer.
    pub(crate) fn abandon_context(&mut self, now: Instant, id: ContextId, refusal: &Refusal) {
        if let Some(context) = self.owner.remove(id) {
            self.refuse_owned(now, context.upstream, &context.request.message, refusal);
        }
    }

    pub(crate) fn wake_context(&mut self, now: Instant, id: ContextId) {
        if let Some(context) = self.owner.contexts.get_mut(&id)
            && context.machine.next_timeout().is_some_and(|at| at <= now)
        {
            context.machine.handle_timeout(now);
        }
        self.drain_context(now, id);
    }

    /// Does what the response context wants done.
    fn drain_context(&mut self, now: Instant, id: ContextId) {
        while let Some(context) = self.owner.contexts.get_mut(&id) {
            let upstream = context.upstream;
            match context.machine.poll_output() {
                Some(ContextOutput::Forward(message)) => {
                    let request = &context.request;
                    let refused = (message.status() >= Some(300)).then(|| request.clone());
                    if refused.is_none_or(|request| self.answer_instead(now, request, &message).is_some()) {
                        self.forward_up(now, id, &message);
                    }
                }
                Some(ContextOutput::Generate { status }) => {
                    let request = context.request.clone();
                    let trial = context.trial;
                    let unanswered = context.machine.unanswered().collect();
                    match self.partner_refusal(&request, status, trial) {
                        Some(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
                        None => self.answer_for_devices(now, request, status, unanswered),
                    }
                }
                Some(ContextOutput::SendCancel { id, flow, cancel }) => {
                    // Beyond the limit the branch rings until timer C: nothing better can be done.
                    if self.transactions.send_request(now, id, flow, &Method::Cancel, cancel).is_err() {
                        self.counts.hit("client_transactions_max");
                    }
                }
                Some(ContextOutput::Ended) => {
                    self.owner.remove(id);
                }
                None => {
                    let next = context.machine.next_timeout();
                    if let Some(at) = next.filter(|at| context.wakes_at.is_none_or(|set| *at < set || set <= now)) {
                        context.wakes_at = Some(at);
                        self.schedule.push(at, Machine::Context(id));
                    }
                    return;
                }
            }
        }
    }

    /// What the target refuses we may do for it. Gives the request back where not.
    fn answer_instead(&mut self, now: Instant, request: AdmittedRequest, refusal: &Message) -> Option<AdmittedRequest> {
        if gateway::is_refused_session(&request, refusal) && self.has_room_for_gateway() {
            self.begin_gateway(now, request, refusal);
            return None;
        }
        self.anchor_instead(now, request, refusal)
    }

    /// A response goes on towards whoever sent the request.
    fn forward_up(&mut self, now: Instant, id: ContextId, message: &Message) {
        let Some(context) = self.owner.contexts.get(&id) else { return };
        let (upstream, border) = (context.upstream, crosses_border(&context.request));
        let in_call = calls::parties(&context.request, message);
        let answered = replacing::answered(&context.request, message);
        let bytes = forward::response(message, border);
        if border && Message::parse(bytes.clone()).is_err() {
            // In our own framing it is larger than a message may be.
            let request = context.request.message.clone();
            self.respond_generated(now, upstream, &request, 502);
        } else {
            let source = self.agent_asked(upstream).then(|| self.source_of(message)).flatten();
            self.respond_from(now, upstream, message.status().unwrap_or(500), bytes, source);
        }
        if let Some((call_id, call)) = answered {
            self.record_proxied(now, call_id, call);
        }
        for aor in in_call {
            self.call_changed(now, aor, message.call_id().unwrap_or_default(), true);
        }
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
        status: u16,
        branches: Vec<ClientTransactionId>,
    ) {
        let Some(upstream) = request.upstream else { return };
        match (self.terms(now, &request), request.destination.clone()) {
            (Ok(Some(terms)), Destination::User(aor)) => {
                self.keep(now, Keeping { request, aor, was_sent: true, branches }, terms);
            }
            _ => self.respond_generated(now, upstream, &request.message, status),
        }
    }

    pub(crate) fn refuse_owned(&mut self, now: Instant, upstream: Upstream, request: &Message, refusal: &Refusal) {
        self.record_refused(now, request, refusal);
        self.refuse(now, upstream, request, refusal);
    }
}

/// A MESSAGE and its like go to every target, whatever the others answer.
fn response_context(request: &AdmittedRequest) -> ResponseContext {
    let method = request.message.method().unwrap_or(Method::Options);
    let wait_for_all = method != Method::Invite;
    ResponseContext::new(method, wait_for_all)
}

/// A MESSAGE for a user of ours whose devices are silent is kept, while its sender still waits to hear so.
fn is_kept_unless_answered(request: &AdmittedRequest) -> bool {
    request.message.method() == Some(Method::Message) && matches!(request.destination, Destination::User(_))
}

/// As a decision names them.
pub(crate) fn devices_named(count: usize) -> String {
    if count == 1 { "the user's one device".to_owned() } else { format!("{count} devices of the user") }
}

/// Whether the request comes from or goes to another organisation.
pub(crate) fn crosses_border(request: &AdmittedRequest) -> bool {
    matches!(request.admitted.origin(), Origin::Partner { .. })
        || matches!(request.destination, Destination::Partner { .. })
}
