//! SRTP and SRTCP with the keys of a session description (RFC 3711, 4568, 7714).
//!
//! Our own over the primitives of aws-lc-rs: what there is to be had keeps state for every source that a stranger names, before
//! the packet has proved to be genuine.

mod cipher;

use std::collections::BTreeMap;

use sdp::{Key, Suite};

pub use cipher::KeyError;
use cipher::{Cipher, Sealed};

use crate::rtp::Header;
use crate::window::Window;

/// Why a packet is not taken, or cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Not even a header.
    Malformed,
    Forged,
    /// There was one of this number, or it is too old for us to know.
    Replayed,
    /// More sources than one key may have here.
    TooManySources,
    /// The key has protected all that it may.
    Exhausted,
}

/// Protects what we send: one source.
pub struct Protector {
    rtp: Cipher,
    rtcp: Cipher,
    window: Option<Window>,
    rtcp_index: u32,
}

impl Protector {
    /// # Errors
    /// Where the key is not the suite's.
    pub fn new(suite: Suite, key: &Key) -> Result<Protector, KeyError> {
        let (rtp, rtcp) = (Cipher::new(suite, key, cipher::RTP)?, Cipher::new(suite, key, cipher::RTCP)?);
        Ok(Protector { rtp, rtcp, window: None, rtcp_index: 0 })
    }

    /// In place.
    ///
    /// # Errors
    /// Where a number comes again: to protect two packets with one keystream would show both.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), Unusable> {
        let (header, clear) = Header::parse(packet).map_err(|_| Unusable::Malformed)?;
        let sequence = header.sequence;
        let index = match &mut self.window {
            Some(window) => {
                let index = window.estimate(sequence).ok_or(Unusable::Exhausted)?;
                if !window.is_new(index) {
                    return Err(Unusable::Replayed);
                }
                window.accept(index);
                index
            }
            none => none.insert(Window::beginning_with(sequence.into())).estimate(sequence).unwrap_or_default(),
        };
        self.rtp.seal(packet, clear, header.ssrc, index, rollovers(index));
        Ok(())
    }

    /// In place.
    ///
    /// # Errors
    /// After 2^31 packets.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Unusable> {
        let ssrc = rtcp_ssrc(packet).ok_or(Unusable::Malformed)?;
        if self.rtcp_index >= ENCRYPTED {
            return Err(Unusable::Exhausted);
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        let trailer = (ENCRYPTED | index).to_be_bytes();
        self.rtcp.seal(packet, RTCP_CLEAR, ssrc, index.into(), trailer);
        let at = packet.len() - self.rtcp.tag_behind_index_len();
        packet.splice(at..at, trailer);
        Ok(())
    }
}

/// Opens what the peer sends.
pub struct Unprotector {
    rtp: Cipher,
    rtcp: Cipher,
    /// Only of packets that proved to be genuine.
    rtp_windows_by_ssrc: BTreeMap<u32, Window>,
    rtcp_windows_by_ssrc: BTreeMap<u32, Window>,
}

impl Unprotector {
    /// # Errors
    /// Where the key is not the suite's.
    pub fn new(suite: Suite, key: &Key) -> Result<Unprotector, KeyError> {
        Ok(Unprotector {
            rtp: Cipher::new(suite, key, cipher::RTP)?,
            rtcp: Cipher::new(suite, key, cipher::RTCP)?,
            rtp_windows_by_ssrc: BTreeMap::new(),
            rtcp_windows_by_ssrc: BTreeMap::new(),
        })
    }

    /// The packet as it was before its protection, into `out`.
    ///
    /// # Errors
    /// Where it is not genuine, or not new.
    pub fn unprotect_rtp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unusable> {
        let (header, clear) = Header::parse(packet).map_err(|_| Unusable::Malformed)?;
        let open = |index, out: &mut Vec<u8>| {
            let trailer = rollovers(index);
            self.rtp.open(&Sealed { bytes: packet, clear, ssrc: header.ssrc, index, trailer, is_clear: false }, out)
        };
        if let Some(window) = self.rtp_windows_by_ssrc.get_mut(&header.ssrc) {
            let index = window.estimate(header.sequence).filter(|index| window.is_new(*index));
            let index = index.ok_or(Unusable::Replayed)?;
            open(index, out).map_err(|_| Unusable::Forged)?;
            window.accept(index);
            return Ok(());
        }
        if self.rtp_windows_by_ssrc.len() >= SOURCES_MAX {
            return Err(Unusable::TooManySources);
        }
        // A phone that is moved here in the middle of a call keeps its key, and may have counted rollovers already.
        let mut indices = (0..ROLLOVERS_TRIED_MAX).map(|rollovers| rollovers << 16 | u64::from(header.sequence));
        let index = indices.find(|index| open(*index, out).is_ok()).ok_or(Unusable::Forged)?;
        self.rtp_windows_by_ssrc.insert(header.ssrc, Window::beginning_with(index));
        Ok(())
    }

    /// Likewise of RTCP.
    ///
    /// # Errors
    /// Where it is not genuine, or not new.
    pub fn unprotect_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unusable> {
        let ssrc = rtcp_ssrc(packet).ok_or(Unusable::Malformed)?;
        let behind = 4 + self.rtcp.tag_behind_index_len();
        let at = packet.len().checked_sub(behind).filter(|at| *at >= RTCP_CLEAR).ok_or(Unusable::Malformed)?;
        let trailer: [u8; 4] = *packet[at..].first_chunk().ok_or(Unusable::Malformed)?;
        let word = u32::from_be_bytes(trailer);
        let index = u64::from(word & !ENCRYPTED);
        let has_room = self.rtcp_windows_by_ssrc.len() < SOURCES_MAX;
        let window = self.rtcp_windows_by_ssrc.get_mut(&ssrc);
        if window.as_ref().is_some_and(|window| !window.is_new(index)) {
            return Err(Unusable::Replayed);
        }
        let bytes = [&packet[..at], &packet[at + 4..]].concat();
        let is_clear = word & ENCRYPTED == 0;
        let sealed = Sealed { bytes: &bytes, clear: RTCP_CLEAR, ssrc, index, trailer, is_clear };
        self.rtcp.open(&sealed, out).map_err(|_| Unusable::Forged)?;
        match window {
            Some(window) => window.accept(index),
            None if has_room => drop(self.rtcp_windows_by_ssrc.insert(ssrc, Window::beginning_with(index))),
            None => return Err(Unusable::TooManySources),
        }
        Ok(())
    }
}

/// The upper 32 bits of an index.
fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let is_version_2 = packet.first().is_some_and(|byte| byte >> 6 == 2);
    let ssrc: &[u8; 4] = packet.get(4..8)?.first_chunk()?;
    is_version_2.then(|| u32::from_be_bytes(*ssrc))
}

/// The header of the first packet, and its source, stay readable.
const RTCP_CLEAR: usize = 8;
const ENCRYPTED: u32 = 1 << 31;
/// A phone takes a new source when it changes what it plays; one that needs more than these has to change its key.
const SOURCES_MAX: usize = 32;
/// About five hours at 50 packets a second.
const ROLLOVERS_TRIED_MAX: u64 = 16;

#[cfg(test)]
mod tests;
