//! Offers of ours, and the answers to them.

use std::net::IpAddr;

use sdp_types::Media;

use super::answering::check_family;
use super::packet_ms;
use crate::capabilities::{Capabilities, LocalMedia, ProtectionPolicy};
use crate::crypto::CryptoLine;
use crate::description::{Offer, ParseError};
use crate::payload;
use crate::session::{AudioSession, Format, Protection};
use crate::stream::{Stream, Unusable};
use crate::write::{self, AudioLine};

/// A text that was given as a description of ours, and cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    #[error("our own description cannot be read: {0}")]
    Unreadable(ParseError),
    #[error("our own description has no audio stream in use")]
    NoAudio,
}

/// Why an answer to our offer leads to no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableAnswer {
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error("the answer: {0}")]
    Unreadable(#[from] ParseError),
    #[error("we offered {offered} m-lines and {answered} are answered")]
    OtherLines { offered: usize, answered: usize },
    #[error("the audio stream is refused: port 0 in the answer")]
    Refused,
    #[error("the audio stream of the answer cannot be used: {0}")]
    Stream(#[from] Unusable),
    #[error("the answer names no encoding under the number under which we offered it")]
    NotOffered,
    #[error("the a=crypto line of the answer has a tag or suite that we did not offer")]
    CryptoNotOffered,
}

/// An offer of one audio stream.
pub fn offer(capabilities: &Capabilities, local: &LocalMedia) -> String {
    write::description(local, local.addresses.first, vec![offered_audio(capabilities, local)], None)
}

pub(super) fn offered_audio(capabilities: &Capabilities, local: &LocalMedia) -> Media {
    let formats: Vec<Format> = capabilities.encodings.iter().map(|encoding| payload::ours(*encoding)).collect();
    let mut rates: Vec<u32> = formats.iter().map(|format| format.encoding.clock_rate()).collect();
    rates.sort_unstable();
    rates.dedup();
    let events: Vec<(u8, u32)> = rates.into_iter().map(|rate| (payload::our_event(rate), rate)).collect();
    let line = AudioLine {
        transport: if capabilities.protection == ProtectionPolicy::Required { "RTP/SAVP" } else { "RTP/AVP" },
        formats: &formats,
        events: &events,
        crypto: crypto(capabilities, local),
        direction: local.direction,
        has_rtcp_mux: true,
        packet_ms: capabilities.packet_ms,
    };
    line.media(local)
}

fn crypto(capabilities: &Capabilities, local: &LocalMedia) -> Vec<CryptoLine> {
    if capabilities.protection == ProtectionPolicy::Never {
        return Vec::new();
    }
    let lines = capabilities.suites.iter().filter_map(|suite| local.keys.of(*suite).map(|key| (*suite, key.clone())));
    lines.zip(1..).map(|((suite, key), tag)| CryptoLine { tag, suite, key }).collect()
}

/// An offer inside a running session, made from the description that we sent last in it, be it offer or answer
/// (RFC 3264 section 8). M-lines keep their places, encodings their numbers, crypto lines their tags and suites, and the
/// address is of the family that it was, where we have one; ports, direction, keys and version are those of `local`.
pub fn reoffer(last: &str, local: &LocalMedia) -> Result<String, NotOurs> {
    let Again { last, medias, told } = again(last, local)?;
    Ok(write::description(local, told, medias, last.session.times.first()))
}

/// What the next description in a session takes from the last one.
pub(super) struct Again {
    pub last: Offer,
    /// Its m-lines with sound as it is now, and refused but for that.
    pub medias: Vec<Media>,
    /// Our address that the peer is to send to.
    pub told: IpAddr,
}

pub(super) fn again(last: &str, local: &LocalMedia) -> Result<Again, NotOurs> {
    let (last, place, stream) = read_own(last)?;
    let keyed = stream.crypto.iter().map(|line| {
        let key = local.keys.of(line.suite).unwrap_or(&line.key);
        CryptoLine { key: key.clone(), ..line.clone() }
    });
    let line = AudioLine {
        transport: &last.session.medias[place].proto,
        formats: &stream.payloads.formats,
        events: &stream.payloads.events,
        crypto: keyed.collect(),
        direction: local.direction,
        has_rtcp_mux: stream.has_rtcp_mux,
        packet_ms: own_packet_ms(&stream),
    };
    let mut medias: Vec<_> = last.session.medias.iter().map(write::refused).collect();
    medias[place] = line.media(local);
    Ok(Again { medias, told: local.addresses.facing(stream.remote.ip()), last })
}

fn read_own(text: &str) -> Result<(Offer, usize, Stream), NotOurs> {
    let own = Offer::parse(text.as_bytes()).map_err(NotOurs::Unreadable)?;
    let audio = own.audio().find_map(|(place, stream)| stream.ok().map(|stream| (place, stream)));
    let (place, stream) = audio.ok_or(NotOurs::NoAudio)?;
    Ok((own, place, stream))
}

fn own_packet_ms(own: &Stream) -> u8 {
    own.packet_ms.and_then(|ms| u8::try_from(ms).ok()).unwrap_or(PACKET_MS)
}

/// Reads the answer to an offer of ours. `sent` is that offer, as it went out.
///
/// Of several encodings in an answer the first counts, which is what phones send.
pub fn accept(sent: &str, answer: &[u8]) -> Result<AudioSession, UnusableAnswer> {
    let (own, place, offered) = read_own(sent)?;
    let answered = read_answer(&own, place, &Offer::parse(answer)?)?;
    check_family(answered.remote, offered.remote.ip())?;
    let has = |format: &&Format| offered.payloads.formats.contains(format);
    let format = *answered.payloads.formats.iter().find(has).ok_or(UnusableAnswer::NotOffered)?;
    let event = answered.payloads.event_for(format.encoding);
    let has_rtcp_mux = offered.has_rtcp_mux && answered.has_rtcp_mux;
    Ok(AudioSession {
        remote: answered.remote,
        remote_rtcp: if has_rtcp_mux { answered.remote } else { answered.remote_rtcp },
        format,
        telephone_event: event.filter(|event| offered.payloads.events.iter().any(|(ours, _)| ours == event)),
        protection: agreed(&offered, &answered)?,
        direction: answered.direction.reversed().and(offered.direction),
        packet_ms: packet_ms(&answered, format.encoding, own_packet_ms(&offered)),
    })
}

/// The stream of the answer that stands where ours stood.
fn read_answer(own: &Offer, place: usize, answer: &Offer) -> Result<Stream, UnusableAnswer> {
    let (offered, answered) = (own.session.medias.len(), answer.session.medias.len());
    if offered != answered {
        return Err(UnusableAnswer::OtherLines { offered, answered });
    }
    let stream = answer.audio().find(|(index, _)| *index == place).ok_or(UnusableAnswer::Refused)?;
    Ok(stream.1?)
}

/// The line of the answer, with our key under the same tag (RFC 4568 section 5.1.3). Whether the answer names the profile
/// that we offered is not looked at: there are phones that answer a key under `RTP/AVP` with one under `RTP/SAVP`.
fn agreed(offered: &Stream, answered: &Stream) -> Result<Option<Protection>, UnusableAnswer> {
    // COMPAT(baresip 1.0): with optional encryption it puts a key of its own into the answer to an offer without any, and
    // then sends plain RTP.
    let line = answered.crypto.first().filter(|_| !offered.crypto.is_empty());
    let Some(line) = line else {
        let is_demanded = offered.is_secure || answered.is_secure;
        return if is_demanded { Err(Unusable::NoCommonSuite.into()) } else { Ok(None) };
    };
    let ours = offered.crypto.iter().find(|ours| ours.tag == line.tag && ours.suite == line.suite);
    let ours = ours.ok_or(UnusableAnswer::CryptoNotOffered)?;
    Ok(Some(Protection { suite: line.suite, local: ours.key.clone(), remote: line.key.clone() }))
}

/// Where an own description says nothing.
const PACKET_MS: u8 = 20;
