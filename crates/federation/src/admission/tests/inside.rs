//! What comes over the inner side of an edge, and of a home.

use super::*;
use crate::inside::{ADMITTED_HEADER, Inside, Split};

pub(super) const HOP: &str = "pbx.corp.contoso.com";

fn inside(is_comity: bool) -> Inside {
    Inside {
        name: "edge.corp.contoso.com".into(),
        hops: vec![],
        transport: Transport::Tls,
        is_comity,
        peer_names: vec![HOP.into()],
        peer_addresses: vec!["10.0.0.5".parse().expect("an address")],
        assert: false,
        takes_remote_users: false,
    }
}

pub(super) fn edge_only() -> Edge {
    let mut edge = Edge::new();
    edge.organisation.split = Split::Edge(inside(false));
    edge
}

pub(super) fn home_only() -> Edge {
    let mut home = Edge::new();
    home.organisation.split = Split::Home(inside(true));
    home
}

impl Edge {
    pub(super) fn on_the_inner_side(mut self) -> Edge {
        self.facts.is_inner = true;
        self
    }

    fn at_address(mut self, address: &str) -> Edge {
        self.facts.remote = format!("{address}:5060").parse().expect("an address");
        self
    }
}

fn outward() -> String {
    initial("MESSAGE", "sip:alice@contoso.com", "sip:bob@fabrikam.com")
}

#[test]
fn what_is_behind_an_edge_sends_in_our_domains_and_in_no_other() {
    let mut edge = edge_only().on_the_inner_side().with_certificate(&[], &[HOP]);
    let admitted = edge.admitted(&outward());
    assert_eq!(*admitted.origin(), Origin::Inside { domain: "contoso.com".into() });
    assert_eq!((admitted.kind(), admitted.signs_in()), (FlowKind::Inside, None));
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "not-vouched".into()));
    let register = initial("REGISTER", "sip:alice@contoso.com", "sip:contoso.com");
    assert_eq!(edge.refused(&register), (403, "relay-denied".into()));
}

#[test]
fn who_is_on_the_inner_side_is_configured() {
    let refused = |edge: Edge| edge.on_the_inner_side().refused(&outward());
    assert_eq!(refused(edge_only().with_certificate(&[], &["mallory.contoso.com"])), (403, "not-inside".into()));
    assert_eq!(refused(edge_only()), (403, "not-inside".into()), "no certificate");
    // An address proves nothing over TLS, and nothing but an address is there without.
    assert_eq!(refused(edge_only().at_address("10.0.0.5")), (403, "not-inside".into()));
    for transport in [Transport::Tcp, Transport::Udp] {
        let plain = || edge_only().with_transport(transport).on_the_inner_side();
        assert_eq!(plain().at_address("10.0.0.6").refused(&outward()), (403, "not-inside".into()));
        plain().at_address("10.0.0.5").admitted(&outward());
    }
}

#[test]
fn a_connection_of_ours_to_the_next_hop_was_judged_when_it_came_up() {
    let mut edge = edge_only().with_transport(Transport::Tcp).on_the_inner_side().with_kind(FlowKind::Inside);
    edge.admitted(&outward());
}

#[test]
fn an_untrusted_certificate_is_nobody_s_on_the_inner_side() {
    let mut edge = edge_only().on_the_inner_side().with_certificate(&[], &[HOP]);
    let mut certificate = certificate(&[], &[HOP]);
    certificate.chain = Err(Why::UnknownIssuer);
    edge.facts.certificate = Some(Arc::new(certificate));
    assert_eq!(edge.refused(&outward()), (403, "certificate-untrusted".into()));
}

#[test]
fn outside_an_edge_has_no_users_and_believes_no_next_hop() {
    let mut edge = edge_only().with_certificate(&[], &[HOP]);
    assert_eq!(edge.refused(&outward()), (403, "no-users-here".into()));
    let register = initial("REGISTER", "sip:alice@contoso.com", "sip:contoso.com");
    assert_eq!(edge.refused(&register), (403, "no-users-here".into()));
    let mut edge = edge_only().with_certificate(&[], &["fabrikam.com"]);
    assert!(matches!(edge.admitted(&invite_from_fabrikam()).origin(), Origin::Partner { .. }));
}

#[test]
fn a_home_lets_no_partner_in_where_its_phones_come() {
    let mut home = home_only().with_certificate(&[], &["fabrikam.com"]);
    assert_eq!(home.refused(&invite_from_fabrikam()), (403, "not-the-edge".into()));
    let mut whole = Edge::new().with_certificate(&[], &["fabrikam.com"]);
    whole.admitted(&invite_from_fabrikam());
}

#[test]
fn whether_an_edge_is_there_may_be_asked_in_any_name() {
    let mut edge = edge_only().on_the_inner_side().with_certificate(&[], &[HOP]);
    edge.admitted(&initial("OPTIONS", "sip:dispatcher@localhost", "sip:edge.corp.contoso.com"));
    assert_eq!(
        edge.refused(&initial("OPTIONS", "sip:dispatcher@localhost", "sip:alice@contoso.com")),
        (403, "not-vouched".into())
    );
}

#[test]
fn a_home_believes_what_its_edge_found_out_and_nothing_without_it() {
    let invite = |extra: &str| {
        let (from, to) = ("sip:bob@fabrikam.com", "sip:alice@contoso.com");
        request("INVITE", to, from, &format!("<{to}>"), extra)
    };
    let says = |value: &str| invite(&format!("{ADMITTED_HEADER}: {value}\r\n"));
    let mut home = home_only().on_the_inner_side().with_certificate(&[], &[HOP]);
    let admitted = home.admitted(&says("1;partner=fabrikam.com;rung=EdgeFqdn;tier=Allowed;verified=true"));
    let origin = Origin::Partner {
        domain: "fabrikam.com".into(),
        rung: Rung::EdgeFqdn,
        standing: Tier::Allowed,
        source: Source::default(),
    };
    assert_eq!((admitted.origin(), admitted.kind()), (&origin, FlowKind::Inside));
    for unproven in [
        invite(""),
        says("1;partner=northwind.com;rung=EdgeFqdn;tier=Allowed;verified=true"),
        says("1;partner=fabrikam.com"),
        outward(),
    ] {
        assert_eq!(home.refused(&unproven), (403, "not-vouched".into()), "{unproven}");
    }
    // On any other flow the header is a stranger's word.
    let mut outer = edge_only().with_certificate(&[], &[HOP]);
    assert_eq!(
        outer.question(&says("1;partner=fabrikam.com;rung=EdgeFqdn;tier=Allowed;verified=true")),
        Question::Srv { domain: "fabrikam.com".into() }
    );
}
