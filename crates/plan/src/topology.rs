//! What a plan is made of: the part of a configuration that the world outside has to match.

use std::net::{IpAddr, SocketAddr};

use sip::Transport;

use crate::order::Order;
use crate::pool::{EdgePool, Half, Role};

/// One server. Names are in lower case without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The SIP domains served, at least one.
    pub domains: Vec<String>,
    /// The certified name of the server.
    pub edge: String,
    /// Where it listens; at least one by TLS.
    pub listeners: Vec<Listener>,
    /// Where scrapers get the metrics by HTTP.
    pub metrics: Vec<SocketAddr>,
    /// Where load balancers ask by HTTP how we are.
    pub health: Vec<SocketAddr>,
    /// `None`: no sound comes together on this server.
    pub media: Option<MediaPorts>,
    /// Whether other domains are spoken with at all.
    pub federation: bool,
    /// Whether domains without a partner entry are found by DNS and allowed.
    pub discovery: bool,
    /// Empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// Where invitations go by mail: host and port, unless it is this machine.
    pub mail_server: Option<(String, u16)>,
    /// Where edge and home are two: which of them this is. `None`: both in one.
    pub half: Option<Half>,
    /// Where there are several edges.
    pub pool: Option<EdgePool>,
    /// The file that the certificate is read from, as an administrator calls it.
    pub certificate_file: String,
    /// Where the server orders its certificate itself.
    pub order: Option<Order>,
}

/// Where the sound of meetings comes in: UDP ports from the first to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPorts {
    /// What phones are told; an unspecified one: any of this machine's of that family.
    pub addresses: Vec<IpAddr>,
    pub first: u16,
    pub last: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl Topology {
    pub(crate) fn listeners_by(&self, transport: Transport) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().filter(move |listener| listener.transport == transport).map(|listener| listener.address)
    }

    /// A home alone meets no partner: its edges do.
    pub(crate) fn is_home_alone(&self) -> bool {
        self.half.as_ref().is_some_and(|half| half.role == Role::Home)
    }

    pub(crate) fn is_edge_alone(&self) -> bool {
        self.half.as_ref().is_some_and(|half| half.role == Role::Edge)
    }

    /// In words, for an introduction.
    pub(crate) fn split(&self) -> Option<String> {
        let half = self.half.as_ref().map(|half| match half.role {
            Role::Edge => format!("An edge alone, which the inner side calls {}.", half.name),
            Role::Home => format!("A home alone, which its edges call {}; partners meet those.", half.name),
        });
        let pool = self.pool.as_ref().map(EdgePool::summary);
        (half.is_some() || pool.is_some()).then(|| half.into_iter().chain(pool).collect::<Vec<_>>().join(" "))
    }

    /// The port that SRV records lead to: the usual one where it is listened on, else that of the first TLS listener.
    pub(crate) fn edge_port(&self) -> u16 {
        let mut ports = self.listeners_by(Transport::Tls).map(|address| address.port());
        let first = ports.next().unwrap_or(EDGE_PORT_DEFAULT);
        if ports.any(|port| port == EDGE_PORT_DEFAULT) { EDGE_PORT_DEFAULT } else { first }
    }

    /// Lync's rule: partners accept an edge that stands exactly one label below the SIP domain.
    pub(crate) fn is_edge_directly_below(&self, domain: &str) -> bool {
        parent(&self.edge) == domain
    }

    /// How an address of ours is called where others connect to it: by itself, if the whole internet can.
    pub(crate) fn public_address(&self, address: IpAddr) -> String {
        if is_public(address) { address.to_string() } else { format!("<public address of {}>", self.edge) }
    }
}

/// The name without its first label; of a single label, nothing.
pub(crate) fn parent(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, parent)| parent)
}

/// Whether packets from elsewhere can have this destination. Documentation addresses count: they stand for real ones.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // RFC 6598: shared between a provider and its customers.
            let is_shared = first == 100 && (64..128).contains(&second);
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

pub(crate) const EDGE_PORT_DEFAULT: u16 = federation::partner::EDGE_PORT_DEFAULT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_others_reach_are_public() {
        for address in ["192.0.2.1", "8.8.8.8", "100.63.0.1", "100.128.0.1", "2001:db8::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let inside = [
            "0.0.0.0",
            "127.0.0.2",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "::",
            "::1",
            "fd00::1",
            "fe80::1",
        ];
        for address in inside {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_usual_port_is_published_where_there_is_one() {
        let listener = |address: &str| Listener { transport: Transport::Tls, address: address.parse().unwrap() };
        let mut topology = Topology {
            domains: vec!["contoso.example".to_owned()],
            edge: "sip.contoso.example".to_owned(),
            listeners: vec![listener("192.0.2.1:443"), listener("192.0.2.1:5061")],
            metrics: Vec::new(),
            health: Vec::new(),
            media: Some(MediaPorts { addresses: vec![IpAddr::from([0; 4])], first: 20_000, last: 29_999 }),
            federation: true,
            discovery: false,
            dns_servers: Vec::new(),
            mail_server: None,
            half: None,
            pool: None,
            certificate_file: "contoso.pem".to_owned(),
            order: None,
        };
        assert_eq!(topology.edge_port(), 5061);
        topology.listeners.pop();
        assert_eq!(topology.edge_port(), 443);
    }
}
