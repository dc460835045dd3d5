//! Who has answered whom outlives the server: whoever was written to is not cut off by a restart, and whoever nobody answers
//! does not get a new day by one.

use std::net::Ipv4Addr;

use sip::{HeaderName, Message};

use crate::apart;
use crate::partner;
use crate::phone::Phone;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";

fn word(response: &Message) -> String {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    warning.rsplit('"').nth(1).unwrap_or_default().to_owned()
}

/// A message of Eve at adatum.example to Alice, who is away; the public word of its answer.
fn told(served: &Served, identity: &std::sync::Arc<certificates::ServedIdentity>) -> String {
    let mut line = Phone::over(
        "eve@adatum.example",
        partner::connect(Ipv4Addr::new(127, 0, 74, 2), served.tls_port, Some(identity)),
    );
    line.send(&sip::Method::Message, "sip:alice@contoso.example", ALICE, "");
    word(&line.final_response())
}

#[test]
fn a_killed_server_knows_who_was_answered_and_who_was_not() {
    let mut served = Served::start_with("federation.discovery = true", "127.0.0.1:9");
    let adatum = partner::identity(served.place.path(), &served.authority, &["adatum.example"]);
    Phone::add_user(&served, ALICE);
    assert_eq!(std::array::from_fn(|_| told(&served, &adatum)), ["user-unavailable", "user-unavailable"]);
    // What nobody waits for is on the disk a moment later.
    std::thread::sleep(std::time::Duration::from_secs(1));
    served.killed_and_started_with("");
    assert_eq!(std::array::from_fn(|_| told(&served, &adatum)), ["user-unavailable", "unanswered"]);

    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::new(127, 0, 74, 1));
    assert_eq!(alice.register().status(), Some(200));
    // That it does not arrive makes no difference.
    alice.message("eve@adatum.example");
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(alice);
    served.killed_and_started_with("");
    assert_eq!(std::array::from_fn(|_| told(&served, &adatum)), ["user-unavailable"; 5]);
}

#[test]
fn a_home_counts_for_its_edge_and_remembers_while_both_are_killed() {
    let mut apart = apart::Apart::new("edge.corp.example");
    let file = apart.home.place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("federation.discovery = true\n{text}")).unwrap();
    apart.edge.start();
    apart.home.start();
    let is_current = |home: &apart::Side| {
        let answer = &home.status()["edges"];
        answer["edges"][0]["revision"] == answer["revision"]
    };
    apart.home.wait_until("the edge is current", is_current);
    let first = [apart.message("adatum.example"), apart.message("adatum.example")];
    assert_eq!(first.each_ref().map(word), ["user-unavailable", "user-unavailable"], "{}", apart.home.log());
    std::thread::sleep(std::time::Duration::from_secs(1));
    apart.home.kill();
    apart.edge.kill();
    apart.edge.start();
    apart.home.start();
    apart.home.wait_until("the edge is current again", is_current);
    let then = [apart.message("adatum.example"), apart.message("adatum.example")];
    assert_eq!(then.each_ref().map(word), ["user-unavailable", "unanswered"], "{}", apart.home.log());
}
