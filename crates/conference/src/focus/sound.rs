//! The legs of sound: ports, offers and answers.

use bytes::Bytes;
use sdp::{Capabilities, Direction, LocalMedia, Offer};
use sip::HeaderName;
use sip::refusal::Word;
use sip::usage::Session;

use super::Focus;
use super::endpoint::{Endpoint, EndpointId, OpenSound, Sound, Stage, Then};
use crate::{LegPorts, SoundCommand, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// The ports of a leg are open, or cannot be had.
    pub fn handle_leg_opened(&mut self, turn: &mut Turn<'_>, leg: EndpointId, ports: Result<LegPorts, String>) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&leg) else {
            // Its endpoint left before there were any.
            return self.sound(SoundCommand::Close { leg });
        };
        let Sound::Opening { then } = std::mem::replace(&mut endpoint.sound, Sound::Silent) else { return };
        let Ok(ports) = ports else {
            self.refuse_sound(turn, leg, 503, Word::NoMedia);
            return;
        };
        let local = local_media(ports, (turn.random)());
        endpoint.sound = Sound::Open(Box::new(OpenSound { local, described: String::new(), is_running: false }));
        match then {
            Then::Answer(offer) => self.answer(turn, leg, &offer),
            Then::Offer => self.offer(turn, leg),
            Then::Call => self.call(turn, leg),
        }
    }

    /// The peer offers a change, or asks us to offer.
    pub(super) fn offered(&mut self, turn: &mut Turn<'_>, id: EndpointId, offer: Option<Bytes>) {
        if matches!(self.endpoints_by_id.get(&id), Some(Endpoint { sound: Sound::Opening { .. }, .. })) {
            return;
        }
        match offer.as_deref().map(Offer::parse) {
            Some(Ok(offer)) => self.answer(turn, id, &offer),
            Some(Err(_)) => self.refuse_sound(turn, id, 488, Word::MediaUnacceptable),
            None => self.offer(turn, id),
        }
    }

    /// The peer has answered what we offered.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, id: EndpointId, answer: &[u8]) {
        let Some(Endpoint { sound: Sound::Open(open), source, .. }) = self.endpoints_by_id.get_mut(&id) else { return };
        match sdp::accept(&open.described, answer) {
            Ok(session) => {
                let is_first = !std::mem::replace(&mut open.is_running, true);
                let trusted_source = *source;
                self.sound(SoundCommand::Run { leg: id, session, trusted_source });
                if is_first {
                    self.seated(id);
                }
            }
            // There is no sound to be had with it: without any it is not in the meeting.
            Err(_) => self.hang_up(turn, id),
        }
    }

    fn answer(&mut self, turn: &mut Turn<'_>, id: EndpointId, offer: &Offer) {
        let Some(Endpoint { sound: Sound::Open(open), source, .. }) = self.endpoints_by_id.get_mut(&id) else { return };
        open.local.version += 1;
        let Ok((session, description)) = sdp::answer(offer, &self.capabilities, &open.local) else {
            return self.refuse_sound(turn, id, 488, Word::MediaUnacceptable);
        };
        open.described.clone_from(&description);
        let is_first = !std::mem::replace(&mut open.is_running, true);
        let trusted_source = *source;
        self.sound(SoundCommand::Run { leg: id, session, trusted_source });
        if is_first {
            self.seated(id);
        }
        self.accept(turn, id, description);
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
        let Some(Endpoint { sound: Sound::Open(open), .. }) = self.endpoints_by_id.get_mut(&id) else { return None };
        open.local.version += 1;
        let again = Some(&open.described).filter(|last| !last.is_empty()).map(|last| sdp::reoffer(last, &open.local));
        let description = match again {
            Some(Ok(description)) => description,
            _ => sdp::offer(capabilities, &open.local),
        };
        open.described.clone_from(&description);
        Some(description)
    }

    fn accept(&mut self, turn: &mut Turn<'_>, id: EndpointId, description: String) {
        if let Some(usage) = self.usage(id) {
            usage.accept(turn.now, Some(Session::sdp(description)));
        }
        self.drain_usage(turn, id);
    }

    fn refuse_sound(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16, word: Word) {
        if matches!(self.endpoints_by_id.get(&id), Some(Endpoint { stage: Stage::Calling { .. }, .. })) {
            return self.call_failed(turn, id, status);
        }
        let warning = format!("399 {} \"{word}\"", self.aor.domain());
        if let Some(usage) = self.usage(id) {
            usage.refuse_with(status, &[(HeaderName::Warning, warning)]);
        }
        self.drain_usage(turn, id);
    }
}

impl<S> Endpoint<S> {
    pub(super) fn is_running(&self) -> bool {
        matches!(&self.sound, Sound::Open(open) if open.is_running)
    }
}

fn local_media(ports: LegPorts, session_id: u64) -> LocalMedia {
    let LegPorts { address, rtp_port, rtcp_port, keys } = ports;
    // A number that every reader can hold (RFC 8866 section 5.2 only says that it is numeric).
    let session_id = session_id >> 2;
    LocalMedia { address, rtp_port, rtcp_port, session_id, version: 0, direction: Direction::SendRecv, keys }
}
