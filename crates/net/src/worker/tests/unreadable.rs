//! Messages that cannot be read, on a stream and in a datagram.

use super::*;

/// With sound borders, and two of what there may be one of.
fn unreadable(phone: &mut Phone) -> Vec<u8> {
    let to = phone.aor();
    phone
        .request(Method::Message, &to, &to)
        .header(HeaderName::Expires, 1)
        .header(HeaderName::Expires, 2)
        .build()
        .into()
}

fn expect_refused(phone: &mut Phone, times: usize) {
    for _ in 0..times {
        let message = unreadable(phone);
        phone.send(&message);
        assert_eq!(phone.receive().status(), Some(400));
    }
}

#[test]
fn a_message_that_cannot_be_read_is_refused_and_the_flow_stays() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut phone = Phone::connect(&contoso, "alice");
    expect_refused(&mut phone, 1);
    let without_call_id = String::from_utf8(unreadable(&mut phone)).expect("ASCII").replace("Call-ID", "X-Call-ID");
    phone.send(without_call_id.as_bytes());
    phone.register();
    assert_eq!(contoso.sum(|seen| seen.parse_errors), 2);
    assert_eq!(contoso.sum(|seen| seen.parse_errors_answered), 1);
    assert_eq!(contoso.sum(|seen| seen.flows_ended), 0);
}

#[test]
fn a_flow_that_brings_little_else_ends() {
    let limits = Limits { parse_errors_per_flow_max: 3, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut phone = Phone::connect(&contoso, "alice");
    expect_refused(&mut phone, 3);
    phone.register();
    // The two REGISTERs made up for two of the three.
    expect_refused(&mut phone, 3);
    assert_eq!(phone.next_frame(), None);
    assert_eq!(contoso.sum(|seen| seen.parse_errors_ended), 1);
}

#[test]
fn a_datagram_that_cannot_be_read_is_answered_where_it_says_whom_to_answer() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let udp = StdUdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let good = String::from_utf8(unproven_register("UDP").to_vec()).expect("ASCII");
    let marked = |mark: &str| good.replace("Call-ID: unproven", mark);
    let receive = || {
        let mut bytes = [0; 65_536];
        let count = udp.recv(&mut bytes).expect("a response");
        let response = Message::parse(Bytes::copy_from_slice(&bytes[..count])).expect("a message");
        (response.status(), response.call_id().map(str::to_owned))
    };
    for (bad, status) in [
        (marked("Call-ID: bad\r\nMax-Forwards: 5"), 400),
        (marked("Call-ID: bad\r\nContent-Length: 3"), 400),
        (marked("Call-ID: bad\r\nno header"), 400),
        (marked("Call-ID: bad").replace("SIP/2.0\r\n", "SIP/3.0\r\n"), 505),
        (marked("Call-ID: bad\r\nCall-ID: worse"), 400),
    ] {
        udp.send_to(bad.as_bytes(), contoso.udp).expect("a socket");
        assert_eq!(receive(), (Some(status), Ok("bad".to_owned())), "{bad}");
    }
    // Of none there is nothing to repeat; the next response is to the next request.
    udp.send_to(marked("X-Call-ID: bad\r\nno header").as_bytes(), contoso.udp).expect("a socket");
    udp.send_to(good.as_bytes(), contoso.udp).expect("a socket");
    assert_eq!(receive(), (Some(401), Ok("unproven".to_owned())));
    // All counts: of one socket, so of one worker, in order.
    assert_eq!(contoso.sum(|seen| seen.parse_errors + seen.framing_errors), 6);
    assert_eq!(contoso.sum(|seen| seen.parse_errors_answered), 5);
    assert_eq!(contoso.sum(|seen| seen.datagrams_sent), 6);
}
