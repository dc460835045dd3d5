//! Where a message ends (RFC 3261 7.5, 18.3, 20.14): one scanner for streams, datagrams and the parser, so that
//! they cannot disagree. What two implementations could read differently is refused, never guessed.
//!
//! A NUL is text behind a backslash only: RFC 4475 3.1.1.2 has one. Elsewhere readers that are made of C's strings end there.

use bytes::{Bytes, BytesMut};

use crate::{
    FramingError,
    header::grammar::{is_token_byte, parse_digits, trim_bytes, trim_end, trim_start},
    parse::is_version_prefix,
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
    ExpectBody {
        length: usize,
    },
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
    let head =
        HeaderScanner::new(MessageLimits::DEFAULT).advance(&bytes, |_| Ok(()))?.ok_or(FramingError::Unterminated)?;
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
    /// Where the first line ends, which is one of SIP and may be malformed otherwise.
    pub start_line_end: usize,
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
    /// `None`: still to come.
    start_line_end: Option<usize>,
    headers: usize,
    content_length: Option<usize>,
}

impl HeaderScanner {
    pub(crate) fn new(limits: MessageLimits) -> Self {
        HeaderScanner {
            limits,
            scanned: 0,
            line_start: 0,
            text_start: 0,
            start_line_end: None,
            headers: 0,
            content_length: None,
        }
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
            match self.start_line_end {
                None if is_sip(&bytes[..end]) => self.start_line_end = Some(end),
                None => return Err(FramingError::NoSip.into()),
                Some(_) => on_header(self.read_header(bytes, end)?)?,
            }
            (self.scanned, self.line_start, self.text_start) = (end + 2, end + 2, end + 2);
        }
        Ok(None)
    }

    /// The next CRLF; `None` while it is not there. Every other CR or LF is an error, and so is a limit passed.
    fn next_line_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, FramingError> {
        let found = find_break(bytes, self.scanned);
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
            Some((0, _)) => Err(FramingError::Nul),
            Some(_) => Err(FramingError::BareLineFeed),
        }
    }

    /// Only a header's line is continued, and a continuation without text is what some take for the empty line.
    fn check_fold(&self, bytes: &[u8], end: usize) -> Result<(), FramingError> {
        let is_blank = self.text_start != self.line_start && trim_bytes(&bytes[self.text_start..end]).is_empty();
        match self.start_line_end.is_none() || is_blank {
            true => Err(FramingError::Fold),
            false => Ok(()),
        }
    }

    // Inlined, for a structure passed in memory costs as much here as the search for the line's end.
    #[inline(always)]
    fn read_header(&mut self, bytes: &[u8], end: usize) -> Result<HeaderLine, FramingError> {
        if self.headers >= self.limits.headers_max {
            return Err(FramingError::TooManyHeaders);
        }
        self.headers += 1;
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
        let start_line_end = self.start_line_end.ok_or(FramingError::NoSip)?;
        match length > HEADER_BYTES_MAX || whole > self.limits.bytes_max {
            true => Err(FramingError::MessageTooLong),
            false => Ok(Head { start_line_end, length, content_length: self.content_length }),
        }
    }
}

/// Whether the first line names SIP, of whatever version, where a response or a request does: another protocol ends with it.
/// What else is wrong with the line moves no border.
fn is_sip(line: &[u8]) -> bool {
    let last = trim_bytes(line).rsplit(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    is_version_prefix(line) || is_version_prefix(last)
}

/// The first CR or LF, or NUL that is no quoted pair.
#[inline(always)]
fn find_break(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let found = from + memchr::memchr3(b'\r', b'\n', 0, &bytes[from..])?;
        if bytes[found] != 0 || !bytes[..found].ends_with(b"\\") {
            return Some(found);
        }
        from = found + 1;
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
#[inline(always)]
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

#[inline(always)]
fn is_content_length(name: &[u8]) -> bool {
    match name.len() {
        1 => name[0] | 0x20 == b'l',
        14 => name.eq_ignore_ascii_case(b"Content-Length"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "OPTIONS sip:a SIP/2.0\r\nSubject: x\r\n y\r\nContent-Length: 2\r\n\r\nhi";

    fn cut_all(framer: &mut Framer, bytes: &[u8]) -> Result<Vec<Frame>, FramingError> {
        let mut buffer = BytesMut::from(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = framer.cut(&mut buffer)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn refused(text: &str) -> FramingError {
        let on_stream = cut_all(&mut Framer::default(), text.as_bytes()).expect_err(text);
        let in_datagram = check_datagram(Bytes::copy_from_slice(text.as_bytes())).expect_err(text);
        assert_eq!(on_stream, in_datagram, "{text}");
        on_stream
    }

    fn with_header(header: &str) -> String {
        format!("OPTIONS sip:a SIP/2.0\r\n{header}\r\nCall-ID: 1\r\nContent-Length: 2\r\n\r\nhi")
    }

    #[test]
    fn messages_and_keep_alives_are_cut() {
        let text = format!("\r\n\r\n{MESSAGE}\r\n{MESSAGE}{MESSAGE}\r\n\r\n");
        let message = || Frame::Message(Bytes::from_static(MESSAGE.as_bytes()));
        let expected = [Frame::Ping, message(), Frame::Pong, message(), message(), Frame::Ping];
        assert_eq!(cut_all(&mut Framer::default(), text.as_bytes()), Ok(expected.to_vec()));
    }

    /// Sofia-sip and others hold a message with one for unended: what follows would be part of it for them, not for us.
    #[test]
    fn a_nul_is_text_behind_a_backslash_only() {
        for value in ["a\0b", "\0", "\"a\0b\"", "a\0\\"] {
            assert_eq!(refused(&with_header(&format!("Subject: {value}"))), FramingError::Nul, "{value:?}");
        }
        assert_eq!(refused(&with_header("Via: SIP/2.0/TCP a;branch=z9\0hG4bK1")), FramingError::Nul);
        let escaped = with_header("Subject: \"a\\\0b\"");
        assert_eq!(cut_all(&mut Framer::default(), escaped.as_bytes()).map(|frames| frames.len()), Ok(1));
    }

    #[test]
    fn byte_by_byte_is_the_same() {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in format!("\r\n\r\n{MESSAGE}{MESSAGE}").bytes() {
            buffer.extend_from_slice(&[byte]);
            frames.extend(framer.cut(&mut buffer).expect("well-formed"));
        }
        let message = || Frame::Message(Bytes::from_static(MESSAGE.as_bytes()));
        assert_eq!(frames, [Frame::Pong, Frame::Ping, message(), message()]);
        assert!(!framer.is_inside_message(&buffer));
    }

    #[test]
    fn a_long_line_is_not_scanned_again() {
        let mut scanner = HeaderScanner::new(MessageLimits::DEFAULT);
        let line = [b"OPTIONS sip:a SIP/2.0\r\nSubject: ".as_slice(), &[b'x'; 4000]].concat();
        for length in 1..line.len() {
            assert_eq!(scanner.advance(&line[..length], |_| Ok::<(), FramingError>(())), Ok(None));
            assert!(length - scanner.scanned <= 2, "{length} {}", scanner.scanned);
        }
    }

    #[test]
    fn what_could_be_read_differently_is_refused() {
        use FramingError::*;
        for (header, error) in [
            ("Content-Length: 2", ContentLengthTwice),
            ("l: 1", ContentLengthTwice),
            ("L : 2", ContentLengthTwice),
            ("Subject: x\nContent-Length: 1", BareLineFeed),
            ("Subject: x\rContent-Length: 1", BareCarriageReturn),
            ("Subject: x\r", BareCarriageReturn),
            ("no colon", NoColon),
            ("Sub ject: x", HeaderName),
            ("Sub\0ject: x", Nul),
            (": x", HeaderName),
            ("Subject x: y", HeaderName),
            (" Subject: x", Fold),
            ("Subject: x\r\n ", Fold),
            ("Subject: x\r\n \t\r\n y", Fold),
            ("Subject:\r\n ", Fold),
        ] {
            assert_eq!(refused(&with_header(header)), error, "{header:?}");
        }
        for (length, error) in [
            ("-1", ContentLengthMalformed),
            ("+2", ContentLengthMalformed),
            ("abc", ContentLengthMalformed),
            ("", ContentLengthMalformed),
            ("2, 2", ContentLengthMalformed),
            ("2 2", ContentLengthMalformed),
            ("0x2", ContentLengthMalformed),
            ("99999999999999999999", ContentLengthMalformed),
            ("4294967297", BodyTooLong),
            ("65536", BodyTooLong),
            ("65535", MessageTooLong),
        ] {
            let text = format!("OPTIONS sip:a SIP/2.0\r\nContent-Length: {length}\r\n\r\nhi");
            assert_eq!(refused(&text), error, "{length:?}");
        }
    }

    #[test]
    fn foreign_protocols_end_with_their_first_line() {
        for line in ["GET / HTTP/1.1", "OPTIONS sip:a", "OPTIONS sip:a\u{a0}SIP/2.0", "SIP", "x"] {
            assert_eq!(refused(&format!("{line}\r\nHost: a\r\n\r\n")), FramingError::NoSip, "{line}");
        }
    }

    #[test]
    fn a_malformed_first_line_moves_no_border() {
        for line in [
            "A  sip:a SIP/2.0",
            "A sip:b\u{e4}r SIP/2.0",
            "A sip:a SIP/2.0 \t",
            "A sip:a SIP/7.0",
            "A SIP/2.0",
            "SIP/2.0 200",
            "SIP/2.0 700 x",
        ] {
            let text = format!("{line}\r\nContent-Length: 2\r\n\r\nhi");
            let message = Bytes::from(text.clone());
            let framed = cut_all(&mut Framer::default(), text.repeat(2).as_bytes());
            assert_eq!(framed, Ok(vec![Frame::Message(message.clone()); 2]), "{line}");
            assert_eq!(check_datagram(message.clone()), Ok(message), "{line}");
        }
    }

    #[test]
    fn streams_need_a_length_and_datagrams_their_bytes() {
        let silent = "OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n";
        assert_eq!(cut_all(&mut Framer::default(), silent.as_bytes()), Err(FramingError::ContentLengthMissing));
        let with_body = Bytes::from(format!("{silent}rest"));
        assert_eq!(check_datagram(with_body.clone()), Ok(with_body));

        let datagram =
            |length: usize| check_datagram(Bytes::from(format!("\r\n\r\nA sip:a SIP/2.0\r\nl: {length}\r\n\r\nhi")));
        assert_eq!(datagram(1), Ok(Bytes::from_static(b"A sip:a SIP/2.0\r\nl: 1\r\n\r\nh")));
        assert_eq!(datagram(3), Err(FramingError::Truncated));
        assert_eq!(check_datagram(Bytes::from_static(b"\r\n\r\n")), Err(FramingError::Empty));
        assert_eq!(check_datagram(Bytes::from_static(b"A sip:a SIP/2.0\r\nl: 0\r\n")), Err(FramingError::Unterminated));
    }

    #[test]
    fn limits_are_met_before_the_header_block_ends() {
        let start = |rest: &str| format!("OPTIONS sip:a SIP/2.0\r\n{rest}");
        let cut = |text: String| cut_all(&mut Framer::default(), text.as_bytes());
        assert_eq!(cut("O".repeat(8_193)), Err(FramingError::LineTooLong));
        assert_eq!(cut(start(&format!("A: {}", "x".repeat(8_200)))), Err(FramingError::LineTooLong));
        let folds = "x\r\n ".repeat(3_000);
        assert_eq!(cut(start(&format!("A: {folds}"))), Err(FramingError::LineTooLong));
        assert_eq!(cut(start(&"A: b\r\n".repeat(130))), Err(FramingError::TooManyHeaders));
        let long = format!("A: {}\r\n", "x".repeat(8_000)).repeat(9);
        assert_eq!(cut(start(&long)), Err(FramingError::MessageTooLong));
    }
}
