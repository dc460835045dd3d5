//! Every transport, over IPv4 and over IPv6.

use std::net::Ipv6Addr;

use super::line::{open, plain};
use super::*;

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[test]
fn two_organisations_that_have_ipv6_alone_reach_each_other() {
    let (contoso, fabrikam, _name_server) = two_organisations_at(Ipv6Addr::LOCALHOST.into(), Limits::default());
    assert!(contoso.tls.is_ipv6() && fabrikam.wss.is_ipv6());
    let mut alice = Phone::connect(&contoso, "alice");
    let mut bob = Phone::over(Line::wss(&fabrikam, None).expect("a WebSocket"), &fabrikam, "bob");
    alice.register();
    bob.register();
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
}

#[test]
fn requests_are_answered_where_they_came_from_on_every_transport() {
    for ip in LOOPBACKS {
        answered_everywhere(ip);
    }
}

fn answered_everywhere(ip: IpAddr) {
    let (contoso, _fabrikam, _name_server) = two_organisations_at(ip, Limits::default());
    let status = |bytes: &[u8]| Message::parse(Bytes::copy_from_slice(bytes)).expect("a message").status();
    let mut bytes = [0; 65_536];

    let mut tcp = StdStream::connect(contoso.tcp).expect("a server");
    tcp.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    tcp.write_all(b"\r\n\r\n").expect("a connection");
    assert_eq!(tcp.read(&mut bytes).expect("a pong"), 2);
    tcp.write_all(&unproven_register("TCP")).expect("a connection");
    let count = tcp.read(&mut bytes).expect("a response");
    assert_eq!(status(&bytes[..count]), Some(401));

    let mut web_socket = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    for (text, expected) in [(&b"\r\n\r\n"[..], None), (&unproven_register("WS")[..], Some(401))] {
        web_socket.send(tungstenite::Message::binary(text.to_vec())).expect("a connection");
        let answer = web_socket.read().expect("an answer").into_data();
        assert_eq!(Message::parse(answer.clone()).ok().and_then(|message| message.status()), expected, "{answer:?}");
    }

    let udp = StdUdpSocket::bind((ip, 0)).expect("a free port");
    udp.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    udp.send_to(b"\r\n\r\n", contoso.udp).expect("a socket");
    udp.send_to(&unproven_register("UDP"), contoso.udp).expect("a socket");
    let (count, from) = udp.recv_from(&mut bytes).expect("a response");
    assert_eq!((status(&bytes[..count]), from), (Some(401), contoso.udp));
    assert_eq!(contoso.sum(|seen| seen.datagrams_ignored), 1);
}

#[test]
fn what_goes_to_a_phone_by_udp_leaves_from_the_address_that_the_phone_knows() {
    let (contoso, _fabrikam, _name_server) = two_organisations_at(Ipv4Addr::UNSPECIFIED.into(), Limits::default());
    let phone = |user: &str, last: u8| {
        let line = Line::udp(SocketAddr::from(([127, 0, 0, last], contoso.udp.port())));
        let mut phone = Phone::over(line, &contoso, user);
        phone.register();
        phone
    };
    // Of whatever worker each is.
    for last in 2..8 {
        let mut alice = phone(&format!("alice{last}"), last);
        let mut bob = phone(&format!("bob{last}"), last + 100);
        let to = bob.aor();
        alice.say(&to, "hello");
        let challenge = alice.receive_final();
        let answer = alice.answer(&challenge, HeaderName::ProxyAuthenticate, &Method::Message, &to, b"hello");
        let again = alice.request(Method::Message, &to, &to).header(HeaderName::ProxyAuthorization, answer);
        alice.send(&again.body("text/plain", "hello").build());
        let message = bob.receive();
        assert_eq!(message.body(), b"hello");
        bob.send(&sip::build::response(&message, 200, None, Some("there")).build());
        assert_eq!(alice.receive_final().status(), Some(200));
    }
}

#[test]
fn a_phone_behind_a_nat_is_told_by_stun_where_it_is_seen() {
    for ip in LOOPBACKS {
        told_by_stun(ip);
    }
}

fn told_by_stun(ip: IpAddr) {
    let (contoso, _fabrikam, _name_server) = two_organisations_at(ip, Limits::default());
    let udp = StdUdpSocket::bind((ip, 0)).expect("a free port");
    udp.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"transaction!"].concat();
    udp.send_to(&request[..19], contoso.udp).expect("a socket");
    udp.send_to(&request, contoso.udp).expect("a socket");
    let mut bytes = [0; 100];
    let (count, from) = udp.recv_from(&mut bytes).expect("a response");
    assert_eq!((count, from), (if ip.is_ipv4() { 32 } else { 44 }, contoso.udp));
    assert_eq!((&bytes[..2], &bytes[8..20]), (&[1, 1][..], &b"transaction!"[..]));
    let port = u16::from_be_bytes([bytes[26] ^ 0x21, bytes[27] ^ 0x12]);
    assert_eq!(port, udp.local_addr().expect("bound").port());
    assert_eq!(contoso.sum(|seen| seen.stun_answered), 1);
    assert_eq!(contoso.sum(|seen| seen.datagrams_ignored), 1, "cut short, it is noise");
    assert_eq!(contoso.sum(|seen| seen.datagrams_sent), 0);
}
