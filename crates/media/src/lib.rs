//! Sound: RTP in, RTP out, and the mixer between (RFC 3550, 3711, 4733).
//!
//! Pure: packets, frames and times are arguments. Sockets and threads are the shell's (`net::media`).

pub mod codec;
pub mod command;
pub mod dtmf;
mod fade;
pub mod jitter;
mod lateness;
pub mod level;
mod limiter;
pub mod mixer;
mod outlet;
mod participant;
pub mod reception;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
mod talkers;
#[cfg(test)]
mod tests;
mod tone;
mod window;

pub use command::{BridgeId, BridgeKind, LegId, LegReport, MediaCommand, MediaEvent};
