//! The response context (RFC 3261 sections 16.7, 16.8 and 16.10): the branches of one forwarded request, and what goes
//! upstream of their responses.
//!
//! It sends nothing itself and owns no transaction: requests are sent, and client transactions kept, by the caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::best_response::{Ending, choose};
use crate::flow::FlowId;
use crate::message::Message;
use crate::method::Method;
use crate::status::reason_phrase;
use crate::transaction::{ClientTransactionId, Failure, build_cancel};

/// One request on its way, to one target or several.
#[derive(Debug)]
pub struct ResponseContext {
    is_invite: bool,
    /// Each target is to get the request, whatever the others answer.
    wait_for_all: bool,
    is_open: bool,
    is_cancelled: bool,
    upstream_reason: Option<String>,
    /// When those that have not answered a request other than INVITE are no longer waited for.
    gives_up_at: Option<Instant>,
    progress: Progress,
    branches: Vec<Branch>,
    outputs: VecDeque<ContextOutput>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContextOutput {
    /// Send up this response from below; its top Via is still ours.
    Forward(Box<Message>),
    /// Send up a response of our own: nothing usable came from below.
    Generate { status: u16 },
    /// Send up a 500: the best that came from below is this 503, which would say that we are overloaded (RFC 3261 section 16.7
    /// step 6).
    Overloaded(Box<Message>),
    /// Send this CANCEL as the client transaction `id`, whose `cancel` is true.
    SendCancel { id: ClientTransactionId, flow: FlowId, cancel: Bytes },
    /// End this client transaction as failed: it is to be cancelled, and no CANCEL can be made of its request.
    GiveUp { id: ClientTransactionId },
    /// Nothing more will come.
    Ended,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Progress {
    ExpectFinal,
    /// A final response went upstream.
    Answered,
    Ended,
}

#[derive(Debug)]
struct Branch {
    id: ClientTransactionId,
    /// An INVITE as it was sent, as long as it can be cancelled.
    request: Option<Bytes>,
    flow: FlowId,
    state: BranchState,
}

#[derive(Debug)]
enum BranchState {
    /// No provisional response yet, so that a CANCEL has to wait (RFC 3261 section 9.1).
    Calling {
        timer_c: Option<Instant>,
        cancel: Option<CancelCause>,
    },
    Proceeding {
        timer_c: Option<Instant>,
    },
    /// A CANCEL is out; the client transaction sees to it that something comes.
    Cancelled(CancelCause),
    /// A 2xx to INVITE: its retransmissions, until they end, pass too.
    Accepted {
        until: Instant,
    },
    Unanswered(Ending),
    /// Nothing of it is of use any more.
    Ended,
}

/// Why a branch is cancelled.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum CancelCause {
    /// The caller wants it, or is gone.
    Upstream,
    TimerC,
    /// Another branch had this status: 2xx or 6xx.
    Elsewhere(u16),
}

impl ResponseContext {
    /// For a request of this `method`. With `wait_for_all` no branch is cancelled because of another's response: each
    /// device gets its copy of a MESSAGE.
    pub fn new(method: Method, wait_for_all: bool) -> ResponseContext {
        ResponseContext {
            is_invite: method == Method::Invite,
            wait_for_all,
            is_open: true,
            is_cancelled: false,
            upstream_reason: None,
            gives_up_at: None,
            progress: Progress::ExpectFinal,
            branches: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Waits until then for answers, and not for as long as the client transactions do: whoever sent a request other
    /// than INVITE has no use for an answer that comes after its own timer F (RFC 4320 section 3).
    #[must_use]
    pub fn giving_up_at(mut self, at: Instant) -> ResponseContext {
        self.gives_up_at = Some(at).filter(|_| !self.is_invite);
        self
    }

    /// A request was sent as client transaction `id`. To try another target for a branch that failed, add the new
    /// branch before reporting the failure.
    pub fn add_branch(&mut self, now: Instant, id: ClientTransactionId, request: Bytes, flow: FlowId) {
        let cancel = match self.progress {
            _ if !self.is_invite => None,
            Progress::ExpectFinal => self.is_cancelled.then_some(CancelCause::Upstream),
            Progress::Answered | Progress::Ended => (!self.wait_for_all).then_some(CancelCause::Upstream),
        };
        let state = BranchState::Calling { timer_c: self.timer_c_from(now), cancel };
        self.branches.push(Branch { id, request: Some(request).filter(|_| self.is_invite), flow, state });
    }

    /// No more branches will be added. A 2xx or 6xx to INVITE, and a cancel, close it as well.
    pub fn close_target_set(&mut self) {
        self.is_open = false;
        self.settle();
    }

    /// Whether it makes sense to add a branch (RFC 3261 sections 16.7 step 5 and 16.10).
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether no final answer has been passed back.
    pub fn is_unanswered(&self) -> bool {
        self.progress == Progress::ExpectFinal
    }

    /// Whether nobody is asked any more, and none of those who were has settled it: others may be asked.
    pub fn wants_more(&self) -> bool {
        let is_settled = self.progress != Progress::ExpectFinal && !self.wait_for_all;
        self.is_open && !is_settled && !self.branches.iter().any(|branch| branch.state.is_pending())
    }

    /// Those that were asked have had long enough: they are cancelled, as by timer C, and others may be asked.
    pub fn give_up_branches(&mut self) {
        self.cancel_branches(CancelCause::TimerC);
    }

    /// Whether another target may take the place of this branch's, which fails: nobody has answered or given up.
    pub fn may_replace(&self, id: ClientTransactionId) -> bool {
        let is_waited_for = |branch: &Branch| {
            matches!(branch.state, BranchState::Calling { cancel: None, .. } | BranchState::Proceeding { .. })
        };
        self.progress == Progress::ExpectFinal
            && !self.is_cancelled
            && self.index_of(id).is_some_and(|index| is_waited_for(&self.branches[index]))
    }

    /// The branches that were given up without an answer: one may come yet.
    pub fn unanswered(&self) -> impl Iterator<Item = ClientTransactionId> {
        let is_unanswered = |branch: &&Branch| matches!(branch.state, BranchState::Unanswered(Ending::Status(408)));
        self.branches.iter().filter(is_unanswered).map(|branch| branch.id)
    }

    /// A response that the client transaction delivered. Those to CANCEL mean nothing here.
    pub fn handle_response(&mut self, now: Instant, id: ClientTransactionId, response: Message) {
        let (Some(index), Some(status)) = (self.index_of(id), response.status()) else { return };
        match status {
            ..=199 => self.handle_provisional(now, index, status, response),
            200..=299 if self.is_invite => self.handle_answer(now, index, status, response),
            _ if !self.branches[index].state.is_pending() => {}
            200..=299 => {
                self.branches[index].state = BranchState::Ended;
                self.forward_first(response);
            }
            _ => self.handle_negative(index, status, response),
        }
        self.settle();
    }

    /// The client transaction ended without a final response.
    pub fn handle_failure(&mut self, _now: Instant, id: ClientTransactionId, failure: Failure) {
        let Some(index) = self.index_of(id) else { return };
        let is_cancelled = self.is_cancelled;
        let branch = &mut self.branches[index];
        match branch.state {
            // As if it had answered (RFC 3261 sections 9.1, 16.8 and 16.9).
            _ if branch.state.is_pending() => {
                let status = match failure {
                    _ if is_cancelled => 487,
                    Failure::Timeout => 408,
                    Failure::TransportFailed => 503,
                };
                branch.state = BranchState::Unanswered(Ending::Status(status));
            }
            BranchState::Accepted { .. } => branch.state = BranchState::Ended,
            _ => {}
        }
        self.settle();
    }

    /// The client transaction ended: nothing more will come of this branch.
    pub fn handle_end(&mut self, id: ClientTransactionId) {
        let Some(index) = self.index_of(id) else { return };
        let state = &mut self.branches[index].state;
        if matches!(state, BranchState::Accepted { .. }) {
            *state = BranchState::Ended;
        }
        self.settle();
    }

    /// The caller sent a CANCEL, or is gone; `reason` is what its Reason says (RFC 3326). The final response is what the branches answer. Other requests than
    /// INVITE cannot be cancelled.
    pub fn cancel(&mut self, _now: Instant, reason: Option<String>) {
        if !self.is_invite || self.progress != Progress::ExpectFinal {
            return;
        }
        self.is_cancelled = true;
        // Who said why may be gone afterwards.
        self.upstream_reason = self.upstream_reason.take().or(reason);
        self.is_open = false;
        self.cancel_branches(CancelCause::Upstream);
        self.settle();
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let gives_up_at = self.gives_up_at.filter(|_| self.progress == Progress::ExpectFinal);
        self.branches.iter().filter_map(|branch| branch.state.next_timeout()).chain(gives_up_at).min()
    }

    /// Timer C, the end of patience, and the end of 2xx retransmissions.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.gives_up_at.is_some_and(|at| at <= now) {
            for branch in self.branches.iter_mut().filter(|branch| branch.state.is_pending()) {
                branch.state = BranchState::Unanswered(Ending::Status(408));
            }
        }
        for branch in &mut self.branches {
            if branch.state.next_timeout().is_none_or(|at| now < at) {
                continue;
            }
            match branch.state {
                BranchState::Proceeding { .. } => {
                    self.outputs.push_back(branch.cancel_now(CancelCause::TimerC, None));
                }
                BranchState::Accepted { .. } => branch.state = BranchState::Ended,
                _ => branch.state = BranchState::Unanswered(Ending::Status(408)),
            }
        }
        self.settle();
    }

    pub fn poll_output(&mut self) -> Option<ContextOutput> {
        self.outputs.pop_front()
    }

    fn handle_provisional(&mut self, now: Instant, index: usize, status: u16, response: Message) {
        let timer_c = self.timer_c_from(now);
        let branch = &mut self.branches[index];
        match branch.state {
            BranchState::Calling { cancel: Some(cause), .. } => {
                self.outputs.push_back(branch.cancel_now(cause, self.upstream_reason.as_deref()));
            }
            BranchState::Calling { .. } => branch.state = BranchState::Proceeding { timer_c },
            // RFC 3261 section 16.7 step 2: a 100 says nothing about the callee.
            BranchState::Proceeding { .. } if status > 100 => branch.state = BranchState::Proceeding { timer_c },
            BranchState::Proceeding { .. } | BranchState::Cancelled(_) => {}
            BranchState::Accepted { .. } | BranchState::Unanswered(_) | BranchState::Ended => return,
        }
        // RFC 4320 section 4.1: no provisional responses but 100 to other requests.
        if status > 100 && self.is_invite && self.progress == Progress::ExpectFinal {
            self.outputs.push_back(ContextOutput::Forward(Box::new(response)));
        }
    }

    /// Every 2xx to INVITE goes up: each stands for a callee who waits for an ACK.
    fn handle_answer(&mut self, now: Instant, index: usize, status: u16, response: Message) {
        self.outputs.push_back(ContextOutput::Forward(Box::new(response)));
        let branch = &mut self.branches[index];
        branch.request = None;
        if !matches!(branch.state, BranchState::Accepted { .. }) {
            branch.state = BranchState::Accepted { until: now + RETRANSMISSIONS_2XX };
        }
        if self.progress == Progress::ExpectFinal {
            self.progress = Progress::Answered;
            self.end_others(status);
        }
    }

    /// Held back until all branches ended.
    fn handle_negative(&mut self, index: usize, status: u16, response: Message) {
        let state = &mut self.branches[index].state;
        let ending = match state {
            // The caller did not ask for a 487.
            BranchState::Cancelled(CancelCause::TimerC) if status == 487 => Ending::Status(408),
            _ => Ending::Response(Box::new(response)),
        };
        *state = BranchState::Unanswered(ending);
        if status >= 600 {
            self.end_others(status);
        }
    }

    fn forward_first(&mut self, response: Message) {
        if self.progress == Progress::ExpectFinal {
            self.outputs.push_back(ContextOutput::Forward(Box::new(response)));
            self.progress = Progress::Answered;
        }
    }

    /// RFC 3261 section 16.7 step 10.
    fn end_others(&mut self, status: u16) {
        if self.is_invite && !self.wait_for_all {
            self.is_open = false;
            self.cancel_branches(CancelCause::Elsewhere(status));
        }
    }

    fn cancel_branches(&mut self, cause: CancelCause) {
        for branch in &mut self.branches {
            match &mut branch.state {
                BranchState::Calling { cancel, .. } => *cancel = cancel.or(Some(cause)),
                BranchState::Proceeding { .. } => {
                    self.outputs.push_back(branch.cancel_now(cause, self.upstream_reason.as_deref()));
                }
                _ => {}
            }
        }
    }

    /// Sees to what follows when branches have ended.
    fn settle(&mut self) {
        if self.is_open || self.branches.iter().any(|branch| branch.state.is_pending()) {
            return;
        }
        if self.progress == Progress::ExpectFinal {
            let best = self.choose_best();
            self.outputs.push_back(best);
            self.progress = Progress::Answered;
        }
        let lingers = self.branches.iter().any(|branch| matches!(branch.state, BranchState::Accepted { .. }));
        if self.progress == Progress::Answered && !lingers {
            self.progress = Progress::Ended;
            self.outputs.push_back(ContextOutput::Ended);
        }
    }

    fn choose_best(&self) -> ContextOutput {
        let endings: Vec<&Ending> = self.branches.iter().filter_map(|branch| branch.state.ending()).collect();
        // An empty target set is for the caller to refuse, but an answer it must have.
        let status = if self.is_cancelled { 487 } else { 480 };
        choose(&endings, self.is_invite).unwrap_or(ContextOutput::Generate { status })
    }

    fn timer_c_from(&self, now: Instant) -> Option<Instant> {
        self.is_invite.then(|| now + TIMER_C)
    }

    fn index_of(&self, id: ClientTransactionId) -> Option<usize> {
        self.branches.iter().position(|branch| branch.id == id)
    }
}

impl Branch {
    fn cancel_now(&mut self, cause: CancelCause, upstream_reason: Option<&str>) -> ContextOutput {
        self.state = BranchState::Cancelled(cause);
        let request = self.request.take().and_then(|request| Message::parse(request).ok());
        let reason = cause.reason(upstream_reason);
        match request.and_then(|request| build_cancel(&request, reason.as_deref()).ok()) {
            Some(cancel) => {
                let id = ClientTransactionId { cancel: true, ..self.id };
                ContextOutput::SendCancel { id, flow: self.flow, cancel }
            }
            // Else nothing would end it: it rings, and has no time of its own.
            None => ContextOutput::GiveUp { id: self.id },
        }
    }
}

impl BranchState {
    fn is_pending(&self) -> bool {
        matches!(self, BranchState::Calling { .. } | BranchState::Proceeding { .. } | BranchState::Cancelled(_))
    }

    fn ending(&self) -> Option<&Ending> {
        if let BranchState::Unanswered(ending) = self { Some(ending) } else { None }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self {
            BranchState::Calling { timer_c, .. } | BranchState::Proceeding { timer_c } => *timer_c,
            BranchState::Accepted { until } => Some(*until),
            BranchState::Cancelled(_) | BranchState::Unanswered(_) | BranchState::Ended => None,
        }
    }
}

impl CancelCause {
    /// For a Reason header (RFC 3326): a phone that knows that the call was taken elsewhere does not show it as missed.
    fn reason(self, upstream: Option<&str>) -> Option<String> {
        match self {
            CancelCause::Elsewhere(200..=299) => Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()),
            CancelCause::Elsewhere(status) => Some(format!("SIP;cause={status};text=\"{}\"", reason_phrase(status))),
            CancelCause::Upstream => upstream.map(str::to_owned),
            CancelCause::TimerC => None,
        }
    }
}

/// RFC 3261 section 16.6 step 11 asks for more than 3 minutes.
const TIMER_C: Duration = Duration::from_secs(181);

/// Timer M of the client transaction (RFC 6026): how long 2xx responses are retransmitted.
const RETRANSMISSIONS_2XX: Duration = Duration::from_secs(32);
