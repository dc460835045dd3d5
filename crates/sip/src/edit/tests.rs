//! What each edit does, alone and after others.

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
