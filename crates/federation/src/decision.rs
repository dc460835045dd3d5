//! The record of every decision, for `comity why`: a bounded ring, newest last.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::Diagnostics;
use sip::refusal::Refusal;

use crate::admission::{Admitted, Origin};
use crate::discovery::{SrvAnswer, SrvTarget};
use crate::domain_name;
use crate::flow::{Direction, FlowFacts};
use crate::trust::PeerCertificate;
use crate::verification::Rung;

/// What was decided about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    pub call_id: String,
    pub method: String,
    pub from_domain: String,
    pub to_domain: String,
    pub direction: Direction,
    pub outcome: Outcome,
    /// Milliseconds that the step took: waiting for what admission had to ask, for a connection, or for an answer.
    #[serde(default)]
    pub spent_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// `rung` says how a partner's domain was proven; a user has none.
    Admitted {
        origin: Origin,
        rung: Option<Rung>,
        /// Of a partner's request, and of what is behind an edge: who was at the other end of the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<Arc<Peer>>,
    },
    Refused {
        status: u16,
        word: String,
        reason: String,
    },
    /// `next_hop` as a person reads it, such as `edge.fabrikam.com:5061`.
    Routed {
        next_hop: String,
        /// The connection to a partner that it went over.
        #[serde(default)]
        connection: Option<Arc<Connection>>,
    },
    /// How a call that begins is carried: we stand between its two dialogs, or it is proxied.
    Way {
        stands_between: bool,
        /// As a person reads it.
        reason: String,
    },
    /// The sound of a call goes through us, or some of it is not taken.
    Anchored {
        /// As a person reads it.
        reason: String,
    },
    /// A message was answered with 202 and waits for its user's consent; or is said to.
    Held {
        /// As a person reads it.
        reason: String,
    },
    /// The partner's server failed it before an answer came; another is tried.
    Retried {
        reason: String,
    },
    /// The final answer, and its public word if it said one.
    Answered {
        status: u16,
        word: Option<String>,
        #[serde(default, skip_serializing_if = "Answerer::is_partner")]
        by: Answerer,
        /// What a server of Lync's kind says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diagnostics: Option<Diagnostics>,
    },
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answerer {
    #[default]
    Partner,
    /// A device of a user of ours.
    Device,
    /// What is behind this edge.
    Inside,
    /// No device of the user did, and we answered for them.
    Nobody,
}

impl Answerer {
    pub fn is_partner(&self) -> bool {
        *self == Answerer::Partner
    }
}

/// Who was at the other end of a connection on which a request came; one for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub address: IpAddr,
    pub certificate: Option<CertificateName>,
    /// We have opened the connection.
    #[serde(default)]
    pub is_dialled: bool,
    /// It is of the inner side: an edge that passes on what a partner sent, or what is behind an edge.
    #[serde(default)]
    pub is_inner: bool,
}

impl From<&FlowFacts> for Peer {
    fn from(facts: &FlowFacts) -> Peer {
        Peer {
            address: facts.remote.ip(),
            certificate: facts.secure_certificate().map(Into::into),
            is_dialled: facts.direction == Direction::Outbound,
            is_inner: facts.is_inner,
        }
    }
}

/// A connection to a partner, as it was judged before the first byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `edge.fabrikam.com:5061`
    pub host: String,
    pub address: IpAddr,
    pub rung: Rung,
    /// The SRV name that led there; `None` where what we decided did.
    pub srv: Option<String>,
    /// What the DNS had answered about that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<SrvSeen>,
    /// In words, which of the things that were decided; empty where a record led there.
    #[serde(default)]
    pub by: String,
    pub certificate: Option<CertificateName>,
    /// The partner has opened it (RFC 5923).
    #[serde(default)]
    pub is_reused: bool,
}

/// An answer to a question for SRV records, by which it was decided where to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrvSeen {
    /// The first few, the best priority first: `10 edge.fabrikam.com:5061`.
    pub targets: Vec<String>,
    /// So many more.
    pub more: usize,
    /// Milliseconds until it came; `None`: it was known from before.
    pub asked_ms: Option<u64>,
}

impl SrvSeen {
    pub fn new(answer: &SrvAnswer, asked_ms: Option<u64>) -> SrvSeen {
        let mut targets: Vec<&SrvTarget> = answer.targets.iter().collect();
        targets.sort_by_key(|target| target.priority);
        let named = targets.iter().take(TARGETS_NAMED_MAX);
        SrvSeen {
            targets: named.map(|target| format!("{} {}:{}", target.priority, target.host, target.port)).collect(),
            more: targets.len().saturating_sub(TARGETS_NAMED_MAX),
            asked_ms,
        }
    }
}

/// Which certificate it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateName {
    pub subject: String,
    pub issuer: String,
    pub serial: String,
}

impl From<&PeerCertificate> for CertificateName {
    fn from(seen: &PeerCertificate) -> CertificateName {
        CertificateName { subject: seen.subject.clone(), issuer: seen.issuer.clone(), serial: seen.serial.clone() }
    }
}

impl From<&Admitted> for Outcome {
    fn from(admitted: &Admitted) -> Outcome {
        let rung = match admitted.origin() {
            Origin::Partner { rung, .. } => Some(*rung),
            Origin::User { .. } | Origin::Remote { .. } | Origin::Inside { .. } => None,
        };
        Outcome::Admitted { origin: admitted.origin().clone(), rung, peer: None }
    }
}

impl From<&Refusal> for Outcome {
    fn from(refusal: &Refusal) -> Outcome {
        Outcome::Refused { status: refusal.status, word: refusal.word.to_string(), reason: refusal.reason.clone() }
    }
}

/// A record with its number and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Counts up from 1, without gaps.
    pub serial: u64,
    /// Milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
    pub record: Arc<DecisionRecord>,
}

/// The last decisions. Queries answer oldest first.
#[derive(Debug)]
pub struct Decisions {
    ring: VecDeque<Recorded>,
    len_max: usize,
    serial_last: u64,
}

impl Decisions {
    pub fn new(len_max: usize) -> Decisions {
        Decisions { ring: VecDeque::new(), len_max: len_max.max(1), serial_last: 0 }
    }

    /// Adds a record, dropping the oldest when full, and returns its serial.
    pub fn record(&mut self, at_unix_ms: u64, record: impl Into<Arc<DecisionRecord>>) -> u64 {
        if self.ring.len() >= self.len_max {
            self.ring.pop_front();
        }
        self.serial_last += 1;
        self.ring.push_back(Recorded { serial: self.serial_last, at_unix_ms, record: record.into() });
        self.serial_last
    }

    pub fn by_call_id(&self, call_id: &str) -> impl Iterator<Item = &Recorded> {
        self.ring.iter().filter(move |entry| entry.record.call_id == call_id)
    }

    /// Everything from or to the domain.
    pub fn by_domain(&self, domain: &str) -> impl Iterator<Item = &Recorded> {
        let domain = domain_name::canonical(domain);
        self.ring.iter().filter(move |entry| {
            domain_name::same(&entry.record.from_domain, &domain) || domain_name::same(&entry.record.to_domain, &domain)
        })
    }

    /// The last `count` refusals.
    pub fn last_refusals(&self, count: usize) -> Vec<&Recorded> {
        let refused = |entry: &&Recorded| matches!(entry.record.outcome, Outcome::Refused { .. });
        let mut newest_first: Vec<&Recorded> = self.ring.iter().rev().filter(refused).take(count).collect();
        newest_first.reverse();
        newest_first
    }

    pub fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.ring.iter()
    }

    pub fn len(&self) -> usize {
        self.ring.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

/// Targets of an answer that are named; further ones are counted.
const TARGETS_NAMED_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_targets_the_best_are_named_and_the_others_counted() {
        let target =
            |number: u16| SrvTarget { priority: number, weight: 0, port: 5061, host: format!("s{number}.b.example") };
        let seen = |count: u16| {
            let answer = SrvAnswer {
                name: "_sipfederationtls._tcp.b.example".into(),
                targets: (1..=count).rev().map(target).collect(),
                ttl: std::time::Duration::from_secs(60),
                secure: false,
                tlsa: vec![],
            };
            SrvSeen::new(&answer, Some(12))
        };
        assert_eq!(seen(2).targets, ["1 s1.b.example:5061", "2 s2.b.example:5061"]);
        let many = seen(7);
        assert_eq!((many.targets.len(), many.targets[3].as_str(), many.more), (4, "4 s4.b.example:5061", 3));
    }

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let read = |text: &str| serde_json::from_str::<Outcome>(text).unwrap();
        let answered = read(r#"{"Answered":{"status":486,"word":null}}"#);
        assert!(matches!(answered, Outcome::Answered { by: Answerer::Partner, .. }), "{answered:?}");
        assert_eq!(serde_json::to_string(&answered).unwrap(), r#"{"Answered":{"status":486,"word":null}}"#);
        let admitted = read(r#"{"Admitted":{"origin":{"Inside":{"domain":"contoso.com"}},"rung":null}}"#);
        assert!(matches!(admitted, Outcome::Admitted { peer: None, .. }), "{admitted:?}");
    }

    fn record(call_id: &str, from: &str, to: &str, outcome: Outcome) -> DecisionRecord {
        DecisionRecord {
            call_id: call_id.into(),
            method: "MESSAGE".into(),
            from_domain: from.into(),
            to_domain: to.into(),
            direction: Direction::Inbound,
            outcome,
            spent_ms: 0,
        }
    }

    fn refused(word: &str) -> Outcome {
        Outcome::Refused { status: 403, word: word.into(), reason: String::new() }
    }

    fn routed() -> Outcome {
        Outcome::Routed { next_hop: "edge.fabrikam.com:5061".into(), connection: None }
    }

    fn serials<'a>(entries: impl IntoIterator<Item = &'a Recorded>) -> Vec<u64> {
        entries.into_iter().map(|entry| entry.serial).collect()
    }

    #[test]
    fn the_ring_forgets_the_oldest() {
        let mut decisions = Decisions::new(2);
        for call_id in ["a", "b", "c"] {
            decisions.record(0, record(call_id, "x.example", "y.example", routed()));
        }
        assert_eq!(serials(decisions.iter()), [2, 3]);
        assert_eq!(decisions.by_call_id("a").count(), 0);
        assert_eq!(decisions.len(), 2);
    }

    #[test]
    fn decisions_are_found_by_call_by_domain_and_by_refusal() {
        let mut decisions = Decisions::new(10);
        decisions.record(1, record("a", "fabrikam.com", "contoso.com", refused("certificate-name")));
        decisions.record(2, record("b", "contoso.com", "fabrikam.com", routed()));
        decisions.record(3, record("c", "tailspin.com", "contoso.com", refused("domain-blocked")));
        decisions.record(4, record("c", "tailspin.com", "contoso.com", routed()));
        assert_eq!(serials(decisions.by_call_id("c")), [3, 4]);
        assert_eq!(serials(decisions.by_domain("Fabrikam.com.")), [1, 2]);
        assert_eq!(serials(decisions.last_refusals(9)), [1, 3]);
        assert_eq!(serials(decisions.last_refusals(1)), [3]);
    }
}
