//! What a topology needs of the world around it: which certificate, which ports in the firewall, which records in the DNS.
//!
//! Pure: a plan follows from its topology alone, and the same topology gives the same text. Nothing here looks at files,
//! the DNS or the network; whether the world is as planned is not decided here.

mod certificate;
mod dns;
mod markdown;
mod order;
mod outside;
mod pool;
mod port;
mod topology;

use serde::Serialize;

pub use certificate::{Certificate, CertificateName, NameKind, Need};
pub use dns::{Record, RecordType};
pub use order::{Order, Proof};
pub use pool::{Balancing, EdgePool, Half, Hop, Member, Role};
pub use port::{Direction, Port};
pub use topology::{Listener, MediaPorts, Topology};

/// The certificate, port and DNS summaries of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub domains: Vec<String>,
    pub edge: String,
    /// Where edge and home are two, or the edges several: which of them this is, and how they are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    pub federation: bool,
    pub discovery: bool,
    /// What will not work, or not for everybody; a sentence or two each.
    pub warnings: Vec<String>,
    pub certificates: Vec<Certificate>,
    pub ports: Vec<Port>,
    pub dns: Vec<Record>,
}

impl Plan {
    pub fn of(topology: &Topology) -> Plan {
        let mut warnings = dns::warnings(topology);
        warnings.extend(port::warnings(topology));
        warnings.extend(topology.order.iter().flat_map(|order| order::warnings(topology, order)));
        warnings.extend(pool::warnings(topology));
        warnings.extend(outside::warnings(topology));
        Plan {
            domains: topology.domains.clone(),
            edge: topology.edge.clone(),
            split: topology.split(),
            federation: topology.federation,
            discovery: topology.discovery,
            warnings,
            certificates: std::iter::once(certificate::edge(topology)).chain(pool::certificate(topology)).collect(),
            ports: port::summary(topology).into_iter().chain(pool::ports(topology)).collect(),
            dns: dns::summary(topology).into_iter().chain(pool::records(topology)).collect(),
        }
    }
}
