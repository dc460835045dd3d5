//! Certificates ordered from an authority that others wrote, by each of the three challenges. Run by ./test acme, which
//! installs the authority and its name server.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod acme_server;
mod partner;
mod place;
mod served;

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;

use acme_server::{AcmeServer, KEY_NAME, KEY_SECRET};
use place::Place;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use served::Served;

const LONG: u32 = 90 * 86_400;

/// A place without a certificate, and its authority; `more` is what [certificate.acme] says of the challenge.
fn place(life_secs: u32, more: &dyn Fn(&AcmeServer) -> String) -> (Place, AcmeServer) {
    let place = Place::new("");
    let acme = AcmeServer::start(&place, life_secs);
    std::fs::write(place.path().join("tsig.secret"), KEY_SECRET).unwrap();
    let text = format!(
        "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\nworkers = 2\n[certificate]\nroots = \"ca.pem\"\n\
         [certificate.acme]\ndirectory = \"{}\"\ncontact = [\"hostmaster@contoso.example\"]\nroots = \"ca.pem\"\n{}\n\
         [listen]\ntls = [\"127.0.0.1:{}\"]\n[dns]\nservers = [\"127.0.0.1:9\"]\n",
        acme.directory(),
        more(&acme),
        acme.tls_port,
    );
    std::fs::write(place.path().join("comity.toml"), text).unwrap();
    (place, acme)
}

fn serve(place: Place, acme: &AcmeServer) -> Served {
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    let server = place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    let authority = place::Authority::new();
    Served { place, authority, server, tls_port: acme.tls_port, tcp_port: 0 }.when_ready()
}

fn by_http(acme: &AcmeServer) -> String {
    format!("challenge = \"http-01\"\nhttp = [\"127.0.0.1:{}\"]", acme.http_port)
}

fn by_tls(_: &AcmeServer) -> String {
    "challenge = \"tls-alpn-01\"".to_owned()
}

fn by_dns(acme: &AcmeServer) -> String {
    format!(
        "challenge = \"dns-01\"\ndns_server = [\"{}\"]\ntsig_name = \"{KEY_NAME}\"\ntsig_secret_file = \"tsig.secret\"\n\
         dns_wait_secs = 0",
        acme.dns
    )
}

/// What a new handshake shows.
fn shown(port: u16) -> CertificateDer<'static> {
    let config = Arc::new(certificates::tls::recording_client_config(None).unwrap());
    let connection = ClientConnection::new(config, ServerName::try_from("sip.contoso.example").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port)).unwrap());
    stream.flush().unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn status(served: &Served) -> serde_json::Value {
    served.run(&["status", "--json"]).ok().json()["certificate"].take()
}

fn expect_issued(served: &mut Served, acme: &AcmeServer) {
    served.wait_until("the authority's certificate is served", |served| {
        status(served)["issuer"].as_str().unwrap().contains("Pebble")
    });
    let status = status(served);
    assert_eq!(status["names"], serde_json::json!(["sip.contoso.example", "contoso.example"]), "{status}");
    assert_eq!(status["acme"]["is_self_made"], false, "{status}\n{}", acme.log());
    assert_eq!(status["acme"]["last_error"], serde_json::Value::Null);
    let key = served.place.path().join("data/acme/live/privkey.pem");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let live = std::fs::read_to_string(served.place.path().join("data/acme/live/fullchain.pem")).unwrap();
    let shown = shown(served.tls_port);
    assert_eq!(shown, CertificateDer::from_pem_slice(live.as_bytes()).unwrap());
}

#[test]
#[ignore = "needs pebble and knot: ./test acme"]
fn a_certificate_is_ordered_by_http() {
    let (place, acme) = place(LONG, &by_http);
    expect_issued(&mut serve(place, &acme), &acme);
    assert!(TcpStream::connect(("127.0.0.1", acme.http_port)).is_err(), "the port is ours only while an order waits");
}

#[test]
#[ignore = "needs pebble and knot: ./test acme"]
fn a_certificate_is_ordered_by_tls() {
    let (place, acme) = place(LONG, &by_tls);
    expect_issued(&mut serve(place, &acme), &acme);
}

#[test]
#[ignore = "needs pebble and knot: ./test acme"]
fn a_certificate_is_ordered_by_dns() {
    let (place, acme) = place(LONG, &by_dns);
    expect_issued(&mut serve(place, &acme), &acme);
}
