//! Certificates beside the first: shown to who asks for their names, renewed and watched as the first is.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};

use certificates::ServedIdentity;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};
use sip::{HeaderName, Method};

use crate::partner;
use crate::phone::Phone;
use crate::place::Place;
use crate::served;
use crate::served::Served;

/// Where the partner is.
const PARTNER: Ipv4Addr = Ipv4Addr::new(127, 0, 72, 1);
const HOSTS: &[(&str, Ipv4Addr)] = &[("edge.fabrikam.example", PARTNER)];

const FIRST: [&str; 2] = ["sip.contoso.example", "contoso.example"];
/// Of the second domain.
const ADELE: &str = "adele@litware.example";
const WEB: [&str; 2] = ["phone.contoso.example", "*.web.contoso.example"];

/// With a further certificate in web.pem, for TLS and for WebSockets.
fn start() -> (Served, u16) {
    let [tls_port, wss_port] = served::free_ports();
    let place = Place::new(&format!("tls = [\"127.0.0.1:{tls_port}\"]\nwss = [\"127.0.0.1:{wss_port}\"]"));
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[listen]", "also = [\"web.pem\"]\n[listen]")).unwrap();
    let authority = place.certify(&FIRST);
    authority.issue(&WEB, &place.path().join("web.pem"), &place.path().join("web.key"));
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    let server = place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    (Served { place, authority, server, tls_port, tcp_port: 0 }.when_ready(), wss_port)
}

/// What is shown to a client that asks for this name.
fn shown(port: u16, name: &str) -> CertificateDer<'static> {
    let config = Arc::new(certificates::tls::recording_client_config(None).unwrap());
    let connection = ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port)).unwrap());
    stream.flush().unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn certificate_metric(served: &Served, name: &str) -> String {
    let text = served.run(&["metrics"]).ok().stdout;
    let line = text.lines().find(|line| line.starts_with(&format!("comity_certificate_{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn each_name_is_shown_the_certificate_that_has_it_and_a_renewed_one_at_once() {
    let (mut served, wss_port) = start();
    let (first, web) = (shown(served.tls_port, "sip.contoso.example"), shown(wss_port, "phone.contoso.example"));
    assert_ne!(first, web);
    for port in [served.tls_port, wss_port] {
        assert_eq!(shown(port, "a.web.contoso.example"), web);
        assert_eq!(shown(port, "contoso.example"), first);
        assert_eq!(shown(port, "elsewhere.example"), first);
    }
    let checked = served.place.run(&["check"]).ok().stdout;
    assert!(checked.contains("# certificate: names phone.contoso.example"), "{checked}");
    assert!(!checked.contains("warning: "), "{checked}");

    // One that ends soon: it is told by its file's name, wherever the first one's end is told.
    let end = SystemTime::now() + Duration::from_secs(9 * 86_400 + 3600);
    let [pem, key] = ["web.pem", "web.key"].map(|name| served.place.path().join(name));
    served.authority.issue_until(&WEB, &pem, &key, end);
    served.wait_until("the new one is shown", |_| shown(wss_port, "phone.contoso.example") != web);
    assert_eq!(shown(wss_port, "contoso.example"), first);
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("web.pem: the certificate expires in 9 days on 2"), "{status}");
    assert!(status.contains("phone.contoso.example"), "{status}");
    let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(certificate_metric(&served, "not_after_timestamp_seconds"), seconds.to_string());
    assert_eq!(certificate_metric(&served, "warnings"), "1");

    std::fs::write(&pem, "no certificate").unwrap();
    served.wait_until("the bad one is refused", |served| {
        served.log().contains("web.pem: the new certificate is refused")
    });
    assert_ne!(shown(wss_port, "phone.contoso.example"), first, "the old one is served on");
}

#[test]
fn one_that_is_not_there_keeps_the_server_from_starting() {
    let place = Place::new("tls = [\"127.0.0.1:9\"]");
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[listen]", "also = [\"web.pem\"]\n[listen]")).unwrap();
    place.certify(&FIRST);
    let told = place.run(&["check"]).stderr;
    assert!(
        told.contains("[certificate] also: cannot read ./web.pem") || told.contains("cannot read web.pem"),
        "{told}"
    );
}

/// Two domains, a certificate beside the first with these names; a partner notes who connects.
fn two_domains(names: &[&str]) -> (Served, Receiver<CertificateDer<'static>>) {
    let dns = partner::name_server(HOSTS);
    let [tls_port, tcp_port] = served::free_ports();
    let place = Place::new(&format!("tls = [\"127.0.0.1:{tls_port}\"]\ntcp = [\"127.0.0.1:{tcp_port}\"]"));
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:9", &dns.to_string());
    let text = text.replace("domains = [\"contoso.example\"]", "domains = [\"contoso.example\", \"litware.example\"]");
    std::fs::write(&file, text.replace("[listen]", "also = [\"litware.pem\"]\n[listen]")).unwrap();
    let authority = place.certify(&FIRST);
    authority.issue(names, &place.path().join("litware.pem"), &place.path().join("litware.key"));
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    let server = place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    let served = Served { place, authority, server, tls_port, tcp_port }.when_ready();
    let identity = partner::identity(served.place.path(), &served.authority, &["edge.fabrikam.example"]);
    let (port, shown) = partner::listen_and_note(PARTNER, &identity);
    served.run(&["partner", "add", "fabrikam.example", "--edge", &format!("edge.fabrikam.example:{port}")]).ok();
    (served, shown)
}

/// Somebody of ours writes to the partner, which connects us to it.
fn writes(served: &Served, user: &'static str, address: Ipv4Addr) {
    Phone::add_user(served, user);
    let mut phone = Phone::connect(served, user, address);
    phone.offer_proof(&Method::Message, "sip:bob@fabrikam.example", "bob@fabrikam.example", "");
}

fn in_file(served: &Served, certificate: &str) -> CertificateDer<'static> {
    let file = |name: &str| served.place.path().join(name);
    let key = file(&certificate.replace(".pem", ".key"));
    let identity = certificates::Identity::load(&file(certificate), &key, rustls_pki_types::UnixTime::now());
    identity.unwrap().chain[0].clone()
}

#[test]
fn a_partner_is_shown_the_certificate_of_the_domain_that_writes() {
    let (served, shown) = two_domains(&["sip.litware.example"]);
    let checked = served.place.run(&["check"]).ok().stdout;
    assert!(!checked.contains("does not prove litware.example"), "{checked}");
    for (user, address, certificate) in [
        (ADELE, Ipv4Addr::new(127, 0, 72, 3), "litware.pem"),
        ("alice@contoso.example", Ipv4Addr::new(127, 0, 72, 2), "contoso.pem"),
    ] {
        writes(&served, user, address);
        let certificate = in_file(&served, certificate);
        assert_eq!(shown.recv_timeout(Duration::from_secs(20)).unwrap(), certificate, "{user}");
    }
}

#[test]
fn a_renewed_certificate_proves_what_the_old_one_did_not_without_a_new_start() {
    let (mut served, shown) = two_domains(&["phone.litware.test"]);
    writes(&served, ADELE, Ipv4Addr::new(127, 0, 72, 4));
    let first = in_file(&served, "contoso.pem");
    assert_eq!(shown.recv_timeout(Duration::from_secs(20)).unwrap(), first, "no other proves the domain any better");

    let [pem, key] = ["litware.pem", "litware.key"].map(|name| served.place.path().join(name));
    served.authority.issue(&["sip.litware.example"], &pem, &key);
    served.wait_until("it is served", |served| served.log().contains("litware.pem: a new certificate is served"));
    writes(&served, "anton@litware.example", Ipv4Addr::new(127, 0, 72, 5));
    assert_eq!(shown.recv_timeout(Duration::from_secs(20)).unwrap(), in_file(&served, "litware.pem"));
}

/// What is answered to somebody who says that he is of the partner, over a connection under this name; and the certificate that
/// he was shown.
fn knocks(
    served: &Served,
    name: &'static str,
    identity: Option<&Arc<ServedIdentity>>,
) -> (Option<u16>, String, CertificateDer<'static>) {
    let mut stream = partner::connect_under(name, PARTNER, served.tls_port, identity);
    stream.flush().unwrap();
    let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    let mut line = Phone::over("bob@fabrikam.example", stream);
    let number = KNOCKS.fetch_add(1, Ordering::Relaxed);
    line.send_text(&format!(
        "MESSAGE sip:{ADELE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.example;branch=z9hG4bK{number}\r\n\
         From: <sip:bob@fabrikam.example>;tag=b\r\nTo: <sip:{ADELE}>\r\nCall-ID: {number}\r\nCSeq: 1 MESSAGE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = line.final_response();
    (response.status(), response.header_text(HeaderName::Warning).unwrap_or_default().to_owned(), shown)
}

static KNOCKS: AtomicU32 = AtomicU32::new(1);

#[test]
fn under_every_name_a_partner_is_asked_for_its_certificate_and_judged_by_it() {
    let (served, _shown) = two_domains(&["sip.litware.example", "litware.example"]);
    Phone::add_user(&served, ADELE);
    let folder = served.place.path();
    let theirs = partner::identity(folder, &served.authority, &["edge.fabrikam.example"]);
    let another_s = partner::identity(folder, &served.authority, &["edge.northwind.example"]);
    for (name, certificate) in [
        ("sip.litware.example", "litware.pem"),
        ("litware.example", "litware.pem"),
        ("sip.contoso.example", "contoso.pem"),
        ("elsewhere.example", "contoso.pem"),
    ] {
        for (identity, answer, word) in
            [(Some(&theirs), 202, ""), (Some(&another_s), 403, "certificate-name"), (None, 403, "certificate-missing")]
        {
            let (status, warning, shown) = knocks(&served, name, identity);
            assert_eq!(status, Some(answer), "{name}: {warning}");
            assert!(warning.contains(word), "{name}: {warning}");
            assert_eq!(shown, in_file(&served, certificate), "{name}");
        }
    }
}
