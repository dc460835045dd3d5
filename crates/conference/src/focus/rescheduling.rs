//! A scheduled meeting is changed or cancelled while people are in it.

use std::sync::Arc;

use super::Focus;
use crate::schedule::{Invitee, Meeting};
use crate::{Command, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// Takes over what was changed from now on; who is inside stays. A meeting that was cancelled ends.
    ///
    /// What was done in the meeting holds where the schedule says nothing new: a lock that a presenter put on stays on when
    /// the subject is corrected.
    pub fn reschedule(&mut self, turn: &mut Turn<'_>, meeting: &Arc<Meeting>) {
        if meeting.is_cancelled {
            // The administrator may all.
            self.handle_command(turn, None, &Command::End).expect("nobody is asked whether a meeting may end");
            return;
        }
        // What began without a time is kept as it is held: the meeting itself says how.
        let Some(before) = self.conduct.meeting.clone() else { return };
        self.conduct.meeting = Some(meeting.clone());
        self.conduct.subject = meeting.subject.clone();
        if before.settings != meeting.settings {
            self.conduct.settings = meeting.settings.clone();
        }
        for gone in before.invitees.iter().filter(|invitee| !names(meeting, invitee)) {
            self.conduct.roles.remove(&gone.address);
        }
        for new in meeting.invitees.iter().filter(|invitee| !before.invitees.contains(invitee)) {
            self.conduct.roles.insert(new.address.clone(), new.role);
        }
        self.touch();
    }
}

fn names(meeting: &Meeting, invitee: &Invitee) -> bool {
    meeting.invitees.iter().any(|still| still.address == invitee.address)
}
