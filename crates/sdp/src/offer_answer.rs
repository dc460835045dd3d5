//! The offer/answer model for one audio stream (RFC 3264), with SRTP keys as RFC 4568 exchanges them, and for messages beside
//! or without it.

mod answering;
mod keys_in_use;
mod offering;
mod streams;

pub use answering::{NotAcceptable, answer};
pub use keys_in_use::{KeysInUse, keys_in_use};
pub use offering::{NotOurs, UnusableAnswer, accept, offer, reoffer};
pub use streams::{
    AgreedStreams, OurStreams, answer_streams, offer_messages, offer_streams_in_place_of, reoffer_streams,
};

use crate::session::Encoding;
use crate::stream::Stream;

/// Milliseconds in a packet that we send: as the peer would like it, in whole packets of ours, and one of ours at least.
fn packet_ms(stream: &Stream, encoding: Encoding, ours: u8) -> u8 {
    let ours = ours.clamp(PACKET_MS_MIN, PACKET_MS_MAX);
    let longest = u32::from(PACKET_MS_MAX).min(stream.packet_ms_max.unwrap_or(u32::MAX));
    let wanted = stream.packet_ms.unwrap_or(u32::from(ours)).min(longest);
    let fits = |ms: &u8| u32::from(*ms) <= wanted && (encoding != Encoding::Opus || OPUS_MS.contains(ms));
    (1..=PACKET_MS_MAX / ours).rev().map(|count| count * ours).find(fits).unwrap_or(ours)
}

const PACKET_MS_MIN: u8 = 10;
/// More makes a lost packet a lost word.
const PACKET_MS_MAX: u8 = 60;
/// Opus packets of one frame (RFC 6716 section 2.1.4), of those that last at least ten.
const OPUS_MS: [u8; 4] = [10, 20, 40, 60];

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hold;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod phones;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reoffers;
