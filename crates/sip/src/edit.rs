//! Changes to a message on its way through (RFC 3261 16.6): a list, applied in one pass. Bytes that no edit names
//! are copied, never printed again, unless the message crosses the border of the organisation.

mod lines;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{
    HeaderName, Message,
    header::print::{is_name, neutralise, put_header, put_name, put_unfolded, put_unfolded_header, put_word},
    parse::{PHRASE_START, VERSION},
    status::reason_phrase,
};

use lines::Line;

/// Each edit sees the result of those before it. Values cannot end a line: CR and LF in them become spaces.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Edits {
    request_uri: Option<String>,
    edits: Vec<Edit>,
    body: Option<Vec<u8>>,
    #[serde(default)]
    has_usual_phrase: bool,
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

    /// Of a response: the registry's phrase for its status in place of its own words.
    pub fn set_usual_phrase(&mut self) {
        self.has_usual_phrase = true;
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

    /// None, and no Content-Type; Content-Length is 0.
    pub fn remove_body(&mut self) {
        self.remove(HeaderName::ContentType);
        self.body = Some(Vec::new());
    }

    /// For inside the organisation: byte for byte what was received, but for the edits. A message without
    /// Content-Length gets one, for the next hop may be a stream (RFC 3261 20.14).
    pub fn apply(&self, message: &Message) -> Bytes {
        let body = self.body_of(message);
        let mut out = self.buffer_for(message, body);
        match (&self.request_uri, message.method()) {
            (Some(uri), Some(method)) => put_request_line(&mut out, method.as_str(), uri),
            _ if self.has_usual_phrase => put_status_line(&mut out, message, true),
            _ => {
                out.put_slice(message.start_line());
                out.put_slice(b"\r\n");
            }
        }
        let mut has_length = false;
        for line in lines::edited(message, &self.edits) {
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
            _ => put_status_line(&mut out, message, self.has_usual_phrase),
        }
        for line in lines::edited(message, &self.edits) {
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

fn put_request_line(out: &mut BytesMut, method: &str, uri: &str) {
    out.put_slice(method.as_bytes());
    out.put_u8(b' ');
    put_word(out, uri);
    out.put_u8(b' ');
    out.put_slice(VERSION);
    out.put_slice(b"\r\n");
}

fn put_status_line(out: &mut BytesMut, message: &Message, has_usual_phrase: bool) {
    let line = message.start_line();
    out.put_slice(VERSION);
    out.put_slice(&line[VERSION.len()..PHRASE_START]);
    match message.status().filter(|_| has_usual_phrase) {
        Some(status) => out.put_slice(reason_phrase(status).as_bytes()),
        None => out.put_slice(&line[PHRASE_START..]),
    }
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
mod tests;
