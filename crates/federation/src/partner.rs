//! The partner list: whom we federate with, and on what terms (allowed partner server, allowed partner
//! domain, blocked domain). Hosting providers are not modelled yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain_name;
use crate::trust::DomainTrust;

/// The port of a partner's edge when its entry names none (SIP over TLS, RFC 3261 19.1.2).
pub const EDGE_PORT_DEFAULT: u16 = 5061;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartnerKind {
    /// Domain and edge are both configured. `edge` is "host" or "host:port".
    AllowedServer { edge: String },
    /// The domain is configured, its edge is found by SRV.
    AllowedDomain,
    /// Wins over everything else.
    Blocked,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Partner {
    pub domain: String,
    pub kind: PartnerKind,
    pub comment: String,
}

impl Partner {
    /// The edge this entry names; `None` when the edge is to be found by SRV.
    pub fn edge(&self) -> Option<Result<Edge, EdgeError>> {
        match &self.kind {
            PartnerKind::AllowedServer { edge } => Some(edge.parse()),
            PartnerKind::AllowedDomain | PartnerKind::Blocked => None,
        }
    }
}

/// Where a configured edge listens; the host is what its certificate has to name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no edge: write a DNS name, or a DNS name, a colon and a port")]
pub struct EdgeError(String);

impl std::str::FromStr for Edge {
    type Err = EdgeError;

    fn from_str(text: &str) -> Result<Edge, EdgeError> {
        let error = || EdgeError(text.to_owned());
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| error())?),
            None => (text, EDGE_PORT_DEFAULT),
        };
        let host = domain_name::canonical(host);
        if port == 0 || !domain_name::is_dns_name(&host) {
            return Err(error());
        }
        Ok(Edge { host, port })
    }
}

/// The partner list with the two switches that govern it.
#[derive(Clone, Debug)]
pub struct Partners {
    partners_by_domain: BTreeMap<String, Partner>,
    trust_by_domain: BTreeMap<String, DomainTrust>,
    federation: bool,
    discovery: bool,
}

/// How a foreign domain stands with us.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    Allowed(&'a Partner),
    Blocked(&'a Partner),
    /// Not listed, and partner discovery is on.
    Discovered,
    /// Not listed, and partner discovery is off.
    Unknown,
    /// The master switch is off: every foreign domain stands like this.
    FederationOff,
}

impl Partners {
    /// Of several entries for one domain a block wins, else the last.
    pub fn new(list: Vec<Partner>, federation: bool, discovery: bool) -> Partners {
        let mut partners_by_domain: BTreeMap<String, Partner> = BTreeMap::new();
        for partner in list {
            let domain = domain_name::canonical(&partner.domain);
            let blocked = |partner: &Partner| partner.kind == PartnerKind::Blocked;
            if !partners_by_domain.get(&domain).is_some_and(blocked) {
                partners_by_domain.insert(domain, partner);
            }
        }
        Partners { partners_by_domain, trust_by_domain: BTreeMap::new(), federation, discovery }
    }

    /// These, with what was said of domains' certificates; a domain need not have an entry for that.
    pub fn with_trust(mut self, trust: impl IntoIterator<Item = (String, DomainTrust)>) -> Partners {
        self.trust_by_domain =
            trust.into_iter().map(|(domain, trust)| (domain_name::canonical(&domain), trust)).collect();
        self
    }

    /// What was said of exactly this domain's certificates.
    pub fn trust(&self, domain: &str) -> &DomainTrust {
        self.trust_by_domain.get(&domain_name::canonical(domain)).unwrap_or(&NOTHING_SAID)
    }

    /// The standing of exactly this domain: an entry says nothing about subdomains.
    pub fn standing(&self, domain: &str) -> Standing<'_> {
        if !self.federation {
            return Standing::FederationOff;
        }
        match self.partners_by_domain.get(&domain_name::canonical(domain)) {
            Some(partner) if partner.kind == PartnerKind::Blocked => Standing::Blocked(partner),
            Some(partner) => Standing::Allowed(partner),
            None if self.discovery => Standing::Discovered,
            None => Standing::Unknown,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Partner> {
        self.partners_by_domain.values()
    }
}

static NOTHING_SAID: DomainTrust = DomainTrust { pins: Vec::new(), anchors: Vec::new() };

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(domain: &str, kind: PartnerKind) -> Partner {
        Partner { domain: domain.to_owned(), kind, comment: String::new() }
    }

    #[test]
    fn a_block_wins_over_an_allowance_of_the_same_domain() {
        for list in [
            vec![partner("a.example", PartnerKind::Blocked), partner("A.example.", PartnerKind::AllowedDomain)],
            vec![partner("a.example", PartnerKind::AllowedDomain), partner("a.example", PartnerKind::Blocked)],
        ] {
            assert!(matches!(Partners::new(list, true, true).standing("a.example"), Standing::Blocked(_)));
        }
    }

    #[test]
    fn an_unlisted_domain_is_discovered_only_when_discovery_is_on() {
        assert!(matches!(Partners::new(vec![], true, true).standing("a.example"), Standing::Discovered));
        assert!(matches!(Partners::new(vec![], true, false).standing("a.example"), Standing::Unknown));
    }

    #[test]
    fn an_entry_says_nothing_about_subdomains() {
        let partners = Partners::new(vec![partner("a.example", PartnerKind::AllowedDomain)], true, false);
        assert!(matches!(partners.standing("A.EXAMPLE."), Standing::Allowed(_)));
        assert!(matches!(partners.standing("b.a.example"), Standing::Unknown));
        assert!(matches!(partners.standing("example"), Standing::Unknown));
    }

    #[test]
    fn federation_off_hides_every_entry() {
        let partners = Partners::new(vec![partner("a.example", PartnerKind::AllowedDomain)], false, true);
        assert!(matches!(partners.standing("a.example"), Standing::FederationOff));
    }

    #[test]
    fn an_edge_is_a_host_with_or_without_a_port() {
        let edge = |text: &str| text.parse::<Edge>();
        assert_eq!(edge("Edge.a.example"), Ok(Edge { host: "edge.a.example".into(), port: 5061 }));
        assert_eq!(edge("edge.a.example:5071"), Ok(Edge { host: "edge.a.example".into(), port: 5071 }));
        for bad in ["", ":5061", "edge:", "edge:0", "edge:70000", "192.0.2.1", "[::1]:5061", "a b"] {
            assert_eq!(edge(bad), Err(EdgeError(bad.into())), "{bad}");
        }
    }
}
