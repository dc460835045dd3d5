//! Taking a phone into the meeting with the dialog that it has: nobody redials.
//!
//! It is offered the meeting's sound, or messages where its session was of those alone, by a re-INVITE within its dialog.
//! Until it has answered, it is not in the meeting, and its dialog can be given back to whoever had it; but what it writes
//! meanwhile reaches the others.

use std::net::IpAddr;

use sdp::{Capabilities, KeysInUse, Offer, OurStreams, ProtectionPolicy, SessionOrigin};
use sip::dialog::Dialog;
use sip::usage::{InviteUsage, Session};
use sip::{Aor, Refusal};

use super::Focus;
use super::endpoint::{Endpoint, EndpointId, Sound, Stage, Then};
use super::participant::{Participant, Place};
use super::sound::ACCEPT_TYPES;
use super::tries::Tries;
use crate::policy::admission::Entry;
use crate::{Adopted, FocusOutput, LegNumber, Turn};

/// A phone in a call of two, as it is taken over.
#[derive(Debug)]
pub struct Adoption {
    pub who: Aor,
    pub display: Option<String>,
    /// Confirmed, and nothing is under way in it.
    pub dialog: Dialog,
    /// Whether the dialog began with an INVITE to this phone.
    pub was_called: bool,
    /// The other end of its signalling.
    pub source: Option<IpAddr>,
    /// The last description that it got from the other phone, and the last that it gave.
    pub heard: Vec<u8>,
    pub said: Vec<u8>,
}

/// How an adoption stands.
#[derive(Debug)]
pub(super) struct Adopting {
    heard: Vec<u8>,
    said: Vec<u8>,
    tries: Tries,
}

impl Adopting {
    /// Where its phone wants sound.
    pub(super) fn address(&self) -> Option<IpAddr> {
        Offer::parse(&self.said).ok().and_then(|said| said.address())
    }
}

impl<S: Copy + Ord> Focus<S> {
    /// Takes a phone over; [`FocusOutput::Adopted`] says what became of it.
    ///
    /// # Errors
    /// 486 `meeting-full`.
    pub fn adopt(&mut self, turn: &mut Turn<'_>, adoption: Adoption) -> Result<LegNumber, Refusal> {
        let Adoption { who, display, dialog, was_called, source, heard, said } = adoption;
        self.admit_invited(turn, &who)?;
        let since = turn.unix_secs;
        let participant =
            self.participants_by_aor.entry(who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        participant.display = display.or(participant.display.take());
        let tries = Tries::beginning_with(self.protection_towards(&who));
        let usage = InviteUsage::resumed(dialog, self.us(), was_called);
        let id = self.add_endpoint(turn.now, &who, Stage::Session(Box::new(usage)), Sound::Silent);
        let is_written = is_written(&heard);
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            endpoint.source = source;
            endpoint.messages = Offer::parse(&said).ok().and_then(|said| said.messages());
            endpoint.adopting = Some(Box::new(Adopting { heard, said, tries }));
        }
        match is_written {
            true => self.reinvite_to_write(turn, id),
            false => self.open_leg(id, Then::Reinvite),
        }
        Ok(id)
    }

    /// Gives the dialog of a phone back, without a word to it.
    pub fn release(&mut self, turn: &mut Turn<'_>, leg: LegNumber) -> Option<Dialog> {
        let endpoint = self.endpoints_by_id.get_mut(&leg)?;
        endpoint.adopting = None;
        if !matches!(endpoint.stage, Stage::Session(_)) {
            return None;
        }
        match self.endpoint_removed(turn, leg)?.stage {
            Stage::Session(usage) => Some(usage.into_dialog()),
            Stage::Calling { .. } => None,
        }
    }

    /// There are ports: the re-INVITE can go.
    pub(super) fn reinvite(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let (Some(adopting), Sound::Open(open)) = (&endpoint.adopting, &mut endpoint.sound) else { return };
        open.local.version += 1;
        let mut capabilities = Capabilities { protection: adopting.tries.protection, ..self.capabilities.clone() };
        let in_use = sdp::keys_in_use(&adopting.heard, &adopting.said).filter(|_| adopting.tries.is_first());
        if let Some(KeysInUse { suite, key, is_demanded }) = in_use {
            open.local.keys = open.local.keys.clone().with(suite, key);
            capabilities.suites = vec![suite];
            capabilities.protection =
                if is_demanded { ProtectionPolicy::Required } else { ProtectionPolicy::Preferred };
        }
        let origin = SessionOrigin::of(&open.local);
        let ours =
            OurStreams { origin: &origin, audio: Some((&capabilities, &open.local)), accept_types: ACCEPT_TYPES };
        let description = sdp::offer_streams_in_place_of(&adopting.heard, &ours)
            .unwrap_or_else(|_| sdp::offer(&capabilities, &open.local));
        self.offer_within(turn, id, description);
    }

    /// Messages alone need no ports.
    fn reinvite_to_write(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let origin = SessionOrigin { host: self.aor.domain().to_owned(), session_id: (turn.random)() >> 2, version: 1 };
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let Some(adopting) = &endpoint.adopting else { return };
        let ours = OurStreams { origin: &origin, audio: None, accept_types: ACCEPT_TYPES };
        let Ok(description) = sdp::offer_streams_in_place_of(&adopting.heard, &ours) else { return };
        endpoint.origin = Some(origin);
        self.offer_within(turn, id, description);
    }

    pub(super) fn offer_within(&mut self, turn: &mut Turn<'_>, id: EndpointId, description: String) {
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            endpoint.described.clone_from(&description);
        }
        if let Some(usage) = self.usage(id) {
            usage.offer(turn.now, Some(Session::sdp(description)));
        }
        self.drain_usage(turn, id);
    }

    /// It has answered with messages where those were all that it was offered; gives back whether that was so.
    pub(super) fn answered_in_writing(&mut self, turn: &mut Turn<'_>, id: EndpointId) -> bool {
        let Some(endpoint) = self.endpoints_by_id.get(&id) else { return false };
        if endpoint.adopting.is_none() || endpoint.has_leg() {
            return false;
        }
        match endpoint.messages.is_some() {
            true => self.adopted(turn, id),
            false => self.adoption_refused(turn, id, 606),
        }
        true
    }

    /// It has answered: it is in the meeting.
    pub(super) fn adopted(&mut self, turn: &Turn<'_>, id: EndpointId) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        if endpoint.adopting.take().is_none() {
            return;
        }
        let who = endpoint.participant.clone();
        self.place(turn, &who, None, Entry::Inside);
        self.outputs.push_back(FocusOutput::Adopted { leg: id, outcome: Adopted::Inside });
    }

    /// It does not want what was offered: the other kind of sound is, once.
    pub(super) fn adoption_refused(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16) {
        let is_flexible = self.capabilities.protection == ProtectionPolicy::Preferred;
        let Some(Endpoint { adopting: Some(adopting), sound, .. }) = self.endpoints_by_id.get_mut(&id) else { return };
        let has_sound = !matches!(sound, Sound::Silent);
        if has_sound && is_flexible && Tries::is_refusal(status) && adopting.tries.protect_otherwise() {
            return self.reinvite(turn, id);
        }
        self.outputs.push_back(FocusOutput::Adopted { leg: id, outcome: Adopted::Refused { status } });
    }

    /// It left before it was in.
    pub(super) fn adoption_ended(&mut self, id: EndpointId, endpoint: &Endpoint<S>) {
        if endpoint.adopting.is_some() {
            self.outputs.push_back(FocusOutput::Adopted { leg: id, outcome: Adopted::Left });
        }
    }
}

/// Whether this is the description of a session of messages alone.
fn is_written(description: &[u8]) -> bool {
    Offer::parse(description).is_ok_and(|offer| offer.messages().is_some() && !offer.has_audio())
}
