//! The metrics of a running server: by the command, over the control socket, and for a scraper.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use sip::Method;

use crate::phone::Phone;
use crate::place;
use crate::served;
use crate::served::Served;

/// Not where the server's other ports are: they are chosen on their own.
const SCRAPED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn serve_with_metrics() -> (Served, u16) {
    let [port] = served::free_ports();
    (Served::start_listening(&format!("metrics = [\"{SCRAPED}:{port}\"]")), port)
}

/// The whole answer to one HTTP request.
fn http(port: u16, request: &str) -> String {
    let mut socket = TcpStream::connect((SCRAPED, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(socket, "{request} HTTP/1.1\r\nHost: comity\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| line.starts_with("comity_"));
    let read = |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    lines.map(|line| read(line).unwrap()).collect()
}

fn metrics(served: &Served) -> BTreeMap<String, f64> {
    series(&served.run(&["metrics"]).ok().stdout)
}

#[test]
fn what_happens_is_counted() {
    let served = Served::start();
    for user in ["alice@contoso.example", "bob@contoso.example"] {
        Phone::add_user(&served, user);
    }
    served.run(&["partner", "block", "adatum.example"]).ok();
    let mut alice = Phone::connect(&served, "alice@contoso.example", Ipv4Addr::LOCALHOST);
    assert_eq!(alice.register().status(), Some(200));
    assert_eq!(alice.message("bob@contoso.example").status(), Some(202));
    assert_eq!(alice.message("mallory@adatum.example").status(), Some(403));
    alice.password = "wrong";
    assert_eq!(alice.message("bob@contoso.example").status(), Some(407));

    let all = metrics(&served);
    for (name, value) in [
        ("comity_users", 2.0),
        ("comity_registrations", 1.0),
        ("comity_stored_messages", 1.0),
        ("comity_messages_stored_total", 1.0),
        ("comity_partner_entries{kind=\"blocked\"}", 1.0),
        ("comity_requests_admitted_total{sender=\"user\"}", 3.0),
        ("comity_requests_challenged_total", 4.0),
        ("comity_requests_refused_total{direction=\"outbound\",word=\"domain-blocked\"}", 1.0),
        ("comity_requests_refused_total{direction=\"outbound\",word=\"authentication-failed\"}", 1.0),
        ("comity_worker_up{worker=\"1\"}", 1.0),
        ("comity_draining", 0.0),
        ("comity_certificate_warnings", 0.0),
        ("comity_messages_received_total{transport=\"stream\"}", 8.0),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
    for name in ["open_files", "open_files_max", "resident_memory_bytes"] {
        assert!(all[&format!("comity_process_{name}")] > 10.0, "{name}");
    }
    let not_after = served.run(&["status", "--json"]).ok().json()["certificate"]["not_after_unix"].as_f64();
    assert_eq!(Some(all["comity_certificate_not_after_timestamp_seconds"]), not_after);
    let clients = |all: &BTreeMap<String, f64>| -> f64 {
        (0..2).map(|worker| all[&format!("comity_flows{{worker=\"{worker}\",kind=\"client\"}}")]).sum()
    };
    assert_eq!(clients(&all), 1.0);
}

#[test]
fn a_scraper_gets_the_metrics_and_nothing_else() {
    let (served, port) = serve_with_metrics();
    let answer = http(port, "GET /metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(series(text).into_keys().collect::<Vec<_>>(), metrics(&served).into_keys().collect::<Vec<_>>());
    for (request, status) in [
        ("POST /metrics", 405),
        ("GET /api/status", 404),
        ("GET /api/users", 404),
        ("DELETE /api/users/alice@contoso.example", 404),
        ("GET /", 404),
    ] {
        let answer = http(port, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
}

#[test]
fn silent_scrapers_keep_the_others_out_for_a_bounded_time_only() {
    let (_served, port) = serve_with_metrics();
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect((SCRAPED, port)).unwrap()).collect();
    assert!(http(port, "GET /metrics").starts_with("HTTP/1.1 200 "));
    drop(silent);
}

#[test]
fn a_thousand_domains_and_call_ids_make_no_new_series() {
    let served = Served::start();
    let before: Vec<String> = metrics(&served).into_keys().collect();
    let mut stranger = Phone::connect(&served, "eve@stranger.example", Ipv4Addr::LOCALHOST);
    for number in 0..1_000 {
        stranger.aor = Box::leak(format!("eve{number}@stranger{number}.example").into_boxed_str());
        stranger.call_id = format!("call-{number}");
        stranger.send(&Method::Options, "sip:contoso.example", "contoso.example", "");
        assert_eq!(stranger.final_response().status(), Some(403));
    }
    let after = metrics(&served);
    let refused = &after["comity_requests_refused_total{direction=\"inbound\",word=\"certificate-missing\"}"];
    assert_eq!(*refused, 1_000.0);
    assert_eq!(after.into_keys().collect::<Vec<_>>(), before);
}

#[test]
fn without_a_server_there_are_none() {
    let place = place::Place::new("tls = [\"127.0.0.1:9\"]");
    place.run(&["metrics"]).fails(&["error: no server is running with comity.toml", "next: start it: comity serve"]);
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let [port, tls, inside] = served::free_ports();
    let listen = format!("tls = [\"127.0.0.1:{tls}\"]\nmetrics = [\"0.0.0.0:{port}\", \"127.0.0.1:{inside}\"]");
    let place = place::Place::new(&listen);
    place.certify(&["sip.contoso.example", "contoso.example"]);
    let warnings = place.run(&["check", "--json"]).ok().json()["warnings"].clone();
    let warning = warnings.as_array().unwrap().iter().find(|text| text.as_str().unwrap().contains("[listen] metrics"));
    assert!(warning.unwrap().as_str().unwrap().starts_with(&format!("[listen] metrics 0.0.0.0:{port} ")), "{warnings}");
    assert_eq!(warnings.as_array().unwrap().len(), 1, "{warnings}");
    let plan = place.run(&["plan"]).ok().stdout;
    assert!(plan.contains(&format!("{port}")) && plan.contains("Prometheus"), "{plan}");
}
