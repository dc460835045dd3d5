//! The ladder: does this certificate prove this SIP domain? One ladder in both directions, judged per
//! request inbound and before the first byte outbound.
//!
//! Tried in this order: the partner entry's edge FQDN, the domain itself (RFC 5922), an edge in the
//! domain that its SRV record names. Names compare exactly: no wildcard, no common name.

use serde::{Deserialize, Serialize};
use sip::refusal::Refusal;

use crate::discovery::SrvResult;
use crate::domain_name;
use crate::partner::Edge;
use crate::refusal;
use crate::trust::{Anchor, Names, PeerCertificate, Purposes, Why};

/// How a domain was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// The certificate names the edge of the partner entry.
    EdgeFqdn,
    /// The certificate names the SIP domain.
    Domain,
    /// The certificate names an SRV target of the domain, one label below it.
    EdgeInDomain,
}

impl Rung {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rung::EdgeFqdn => "edge-fqdn",
            Rung::Domain => "domain",
            Rung::EdgeInDomain => "edge-in-domain",
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

/// Climbs the ladder. `edge` is what the partner entry says ("host" or "host:port"), `srv` the domain's
/// answer if it is known already.
pub fn judge(
    certificate: &PeerCertificate,
    role: Role,
    domain: &str,
    edge: Option<&str>,
    srv: Option<&SrvResult>,
) -> Verdict {
    let domain = domain_name::canonical(domain);
    if let Err(refusal) = check_chain(certificate, &domain).and_then(|()| check_purposes(certificate.purposes, role)) {
        return Verdict::Failed(refusal);
    }
    let names = &certificate.names;
    if edge.is_some_and(|edge| names_edge(names, edge)) {
        return Verdict::Proven(Rung::EdgeFqdn);
    }
    if names_domain(names, &domain) {
        return Verdict::Proven(Rung::Domain);
    }
    match srv {
        None => Verdict::Needs,
        Some(result) if names_edge_in_domain(names, &domain, result) => Verdict::Proven(Rung::EdgeInDomain),
        Some(result) => Verdict::Failed(refusal::certificate_name(name_reason(names, &domain, edge, result))),
    }
}

fn check_chain(certificate: &PeerCertificate, domain: &str) -> Result<(), Refusal> {
    let reason = |why: &dyn std::fmt::Display| {
        format!("the certificate of {} (issued by {}) is not accepted: {why}", certificate.subject, certificate.issuer)
    };
    match &certificate.chain {
        Ok(Anchor::Public { .. }) => Ok(()),
        Ok(Anchor::Partner { domains, .. }) if domains.iter().any(|vouched| vouched == domain) => Ok(()),
        Ok(Anchor::Partner { name, domains }) => Err(refusal::certificate_untrusted(format!(
            "the authority {name} vouches for {} only, not for {domain}",
            domains.join(", ")
        ))),
        Err(why @ Why::Expired) => Err(refusal::certificate_expired(reason(why))),
        Err(why) => Err(refusal::certificate_untrusted(reason(why))),
    }
}

/// Public authorities no longer issue clientAuth, so a peer that connects may show a server's
/// certificate; a peer that accepts may not show a mere client's.
fn check_purposes(purposes: Purposes, role: Role) -> Result<(), Refusal> {
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

fn names_edge(names: &Names, edge: &str) -> bool {
    edge.parse::<Edge>().is_ok_and(|edge| names.dns.contains(&edge.host))
}

/// RFC 5922 7.1: DNS names identify a SIP domain only if the certificate has no `sip:` URI.
fn names_domain(names: &Names, domain: &str) -> bool {
    let identities = if names.sip_uris.is_empty() { &names.dns } else { &names.sip_uris };
    identities.iter().any(|identity| identity == domain)
}

fn names_edge_in_domain(names: &Names, domain: &str, srv: &SrvResult) -> bool {
    srv.as_ref().is_ok_and(|answer| {
        answer.targets.iter().any(|target| {
            let host = domain_name::canonical(&target.host);
            domain_name::parent(&host) == Some(domain) && names.dns.contains(&host)
        })
    })
}

/// What the certificate names, what would have proven the domain, and what DNS said.
fn name_reason(names: &Names, domain: &str, edge: Option<&str>, srv: &SrvResult) -> String {
    let edge_expected = edge.map(|edge| format!("DNS name {edge} (partner entry), or ")).unwrap_or_default();
    let srv_outcome = match srv {
        Ok(answer) => {
            format!("{} names {}", answer.name, list(answer.targets.iter().map(|target| target.host.as_str())))
        }
        Err(failure) => failure.to_string(),
    };
    format!(
        "the certificate names sip: {}; DNS: {}. Expected {edge_expected}{domain} itself, \
         or an SRV target one label below {domain}. DNS outcome: {srv_outcome}",
        list(names.sip_uris.iter().map(String::as_str)),
        list(names.dns.iter().map(String::as_str)),
    )
}

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

#[cfg(test)]
mod tests;
