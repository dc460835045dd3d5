//! Sound: RTP in, RTP out, and the mixer between (RFC 3550, 3711, 4733).
//!
//! Pure: packets, frames and times are arguments. Sockets and threads are the shell's (`net::media`).

pub mod codec;
pub mod command;
pub mod level;
pub mod resample;
#[cfg(test)]
mod tests;

pub use command::{BridgeId, BridgeKind, LegId, LegReport, MediaCommand, MediaEvent};
