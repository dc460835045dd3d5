//! SIP over WebSockets (RFC 7118), from the opening handshake to the last frame.

use federation::flow::Direction;
use sip::refusal::Word;
use tungstenite::http::StatusCode;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message as WebMessage};

use super::line::{encrypted, open, plain};
use super::*;

const ORIGIN: &str = "https://phone.contoso.example";

fn browser(server: &TestServer, user: &str) -> Phone {
    let origin = format!("https://phone.{}", server.domain);
    Phone::over(Line::wss(server, Some(&origin)).expect("a WebSocket"), server, user)
}

fn status(error: Error) -> StatusCode {
    match error {
        Error::Http(response) => response.status(),
        other => panic!("no HTTP response: {other}"),
    }
}

#[test]
fn a_browser_and_a_partners_phone_exchange_messages_whatever_worker_has_them() {
    const PAIRS: usize = 8;
    let (contoso, fabrikam, _name_server) = two_organisations();
    for pair in 0..PAIRS {
        let mut alice = browser(&contoso, &format!("alice{pair}"));
        let mut bob = Phone::connect(&fabrikam, &format!("bob{pair}"));
        alice.register();
        bob.register();
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
        // The flow is the same one, wherever it is now.
        alice.send(b"\r\n\r\n");
        assert_eq!(alice.next_frame(), Some(Frame::Pong));
    }
    // Of eight, chance puts one at least with the wrong worker, but for once in 256 runs: as many again then.
    if contoso.sum(|seen| seen.flows_adopted) == 0 {
        (0..PAIRS).for_each(|pair| browser(&contoso, &format!("carol{pair}")).register());
    }
    assert!(contoso.sum(|seen| seen.flows_adopted) > 0);
    assert!(contoso.sum(|seen| seen.web_sockets_opened) >= PAIRS as u64);
    assert_eq!(contoso.sum(|seen| seen.framing_errors + seen.parse_errors + seen.transmits_without_flow), 0);
}

#[test]
fn who_may_not_open_one_is_told_and_counted() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let refused = |origin, subprotocol| {
        status(open(encrypted(contoso.wss, contoso.domain), origin, subprotocol).expect_err("a refusal"))
    };
    assert_eq!(refused(Some("https://evil.example"), "sip"), StatusCode::FORBIDDEN);
    assert_eq!(refused(Some("null"), "sip"), StatusCode::FORBIDDEN);
    assert_eq!(refused(Some(ORIGIN), "msrp"), StatusCode::BAD_REQUEST);
    assert_eq!(status(open(plain(contoso.ws), Some("http://evil.example"), "sip").expect_err("a refusal")), 403);
    assert!(Line::wss(&contoso, None).is_ok(), "a program is no page");
    assert_eq!(contoso.sum(|seen| seen.web_sockets_refused), 4);
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 4);
    assert_eq!(contoso.sum(|seen| seen.web_sockets_opened), 1);
    let words = contoso.mailboxes.iter().map(|mailbox| {
        let (reply, counted) = mpsc::channel();
        let look = move |core: &mut signaling::Core, _| {
            let refused = &core.counts().refused;
            reply
                .send(refused.get(&(Direction::Outbound, Word::OriginNotAllowed)).copied().unwrap_or(0))
                .expect("heard");
        };
        mailbox.send(WorkerMessage::Inspect(Box::new(look)));
        counted.recv().expect("an answer")
    });
    assert_eq!(words.sum::<u64>(), 3);
}

#[test]
fn a_request_without_an_end_is_ended_and_its_place_given_back() {
    let limits = Limits { handshake_secs_max: 1, unfinished_per_ip_max: 4, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut slow: Vec<StdStream> = (0..4).map(|_| plain(contoso.ws)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: contoso.example\r\n").expect("a connection");
    }
    for stream in &mut slow {
        assert_eq!(stream.read(&mut [0; 16]).expect("an end"), 0);
    }
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 4);
    let mut silent: Vec<StdStream> = (0..20).map(|_| plain(contoso.ws)).collect();
    assert!(open(plain(contoso.ws), None, "sip").is_ok(), "the silent make room");
    assert!(contoso.sum(|seen| seen.unfinished_displaced) >= 1);
    silent.clear();
}

#[test]
fn a_request_comes_in_pieces_and_as_binary_without_a_length() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut web_socket = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    let request = unproven_register("WS");
    let request = String::from_utf8(request.to_vec()).expect("text").replace("Content-Length: 0\r\n", "");
    let challenged = |web_socket: &mut tungstenite::WebSocket<StdStream>| {
        let answer = web_socket.read().expect("an answer");
        assert!(answer.is_text());
        let answer = Message::parse(answer.into_data()).expect("a message");
        assert_eq!(answer.status(), Some(401));
    };
    web_socket.send(WebMessage::binary(request.clone())).expect("a connection");
    challenged(&mut web_socket);
    let request = request.replace("z9hG4bK1", "z9hG4bK2");
    let (first, rest) = request.split_at(100);
    for (is_last, part, kind) in [(false, first, 0x01), (true, rest, 0x00)] {
        let mut frame = vec![kind | if is_last { 0x80 } else { 0 }, 0x80 | 126];
        frame.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(part.as_bytes());
        web_socket.get_mut().write_all(&frame).expect("a connection");
        if !is_last {
            // Between its pieces, a ping has its answer.
            web_socket.send(WebMessage::Ping(Bytes::from_static(b"here?"))).expect("a connection");
            assert_eq!(web_socket.read().expect("a pong"), WebMessage::Pong(Bytes::from_static(b"here?")));
        }
    }
    challenged(&mut web_socket);
}

#[test]
fn what_breaks_the_rules_is_closed_with_a_reason() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let request = String::from_utf8(unproven_register("WS").to_vec()).expect("text");
    let two = format!("{request}{request}");
    let long = format!("{request}{}", "a".repeat(70_000));
    let masked = |opcode: u8, bytes: &[u8]| {
        let mut frame = vec![opcode, 0x80 | u8::try_from(bytes.len()).expect("short"), 0, 0, 0, 0];
        frame.extend(bytes);
        frame
    };
    let text = |text: &str| {
        let mut frame = vec![0x81, 0x80 | 127];
        frame.extend((text.len() as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        frame
    };
    let cases = [
        (text(&two), CloseCode::Invalid),
        (text(&long), CloseCode::Size),
        (masked(0x81, b"\xff\xfe"), CloseCode::Invalid),
        (vec![0x81, 1, b'a'], CloseCode::Protocol),
        (masked(0x83, b"a"), CloseCode::Protocol),
        (masked(0x80, b"a"), CloseCode::Protocol),
        (masked(0xc1, b"a"), CloseCode::Protocol),
    ];
    for (bytes, code) in cases {
        let mut web_socket = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
        web_socket.get_mut().write_all(&bytes).expect("a connection");
        match web_socket.read().expect("a word at the end") {
            WebMessage::Close(Some(frame)) => assert_eq!(frame.code, code),
            other => panic!("{other:?} instead of {code}"),
        }
    }
    assert_eq!(contoso.sum(|seen| seen.framing_errors), 7);
    assert_eq!(contoso.sum(|seen| seen.flows as u64), 0);
}

#[test]
fn who_says_goodbye_is_answered_and_gone() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut web_socket = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    web_socket.close(None).expect("a connection");
    assert!(matches!(web_socket.read(), Ok(WebMessage::Close(_))));
    assert!(matches!(web_socket.read(), Err(Error::ConnectionClosed)));
    assert_eq!(contoso.sum(|seen| seen.flows as u64 + seen.framing_errors), 0);
}

#[test]
fn a_server_that_ends_says_so() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut web_socket = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    drop(contoso);
    let Ok(WebMessage::Close(Some(close))) = web_socket.read() else { panic!("no word") };
    assert_eq!(close.code, CloseCode::Away);
}

#[test]
fn a_silent_peer_is_asked_and_given_up() {
    let limits = Limits { web_socket_ping_secs: 1, web_socket_silent_secs_max: 8, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut alice = browser(&contoso, "alice");
    alice.register();
    // It reads, and so answers, while nobody writes to it.
    let mut there = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    assert_eq!(there.read().expect("a question"), WebMessage::Ping(Bytes::new()));
    let begun = Instant::now();
    while contoso.sum(|seen| seen.web_sockets_silent_ended) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "alice reads nothing, and is not given up");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn pings_without_end_do_not_fill_our_memory() {
    let limits = Limits { output_bytes_max: 100_000, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut peer = open(plain(contoso.ws), None, "sip").expect("a WebSocket");
    let stream = peer.get_mut();
    stream.set_write_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend([0; 125]);
    let pings = ping.repeat(500);
    let failed = (0..2000).find_map(|_| stream.write_all(&pings).err()).expect("an end before a million");
    assert!(!matches!(failed.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{failed}");
    assert_eq!(contoso.sum(|seen| seen.flows as u64), 0);
}
