//! What signalling asks of a media thread, and what it hears from it. Plain values, so that a media node of its own may
//! carry them as bytes.

use std::net::{IpAddr, SocketAddr};

use sdp::{AudioSession, Encoding, Keys};
use serde::{Deserialize, Deserializer, Serialize};

/// A mixer, or the pair of legs of an anchored call. Its legs are all worked on by one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BridgeId {
    /// The worker that owns it, and that hears its events.
    pub worker: u16,
    pub serial: u64,
}

/// One side of a bridge: one RTP session with one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegId {
    pub bridge: BridgeId,
    pub serial: u32,
}

/// A leg whose sockets are open: what a session description says of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedLeg {
    /// Where phones reach it.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// Of the other family (IPv4, IPv6), where there is one: the same ports.
    #[serde(default)]
    pub other_address: Option<IpAddr>,
    /// Fresh from the system's randomness.
    pub keys: Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BridgeKind {
    /// Everybody hears everybody but himself.
    Conference,
    /// Two legs: each hears the other, and packets pass untouched where both speak the same encoding.
    Anchor,
}

/// In the order given. A leg's sockets are opened before, by a question; a bridge begins with its first leg and ends with its
/// last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaCommand {
    /// Offer and answer are through, the first time or again: from now on the leg sends and receives like this. Plain RTP is
    /// taken only from `trusted_source`, the address at the other end of the leg's signalling; SRTP from wherever
    /// authenticates first.
    Run { leg: LegId, kind: BridgeKind, session: AudioSession, trusted_source: Option<IpAddr> },
    /// What the leg says is heard by nobody, or again.
    Mute { leg: LegId, is_muted: bool },
    /// The leg says and hears nothing, as in a lobby, or takes part again.
    Hold { leg: LegId, is_held: bool },
    /// A short tone to one leg, or to all of a bridge: somebody came, somebody left.
    Announce { bridge: BridgeId, to: Option<LegId>, announcement: Announcement },
    /// The leg is over. Answered by [`MediaEvent::Closed`].
    Close { leg: LegId },
}

impl MediaCommand {
    pub fn bridge(&self) -> BridgeId {
        match self {
            MediaCommand::Run { leg, .. }
            | MediaCommand::Mute { leg, .. }
            | MediaCommand::Hold { leg, .. }
            | MediaCommand::Close { leg } => leg.bridge,
            MediaCommand::Announce { bridge, .. } => *bridge,
        }
    }

    /// The one leg that it is about.
    pub fn leg(&self) -> Option<LegId> {
        match self {
            MediaCommand::Run { leg, .. }
            | MediaCommand::Mute { leg, .. }
            | MediaCommand::Hold { leg, .. }
            | MediaCommand::Close { leg } => Some(*leg),
            MediaCommand::Announce { to, .. } => *to,
        }
    }

    /// The same of another bridge.
    #[must_use]
    pub fn of_bridge(mut self, other: BridgeId) -> MediaCommand {
        match &mut self {
            MediaCommand::Run { leg, .. }
            | MediaCommand::Mute { leg, .. }
            | MediaCommand::Hold { leg, .. }
            | MediaCommand::Close { leg } => leg.bridge = other,
            MediaCommand::Announce { bridge, to, .. } => {
                *bridge = other;
                to.iter_mut().for_each(|leg| leg.bridge = other);
            }
        }
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announcement {
    Joined,
    Left,
    Muted,
    Unmuted,
    /// As many short tones as there are participants, up to ten.
    Count(u8),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// The first packet that counts has come: the leg is heard.
    Heard { leg: LegId },
    /// Packets come that do not authenticate, or plain ones from where they may not; said once a leg.
    SourceRefused { leg: LegId, source: IpAddr },
    /// A key was pressed (RFC 4733): `0` to `9`, `*`, `#`, `A` to `D`. Once a press.
    Dtmf { leg: LegId, key: char },
    /// Whether the leg is one of those who talk; for the roster, so not more often than once a second.
    Talking { leg: LegId, is_talking: bool },
    /// Nothing was received for a while, though it should be: the phone may be gone. Said once until something comes again.
    Silent { leg: LegId },
    /// Its last word.
    Closed { leg: LegId, report: LegReport },
    /// The media node that had it is gone, or took it away: nothing more is said or heard there. It is to be closed all the same.
    Lost { leg: LegId },
}

impl MediaEvent {
    pub fn leg(&self) -> LegId {
        match self {
            MediaEvent::Heard { leg }
            | MediaEvent::SourceRefused { leg, .. }
            | MediaEvent::Dtmf { leg, .. }
            | MediaEvent::Talking { leg, .. }
            | MediaEvent::Silent { leg }
            | MediaEvent::Closed { leg, .. }
            | MediaEvent::Lost { leg } => *leg,
        }
    }

    /// The same of another bridge.
    #[must_use]
    pub fn of_bridge(mut self, other: BridgeId) -> MediaEvent {
        match &mut self {
            MediaEvent::Heard { leg }
            | MediaEvent::SourceRefused { leg, .. }
            | MediaEvent::Dtmf { leg, .. }
            | MediaEvent::Talking { leg, .. }
            | MediaEvent::Silent { leg }
            | MediaEvent::Closed { leg, .. }
            | MediaEvent::Lost { leg } => leg.bridge = other,
        }
        self
    }
}

/// How a leg was, from its first packet to its last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LegReport {
    pub encoding: Option<Encoding>,
    pub is_protected: bool,
    pub packets_received: u64,
    pub packets_sent: u64,
    /// By the sequence numbers: never came.
    pub packets_lost: u64,
    /// Came too late to be heard.
    pub packets_late: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1) at the end, and at its worst; milliseconds.
    #[serde(deserialize_with = "finite")]
    pub jitter_ms: f32,
    #[serde(deserialize_with = "finite")]
    pub jitter_ms_max: f32,
    /// From the peer's receiver reports: how it hears us.
    pub peer_lost: u64,
    #[serde(deserialize_with = "finite")]
    pub peer_jitter_ms: f32,
    /// Round trip by RTCP (RFC 3550 section 6.4.1), milliseconds.
    #[serde(default, deserialize_with = "finite_if_any")]
    pub round_trip_ms: Option<f32>,
    /// The longest time between two packets received while they were expected, milliseconds.
    pub gap_ms_max: u32,
}

/// What is too large for any measure is none: it could be read, and not be written again.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    f32::deserialize(deserializer).map(|number| if number.is_finite() { number } else { 0.0 })
}

fn finite_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    Option::deserialize(deserializer).map(|number: Option<f32>| number.filter(|number| number.is_finite()))
}
