//! Targets of the crate `sip`.

pub mod address;
pub mod digest;
pub mod edits;
pub mod framing;
pub mod message;
pub mod small_headers;
pub mod stun;
pub mod uri;
pub mod via;

use bytes::Bytes;
use sip::Message;

/// The message that a datagram of these bytes holds.
pub fn read(bytes: &[u8]) -> Option<Message> {
    let bytes = sip::framing::check_datagram(Bytes::copy_from_slice(bytes)).ok()?;
    Message::parse(bytes).ok()
}
