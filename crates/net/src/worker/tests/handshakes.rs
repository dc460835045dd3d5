//! Connections that take a place and say nothing, too little, or too slowly.

use socket2::{Domain, Socket, Type};

use super::*;

/// A TCP connection from a loopback address of the test's choice.
pub(super) fn connect_from(ip: [u8; 4], to: SocketAddr) -> StdStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((ip, 0)).into()).expect("a loopback address");
    socket.connect(&to.into()).expect("a server");
    socket.into()
}

/// The server ended the connection, one way or the other, within ten seconds.
pub(super) fn expect_end(peer: &mut StdStream) {
    peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let end = peer.read(&mut [0; 16]);
    assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{end:?}");
}

#[test]
fn two_thousand_silent_connections_of_one_address_keep_nobody_else_out() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let silent: Vec<StdStream> = (0..2000).map(|_| connect_from([127, 0, 0, 2], contoso.tls)).collect();
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    assert_eq!(silent.len(), 2000);
}

#[test]
fn silent_connections_of_many_addresses_keep_nobody_out() {
    let limits = Limits { unfinished_max: 100, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let address = |n: u16| [127, 0, 1 + n.to_be_bytes()[0], n.to_be_bytes()[1]];
    let _silent: Vec<StdStream> = (1..=1500).map(|n| connect_from(address(n), contoso.tls)).collect();
    Phone::connect(&contoso, "alice").register();
    assert!(contoso.sum(|seen| seen.unfinished_displaced) >= 1000);
    assert_eq!(contoso.sum(|seen| seen.unfinished_refused), 0);
}

#[test]
fn a_connection_that_sends_nothing_ends() {
    let limits = Limits { silent_secs_max: 1, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    expect_end(&mut connect_from([127, 0, 0, 2], contoso.tls));
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 1);
}

#[test]
fn a_handshake_that_does_not_go_on_ends_and_gives_its_turn_back() {
    let limits = Limits { handshake_secs_max: 1, handshakes_max: 1, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut slow: Vec<StdStream> = (0..6).map(|_| connect_from([127, 0, 0, 2], contoso.tls)).collect();
    for peer in &mut slow {
        peer.write_all(&[HANDSHAKE_RECORD]).expect("a connection");
    }
    slow.iter_mut().for_each(expect_end);
    Phone::connect(&contoso, "alice").register();
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 6);
    assert!(contoso.sum(|seen| seen.handshakes_full) >= 1);
}

#[test]
fn handshakes_that_do_not_go_on_are_few_for_each_address() {
    let limits = Limits { handshakes_max: 8, unfinished_per_ip_max: 4, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut slow: Vec<StdStream> = (0..40).map(|_| connect_from([127, 0, 0, 2], contoso.tls)).collect();
    for peer in &mut slow {
        // Some are gone already.
        peer.write_all(&[HANDSHAKE_RECORD]).ok();
    }
    Phone::connect(&contoso, "alice").register();
    contoso.expect_at_least(32, |seen| seen.unfinished_refused + seen.unfinished_displaced);
    assert_eq!(contoso.sum(|seen| seen.handshakes_full), 0);
}

#[test]
fn handshakes_that_do_not_go_on_make_nobody_else_wait() {
    // Whoever waits for what was begun waits longer than any test.
    let limits = Limits { handshakes_max: 6, unfinished_per_ip_max: 16, handshake_secs_max: 600, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let _slow: Vec<StdStream> = (0..96u8).map(|n| begin_from([127, 0, 0, 2 + n % 3], contoso.tls)).collect();
    contoso.expect_at_least(24, |seen| seen.handshakes_full);
    Phone::connect(&contoso, "alice").register();
    assert!(contoso.sum(|seen| seen.unfinished_displaced) >= 1);
}

fn begin_from(ip: [u8; 4], to: SocketAddr) -> StdStream {
    let mut peer = connect_from(ip, to);
    peer.write_all(&[HANDSHAKE_RECORD]).expect("a connection");
    peer
}

/// How every ClientHello begins.
const HANDSHAKE_RECORD: u8 = 0x16;
