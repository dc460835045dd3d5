//! A partner whom no public authority vouches for: refused, until its certificate is pinned or its own authority trusted.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use certificates::{Identity, ServedIdentity};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::json;
use sip::{HeaderName, Message};

use crate::partner;
use crate::phone::Phone;
use crate::place::{Authority, Place};
use crate::served;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const EDGE: Ipv4Addr = Ipv4Addr::new(127, 0, 74, 2);

/// A certificate's files.
struct Shown {
    chain: PathBuf,
    key: PathBuf,
}

impl Shown {
    fn at(folder: &Path, name: &str) -> Shown {
        Shown { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
    }

    /// For servers and for clients.
    fn issue_to_both(&self, names: &[&str], authority: &Authority) {
        let mut params = Authority::wish(names);
        params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
        authority.issue_as(params, &self.chain, &self.key);
    }

    fn new(folder: &Path, name: &str, authority: &Authority) -> Shown {
        let shown = Shown::at(folder, name);
        authority.issue(&["fabrikam.example", "litware.example"], &shown.chain, &shown.key);
        shown
    }

    fn identity(&self) -> Identity {
        Identity::load(&self.chain, &self.key, UnixTime::now()).unwrap()
    }

    fn fingerprint(&self) -> String {
        let fingerprint = certificates::roots::fingerprint(&self.identity().chain[0]);
        federation::trust::hexadecimal(&fingerprint)
    }

    /// Sends a message of this user over a connection of its own, and returns status and warning.
    fn message(&self, served: &Served, from: &'static str) -> (Option<u16>, String) {
        self.message_and_stay(served, from).0
    }

    /// The same, and the connection stays as long as the last value.
    fn message_and_stay(&self, served: &Served, from: &'static str) -> ((Option<u16>, String), Phone) {
        let identity = ServedIdentity::new(&self.identity()).unwrap();
        let mut line = Phone::over(BOB, partner::connect(EDGE, served.tls_port, Some(&identity)));
        line.send_text(&format!(
            "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.example;branch=z9hG4bKa\r\n\
             From: <sip:{from}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: {}\r\nCSeq: 1 MESSAGE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.fingerprint()
        ));
        let response: Message = line.final_response();
        ((response.status(), response.header_text(HeaderName::Warning).unwrap_or_default().to_owned()), line)
    }
}

fn check_refused((status, warning): (Option<u16>, String), word: &str) {
    assert_eq!(status, Some(403), "{warning}");
    assert!(warning.contains(word), "{warning}");
}

#[test]
fn a_pin_and_an_own_authority_hold_for_their_domain_alone_from_the_next_handshake_on() {
    let mut served = Served::start();
    for domain in ["fabrikam.example", "litware.example"] {
        served.run(&["partner", "add", domain]).ok();
    }
    Phone::add_user(&served, ALICE);
    let (own, folder) = (Authority::new(), served.place.path().to_owned());
    let anchor = folder.join("own-ca.pem");
    std::fs::write(&anchor, own.pem()).unwrap();
    let (first, second) = (Shown::new(&folder, "first", &own), Shown::new(&folder, "second", &own));
    check_refused(first.message(&served, BOB), "certificate-untrusted");

    let trust = |arguments: &[&str]| served.run(&[&["partner", "trust", "fabrikam.example"], arguments].concat());
    trust(&["--pin", &first.fingerprint()]).ok();
    assert_eq!(first.message(&served, BOB).0, Some(202));
    check_refused(first.message(&served, "eve@litware.example"), "certificate-untrusted");
    check_refused(second.message(&served, BOB), "certificate-pin-changed");
    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains(&format!("pinned certificate {}", first.fingerprint())), "{shown}");

    trust(&["--no-pins", "--anchor", anchor.to_str().unwrap()]).ok();
    assert_eq!(second.message(&served, BOB).0, Some(202));
    check_refused(second.message(&served, "eve@litware.example"), "certificate-untrusted");
    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("its own authority ") && !shown.contains("pinned certificate "), "{shown}");

    trust(&["--no-anchors"]).ok();
    check_refused(second.message(&served, BOB), "certificate-untrusted");
    let leaf = first.chain.to_str().unwrap();
    trust(&["--anchor", leaf]).fails(&[
        "error: one certificate is not an authority's",
        "next: an authority's certificate says CA:TRUE; to trust one server's certificate alone, pin it (--pin)",
    ]);

    served.wait_until("the alarm", |served| {
        served.log().contains("WARN another certificate was shown than the pinned one")
    });
    let metrics = served.run(&["metrics"]).ok().stdout;
    assert!(metrics.contains("comity_partner_pins_changed_total 1\n"), "{metrics}");
}

#[test]
fn what_a_partner_shows_is_remembered_and_its_end_is_told_in_time() {
    let served = Served::start();
    served.run(&["partner", "add", "fabrikam.example", "--monitored", "yes"]).ok();
    served.run(&["partner", "add", "litware.example"]).ok();
    Phone::add_user(&served, ALICE);
    let folder = served.place.path().to_owned();
    let (near, far) = (Shown::new(&folder, "near", &served.authority), Shown::new(&folder, "far", &served.authority));
    let end = SystemTime::now() + Duration::from_secs(9 * 86_400 + 3600);
    served.authority.issue_until(&["fabrikam.example"], &near.chain, &near.key, end);
    let (near_answer, _near) = near.message_and_stay(&served, BOB);
    let (far_answer, _far) = far.message_and_stay(&served, "eve@litware.example");
    assert_eq!((near_answer.0, far_answer.0), (Some(202), Some(202)));

    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("certificates that it has shown so far"), "{shown}");
    let seen = served.run(&["partner", "show", "fabrikam.example", "--json"]).ok().json()["seen"].clone();
    let (_, printed) = shown.split_once("certificates that it has shown so far\n").unwrap();
    let lines: Vec<&str> = printed.lines().take(5).collect();
    let text = |name: &str| seen[0][name].as_str().unwrap().to_owned();
    assert_eq!(lines[0], format!("  certificate of {}", text("subject")));
    assert_eq!(lines[1], format!("    issued by {}, serial {}", text("issuer"), text("serial")));
    assert!(lines[2].starts_with("    expires 20") && lines[2].ends_with(", for serverAuth"), "{shown}");
    assert_eq!(lines[3], format!("    fingerprint {}", near.fingerprint()));
    assert!(
        lines[4].starts_with("    from 127.0.") && lines[4].contains(", proven by domain: first seen 20"),
        "{shown}"
    );
    assert_eq!(
        (seen.as_array().unwrap().len(), &seen[0]["is_inbound"], &seen[0]["rung"]),
        (1, &json!(true), &json!("domain"))
    );
    assert_eq!(seen[0]["fingerprint"], near.fingerprint());
    let end_unix = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seen[0]["not_after_unix"], end_unix);
    assert!(seen[0]["first_unix"].as_i64().unwrap() <= seen[0]["last_unix"].as_i64().unwrap());
    served.run(&["partner", "show", "litware.example"]).ok();

    let log = served.log();
    let told = log.lines().filter(|line| line.contains("the certificate of a partner expires in 9 days"));
    let told: Vec<&str> = told.collect();
    assert!(matches!(told[..], [line] if line.contains("WARN") && line.contains("monitored=true")), "{log}");
    let metrics = served.run(&["metrics"]).ok().stdout;
    for line in [
        format!("comity_partner_certificate_not_after_timestamp_seconds{{monitored=\"yes\"}} {end_unix}"),
        "comity_partner_certificates_expiring{monitored=\"yes\"} 1".to_owned(),
        "comity_partner_certificates_expiring{monitored=\"no\"} 0".to_owned(),
        "comity_partners_out_of_reach{monitored=\"yes\"} 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    let status = served.run(&["status", "--json"]).ok().json()["monitored"].clone();
    let stands = json!([{"domain": "fabrikam.example", "connections": 0, "away": null, "not_after_unix": end_unix}]);
    assert_eq!(status, stands);
    assert!(served.run(&["status"]).ok().stdout.contains("MONITORED PARTNER"));

    let reset = served.run(&["partner", "reset", "fabrikam.example"]).ok().stdout;
    assert!(reset.contains("1 certificate that it has shown"), "{reset}");
}

/// A server that lets in whoever shows a certificate of this authority, and answers each request with 200. Tells who wrote.
fn strict_server(identity: &Identity, authority: &Authority) -> (u16, mpsc::Receiver<CertificateDer<'static>>) {
    let mut anchors = rustls::RootCertStore::empty();
    anchors.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = certificates::tls::provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider).build().unwrap();
    let served = ServedIdentity::new(identity).unwrap();
    let config = Arc::new(certificates::tls::server_config(&served, verifier).unwrap());
    let listener = TcpListener::bind((EDGE, 0)).unwrap();
    let (port, (note, notes)) = (listener.local_addr().unwrap().port(), mpsc::channel());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let note = note.clone();
            std::thread::spawn(move || {
                // Whom it does not know it tells so by a TLS alert.
                if connection.complete_io(&mut stream).is_err() {
                    return;
                }
                let shown = connection.peer_certificates().unwrap()[0].clone().into_owned();
                let mut line = Phone::over(BOB, StreamOwned::new(connection, stream));
                while let Ok(request) = line.try_receive() {
                    note.send(shown.clone()).unwrap();
                    line.answer(&request, 200);
                }
            });
        }
    });
    (port, notes)
}

#[test]
fn a_partner_of_a_private_authority_is_shown_the_certificate_that_it_wants_and_others_are_not() {
    let dns = partner::name_server(&[("edge.fabrikam.example", EDGE)]);
    let [tls_port, tcp_port] = served::free_ports();
    let place = Place::new(&format!("tls = [\"127.0.0.1:{tls_port}\"]\ntcp = [\"127.0.0.1:{tcp_port}\"]"));
    let (theirs, folder) = (Authority::named("Their Own"), place.path().to_owned());
    let authority = place.certify(&["sip.contoso.example", "contoso.example"]);
    let [first, own, server] = ["contoso", "for-fabrikam", "server"].map(|name| Shown::at(&folder, name));
    // A strict server wants the purpose, too: in whom it trusts is to be the one difference.
    first.issue_to_both(&["sip.contoso.example", "contoso.example"], &authority);
    own.issue_to_both(&["sip.contoso.example"], &theirs);
    server.issue_to_both(&["edge.fabrikam.example"], &theirs);
    let (port, notes) = strict_server(&server.identity(), &theirs);
    let file = folder.join("comity.toml");
    let plain = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:9", &dns.to_string());
    std::fs::write(&file, &plain).unwrap();
    let anchor = folder.join("their-ca.pem");
    std::fs::write(&anchor, theirs.pem()).unwrap();
    let start = |place: &Place| {
        let log = std::fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
        place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap()
    };
    let mut served = Served { server: start(&place), place, authority, tls_port, tcp_port }.when_ready();
    let edge = format!("edge.fabrikam.example:{port}");
    served.run(&["partner", "add", "fabrikam.example", "--edge", &edge]).ok();
    served.run(&["partner", "trust", "fabrikam.example", "--anchor", anchor.to_str().unwrap()]).ok();
    Phone::add_user(&served, ALICE);
    let writes = |served: &Served, address| Phone::connect(served, ALICE, address).message(BOB).status();

    assert_eq!(writes(&served, Ipv4Addr::new(127, 0, 74, 3)), Some(504), "{}", served.log());
    assert!(notes.try_recv().is_err(), "nobody came in");

    served.signal("-TERM");
    served.server.wait().unwrap();
    let line = "for_partners = [\"fabrikam.example = for-fabrikam.pem\"]\n[listen]";
    std::fs::write(&file, plain.replace("[listen]", line)).unwrap();
    served.server = start(&served.place);
    let mut served = served.when_ready();
    assert_eq!(writes(&served, Ipv4Addr::new(127, 0, 74, 4)), Some(200), "{}", served.log());
    assert_eq!(notes.recv_timeout(Duration::from_secs(20)).unwrap(), own.identity().chain[0]);
    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("it alone is shown the certificate of"), "{shown}");
    assert!(served.run(&["status"]).ok().stdout.contains("for fabrikam.example alone"));
    assert!(
        served.place.run(&["check"]).ok().stdout.contains("# for fabrikam.example alone: names sip.contoso.example")
    );
    let route = served.run(&["route", "fabrikam.example", "--json"]).ok().json();
    assert_eq!(route["way"]["rung"], "edge-fqdn", "{route}");

    // It is renewed as all certificates are.
    theirs.issue(&["sip.contoso.example"], &own.chain, &own.key);
    served.wait_until("it is renewed", |served| served.log().contains("for-fabrikam.pem: a new certificate is served"));
}

#[test]
fn a_refusal_stays_in_sight_when_much_has_passed_since() {
    let served = Served::start();
    served.run(&["partner", "add", "fabrikam.example"]).ok();
    Phone::add_user(&served, ALICE);
    let shown = Shown::new(served.place.path(), "first", &Authority::new());
    check_refused(shown.message(&served, BOB), "certificate-untrusted");
    served.run(&["partner", "trust", "fabrikam.example", "--pin", &shown.fingerprint()]).ok();
    for _ in 0..DECISIONS_SHOWN {
        assert_eq!(shown.message(&served, BOB).0, Some(202));
    }
    let told = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    let (_, refusals) = told.split_once("\nthe last refusals before those\n").unwrap_or_else(|| panic!("{told}"));
    assert!(refusals.contains("certificate-untrusted"), "{told}");
}

const DECISIONS_SHOWN: usize = 20;
