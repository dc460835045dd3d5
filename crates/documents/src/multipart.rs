//! Bodies of several parts (RFC 2046 section 5.1), such as an INVITE with an offer and a list of those to invite.
//!
//! A part that has parts itself is given as it is.

use std::fmt::Write;

use crate::DocumentError;
use crate::bounds::push_bounded;

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Names as written, values without blanks around them and with blanks for tabs, folded lines put together.
    pub headers: Vec<(String, String)>,
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// The parts of a body whose Content-Type is this; `None`: it has no parts.
    ///
    /// # Errors
    /// `Missing` and `Malformed` for the boundary, what is between boundaries, and the end; `TooMany` beyond
    /// [`PARTS_MAX`] and [`HEADERS_MAX`].
    pub fn read_all(content_type: &str, body: &'a [u8]) -> Result<Option<Vec<Part<'a>>>, DocumentError> {
        let main_type = content_type.split('/').next().unwrap_or_default().trim();
        if !main_type.eq_ignore_ascii_case("multipart") {
            return Ok(None);
        }
        let boundary = boundary(content_type)?;
        let mut parts = Vec::new();
        // What is before the first boundary is for no one (RFC 2046 section 5.1.1).
        let (_, mut rest) = cut(body, &boundary, true)?;
        while let Rest::Part(bytes) = rest {
            let (part, next) = cut(bytes, &boundary, false)?;
            push_bounded(&mut parts, Part::read(part)?, "parts", PARTS_MAX)?;
            rest = next;
        }
        Ok(Some(parts))
    }

    /// The value of the first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.as_str())
    }

    /// Without parameters, in lower case; `text/plain` where it is not said (RFC 2045 section 5.2).
    pub fn media_type(&self) -> String {
        self.header("Content-Type").map_or_else(|| "text/plain".to_owned(), first_word)
    }

    /// Without parameters, in lower case.
    pub fn disposition(&self) -> Option<String> {
        self.header("Content-Disposition").map(first_word)
    }

    /// Headers, and after an empty line the body.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Part<'a>, DocumentError> {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut rest = bytes;
        loop {
            let Some(end) = find(rest, b"\r\n") else {
                // Headers alone: their last line ends with the boundary.
                read_line(&mut headers, rest)?;
                return Ok(Part { headers, body: &[] });
            };
            let (line, after) = (&rest[..end], &rest[end + 2..]);
            if line.is_empty() {
                return Ok(Part { headers, body: after });
            }
            read_line(&mut headers, line)?;
            rest = after;
        }
    }
}

/// A body of these parts, each with its headers.
///
/// The boundary is to be unique: whatever a part holds, it must not hold it. Returns the Content-Type, and the body.
pub fn print(subtype: &str, boundary: &str, parts: &[Part<'_>]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for part in parts {
        let mut head = format!("--{boundary}\r\n");
        for (name, value) in &part.headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes all that is written");
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/{subtype};boundary=\"{boundary}\""), body)
}

/// What comes after a boundary.
enum Rest<'a> {
    Part(&'a [u8]),
    End,
}

/// What is before the next boundary, and what is after it. The line end before a boundary belongs to the boundary.
fn cut<'a>(bytes: &'a [u8], boundary: &str, is_start: bool) -> Result<(&'a [u8], Rest<'a>), DocumentError> {
    let delimiter = format!("--{boundary}");
    let mut from = 0;
    while let Some(found) = find(&bytes[from..], delimiter.as_bytes()) {
        let at = from + found;
        let after = &bytes[at + delimiter.len()..];
        let before = match bytes[..at].strip_suffix(b"\r\n") {
            Some(before) => Some(before),
            // A part may be empty but for the line end of the boundary before it.
            None if at == 0 => Some(&bytes[..0]),
            None => None,
        };
        if let (Some(before), Some(rest)) = (before, after_delimiter(after)) {
            return Ok((before, rest));
        }
        from = at + delimiter.len();
    }
    let what = if is_start { "multipart body: it has no boundary" } else { "multipart body: it has no end" };
    Err(DocumentError::Malformed(what))
}

/// `None`: the line goes on, so it is no boundary.
fn after_delimiter(after: &[u8]) -> Option<Rest<'_>> {
    if after.starts_with(b"--") {
        return Some(Rest::End);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = after.iter().position(|byte| !is_blank(byte))?;
    after[end..].strip_prefix(b"\r\n").map(Rest::Part)
}

fn read_line(headers: &mut Vec<(String, String)>, line: &[u8]) -> Result<(), DocumentError> {
    let malformed = DocumentError::Malformed("header of a part");
    if line.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(line).map_err(|_| DocumentError::NotUtf8)?;
    if text.contains(|letter: char| letter.is_control() && letter != '\t') {
        return Err(malformed);
    }
    if text.starts_with([' ', '\t']) {
        let (_, value) = headers.last_mut().ok_or(malformed)?;
        // As read anew: no blank at either end.
        let more = text.trim().replace('\t', " ");
        if !value.is_empty() && !more.is_empty() {
            value.push(' ');
        }
        value.push_str(&more);
        return Ok(());
    }
    let (name, value) = text.split_once(':').ok_or(malformed)?;
    push_bounded(
        headers,
        (name.trim_end().to_owned(), value.trim().replace('\t', " ")),
        "headers of a part",
        HEADERS_MAX,
    )
}

/// The parameter of the Content-Type (RFC 2046 section 5.1.1).
fn boundary(content_type: &str) -> Result<String, DocumentError> {
    let mut rest = content_type;
    while let Some((_, parameters)) = rest.split_once(';') {
        let (name, value) = parameters.split_once('=').ok_or(DocumentError::Missing("boundary"))?;
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(DocumentError::Malformed("boundary"))?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return check_boundary(value.trim_start());
        }
        rest = after;
    }
    Err(DocumentError::Missing("boundary"))
}

fn check_boundary(text: &str) -> Result<String, DocumentError> {
    let text = text.trim_end();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    match (1..=BOUNDARY_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err(DocumentError::Malformed("boundary")),
    }
}

fn first_word(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

pub const PARTS_MAX: usize = 8;
/// Of one part.
pub const HEADERS_MAX: usize = 16;
const BOUNDARY_CHARS_MAX: usize = 70;

#[cfg(test)]
mod tests;
