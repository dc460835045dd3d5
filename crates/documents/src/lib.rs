//! Documents that SIP bodies carry, read into types and printed from them: presence (RFC 3863, 4479, 4480).
//!
//! Nothing here knows of messages, subscriptions or clocks. What comes from a peer is bounded before it is kept, and
//! what is printed is read back as the same.

mod bounds;
pub mod error;
pub mod pidf;
mod xml;

pub use error::DocumentError;
pub use pidf::{Activity, Basic, Contact, Person, Pidf, Tuple};
