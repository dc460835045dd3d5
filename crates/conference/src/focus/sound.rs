//! What is offered and answered: the legs of sound with their ports, and messages within the dialog.

use std::net::IpAddr;

use bytes::Bytes;
use sdp::{AudioSession, Capabilities, Direction, LocalMedia, Offer, OurStreams, SessionOrigin};
use sip::HeaderName;
use sip::refusal::Word;
use sip::usage::Session;

use super::Focus;
use super::endpoint::{Endpoint, EndpointId, OpenSound, Sound, Stage, Then};
use crate::{FocusOutput, LegPorts, SoundCommand, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// The ports of a leg are open, or cannot be had.
    pub fn handle_leg_opened(&mut self, turn: &mut Turn<'_>, leg: EndpointId, ports: Result<LegPorts, String>) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&leg) else {
            // Its endpoint left before there were any.
            return self.sound(SoundCommand::Close { leg, of: None });
        };
        let Sound::Opening { then } = std::mem::replace(&mut endpoint.sound, Sound::Silent) else { return };
        let ports = match ports {
            Ok(ports) => ports,
            Err(why) => return self.go_on_without_sound(turn, leg, then, why),
        };
        let mut local = local_media(ports, (turn.random)());
        local.addresses = local.addresses.turned_to(endpoint.address_of_sound(&then));
        let is_resumed = matches!(then, Then::Resume);
        endpoint.sound = Sound::Open(Box::new(OpenSound { local, is_running: false, is_holding: false, is_resumed }));
        match then {
            Then::Answer(offer) => self.answer(turn, leg, &offer),
            Then::Offer => self.offer(turn, leg),
            Then::Call => self.call(turn, leg),
            Then::Reinvite => self.reinvite(turn, leg),
            Then::Resume => self.resume(turn, leg),
        }
    }

    fn go_on_without_sound(&mut self, turn: &mut Turn<'_>, id: EndpointId, then: Then, why: String) {
        let then = match then {
            Then::Answer(offer) if offer.messages().is_some() => return self.answer(turn, id, &offer),
            then => then,
        };
        if let Some(endpoint) = self.endpoints_by_id.get(&id) {
            let (who, call_id) = (endpoint.participant.clone(), endpoint.call_id().map(str::to_owned));
            self.outputs.push_back(FocusOutput::NoSound { who, call_id, why });
        }
        match then {
            Then::Reinvite => self.adoption_refused(turn, id, 503),
            Then::Resume => self.hang_up_for(turn, id, 503, Word::NoMedia),
            Then::Answer(_) | Then::Offer | Then::Call => self.refuse_session(turn, id, 503, Word::NoMedia),
        }
    }

    pub(super) fn open_leg(&mut self, id: EndpointId, then: Then) {
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            endpoint.sound = Sound::Opening { then };
            let who = endpoint.participant.clone();
            self.sound(SoundCommand::Open { leg: id });
            self.check_attendance(&who);
        }
    }

    /// The peer offers a change, or asks us to offer.
    pub(super) fn offered(&mut self, turn: &mut Turn<'_>, id: EndpointId, offer: Option<Bytes>) {
        if matches!(self.endpoints_by_id.get(&id), Some(Endpoint { sound: Sound::Opening { .. }, .. })) {
            return;
        }
        match offer.as_deref().map(Offer::parse) {
            Some(Ok(offer)) => self.take_offer(turn, id, Box::new(offer)),
            Some(Err(_)) => self.refuse_session(turn, id, 488, Word::MediaUnacceptable),
            None => self.offer(turn, id),
        }
    }

    /// An offer, the first or a change. Sound that is new in the session needs ports before it can be answered.
    pub(super) fn take_offer(&mut self, turn: &mut Turn<'_>, id: EndpointId, offer: Box<Offer>) {
        let is_silent = self.endpoints_by_id.get(&id).is_some_and(|endpoint| !endpoint.has_leg());
        if is_silent && offer.has_audio() {
            return self.open_leg(id, Then::Answer(offer));
        }
        self.answer(turn, id, &offer);
    }

    /// The peer has answered what we offered.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, id: EndpointId, answer: &[u8]) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        if endpoint.messages.is_some() {
            endpoint.messages = Offer::parse(answer).ok().and_then(|answer| answer.messages());
        }
        if self.answered_in_writing(turn, id) {
            return;
        }
        let is_nothing = |one: &Endpoint<S>| one.messages.is_none() && !one.has_leg();
        if self.endpoints_by_id.get(&id).is_some_and(is_nothing) {
            return self.hang_up_for(turn, id, 488, Word::MediaUnacceptable);
        }
        let Some(endpoint) = self.endpoints_by_id.get(&id).filter(|one| matches!(one.sound, Sound::Open(_))) else {
            return;
        };
        match sdp::accept(&endpoint.described, answer) {
            Ok(session) => {
                self.adopted(turn, id);
                self.run(turn, id, session);
            }
            Err(_) if endpoint.adopting.is_some() => self.adoption_refused(turn, id, 606),
            Err(_) if endpoint.messages.is_some() => self.close_leg(id),
            // There is no sound to be had with it: without any it is not in the meeting.
            Err(_) => self.hang_up_for(turn, id, 488, Word::MediaUnacceptable),
        }
    }

    fn answer(&mut self, turn: &mut Turn<'_>, id: EndpointId, offer: &Offer) {
        let origin = SessionOrigin { host: self.aor.domain().to_owned(), session_id: (turn.random)() >> 2, version: 0 };
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let origin = endpoint.next_origin().unwrap_or(origin);
        let audio = endpoint.local_media().map(|local| (&self.capabilities, local));
        let ours = OurStreams { origin: &origin, audio, accept_types: ACCEPT_TYPES };
        let Ok(agreed) = sdp::answer_streams(offer, &ours) else {
            return self.refuse_session(turn, id, 488, Word::MediaUnacceptable);
        };
        (endpoint.origin, endpoint.messages) = (Some(origin), agreed.messages);
        endpoint.described.clone_from(&agreed.description);
        match agreed.audio {
            Some(session) => self.run(turn, id, session),
            None => self.close_leg(id),
        }
        self.touch();
        self.accept(turn, id, agreed.description);
    }

    fn run(&mut self, turn: &mut Turn<'_>, id: EndpointId, session: AudioSession) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let Sound::Open(open) = &mut endpoint.sound else { return };
        let is_first = !std::mem::replace(&mut open.is_running, true);
        let is_resumed = open.is_resumed;
        let is_holding = !session.direction.sends();
        let has_changed = std::mem::replace(&mut open.is_holding, is_holding) != is_holding;
        let (trusted_source, replaced, who) = (endpoint.source, endpoint.replaces.take(), endpoint.participant.clone());
        self.sound(SoundCommand::Run { leg: id, session, trusted_source });
        match is_first {
            true if is_resumed => self.reseat(&who),
            true => self.seated(id),
            false if has_changed => self.reseat(&who),
            false => {}
        }
        if let Some(replaced) = replaced {
            self.hang_up(turn, replaced);
        }
    }

    /// The session goes on without sound.
    pub(super) fn close_leg(&mut self, id: EndpointId) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        if let Sound::Open(_) = std::mem::replace(&mut endpoint.sound, Sound::Silent) {
            let of = endpoint.leg_of(false);
            let who = endpoint.participant.clone();
            self.sound(SoundCommand::Close { leg: id, of });
            self.check_attendance(&who);
        }
    }

    fn offer(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        if let Some(description) = self.describe(id) {
            self.accept(turn, id, description);
        }
    }

    /// Our description for an offer: the first, or the next in the same lines.
    pub(super) fn describe(&mut self, id: EndpointId) -> Option<String> {
        self.describe_with(id, &self.capabilities.clone())
    }

    pub(super) fn describe_with(&mut self, id: EndpointId, capabilities: &Capabilities) -> Option<String> {
        let endpoint = self.endpoints_by_id.get_mut(&id)?;
        let origin = endpoint.next_origin()?;
        let audio = endpoint.local_media().map(|local| (capabilities, local));
        let ours = OurStreams { origin: &origin, audio, accept_types: ACCEPT_TYPES };
        let again = Some(&endpoint.described).filter(|last| !last.is_empty());
        let again = again.and_then(|last| sdp::reoffer_streams(last, &ours).ok());
        let description = again.or_else(|| audio.map(|(capabilities, local)| sdp::offer(capabilities, local)))?;
        endpoint.origin = Some(origin);
        endpoint.described.clone_from(&description);
        Some(description)
    }

    /// Our description where messages are all that there is.
    pub(super) fn describe_messages(&mut self, turn: &mut Turn<'_>, id: EndpointId) -> Option<String> {
        let origin = SessionOrigin { host: self.aor.domain().to_owned(), session_id: (turn.random)() >> 2, version: 1 };
        let endpoint = self.endpoints_by_id.get_mut(&id)?;
        let description = sdp::offer_messages(&origin, ACCEPT_TYPES);
        endpoint.origin = Some(origin);
        endpoint.described.clone_from(&description);
        Some(description)
    }

    fn accept(&mut self, turn: &mut Turn<'_>, id: EndpointId, description: String) {
        if let Some(usage) = self.usage(id) {
            usage.accept(turn.now, Some(Session::sdp(description)));
        }
        self.drain_usage(turn, id);
    }

    fn refuse_session(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16, word: Word) {
        if matches!(self.endpoints_by_id.get(&id), Some(Endpoint { stage: Stage::Calling { .. }, .. })) {
            return self.call_failed(turn, id, status);
        }
        let mut headers = vec![(HeaderName::Warning, format!("399 {} \"{word}\"", self.aor.domain()))];
        if status == 503 {
            headers.push((HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string()));
        }
        if let Some(usage) = self.usage(id) {
            usage.refuse_with(status, &headers);
        }
        // The ports that a change would have needed.
        if self.endpoints_by_id.get(&id).is_some_and(|endpoint| !endpoint.is_running()) {
            self.close_leg(id);
        }
        self.drain_usage(turn, id);
    }
}

/// Until somebody may have left, and given back his ports.
const RETRY_AFTER_SECS: u32 = 30;

impl<S> Endpoint<S> {
    pub(super) fn is_running(&self) -> bool {
        matches!(&self.sound, Sound::Open(open) if open.is_running)
    }

    pub(super) fn is_holding(&self) -> bool {
        matches!(&self.sound, Sound::Open(open) if open.is_holding)
    }

    /// Where its phone seems to want sound: what says of which family that is.
    fn address_of_sound(&self, then: &Then) -> Option<IpAddr> {
        let said = match then {
            Then::Answer(offer) => offer.address(),
            Then::Reinvite => self.adopting.as_ref().and_then(|adopting| adopting.address()),
            Then::Offer | Then::Call | Then::Resume => None,
        };
        said.or(self.source)
    }

    fn local_media(&self) -> Option<&LocalMedia> {
        match &self.sound {
            Sound::Open(open) => Some(&open.local),
            Sound::Silent | Sound::Opening { .. } => None,
        }
    }

    /// For the next description of ours; `None` before there is anything to describe.
    fn next_origin(&mut self) -> Option<SessionOrigin> {
        let begun = self.origin.clone().or_else(|| self.local_media().map(SessionOrigin::of))?;
        let version = begun.version + 1;
        if let Sound::Open(open) = &mut self.sound {
            open.local.version = version;
        }
        Some(SessionOrigin { version, ..begun })
    }
}

fn local_media(ports: LegPorts, session_id: u64) -> LocalMedia {
    let LegPorts { addresses, rtp_port, rtcp_port, keys } = ports;
    // A number that every reader can hold (RFC 8866 section 5.2 only says that it is numeric).
    let session_id = session_id >> 2;
    LocalMedia { addresses, rtp_port, rtcp_port, session_id, version: 0, direction: Direction::SendRecv, keys }
}

/// What may be written in a conference. Each can be put into words for who takes only plain text.
pub(super) const ACCEPT_TYPES: &[&str] = &["text/plain", "message/cpim", "application/im-iscomposing+xml"];
