//! What the log says of people. A server lives through a busy day; from info up its log names none of them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use sip::{HeaderName, Method};

use crate::partner;
use crate::phone::Phone;
use crate::place::Authority;
use crate::served::Served;

/// Users of ours, of partners and of nobody; what a log must not show. None of them is part of a word that it may show.
const PEOPLE: [&str; 6] = ["quillon", "ysolde", "zebedee", "xanthippe", "wilfrieda", "vortigern"];
const CALL_IDS: [&str; 4] = ["call-quiet-1", "call-quiet-2", "call-quiet-3", "call-quiet-4"];

const PHONE_ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 1);
const PHONE_TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 2);
const PHONE_OVER_UDP: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 3);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 4);
const PARTNER: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 5);
/// Its server shows a certificate for another name.
const WRONG_PARTNER: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 6);
const DEAD_PARTNER: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 7);
const ADDRESSES: [Ipv4Addr; 7] = [PHONE_ONE, PHONE_TWO, PHONE_OVER_UDP, STRANGER, PARTNER, WRONG_PARTNER, DEAD_PARTNER];

const HOSTS: &[(&str, Ipv4Addr)] = &[("edge.adatum.example", WRONG_PARTNER), ("edge.tailspin.example", DEAD_PARTNER)];

/// Everything that is to be looked for.
fn needles() -> Vec<String> {
    let people = PEOPLE.iter().chain(&CALL_IDS).map(|text| (*text).to_owned());
    people.chain(ADDRESSES.iter().map(Ipv4Addr::to_string)).collect()
}

/// The log of a whole day.
fn log_of_a_day(filter: &str) -> String {
    let dns = partner::name_server(HOSTS).to_string();
    let mut served = Served::spawn("drain_secs_max = 1", "", &dns, &[("COMITY_LOG", filter)]).when_ready();
    for user in ["quillon@contoso.example", "ysolde@contoso.example", "vortigern@contoso.example"] {
        Phone::add_user(&served, user);
    }
    served.run(&["user", "passwd", "ysolde@contoso.example", "--generate"]).ok();
    served.run(&["user", "remove", "ysolde@contoso.example"]).ok();
    Phone::add_user(&served, "ysolde@contoso.example");
    served.run(&["partner", "add", "fabrikam.example", "--edge", "edge.fabrikam.example"]).ok();
    calls_and_messages(&served);
    datagrams(&served);
    strangers(&mut served);
    a_partner_calls(&served);
    partners_that_fail(&served);
    a_store_that_fails(&served);
    served.signal("-TERM");
    served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
    served.log()
}

/// Between users of ours, over TCP.
fn calls_and_messages(served: &Served) {
    let mut quillon = Phone::connect(served, "quillon@contoso.example", PHONE_ONE);
    quillon.call_id = CALL_IDS[0].to_owned();
    assert_eq!(quillon.register().status(), Some(200));
    assert_eq!(quillon.message("ysolde@contoso.example").status(), Some(202));
    assert_eq!(quillon.message("zebedee@contoso.example").status(), Some(404));
    let mut ysolde = Phone::connect(served, "ysolde@contoso.example", PHONE_TWO);
    assert_eq!(ysolde.register().status(), Some(200));
    let stored = ysolde.receive();
    ysolde.answer(&stored, 200);
    call(&mut quillon, &mut ysolde);
    quillon.password = "wrong";
    assert_eq!(quillon.message("ysolde@contoso.example").status(), Some(407));
    // The one cannot be read, the other has no borders: the connection ends.
    quillon
        .send_text("MESSAGE sip:ysolde@contoso.example SIP/2.0\r\nFrom: <<sip:quillon@\r\nContent-Length: 0\r\n\r\n");
    quillon.send_text("MESSAGE sip:ysolde@contoso.example SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
}

fn call(caller: &mut Phone, callee: &mut Phone) {
    let uri = "sip:ysolde@contoso.example";
    let contact = "Contact: <sip:quillon@phone.invalid;transport=tcp>\r\n";
    caller.offer_proof(&Method::Invite, uri, "ysolde@contoso.example", contact);
    let invite = callee.receive();
    assert_eq!(invite.method(), Some(Method::Invite));
    callee.answer(&invite, 200);
    let answered = caller.final_response();
    assert_eq!(answered.status(), Some(200));
    let routes: Vec<&[u8]> = answered.header_all(HeaderName::RecordRoute).collect();
    let route = |value: &&[u8]| format!("Route: {}\r\n", std::str::from_utf8(value).unwrap());
    let routes: String = routes.iter().rev().map(route).collect();
    let to = "ysolde@contoso.example";
    caller.to_tag = "b";
    caller.send(&Method::Ack, "sip:ysolde@phone.invalid", to, &routes);
    assert_eq!(callee.receive().method(), Some(Method::Ack));
    caller.send(&Method::Bye, "sip:ysolde@phone.invalid", to, &routes);
    let bye = callee.receive();
    callee.answer(&bye, 200);
    assert_eq!(caller.final_response().status(), Some(200));
    caller.to_tag = "";
}

fn datagrams(served: &Served) {
    let socket = UdpSocket::bind((PHONE_OVER_UDP, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, served.tcp_port));
    let request = format!(
        "REGISTER sip:contoso.example SIP/2.0\r\nVia: SIP/2.0/UDP phone.invalid;branch=z9hG4bKu;rport\r\n\
         From: <sip:vortigern@contoso.example>;tag=a\r\nTo: <sip:vortigern@contoso.example>\r\nCall-ID: {}\r\n\
         CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        CALL_IDS[1]
    );
    socket.send_to(request.as_bytes(), server).unwrap();
    assert!(socket.recv(&mut [0; 4096]).unwrap() > 0);
    socket.send_to(request.replace("CSeq: 1", "CSeq: one").as_bytes(), server).unwrap();
}

/// Nobody's requests, and more connections that say nothing than one address may have.
fn strangers(served: &mut Served) {
    let mut stranger = Phone::connect(served, "xanthippe@stranger.example", STRANGER);
    stranger.call_id = CALL_IDS[2].to_owned();
    assert_eq!(stranger.message("quillon@contoso.example").status(), Some(403));
    let mut garbage = partner::connect_plain(STRANGER, served.tls_port);
    garbage.write_all(b"this is no handshake, says xanthippe").unwrap();
    let _ = garbage.read(&mut [0; 16]);
    let silent: Vec<_> = (0..80).map(|_| partner::connect_plain(STRANGER, served.tls_port)).collect();
    served.wait_until("a limit is hit", |served| served.log().contains("a limit is being hit"));
    drop(silent);
}

/// In from outside: proven, with a certificate for another name, and with one of an authority that nobody knows.
fn a_partner_calls(served: &Served) {
    let say = |authority: &Authority, name: &str, from: &'static str| {
        let identity = partner::identity(served.place.path(), authority, &[name]);
        let mut phone = Phone::over(from, partner::connect(PARTNER, served.tls_port, Some(&identity)));
        phone.call_id = CALL_IDS[3].to_owned();
        phone.message("vortigern@contoso.example").status()
    };
    assert_eq!(say(&served.authority, "edge.fabrikam.example", "wilfrieda@fabrikam.example"), Some(202));
    assert_eq!(say(&served.authority, "other.example", "wilfrieda@fabrikam.example"), Some(403));
    assert_eq!(say(&Authority::new(), "edge.fabrikam.example", "wilfrieda@fabrikam.example"), Some(403));
}

/// Out to one that is not listed, one whose server shows another name, and one whose server is dead.
fn partners_that_fail(served: &Served) {
    let identity = partner::identity(served.place.path(), &served.authority, &["elsewhere.example"]);
    let port = partner::listen(WRONG_PARTNER, &identity);
    served.run(&["partner", "add", "adatum.example", "--edge", &format!("edge.adatum.example:{port}")]).ok();
    served.run(&["partner", "add", "tailspin.example", "--edge", "edge.tailspin.example:9"]).ok();
    let mut quillon = Phone::connect(served, "quillon@contoso.example", PHONE_ONE);
    for (to, status) in
        [("wilfrieda@unlisted.example", 403), ("wilfrieda@adatum.example", 502), ("wilfrieda@tailspin.example", 504)]
    {
        assert_eq!(quillon.message(to).status(), Some(status), "{to}");
    }
}

/// Somebody took the table of messages away.
fn a_store_that_fails(served: &Served) {
    let database = rusqlite::Connection::open(served.place.path().join("data/comity.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute_batch("DROP TABLE stored_messages").unwrap();
    let mut quillon = Phone::connect(served, "quillon@contoso.example", PHONE_ONE);
    assert_eq!(quillon.message("vortigern@contoso.example").status(), Some(500));
    let metrics = served.run(&["metrics"]).ok().stdout;
    assert!(!metrics.contains("comity_store_failures_total 0\n") && !metrics.contains("\ncomity_users "), "{metrics}");
}

fn is_above_debug(line: &str) -> bool {
    [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level))
}

#[test]
fn from_info_up_nobody_is_named() {
    let log = log_of_a_day("info");
    for told in [
        "a limit is being hit",
        "a message cannot be stored",
        "partner entry changed",
        "user removed",
        "draining",
        "a partner is out of reach",
        "a partner's certificate is refused",
    ] {
        assert!(log.contains(told), "the day was not as busy as it should be: no {told:?} in\n{log}");
    }
    for needle in needles() {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&needle)).collect();
        assert!(lines.is_empty(), "{needle} is in the log:\n{}", lines.join("\n"));
    }
}

/// The same day, told in full: what was looked for above was there to be found.
#[test]
fn who_asks_for_every_message_sees_them_all() {
    let log = log_of_a_day("trace,wire=trace");
    let needles = needles();
    for needle in &needles {
        assert!(log.contains(needle), "{needle} is not even in the whole log");
    }
    for line in log.lines().filter(|line| is_above_debug(line)) {
        assert!(!needles.iter().any(|needle| line.contains(needle)), "{line}");
    }
}

#[test]
fn a_filter_that_is_not_understood_is_told_and_the_usual_one_holds() {
    let served = Served::spawn("", "", "127.0.0.1:9", &[("COMITY_LOG", "net=loud")]).when_ready();
    let log = served.log();
    assert!(log.contains("WARN COMITY_LOG is not understood (") && log.contains("INFO serving"), "{log}");
}

#[test]
fn messages_are_shown_only_where_the_wire_is_named() {
    let served = Served::spawn("", "", "127.0.0.1:9", &[("COMITY_LOG", "trace")]).when_ready();
    let mut stranger = Phone::connect(&served, "xanthippe@stranger.example", STRANGER);
    assert_eq!(stranger.message("quillon@contoso.example").status(), Some(403));
    let log = served.log();
    assert!(log.contains(&STRANGER.to_string()) && !log.contains("Max-Forwards"), "{log}");
}
