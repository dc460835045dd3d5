use std::time::Duration;

use super::*;
use crate::dane::{ChainSubjects, Subject, Tlsa};
use crate::discovery::{SrvAnswer, SrvFailure, SrvTarget};
use crate::trust::Fingerprint;

const FABRIKAM: &str = "fabrikam.com";

fn certificate(sip_uris: &[&str], dns: &[&str]) -> PeerCertificate {
    let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    PeerCertificate {
        chain: Ok(Anchor::Public { name: "Root".into() }),
        validity: Ok(()),
        dane: None,
        purposes: Purposes { server_auth: true, stated: true, ..Purposes::default() },
        names: Names { sip_uris: own(sip_uris), dns: own(dns) },
        fingerprint: [0; 32],
        issuer: "CN=Root".into(),
        serial: "01".into(),
        subject: "CN=edge".into(),
        not_after_unix: 0,
    }
}

fn srv(hosts: &[&str]) -> SrvResult {
    let target = |host: &&str| SrvTarget { priority: 0, weight: 0, port: 5061, host: host.to_string() };
    Ok(SrvAnswer {
        name: "_sipfederationtls._tcp.fabrikam.com".into(),
        targets: hosts.iter().map(target).collect(),
        ttl: Duration::from_secs(60),
        secure: false,
        tlsa: vec![],
    })
}

fn rung(verdict: Verdict) -> Rung {
    match verdict {
        Verdict::Proven(rung) => rung,
        other => panic!("{other:?}"),
    }
}

fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Failed(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn judge_client(certificate: &PeerCertificate, edge: Option<&str>, srv: Option<&SrvResult>) -> Verdict {
    judge(certificate, Role::Client, &Claim { edge, ..Claim::of(FABRIKAM) }, srv)
}

#[test]
fn the_edge_of_the_partner_entry_proves_the_domain() {
    let certificate = certificate(&[], &["edge.hoster.example"]);
    for edge in ["edge.hoster.example", "Edge.Hoster.Example:5071"] {
        assert_eq!(rung(judge_client(&certificate, Some(edge), None)), Rung::EdgeFqdn);
    }
    assert!(matches!(judge_client(&certificate, Some("hoster.example"), None), Verdict::Needs));
    assert!(matches!(judge_client(&certificate, None, None), Verdict::Needs));
}

#[test]
fn a_provider_s_edge_proves_a_domain_only_where_its_records_lead_there() {
    let providers = [Provider::new("cloud", "edge.cloud.example:5061")];
    let claim = Claim { providers: &providers, ..Claim::of(FABRIKAM) };
    let of_cloud = certificate(&[], &["edge.cloud.example"]);
    let judged = |srv: Option<&SrvResult>| judge(&of_cloud, Role::Client, &claim, srv);
    assert!(matches!(judged(None), Verdict::Needs));
    assert_eq!(rung(judged(Some(&srv(&["a.example", "Edge.cloud.example."])))), Rung::EdgeFqdn);
    assert_eq!(refusal(judged(Some(&srv(&["edge.elsewhere.example"])))).word, "certificate-name");
    assert_eq!(refusal(judged(Some(&Err(SrvFailure::NoRecord)))).word, "certificate-name");
    // Another certificate does not become the provider's by what the records say.
    let other = certificate(&[], &["edge.other.example"]);
    let judged = judge(&other, Role::Client, &claim, Some(&srv(&["edge.cloud.example"])));
    assert_eq!(refusal(judged).word, "certificate-name");
}

#[test]
fn the_sip_uri_or_else_the_dns_name_of_the_domain_proves_it() {
    assert_eq!(rung(judge_client(&certificate(&[FABRIKAM], &[]), None, None)), Rung::Domain);
    assert_eq!(rung(judge_client(&certificate(&[], &["x.example", FABRIKAM]), None, None)), Rung::Domain);
    assert_eq!(
        rung(judge(&certificate(&[FABRIKAM], &[]), Role::Server, &Claim::of("Fabrikam.COM."), None)),
        Rung::Domain
    );
}

#[test]
fn a_dns_name_proves_no_domain_beside_a_sip_uri() {
    let nobody = srv(&["edge.elsewhere.example"]);
    for uri in ["tailspin.com", "alice@fabrikam.com"] {
        let certificate = certificate(&[uri], &[FABRIKAM]);
        assert_eq!(refusal(judge_client(&certificate, None, Some(&nobody))).word, "certificate-name");
    }
}

#[test]
fn beside_a_sip_uri_dns_names_still_prove_an_edge() {
    let certificate = certificate(&["tailspin.com"], &["edge.fabrikam.com"]);
    assert_eq!(rung(judge_client(&certificate, Some("edge.fabrikam.com"), None)), Rung::EdgeFqdn);
    let srv = srv(&["edge.fabrikam.com"]);
    assert_eq!(rung(judge_client(&certificate, None, Some(&srv))), Rung::EdgeInDomain);
}

#[test]
fn wildcards_and_subdomains_prove_nothing() {
    let srv = srv(&["sip.fabrikam.com"]);
    for name in ["*.fabrikam.com", "*.com", "a.fabrikam.com", "com", "xfabrikam.com", "fabrikam.com.evil.example"] {
        let certificate = certificate(&[], &[name]);
        assert_eq!(refusal(judge_client(&certificate, None, Some(&srv))).word, "certificate-name", "{name}");
    }
}

#[test]
fn an_srv_target_proves_its_very_parent_only() {
    let edge = certificate(&[], &["sip.fabrikam.com"]);
    assert_eq!(rung(judge_client(&edge, None, Some(&srv(&["x.example", "SIP.fabrikam.com."])))), Rung::EdgeInDomain);
    // The hoster's own domain, or one that is two labels down, is not enough: anyone can publish an SRV record.
    for name in ["edge.hoster.example", "a.sip.fabrikam.com", "evilfabrikam.com"] {
        let refused = refusal(judge_client(&certificate(&[], &[name]), None, Some(&srv(&[name]))));
        assert_eq!(refused.word, "certificate-name", "{name}");
    }
}

#[test]
fn the_domain_itself_as_srv_target_is_rung_three_not_four() {
    let apex = certificate(&["tailspin.com"], &[FABRIKAM]);
    assert_eq!(refusal(judge_client(&apex, None, Some(&srv(&[FABRIKAM])))).word, "certificate-name");
}

#[test]
fn a_name_refusal_says_what_was_there_what_was_expected_and_what_dns_said() {
    let certificate = certificate(&["tailspin.com"], &["edge.tailspin.com"]);
    let reason = refusal(judge_client(&certificate, Some("edge.fabrikam.com"), Some(&Err(SrvFailure::Timeout)))).reason;
    for part in [
        "tailspin.com",
        "edge.tailspin.com",
        "edge.fabrikam.com (the partner entry)",
        "fabrikam.com itself",
        "timed out",
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    let many: Vec<String> = (0..1000).map(|i| format!("n{i}.example")).collect();
    let many = certificate_of(many);
    assert!(refusal(judge_client(&many, None, Some(&Err(SrvFailure::NoRecord)))).reason.len() < 600);
}

fn certificate_of(dns: Vec<String>) -> PeerCertificate {
    let mut certificate = certificate(&[], &[]);
    certificate.names.dns = dns;
    certificate
}

#[test]
fn a_bad_chain_fails_whatever_it_names() {
    for (why, word) in [
        (Why::Expired, "certificate-expired"),
        (Why::NotYetValid, "certificate-untrusted"),
        (Why::UnknownIssuer, "certificate-untrusted"),
        (Why::BadSignature, "certificate-untrusted"),
        (Why::Unreadable("x".into()), "certificate-untrusted"),
    ] {
        let mut certificate = certificate(&[FABRIKAM], &["edge.fabrikam.com"]);
        certificate.chain = Err(why);
        let refused = refusal(judge_client(&certificate, Some("edge.fabrikam.com"), None));
        assert_eq!((refused.status, refused.word.as_str()), (403, word));
    }
}

#[test]
fn a_partner_s_authority_vouches_for_its_domains_only() {
    let mut certificate = certificate(&[FABRIKAM, "contoso.com"], &[]);
    certificate.chain = Ok(Anchor::Partner { name: "Fabrikam CA".into(), fingerprint: [7; 32] });
    let said = |anchors: &[Fingerprint]| DomainTrust { anchors: anchors.to_vec(), pins: vec![] };
    let judged =
        |domain, trust: &DomainTrust| judge(&certificate, Role::Client, &Claim { trust, ..Claim::of(domain) }, None);
    assert_eq!(rung(judged(FABRIKAM, &said(&[[6; 32], [7; 32]]))), Rung::Domain);
    for (domain, trust) in [("contoso.com", said(&[])), ("contoso.com", said(&[[6; 32]])), (FABRIKAM, said(&[]))] {
        assert_eq!(refusal(judged(domain, &trust)).word, "certificate-untrusted");
    }
}

#[test]
fn a_pin_takes_the_place_of_chain_and_names_and_of_nothing_else() {
    let mut shown = certificate(&[], &["elsewhere.example"]);
    shown.chain = Err(Why::UnknownIssuer);
    shown.fingerprint = [7; 32];
    let pinned = |certificate: &PeerCertificate, role, pins: &[Fingerprint]| {
        let trust = DomainTrust { pins: pins.to_vec(), anchors: vec![] };
        judge(certificate, role, &Claim { trust: &trust, ..Claim::of(FABRIKAM) }, None)
    };
    for role in [Role::Client, Role::Server] {
        assert_eq!(rung(pinned(&shown, role, &[[6; 32], [7; 32]])), Rung::Pin);
    }
    let expired = PeerCertificate { validity: Err(Why::Expired), ..shown.clone() };
    assert_eq!(refusal(pinned(&expired, Role::Client, &[[7; 32]])).word, "certificate-expired");
    let for_clients = Purposes { client_auth: true, stated: true, ..Purposes::default() };
    let for_clients = PeerCertificate { purposes: for_clients, ..shown };
    assert_eq!(rung(pinned(&for_clients, Role::Client, &[[7; 32]])), Rung::Pin);
    assert_eq!(refusal(pinned(&for_clients, Role::Server, &[[7; 32]])).word, "certificate-purpose");
}

#[test]
fn where_a_certificate_is_pinned_no_other_proves_the_domain() {
    let good = certificate(&[FABRIKAM], &["edge.fabrikam.com"]);
    let trust = DomainTrust { pins: vec![[7; 32]], anchors: vec![] };
    let claim = Claim { edge: Some("edge.fabrikam.com"), trust: &trust, ..Claim::of(FABRIKAM) };
    let refused = refusal(judge(&good, Role::Server, &claim, Some(&srv(&["edge.fabrikam.com"]))));
    assert_eq!((refused.status, refused.word.as_str()), (403, "certificate-pin-changed"));
    assert!(refused.reason.contains(&"07".repeat(32)) && refused.reason.contains(&"00".repeat(32)), "{refused:?}");
}

#[test]
fn a_client_may_show_any_tls_purpose_and_a_server_never_clientauth_alone() {
    let none = Purposes { stated: true, ..Purposes::default() };
    let table = [
        (Purposes::default(), true, true),
        (none, false, false),
        (Purposes { client_auth: true, ..none }, true, false),
        (Purposes { server_auth: true, ..none }, true, true),
        (Purposes { sip_domain: true, ..none }, true, true),
        (Purposes { any: true, ..none }, true, true),
        (Purposes { client_auth: true, server_auth: true, ..none }, true, true),
    ];
    for (purposes, as_client, as_server) in table {
        let mut certificate = certificate(&[FABRIKAM], &[]);
        certificate.purposes = purposes;
        for (role, accepted) in [(Role::Client, as_client), (Role::Server, as_server)] {
            match judge(&certificate, role, &Claim::of(FABRIKAM), None) {
                Verdict::Proven(Rung::Domain) => assert!(accepted, "{purposes:?} {role:?}"),
                Verdict::Failed(refused) => {
                    assert!(!accepted, "{purposes:?} {role:?}");
                    assert_eq!(refused.word, "certificate-purpose");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn digests(byte: u8) -> Subject {
    Subject { certificate: [vec![byte; 32], vec![byte; 64]], key: [vec![byte + 1; 32], vec![byte + 1; 64]] }
}

fn secure(hosts: &[&str], tlsa: Vec<Tlsa>) -> SrvResult {
    srv(hosts).map(|answer| SrvAnswer { secure: true, tlsa, ..answer })
}

/// Nobody vouches for it but the DNS.
fn unknown_with_digests(dns: &[&str]) -> PeerCertificate {
    let chain = ChainSubjects { own: digests(10), authorities: vec![digests(20)] };
    PeerCertificate { chain: Err(Why::UnknownIssuer), dane: Some(Box::new(chain)), ..certificate(&[], dns) }
}

#[test]
fn a_validated_answer_proves_a_server_outside_of_the_domain() {
    let hoster = certificate(&[], &["sip.hoster.example"]);
    let answer = secure(&["sip.hoster.example"], vec![]);
    assert_eq!(rung(judge_client(&hoster, None, Some(&answer))), Rung::SecureDns);
    for other in [srv(&["sip.hoster.example"]), secure(&["sip.elsewhere.example"], vec![])] {
        assert_eq!(refusal(judge_client(&hoster, None, Some(&other))).word, "certificate-name");
    }
    let untrusted = PeerCertificate { chain: Err(Why::UnknownIssuer), ..hoster };
    assert_eq!(refusal(judge_client(&untrusted, None, Some(&answer))).word, "certificate-untrusted");
}

#[test]
fn a_record_counts_by_usage_selector_and_matching() {
    let record =
        |usage, selector, matching, byte, length| Tlsa { usage, selector, matching, content: vec![byte; length] };
    let shown = unknown_with_digests(&["sip.hoster.example"]);
    let table = [
        (record(3, 0, 1, 10, 32), true, true),
        (record(3, 1, 1, 11, 32), true, true),
        (record(3, 0, 2, 10, 64), true, true),
        (record(3, 1, 2, 11, 64), true, true),
        (record(3, 1, 1, 10, 32), false, false),
        (record(3, 0, 1, 20, 32), false, false),
        (record(3, 0, 0, 10, 32), false, false),
        (record(3, 2, 1, 10, 32), false, false),
        (record(2, 0, 1, 20, 32), true, false),
        (record(2, 1, 1, 21, 32), true, false),
        (record(2, 0, 1, 10, 32), false, false),
        (record(1, 0, 1, 10, 32), false, false),
        (record(0, 0, 1, 20, 32), false, false),
        (record(4, 0, 1, 10, 32), false, false),
    ];
    for (record, proves, without_name) in table {
        let answer = secure(&["sip.hoster.example"], vec![record.clone()]);
        let proven = |shown: &PeerCertificate, answer: &SrvResult| {
            matches!(judge_client(shown, None, Some(answer)), Verdict::Proven(Rung::SecureDns))
        };
        assert_eq!(proven(&shown, &answer), proves, "{record:?}");
        assert_eq!(proven(&unknown_with_digests(&["x.example"]), &answer), without_name, "{record:?}");
        let insecure = answer.map(|answer| SrvAnswer { secure: false, ..answer });
        assert!(!proven(&shown, &insecure), "{record:?}");
    }
    let public =
        PeerCertificate { chain: Ok(Anchor::Public { name: "Root".into() }), ..unknown_with_digests(&["a.b.example"]) };
    for (usage, byte) in [(1, 10), (0, 20)] {
        let answer = secure(&["a.b.example"], vec![record(usage, 0, 1, byte, 32)]);
        assert_eq!(rung(judge_client(&public, None, Some(&answer))), Rung::SecureDns);
    }
    let clients_only = Purposes { client_auth: true, stated: true, ..Purposes::default() };
    let clients_only = PeerCertificate { purposes: clients_only, ..unknown_with_digests(&[]) };
    let answer = secure(&["sip.hoster.example"], vec![record(3, 0, 1, 10, 32)]);
    assert_eq!(
        refusal(judge(&clients_only, Role::Server, &Claim::of(FABRIKAM), Some(&answer))).word,
        "certificate-purpose"
    );
}

#[test]
fn the_dns_is_asked_about_an_unknown_authority_only_where_it_is_validated() {
    assert!(matches!(judge_client(&unknown_with_digests(&[]), None, None), Verdict::Needs));
    let plain = PeerCertificate { dane: None, ..unknown_with_digests(&[]) };
    assert_eq!(refusal(judge_client(&plain, None, None)).word, "certificate-untrusted");
    assert_eq!(
        refusal(judge_client(&unknown_with_digests(&[]), None, Some(&secure(&[], vec![])))).word,
        "certificate-untrusted"
    );
}

#[test]
fn what_was_revoked_after_its_handshake_proves_nothing_any_more_not_even_pinned() {
    let shown = PeerCertificate { fingerprint: [7; 32], ..certificate(&[FABRIKAM], &[]) };
    let revoked = BTreeSet::from([[7; 32]]);
    let pinned = DomainTrust { pins: vec![[7; 32]], anchors: vec![] };
    for trust in [&DomainTrust::default(), &pinned] {
        let claim = Claim { trust, ..Claim::of(FABRIKAM) };
        assert!(matches!(judge(&shown, Role::Client, &claim, None), Verdict::Proven(_)));
        let claim = Claim { revoked: &revoked, ..claim };
        assert_eq!(refusal(judge(&shown, Role::Client, &claim, None)).word, "certificate-revoked");
    }
}
