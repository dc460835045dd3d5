//! What somebody wants of a meeting: by REFER, by keys, or by command.

use sip::refusal::Word;
use sip::{Aor, Refusal};

use super::Focus;
use super::endpoint::EndpointId;
use super::participant::Place;
use crate::policy::admission::Entry;
use crate::policy::roles::{self, Act};
use crate::schedule::MeetingRole;
use crate::{SoundCommand, Tone, Turn};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Call this one into the meeting; where nobody has sound, by a message.
    Add(Aor),
    /// Let in from the lobby: one, or all who wait.
    Admit(Option<Aor>),
    Remove(Aor),
    Mute(Aor, bool),
    /// All attendees.
    MuteAll(bool),
    Lock(bool),
    Role(Aor, MeetingRole),
    End,
}

impl<S: Copy + Ord> Focus<S> {
    /// Carries out a command; `by` nobody is the administrator, who may all.
    ///
    /// # Errors
    /// 403 `not-presenter`, 404 `not-in-meeting`, and those of [`Focus::invite`].
    pub fn handle_command(&mut self, turn: &mut Turn<'_>, by: Option<&Aor>, command: &Command) -> Result<(), Refusal> {
        self.command_from(turn, by, command, None)
    }

    pub(super) fn command_from(
        &mut self,
        turn: &mut Turn<'_>,
        by: Option<&Aor>,
        command: &Command,
        endpoint: Option<EndpointId>,
    ) -> Result<(), Refusal> {
        if let Some(by) = by {
            self.check_inside(by)?;
            roles::check(&self.conduct, by, act(by, command))?;
        }
        self.touch();
        match command {
            Command::Add(who) if self.is_only_written() => {
                self.admit_invited(turn, who)?;
                self.invite_by_message(turn, who, by, endpoint);
            }
            Command::Add(who) => self.invite_for(turn, who, None, endpoint)?,
            Command::Admit(who) => self.let_in(turn, who.as_ref())?,
            Command::Remove(who) => {
                self.check_known(who)?;
                self.watching.end_of(who);
                self.remove(turn, who);
            }
            Command::Mute(who, is_muted) => {
                self.check_known(who)?;
                self.mutes.set(who, *is_muted);
                self.reseat(who);
            }
            Command::MuteAll(is_muted) => self.mute_all(*is_muted),
            Command::Lock(is_locked) => self.conduct.settings.is_locked = *is_locked,
            Command::Role(who, role) => {
                self.conduct.give_role(who, *role)?;
                self.keep(turn);
            }
            Command::End => self.remove_all(turn),
        }
        Ok(())
    }

    fn let_in(&mut self, turn: &mut Turn<'_>, who: Option<&Aor>) -> Result<(), Refusal> {
        if let Some(who) = who {
            self.check_known(who)?;
        }
        let waits = |(aor, place): &(Aor, Place)| *place == Place::Lobby && who.is_none_or(|who| who == aor);
        let all = self.participants_by_aor.iter().map(|(aor, participant)| (aor.clone(), participant.place));
        for (aor, _) in all.filter(waits).collect::<Vec<_>>() {
            self.place(turn, &aor, None, Entry::Inside);
            self.tell_let_in(turn, &aor);
            self.sound(SoundCommand::Announce { to: None, tone: Tone::Joined });
        }
        Ok(())
    }

    fn mute_all(&mut self, is_muted: bool) {
        let all: Vec<Aor> = self.participants_by_aor.keys().cloned().collect();
        self.mutes.set_all(&self.conduct, all.iter(), is_muted);
        for who in all {
            self.reseat(&who);
        }
    }

    pub(super) fn check_inside(&self, who: &Aor) -> Result<(), Refusal> {
        let is_inside = self.participants_by_aor.get(who).is_some_and(super::participant::Participant::is_inside);
        // The organiser may lead his meeting from outside.
        if is_inside || *who == self.conduct.organiser {
            return Ok(());
        }
        Err(Refusal::new(403, Word::NotInMeeting, format!("{who} is not in the meeting")))
    }

    fn check_known(&self, who: &Aor) -> Result<(), Refusal> {
        if self.participants_by_aor.contains_key(who) {
            return Ok(());
        }
        Err(Refusal::new(404, Word::NotInMeeting, format!("{who} is not in the meeting")))
    }
}

fn act<'a>(by: &Aor, command: &'a Command) -> Act<'a> {
    match command {
        Command::Mute(who, _) | Command::Remove(who) if who == by => Act::Himself,
        Command::Mute(who, _) | Command::Remove(who) => Act::Direct(who),
        Command::Role(who, _) => Act::Promote(who),
        Command::Add(_) | Command::Admit(_) | Command::MuteAll(_) | Command::Lock(_) => Act::Lead,
        Command::End => Act::End,
    }
}
