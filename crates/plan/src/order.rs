//! What an authority that the certificate is ordered from (ACME) has to reach, to prove the names.

use std::net::{IpAddr, SocketAddr};

use sip::Transport;

use crate::port::{Direction, Port, inbound_by_tcp};
use crate::topology::Topology;

/// The order of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The URL of the authority's directory.
    pub directory: String,
    pub names: Vec<String>,
    pub proof: Proof,
}

/// How the names are proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Answered on these addresses.
    Http(Vec<SocketAddr>),
    /// Answered by the listeners for TLS.
    TlsAlpn,
    /// By updates at this name server.
    Dns(SocketAddr),
}

impl Proof {
    fn as_str(&self) -> &'static str {
        match self {
            Proof::Http(_) => "http-01",
            Proof::TlsAlpn => "tls-alpn-01",
            Proof::Dns(_) => "dns-01",
        }
    }
}

/// What the person who would order the certificate is told instead.
pub(crate) fn note(order: &Order) -> String {
    let Order { directory, names, proof } = order;
    let how = match proof {
        Proof::Http(_) => format!("port {HTTP_PORT} of each of them has to lead to this server"),
        Proof::TlsAlpn => format!("port {TLS_PORT} of each of them has to lead to this server"),
        Proof::Dns(server) => {
            format!("the name server {server} has to take updates of _acme-challenge below each of them")
        }
    };
    format!(
        "The server orders it itself, from {directory} by {}, for {}: {how}. Nobody has to order or renew it.",
        proof.as_str(),
        names.join(", ")
    )
}

/// From the authority to us, and from us to it.
pub(crate) fn ports(topology: &Topology, order: &Order) -> Vec<Port> {
    let mut ports = Vec::new();
    let purpose = "a proof for the authority that our names lead here; taken only while an order waits";
    if let Proof::Http(listen) = &order.proof {
        for address in listen.iter().filter(|address| !address.ip().is_loopback()) {
            ports.push(Port {
                source: "any: the authority asks from several places".to_owned(),
                destination: topology.public_address(address.ip()),
                purpose: purpose.to_owned(),
                needed_by: "the certificate".to_owned(),
                ..inbound_by_tcp(*address)
            });
        }
    }
    let (host, port) = host_and_port(&order.directory);
    ports.push(to(host, port, "HTTPS: orders of certificates"));
    if let Proof::Dns(server) = &order.proof {
        ports.push(to(server.ip().to_string(), server.port(), "DNS updates: proofs of our names"));
    }
    // What this machine says to itself meets no firewall.
    ports.retain(|port| !port.destination.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()));
    ports
}

fn to(host: String, port: u16, purpose: &str) -> Port {
    Port {
        direction: Direction::Out,
        address: "any".to_owned(),
        protocol: "TCP",
        port,
        last_port: None,
        source: "this server".to_owned(),
        destination: host,
        purpose: purpose.to_owned(),
        needed_by: "the certificate".to_owned(),
    }
}

/// Where the authority will not find what it looks for, unless something in between leads it there.
pub(crate) fn warnings(topology: &Topology, order: &Order) -> Vec<String> {
    let (port, answered): (u16, Vec<SocketAddr>) = match &order.proof {
        Proof::Http(listen) => (HTTP_PORT, listen.clone()),
        Proof::TlsAlpn => {
            let by = |transport| topology.listeners_by(transport);
            (TLS_PORT, by(Transport::Tls).chain(by(Transport::Wss)).collect())
        }
        Proof::Dns(_) => return Vec::new(),
    };
    if answered.iter().any(|address| address.port() == port) {
        return Vec::new();
    }
    let answered: Vec<String> = answered.iter().map(SocketAddr::to_string).collect();
    vec![format!(
        "An authority proves names by {} on port {port} alone, and we answer it on {}. Let port {port} lead there, or listen on it.",
        order.proof.as_str(),
        answered.join(", ")
    )]
}

/// Of an `https:` URL.
fn host_and_port(url: &str) -> (String, u16) {
    let authority = url.trim_start_matches("https://").split(['/', '?']).next().unwrap_or_default();
    match authority.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host.to_owned(), port),
        _ => (authority.to_owned(), TLS_PORT),
    }
}

const HTTP_PORT: u16 = 80;
const TLS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_mostly_the_usual_port() {
        assert_eq!(host_and_port("https://acme.example/directory"), ("acme.example".to_owned(), 443));
        assert_eq!(host_and_port("https://ca.corp.example:9000/acme"), ("ca.corp.example".to_owned(), 9000));
    }
}
