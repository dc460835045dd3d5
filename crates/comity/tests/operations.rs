//! A server that is looked after while it runs: its certificate renewed.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod place;
mod served;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};
use served::Served;

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(served: &Served) -> Tls {
    let config = certificates::tls::recording_client_config(None).unwrap();
    let name = ServerName::try_from("sip.contoso.example").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, served.tls_port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut tls = StreamOwned::new(connection, socket);
    keep_alive(&mut tls);
    tls
}

/// The ping of RFC 5626 section 3.5.1, and its pong.
fn keep_alive(tls: &mut Tls) {
    tls.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    tls.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

fn shown(tls: &Tls) -> CertificateDer<'static> {
    tls.conn.peer_certificates().unwrap()[0].clone()
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart_and_a_bad_one_is_not() {
    let mut served = Served::start();
    let mut first = connect(&served);
    let old = shown(&first);

    served.place.certify(&["sip.contoso.example", "contoso.example", "renewed.contoso.example"]);
    served.wait_until("the new certificate is served", |served| shown(&connect(served)) != old);
    let renewed = shown(&connect(&served));
    keep_alive(&mut first);
    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!(status["certificate"]["names"][2], "renewed.contoso.example");
    assert!(status["certificate"]["since_unix"].as_i64().unwrap() > 0);

    std::fs::write(served.place.path().join("contoso.key"), "no key").unwrap();
    let shows_refusal = |served: &mut Served| served.run(&["status"]).ok().stdout.contains("holds no private key");
    served.wait_until("the bad key is told", shows_refusal);
    assert!(shown(&connect(&served)) == renewed);
    assert!(served.log().contains("the new certificate is refused"), "{}", served.log());
}
