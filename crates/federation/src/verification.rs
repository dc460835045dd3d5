//! The ladder: does this certificate prove this SIP domain? One ladder in both directions, judged per
//! request inbound and before the first byte outbound.
//!
//! Tried in this order: the pinned certificates, which end the climb either way; the partner entry's edge FQDN; the edge
//! of the hosting provider to which the domain's SRV records lead; the domain itself (RFC 5922); an edge in the domain
//! that its SRV record names; and where the DNS is validated, any server that it names. Names compare exactly: no
//! wildcard, no common name.

mod expected;
mod pins;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sip::refusal::Refusal;

pub use self::expected::expected;
use self::pins::by_pins;
pub use self::pins::provider_pinned_in;
use crate::dane;
use crate::discovery::{SrvAnswer, SrvResult};
use crate::domain_name;
use crate::partner::{Edge, Provider};
use crate::refusal;
use crate::trust::{Anchor, DomainTrust, Fingerprint, Names, PeerCertificate, Purposes, Why};

/// How a domain was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// The certificate is one that was pinned for the domain, or for the edge of the provider that it is behind.
    Pin,
    /// The certificate names the edge of the partner entry, or of the provider to which the domain's SRV records lead.
    EdgeFqdn,
    /// The certificate names the SIP domain.
    Domain,
    /// The certificate names an SRV target of the domain, one label below it.
    EdgeInDomain,
    /// DNSSEC vouches for the way from the domain to the certificate: the certificate names an SRV target, or a TLSA
    /// record of one is about it.
    SecureDns,
    /// No partner's domain: our own configuration says who it is, on the inner side.
    Configured,
}

impl Rung {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rung::Pin => "pin",
            Rung::EdgeFqdn => "edge-fqdn",
            Rung::Domain => "domain",
            Rung::EdgeInDomain => "edge-in-domain",
            Rung::SecureDns => "secure-dns",
            Rung::Configured => "configured",
        }
    }
}

/// The part of the *peer* in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    Client,
    Server,
}

#[derive(Clone, Debug)]
pub enum Verdict {
    Proven(Rung),
    /// Undecided without the domain's SRV answer.
    Needs,
    Failed(Refusal),
}

/// What is to be proven, and by what the administrator wants it proven.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub domain: &'a str,
    /// The edge of the partner entry, or whoever speaks for the domain in its place: "host" or "host:port".
    pub edge: Option<&'a str>,
    /// Edges through which policies send some of our users' requests to any partner: "host:port".
    pub relays: &'a [String],
    pub trust: &'a DomainTrust,
    /// The providers that may answer for the domain; none where its entry names an edge.
    pub providers: &'a [Provider],
    /// The provider that speaks for the domain in its place, whatever the DNS says.
    pub deputy: Option<&'a Provider>,
    /// The provider that speaks for it where the DNS names no server.
    pub last_resort: Option<&'a Provider>,
    /// Certificates that were taken back after their handshake, for all that is known by now.
    pub revoked: &'a BTreeSet<Fingerprint>,
}

impl<'a> Claim<'a> {
    /// Of a domain about which nothing was configured.
    pub fn of(domain: &'a str) -> Claim<'a> {
        Claim {
            domain,
            edge: None,
            relays: &[],
            trust: &NOTHING_SAID,
            providers: &[],
            deputy: None,
            last_resort: None,
            revoked: &NOTHING_REVOKED,
        }
    }
}

/// Climbs the ladder. `srv` is the domain's answer if it is known already.
pub fn judge(certificate: &PeerCertificate, role: Role, claim: &Claim<'_>, srv: Option<&SrvResult>) -> Verdict {
    let Claim { domain, edge, relays, trust, providers, revoked, .. } = *claim;
    let domain = domain_name::canonical(domain);
    // Before everything, a pin included: its owner or its authority says that somebody else may have the key.
    if certificate.chain == Err(Why::Revoked) || revoked.contains(&certificate.fingerprint) {
        return Verdict::Failed(not_accepted(certificate, &Why::Revoked));
    }
    if !trust.pins.is_empty() {
        return by_pins(certificate, role, &domain, &trust.pins);
    }
    if let Some(verdict) = pins::by_provider(certificate, role, claim, srv) {
        return verdict;
    }
    let checked = check_chain(certificate, &domain, trust).and_then(|()| check_purposes(certificate.purposes, role));
    if let Err(refusal) = checked {
        // A TLSA record may stand in for a chain; who does not look for any need not ask the DNS.
        return match srv {
            None if certificate.dane.is_some() && certificate.chain.is_err() => Verdict::Needs,
            Some(Ok(answer)) if dane::proves(answer, certificate) => by_record(certificate, role),
            _ => Verdict::Failed(refusal),
        };
    }
    let names = &certificate.names;
    let is_pinned = claim.last_resort.is_some_and(|provider| !provider.pins.is_empty());
    let edge = edge.filter(|_| !is_pinned);
    if edge.is_some_and(|edge| names_edge(names, edge)) || relays.iter().any(|relay| names_edge(names, relay)) {
        return Verdict::Proven(Rung::EdgeFqdn);
    }
    if let Some(provider) = provider_of_certificate(certificate, providers) {
        match srv {
            None => return Verdict::Needs,
            Some(result) if provider.is_led_to(result) => return Verdict::Proven(Rung::EdgeFqdn),
            Some(_) => {}
        }
    }
    if names_domain(names, &domain) {
        return Verdict::Proven(Rung::Domain);
    }
    match srv {
        None => Verdict::Needs,
        Some(result) if names_edge_in_domain(names, &domain, result) => Verdict::Proven(Rung::EdgeInDomain),
        Some(Ok(answer)) if names_secure_target(names, answer) || dane::proves(answer, certificate) => {
            Verdict::Proven(Rung::SecureDns)
        }
        Some(result) => Verdict::Failed(refusal::certificate_name(name_reason(names, &domain, edge, result))),
    }
}

pub(crate) fn check_chain(certificate: &PeerCertificate, domain: &str, trust: &DomainTrust) -> Result<(), Refusal> {
    match &certificate.chain {
        Ok(Anchor::Public { .. }) => Ok(()),
        Ok(Anchor::Partner { fingerprint, .. }) if trust.anchors.contains(fingerprint) => Ok(()),
        Ok(Anchor::Partner { name, .. }) => Err(refusal::certificate_untrusted(format!(
            "the authority {name} vouches for its own partner only, not for {domain}"
        ))),
        Err(why) => Err(not_accepted(certificate, why)),
    }
}

fn not_accepted(certificate: &PeerCertificate, why: &Why) -> Refusal {
    let reason =
        format!("the certificate of {} (issued by {}) is not accepted: {why}", certificate.subject, certificate.issuer);
    match why {
        Why::Expired => refusal::certificate_expired(reason),
        Why::Revoked => refusal::certificate_revoked(reason),
        _ => refusal::certificate_untrusted(reason),
    }
}

/// Public authorities no longer issue clientAuth, so a peer that connects may show a server's
/// certificate; a peer that accepts may not show a mere client's.
pub(crate) fn check_purposes(purposes: Purposes, role: Role) -> Result<(), Refusal> {
    let Purposes { client_auth, server_auth, sip_domain, any, stated } = purposes;
    let server_fits = !stated || server_auth || sip_domain || any;
    match role {
        Role::Client if server_fits || client_auth => Ok(()),
        Role::Server if server_fits => Ok(()),
        Role::Server if client_auth => {
            Err(refusal::certificate_purpose("the server's certificate is for clients only (clientAuth alone)"))
        }
        Role::Client | Role::Server => Err(refusal::certificate_purpose(
            "the certificate's extended key usage has none of clientAuth, serverAuth, sipDomain",
        )),
    }
}

pub(crate) fn names_edge(names: &Names, edge: &str) -> bool {
    edge.parse::<Edge>().is_ok_and(|edge| names.dns.contains(&edge.host))
}

/// The provider whose certificate it is.
pub(crate) fn provider_of_certificate<'a>(
    certificate: &PeerCertificate,
    providers: &'a [Provider],
) -> Option<&'a Provider> {
    providers.iter().find(|provider| provider.has_certificate(certificate))
}

/// RFC 5922 7.1: DNS names identify a SIP domain only if the certificate has no `sip:` URI.
fn names_domain(names: &Names, domain: &str) -> bool {
    let identities = if names.sip_uris.is_empty() { &names.dns } else { &names.sip_uris };
    identities.iter().any(|identity| identity == domain)
}

/// Whether a certificate with these names can prove this domain by its names alone, given the right SRV records.
pub fn may_prove(names: &Names, domain: &str) -> bool {
    let domain = domain_name::canonical(domain);
    names_domain(names, &domain) || names.dns.iter().any(|host| domain_name::parent(host) == Some(domain.as_str()))
}

fn names_edge_in_domain(names: &Names, domain: &str, srv: &SrvResult) -> bool {
    srv.as_ref().is_ok_and(|answer| {
        answer.targets.iter().any(|target| {
            let host = domain_name::canonical(&target.host);
            domain_name::parent(&host) == Some(domain) && names.dns.contains(&host)
        })
    })
}

/// A record replaces the chain, not the purposes.
fn by_record(certificate: &PeerCertificate, role: Role) -> Verdict {
    check_purposes(certificate.purposes, role).map_or_else(Verdict::Failed, |()| Verdict::Proven(Rung::SecureDns))
}

fn names_secure_target(names: &Names, answer: &SrvAnswer) -> bool {
    let named = |host: &str| names.dns.contains(&domain_name::canonical(host));
    answer.secure && answer.targets.iter().any(|target| named(&target.host))
}

/// What the certificate names, what would have proven the domain, and what DNS said.
fn name_reason(names: &Names, domain: &str, edge: Option<&str>, srv: &SrvResult) -> String {
    let edge_expected = edge.map(|edge| format!("{edge} (the partner entry), ")).unwrap_or_default();
    let srv_outcome = match srv {
        Ok(answer) => {
            format!("{} leads to {}", answer.name, list(answer.targets.iter().map(|target| target.host.as_str())))
        }
        Err(failure) => failure.to_string(),
    };
    let uris = match names.sip_uris.is_empty() {
        true => String::new(),
        false => format!("the SIP domains {} and the hosts ", list(names.sip_uris.iter().map(String::as_str))),
    };
    format!(
        "the certificate names {uris}{}; it has to name {edge_expected}{domain} itself, or a host directly below {domain} to \
         which the SRV record leads. The DNS: {srv_outcome}{}",
        list(names.dns.iter().map(String::as_str)),
        outside(names, domain, srv).map(|host| format!("; {host} is {OUTSIDE} {domain}")).unwrap_or_default(),
    )
}

/// The host to which the DNS leads, where the certificate names that, and nothing binds it to the domain.
fn outside<'a>(names: &Names, domain: &str, srv: &'a SrvResult) -> Option<&'a str> {
    let is_outside = |host: &&str| {
        let host = domain_name::canonical(host);
        names.dns.contains(&host) && host != domain && domain_name::parent(&host) != Some(domain)
    };
    srv.as_ref().ok()?.targets.iter().map(|target| target.host.as_str()).find(is_outside)
}

/// In the reason of a refusal: the SRV record leads to a host that is not directly below the domain.
pub const OUTSIDE: &str = "not directly below";

/// At most [`LISTED_MAX`] names, since the peer decides how many there are.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names[..names.len().min(LISTED_MAX)].join(", ");
    match names.len() {
        0 => "nothing".to_owned(),
        1..=LISTED_MAX => shown,
        more => format!("{shown} and {} more", more - LISTED_MAX),
    }
}

const LISTED_MAX: usize = 8;
static NOTHING_SAID: DomainTrust = DomainTrust { pins: Vec::new(), anchors: Vec::new() };
static NOTHING_REVOKED: BTreeSet<Fingerprint> = BTreeSet::new();

#[cfg(test)]
mod tests;
