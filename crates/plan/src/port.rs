//! The port summary: what a firewall in front of the server has to let through. What is not in it can stay closed.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sip::Transport;

use crate::topology::{EDGE_PORT_DEFAULT, MediaPorts, Topology, is_public};

/// One rule of the firewall. Answers on the same connection, or to the same datagram, are understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    pub direction: Direction,
    /// The address of this server that the rule is about; for what goes out, the system chooses it.
    pub address: String,
    /// `TCP` or `UDP`.
    pub protocol: &'static str,
    /// Of the destination; the source port is any.
    pub port: u16,
    /// Where it is a range: its last port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    pub source: String,
    pub destination: String,
    pub purpose: String,
    pub needed_by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Inbound by listener, then outbound. What this machine says to itself meets no firewall.
pub fn summary(topology: &Topology) -> Vec<Port> {
    let by = |transport| topology.listeners_by(transport).filter(|address| !address.ip().is_loopback());
    let mut ports: Vec<Port> = by(Transport::Tls).map(|address| tls(topology, address)).collect();
    let of_phones = |port: Port| if topology.takes_remote_users() { from_outside(port) } else { port };
    ports.extend(by(Transport::Tcp).map(|address| of_phones(plain("TCP", address))));
    ports.extend(by(Transport::Udp).map(|address| of_phones(plain("UDP", address))));
    ports.extend(by(Transport::Wss).map(|address| browsers(topology, address)));
    ports.extend(by(Transport::Ws).map(proxied));
    ports.extend(topology.metrics.iter().filter(|address| !address.ip().is_loopback()).map(metrics));
    ports.extend(topology.health.iter().filter(|address| !address.ip().is_loopback()).map(health));
    ports.extend(topology.media.iter().flat_map(|media| sound(topology, media)));
    if topology.federation && !topology.is_home_alone() {
        ports.push(to_partners());
        ports.extend(to_dns(topology));
    }
    ports.extend(topology.order.iter().flat_map(|order| crate::order::ports(topology, order)));
    ports.extend(topology.mail_server.as_ref().map(to_mail));
    ports
}

/// What is odd about the listeners.
pub fn warnings(topology: &Topology) -> Vec<String> {
    let mut warnings = Vec::new();
    let edge = &topology.edge;
    for address in topology.listeners_by(Transport::Tls).filter(|address| address.ip().is_loopback()) {
        warnings.push(format!(
            "[listen] tls {address} can be reached from this machine only. For partners and phones elsewhere, listen on \
             an address of the network, or on 0.0.0.0:{} for every IPv4 address.",
            address.port()
        ));
    }
    let port = topology.edge_port();
    for address in topology.listeners_by(Transport::Tls).filter(|address| !topology.is_published(address.port())) {
        warnings.push(format!(
            "[listen] tls {address} is in no DNS record: the records lead to port {port}. Phones reach it only where \
             it is entered by hand."
        ));
    }
    if port != EDGE_PORT_DEFAULT && topology.federation {
        warnings.push(format!(
            "Port {port} is not the usual {EDGE_PORT_DEFAULT}. Partners that enter our edge by name have to write \
             {edge}:{port}, and their firewalls may let them out to {EDGE_PORT_DEFAULT} only."
        ));
    }
    let open = |address: &SocketAddr| address.ip().is_unspecified() || is_public(address.ip());
    for transport in [Transport::Tcp, Transport::Udp] {
        for address in topology.listeners_by(transport).filter(open) {
            let name = transport.param();
            warnings.push(format!(
                "[listen] {name} {address} takes phones without encryption, from wherever the firewall lets them. Open \
                 it to networks that you trust, or listen on an inside address."
            ));
        }
    }
    for address in topology.listeners_by(Transport::Ws).filter(open) {
        warnings.push(format!(
            "[listen] ws {address} takes browsers without encryption, from wherever the firewall lets them. Let the reverse \
             proxy that has the TLS reach it, and nobody else, or use wss."
        ));
    }
    warnings
}

fn tls(topology: &Topology, address: SocketAddr) -> Port {
    let (purpose, needed_by) = match topology.federation && !topology.is_home_alone() {
        _ if topology.takes_remote_users() => {
            ("SIP over TLS: requests of partners (mutual TLS) and phones outside", "partners, phones outside")
        }
        _ if topology.is_edge_alone() => ("SIP over mutual TLS: requests of partners", "partners"),
        true => ("SIP over TLS: requests of partners (mutual TLS) and phones", "partners, phones"),
        false => ("SIP over TLS: phones", "phones"),
    };
    Port {
        source: "any".to_owned(),
        destination: topology.public_address(address.ip()),
        purpose: purpose.to_owned(),
        needed_by: needed_by.to_owned(),
        ..inbound_by_tcp(address)
    }
}

/// What is common to all that somebody connects to us for.
pub(crate) fn inbound_by_tcp(address: SocketAddr) -> Port {
    plain("TCP", address)
}

fn plain(protocol: &'static str, address: SocketAddr) -> Port {
    Port {
        direction: Direction::In,
        address: local(address.ip()),
        protocol,
        port: address.port(),
        last_port: None,
        source: "the networks of your phones".to_owned(),
        destination: this_server(address.ip()),
        purpose: format!("SIP over {protocol}, without encryption"),
        needed_by: "phones".to_owned(),
    }
}

/// Who is outside can be anywhere.
fn from_outside(port: Port) -> Port {
    Port { source: "any".to_owned(), needed_by: "phones outside".to_owned(), ..port }
}

fn browsers(topology: &Topology, address: SocketAddr) -> Port {
    Port {
        source: "any".to_owned(),
        destination: topology.public_address(address.ip()),
        purpose: "SIP over WebSocket with TLS: phones in browsers".to_owned(),
        needed_by: "browsers".to_owned(),
        ..plain("TCP", address)
    }
}

fn proxied(address: SocketAddr) -> Port {
    Port {
        source: "your reverse proxy".to_owned(),
        purpose: "SIP over WebSocket, without encryption: the reverse proxy in front has the TLS".to_owned(),
        needed_by: "browsers".to_owned(),
        ..plain("TCP", address)
    }
}

fn metrics(address: &SocketAddr) -> Port {
    Port {
        source: "your monitoring".to_owned(),
        purpose: "metrics by HTTP, without encryption: keep it inside".to_owned(),
        needed_by: "Prometheus".to_owned(),
        ..inbound_by_tcp(*address)
    }
}

fn health(address: &SocketAddr) -> Port {
    Port {
        source: "your load balancers".to_owned(),
        purpose: "whether this server can do the work, by HTTP: keep it inside".to_owned(),
        needed_by: "load balancers".to_owned(),
        ..metrics(address)
    }
}

/// In and out: which of two phones sends first is not known.
fn sound(topology: &Topology, media: &MediaPorts) -> Vec<Port> {
    let reached = media.addresses.iter().filter(|address| !address.is_loopback());
    reached.flat_map(|address| sound_by(topology, *address, media)).collect()
}

fn sound_by(topology: &Topology, address: IpAddr, media: &MediaPorts) -> [Port; 2] {
    let inbound = Port {
        direction: Direction::In,
        address: local(address),
        protocol: "UDP",
        port: media.first,
        last_port: Some(media.last),
        source: "any".to_owned(),
        destination: topology.public_address(address),
        purpose: match topology.half.is_some() {
            true => {
                "sound of meetings and anchored calls (RTP, RTCP), from the phones of partners and those outside, too"
            }
            false => "sound of meetings (RTP, RTCP), from the phones of partners, too",
        }
        .to_owned(),
        needed_by: "phones in meetings".to_owned(),
    };
    let outbound = Port {
        direction: Direction::Out,
        port: 1024,
        last_port: Some(u16::MAX),
        source: "this server".to_owned(),
        destination: "any".to_owned(),
        purpose: "sound of meetings, to wherever a phone wants it".to_owned(),
        ..inbound.clone()
    };
    [inbound, outbound]
}

fn to_partners() -> Port {
    Port {
        direction: Direction::Out,
        address: "any".to_owned(),
        protocol: "TCP",
        port: EDGE_PORT_DEFAULT,
        last_port: None,
        source: "this server".to_owned(),
        destination: "any".to_owned(),
        purpose:
            "SIP over mutual TLS: requests to partners; another port where a partner's SRV record or entry says so"
                .to_owned(),
        needed_by: "partners".to_owned(),
    }
}

fn to_mail((host, port): &(String, u16)) -> Port {
    Port {
        direction: Direction::Out,
        address: "any".to_owned(),
        protocol: "TCP",
        port: *port,
        last_port: None,
        source: "this server".to_owned(),
        destination: host.clone(),
        purpose: "SMTP: invitations to meetings".to_owned(),
        needed_by: "invitees".to_owned(),
    }
}

fn to_dns(topology: &Topology) -> Vec<Port> {
    let mut servers: Vec<(String, u16)> =
        topology.dns_servers.iter().map(|server| (server.ip().to_string(), server.port())).collect();
    if servers.is_empty() {
        servers.push(("the system's DNS servers".to_owned(), 53));
    }
    let purposes = [("UDP", "SRV records and addresses of partners"), ("TCP", "DNS answers too large for UDP")];
    let rows = servers.into_iter().flat_map(|(destination, port)| {
        purposes.map(|(protocol, purpose)| Port {
            direction: Direction::Out,
            address: "any".to_owned(),
            protocol,
            port,
            last_port: None,
            source: "this server".to_owned(),
            destination: destination.clone(),
            purpose: purpose.to_owned(),
            needed_by: "partners".to_owned(),
        })
    });
    rows.collect()
}

/// As a destination inside.
fn this_server(address: IpAddr) -> String {
    if address.is_unspecified() { "this server".to_owned() } else { address.to_string() }
}

fn local(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) if ip.is_unspecified() => "every IPv4 address".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "every IPv6 address".to_owned(),
        ip => ip.to_string(),
    }
}
