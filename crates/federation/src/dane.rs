//! TLSA records (RFC 6698, 7671) for the servers that a domain's SRV records name (RFC 7673): whether one of them is about
//! the certificate that was shown. Whether the DNS may be believed is said by [`SrvAnswer::secure`]; nothing here asks.

use serde::{Deserialize, Serialize};

use crate::discovery::SrvAnswer;
use crate::trust::PeerCertificate;

/// A record at `_PORT._tcp.HOST` of one of the targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub content: Vec<u8>,
}

/// What a record can be about: SHA-256 and SHA-512 of a certificate, and of its public key (SubjectPublicKeyInfo), in DER.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub certificate: [Vec<u8>; 2],
    pub key: [Vec<u8>; 2],
}

/// Of a peer's chain, gathered where the DNS is validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSubjects {
    pub own: Subject,
    /// The authorities that were sent along and from which the chain really leads to the certificate.
    pub authorities: Vec<Subject>,
}

/// Whether a record proves that this certificate is one of the domain's servers.
pub fn proves(answer: &SrvAnswer, certificate: &PeerCertificate) -> bool {
    let Some(chain) = certificate.dane.as_deref().filter(|_| answer.secure) else { return false };
    let is_public = certificate.chain.is_ok();
    let names_target = || {
        let names = |target: &crate::discovery::SrvTarget| certificate.names.dns.contains(&target.host);
        answer.targets.iter().any(names)
    };
    answer.tlsa.iter().any(|record| match record.usage {
        // The usages that ask for a public chain, too (RFC 7671 section 4): names and dates are the chain's affair.
        PKIX_TA => is_public && names_target() && is_about_any(record, &chain.authorities),
        PKIX_EE => is_public && names_target() && is_about(record, &chain.own),
        DANE_TA => certificate.validity.is_ok() && names_target() && is_about_any(record, &chain.authorities),
        // Neither names nor dates count: the record is both (RFC 7671 section 5.1).
        DANE_EE => is_about(record, &chain.own),
        _ => false,
    })
}

fn is_about_any(record: &Tlsa, subjects: &[Subject]) -> bool {
    subjects.iter().any(|subject| is_about(record, subject))
}

/// A record that holds the whole certificate or key (matching 0) is for DNS messages of a size that nobody publishes; it is
/// passed over, as are types to come.
fn is_about(record: &Tlsa, subject: &Subject) -> bool {
    let digests = match record.selector {
        0 => &subject.certificate,
        1 => &subject.key,
        _ => return false,
    };
    match record.matching {
        1 => digests[0] == record.content,
        2 => digests[1] == record.content,
        _ => false,
    }
}

const PKIX_TA: u8 = 0;
const PKIX_EE: u8 = 1;
const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;
