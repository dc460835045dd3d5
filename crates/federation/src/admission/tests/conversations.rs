//! Several requests on one flow, with what the caller keeps in between.

use super::*;

/// What the Core does with an admission: fixes the flow's kind, and remembers the user of a TLS flow.
fn settle(edge: &mut Edge, admitted: &Admitted) {
    edge.kind = admitted.kind();
    edge.users.extend(admitted.aor().cloned());
    edge.evidence = Evidence::default();
}

#[test]
fn a_phone_registers_then_writes_and_can_never_turn_into_a_partner() {
    let alice = "sip:alice@contoso.com";
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    let register = |extra: &str| request("REGISTER", "sip:contoso.com", alice, &format!("<{alice}>"), extra);

    let challenge = edge.refusal(&register(""));
    let values: Vec<&str> = challenge.headers.iter().map(|(_, value)| value.as_str()).collect();
    let value =
        answer(&values, "alice", "secret", &Method::Register, "sip:contoso.com", b"", "abc", 1).expect("an answer");
    let answered = register(&format!("Authorization: {value}\r\n"));
    let Question::Credentials(asked) = edge.question(&answered) else { panic!("credentials are asked for") };
    assert_eq!(asked.to_string(), "alice@contoso.com");

    edge.evidence.credentials = Some(Some(UserHa1::new(&"alice@contoso.com".parse().unwrap(), "secret")));
    let admitted = edge.admitted(&answered);
    settle(&mut edge, &admitted);

    assert_eq!(edge.admitted(&initial("MESSAGE", alice, "sip:bob@fabrikam.com")).kind(), FlowKind::Client);
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "mixed-traffic".into()));
    edge.evidence.credentials = Some(Some(UserHa1::new(&"alice@contoso.com".parse().unwrap(), "secret")));
    assert_eq!(edge.refused(&answered), (401, "authentication-required".into()), "a replay");
}

#[test]
fn a_partner_asks_dns_once_for_each_domain_and_can_never_turn_into_a_client() {
    let mut edge = Edge::new().with_certificate(&[], &["sip.fabrikam.com"]);
    edge.partners = partners(true, true, []);
    assert_eq!(edge.question(&invite_from_fabrikam()), Question::Srv { domain: "fabrikam.com".into() });
    edge.evidence.srv = Some(srv(&["sip.fabrikam.com"]));
    let admitted = edge.admitted(&invite_from_fabrikam());
    settle(&mut edge, &admitted);

    let other = initial("INVITE", "sip:x@tailspin.com", "sip:alice@contoso.com");
    assert_eq!(edge.question(&other), Question::Srv { domain: "tailspin.com".into() });
    edge.evidence.srv = Some(srv(&["sip.tailspin.com"]));
    assert_eq!(edge.refused(&other), (403, "certificate-name".into()));
    let local = initial("INVITE", "sip:alice@contoso.com", "sip:carol@contoso.com");
    assert_eq!(edge.refused(&local), (403, "mixed-traffic".into()));
}

#[test]
fn an_admission_survives_the_way_to_another_worker() {
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    let admitted = edge.admitted(&invite_from_fabrikam());
    let text = serde_json::to_string(&admitted).expect("an admission is plain");
    assert_eq!(serde_json::from_str::<Admitted>(&text).expect("as written"), admitted);
}
