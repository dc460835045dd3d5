//! The answer to a request that cannot be read (RFC 3261 8.2.6, 18.3): 400, or 505 where it is of another version of SIP
//! (21.5.6). On a stream its borders have to be sound; a datagram has its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use federation::decision::{DecisionRecord, Outcome};
use sip::refusal::Word;
use sip::{FlowId, HeaderName, Message, MessageLimits, Method, ParseError, Refusal, build};

use crate::core::Core;
use crate::decisions::cut_word;

impl Core {
    /// The answer to a message that cannot be read, and whose borders are sound; `None`: it gets none.
    pub fn refuse_unreadable(
        &mut self,
        now: Instant,
        flow: FlowId,
        (bytes, error): (&[u8], &ParseError),
        limits: MessageLimits,
    ) -> Option<Bytes> {
        let Refused { status, essence, response } = refuse(bytes, limits, &self.organisation.edge)?;
        if let FlowId::Datagram { remote, .. } = flow {
            let may = fits_datagram(&response, bytes)
                && self.may_answer_datagram(now, remote.ip(), bytes.len(), response.len());
            may.then_some(())?;
        }
        let refusal = Refusal::new(status, Word::MalformedRequest, error.to_string());
        let record = self.record_of(&essence, 0, Outcome::from(&refusal));
        let of = |name| essence.header(name).map(domain_in).unwrap_or_default();
        let (from_domain, to_domain) = (of(HeaderName::From), of(HeaderName::To));
        let direction = self.direction(&from_domain);
        self.remember_turned_away(now, flow, DecisionRecord { from_domain, to_domain, direction, ..record });
        Some(response)
    }
}

/// What is answered, and to what.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The lines that a response repeats, as a request.
    pub essence: Message,
    pub response: Bytes,
}

/// Nothing of the message is trusted: its method and what a response repeats are taken over line by line, the first of what
/// is there twice, and make a message again, which must be readable by itself. `None`: it is not, or the message is one that
/// nobody may answer.
pub fn refuse(bytes: &[u8], limits: MessageLimits, edge: &str) -> Option<Refused> {
    let (status, essence) = essence(bytes)?;
    let essence = Message::parse_within(essence, limits).ok()?;
    if essence.method()? == Method::Ack || !is_answerable(&essence) {
        return None;
    }
    // The same for the same request (RFC 3261 8.2.7).
    let mut hasher = DefaultHasher::new();
    essence.as_bytes().hash(&mut hasher);
    let tag = format!("{:016x}", hasher.finish());
    let response = build::response(&essence, status, None, Some(&tag))
        .header(HeaderName::Warning, format_args!("399 {edge} \"{}\"", Word::MalformedRequest))
        .build();
    (response.len() <= limits.bytes_max).then_some(Refused { status, essence, response })
}

/// Whether its sender will know what is answered: by the branch and the method, or by Call-ID and CSeq. Via, From and To are
/// the sender's own to read, and come back as they were; the response goes to where the request came from.
fn is_answerable(request: &Message) -> bool {
    let is_of_method = |cseq: sip::CSeq| Some(cseq.method) == request.method();
    [HeaderName::Via, HeaderName::From, HeaderName::To].iter().all(|name| request.header(*name).is_some())
        && request.call_id().is_ok()
        && request.cseq().is_ok_and(is_of_method)
}

/// Whoever else gets the response to a datagram is to get little more than was sent in his name.
pub fn fits_datagram(response: &[u8], received: &[u8]) -> bool {
    response.len() <= received.len() + SURPLUS_BYTES_MAX
}

/// A message of the method and the headers that a response repeats, and the status of that response.
fn essence(bytes: &[u8]) -> Option<(u16, Bytes)> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let (status, mut essence) = start_line(lines.next()?)?;
    // Never more than what is repeated: whoever sends nonsense chooses how many lines there are of it.
    let mut seen = Vec::with_capacity(REPEATED.len());
    let mut is_repeated = false;
    for line in lines.take_while(|line| *line != b"\r\n") {
        // A continuation belongs to the line before it (RFC 3261 7.3.1).
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let name = name(line);
            let is_new = REPEATED.contains(&name) && !seen.contains(&name);
            seen.extend(is_new.then_some(name));
            is_repeated = is_new || name == HeaderName::Via;
        }
        if is_repeated {
            essence.put_slice(line);
        }
    }
    essence.put_slice(b"Content-Length: 0\r\n\r\n");
    Some((status, essence.freeze()))
}

/// A request line with this method, as if the rest of it were well-formed and of our version. A response has its version in
/// front, and gets no answer; nor does what is no SIP.
fn start_line(line: &[u8]) -> Option<(u16, BytesMut)> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.trim_ascii();
    let (method, rest) = line.split_at(line.iter().position(is_space)?);
    let version = rest.rsplit(is_space).next().unwrap_or_default();
    if Method::parse(method).is_err() || version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    let status = if version[4..] == *b"2.0" { 400 } else { 505 };
    Some((status, BytesMut::from([method, b" sip:unreadable.invalid SIP/2.0\r\n"].concat().as_slice())))
}

fn name(line: &[u8]) -> HeaderName {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    HeaderName::parse(name.trim_ascii_end())
}

/// What stands behind the last @, as far as a host may go: the address itself may be what cannot be read.
fn domain_in(value: &[u8]) -> String {
    let behind = value.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let is_of_host = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let host: String = behind.iter().take_while(is_of_host).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    cut_word(&host)
}

/// RFC 3261 8.2.6.2.
const REPEATED: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];

/// Our tag, Content-Length and the word.
const SURPLUS_BYTES_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(headers: &str) -> Option<String> {
        let text = format!("{headers}\nContent-Length: 0\n\n").replace('\n', "\r\n");
        let bytes = Bytes::from(text);
        assert!(Message::parse(bytes.clone()).is_err(), "{headers}");
        let response = refuse(&bytes, MessageLimits::default(), "sip.contoso.example")?.response;
        assert!(Message::parse(response.clone()).is_ok(), "{response:?}");
        Some(String::from_utf8(response.to_vec()).expect("ASCII"))
    }

    const REQUEST: &str = "MESSAGE sip:bob@fabrikam.example SIP/2.0
v: SIP/2.0/TLS a.example;branch=z9hG4bK1,
 SIP/2.0/TLS b.example;branch=z9hG4bK2
Via : SIP/2.0/TLS c.example;branch=z9hG4bK3
From: <sip:alice@contoso.example>;tag=1
To: <sip:bob@fabrikam.example>;tag=2
i: unreadable
CSeq: 1 MESSAGE
Event: one
 and more of it";

    #[test]
    fn what_a_response_repeats_is_taken_over_and_nothing_else() {
        let response = answered(&format!("{REQUEST}\no: two")).expect("an answer");
        let expected = "SIP/2.0 400 Bad Request
Via: SIP/2.0/TLS a.example;branch=z9hG4bK1, SIP/2.0/TLS b.example;branch=z9hG4bK2
Via: SIP/2.0/TLS c.example;branch=z9hG4bK3
From: <sip:alice@contoso.example>;tag=1
To: <sip:bob@fabrikam.example>;tag=2
Call-ID: unreadable
CSeq: 1 MESSAGE
Warning: 399 sip.contoso.example \"malformed-request\"
Content-Length: 0

";
        assert_eq!(response.replace("\r\n", "\n").replace(",  ", ", "), expected);
    }

    #[test]
    fn another_version_is_named_as_what_is_wrong() {
        for version in ["SIP/3.0", "SIP/1.0", "sip/2.1"] {
            let response = answered(&REQUEST.replacen("SIP/2.0", version, 1)).expect("an answer");
            assert!(response.starts_with("SIP/2.0 505 Version Not Supported\r\nVia:"), "{response}");
        }
        assert_eq!(answered(&REQUEST.replacen("SIP/2.0", "HTTP/1.1", 1)), None);
    }

    #[test]
    fn a_datagram_is_not_answered_with_much_more_than_it_was() {
        let long = format!("{REQUEST}\no: two\nContent-Length: 0\n\n").replace('\n', "\r\n");
        let fits = |text: &str| {
            let refused = refuse(text.as_bytes(), MessageLimits::default(), "sip.contoso.example");
            fits_datagram(&refused.expect("an answer").response, text.as_bytes())
        };
        assert!(fits(&long));
        let many = "v: SIP/2.0/UDP a.example\r\n".repeat(120);
        let short = long.replacen("v: ", &format!("{many}v: "), 1);
        assert!(!fits(&short), "each v is a Via in the answer");
    }

    #[test]
    fn of_what_is_there_twice_the_first_is_repeated() {
        let expected = answered(&format!("{REQUEST}\no: two"));
        for second in ["From: <sip:b@c>;tag=2", "t: <sip:b@c>", "Call-ID: 2", "CSeq: 2 MESSAGE", "CSeq: 2 INVITE"] {
            assert_eq!(answered(&format!("{REQUEST}\n{second}")), expected, "{second}");
        }
    }

    #[test]
    fn a_broken_request_line_has_its_method_still() {
        let expected = answered(&format!("{REQUEST}\no: two"));
        for line in [
            "MESSAGE sip:bob@fabrikam.example; lr SIP/2.0",
            "MESSAGE  sip:bob@fabrikam.example  SIP/2.0",
            "MESSAGE sip:bob@fabrikam.example SIP/2.0  ",
            "MESSAGE sip:b\u{f6}b@fabrikam.example SIP/2.0",
            "MESSAGE SIP/2.0",
            " MESSAGE sip:bob@fabrikam.example SIP/2.0",
            "MESSAGE\tsip:bob@fabrikam.example SIP/2.0",
            "MESSAGE\tsip:bob@fabrikam.example\tSIP/2.0",
        ] {
            let broken = REQUEST.replacen("MESSAGE sip:bob@fabrikam.example SIP/2.0", line, 1);
            assert_eq!(answered(&broken), expected, "{line}");
        }
        let foreign = REQUEST.replacen("MESSAGE sip:bob@fabrikam.example SIP/2.0", "MESSAGE  / HTTP/1.1", 1);
        assert_eq!(answered(&foreign), None);
    }

    /// A phone that dials a name with letters beyond ASCII writes it into the Request-URI and into To alike.
    #[test]
    fn to_and_from_are_repeated_whether_they_can_be_read_or_not() {
        let to = "To: <sip:b\u{f6}b@fabrikam.example>";
        let response = answered(&format!("{REQUEST}\no: two").replace("To: <sip:bob@fabrikam.example>;tag=2", to));
        assert!(response.is_some_and(|response| response.contains(&format!("\r\n{to}\r\n"))));
        let response = answered(&format!("{REQUEST}\no: two").replace("<sip:alice@contoso.example>;tag=1", "<"));
        assert!(response.is_some_and(|response| response.contains("\r\nFrom: <\r\n")));
    }

    #[test]
    fn vias_are_repeated_whether_they_can_be_read_or_not() {
        for via in ["SIP/7.0/TLS a.example", "nonsense", "SIP/2.0/TLS a.example;;,;"] {
            let response = answered(&format!("{REQUEST}\no: two").replacen("SIP/2.0/TLS a.example", via, 1));
            assert!(
                response.is_some_and(|response| response.contains(&format!("Via: {via};branch=z9hG4bK1,"))),
                "{via}"
            );
        }
        let without = REQUEST.replace("v:", "X:").replace("Via :", "X:");
        assert_eq!(answered(&format!("{without}\no: two")), None);
    }

    #[test]
    fn what_its_sender_would_not_know_is_dropped() {
        let twice = format!("{REQUEST}\no: two");
        for (part, other) in [
            ("i: unreadable\n", ""),
            ("1 MESSAGE", "1 INVITE"),
            ("From:", "X:"),
            ("MESSAGE sip:bob@fabrikam.example SIP/2.0", "SIP/2.0 200 OK"),
        ] {
            assert_eq!(answered(&twice.replacen(part, other, 1)), None, "{other}");
        }
        assert_eq!(answered(&twice.replace("MESSAGE", "ACK")), None);
    }
}
