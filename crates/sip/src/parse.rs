//! From bytes to the index of a [`crate::Message`]: one pass, nothing copied, nothing allocated up to 32 headers.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    FramingError, HeaderName, MessageLimits, ParseError,
    framing::{HEADER_BYTES_MAX, HeaderLine, HeaderScanner},
    header::grammar::is_token,
};

/// Offsets into the bytes of a message.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub start_line: StartLine,
    pub headers: SmallVec<[HeaderSlot; 32]>,
    /// After the empty line.
    pub body: u16,
}

/// `u16`: the scanner refuses longer header blocks.
#[derive(Copy, Clone, Debug)]
pub(crate) struct HeaderSlot {
    pub start: u16,
    pub name_end: u16,
    pub value_start: u16,
    pub value_end: u16,
    pub name: HeaderName,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum StartLine {
    /// `METHOD SP URI SP SIP/2.0`: where the method and the URI end.
    Request { method_end: u16, uri_end: u16 },
    /// `SIP/2.0 SP 200 SP phrase`: where the phrase ends.
    Response { status: u16, end: u16 },
}

pub(crate) fn parse(bytes: &Bytes, limits: MessageLimits) -> Result<Index, ParseError> {
    if bytes.is_empty() {
        return Err(FramingError::Empty.into());
    }
    if bytes.len() > limits.bytes_max {
        return Err(FramingError::MessageTooLong.into());
    }
    let mut headers = SmallVec::new();
    let mut singletons = 0u128;
    let head = HeaderScanner::new(limits)
        .advance(bytes, |line| {
            let slot = index_header(bytes, line);
            headers.push(slot);
            check_singleton(slot.name, &mut singletons)
        })?
        .ok_or(FramingError::Unterminated)?;
    check_length(bytes.len() - head.length, head.content_length, limits)?;
    let first = headers.first().map_or(head.length - 2, |slot: &HeaderSlot| slot.start as usize);
    let start_line = check_start_line(&bytes[..first - 2])?;
    Ok(Index { start_line, headers, body: narrow(head.length) })
}

/// Three parts and two spaces, the version in any case (RFC 3261 7.1), a status of 100 to 699 (7.2).
pub(crate) fn check_start_line(line: &[u8]) -> Result<StartLine, FramingError> {
    let malformed = FramingError::StartLine;
    if line.len() > HEADER_BYTES_MAX {
        return Err(FramingError::LineTooLong);
    }
    if let Some(rest) = line.split_at_checked(VERSION.len()).filter(|(version, _)| is_version(version)) {
        let status = read_status(rest.1).ok_or(malformed)?;
        return Ok(StartLine::Response { status, end: narrow(line.len()) });
    }
    let method_end = memchr::memchr(b' ', line).ok_or(malformed)?;
    let uri_end = memchr::memrchr(b' ', line).ok_or(malformed)?;
    let uri = line.get(method_end + 1..uri_end).ok_or(malformed)?;
    let well_formed = is_token(&line[..method_end])
        && !uri.is_empty()
        && uri.iter().all(u8::is_ascii_graphic)
        && is_version(&line[uri_end + 1..]);
    match well_formed {
        true => Ok(StartLine::Request { method_end: narrow(method_end), uri_end: narrow(uri_end) }),
        false => Err(malformed),
    }
}

/// Where the phrase of a status line starts: `SIP/2.0 200 `.
pub(crate) const PHRASE_START: usize = VERSION.len() + 5;

pub(crate) const VERSION: &[u8] = b"SIP/2.0";

fn is_version(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(VERSION)
}

/// ` 200 phrase`; the phrase may be empty, its space not (RFC 4475 3.1.1.13).
fn read_status(rest: &[u8]) -> Option<u16> {
    let [b' ', class @ b'1'..=b'6', tens @ b'0'..=b'9', ones @ b'0'..=b'9', b' ', ..] = *rest else {
        return None;
    };
    let digit = |byte: u8| u16::from(byte - b'0');
    Some(digit(class) * 100 + digit(tens) * 10 + digit(ones))
}

fn index_header(bytes: &[u8], line: HeaderLine) -> HeaderSlot {
    HeaderSlot {
        start: narrow(line.start),
        name_end: narrow(line.name_end),
        value_start: narrow(line.value_start),
        value_end: narrow(line.value_end),
        name: HeaderName::parse(&bytes[line.start..line.name_end]),
    }
}

fn check_singleton(name: HeaderName, seen: &mut u128) -> Result<(), ParseError> {
    if !name.is_singleton() {
        return Ok(());
    }
    let bit = 1u128 << name as u32;
    if *seen & bit != 0 {
        return Err(ParseError::Duplicate(name));
    }
    *seen |= bit;
    Ok(())
}

fn check_length(body: usize, stated: Option<usize>, limits: MessageLimits) -> Result<(), FramingError> {
    match stated {
        _ if body > limits.body_max => Err(FramingError::BodyTooLong),
        Some(stated) if stated > body => Err(FramingError::Truncated),
        Some(stated) if stated < body => Err(FramingError::Trailing),
        _ => Ok(()),
    }
}

fn narrow(offset: usize) -> u16 {
    u16::try_from(offset).expect("the scanner keeps the header block within 16 bits")
}
