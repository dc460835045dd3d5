//! An INVITE to the conference (RFC 4579 section 5.1): who it is, whether he may come in, and with what.

use std::time::Instant;

use sdp::Offer;
use sip::refusal::Word;
use sip::usage::{InviteUsage, Session};
use sip::{Aor, HeaderName, Message, Refusal};

use super::demands::check_acceptable;
use super::endpoint::{Endpoint, EndpointId, Hearing, Sound, Stage, Then};
use super::participant::{Participant, Place};
use super::{Focus, malformed, new_tag};
use crate::policy::admission::{self, Entry};
use crate::{FocusOutput, Incoming, SoundCommand, Tone, Turn};

impl<S: Copy + Ord> Focus<S> {
    pub(super) fn join(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>) -> Result<(), Refusal> {
        let Some(to) = incoming.to else { return Ok(()) };
        let request = incoming.request;
        check_acceptable(request)?;
        let (who, display) = sender(request)?;
        let replaced = self.replaced(request)?;
        let entry = if replaced.is_some() { self.admit_in_place(&who)? } else { self.admit(turn, &who)? };
        let offer = first_offer(request)?;
        let tag = new_tag(turn);
        let usage = InviteUsage::incoming(request, to, &tag, self.us()).map_err(malformed)?;
        let id = self.add_endpoint(turn.now, &who, Stage::Session(Box::new(usage)), Sound::Silent);
        self.place(turn, &who, display, entry);
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            (endpoint.source, endpoint.waits_for) = (incoming.source, Some(to));
            endpoint.replaces = replaced;
            endpoint.allows_messages = super::inviting::allows_messages(request);
        }
        match offer {
            Some(offer) => self.take_offer(turn, id, Box::new(offer)),
            None => self.open_leg(id, Then::Offer),
        }
        self.arrived(turn, &who);
        Ok(())
    }

    /// Whether he may come in, and where to.
    ///
    /// # Errors
    /// 486 `meeting-full`, and those of [`admission::admit`].
    pub fn admit(&self, turn: &Turn<'_>, who: &Aor) -> Result<Entry, Refusal> {
        self.check_room(who)?;
        match self.participants_by_aor.get(who).map(|participant| participant.place) {
            Some(Place::Inside | Place::Called) => Ok(Entry::Inside),
            Some(Place::Lobby) => Ok(Entry::Lobby),
            None => admission::admit(&self.conduct, who, turn.unix_secs, self.inside().next().is_some()),
        }
    }

    /// # Errors
    /// 486 `meeting-full`.
    pub(super) fn check_room(&self, who: &Aor) -> Result<(), Refusal> {
        let known = self.participants_by_aor.get(who);
        let devices = known.map_or(0, |participant| participant.endpoints.len());
        let people = self.participants_by_aor.len();
        let has_room = known.is_some() || people < self.limits.participants_max;
        if has_room && devices < self.limits.endpoints_per_participant_max {
            return Ok(());
        }
        Err(Refusal::new(486, Word::MeetingFull, format!("{people} people, {devices} devices of his")))
    }

    pub(super) fn add_endpoint(&mut self, now: Instant, who: &Aor, stage: Stage<S>, sound: Sound) -> EndpointId {
        self.last_endpoint += 1;
        let id = self.last_endpoint;
        if let Stage::Session(usage) = &stage {
            self.endpoint_ids_by_dialog.insert(usage.dialog().id().clone(), id);
        }
        self.touch();
        let endpoint = Endpoint {
            participant: who.clone(),
            stage,
            sound,
            source: None,
            waits_for: None,
            origin: None,
            described: String::new(),
            messages: None,
            writes_within: false,
            allows_messages: false,
            adopting: None,
            invite: None,
            replaces: None,
            hearing: Hearing::default(),
            is_keying: false,
            shown_at: now,
        };
        self.endpoints_by_id.insert(id, endpoint);
        if let Some(participant) = self.participants_by_aor.get_mut(who) {
            participant.endpoints.insert(id);
        } else {
            let mut participant = Participant::new(Place::Called, 0);
            participant.endpoints.insert(id);
            self.participants_by_aor.insert(who.clone(), participant);
        }
        id
    }

    /// Sees to it that a meeting without a time of its own is found again after a crash. There is none while nobody has come,
    /// or those who have may yet go back to their call.
    pub fn keep(&mut self, turn: &Turn<'_>) {
        let may_go_back = self.endpoints_by_id.values().any(|endpoint| endpoint.adopting.is_some());
        if self.conduct.meeting.is_none() && self.inside().next().is_some() && !may_go_back && !self.is_referring() {
            let began = *self.began_unix.get_or_insert(turn.unix_secs);
            self.outputs.push_back(FocusOutput::Keep(Box::new(self.conduct.kept(&self.id, began))));
        }
    }

    /// Puts somebody where he may be; who is inside already stays there.
    pub(super) fn place(&mut self, turn: &Turn<'_>, who: &Aor, display: Option<String>, entry: Entry) {
        self.touch();
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        participant.display = display.or(participant.display.take());
        let (was, is) = match entry {
            Entry::Inside => (participant.place, Place::Inside),
            Entry::Lobby => (participant.place, Place::Lobby),
        };
        if was == is || was == Place::Inside {
            return;
        }
        (participant.place, participant.since_unix) = (is, turn.unix_secs);
        if is == Place::Inside {
            self.mutes.enter(&self.conduct, who);
            self.check_attendance(who);
            if self.began_unix.is_none() {
                self.keep(turn);
            }
        }
        self.reseat(who);
    }

    /// Our own users' presence says that they are in a meeting while they have sound there. Who only writes is not engaged.
    pub(super) fn check_attendance(&mut self, who: &Aor) {
        let is_own = self.conduct.is_own(who);
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        let mut devices = participant.endpoints.iter().filter_map(|id| self.endpoints_by_id.get(id));
        let is_attending = is_own && participant.is_inside() && devices.any(Endpoint::has_leg);
        if std::mem::replace(&mut participant.is_attending, is_attending) != is_attending {
            self.outputs.push_back(FocusOutput::Attendance { aor: who.clone(), is_attending });
        }
    }

    /// Tells the mixer where the legs of somebody belong: heard or not, in the room or not.
    pub(super) fn reseat(&mut self, who: &Aor) {
        let Some(participant) = self.participants_by_aor.get(who) else { return };
        let (is_held, is_muted) = (!participant.is_inside(), self.mutes.is_muted(who));
        let endpoints = participant.endpoints.clone();
        self.touch();
        for leg in endpoints {
            let Some(endpoint) = self.endpoints_by_id.get(&leg).filter(|endpoint| endpoint.is_running()) else {
                continue;
            };
            let is_muted = is_muted || endpoint.is_holding();
            self.sound(SoundCommand::Hold { leg, is_held });
            self.sound(SoundCommand::Mute { leg, is_muted });
        }
    }

    /// An endpoint is heard for the first time.
    pub(super) fn seated(&mut self, id: EndpointId) {
        let Some(who) = self.endpoints_by_id.get(&id).map(|endpoint| endpoint.participant.clone()) else { return };
        self.reseat(&who);
        if self.participants_by_aor.get(&who).is_some_and(Participant::is_inside) {
            self.sound(SoundCommand::Announce { to: None, tone: Tone::Joined });
        }
    }
}

/// Who sent a request. Admission has proven the domain, and of our own users the address.
pub(super) fn sender(request: &Message) -> Result<(Aor, Option<String>), Refusal> {
    let from = request.from().map_err(malformed)?;
    let aor = Aor::from_uri(&from.uri())
        .map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("From: {error}")))?;
    let display = from.display_name().map(|name| shortened(&name)).filter(|name| !name.is_empty());
    Ok((aor, display))
}

/// A name is shown to all: what would break a line or is long is left out.
fn shortened(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(DISPLAY_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// # Errors
/// 415 for a body that is no session description, 488 for one that does not parse.
fn first_offer(request: &Message) -> Result<Option<Offer>, Refusal> {
    let Some(body) = Session::of(request) else { return Ok(None) };
    let content_type = request.header_text(HeaderName::ContentType).unwrap_or_default();
    if !content_type.trim().to_ascii_lowercase().starts_with("application/sdp") {
        let refusal = Refusal::new(415, Word::MediaTypeUnsupported, format!("an INVITE with {content_type}"));
        return Err(refusal.with_header(HeaderName::Accept, "application/sdp".to_owned()));
    }
    let offer = Offer::parse(&body).map_err(|error| Refusal::new(488, Word::MediaUnacceptable, error.to_string()))?;
    Ok(Some(offer))
}

const DISPLAY_CHARS_MAX: usize = 80;
