//! The test messages of RFC 4475 and RFC 5118, each by itself: as one datagram, without a server.

// A test may unwrap.
#![allow(clippy::unwrap_used)]

#[path = "../vectors/manifest.rs"]
mod manifest;

use bytes::Bytes;
use sip::{Edits, HeaderName, Message, Method, NameAddr, ParseError, Uri, framing};

/// The whole of reading, as far as every element does it: the borders, the index, the headers that all messages have, and
/// the addresses that a proxy or registrar looks at.
fn read(bytes: &[u8]) -> Result<Message, ParseError> {
    let message = Message::parse(framing::check_datagram(Bytes::copy_from_slice(bytes))?)?;
    message.check_mandatory()?;
    if let Some(uri) = message.request_uri() {
        Uri::parse(uri)?;
    }
    for via in message.vias() {
        via?;
    }
    for contact in message.contacts() {
        contact?;
    }
    for address in message.routes().chain(message.record_routes()) {
        address?;
    }
    Ok(message)
}

#[test]
fn every_message_is_read_as_the_manifest_says() {
    let mut wrong = Vec::new();
    for vector in manifest::vectors() {
        let read = read(&vector.bytes);
        let found = read.as_ref().map_or_else(ToString::to_string, |_| "accepted".to_owned());
        if found != vector.message {
            wrong.push(format!("{}: {found}, not {}", vector.name, vector.message));
        }
        // Where no length is stated, it is when the message is sent on.
        if let Ok(message) = &read
            && message.header(HeaderName::ContentLength).is_some()
        {
            assert!(vector.bytes.starts_with(&Edits::new().apply(message)), "{}: byte for byte", vector.name);
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The whole message, whose name has its folder.
fn vector(name: &str) -> Message {
    let vectors = manifest::vectors();
    let vector = vectors.iter().find(|vector| vector.name == name).unwrap();
    read(&vector.bytes).unwrap()
}

fn contacts(message: &Message) -> Vec<NameAddr<'_>> {
    message.contacts().map(|contact| *contact.unwrap().address().unwrap()).collect()
}

#[test]
fn all_49_and_12_are_there() {
    let vectors = manifest::vectors();
    let of = |rfc: &str| vectors.iter().filter(|vector| vector.name.starts_with(rfc)).count();
    assert_eq!((of("rfc4475/"), of("rfc5118/"), vectors.len()), (49, 12, 61));
}

#[test]
fn a_percent_sign_is_an_escape_in_uris_alone() {
    let escaped = vector("rfc4475/esc01");
    let uri = Uri::parse(escaped.request_uri().unwrap()).unwrap();
    assert_eq!((uri.user(), uri.host()), (Some("sips%3Auser%40example.com"), "example.net"));
    let contact = contacts(&escaped)[0].uri();
    assert_eq!((contact.param("lr"), contact.param("name")), (Some(None), Some(Some("v%61lue%25%34%31"))));
    assert!(escaped.to().unwrap().uri().eq_uri(&Uri::parse("sip:user@example.com").unwrap()));

    let plain = vector("rfc4475/esc02");
    assert_eq!(plain.method(), Some(Method::Other("RE%47IST%45R".into())));
    assert_eq!(plain.to().unwrap().display_name().as_deref(), Some("%Z%45"));
    let hosts: Vec<_> = contacts(&plain).iter().map(|contact| contact.uri().host()).collect();
    assert_eq!(hosts, ["host1.example.com", "host3.example.com"]);
}

#[test]
fn an_escaped_nul_ends_nothing() {
    let message = vector("rfc4475/escnull");
    let contacts = contacts(&message);
    assert_eq!(contacts.len(), 2);
    assert!(!contacts[0].uri().eq_uri(&contacts[1].uri()));
    assert_eq!(message.to().unwrap().uri().user(), Some("null-%00-null"));
}

#[test]
fn every_letter_of_a_token_is_one() {
    let message = vector("rfc4475/intmeth");
    assert_eq!(message.method(), Some(Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into())));
    assert_eq!(message.to().unwrap().display_name().as_deref(), Some("BEL:\u{7} NUL:\u{0} DEL:\u{7f}"));
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
}

#[test]
fn long_and_binary_messages_are_whole() {
    let long = vector("rfc4475/longreq");
    assert_eq!(long.vias().filter(Result::is_ok).count(), 34);
    assert_eq!(long.vias().last().unwrap().unwrap().received(), Some("192.0.2.5"));
    assert_eq!(long.from().unwrap().tag().map(str::len), Some(2 + 150 + 3));
    let parts = vector("rfc4475/mpart01");
    assert_eq!(parts.body().len(), 553);
    assert!(parts.body().contains(&0) && parts.body().ends_with(b"--7a9cbec02ceef655--\r\n"));
    assert_eq!(vector("rfc4475/dblreq").body(), b"");
    let phrase = vector("rfc4475/unreason").reason_phrase().map(<[u8]>::to_vec).unwrap();
    assert!(String::from_utf8(phrase).unwrap().ends_with("\u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}"));
}

#[test]
fn parameters_belong_to_the_uri_or_to_the_header() {
    let semicolon = vector("rfc4475/semiuri");
    let uri = Uri::parse(semicolon.request_uri().unwrap()).unwrap();
    assert_eq!((uri.user(), uri.host()), (Some("user;par=u%40example.net"), "example.com"));
    for (name, of_uri) in [("rfc4475/cparam01", false), ("rfc4475/cparam02", true)] {
        let message = vector(name);
        let contact = contacts(&message)[0];
        assert_eq!((contact.uri().has_param("unknownparam"), contact.has_param("unknownparam")), (of_uri, !of_uri));
    }
    let contact = contacts(&vector("rfc4475/regescrt"))[0].uri().headers().map(str::to_owned);
    assert_eq!(contact.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn an_ipv6_reference_ends_with_its_bracket() {
    for (name, host, port) in [
        ("rfc5118/ipv6-good", "[2001:db8::10]", None),
        ("rfc5118/port-ambiguous", "[2001:db8::10:5070]", None),
        ("rfc5118/port-unambiguous", "[2001:db8::10]", Some(5070)),
        ("rfc5118/ipv6-bug-abnf-3-colons", "[2001:db8:::192.0.2.1]", None),
        ("rfc5118/ipv6-correct-abnf-2-colons", "[2001:db8::192.0.2.1]", None),
    ] {
        let message = vector(name);
        let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
        assert_eq!((uri.host(), uri.port()), (host, port), "{name}");
    }
    for bad in ["sip:[2001:db8:::10]", "sip:[2001:::db8:::192.0.2.1]", "sip:[2001:db8::::192.0.2.1]"] {
        assert!(Uri::parse(bad).is_err(), "{bad}");
    }
    let received = |name: &str| vector(name).top_via().unwrap().received().map(str::to_owned);
    assert_eq!(received("rfc5118/via-received-param-with-delim").as_deref(), Some("[2001:db8::9:255]"));
    assert_eq!(received("rfc5118/via-received-param-no-delim").as_deref(), Some("2001:db8::9:255"));
    let mapped = vector("rfc5118/ipv4-mapped-ipv6");
    let hosts: Vec<_> = mapped.vias().map(|via| via.unwrap().host.to_owned()).collect();
    assert_eq!(hosts, ["[::ffff:192.0.2.10]", "[::ffff:192.0.2.2]"]);
}
