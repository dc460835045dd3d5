//! What the tests of offers and answers share.

use crate::capabilities::{Capabilities, Keys, LocalAddresses, LocalMedia, ProtectionPolicy};
use crate::description::Offer;
use crate::session::{AudioSession, Direction, Encoding};

use super::{NotAcceptable, answer};

pub(super) fn local() -> LocalMedia {
    LocalMedia {
        addresses: ours("198.51.100.5"),
        rtp_port: 30_000,
        rtcp_port: 30_001,
        session_id: 77,
        version: 1,
        direction: Direction::SendRecv,
        keys: Keys::cut(&[0x41; Keys::BYTES]),
    }
}

pub(super) fn policy(protection: ProtectionPolicy) -> Capabilities {
    Capabilities { protection, ..Capabilities::default() }
}

/// Lines of a literal, ended as the wire ends them.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect()
}

pub(super) fn answered(text: &str, capabilities: &Capabilities) -> Result<(AudioSession, String), NotAcceptable> {
    answer(&Offer::parse(lines(text).as_bytes()).unwrap(), capabilities, &local())
}

pub(super) fn encodings(encodings: &[Encoding]) -> Capabilities {
    Capabilities { encodings: encodings.to_vec(), ..Capabilities::default() }
}

pub(super) fn ours(address: &str) -> LocalAddresses {
    LocalAddresses::from(address.parse::<std::net::IpAddr>().unwrap())
}
