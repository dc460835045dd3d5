//! Leaving, being removed, and the end.

use sip::refusal::Word;
use sip::{Aor, Refusal, refusal};

use super::endpoint::{Endpoint, EndpointId, Stage};
use super::{Asked, Focus};
use crate::{FocusOutput, SoundCommand, Tone, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// Whoever answers a call that nobody wants any more is to hear so: an answer may cross our CANCEL.
    fn withdraw_call(&mut self, id: EndpointId, endpoint: &Endpoint<S>) {
        let invite = match &endpoint.stage {
            Stage::Calling { call } => call.sent.as_ref().map(|(_, invite)| invite),
            Stage::Session(_) => endpoint.invite.as_ref(),
        };
        let asked = self.asked_by_number.values_mut().find(|asked| matches!(asked, Asked::Call(of) if *of == id));
        if let (Some(asked), Some(invite)) = (asked, invite) {
            *asked = Asked::Withdrawn(Box::new(invite.clone()));
        }
    }

    /// Ends the session of an endpoint, or the call to it.
    /// The same, and its BYE says why.
    pub(super) fn hang_up_for(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16, word: Word) {
        if let Some(usage) = self.usage(id) {
            usage.give_reason(refusal::reason(status, word));
        }
        self.hang_up(turn, id);
    }

    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let calling = match self.endpoints_by_id.get_mut(&id).map(|endpoint| &mut endpoint.stage) {
            Some(Stage::Session(usage)) => {
                usage.hang_up(turn.now);
                self.drain_usage(turn, id);
                // Its BYE may have to wait for an ACK, perhaps in vain: nothing more is heard meanwhile.
                return self.close_leg(id);
            }
            Some(Stage::Calling { call }) => call.sent.as_ref().map(|(number, _)| *number),
            None => return,
        };
        if let Some(number) = calling {
            self.outputs.push_back(FocusOutput::Cancel { number });
        }
        self.endpoint_ended(turn, id);
    }

    /// Nothing more of an endpoint: its ports are given back, and whoever has none left is gone.
    pub(super) fn endpoint_ended(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        self.endpoint_removed(turn, id);
    }

    pub(super) fn endpoint_removed(&mut self, turn: &mut Turn<'_>, id: EndpointId) -> Option<Endpoint<S>> {
        let endpoint = self.endpoints_by_id.remove(&id)?;
        self.withdraw_call(id, &endpoint);
        self.adoption_ended(id, &endpoint);
        self.endpoint_ids_by_dialog.retain(|_, of| *of != id);
        self.touch();
        if endpoint.has_leg() {
            self.sound(SoundCommand::Close { leg: id, of: endpoint.leg_of(true) });
        }
        if let Some(participant) = self.participants_by_aor.get_mut(&endpoint.participant) {
            participant.endpoints.remove(&id);
            if participant.is_gone() {
                self.gone(turn, &endpoint.participant);
            }
        }
        Some(endpoint)
    }

    pub(super) fn gone(&mut self, _turn: &mut Turn<'_>, who: &Aor) {
        let Some(participant) = self.participants_by_aor.remove(who) else { return };
        let (is_inside, is_attending) = (participant.is_inside(), participant.is_attending);
        self.left.push(who.uri());
        self.touch();
        self.send_last_pages(who, participant.pages);
        if is_attending {
            self.outputs.push_back(FocusOutput::Attendance { aor: who.clone(), is_attending: false });
        }
        if is_inside {
            self.sound(SoundCommand::Announce { to: None, tone: Tone::Left });
        }
        if self.participants_by_aor.is_empty() {
            self.is_over = true;
            self.watching.end();
        }
    }

    pub(super) fn remove_all(&mut self, turn: &mut Turn<'_>) {
        for who in self.participants_by_aor.keys().cloned().collect::<Vec<_>>() {
            self.remove(turn, &who);
        }
    }

    /// Removes somebody without being asked by anybody in the meeting, and tells him why. Gives the Call-IDs of his sessions.
    pub fn expel(&mut self, turn: &mut Turn<'_>, who: &Aor, why: &Refusal) -> Vec<String> {
        let dialogs = self.endpoint_ids_by_dialog.iter();
        let is_his =
            |id: &EndpointId| self.endpoints_by_id.get(id).is_some_and(|endpoint| endpoint.participant == *who);
        let his = dialogs.filter(|(_, id)| is_his(id)).map(|(dialog, id)| (dialog.call_id.clone(), *id));
        let (call_ids, ids): (Vec<_>, Vec<_>) = his.unzip();
        for id in ids {
            if let Some(usage) = self.usage(id) {
                usage.give_reason(refusal::reason(why.status, why.word));
            }
        }
        self.remove(turn, who);
        call_ids
    }

    /// Everything of somebody ends.
    pub(super) fn remove(&mut self, turn: &mut Turn<'_>, who: &Aor) {
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        participant.is_paged = false;
        for id in participant.endpoints.clone() {
            self.hang_up(turn, id);
        }
        if self.participants_by_aor.get(who).is_some_and(super::participant::Participant::is_gone) {
            self.gone(turn, who);
        }
    }
}
