//! Decisions as plain sentences, and what they come down to.
//!
//! Pure.

use federation::admission::{Origin, Tier};
use federation::decision::{Answerer, CertificateName, Connection, DecisionRecord, Outcome, Peer, SrvSeen};
use federation::flow::Direction;
use federation::verification::Rung;
use sip::refusal::Word;
use store::StoredCall;

use super::super::advice::{self, Refuser};
use super::super::answers::{Advice, DecisionAnswer, Side, Sure, WhyAnswer, WhyStep, rung_sentence};
use crate::call_words;

/// `decisions` in the order of time, then what became of the call, as each record has it; there is at least one of either.
pub(super) fn tell(call_id: String, decisions: &[DecisionAnswer], calls: &[StoredCall]) -> WhyAnswer {
    let mut outcomes: Vec<_> = calls.iter().map(outcome_step).collect();
    // Between two users of ours there is a record for each, and one call.
    outcomes.dedup_by(|one, other| one.sentence == other.sentence);
    WhyAnswer {
        call_id: Some(call_id),
        note: None,
        steps: decisions.iter().map(step).chain(outcomes).collect(),
        others: Vec::new(),
        advice: if decisions.is_empty() { only_recorded() } else { sum_up(decisions, calls) },
        edges: Vec::new(),
    }
}

fn outcome_step(call: &StoredCall) -> WhyStep {
    let (sentence, details) = call_words::story(call);
    let at = call.record.end.as_ref().map_or(call.record.began_unix_ms, |end| end.at_unix_ms);
    WhyStep { at_unix_ms: i64::try_from(at).ok(), sentence, details }
}

fn step(decision: &DecisionAnswer) -> WhyStep {
    let DecisionRecord { method, from_domain, to_domain, outcome, spent_ms, .. } = &decision.record;
    let mut details = Vec::new();
    let sentence = match outcome {
        Outcome::Admitted { origin: Origin::Partner { domain, rung, standing, source }, peer, .. } => {
            let standing = match standing {
                Tier::Allowed => "it has an entry in our partner list",
                Tier::Discovered => "it has no entry in our partner list, and discovery is on",
            };
            details.push(rung_sentence(rung.as_str()));
            details.push(match &source.provider {
                Some(provider) => format!("it is a domain of the hosting provider {provider}"),
                None => standing.to_owned(),
            });
            if !source.is_verified {
                details.push("nobody vouches for the sender: only users who let this sender in are reached".to_owned());
            }
            details.extend(peer_details(peer.as_deref(), *spent_ms));
            format!("{method} from {domain} for {to_domain} admitted: the connection proves {domain}")
        }
        Outcome::Admitted { origin: Origin::User { aor }, .. } => {
            format!("{method} of our user {aor} for {to_domain} admitted")
        }
        Outcome::Admitted { origin: Origin::Remote { aor }, .. } => {
            details
                .push("the server behind this edge finds out whether that is so: it asks for the password".to_owned());
            format!("{method} from somebody outside who signs as {aor}, for {to_domain}, passed on")
        }
        Outcome::Admitted { origin: Origin::Inside { domain }, peer, .. } => {
            details.extend(peer_details(peer.as_deref(), *spent_ms));
            format!("{method} of {domain}, which is behind this edge, for {to_domain} admitted")
        }
        Outcome::Refused { status, word, reason } => {
            details.push(reason.clone());
            if decision.turned_away {
                details.push("it was refused before anybody was asked to prove who they are".to_owned());
            }
            let unread =
                |domain: &str| if domain.is_empty() { "whom nobody can read".to_owned() } else { domain.to_owned() };
            let (from, to) = (unread(from_domain), unread(to_domain));
            format!("{method} from {from} for {to} refused by us: {status} {word}")
        }
        Outcome::Routed { next_hop, connection: None } => format!("{method} handed to {next_hop}"),
        Outcome::Routed { next_hop, connection: Some(connection) } => {
            details.extend(connection_details(connection, *spent_ms));
            format!("{method} sent to {next_hop} ({})", connection.address)
        }
        Outcome::Anchored { reason } => {
            details.push(reason.clone());
            "the sound of the call goes through this server ([calls] anchor)".to_owned()
        }
        Outcome::Held { reason } => {
            details.push(reason.clone());
            format!("{method} of {from_domain} held, and answered with 202")
        }
        Outcome::Way { stands_between, reason } => {
            details.push(reason.clone());
            way(*stands_between).to_owned()
        }
        Outcome::Retried { reason } => format!("the server failed the {method}: {reason}; the next one is tried"),
        Outcome::Answered { status, word, diagnostics, by } => {
            details.extend(diagnostics.as_ref().map(advice::diagnostics::said));
            let word = word.as_ref().map(|word| format!(" {word}")).unwrap_or_default();
            match by {
                Answerer::Partner => {
                    format!("{to_domain} answered the {method} with {status}{word}, {spent_ms} ms after it set out")
                }
                Answerer::Device => format!(
                    "a device of the user answered the {method} with {status}, {spent_ms} ms after it was admitted"
                ),
                Answerer::Inside => format!(
                    "what is behind this edge answered the {method} with {status}{word}, {spent_ms} ms after it was admitted"
                ),
                Answerer::Nobody if method == "INVITE" => format!(
                    "no device of the user answered the INVITE within {spent_ms} ms: its sender was told {status}"
                ),
                Answerer::Nobody => format!(
                    "no device of the user answered the {method} within {spent_ms} ms, and its sender has given up by itself ({status})"
                ),
            }
        }
    };
    WhyStep { at_unix_ms: Some(decision.at_unix_ms), sentence, details }
}

/// How a call is carried, and could become a meeting.
pub(super) fn way(stands_between: bool) -> &'static str {
    match stands_between {
        true => "we stand between the two phones, so that a re-INVITE of ours can move each into a meeting",
        false => "the call is proxied; into a meeting each phone is called in place of it, or asked by REFER",
    }
}

fn connection_details(connection: &Connection, spent_ms: u64) -> Vec<String> {
    let mut details = vec![match &connection.srv {
        _ if connection.rung == Rung::Configured => "the server is one of [inside]".to_owned(),
        _ if connection.is_reused => "over a connection that the partner has opened to us (RFC 5923)".to_owned(),
        Some(name) => format!("the server is named by {name} (SRV)"),
        // Kept by an earlier version.
        None if connection.by.is_empty() => "the server is named by the partner entry".to_owned(),
        None => format!("the server is {}", connection.by),
    }];
    details.extend(connection.dns.as_ref().map(dns_seen));
    details.push(rung_sentence(connection.rung.as_str()));
    details.extend(connection.certificate.as_ref().map(certificate));
    if spent_ms > 0 {
        details.push(format!("it waited {spent_ms} ms for the connection"));
    }
    details
}

/// The answer when the connection was made.
fn dns_seen(seen: &SrvSeen) -> String {
    let when = match seen.asked_ms {
        Some(ms) => format!("the DNS, asked for this connection, answered in {ms} ms"),
        None => "the DNS had answered before".to_owned(),
    };
    let more = if seen.more == 0 { String::new() } else { format!(", and {} more", seen.more) };
    format!("{when}, by priority: {}{more}", seen.targets.join(", "))
}

fn certificate(shown: &CertificateName) -> String {
    format!("certificate of {}, issued by {}, serial {}", shown.subject, shown.issuer, shown.serial)
}

/// Who was at the other end of the connection on which it came, and how long admission took.
fn peer_details(peer: Option<&Peer>, spent_ms: u64) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(peer) = peer {
        let address = peer.address;
        details.push(match (peer.is_inner, peer.is_dialled) {
            (true, _) => format!("it came by the inner side, from {address}"),
            (false, true) => format!("it came from {address}, over a connection that we had opened"),
            (false, false) => format!("it came from {address}"),
        });
        details.extend(peer.certificate.as_ref().map(certificate));
    }
    if spent_ms > 0 {
        details.push(format!("its admission waited {spent_ms} ms for what had to be asked"));
    }
    details
}

/// By the last decision that is more than an admission. An ACK on its way says nothing: nobody answers one.
fn sum_up(decisions: &[DecisionAnswer], calls: &[StoredCall]) -> Advice {
    let is_told = |record: &DecisionRecord| match record.outcome {
        Outcome::Admitted { .. } | Outcome::Way { .. } | Outcome::Anchored { .. } => false,
        Outcome::Routed { .. } => record.method != "ACK",
        _ => true,
    };
    // What anybody may have sent in the same name comes last.
    let mut told = decisions.iter().rev().filter(|found| is_told(&found.record));
    let told = told.clone().find(|found| !found.turned_away).or_else(|| told.next());
    let Some(DecisionAnswer { record, .. }) = told else { return only_admitted() };
    let partner = match record.direction {
        Direction::Outbound => &record.to_domain,
        Direction::Inbound => &record.from_domain,
    };
    let method = &record.method;
    match &record.outcome {
        // RFC 3261 section 15.1.2: whoever hung up as well has no such dialog any more.
        Outcome::Answered { status: 481, word, by: Answerer::Partner | Answerer::Device, .. }
            if method == "BYE" && word.as_deref().is_none_or(|word| word == Word::DialogUnknown.as_str()) =>
        {
            let found = well("the BYE came to a call that was over there already, as it wanted it to be".to_owned());
            Advice { sure: Sure::Told, ..found }
        }
        Outcome::Answered { status, by: Answerer::Device | Answerer::Nobody, .. } => of_devices(method, *status),
        Outcome::Answered { status, by: Answerer::Inside, .. } => of_inner_side(method, *status),
        Outcome::Answered { status: ..=299, .. } => well(format!("{partner} took the {method}")),
        Outcome::Answered { status: 480, .. } if method == "INVITE" && calls.iter().any(was_not_taken) => {
            let verdict = format!("the call had reached the other user, whom {partner} was calling, and nobody took it (480)");
            Advice { sure: Sure::Told, ..well(verdict) }
        }
        Outcome::Answered { status, word, diagnostics, .. } => {
            advice::for_answer(word.as_deref(), *status, diagnostics.as_ref(), partner)
        }
        Outcome::Refused { status, word, reason } => {
            let refuser = match record.direction {
                Direction::Inbound => Refuser::UsToPartner,
                Direction::Outbound => Refuser::UsToUser,
            };
            advice::for_reason(word, *status, reason, refuser, partner)
        }
        Outcome::Routed { next_hop, connection: None } => Advice {
            verdict: format!("the {method} was handed to {next_hop}"),
            next: "if it did not arrive, look at the user's phone or client".to_owned(),
            side: Side::Nobody,
            sure: Sure::Seen,
        },
        Outcome::Routed { next_hop, connection: Some(connection) } if connection.rung == Rung::Configured => Advice {
            verdict: format!(
                "the {method} went on to {next_hop} by the inner side, and what became of it is known there"
            ),
            next: "ask there by the Call-ID: comity why, or the log of another kind of server".to_owned(),
            side: Side::Nobody,
            sure: Sure::Seen,
        },
        Outcome::Routed { .. } | Outcome::Retried { .. } => Advice {
            verdict: format!("the {method} went to {partner}, and no final answer of theirs is known"),
            next: format!(
                "wait a moment and ask again; then ask {partner}'s administrator, who needs the Call-ID and the time"
            ),
            side: Side::Partner,
            sure: Sure::Open,
        },
        Outcome::Held { reason } => Advice {
            verdict: format!("the {method} of {partner} is held: {reason}"),
            next: "see what was asked and said: comity consent list; decide for the user: comity consent allow USER SENDER"
                .to_owned(),
            side: Side::Ours,
            sure: Sure::Seen,
        },
        Outcome::Admitted { .. } | Outcome::Way { .. } | Outcome::Anchored { .. } => only_admitted(),
    }
}

/// It was being called, and never answered.
fn was_not_taken(call: &StoredCall) -> bool {
    call.record.ringing_ms.is_some() && call.record.answered_ms.is_none()
}

/// What a user's devices said, or that they said nothing.
fn of_devices(method: &str, status: u16) -> Advice {
    let (verdict, next) = match status {
        ..=299 => return well(format!("a device of the user took the {method}")),
        300..=399 => ("sent it elsewhere", "see what came of that in the next steps"),
        408 | 480 => ("did not answer", "see whether one is signed in: comity user list"),
        486 | 600 | 603 => ("is busy, or its user declined", "nothing is to be done here"),
        487 => ("was called until the caller gave up", "nothing is to be done"),
        _ => ("refused it", "look at the user's phone or client: it does not take what was sent"),
    };
    let verdict = format!("the {method} reached the user, whose device {verdict} ({status})");
    Advice { verdict, next: next.to_owned(), side: Side::Nobody, sure: Sure::Seen }
}

fn of_inner_side(method: &str, status: u16) -> Advice {
    match status {
        ..=299 => well(format!("what is behind this edge took the {method}")),
        _ => Advice {
            verdict: format!("what is behind this edge answered the {method} with {status}"),
            next: "ask there by the Call-ID: comity why, or the log of another kind of server".to_owned(),
            side: Side::Nobody,
            sure: Sure::Told,
        },
    }
}

fn only_admitted() -> Advice {
    well("the request was admitted, and answered by this server itself".to_owned())
}

fn only_recorded() -> Advice {
    well("the decisions about it are no longer remembered; what became of it is".to_owned())
}

fn well(verdict: String) -> Advice {
    Advice { verdict, next: "nothing is to be done".to_owned(), side: Side::Nobody, sure: Sure::Seen }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use federation::admission::Source;
    use signaling::{CallKind, CallRecord, Way};

    use super::*;

    fn decision(direction: Direction, outcome: Outcome, spent_ms: u64) -> DecisionAnswer {
        let (from_domain, to_domain) = match direction {
            Direction::Outbound => ("contoso.example", "fabrikam.example"),
            Direction::Inbound => ("fabrikam.example", "contoso.example"),
        };
        let record = DecisionRecord {
            call_id: "a".into(),
            method: "MESSAGE".into(),
            from_domain: from_domain.into(),
            to_domain: to_domain.into(),
            direction,
            outcome,
            spent_ms,
        };
        DecisionAnswer { at_unix_ms: 1, turned_away: false, record }
    }

    fn outbound(outcome: Outcome, spent_ms: u64) -> DecisionAnswer {
        decision(Direction::Outbound, outcome, spent_ms)
    }

    fn admitted() -> DecisionAnswer {
        let origin = Origin::User { aor: "alice@contoso.example".parse().unwrap() };
        outbound(Outcome::Admitted { origin, rung: None, peer: None }, 0)
    }

    fn sent(host: &str) -> Outcome {
        let certificate =
            CertificateName { subject: format!("CN={host}"), issuer: "CN=Test CA".into(), serial: "01".into() };
        let connection = Connection {
            host: host.into(),
            address: [192, 0, 2, 1].into(),
            rung: Rung::Domain,
            srv: Some("_sipfederationtls._tcp.fabrikam.example".into()),
            dns: Some(SrvSeen {
                targets: ["10 one.fabrikam.example:5061", "20 two.fabrikam.example:5061"].map(str::to_owned).into(),
                more: 3,
                asked_ms: Some(8),
            }),
            by: String::new(),
            certificate: Some(certificate),
            is_reused: false,
        };
        Outcome::Routed { next_hop: host.into(), connection: Some(Arc::new(connection)) }
    }

    fn sent_inside(host: &str) -> Outcome {
        let Outcome::Routed { next_hop, connection: Some(connection) } = sent(host) else { unreachable!() };
        let connection = Connection { rung: Rung::Configured, srv: None, dns: None, ..(*connection).clone() };
        Outcome::Routed { next_hop, connection: Some(Arc::new(connection)) }
    }

    #[test]
    fn a_bye_to_a_call_that_is_over_found_what_it_wanted() {
        let answered = Outcome::Answered { status: 481, word: None, by: Answerer::Partner, diagnostics: None };
        let mut bye = outbound(answered, 4);
        bye.record = DecisionRecord { method: "BYE".to_owned(), ..bye.record };
        let advice = tell("a".to_owned(), &[admitted(), bye.clone()], &[]).advice;
        assert_eq!((advice.side, advice.next.as_str()), (Side::Nobody, "nothing is to be done"));
        bye.record.outcome = Outcome::Answered {
            status: 481,
            word: Some("flow-failed".to_owned()),
            by: Answerer::Partner,
            diagnostics: None,
        };
        let lost = tell("a".to_owned(), &[admitted(), bye.clone()], &[]).advice;
        assert_eq!(lost.side, Side::Partner, "the phone there is in the call still: {lost:?}");
        bye.record.method = "UPDATE".to_owned();
        assert_eq!(tell("a".to_owned(), &[admitted(), bye], &[]).advice.side, Side::Partner);
    }

    #[test]
    fn who_is_told_to_be_away_once_he_was_called_did_not_take_the_call() {
        let answered = Outcome::Answered { status: 480, word: None, by: Answerer::Partner, diagnostics: None };
        let mut invite = outbound(answered, 4_000);
        invite.record.method = "INVITE".to_owned();
        let call = |(ringing_ms, answered_ms)| StoredCall {
            record: CallRecord {
                call_id: "a".to_owned(),
                user: "alice@contoso.example".parse().unwrap(),
                other: "bob@fabrikam.example".to_owned(),
                partner: Some("fabrikam.example".to_owned()),
                direction: Direction::Outbound,
                kind: CallKind::Call,
                way: Way::Proxied,
                began_unix_ms: 1,
                ringing_ms,
                answered_ms,
                end: None,
            },
            legs: Vec::new(),
        };
        let verdict = |times| tell("a".to_owned(), &[invite.clone()], &[call(times)]).advice.verdict;
        for away in [(None, None), (Some(300), Some(900))] {
            assert!(verdict(away).contains("not signed in"), "{}", verdict(away));
        }
        let not_taken = verdict((Some(300), None));
        assert!(not_taken.contains("nobody took it"), "{not_taken}");
    }

    #[test]
    fn what_anybody_may_have_sent_is_not_the_verdict_on_what_was_judged() {
        let refused = Outcome::Refused { status: 400, word: "malformed-request".to_owned(), reason: "x".to_owned() };
        let unread = DecisionAnswer { turned_away: true, ..outbound(refused, 0) };
        let taken = Outcome::Answered { status: 200, word: None, by: Answerer::Partner, diagnostics: None };
        let both = tell("a".to_owned(), &[admitted(), outbound(taken, 4), unread.clone()], &[]);
        assert_eq!(both.advice.verdict, "fabrikam.example took the MESSAGE");
        let alone = tell("a".to_owned(), &[unread], &[]);
        assert!(alone.steps[0].details.iter().any(|detail| detail.contains("before anybody was asked")), "{alone:?}");
        assert_eq!(alone.advice.side, Side::Sender);
    }

    #[test]
    fn an_id_of_the_partner_is_told_with_what_it_means() {
        let diagnostics = sip::Diagnostics::parse(b"1009;source=\"sip.fabrikam.example\"");
        let answer = tell(
            "a".into(),
            &[outbound(Outcome::Answered { status: 504, word: None, by: Answerer::Partner, diagnostics }, 35)],
            &[],
        );
        let said = "sip.fabrikam.example of the partner says: 1009 (No match for domain in DNS SRV results)";
        assert_eq!(answer.steps[0].details, [said]);
        assert_eq!(answer.advice.side, Side::Ours, "{:?}", answer.advice);
        assert!(answer.advice.verdict.starts_with("the server that our SRV record names"), "{:?}", answer.advice);
    }

    #[test]
    fn a_message_that_was_taken_by_the_second_server_reads_as_what_happened() {
        let decisions = [
            admitted(),
            outbound(sent("one.fabrikam.example:5061"), 12),
            outbound(Outcome::Retried { reason: "the connection ended before an answer came".into() }, 20),
            outbound(sent("two.fabrikam.example:5061"), 0),
            outbound(Outcome::Answered { status: 200, word: None, by: Answerer::Partner, diagnostics: None }, 35),
        ];
        let told = tell("a".into(), &decisions, &[]);
        let sentences: Vec<&str> = told.steps.iter().map(|step| step.sentence.as_str()).collect();
        assert_eq!(
            sentences,
            [
                "MESSAGE of our user alice@contoso.example for fabrikam.example admitted",
                "MESSAGE sent to one.fabrikam.example:5061 (192.0.2.1)",
                "the server failed the MESSAGE: the connection ended before an answer came; the next one is tried",
                "MESSAGE sent to two.fabrikam.example:5061 (192.0.2.1)",
                "fabrikam.example answered the MESSAGE with 200, 35 ms after it set out",
            ]
        );
        assert_eq!(
            told.steps[1].details,
            [
                "the server is named by _sipfederationtls._tcp.fabrikam.example (SRV)",
                "the DNS, asked for this connection, answered in 8 ms, by priority: 10 one.fabrikam.example:5061, \
                 20 two.fabrikam.example:5061, and 3 more",
                "the certificate names the SIP domain itself (domain)",
                "certificate of CN=one.fabrikam.example:5061, issued by CN=Test CA, serial 01",
                "it waited 12 ms for the connection",
            ]
        );
        assert_eq!(
            (told.advice.side, told.advice.verdict.as_str()),
            (Side::Nobody, "fabrikam.example took the MESSAGE")
        );
    }

    #[test]
    fn what_a_partner_sends_reads_with_who_was_there_and_what_the_phone_said() {
        let origin = Origin::Partner {
            domain: "fabrikam.example".into(),
            rung: Rung::Domain,
            standing: Tier::Allowed,
            source: Source { provider: None, is_verified: true },
        };
        let certificate =
            CertificateName { subject: "CN=sip.b".into(), issuer: "CN=Test CA".into(), serial: "01".into() };
        let peer =
            Peer { address: [192, 0, 2, 7].into(), certificate: Some(certificate), is_dialled: false, is_inner: false };
        let inbound = |outcome, spent_ms| decision(Direction::Inbound, outcome, spent_ms);
        let mut decisions = vec![
            inbound(Outcome::Admitted { origin, rung: Some(Rung::Domain), peer: Some(Arc::new(peer)) }, 9),
            inbound(Outcome::Routed { next_hop: "the user's one device".into(), connection: None }, 0),
        ];
        let answered = |status, by| Outcome::Answered { status, word: None, by, diagnostics: None };
        decisions.push(inbound(answered(486, Answerer::Device), 35));
        let told = tell("a".into(), &decisions, &[]);
        assert_eq!(
            told.steps[0].details[2..],
            [
                "it came from 192.0.2.7",
                "certificate of CN=sip.b, issued by CN=Test CA, serial 01",
                "its admission waited 9 ms for what had to be asked"
            ]
        );
        let last = "a device of the user answered the MESSAGE with 486, 35 ms after it was admitted";
        assert_eq!(told.steps[2].sentence, last);
        assert!(told.advice.verdict.ends_with("is busy, or its user declined (486)"), "{:?}", told.advice);
        for (status, by, verdict) in [
            (200, Answerer::Device, "a device of the user took the MESSAGE"),
            (408, Answerer::Nobody, "the MESSAGE reached the user, whose device did not answer (408)"),
            (200, Answerer::Inside, "what is behind this edge took the MESSAGE"),
            (404, Answerer::Inside, "what is behind this edge answered the MESSAGE with 404"),
        ] {
            decisions[2] = inbound(answered(status, by), 35);
            assert_eq!(tell("a".into(), &decisions, &[]).advice.verdict, verdict);
        }
    }

    #[test]
    fn an_ack_on_its_way_is_not_waited_for() {
        let of = |method: &str, mut decision: DecisionAnswer| {
            decision.record.method = method.into();
            decision
        };
        let decisions = [
            of("INVITE", outbound(sent("one.fabrikam.example:5061"), 0)),
            of(
                "INVITE",
                outbound(Outcome::Answered { status: 200, word: None, by: Answerer::Partner, diagnostics: None }, 35),
            ),
            of("ACK", outbound(sent("one.fabrikam.example:5061"), 0)),
        ];
        let told = tell("a".into(), &decisions, &[]);
        assert_eq!(
            (told.advice.side, told.advice.verdict.as_str()),
            (Side::Nobody, "fabrikam.example took the INVITE")
        );
    }

    #[test]
    fn whose_side_it_is_follows_from_who_refused_whom() {
        let refused = |word: &str| Outcome::Refused { status: 403, word: word.into(), reason: "why".into() };
        let answered = |word: &str| Outcome::Answered {
            status: 403,
            word: Some(word.into()),
            by: Answerer::Partner,
            diagnostics: None,
        };
        let cases = [
            (Direction::Inbound, refused("certificate-name"), Side::Partner, "does not prove fabrikam.example"),
            (Direction::Inbound, refused("domain-not-allowed"), Side::Ours, "not in our partner list"),
            (Direction::Outbound, refused("partner-unreachable"), Side::Network, "no server of fabrikam.example"),
            (Direction::Outbound, answered("domain-not-allowed"), Side::Partner, "does not federate with us"),
            (Direction::Outbound, answered("certificate-name"), Side::Ours, "does not accept our certificate"),
            (Direction::Outbound, sent("edge.fabrikam.example:5061"), Side::Partner, "no final answer"),
            (Direction::Inbound, sent_inside("home.corp.example:5061"), Side::Nobody, "went on to home.corp.example"),
        ];
        for (direction, outcome, side, words) in cases {
            let told = tell("a".into(), &[admitted(), decision(direction, outcome, 0)], &[]);
            assert_eq!(told.advice.side, side, "{told:?}");
            assert!(told.advice.verdict.contains(words), "{told:?} has no {words:?}");
        }
        assert_eq!(tell("a".into(), &[admitted()], &[]).advice.side, Side::Nobody);
    }
}
