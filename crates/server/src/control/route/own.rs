//! The way on which partners find us: our own domain walked as they would walk it.
//!
//! Pure. What is wrong here is ours to mend, whoever would trip over it.

use super::super::answers::{AddressStep, Advice, RouteAnswer, Side, Sure, TargetStep, WayAnswer};

/// How the domain stands, in the place where a partner's entry is shown.
pub(super) fn meaning(domain: &str) -> String {
    format!("{domain} is our own: this is the way on which partners come who look it up in the DNS")
}

/// Adds the last words.
pub(super) fn conclude(mut answer: RouteAnswer) -> RouteAnswer {
    answer.way = super::conclusion::way(&answer.targets);
    let (side, verdict, next) = match (&answer.refusal, &answer.way) {
        (Some(refusal), _) if refusal.status == 504 => (
            Side::Network,
            format!("the DNS gave no usable answer about {}", answer.domain),
            "see whether the name servers under [dns] in comity.toml can be reached and answer; then try again"
                .to_owned(),
        ),
        (Some(_), _) => (
            Side::Ours,
            format!("the DNS does not say where {} is reached: no partner finds us", answer.domain),
            "publish the records that comity plan lists, or wait until they have spread".to_owned(),
        ),
        (None, Some(way)) => holds(&answer, way),
        (None, None) => fails(&answer),
    };
    answer.advice = Advice { verdict, next, side, sure: Sure::Seen };
    answer
}

type Words = (Side, String, String);

fn holds(answer: &RouteAnswer, way: &WayAnswer) -> Words {
    let verdict = format!("partners who look up {} find {} ({})", answer.domain, way.target, way.address);
    let is_whole = answer.targets.iter().all(|target| target.failure.is_none())
        && answer.targets.iter().flat_map(|target| &target.addresses).all(|step| step.rung.is_some());
    if !is_whole {
        let verdict = format!("{verdict}, but not every server that the DNS names works");
        return (Side::Ours, verdict, "mend what fails above, or take it out of the DNS".to_owned());
    }
    let verdict = format!("{verdict}, and its certificate proves the domain");
    let next = "nothing is to be done here; whether firewalls let partners in, only a look from outside tells";
    (Side::Nobody, verdict, next.to_owned())
}

/// The failure that came furthest says most.
fn fails(answer: &RouteAnswer) -> Words {
    let domain = &answer.domain;
    let steps = || answer.targets.iter().flat_map(|target| target.addresses.iter().map(move |step| (target, step)));
    let place = |target: &TargetStep, step: &AddressStep| format!("{}:{} ({})", target.host, target.port, step.address);
    let ours = |verdict, next: String| (Side::Ours, verdict, next);
    if let Some((target, step)) = steps().find(|(_, step)| step.certificate.is_some()) {
        return ours(
            format!("{} shows a certificate that does not prove {domain} to partners", place(target, step)),
            "see what it lacks above, and what it has to name: comity check and comity plan".to_owned(),
        );
    }
    if let Some((target, step)) = steps().find(|(_, step)| step.tcp_ms.is_some()) {
        return ours(
            format!("{} takes connections, but does not speak TLS as it should", place(target, step)),
            "see which program listens there: the DNS has to lead to an address under [listen] tls".to_owned(),
        );
    }
    match steps().next() {
        Some((target, step)) => ours(
            format!("the DNS leads partners to {}, which cannot be reached from here", place(target, step)),
            "see whether the server runs there and the firewall lets it be reached; behind a NAT, only a look from outside tells"
                .to_owned(),
        ),
        None => ours(
            format!("the name to which the SRV record of {domain} leads has no address"),
            "publish the A and AAAA records that comity plan lists".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::answers::RefusalAnswer;
    use super::super::conclusion::tests::{failed, good, target};
    use super::*;

    fn concluded(targets: Vec<TargetStep>, refusal: Option<(u16, &str)>) -> Advice {
        let mut answer = RouteAnswer::begin("contoso.example".into(), None, String::new());
        answer.targets = targets;
        answer.refusal =
            refusal.map(|(status, word)| RefusalAnswer { status, word: word.into(), reason: String::new() });
        conclude(answer).advice
    }

    #[test]
    fn whatever_keeps_partners_from_finding_us_is_ours_to_mend() {
        let without_address = TargetStep { failure: Some("none".into()), ..target(0, vec![]) };
        let not_tls = AddressStep { tcp_ms: Some(1), ..failed("corrupt message") };
        let cases = [
            (vec![], Some((404, "no-route")), Side::Ours, "no partner finds us"),
            (vec![], Some((504, "no-route")), Side::Network, "no usable answer"),
            (vec![without_address], None, Side::Ours, "has no address"),
            (vec![target(0, vec![failed("refused")])], None, Side::Ours, "cannot be reached from here"),
            (vec![target(0, vec![not_tls])], None, Side::Ours, "does not speak TLS"),
            (vec![target(0, vec![good()])], None, Side::Nobody, "find edge0.fabrikam.example:5061"),
            (vec![target(0, vec![good()]), target(1, vec![failed("refused")])], None, Side::Ours, "not every server"),
        ];
        for (targets, refusal, side, words) in cases {
            let advice = concluded(targets, refusal);
            assert!(advice.side == side && advice.verdict.contains(words), "{words}: {advice:?}");
        }
    }
}
