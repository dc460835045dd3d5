//! The invitees are told by mail, where that is asked for.

use conference::schedule::Meeting;
use conference::schedule::invitation::{Invitation, Sending};
use store::now_unix;

use crate::control::Control;
use crate::control::answers::MailAnswer;
use crate::control::error::ControlError;
use crate::mail::{Mailer, Post};

/// How a change is told: in the answer alone, or by mail, too.
pub(super) struct Telling {
    mailer: Option<Mailer>,
}

impl Telling {
    /// # Errors
    /// Where mail is wanted and no mail server is known: before anything is changed.
    pub(super) fn new(control: &Control, by_mail: bool) -> Result<Telling, ControlError> {
        let config = &control.0.config;
        match (&config.mail, by_mail) {
            (_, false) => Ok(Telling { mailer: None }),
            (Some(server), true) => Ok(Telling { mailer: Some(Mailer::new(server.clone(), config.edge.clone())) }),
            (None, true) => {
                let error = format!("{} names no mail server", config.file.display());
                let hint =
                    "add [mail] with smtp = \"smtp://HOST:587\", or leave --mail out and send the file of --invitation";
                Err(ControlError::unprocessable(error, hint))
            }
        }
    }

    /// An invitation of a kind, as it is sent in this way.
    pub(super) fn print(
        &self,
        meeting: &Meeting,
        kind: impl FnOnce(&Meeting, Sending<'_>) -> Invitation,
    ) -> Invitation {
        let organiser = meeting.organiser.to_string();
        let sent_by = self.mailer.as_ref().and_then(|mailer| mailer.sent_by(&organiser));
        kind(meeting, Sending { now_unix: now_unix(), sent_by: sent_by.as_deref() })
    }

    /// Sends, and says who was reached; `None`: mail is not wanted.
    pub(super) async fn tell(self, posts: Vec<Post>) -> Option<MailAnswer> {
        let mailer = self.mailer?;
        let sending = tokio::task::spawn_blocking(move || mailer.send(&posts));
        let answer = sending.await.unwrap_or_default();
        tracing::info!(sent = answer.sent.len(), failed = answer.failed.len(), "invitations sent by mail");
        Some(answer)
    }
}
