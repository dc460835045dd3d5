//! Where a message ends (RFC 3261 7.5, 18.3, 20.14): one scanner for streams, datagrams and the parser, so that
//! they cannot disagree. What two implementations could read differently is refused, never guessed.
//!
//! A NUL in a value is text: RFC 4475 3.1.1.2 has one, escaped.

use bytes::{Bytes, BytesMut};

use crate::{
    FramingError,
    header::grammar::{is_token_byte, parse_digits, trim_bytes, trim_end, trim_start},
    parse::check_start_line,
};

/// What a peer can make us hold of one message.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct MessageLimits {
    /// Start line, headers and body together, bytes. The header block never exceeds [`HEADER_BYTES_MAX`].
    pub bytes_max: usize,
    pub headers_max: usize,
    /// One header with its continuation lines, or the start line; bytes, without the last CRLF.
    pub line_max: usize,
    /// Bytes.
    pub body_max: usize,
}

impl MessageLimits {
    pub const DEFAULT: MessageLimits =
        MessageLimits { bytes_max: 65_535, headers_max: 128, line_max: 8_192, body_max: 65_535 };
}

impl Default for MessageLimits {
    fn default() -> Self {
        MessageLimits::DEFAULT
    }
}

/// Offsets into the header block are 16 bits wide.
pub const HEADER_BYTES_MAX: usize = u16::MAX as usize;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Exactly one message.
    Message(Bytes),
    /// CRLFCRLF: the peer asks whether the flow lives; answer CRLF (RFC 5626 3.5.1).
    Ping,
    /// CRLF: the answer to our ping, or an empty line before a message (RFC 3261 7.5).
    Pong,
}

/// Cuts messages out of a stream. After an error the stream has no borders any more: close it.
#[derive(Clone, Debug)]
pub struct Framer {
    limits: MessageLimits,
    stage: Stage,
    /// A Pong was reported last: a CRLF right after it makes it a Ping that came in two pieces.
    half_ping: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    Headers(HeaderScanner),
    /// The length of the whole message is known.
    ExpectBody { length: usize },
}

impl Framer {
    pub fn new(limits: MessageLimits) -> Self {
        Framer { limits, stage: Stage::Headers(HeaderScanner::new(limits)), half_ping: false }
    }

    /// Takes the next frame off the front of `buffer`; `None`: more bytes are needed. Between calls bytes may
    /// only be added at the end: what was scanned is not scanned again.
    pub fn cut(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FramingError> {
        if let Stage::Headers(scanner) = &mut self.stage {
            if scanner.scanned == 0
                && let Some(keep_alive) = cut_keep_alive(buffer, &mut self.half_ping)
            {
                return Ok(Some(keep_alive));
            }
            let Some(head) = scanner.advance(buffer, |_| Ok(()))? else { return Ok(None) };
            let body = head.content_length.ok_or(FramingError::ContentLengthMissing)?;
            self.stage = Stage::ExpectBody { length: head.length + body };
        }
        match self.stage {
            Stage::ExpectBody { length } if buffer.len() >= length => {
                self.stage = Stage::Headers(HeaderScanner::new(self.limits));
                Ok(Some(Frame::Message(buffer.split_to(length).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Whether a message has begun and is not complete: what a flow that idles or ends must not be in.
    pub fn is_inside_message(&self, buffer: &BytesMut) -> bool {
        !buffer.is_empty() || matches!(self.stage, Stage::ExpectBody { .. })
    }
}

impl Default for Framer {
    fn default() -> Self {
        Framer::new(MessageLimits::DEFAULT)
    }
}

/// One datagram holds one message: bytes beyond Content-Length are cut off, too few are refused, no
/// Content-Length means all of them (RFC 3261 18.3). Empty lines before it are skipped; nothing else is `Empty`.
pub fn check_datagram(bytes: Bytes) -> Result<Bytes, FramingError> {
    let mut start = 0;
    while bytes[start..].starts_with(b"\r\n") {
        start += 2;
    }
    let bytes = bytes.slice(start..);
    if bytes.is_empty() {
        return Err(FramingError::Empty);
    }
    let head = HeaderScanner::new(MessageLimits::DEFAULT)
        .advance(&bytes, |_| Ok(()))?
        .ok_or(FramingError::Unterminated)?;
    let length = match head.content_length {
        Some(body) => head.length + body,
        None => bytes.len(),
    };
    match length {
        _ if length > MessageLimits::DEFAULT.bytes_max => Err(FramingError::MessageTooLong),
        _ if length > bytes.len() => Err(FramingError::Truncated),
        _ => Ok(bytes.slice(..length)),
    }
}

/// A complete header block.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Bytes, the empty line included.
    pub length: usize,
    pub content_length: Option<usize>,
}

/// A header line, as offsets; the value trimmed, folds still in it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct HeaderLine {
    pub start: usize,
    pub name_end: usize,
    pub value_start: usize,
    pub value_end: usize,
}

/// Reads a header block once, however few bytes arrive at a time.
#[derive(Clone, Debug)]
pub(crate) struct HeaderScanner {
    limits: MessageLimits,
    /// Everything before is read. Stays at a CR whose meaning the next bytes tell.
    scanned: usize,
    line_start: usize,
    /// Of the physical line: a continuation starts another one.
    text_start: usize,
    /// `None`: the start line is still to come.
    headers: Option<usize>,
    content_length: Option<usize>,
}

impl HeaderScanner {
    pub(crate) fn new(limits: MessageLimits) -> Self {
        HeaderScanner { limits, scanned: 0, line_start: 0, text_start: 0, headers: None, content_length: None }
    }

    /// `bytes` are those of the last call, and more. Calls `on_header` for each complete header line.
    pub(crate) fn advance<E: From<FramingError>>(
        &mut self,
        bytes: &[u8],
        mut on_header: impl FnMut(HeaderLine) -> Result<(), E>,
    ) -> Result<Option<Head>, E> {
        while let Some(end) = self.next_line_end(bytes)? {
            if end == self.line_start {
                return self.finish(end + 2).map(Some).map_err(E::from);
            }
            let Some(after) = bytes.get(end + 2) else { return Ok(None) };
            if matches!(after, b' ' | b'\t') {
                self.check_fold(bytes, end)?;
                (self.scanned, self.text_start) = (end + 2, end + 2);
                continue;
            }
            match self.headers {
                None => check_start_line(&bytes[..end]).map(|_| self.headers = Some(0))?,
                Some(count) => on_header(self.read_header(bytes, end, count)?)?,
            }
            (self.scanned, self.line_start, self.text_start) = (end + 2, end + 2, end + 2);
        }
        Ok(None)
    }

    /// The next CRLF; `None` while it is not there. Every other CR or LF is an error, and so is a limit passed.
    fn next_line_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, FramingError> {
        let found = memchr::memchr2(b'\r', b'\n', &bytes[self.scanned..]).map(|offset| self.scanned + offset);
        let end = found.unwrap_or(bytes.len());
        if end - self.line_start > self.limits.line_max {
            return Err(FramingError::LineTooLong);
        }
        if end > self.limits.bytes_max.min(HEADER_BYTES_MAX) {
            return Err(FramingError::MessageTooLong);
        }
        self.scanned = end;
        match found.map(|end| (bytes[end], bytes.get(end + 1))) {
            None | Some((b'\r', None)) => Ok(None),
            Some((b'\r', Some(b'\n'))) => Ok(found),
            Some((b'\r', Some(_))) => Err(FramingError::BareCarriageReturn),
            Some(_) => Err(FramingError::BareLineFeed),
        }
    }

    /// Only a header's line is continued, and a continuation without text is what some take for the empty line.
    fn check_fold(&self, bytes: &[u8], end: usize) -> Result<(), FramingError> {
        let is_blank = self.text_start != self.line_start && trim_bytes(&bytes[self.text_start..end]).is_empty();
        match self.headers.is_none() || is_blank {
            true => Err(FramingError::Fold),
            false => Ok(()),
        }
    }

    fn read_header(&mut self, bytes: &[u8], end: usize, count: usize) -> Result<HeaderLine, FramingError> {
        if count >= self.limits.headers_max {
            return Err(FramingError::TooManyHeaders);
        }
        self.headers = Some(count + 1);
        self.check_fold(bytes, end)?;
        let line = split_header(bytes, self.line_start, end)?;
        if is_content_length(&bytes[line.start..line.name_end]) {
            let length = self.read_content_length(&bytes[line.value_start..line.value_end])?;
            if self.content_length.replace(length).is_some() {
                return Err(FramingError::ContentLengthTwice);
            }
        }
        Ok(line)
    }

    fn read_content_length(&self, value: &[u8]) -> Result<usize, FramingError> {
        let length = parse_digits(value).ok_or(FramingError::ContentLengthMalformed)?;
        match usize::try_from(length) {
            Ok(length) if length <= self.limits.body_max => Ok(length),
            _ => Err(FramingError::BodyTooLong),
        }
    }

    fn finish(&self, length: usize) -> Result<Head, FramingError> {
        let whole = length + self.content_length.unwrap_or(0);
        match self.headers {
            None => Err(FramingError::StartLine),
            _ if length > HEADER_BYTES_MAX || whole > self.limits.bytes_max => Err(FramingError::MessageTooLong),
            _ => Ok(Head { length, content_length: self.content_length }),
        }
    }
}

/// A ping in two pieces is told as Pong, then Ping: the answer goes out after the second piece.
fn cut_keep_alive(buffer: &mut BytesMut, half_ping: &mut bool) -> Option<Frame> {
    let (length, frame) = match &buffer[..] {
        [b'\r', b'\n', ..] if *half_ping => (2, Frame::Ping),
        [b'\r', b'\n', b'\r', b'\n', ..] => (4, Frame::Ping),
        [b'\r', b'\n', ..] => (2, Frame::Pong),
        [] | [b'\r'] => return None,
        _ => {
            *half_ping = false;
            return None;
        }
    };
    *half_ping = frame == Frame::Pong;
    let _ = buffer.split_to(length);
    Some(frame)
}

/// `HCOLON` allows white space between name and colon, and nothing else (RFC 3261 25.1).
fn split_header(bytes: &[u8], start: usize, end: usize) -> Result<HeaderLine, FramingError> {
    let line = &bytes[start..end];
    let name_length = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
    let gap = line[name_length..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if line.get(name_length + gap) != Some(&b':') {
        return Err(match memchr::memchr(b':', line) {
            None => FramingError::NoColon,
            Some(_) => FramingError::HeaderName,
        });
    }
    if name_length == 0 {
        return Err(FramingError::HeaderName);
    }
    let after_colon = &line[name_length + gap + 1..];
    let value = trim_start(after_colon);
    let value_start = end - value.len();
    let value_end = value_start + trim_end(value).len();
    Ok(HeaderLine { start, name_end: start + name_length, value_start, value_end })
}

fn is_content_length(name: &[u8]) -> bool {
    matches!(name, b"l" | b"L") || name.eq_ignore_ascii_case(b"Content-Length")
}
