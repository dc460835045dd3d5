//! The calls of a worker that we stand between (RFC 7092: a signalling-only B2BUA): found, begun, and joined to the Core.
//!
//! What a call is, is `call`'s. Here its requests go out as those of every agent do, and their answers come back.

mod anchor;
mod anchored;
mod call;
mod dialogs;
mod moving;
mod rewrite;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conference::ConferenceId;
use federation::admission::Origin;
use federation::modality::Modalities;
use sip::TransferSupport;
use sip::refusal::Word;
use sip::{Aor, Method, Refusal};

use crate::agent::{AgentKey, AgentMessage, AgentResponse};
use crate::anchoring::Attempt;
use crate::core::Core;
use crate::escalation::{self, Ends, Way};
use crate::established::{Established, EstablishedLimits};
use crate::route::Destination;
use crate::schedule::Machine;
use crate::shares::Peer;
use crate::{AdmittedRequest, Ingress, Upstream};

use anchored::Bridge;
pub(crate) use call::OF_THE_GONE;
use call::{Call, CallLimits, CallOutput, Offers};
use dialogs::Side;
pub use moving::EscalationStatus;
use moving::Move;

/// The calls that this worker stands between.
#[derive(Debug)]
pub(crate) struct Between {
    calls_by_serial: BTreeMap<u64, Standing>,
    /// Each INVITE that waits for its answer, so that its CANCEL finds it.
    serials_by_invite: BTreeMap<Upstream, u64>,
    /// Calls that have become meetings, or are about to.
    serials_by_conference: BTreeMap<ConferenceId, u64>,
    /// Calls whose sound goes through us.
    serials_by_bridge: BTreeMap<u64, u64>,
    by_caller: Established,
    serial: u64,
}

#[derive(Debug)]
struct Standing {
    call: Call,
    /// For whom it counts.
    caller: Peer,
    moving: Move,
    bridge: Option<Bridge>,
    /// Its entry in the schedule, so that not every input adds one.
    wakes_at: Option<Instant>,
}

impl Between {
    pub(crate) fn new(incarnation: u32) -> Between {
        Between {
            calls_by_serial: BTreeMap::new(),
            serials_by_invite: BTreeMap::new(),
            serials_by_conference: BTreeMap::new(),
            serials_by_bridge: BTreeMap::new(),
            by_caller: Established::default(),
            serial: u64::from(incarnation) << 32,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.calls_by_serial.len()
    }

    /// Who began the call.
    pub(crate) fn caller_of(&self, serial: u64) -> Option<&Peer> {
        self.calls_by_serial.get(&serial).map(|standing| &standing.caller)
    }

    fn forget(&mut self, serial: u64) {
        if let Some(standing) = self.calls_by_serial.remove(&serial) {
            self.by_caller.give_back(standing.caller);
        }
    }

    /// Those that are calls still, one party of which is refused now; and how. Asked about each party, with the other one and
    /// what the call began as.
    pub(crate) fn calls_with(
        &self,
        refused: impl Fn(&Aor, Option<&Aor>, Modalities) -> Option<Refusal>,
    ) -> Vec<(u64, Aor, Refusal)> {
        let refused_party = |standing: &Standing| {
            let [caller, callee] = [Side::Caller, Side::Callee].map(|side| standing.call.party(side));
            let began_as = standing.call.began_as();
            let check = |party: &Option<Aor>, other: &Option<Aor>| {
                let party = party.as_ref()?;
                refused(party, other.as_ref(), began_as).map(|refusal| (party.clone(), refusal))
            };
            check(&caller, &callee).or_else(|| check(&callee, &caller))
        };
        let calls = self.calls_by_serial.iter().filter(|(_, standing)| standing.moving.conference().is_none());
        let found = calls.filter_map(|(serial, standing)| Some((*serial, refused_party(standing)?)));
        found.map(|(serial, (party, refusal))| (serial, party, refusal)).collect()
    }
}

impl Core {
    /// Where a call begins with this request, decides whether we stand between its two ends; gives the request back where not.
    pub(crate) fn stand_between(&mut self, now: Instant, request: AdmittedRequest) -> Option<AdmittedRequest> {
        let is_of_phone = matches!(request.ingress, Ingress::Flow(_));
        let is_ours = !self.organisation.is_edge_only();
        if !is_ours || !is_of_phone || request.upstream.is_none() || !escalation::begins_call(&request.message) {
            return Some(request);
        }
        let callees = match &request.destination {
            Destination::User(aor) => Some(self.transfer_support(now, aor)),
            Destination::Partner { .. } => None,
            _ => return Some(request),
        };
        let caller = match request.admitted.origin() {
            Origin::User { .. } => Some(TransferSupport::shown_in(&request.message)),
            Origin::Partner { .. } | Origin::Remote { .. } | Origin::Inside { .. } => None,
        };
        if callees.as_ref().is_some_and(Vec::is_empty) {
            return Some(request);
        }
        let is_written = escalation::is_for_messages(&request.message);
        let ends = Ends { is_written, caller, callees: callees.as_deref() };
        let mut way = escalation::decide(self.call_settings.between, ends);
        let ways = self.ways_of_sound(now, &request);
        if !way.stands_between && ways.attempts.front() != Some(&Attempt::AsItCame) {
            way = Way { stands_between: true, reason: self.why_anchored_at_once().to_owned() };
        }
        if way.stands_between
            && let Err(limit) = self.find_room_between(&request)
        {
            way.stands_between = false;
            way.reason = format!("{}, but {limit} is reached", way.reason);
        }
        let stands_between = way.stands_between;
        self.record_way(now, &request.message, way);
        if !stands_between {
            return Some(request);
        }
        self.begin_call(now, request, Offers { ways, refusal: None });
        None
    }

    /// What each device of this user showed when it registered; empty where he has none, or another worker owns him.
    pub fn transfer_support(&self, now: Instant, aor: &Aor) -> Vec<TransferSupport> {
        self.location.lookup(now, aor).iter().map(|binding| binding.transfer).collect()
    }

    /// # Errors
    /// The name of the limit that is reached.
    fn find_room_between(&mut self, request: &AdmittedRequest) -> Result<(), &'static str> {
        let limits = &self.limits;
        let shares = EstablishedLimits {
            of_user: (limits.calls_between_per_user_max, "calls_between_per_user_max"),
            of_partner: (limits.calls_between_per_partner_max, "calls_between_per_partner_max"),
        };
        let found = match self.between.len() < limits.calls_between_max {
            true => self.between.by_caller.check(request.admitted.origin(), &shares),
            false => Err("calls_between_max"),
        };
        found.inspect_err(|limit| self.counts.hit(limit))
    }

    fn begin_call(&mut self, now: Instant, request: AdmittedRequest, offers: Offers<'_>) {
        let Some(upstream) = request.upstream else { return };
        self.between.serial += 1;
        let serial = self.between.serial;
        let limits = CallLimits {
            requests_max: self.limits.requests_per_call_max,
            check_time: Duration::from_secs(self.limits.call_check_secs),
        };
        let recorded = self.recorded_for(&self.call_key(serial), &request);
        match recorded.and_then(|recorded| Call::begin(now, &request, recorded, &limits, offers)) {
            Ok(call) => {
                let caller = Peer::of(request.admitted.origin());
                self.between.by_caller.take(caller.clone());
                let standing = Standing { call, caller, moving: Move::default(), bridge: None, wakes_at: None };
                self.between.calls_by_serial.insert(serial, standing);
                self.between.serials_by_invite.insert(upstream, serial);
                self.settle_call(now, serial);
            }
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
        }
    }

    fn call_key(&self, serial: u64) -> AgentKey {
        AgentKey::Call { worker: self.ownership.worker, serial }
    }

    /// A request within a call that this worker stands between.
    pub(crate) fn serve_call(&mut self, now: Instant, serial: u64, request: AdmittedRequest) {
        let Some(request) = self.serve_if_moved(now, serial, request) else { return };
        let Some(request) = self.escalate_by_reference(now, serial, request) else { return };
        let refused = match self.between.calls_by_serial.get_mut(&serial) {
            Some(standing) => standing.call.handle_request(now, &request).err(),
            None => Some(Refusal::new(481, Word::DialogUnknown, "the call is over")),
        };
        if refused.as_ref().is_some_and(|refusal| refusal.word == Word::Overloaded) {
            self.counts.hit("requests_per_call_max");
        }
        match (refused, request.upstream) {
            (Some(refusal), Some(upstream)) => self.refuse_owned(now, upstream, &request.message, &refusal),
            (None, Some(upstream)) if request.message.method() == Some(Method::Invite) => {
                self.between.serials_by_invite.insert(upstream, serial);
            }
            _ => {}
        }
        self.settle_call(now, serial);
    }

    /// What was a call is a meeting: its focus speaks in the dialogs. Gives the request back where it does not.
    fn serve_if_moved(&mut self, now: Instant, serial: u64, request: AdmittedRequest) -> Option<AdmittedRequest> {
        let standing = self.between.calls_by_serial.get(&serial);
        let Some(conference) = standing.and_then(|standing| standing.moving.conference()).cloned() else {
            return Some(request);
        };
        self.serve_conference(now, &conference, request);
        None
    }

    pub(crate) fn call_answered(&mut self, now: Instant, serial: u64, answered: &AgentResponse) {
        if let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
            standing.call.handle_response(now, answered.number, &answered.response, answered.source);
        }
        self.settle_call(now, serial);
    }

    /// An INVITE was taken back. Says whether it was of a call of ours.
    pub(crate) fn cancel_in_call(&mut self, now: Instant, from: Upstream, reason: Option<String>) -> bool {
        let Some(serial) = self.between.serials_by_invite.get(&from).copied() else { return false };
        if let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
            standing.call.handle_cancel(from, reason);
        }
        self.settle_call(now, serial);
        true
    }

    /// Ends the calls of this worker whose sound goes through us: the server is about to end, and nobody would hear anything any more.
    pub fn end_anchored_calls(&mut self, now: Instant) {
        let anchored = self.between.calls_by_serial.iter().filter(|(_, standing)| standing.bridge.is_some());
        for serial in anchored.map(|(serial, _)| *serial).collect::<Vec<_>>() {
            if let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
                standing.call.end(503, Word::Draining);
            }
            self.settle_call(now, serial);
        }
        self.settle(now);
    }

    /// Both ends are told, and why: one of them is this party, who is refused.
    pub(crate) fn end_call_between(&mut self, now: Instant, serial: u64, party: &Aor, refusal: &Refusal) {
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        standing.call.end(refusal.status, refusal.word);
        let call_id = standing.call.call_id().to_owned();
        self.record_ended(now, &call_id, party.domain(), "a call under way was ended", refusal);
        self.settle_call(now, serial);
    }

    pub(crate) fn wake_call(&mut self, now: Instant, serial: u64) {
        let moved = self.between.calls_by_serial.get(&serial).and_then(|standing| standing.moving.conference());
        match (moved.cloned(), self.between.calls_by_serial.get_mut(&serial)) {
            (Some(conference), _) if !self.conferences.is_known(&conference) => {
                self.between.serials_by_conference.remove(&conference);
                self.close_legs(now, serial);
                self.between.forget(serial);
            }
            (Some(_), Some(standing)) => standing.call.postpone(now),
            (_, Some(standing)) => standing.call.handle_timeout(now),
            (_, None) => {}
        }
        self.settle_call(now, serial);
    }

    fn settle_call(&mut self, now: Instant, serial: u64) {
        while let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
            let Some(output) = standing.call.poll_output() else {
                let at = standing.call.next_timeout();
                if standing.wakes_at.is_none_or(|set| set <= now || at < set) {
                    standing.wakes_at = Some(at);
                    self.schedule.push(at, Machine::Call(serial));
                }
                return;
            };
            self.perform_for_call(now, serial, output);
        }
    }

    fn perform_for_call(&mut self, now: Instant, serial: u64, output: CallOutput) {
        let agent = self.call_key(serial);
        match output {
            CallOutput::Request { number, admitted, request } => {
                self.send_message_for_agent(
                    now,
                    AgentMessage { agent, admitted, number: Some(number), message: request },
                );
            }
            CallOutput::Ack { admitted, request } => {
                self.send_message_for_agent(now, AgentMessage { agent, admitted, number: None, message: request });
            }
            CallOutput::Respond { to, status, response } => {
                if status >= 200 {
                    self.between.serials_by_invite.remove(&to);
                }
                self.respond(now, to, status, response);
            }
            CallOutput::Refuse { to, request, refusal } => {
                self.between.serials_by_invite.remove(&to);
                self.refuse_owned(now, to, &request, &refusal);
            }
            CallOutput::OpenLegs { refused } => self.open_legs(now, serial, refused),
            CallOutput::OpenLegsAgain => self.open_bridge(now, serial),
            CallOutput::Run(run) => self.run_leg(serial, run),
            CallOutput::CloseLegs => self.close_legs(now, serial),
            CallOutput::Cancel { number, reason } => self.cancel_for_agent(now, &agent, number, reason),
            CallOutput::Ended => {
                self.close_legs(now, serial);
                self.between.forget(serial);
            }
        }
    }
}
