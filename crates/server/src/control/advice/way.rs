//! Refusals of a connection: what a partner's server showed us, and the way from us to it.

use sip::refusal::Word;

use super::{Words, words};
use crate::control::answers::Side;

/// What a partner's server showed us when it connected.
pub(super) fn about_certificate(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::CertificateMissing => words(
            Side::Partner,
            format!("a server or phone that speaks for {partner} connected without showing a certificate"),
            format!(
                "ask {partner}'s administrator whether its edge shows its certificate when it connects to us (mutual TLS), \
                 and whether its phones have that edge as their outbound proxy"
            ),
        ),
        Word::CertificateUntrusted => words(
            Side::Partner,
            format!("the certificate that {partner}'s server shows comes from an authority that we do not trust"),
            format!(
                "ask {partner} for a certificate of a public authority, sent with its whole chain; or, if you trust its \
                 authority, add that to the roots in comity.toml"
            ),
        ),
        Word::CertificateExpired => words(
            Side::Partner,
            format!("the certificate of {partner}'s server has expired"),
            format!(
                "ask {partner}'s administrator to renew it; if it ends on a day that is still to come, it is the clock of \
                 this machine that is wrong"
            ),
        ),
        Word::CertificateRevoked => words(
            Side::Partner,
            format!("the certificate of {partner}'s server has been revoked by its authority"),
            format!(
                "ask {partner}'s administrator, by another way than this, what happened, and for a new certificate"
            ),
        ),
        Word::CertificatePurpose => words(
            Side::Partner,
            format!("the certificate of {partner}'s server is not made for servers"),
            format!("ask {partner} for one whose extended key usage has serverAuth"),
        ),
        Word::CertificateName => words(
            Side::Partner,
            format!("the certificate that was shown does not prove {partner}"),
            format!(
                "if the host it names is really {partner}'s edge, enter that: comity partner add {partner} --edge HOST; \
                 else ask {partner} for a certificate that names {partner}, or somebody else uses its name"
            ),
        ),
        Word::CertificatePinChanged => words(
            Side::Partner,
            format!("another certificate was shown for {partner} than the one that is pinned here"),
            format!(
                "ask {partner}'s administrator, by another way than this, whether it was renewed, and what its fingerprint is \
                 (SHA-256); if so: comity partner trust {partner} --pin FINGERPRINT; else somebody else uses its name"
            ),
        ),
        Word::MixedTraffic => words(
            Side::Partner,
            "one connection carried requests of a partner and of users, or of two kinds of sender",
            format!("ask {partner}'s administrator to keep a connection to our edge for federation alone"),
        ),
        Word::RelayDenied => words(
            Side::Partner,
            format!("{partner} asked us to carry a request on to somebody who is not our user"),
            "nothing is to be done here: only our own domains are served",
        ),
        _ => return None,
    })
}

/// The way from us to the partner.
pub(super) fn about_way(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::NoRoute => words(
            Side::Partner,
            format!("the DNS does not say where {partner} is reached"),
            format!(
                "see that the domain is spelt right; then ask {partner} to publish _sipfederationtls._tcp.{partner} (SRV), or \
                 enter its edge: comity partner add {partner} --edge HOST; to see each step: comity route {partner}"
            ),
        ),
        Word::PartnerUnreachable => words(
            Side::Network,
            format!("no server of {partner} could be reached"),
            format!("see which step fails: comity route {partner}"),
        ),
        Word::PartnerOverloaded => words(
            Side::Partner,
            format!("{partner}'s server was reached, and says that it is overloaded (503)"),
            format!("try again later; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        Word::PartnerSilent => words(
            Side::Partner,
            format!("{partner}'s server was reached and took the request, but no answer came in time"),
            format!("try again; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        Word::PartnerCertificate => words(
            Side::Partner,
            format!("the server that answered for {partner} could not prove that it is {partner}'s"),
            format!("see its certificate and what is missing: comity route {partner}"),
        ),
        Word::NoAnswer => words(
            Side::Network,
            "what had to be looked up first (the DNS, or an account) did not come in time",
            format!(
                "see whether the DNS answers: comity route {partner}; and whether the server is busy: comity status"
            ),
        ),
        _ => return None,
    })
}
