//! Bridges at the media node of an edge: what its home says to it over the one connection between them, and what it hears.
//!
//! Pure: bytes and inputs are arguments. The connection is the server's.

mod edge;
mod frame;
mod home;

pub use edge::{EdgeLegs, SessionId};
pub use frame::{FRAME_BYTES_MAX, FrameError, FrameReader, FromEdge, FromHome, PROTOCOL, frame};
pub use home::{EdgeBridges, Gone, HomeBridges};
