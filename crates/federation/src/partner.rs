//! The partner list: whom we federate with, and on what terms (allowed partner server, allowed partner domain, blocked
//! domain, hosting provider). What an entry means for a domain is said by the [`table`](Partners).

mod next_hop;
mod provider;
mod table;
mod way;

use serde::{Deserialize, Serialize};

pub use next_hop::{NextHopError, parse_next_hop};
pub use provider::{EntrySwitch, Provider, VerificationLevel};
pub use table::{Clearing, Partners, Standing};
pub use way::{By, Way};

use crate::domain_name;
use crate::modality::Modalities;

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

/// One entry of the list. Made by [`Partner::allowed`], [`Partner::at`] or [`Partner::blocked`], then changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// A SIP domain, or `*.` and a domain: whatever is below that, at any depth, but not the domain itself.
    pub domain: String,
    pub kind: PartnerKind,
    pub comment: String,
    /// A mark of the administrator's, for whoever watches over this partner: told in the status, in warnings and in metrics.
    pub monitored: bool,
    /// How far the word of its senders is believed.
    pub verification: VerificationLevel,
    /// What may pass, in either direction.
    pub modalities: Modalities,
    /// Whether it is told that we vouch for our users (`ms-asserted-verification-level`).
    #[serde(default)]
    pub mark_source: EntrySwitch,
    /// Whether it sees the edge alone, and nothing of what is behind it.
    #[serde(default)]
    pub hide_topology: EntrySwitch,
}

impl Partner {
    /// An allowed domain, whose edge is found by SRV.
    pub fn allowed(domain: impl Into<String>) -> Partner {
        Partner::new(domain.into(), PartnerKind::AllowedDomain)
    }

    /// An allowed server: "host" or "host:port".
    pub fn at(domain: impl Into<String>, edge: impl Into<String>) -> Partner {
        Partner::new(domain.into(), PartnerKind::AllowedServer { edge: edge.into() })
    }

    pub fn blocked(domain: impl Into<String>) -> Partner {
        Partner::new(domain.into(), PartnerKind::Blocked)
    }

    fn new(domain: String, kind: PartnerKind) -> Partner {
        Partner {
            domain,
            kind,
            comment: String::new(),
            monitored: false,
            verification: VerificationLevel::default(),
            modalities: Modalities::ALL,
            mark_source: EntrySwitch::default(),
            hide_topology: EntrySwitch::default(),
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.kind == PartnerKind::Blocked
    }

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

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
