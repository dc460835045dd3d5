//! What a load balancer is told: that this server can do the work, or why it cannot.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, SystemTime};

use crate::phone::Phone;
use crate::place;
use crate::served;
use crate::served::Served;

fn serve() -> (Served, u16) {
    let [port] = served::free_ports();
    (Served::start_listening(&format!("health = [\"127.0.0.1:{port}\"]")), port)
}

/// The status and the text of an answer.
fn ask(port: u16, request: &str) -> (u16, String) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(socket, "{request} HTTP/1.1\r\nHost: comity\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

fn health(port: u16) -> (u16, String) {
    ask(port, "GET /health")
}

#[test]
fn a_server_that_can_do_the_work_says_so_and_nothing_else() {
    let (served, port) = serve();
    assert_eq!(health(port), (200, "ready\n".to_owned()));
    assert_eq!(ask(port, "HEAD /health"), (200, String::new()));
    assert_eq!(ask(port, "GET /metrics"), (404, "only /health is here\n".to_owned()));
    assert_eq!(ask(port, "GET /api/status").0, 404);
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("health") && status.contains("ready") && !status.contains("not ready"), "{status}");
}

#[test]
fn one_that_drains_says_so_at_once_and_takes_nothing_new() {
    let (served, port) = serve();
    Phone::add_user(&served, "alice@contoso.example");
    let mut alice = Phone::connect(&served, "alice@contoso.example", Ipv4Addr::LOCALHOST);
    assert_eq!(alice.register().status(), Some(200));
    let told = served.run(&["drain"]).ok().stdout;
    assert_eq!(told, "this server takes nothing new; 0 calls under way can go on until you stop it\n");
    let reason = "draining: what is under way is finished, nothing new is taken";
    assert_eq!(health(port), (503, format!("{reason}\n")));
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("not ready") && status.contains(reason), "{status}");
    assert_eq!(alice.message("alice@contoso.example").status(), Some(503));
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, served.tls_port));
    assert!(refused.is_err(), "no connection is taken");
}

#[test]
fn one_whose_database_takes_no_changes_is_not_ready() {
    let (mut served, port) = serve();
    assert_eq!(health(port).0, 200);
    let other = rusqlite::Connection::open(served.place.path().join("data/comity.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    served.wait_until("health says so", |_| {
        let (status, text) = health(port);
        status == 503 && text.starts_with("the database takes no changes: ")
    });
    other.execute_batch("ROLLBACK").unwrap();
    served.wait_until("it is well again", |_| health(port).0 == 200);
}

#[test]
fn one_whose_certificate_has_ended_is_not_ready() {
    let (mut served, port) = serve();
    let end = SystemTime::now() + Duration::from_secs(15);
    let folder = served.place.path().to_owned();
    let names = ["sip.contoso.example", "contoso.example"];
    served.authority.issue_until(&names, &folder.join("contoso.pem"), &folder.join("contoso.key"), end);
    served.wait_until("health says so", |_| {
        let (status, text) = health(port);
        status == 503 && text.starts_with("the certificate has expired on 2")
    });
}

#[test]
fn an_edge_alone_is_ready_while_somebody_is_behind_it() {
    let [port, inner, next_hop] = served::free_ports();
    let listen = format!(
        "health = [\"127.0.0.1:{port}\"]\n[inside]\nnext_hop = \"sip:127.0.0.1:{next_hop};transport=tcp\"\n\
         listen = [\"127.0.0.2:{inner}\"]\n"
    );
    let [tls] = served::free_ports();
    let place = place::Place::new(&format!("tls = [\"127.0.0.1:{tls}\"]\n{listen}"));
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("roles = [\"edge\"]\n{text}")).unwrap();
    let authority = place.certify(&["sip.contoso.example", "contoso.example"]);
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    let server = place.command(&["serve"]).stderr(log).spawn().unwrap();
    let mut served = Served { place, authority, server, tls_port: tls, tcp_port: tls };
    served.wait_until("the server is ready", |served| served.place.run(&["status"]).code == Some(0));
    served.wait_until("health says that nobody is there", |_| {
        let (status, text) = health(port);
        status == 503 && text.starts_with(&format!("the inner side is out of reach: 127.0.0.1:{next_hop} "))
    });
    let _behind = TcpListener::bind((Ipv4Addr::LOCALHOST, next_hop)).unwrap();
    served.wait_until("somebody is there", |_| health(port).0 == 200);
}

#[test]
fn the_log_has_each_listener_once_however_many_workers_there_are() {
    let (served, _) = serve();
    let log = served.log();
    let mut listeners: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("listening").map(|(_, listener)| listener)).collect();
    assert!(listeners.len() > 1, "{log}");
    listeners.sort_unstable();
    let all = listeners.len();
    listeners.dedup();
    assert_eq!(listeners.len(), all, "{log}");
}
