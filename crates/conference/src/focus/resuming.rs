//! Sound that was lost with the media node that had it: the phone is offered that of another, within its dialog. Nobody redials.

use sip::refusal::Word;

use super::Focus;
use super::endpoint::{Endpoint, EndpointId, Sound, Then};
use crate::{SoundCommand, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// A leg is gone. Whoever is in a session is offered another, if there is one; nobody is called by ports that are no more.
    pub(super) fn sound_lost(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        if !matches!(endpoint.sound, Sound::Open(_)) {
            return;
        }
        if !endpoint.is_established() || endpoint.adopting.is_some() {
            let is_adopting = endpoint.adopting.is_some();
            return if is_adopting {
                self.adoption_refused(turn, id, 503)
            } else {
                self.hang_up_for(turn, id, 503, Word::NoMedia)
            };
        }
        let of = endpoint.leg_of(false);
        endpoint.sound = Sound::Silent;
        self.sound(SoundCommand::Close { leg: id, of });
        self.open_leg(id, Then::Resume);
    }

    /// There are ports again.
    pub(super) fn resume(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        match self.describe(id) {
            Some(description) => self.offer_within(turn, id, description),
            None => self.hang_up_for(turn, id, 503, Word::NoMedia),
        }
    }

    /// It does not take what we offered within its dialog: of one who has lost his sound, that is the end.
    pub(super) fn offer_refused(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16) {
        let is_lost = |endpoint: &Endpoint<S>| matches!(&endpoint.sound, Sound::Open(open) if open.is_resumed && !open.is_running);
        match self.endpoints_by_id.get(&id).is_some_and(is_lost) {
            true => self.hang_up_for(turn, id, 503, Word::NoMedia),
            false => self.adoption_refused(turn, id, status),
        }
    }
}
