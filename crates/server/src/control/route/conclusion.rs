//! What a walked way comes down to: which way holds, or which failure came furthest, whose side it is, what to do next.
//!
//! Pure.

use federation::flow::ConnectStep;
use federation::partner::Standing;
use federation::refusal;
use sip::refusal::Word;

use super::super::advice::{self, Refuser, alert};
use super::super::answers::{
    AddressStep, Advice, PartnerAnswer, RefusalAnswer, RouteAnswer, Side, Sure, TargetStep, WayAnswer,
};
use super::super::partners::wildcard_that_blocks;

impl RouteAnswer {
    /// Nothing is known yet.
    pub(in super::super) fn begin(domain: String, entry: Option<PartnerAnswer>, meaning: String) -> RouteAnswer {
        let advice = Advice { verdict: String::new(), next: String::new(), side: Side::Ours, sure: Sure::Seen };
        RouteAnswer {
            domain,
            entry,
            meaning,
            led_by: None,
            domain_exists: None,
            own_certificate_problem: None,
            own_certificate_warnings: Vec::new(),
            queries: Vec::new(),
            targets: Vec::new(),
            way: None,
            refusal: None,
            advice,
        }
    }
}

/// Adds the last words. `standing` is how the domain really stands.
pub(super) fn conclude(mut answer: RouteAnswer, standing: Standing<'_>) -> RouteAnswer {
    answer.way = way(&answer.targets);
    if let Standing::Unknown = standing {
        let found = answer.refusal.replace(RefusalAnswer::from(&refusal::domain_not_allowed(&answer.domain)));
        answer.advice = unlisted(&answer, found.as_ref());
        return answer;
    }
    if let Some(entry) = wildcard_that_blocks(standing, &answer.domain) {
        answer.advice = advice::for_block_by(entry, &answer.domain);
        return answer;
    }
    answer.advice = match (&answer.refusal, &answer.way) {
        (Some(refusal), _) => no_plan(&answer, refusal),
        (None, Some(way)) => holds(&answer, way),
        (None, None) => none_holds(&answer),
    };
    answer
}

/// The first address, in the order of trying, whose certificate proves the domain.
pub(super) fn way(targets: &[TargetStep]) -> Option<WayAnswer> {
    targets.iter().find_map(|target| {
        let holding = |step: &&AddressStep| step.hung_up.is_none() && step.rung.is_some();
        let step = target.addresses.iter().find(holding)?;
        let target = format!("{}:{}", target.host, target.port);
        Some(WayAnswer { target, address: step.address, rung: step.rung.clone()? })
    })
}

fn holds(answer: &RouteAnswer, way: &WayAnswer) -> Advice {
    let verdict = format!("messages to {} go to {} ({})", answer.domain, way.target, way.address);
    if let Some(problem) = &answer.own_certificate_problem {
        return Advice {
            verdict: format!("{verdict}, but our own certificate is of no use: {problem}"),
            next: "put it right: comity check says what is missing".to_owned(),
            side: Side::Ours,
            sure: Sure::Seen,
        };
    }
    if !answer.own_certificate_warnings.is_empty() {
        return Advice {
            verdict: format!("{verdict}, but {} may refuse our own certificate, as warned above", answer.domain),
            next: "see what our own certificate proves and what it does not: comity check".to_owned(),
            side: Side::Ours,
            sure: Sure::Seen,
        };
    }
    match answer.targets.iter().flat_map(|target| &target.addresses).any(|step| !step.is_good())
        || answer.targets.iter().any(|target| target.failure.is_some())
    {
        true => Advice {
            verdict: format!("{verdict}, but not every server that it names works"),
            next: format!("nothing has to be done here; tell {}'s administrator what fails above", answer.domain),
            side: Side::Partner,
            sure: Sure::Seen,
        },
        false => {
            // Whom they let in shows only when something is sent, and a walk sends nothing.
            let next = format!("nothing is to be done here; {} has to allow us, too", answer.domain);
            Advice { verdict, next, side: Side::Nobody, sure: Sure::Seen }
        }
    }
}

fn unlisted(answer: &RouteAnswer, found: Option<&RefusalAnswer>) -> Advice {
    let domain = &answer.domain;
    let refused = advice::for_refusal(Word::DomainNotAllowed.as_str(), 403, Refuser::UsToUser, domain);
    match (&answer.way, found) {
        (Some(_), _) => Advice {
            verdict: format!("{}; the way itself is there and its certificate proves {domain}", refused.verdict),
            ..refused
        },
        (None, Some(found)) if Word::NoRoute == found.word.as_str() => Advice {
            verdict: format!("{}; nor does the DNS say where it is reached", refused.verdict),
            next: format!("if you want to federate with it, enter its edge: comity partner add {domain} --edge HOST"),
            ..refused
        },
        (None, _) => Advice {
            verdict: format!("{}; nor does the way to it hold, as shown above", refused.verdict),
            next: format!("if you want to federate with it, add it and look again: comity partner add {domain}"),
            ..refused
        },
    }
}

/// Nothing was tried: our own list forbids it, or the DNS names no place.
fn no_plan(answer: &RouteAnswer, refusal: &RefusalAnswer) -> Advice {
    let advice = advice::for_refusal(&refusal.word, refusal.status, Refuser::UsToUser, &answer.domain);
    let domain = &answer.domain;
    match (Word::named(&refusal.word), refusal.status) {
        // The DNS did not say no, it did not answer.
        (Some(Word::NoRoute), 504) => advice::dns_silent(domain),
        (Some(Word::NoRoute), _) if answer.domain_exists == Some(false) => Advice {
            verdict: format!("there is no domain {domain} in the DNS"),
            next: format!(
                "see that it is spelt right; if it is, ask {domain}'s administrator, by another way, whether it has expired"
            ),
            side: Side::Sender,
            sure: Sure::Seen,
        },
        (Some(Word::NoRoute), _) => Advice {
            next: format!(
                "ask {domain} to publish _sipfederationtls._tcp.{domain} (SRV), or enter its edge here: \
                 comity partner add {domain} --edge HOST"
            ),
            ..advice
        },
        _ => advice,
    }
}

/// Every address was tried; the one that came furthest says most.
fn none_holds(answer: &RouteAnswer) -> Advice {
    let domain = &answer.domain;
    let steps = || answer.targets.iter().flat_map(|target| target.addresses.iter().map(move |step| (target, step)));
    if let Some((target, step)) = steps().find(|(_, step)| step.rung.is_some()) {
        let how = step.hung_up.as_deref().unwrap_or_default();
        return not_accepted(answer, target, how);
    }
    if let Some((_, refusal)) = steps().find_map(|(target, step)| Some((target, step.refusal.as_ref()?))) {
        return advice::for_reason(&refusal.word, refusal.status, &refusal.reason, Refuser::UsToPartner, domain);
    }
    if let Some((target, step)) = steps().find(|(_, step)| step.tls_ms.is_some()) {
        let how = step.hung_up.as_deref().unwrap_or("it showed no certificate");
        return not_accepted(answer, target, how);
    }
    if let Some((target, step)) = steps().find(|(_, step)| step.tcp_ms.is_some()) {
        let failure = step.failure.as_deref().unwrap_or_default();
        if step.failed_at == Some(ConnectStep::Alert) {
            return not_accepted(answer, target, failure);
        }
        return Advice {
            verdict: format!("{}:{} takes connections but does not speak TLS as it should", target.host, target.port),
            next: format!("ask {domain}'s administrator whether SIP over TLS is served on port {}", target.port),
            side: Side::Partner,
            sure: Sure::Likely,
        };
    }
    let refused = steps().find(|(_, step)| step.is_refused());
    let advice = match refused.or_else(|| steps().next()) {
        Some((target, step)) => not_reached(domain, target, step),
        None => Advice {
            verdict: format!("the servers that {domain} names have no address"),
            next: format!("ask {domain}'s administrator to publish A or AAAA records for them"),
            side: Side::Partner,
            sure: Sure::Seen,
        },
    };
    match answer.entry.as_ref().and_then(|entry| entry.edge.as_ref()) {
        Some(_) => Advice {
            next: format!("{}; or, if the edge has moved: comity partner add {domain} --edge HOST", advice.next),
            ..advice
        },
        None => advice,
    }
}

/// No errno tells a machine on which nothing listens from a firewall that rejects, theirs or ours.
fn not_reached(domain: &str, target: &TargetStep, step: &AddressStep) -> Advice {
    let (port, address) = (target.port, step.address);
    match step.is_refused() {
        true => Advice {
            verdict: format!(
                "connections to {domain}'s server are refused: nothing listens on port {port} of {address}, or a firewall rejects them"
            ),
            next: format!(
                "ask {domain}'s administrator whether the edge runs and the firewall there lets port {port} in; if so, see \
                 whether ours lets it out; then: comity route {domain}"
            ),
            side: Side::Partner,
            sure: Sure::Likely,
        },
        false => Advice {
            verdict: format!("{domain}'s server does not answer on port {port}"),
            next: format!(
                "see whether our firewall lets connections to port {port} out; if it does, ask {domain}'s administrator \
                 whether theirs lets them in, and whether {address} is the right address"
            ),
            side: Side::Network,
            sure: Sure::Open,
        },
    }
}

/// The peer ended the connection once it had seen our certificate, or for want of one.
fn not_accepted(answer: &RouteAnswer, target: &TargetStep, how: &str) -> Advice {
    let place = format!("{}:{}", target.host, target.port);
    match &answer.own_certificate_problem {
        Some(problem) => Advice {
            verdict: format!("{place} hung up ({how}), and our own certificate is of no use: {problem}"),
            next: "put it right: comity check says what is missing".to_owned(),
            side: Side::Ours,
            sure: Sure::Likely,
        },
        None => Advice {
            verdict: match alert::meaning(how) {
                Some((meaning, _)) if alert::is_about_versions(how) => {
                    format!("{place} ends the TLS handshake: {meaning}")
                }
                Some((meaning, _)) => format!("{place} refuses our certificate: {meaning}"),
                None => format!(
                    "{place} ended the connection during or right after the handshake ({how}): most likely it does not \
                     accept our certificate"
                ),
            },
            next: alert::meaning(how).map_or_else(
                || {
                    format!(
                        "see what ours proves: comity check; then ask {}'s administrator which authorities, names and \
                         purposes they accept",
                        answer.domain
                    )
                },
                |(_, next)| next.to_owned(),
            ),
            // What is spoken here is what everybody speaks today.
            side: if alert::is_about_versions(how) { Side::Partner } else { Side::Ours },
            sure: alert::meaning(how).map_or(Sure::Likely, |_| Sure::Told),
        },
    }
}

impl AddressStep {
    fn is_good(&self) -> bool {
        self.rung.is_some() && self.hung_up.is_none()
    }

    /// There is a machine, and it said no.
    fn is_refused(&self) -> bool {
        self.failed_at == Some(ConnectStep::Refused)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn step() -> AddressStep {
        AddressStep {
            address: [192, 0, 2, 1].into(),
            tcp_ms: None,
            tls_ms: None,
            failure: None,
            failed_at: None,
            certificate: None,
            rung: None,
            refusal: None,
            hung_up: None,
        }
    }

    pub(in super::super) fn good() -> AddressStep {
        AddressStep { tcp_ms: Some(1), tls_ms: Some(2), rung: Some("domain".into()), ..step() }
    }

    pub(in super::super) fn failed(failure: &str) -> AddressStep {
        AddressStep { failure: Some(failure.into()), ..step() }
    }

    fn failed_at(at: ConnectStep, failure: &str) -> AddressStep {
        AddressStep { failed_at: Some(at), ..failed(failure) }
    }

    pub(in super::super) fn target(number: usize, addresses: Vec<AddressStep>) -> TargetStep {
        let host = format!("edge{number}.fabrikam.example");
        TargetStep { host, port: 5061, lookup_ms: 0, addresses, failure: None }
    }

    /// One target for each list of addresses.
    fn concluded(targets: Vec<Vec<AddressStep>>, standing: Standing<'_>) -> RouteAnswer {
        let mut answer = RouteAnswer::begin("fabrikam.example".into(), None, String::new());
        answer.targets = targets.into_iter().enumerate().map(|(number, addresses)| target(number, addresses)).collect();
        conclude(answer, standing)
    }

    #[test]
    fn each_failure_has_a_side_and_words_of_its_own() {
        let refused = RefusalAnswer { status: 403, word: "certificate-name".into(), reason: String::new() };
        let cases = [
            (vec![good()], Side::Nobody, "messages to fabrikam.example go to edge0"),
            (vec![failed("timed out"), good()], Side::Partner, "but not every server"),
            (vec![failed("192.0.2.1:5061 did not accept within 5 s")], Side::Network, "does not answer on port 5061"),
            (
                vec![failed_at(ConnectStep::Refused, "Connection refused (os error 111)")],
                Side::Partner,
                "nothing listens on port 5061 of 192.0.2.1, or a fire",
            ),
            (vec![AddressStep { tcp_ms: Some(1), ..failed("corrupt message") }], Side::Partner, "does not speak TLS"),
            (
                vec![AddressStep { tcp_ms: Some(1), ..failed_at(ConnectStep::Alert, "alert: UnknownCA") }],
                Side::Ours,
                "does not trust the authority",
            ),
            (
                vec![AddressStep {
                    tcp_ms: Some(1),
                    ..failed_at(ConnectStep::Alert, "received fatal alert: ProtocolVersion")
                }],
                Side::Partner,
                "ends the TLS handshake: no version of TLS",
            ),
            (vec![AddressStep { hung_up: Some("reset".into()), ..good() }], Side::Ours, "accept our certificate"),
            (vec![AddressStep { refusal: Some(refused), rung: None, ..good() }], Side::Partner, "does not prove"),
            (vec![], Side::Partner, "no address"),
        ];
        for (addresses, side, words) in cases {
            let advice = concluded(vec![addresses], Standing::Discovered).advice;
            assert_eq!(advice.side, side, "{advice:?}");
            assert!(advice.verdict.contains(words), "{advice:?} has no {words:?}");
        }
    }

    #[test]
    fn the_failure_that_came_furthest_is_the_one_that_is_told() {
        let reset = AddressStep { hung_up: Some("reset".into()), ..good() };
        let advice = concluded(vec![vec![failed("refused")], vec![reset]], Standing::Discovered).advice;
        assert!(advice.verdict.starts_with("edge1.fabrikam.example:5061 ended the connection"), "{advice:?}");
    }

    #[test]
    fn a_domain_that_is_not_listed_is_told_whether_adding_it_would_do() {
        let answer = concluded(vec![vec![good()]], Standing::Unknown);
        assert_eq!(answer.refusal.unwrap().word, "domain-not-allowed");
        assert_eq!((answer.advice.side, answer.way.unwrap().rung.as_str()), (Side::Ours, "domain"));
        assert!(answer.advice.verdict.contains("the way itself is there"), "{:?}", answer.advice);
        assert_eq!(answer.advice.next, "if you want to federate with it: comity partner add fabrikam.example");
    }

    #[test]
    fn a_certificate_of_ours_that_is_of_no_use_comes_before_all() {
        let mut answer = RouteAnswer::begin("fabrikam.example".into(), None, String::new());
        answer.own_certificate_problem = Some("it has expired".into());
        answer.targets = concluded(vec![vec![good()]], Standing::Discovered).targets;
        let answer = conclude(answer, Standing::Discovered);
        assert!(answer.way.is_some() && !answer.holds());
        let advice = answer.advice;
        assert_eq!(advice.side, Side::Ours);
        assert!(advice.verdict.ends_with("our own certificate is of no use: it has expired"), "{advice:?}");
    }

    #[test]
    fn a_way_that_holds_is_not_all_where_our_own_certificate_may_be_refused() {
        let mut answer = RouteAnswer::begin("fabrikam.example".into(), None, String::new());
        answer.own_certificate_warnings = vec!["it does not prove contoso.example".into()];
        answer.targets = concluded(vec![vec![good()]], Standing::Discovered).targets;
        let advice = conclude(answer, Standing::Discovered).advice;
        assert_eq!(advice.side, Side::Ours);
        assert!(
            advice.verdict.ends_with("fabrikam.example may refuse our own certificate, as warned above"),
            "{advice:?}"
        );
    }
}
