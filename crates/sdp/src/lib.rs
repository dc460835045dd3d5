//! SDP for one audio stream: what is offered, what is answered, and what both then know (RFC 8866, 3264, 4568).
//!
//! A proxy does not read session descriptions. They are read where media is ours: in a meeting, and where a call is
//! anchored.

pub mod session;

pub use session::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};
