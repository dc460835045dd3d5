use super::*;
use crate::build;

const INVITE: &str = "INVITE sip:bob@fabrikam.com SIP/2.0\r\nVia: SIP/2.0/TLS alice-pc;branch=z9hG4bKa\r\n\
    Max-Forwards: 70\r\nRecord-Route: <sip:p2.fabrikam.com;lr>\r\nRecord-Route: <sip:p1.contoso.com;lr>;x=\"1\"\r\n\
    From: \"Alice\" <sip:alice@contoso.com>;tag=a1\r\nTo: <sip:bob@fabrikam.com>\r\nCall-ID: call1\r\n\
    CSeq: 31 INVITE\r\nContact: <sip:alice@192.0.2.1;transport=tls>\r\nContent-Length: 0\r\n\r\n";

fn parse(text: &str) -> Message {
    Message::parse(text.to_owned().into()).expect("is well formed")
}

fn response(request: &Message, status: u16, contact: &str) -> Message {
    let response = build::response(request, status, None, Some("b1")).header(HeaderName::Contact, contact).build();
    Message::parse(response).expect("is well formed")
}

/// Start line and headers, without Content-Length.
fn lines(builder: RequestBuilder) -> Vec<String> {
    let bytes = builder.build();
    let text = str::from_utf8(&bytes).expect("is text");
    let lines = text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with("Content-Length"));
    lines.map(str::to_owned).collect()
}

/// A request of the peer in the dialog of `INVITE`, with other method, CSeq and Contact.
fn in_dialog(method: &str, sequence: u32, contact: &str) -> Message {
    let text = INVITE.replace("INVITE", method).replace("31", &sequence.to_string());
    parse(&text.replace("sip:alice@192.0.2.1;transport=tls", contact))
}

#[test]
fn uas_sends_along_the_recorded_route() {
    let mut dialog = Dialog::uas(&parse(INVITE), "b1").expect("the INVITE makes a dialog");
    let id = DialogId { call_id: "call1".into(), local_tag: "b1".into(), remote_tag: "a1".into() };
    assert_eq!((dialog.id(), dialog.state()), (&id, DialogState::Early));
    dialog.confirm();
    assert_eq!(dialog.state(), DialogState::Confirmed);
    assert_eq!(
        lines(dialog.request(&Method::Bye)),
        [
            "BYE sip:alice@192.0.2.1;transport=tls SIP/2.0",
            "Max-Forwards: 70",
            "Route: <sip:p2.fabrikam.com;lr>",
            "Route: <sip:p1.contoso.com;lr>;x=\"1\"",
            "From: <sip:bob@fabrikam.com>;tag=b1",
            "To: \"Alice\" <sip:alice@contoso.com>;tag=a1",
            "Call-ID: call1",
            "CSeq: 1 BYE",
        ]
    );
    assert_eq!(dialog.local_sequence(), 1);
}

#[test]
fn uac_sends_along_the_reversed_route() {
    let invite = parse(INVITE);
    let mut dialog =
        Dialog::uac(&invite, &response(&invite, 180, "<sip:bob@192.0.2.2>")).expect("the 180 makes a dialog");
    let id = DialogId { call_id: "call1".into(), local_tag: "a1".into(), remote_tag: "b1".into() };
    assert_eq!((dialog.id(), dialog.state()), (&id, DialogState::Early));
    assert_eq!(dialog.route_set(), ["<sip:p1.contoso.com;lr>;x=\"1\"", "<sip:p2.fabrikam.com;lr>"]);
    dialog.handle_response(&response(&invite, 200, "<sip:bob@192.0.2.3>")).expect("the 200 is well formed");
    assert_eq!((dialog.state(), dialog.remote_target()), (DialogState::Confirmed, "sip:bob@192.0.2.3"));
    assert_eq!(
        lines(dialog.ack(31)),
        [
            "ACK sip:bob@192.0.2.3 SIP/2.0",
            "Max-Forwards: 70",
            "Route: <sip:p1.contoso.com;lr>;x=\"1\"",
            "Route: <sip:p2.fabrikam.com;lr>",
            "From: \"Alice\" <sip:alice@contoso.com>;tag=a1",
            "To: <sip:bob@fabrikam.com>;tag=b1",
            "Call-ID: call1",
            "CSeq: 31 ACK",
        ]
    );
    assert!(lines(dialog.request(&Method::Bye)).contains(&"CSeq: 32 BYE".to_owned()));
}

#[test]
fn the_2xx_brings_the_final_route_set() {
    let invite = parse(INVITE);
    let ringing = response(&invite, 180, "<sip:bob@192.0.2.2>");
    let mut dialog = Dialog::uac(&invite, &ringing).expect("the 180 makes a dialog");
    let ok = build::response(&parse(&INVITE.replace("p2", "p3")), 200, None, Some("b1")).build();
    dialog.handle_response(&Message::parse(ok).expect("is well formed")).expect("it needs no Contact");
    assert_eq!(dialog.route_set(), ["<sip:p1.contoso.com;lr>;x=\"1\"", "<sip:p3.fabrikam.com;lr>"]);
    let again = response(&parse(&INVITE.replace("p2", "p4")), 200, "<sip:bob@192.0.2.4>");
    dialog.handle_response(&again).expect("is well formed");
    assert_eq!(dialog.route_set()[1], "<sip:p3.fabrikam.com;lr>", "a confirmed dialog keeps its route set");
    assert_eq!(dialog.remote_target(), "sip:bob@192.0.2.4");
}

#[test]
fn a_strict_router_goes_to_the_request_uri() {
    let invite = parse(&INVITE.replace("p2.fabrikam.com;lr", "p2.fabrikam.com;x=1?Subject=a"));
    let mut dialog = Dialog::uas(&invite, "b1").expect("the INVITE makes a dialog");
    assert_eq!(
        lines(dialog.request(&Method::Bye))[..4],
        [
            "BYE sip:p2.fabrikam.com;x=1 SIP/2.0",
            "Max-Forwards: 70",
            "Route: <sip:p1.contoso.com;lr>;x=\"1\"",
            "Route: <sip:alice@192.0.2.1;transport=tls>",
        ]
    );
}

#[test]
fn order_and_target_of_received_requests() {
    let mut dialog = Dialog::uas(&parse(INVITE), "b1").expect("the INVITE makes a dialog");
    let mut handle = |method, sequence, contact| {
        let handled = dialog.handle_request(&in_dialog(method, sequence, contact));
        (handled.is_ok(), dialog.remote_target().to_owned())
    };
    assert_eq!(handle("ACK", 31, "sip:x"), (true, "sip:alice@192.0.2.1;transport=tls".to_owned()));
    assert_eq!(handle("UPDATE", 40, "sip:c1"), (true, "sip:c1".to_owned()));
    assert_eq!(handle("INFO", 39, "sip:c2"), (false, "sip:c1".to_owned()));
    assert_eq!(handle("INVITE", 30, "sip:c2"), (false, "sip:c1".to_owned()));
    assert_eq!(handle("INFO", 41, "sip:c2"), (true, "sip:c1".to_owned()));
    assert_eq!(handle("INVITE", 42, "sip:c3"), (true, "sip:c3".to_owned()));
    assert_eq!(handle("ACK", 31, "sip:x"), (true, "sip:c3".to_owned()));
    assert_eq!(dialog.remote_sequence(), Some(42));
    let late = dialog.handle_request(&in_dialog("BYE", 7, "sip:x"));
    assert_eq!(late, Err(DialogError::OutOfOrder { received: 7, expected_min: 42 }));
}

#[test]
fn no_dialog_without_contact_or_our_own_tag() {
    let without_contact = INVITE.replace("Contact:", "X-Contact:");
    assert_eq!(Dialog::uas(&parse(&without_contact), "b").err(), Some(ParseError::Missing(HeaderName::Contact)));
    let invite = parse(&INVITE.replace(";tag=a1", ""));
    let ok = response(&invite, 200, "<sip:bob@192.0.2.2>");
    assert_eq!(Dialog::uac(&invite, &ok).err(), Some(ParseError::Malformed(HeaderName::From)));
}
