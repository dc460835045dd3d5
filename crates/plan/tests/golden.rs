//! Whole plans, compared with the files in `golden/`. After a wanted change, `GOLDEN=write cargo nextest run -p plan`
//! writes them again; read the difference before it is committed.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::net::IpAddr;
use std::path::Path;

use plan::{Balancing, EdgePool, Half, Hop, Listener, MediaPorts, Member, Order, Plan, Proof, Role, Topology};
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
    let media = contoso().media.map(|media| MediaPorts { addresses: vec!["127.0.0.1".parse().unwrap()], ..media });
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
    let media = Some(MediaPorts { addresses: vec![IpAddr::from([0; 4])], first: 30_000, last: 30_099 });
    compare("unspecified_addresses", &Topology { listeners, media, ..contoso() });
}

#[test]
fn edge_named_as_its_domain_without_federation() {
    let edge = "contoso.example".to_owned();
    compare("without_federation", &Topology { edge, federation: false, ..contoso() });
}

#[test]
fn edge_before_another_server() {
    let hop = Hop { host: "pbx.corp.example".to_owned(), port: 5060, transport: Tcp };
    let half =
        Half { hops: vec![hop], is_comity: false, listeners: vec![(Tcp, socket("10.0.0.1:5060"))], ..edge_half() };
    compare("edge_before_another_server", &Topology { half: Some(half), media: None, ..contoso() });
}

#[test]
fn pool_by_dns() {
    let pool = Some(pool_of(Balancing::Dns, Balancing::Dns));
    compare("pool_by_dns", &Topology { half: Some(edge_half()), pool, media: None, ..contoso() });
}

#[test]
fn edge_for_users_outside() {
    let half = Half { takes_remote_users: true, ..edge_half() };
    let by_web_port = vec![
        listener(Tls, "192.0.2.1:5061"),
        listener(Tls, "192.0.2.1:443"),
        listener(Wss, "192.0.2.2:443"),
        listener(Udp, "192.0.2.1:5060"),
    ];
    let topology = Topology { half: Some(half), listeners: by_web_port, ..contoso() };
    compare("edge_for_users_outside", &topology);
    assert!(topology.media.is_some() && sound_ports(&topology) == 2, "the home's sound is at this edge");
    let by_one_port = Topology { listeners: vec![listener(Tls, "192.0.2.1:5061")], media: None, ..topology };
    assert_eq!(sound_ports(&by_one_port), 0);
    let warned = |text: &str| Plan::of(&by_one_port).warnings.iter().any(|warning| warning.contains(text));
    assert!(warned("let out 443 alone") && warned("No sound goes through this edge"));
    let record = Plan::of(&by_one_port).dns.into_iter().find(|record| record.owner.starts_with("_sip._tls"));
    assert_eq!(record.unwrap().data, "0 0 5061 sip.contoso.example.", "phones go where partners go");
}

fn sound_ports(topology: &Topology) -> usize {
    Plan::of(topology).ports.iter().filter(|port| port.purpose.starts_with("sound of ")).count()
}

#[test]
fn pool_by_load_balancers() {
    let pool = Some(pool_of(vip("192.0.2.100"), vip("10.0.0.100")));
    let health = vec![socket("10.0.0.1:8061")];
    compare("pool_by_load_balancers", &Topology { half: Some(edge_half()), pool, health, media: None, ..contoso() });
}

#[test]
fn certificate_that_is_ordered() {
    let names = vec!["sip.contoso.example".to_owned(), "contoso.example".to_owned()];
    let order = |proof| {
        let directory = "https://acme.example/directory".to_owned();
        Some(Order { directory, names: names.clone(), proof })
    };
    let by_http = order(Proof::Http(vec![socket("192.0.2.1:80")]));
    compare("ordered_by_http", &Topology { order: by_http, ..contoso() });
    compare("ordered_by_dns", &Topology { order: order(Proof::Dns(socket("192.0.2.53:53"))), ..contoso() });
    let by_tls = Plan::of(&Topology { order: order(Proof::TlsAlpn), ..contoso() });
    assert!(by_tls.warnings.iter().any(|warning| warning.contains("Let port 443 lead there")), "{:?}", by_tls.warnings);
}

#[test]
fn home_behind_a_pool() {
    let hop = Hop { host: "edges.corp.example".to_owned(), port: 5061, transport: Tls };
    let half = Half {
        role: Role::Home,
        name: "home.corp.example".to_owned(),
        listeners: vec![(Tls, socket("10.0.0.20:5071"))],
        hops: vec![hop],
        is_comity: true,
        takes_remote_users: false,
        control: Vec::new(),
        control_port: Some(5062),
        certificate_file: None,
    };
    let named = ["edge1.corp.example", "edge2.corp.example"];
    let control = named.map(|host| Hop { host: host.to_owned(), port: 5062, transport: Tls }).into();
    let half = Half { control, ..half };
    let pool = Some(pool_of(Balancing::Dns, Balancing::Dns));
    let (edge, listeners) = ("home.corp.example".to_owned(), vec![listener(Tls, "10.0.0.20:5061")]);
    compare("home_behind_a_pool", &Topology { edge, listeners, half: Some(half), pool, ..contoso() });
}

#[test]
fn ways_of_balancing_that_do_not_go_together_are_warned_of() {
    let warnings = |outer, inner| {
        let topology = Topology { half: Some(edge_half()), pool: Some(pool_of(outer, inner)), ..contoso() };
        Plan::of(&topology).warnings
    };
    let (first, second) = (vip("192.0.2.100"), vip("10.0.0.100"));
    let mixed =
        |warnings: &[String]| warnings.iter().filter(|text| text.contains("balanced in different ways")).count();
    assert_eq!(mixed(&warnings(Balancing::Dns, second)), 1);
    assert_eq!(mixed(&warnings(first, Balancing::Dns)), 1);
    assert_eq!(mixed(&warnings(first, second)), 0);
    let by_dns = warnings(Balancing::Dns, Balancing::Dns);
    assert!(by_dns.len() == 1 && by_dns[0].contains("keeps the first address that answered"), "{by_dns:?}");
    assert_eq!(warnings(first, second), Vec::<String>::new());
    let one = EdgePool { members: pool_of(first, second).members[..1].to_vec(), ..pool_of(first, second) };
    let alone = Plan::of(&Topology { half: Some(edge_half()), pool: Some(one), ..contoso() }).warnings;
    assert!(alone.len() == 1 && alone[0].contains("A pool of one edge"), "{alone:?}");
}

#[test]
fn a_home_that_reaches_one_edge_of_several_by_a_name_is_warned_of_what_the_others_are_not_told() {
    let hop = |host: &str, port| Hop { host: host.to_owned(), port, transport: Tls };
    let untold = |hops: &[Hop], control: &[Hop], inner| {
        let half = Half { role: Role::Home, hops: hops.into(), control: control.into(), ..edge_half() };
        let topology = Topology { half: Some(half), pool: Some(pool_of(vip("192.0.2.100"), inner)), ..contoso() };
        let warnings = Plan::of(&topology).warnings;
        warnings.into_iter().find(|text| text.contains("of 2 edges alone"))
    };
    let (all, first, second) =
        (hop("edges.corp.example", 5061), hop("one.corp.example", 5062), hop("two.corp.example", 5062));
    let told = untold(std::slice::from_ref(&all), &[], vip("10.0.0.100")).unwrap();
    assert!(told.contains("the load balancer at 10.0.0.100 leads one name to several"), "{told}");
    assert!(untold(std::slice::from_ref(&all), &[], Balancing::Dns).is_some());
    assert!(untold(std::slice::from_ref(&all), std::slice::from_ref(&first), vip("10.0.0.100")).is_some());
    assert_eq!(untold(&[all], &[first.clone(), second.clone()], vip("10.0.0.100")), None);
    assert_eq!(untold(&[first, second], &[], Balancing::Dns), None);
}

fn edge_half() -> Half {
    Half {
        role: Role::Edge,
        name: "edges.corp.example".to_owned(),
        listeners: vec![(Tls, socket("10.0.0.1:5061"))],
        hops: vec![Hop { host: "home.corp.example".to_owned(), port: 5071, transport: Tls }],
        is_comity: true,
        takes_remote_users: false,
        control: Vec::new(),
        control_port: Some(5062),
        certificate_file: Some("inside.pem".to_owned()),
    }
}

fn pool_of(outer: Balancing, inner: Balancing) -> EdgePool {
    let member = |last: u8| Member { outer: [192, 0, 2, last].into(), inner: [10, 0, 0, last].into() };
    EdgePool { members: vec![member(1), member(2)], outer, inner }
}

fn vip(address: &str) -> Balancing {
    Balancing::Hardware { vip: address.parse().unwrap() }
}

fn socket(address: &str) -> std::net::SocketAddr {
    address.parse().unwrap()
}

fn contoso() -> Topology {
    Topology {
        domains: vec!["contoso.example".to_owned()],
        edge: "sip.contoso.example".to_owned(),
        listeners: vec![listener(Tls, "192.0.2.1:5061")],
        metrics: Vec::new(),
        health: Vec::new(),
        media: Some(MediaPorts { addresses: vec!["192.0.2.1".parse().unwrap()], first: 20_000, last: 29_999 }),
        federation: true,
        discovery: false,
        mail_server: None,
        dns_servers: Vec::new(),
        half: None,
        pool: None,
        certificate_file: "sip.contoso.example.pem".to_owned(),
        order: None,
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
