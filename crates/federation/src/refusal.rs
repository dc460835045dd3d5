//! The refusals of the access edge, one constructor a word. The word goes to the peer, the reason stays
//! with the operator; so a reason may name rules and certificates, and a word never does.

use crate::verification::OUTSIDE;
use sip::header_name::HeaderName;
use sip::refusal::{Refusal, Word};

pub fn malformed_request(reason: impl Into<String>) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, reason)
}

pub fn too_many_hops() -> Refusal {
    Refusal::new(483, Word::TooManyHops, "Max-Forwards reached 0")
}

/// A flow carries one kind of traffic for life.
pub fn mixed_traffic(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::MixedTraffic, reason)
}

pub fn federation_off() -> Refusal {
    Refusal::new(403, Word::FederationOff, "federation is switched off")
}

pub fn domain_blocked(domain: &str) -> Refusal {
    Refusal::new(403, Word::DomainBlocked, format!("{domain} is blocked in the partner list"))
}

pub fn domain_not_allowed(domain: &str) -> Refusal {
    let reason = format!("{domain} is not in the partner list, and partner discovery is off");
    Refusal::new(403, Word::DomainNotAllowed, reason)
}

/// Somebody signs in as a user of a domain that is not ours.
pub fn domain_not_served(domain: &str, ours: &[String]) -> Refusal {
    let reason = format!("{domain} is not a domain of this server, which serves {}", ours.join(", "));
    Refusal::new(403, Word::DomainNotServed, reason)
}

/// The claimed domain cannot be any partner's.
pub fn no_such_domain(domain: &str) -> Refusal {
    Refusal::new(403, Word::DomainNotAllowed, format!("\"{domain}\" is not a DNS name"))
}

pub fn certificate_missing(domain: &str) -> Refusal {
    let reason = format!("a request from {domain} came on a connection without a certificate to prove it");
    Refusal::new(403, Word::CertificateMissing, reason)
}

pub fn certificate_untrusted(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificateUntrusted, reason)
}

pub fn certificate_expired(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificateExpired, reason)
}

pub fn certificate_revoked(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificateRevoked, reason)
}

pub fn certificate_purpose(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificatePurpose, reason)
}

/// Another certificate than the pinned one.
pub fn certificate_pin_changed(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificatePinChanged, reason)
}

/// The certificate's names do not prove the domain.
pub fn certificate_name(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::CertificateName, reason)
}

pub fn scheme_unsupported(scheme: &str) -> Refusal {
    Refusal::new(416, Word::SchemeUnsupported, format!("Request-URI scheme {scheme:?}"))
}

pub fn relay_denied(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::RelayDenied, reason)
}

/// A challenge: 401 with `WWW-Authenticate` for a registrar, 407 with `Proxy-Authenticate` otherwise
/// (RFC 3261 22.2, 22.3). The challenges stand in the order of our preference (RFC 8760 2.3).
pub fn challenge(word: Word, reason: &str, registrar: bool, challenges: Vec<String>) -> Refusal {
    let (status, header) = match registrar {
        true => (401, HeaderName::WwwAuthenticate),
        false => (407, HeaderName::ProxyAuthenticate),
    };
    let bare = Refusal::new(status, word, reason);
    challenges.into_iter().fold(bare, |refusal, challenge| refusal.with_header(header, challenge))
}

/// No further password is tried for now: said of whoever there is, and of whoever is not.
pub fn too_many_guesses(aor: &sip::aor::Aor, retry_after_secs: u32) -> Refusal {
    Refusal::new(503, Word::TooManyGuesses, format!("too many wrong passwords for {aor} came from there"))
        .with_header(HeaderName::RetryAfter, retry_after_secs.to_string())
}

/// No challenge can be sent, because nothing answers an ACK (RFC 3261 22.1). The caller drops it.
pub fn unproven_ack() -> Refusal {
    Refusal::new(
        403,
        Word::AuthenticationRequired,
        "nothing proves the sender of this ACK, and an ACK cannot be challenged",
    )
}

pub fn identity_mismatch(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::IdentityMismatch, reason)
}

/// RFC 5079: whoever is to be proven has to say who he is.
pub fn anonymity_disallowed() -> Refusal {
    Refusal::new(
        433,
        Word::AnonymityDisallowed,
        "From is the anonymous user of RFC 3323, in whose name nobody can be proven",
    )
}

/// An edge alone has no users: whoever signs in does so at home.
pub fn no_users_here(domain: &str) -> Refusal {
    let reason = format!("a request from our own {domain} came to an edge, which signs nobody in");
    Refusal::new(403, Word::NoUsersHere, reason)
}

/// A home alone speaks with its own phones and its edges: partners come by an edge.
pub fn not_the_edge(domain: &str) -> Refusal {
    let reason = format!("a request from {domain} came where phones sign in; partners come by an edge");
    Refusal::new(403, Word::NotTheEdge, reason)
}

/// Whoever speaks on an inner listener is not one of those whom the configuration names.
pub fn not_inside(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::NotInside, reason)
}

/// What is behind us, or before us, may not send in this name.
pub fn not_vouched(reason: impl Into<String>) -> Refusal {
    Refusal::new(403, Word::NotVouched, reason)
}

/// What is behind us, or the edges before us, cannot be reached.
pub fn inside_unreachable(reason: impl Into<String>) -> Refusal {
    Refusal::new(504, Word::InsideUnreachable, reason)
}

pub fn user_unknown(reason: impl Into<String>) -> Refusal {
    Refusal::new(404, Word::UserUnknown, reason)
}

/// The domain has nothing to send to: final, asking again is of no use.
pub fn no_route(reason: impl Into<String>) -> Refusal {
    Refusal::new(404, Word::NoRoute, reason)
}

/// Where the domain is reached could not be found out this time.
pub fn no_route_now(reason: impl Into<String>) -> Refusal {
    Refusal::new(504, Word::NoRoute, reason)
}

/// Every target was tried, none answered.
pub fn partner_unreachable(reason: impl Into<String>) -> Refusal {
    Refusal::new(504, Word::PartnerUnreachable, reason)
}

/// The partner's edge answered with a certificate that does not prove its domain.
pub fn partner_certificate(reason: impl Into<String>) -> Refusal {
    let reason = reason.into();
    let leads_outside = reason.contains(OUTSIDE);
    let refusal = Refusal::new(502, Word::PartnerCertificate, reason);
    if leads_outside { refusal.with_diagnostics_id(SRV_CONFLICT) } else { refusal }
}

/// MS-OCER: no match for the domain in its SRV results.
const SRV_CONFLICT: u32 = 1009;

/// An edge that its home has told nothing yet. It does so within seconds of being reachable.
pub fn partners_awaited() -> Refusal {
    let reason = "this edge has its partners from its home, which has told it nothing yet";
    Refusal::new(503, Word::EdgeNotReady, reason).with_header(HeaderName::RetryAfter, AWAITED_RETRY_SECS.to_string())
}

pub fn overloaded(reason: impl Into<String>, retry_after_secs: u32) -> Refusal {
    Refusal::new(503, Word::Overloaded, reason).with_header(HeaderName::RetryAfter, retry_after_secs.to_string())
}

/// The home tries that often to reach an edge.
const AWAITED_RETRY_SECS: u32 = 30;
