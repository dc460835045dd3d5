//! A message: its index lies within its bytes, its readers agree, its answers are messages, and so is the 400 to what is none.

use sip::{HeaderName, Message, MessageLimits, Method, build, framing};

pub fn check(bytes: &[u8]) {
    check_refusal(bytes);
    let Some(message) = super::read(bytes) else { return };
    check_index(&message);
    check_length(&message);
    read_everything(&message);
    if message.is_request() {
        check_response(&message);
    }
}

/// The headers lie one after the other, between the start line and the body.
fn check_index(message: &Message) {
    let bytes = message.as_bytes();
    let offset = |part: &[u8]| part.as_ptr() as usize - bytes.as_ptr() as usize;
    let mut end = 0;
    for header in message.headers() {
        assert!(offset(header.raw_name) > end && offset(header.value) > offset(header.raw_name));
        assert_eq!(HeaderName::parse(header.raw_name), header.name);
        end = offset(header.value) + header.value.len();
    }
    let body = offset(message.body());
    assert!(body > end && bytes[..body].ends_with(b"\r\n\r\n") && body + message.body().len() == bytes.len());
    assert_eq!(message.body_bytes(), message.body());
    assert_eq!(message.is_request(), message.status().is_none() && message.method().is_some());
    assert!(message.status().is_none_or(|status| (100..700).contains(&status)));
}

fn check_length(message: &Message) {
    let mut stated = message.header_all(HeaderName::ContentLength);
    if let Some(length) = stated.next() {
        let length: usize = std::str::from_utf8(length).expect("digits").parse().expect("a length that was read");
        assert_eq!((length, stated.next()), (message.body().len(), None));
        let again = framing::check_datagram(message.as_bytes().clone());
        assert_eq!(again.as_ref(), Ok(message.as_bytes()));
    }
}

fn read_everything(message: &Message) {
    let _ = (message.check_mandatory(), message.expires(), message.event(), message.subscription_state());
    let _ = (message.replaces(), message.sip_etag(), message.sip_if_match(), message.contacts().count());
    for header in message.headers() {
        let _ = (message.addresses(header.name).count(), message.elements(header.name).count());
        let _ = (message.option_tags(header.name).count(), message.seconds(header.name));
    }
    if message.check_mandatory().is_ok() {
        assert!(message.top_via().is_ok() && message.from().is_ok() && message.call_id().is_ok());
    }
}

/// Whatever a request has, its answer goes the same way back (RFC 3261 8.2.6.2).
fn check_response(request: &Message) {
    let response = build::response(request, 486, None, Some("ours")).message().expect("our answer is a message");
    assert_eq!(response.status(), Some(486));
    for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        let copied: Vec<String> = response.elements(name).map(plain).collect();
        assert_eq!(copied, request.elements(name).map(plain).collect::<Vec<_>>(), "{name}");
    }
    if request.to().is_ok_and(|to| to.tag().is_none()) {
        assert_eq!(response.to().expect("a To and a tag").tag(), Some("ours"));
    }
}

/// Folds are one space, and so is a space.
fn plain(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// What nobody can read is told so in words that everybody can, or not at all; a spoofed datagram gains nothing.
fn check_refusal(bytes: &[u8]) {
    let limits = MessageLimits::DEFAULT;
    let Some(refused) = signaling::unreadable::refuse(bytes, limits, "sip.contoso.example") else { return };
    let refusal = Message::parse(refused.response.clone()).expect("a refusal is a message");
    assert!(matches!(refusal.status(), Some(400 | 505)), "{refusal:?}");
    // These are the sender's own to read.
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To] {
        assert!(refusal.header(name).is_some(), "{refusal:?}");
    }
    assert!(refusal.call_id().is_ok(), "{refusal:?}");
    assert_ne!(refusal.cseq().expect("it was read").method, Method::Ack);
    if signaling::unreadable::fits_datagram(&refused.response, bytes) {
        assert!(refused.response.len() <= bytes.len() + 512, "{} bytes for {}", refused.response.len(), bytes.len());
    }
}
