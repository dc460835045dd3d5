//! Flows that end because nothing comes any more, or because nothing more goes out.

use std::io::ErrorKind;

use super::*;

/// Flows are looked at every few seconds.
fn comes_to_be(time: Duration, is_so: impl Fn() -> bool) -> bool {
    let until = Instant::now() + time;
    while !is_so() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

#[test]
fn a_flow_on_which_nothing_comes_or_goes_ends() {
    let limits = Limits { idle_secs_max: 1, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut phone = Phone::connect(&contoso, "alice");
    phone.register();
    assert_eq!(phone.next_frame(), None, "it is closed, and nothing else comes");
    assert!(comes_to_be(Duration::from_secs(1), || contoso.sum(|seen| seen.flows as u64) == 0));
    assert_eq!(contoso.sum(|seen| seen.flows_idle_ended), 1);
}

/// Bytes that come all the time keep a flow from being idle, not from being slow.
#[test]
fn a_message_that_does_not_come_to_its_end_ends_its_flow() {
    let limits = Limits { message_secs_max: 2, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    let mut bob = Phone::connect(&contoso, "bob");
    bob.register();
    let begun = Instant::now();
    let mut bytes = b"OPTIONS sip:contoso.example SIP/2.0\r\nVia: ".iter().chain(std::iter::repeat(&b'x'));
    let is_over = || contoso.sum(|seen| seen.slow_writers_ended) == 1;
    while !is_over() && begun.elapsed() < Duration::from_secs(30) {
        alice.send(&[*bytes.next().expect("without end")]);
        // Whole messages, one after the other, are no slow one.
        bob.register();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(is_over() && begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(alice.next_frame(), None, "it is closed");
    bob.register();
}

#[test]
fn a_flow_that_ends_waits_so_long_for_its_peer_to_read_the_last_bytes() {
    let limits = Limits { closing_secs_max: 2, output_bytes_max: 64 << 20, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    socket.connect(&contoso.tcp.into()).expect("a server");
    let mut peer = StdStream::from(socket);
    let requests = unproven_register("TCP").repeat(100);
    // Some 3 MB of answers: more than the system takes, less than we keep.
    (0..60).for_each(|_| peer.write_all(&requests).expect("a server that reads"));
    peer.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 99999999\r\n\r\n").expect("a server that reads");
    let ends = || contoso.sum(|seen| if seen.framing_errors > 0 { seen.flows as u64 } else { 0 }) == 1;
    assert!(comes_to_be(Duration::from_secs(30), ends), "it is let go, and what waits keeps it open");
    assert!(comes_to_be(Duration::from_secs(10), || contoso.sum(|seen| seen.flows as u64) == 0));
}

/// What became of a connection that has said nothing.
fn is_open(peer: &mut StdStream) -> bool {
    peer.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
    matches!(peer.read(&mut [0; 16]), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn a_connection_too_many_is_closed_at_once_and_those_that_stand_are_served() {
    const OPENED: usize = 40;
    let places = 3 * usize::from(WORKERS);
    let limits = Limits { connections_max: 3, silent_secs_max: 600, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    let mut opened: Vec<StdStream> = (0..OPENED).map(|_| StdStream::connect(contoso.tcp).expect("a server")).collect();
    // One place is hers.
    let refused = OPENED - (places - 1);
    contoso.expect_at_least(refused as u64, |seen| seen.connections_refused);
    opened.retain_mut(is_open);
    assert_eq!(opened.len(), places - 1);
    for peer in &mut opened {
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        peer.write_all(&unproven_register("TCP")).expect("a connection");
        let mut answer = [0; 64];
        let count = peer.read(&mut answer).expect("an answer");
        assert!(answer[..count].starts_with(b"SIP/2.0 401 "), "{}", String::from_utf8_lossy(&answer));
    }
    alice.say("sip:alice@contoso.example", "still here");
    assert_eq!(alice.receive().method(), Some(Method::Message));
    assert_eq!(contoso.sum(|seen| seen.connections_refused), refused as u64);
    drop(opened);
    assert!(comes_to_be(Duration::from_secs(10), || contoso.sum(|seen| seen.flows as u64) == 1));
    Phone::connect(&contoso, "carol").register();
    assert_eq!(contoso.sum(|seen| seen.connections_refused), refused as u64);
}
