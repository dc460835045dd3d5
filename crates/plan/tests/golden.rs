//! Whole plans, compared with the files in `golden/`. After a wanted change, `GOLDEN=write cargo nextest run -p plan`
//! writes them again; read the difference before it is committed.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use plan::{Listener, MediaPorts, Plan, Topology};
use sip::Transport;
use sip::Transport::{Tcp, Tls, Udp, Ws, Wss};

#[test]
fn one_domain() {
    compare("one_domain", &contoso());
}

#[test]
fn two_domains() {
    let domains = vec!["contoso.example".to_owned(), "fabrikam.example".to_owned()];
    compare("two_domains", &Topology { domains, discovery: true, ..contoso() });
}

#[test]
fn edge_outside_its_domain() {
    let listeners = vec![listener(Tls, "192.0.2.1:5071")];
    compare("edge_outside_its_domain", &Topology { edge: "edge.hosting.example".to_owned(), listeners, ..contoso() });
}

#[test]
fn plain_listeners() {
    let listeners = vec![listener(Tls, "10.0.0.5:5061"), listener(Tcp, "10.0.0.5:5060"), listener(Udp, "0.0.0.0:5060")];
    let dns_servers = vec!["10.0.0.53:53".parse().unwrap(), "[fd00::53]:5300".parse().unwrap()];
    let metrics = vec!["10.0.0.5:9464".parse().unwrap(), "127.0.0.1:9464".parse().unwrap()];
    let mail_server = Some(("mail.contoso.example".to_owned(), 587));
    let media = MediaPorts { address: Some("127.0.0.1".parse().unwrap()), ..contoso().media };
    compare("plain_listeners", &Topology { listeners, dns_servers, metrics, media, mail_server, ..contoso() });
}

#[test]
fn web_sockets() {
    let listeners = vec![
        listener(Tls, "192.0.2.1:5061"),
        listener(Wss, "192.0.2.1:7443"),
        listener(Ws, "10.0.0.5:7080"),
        listener(Ws, "0.0.0.0:7081"),
        listener(Ws, "127.0.0.1:7080"),
    ];
    compare("web_sockets", &Topology { listeners, ..contoso() });
}

#[test]
fn ipv6() {
    let listeners =
        vec![listener(Tls, "[2001:db8::5]:5061"), listener(Tls, "192.0.2.1:5061"), listener(Tls, "[2001:db8::5]:443")];
    compare("ipv6", &Topology { listeners, ..contoso() });
}

#[test]
fn unspecified_addresses() {
    let listeners = vec![listener(Tls, "0.0.0.0:5061"), listener(Tls, "[::]:5061"), listener(Tls, "127.0.0.1:5061")];
    let media = MediaPorts { address: None, first: 30_000, last: 30_099 };
    compare("unspecified_addresses", &Topology { listeners, media, ..contoso() });
}

#[test]
fn edge_named_as_its_domain_without_federation() {
    let edge = "contoso.example".to_owned();
    compare("without_federation", &Topology { edge, federation: false, ..contoso() });
}

fn contoso() -> Topology {
    Topology {
        domains: vec!["contoso.example".to_owned()],
        edge: "sip.contoso.example".to_owned(),
        listeners: vec![listener(Tls, "192.0.2.1:5061")],
        metrics: Vec::new(),
        media: MediaPorts { address: Some("192.0.2.1".parse().unwrap()), first: 20_000, last: 29_999 },
        federation: true,
        discovery: false,
        mail_server: None,
        dns_servers: Vec::new(),
        certificate_file: "sip.contoso.example.pem".to_owned(),
    }
}

fn listener(transport: Transport, address: &str) -> Listener {
    Listener { transport, address: address.parse().unwrap() }
}

fn compare(name: &str, topology: &Topology) {
    let plan = Plan::of(topology);
    compare_text(&format!("{name}.md"), plan.markdown());
    compare_text(&format!("{name}.json"), serde_json::to_string_pretty(&plan).unwrap() + "\n");
}

fn compare_text(file: &str, text: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, golden, "{file} differs");
}
