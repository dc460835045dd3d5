//! The certificate summary: what the server's certificate names, what it is for, and who looks at what.

use serde::Serialize;

use crate::topology::Topology;

/// One certificate that the server needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Where it is read from.
    pub file: String,
    pub subject: String,
    /// The subject alternative names, the most needed first. Their order means nothing to anybody who verifies them.
    pub names: Vec<CertificateName>,
    /// The extended key usages to ask for.
    pub purposes: Vec<String>,
    pub key: String,
    pub used: Vec<String>,
    /// What else the person who orders it should know.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateName {
    pub kind: NameKind,
    pub value: String,
    pub need: Need,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum NameKind {
    #[serde(rename = "DNS")]
    Dns,
    #[serde(rename = "URI")]
    Uri,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    Required,
    Recommended,
    Optional,
}

impl NameKind {
    pub fn as_str(self) -> &'static str {
        match self {
            NameKind::Dns => "DNS",
            NameKind::Uri => "URI",
        }
    }
}

impl Need {
    pub fn as_str(self) -> &'static str {
        match self {
            Need::Required => "required",
            Need::Recommended => "recommended",
            Need::Optional => "optional",
        }
    }
}

/// The one certificate of a server: phones and partners see the same.
pub fn edge(topology: &Topology) -> Certificate {
    let mut used = vec!["every TLS listener, towards phones".to_owned()];
    if topology.takes_remote_users() {
        used = vec![
            "every TLS listener, towards partners and phones outside".to_owned(),
            "every connection that we open to a partner".to_owned(),
        ];
    } else if topology.is_edge_alone() {
        used = vec!["every TLS listener".to_owned(), "every connection that we open to a partner".to_owned()];
    } else if topology.federation && !topology.is_home_alone() {
        used = vec![
            "every TLS listener, towards partners and phones".to_owned(),
            "every connection that we open to a partner".to_owned(),
        ];
    }
    Certificate {
        file: topology.certificate_file.clone(),
        subject: format!("CN={}", topology.edge),
        names: names(topology),
        purposes: vec!["serverAuth".to_owned()],
        key: "ECDSA P-256, or RSA of 2048 bits or more".to_owned(),
        used,
        notes: notes(topology),
    }
}

fn names(topology: &Topology) -> Vec<CertificateName> {
    let edge = CertificateName {
        kind: NameKind::Dns,
        value: topology.edge.clone(),
        need: Need::Required,
        reason: edge_reason(topology),
    };
    let domains =
        topology.domains.iter().filter(|domain| **domain != topology.edge).map(|domain| domain_name(topology, domain));
    let uris = topology.domains.iter().map(|domain| CertificateName {
        kind: NameKind::Uri,
        value: format!("sip:{domain}"),
        need: Need::Optional,
        reason: "how RFC 5922 prefers the domain to be named; from a private authority only".to_owned(),
    });
    std::iter::once(edge).chain(domains).chain(uris).collect()
}

fn edge_reason(topology: &Topology) -> String {
    let is_proof = topology.domains.iter().any(|domain| topology.is_edge_directly_below(domain));
    match (topology.federation, is_proof) {
        (false, _) => "phones connect to this name".to_owned(),
        (true, true) => "the name that partners and phones connect to; proves the domain that it stands in".to_owned(),
        (true, false) => "the name that partners and phones connect to".to_owned(),
    }
}

fn domain_name(topology: &Topology, domain: &str) -> CertificateName {
    let (need, reason) = if !topology.federation {
        (Need::Recommended, "phones that expect the SIP domain itself (RFC 5922)")
    } else if topology.is_edge_directly_below(domain) {
        (Need::Recommended, "partners and phones that expect the SIP domain itself (RFC 5922)")
    } else {
        (Need::Required, "proves the domain, since the edge does not stand directly below it (RFC 5922)")
    };
    CertificateName { kind: NameKind::Dns, value: domain.to_owned(), need, reason: reason.to_owned() }
}

fn notes(topology: &Topology) -> Vec<String> {
    let mut notes: Vec<String> = topology.order.iter().map(crate::order::note).collect();
    notes.extend([
        "The subject alternative names count, the subject does not. A wildcard proves neither an edge nor a SIP domain."
            .to_owned(),
        "A public authority certifies DNS names only, so leave the URIs out of a request to one. If a private authority \
         adds a URI, it has to add one for every SIP domain: beside a sip: URI, DNS names no longer count as SIP domains."
            .to_owned(),
    ]);
    if topology.takes_remote_users() {
        notes.push(
            "Phones outside verify it, too: most the name that they connect to, some the domain of their user. So it names \
             both, and comes from an authority that phones know; the home's own certificate is for phones inside."
                .to_owned(),
        );
    }
    if topology.federation {
        notes.push(
            "Public authorities issue serverAuth alone, no longer clientAuth. Comity and Lync accept that from the side \
             that connects, too."
                .to_owned(),
        );
        notes.push(
            "A partner with a stock mutual-TLS verifier (OpenSSL's, and what is built on it) refuses our connections for \
             want of clientAuth, although it accepts the same certificate when it connects to us. It can accept serverAuth \
             from clients, or both sides use an authority of their own that issues serverAuth and clientAuth, and trust it \
             by [certificate] roots."
                .to_owned(),
        );
    }
    notes
}
