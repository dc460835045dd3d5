//! What we can do, and what of ours a session takes: the caller's half of every offer and answer.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::session::{Direction, Encoding, Key, Suite};

/// What we speak, and how it is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Most wanted first: an offer lists them in this order.
    pub encodings: Vec<Encoding>,
    /// Whose order decides when we answer.
    pub order: Order,
    pub protection: ProtectionPolicy,
    /// Most wanted first. What is not in here is neither offered nor answered.
    pub suites: Vec<Suite>,
    /// Milliseconds of sound that we put into a packet, and ask for: 10 to 60.
    pub packet_ms: u8,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            encodings: vec![Encoding::Opus, Encoding::G722, Encoding::Pcma, Encoding::Pcmu],
            order: Order::Offerer,
            protection: ProtectionPolicy::Preferred,
            suites: Suite::ALL.to_vec(),
            packet_ms: 20,
        }
    }
}

/// Whose order of encodings decides in an answer. RFC 3264 section 6.1 recommends the offerer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    Offerer,
    Ours,
}

/// Whether sound is protected (SRTP with the keys of RFC 4568).
///
/// `Preferred` offers plain `RTP/AVP` with `a=crypto` lines, as phones do whose encryption is optional. Strictly,
/// RFC 4568 keeps these lines for `RTP/SAVP`; what phones make of it:
///
/// | phone | `Preferred` gives | `Required` gives |
/// | --- | --- | --- |
/// | baresip 1.0, no encryption | plain | 488 |
/// | baresip 1.0, `mediaenc=srtp` | protected | protected |
/// | baresip 1.0, `mediaenc=srtp-mand` | 488 | protected |
/// | linphone 5.1, no encryption | plain | protected |
/// | linphone 5.1, SRTP | plain | protected |
/// | linphone 5.1, SRTP mandatory | 488 | protected |
/// | pjsip 2.15, no encryption | plain | 488 |
/// | pjsip 2.15, SRTP optional | protected | protected |
/// | pjsip 2.15, SRTP mandatory | 488 | protected |
///
/// So a 488 to one of the two may be followed by an offer of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtectionPolicy {
    /// Offers `RTP/SAVP`; refuses what is plain.
    Required,
    /// Protected where the peer can, else plain.
    Preferred,
    /// Plain; refuses `RTP/SAVP`.
    Never,
}

/// Our end of one audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Where the peer can reach our ports.
    pub addresses: LocalAddresses,
    pub rtp_port: u16,
    pub rtcp_port: u16,
    /// The same in all descriptions of one session (RFC 8866 section 5.2).
    pub session_id: u64,
    /// One more with each description that differs from the one before it (RFC 3264 section 8).
    pub version: u64,
    /// Which way sound may go as far as we are concerned.
    pub direction: Direction,
    /// The same in all descriptions for the same ports: a new key starts the peer's counters anew.
    pub keys: Keys,
}

/// One address of ours, or one of IPv4 and one of IPv6 by which the same ports are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddresses {
    /// What an offer names.
    pub first: IpAddr,
    /// Of the other family.
    pub other: Option<IpAddr>,
}

impl LocalAddresses {
    /// The one that a peer with this address can send to; where there is none of its family, the first. An unspecified
    /// address is that of a peer who holds the call: its family says nothing.
    pub fn facing(self, peer: IpAddr) -> IpAddr {
        let is_alike = |ours: &IpAddr| ours.is_ipv4() == peer.is_ipv4() && !peer.is_unspecified();
        self.other.filter(is_alike).unwrap_or(self.first)
    }

    /// With that first which such a peer can send to.
    #[must_use]
    pub fn turned_to(self, peer: Option<IpAddr>) -> LocalAddresses {
        match self.other {
            Some(other) if peer.is_some_and(|peer| self.facing(peer) == other) => {
                LocalAddresses { first: other, other: Some(self.first) }
            }
            _ => self,
        }
    }
}

impl From<IpAddr> for LocalAddresses {
    fn from(first: IpAddr) -> LocalAddresses {
        LocalAddresses { first, other: None }
    }
}

/// What names a session in all descriptions of ours (RFC 8866 section 5.2): an `o=` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOrigin {
    /// An address of ours or, where no sound needs one, a domain.
    pub host: String,
    pub session_id: u64,
    /// One more with each description that differs from the one before it (RFC 3264 section 8).
    pub version: u64,
}

impl SessionOrigin {
    pub fn of(local: &LocalMedia) -> Self {
        Self { host: local.addresses.first.to_string(), session_id: local.session_id, version: local.version }
    }
}

/// A key for each suite, so that a line that the peer did not choose gives nothing of the chosen one away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys(Vec<(Suite, Key)>);

impl Keys {
    /// Random bytes that a full set takes.
    pub const BYTES: usize = 44 + 28 + 30 + 30;

    /// Cuts fresh random bytes into keys.
    pub fn cut(random: &[u8; Self::BYTES]) -> Self {
        let mut rest = random.as_slice();
        let mut keys = Vec::with_capacity(Suite::ALL.len());
        for suite in Suite::ALL {
            let (key, after) = rest.split_at(suite.key_bytes());
            keys.push((suite, Key(key.to_vec())));
            rest = after;
        }
        Self(keys)
    }

    /// With this key in place of that of its suite.
    #[must_use]
    pub fn with(mut self, suite: Suite, key: Key) -> Self {
        self.0.retain(|(of, _)| *of != suite);
        self.0.push((suite, key));
        self
    }

    pub fn of(&self, suite: Suite) -> Option<&Key> {
        self.0.iter().find(|(of, _)| *of == suite).map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suite_gets_bytes_of_its_own() {
        let mut random = [0; Keys::BYTES];
        random.iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8);
        let keys = Keys::cut(&random);
        let all: Vec<u8> = Suite::ALL.into_iter().flat_map(|suite| keys.of(suite).unwrap().0.clone()).collect();
        assert_eq!(all, random);
        assert_eq!(keys.of(Suite::AesCm128HmacSha1_80).unwrap().0.len(), 30);
        assert!(!format!("{keys:?}").contains("17"), "keys must not get into a log");
    }
}
