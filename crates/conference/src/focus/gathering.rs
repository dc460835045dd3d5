//! How two who are in a call of their own come into the meeting when nobody stands between them: a phone that knows Replaces
//! is called in place of the call (RFC 3891), one that knows only REFER is asked to call the meeting (RFC 3515, 4579
//! section 5.4), and first of all, for until it has come nothing is lost. The others are called once somebody is there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sip::refusal::Word;
use sip::{Aor, HeaderName, Method, Refusal};

use super::endpoint::EndpointId;
use super::inviting::outside;
use super::participant::{Participant, Place};
use super::{Asked, Focus, new_tag};
use crate::{FocusOutput, Incoming, Turn};

/// The dialog that a phone is in, from its side, as Target-Dialog has it (RFC 4538).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOf {
    pub who: Aor,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
    /// It is called with Replaces; else it is asked by REFER.
    pub knows_replaces: bool,
}

/// Who is still to come.
#[derive(Debug)]
pub(super) struct Gathering {
    referred: BTreeSet<Aor>,
    replacing: Vec<CallOf>,
    people: Vec<Aor>,
    until: Instant,
}

/// A REFER of ours, by its dialog: a phone may tell in it what becomes of the call, though it was asked not to (RFC 4488).
#[derive(Debug)]
pub(super) struct Reference {
    who: Aor,
    call_id: String,
    local_tag: String,
}

impl<S: Copy + Ord> Focus<S> {
    /// Brings the phones of a call in, and then these people. Where it fails, [`FocusOutput::NobodyCame`] says why.
    ///
    /// # Errors
    /// 486 `meeting-full`; then nobody was asked.
    pub fn gather(&mut self, turn: &mut Turn<'_>, calls: [CallOf; 2], people: &[Aor]) -> Result<(), Refusal> {
        let (max, wanted) = (self.limits.participants_max, calls.len() + people.len());
        if wanted > max {
            return Err(Refusal::new(486, Word::MeetingFull, format!("{wanted} people, of {max}")));
        }
        let (replacing, referred): (Vec<CallOf>, Vec<CallOf>) = calls.into_iter().partition(|call| call.knows_replaces);
        for call in &referred {
            self.refer(turn, call)?;
        }
        let expected = referred.into_iter().map(|call| call.who).collect();
        let until = turn.now + COMING_TIME;
        self.gathering = Some(Gathering { referred: expected, replacing, people: people.to_vec(), until });
        self.call_due(turn)
    }

    /// Whether somebody has yet to come before the others are called.
    pub fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// Whether it is not sure yet that the meeting takes the place of the call.
    pub(super) fn is_referring(&self) -> bool {
        self.gathering.as_ref().is_some_and(|gathering| !gathering.referred.is_empty())
    }

    fn refer(&mut self, turn: &mut Turn<'_>, call: &CallOf) -> Result<(), Refusal> {
        self.admit_invited(turn, &call.who)?;
        let since = turn.unix_secs;
        self.participants_by_aor.entry(call.who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        let (tag, call_id) = (new_tag(turn), format!("{:016x}@{}", (turn.random)(), self.aor.domain()));
        let dialog = format!("{};local-tag={};remote-tag={}", call.call_id, call.local_tag, call.remote_tag);
        let request = outside(&Method::Refer, &call.who.uri(), &self.aor, &self.conduct.subject, &tag)
            .header(HeaderName::CallId, &call_id)
            .header(HeaderName::CSeq, "1 REFER")
            .header(HeaderName::Contact, self.us().contact)
            .header(HeaderName::ReferTo, format!("<{}>", self.aor.uri()))
            .header(HeaderName::ReferredBy, format!("<{}>", self.conduct.organiser.uri()))
            .header(HeaderName::ReferSub, "false")
            .header(HeaderName::Supported, "norefersub, tdialog")
            .header(HeaderName::TargetDialog, dialog);
        self.references.push(Reference { who: call.who.clone(), call_id, local_tag: tag });
        self.ask(Asked::Referred(call.who.clone()), request);
        Ok(())
    }

    /// Takes a NOTIFY about a REFER of ours (RFC 3515 section 2.4.4); `false`: it is none.
    pub(super) fn reference_told(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>, tag: &str) -> bool {
        let call_id = incoming.request.call_id().unwrap_or_default();
        let is_meant = |reference: &&Reference| reference.call_id == call_id && reference.local_tag == tag;
        let Some(who) = self.references.iter().find(is_meant).map(|reference| reference.who.clone()) else {
            return false;
        };
        self.respond(incoming, 200, tag);
        let said = std::str::from_utf8(incoming.request.body()).unwrap_or_default();
        let status = said.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let is_awaited = self.gathering.as_ref().is_some_and(|gathering| gathering.referred.contains(&who));
        if let (Some(status), true) = (status, is_awaited) {
            self.reference_answered(turn, &who, status);
        }
        true
    }

    /// Calls those whose turn it is: with Replaces once all who were asked to call are there.
    fn call_due(&mut self, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let Some(gathering) = self.gathering.as_mut().filter(|gathering| gathering.referred.is_empty()) else {
            return Ok(());
        };
        for call in std::mem::take(&mut gathering.replacing) {
            let replaces = format!("{};to-tag={};from-tag={}", call.call_id, call.local_tag, call.remote_tag);
            self.invite_for(turn, &call.who, Some(replaces), None)?;
        }
        Ok(())
    }

    /// Somebody is in the meeting, or will not be.
    pub(super) fn arrived(&mut self, turn: &mut Turn<'_>, who: &Aor) {
        let Some(gathering) = &mut self.gathering else { return };
        gathering.referred.remove(who);
        if !gathering.referred.is_empty() {
            return;
        }
        self.keep(turn);
        let Some(gathering) = &mut self.gathering else { return };
        let has_called = gathering.replacing.is_empty();
        let people = if has_called { std::mem::take(&mut gathering.people) } else { Vec::new() };
        // Who cannot be called is not in the meeting, and the meeting shows it.
        let _ = self.call_due(turn);
        if has_called {
            self.gathering = None;
        }
        for who in people {
            let _ = self.invite_for(turn, &who, None, None);
        }
    }

    /// A phone says whether it is going to call.
    pub(super) fn reference_answered(&mut self, turn: &mut Turn<'_>, who: &Aor, status: u16) {
        if status >= 300 {
            self.gathering_failed(turn, who, &format!("answers {status}"));
        }
    }

    /// A call to a phone has failed; where that was the last from which somebody could come, nobody does.
    pub(super) fn gathering_call_failed(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16) {
        let Some(who) = self.endpoints_by_id.get(&id).map(|endpoint| endpoint.participant.clone()) else { return };
        if self.inside().next().is_some() {
            self.arrived(turn, &who);
        } else if self.endpoints_by_id.len() == 1 {
            self.gathering_failed(turn, &who, &format!("answers {status}"));
        }
    }

    pub(super) fn gathering_ends_at(&self) -> Option<Instant> {
        self.gathering.as_ref().filter(|gathering| !gathering.referred.is_empty()).map(|gathering| gathering.until)
    }

    pub(super) fn gathering_too_late(&mut self, turn: &mut Turn<'_>) {
        let late = self.gathering.as_ref().and_then(|gathering| gathering.referred.first().cloned());
        if let Some(who) = late {
            self.gathering_failed(turn, &who, "did not call the meeting, as it was asked to");
        }
    }

    /// The call is left as it is.
    fn gathering_failed(&mut self, turn: &mut Turn<'_>, who: &Aor, what: &str) {
        let Some(gathering) = self.gathering.take() else { return };
        self.outputs.push_back(FocusOutput::NobodyCame { reason: format!("the phone of {who} {what}") });
        for who in gathering.referred {
            if self.participants_by_aor.get(&who).is_some_and(Participant::is_gone) {
                self.gone(turn, &who);
            }
        }
        self.remove_all(turn);
    }
}

/// So long may somebody take to say yes to his phone.
const COMING_TIME: Duration = Duration::from_secs(30);
