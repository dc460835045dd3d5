//! A partner proves its domain.

use super::*;

#[test]
fn a_partner_is_admitted_by_the_domain_its_certificate_names() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    let admitted = edge.admitted(&invite_from_fabrikam());
    let origin = Origin::Partner {
        domain: "fabrikam.com".into(),
        rung: Rung::Domain,
        standing: Tier::Allowed,
        source: Source::default(),
    };
    assert_eq!(admitted.origin(), &origin);
    assert_eq!((admitted.kind(), admitted.domain(), admitted.aor()), (FlowKind::Partner, "fabrikam.com", None));
}

#[test]
fn a_partner_cannot_speak_for_another_domain() {
    let mut edge = Edge::new()
        .with_certificate(&["fabrikam.com"], &[])
        .with_evidence(Evidence { srv: Some(srv(&["edge.northwind.com"])), ..Evidence::default() });
    let spoofed = initial("INVITE", "sip:bob@northwind.com", "sip:alice@contoso.com");
    assert_eq!(edge.refused(&spoofed), (403, "certificate-name".into()));
    edge.kind = FlowKind::Partner;
    assert_eq!(edge.refused(&spoofed), (403, "certificate-name".into()));
}

#[test]
fn a_partner_cannot_speak_as_one_of_our_users() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]).with_kind(FlowKind::Partner);
    let spoofed = initial("INVITE", "sip:carol@contoso.net", "sip:alice@contoso.com");
    assert_eq!(edge.refused(&spoofed), (403, "mixed-traffic".into()));
}

#[test]
fn a_partner_cannot_speak_as_the_edge_itself() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    let spoofed = initial("INVITE", "sip:alice@edge.contoso.com", "sip:alice@contoso.com");
    assert_eq!(edge.refused(&spoofed), (403, "domain-not-allowed".into()));
}

#[test]
fn a_hoster_may_speak_for_several_domains_on_one_flow() {
    let mut edge = Edge::new().with_certificate(&[], &["fabrikam.com", "edge.hoster.example"]);
    assert_eq!(edge.admitted(&invite_from_fabrikam()).domain(), "fabrikam.com");
    edge.kind = FlowKind::Partner;
    let other = initial("INVITE", "sip:dan@northwind.com", "sip:alice@contoso.com");
    let admitted = edge.admitted(&other);
    let origin = Origin::Partner {
        domain: "northwind.com".into(),
        rung: Rung::EdgeFqdn,
        standing: Tier::Allowed,
        source: Source::default(),
    };
    assert_eq!(admitted.origin(), &origin);
}

#[test]
fn a_foreign_request_without_a_certificate_is_refused_before_the_partner_list_is_read() {
    for from in ["sip:bob@fabrikam.com", "sip:x@litware.com", "sip:x@unknown.example"] {
        let request = initial("MESSAGE", from, "sip:alice@contoso.com");
        assert_eq!(Edge::new().refused(&request), (403, "certificate-missing".into()), "{from}");
    }
}

#[test]
fn a_foreign_request_in_the_clear_is_refused() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]).with_transport(transport);
        assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "certificate-missing".into()));
    }
}

#[test]
fn federation_off_refuses_allowed_partners_too() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    edge.partners = partners(false, true, [("fabrikam.com", PartnerKind::AllowedDomain)]);
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "federation-off".into()));
}

#[test]
fn a_blocked_domain_is_refused_though_it_proves_itself_and_discovery_is_on() {
    let mut edge = Edge::new().with_certificate(&["litware.com"], &[]);
    edge.partners = partners(true, true, [("litware.com", PartnerKind::Blocked)]);
    let request = initial("INVITE", "sip:x@LitWare.com", "sip:alice@contoso.com");
    assert_eq!(edge.refused(&request), (403, "domain-blocked".into()));
}

#[test]
fn an_unknown_domain_needs_discovery() {
    let request = initial("INVITE", "sip:x@tailspin.com", "sip:alice@contoso.com");
    let mut edge = Edge::new().with_certificate(&["tailspin.com"], &[]);
    assert_eq!(edge.refused(&request), (403, "domain-not-allowed".into()));
    edge.partners = partners(true, true, []);
    let origin = Origin::Partner {
        domain: "tailspin.com".into(),
        rung: Rung::Domain,
        standing: Tier::Discovered,
        source: Source::default(),
    };
    assert_eq!(edge.admitted(&request).origin(), &origin);
}

#[test]
fn a_bad_chain_is_told_apart_by_its_word() {
    for (why, word) in [(Why::UnknownIssuer, "certificate-untrusted"), (Why::Expired, "certificate-expired")] {
        let mut bad = certificate(&["fabrikam.com"], &[]);
        bad.chain = Err(why);
        let mut edge = Edge::new();
        edge.facts.certificate = Some(Arc::new(bad));
        assert_eq!(edge.refused(&invite_from_fabrikam()), (403, word.into()));
    }
}

#[test]
fn a_certificate_for_clients_only_serves_inbound_and_not_on_a_connection_of_ours() {
    let mut client_only = certificate(&["fabrikam.com"], &[]);
    client_only.purposes = Purposes { client_auth: true, stated: true, ..Purposes::default() };
    let mut edge = Edge::new();
    edge.facts.certificate = Some(Arc::new(client_only));
    edge.admitted(&invite_from_fabrikam());
    edge.facts.direction = Direction::Outbound;
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "certificate-purpose".into()));
}

#[test]
fn an_edge_name_needs_the_srv_answer_and_is_judged_by_it() {
    let mut edge = Edge::new().with_certificate(&[], &["sip.fabrikam.com"]);
    let question = edge.question(&invite_from_fabrikam());
    assert_eq!(question, Question::Srv { domain: "fabrikam.com".into() });
    edge.evidence.srv = Some(srv(&["sip.fabrikam.com"]));
    let origin = Origin::Partner {
        domain: "fabrikam.com".into(),
        rung: Rung::EdgeInDomain,
        standing: Tier::Allowed,
        source: Source::default(),
    };
    assert_eq!(edge.admitted(&invite_from_fabrikam()).origin(), &origin);
    for found in [srv(&["other.fabrikam.com"]), Err(SrvFailure::NoRecord), Err(SrvFailure::Timeout)] {
        edge.evidence.srv = Some(found);
        assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "certificate-name".into()));
    }
}

#[test]
fn a_partner_reaches_our_domains_and_the_edge_and_relays_nowhere() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    for to in ["sip:alice@Contoso.com", "sip:alice@contoso.net:5061", "sips:alice@contoso.com", "sip:edge.contoso.com"]
    {
        edge.admitted(&initial("OPTIONS", "sip:bob@fabrikam.com", to));
    }
    for to in ["sip:x@tailspin.com", "sip:x@fabrikam.com", "sip:x@contoso.com.tailspin.com", "sip:x@10.0.0.5"] {
        let request = initial("INVITE", "sip:bob@fabrikam.com", to);
        assert_eq!(edge.refused(&request), (403, "relay-denied".into()), "{to}");
    }
    // RFC 4475 3.3.2, 3.3.3
    for to in ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002", "tel:+14255550100"] {
        let request = initial("OPTIONS", "sip:bob@fabrikam.com", to);
        assert_eq!(edge.refused(&request), (416, "scheme-unsupported".into()), "{to}");
    }
}

#[test]
fn in_a_dialog_of_ours_a_partner_reaches_the_phone_behind_the_edge() {
    let request = in_dialog("BYE", "sip:bob@fabrikam.com", "sip:alice@contoso.com");
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]).with_kind(FlowKind::Partner);
    assert_eq!(edge.refused(&request), (403, "relay-denied".into()));
    edge.evidence.in_dialog = true;
    edge.admitted(&request);
}

#[test]
fn a_stolen_route_does_not_open_a_relay_for_new_dialogs() {
    let request = initial("INVITE", "sip:bob@fabrikam.com", "sip:x@tailspin.com");
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]).with_evidence(Evidence {
        in_dialog: true,
        proven_by_route: true,
        ..Evidence::default()
    });
    assert_eq!(edge.refused(&request), (403, "relay-denied".into()));
}

#[test]
fn a_partner_s_users_do_not_register_here() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    let request = request("REGISTER", "sip:contoso.com", "sip:bob@fabrikam.com", "<sip:alice@contoso.com>", "");
    assert_eq!(edge.refused(&request), (403, "domain-not-served".into()));
}

#[test]
fn a_partner_s_ack_is_proven_like_any_request() {
    let ack = in_dialog("ACK", "sip:bob@fabrikam.com", "sip:alice@contoso.com");
    let mut edge = Edge::new()
        .with_certificate(&["fabrikam.com"], &[])
        .with_kind(FlowKind::Partner)
        .with_evidence(Evidence { in_dialog: true, ..Evidence::default() });
    edge.admitted(&ack);
    let spoofed = in_dialog("ACK", "sip:bob@tailspin.com", "sip:alice@contoso.com");
    assert_eq!(edge.refused(&spoofed), (403, "domain-not-allowed".into()));
}

#[test]
fn a_partner_that_is_let_in_no_more_ends_its_dialogs_and_nothing_else() {
    let mut edge = Edge::new()
        .with_certificate(&["litware.com", "tailspin.com"], &[])
        .with_kind(FlowKind::Partner)
        .with_evidence(Evidence { in_dialog: true, is_of_peer: true, ..Evidence::default() });
    for (domain, word) in [("litware.com", "domain-blocked"), ("tailspin.com", "domain-not-allowed")] {
        let within = |method: &str, extra: &str| {
            let to = "<sip:alice@contoso.com>;tag=2";
            request(method, "sip:phone@10.0.0.5:5060", &format!("sip:bob@{domain}"), to, extra)
        };
        for last in ["BYE", "ACK"].map(|method| within(method, "")) {
            edge.admitted(&last);
        }
        edge.admitted(&within("NOTIFY", "Event: dialog\r\nSubscription-State: terminated\r\n"));
        for more in ["INVITE", "INFO", "MESSAGE", "UPDATE", "REFER"].map(|method| within(method, "")) {
            assert_eq!(edge.refused(&more), (403, word.into()), "{more}");
        }
        let active = within("NOTIFY", "Event: dialog\r\nSubscription-State: active\r\n");
        assert_eq!(edge.refused(&active), (403, word.into()));
        let unsubscribes = within("SUBSCRIBE", "Event: presence\r\nExpires: 0\r\n");
        assert_eq!(edge.refused(&unsubscribes), (403, word.into()));
    }
    // Whose dialog it is our Route says.
    edge.evidence.is_of_peer = false;
    assert_eq!(edge.refused(&in_dialog("BYE", "sip:bob@litware.com", "sip:x@contoso.com")).0, 403);
}

#[test]
fn the_last_word_of_a_blocked_partner_has_to_be_its_own() {
    let bye = in_dialog("BYE", "sip:bob@litware.com", "sip:alice@contoso.com");
    let evidence =
        || Evidence { in_dialog: true, is_of_peer: true, srv: Some(srv(&["edge.litware.com"])), ..Evidence::default() };
    let mut other = Edge::new().with_certificate(&["fabrikam.com"], &[]).with_evidence(evidence());
    assert_eq!(other.refused(&bye), (403, "domain-blocked".into()));
    // Its entry named an edge outside of the domain, and is gone.
    other.evidence.proven_before = Some(Rung::EdgeFqdn);
    other.admitted(&bye);
    let revoked = other.facts.certificate.iter().map(|shown| shown.fingerprint).collect();
    other.partners = other.partners.with_revoked(revoked);
    assert_eq!(other.refused(&bye), (403, "domain-blocked".into()));
}
