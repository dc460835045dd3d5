//! Meetings: the focus of each (RFC 4353, 4579), who may come in and what he may do there, and what the others are told of
//! him (RFC 4575).

pub mod focus;
pub mod id;
pub mod limits;
pub mod policy;
pub mod roster;
pub mod schedule;
pub mod turn;

pub use focus::{Adoption, CallOf, Command, Focus, FocusConfig, Hearing, ParticipantSummary};
pub use id::ConferenceId;
pub use limits::ConferenceLimits;
pub use policy::Conduct;
pub use roster::{Revision, Roster, RosterDescription, RosterEndpoint, RosterEntry, RosterMark};
pub use turn::{
    Adopted, FocusOutput, Incoming, LegNumber, LegOf, LegPorts, Outcome, SoundCommand, SoundEvent, Tone, Turn,
};
