//! What an offer and its answer agreed on, as seen from us.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One audio stream between us and a peer, ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioSession {
    /// Where the peer wants RTP, and RTCP: the same where both share a port (RFC 5761). The address may be the
    /// unspecified one, from a peer that holds the call in the old way (RFC 3264 section 8.4): nothing is sent then.
    pub remote: SocketAddr,
    pub remote_rtcp: SocketAddr,
    /// What both send.
    pub format: Format,
    /// The payload type of telephone events (RFC 4733): at the clock rate of the format, but that beside Opus it may
    /// be 8000, which is all that some phones have.
    pub telephone_event: Option<u8>,
    /// `None`: plain RTP.
    pub protection: Option<Protection>,
    pub direction: Direction,
    /// Milliseconds of sound in a packet that we send.
    pub packet_ms: u8,
}

/// An encoding under the number that stands for it in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    pub payload_type: u8,
    pub encoding: Encoding,
}

/// The encodings that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Encoding {
    /// RFC 7587; sent as one channel.
    Opus,
    /// RFC 3551 section 4.5.2: sampled at 16 kHz, clocked at 8 kHz.
    G722,
    Pcma,
    Pcmu,
}

impl Encoding {
    pub const ALL: [Encoding; 4] = [Encoding::Opus, Encoding::G722, Encoding::Pcma, Encoding::Pcmu];

    /// As it is spelled in an `rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Opus => "opus",
            Encoding::G722 => "G722",
            Encoding::Pcma => "PCMA",
            Encoding::Pcmu => "PCMU",
        }
    }

    /// Ticks of the RTP timestamp in a second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Encoding::Opus => 48_000,
            Encoding::G722 | Encoding::Pcma | Encoding::Pcmu => 8_000,
        }
    }

    /// Samples in a second of what it decodes to.
    pub fn sample_rate(self) -> u32 {
        match self {
            Encoding::Opus => 48_000,
            Encoding::G722 => 16_000,
            Encoding::Pcma | Encoding::Pcmu => 8_000,
        }
    }
}

/// Which way sound goes (RFC 8866 section 6.7), as seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same as seen from the other side.
    pub fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The attribute that says it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// SRTP with the keys of a session description (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    pub suite: Suite,
    /// What we send is protected with ours, what we receive with the peer's.
    pub local: Key,
    pub remote: Key,
}

/// Crypto suites, most wanted first (RFC 4568 section 6.2, RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
}

impl Suite {
    pub const ALL: [Suite; 4] =
        [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    /// As it is spelled in an `a=crypto` line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of master key and master salt together.
    pub fn key_bytes(self) -> usize {
        match self {
            Suite::AeadAes256Gcm => 32 + 12,
            Suite::AeadAes128Gcm => 16 + 12,
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => 16 + 14,
        }
    }
}

/// Master key and master salt, one after the other. Not printed, so that it gets into no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
