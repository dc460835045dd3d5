//! The shapes of the control API, for the server that fills them and the commands that read them.

mod conference;
mod consent;
mod diagnosis;
mod discovered;
mod doctor;
mod edge;
mod import;
mod meeting;
mod partner;
mod provider;
mod trust;

use std::net::SocketAddr;

use federation::decision::DecisionRecord;
use serde::{Deserialize, Serialize};
use signaling::{CoreStatus, LinkStatus};

pub use store::StoredCall as CallAnswer;

use crate::certificate::ServedCertificate;
pub use conference::{ConferenceAct, ConferenceChange, ConferenceStatus, NewConference, NewEscalation};
pub use consent::{ConsentAnswer, ConsentChange, NewConsent};
pub(crate) use diagnosis::purposes;
pub use diagnosis::{
    AddressStep, Advice, CertificateAnswer, CountsAnswer, DiscoveryAnswer, QueryStep, RefusalAnswer, RouteAnswer,
    SeenAnswer, Side, Sure, TargetStep, TroubleAnswer, WayAnswer, WhyAnswer, WhyStep, rung_sentence,
};
pub use discovered::{DiscoveredAnswer, TierWord};
pub use doctor::{DoctorAnswer, Finding, FindingState};
pub use edge::{
    AboutPartner, AboutProvider, EdgeAnswer, EdgeFailure, EdgeReport, EdgeSoundAnswer, EdgesAnswer, FromEdge,
    HomeSoundAnswer, OwnRules, ToldAnswer,
};
pub use import::{Entered, EnteredGroup, EnteredPartner, EnteredTrust, Import, Imported};
pub use meeting::{
    MailAnswer, MailFailure, MeetingAnswer, MeetingChange, MeetingDetail, MeetingEdit, MeetingState, NewMeeting,
    OccurrenceAnswer, SettingsChange, local,
};
pub use partner::{
    AccessAnswer, AllowChange, GroupPolicy, NewPartner, NewPolicy, PartnerAnswer, PartnerChange, PartnerDetail,
    PartnerEdit, PartnerReset, PartnerWord, PolicyAnswer,
};
pub use provider::{HostedDomain, NewProvider, ProviderAnswer, ProviderChange, ProviderDetail};
pub use trust::{AnchorAnswer, NewTrust, TrustAnswer, TrustChanged};

/// `GET /api/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    pub version: String,
    pub uptime_secs: u64,
    pub domains: Vec<String>,
    pub edge: String,
    pub listeners: Vec<ListenerAnswer>,
    pub federation: bool,
    pub discovery: bool,
    pub users: u64,
    pub partners: u64,
    pub registrations: u64,
    pub messages: MessagesAnswer,
    pub calls: CallsAnswer,
    /// Absent while the database can be written to.
    pub unwritable: Option<UnwritableAnswer>,
    pub health: HealthAnswer,
    pub certificate: ServedCertificate,
    /// Of a home.
    #[serde(default)]
    pub edges: Option<EdgesAnswer>,
    /// Of an edge whose home decides.
    #[serde(default)]
    pub told: Option<ToldAnswer>,
    /// Partners that somebody watches over; none at a home behind edges, which are what they meet.
    #[serde(default)]
    pub monitored: Vec<MonitoredAnswer>,
    pub workers: Vec<WorkerAnswer>,
}

/// A partner, or a hosting provider, with the mark, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoredAnswer {
    /// The partner's; the name of a provider.
    pub domain: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_provider: bool,
    /// Connections of ours that are up.
    pub connections: usize,
    /// Why it, or the first of the domains behind it, was told of as out of reach, if it still is.
    pub away: Option<String>,
    /// When the first of the certificates ends that it shows.
    pub not_after_unix: Option<i64>,
}

/// Whether this server can do the work, as its health endpoint says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthAnswer {
    pub ready: bool,
    /// One sentence for each part that does not work.
    pub failing: Vec<String>,
}

/// Nothing can be written to the database: its disk is full, or read-only, or broken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnwritableAnswer {
    pub since_unix: i64,
    pub why: String,
}

/// Messages for users who are away.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MessagesAnswer {
    pub stored: u64,
    /// When the oldest of them was accepted.
    pub oldest_unix: Option<i64>,
    /// Since the server started: sent again, because it was never recorded what became of the first time.
    pub repeats: u64,
}

/// Calls, and what people in meetings here have of them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CallsAnswer {
    pub under_way: u64,
    /// Sessions of messages.
    pub messages: u64,
    /// People in meetings here, once for each phone.
    pub in_meetings: u64,
    /// In the last 24 hours, answered or not, those of people in meetings included.
    pub ended_last_day: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListenerAnswer {
    /// `TLS`, `TCP` or `UDP`.
    pub transport: String,
    pub address: SocketAddr,
}

/// One worker; a half that did not answer in time is absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerAnswer {
    pub worker: u16,
    pub core: Option<CoreStatus>,
    /// The counters of its sockets, by name.
    pub sockets: Option<serde_json::Map<String, serde_json::Value>>,
}

/// An element of `GET /api/users`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserAnswer {
    /// `alice@contoso.example`
    pub aor: String,
    pub created_unix: i64,
    /// How many devices are registered; absent where no server runs.
    pub registrations: Option<u64>,
    /// How many messages wait for the user.
    pub stored_messages: u64,
}

/// `POST /api/users`
#[derive(Clone, Serialize, Deserialize)]
pub struct NewUser {
    pub aor: String,
    pub password: String,
}

/// `PUT /api/users/{aor}/password`
#[derive(Clone, Serialize, Deserialize)]
pub struct NewPassword {
    pub password: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkAnswer {
    pub worker: u16,
    #[serde(flatten)]
    pub link: LinkStatus,
}

/// An element of `GET /api/decisions`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionAnswer {
    pub at_unix_ms: i64,
    /// It was refused before it was judged, and who sent it is what it says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub turned_away: bool,
    #[serde(flatten)]
    pub record: DecisionRecord,
}

/// Every answer with a status of 400 and up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorAnswer {
    pub error: String,
    #[serde(default)]
    pub hint: Option<String>,
}
