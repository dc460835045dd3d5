//! The shapes of `/api/conferences`: meetings that have people in them.

use conference::Command;
use conference::schedule::MeetingRole;
use serde::{Deserialize, Serialize};
pub use signaling::ConferenceStatus;

/// `POST /api/conferences`: begins a meeting now, and calls these into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConference {
    /// A user of this server, who is called, too.
    pub organiser: String,
    /// Addresses of any domain.
    pub people: Vec<String>,
    /// Everybody is invited by a message, and answers to take part.
    #[serde(default)]
    pub is_written: bool,
}

/// `POST /api/escalations`: makes a meeting of a call of two, and calls these into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEscalation {
    pub call_id: String,
    /// Addresses of any domain.
    pub people: Vec<String>,
}

/// `POST /api/conferences/{id}`: what is to be done in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ConferenceAct {
    /// Call him into the meeting.
    Add {
        who: String,
    },
    /// Let in from the lobby; everybody who waits where nobody is named.
    Admit {
        who: Option<String>,
    },
    Remove {
        who: String,
    },
    Mute {
        who: String,
    },
    Unmute {
        who: String,
    },
    /// All attendees.
    MuteAll,
    UnmuteAll,
    Lock,
    Unlock,
    Role {
        who: String,
        role: MeetingRole,
    },
    /// Everybody is sent away.
    End,
}

/// The answer to both.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConferenceChange {
    pub id: String,
    /// `None`: nobody is in it any more.
    pub conference: Option<ConferenceStatus>,
}

impl ConferenceAct {
    /// # Errors
    /// The text that is no address.
    pub fn command(self) -> Result<Command, String> {
        let aor = |text: String| text.parse().map_err(|_| text);
        Ok(match self {
            ConferenceAct::Add { who } => Command::Add(aor(who)?),
            ConferenceAct::Admit { who } => Command::Admit(who.map(aor).transpose()?),
            ConferenceAct::Remove { who } => Command::Remove(aor(who)?),
            ConferenceAct::Mute { who } => Command::Mute(aor(who)?, true),
            ConferenceAct::Unmute { who } => Command::Mute(aor(who)?, false),
            ConferenceAct::MuteAll => Command::MuteAll(true),
            ConferenceAct::UnmuteAll => Command::MuteAll(false),
            ConferenceAct::Lock => Command::Lock(true),
            ConferenceAct::Unlock => Command::Lock(false),
            ConferenceAct::Role { who, role } => Command::Role(aor(who)?, role),
            ConferenceAct::End => Command::End,
        })
    }
}
