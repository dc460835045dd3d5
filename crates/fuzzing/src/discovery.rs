//! What the DNS says of a partner: an order is of the same targets, by priority; what is remembered is found until it expires,
//! and is never more than the cache holds.

use std::time::{Duration, Instant};

use federation::discovery::{DiscoveryCache, SrvAnswer, SrvFailure, SrvResult, SrvTarget, life, order};
use federation::partner::Edge;
use federation::verification::{Claim, Role, Verdict, judge};

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
        check_verdict(&domain, &result);
        cache.insert(now, &domain, result.clone());
        assert_eq!(cache.lookup(now, &domain), Some(&result));
        let passed = Duration::from_secs(choices.byte().into());
        now += passed;
        assert_eq!(cache.lookup(now, &domain).is_some(), passed < life(&result));
    }
}

fn result(choices: &mut Choices<'_>, domain: &str) -> SrvResult {
    match choices.below(8) {
        0 => Err(SrvFailure::NoRecord),
        1 => Err(SrvFailure::Refused),
        2 => Err(SrvFailure::Timeout),
        _ => Ok(SrvAnswer {
            name: domain.to_owned(),
            targets: (0..choices.below(20)).map(|_| target(choices)).collect(),
            ttl: Duration::from_secs(1 << choices.below(40)),
            secure: false,
            tlsa: vec![],
        }),
    }
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

/// A host proves a domain only where the certificate names it and it lies right below it, or the domain itself.
fn check_verdict(domain: &str, result: &SrvResult) {
    let shown = certificate("fabrikam.example", true);
    if let Verdict::Proven(rung) = judge(&shown, Role::Server, &Claim::of(domain), Some(result)) {
        let plain = domain.trim_end_matches('.').to_ascii_lowercase();
        assert!(["fabrikam.example", "sip.fabrikam.example"].contains(&plain.as_str()), "{domain:?}: {rung:?}");
    }
}
