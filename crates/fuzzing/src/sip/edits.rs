//! Edits: what was not edited comes out byte for byte inside, and with its value at the border; what is printed parses to the
//! same meaning, and is framed as one message.

use bytes::BytesMut;
use sip::{Edits, Frame, Framer, HeaderName, Message};

use crate::choices::Choices;

/// The first ten bytes choose up to three edits of the message that the rest is.
pub fn check(bytes: &[u8]) {
    let (chosen, rest) = bytes.split_at(bytes.len().min(10));
    let Some(message) = super::read(rest) else { return };
    let mut plan = Plan::default();
    let mut choices = Choices::new(chosen);
    for _ in 0..choices.below(4) {
        plan.add(&mut choices);
    }
    let (Some(inside), Some(border)) = (printed(&plan, &message, false), printed(&plan, &message, true)) else {
        return;
    };
    assert_eq!(untouched(&inside, &plan), untouched(&message, &plan), "not byte for byte");
    for after in [&inside, &border] {
        check_same(after, &message, &plan);
    }
    let again = Edits::new().apply_at_border(&border);
    assert_eq!(again, border.as_bytes(), "the border changes what it has made");
    if message.header(HeaderName::ContentLength).is_some() {
        assert_eq!(Edits::new().apply(&message), message.as_bytes());
    }
}

/// Edits, and what is known of their outcome.
#[derive(Default)]
struct Plan {
    edits: Edits,
    touched: Vec<HeaderName>,
    uri: Option<&'static str>,
    body: Option<&'static [u8]>,
}

impl Plan {
    fn add(&mut self, choices: &mut Choices<'_>) {
        let (name, value) = *choices.one_of(&SUBJECTS);
        self.touched.push(name);
        match choices.below(8) {
            0 if !name.is_singleton() => self.edits.prepend(name, value),
            1 if !name.is_singleton() => self.edits.append(name, value),
            0..=1 => self.edits.set(name, value),
            2 => self.edits.set(name, value),
            3 => self.edits.remove(name),
            4 => self.edits.remove_first_value(name, choices.below(3)),
            5 => self.edits.replace_first_value(name, value),
            6 => {
                self.touched.pop();
                self.edits.set_request_uri(URI);
                self.uri = Some(URI);
            }
            _ => {
                self.touched = vec![HeaderName::ContentType].into_iter().chain(self.touched.drain(..)).collect();
                self.edits.set_body("text/plain", BODY.to_vec());
                self.body = Some(BODY);
            }
        }
    }
}

/// `None`: what was at a limit is beyond it now.
fn printed(plan: &Plan, message: &Message, at_border: bool) -> Option<Message> {
    let bytes = match at_border {
        true => plan.edits.apply_at_border(message),
        false => plan.edits.apply(message),
    };
    let mut buffer = BytesMut::from(&bytes[..]);
    match Framer::default().cut(&mut buffer) {
        Ok(Some(Frame::Message(framed))) => assert!(framed == bytes && buffer.is_empty(), "framed as another message"),
        // Canonical names are longer than compact ones, and edits come on top: only a limit may be passed.
        Err(_) if is_at_limit(message) => return None,
        other => panic!("{other:?}: {bytes:?}"),
    }
    Some(Message::parse(bytes).expect("what we print is a message"))
}

fn is_at_limit(message: &Message) -> bool {
    let is_long = message.headers().any(|header| header.value.len() > 8_000);
    is_long || message.headers().count() > 124 || message.as_bytes().len() > 60_000
}

/// The lines of the headers that no edit names, with their line ends.
fn untouched<'a>(message: &'a Message, plan: &Plan) -> Vec<&'a [u8]> {
    let bytes = message.as_bytes();
    let offset = |part: &[u8]| part.as_ptr() as usize - bytes.as_ptr() as usize;
    let mut starts: Vec<usize> = message.headers().map(|header| offset(header.raw_name)).collect();
    starts.push(bytes.len() - message.body().len() - 2);
    let lines = message.headers().zip(starts.windows(2));
    let kept =
        lines.filter(|(header, _)| header.name != HeaderName::ContentLength && !plan.touched.contains(&header.name));
    kept.map(|(_, line)| &bytes[line[0]..line[1]]).collect()
}

fn check_same(after: &Message, before: &Message, plan: &Plan) {
    assert_eq!(after.body(), plan.body.unwrap_or(before.body()));
    assert_eq!(after.method(), before.method());
    assert_eq!((after.status(), after.reason_phrase()), (before.status(), before.reason_phrase()));
    let uri = if before.is_request() { plan.uri.or(before.request_uri()) } else { None };
    assert_eq!(after.request_uri(), uri);
    let values = |message: &Message| -> Vec<(HeaderName, Vec<u8>, Vec<u8>)> {
        let kept = message
            .headers()
            .filter(|header| header.name != HeaderName::ContentLength && !plan.touched.contains(&header.name));
        kept.map(|header| (header.name, extension(&header), unfolded(header.value))).collect()
    };
    assert_eq!(values(after), values(before), "another meaning");
    let length = after.header_all(HeaderName::ContentLength).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(length.len(), 1, "one Content-Length");
}

/// The name of a header that has no canonical one.
fn extension(header: &sip::message::Header<'_>) -> Vec<u8> {
    if header.name == HeaderName::Other { header.raw_name.to_vec() } else { Vec::new() }
}

/// Each fold one space (RFC 3261 7.3.1).
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').collect();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let trimmed = lines.iter().enumerate().map(|(index, line)| {
        let start = if index == 0 { 0 } else { line.iter().take_while(|byte| is_blank(byte)).count() };
        let end = line.len() - line[start..].iter().rev().take_while(|byte| is_blank(byte)).count();
        &line[start..end.max(start)]
    });
    trimmed.collect::<Vec<_>>().join(&b' ')
}

const SUBJECTS: [(HeaderName, &str); 8] = [
    (HeaderName::Via, "SIP/2.0/TLS us.example;branch=z9hG4bK1"),
    (HeaderName::Route, "<sip:us.example;lr>"),
    (HeaderName::RecordRoute, "<sip:us.example;lr>"),
    (HeaderName::MaxForwards, "69"),
    (HeaderName::Contact, "\"a, b\" <sip:us.example>"),
    (HeaderName::Supported, "path"),
    (HeaderName::Subject, "ours"),
    (HeaderName::PAssertedIdentity, "<sip:alice@contoso.example>"),
];
const URI: &str = "sip:bob@fabrikam.example";
const BODY: &[u8] = b"ours\r\n";
