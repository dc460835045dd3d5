//! Meetings: the focus of each (RFC 4353, 4579), who may come in and what he may do there, and what the others are told of
//! him (RFC 4575).

pub mod id;
pub mod roster;
pub mod schedule;

pub use id::ConferenceId;
pub use roster::{Revision, Roster, RosterDescription, RosterEndpoint, RosterEntry, RosterMark};
