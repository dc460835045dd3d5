//! What RFC 4475 asks of an endpoint, asked of the one that we are: a conference. A user of ours sends the message to the factory.

use sip::{HeaderName, Message};

use crate::manifest::{self, Vector};
use crate::torture::stage::{Stage, Way};

/// The final response to the message of this name, sent to the factory instead, with some of its text replaced.
fn answered(name: &str, changes: &[(&str, &str)]) -> Message {
    let vector = manifest::vectors().into_iter().find(|vector| vector.name == format!("rfc4475/{name}")).unwrap();
    let vector = Vector { home: "example.net".into(), partner: String::new(), ..vector };
    let mut text = String::from_utf8(vector.bytes.clone()).unwrap();
    let request_uri = text.split(' ').nth(1).unwrap().to_owned();
    for (from, to) in [(request_uri.as_str(), "sip:meet@example.net")].iter().chain(changes) {
        assert!(text.contains(from), "{name}: {from}");
        text = text.replacen(from, to, 1);
    }
    Stage::new(&vector, 3, 1, Way::Stream).answer(text.as_bytes())
}

#[test]
fn a_conference_answers_as_an_endpoint_has_to() {
    let to_factory = [("Proxy-Require", "X")];
    let whole = [("CSeq: 8 INVITE", "CSeq: 8 NEWMETHOD")];
    for (name, changes, status) in [
        ("esc01", &[][..], 200),
        ("longreq", &[], 200),
        ("baddate", &[], 200),
        ("zeromf", &[], 200),
        ("invut", &[], 415),
        ("sdp01", &[], 406),
        ("bext01", &to_factory, 420),
        ("mismatch02", &whole, 501),
    ] {
        let answer = answered(name, changes);
        assert_eq!(answer.status(), Some(status), "{name}: {answer:?}");
    }
}

#[test]
fn a_refusal_says_what_would_be_taken() {
    assert_eq!(answered("invut", &[]).header_text(HeaderName::Accept), Some("application/sdp"));
    let unsupported = answered("bext01", &[("Proxy-Require", "X")]);
    let named = unsupported.header_text(HeaderName::Unsupported);
    assert_eq!(named, Some("nothingSupportsThis, nothingSupportsThisEither"));
    let unknown = answered("mismatch02", &[("CSeq: 8 INVITE", "CSeq: 8 NEWMETHOD")]);
    assert!(unknown.header_text(HeaderName::Allow).unwrap().starts_with("INVITE, ACK, BYE"));
}

/// Ranges of media types hold a session description, and an empty Accept holds none.
#[test]
fn accept_is_read_by_its_ranges() {
    for (accept, status) in [
        ("text/plain, application/sdp;level=1", 200),
        ("Application/*", 200),
        ("*/*;q=0.5", 200),
        ("", 406),
        ("application/sdpx", 406),
    ] {
        let answer = answered("sdp01", &[("Accept: text/nobodyKnowsThis", &format!("Accept: {accept}"))]);
        assert_eq!(answer.status(), Some(status), "{accept}");
    }
}
