//! What we make of a case, in the words that the libraries' programs print.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use fuzzing::grammar::{JUDGED, outside};
use sip::{ContactValue, Frame, Framer, HeaderName, Message, NameAddr, ParseError, Uri, framing};

/// Name and value, as printed.
pub type Fields = BTreeMap<String, String>;

/// As every element reads a datagram: its borders, the headers that all messages have, its Request-URI.
pub fn datagram(bytes: &[u8]) -> Result<Fields, String> {
    read(framing::check_datagram(Bytes::copy_from_slice(bytes)).map_err(|error| error.to_string())?)
}

fn read(bytes: Bytes) -> Result<Fields, String> {
    let message = Message::parse(bytes).map_err(|error| error.to_string())?;
    fields(&message).map_err(|error| refusal(&message, &error))
}

/// With more words where we refuse what the grammar has.
fn refusal(message: &Message, error: &ParseError) -> String {
    let error = error.to_string();
    let header = error.strip_prefix("malformed ").map(str::to_ascii_lowercase);
    let is_ours = header.is_some_and(|header| JUDGED.contains(&&*header) && !outside(message).contains(&&*header));
    if is_ours { format!("{error}, which is within the grammar") } else { error }
}

fn fields(message: &Message) -> Result<Fields, ParseError> {
    message.check_mandatory()?;
    let mut fields = Fields::new();
    let mut put = |name: &str, value: &str| drop(fields.insert(name.to_owned(), escaped(value)));
    match (message.method(), message.request_uri()) {
        (Some(method), Some(uri)) => {
            put("method", method.as_str());
            put("uri", Uri::parse(uri)?.as_str());
        }
        _ => put("status", &message.status().unwrap_or_default().to_string()),
    }
    let cseq = message.cseq()?;
    put("call_id", message.call_id()?);
    put("cseq", &cseq.number.to_string());
    put("cseq_method", cseq.method.as_str());
    put("from_tag", message.from()?.tag().unwrap_or_default());
    put("to_tag", message.to()?.tag().unwrap_or_default());
    put("branch", message.top_via()?.branch().unwrap_or_default());
    put("vias", &count(message.vias())?.to_string());
    put("routes", &count(message.routes())?.to_string());
    put("record_routes", &count(message.record_routes())?.to_string());
    put("contacts", &count::<ContactValue<'_>>(message.contacts())?.to_string());
    let extensions = message.headers().filter(|header| header.raw_name.to_ascii_lowercase().starts_with(b"x-"));
    put("extensions", &extensions.count().to_string());
    put("length", message.header_text(HeaderName::ContentLength).unwrap_or("-"));
    put("body", &body(message.body()));
    fields.insert("_suspect".to_owned(), suspect(message).to_owned());
    fields.insert("_address".to_owned(), odd_address(message).unwrap_or_default().to_owned());
    let has_tab = message.header_all(HeaderName::Via).any(|value| value.contains(&b'\t'));
    fields.insert("_via".to_owned(), if has_tab { "a tab in a Via" } else { "" }.to_owned());
    fields.insert("_outside".to_owned(), outside(message).join(" "));
    Ok(fields)
}

/// What of an accepted message others may stumble over: the first of these that it has.
fn suspect(message: &Message) -> &'static str {
    let head = &message.as_bytes()[..message.as_bytes().len() - message.body().len()];
    let method = message.method().map_or_else(String::new, |method| method.as_str().to_owned());
    let uri = message.request_uri().unwrap_or("sip:");
    let addresses = [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route, HeaderName::RecordRoute];
    let mut values = addresses.into_iter().flat_map(|name| message.header_all(name));
    match () {
        () if head.contains(&0) => QUOTED_NUL,
        () if !head.is_ascii() => "letters beyond ASCII",
        () if !method.bytes().all(|letter| letter.is_ascii_alphabetic()) => "a method with other marks than letters",
        () if !is_sip(uri) => "a Request-URI of another scheme",
        () if uri.contains('%') => "an escape in the Request-URI",
        () if values.any(|value| String::from_utf8_lossy(value).contains(": ")) => "an odd address",
        () if message.headers().any(|header| header.value.is_empty()) => "a header without a value",
        () if message.headers().any(|header| header.value.contains(&b'\r')) => "a continued header",
        () if message
            .headers()
            .any(|header| header.value.starts_with(b",") || header.value.windows(2).any(|two| two == b",,")) =>
        {
            "an empty element of a list"
        }
        () => "nothing that we know of",
    }
}

/// What others may stumble over in an address that the grammar has.
fn odd_address(message: &Message) -> Option<&'static str> {
    match () {
        () if uris(message).any(|uri| !is_sip(&uri)) => Some("an address of another scheme"),
        () if uris(message).any(|uri| uri.len() == SHORTEST) => Some("an address of one letter"),
        () => None,
    }
}

/// Of the headers with addresses.
fn uris(message: &Message) -> impl Iterator<Item = String> {
    let of = |address: NameAddr<'_>| address.uri().as_str().to_owned();
    let ends = [message.from(), message.to()].into_iter();
    let ways = message.routes().chain(message.record_routes());
    let contacts = message.contacts().filter_map(|contact| match contact {
        Ok(ContactValue::Address(address)) => Some(Ok(address)),
        _ => None,
    });
    ends.chain(ways).chain(contacts).filter_map(Result::ok).map(of)
}

fn is_sip(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.is_sip())
}

/// Bytes of `sip:a`.
const SHORTEST: usize = 5;
pub const QUOTED_NUL: &str = "a NUL behind a backslash";

fn count<T>(values: impl Iterator<Item = Result<T, ParseError>>) -> Result<usize, ParseError> {
    values.map(|value| value.map(|_| 1)).sum()
}

/// Length and FNV-1a hash.
fn body(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}:{hash:016x}", bytes.len())
}

/// Visible ASCII but the percent sign; the rest as the libraries' programs escape it.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'!'..=b'~' if byte != b'%' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A stream as we cut it.
pub struct Cut {
    /// Where each message ends, in the stream.
    pub ends: Vec<usize>,
    /// What each says, or why not.
    pub messages: Vec<Result<Fields, String>>,
    /// Why it goes no further.
    pub error: Option<String>,
}

pub fn stream(bytes: &[u8]) -> Cut {
    let (mut framer, mut buffer) = (Framer::default(), BytesMut::from(bytes));
    let mut cut = Cut { ends: Vec::new(), messages: Vec::new(), error: None };
    loop {
        match framer.cut(&mut buffer) {
            Ok(Some(Frame::Message(message))) => {
                cut.ends.push(bytes.len() - buffer.len());
                cut.messages.push(read(message));
            }
            Ok(Some(_)) => {}
            Ok(None) => return cut,
            Err(error) => {
                cut.error = Some(error.to_string());
                return cut;
            }
        }
    }
}
