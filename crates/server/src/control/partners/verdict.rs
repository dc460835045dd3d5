//! What the page of a partner comes down to: how it goes, and what to do next.

use federation::admission::Origin;
use federation::decision::{Answerer, Outcome};
use federation::flow::Direction;
use sip::refusal::Word;

use super::super::advice::{self, Refuser};
use super::super::answers::{
    Advice, DecisionAnswer, PartnerAnswer, PartnerDetail, PartnerWord, SeenAnswer, Side, Sure,
};
use crate::config::FederationSwitches;
use crate::{certificate, moment};

/// Adds the last words.
pub(super) fn conclude(mut detail: PartnerDetail, switches: Option<FederationSwitches>) -> PartnerDetail {
    let up: Vec<String> = detail
        .links
        .iter()
        .filter(|found| found.link.state == "up")
        .filter_map(|found| found.link.host.clone())
        .collect();
    detail.ways.retain(|way| up.contains(&way.target));
    let domain = &detail.domain;
    let word = match detail.decided_by.as_ref().or(detail.entry.as_ref()) {
        _ if switches.is_none() => Some(Word::EdgeNotReady),
        _ if !switches.is_some_and(|switches| switches.enabled) => Some(Word::FederationOff),
        Some(PartnerAnswer { kind: PartnerWord::Blocked, .. }) => Some(Word::DomainBlocked),
        // A clearing house or a default route may take it.
        None if detail.tier.is_none() && !switches.is_some_and(|switches| switches.discovery) => {
            Some(Word::DomainNotAllowed)
        }
        _ => None,
    };
    detail.advice = match (word, told(&detail.decisions, domain)) {
        (Some(Word::DomainBlocked), _) if let Some(entry) = &detail.decided_by => {
            advice::for_block_by(&entry.domain, domain)
        }
        (Some(word), _) => advice::for_refusal(word.as_str(), 403, Refuser::UsToUser, domain),
        (None, Some(told)) => told,
        (None, None) if up.is_empty() => Advice {
            verdict: format!("nothing has passed between {domain} and us lately"),
            next: format!("try the way there: comity route {domain}"),
            side: Side::Nobody,
            sure: Sure::Seen,
        },
        (None, None) if detail.counts.is_some_and(|counts| counts.succeeded + counts.admitted > 0) => well(domain),
        (None, None) => Advice {
            verdict: format!("connections to {domain} stand, but nothing has been taken, there or here"),
            next: format!("what became of a message: comity why CALL-ID; the way there: comity route {domain}"),
            side: Side::Nobody,
            sure: Sure::Seen,
        },
    };
    if detail.advice.side == Side::Nobody && !detail.troubles.is_empty() {
        detail.advice = Advice {
            verdict: format!("{domain} is reached, but not every server of it works"),
            next: format!("see which: comity route {domain}; once it is put right: comity partner reset {domain}"),
            side: Side::Partner,
            sure: Sure::Seen,
        };
    }
    detail
}

/// Where all goes well, what will not before long: the certificate of a connection that stands ends.
pub(super) fn look_ahead(mut detail: PartnerDetail, now_unix: i64) -> PartnerDetail {
    if let (Side::Nobody, Some(end)) = (detail.advice.side, ends_soon(&detail.certificates, now_unix)) {
        let domain = &detail.domain;
        detail.advice = Advice {
            verdict: format!(
                "it goes well with {domain}, but a certificate that it shows ends on {}",
                moment::date(end)
            ),
            next: format!("ask {domain}'s administrator to renew it before that day; from then on it is refused"),
            side: Side::Partner,
            sure: Sure::Seen,
        };
    }
    detail
}

/// When the first of them ends, if that is before long.
pub(in super::super) fn ends_soon(certificates: &[SeenAnswer], now_unix: i64) -> Option<i64> {
    let soonest = certificates.iter().map(|seen| seen.certificate.not_after_unix).min();
    soonest.filter(|end| end - now_unix < certificate::EXPIRY_WARNING_DAYS * 86_400)
}

/// What the newest decisions come down to. A partner may reach us while we do not reach it, so each way counts alone.
pub(in super::super) fn told(decisions: &[DecisionAnswer], domain: &str) -> Option<Advice> {
    // Anybody can send in the partner's name: what we refused counts only where nothing proven speaks against it.
    let (proven, unproven): (Vec<_>, Vec<_>) = decisions.iter().partition(|decision| !is_unproven(decision));
    let newest = |way| {
        let of_way = || proven.iter().filter(move |decision| decision.record.direction == way);
        let is_any_taken = of_way().any(|decision| is_taken(decision));
        of_way().find_map(|decision| told_by(decision, domain, is_any_taken))
    };
    match (newest(Direction::Outbound), newest(Direction::Inbound)) {
        (Some(sent), Some(_)) if sent != well(domain) => {
            Some(Advice { verdict: format!("{}; what {domain} sends to us is admitted", sent.verdict), ..sent })
        }
        (Some(advice), _) | (None, Some(advice)) => Some(advice),
        (None, None) => unproven.into_iter().find_map(|decision| told_by(decision, domain, false)),
    }
}

fn is_unproven(decision: &DecisionAnswer) -> bool {
    let record = &decision.record;
    // A rate counts for whoever has proven its domain; all else may be refused before that.
    let is_proven = |word: &str| Word::RateLimited == word;
    record.direction == Direction::Inbound
        && matches!(&record.outcome, Outcome::Refused { word, .. } if !is_proven(word))
}

/// The partner took something of ours, or we of the partner.
pub(in super::super) fn is_taken(decision: &DecisionAnswer) -> bool {
    matches!(
        decision.record.outcome,
        Outcome::Admitted { origin: Origin::Partner { .. }, .. }
            | Outcome::Answered { status: ..=299, by: Answerer::Partner, .. }
    )
}

/// What one decision says about how it goes with the partner; one about a single user says nothing. Where something else was
/// taken on the same way, a status that may be about a user is held to be.
fn told_by(decision: &DecisionAnswer, domain: &str, is_any_taken: bool) -> Option<Advice> {
    let inbound = decision.record.direction == Direction::Inbound;
    match &decision.record.outcome {
        _ if is_taken(decision) => Some(well(domain)),
        Outcome::Refused { status, word, reason } if !is_about_a_user(word) => {
            let refuser = if inbound { Refuser::UsToPartner } else { Refuser::UsToUser };
            Some(advice::for_reason(word, *status, reason, refuser, domain))
        }
        Outcome::Answered { status, word, diagnostics, by: Answerer::Partner } => {
            let word = word.as_deref().filter(|word| Word::named(word).is_some());
            let said = diagnostics.as_ref().filter(|said| said.id != ID_OF_THE_STATUS);
            let is_about_us = match (word, said) {
                (Some(word), _) => !is_about_a_user(word),
                (None, Some(said)) => !IDS_ABOUT_A_USER.contains(&said.id),
                (None, None) => match status {
                    500..=599 => true,
                    401 | 403 | 407 | 408 | 482 | 483 => !is_any_taken,
                    _ => false,
                },
            };
            is_about_us.then(|| advice::for_answer(word, *status, said, domain))
        }
        _ => None,
    }
}

fn well(domain: &str) -> Advice {
    Advice {
        verdict: format!("it goes well with {domain}"),
        next: "nothing is to be done".to_owned(),
        side: Side::Nobody,
        sure: Sure::Seen,
    }
}

/// About whoever writes or is written to, not about the two organisations.
fn is_about_a_user(word: &str) -> bool {
    use Word::{
        AnonymityDisallowed, FederationNotForUser, IdentityMismatch, MailboxFull, MalformedRequest, MessageTooLarge,
        NoSecureWay, PartnerNotForUser, SourceUnverified, UserOffline, UserUnavailable, UserUnknown,
    };
    let known = Word::named(word);
    known.is_some_and(|word| {
        matches!(
            word,
            UserUnknown
                | UserOffline
                | NoSecureWay
                | MailboxFull
                | MessageTooLarge
                | MalformedRequest
                | IdentityMismatch
                | AnonymityDisallowed
                | FederationNotForUser
                | PartnerNotForUser
                | SourceUnverified
                | UserUnavailable
        )
    })
}

/// Of `ms-diagnostics`: "see the response code".
const ID_OF_THE_STATUS: u32 = 2;
const IDS_ABOUT_A_USER: [u32; 8] = [1001, 1002, 1003, 1004, 1012, 1018, 4003, 4005];

#[cfg(test)]
pub(in super::super) mod tests {
    use certificates::RevocationPolicy;
    use federation::decision::DecisionRecord;

    use signaling::LinkStatus;
    use sip::Diagnostics;

    use super::super::super::answers::{CountsAnswer, LinkAnswer, TroubleAnswer, TrustAnswer};
    use super::*;

    pub(in super::super::super) const ON: FederationSwitches = FederationSwitches {
        enabled: true,
        discovery: true,
        mark_source_verifiable: true,
        diagnostics_to_partners: false,
        connections_per_partner: 4,
        hide_topology: false,
        crl: RevocationPolicy::WhenAvailable,
    };

    fn detail(decisions: Vec<(Direction, Outcome)>) -> PartnerDetail {
        let decision = |(direction, outcome)| DecisionAnswer {
            at_unix_ms: 0,
            turned_away: false,
            record: DecisionRecord {
                call_id: "a".into(),
                method: "MESSAGE".into(),
                from_domain: String::new(),
                to_domain: String::new(),
                direction,
                outcome,
                spent_ms: 0,
            },
        };
        PartnerDetail {
            decided_by: None,
            tier: None,
            provider: None,
            provider_modalities: None,
            provider_pins: Vec::new(),
            provider_monitored: false,
            domain: "fabrikam.example".into(),
            entry: None,
            meaning: String::new(),
            shown: None,
            trust: TrustAnswer::default(),
            links: Vec::new(),
            ways: Vec::new(),
            discovery: None,
            troubles: Vec::new(),
            certificates: Vec::new(),
            ledgers: Vec::new(),
            seen: Vec::new(),
            counts: None,
            decisions: decisions.into_iter().map(decision).collect(),
            refusals: Vec::new(),
            advice: well(""),
            edges: Vec::new(),
        }
    }

    fn refused(word: &str) -> Outcome {
        Outcome::Refused { status: 403, word: word.into(), reason: String::new() }
    }

    fn answered(status: u16, word: Option<&str>) -> Outcome {
        Outcome::Answered { status, word: word.map(str::to_owned), by: Answerer::Partner, diagnostics: None }
    }

    fn side(decisions: Vec<(Direction, Outcome)>) -> Side {
        conclude(detail(decisions), Some(ON)).advice.side
    }

    #[test]
    fn an_impostor_does_not_speak_for_the_partner_where_anything_proven_does() {
        let impostor = || (Direction::Inbound, refused("certificate-name"));
        assert_eq!(side(vec![impostor(), (Direction::Outbound, answered(200, None))]), Side::Nobody);
        assert_eq!(side(vec![impostor()]), Side::Partner);
        let unreachable = (Direction::Outbound, refused("partner-unreachable"));
        assert_eq!(side(vec![impostor(), unreachable]), Side::Network);
    }

    #[test]
    fn what_the_partner_sends_does_not_hide_that_nothing_reaches_it() {
        let origin = Origin::Partner {
            domain: "fabrikam.example".into(),
            rung: federation::verification::Rung::Domain,
            standing: federation::admission::Tier::Allowed,
            source: federation::admission::Source::default(),
        };
        let admitted = (Direction::Inbound, Outcome::Admitted { origin, rung: None, peer: None });
        let unreachable = (Direction::Outbound, refused("partner-unreachable"));
        let advice = conclude(detail(vec![admitted.clone(), unreachable]), Some(ON)).advice;
        assert_eq!(advice.side, Side::Network);
        assert!(
            advice.verdict.ends_with("could be reached; what fabrikam.example sends to us is admitted"),
            "{advice:?}"
        );
        assert_eq!(side(vec![admitted, (Direction::Outbound, answered(200, None))]), Side::Nobody);
    }

    #[test]
    fn what_concerns_one_user_does_not_concern_the_partner() {
        let unknown = || (Direction::Outbound, answered(404, Some("user-unknown")));
        assert_eq!(
            conclude(detail(vec![unknown()]), Some(ON)).advice.verdict,
            "nothing has passed between fabrikam.example and us lately"
        );
        assert_eq!(
            side(vec![unknown(), (Direction::Outbound, answered(403, Some("domain-not-allowed")))]),
            Side::Partner
        );
    }

    #[test]
    fn a_status_without_a_word_counts_where_nothing_was_taken() {
        let sent = |status| (Direction::Outbound, answered(status, None));
        for status in [401, 403, 407, 408, 482, 483, 500, 503, 504] {
            assert_eq!(side(vec![sent(status)]), Side::Partner, "{status}");
            let after_a_200 = if status < 500 { Side::Nobody } else { Side::Partner };
            assert_eq!(side(vec![sent(status), sent(200)]), after_a_200, "{status}");
            assert_eq!(side(vec![sent(200), sent(status)]), Side::Nobody, "{status}");
        }
        let says_the_status = Diagnostics { id: ID_OF_THE_STATUS, reason: String::new(), source: None };
        let outcome =
            Outcome::Answered { status: 504, word: None, by: Answerer::Partner, diagnostics: Some(says_the_status) };
        assert_eq!(side(vec![(Direction::Outbound, outcome)]), Side::Partner);
    }

    #[test]
    fn it_goes_well_only_where_something_was_taken() {
        let verdict = |succeeded, admitted| {
            let mut detail = detail(vec![(Direction::Outbound, answered(404, None))]);
            let link = LinkStatus {
                domain: "fabrikam.example".into(),
                connection: 0,
                state: "up".into(),
                host: Some("sip.fabrikam.example:5061".into()),
                rung: None,
                last_failure: None,
            };
            detail.links.push(LinkAnswer { worker: 0, link });
            detail.counts = Some(CountsAnswer { succeeded, admitted, ..CountsAnswer::default() });
            conclude(detail, Some(ON)).advice.verdict
        };
        let nothing = "connections to fabrikam.example stand, but nothing has been taken, there or here";
        assert_eq!(verdict(0, 0), nothing);
        assert_eq!(
            (verdict(1, 0), verdict(0, 1)),
            (well("fabrikam.example").verdict, well("fabrikam.example").verdict)
        );
    }

    #[test]
    fn our_own_rules_and_a_server_that_fails_come_before_what_went_well() {
        let went_well = || vec![(Direction::Outbound, answered(200, None))];
        let off = FederationSwitches { discovery: false, ..ON };
        assert_eq!(conclude(detail(went_well()), Some(off)).advice.side, Side::Ours);
        let mut troubled = detail(went_well());
        troubled.troubles.push(TroubleAnswer {
            worker: 0,
            place: "one.fabrikam.example:5061".into(),
            failures: 1,
            reason: "refused".into(),
            failed_secs_ago: 1,
            avoided_secs: 1,
        });
        assert_eq!(conclude(troubled, Some(ON)).advice.side, Side::Partner);
    }
}
