//! New messages: requests of ours, and responses to a request (RFC 3261 8.1.1, 8.2.6).

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    HeaderName, Message, Method, NameAddr, ParseError,
    header::{
        grammar::is_token,
        print::{is_name, put_header, put_name, put_text, put_unfolded, put_unfolded_header, put_word},
    },
    parse::VERSION,
    status::reason_phrase,
};

/// Headers are written as they are given; Content-Type and Content-Length come last.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    draft: Draft,
}

/// See [`response`].
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    draft: Draft,
}

/// Copies Via, From, To, Call-ID and CSeq of the request, and Record-Route where the answer forms a dialog
/// (12.1.1). `to_tag` is added unless To has a tag or the status is 100. `phrase`: the registry's when `None`.
/// What the request lacks, or has malformed, is missing or copied as it is: a 400 must be possible.
pub fn response(request: &Message, status: u16, phrase: Option<&str>, to_tag: Option<&str>) -> ResponseBuilder {
    debug_assert!((100..=699).contains(&status), "no status: {status}");
    let mut out = BytesMut::with_capacity(request.as_bytes().len() - request.body().len() + 256);
    put_status_line(&mut out, status, phrase.unwrap_or_else(|| reason_phrase(status)));
    let forms_dialog =
        (101..300).contains(&status) && request.method().is_some_and(|method| method.forms_dialog());
    for header in request.headers() {
        match header.name {
            HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {}
            HeaderName::RecordRoute if forms_dialog => {}
            HeaderName::To => {
                put_to(&mut out, header.value, to_tag.filter(|_| status != 100));
                continue;
            }
            _ => continue,
        }
        put_unfolded_header(&mut out, canonical(header.name), header.value);
    }
    ResponseBuilder { draft: Draft { head: out, body: None } }
}

impl RequestBuilder {
    pub fn new(method: &Method, uri: impl AsRef<str>) -> Self {
        let mut head = BytesMut::with_capacity(1024);
        debug_assert!(is_token(method.as_str().as_bytes()), "no method: {method:?}");
        put_word(&mut head, method.as_str());
        head.put_u8(b' ');
        put_word(&mut head, uri.as_ref());
        head.put_u8(b' ');
        head.put_slice(VERSION);
        head.put_slice(b"\r\n");
        RequestBuilder { draft: Draft { head, body: None } }
    }
}

macro_rules! build_methods {
    ($builder:ident) => {
        impl $builder {
            /// Line breaks in the value become spaces.
            #[must_use]
            pub fn header(mut self, name: HeaderName, value: impl std::fmt::Display) -> Self {
                self.draft.put(name, value);
                self
            }

            /// An extension header; `name` is a token.
            #[must_use]
            pub fn raw_header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
                self.draft.put_raw(name, value);
                self
            }

            #[must_use]
            pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
                self.draft.body = Some((content_type.to_owned(), body.as_ref().to_vec()));
                self
            }

            pub fn build(self) -> Bytes {
                self.draft.finish()
            }

            /// Built, and read back: fails when the headers given contradict each other.
            pub fn message(self) -> Result<Message, ParseError> {
                Message::parse(self.build())
            }
        }
    };
}

build_methods!(RequestBuilder);
build_methods!(ResponseBuilder);

#[derive(Clone, Debug)]
struct Draft {
    /// Start line and headers, each with its CRLF.
    head: BytesMut,
    body: Option<(String, Vec<u8>)>,
}

impl Draft {
    fn put(&mut self, name: HeaderName, value: impl std::fmt::Display) {
        debug_assert!(name != HeaderName::Other, "an extension header is named by its text");
        // Content-Length is ours: a second one would be another message.
        if let Some(text) = name.canonical().filter(|_| name != HeaderName::ContentLength) {
            put_header(&mut self.head, text.as_bytes(), value);
        }
    }

    fn put_raw(&mut self, name: &str, value: impl std::fmt::Display) {
        match HeaderName::parse(name.as_bytes()) {
            HeaderName::Other if is_name(name) => put_header(&mut self.head, name.as_bytes(), value),
            HeaderName::Other => {}
            known => self.put(known, value),
        }
    }

    fn finish(mut self) -> Bytes {
        let body = match &self.body {
            Some((content_type, body)) => {
                put_header(&mut self.head, b"Content-Type", content_type);
                body.as_slice()
            }
            None => b"",
        };
        put_header(&mut self.head, b"Content-Length", body.len());
        self.head.put_slice(b"\r\n");
        self.head.put_slice(body);
        self.head.freeze()
    }
}

fn put_status_line(out: &mut BytesMut, status: u16, phrase: &str) {
    out.put_slice(VERSION);
    put_text(out, format_args!(" {} {phrase}", status.clamp(100, 699)));
    out.put_slice(b"\r\n");
}

fn put_to(out: &mut BytesMut, value: &[u8], tag: Option<&str>) {
    put_name(out, canonical(HeaderName::To));
    put_unfolded(out, value);
    let is_untagged = NameAddr::parse_in(HeaderName::To, value).is_ok_and(|to| to.param("tag").is_none());
    if let Some(tag) = tag.filter(|_| is_untagged) {
        put_text(out, format_args!(";tag={tag}"));
    }
    out.put_slice(b"\r\n");
}

fn canonical(name: HeaderName) -> &'static [u8] {
    name.canonical().expect("only known headers are copied").as_bytes()
}
