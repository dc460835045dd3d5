//! Changes to a message on its way through (RFC 3261 16.6): a list, applied in one pass. Bytes that no edit names
//! are copied, never printed again, unless the message crosses the border of the organisation.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    HeaderName, Message,
    header::{
        grammar::split_list,
        print::{is_name, neutralise, put_header, put_name, put_unfolded, put_unfolded_header, put_word},
    },
    parse::{PHRASE_START, VERSION},
};

/// Each edit sees the result of those before it. Values cannot end a line: CR and LF in them become spaces.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Edits {
    request_uri: Option<String>,
    edits: Vec<Edit>,
    body: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Edit {
    Prepend(HeaderName, String),
    Append(HeaderName, String),
    Set(Name, String),
    Remove(Name),
    RemoveFirstValues(HeaderName, usize),
    ReplaceFirstValue(HeaderName, String),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Name {
    Known(HeaderName),
    Extension(String),
}

impl Edits {
    pub fn new() -> Self {
        Edits::default()
    }

    pub fn is_empty(&self) -> bool {
        *self == Edits::default()
    }

    /// Of a request; a response has none and keeps its start line.
    pub fn set_request_uri(&mut self, uri: impl Into<String>) {
        self.request_uri = Some(uri.into());
    }

    /// Before the first header of that name, else directly after the start line. The last one ends on top.
    pub fn prepend(&mut self, name: HeaderName, value: impl Into<String>) {
        self.push_known(name, value.into(), Edit::Prepend);
    }

    /// At the end of the header block.
    pub fn append(&mut self, name: HeaderName, value: impl Into<String>) {
        self.push_known(name, value.into(), Edit::Append);
    }

    /// Replaces the first of that name and removes the others; appends when there is none.
    pub fn set(&mut self, name: HeaderName, value: impl Into<String>) {
        self.push_known(name, value.into(), |name, value| Edit::Set(Name::Known(name), value));
    }

    /// All of that name.
    pub fn remove(&mut self, name: HeaderName) {
        self.edits.push(Edit::Remove(Name::Known(name)));
    }

    /// The topmost `count` values, comma lists counted by their elements, across header lines (Route, Via).
    pub fn remove_first_value(&mut self, name: HeaderName, count: usize) {
        self.edits.push(Edit::RemoveFirstValues(name, count));
    }

    /// The topmost element only: Via's received and rport. Nothing happens when there is none.
    pub fn replace_first_value(&mut self, name: HeaderName, value: impl Into<String>) {
        self.push_known(name, value.into(), Edit::ReplaceFirstValue);
    }

    /// By text, in any case: for extension headers.
    pub fn remove_raw(&mut self, name: &str) {
        if let Some(name) = Name::parse(name) {
            self.edits.push(Edit::Remove(name));
        }
    }

    /// By text, in any case: for extension headers. Written as given here.
    pub fn set_raw(&mut self, name: &str, value: impl Into<String>) {
        if let Some(name) = Name::parse(name) {
            self.edits.push(Edit::Set(name, clean(value.into())));
        }
    }

    /// Content-Type is set with it; Content-Length follows.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.set(HeaderName::ContentType, content_type);
        self.body = Some(body);
    }

    /// For inside the organisation: byte for byte what was received, but for the edits. A message without
    /// Content-Length gets one, for the next hop may be a stream (RFC 3261 20.14).
    pub fn apply(&self, message: &Message) -> Bytes {
        let body = self.body_of(message);
        let mut out = self.buffer_for(message, body);
        match (&self.request_uri, message.method()) {
            (Some(uri), Some(method)) => put_request_line(&mut out, method.as_str(), uri),
            _ => {
                out.put_slice(message.start_line());
                out.put_slice(b"\r\n");
            }
        }
        let mut has_length = false;
        for line in self.lines_of(message) {
            match line {
                Line::Received { index, name: HeaderName::ContentLength } => {
                    has_length = true;
                    match self.body {
                        None => out.put_slice(message.line(index)),
                        Some(_) => put_header(&mut out, CONTENT_LENGTH, body.len()),
                    }
                }
                Line::Received { index, .. } => out.put_slice(message.line(index)),
                Line::Edited { raw_name, first, rest, .. } => put_edited(&mut out, raw_name, first, rest),
            }
        }
        if !has_length {
            put_header(&mut out, CONTENT_LENGTH, body.len());
        }
        out.put_slice(b"\r\n");
        out.put_slice(body);
        out.freeze()
    }

    /// For another organisation: framing is ours (canonical names, `Name: value`, folds one space, one
    /// Content-Length, at the end), value bytes stay theirs.
    pub fn apply_at_border(&self, message: &Message) -> Bytes {
        let body = self.body_of(message);
        let mut out = self.buffer_for(message, body);
        match (message.method(), self.request_uri.as_deref().or(message.request_uri())) {
            (Some(method), Some(uri)) => put_request_line(&mut out, method.as_str(), uri),
            _ => put_status_line(&mut out, message),
        }
        for line in self.lines_of(message) {
            match line {
                Line::Received { name: HeaderName::ContentLength, .. } => {}
                Line::Received { index, name } => {
                    let slot = &message.slots()[index];
                    put_unfolded_header(&mut out, printed_name(name, message.raw_name(slot)), message.value(slot));
                }
                Line::Edited { name, raw_name, first, rest } => {
                    put_edited(&mut out, printed_name(name, raw_name), first, rest);
                }
            }
        }
        put_header(&mut out, CONTENT_LENGTH, body.len());
        out.put_slice(b"\r\n");
        out.put_slice(body);
        out.freeze()
    }

    fn push_known(&mut self, name: HeaderName, value: String, edit: impl FnOnce(HeaderName, String) -> Edit) {
        debug_assert!(name != HeaderName::Other, "an extension header is named by its text");
        if name != HeaderName::Other {
            self.edits.push(edit(name, clean(value)));
        }
    }

    fn body_of<'a>(&'a self, message: &'a Message) -> &'a [u8] {
        self.body.as_deref().unwrap_or(message.body())
    }

    /// Room for everything in one allocation: canonical names and the separator are longer than compact ones.
    fn buffer_for(&self, message: &Message, body: &[u8]) -> BytesMut {
        let head = message.as_bytes().len() - message.body().len();
        let values = self.edits.iter().map(|edit| edit.value().len() + NAME_LEN_MAX).sum::<usize>();
        let uri = self.request_uri.as_ref().map_or(0, String::len);
        BytesMut::with_capacity(head + 24 * message.slots().len() + values + uri + body.len() + NAME_LEN_MAX)
    }

    /// The header block after all edits, nothing copied yet. Content-Length is the printer's.
    fn lines_of<'a>(&'a self, message: &'a Message) -> Lines<'a> {
        let slots = message.slots().iter().enumerate();
        let mut lines =
            Lines { message, lines: slots.map(|(index, slot)| Line::Received { index, name: slot.name }).collect() };
        for edit in self.edits.iter().filter(|edit| !edit.is_on(HeaderName::ContentLength)) {
            lines.apply(edit);
        }
        lines
    }
}

impl Edit {
    fn value(&self) -> &str {
        match self {
            Edit::Prepend(_, value) | Edit::Append(_, value) | Edit::Set(_, value) => value,
            Edit::ReplaceFirstValue(_, value) => value,
            Edit::Remove(_) | Edit::RemoveFirstValues(..) => "",
        }
    }

    fn is_on(&self, name: HeaderName) -> bool {
        match self {
            Edit::Prepend(on, _) | Edit::Append(on, _) | Edit::RemoveFirstValues(on, _) => *on == name,
            Edit::ReplaceFirstValue(on, _) => *on == name,
            Edit::Set(on, _) | Edit::Remove(on) => *on == Name::Known(name),
        }
    }
}

impl Name {
    fn parse(name: &str) -> Option<Name> {
        is_name(name).then(|| match HeaderName::parse(name.as_bytes()) {
            HeaderName::Other => Name::Extension(name.to_owned()),
            known => Name::Known(known),
        })
    }
}

struct Lines<'a> {
    message: &'a Message,
    lines: SmallVec<[Line<'a>; 36]>,
}

/// One header line of the result.
#[derive(Copy, Clone)]
enum Line<'a> {
    Received {
        index: usize,
        name: HeaderName,
    },
    /// `first`, ours, then what is left of the values received; either may be empty.
    Edited {
        name: HeaderName,
        raw_name: &'a [u8],
        first: &'a str,
        rest: &'a [u8],
    },
}

impl<'a> Lines<'a> {
    fn apply(&mut self, edit: &'a Edit) {
        match edit {
            Edit::Prepend(name, value) => {
                let top = self.position(*name).unwrap_or(0);
                self.lines.insert(top, Line::new(*name, value));
            }
            Edit::Append(name, value) => self.lines.push(Line::new(*name, value)),
            Edit::Set(name, value) => self.set(name, value),
            Edit::Remove(name) => {
                let message = self.message;
                self.lines.retain(|line| !line.is_named(message, name));
            }
            Edit::RemoveFirstValues(name, count) => self.remove_first_values(*name, *count),
            Edit::ReplaceFirstValue(name, value) => self.replace_first_value(*name, value),
        }
    }

    fn position(&self, name: HeaderName) -> Option<usize> {
        self.lines.iter().position(|line| line.name() == name)
    }

    fn set(&mut self, name: &'a Name, value: &'a str) {
        let new = match name {
            Name::Known(name) => Line::new(*name, value),
            Name::Extension(text) => {
                Line::Edited { name: HeaderName::Other, raw_name: text.as_bytes(), first: value, rest: b"" }
            }
        };
        let message = self.message;
        let mut is_first = true;
        self.lines.retain(|line| {
            let is_hit = line.is_named(message, name);
            if is_hit && is_first {
                *line = new;
                is_first = false;
                return true;
            }
            !is_hit
        });
        if is_first {
            self.lines.push(new);
        }
    }

    fn remove_first_values(&mut self, name: HeaderName, count: usize) {
        for _ in 0..count {
            let Some(at) = self.position(name) else { return };
            match self.lines[at].without_first_value(self.message) {
                Some(line) => self.lines[at] = line,
                None => drop(self.lines.remove(at)),
            }
        }
    }

    fn replace_first_value(&mut self, name: HeaderName, value: &'a str) {
        let Some(at) = self.position(name) else { return };
        let raw_name = self.lines[at].raw_name(self.message);
        let rest = match self.lines[at].without_first_value(self.message) {
            Some(Line::Edited { rest, .. }) => rest,
            _ => b"",
        };
        self.lines[at] = Line::Edited { name, raw_name, first: value, rest };
    }
}

impl<'a> IntoIterator for Lines<'a> {
    type Item = Line<'a>;
    type IntoIter = smallvec::IntoIter<[Line<'a>; 36]>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.into_iter()
    }
}

impl<'a> Line<'a> {
    fn new(name: HeaderName, value: &'a str) -> Line<'a> {
        let raw_name = name.canonical().expect("edits by name are of known headers").as_bytes();
        Line::Edited { name, raw_name, first: value, rest: b"" }
    }

    fn name(&self) -> HeaderName {
        match self {
            Line::Received { name, .. } | Line::Edited { name, .. } => *name,
        }
    }

    fn raw_name(&self, message: &'a Message) -> &'a [u8] {
        match self {
            Line::Received { index, .. } => message.raw_name(&message.slots()[*index]),
            Line::Edited { raw_name, .. } => raw_name,
        }
    }

    fn is_named(&self, message: &'a Message, name: &Name) -> bool {
        match name {
            Name::Known(HeaderName::Other) => false,
            Name::Known(name) => self.name() == *name,
            Name::Extension(text) => {
                self.name() == HeaderName::Other && self.raw_name(message).eq_ignore_ascii_case(text.as_bytes())
            }
        }
    }

    /// `None`: it was the only one. A line of ours is a list too: its elements go first.
    fn without_first_value(&self, message: &'a Message) -> Option<Line<'a>> {
        let (ours, theirs) = match self {
            Line::Received { index, .. } => ("", message.value(&message.slots()[*index])),
            Line::Edited { first, rest, .. } => (*first, *rest),
        };
        let (first, rest) = match after_first(ours.as_bytes()) {
            Some(left) => (&ours[ours.len() - left.len()..], theirs),
            None if ours.is_empty() => ("", after_first(theirs).unwrap_or(b"")),
            None => ("", theirs),
        };
        let raw_name = self.raw_name(message);
        let is_left = !first.is_empty() || !rest.is_empty();
        is_left.then_some(Line::Edited { name: self.name(), raw_name, first, rest })
    }
}

/// What follows the first element of a comma list; `None`: nothing.
fn after_first(value: &[u8]) -> Option<&[u8]> {
    let mut list = split_list(value);
    list.next()?;
    let rest = list.rest();
    list.next().is_some().then_some(rest)
}

fn put_request_line(out: &mut BytesMut, method: &str, uri: &str) {
    out.put_slice(method.as_bytes());
    out.put_u8(b' ');
    put_word(out, uri);
    out.put_u8(b' ');
    out.put_slice(VERSION);
    out.put_slice(b"\r\n");
}

fn put_status_line(out: &mut BytesMut, message: &Message) {
    let line = message.start_line();
    out.put_slice(VERSION);
    out.put_slice(&line[VERSION.len()..PHRASE_START]);
    out.put_slice(&line[PHRASE_START..]);
    out.put_slice(b"\r\n");
}

fn put_edited(out: &mut BytesMut, name: &[u8], first: &str, rest: &[u8]) {
    put_name(out, name);
    out.put_slice(first.as_bytes());
    if !first.is_empty() && !rest.is_empty() {
        out.put_slice(b", ");
    }
    put_unfolded(out, rest);
    out.put_slice(b"\r\n");
}

fn printed_name(name: HeaderName, raw_name: &[u8]) -> &[u8] {
    name.canonical().map_or(raw_name, str::as_bytes)
}

fn clean(value: String) -> String {
    if memchr::memchr2(b'\r', b'\n', value.as_bytes()).is_none() {
        return value;
    }
    let mut bytes = value.into_bytes();
    neutralise(&mut bytes);
    String::from_utf8(bytes).expect("ASCII was replaced by ASCII")
}

const CONTENT_LENGTH: &[u8] = b"Content-Length";

/// Bytes, about: separators and line end included.
const NAME_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = concat!(
        "MESSAGE sip:bob@b.example SIP/2.0\n",
        "v: SIP/2.0/TLS a1;branch=z9hG4bK1 ,\n",
        "  SIP/2.0/UDP a2;branch=z9hG4bK2\n",
        "VIA:SIP/2.0/UDP a3\n",
        "Max-Forwards : 70\n",
        "Route: <sip:edge.b.example;lr>\n",
        "ms-Odd:   x\n",
        " \t y;epid=\"1\"\n",
        "t:<sip:bob@b.example>\n",
        "l: 0002\n",
        "\n",
        "hi",
    );

    fn message(text: &str) -> Message {
        Message::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a message")
    }

    fn text(bytes: Bytes) -> String {
        Message::parse(bytes.clone()).expect("what we write is a message");
        String::from_utf8(bytes.to_vec()).expect("text").replace("\r\n", "\n")
    }

    fn applied(edit: impl FnOnce(&mut Edits)) -> String {
        let mut edits = Edits::new();
        edit(&mut edits);
        text(edits.apply(&message(REQUEST)))
    }

    #[test]
    fn without_edits_nothing_changes() {
        let message = message(REQUEST);
        assert!(Edits::new().is_empty());
        assert_eq!(Edits::new().apply(&message), *message.as_bytes());
    }

    #[test]
    fn a_forwarded_request() {
        let forwarded = applied(|edits| {
            edits.set_request_uri("sip:bob@192.0.2.9");
            edits.prepend(HeaderName::Via, "SIP/2.0/TLS us;branch=z9hG4bK0");
            edits.prepend(HeaderName::RecordRoute, "<sip:inner;lr>");
            edits.prepend(HeaderName::RecordRoute, "<sip:outer;lr>");
            edits.set(HeaderName::MaxForwards, "69");
            edits.remove_first_value(HeaderName::Route, 1);
            edits.append(HeaderName::UserAgent, "us");
        });
        let expected = REQUEST
            .replace("sip:bob@b.example SIP", "sip:bob@192.0.2.9 SIP")
            .replace(
                "v: SIP",
                "Record-Route: <sip:outer;lr>\nRecord-Route: <sip:inner;lr>\nVia: SIP/2.0/TLS us;branch=z9hG4bK0\nv: SIP",
            )
            .replace("Max-Forwards : 70", "Max-Forwards: 69")
            .replace("Route: <sip:edge.b.example;lr>\n", "")
            .replace("l: 0002\n", "l: 0002\nUser-Agent: us\n");
        assert_eq!(forwarded, expected);
    }

    #[test]
    fn first_values_are_elements_of_lists_across_lines() {
        let vias = "v: SIP/2.0/TLS a1;branch=z9hG4bK1 ,\n  SIP/2.0/UDP a2;branch=z9hG4bK2\nVIA:SIP/2.0/UDP a3\n";
        let expect = |count: usize, left: &str| {
            let edited = applied(|edits| edits.remove_first_value(HeaderName::Via, count));
            assert_eq!(edited, REQUEST.replace(vias, left), "{count}");
        };
        expect(0, vias);
        expect(1, "v: SIP/2.0/UDP a2;branch=z9hG4bK2\nVIA:SIP/2.0/UDP a3\n");
        expect(2, "VIA:SIP/2.0/UDP a3\n");
        expect(3, "");
        expect(9, "");

        let replaced = applied(|edits| edits.replace_first_value(HeaderName::Via, "SIP/2.0/TLS a1;received=x"));
        let left = "v: SIP/2.0/TLS a1;received=x, SIP/2.0/UDP a2;branch=z9hG4bK2\nVIA:SIP/2.0/UDP a3\n";
        assert_eq!(replaced, REQUEST.replace(vias, left));
        let absent = applied(|edits| edits.replace_first_value(HeaderName::Path, "<sip:x>"));
        assert_eq!(absent, REQUEST);
    }

    #[test]
    fn each_edit_sees_those_before_it() {
        let edited = applied(|edits| {
            edits.replace_first_value(HeaderName::Via, "SIP/2.0/UDP b");
            edits.prepend(HeaderName::Via, "SIP/2.0/UDP c, SIP/2.0/UDP d");
            edits.remove_first_value(HeaderName::Via, 2);
            edits.replace_first_value(HeaderName::Via, "SIP/2.0/UDP e");
            edits.remove_first_value(HeaderName::Via, 2);
            edits.set(HeaderName::Via, "SIP/2.0/UDP f");
            edits.remove(HeaderName::Route);
            edits.prepend(HeaderName::Route, "<sip:g;lr>");
        });
        let vias = "v: SIP/2.0/TLS a1;branch=z9hG4bK1 ,\n  SIP/2.0/UDP a2;branch=z9hG4bK2\nVIA:SIP/2.0/UDP a3\n";
        let expected = REQUEST
            .replace(vias, "Route: <sip:g;lr>\nVia: SIP/2.0/UDP f\n")
            .replace("Route: <sip:edge.b.example;lr>\n", "");
        assert_eq!(edited, expected);
    }

    #[test]
    fn extension_headers_go_by_their_text() {
        let odd = "ms-Odd:   x\n \t y;epid=\"1\"\n";
        assert_eq!(applied(|edits| edits.remove_raw("MS-ODD")), REQUEST.replace(odd, ""));
        assert_eq!(applied(|edits| edits.set_raw("MS-odd", "z")), REQUEST.replace(odd, "MS-odd: z\n"));
        assert_eq!(applied(|edits| edits.set_raw("X-A", "z")), REQUEST.replace("l: 0002\n", "l: 0002\nX-A: z\n"));
        let known = applied(|edits| edits.set_raw("max-forwards", "1"));
        assert_eq!(known, REQUEST.replace("Max-Forwards : 70", "Max-Forwards: 1"));
        assert_eq!(applied(|edits| edits.remove(HeaderName::Other)), REQUEST);
    }

    #[test]
    fn a_new_body_brings_its_length() {
        let edited = applied(|edits| edits.set_body("text/plain", b"longer".to_vec()));
        let expected = REQUEST.replace("l: 0002\n\nhi", "Content-Length: 6\nContent-Type: text/plain\n\nlonger");
        assert_eq!(edited, expected);
        let own = applied(|edits| edits.set(HeaderName::ContentLength, "99"));
        assert_eq!(own, REQUEST, "the length is not to be edited");
        let silent = message("SIP/2.0 200 OK\nCall-ID: 1\n\nhi");
        assert_eq!(text(Edits::new().apply(&silent)), "SIP/2.0 200 OK\nCall-ID: 1\nContent-Length: 2\n\nhi");
    }

    #[test]
    fn across_the_border_framing_is_ours() {
        let mut edits = Edits::new();
        edits.set(HeaderName::MaxForwards, "69");
        edits.remove_first_value(HeaderName::Via, 1);
        let expected = concat!(
            "MESSAGE sip:bob@b.example SIP/2.0\n",
            "Via: SIP/2.0/UDP a2;branch=z9hG4bK2\n",
            "Via: SIP/2.0/UDP a3\n",
            "Max-Forwards: 69\n",
            "Route: <sip:edge.b.example;lr>\n",
            "ms-Odd: x y;epid=\"1\"\n",
            "To: <sip:bob@b.example>\n",
            "Content-Length: 2\n",
            "\n",
            "hi",
        );
        assert_eq!(text(edits.apply_at_border(&message(REQUEST))), expected);
        let response = message("sip/2.0 486 not  now\ni:1\n\n");
        let expected = "SIP/2.0 486 not  now\nCall-ID: 1\nContent-Length: 0\n\n";
        assert_eq!(text(Edits::new().apply_at_border(&response)), expected);
    }

    #[test]
    fn folded_values_copied_from_a_message_stay_one_line() {
        let request = message(REQUEST);
        let via = request.header_text(HeaderName::Via).expect("text").to_owned();
        let edited = applied(|edits| edits.append(HeaderName::Subject, via));
        assert!(edited.contains("\nSubject: SIP/2.0/TLS a1;branch=z9hG4bK1 ,    SIP/2.0/UDP a2;branch=z9hG4bK2\n"));
    }
}
