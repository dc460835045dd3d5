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
    let forms_dialog = (101..300).contains(&status) && request.method().is_some_and(|method| method.forms_dialog());
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

    /// All values of this header that the message has, as they are, text or not; folds become spaces.
    #[must_use]
    pub fn copied(mut self, name: HeaderName, from: &Message) -> Self {
        for value in from.header_all(name) {
            put_unfolded_header(&mut self.draft.head, canonical(name), value);
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = concat!(
        "INVITE sip:bob@b.example SIP/2.0\n",
        "v: SIP/2.0/TLS a1;branch=z9hG4bK1,\n SIP/2.0/UDP a2\n",
        "Record-Route: <sip:p1;lr>\n",
        "Via: SIP/2.0/UDP a3\n",
        "Max-Forwards: 70\n",
        "f: <sip:alice@a.example>;tag=a\n",
        "To: sip:bob@b.example\n",
        "Call-ID: 1\n",
        "CSeq: 7 INVITE\n",
        "l: 2\n",
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

    #[test]
    fn a_response_copies_what_identifies_the_request() {
        let ringing =
            response(&message(INVITE), 180, None, Some("b")).header(HeaderName::Contact, "<sip:bob@192.0.2.9>").build();
        let expected = concat!(
            "SIP/2.0 180 Ringing\n",
            "Via: SIP/2.0/TLS a1;branch=z9hG4bK1, SIP/2.0/UDP a2\n",
            "Record-Route: <sip:p1;lr>\n",
            "Via: SIP/2.0/UDP a3\n",
            "From: <sip:alice@a.example>;tag=a\n",
            "To: sip:bob@b.example;tag=b\n",
            "Call-ID: 1\n",
            "CSeq: 7 INVITE\n",
            "Contact: <sip:bob@192.0.2.9>\n",
            "Content-Length: 0\n\n",
        );
        assert_eq!(text(ringing), expected);
    }

    #[test]
    fn tags_and_routes_only_where_they_belong() {
        let invite = message(INVITE);
        let trying = text(response(&invite, 100, None, Some("b")).build());
        assert!(trying.contains("\nTo: sip:bob@b.example\n") && !trying.contains("Record-Route"));
        let busy = text(response(&invite, 486, Some("Not now"), Some("b")).build());
        assert!(busy.starts_with("SIP/2.0 486 Not now\n") && !busy.contains("Record-Route"));
        assert!(busy.contains("\nTo: sip:bob@b.example;tag=b\n"));
        let tagged = message(&INVITE.replace("To: sip:bob@b.example", "To: <sip:bob@b.example>;tag=c"));
        assert!(text(response(&tagged, 200, None, Some("b")).build()).contains("\nTo: <sip:bob@b.example>;tag=c\n"));
        let malformed = message(&INVITE.replace("To: sip:bob@b.example", "To: \"open"));
        assert!(text(response(&malformed, 400, None, Some("b")).build()).contains("\nTo: \"open\n"));
    }

    #[test]
    fn a_request_computes_its_length() {
        let built = RequestBuilder::new(&Method::Message, "sip:bob@b.example")
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::ContentLength, 99)
            .raw_header("X-Odd", "a")
            .raw_header("expires", 5)
            .body("text/plain", "h\u{e9}")
            .build();
        let expected = concat!(
            "MESSAGE sip:bob@b.example SIP/2.0\n",
            "Max-Forwards: 70\n",
            "X-Odd: a\n",
            "Expires: 5\n",
            "Content-Type: text/plain\n",
            "Content-Length: 3\n\nh\u{e9}",
        );
        assert_eq!(text(built), expected);
        let twice =
            RequestBuilder::new(&Method::Bye, "sip:b").header(HeaderName::CallId, 1).header(HeaderName::CallId, 2);
        assert_eq!(twice.message(), Err(ParseError::Duplicate(HeaderName::CallId)));
    }
}
