//! What `comity doctor` says of some of the faults, and of what is well.

use std::net::Ipv4Addr;

use super::edge::{self, Manner};
use super::golden::check_doctor;
use super::scene::{EDGE, Scene};
use super::{NAMES, WELL};

const PARTNER: [&str; 2] = ["partner", "fabrikam.example"];

/// An edge with a certificate for these names, which answers so.
fn partner(name: &str, names: &[&str], manner: Manner) {
    let mut scene = Scene::new();
    let identity = scene.certificate(names);
    scene.edge(&identity, manner);
    check_doctor(name, &scene, &PARTNER);
}

#[test]
fn a_partner_that_is_well() {
    partner("partner-well", &NAMES, WELL);
}

#[test]
fn a_partner_whose_certificate_has_a_wrong_name() {
    partner("partner-wrong-name", &["mail.fabrikam.example"], WELL);
}

#[test]
fn a_partner_that_has_not_allowed_us_and_whose_clock_is_off() {
    const HEADERS: [(&str, &str); 2] =
        [("Warning", "399 x \"domain-not-allowed\""), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")];
    let mut scene = Scene::new();
    let identity = scene.certificate(&NAMES);
    scene.edge(&identity, Manner::Answers(403, &HEADERS));
    let answer = scene.served.run(&["doctor", "partner", "fabrikam.example", "--json"]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let findings = answer.json()["findings"].clone();
    let of = |id: &str| findings.as_array().unwrap().iter().find(|finding| finding["id"] == id).unwrap().clone();
    assert_eq!((&of("options")["state"], &of("options")["advice"]["side"]), (&"wrong".into(), &"partner".into()));
    assert_eq!(of("options")["advice"]["verdict"], "fabrikam.example does not federate with us (domain-not-allowed)");
    assert_eq!(of("clock")["state"], "doubtful");
}

#[test]
fn a_partner_with_a_web_server_on_its_port() {
    partner("partner-no-sip", &NAMES, Manner::SpeaksHttp);
}

#[test]
fn a_partner_at_a_closed_port() {
    let mut scene = Scene::new();
    scene.found_at(edge::closed_port(EDGE));
    check_doctor("partner-port-closed", &scene, &PARTNER);
}

#[test]
fn a_server_of_ours_that_is_found() {
    let scene = Scene::new();
    scene.zone.host("sip.contoso.example", Ipv4Addr::LOCALHOST);
    scene.zone.domain_leads_to("contoso.example", "sip.contoso.example", scene.served.tls_port);
    check_doctor("own-well", &scene, &[]);
}

#[test]
fn a_server_of_ours_that_strict_partners_do_not_find() {
    let scene = Scene::new();
    scene.zone.host("edge.hoster.example", Ipv4Addr::LOCALHOST);
    scene.zone.domain_leads_to("contoso.example", "edge.hoster.example", scene.served.tls_port);
    check_doctor("own-outside", &scene, &[]);
}

#[test]
fn a_server_of_ours_that_the_dns_does_not_name() {
    check_doctor("own-unpublished", &Scene::new(), &[]);
}
