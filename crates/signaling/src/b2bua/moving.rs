//! A call of two that becomes a meeting: both phones are offered its sound within the dialogs that they have, and when both
//! have taken it, the others are called.

use std::time::Instant;

use conference::{Adopted, Adoption, Command, Conduct, ConferenceId, LegNumber};
use federation::admission::Origin;
use serde::{Deserialize, Serialize};
use sip::header::refer_sub::wants_subscription;
use sip::refusal::Word;
use sip::{Aor, HeaderName, Method, Refusal, Uri, build};

use super::call::Call;
use super::dialogs::{End, Side};
use crate::AdmittedRequest;
use crate::core::Core;
use conference::id::MeetingAddress;

/// How far a call is on its way.
#[derive(Debug, Default)]
pub(super) enum Move {
    #[default]
    Staying,
    UnderWay(Box<UnderWay>),
    Done(ConferenceId),
    /// It goes on as a call of two, for this reason.
    Refused(String),
}

#[derive(Debug)]
pub(super) struct UnderWay {
    conference: ConferenceId,
    ends: [MovingEnd; 2],
    people: Vec<Aor>,
}

#[derive(Debug)]
struct MovingEnd {
    side: Side,
    who: Aor,
    leg: LegNumber,
    outcome: Option<Adopted>,
}

/// What a command is told of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum EscalationStatus {
    UnderWay,
    Done { conference: ConferenceId },
    Refused { reason: String },
}

impl Move {
    /// The conference that speaks in the dialogs.
    pub fn conference(&self) -> Option<&ConferenceId> {
        match self {
            Move::UnderWay(under_way) => Some(&under_way.conference),
            Move::Done(conference) => Some(conference),
            Move::Staying | Move::Refused(_) => None,
        }
    }
}

impl Core {
    /// Makes a meeting of a call that this worker stands between, or keeps as one that was proxied, and calls these people into
    /// it; `None`: it knows no such call. What comes of it [`Core::escalation_status`] says.
    ///
    /// # Errors
    /// 481 where the call is over, 488 where a phone of a proxied call shows neither Replaces nor REFER, 491 where something is
    /// under way in the call, 503 `overloaded`, and those of [`conference::Focus::adopt`].
    pub fn escalate_call(
        &mut self,
        now: Instant,
        call_id: &str,
        people: &[Aor],
    ) -> Option<Result<ConferenceId, Refusal>> {
        let standing = self.between.calls_by_serial.iter().find(|(_, standing)| standing.call.call_id() == call_id);
        let Some(serial) = standing.map(|(serial, _)| *serial) else {
            return self.replace_call(now, call_id, people);
        };
        let begun = self.begin_move(now, serial, people);
        self.settle(now);
        Some(begun)
    }

    pub fn escalation_status(&self, call_id: &str) -> Option<EscalationStatus> {
        let is_meant = |standing: &&super::Standing| standing.call.call_id() == call_id;
        let Some(standing) = self.between.calls_by_serial.values().find(is_meant) else {
            return self.replacing_status(call_id);
        };
        match &standing.moving {
            Move::Staying => None,
            Move::UnderWay(_) => Some(EscalationStatus::UnderWay),
            Move::Done(conference) => Some(EscalationStatus::Done { conference: conference.clone() }),
            Move::Refused(reason) => Some(EscalationStatus::Refused { reason: reason.clone() }),
        }
    }

    pub(super) fn begin_move(&mut self, now: Instant, serial: u64, people: &[Aor]) -> Result<ConferenceId, Refusal> {
        let unknown = || Refusal::new(481, Word::DialogUnknown, "the call is over");
        let standing = self.between.calls_by_serial.get(&serial).ok_or_else(unknown)?;
        if let Some(conference) = standing.moving.conference() {
            return Err(Refusal::new(491, Word::OffersCross, format!("the call is the meeting {conference} already")));
        }
        let adoptions = adoptions(&standing.call)?;
        let is_ours = |aor: &&Aor| self.organisation.is_local(aor.domain());
        let organiser = adoptions.iter().map(|(_, adoption)| &adoption.who).find(is_ours).cloned();
        let organiser = organiser.ok_or_else(unknown)?;
        let id = self.new_conference_here();
        let conduct = Conduct::ad_hoc(organiser.clone(), self.organisation.domains.clone());
        self.begin_conference(&id, organiser.domain(), conduct)?;
        let taken = self.with_focus(now, &id, |focus, turn| {
            let end = |(side, adoption): (Side, Adoption)| {
                let who = adoption.who.clone();
                focus.adopt(turn, adoption).map(|leg| MovingEnd { side, who, leg, outcome: None })
            };
            adoptions.into_iter().map(end).collect::<Result<Vec<_>, _>>()
        });
        let ends = taken.ok_or_else(unknown)?;
        let ends: [MovingEnd; 2] = match ends.map(TryInto::try_into) {
            Ok(Ok(ends)) => ends,
            Ok(Err(_)) => return Err(unknown()),
            Err(refusal) => {
                self.end_conference(&id);
                return Err(refusal);
            }
        };
        let under_way = UnderWay { conference: id.clone(), ends, people: people.to_vec() };
        if let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
            standing.moving = Move::UnderWay(Box::new(under_way));
            self.between.serials_by_conference.insert(id.clone(), serial);
        }
        Ok(id)
    }

    /// A conference that this worker owns, so that the dialogs stay where they are.
    pub(crate) fn new_conference_here(&mut self) -> ConferenceId {
        loop {
            let id = self.new_conference();
            if self.ownership.is_ours(self.ownership.of_conference(&id)) {
                return id;
            }
        }
    }

    /// A phone has answered, or left.
    pub(crate) fn end_moved(&mut self, now: Instant, conference: &ConferenceId, leg: LegNumber, outcome: Adopted) {
        let Some(serial) = self.between.serials_by_conference.get(conference).copied() else { return };
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        let Move::UnderWay(under_way) = &mut standing.moving else { return };
        if let Some(end) = under_way.ends.iter_mut().find(|end| end.leg == leg) {
            end.outcome.get_or_insert(outcome);
        }
        if under_way.ends.iter().any(|end| end.outcome.is_none()) {
            return;
        }
        let refused = under_way.ends.iter().find_map(|end| match end.outcome {
            Some(Adopted::Refused { status }) => Some(format!("the phone of {} answers {status}", end.who)),
            _ => None,
        });
        let Move::UnderWay(under_way) = std::mem::take(&mut standing.moving) else { return };
        match refused {
            None => self.move_done(now, serial, *under_way),
            Some(reason) => self.move_back(now, serial, *under_way, reason),
        }
    }

    fn move_done(&mut self, now: Instant, serial: u64, under_way: UnderWay) {
        let UnderWay { conference, ends, people } = under_way;
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        standing.moving = Move::Done(conference.clone());
        let call_id = standing.call.call_id().to_owned();
        self.close_legs(now, serial);
        for end in ends {
            if self.organisation.is_local(end.who.domain()) {
                self.call_changed(now, end.who, &call_id, false);
            }
        }
        self.with_focus(now, &conference, |focus, turn| focus.keep(turn));
        for who in people {
            // Who cannot be called is not in the meeting, and the meeting shows it.
            self.with_focus(now, &conference, |focus, turn| {
                let organiser = focus.conduct().organiser.clone();
                drop(focus.handle_command(turn, Some(&organiser), &Command::Add(who)));
            });
        }
    }

    /// The call goes on as it was.
    fn move_back(&mut self, now: Instant, serial: u64, under_way: UnderWay, reason: String) {
        let UnderWay { conference, ends, .. } = under_way;
        self.between.serials_by_conference.remove(&conference);
        let back = ends.map(|end| {
            let dialog = self.with_focus(now, &conference, |focus, turn| focus.release(turn, end.leg)).flatten();
            (end.side, dialog, end.outcome == Some(Adopted::Inside))
        });
        if let Some(standing) = self.between.calls_by_serial.get_mut(&serial) {
            standing.moving = Move::Refused(reason);
            standing.call.give_back(now, back);
        }
        self.settle_call(now, serial);
    }

    /// A phone of ours asks by REFER to the factory that its call become a meeting. Gives the request back where it does not.
    pub(super) fn escalate_by_reference(
        &mut self,
        now: Instant,
        serial: u64,
        request: AdmittedRequest,
    ) -> Option<AdmittedRequest> {
        if !is_for_factory(&request) || !matches!(request.admitted.origin(), Origin::User { .. }) {
            return Some(request);
        }
        let Some(upstream) = request.upstream else { return Some(request) };
        match self.begin_move(now, serial, &[]) {
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
            Ok(conference) => {
                let mut response = build::response(&request.message, 202, None, None);
                let is_told = wants_subscription(&request.message);
                if !is_told {
                    response = response.header(HeaderName::ReferSub, "false");
                }
                self.respond(now, upstream, 202, response.build());
                if is_told {
                    self.tell_of_reference(now, serial, &conference, &request);
                }
            }
        }
        None
    }

    /// The meeting has the dialog by now; what becomes of the call the phone sees in that.
    fn tell_of_reference(&mut self, now: Instant, serial: u64, conference: &ConferenceId, request: &AdmittedRequest) {
        let Some(Move::UnderWay(under_way)) = self.between.calls_by_serial.get(&serial).map(|one| &one.moving) else {
            return;
        };
        let Origin::User { aor } = request.admitted.origin() else { return };
        if let Some(leg) = under_way.ends.iter().find(|end| end.who == *aor).map(|end| end.leg) {
            self.with_focus(now, conference, |focus, _| focus.tell_of_reference(leg));
        }
    }
}

fn adoptions(call: &Call) -> Result<[(Side, Adoption); 2], Refusal> {
    let pair = call.settled()?;
    let described = |end: &End| end.described.as_ref().map(|session| session.body.to_vec()).unwrap_or_default();
    let adoption = |side: Side| -> Result<Adoption, Refusal> {
        let (end, other) = (pair.end(side), pair.end(side.other()));
        let unreadable = || Refusal::new(481, Word::DialogUnknown, "the call is of somebody without an address");
        Ok(Adoption {
            who: end.party.clone().ok_or_else(unreadable)?,
            display: end.display.clone(),
            dialog: end.dialog.clone(),
            was_called: side == Side::Callee,
            source: end.source,
            heard: call.told(side).map_or_else(|| described(other), |told| told.as_bytes().to_vec()),
            said: described(end),
        })
    };
    Ok([(Side::Caller, adoption(Side::Caller)?), (Side::Callee, adoption(Side::Callee)?)])
}

fn is_for_factory(request: &AdmittedRequest) -> bool {
    if request.message.method() != Some(Method::Refer) {
        return false;
    }
    let Ok(target) = request.message.address(HeaderName::ReferTo) else { return false };
    let uri: Uri<'_> = target.uri();
    request.admitted.aor().is_some_and(|aor| aor.domain() == &*uri.host_lowercase())
        && matches!(uri.user().and_then(MeetingAddress::read), Some(MeetingAddress::Factory))
}
