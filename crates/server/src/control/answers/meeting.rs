//! The shapes of `/api/meetings`.

use std::collections::BTreeMap;

use conference::schedule::{
    Invitee, LobbyRule, Meeting, MeetingSettings, Occurrence, Opening, Origin, Presenters, Recurrence,
};
use serde::{Deserialize, Serialize};
use store::StoredMeeting;

/// `POST /api/meetings`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMeeting {
    /// A user of this server: `alice@contoso.example`.
    pub organiser: String,
    pub subject: String,
    /// By the clocks of the zone: `2026-12-01 10:00`.
    pub at: String,
    /// `Europe/Berlin`
    pub zone: String,
    pub minutes: u32,
    #[serde(default)]
    pub recurrence: Option<Recurrence>,
    #[serde(default)]
    pub invitees: Vec<Invitee>,
    #[serde(default)]
    pub settings: SettingsChange,
}

/// `PATCH /api/meetings/{id}`: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeetingEdit {
    /// The day of one occurrence, `2026-12-14`: `at` moves that alone, and nothing else may be given.
    pub occurrence: Option<String>,
    pub subject: Option<String>,
    pub at: Option<String>,
    pub zone: Option<String>,
    pub minutes: Option<u32>,
    pub recurrence: Option<Recurrence>,
    /// The meeting is a series no more.
    pub once: bool,
    /// Added; who was invited before is so in this way from now on.
    pub invite: Vec<Invitee>,
    /// Addresses.
    pub uninvite: Vec<String>,
    pub settings: SettingsChange,
}

/// What is absent stays as it is, or as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// By kind (`own`, `invited`, `federated`) or by domain.
    pub lobby: BTreeMap<String, LobbyRule>,
    pub presenters: Option<Presenters>,
    pub is_locked: Option<bool>,
    pub mute_on_entry: Option<bool>,
    pub opens_before_mins: Option<u32>,
}

/// An element of `GET /api/meetings`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeetingAnswer {
    /// What to call: `sip:meet-ID@DOMAIN`.
    pub uri: String,
    pub state: MeetingState,
    /// The occurrence that goes on, or comes next.
    pub next: Option<OccurrenceAnswer>,
    pub created_unix: i64,
    #[serde(flatten)]
    pub meeting: Meeting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeetingState {
    Scheduled,
    /// Attendees may come in.
    Open,
    Over,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceAnswer {
    pub start_unix: i64,
    pub end_unix: i64,
    /// By the clocks of the meeting's zone: `2026-12-01 10:00`.
    pub start: String,
    /// Where it was moved: when it was to be.
    pub moved_from: Option<String>,
}

/// `GET /api/meetings/{id}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeetingDetail {
    #[serde(flatten)]
    pub answer: MeetingAnswer,
    /// The next ones.
    pub occurrences: Vec<OccurrenceAnswer>,
    /// How many workers know the meeting as it is here; absent where no server runs.
    pub workers: Option<usize>,
}

/// The answer to whatever makes or changes a meeting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeetingChange {
    pub meeting: MeetingAnswer,
    /// The iCalendar object that tells the invitees; absent where there is nothing to tell.
    pub invitation: Option<String>,
    /// Where mail was asked for.
    pub mail: Option<MailAnswer>,
}

/// Who was told by mail, and who was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailAnswer {
    /// Addresses whose letters the mail server took.
    pub sent: Vec<String>,
    pub failed: Vec<MailFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailFailure {
    pub address: String,
    /// In words, as from the mail server.
    pub reason: String,
}

impl MeetingAnswer {
    pub fn new(StoredMeeting { meeting, created_unix }: StoredMeeting, now_unix: i64) -> MeetingAnswer {
        let next = meeting.upcoming(now_unix).next().filter(|_| !meeting.is_cancelled);
        MeetingAnswer {
            uri: meeting.uri(),
            state: MeetingState::of(&meeting, now_unix),
            next: next.as_ref().map(OccurrenceAnswer::from),
            created_unix,
            meeting,
        }
    }
}

impl MeetingState {
    fn of(meeting: &Meeting, now_unix: i64) -> MeetingState {
        match meeting.opening(now_unix, Origin::Invited, false) {
            Opening::Open => MeetingState::Open,
            Opening::OpensAt { .. } => MeetingState::Scheduled,
            Opening::Over => MeetingState::Over,
            Opening::Cancelled => MeetingState::Cancelled,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            MeetingState::Scheduled => "scheduled",
            MeetingState::Open => "open",
            MeetingState::Over => "over",
            MeetingState::Cancelled => "cancelled",
        }
    }
}

impl From<&Occurrence> for OccurrenceAnswer {
    fn from(found: &Occurrence) -> OccurrenceAnswer {
        let Occurrence { start_unix, end_unix, original, start } = found;
        let moved_from = (original != start).then(|| local(original));
        OccurrenceAnswer { start_unix: *start_unix, end_unix: *end_unix, start: local(start), moved_from }
    }
}

impl SettingsChange {
    /// The settings with these changes; the domains among the keys of `lobby` are taken as they stand.
    pub fn apply(self, mut settings: MeetingSettings) -> MeetingSettings {
        for (whom, rule) in self.lobby {
            match whom.as_str() {
                "own" => settings.lobby.own = rule,
                "invited" => settings.lobby.invited = rule,
                "federated" => settings.lobby.federated = rule,
                _ => drop(settings.lobby.by_domain.insert(whom, rule)),
            }
        }
        settings.presenters = self.presenters.unwrap_or(settings.presenters);
        settings.is_locked = self.is_locked.unwrap_or(settings.is_locked);
        settings.mute_on_entry = self.mute_on_entry.unwrap_or(settings.mute_on_entry);
        settings.opens_before_mins = self.opens_before_mins.unwrap_or(settings.opens_before_mins);
        settings
    }

    /// The words in `lobby` that are no domains.
    pub const KINDS: [&'static str; 3] = ["own", "invited", "federated"];
}

/// `2026-12-01 10:00`
pub fn local(moment: &impl std::fmt::Display) -> String {
    let text = moment.to_string().replacen('T', " ", 1);
    text.strip_suffix(":00").map(str::to_owned).unwrap_or(text)
}
