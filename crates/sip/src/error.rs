//! What is wrong with bytes that are no SIP message. A refusal by policy is [`crate::Refusal`], not an error.

use crate::HeaderName;

/// The bytes are no message, or a part of it that was asked for does not parse. Drop, or answer 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Where the message or one of its lines ends cannot be told without guessing.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A header that may appear once (RFC 3261 7.3.1) appears twice.
    #[error("more than one {0}")]
    Duplicate(HeaderName),
    #[error("no {0}")]
    Missing(HeaderName),
    #[error("malformed {0}")]
    Malformed(HeaderName),
    /// A part that is no header of its own: the start line, a URI, a method, an address of record.
    #[error("malformed {0}")]
    Invalid(&'static str),
}

/// A message whose borders two implementations could read differently. Never guessed, always refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("no message")]
    Empty,
    #[error("no SIP")]
    NoSip,
    #[error("line feed without carriage return")]
    BareLineFeed,
    #[error("carriage return without line feed")]
    BareCarriageReturn,
    #[error("NUL that no backslash escapes")]
    Nul,
    #[error("header line without a colon")]
    NoColon,
    #[error("malformed header name")]
    HeaderName,
    #[error("continuation line without text, or before the first header")]
    Fold,
    #[error("header block without an end")]
    Unterminated,
    #[error("more than one Content-Length")]
    ContentLengthTwice,
    #[error("malformed Content-Length")]
    ContentLengthMalformed,
    /// On a stream nothing else says where the body ends (RFC 3261 20.14).
    #[error("no Content-Length on a stream")]
    ContentLengthMissing,
    #[error("Content-Length beyond the bytes received")]
    Truncated,
    #[error("bytes beyond Content-Length")]
    Trailing,
    #[error("message too long")]
    MessageTooLong,
    #[error("body too long")]
    BodyTooLong,
    #[error("line too long")]
    LineTooLong,
    #[error("too many headers")]
    TooManyHeaders,
}
