//! What is to be said of this server, as partners find it.
//!
//! Pure.

use super::super::answers::{Advice, Finding, FindingState, RouteAnswer, Side, Sure};
use crate::certificate::{CertificateEvidence, expiry_warning};

pub(super) struct OwnEvidence {
    /// None: no server runs.
    pub workers: usize,
    pub failing: Vec<String>,
    /// As the files are now.
    pub certificate: Result<CertificateEvidence, String>,
    /// When what a server that runs goes on showing ends, where its files cannot be used.
    pub served_until_unix: Option<i64>,
    pub planned: Vec<Planned>,
    pub is_federating: bool,
    /// Each of our domains, walked as partners walk it.
    pub walked: Vec<RouteAnswer>,
    pub now_unix: i64,
}

/// An SRV record of the plan, as a zone file has it.
pub(super) struct Planned {
    pub owner: String,
    pub data: String,
}

pub(super) fn judge(evidence: &OwnEvidence) -> Vec<Finding> {
    let mut findings = vec![server(evidence)];
    match &evidence.certificate {
        Err(problem) => findings.push(no_certificate(problem, evidence.served_until_unix)),
        Ok(certificate) => {
            findings.extend([names(certificate), expiry(certificate, evidence.now_unix), purposes(certificate)]);
        }
    }
    if evidence.is_federating {
        for walked in &evidence.walked {
            let planned: Vec<&Planned> = evidence
                .planned
                .iter()
                .filter(|planned| owner(planned).ends_with(&format!(".{}", walked.domain)))
                .collect();
            findings.extend([dns(walked, &planned), strict(walked), reached(walked)]);
        }
    }
    findings
}

fn server(evidence: &OwnEvidence) -> Finding {
    let finding = Finding::about("server", "does the server run, and can it do its work?");
    match (evidence.workers, evidence.failing.is_empty()) {
        (0, _) => finding.with(FindingState::Unknown, ["no server runs here with this configuration".to_owned()]),
        (workers, true) => finding.seen(format!("{workers} workers, the database takes changes, it is not draining")),
        (_, false) => finding.with(FindingState::Wrong, evidence.failing.clone()).advised(
            Side::Ours,
            "the server runs, but cannot do all of its work",
            "what it says above is to be put right; the log says more: comity status",
        ),
    }
}

fn no_certificate(problem: &str, served_until_unix: Option<i64>) -> Finding {
    let finding = Finding::about("certificate", "can our certificate be shown?");
    if let Some(until) = served_until_unix {
        let seen = format!("the server goes on with the one from before, which ends on {}", crate::moment::date(until));
        return finding.with(FindingState::Wrong, [problem.to_owned(), seen]).advised(
            Side::Ours,
            "the files of our certificate cannot be used, and would not be when the server starts again",
            "put them right: comity check says what is missing; the server sees the new files by itself",
        );
    }
    finding.with(FindingState::Wrong, [problem.to_owned()]).advised(
        Side::Ours,
        "our own certificate is of no use",
        "put it right: comity check says what is missing",
    )
}

fn names(certificate: &CertificateEvidence) -> Finding {
    let finding =
        Finding::about("certificate names", "does our certificate prove our domains, and is its chain accepted?");
    if certificate.doubts.is_empty() {
        let names = certificate.names.join(", ");
        return finding.seen(format!("it names {names}, and was issued by {}", certificate.issuer));
    }
    finding.with(FindingState::Doubtful, certificate.doubts.clone()).advised(
        Side::Ours,
        "some partners or phones will refuse our certificate",
        "get one with the names that comity plan lists, of a public authority, with its whole chain",
    )
}

fn expiry(certificate: &CertificateEvidence, now_unix: i64) -> Finding {
    let finding = Finding::about("certificate expiry", "is our certificate good for some time yet?");
    let date = crate::moment::date(certificate.not_after_unix);
    let Some(warning) = expiry_warning(certificate.not_after_unix, now_unix) else {
        return finding.seen(format!("it ends on {date}"));
    };
    let is_over = certificate.not_after_unix < now_unix;
    let state = if is_over { FindingState::Wrong } else { FindingState::Doubtful };
    finding.with(state, [warning]).advised(
        Side::Ours,
        "our certificate ends",
        "renew it; the server sees the new file by itself",
    )
}

/// What is missing for those who ask for more than we do.
fn purposes(certificate: &CertificateEvidence) -> Finding {
    let finding =
        Finding::about("certificate purposes", "do strict partners take our certificate when we connect to them?");
    match certificate.is_for_clients {
        true => finding.seen("it is made for clients, too (clientAuth, or any purpose)".to_owned()),
        false => finding.with(FindingState::Doubtful, ["it is made for servers only (serverAuth)".to_owned()]).advised(
            Side::Partner,
            "a strict partner will refuse this: one that insists on the purpose clientAuth, which public authorities \
                 issue no more",
            "nothing is to be done before one does; then ask it to take serverAuth, or get a certificate of the \
                 authority that it does take",
        ),
    }
}

fn dns(walked: &RouteAnswer, planned: &[&Planned]) -> Finding {
    let finding = Finding::about(
        format!("dns {}", walked.domain),
        format!("does the DNS lead partners of {} to us?", walked.domain),
    );
    let seen: Vec<String> = walked.queries.iter().flat_map(super::partner::query_sentences).collect();
    match &walked.refusal {
        Some(refusal) if refusal.status == 504 => finding.with(FindingState::Unknown, seen).following(&walked.advice),
        Some(_) => finding.with(FindingState::Wrong, seen).following(&walked.advice),
        None => {
            let other = planned.iter().find(|planned| !is_published(walked, planned));
            match other {
                None => finding.with(FindingState::Well, seen),
                Some(Planned { owner, data }) => finding.with(FindingState::Doubtful, seen).advised(
                    Side::Ours,
                    format!("the DNS says something else than the plan, which has {owner} SRV {data}"),
                    "publish what comity plan lists, or set edge in comity.toml to what the DNS says",
                ),
            }
        }
    }
}

/// Only names that were asked for can be compared: the federation record, or where there is none, the one for `sips`.
fn is_published(walked: &RouteAnswer, planned: &Planned) -> bool {
    let Some(query) = walked.queries.iter().find(|query| query.name == owner(planned)) else { return true };
    let Some((port, host)) = port_and_host(&planned.data) else { return true };
    query.records.iter().any(|record| record.port == port && record.host.eq_ignore_ascii_case(host))
}

fn owner(planned: &Planned) -> &str {
    planned.owner.trim_end_matches('.')
}

/// Of `0 0 5061 sip.contoso.example.`
fn port_and_host(data: &str) -> Option<(u16, &str)> {
    let mut words = data.split_ascii_whitespace().skip(2);
    Some((words.next()?.parse().ok()?, words.next()?.trim_end_matches('.')))
}

/// Lync's rule for whom it finds by SRV alone: one target, directly below the domain, which the certificate names.
fn strict(walked: &RouteAnswer) -> Finding {
    let domain = &walked.domain;
    let question = format!("does a strict partner find {domain} by its SRV record alone?");
    let finding = Finding::about(format!("strict {domain}"), question);
    let federation =
        walked.queries.iter().find(|query| query.name.starts_with("_sipfederationtls.") && !query.records.is_empty());
    let Some(query) = federation else {
        let why = format!("_sipfederationtls._tcp.{domain} has no SRV record, and strict partners ask for no other");
        return finding.with(FindingState::Doubtful, [why]).refused();
    };
    let outside = query.records.iter().find(|record| !is_directly_below(&record.host, domain));
    match (outside, &query.records[..]) {
        (Some(record), _) => {
            let why = format!("it leads to {}, which is not directly below {domain}", record.host);
            finding.with(FindingState::Doubtful, [why]).refused()
        }
        (None, [_, _, ..]) => {
            let why =
                format!("it has {} targets, of which strict partners take the first that comes", query.records.len());
            finding.with(FindingState::Doubtful, [why]).refused()
        }
        (None, [record]) => finding.seen(format!("it leads to {} alone, directly below {domain}", record.host)),
        (None, []) => finding.with(FindingState::Unknown, []),
    }
}

fn is_directly_below(host: &str, domain: &str) -> bool {
    host.split_once('.').is_some_and(|(_, parent)| parent == domain)
}

fn reached(walked: &RouteAnswer) -> Finding {
    let domain = &walked.domain;
    let question = format!("can what the DNS names for {domain} be reached from here, and does it prove {domain}?");
    let finding = Finding::about(format!("reached {domain}"), question);
    let seen: Vec<String> = walked.targets.iter().flat_map(super::partner::target_sentences).collect();
    let is_whole = walked.advice.side == Side::Nobody;
    match (&walked.refusal, &walked.way) {
        (Some(_), _) => finding.with(FindingState::Unknown, ["the DNS names no place".to_owned()]),
        (None, Some(_)) if is_whole => finding.with(FindingState::Well, seen),
        (None, Some(_)) => finding.with(FindingState::Doubtful, seen).following(&walked.advice),
        (None, None) => finding.with(FindingState::Wrong, seen).following(&walked.advice),
    }
}

impl Finding {
    pub(super) fn about(id: impl Into<String>, question: impl Into<String>) -> Finding {
        let (id, question) = (id.into(), question.into());
        Finding { id, question, state: FindingState::Unknown, evidence: Vec::new(), advice: None }
    }

    pub(super) fn with(self, state: FindingState, evidence: impl IntoIterator<Item = String>) -> Finding {
        Finding { state, evidence: evidence.into_iter().collect(), ..self }
    }

    pub(super) fn seen(self, evidence: String) -> Finding {
        self.with(FindingState::Well, [evidence])
    }

    pub(super) fn following(self, advice: &Advice) -> Finding {
        Finding { advice: Some(advice.clone()), ..self }
    }

    fn advised(self, side: Side, verdict: impl Into<String>, next: impl Into<String>) -> Finding {
        self.following(&Advice { verdict: verdict.into(), next: next.into(), side, sure: Sure::Seen })
    }

    fn refused(self) -> Finding {
        self.advised(
            Side::Ours,
            "a strict partner will refuse this: one of Lync's kind that has no entry for us",
            "publish one SRV record that leads to a name directly below the domain (comity plan), or ask such partners to enter \
             our edge by its name",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn judged(change: impl FnOnce(&mut OwnEvidence)) -> Vec<Finding> {
        let certificate = CertificateEvidence {
            names: vec!["sip.contoso.example".into()],
            issuer: "CN=Test".into(),
            not_after_unix: NOW + 90 * 86_400,
            doubts: Vec::new(),
            is_for_clients: true,
        };
        let mut evidence = OwnEvidence {
            workers: 2,
            failing: Vec::new(),
            certificate: Ok(certificate),
            served_until_unix: None,
            planned: Vec::new(),
            is_federating: true,
            walked: Vec::new(),
            now_unix: NOW,
        };
        change(&mut evidence);
        judge(&evidence)
    }

    fn state(findings: &[Finding], id: &str) -> FindingState {
        findings.iter().find(|finding| finding.id == id).expect(id).state
    }

    #[test]
    fn a_server_without_fault_has_none() {
        assert!(judged(|_| {}).iter().all(|finding| finding.state == FindingState::Well));
    }

    #[test]
    fn each_fault_of_a_server_is_found_by_its_question() {
        type Case = (&'static str, FindingState, fn(&mut OwnEvidence));
        let cases: [Case; 5] = [
            ("server", FindingState::Wrong, |evidence| evidence.failing.push("the database is full".into())),
            ("server", FindingState::Unknown, |evidence| evidence.workers = 0),
            ("certificate", FindingState::Wrong, |evidence| evidence.certificate = Err("no such file".into())),
            ("certificate expiry", FindingState::Doubtful, |evidence| evidence.now_unix += 80 * 86_400),
            ("certificate expiry", FindingState::Wrong, |evidence| evidence.now_unix += 91 * 86_400),
        ];
        for (id, expected, change) in cases {
            assert_eq!(state(&judged(change), id), expected, "{id}");
        }
    }

    #[test]
    fn of_files_that_cannot_be_used_it_is_said_what_is_shown_in_their_place() {
        let findings = judged(|evidence| {
            evidence.certificate = Err("the key is another's".into());
            evidence.served_until_unix = Some(NOW + 86_400);
        });
        let found = findings.iter().find(|finding| finding.id == "certificate").unwrap();
        assert!(found.evidence[1].contains("goes on with the one from before"), "{found:?}");
        assert!(found.advice.as_ref().unwrap().verdict.contains("starts again"), "{found:?}");
    }
}
