//! What a home decides reaches its edge, stays there while the home is away, and comes from nobody else.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use rustls_pki_types::CertificateDer;
use sip::{HeaderName, Message};

use crate::apart;
use crate::apart::Apart;
use crate::partner;
use crate::place::Authority;

fn status_and_word(response: &Message) -> (u16, String) {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    (response.status().unwrap(), warning.rsplit('"').nth(1).unwrap_or_default().to_owned())
}

#[test]
fn what_is_decided_at_home_holds_at_the_edge_at_once_and_while_the_home_is_away() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    let early = apart.message("fabrikam.example");
    assert_eq!(status_and_word(&early), (503, "edge-not-ready".to_owned()));
    assert_eq!(early.header_text(HeaderName::RetryAfter).unwrap(), "30");
    assert_eq!(apart.edge.status()["told"]["revision"], serde_json::Value::Null);

    apart.home.start();
    let is_current = |apart: &Apart| {
        let answer = &apart.home.status()["edges"];
        answer["edges"][0]["revision"] == answer["revision"] && answer["edges"][0]["failed"].is_null()
    };
    apart.home.wait_until("the edge is current", |_| is_current(&apart));
    apart.home.run(&["partner", "add", "fabrikam.example", "--comment", "the bank"]).ok();
    let added = Instant::now();
    while apart.edge.partners() != ["fabrikam.example"] {
        assert!(added.elapsed() < Duration::from_secs(1), "{}\n{}", apart.edge.log(), apart.home.log());
    }
    let shown = apart.edge.run(&["partner", "show", "fabrikam.example", "--json"]).ok().json();
    assert_eq!(shown["entry"]["comment"], "the bank");
    let passed = apart.message("fabrikam.example");
    assert_ne!(status_and_word(&passed).0, 503, "{}", apart.edge.log());
    assert_eq!(status_and_word(&apart.message("litware.example")), (403, "domain-not-allowed".to_owned()));

    for command in [&["add", "own.example"][..], &["remove", "fabrikam.example"], &["block", "fabrikam.example"]] {
        apart.edge.run(&[&["partner"], command].concat()).fails(&[
            "error: this edge has its partners, providers and policies from its home",
            "next: run the command there; the home tells its edges at once",
        ]);
    }

    apart
        .edge
        .run(&["user", "add", "zoe@contoso.example", "--generate"])
        .fails(&["error: users and meetings are behind this edge, not here", "next: run the command at the home"]);
    apart
        .edge
        .run(&["calls"])
        .fails(&["error: an edge records no calls: its home does", "next: run the command at the home"]);

    let told = apart.edge.status()["told"].clone();
    assert_eq!(told["home"], "home.corp.example");
    apart.home.kill();
    apart.edge.kill();
    apart.edge.start();
    assert_eq!(apart.edge.status()["told"]["revision"], told["revision"]);
    assert_eq!(apart.edge.partners(), ["fabrikam.example"]);
    assert_eq!(status_and_word(&apart.message("fabrikam.example")), (504, "inside-unreachable".to_owned()));
    assert!(apart.edge.log().contains("partners and rules are those that the home told last"), "{}", apart.edge.log());

    // What was decided while the edge was away is told when it is back.
    apart.edge.kill();
    apart.home.start();
    apart.home.run(&["partner", "remove", "fabrikam.example"]).ok();
    apart.home.run(&["partner", "block", "fabrikam.example"]).ok();
    apart.home.wait_until("it is missed more than once", |home| {
        let failed = &home.status()["edges"]["edges"][0]["failed"];
        failed["at_unix"].as_i64() > failed["since_unix"].as_i64()
    });
    apart.edge.start();
    apart.home.wait_until("the edge is current again", |_| is_current(&apart));
    assert_eq!(status_and_word(&apart.message("fabrikam.example")), (403, "domain-blocked".to_owned()));
    assert_eq!(apart.home.log().matches("an edge cannot be told").count(), 1, "{}", apart.home.log());
    assert!(apart.home.log().contains("the edge is reached again, and current"), "{}", apart.home.log());
    assert!(!apart.edge.log().contains("the home has started anew"), "{}", apart.edge.log());
    apart.home.kill();
    apart.home.start();
    apart.edge.wait_until("the home's new life is noticed", |edge| edge.log().contains("the home has started anew"));
}

/// One request at the control address of the edge; status and body. The certificate has this name, if there is one.
fn asked(apart: &Apart, shown: Option<(&Authority, &str)>, request: &str, body: &str) -> (u16, String) {
    let identity = shown.map(|(authority, name)| partner::identity(apart.home.place.path(), authority, &[name]));
    let mut stream = partner::connect(Ipv4Addr::new(127, 0, 81, 3), apart.control, identity.as_ref());
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    // Some end without a goodbye of TLS.
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), answer)
}

#[test]
fn the_control_address_is_for_the_home_alone_and_takes_nothing_old() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    let (ours, theirs) = (&apart.authority, Authority::new());
    for (who, shown, why) in [
        ("nobody", None, "no certificate was shown"),
        ("another name", Some((ours, "phone.corp.example")), "expected one of home.corp.example"),
        ("another authority", Some((&theirs, "home.corp.example")), "is not accepted"),
    ] {
        let (status, answer) = asked(&apart, shown, "GET /edge", "");
        assert_eq!(status, 403, "{who}: {answer}");
        assert!(answer.contains(why), "{who}: {answer}");
    }
    assert!(apart.edge.log().contains("somebody who is not the home was refused"), "{}", apart.edge.log());

    let home = Some((ours, "home.corp.example"));
    assert_eq!(asked(&apart, home, "GET /edge", "").0, 200);
    for path in ["/api/status", "/api/partners", "/metrics", "/edge/snapshot"] {
        assert_eq!(asked(&apart, home, &format!("GET {path}"), "").0, 404, "{path}");
    }
    let snapshot = |epoch: &str, number: u64, domain: &str| {
        serde_json::json!({
            "revision": { "epoch": epoch, "number": number },
            "rules": {
                "federation": true, "discovery": false, "mark_source_verifiable": true,
                "discovered": {
                    "rate": 20, "suspect_rate": 1, "users_max": 1000, "hide_users": true, "look_alikes": "flag",
                },
            },
            "pool_secret": "07".repeat(32),
            "partners": [{ "added_unix": 1, "partner": {
                "domain": domain, "kind": "AllowedDomain", "comment": "", "monitored": false,
                "verification": "always-verifiable", "modalities": ["messages"],
            }}],
            "providers": [],
            "trust": {},
        })
        .to_string()
    };
    let put = |body: String| asked(&apart, home, "PUT /edge/snapshot", &body);
    assert_eq!(put(snapshot("a", 7, "seven.example")).0, 200);
    assert_eq!(apart.edge.partners(), ["seven.example"]);
    let (status, answer) = put(snapshot("a", 6, "six.example"));
    assert_eq!(status, 409, "{answer}");
    assert!(answer.contains("revision 6 is older than revision 7"), "{answer}");
    assert_eq!(put("{}".to_owned()).0, 422);
    assert_eq!(put(" ".repeat((64 << 20) + 1)).0, 413);
    assert_eq!(apart.edge.partners(), ["seven.example"]);
    assert_eq!(put(snapshot("b", 1, "other.example")).0, 200);
    assert_eq!(apart.edge.partners(), ["other.example"]);
    assert!(apart.edge.log().contains("from another database than before"), "{}", apart.edge.log());
}

#[test]
fn a_home_tells_nothing_to_an_edge_of_another_name() {
    let mut apart = Apart::new("impostor.corp.example");
    apart.edge.start();
    apart.home.start();
    apart.home.wait_until("it is refused", |home| !home.status()["edges"]["edges"][0]["failed"].is_null());
    let failed = apart.home.status()["edges"]["edges"][0]["failed"]["why"].as_str().unwrap().to_owned();
    assert!(failed.contains("expected one of edge.corp.example"), "{failed}");
    let text = apart.home.run(&["status"]).ok().stdout;
    assert!(text.contains("out of reach") && text.contains(&failed), "{text}");
    assert_eq!(apart.edge.status()["told"]["revision"], serde_json::Value::Null);
}

#[test]
fn silent_connections_end_and_the_home_comes_in() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    let from = Ipv4Addr::new(127, 0, 81, 4);
    let silent: Vec<_> = (0..40).map(|_| partner::connect_plain(from, apart.control)).collect();
    let began = Instant::now();
    assert_eq!(asked(&apart, Some((&apart.authority, "home.corp.example")), "GET /edge", "").0, 200);
    // Forty silent ones in sixteen places: the third lot is thrown out while the home is among them.
    assert!((5..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    drop(silent);
}

#[test]
fn the_home_shows_what_its_edges_know() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    apart.home.start();
    apart.home.run(&["partner", "add", "fabrikam.example"]).ok();
    apart.edge.wait_until("it is told", |edge| edge.partners() == ["fabrikam.example"]);
    assert_ne!(status_and_word(&apart.message("fabrikam.example")).0, 503);
    assert_eq!(status_and_word(&apart.message("litware.example")).0, 403);
    let shown = apart.home.run(&["partner", "show", "fabrikam.example", "--json"]).ok().json();
    assert_eq!(shown["edges"][0]["edge"], "edge.corp.example");
    let counts = &shown["edges"][0]["answer"]["counts"];
    assert_eq!((&counts["admitted"], &counts["sent"]), (&1.into(), &0.into()), "{shown}");
    assert_eq!(shown["certificates"], serde_json::json!([]), "the edge's is not the partner's");
    let text = apart.home.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(text.contains("at the edge edge.corp.example\n  since the server started: 1 of theirs admitted"), "{text}");
    // It never came to the home.
    for asked in [&["of-litware.example"][..], &["--from", "litware.example", "--to", "contoso.example"]] {
        let why = apart.home.run(&[&["why"], asked].concat()).ok().stdout;
        assert!(why.contains("nothing of it came to this server"), "{why}");
        assert!(why.contains("at the edge edge.corp.example") && why.contains("403 domain-not-allowed"), "{why}");
    }
    const ALICE: &str = "alice@contoso.example";
    apart.home.run(&["user", "add", ALICE, "--generate"]).ok();
    let dry = |what: [&str; 2]| apart.home.run(&["why", "--from", what[0], "--to", what[1], "--dry-run"]).ok().stdout;
    for ends in [["bob@litware.example", ALICE], [ALICE, "bob@litware.example"]] {
        let told = dry(ends);
        let (_, there) = told.split_once("at the edge edge.corp.example").unwrap_or_else(|| panic!("{told}"));
        assert!(there.contains("403 domain-not-allowed"), "{told}");
    }
    let told = dry(["bob@fabrikam.example", ALICE]);
    let (_, there) = told.split_once("at the edge edge.corp.example").unwrap_or_else(|| panic!("{told}"));
    assert!(there.contains("this edge lets it pass; what is behind it decides about the rest"), "{told}");
    let within = dry([ALICE, "dave@contoso.example"]);
    assert!(!within.contains("at the edge"), "{within}");
    let unknown = apart.home.run(&["why", "of-nobody"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.stdout);
    let both = apart.home.run(&["why", "of-fabrikam.example", "--json"]).ok().json();
    assert!(both["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{both}");
    assert!(both["edges"][0]["answer"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{both}");
    let reset = apart.home.run(&["partner", "reset", "fabrikam.example", "--json"]).ok().json();
    assert_eq!(reset["edges"][0]["answer"]["workers"], 2, "{reset}");
    assert!(apart.home.run(&["metrics"]).ok().stdout.contains("comity_edges{state=\"current\"} 1\n"));
    let of_edge = apart.edge.run(&["metrics"]).ok().stdout;
    assert!(!of_edge.contains("comity_told_timestamp_seconds 0\n"), "{of_edge}");

    apart.edge.kill();
    let asked = Instant::now();
    let shown = apart.home.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("it does not answer: ") && asked.elapsed() < Duration::from_secs(20), "{shown}");
}

#[test]
fn rules_of_the_homes_configuration_hold_at_the_edge_and_strangers_there_are_known_at_home() {
    let mut apart = Apart::new("edge.corp.example");
    let file = apart.home.place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    apart.edge.start();
    apart.home.start();
    apart.edge.wait_until("it is told", |edge| !edge.status()["told"]["revision"].is_null());
    let closed = apart.message("litware.example");
    assert_eq!(status_and_word(&closed), (403, "domain-not-allowed".to_owned()));
    apart.home.kill();
    std::fs::write(&file, format!("{text}[federation]\ndiscovery = true\n[federation.discovered]\nusers_max = 1\n"))
        .unwrap();
    apart.home.start();
    apart.edge.wait_until("it is told", |edge| edge.status()["discovery"] == true);
    let open = apart.message("litware.example");
    assert_eq!(status_and_word(&open), (480, "user-unavailable".to_owned()));
    // One user more than a stranger may address, which is answered alike.
    assert_eq!(status_and_word(&apart.message_to("bob", "litware.example")), status_and_word(&open));
    apart.home.wait_until("the stranger is known", |home| {
        let list = home.run(&["partner", "report", "--json"]).ok().json();
        let is_known = list[0]["edge"] == "edge.corp.example" && list[0]["domains"][0] == "litware.example";
        is_known && list[0]["total"]["users_refused"] == 1 && list.as_array().is_some_and(|all| all.len() == 1)
    });
    assert!(apart.home.run(&["partner", "list"]).ok().stdout.contains("litware.example (at edge.corp.example)"));
}

/// What is shown at the control address of the edge.
fn shown_inside(apart: &Apart) -> CertificateDer<'static> {
    let identity = partner::identity(apart.home.place.path(), &apart.authority, &["home.corp.example"]);
    let mut stream = partner::connect(Ipv4Addr::new(127, 0, 81, 4), apart.control, Some(&identity));
    stream.flush().unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn the_certificate_of_the_inner_side_is_renewed_while_edge_and_home_serve() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    let first = shown_inside(&apart);
    let [pem, key] = ["inside.pem", "inside.key"].map(|name| apart.edge.place.path().join(name));
    let end = SystemTime::now() + Duration::from_secs(9 * 86_400 + 3600);
    apart.authority.issue_until(&["edge.corp.example"], &pem, &key, end);
    apart.edge.wait_until("the new one is shown", |_| shown_inside(&apart) != first);
    let renewed = shown_inside(&apart);
    assert!(apart.edge.log().contains("inside.pem: a new certificate is served"), "{}", apart.edge.log());
    assert!(apart.edge.log().contains("inside.pem: the certificate expires in 9 days"), "{}", apart.edge.log());
    assert!(apart.edge.run(&["status"]).ok().stdout.contains("edge.corp.example"));

    std::fs::write(&pem, "no certificate").unwrap();
    apart.edge.wait_until("it is refused", |edge| edge.log().contains("inside.pem: the new certificate is refused"));
    assert_eq!(shown_inside(&apart), renewed, "the old one is served on");

    // The home had one of another name: the edge believes it by its new one, which the home shows from then on.
    let [pem, key] = ["inside.pem", "inside.key"].map(|name| apart.home.place.path().join(name));
    apart.authority.issue(&["other.corp.example"], &pem, &key);
    apart.home.start();
    apart.home.wait_until("it is refused", |home| !home.status()["edges"]["edges"][0]["failed"].is_null());
    apart.authority.issue(&["home.corp.example"], &pem, &key);
    apart.home.wait_until("the edge is told", |home| {
        let edge = &home.status()["edges"]["edges"][0];
        edge["failed"].is_null() && !edge["revision"].is_null()
    });
}

#[test]
fn each_edge_behind_one_name_is_told_by_a_name_of_its_own() {
    let (mut edges, mut home) = apart::behind_one_name();
    edges.iter_mut().for_each(apart::Side::start);
    home.start();
    home.run(&["partner", "add", "fabrikam.example"]).ok();
    for edge in &edges {
        edge.wait_until("it is told", |edge| edge.partners() == ["fabrikam.example"]);
    }
    home.wait_until("both are current", |home| {
        let answer = home.status()["edges"].clone();
        let edges = answer["edges"].as_array().unwrap().clone();
        let names: Vec<_> = edges.iter().map(|edge| edge["edge"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["edge1.corp.example", "edge2.corp.example"]);
        edges.iter().all(|edge| edge["revision"] == answer["revision"])
    });
    assert!(!home.run(&["status"]).ok().stdout.contains("the edges differ"));
    // What one of them knows is asked of it by that name, too.
    let shown = home.run(&["partner", "show", "fabrikam.example", "--json"]).ok().json()["edges"].clone();
    let answered: Vec<_> = shown.as_array().unwrap().iter().map(|edge| edge["failure"].is_null()).collect();
    assert_eq!(answered, [true, true], "{shown}");
}

#[test]
fn a_home_warns_where_its_edges_do_not_say_the_same() {
    let (mut edges, mut home) = apart::behind_one_name();
    let file = edges[1].place.path().join("comity.toml");
    let written = std::fs::read_to_string(&file).unwrap() + "[federation]\nhide_topology = true\ncrl = \"required\"\n";
    std::fs::write(&file, written).unwrap();
    edges.iter_mut().for_each(apart::Side::start);
    home.start();
    home.wait_until("both are known", |home| {
        let edges = home.status()["edges"]["edges"].as_array().unwrap().clone();
        edges.iter().all(|edge| edge["own"]["connections_per_partner"] == 4)
    });
    let told = home.run(&["status"]).ok().stdout;
    let expected = "\
warning: the edges differ in crl under [federation]: \"when-available\" at edge1.corp.example, \"required\" at edge2.corp.example
next: write the same into comity.toml of each, for a partner may come by any of them

warning: the edges differ in hide_topology under [federation]: false at edge1.corp.example, true at edge2.corp.example
next: write the same into comity.toml of each, for a partner may come by any of them

";
    assert!(told.contains(expected) && told.matches("the edges differ").count() == 2, "{told}");
}

#[test]
fn a_provider_is_shown_at_home_as_its_edges_know_it() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    apart.home.start();
    apart.home.run(&["provider", "add", "hub", "--edge", "hub.example", "--clearing-house", "yes"]).ok();
    let shown = |side: &apart::Side| side.run(&["provider", "show", "hub", "--json"]).ok().json();
    apart.home.wait_until("the edge knows the provider", |_| {
        apart.edge.run(&["provider", "list", "--json"]).ok().json() != serde_json::json!([])
    });
    apart.message("hub.example");
    let behind = |shown: &serde_json::Value| shown["domains"][0]["domain"].clone();
    assert_eq!(behind(&shown(&apart.edge)), "hub.example");
    let at_home = shown(&apart.home);
    assert_eq!(at_home["edges"][0]["edge"], "edge.corp.example");
    assert_eq!(behind(&at_home["edges"][0]["answer"]), "hub.example", "{at_home}");
    let text = apart.home.run(&["provider", "show", "hub"]).ok().stdout;
    let (_, of_edge) = text.split_once("at the edge edge.corp.example").unwrap_or_else(|| panic!("{text}"));
    assert!(of_edge.contains("proven by the provider's certificate"), "{text}");
}
