//! Sound: RTP in, RTP out, and the mixer between (RFC 3550, 3711, 4733).
//!
//! Pure: packets, frames and times are arguments. Sockets and threads are the shell's (`net::media`).

pub mod command;

pub use command::{BridgeId, BridgeKind, LegId, LegReport, MediaCommand, MediaEvent};
