//! The test messages of RFC 4475 and RFC 5118, each sent to a whole server by whoever it says to be from: over TLS by a user
//! who is signed in or by a partner with its certificate, and in a datagram.

pub mod stage;

use sip::{HeaderName, Message};

use self::stage::{Stage, Way};
use crate::manifest;
use crate::manifest::Vector;

#[test]
fn every_message_is_handled_as_the_manifest_says() {
    let mut wrong = Vec::new();
    let mut stood_between = 0;
    for vector in manifest::vectors() {
        for (workers, seed, is_between) in [(1, 0, false), (3, 0, false), (3, 1, false), (3, 2, true), (1, 1, true)] {
            for (way, expected) in [(Way::Stream, &vector.stream), (Way::Datagram, &vector.datagram)] {
                let mut stage = Stage::of_kind(&vector, workers, seed, way, is_between);
                let found = outcome(&mut stage, &vector, expected);
                stood_between += usize::from(is_between && stage.stands_between());
                if found != *expected {
                    wrong.push(format!(
                        "{} {way:?} {workers} {seed} {is_between}: {found}, not {expected}",
                        vector.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(stood_between >= 14, "calls that we stood between: {stood_between}");
}

#[test]
fn addresses_of_ipv6_pass_whole_to_whom_we_know() {
    let mut wrong = Vec::new();
    for vector in manifest::readdressed() {
        for (workers, seed) in [(1, 0), (3, 0), (3, 1)] {
            for (way, expected) in [(Way::Stream, &vector.stream), (Way::Datagram, &vector.datagram)] {
                let mut stage = Stage::new(&vector, workers, seed, way);
                let found = outcome(&mut stage, &vector, expected);
                if found != *expected {
                    wrong.push(format!("{} {way:?} {workers} {seed}: {found}, not {expected}", vector.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A status, `passed` to whom it was for and answered by him, `closed`, or `nothing`.
fn outcome(stage: &mut Stage, vector: &Vector, expected: &str) -> String {
    let outcome = stage.send(&vector.bytes, expected);
    if outcome == "passed" {
        stage.expect_unchanged(vector);
        stage.expect_answered();
    }
    stage.world.assert_quiet();
    outcome
}

fn vector(name: &str) -> Vector {
    manifest::vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

/// The registrar tells a binding as it was registered, at once and when it is asked again.
#[test]
fn what_is_of_the_uri_is_told_in_the_uri() {
    for (name, told) in [
        ("rfc4475/cparam01", "<sip:+19725552222@gw1.example.net>"),
        ("rfc4475/cparam02", "<sip:+19725552222@gw1.example.net;unknownparam>"),
        ("rfc4475/regescrt", "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"),
    ] {
        let vector = vector(name);
        for (bytes, way) in [(vector.bytes.clone(), Way::Stream), (vector.bytes.clone(), Way::Datagram)] {
            let mut stage = Stage::new(&vector, 3, 1, way);
            let registered = stage.answer(&bytes);
            assert_eq!(contact(&registered), told, "{name}");
            let fetch = String::from_utf8(bytes).unwrap().replace("Contact:", "X:").replace("M:", "X:");
            let fetched =
                stage.answer(fetch.replace("Call-ID: ", "Call-ID: again.").replace("=z9", "=z9hG4bKf").as_bytes());
            assert_eq!(contact(&fetched), told, "{name}");
        }
    }
}

/// Without its parameters of the header.
fn contact(response: &Message) -> String {
    assert_eq!(response.status(), Some(200), "{response:?}");
    let text = response.header_text(HeaderName::Contact).unwrap();
    text.split_inclusive('>').next().unwrap().to_owned()
}

#[test]
fn a_refusal_names_what_is_not_known() {
    let bext01 = vector("rfc4475/bext01");
    let refused = Stage::new(&bext01, 3, 1, Way::Stream).answer(&bext01.bytes);
    let named = refused.header_text(HeaderName::Unsupported);
    assert_eq!(
        named,
        Some("noProxiesSupportThis, norDoAnyProxiesSupportThis"),
        "of Proxy-Require: we are a proxy here"
    );
    let esc02 = vector("rfc4475/esc02");
    let refused = Stage::new(&esc02, 3, 1, Way::Stream).answer(&esc02.bytes);
    assert_eq!((refused.status(), refused.header_text(HeaderName::Allow)), (Some(501), Some("OPTIONS")));
}

/// The Require of a request for the server itself is its own to know.
#[test]
fn what_is_demanded_of_the_server_itself_is_its_to_know() {
    let bext01 = vector("rfc4475/bext01");
    let text = String::from_utf8(bext01.bytes.clone()).unwrap().replace("Proxy-Require", "X");
    let refused = Stage::new(&bext01, 1, 1, Way::Stream).answer(text.replace("sip:user@", "sip:").as_bytes());
    let named = refused.header_text(HeaderName::Unsupported);
    assert_eq!((refused.status(), named), (Some(420), Some("nothingSupportsThis, nothingSupportsThisEither")));
    let register = vector("rfc4475/cparam01");
    let text = String::from_utf8(register.bytes.clone()).unwrap().replace("l: 0", "Require: path, pref\r\nl: 0");
    let refused = Stage::new(&register, 1, 1, Way::Stream).answer(text.as_bytes());
    assert_eq!((refused.status(), refused.header_text(HeaderName::Unsupported)), (Some(420), Some("pref")));
}

/// What a phone answers with passes as it is: an unusual phrase, and none.
#[test]
fn phrases_of_responses_pass() {
    let baddate = vector("rfc4475/baddate");
    for name in ["rfc4475/unreason", "rfc4475/noreason"] {
        let response = Message::parse(vector(name).bytes.into()).unwrap();
        let (status, phrase) = (response.status().unwrap(), response.reason_phrase().unwrap());
        // A 100 is for one hop; what passes is the next.
        let status = format!("{} {}", status.max(180), std::str::from_utf8(phrase).unwrap());
        let mut stage = Stage::new(&baddate, 3, 1, Way::Stream);
        assert_eq!(stage.send(&baddate.bytes, "passed"), "passed");
        let passed = stage.pass_answer(&status);
        assert_eq!(passed.reason_phrase(), Some(phrase), "{name}");
    }
}

/// 3.1.2.5: a response whose CSeq cannot be read is nobody's answer, and the next one is.
#[test]
fn an_answer_that_cannot_be_read_is_none() {
    let baddate = vector("rfc4475/baddate");
    let mut stage = Stage::new(&baddate, 3, 1, Way::Stream);
    assert_eq!(stage.send(&baddate.bytes, "passed"), "passed");
    for broken in ["CSeq: 9292394834772304023312 INVITE", "CSeq: INVITE", "X-CSeq: 1392934 INVITE"] {
        stage.answer_with(|answer| answer.replace("CSeq: 1392934 INVITE", broken));
        assert!(stage.world.take(stage.sender).is_empty(), "{broken}");
    }
    stage.expect_answered();
}

/// 3.3.10: an answer goes to where its request came from, and not to what a Via makes of itself.
#[test]
fn no_via_sends_an_answer_to_everybody() {
    let lwsdisp = vector("rfc4475/lwsdisp");
    let text =
        String::from_utf8(lwsdisp.bytes.clone()).unwrap().replace("UDP funky.example.com", "UDP 255.255.255.255");
    let mut stage = Stage::new(&lwsdisp, 3, 1, Way::Datagram);
    assert_eq!(stage.send(text.as_bytes(), "passed"), "passed");
    stage.expect_answered();
}

/// RFC 3261 25.1: the name of a scheme is of any case.
#[test]
fn a_scheme_is_known_in_any_case() {
    let lwsdisp = vector("rfc4475/lwsdisp");
    let text = String::from_utf8(lwsdisp.bytes.clone()).unwrap().replace("OPTIONS sip:", "OPTIONS SiP:");
    let mut stage = Stage::new(&lwsdisp, 3, 1, Way::Stream);
    assert_eq!(stage.send(text.as_bytes(), "passed"), "passed");
}

/// What a user of ours would have a partner take for headers does not leave.
#[test]
fn headers_in_a_request_uri_go_nowhere() {
    let escruri = Vector { home: "example.net".into(), partner: "example.com".into(), ..vector("rfc4475/escruri") };
    for (way, seed) in [(Way::Stream, 0), (Way::Datagram, 1)] {
        let mut stage = Stage::new(&escruri, 3, seed, way);
        assert_eq!(stage.send(&escruri.bytes, "400"), "400");
    }
}
