use federation::decision::{Answerer, DecisionRecord, Outcome};
use federation::flow::Direction;

use super::super::super::answers::TroubleAnswer;
use super::super::super::partners::verdict::tests::ON;
use super::*;

fn detail(domains: &[&str], decisions: Vec<(&str, Outcome)>) -> ProviderDetail {
    let hosted = |domain: &&str| HostedDomain {
        domain: (*domain).to_owned(),
        entry: None,
        tier: None,
        is_led: true,
        is_proven: false,
    };
    let decision = |(to, outcome): (&str, Outcome)| DecisionAnswer {
        at_unix_ms: 0,
        turned_away: false,
        record: DecisionRecord {
            call_id: "a".into(),
            method: "MESSAGE".into(),
            from_domain: "contoso.example".into(),
            to_domain: to.into(),
            direction: Direction::Outbound,
            outcome,
            spent_ms: 0,
        },
    };
    ProviderDetail {
        provider: ProviderAnswer { provider: Provider::new("cloud", "edge.cloud.example"), added_unix: 0 },
        meaning: String::new(),
        domains: domains.iter().map(hosted).collect(),
        domains_seen: domains.len(),
        links: Vec::new(),
        troubles: Vec::new(),
        certificates: Vec::new(),
        seen: Vec::new(),
        counts: None,
        decisions: decisions.into_iter().map(decision).collect(),
        refusals: Vec::new(),
        advice: advice::nothing_said(),
        edges: Vec::new(),
    }
}

fn answered(status: u16, word: Option<&str>) -> Outcome {
    Outcome::Answered { status, word: word.map(str::to_owned), by: Answerer::Partner, diagnostics: None }
}

#[test]
fn what_goes_wrong_with_one_domain_comes_before_what_goes_well_with_the_others() {
    let well = ("a.example", answered(200, None));
    let fine = conclude(&detail(&["a.example", "b.example"], vec![well.clone()]), Some(ON), 0);
    assert_eq!(fine.verdict, "it goes well with the domains behind cloud");
    let refused = ("b.example", answered(403, Some("domain-not-allowed")));
    let advice = conclude(&detail(&["a.example", "b.example"], vec![well, refused]), Some(ON), 0);
    assert_eq!(advice.side, Side::Partner);
    assert!(advice.verdict.contains("b.example"), "{advice:?}");
}

#[test]
fn a_server_of_its_edge_that_failed_and_a_provider_that_nobody_is_behind_are_told_of() {
    let mut troubled = detail(&["a.example"], vec![("a.example", answered(200, None))]);
    troubled.troubles.push(TroubleAnswer {
        worker: 0,
        place: "edge.cloud.example:5061".into(),
        failures: 1,
        reason: "refused".into(),
        failed_secs_ago: 1,
        avoided_secs: 1,
    });
    assert_eq!(conclude(&troubled, Some(ON), 0).side, Side::Partner);
    assert_eq!(conclude(&detail(&[], Vec::new()), Some(ON), 0).verdict, "no domain was seen behind cloud lately");
    let off = FederationSwitches { enabled: false, ..ON };
    assert_eq!(conclude(&troubled, Some(off), 0).side, Side::Ours);
}

#[test]
fn a_certificate_shown_for_several_domains_is_one_row() {
    let row = |domain: &str, first_unix, last_unix| StoredSeen {
        seen: store::PartnerSeen {
            domain: domain.to_owned(),
            provider: Some("cloud".to_owned()),
            is_inbound: true,
            place: String::new(),
            address: std::net::IpAddr::from([192, 0, 2, 1]),
            rung: None,
            fingerprint: "01".to_owned(),
            subject: String::new(),
            issuer: String::new(),
            serial: String::new(),
            not_after_unix: 0,
            purposes: Vec::new(),
            purposes_stated: None,
        },
        first_unix,
        last_unix,
    };
    let rows = once_each(vec![row("a.example", 5, 20), row("b.example", 2, 10)]);
    assert_eq!((rows.len(), rows[0].first_unix, rows[0].last_unix), (1, 2, 20));
}
