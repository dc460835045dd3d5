use super::ResponseOutcome::{Absorbed, Deliver, Stray};
use super::*;

#[test]
fn invite_without_response_over_udp() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &invite), Ok(()));
    talk.run_until(60_000);
    talk.expect(&[
        "0 udp INVITE",
        "500 udp INVITE",
        "1500 udp INVITE",
        "3500 udp INVITE",
        "7500 udp INVITE",
        "15500 udp INVITE",
        "31500 udp INVITE",
        "32000 client 1 failed Timeout",
        "32000 client 1 ended",
    ]);
    assert_eq!(talk.answer(client(1), &invite, 200), Stray);
    talk.end();
}

#[test]
fn invite_without_response_over_a_stream() {
    let mut talk = Conversation::new();
    assert_eq!(talk.send(client(1), tls(), &request(Method::Invite, "z9hG4bKa")), Ok(()));
    talk.run_until(60_000);
    talk.expect(&["0 tls INVITE", "32000 client 1 failed Timeout", "32000 client 1 ended"]);
    talk.end();
}

#[test]
fn refused_invite_is_acknowledged_each_time() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &invite), Ok(()));
    talk.run_until(400);
    assert_eq!(talk.answer(client(1), &invite, 180), Deliver);
    talk.run_until(100_000);
    talk.expect(&["0 udp INVITE"]);
    assert_eq!(talk.answer(client(1), &invite, 183), Deliver);
    assert_eq!(talk.answer(client(1), &invite, 486), Deliver);
    talk.run_until(131_999);
    assert_eq!(talk.answer(client(1), &invite, 486), Absorbed);
    assert_eq!(talk.answer(client(1), &invite, 180), Absorbed);
    talk.run_until(132_000);
    talk.expect(&["100000 udp ACK", "131999 udp ACK", "132000 client 1 ended"]);
    assert_eq!(talk.answer(client(1), &invite, 486), Stray);
    talk.end();
}

#[test]
fn refused_invite_over_a_stream_ends_at_once() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), tls(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 603), Deliver);
    talk.expect(&["0 tls INVITE", "0 tls ACK", "0 client 1 ended"]);
    talk.end();
}

#[test]
fn a_refusal_whose_to_is_none_is_not_acknowledged_with_it() {
    let mut layer = TransactionLayer::new(
        Timers::default(),
        TransactionLimits { server_max: 1, client_max: 1, lingering_max: 1000 },
    );
    let (now, invite) = (some_instant(), request(Method::Invite, "z9hG4bKa"));
    layer.send_request(now, client(1), tls(), &Method::Invite, invite.as_bytes().clone()).expect("there is room");
    let busy = String::from_utf8(build::response(&invite, 486, None, Some("x")).build().to_vec()).expect("is text");
    let odd = parse(&busy.replace("\r\nTo: ", "\r\nTo: \u{2}"));
    assert!(odd.to().is_err());
    assert_eq!(layer.handle_response(now, client(1), &odd), Deliver);
    let sent = std::iter::from_fn(|| layer.poll_output())
        .filter(|output| matches!(output, TransactionOutput::Transmit { .. }))
        .count();
    assert_eq!(sent, 1, "the INVITE alone");
}

#[test]
fn ack_has_the_headers_of_rfc_3261_17_1_1_3() {
    let mut layer = TransactionLayer::new(
        Timers::default(),
        TransactionLimits { server_max: 1, client_max: 1, lingering_max: 1000 },
    );
    let now = some_instant();
    let invite = parse(
        "INVITE sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/TLS edge.contoso.com:5061;branch=z9hG4bKa;rport\r\n\
         Via: SIP/2.0/TLS alice-pc;branch=z9hG4bKb\r\nRoute: <sip:p1.fabrikam.com;lr>, <sip:p2.fabrikam.com;lr>\r\n\
         Route: <sip:p3.fabrikam.com;lr>\r\nMax-Forwards: 12\r\nContact: <sip:alice@192.0.2.1>\r\n\
         f: \"Alice\" <sip:alice@contoso.com>;tag=1\r\nt: <sip:bob@fabrikam.com>\r\ni: call1\r\n\
         CSeq: 17 INVITE\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi",
    );
    layer.send_request(now, client(1), tls(), &Method::Invite, invite.as_bytes().clone()).expect("there is room");
    let busy = Message::parse(build::response(&invite, 486, None, Some("x")).build()).expect("is well formed");
    assert_eq!(layer.handle_response(now, client(1), &busy), Deliver);
    let sent = std::iter::from_fn(|| layer.poll_output()).filter_map(|output| match output {
        TransactionOutput::Transmit { bytes, .. } => Some(Message::parse(bytes).expect("is well formed")),
        _ => None,
    });
    let ack = sent.last().expect("the ACK was sent");
    assert_eq!((ack.method(), ack.request_uri()), (Some(Method::Ack), Some("sip:bob@192.0.2.4")));
    let headers: Vec<String> = ack
        .headers()
        .map(|header| {
            let value = str::from_utf8(header.value).expect("is text");
            format!("{}: {value}", header.name)
        })
        .collect();
    assert_eq!(
        headers,
        [
            "Via: SIP/2.0/TLS edge.contoso.com:5061;branch=z9hG4bKa;rport",
            "Max-Forwards: 70",
            "Route: <sip:p1.fabrikam.com;lr>, <sip:p2.fabrikam.com;lr>",
            "Route: <sip:p3.fabrikam.com;lr>",
            "From: \"Alice\" <sip:alice@contoso.com>;tag=1",
            "To: <sip:bob@fabrikam.com>;tag=x",
            "Call-ID: call1",
            "CSeq: 17 ACK",
            "Content-Length: 0",
        ]
    );
}

#[test]
fn what_was_answered_takes_no_room_of_others_and_the_oldest_ends_first() {
    let mut talk = Conversation::with_limits(TransactionLimits { server_max: 0, client_max: 1, lingering_max: 1 });
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 200), ResponseOutcome::Deliver);
    assert_eq!((talk.layer.counts(), talk.layer.lingering()), ((0, 0), (0, 1)));
    let message = request(Method::Message, "z9hG4bKb");
    assert_eq!(talk.send(client(2), udp(), &message), Ok(()));
    assert_eq!(talk.answer(client(2), &message, 200), ResponseOutcome::Deliver);
    talk.expect(&["0 udp INVITE", "0 udp MESSAGE", "0 client 1 ended"]);
    assert_eq!(talk.answer(client(1), &invite, 200), ResponseOutcome::Stray);
    talk.run_until(5_000);
    talk.expect(&["5000 client 2 ended"]);
    talk.end();
}

/// RFC 6026: each 2xx goes up, also those that other branches downstream send late.
#[test]
fn answered_invite_delivers_every_2xx_until_timer_m() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 200), Deliver);
    talk.run_until(31_999);
    assert_eq!(talk.answer(client(1), &invite, 200), Deliver);
    assert_eq!(talk.answer(client(1), &invite, 180), Absorbed);
    assert_eq!(talk.answer(client(1), &invite, 486), Absorbed);
    talk.run_until(32_000);
    talk.expect(&["0 udp INVITE", "32000 client 1 ended"]);
    assert_eq!(talk.answer(client(1), &invite, 200), Stray);
    talk.end();
}

#[test]
fn cancelled_invite_that_stays_silent_ends() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), tls(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 180), Deliver);
    talk.run_until(100_000);
    let cancelling = Message::parse(build_cancel(&invite, None).expect("the INVITE is whole")).expect("is well formed");
    assert_eq!(talk.send(cancel(1), tls(), &cancelling), Ok(()));
    assert_eq!(talk.answer(cancel(1), &cancelling, 200), Deliver);
    assert_eq!(talk.answer(client(1), &invite, 180), Deliver);
    talk.run_until(200_000);
    talk.expect(&[
        "0 tls INVITE",
        "100000 tls CANCEL",
        "100000 cancel 1 ended",
        "132000 client 1 failed Timeout",
        "132000 client 1 ended",
    ]);
    talk.end();
}

/// Whoever answers reads them, not we (RFC 3261 sections 9.1 and 17.1.1.3).
#[test]
fn routes_that_are_no_text_are_in_its_cancel_and_in_its_ack() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    let mut bytes = invite.as_bytes().to_vec();
    let routes = b"Route: <sip:p1;tr\x85ns>\r\nRoute: <sip:p2>,\r\n <sip:\xff>\r\n";
    let at = bytes.windows(6).position(|window| window == b"From: ").expect("a From");
    bytes.splice(at..at, routes.iter().copied());
    let invite = Message::parse(bytes.into()).expect("is well formed");
    let copied = b"Route: <sip:p1;tr\x85ns>\r\nRoute: <sip:p2>, <sip:\xff>\r\nFrom: ";
    let is_copied = |bytes: &[u8]| bytes.windows(copied.len()).any(|window| window == copied);
    assert!(is_copied(&build_cancel(&invite, None).expect("the INVITE is whole")));
    assert_eq!(talk.send(client(1), tls(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 486), Deliver);
    talk.expect(&["0 tls INVITE", "0 tls ACK", "0 client 1 ended"]);
    talk.end();
}

#[test]
fn cancelled_invite_that_answers() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &invite), Ok(()));
    assert_eq!(talk.answer(client(1), &invite, 180), Deliver);
    let cancelling = Message::parse(build_cancel(&invite, None).expect("the INVITE is whole")).expect("is well formed");
    assert_eq!(talk.send(cancel(1), udp(), &cancelling), Ok(()));
    talk.run_until(500);
    assert_eq!(talk.answer(client(1), &invite, 487), Deliver);
    assert_eq!(talk.answer(cancel(1), &cancelling, 200), Deliver);
    assert_eq!(talk.answer(cancel(1), &cancelling, 200), Absorbed);
    talk.run_until(100_000);
    talk.expect(&[
        "0 udp INVITE",
        "0 udp CANCEL",
        "500 udp CANCEL",
        "500 udp ACK",
        "5500 cancel 1 ended",
        "32500 client 1 ended",
    ]);
    talk.end();
}

#[test]
fn other_request_without_response_over_udp() {
    let mut talk = Conversation::new();
    assert_eq!(talk.send(client(1), udp(), &request(Method::Message, "z9hG4bKa")), Ok(()));
    talk.run_until(60_000);
    let mut lines: Vec<String> = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
        .map(|milliseconds| format!("{milliseconds} udp MESSAGE"))
        .into();
    lines.extend(["failed Timeout", "ended"].map(|end| format!("32000 client 1 {end}")));
    talk.expect(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    talk.end();
}

#[test]
fn other_request_slows_down_and_absorbs() {
    let mut talk = Conversation::new();
    let options = request(Method::Options, "z9hG4bKa");
    assert_eq!(talk.send(client(1), udp(), &options), Ok(()));
    talk.run_until(600);
    assert_eq!(talk.answer(client(1), &options, 100), Deliver);
    talk.run_until(9000);
    assert_eq!(talk.answer(client(1), &options, 200), Deliver);
    talk.run_until(13_999);
    assert_eq!(talk.answer(client(1), &options, 200), Absorbed);
    talk.run_until(14_000);
    talk.expect(&["0 udp OPTIONS", "500 udp OPTIONS", "4600 udp OPTIONS", "8600 udp OPTIONS", "14000 client 1 ended"]);
    talk.end();
}

#[test]
fn other_request_over_a_stream_ends_with_its_final_response() {
    let mut talk = Conversation::new();
    let options = request(Method::Options, "z9hG4bKa");
    assert_eq!(talk.send(client(1), tls(), &options), Ok(()));
    talk.run_until(3000);
    assert_eq!(talk.answer(client(1), &options, 404), Deliver);
    talk.expect(&["0 tls OPTIONS", "3000 client 1 ended"]);
    assert_eq!(talk.answer(client(1), &options, 404), Stray);
    talk.end();
}

#[test]
fn a_closed_flow_fails_its_own_transactions() {
    let mut talk = Conversation::new();
    let other = FlowId::Stream { worker: 0, serial: 8 };
    let invite = request(Method::Invite, "z9hG4bKb");
    assert_eq!(talk.send(client(1), tls(), &request(Method::Message, "z9hG4bKa")), Ok(()));
    assert_eq!(talk.send(client(2), tls(), &invite), Ok(()));
    assert_eq!(talk.send(client(3), other, &request(Method::Message, "z9hG4bKc")), Ok(()));
    assert_eq!(talk.answer(client(2), &invite, 200), Deliver);
    talk.expect(&["0 tls MESSAGE", "0 tls INVITE", "0 tls MESSAGE"]);
    talk.close(tls());
    talk.expect(&["0 client 1 failed TransportFailed", "0 client 1 ended", "0 client 2 ended"]);
    talk.close(other);
    talk.expect(&["0 client 3 failed TransportFailed", "0 client 3 ended"]);
    talk.close(other);
    talk.end();
}

#[test]
fn a_limit_bounds_them_but_not_ack_and_cancel() {
    let mut talk = Conversation::with_limits(TransactionLimits { server_max: 0, client_max: 1, lingering_max: 1000 });
    assert_eq!(talk.send(client(1), tls(), &request(Method::Invite, "z9hG4bKa")), Ok(()));
    assert_eq!(talk.send(client(2), tls(), &request(Method::Invite, "z9hG4bKb")), Err(Full));
    assert_eq!(talk.send(cancel(1), tls(), &request(Method::Cancel, "z9hG4bKa")), Ok(()));
    assert_eq!(talk.send(client(3), tls(), &request(Method::Ack, "z9hG4bKc")), Ok(()));
    talk.expect(&["0 tls INVITE", "0 tls CANCEL", "0 tls ACK"]);
    assert_eq!(talk.layer.counts(), (0, 2));
}

/// The caller's heap may fire early, twice, or for what has ended.
#[test]
fn early_and_repeated_times_do_no_harm() {
    let mut talk = Conversation::new();
    assert_eq!(talk.send(client(1), udp(), &request(Method::Message, "z9hG4bKa")), Ok(()));
    talk.run_until(100);
    for _ in 0..3 {
        talk.layer.handle_timeout(talk.now, TransactionKey::Client(client(1)));
        talk.layer.handle_timeout(talk.now, TransactionKey::Client(client(9)));
        talk.layer.handle_timeout(talk.now, TransactionKey::Server(ServerTransactionId(9)));
    }
    talk.drain();
    talk.run_until(1000);
    talk.expect(&["0 udp MESSAGE", "500 udp MESSAGE"]);
}
