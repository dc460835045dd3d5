//! Typical faults of federation, each one made for real, and what an administrator is told: `comity why`, `comity partner
//! show` and `comity route`, as golden texts beside this file.

mod doctor;
mod edge;
mod golden;
mod scene;
mod ways;
mod zone;

use std::time::{Duration, SystemTime};

use edge::Manner::{Answers, SpeaksHttp};
use edge::{Filtered, Manner};
use golden::check;
use scene::{CALL_ID, EDGE, Scene};
use zone::Zone;

use crate::place::Authority;
use crate::served::Served;

const NAMES: [&str; 2] = ["sip.fabrikam.example", "fabrikam.example"];
const WELL: Manner = Answers(200, &[]);
const DAY: Duration = Duration::from_secs(86_400);

/// Alice writes, gets this answer, and its cause is told.
fn alice_is_refused(name: &str, scene: &Scene, status: u16, word: &str) {
    assert_eq!(scene.alice_writes(), (status, word.to_owned()));
    check(name, scene, CALL_ID);
}

/// An edge with a good certificate that answers everything so.
fn partner_answers(name: &str, manner: Manner, status: u16, word: &str) {
    let mut scene = Scene::new();
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, manner);
    alice_is_refused(name, &scene, status, word);
}

#[test]
fn srv_missing() {
    alice_is_refused("srv-missing", &Scene::new(), 404, "no-route");
}

#[test]
fn domain_does_not_exist() {
    let scene = Scene::new();
    scene.zone.forget();
    alice_is_refused("domain-does-not-exist", &scene, 404, "no-route");
}

#[test]
fn dns_does_not_answer() {
    let scene = Scene::with(Zone::silent(), "");
    scene.served.run(&["partner", "add", "fabrikam.example"]).ok();
    alice_is_refused("dns-does-not-answer", &scene, 504, "no-route");
}

#[test]
fn srv_target_outside_the_domain() {
    let mut scene = Scene::new();
    let identity = scene.certificate(&["edge.hoster.example"]);
    let port = edge::serve(EDGE, edge::tolerant(&identity), WELL);
    scene.ports.push(port);
    scene.zone.host("edge.hoster.example", EDGE);
    scene.zone.leads_to("edge.hoster.example", port);
    alice_is_refused("srv-target-outside-the-domain", &scene, 502, "partner-certificate");
}

#[test]
fn address_missing() {
    let scene = Scene::new();
    scene.zone.leads_to("sip.fabrikam.example", 5061);
    alice_is_refused("address-missing", &scene, 504, "partner-unreachable");
}

#[test]
fn partner_has_not_allowed_us() {
    let warning = ("Warning", "399 sip.fabrikam.example \"domain-not-allowed\"");
    let manner = Answers(403, Box::leak(Box::new([warning])));
    partner_answers("partner-has-not-allowed-us", manner, 403, "domain-not-allowed");
}

#[test]
fn we_have_not_allowed_the_partner() {
    let scene = Scene::with(Zone::new(), "");
    let identity = scene.certificate(&NAMES);
    assert_eq!(scene.bob_writes(Some(&identity), 1), (403, "domain-not-allowed".to_owned()));
    check("we-have-not-allowed-the-partner", &scene, CALL_ID);
}

#[test]
fn partner_is_blocked() {
    let scene = Scene::new();
    scene.served.run(&["partner", "block", "fabrikam.example", "--comment", "spam"]).ok();
    alice_is_refused("partner-is-blocked", &scene, 403, "domain-blocked");
}

#[test]
fn unknown_authority() {
    let mut scene = Scene::new();
    let identity = scene.certificate_as(&Authority::named("Fabrikam Authority"), Authority::wish(&NAMES));
    scene.edge(&identity, WELL);
    alice_is_refused("unknown-authority", &scene, 502, "partner-certificate");
}

/// Public authorities issue such certificates no more.
#[test]
fn partner_wants_client_auth() {
    let mut scene = Scene::new();
    scene.certificate(&NAMES);
    let config = edge::trusting_only(&scene.served.authority, &scene.folder());
    scene.found_at(edge::serve(EDGE, config, WELL));
    alice_is_refused("partner-wants-client-auth", &scene, 504, "partner-unreachable");
}

#[test]
fn partner_does_not_trust_our_authority() {
    let mut scene = Scene::new();
    scene.certificate(&NAMES);
    scene.gets_client_auth();
    let config = edge::trusting_only(&Authority::named("Fabrikam Authority"), &scene.folder());
    scene.found_at(edge::serve(EDGE, config, WELL));
    alice_is_refused("partner-does-not-trust-our-authority", &scene, 504, "partner-unreachable");
}

#[test]
fn wrong_name() {
    let mut scene = Scene::new();
    let identity = scene.certificate(&["mail.fabrikam.example"]);
    scene.edge(&identity, WELL);
    alice_is_refused("wrong-name", &scene, 502, "partner-certificate");
}

#[test]
fn certificate_expired() {
    let mut scene = Scene::new();
    let mut wish = Authority::wish(&NAMES);
    wish.not_after = (SystemTime::now() - DAY).into();
    let identity = scene.certificate_as(&scene.served.authority, wish);
    scene.edge(&identity, WELL);
    alice_is_refused("certificate-expired", &scene, 502, "partner-certificate");
}

#[test]
fn certificate_ends_soon() {
    let mut scene = Scene::new();
    let mut wish = Authority::wish(&NAMES);
    wish.not_after = (SystemTime::now() + 10 * DAY).into();
    let identity = scene.certificate_as(&scene.served.authority, wish);
    scene.edge(&identity, WELL);
    alice_is_refused("certificate-ends-soon", &scene, 200, "");
}

#[test]
fn certificate_not_yet_valid() {
    let mut scene = Scene::new();
    let mut wish = Authority::wish(&NAMES);
    wish.not_before = (SystemTime::now() + DAY).into();
    let identity = scene.certificate_as(&scene.served.authority, wish);
    scene.edge(&identity, WELL);
    alice_is_refused("certificate-not-yet-valid", &scene, 502, "partner-certificate");
}

#[test]
fn certificate_revoked() {
    let mut scene = Scene::new();
    let port = edge::serve_list(scene.served.authority.revocation_list(7));
    let mut wish = Authority::wish(&NAMES);
    wish.serial_number = Some(7.into());
    let uris = vec![format!("http://127.0.0.1:{port}/")];
    wish.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
    let identity = scene.certificate_as(&scene.served.authority, wish);
    scene.edge(&identity, WELL);
    // The list is fetched once such a certificate was seen.
    scene.served.run(&["route", "fabrikam.example"]).ok();
    scene.served.wait_until("the list is held", |served| served.log().contains("has been revoked"));
    alice_is_refused("certificate-revoked", &scene, 502, "partner-certificate");
}

#[test]
fn pin_changed() {
    let mut scene = Scene::new();
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, WELL);
    let other = "0123456789abcdef".repeat(4);
    scene.served.run(&["partner", "trust", "fabrikam.example", "--pin", &other]).ok();
    alice_is_refused("pin-changed", &scene, 502, "partner-certificate");
}

#[test]
fn provider_pin_changed() {
    const ALARM: &str = "another certificate was shown than the one that is pinned for a hosting provider";
    let mut scene = Scene::new();
    let identity = scene.certificate(&["edge.cloud.example", "fabrikam.example"]);
    let port = edge::serve(EDGE, edge::tolerant(&identity), WELL);
    scene.ports.push(port);
    scene.zone.host("edge.cloud.example", EDGE);
    scene.zone.leads_to("edge.cloud.example", port);
    let other = "0123456789abcdef".repeat(4);
    scene.served.run(&["provider", "add", "cloud", "--edge", "edge.cloud.example", "--pin", &other]).ok();
    alice_is_refused("provider-pin-changed", &scene, 502, "partner-certificate");
    let refused = (403, "certificate-pin-changed".to_owned());
    assert_eq!(scene.bob_writes(Some(&identity), 1), refused);
    let told = scene.served.run(&["why", CALL_ID]).ok().stdout;
    assert!(told.contains("if so: comity provider set cloud --pin FINGERPRINT; else"), "{told}");
    let shown = scene.served.run(&["provider", "show", "cloud"]).ok().stdout;
    let pinned = format!("  pinned certificate {other}");
    for line in [
        &pinned,
        "is proven by the pinned certificate alone",
        "another certificate was shown for fabrikam.example than the one",
    ] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    scene.served.wait_until("the alarm", |served| served.log().contains(ALARM));
    let log = scene.served.log();
    assert_eq!(log.matches(ALARM).count(), 1, "{log}");

    let pin = federation::trust::hexadecimal(&certificates::roots::fingerprint(&identity.chain()[0]));
    let set = scene.served.run(&["provider", "set", "cloud", "--pin", &other, "--pin", &pin]).ok().stdout;
    assert!(set.ends_with(&format!("before:\n{pinned}\n")), "{set}");
    assert_eq!(scene.alice_writes().0, 200);
    assert_eq!(scene.bob_writes(Some(&identity), 1).0, 202);
    let route = scene.served.run(&["route", "fabrikam.example", "--json"]).ok().json();
    assert_eq!(route["way"]["rung"], "pin", "{route}");
    // What was proven by another pin, or by none, is so no more.
    for set in [&["--no-pins"][..], &["--pin", &other]] {
        scene.served.run(&[&["provider", "set", "cloud"][..], set].concat()).ok();
        let passes = set.len() == 1;
        assert_eq!(scene.alice_writes().0, if passes { 200 } else { 502 });
        assert_eq!(scene.bob_writes(Some(&identity), 1).0, if passes { 202 } else { 403 });
    }
}

#[test]
fn partner_shows_no_certificate() {
    let scene = Scene::new();
    assert_eq!(scene.bob_writes(None, 1), (403, "certificate-missing".to_owned()));
    check("partner-shows-no-certificate", &scene, CALL_ID);
}

#[test]
fn port_closed() {
    let mut scene = Scene::new();
    scene.found_at(edge::closed_port(EDGE));
    alice_is_refused("port-closed", &scene, 504, "partner-unreachable");
}

#[test]
fn port_filtered() {
    let mut scene = Scene::new();
    let filtered = Filtered::new(EDGE);
    scene.found_at(filtered.port);
    alice_is_refused("port-filtered", &scene, 504, "partner-unreachable");
}

#[test]
fn not_sip_on_the_port() {
    partner_answers("not-sip-on-the-port", SpeaksHttp, 504, "partner-unreachable");
}

#[test]
fn partner_answers_504_and_nothing_more() {
    partner_answers("partner-answers-504", Answers(504, &[]), 504, "");
}

#[test]
fn partner_fails_and_says_nothing_more() {
    partner_answers("partner-answers-500", Answers(500, &[]), 500, "");
}

#[test]
fn partner_answers_408_and_nothing_more() {
    let mut scene = Scene::new();
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, Answers(408, &[]));
    let alice = scene.alice_writes_and_goes_on();
    let is_answered = |served: &mut Served| served.run(&["why", CALL_ID]).stdout.contains("with 408");
    scene.served.wait_until("the answer is here", is_answered);
    check("partner-answers-408", &scene, CALL_ID);
    drop(alice);
}

#[test]
fn partner_forbids_and_does_not_say_why() {
    partner_answers("partner-answers-403", Answers(403, &[]), 403, "");
}

#[test]
fn partner_finds_a_loop() {
    partner_answers("partner-finds-a-loop", Answers(482, &[]), 482, "");
}

#[test]
fn partner_explains_by_an_id() {
    const SAYS: (&str, &str) = (
        "ms-diagnostics-public",
        "1009;reason=\"No match for domain in DNS SRV results\";domain=\"contoso.example\";fqdn1=\"sip.hoster.example:5061\"",
    );
    partner_answers("partner-explains-by-an-id", Answers(504, &[SAYS]), 504, "");
}

#[test]
fn partner_is_overloaded() {
    partner_answers("partner-is-overloaded", Answers(503, &[("Retry-After", "30")]), 500, "partner-overloaded");
}

#[test]
fn user_unknown_there() {
    let says = ("ms-diagnostics-public", "1003;reason=\"User does not exist\"");
    partner_answers("user-unknown-there", Answers(404, Box::leak(Box::new([says]))), 404, "");
}

#[test]
fn too_many_hops() {
    partner_answers("too-many-hops", Answers(483, &[]), 483, "");
}

#[test]
fn user_may_not_speak_with_partners() {
    let mut scene = Scene::new();
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, WELL);
    scene.served.run(&["policy", "add", "inside", "--federation", "no"]).ok();
    scene.served.run(&["user", "policy", scene::ALICE, "inside"]).ok();
    alice_is_refused("user-may-not-speak-with-partners", &scene, 403, "federation-not-for-user");
}

#[test]
fn discovered_partner_over_its_rate() {
    let lines = "workers = 1\nfederation = { discovery = true, discovered = { rate = 1, hide_users = false, unanswered_per_user = 6 } }";
    let mut scene = Scene::with(Zone::new(), lines);
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, WELL);
    assert_eq!(scene.bob_writes(Some(&identity), 6), (503, "rate-limited".to_owned()));
    check("discovered-partner-over-its-rate", &scene, CALL_ID);
}
