//! Certificates ordered from an authority that others wrote, by each of the three challenges. Run by ./test acme, which
//! installs the authority and its name server.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::acme_server::{AcmeServer, KEY_NAME, KEY_SECRET};
use crate::partner;
use crate::phone::Phone;
use crate::place;
use crate::place::Place;
use crate::served;
use crate::served::Served;

const LONG: u32 = 90 * 86_400;

/// A place without a certificate, and its authority; `more` is what [certificate.acme] says of the challenge.
fn place(life_secs: u32, more: &dyn Fn(&AcmeServer) -> String) -> (Place, AcmeServer) {
    let place = Place::new("");
    let acme = AcmeServer::start(&place, life_secs);
    std::fs::write(place.path().join("tsig.secret"), KEY_SECRET).unwrap();
    let text = format!(
        "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\nworkers = 2\n[certificate]\nroots = \"ca.pem\"\n\
         [certificate.acme]\ndirectory = \"{}\"\ncontact = [\"hostmaster@contoso.example\"]\nroots = \"ca.pem\"\n{}\n\
         [listen]\ntls = [\"127.0.0.1:{}\"]\ntcp = [\"127.0.0.1:{}\"]\n[dns]\nservers = [\"127.0.0.1:9\"]\n",
        acme.directory(),
        more(&acme),
        acme.tls_port,
        acme.tcp_port,
    );
    std::fs::write(place.path().join("comity.toml"), text).unwrap();
    (place, acme)
}

fn serve(place: Place, acme: &AcmeServer) -> Served {
    serve_with(place, acme, &[])
}

fn serve_with(place: Place, acme: &AcmeServer, environment: &[(&str, &str)]) -> Served {
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    let server =
        place.command(&["serve"]).envs(environment.iter().copied()).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    let authority = place::Authority::new();
    Served { place, authority, server, tls_port: acme.tls_port, tcp_port: acme.tcp_port }.when_ready()
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
#[ignore = "needs programs of others: ./test acme"]
fn a_certificate_is_ordered_by_http() {
    let (place, acme) = place(LONG, &by_http);
    expect_issued(&mut serve(place, &acme), &acme);
    assert!(TcpStream::connect(("127.0.0.1", acme.http_port)).is_err(), "the port is ours only while an order waits");
}

#[test]
#[ignore = "needs programs of others: ./test acme"]
fn a_certificate_is_ordered_by_tls() {
    let (place, acme) = place(LONG, &by_tls);
    expect_issued(&mut serve(place, &acme), &acme);
}

#[test]
#[ignore = "needs programs of others: ./test acme"]
fn a_certificate_is_ordered_by_dns() {
    let (place, acme) = place(LONG, &by_dns);
    expect_issued(&mut serve(place, &acme), &acme);
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

fn message(call_id: &str) -> String {
    format!(
        "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.example;branch=z9hG4bK{call_id}\r\n\
         From: <sip:{BOB}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Sends one message after the other on one connection, and wants each answered by Alice; how many there were.
fn keep_sending(mut line: Phone, number: usize, is_over: &AtomicBool) -> usize {
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        line.send_text(&message(&format!("{number}-{sent}")));
        assert_eq!(line.final_response().status(), Some(200), "message {sent} of connection {number}");
        sent += 1;
        thread::sleep(Duration::from_millis(2));
    }
    sent
}

/// TLS-ALPN-01, so that also each order has to leave alone whoever connects meanwhile.
#[test]
#[ignore = "needs programs of others: ./test acme"]
fn it_is_renewed_again_and_again_and_no_connection_under_load_notices() {
    let (place, acme) = place(SHORT, &by_tls);
    let mut served = serve(place, &acme);
    served.wait_until("the authority's certificate is served", |served| {
        status(served)["issuer"].as_str().unwrap().contains("Pebble")
    });
    served.run(&["partner", "add", "fabrikam.example", "--edge", "edge.fabrikam.example"]).ok();
    Phone::add_user(&served, ALICE);
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::new(127, 0, 74, 1));
    assert_eq!(alice.register().status(), Some(200));
    let identity =
        partner::identity(served.place.path(), &acme.authority, &["edge.fabrikam.example", "fabrikam.example"]);
    let is_over = Arc::new(AtomicBool::new(false));
    let line = |number| {
        let stream = partner::connect(Ipv4Addr::new(127, 0, 74, 2), served.tls_port, Some(&identity));
        let is_over = is_over.clone();
        thread::spawn(move || keep_sending(Phone::over(BOB, stream), number, &is_over))
    };
    let lines: Vec<_> = (0..4).map(line).collect();
    let answering = thread::spawn(move || {
        while let Ok(request) = alice.try_receive() {
            alice.answer(&request, 200);
        }
    });
    let (mut seen, begin) = (BTreeSet::new(), Instant::now());
    while seen.len() < 4 {
        assert!(begin.elapsed() < Duration::from_secs(150), "{} certificates; log:\n{}", seen.len(), served.log());
        seen.insert(shown(served.tls_port).to_vec());
        assert!(lines.iter().all(|line| !line.is_finished()), "a connection broke; log:\n{}", served.log());
        thread::sleep(Duration::from_millis(100));
    }
    is_over.store(true, Ordering::Relaxed);
    let sent: Vec<usize> = lines.into_iter().map(|line| line.join().unwrap()).collect();
    println!("3 renewals in {:?}; messages by connection: {sent:?}", begin.elapsed());
    assert!(sent.iter().all(|count| *count > 500), "{sent:?}");
    drop(served);
    answering.join().unwrap();
}

fn metric(served: &Served, name: &str) -> u64 {
    let text = served.run(&["metrics"]).ok().stdout;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until an order has failed for this reason, which log, status and metric tell alike.
fn expect_failure(served: &mut Served, why: &str, next: &str) {
    served.wait_until(why, |served| served.log().contains(why));
    let log = served.log();
    let line = log.lines().rfind(|line| line.contains(why)).unwrap();
    assert!(line.contains(" WARN no certificate was issued") && line.contains(next), "{line}");
    served.wait_until("the status says so", |served| !status(served)["acme"]["last_error"].is_null());
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("warning: no certificate was issued at ") && status.contains(why), "{status}");
    assert!(status.contains(&format!("next: {next}")), "{status}");
    assert!(metric(served, "comity_acme_orders_total{outcome=\"failed\"}") > 0);
}

#[test]
#[ignore = "needs programs of others: ./test acme"]
fn while_the_authority_is_away_or_refuses_the_old_one_is_served() {
    let (place, mut acme) = place(SHORT, &by_http);
    let mut served = serve(place, &acme);
    expect_issued(&mut served, &acme);
    acme.go_away();
    let old = shown(served.tls_port);
    expect_failure(&mut served, "cannot be reached: ", "look whether this machine reaches that address");
    assert_eq!(shown(served.tls_port), old);
    // It has forgotten our account meanwhile.
    let [nobodys] = served::free_ports();
    acme.come_back_looking_at(nobodys);
    expect_failure(&mut served, "the authority refuses: ", "put right what it says");
    assert!(served.log().contains("contoso.example: ") && served.log().contains("(connection)"), "{}", served.log());
    assert_eq!(shown(served.tls_port), old);
}

#[test]
#[ignore = "needs programs of others: ./test acme"]
fn a_name_server_that_knows_another_key_is_told_apart_and_tried_again() {
    let (place, acme) = place(LONG, &by_dns);
    let secret = place.path().join("tsig.secret");
    std::fs::write(&secret, "YW5vdGhlciBzZWNyZXQ=").unwrap();
    let mut served = serve(place, &acme);
    expect_failure(&mut served, "is not the one it has (BADSIG)", "see that tsig_name, tsig_algorithm and the secret");
    assert_eq!(status(&served)["acme"]["is_self_made"], true);
    std::fs::write(&secret, "not base64!").unwrap();
    expect_failure(&mut served, "tsig_secret_file: ", "write the secret there");
    std::fs::write(&secret, KEY_SECRET).unwrap();
    expect_issued(&mut served, &acme);
}

#[test]
#[ignore = "needs programs of others: ./test acme"]
fn a_port_that_is_taken_is_told_and_tried_again() {
    let (place, acme) = place(LONG, &by_http);
    let taken = TcpListener::bind(("127.0.0.1", acme.http_port)).unwrap();
    let mut served = serve(place, &acme);
    expect_failure(&mut served, "for the authority ([certificate.acme] http): Address already in use", "free the port");
    drop(taken);
    expect_issued(&mut served, &acme);
}

/// In the past what is issued is not valid yet; in the future the authority's own certificate is out of date.
#[test]
#[ignore = "needs programs of others: ./test acme"]
fn a_clock_that_is_wrong_is_told() {
    for (shift, why) in [("-730d", "is not valid now by this machine's clock"), ("+730d", "cannot be reached: ")] {
        let (place, acme) = place(LONG, &by_http);
        let environment = [("LD_PRELOAD", faketime()), ("FAKETIME", shift), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        let mut served = serve_with(place, &acme, &environment);
        let next =
            if shift.starts_with('-') { "set the clock" } else { "look whether the clock of this machine is right" };
        expect_failure(&mut served, why, next);
        assert_eq!(status(&served)["acme"]["is_self_made"], true);
    }
}

fn faketime() -> &'static str {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = places.iter().map(|place| format!("{place}/faketime/libfaketimeMT.so.1"));
    let mut found = found.filter(|file| std::path::Path::new(file).exists());
    found.next().expect("./test acme installs faketime").leak()
}

/// Long enough for what is served to be looked at, short enough to be renewed in a test.
const SHORT: u32 = 24;
