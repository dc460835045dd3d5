//! Hosting providers, shared address space, and the word of a sender.

use super::*;
use crate::discovery::{SrvFailure, SrvResult};
use crate::external_access::{Crossing, Part, allowed, decide};
use crate::flow::Direction;
use crate::modality::Modalities;
use crate::partner::{Partner, Provider, VerificationLevel};

/// fabrikam.com is allowed, cloud's edge is edge.cloud.example and shares our domains.
fn edge_of_cloud(discovery: bool, level: VerificationLevel) -> Edge {
    let mut edge = Edge::new().with_certificate(&[], &["edge.cloud.example"]);
    let cloud = Provider {
        verification: level,
        shared_address_space: true,
        hosts_users: true,
        ..Provider::new("cloud", "edge.cloud.example")
    };
    edge.partners = partners(true, discovery, [("fabrikam.com", PartnerKind::AllowedDomain)])
        .with_providers(vec![cloud], &edge.organisation.domains);
    edge.evidence.srv = Some(srv(&["edge.cloud.example"]));
    edge
}

fn verifiable(discovery: bool) -> Edge {
    edge_of_cloud(discovery, VerificationLevel::AlwaysVerifiable)
}

fn source(is_verified: bool) -> Source {
    Source { provider: Some("cloud".into()), is_verified }
}

#[test]
fn a_domain_whose_records_lead_to_the_provider_is_admitted_by_it() {
    let origin = |domain: &str| Origin::Partner {
        domain: domain.into(),
        rung: Rung::EdgeFqdn,
        standing: Tier::Allowed,
        source: source(true),
    };
    assert_eq!(verifiable(false).admitted(&invite_from_fabrikam()).origin(), &origin("fabrikam.com"));
    let unlisted = initial("INVITE", "sip:x@tailspin.com", "sip:alice@contoso.com");
    assert_eq!(verifiable(false).refused(&unlisted), (403, "domain-not-allowed".into()));
    assert_eq!(verifiable(true).admitted(&unlisted).origin(), &origin("tailspin.com"));
}

#[test]
fn what_the_provider_lets_pass_is_asked_besides_what_the_entry_does() {
    let mut edge = verifiable(false);
    let fabrikam = Partner { modalities: "messages, audio".parse().unwrap(), ..Partner::allowed("fabrikam.com") };
    let cloud =
        Provider { modalities: "messages, video".parse().unwrap(), ..Provider::new("cloud", "edge.cloud.example") };
    edge.partners = Partners::new(vec![fabrikam], true, false).with_providers(vec![cloud], &edge.organisation.domains);
    let admitted = edge.admitted(&invite_from_fabrikam());
    let Origin::Partner { domain, source, .. } = admitted.origin() else { panic!("{admitted:?}") };
    assert_eq!(source.provider.as_deref(), Some("cloud"));
    let decided = |modality: &str, provider: Option<&str>| {
        let crossing = Crossing {
            direction: Direction::Inbound,
            user: None,
            domain,
            provider,
            modalities: modality.parse().unwrap(),
            part: Part::Begins,
            unverified_sender: None,
        };
        decide(&edge.partners, &crossing).map_err(|refusal| (refusal.word.to_string(), refusal.reason))
    };
    let behind = source.provider.as_deref();
    assert_eq!(decided("messages", behind), Ok(()));
    let (word, reason) = decided("audio", behind).unwrap_err();
    assert_eq!(word, "modality-not-allowed");
    assert_eq!(reason, "the hosting provider cloud allows messages, video, not audio");
    assert!(decided("video", behind).is_err_and(|(_, reason)| reason.starts_with("the partner entry of fabrikam.com")));
    // By another way than the provider's edge it is asked about its entry alone.
    assert_eq!(decided("audio", None), Ok(()));
    let both = allowed(&edge.partners, None, domain, edge.partners.provider("cloud"));
    assert_eq!(both.to_string(), "messages");
}

#[test]
fn a_provider_s_mark_is_that_of_every_domain_behind_it() {
    let mut cloud = Provider::new("cloud", "edge.cloud.example");
    let table = |cloud: &Provider| partners(true, true, []).with_providers(vec![cloud.clone()], &[]);
    assert!(!table(&cloud).is_monitored("fabrikam.com", Some("cloud")));
    cloud.monitored = true;
    assert!(table(&cloud).is_monitored("fabrikam.com", Some("cloud")));
    assert!(!table(&cloud).is_monitored("fabrikam.com", None));
    assert!(!cloud.proves_alike(&Provider { pins: vec![[7; 32]], ..cloud.clone() }));
    // Neither this nor what may pass is a reason to prove anything anew.
    let other = Provider { modalities: Modalities::NONE, ..Provider::new("cloud", "edge.cloud.example") };
    assert!(cloud.proves_alike(&other));
    assert!(!cloud.proves_alike(&Provider { clearing_house: true, ..cloud.clone() }));
    // What was kept before there were such terms.
    let kept = r#"{"name":"cloud","edge":"edge.cloud.example","enabled":true,"verification":"always-verifiable",
        "shared_address_space":false,"hosts_users":false,"comment":""}"#;
    let kept: Provider = serde_json::from_str(kept).unwrap();
    assert_eq!(kept, Provider::new("cloud", "edge.cloud.example"));
    let pinned = Provider { pins: vec![[0xab; 32]], ..kept };
    let written = serde_json::to_string(&pinned).unwrap();
    assert!(written.contains(&"ab".repeat(32)), "{written}");
    assert_eq!(serde_json::from_str::<Provider>(&written).unwrap(), pinned);
}

#[test]
fn a_provider_takes_whoever_has_no_other_way() {
    let hub = Provider { clearing_house: true, ..Provider::new("hub", "edge.hub.example") };
    let of = |discovery, srv: &SrvResult| {
        let table = partners(true, discovery, [("fabrikam.com", PartnerKind::AllowedDomain)])
            .with_providers(vec![hub.clone()], &[]);
        ["fabrikam.com", "tailspin.com"].map(|domain| table.provider_of(domain, srv).is_some())
    };
    assert_eq!(of(false, &Err(SrvFailure::NoRecord)), [false, true]);
    assert_eq!(of(true, &Err(SrvFailure::NoRecord)), [false, true]);
    assert_eq!(of(true, &Err(SrvFailure::Timeout)), [false, false]);
    assert_eq!(of(true, &srv(&["edge.hub.example"])), [true, true]);
}

#[test]
fn a_domain_whose_records_lead_elsewhere_is_not() {
    let mut edge = verifiable(true);
    // One that shares no users with us; who shares them carries partners to ours.
    let cloud = Provider::new("cloud", "edge.cloud.example");
    edge.partners = partners(true, true, []).with_providers(vec![cloud], &edge.organisation.domains);
    edge.evidence.srv = None;
    assert_eq!(edge.question(&invite_from_fabrikam()), Question::Srv { domain: "fabrikam.com".into() });
    edge.evidence.srv = Some(srv(&["edge.fabrikam.com"]));
    assert_eq!(edge.refused(&invite_from_fabrikam()), (403, "certificate-name".into()));
}

#[test]
fn who_is_not_here_may_come_from_the_sharing_provider_and_only_from_there() {
    let hosted = initial("INVITE", "sip:dora@contoso.com", "sip:alice@contoso.com");
    let mut edge = verifiable(false).with_kind(FlowKind::Partner);
    assert!(matches!(edge.question(&hosted), Question::Credentials(aor) if aor.user() == "dora"));
    edge.evidence.credentials = Some(None);
    let origin = Origin::Partner {
        domain: "contoso.com".into(),
        rung: Rung::EdgeFqdn,
        standing: Tier::Allowed,
        source: source(true),
    };
    assert_eq!(edge.admitted(&hosted).origin(), &origin);
    // Of somebody who is at home here.
    edge.evidence.credentials = Some(Some(sip::auth::UserHa1::new(&"dora@contoso.com".parse().unwrap(), "secret")));
    assert_eq!(edge.refused(&hosted), (403, "mixed-traffic".into()));
    // Nobody registers from there; who is at home there reaches partners through us.
    edge.evidence.credentials = Some(None);
    let register = initial("REGISTER", "sip:dora@contoso.com", "sip:contoso.com");
    assert_eq!(edge.refused(&register), (403, "relay-denied".into()));
    let elsewhere = initial("INVITE", "sip:dora@contoso.com", "sip:bob@fabrikam.com");
    assert_eq!(edge.admitted(&elsewhere).origin(), &origin);
    // Another partner's connection.
    let mut other = verifiable(false).with_certificate(&[], &["fabrikam.com"]).with_kind(FlowKind::Partner);
    other.evidence.credentials = Some(None);
    assert_eq!(other.refused(&hosted), (403, "mixed-traffic".into()));
    // A certificate of nobody we trust, with the provider's name.
    let mut forged = verifiable(false);
    let mut bad = certificate(&[], &["edge.cloud.example"]);
    bad.chain = Err(Why::UnknownIssuer);
    forged.facts.certificate = Some(Arc::new(bad));
    forged.evidence.credentials = Some(None);
    assert_eq!(forged.refused(&hosted), (403, "certificate-untrusted".into()));
}

#[test]
fn the_sharing_provider_carries_partners_to_who_is_at_home_here_and_nobody_elsewhere() {
    let carried = || {
        let mut edge = verifiable(false);
        edge.evidence.srv = Some(srv(&["edge.fabrikam.com"]));
        edge
    };
    let admitted = carried().admitted(&invite_from_fabrikam());
    let Origin::Partner { domain, source: found, .. } = admitted.origin() else { panic!("{admitted:?}") };
    assert_eq!((domain.as_str(), found), ("contoso.com", &source(true)));
    // The list is ours all the same.
    let unlisted = initial("INVITE", "sip:x@tailspin.com", "sip:alice@contoso.com");
    assert_eq!(carried().refused(&unlisted), (403, "domain-not-allowed".into()));
    let elsewhere = initial("INVITE", "sip:bob@fabrikam.com", "sip:x@litware.com");
    assert_eq!(carried().refused(&elsewhere), (403, "certificate-name".into()));
    // One that shares nothing carries nobody.
    let mut alone = carried();
    alone.partners = partners(true, false, [("fabrikam.com", PartnerKind::AllowedDomain)])
        .with_providers(vec![Provider::new("cloud", "edge.cloud.example")], &alone.organisation.domains);
    assert_eq!(alone.refused(&invite_from_fabrikam()), (403, "certificate-name".into()));
}

#[test]
fn a_pinned_sharer_speaks_for_ours_by_that_certificate_alone() {
    let pinned = |fingerprint| {
        let mut edge = verifiable(false);
        let cloud = Provider { pins: vec![[7; 32]], ..edge.partners.provider("cloud").unwrap().clone() };
        edge.partners = partners(true, false, [("fabrikam.com", PartnerKind::AllowedDomain)])
            .with_providers(vec![cloud], &edge.organisation.domains);
        let good = certificate(&[], &["edge.cloud.example"]);
        let chain = if fingerprint == [7; 32] { Err(Why::UnknownIssuer) } else { good.chain.clone() };
        edge.facts.certificate = Some(Arc::new(PeerCertificate { fingerprint, chain, ..good }));
        edge.evidence.srv = Some(srv(&["edge.fabrikam.com"]));
        edge.evidence.credentials = Some(None);
        edge
    };
    let hosted = initial("INVITE", "sip:dora@contoso.com", "sip:alice@contoso.com");
    for request in [&hosted, &invite_from_fabrikam()] {
        let admitted = pinned([7; 32]).admitted(request);
        let Origin::Partner { domain, rung, source: found, .. } = admitted.origin() else { panic!("{admitted:?}") };
        assert_eq!((domain.as_str(), *rung, found), ("contoso.com", Rung::Pin, &source(true)));
        assert_eq!(pinned([1; 32]).refused(request), (403, "certificate-pin-changed".into()));
    }
}

#[test]
fn a_disabled_or_unsharing_provider_speaks_for_none_of_ours() {
    let hosted = initial("INVITE", "sip:dora@contoso.com", "sip:alice@contoso.com");
    let off = Provider { enabled: false, shared_address_space: true, ..Provider::new("cloud", "edge.cloud.example") };
    for provider in [off, Provider::new("cloud", "edge.cloud.example")] {
        let mut edge = verifiable(false).with_kind(FlowKind::Partner);
        edge.partners = partners(true, true, []).with_providers(vec![provider], &edge.organisation.domains);
        edge.evidence.credentials = Some(None);
        assert_eq!(edge.refused(&hosted), (403, "mixed-traffic".into()));
    }
}

#[test]
fn the_level_says_whether_the_sender_is_vouched_for() {
    let says = |value: &str| {
        let line = format!("\r\nms-asserted-verification-level: {value}\r\nCall-ID:");
        invite_from_fabrikam().replacen("\r\nCall-ID:", &line, 1)
    };
    let plain = invite_from_fabrikam();
    let judged = |level, request: &str| match edge_of_cloud(false, level).admit(request) {
        Decision::Admitted(admitted) => match admitted.origin() {
            Origin::Partner { source, .. } => source.is_verified.to_string(),
            Origin::Inside { .. } | Origin::Remote { .. } => panic!("nothing is behind it"),
            Origin::User { .. } => "a user".to_owned(),
        },
        Decision::Refused(refusal) => refusal.word.to_string(),
        Decision::Needs(question) => format!("{question:?}"),
    };
    let (verified, unverified) =
        (says("ms-source-verified-user=verified"), says("ms-source-verified-user=\"unverified\""));
    for (level, request, expected) in [
        (VerificationLevel::AlwaysVerifiable, &plain, "true"),
        (VerificationLevel::AlwaysVerifiable, &unverified, "true"),
        (VerificationLevel::AlwaysUnverifiable, &verified, "false"),
        (VerificationLevel::UseSourceVerification, &verified, "true"),
        (VerificationLevel::UseSourceVerification, &unverified, "false"),
        (VerificationLevel::UseSourceVerification, &plain, "source-unverified"),
        (VerificationLevel::UseSourceVerification, &says("whatever"), "source-unverified"),
    ] {
        assert_eq!(judged(level, request), expected, "{level} {request}");
    }
}
