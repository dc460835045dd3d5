//! Sound: RTP in, RTP out, and the mixer between (RFC 3550, 3711, 4733).
//!
//! Pure: packets, frames and times are arguments. Sockets and threads are the shell's (`net::media`).

mod bridge;
mod clock;
pub mod codec;
pub mod command;
mod conversation;
pub mod dtmf;
mod egress;
mod entry;
mod fade;
mod forwarding;
mod ingress;
pub mod jitter;
mod lateness;
mod leg;
pub mod level;
mod limiter;
pub mod link;
pub mod mixer;
mod node;
mod outlet;
mod participant;
mod random;
pub mod reception;
pub mod resample;
pub mod rtcp;
pub mod rtp;
mod source;
pub mod srtp;
mod talkers;
#[cfg(test)]
mod tests;
mod tone;
mod window;

pub use clock::Clock;
pub use command::{Announcement, BridgeId, BridgeKind, LegId, LegReport, MediaCommand, MediaEvent, OpenedLeg};
pub use entry::PacketKind;
pub use node::{MediaNode, NodeCounts, Output};
