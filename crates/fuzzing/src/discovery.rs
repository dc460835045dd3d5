//! What the DNS says of a partner: an order is of the same targets, by priority; what is remembered is found until it expires,
//! and is never more than the cache holds. Only an answer that was validated proves what no certificate does.

use std::time::{Duration, Instant};

use federation::dane::{ChainSubjects, Subject, Tlsa};
use federation::discovery::{
    DiscoveryCache, SRV_TARGETS_MAX, SrvAnswer, SrvFailure, SrvResult, SrvTarget, life, order,
};
use federation::partner::Edge;
use federation::trust::PeerCertificate;
use federation::verification::{Claim, Role, Rung, Verdict, judge};

use crate::choices::Choices;
use crate::core::certificate;

pub fn check(bytes: &[u8]) {
    if let Ok(edge) = std::str::from_utf8(bytes).unwrap_or_default().parse::<Edge>() {
        assert!(!edge.host.is_empty() && edge.port > 0, "{edge:?}");
    }
    let mut choices = Choices::new(bytes);
    let (mut cache, mut now) = (DiscoveryCache::new(), Instant::now());
    while !choices.is_used_up() {
        let domain = String::from_utf8_lossy(choices.piece()).into_owned();
        let result = result(&mut choices, &domain);
        if let Ok(answer) = &result {
            check_order(&answer.targets, &mut choices);
        }
        check_verdicts(&domain, &result);
        cache.insert(now, &domain, result.clone());
        check_remembered(&result, cache.lookup(now, &domain));
        let is_news = cache.lookup(now, &domain).is_some_and(|remembered| remembered.is_ok() == result.is_ok());
        let passed = Duration::from_secs(choices.byte().into());
        now += passed;
        if is_news {
            assert_eq!(cache.lookup(now, &domain).is_some(), passed < life(&result));
        }
    }
}

/// Of an answer with too many targets those of the best priorities.
fn check_remembered(told: &SrvResult, remembered: Option<&SrvResult>) {
    match (told, remembered) {
        (Ok(told), Some(Ok(remembered))) if told.targets.len() > SRV_TARGETS_MAX => {
            assert_eq!(remembered.targets.len(), SRV_TARGETS_MAX);
            assert!(remembered.targets.iter().all(|target| told.targets.contains(target)));
        }
        // What was known stays where the DNS fails for a while.
        (Err(failure), Some(Ok(_))) if failure.is_temporary() => {}
        _ => assert_eq!(remembered, Some(told)),
    }
}

/// As [`check`] has it of an answer that was read elsewhere.
pub fn check_answer(answer: &SrvAnswer) {
    check_order(&answer.targets, &mut Choices::new(&[]));
    check_verdicts("fabrikam.example", &Ok(answer.clone()));
    check_verdicts("contoso.example", &Ok(answer.clone()));
}

fn result(choices: &mut Choices<'_>, domain: &str) -> SrvResult {
    let kind = choices.below(8);
    match kind {
        0 => Err(SrvFailure::NoRecord),
        1 => Err(SrvFailure::Refused),
        2 => Err(SrvFailure::Timeout),
        _ => Ok(SrvAnswer {
            name: domain.to_owned(),
            targets: (0..choices.below(40)).map(|_| target(choices)).collect(),
            ttl: Duration::from_secs(1 << choices.below(40)),
            secure: kind >= 6,
            tlsa: if kind == 7 { (0..choices.below(4)).map(|_| tlsa(choices)).collect() } else { vec![] },
        }),
    }
}

/// About one of the two that [`shown`] has, or neither.
fn tlsa(choices: &mut Choices<'_>) -> Tlsa {
    let [usage, selector, matching] = [5, 3, 4].map(|bound| u8::try_from(choices.below(bound)).unwrap_or_default());
    let content = vec![*choices.one_of(&[OWN, AUTHORITY, 0]); *choices.one_of(&[32, 64, 1])];
    Tlsa { usage, selector, matching, content }
}

fn target(choices: &mut Choices<'_>) -> SrvTarget {
    let weight = u16::from(choices.byte()) << choices.below(9);
    let host = String::from_utf8_lossy(choices.piece()).into_owned();
    SrvTarget { priority: choices.byte().into(), weight, port: 5061, host }
}

fn check_order(targets: &[SrvTarget], choices: &mut Choices<'_>) {
    let ordered = order(targets, &mut |bound| u32::from(choices.byte()) % bound);
    assert!(ordered.is_sorted_by_key(|target| target.priority));
    let mut left = targets.to_vec();
    for target in &ordered {
        let at = left.iter().position(|other| other == target).expect("each once, and none that was not there");
        left.remove(at);
    }
    let last = ordered.last().map_or(0, |target| target.priority);
    assert!(left.iter().all(|target| target.priority >= last), "what is left out comes last");
}

fn check_verdicts(domain: &str, result: &SrvResult) {
    for is_trusted in [true, false] {
        for dane in [None, Some(Box::new(shown()))] {
            let certificate = PeerCertificate { dane, ..certificate("fabrikam.example", is_trusted) };
            check_verdict(&certificate, domain, result);
        }
    }
}

/// A host proves a domain only where the certificate names it and it lies right below it, or the domain itself; where the DNS
/// vouches for its answer, also where the answer names it or a record is about it. Without a chain the last alone does.
fn check_verdict(certificate: &PeerCertificate, domain: &str, result: &SrvResult) {
    let Verdict::Proven(rung) = judge(certificate, Role::Server, &Claim::of(domain), Some(result)) else { return };
    let plain = domain.trim_end_matches('.').to_ascii_lowercase();
    match (rung, result) {
        (Rung::SecureDns, Ok(answer)) => {
            let is_same = |name: &String, host: &str| name.eq_ignore_ascii_case(host.trim_end_matches('.'));
            let names = |host: &str| certificate.names.dns.iter().any(|name| is_same(name, host));
            let is_named = answer.targets.iter().any(|target| names(&target.host));
            let is_shown =
                |tlsa: &Tlsa| [OWN, AUTHORITY].map(|of| vec![of; tlsa.content.len()]).contains(&tlsa.content);
            let is_recorded = certificate.dane.is_some() && answer.tlsa.iter().any(is_shown);
            assert!(answer.secure && (is_named && certificate.chain.is_ok() || is_recorded), "{domain:?}: {answer:?}");
        }
        _ => {
            assert!(certificate.chain.is_ok(), "{domain:?}: {rung:?}");
            assert!(["fabrikam.example", "sip.fabrikam.example"].contains(&plain.as_str()), "{domain:?}: {rung:?}");
        }
    }
}

fn shown() -> ChainSubjects {
    let subject = |of: u8| Subject { certificate: [vec![of; 32], vec![of; 64]], key: [vec![of; 32], vec![of; 64]] };
    ChainSubjects { own: subject(OWN), authorities: vec![subject(AUTHORITY)] }
}

const OWN: u8 = 7;
const AUTHORITY: u8 = 9;
