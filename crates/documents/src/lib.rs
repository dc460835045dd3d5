//! Documents that SIP bodies carry, read into types and printed from them: presence (RFC 3863, 4479, 4480) and rosters
//! (RFC 4575).
//!
//! Nothing here knows of messages, subscriptions or clocks. What comes from a peer is bounded before it is kept, and
//! what is printed is read back as the same.

mod bounds;
pub mod conference_info;
pub mod error;
pub mod pidf;
#[cfg(test)]
mod testing;
mod xml;

pub use conference_info::ConferenceInfo;
pub use error::DocumentError;
pub use pidf::{Activity, Basic, Contact, Person, Pidf, Tuple};
