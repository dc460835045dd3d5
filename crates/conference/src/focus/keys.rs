//! What the mixer says of a leg, and what the keys of a phone mean in a meeting: `*` and one more.

use std::time::{Duration, Instant};

use super::endpoint::{EndpointId, Hearing};
use super::{Command, Focus};
use crate::{SoundCommand, SoundEvent, Tone, Turn};

impl<S: Copy + Ord> Focus<S> {
    pub fn handle_sound(&mut self, turn: &mut Turn<'_>, leg: EndpointId, event: SoundEvent) {
        if !matches!(event, SoundEvent::Silent | SoundEvent::SourceRefused(_) | SoundEvent::Lost) {
            self.shown(turn, leg);
        }
        match event {
            SoundEvent::Heard => self.hearing(leg, Hearing::Heard),
            SoundEvent::SourceRefused(from) => self.hearing(leg, Hearing::Refused { from }),
            SoundEvent::Dtmf(key) => self.key_pressed(turn, leg, key),
            SoundEvent::Talking(is_talking) => {
                let who = self.endpoints_by_id.get(&leg).map(|endpoint| endpoint.participant.clone());
                if let Some(participant) = who.and_then(|who| self.participants_by_aor.get_mut(&who)) {
                    participant.is_talking = is_talking;
                }
            }
            // A phone that is gone does not say so: it is asked, and its silence ends the session.
            SoundEvent::Silent => {
                self.hearing(leg, Hearing::Silent);
                self.ask_whether_there(turn, leg);
            }
            SoundEvent::Lost => self.sound_lost(turn, leg),
        }
    }

    /// Who is heard is so whatever else somebody sends to his ports.
    fn hearing(&mut self, leg: EndpointId, hearing: Hearing) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&leg) else { return };
        if !(matches!(hearing, Hearing::Refused { .. }) && endpoint.hearing == Hearing::Heard) {
            endpoint.hearing = hearing;
        }
    }

    fn key_pressed(&mut self, turn: &mut Turn<'_>, leg: EndpointId, key: char) {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&leg) else { return };
        let is_command = std::mem::replace(&mut endpoint.is_keying, key == '*');
        let who = endpoint.participant.clone();
        if !is_command || self.check_inside(&who).is_err() {
            return;
        }
        let command = match key {
            '6' => Command::Mute(who.clone(), !self.mutes.is_muted(&who)),
            '4' => Command::MuteAll(!self.has_muted_attendees()),
            '7' => Command::Lock(!self.conduct.settings.is_locked),
            '8' => Command::Admit(None),
            '3' => {
                let count = u8::try_from(self.inside().count()).unwrap_or(u8::MAX);
                return self.sound(SoundCommand::Announce { to: Some(leg), tone: Tone::Count(count) });
            }
            _ => return,
        };
        if self.handle_command(turn, Some(&who), &command).is_ok()
            && let Some(tone) = confirmation(&command)
        {
            self.sound(SoundCommand::Announce { to: Some(leg), tone });
        }
    }

    fn has_muted_attendees(&self) -> bool {
        self.inside().any(|(who, _)| self.mutes.is_muted(who))
    }

    fn ask_whether_there(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let description = self.describe(id);
        if let Some(usage) = self.usage(id) {
            usage.offer(turn.now, description.map(sip::usage::Session::sdp));
        }
        self.drain_usage(turn, id);
    }

    /// It is there.
    pub(super) fn shown(&mut self, turn: &Turn<'_>, id: EndpointId) {
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            endpoint.shown_at = turn.now;
        }
    }

    /// Those of whom nothing came for long are asked.
    pub(super) fn check_sessions(&mut self, turn: &mut Turn<'_>) {
        let silence = self.session_check_time();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= turn.now);
        let due = self.endpoints_by_id.iter().filter(|(_, endpoint)| is_due(endpoint.check_at(silence)));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.shown(turn, id);
            self.ask_whether_there(turn, id);
        }
    }

    pub(super) fn session_check_time(&self) -> Duration {
        Duration::from_secs(self.limits.session_check_secs)
    }
}

fn confirmation(command: &Command) -> Option<Tone> {
    match command {
        Command::Mute(_, true) | Command::MuteAll(true) => Some(Tone::Muted),
        Command::Mute(_, false) | Command::MuteAll(false) => Some(Tone::Unmuted),
        _ => None,
    }
}
