//! An offer that came in, and our answer to it.

use std::net::{IpAddr, SocketAddr};

use sdp_types::Media;

use super::packet_ms;
use crate::capabilities::{Capabilities, LocalMedia, Order, ProtectionPolicy};
use crate::crypto::CryptoLine;
use crate::description::Offer;
use crate::session::{AudioSession, Format, Protection};
use crate::stream::{Stream, Unusable};
use crate::write::{self, AudioLine};

/// Why an offer is refused: 488 (RFC 3261 section 21.4.26).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAcceptable {
    #[error("it offers no audio stream")]
    NoAudio,
    #[error("it offers neither sound nor messages within the dialog")]
    NoStream,
    /// The first audio stream, counted among all m-lines from 1.
    #[error("its audio stream, m-line {line}, cannot be used: {reason}")]
    Stream { line: usize, reason: Unusable },
}

impl NotAcceptable {
    /// The `warn-code` of a Warning header (RFC 3261 section 20.43).
    pub fn warn_code(&self) -> u16 {
        let NotAcceptable::Stream { reason, .. } = self else { return 304 };
        match reason {
            Unusable::AddressFamily(_) => 300,
            Unusable::NoAddress | Unusable::HostName(_) => 301,
            Unusable::Transport(_) | Unusable::Plain | Unusable::ProtectionNotWanted => 302,
            Unusable::NoCommonEncoding => 305,
            Unusable::NoCommonSuite => 306,
            Unusable::Multicast(_) => 330,
        }
    }
}

/// Answers an offer: one audio stream with one encoding, and telephone events if it has them; every other m-line is
/// refused in its place. Gives what was agreed on, and the body to send.
///
/// Of several audio streams that we could use the first counts, but that a protected one goes before a plain one, as
/// Lync and others write both for one microphone.
pub fn answer(
    offer: &Offer,
    capabilities: &Capabilities,
    local: &LocalMedia,
) -> Result<(AudioSession, String), NotAcceptable> {
    let accepted = Accepted::best(offer, capabilities, local)?;
    let medias = accepted.medias(offer, capabilities, local);
    let body = write::description(local, accepted.told, medias, offer.session.times.first());
    Ok((accepted.session, body))
}

/// A stream that we take, and what we make of it.
pub(super) struct Accepted {
    pub index: usize,
    stream: Stream,
    /// Our address that the peer is to send to.
    pub told: IpAddr,
    pub session: AudioSession,
    /// Our half of the protection, under the tag of the line that we chose.
    crypto: Option<CryptoLine>,
}

impl Accepted {
    pub fn best(offer: &Offer, capabilities: &Capabilities, local: &LocalMedia) -> Result<Self, NotAcceptable> {
        let mut refusal = None;
        let mut accepted: Option<Accepted> = None;
        for (index, stream) in offer.audio() {
            match stream.and_then(|stream| Accepted::of(index, stream, capabilities, local)) {
                Ok(next) if accepted.as_ref().is_none_or(|best| next.protects_more_than(best)) => accepted = Some(next),
                Ok(_) => {}
                Err(reason) => drop(refusal.get_or_insert(NotAcceptable::Stream { line: index + 1, reason })),
            }
        }
        accepted.ok_or_else(|| refusal.unwrap_or(NotAcceptable::NoAudio))
    }

    fn of(index: usize, stream: Stream, capabilities: &Capabilities, local: &LocalMedia) -> Result<Self, Unusable> {
        let told = local.addresses.facing(stream.remote.ip());
        check_family(stream.remote, told)?;
        let format = choose(&stream, capabilities).ok_or(Unusable::NoCommonEncoding)?;
        let chosen = protection(&stream, capabilities, local)?;
        let session = AudioSession {
            remote: stream.remote,
            remote_rtcp: if stream.has_rtcp_mux { stream.remote } else { stream.remote_rtcp },
            format,
            telephone_event: stream.payloads.event_for(format.encoding),
            protection: chosen.as_ref().map(|(protection, _)| protection.clone()),
            direction: stream.direction.reversed().and(local.direction),
            packet_ms: packet_ms(&stream, format.encoding, capabilities.packet_ms),
        };
        Ok(Self { index, stream, told, session, crypto: chosen.map(|(_, line)| line) })
    }

    fn protects_more_than(&self, other: &Self) -> bool {
        self.crypto.is_some() && other.crypto.is_none()
    }

    /// The m-lines of an answer: ours in its place, all others refused.
    pub fn medias(&self, offer: &Offer, capabilities: &Capabilities, local: &LocalMedia) -> Vec<Media> {
        let event = self.session.telephone_event;
        let events = self.stream.payloads.events.iter().copied().find(|(payload_type, _)| Some(*payload_type) == event);
        let mut medias: Vec<Media> = offer.session.medias.iter().map(write::refused).collect();
        let line = AudioLine {
            transport: &offer.session.medias[self.index].proto,
            formats: &[self.session.format],
            events: events.as_slice(),
            crypto: self.crypto.iter().cloned().collect(),
            direction: self.session.direction,
            has_rtcp_mux: self.stream.has_rtcp_mux,
            packet_ms: capabilities.packet_ms,
        };
        medias[self.index] = line.media(local);
        medias
    }
}

/// An unspecified address is that of a peer who holds the call: nothing goes there, and its family says nothing.
pub(super) fn check_family(remote: SocketAddr, local: IpAddr) -> Result<(), Unusable> {
    let is_alike = remote.is_ipv4() == local.is_ipv4() || remote.ip().is_unspecified();
    if is_alike { Ok(()) } else { Err(Unusable::AddressFamily(remote.ip())) }
}

fn choose(stream: &Stream, capabilities: &Capabilities) -> Option<Format> {
    let offered = &stream.payloads.formats;
    let wanted = &capabilities.encodings;
    match capabilities.order {
        Order::Offerer => offered.iter().find(|format| wanted.contains(&format.encoding)).copied(),
        Order::Ours => {
            wanted.iter().find_map(|encoding| offered.iter().find(|format| format.encoding == *encoding)).copied()
        }
    }
}

/// The first line whose suite we take, and our line for the answer.
fn protection(
    stream: &Stream,
    capabilities: &Capabilities,
    local: &LocalMedia,
) -> Result<Option<(Protection, CryptoLine)>, Unusable> {
    if capabilities.protection == ProtectionPolicy::Never {
        return if stream.is_secure { Err(Unusable::ProtectionNotWanted) } else { Ok(None) };
    }
    let known = stream.crypto.iter().filter(|line| capabilities.suites.contains(&line.suite));
    let chosen = known.filter_map(|line| local.keys.of(line.suite).map(|key| (line, key))).next();
    match chosen {
        Some((line, key)) => {
            let protection = Protection { suite: line.suite, local: key.clone(), remote: line.key.clone() };
            Ok(Some((protection, CryptoLine { key: key.clone(), ..line.clone() })))
        }
        None if stream.is_secure => Err(Unusable::NoCommonSuite),
        None if capabilities.protection == ProtectionPolicy::Required => Err(Unusable::Plain),
        None => Ok(None),
    }
}
