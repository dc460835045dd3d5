//! What became of calls, as the command line and the control API tell it of a server that serves phones.

use std::net::Ipv4Addr;
use std::process::Stdio;

use serde_json::Value;
use sip::{HeaderName, Method};

use crate::phone::Phone;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const ALICES_PHONE: Ipv4Addr = Ipv4Addr::new(127, 0, 72, 1);
const DAVES_PHONE: Ipv4Addr = Ipv4Addr::new(127, 0, 72, 2);

/// Alice and Dave are signed in.
fn signed_in(served: &Served) -> [Phone; 2] {
    [(ALICE, ALICES_PHONE), (DAVE, DAVES_PHONE)].map(|(aor, address)| {
        Phone::add_user(served, aor);
        let mut phone = Phone::connect(served, aor, address);
        assert_eq!(phone.register().status(), Some(200));
        phone
    })
}

fn invite(alice: &mut Phone, call_id: &str) {
    alice.call_id = call_id.to_owned();
    let contact = "Contact: <sip:alice@phone.invalid;transport=tcp>\r\n";
    alice.offer_proof(&Method::Invite, "sip:dave@contoso.example", DAVE, contact);
}

/// Alice calls Dave, who answers; returns the Routes of the dialog.
fn call(alice: &mut Phone, dave: &mut Phone, call_id: &str) -> String {
    invite(alice, call_id);
    let invited = dave.receive();
    dave.answer(&invited, 200);
    let answered = alice.final_response();
    assert_eq!(answered.status(), Some(200));
    let routes: Vec<&[u8]> = answered.header_all(HeaderName::RecordRoute).collect();
    let route = |value: &&[u8]| format!("Route: {}\r\n", std::str::from_utf8(value).unwrap());
    let routes: String = routes.iter().rev().map(route).collect();
    alice.to_tag = "b";
    alice.send(&Method::Ack, "sip:dave@phone.invalid", DAVE, &routes);
    assert_eq!(dave.receive().method(), Some(Method::Ack));
    routes
}

fn hang_up(alice: &mut Phone, dave: &mut Phone, routes: &str) {
    alice.send(&Method::Bye, "sip:dave@phone.invalid", DAVE, routes);
    let bye = dave.receive();
    dave.answer(&bye, 200);
    assert_eq!(alice.final_response().status(), Some(200));
    alice.to_tag = "";
}

/// The records that match, each by its user and its cause.
fn listed(served: &Served, arguments: &[&str]) -> Vec<(String, String)> {
    let json = served.place.run(&[&["calls", "--json"], arguments].concat()).ok().json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let user = |call: &Value| {
        let user = &call["user"];
        format!("{}@{}", text(&user["user"]), text(&user["domain"]))
    };
    json.as_array().unwrap().iter().map(|call| (user(call), text(&call["end"]["cause"]))).collect()
}

fn recorded(served: &mut Served, count: usize) {
    served.wait_until("the calls are recorded", |served| {
        let calls = listed(served, &[]);
        calls.len() == count && calls.iter().all(|(_, cause)| !cause.is_empty())
    });
}

fn pair(user: &str, cause: &str) -> (String, String) {
    (user.to_owned(), cause.to_owned())
}

#[test]
fn calls_are_listed_shown_explained_and_counted() {
    let mut served = Served::start();
    let [mut alice, mut dave] = signed_in(&served);
    assert!(served.run(&["calls"]).ok().stdout.contains("no calls are recorded"));
    let routes = call(&mut alice, &mut dave, "answered-call");
    let status = served.run(&["status"]).ok().stdout;
    assert!(
        status.contains(
            "1 call and 0 sessions of messages under way, 0 phones in meetings; 0 ended in the last 24 hours"
        ),
        "{status}"
    );
    hang_up(&mut alice, &mut dave, &routes);
    invite(&mut alice, "busy-call");
    let invited = dave.receive();
    dave.answer(&invited, 486);
    assert_eq!(alice.final_response().status(), Some(486));
    recorded(&mut served, 4);

    let both = [pair(DAVE, "refused"), pair(ALICE, "refused"), pair(DAVE, "by-caller"), pair(ALICE, "by-caller")];
    let sorted = |mut calls: Vec<(String, String)>| {
        calls.sort();
        calls
    };
    assert_eq!(sorted(listed(&served, &[])), sorted(both.to_vec()));
    assert_eq!(listed(&served, &["--user", ALICE]), [pair(ALICE, "refused"), pair(ALICE, "by-caller")]);
    assert_eq!(listed(&served, &["--with", "sip:Alice@contoso.example", "--limit", "1"]), [pair(DAVE, "refused")]);
    assert_eq!(listed(&served, &["--since", "1h"]).len(), 4);
    assert_eq!(listed(&served, &["--with", "fabrikam.example"]), []);

    let all = served.run(&["calls"]).ok().stdout;
    assert_eq!(all.lines().filter(|line| line.contains(ALICE)).count(), 2, "each call once: {all}");
    let table = served.run(&["calls", "--user", ALICE]).ok().stdout;
    let line = table.lines().find(|line| line.contains("refused")).unwrap();
    assert!(line.contains(&format!("{ALICE}  {DAVE}")) && line.ends_with("refused: 486 busy"), "{table}");
    assert!(table.contains("the caller hung up"), "{table}");

    let shown = served.run(&["calls", "show", "answered-call"]).ok().stdout;
    for part in ["answered after ", "two dialogs, with this server between them", "the caller hung up, 20"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let unknown = served.run(&["calls", "show", "no-such-call"]);
    assert!(
        unknown.code == Some(1) && unknown.stderr.contains("no call has the Call-ID no-such-call"),
        "{}",
        unknown.stderr
    );

    let why = served.run(&["why", "answered-call"]).ok().stdout;
    let told = format!("the call of {ALICE} to {DAVE} lasted ");
    assert_eq!(why.matches(&told).count(), 1, "{why}");

    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!((&status["calls"]["under_way"], &status["calls"]["ended_last_day"]), (&0.into(), &2.into()));
    let metrics = served.run(&["metrics"]).ok().stdout;
    for line in [
        "comity_calls_ended_total{cause=\"by-caller\"} 1",
        "comity_calls_ended_total{cause=\"refused\"} 1",
        "comity_calls_under_way{kind=\"call\"} 0",
        "comity_calls_under_way{kind=\"messages\"} 0",
        "comity_call_set_up_seconds_count 1",
        "comity_call_records_dropped_total 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

#[test]
fn what_is_no_call_under_way_becomes_no_meeting_and_the_command_for_it_is_told() {
    let mut served = Served::start();
    let [mut alice, mut dave] = signed_in(&served);
    let escalated = |served: &Served, call_id: &str, parts: &[&str]| {
        let answer = served.run(&["meeting", "escalate", call_id, "--add", "carol@northwind.example"]);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        for part in parts {
            assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
        }
    };
    let routes = call(&mut alice, &mut dave, "over");
    hang_up(&mut alice, &mut dave, &routes);
    recorded(&mut served, 2);
    escalated(&served, "over", &[" is over", "comity meeting start --organiser ", "--with carol@northwind.example"]);
    alice.call_id = "single".to_owned();
    alice.offer_proof(&Method::Message, "sip:dave@contoso.example", DAVE, "");
    let message = dave.receive();
    dave.answer(&message, 200);
    assert_eq!(alice.final_response().status(), Some(200));
    let command =
        "comity meeting start --in-writing --organiser NAME@contoso.example --with NAME@contoso.example --with carol@";
    escalated(&served, "single", &["single is a single message", command]);
    escalated(&served, "never-heard-of", &["no call with the Call-ID never-heard-of goes on here"]);
}

#[test]
fn it_is_told_how_a_call_would_be_carried() {
    let served = Served::start();
    let [mut alice, _dave] = signed_in(&served);
    let dry_run = || served.run(&["why", "--from", ALICE, "--to", DAVE, "--dry-run"]).ok().stdout;
    let told = dry_run();
    assert!(told.contains("of a call: we stand between the two phones"), "{told}");
    assert!(told.contains("the caller's device shows neither REFER nor Replaces"), "{told}");
    let support = "Allow: INVITE, ACK, BYE, REFER\r\nSupported: replaces\r\n";
    let contact = "Contact: <sip:alice@phone.invalid;transport=tcp>\r\n";
    let shown = alice.ask(&Method::Register, "sip:contoso.example", ALICE, &format!("{contact}{support}"));
    assert_eq!(shown.status(), Some(200));
    let told = dry_run();
    assert!(told.contains("a device of the one called shows neither REFER nor Replaces"), "{told}");
}

#[test]
fn a_call_that_outlives_its_server_is_recorded_as_such() {
    let mut served = Served::start();
    let [mut alice, mut dave] = signed_in(&served);
    call(&mut alice, &mut dave, "outlives");
    served.wait_until("the call is recorded", |served| listed(served, &[]).len() == 2);
    served.signal("-TERM");
    served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
    assert_eq!(listed(&served, &["--user", ALICE]), [pair(ALICE, "drained")]);
}

#[test]
fn a_call_whose_server_was_killed_was_never_seen_to_end() {
    let mut served = Served::start();
    let [mut alice, mut dave] = signed_in(&served);
    call(&mut alice, &mut dave, "killed");
    served.wait_until("the call is recorded", |served| listed(served, &[]).len() == 2);
    served.signal("-KILL");
    served.server.wait().unwrap();
    assert_eq!(listed(&served, &["--user", ALICE]), [pair(ALICE, "")]);
    served.server = served.place.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
    let mut served = served.when_ready();
    recorded(&mut served, 2);
    assert_eq!(listed(&served, &["--user", ALICE]), [pair(ALICE, "never-seen")]);
}

#[test]
fn where_no_records_are_to_be_kept_there_are_none() {
    let mut served = Served::start_listening("[records]\nkeep_days = 0");
    let [mut alice, mut dave] = signed_in(&served);
    let routes = call(&mut alice, &mut dave, "unrecorded");
    hang_up(&mut alice, &mut dave, &routes);
    served.wait_until("the call is counted", |served| {
        served.run(&["metrics"]).ok().stdout.contains("comity_calls_ended_total{cause=\"by-caller\"} 1")
    });
    assert_eq!(listed(&served, &[]), []);
}
