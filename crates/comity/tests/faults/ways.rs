//! Where nothing is wrong: ways that a message takes which the DNS does not say, each with a real edge at its end.

use std::sync::Arc;

use certificates::ServedIdentity;

use super::edge;
use super::scene::{ALICE, ALICE_AT, BOB, CALL_ID, EDGE, Scene};
use super::zone::Zone;
use super::{NAMES, WELL};
use crate::partner;
use crate::phone::Phone;

/// A server on whose list nobody is, and the edge of somebody else, who answers everything.
fn beside_a_hub() -> (Scene, Arc<ServedIdentity>, String) {
    let scene = Scene::with(Zone::new(), "");
    let identity = scene.certificate(&["edge.hub.example"]);
    let port = edge::serve(EDGE, edge::tolerant(&identity), WELL);
    scene.zone.host("edge.hub.example", EDGE);
    (scene, identity, format!("edge.hub.example:{port}"))
}

fn why(scene: &Scene, says: &str) {
    let told = scene.served.run(&["why", CALL_ID]).ok().stdout;
    assert!(told.contains(says), "{says:?} is missing in:\n{told}");
}

#[test]
fn whoever_is_on_no_list_is_reached_through_the_clearing_house_and_comes_through_it_alone() {
    let (scene, hub, edge) = beside_a_hub();
    assert_eq!(scene.alice_writes(), (403, "domain-not-allowed".to_owned()));
    scene.served.run(&["provider", "add", "hub", "--edge", &edge, "--clearing-house", "yes"]).ok();
    assert_eq!(scene.alice_writes().0, 200);
    why(&scene, &format!("sent to {edge}"));
    assert_eq!(scene.bob_writes(Some(&hub), 1).0, 202);
    let own = scene.certificate(&NAMES);
    assert_eq!(scene.bob_writes(Some(&own), 1), (403, "domain-not-allowed".to_owned()));
}

#[test]
fn whoever_has_no_edge_of_its_own_in_the_list_is_reached_through_the_default_route() {
    let (mut scene, hub, edge) = beside_a_hub();
    assert_eq!(scene.alice_writes(), (403, "domain-not-allowed".to_owned()));
    scene.served.killed_and_started_with(&format!("[federation]\ndefault_route = \"sip:{edge};transport=tls\"\n"));
    assert_eq!(scene.alice_writes().0, 200);
    why(&scene, &format!("sent to {edge}"));
    assert_eq!(scene.bob_writes(Some(&hub), 1).0, 202);
    scene.served.run(&["partner", "block", "fabrikam.example"]).ok();
    assert_eq!(scene.alice_writes(), (403, "domain-blocked".to_owned()));
}

#[test]
fn the_route_of_a_policy_is_taken_whatever_the_dns_says() {
    let (scene, _, edge) = beside_a_hub();
    scene.served.run(&["partner", "add", "fabrikam.example"]).ok();
    assert_eq!(scene.alice_writes(), (404, "no-route".to_owned()));
    let route = format!("sip:{edge};transport=tls");
    scene.served.run(&["policy", "add", "berlin", "--route", &route]).ok();
    scene.served.run(&["user", "policy", ALICE, "berlin"]).ok();
    assert_eq!(scene.alice_writes().0, 200);
    why(&scene, &format!("sent to {edge}"));
}

#[test]
fn who_is_not_at_home_here_is_looked_for_at_the_provider_that_shares_the_address_space_and_comes_from_there() {
    let (scene, hub, edge) = beside_a_hub();
    let mut alice = Phone::connect(&scene.served, ALICE, ALICE_AT);
    let mut writes = |call_id: &str| {
        alice.call_id = call_id.to_owned();
        alice.message("zoe@contoso.example").status()
    };
    assert_eq!(writes("before"), Some(404));
    let share = ["--shared-address-space", "true", "--hosts-users", "true"];
    scene.served.run(&[&["provider", "add", "cloud", "--edge", &edge][..], &share].concat()).ok();
    assert_eq!(writes("since"), Some(200));
    let mut zoe = Phone::over("zoe@contoso.example", partner::connect(EDGE, scene.served.tls_port, Some(&hub)));
    assert_eq!(zoe.message(ALICE).status(), Some(202), "kept for Alice");
    let mut mallory = Phone::over(ALICE, partner::connect(EDGE, scene.served.tls_port, Some(&hub)));
    assert_eq!(mallory.message(BOB).status(), Some(403), "of those at home here nobody else speaks");
}
