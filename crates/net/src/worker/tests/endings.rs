//! Flows that end because nothing comes any more, or because nothing more goes out.

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
