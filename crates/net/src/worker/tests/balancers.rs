//! Connections that a load balancer hands on, and those of whoever would like to be taken for one.

use proxy_header::{ProxiedAddress, ProxyHeader, Tlv};
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sip::{Framer, MessageLimits};

use super::handshakes::{connect_from, expect_end};
use super::*;

/// One of those that every test server trusts.
const BALANCER: [u8; 4] = [127, 0, 99, 1];
const STRANGER: [u8; 4] = [127, 0, 98, 1];

fn header(peer: [u8; 4], port: u16) -> Vec<u8> {
    let addresses = ProxiedAddress::stream((peer, port).into(), ([192, 0, 2, 1], 5061).into());
    encoded(ProxyHeader::with_address(addresses))
}

fn encoded(header: ProxyHeader<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.encode_v2(&mut bytes).expect("a header");
    bytes
}

/// A connection that begins with these bytes.
fn connect(from: [u8; 4], server: &TestServer, beginning: &[u8]) -> StdStream {
    let mut stream = connect_from(from, server.tls);
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream.write_all(beginning).expect("a connection");
    stream
}

fn phone_on(stream: StdStream, server: &TestServer, user: &str) -> Phone {
    let name = ServerName::try_from(server.domain.to_owned()).expect("a name");
    let stream = StreamOwned::new(ClientConnection::new(anonymous(), name).expect("a client"), stream);
    let framer = Framer::new(MessageLimits::default());
    let line = Line::Tls { stream: Box::new(stream), received: bytes::BytesMut::new(), framer };
    Phone::over(line, server, user)
}

/// The Via of the answer to an OPTIONS: where the server has the request from.
fn seen_from(phone: &mut Phone) -> String {
    let uri = format!("sip:{}", phone.domain);
    let options = phone.request(Method::Options, &uri, &uri).build();
    phone.send(&options);
    let response = phone.receive_final();
    String::from_utf8_lossy(response.header(HeaderName::Via).expect("a Via")).into_owned()
}

#[test]
fn who_connected_is_whom_the_header_names_however_slowly_it_comes() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut stream = connect(BALANCER, &contoso, &[]);
    for byte in header([198, 51, 100, 7], 40_001) {
        stream.write_all(&[byte]).expect("a connection");
        thread::sleep(Duration::from_millis(2));
    }
    let via = seen_from(&mut phone_on(stream, &contoso, "alice"));
    assert!(via.contains("received=198.51.100.7") && via.contains("rport=40001"), "{via}");
}

#[test]
fn a_stranger_is_not_taken_for_a_balancer() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    for beginning in [header([198, 51, 100, 7], 1), b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n".to_vec()] {
        expect_end(&mut connect(STRANGER, &contoso, &beginning));
    }
    contoso.expect_at_least(2, |seen| seen.introductions_refused);
    let via = seen_from(&mut phone_on(connect(STRANGER, &contoso, &[]), &contoso, "alice"));
    assert!(via.contains("received=127.0.98.1"), "without a header it is heard: {via}");
}

#[test]
fn a_balancer_is_heard_with_a_header_of_version_two_alone() {
    let limits = Limits { introduction_secs_max: 1, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let long = encoded(ProxyHeader::with_tlvs(None, [Tlv::Noop(2000)]));
    let twice = [header([198, 51, 100, 7], 1), header([198, 51, 100, 8], 1)].concat();
    let begun = header([198, 51, 100, 7], 1)[..20].to_vec();
    let beginnings = [vec![0x16, 3, 1, 0], b"PROXY UNKNOWN\r\n".to_vec(), long, twice, begun];
    for beginning in &beginnings {
        expect_end(&mut connect(BALANCER, &contoso, beginning));
    }
    contoso.expect_at_least(5, |seen| seen.introductions_refused);
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 5);
}

#[test]
fn a_balancer_may_look_whether_somebody_is_here() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    for beginning in [encoded(ProxyHeader::with_local()), Vec::new()] {
        drop(connect(BALANCER, &contoso, &beginning));
    }
    let asked = connect(BALANCER, &contoso, &encoded(ProxyHeader::with_local()));
    let via = seen_from(&mut phone_on(asked, &contoso, "alice"));
    assert!(via.contains("received=127.0.99.1"), "it speaks for itself: {via}");
    assert_eq!(contoso.sum(|seen| seen.handshakes_failed), 0);
}

#[test]
fn limits_count_by_the_address_in_the_header() {
    let limits = Limits { unfinished_per_ip_max: 2, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let begin = |last: u8| connect(BALANCER, &contoso, &header([198, 51, 100, last], 1));
    let many: Vec<StdStream> = (0..60).map(begin).collect();
    phone_on(begin(200), &contoso, "alice").register();
    assert_eq!(contoso.sum(|seen| seen.unfinished_displaced), 0, "sixty peers of one balancer");
    drop(many);
    let one: Vec<StdStream> = (0..40).map(|_| begin(201)).collect();
    contoso.expect_at_least(30, |seen| seen.unfinished_displaced);
    assert_eq!(one.len(), 40);
}

#[test]
fn balancers_that_do_not_go_on_are_bounded() {
    let limits = Limits { introductions_max: 2, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let silent: Vec<StdStream> = (0..20).map(|_| connect(BALANCER, &contoso, &[])).collect();
    contoso.expect_at_least(12, |seen| seen.introductions_full);
    phone_on(connect(STRANGER, &contoso, &[]), &contoso, "alice").register();
    assert_eq!(silent.len(), 20);
}
