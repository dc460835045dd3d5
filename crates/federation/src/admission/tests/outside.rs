//! Users outside: an edge passes them on and believes nothing, their home asks for the password.

use super::inside::{HOP, edge_only, home_only};
use super::*;
use crate::inside::{ADMITTED_HEADER, Split};

const ALICE: &str = "sip:alice@contoso.com";
const BOB: &str = "sip:bob@fabrikam.com";
const FLOW: &str = "1;remote=f.1;edge=sip.contoso.com;port=443;transport=WSS";

/// It lets users in from outside.
fn open_edge() -> Edge {
    let mut edge = edge_only();
    if let Split::Edge(inside) = &mut edge.organisation.split {
        inside.takes_remote_users = true;
    }
    edge
}

fn home() -> Edge {
    home_only().on_the_inner_side().with_certificate(&[], &[HOP])
}

/// To her home by an edge that says so.
fn by_edge(method: &str, from: &str, to: &str, value: &str) -> String {
    request(method, to, from, &format!("<{to}>"), &format!("{ADMITTED_HEADER}: {value}\r\n"))
}

#[test]
fn an_edge_passes_on_who_says_to_be_ours_and_the_flow_is_nobody_s_yet() {
    for method in ["REGISTER", "MESSAGE", "INVITE", "ACK"] {
        let to = if method == "REGISTER" { ALICE } else { BOB };
        let admitted = open_edge().admitted(&initial(method, ALICE, to));
        assert_eq!(*admitted.origin(), Origin::Remote { aor: "alice@contoso.com".parse().expect("an address") });
        assert_eq!((admitted.kind(), admitted.signs_in(), admitted.aor()), (FlowKind::Undecided, None, None));
    }
    assert_eq!(edge_only().refused(&initial("MESSAGE", ALICE, BOB)), (403, "no-users-here".into()));
}

#[test]
fn an_edge_passes_on_registrations_for_our_domains_and_for_oneself_alone() {
    let refused = |request: &str| open_edge().refused(request);
    let register = |uri, from, to: &str| request("REGISTER", uri, from, &format!("<{to}>"), "");
    assert_eq!(refused(&register("sip:fabrikam.com", ALICE, ALICE)), (403, "relay-denied".into()));
    assert_eq!(refused(&register("sip:contoso.com", ALICE, "sip:dave@contoso.com")), (403, "identity-mismatch".into()));
    assert_eq!(refused(&register("sip:contoso.com", BOB, BOB)), (403, "domain-not-served".into()));
}

#[test]
fn a_partner_s_connection_is_no_way_in_for_a_user() {
    let mut edge = open_edge().with_certificate(&[], &["fabrikam.com"]).with_kind(FlowKind::Partner);
    assert_eq!(edge.refused(&initial("MESSAGE", ALICE, BOB)), (403, "mixed-traffic".into()));
    let mut edge = open_edge().with_kind(FlowKind::Client);
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "mixed-traffic".into()));
}

#[test]
fn at_home_who_is_outside_shows_the_password_whatever_was_shown_on_the_edge_s_connection() {
    let mut home = home();
    home.users = vec!["alice@contoso.com".parse().expect("an address")];
    for (method, to, status) in [("REGISTER", ALICE, 401), ("MESSAGE", BOB, 407), ("INVITE", BOB, 407)] {
        assert_eq!(home.refused(&by_edge(method, ALICE, to, FLOW)), (status, "authentication-required".into()));
    }
    let challenge = home.refusal(&by_edge("MESSAGE", ALICE, BOB, FLOW));
    let values: Vec<&str> = challenge.headers.iter().map(|(_, value)| value.as_str()).collect();
    let shown = |password| answer(&values, "alice", password, &Method::Message, BOB, b"", "abc", 1).expect("an answer");
    let with = |password| {
        let plain = by_edge("MESSAGE", ALICE, BOB, FLOW);
        plain.replacen("Content-Length", &format!("Proxy-Authorization: {}\r\nContent-Length", shown(password)), 1)
    };
    home.evidence.credentials = Some(Some(UserHa1::new(&"alice@contoso.com".parse().unwrap(), "secret")));
    assert_eq!(home.refused(&with("guess")), (407, "authentication-failed".into()));
    let admitted = home.admitted(&with("secret"));
    assert_eq!(*admitted.origin(), Origin::User { aor: "alice@contoso.com".parse().expect("an address") });
    assert_eq!(
        (admitted.kind(), admitted.signs_in()),
        (FlowKind::Inside, None),
        "the edge's connection is everybody's"
    );
    assert_eq!(admitted.remote().map(|remote| remote.token.as_str()), Some("f.1"));
}

#[test]
fn a_home_takes_a_partner_for_no_user_and_a_user_for_no_partner() {
    let partner = "1;partner=contoso.com;rung=Domain;tier=Allowed;verified=true";
    for (from, value) in [(ALICE, partner), (BOB, FLOW), (ALICE, "1;remote=f.1")] {
        assert_eq!(
            home().refused(&by_edge("MESSAGE", from, ALICE, value)),
            (403, "not-vouched".into()),
            "{from} {value}"
        );
    }
    let both = format!("{FLOW};partner=contoso.com;rung=Domain;tier=Allowed;verified=true");
    assert_eq!(home().refused(&by_edge("MESSAGE", ALICE, BOB, &both)), (403, "not-vouched".into()));
}

#[test]
fn from_inside_an_edge_takes_foreign_senders_for_a_phone_outside_alone() {
    let mut edge = open_edge().on_the_inner_side().with_certificate(&[], &[HOP]);
    assert_eq!(edge.refused(&initial("MESSAGE", BOB, ALICE)), (403, "not-vouched".into()));
    edge.evidence.to_outside = true;
    let admitted = edge.admitted(&initial("MESSAGE", BOB, ALICE));
    assert_eq!(*admitted.origin(), Origin::Inside { domain: "fabrikam.com".into() });
}
