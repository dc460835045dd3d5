//! The requests that a worker carries for the targets it owns: one response context each, with a branch to each target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use federation::decision::Connection;
use messaging::MessageId;
use registrar::EdgeFlow;
use sip::proxy::response_context::ResponseContext;
use sip::transaction::{ClientTransactionId, Failure};
use sip::{Aor, FlowId, Message, Method, Refusal, Transport};

use crate::core::Core;
use crate::failover::{Trial, Tried};
use crate::forking::Later;
use crate::route::Destination;
use crate::token::Leg;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Upstream};
/// Names a response context. Unique within a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContextId(u64);

/// The requests that this worker carries for the targets it owns.
#[derive(Default)]
pub(crate) struct Owner {
    pub(super) contexts: BTreeMap<ContextId, Box<Context>>,
    pub(super) contexts_by_upstream: BTreeMap<Upstream, ContextId>,
    pub(super) contexts_by_branch: BTreeMap<ClientTransactionId, ContextId>,
    /// Branches that were given up, and the message that was kept for its user since nobody answered; while their transactions
    /// last.
    kept_by_branch: BTreeMap<ClientTransactionId, (Aor, MessageId)>,
    branches_by_kept: BTreeSet<(MessageId, ClientTransactionId)>,
    /// Where else the device of a branch is reached, if it is; the next one first.
    others_by_branch: BTreeMap<ClientTransactionId, Vec<Target>>,
    /// Of branches to phones outside.
    edges_by_branch: BTreeMap<ClientTransactionId, EdgeFlow>,
    context_serial: u64,
    branch_serial: u64,
}

/// One request on its way, and what has come back.
pub(super) struct Context {
    pub request: AdmittedRequest,
    pub upstream: Upstream,
    pub machine: ResponseContext,
    pub trial: Trial,
    pub later: Later,
    /// The last final answer that is on record.
    pub recorded: Option<u16>,
    /// Whoever asked was told that it rings, or the like.
    pub has_rung: bool,
    /// Its entry in the schedule, so that not every response adds one.
    pub wakes_at: Option<Instant>,
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
    /// How much it is wanted, in thousandths (RFC 3261 section 20.10).
    pub q: u16,
    /// Of a device with several flows: the others, to be tried if this one fails.
    pub others: Vec<Target>,
    /// On how many branches others may have the request at once, of what it may be on in all (RFC 5393 section 5); `None`: all.
    pub breadth: Option<u32>,
    /// It is outside: the edge by whose connections it is reached, with the name of its own there.
    pub edge: Option<EdgeFlow>,
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
        self.take_kept(id);
        self.others_by_branch.remove(&id);
        self.edges_by_branch.remove(&id);
    }

    pub(crate) fn remember_edge(&mut self, id: ClientTransactionId, edge: Option<EdgeFlow>) {
        self.edges_by_branch.extend(edge.map(|edge| (id, edge)));
    }

    /// The phone's connection by which a branch goes, if it is outside.
    pub(crate) fn edge_of(&self, id: ClientTransactionId) -> Option<EdgeFlow> {
        self.edges_by_branch.get(&id).copied()
    }

    /// An answer may come yet over those of these branches that have not ended.
    pub(crate) fn expect_late(&mut self, branches: &[ClientTransactionId], aor: &Aor, kept: MessageId) {
        let live = branches.iter().filter(|branch| self.contexts_by_branch.contains_key(branch));
        for branch in live {
            self.kept_by_branch.insert(*branch, (aor.clone(), kept));
            self.branches_by_kept.insert((kept, *branch));
        }
    }

    /// The message that was kept since nobody answered, of a branch that is answered now.
    pub(super) fn take_kept(&mut self, branch: ClientTransactionId) -> Option<(Aor, MessageId)> {
        let (aor, kept) = self.kept_by_branch.remove(&branch)?;
        self.branches_by_kept.remove(&(kept, branch));
        Some((aor, kept))
    }

    /// A device has it: what the others say makes no difference.
    pub(crate) fn expect_no_more(&mut self, kept: MessageId) {
        let first = (kept, ClientTransactionId { serial: 0, cancel: false });
        while let Some((_, branch)) = self.branches_by_kept.range(first..).next().filter(|(id, _)| *id == kept).copied()
        {
            self.take_kept(branch);
        }
    }

    /// The context of a branch.
    pub(super) fn context_of(&self, id: ClientTransactionId) -> Option<ContextId> {
        self.contexts_by_branch.get(&id).copied()
    }

    /// It stays only for what is retransmitted: its request keeps no buffer alive.
    pub(super) fn linger(&mut self, id: ContextId) {
        if let Some(context) = self.contexts.get_mut(&id)
            && context.request.message.method() == Some(Method::Invite)
        {
            context.request.message = context.request.message.detached();
        }
    }

    /// INVITEs that wait for an answer of a partner's domain of which this is so.
    pub(crate) fn calls_to_partners(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Upstream> {
        let rings = |context: &Context| {
            context.machine.is_unanswered() && context.request.message.method() == Some(Method::Invite)
        };
        let is_to = |context: &Context| match &context.request.destination {
            Destination::Partner { domain, .. } => is_meant(domain),
            _ => false,
        };
        let meant = self.contexts.values().filter(|context| rings(context) && is_to(context));
        meant.map(|context| context.upstream).collect()
    }

    /// The request of a context, while it has one.
    pub(crate) fn request(&self, id: ContextId) -> Option<&AdmittedRequest> {
        self.contexts.get(&id).map(|context| &context.request)
    }

    /// The request of a context, and since when it waits to be sent.
    pub(crate) fn waited(&self, id: ContextId) -> Option<(Message, Instant)> {
        self.contexts.get(&id).map(|context| (context.request.message.clone(), context.trial.opened_at))
    }

    /// Where the request of a context was sent in vain.
    pub(crate) fn tried_by(&self, id: ContextId) -> Option<&Tried> {
        self.contexts.get(&id).map(|context| context.trial.tried())
    }

    /// As [`Trial::passes_by`], with where it was sent in vain.
    pub(crate) fn passes_by(&mut self, id: ContextId) -> Option<Tried> {
        let trial = self.contexts.get_mut(&id).map(|context| &mut context.trial)?;
        trial.passes_by().then(|| trial.tried().clone())
    }

    /// It goes out over this connection to a partner, or between edge and home.
    pub(crate) fn sends_over(&mut self, id: ContextId, connection: &Arc<Connection>) {
        if let Some(context) = self.contexts.get_mut(&id) {
            context.trial.sent_over = Some(connection.clone());
        }
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

    /// The context of a branch, and the flows that may take the place of its own, which fails.
    pub(crate) fn take_others(&mut self, id: ClientTransactionId) -> Option<(ContextId, Vec<Target>)> {
        let others = self.others_by_branch.remove(&id)?;
        let context = *self.contexts_by_branch.get(&id)?;
        self.contexts.get(&context).filter(|context| context.machine.may_replace(id))?;
        Some((context, others))
    }

    pub(crate) fn set_later(&mut self, id: ContextId, later: Later) {
        if let Some(context) = self.contexts.get_mut(&id) {
            context.later = later;
        }
    }

    /// Takes from those whose turn has not come.
    pub(crate) fn take_next<T>(&mut self, id: ContextId, take: impl FnOnce(&mut Later) -> T) -> Option<T> {
        self.contexts.get_mut(&id).map(|context| take(&mut context.later))
    }

    /// No more branches come.
    pub(crate) fn close(&mut self, id: ContextId) {
        if let Some(context) = self.contexts.get_mut(&id) {
            context.machine.close_target_set();
        }
    }

    pub(super) fn remove(&mut self, id: ContextId) -> Option<Box<Context>> {
        let context = self.contexts.remove(&id)?;
        // What was sent elsewhere has another by now.
        if self.contexts_by_upstream.get(&context.upstream) == Some(&id) {
            self.contexts_by_upstream.remove(&context.upstream);
        }
        Some(context)
    }
}

impl Core {
    pub(crate) fn open_context(&mut self, now: Instant, upstream: Upstream, request: AdmittedRequest) -> ContextId {
        self.owner.context_serial += 1;
        let id = ContextId(self.owner.context_serial);
        let (mut machine, trial) = (response_context(&request), Trial::new(now));
        if is_kept_unless_answered(&request) {
            machine = machine.giving_up_at(now + self.limits.message_answer_time());
        }
        self.owner.contexts_by_upstream.insert(upstream, id);
        let context = Context {
            request,
            upstream,
            machine,
            trial,
            later: Later::default(),
            recorded: None,
            has_rung: false,
            wakes_at: None,
        };
        self.owner.contexts.insert(id, Box::new(context));
        id
    }

    /// Starts a client transaction towards one target (RFC 3261 section 16.6).
    pub(crate) fn send_branch(&mut self, now: Instant, context: ContextId, target: Target) {
        let id = self.owner.next_branch();
        let Some(request) = self.owner.request(context) else { return };
        let method = request.message.method().unwrap_or(Method::Options);
        let mut target = target;
        if let Some(flow) = target.edge.and_then(|edge| self.flow_to_edge(now, edge)) {
            target.flow = flow;
        }
        let Some(request) = self.owner.request(context) else { return };
        let may_go = self.check_way_out(request, target.flow);
        let (target, sent) = match may_go.and_then(|()| self.outgoing_by_size(request, target, id)) {
            Ok(sent) => sent,
            Err(refusal) => return self.abandon_context(now, context, &refusal),
        };
        let bytes = sent.as_bytes().clone();
        if let Some(context) = self.owner.contexts.get_mut(&context) {
            context.machine.add_branch(now, id, bytes.clone(), target.flow);
            context.trial.sent_on = Some(target.flow);
        }
        self.owner.contexts_by_branch.insert(id, context);
        if !target.others.is_empty() {
            self.owner.others_by_branch.insert(id, target.others);
        }
        self.owner.remember_edge(id, target.edge);
        if let Some(edge) = target.edge
            && self.links.flow_of(&self.edge_link(edge)).is_none()
        {
            return self.await_edge(now, edge, (id, method, bytes));
        }
        if self.transactions.send_request(now, id, target.flow, &method, bytes).is_err() {
            // Our own limit: another target would not help.
            self.counts.hit("client_transactions_max");
            if let Some(context) = self.owner.contexts.get_mut(&context) {
                context.trial.was_full = true;
            }
            self.branch_ended(now, id, Failure::TransportFailed);
            self.owner.forget_branch(id);
        }
    }

    /// Nobody could be told if it cannot go on.
    pub(super) fn send_ack(&mut self, now: Instant, request: &AdmittedRequest, target: &Target) {
        let id = self.owner.next_branch();
        if let Ok(ack) = self.outgoing(request, target, id) {
            let bytes = ack.as_bytes().clone();
            match target.edge {
                Some(edge) => self.transmit_to_edge(now, edge, bytes),
                None => self.transmit(now, target.flow, bytes),
            }
        }
    }

    /// No more branches come: what is already known may be the answer.
    pub(crate) fn close_target_set(&mut self, now: Instant, id: ContextId) {
        self.owner.close(id);
        self.drain_context(now, id);
    }

    /// The caller gave up, and its request is with us.
    pub(crate) fn cancel_owned(&mut self, now: Instant, upstream: Upstream, reason: Option<String>) {
        let waits = |asker: &Asker| match asker {
            Asker::Recipient(request) => request.upstream == Some(upstream),
            Asker::Approach(approaching) => approaching.is_call_of(upstream),
            _ => false,
        };
        match self.stop_waiting(waits) {
            Some(Asker::Recipient(request)) => {
                return self.respond_generated(now, upstream, &request.message, 487);
            }
            Some(Asker::Approach(approaching)) => {
                return self.respond_generated(now, upstream, &approaching.request.message, 487);
            }
            _ => {}
        }
        let Some(id) = self.owner.contexts_by_upstream.get(&upstream).copied() else {
            if !self.cancel_in_call(now, upstream, reason) {
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
            context.later.give_up();
            context.machine.cancel(now, reason);
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
        let Some(context) = self.owner.contexts.get_mut(&id) else { return };
        if context.machine.next_timeout().is_some_and(|at| at <= now) {
            context.machine.handle_timeout(now);
        }
        if !context.machine.is_open() {
            context.later.give_up();
        } else if context.later.moves_on_at.is_some_and(|at| at <= now) {
            context.machine.give_up_branches();
            self.call_next(now, id);
        }
        self.drain_context(now, id);
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
