//! Documents that SIP bodies carry, read into types and printed from them: presence (RFC 3863, 4479, 4480), rosters (RFC
//! 4575), who is typing (RFC 3994), whom to invite (RFC 4826), messages with their sender's name (RFC 3862); and bodies of
//! several parts (RFC 2046).
//!
//! Nothing here knows of messages, subscriptions or clocks. What comes from a peer is bounded before it is kept, and
//! what is printed is read back as the same.

mod bounds;
pub mod conference_info;
pub mod cpim;
pub mod error;
pub mod is_composing;
pub mod multipart;
pub mod pidf;
pub mod resource_lists;
#[cfg(test)]
mod testing;
mod xml;

pub use conference_info::ConferenceInfo;
pub use cpim::CpimMessage;
pub use error::DocumentError;
pub use is_composing::IsComposing;
pub use pidf::{Activity, Basic, Contact, Person, Pidf, Tuple};
pub use resource_lists::ResourceList;
