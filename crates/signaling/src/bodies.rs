//! Bodies that cross the border: of a type and a size that pass, and such as we can read into. What is compressed or coded
//! hides from the policies what it offers.

use documents::multipart::Part;
use federation::admission::{Admitted, Origin};
use federation::bodies::BodyTypes;
use federation::flow::Direction;
use sip::refusal::Word;
use sip::{Edits, HeaderName, Message, Method, Refusal};

use crate::core::Core;
use crate::route::Destination;

impl Core {
    /// Whether the body of a request that was admitted may go where it is to go. An ACK is never refused, and offers nothing.
    ///
    /// # Errors
    /// 400 `malformed-request`, 413 `message-too-large`, 415 `media-type-unsupported`.
    pub(crate) fn check_body(&self, message: &Message, admitted: &Admitted, to: &Destination) -> Result<(), Refusal> {
        if message.body().is_empty() || message.method() == Some(Method::Ack) {
            return Ok(());
        }
        let direction = match (admitted.origin(), to) {
            (Origin::Partner { domain, .. }, _) if !self.organisation.is_local(domain) => Direction::Inbound,
            (_, Destination::Partner { domain, .. }) if !self.organisation.is_local(domain) => Direction::Outbound,
            _ => return Ok(()),
        };
        check(message, direction, self.partners.body_types())
    }

    /// A response that crosses the border, without a body that may not; `None`: it may pass as it is.
    pub(crate) fn without_unfit_body(&self, response: &Message, direction: Direction) -> Option<Message> {
        if response.body().is_empty() {
            return None;
        }
        let refusal = check(response, direction, self.partners.body_types()).err()?;
        tracing::debug!(reason = refusal.reason, "the body of a response was left out");
        let mut edits = Edits::new();
        edits.remove_body();
        edits.remove(HeaderName::ContentEncoding);
        Message::parse(edits.apply(response)).ok()
    }
}

/// A body that is not empty, of a message that crosses the border this way.
fn check(message: &Message, direction: Direction, types: &BodyTypes) -> Result<(), Refusal> {
    let content_type = message.header_text(HeaderName::ContentType).unwrap_or_default();
    if content_type.is_empty() {
        return Err(malformed("a body without a Content-Type"));
    }
    let bytes = message.body().len();
    if message.method() == Some(Method::Message) && bytes > TEXT_BYTES_MAX {
        return Err(too_large(format!("{bytes} bytes of message; at most {TEXT_BYTES_MAX}")));
    }
    let codings = message.elements(HeaderName::ContentEncoding);
    if let Some(coding) = codings.into_iter().find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let coding = String::from_utf8_lossy(coding);
        let refusal = unsupported(format!("a body that is coded ({coding}): what is within cannot be read"));
        return Err(refusal.with_header(HeaderName::AcceptEncoding, "identity".to_owned()));
    }
    let mut budget = PARTS_MAX;
    check_part(content_type, message.body(), (direction, types), (&mut budget, 0))
}

/// A body, or a part of one within so many others.
fn check_part(
    content_type: &str,
    body: &[u8],
    (direction, types): (Direction, &BodyTypes),
    (budget, depth): (&mut usize, usize),
) -> Result<(), Refusal> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let parts = Part::read_all(content_type, body).map_err(|error| malformed(&format!("a body of parts: {error}")))?;
    let Some(parts) = parts else {
        if let Some(why) = types.refuse(&media_type, direction) {
            let refusal = unsupported(format!("a body of type {media_type}: {why}"));
            return Err(refusal.with_header(HeaderName::Accept, types.accept()));
        }
        return if media_type == "application/sdp" { check_description(body) } else { Ok(()) };
    };
    if depth == DEPTH_MAX {
        return Err(too_large(format!("parts within parts; at most {DEPTH_MAX} deep")));
    }
    for part in &parts {
        *budget = budget.checked_sub(1).ok_or_else(|| too_large(format!("more than {PARTS_MAX} parts")))?;
        let coding = part.header("Content-Transfer-Encoding").unwrap_or_default().trim().to_ascii_lowercase();
        if !["", "7bit", "8bit", "binary"].contains(&&*coding) {
            return Err(unsupported(format!("a part that is coded ({coding}): what is within cannot be read")));
        }
        let content_type = part.header("Content-Type").unwrap_or("text/plain");
        check_part(content_type, part.body, (direction, types), (budget, depth + 1))?;
    }
    Ok(())
}

fn check_description(body: &[u8]) -> Result<(), Refusal> {
    let streams = body.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| line.starts_with(b"m=")).count();
    if body.len() > DESCRIPTION_BYTES_MAX {
        return Err(too_large(format!("{} bytes of session description; at most {DESCRIPTION_BYTES_MAX}", body.len())));
    }
    if streams > STREAMS_MAX {
        return Err(too_large(format!("a session description of {streams} streams; at most {STREAMS_MAX}")));
    }
    Ok(())
}

fn malformed(reason: &str) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, reason)
}

fn too_large(reason: String) -> Refusal {
    Refusal::new(413, Word::MessageTooLarge, reason)
}

fn unsupported(reason: String) -> Refusal {
    Refusal::new(415, Word::MediaTypeUnsupported, reason)
}

/// Of a MESSAGE.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// An offer of a browser with sound, pictures and every codec has some 8 KiB.
const DESCRIPTION_BYTES_MAX: usize = 32 * 1024;
/// A stream each for whoever is seen in a large meeting.
const STREAMS_MAX: usize = 64;
/// Of one body, at whatever depth.
const PARTS_MAX: usize = 16;
/// RFC 5621 section 3: alternatives within what is mixed, and one more.
const DEPTH_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &str, body: &str, types: &BodyTypes) -> Result<(), (u16, String)> {
        let method = if headers.contains("text/") { "MESSAGE" } else { "INVITE" };
        let text = format!(
            "{method} sip:alice@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n\
             From: <sip:bob@fabrikam.example>;tag=1\r\nTo: <sip:alice@contoso.example>\r\nCall-ID: a\r\n\
             CSeq: 1 {method}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let message = Message::parse(text.into()).expect("is well formed");
        check(&message, Direction::Inbound, types).map_err(|refusal| (refusal.status, refusal.reason))
    }

    fn refused(headers: &str, body: &str) -> Option<u16> {
        judged(headers, body, &BodyTypes::default()).err().map(|(status, _)| status)
    }

    /// A body of parts, each with its headers, and the boundary `x`.
    fn parts(parts: &[(&str, &str)]) -> String {
        let parts: String = parts.iter().map(|(headers, body)| format!("--x\r\n{headers}\r\n{body}\r\n")).collect();
        parts + "--x--\r\n"
    }

    const MIXED: &str = "Content-Type: multipart/mixed;boundary=x\r\n";
    const SDP: &str = "Content-Type: application/sdp\r\n";

    #[test]
    fn what_phones_say_passes() {
        for (headers, body) in [
            ("Content-Type: text/plain;charset=utf-8\r\n", "Hello".to_owned()),
            ("c: application/SDP\r\ne: Identity\r\n", "v=0\r\nm=audio 4000 RTP/AVP 0\r\n".to_owned()),
            (
                MIXED,
                parts(&[(SDP, "v=0\r\n"), ("Content-Type: image/png\r\nContent-Transfer-Encoding: Binary\r\n", "x")]),
            ),
        ] {
            assert_eq!(judged(headers, &body, &BodyTypes::default()), Ok(()), "{headers}");
        }
    }

    #[test]
    fn what_cannot_be_read_into_is_refused() {
        for coding in ["gzip", "identity, gzip", "identity\r\nContent-Encoding: deflate"] {
            let headers = format!("{SDP}Content-Encoding: {coding}\r\n");
            assert_eq!(refused(&headers, "v=0\r\n"), Some(415), "{coding}");
        }
        let coded = format!("{SDP}Content-Transfer-Encoding: BASE64\r\n");
        assert_eq!(refused(MIXED, &parts(&[(&coded, "dj0wDQo=")])), Some(415));
        assert_eq!(refused(MIXED, "--x\r\nno parts"), Some(400));
        assert_eq!(refused("", "Hello"), Some(400));
    }

    #[test]
    fn a_part_is_judged_as_a_body_is() {
        let signalling = ("Content-Type: application/ISUP;version=itu\r\n", "x");
        assert_eq!(refused("Content-Type: application/isup\r\n", "x"), Some(415));
        assert_eq!(refused(MIXED, &parts(&[(SDP, "v=0\r\n"), signalling])), Some(415));
        let text = BodyTypes::new(vec!["application/sdp".parse().expect("is a range")]);
        assert_eq!(judged(MIXED, &parts(&[(SDP, "v=0\r\n")]), &text), Ok(()));
        let (status, reason) = judged(MIXED, &parts(&[("", "Hello")]), &text).expect_err("it is text");
        assert_eq!(
            (status, &*reason),
            (415, "a body of type text/plain: it is not among the body_types of [federation]")
        );
    }

    #[test]
    fn sizes_have_their_limits() {
        let (text, sdp) = ("Content-Type: text/plain\r\n", SDP);
        assert_eq!(refused(text, &"x".repeat(TEXT_BYTES_MAX)), None);
        assert_eq!(refused(text, &"x".repeat(TEXT_BYTES_MAX + 1)), Some(413));
        assert_eq!(refused(sdp, &"a".repeat(DESCRIPTION_BYTES_MAX)), None);
        assert_eq!(refused(sdp, &"a".repeat(DESCRIPTION_BYTES_MAX + 1)), Some(413));
        assert_eq!(refused(sdp, &"m=audio 1 RTP/AVP 0\n".repeat(STREAMS_MAX)), None);
        assert_eq!(refused(sdp, &"m=audio 1 RTP/AVP 0\n".repeat(STREAMS_MAX + 1)), Some(413));
    }

    #[test]
    fn parts_are_few_and_not_deep() {
        let within = |body: &str| parts(&[("Content-Type: multipart/mixed;boundary=x\r\n", body)]);
        let nested = |depth: usize| {
            (0..depth).fold(("Content-Type: text/plain\r\n".to_owned(), "x".to_owned()), |(headers, body), level| {
                let body = format!("--b{level}\r\n{headers}\r\n{body}\r\n--b{level}--\r\n");
                (format!("Content-Type: multipart/mixed;boundary=b{level}\r\n"), body)
            })
        };
        for (depth, expected) in [(1, None), (DEPTH_MAX, None), (DEPTH_MAX + 1, Some(413))] {
            let (headers, body) = nested(depth);
            assert_eq!(refused(&headers, &body), expected, "{depth} deep");
        }
        let eight = parts(&[("Content-Type: text/plain\r\n", "x"); 8]);
        assert_eq!(refused(MIXED, &eight), None);
        assert!(refused(MIXED, &within(&eight)).is_some(), "one boundary within itself");
        let few = |count: usize| {
            let inner = parts(&[("Content-Type: text/plain\r\n", "x"); 7]).replace("--x", "--y");
            let inner = ("Content-Type: multipart/mixed;boundary=y\r\n", &*inner);
            refused(MIXED, &parts(&vec![inner; count]))
        };
        assert_eq!((few(2), few(3)), (None, Some(413)));
    }
}
