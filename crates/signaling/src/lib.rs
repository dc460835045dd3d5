//! The core of a worker: joins transactions, admission, registrar, messaging and routing.
//!
//! [`Core`] is sans-I/O. The shell gives it an [`Input`] with the time, then drains its [`Output`]s and wakes it at
//! [`Core::poll_timeout`]. It is the only crate that knows all machines; they do not know each other.

mod acceptor;
mod acquaintance;
mod agent;
mod aliases;
mod anchoring;
mod answer_access;
mod b2bua;
mod call_record;
mod call_settings;
mod calls;
mod changes;
mod conferences;
mod consent;
mod core;
mod counts;
mod decisions;
mod diagnostics;
mod draining;
mod elsewhere;
pub mod escalation;
mod extensions;
mod external_access;
mod failover;
mod flow_table;
mod forking;
mod forward;
mod gateway;
mod handoff;
mod input;
mod limits;
mod links;
mod loops;
mod meeting_access;
mod metering;
mod outbound;
mod outgoing;
mod output;
mod owner;
mod ownership;
mod pace;
mod partner_status;
mod passing;
mod precedence;
mod presence;
mod proven_phones;
mod question;
mod reach;
mod records;
mod redirection;
mod refresh;
mod registration;
mod remote;
mod replacing;
pub mod route;
mod schedule;
mod shared_address_space;
mod shares;
mod stateless;
mod status;
mod store_and_forward;
mod strangers;
mod token;
mod topology;
pub mod unreadable;
mod waiting;

pub use media::LegReport;

pub use crate::agent::AgentKey;
pub use crate::aliases::Alias;
pub use crate::b2bua::EscalationStatus;
pub use crate::call_record::{CallEnd, CallKind, CallRecord, Ending, LegRecord, Record, Way};
pub use crate::call_settings::{CallSettings, When};
pub use crate::calls::Engagement;
pub use crate::conferences::{AdHocMeeting, ConferenceStatus};
pub use crate::core::{Core, CoreConfig, Listener};
pub use crate::counts::{ANSWER_MS_STEPS, AnswerTimes, COUNTED_LIMITS, CoreCounts, LegCounts};
pub use crate::decisions::word_of;
pub use crate::elsewhere::InviteName;
pub use crate::handoff::{AdmittedRequest, Handoff, Ingress, Requester, Upstream};
pub use crate::input::{Breakage, Input};
pub use crate::limits::Limits;
pub use crate::output::Output;
pub use crate::ownership::Ownership;
pub use crate::partner_status::{CertificateSeen, PartnerCounts, PartnerSeen, PartnerStatus, Trouble};
pub use crate::precedence::Precedence;
pub use crate::question::{Answer, Question, QuestionId};
pub use crate::reach::Reach;
pub use crate::records::{CallNews, HungUp};
pub use crate::replacing::ProxiedCall;
pub use crate::status::{CoreStatus, Forgotten, LinkCounts, LinkStatus};

/// A worker thread of this process, by number from 0.
pub type WorkerId = u16;
