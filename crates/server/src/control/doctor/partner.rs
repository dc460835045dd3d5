//! What is to be said of the way to a partner, and of the partner's server at its end.
//!
//! Pure.

use sip::Diagnostics;
use sip::refusal::Word;

use super::super::advice::{self, Refuser};
use super::super::answers::{
    AddressStep, Advice, Finding, FindingState, QueryStep, RouteAnswer, Side, Sure, TargetStep, rung_sentence,
};

/// What the partner's server answered to OPTIONS.
pub(super) struct Asked {
    pub status: u16,
    pub word: Option<String>,
    pub diagnostics: Option<Diagnostics>,
    /// Its Date header.
    pub date_unix: Option<u64>,
}

pub(super) struct Greeted {
    pub took_ms: u64,
    pub now_unix: i64,
    pub answer: Result<Asked, String>,
}

/// Each step builds on the one before it: the first that fails has the way's advice, and those after it are unknown.
pub(super) fn judge(walked: &RouteAnswer, greeted: Option<&Greeted>) -> Vec<Finding> {
    let mut findings = vec![entry(walked), discovery(walked), addresses(walked)];
    findings.extend([connecting(walked), handshake(walked), certificate(walked), ours(walked)]);
    findings.push(options(&walked.domain, greeted));
    findings.push(clock(&walked.domain, greeted));
    let mut has_failed = false;
    for finding in &mut findings {
        if has_failed && matches!(finding.state, FindingState::Wrong | FindingState::Unknown) {
            (finding.state, finding.advice) = (FindingState::Unknown, None);
            finding.evidence = vec!["it builds on what is wrong above".to_owned()];
        }
        has_failed |= finding.state == FindingState::Wrong;
    }
    findings
}

fn entry(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("entry", format!("do we let {} in?", walked.domain));
    let by_us = walked.refusal.as_ref().filter(|refusal| Word::NoRoute != refusal.word.as_str());
    match by_us {
        Some(_) => finding.with(FindingState::Wrong, [walked.meaning.clone()]).following(&walked.advice),
        None => finding.seen(walked.meaning.clone()),
    }
}

fn discovery(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("discovery", "does the DNS, or our entry, say where its server is?");
    let seen: Vec<String> = walked.queries.iter().flat_map(query_sentences).collect();
    let is_asked = !walked.queries.is_empty();
    let no_route = walked.refusal.as_ref().filter(|refusal| Word::NoRoute == refusal.word.as_str());
    match no_route {
        Some(_) => finding.with(FindingState::Wrong, seen).following(&walked.advice),
        None if is_asked && walked.targets.is_empty() => {
            finding.with(FindingState::Wrong, seen).following(&walked.advice)
        }
        None if is_asked => finding.with(FindingState::Well, seen),
        None if walked.targets.is_empty() => finding.with(FindingState::Unknown, ["not asked".to_owned()]),
        None => finding.seen("our entry names its edge".to_owned()),
    }
}

fn addresses(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("addresses", "do the names of its servers have addresses?");
    let seen = walked.targets.iter().map(|target| match &target.failure {
        Some(failure) => failure.clone(),
        None => format!("{}: {}", target.host, list(target)),
    });
    step(finding, walked, seen.collect(), walked.targets.iter().map(|target| !target.addresses.is_empty()))
}

fn list(target: &TargetStep) -> String {
    target.addresses.iter().map(|step| step.address.to_string()).collect::<Vec<_>>().join(", ")
}

fn connecting(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("tcp", "does it take connections?");
    let sentence = |place: &str, step: &AddressStep| match step.tcp_ms {
        Some(took) => format!("{place} in {took} ms"),
        None => format!("{place}: {}", step.failure.as_deref().unwrap_or("no")),
    };
    of_steps(finding, walked, sentence, |step| step.tcp_ms.is_some())
}

fn handshake(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("tls", "does it speak TLS?");
    let sentence = |place: &str, step: &AddressStep| match step.tls_ms {
        Some(took) => format!("{place} in {took} ms"),
        None => format!("{place}: {}", step.failure.as_deref().unwrap_or("no")),
    };
    of_steps(finding, walked, sentence, |step| step.tls_ms.is_some())
}

fn certificate(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("certificate", format!("does its certificate prove {}?", walked.domain));
    let sentence = |place: &str, step: &AddressStep| match (&step.rung, &step.refusal) {
        (Some(rung), _) => format!("{place}: {}", rung_sentence(rung)),
        (None, Some(refusal)) => format!("{place}: {}: {}", refusal.word, refusal.reason),
        (None, None) => format!("{place}: none was shown"),
    };
    of_steps(finding, walked, sentence, |step| step.rung.is_some())
}

fn ours(walked: &RouteAnswer) -> Finding {
    let finding = Finding::about("our certificate", "does it take our certificate?");
    if let Some(problem) = &walked.own_certificate_problem {
        return finding.with(FindingState::Wrong, [problem.clone()]).following(&walked.advice);
    }
    let sentence = |place: &str, step: &AddressStep| match (&step.hung_up, step.tls_ms) {
        (Some(how), _) => format!("{place} ended the connection: {how}"),
        (None, Some(_)) => format!("{place} stayed connected"),
        (None, None) => format!("{place} did not come so far"),
    };
    of_steps(finding, walked, sentence, |step| step.tls_ms.is_some() && step.hung_up.is_none())
}

/// Over all addresses of all targets.
fn of_steps(
    finding: Finding,
    walked: &RouteAnswer,
    sentence: impl Fn(&str, &AddressStep) -> String,
    holds: impl Fn(&AddressStep) -> bool,
) -> Finding {
    let steps: Vec<(String, &AddressStep)> = walked
        .targets
        .iter()
        .flat_map(|target| target.addresses.iter().map(|step| (format!("{}:{}", step.address, target.port), step)))
        .collect();
    let seen = steps.iter().map(|(place, step)| sentence(place, step)).collect();
    step(finding, walked, seen, steps.iter().map(|(_, step)| holds(step)))
}

/// Well where all hold, doubtful where some do.
fn step(finding: Finding, walked: &RouteAnswer, seen: Vec<String>, holds: impl Iterator<Item = bool>) -> Finding {
    let holds: Vec<bool> = holds.collect();
    match (holds.contains(&true), holds.contains(&false)) {
        (true, false) => finding.with(FindingState::Well, seen),
        (true, true) => finding.with(FindingState::Doubtful, seen).following(&walked.advice),
        (false, true) => finding.with(FindingState::Wrong, seen).following(&walked.advice),
        (false, false) => finding.with(FindingState::Unknown, seen),
    }
}

/// 401, 403 and 407 keep us out, by 400 it says that it cannot read us, by 482 and 483 that we are in a loop, and from 500 on it
/// does not work there. Anything else is an answer of SIP: not every server has
/// something to say to OPTIONS.
fn options(domain: &str, greeted: Option<&Greeted>) -> Finding {
    let finding = Finding::about("options", "does it speak SIP, and let us in?");
    let Some(Greeted { took_ms, answer, .. }) = greeted else { return finding };
    match answer {
        Err(failure) => finding
            .with(FindingState::Wrong, [format!("OPTIONS was not answered: {failure}")])
            .following(&advice::for_reason(Word::PartnerUnreachable.as_str(), 504, failure, Refuser::UsToUser, domain)),
        Ok(Asked { status, word, diagnostics, .. }) => {
            let mut seen = vec![format!("OPTIONS was answered with {status} in {took_ms} ms")];
            seen.extend(diagnostics.as_ref().map(advice::diagnostics::said));
            let is_out = matches!(status, 400 | 401 | 403 | 407 | 482 | 483 | 500..=599);
            match is_out {
                false => finding.with(FindingState::Well, seen),
                true => finding.with(FindingState::Wrong, seen).following(&advice::for_answer(
                    word.as_deref(),
                    *status,
                    diagnostics.as_ref(),
                    domain,
                )),
            }
        }
    }
}

/// Certificates, and with Lync's kind sign-ins, fail where clocks differ by minutes.
fn clock(domain: &str, greeted: Option<&Greeted>) -> Finding {
    let finding = Finding::about("clock", format!("do our clock and {domain}'s show the same time?"));
    let Some(Greeted { answer: Ok(Asked { date_unix: Some(date), .. }), now_unix, .. }) = greeted else {
        let why = "its answer has no Date header, or there is no answer".to_owned();
        return finding.with(FindingState::Unknown, [why]);
    };
    let difference = now_unix - i64::try_from(*date).unwrap_or(i64::MAX);
    let way = if difference < 0 { "behind" } else { "ahead of" };
    let seen = format!("ours is {} s {way} the Date of its answer", difference.unsigned_abs());
    match difference.abs() {
        ..=CLOCK_SECS_MAX => finding.seen(seen),
        _ => finding.with(FindingState::Doubtful, [seen]).following(&Advice {
            verdict: format!("our clock and {domain}'s differ by more than {CLOCK_SECS_MAX} s"),
            next: "see whether the command date shows the right time here; if it does, tell the partner".to_owned(),
            side: Side::Ours,
            sure: Sure::Open,
        }),
    }
}

pub(super) fn query_sentences(query: &QueryStep) -> Vec<String> {
    match &query.failure {
        Some(failure) => vec![format!("{} (SRV): {failure}", query.name)],
        None => query
            .records
            .iter()
            .map(|record| format!("{} (SRV): {}:{}", query.name, record.host, record.port))
            .collect(),
    }
}

/// How far each address of a target came.
pub(super) fn target_sentences(target: &TargetStep) -> Vec<String> {
    if let Some(failure) = &target.failure {
        return vec![failure.clone()];
    }
    let sentence = |step: &AddressStep| {
        let place = format!("{}:{}", step.address, target.port);
        match (&step.failure, &step.rung, &step.refusal) {
            (Some(failure), ..) => format!("{place}: {failure}"),
            (None, Some(rung), _) => format!("{place}: {}", rung_sentence(rung)),
            (None, None, Some(refusal)) => format!("{place}: {}", refusal.reason),
            (None, None, None) => format!("{place}: no certificate was shown"),
        }
    };
    target.addresses.iter().map(sentence).collect()
}

const CLOCK_SECS_MAX: i64 = 60;

#[cfg(test)]
mod tests {
    use super::super::super::answers::RefusalAnswer;
    use super::*;

    fn walked(refusal: Option<(u16, Word)>) -> RouteAnswer {
        let advice = Advice { verdict: "a".into(), next: "b".into(), side: Side::Partner, sure: Sure::Seen };
        let refusal =
            refusal.map(|(status, word)| RefusalAnswer { status, word: word.to_string(), reason: String::new() });
        RouteAnswer { advice, refusal, ..RouteAnswer::begin("fabrikam.example".into(), None, "listed".into()) }
    }

    fn states(findings: &[Finding]) -> Vec<(&str, FindingState)> {
        findings.iter().map(|finding| (finding.id.as_str(), finding.state)).collect()
    }

    #[test]
    fn what_builds_on_a_fault_is_unknown_and_has_no_advice() {
        for (refusal, wrong, at) in [((403, Word::DomainBlocked), "entry", 0), ((404, Word::NoRoute), "discovery", 1)] {
            let findings = judge(&walked(Some(refusal)), None);
            assert_eq!(states(&findings)[at], (wrong, FindingState::Wrong));
            assert!(findings[at + 1..].iter().all(|finding| finding.state == FindingState::Unknown), "{findings:?}");
            assert!(findings[at + 1..].iter().all(|finding| finding.advice.is_none()));
        }
    }

    #[test]
    fn an_answer_is_judged_by_whether_it_lets_us_in_and_by_its_date() {
        let judged = |status: u16, date_unix: Option<u64>| {
            let answer = Ok(Asked { status, word: None, diagnostics: None, date_unix });
            let greeted = Greeted { took_ms: 3, now_unix: 1_000_000, answer };
            [options("fabrikam.example", Some(&greeted)).state, clock("fabrikam.example", Some(&greeted)).state]
        };
        assert_eq!(judged(200, Some(1_000_059)), [FindingState::Well, FindingState::Well]);
        assert_eq!(judged(405, Some(1_000_061)), [FindingState::Well, FindingState::Doubtful]);
        assert_eq!(judged(403, None), [FindingState::Wrong, FindingState::Unknown]);
        assert_eq!(judged(504, Some(0))[0], FindingState::Wrong);
    }
}
