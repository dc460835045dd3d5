//! A meeting of which somebody's phone knows only messages: how it begins, who is called in by message, and what it answers.

use sip::{Aor, Refusal};

use super::endpoint::EndpointId;
use super::participant::{Participant, Place};
use super::said::Said;
use super::wish::Wish;
use super::{Command, Focus};
use crate::Turn;

impl<S: Copy + Ord> Focus<S> {
    /// Somebody who waits by writing alone hears of it when he is let in.
    pub(super) fn tell_let_in(&mut self, turn: &mut Turn<'_>, who: &Aor) {
        let waits_in_writing = |one: &Participant| one.is_paged && one.endpoints.is_empty();
        if self.participants_by_aor.get(who).is_some_and(waits_in_writing) {
            self.tell(turn, who, "You are let in: what is written here comes to you.");
        }
    }

    /// Begins a conversation in writing in the name of the organiser: each of them is invited by a message, and hears from now
    /// on what is said.
    ///
    /// # Errors
    /// 486 `meeting-full`.
    pub fn begin_in_writing(&mut self, turn: &mut Turn<'_>, people: &[Aor]) -> Result<(), Refusal> {
        let organiser = self.conduct.organiser.clone();
        self.admit_invited(turn, &organiser)?;
        let since = turn.unix_secs;
        let participant =
            self.participants_by_aor.entry(organiser.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        (participant.is_paged, participant.is_written_to_first) = (true, true);
        self.touch();
        self.greet(turn, &organiser);
        for who in people.iter().filter(|who| **who != organiser) {
            self.admit_invited(turn, who)?;
            self.invite_by_message(turn, who, Some(&organiser), None);
        }
        Ok(())
    }

    /// Says how to go on, from the address at which to go on.
    pub(super) fn greet(&mut self, turn: &mut Turn<'_>, who: &Aor) {
        self.tell(turn, who, GREETING);
    }

    pub(super) fn grant(&mut self, turn: &mut Turn<'_>, who: &Aor, wish: Wish) {
        match wish {
            Wish::Add(Some(whom)) => self.add_for(turn, who, &whom),
            Wish::Add(None) => {
                self.tell(turn, who, "Whom? Write /add and an address, as in: /add bob@fabrikam.example")
            }
            Wish::Who => {
                let all = self.listed();
                self.tell(turn, who, &all);
            }
            Wish::Leave => {
                // Before it, for he may be the last: then nothing more is sent.
                self.tell(turn, who, "You have left the conversation.");
                self.remove(turn, who);
            }
        }
    }

    /// Calls somebody in for one who knows only messages, and tells him what came of it.
    pub(super) fn add_for(&mut self, turn: &mut Turn<'_>, who: &Aor, whom: &Aor) {
        let words = match self.handle_command(turn, Some(who), &Command::Add(whom.clone())) {
            Ok(()) => format!("{whom} is invited."),
            Err(refusal) => format!("{whom} is not invited: {}.", refusal.word),
        };
        self.tell(turn, who, &words);
    }

    /// Whether this is a conversation in writing, in which nobody has sound.
    pub(super) fn is_only_written(&self) -> bool {
        let has_sound = self.endpoints_by_id.values().any(|endpoint| endpoint.has_leg());
        let writes = |participant: &Participant| participant.is_paged || !participant.endpoints.is_empty();
        !has_sound && self.participants_by_aor.values().any(writes)
    }

    /// Invites somebody by a message. He hears what is said from now on, and takes part once he answers.
    pub(super) fn invite_by_message(
        &mut self,
        turn: &mut Turn<'_>,
        who: &Aor,
        by: Option<&Aor>,
        asked_by: Option<EndpointId>,
    ) {
        if self.participants_by_aor.get(who).is_some_and(Participant::is_inside) {
            return;
        }
        let others = self.names(INVITATION_NAMES_MAX, |one, participant| participant.is_inside() && by != Some(one));
        let with = if others.is_empty() { String::new() } else { format!(" with {others}") };
        let by = by.map_or_else(|| "The meeting".to_owned(), |by| self.name_of(by));
        let since = turn.unix_secs;
        let participant =
            self.participants_by_aor.entry(who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        if std::mem::replace(&mut participant.is_paged, true) {
            return;
        }
        participant.is_written_to_first = true;
        self.touch();
        self.last_said = Some(turn.now);
        let words = format!("{by} invites you to write{with}: answer to take part, /leave ends it for you.");
        let name = self.conduct.subject.clone();
        let said = Said::text(words);
        self.page(turn, who, &name, (said.content_type, said.body), asked_by);
    }

    pub(super) fn tell(&mut self, turn: &mut Turn<'_>, who: &Aor, words: &str) {
        let (name, said) = (self.conduct.subject.clone(), Said::text(words));
        self.page(turn, who, &name, (said.content_type, said.body), None);
    }

    fn listed(&self) -> String {
        let inside = self.names(LISTED_NAMES_MAX, |_, one| one.is_inside());
        let called = self.names(LISTED_NAMES_MAX, |_, one| one.place == Place::Called);
        match called.is_empty() {
            true => format!("Here are: {inside}."),
            false => format!("Here are: {inside}. Invited: {called}."),
        }
    }

    fn names(&self, max: usize, is_meant: impl Fn(&Aor, &Participant) -> bool) -> String {
        let all = self.participants_by_aor.iter().filter(|(who, participant)| is_meant(who, participant));
        let mut names: Vec<String> = all.map(|(who, participant)| participant.name(who).into_owned()).collect();
        let more = names.len().saturating_sub(max);
        names.truncate(max);
        match more {
            0 => names.join(", "),
            _ => format!("{} and {more} more", names.join(", ")),
        }
    }
}

const GREETING: &str = "This is a conversation of many: write here. /add ADDRESS invites somebody, /who says who is here, \
    /leave ends it for you.";
const INVITATION_NAMES_MAX: usize = 5;
const LISTED_NAMES_MAX: usize = 50;
