//! Each test pins one check of the list, from the bytes of a request to the decision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::auth::answer;
use sip::flow::{FlowId, Transport};
use sip::header_name::HeaderName;

use super::*;
use crate::discovery::{SrvAnswer, SrvFailure, SrvTarget};
use crate::flow::Direction;
use crate::partner::{Partner, PartnerKind};
use crate::trust::{Anchor, Names, PeerCertificate, Purposes, Why};

mod conversations;
mod inside;
mod outside;
mod partners;
mod providers;
mod users;

/// contoso.com's edge, with everything a decision reads, each piece open to change.
struct Edge {
    organisation: Organisation,
    partners: Partners,
    nonces: NonceBook,
    guesses: GuessBook,
    now: Instant,
    facts: FlowFacts,
    kind: FlowKind,
    users: Vec<Aor>,
    evidence: Evidence,
}

impl Edge {
    /// fabrikam.com is an allowed domain, northwind.com an allowed server, litware.com is blocked, discovery is off.
    #[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn new() -> Edge {
        let epoch = Instant::now();
        let server = PartnerKind::AllowedServer { edge: "edge.hoster.example".into() };
        Edge {
            organisation: Organisation::new(
                vec!["contoso.com".into(), "contoso.net".into()],
                "edge.contoso.com".into(),
            ),
            partners: partners(
                true,
                false,
                [
                    ("fabrikam.com", PartnerKind::AllowedDomain),
                    ("northwind.com", server),
                    ("litware.com", PartnerKind::Blocked),
                ],
            ),
            nonces: NonceBook::new([7; 32], epoch, Duration::from_secs(300), 100),
            guesses: GuessBook::new(epoch),
            now: epoch,
            facts: FlowFacts {
                id: FlowId::Stream { worker: 0, serial: 1 },
                transport: Transport::Tls,
                local: "192.0.2.1:5061".parse().expect("an address"),
                remote: "198.51.100.7:40000".parse().expect("an address"),
                direction: Direction::Inbound,
                certificate: None,
                is_inner: false,
            },
            kind: FlowKind::Undecided,
            users: vec![],
            evidence: Evidence::default(),
        }
    }

    /// A connection whose certificate names these SIP domains and DNS names.
    fn with_certificate(mut self, sip_uris: &[&str], dns: &[&str]) -> Edge {
        self.facts.certificate = Some(Arc::new(certificate(sip_uris, dns)));
        self
    }

    fn with_kind(mut self, kind: FlowKind) -> Edge {
        self.kind = kind;
        self
    }

    fn with_transport(mut self, transport: Transport) -> Edge {
        self.facts.transport = transport;
        self
    }

    fn with_user(mut self, aor: &str) -> Edge {
        self.users.push(aor.parse().expect("an address of record"));
        self
    }

    fn with_evidence(mut self, evidence: Evidence) -> Edge {
        self.evidence = evidence;
        self
    }

    fn admit(&mut self, request: &str) -> Decision {
        let request = Message::parse(Bytes::copy_from_slice(request.as_bytes())).expect("a message");
        let flow = Flow { facts: &self.facts, kind: &self.kind, users: &self.users };
        let mut rules = Rules {
            organisation: &self.organisation,
            partners: &self.partners,
            now: self.now,
            nonces: &mut self.nonces,
            guesses: &mut self.guesses,
        };
        admit(&request, &flow, &self.evidence, &mut rules)
    }

    fn admitted(&mut self, request: &str) -> Admitted {
        match self.admit(request) {
            Decision::Admitted(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self, request: &str) -> Refusal {
        match self.admit(request) {
            Decision::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// Status and word.
    fn refused(&mut self, request: &str) -> (u16, String) {
        let refusal = self.refusal(request);
        (refusal.status, refusal.word.to_string())
    }

    fn question(&mut self, request: &str) -> Question {
        match self.admit(request) {
            Decision::Needs(question) => question,
            other => panic!("{other:?}"),
        }
    }
}

fn partners<const N: usize>(federation: bool, discovery: bool, list: [(&str, PartnerKind); N]) -> Partners {
    let partner = |(domain, kind): (&str, PartnerKind)| Partner { kind, ..Partner::allowed(domain) };
    Partners::new(list.into_iter().map(partner).collect(), federation, discovery)
}

pub(crate) fn certificate(sip_uris: &[&str], dns: &[&str]) -> PeerCertificate {
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

pub(crate) fn srv(hosts: &[&str]) -> SrvResult {
    let target = |host: &&str| SrvTarget { priority: 0, weight: 0, port: 5061, host: host.to_string() };
    Ok(SrvAnswer {
        name: "_sipfederationtls._tcp.fabrikam.com".into(),
        targets: hosts.iter().map(target).collect(),
        ttl: Duration::from_secs(60),
        secure: false,
        tlsa: vec![],
    })
}

/// A request as it arrives; `extra` are whole header lines with their CRLF.
fn request(method: &str, uri: &str, from: &str, to: &str, extra: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS peer.example;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=1\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// An out-of-dialog request.
fn initial(method: &str, from: &str, to: &str) -> String {
    request(method, to, from, &format!("<{to}>"), "")
}

/// A request within a dialog, sent to the phone behind the edge.
fn in_dialog(method: &str, from: &str, to: &str) -> String {
    request(method, "sip:phone@10.0.0.5:5060", from, &format!("<{to}>;tag=2"), "")
}

fn invite_from_fabrikam() -> String {
    initial("INVITE", "sip:bob@fabrikam.com", "sip:alice@contoso.com")
}

#[test]
fn a_request_whose_cseq_names_another_method_is_malformed() {
    let odd = invite_from_fabrikam().replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    assert_eq!(Edge::new().refused(&odd), (400, "malformed-request".into()));
}

#[test]
fn a_request_that_two_readers_could_read_differently_is_malformed() {
    for line in [
        "From: <sip:alice@contoso.com>;tag=3",
        "To: <sip:x@tailspin.com>",
        "Call-ID: c2",
        "CSeq: 2 INVITE",
        "Max-Forwards: 0",
    ] {
        let twice = invite_from_fabrikam().replace("Content-Length", &format!("{line}\r\nContent-Length"));
        let refused = match Message::parse(Bytes::from(twice)) {
            Ok(message) => screen(&message).is_err_and(|refusal| refusal.word == "malformed-request"),
            Err(_) => true,
        };
        assert!(refused, "{line}");
    }
}

#[test]
fn a_request_without_a_header_that_every_request_needs_is_malformed() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let lines: Vec<String> = invite_from_fabrikam()
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name))
            .map(str::to_owned)
            .collect();
        let Ok(message) = Message::parse(Bytes::from(lines.concat())) else { continue };
        assert_eq!(screen(&message).expect_err(name).word, "malformed-request", "{name}");
    }
}

#[test]
fn a_request_that_has_run_out_of_hops_goes_nowhere_but_an_options_is_answered() {
    let spent = |method: &str| initial(method, "sip:bob@fabrikam.com", "sip:alice@contoso.com").replace("70", "0");
    let mut edge = Edge::new().with_certificate(&["fabrikam.com"], &[]);
    assert_eq!(edge.refused(&spent("INVITE")), (483, "too-many-hops".into()));
    edge.admitted(&spent("OPTIONS"));
}

#[test]
fn max_forwards_that_is_no_number_is_malformed() {
    let odd = invite_from_fabrikam().replace("70", "many");
    assert_eq!(Edge::new().refused(&odd), (400, "malformed-request".into()));
}

#[test]
fn names_without_bound_are_refused() {
    let long_call_id = invite_from_fabrikam().replace("c1", &"c".repeat(300));
    assert_eq!(Edge::new().refused(&long_call_id), (400, "malformed-request".into()));
    let long_uri = initial("INVITE", "sip:bob@fabrikam.com", &format!("sip:{}@contoso.com", "a".repeat(3000)));
    assert_eq!(Edge::new().refused(&long_uri), (414, "malformed-request".into()));
}

#[test]
fn a_response_is_no_request() {
    let response = invite_from_fabrikam().replace("INVITE sip:alice@contoso.com SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(Edge::new().refused(&response), (400, "malformed-request".into()));
}

#[test]
fn a_from_that_names_no_domain_is_refused() {
    let from = |from: &str| initial("INVITE", from, "sip:alice@contoso.com");
    let mut edge = Edge::new().with_certificate(&[], &["192.0.2.9"]);
    assert_eq!(edge.refused(&from("tel:+15551234")), (400, "malformed-request".into()));
    assert_eq!(edge.refused(&from("sip:bob@192.0.2.9")), (403, "domain-not-allowed".into()));
    assert_eq!(edge.refused(&from("sip:contoso.com")), (400, "malformed-request".into()));
}
