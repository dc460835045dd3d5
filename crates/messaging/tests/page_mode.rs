//! What a page-mode message must be (RFC 3428).

// A test may unwrap.
#![allow(clippy::unwrap_used)]

use federation::Admitted;
use messaging::{Delivery, Pager, PagerLimits};
use sip::{Aor, Message};

fn message(content_type: &str, body: &str) -> Message {
    let text = format!(
        "MESSAGE sip:bob@fabrikam.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
         From: <sip:alice@contoso.example>;tag=1\r\nTo: <sip:bob@fabrikam.example>\r\nCall-ID: 1\r\n\
         CSeq: 1 MESSAGE\r\n{content_type}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into_bytes().into()).unwrap()
}

fn alice() -> Admitted {
    let aor: Aor = "alice@contoso.example".parse().unwrap();
    serde_json::from_value(serde_json::json!({ "origin": { "User": { "aor": aor } } })).unwrap()
}

#[test]
fn every_device_gets_a_copy() {
    let pager = Pager::default();
    let request = message("Content-Type: text/plain\r\n", "hello");
    assert_eq!(pager.handle_message(&request, &alice(), 2), Ok(Delivery::EveryDevice));
    assert_eq!(pager.handle_message(&request, &alice(), 0), Ok(Delivery::NobodyThere));
}

#[test]
fn a_body_says_what_it_is_and_stays_within_the_limit() {
    let pager = Pager::new(PagerLimits { body_bytes_max: 5 });
    assert_eq!(pager.handle_message(&message("", "hello"), &alice(), 1).unwrap_err().status, 400);
    let long = message("Content-Type: text/plain\r\n", "hello!");
    assert_eq!(pager.handle_message(&long, &alice(), 1).unwrap_err().status, 413);
    assert!(pager.handle_message(&message("", ""), &alice(), 1).is_ok());
}
