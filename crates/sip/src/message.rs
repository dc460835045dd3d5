//! A SIP message: the bytes as received and an index over them. Typed accessors are in [`crate::header`].

use std::{fmt, str};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    HeaderName, MessageLimits, Method, ParseError,
    parse::{self, HeaderSlot, Index, PHRASE_START, StartLine},
};

/// Immutable; to send something else, apply [`crate::Edits`] or build one. Serialised as its bytes.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    index: Index,
}

/// One header line.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    pub name: HeaderName,
    /// As received.
    pub raw_name: &'a [u8],
    /// Trimmed; folds still in it.
    pub value: &'a [u8],
    /// Among all headers, from 0.
    pub index: usize,
}

impl Message {
    /// Exactly one message, within the default limits. Without Content-Length the rest is the body: whether that
    /// may be is the framing's to say ([`crate::Framer`], [`crate::framing::check_datagram`]).
    pub fn parse(bytes: Bytes) -> Result<Message, ParseError> {
        Message::parse_within(bytes, MessageLimits::DEFAULT)
    }

    pub fn parse_within(bytes: Bytes, limits: MessageLimits) -> Result<Message, ParseError> {
        let index = parse::parse(&bytes, limits)?;
        Ok(Message { bytes, index })
    }

    /// The same in bytes of its own: what was cut from a buffer keeps the whole of it.
    #[must_use]
    pub fn detached(&self) -> Message {
        Message { bytes: Bytes::copy_from_slice(&self.bytes), index: self.index.clone() }
    }

    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn is_request(&self) -> bool {
        matches!(self.index.start_line, StartLine::Request { .. })
    }

    /// Of the request line; a response has its method in CSeq.
    pub fn method(&self) -> Option<Method> {
        match self.index.start_line {
            StartLine::Request { method_end, .. } => Method::parse(&self.bytes[..method_end as usize]).ok(),
            StartLine::Response { .. } => None,
        }
    }

    /// Raw: visible ASCII, not yet known to be a URI.
    pub fn request_uri(&self) -> Option<&str> {
        match self.index.start_line {
            StartLine::Request { method_end, uri_end } => {
                str::from_utf8(&self.bytes[method_end as usize + 1..uri_end as usize]).ok()
            }
            StartLine::Response { .. } => None,
        }
    }

    /// 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.index.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    pub fn reason_phrase(&self) -> Option<&[u8]> {
        match self.index.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { end, .. } => Some(&self.bytes[PHRASE_START..end as usize]),
        }
    }

    /// In order of appearance.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.index.headers.iter().enumerate().map(|(index, slot)| Header {
            name: slot.name,
            raw_name: self.raw_name(slot),
            value: self.value(slot),
            index,
        })
    }

    /// The first of that name. For `Other` use [`Message::header_by_name`].
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.index.headers.iter().find(|slot| slot.name == name).map(|slot| self.value(slot))
    }

    /// One value for each header line of that name, comma lists not split.
    pub fn header_all(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.index.headers.iter().filter(move |slot| slot.name == name).map(|slot| self.value(slot))
    }

    /// The first of that name; `None` also when it is not UTF-8.
    pub fn header_text(&self, name: HeaderName) -> Option<&str> {
        self.header(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The first of that name in any case: for extension headers, which have no [`HeaderName`].
    pub fn header_by_name(&self, name: &str) -> Option<&[u8]> {
        match HeaderName::parse(name.as_bytes()) {
            HeaderName::Other => self
                .index
                .headers
                .iter()
                .find(|slot| self.raw_name(slot).eq_ignore_ascii_case(name.as_bytes()))
                .map(|slot| self.value(slot)),
            known => self.header(known),
        }
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[self.index.body as usize..]
    }

    /// The body without a copy.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.index.body as usize..)
    }

    pub(crate) fn slots(&self) -> &[HeaderSlot] {
        &self.index.headers
    }

    /// Without its CRLF.
    pub(crate) fn start_line(&self) -> &[u8] {
        let end = self.index.headers.first().map_or(self.index.body - 2, |slot| slot.start);
        &self.bytes[..end as usize - 2]
    }

    /// As received, with its CRLF.
    pub(crate) fn line(&self, index: usize) -> &[u8] {
        let end = self.index.headers.get(index + 1).map_or(self.index.body - 2, |next| next.start);
        &self.bytes[self.index.headers[index].start as usize..end as usize]
    }

    pub(crate) fn raw_name(&self, slot: &HeaderSlot) -> &[u8] {
        &self.bytes[slot.start as usize..slot.name_end as usize]
    }

    pub(crate) fn value(&self, slot: &HeaderSlot) -> &[u8] {
        &self.bytes[slot.value_start as usize..slot.value_end as usize]
    }
}

/// The same bytes.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

impl TryFrom<Bytes> for Message {
    type Error = ParseError;

    fn try_from(bytes: Bytes) -> Result<Message, ParseError> {
        Message::parse(bytes)
    }
}

/// The text, escaped: what a failing test should show.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?})", self.bytes)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Message, D::Error> {
        Message::parse(Bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_order() {
        let text = b"BYE sip:a SIP/2.0\r\nv:1\r\nX-y:  2 \r\nVia: 3\r\nx-Y: 4\r\n\r\nbody";
        let message = Message::parse(Bytes::from_static(text)).expect("a message");
        let found: Vec<_> = message.headers().map(|header| (header.index, header.raw_name, header.value)).collect();
        let expected: [(usize, &[u8], &[u8]); 4] =
            [(0, b"v", b"1"), (1, b"X-y", b"2"), (2, b"Via", b"3"), (3, b"x-Y", b"4")];
        assert_eq!(found, expected);
        assert_eq!(message.header_all(HeaderName::Via).collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(message.header_text(HeaderName::Via), Some("1"));
        assert_eq!(message.header_by_name("X-Y"), Some(&b"2"[..]));
        assert_eq!(message.header_by_name("V"), Some(&b"1"[..]));
        assert_eq!((message.line(1), message.line(3)), (&b"X-y:  2 \r\n"[..], &b"x-Y: 4\r\n"[..]));
        assert_eq!((message.body(), &message.body_bytes()[..]), (&b"body"[..], &b"body"[..]));
    }

    #[test]
    fn reading_back_parses_again() {
        use de::{
            IntoDeserializer,
            value::{BytesDeserializer, Error},
        };
        let read = |bytes: &'static [u8]| {
            let deserializer: BytesDeserializer<'_, Error> = bytes.into_deserializer();
            Message::deserialize(deserializer)
        };
        assert_eq!(read(b"BYE sip:a SIP/2.0\r\n\r\n").expect("a message").method(), Some(Method::Bye));
        assert!(read(b"BYE sip:a SIP/2.0\r\n").is_err());
    }

    #[test]
    fn the_index_stays_small() {
        assert!(size_of::<Message>() <= 400, "{}", size_of::<Message>());
    }
}
