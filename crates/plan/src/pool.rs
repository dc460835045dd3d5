//! Edge and home apart, and several edges as a pool: what that asks of the firewalls, the DNS and the certificates.
//!
//! A pool is balanced on either side, outer and inner, in one of two ways: by the DNS, which names every member, or by a
//! load balancer, which has one address for all of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sip::Transport;

use crate::certificate::{Certificate, CertificateName, NameKind, Need};
use crate::dns::{Record, RecordType};
use crate::port::{Direction, Port};
use crate::topology::{Topology, parent};

/// One server of the two that edge and home apart are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    pub role: Role,
    /// By what the other side calls it.
    pub name: String,
    pub listeners: Vec<(Transport, SocketAddr)>,
    /// What is on the other side.
    pub hops: Vec<Hop>,
    /// Whether that is a Comity, too.
    pub is_comity: bool,
    /// Of an edge: users sign in through it from outside.
    pub takes_remote_users: bool,
    /// Of a home: where it tells each of its edges partners, rules and keys, where that is not each of the hops.
    pub control: Vec<Hop>,
    /// The port for that, where nothing else is said.
    pub control_port: Option<u16>,
    /// The file of the certificate for the inner side; `None`: the outer one's.
    pub certificate_file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Edge,
    Home,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub host: String,
    pub port: u16,
    pub transport: Transport,
}

/// Several edges before one home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgePool {
    pub members: Vec<Member>,
    pub outer: Balancing,
    pub inner: Balancing,
}

/// One edge of the pool: where partners reach it, and where the home does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub outer: IpAddr,
    pub inner: IpAddr,
}

/// How those who come are spread over the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Balancing {
    /// The name has the addresses of all members.
    Dns,
    /// The name has the one address of a load balancer.
    Hardware { vip: IpAddr },
}

impl EdgePool {
    fn outer_addresses(&self) -> Vec<IpAddr> {
        addresses(self.outer, self.members.iter().map(|member| member.outer))
    }

    fn inner_addresses(&self) -> Vec<IpAddr> {
        addresses(self.inner, self.members.iter().map(|member| member.inner))
    }

    /// In words, for an introduction.
    pub(crate) fn summary(&self) -> String {
        let way = |balancing| match balancing {
            Balancing::Dns => "by the DNS".to_owned(),
            Balancing::Hardware { vip } => format!("by the load balancer at {vip}"),
        };
        let (count, outer, inner) = (self.members.len(), way(self.outer), way(self.inner));
        format!(
            "It is one of a pool of {count} edges, balanced {outer} on the outer side and {inner} on the inner side."
        )
    }
}

fn addresses(balancing: Balancing, members: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    match balancing {
        Balancing::Dns => members.collect(),
        Balancing::Hardware { vip } => vec![vip],
    }
}

/// What will not survive the loss of a member, or not be found.
pub fn warnings(topology: &Topology) -> Vec<String> {
    let Some(pool) = &topology.pool else { return Vec::new() };
    let mut warnings = Vec::new();
    match (pool.outer, pool.inner) {
        (Balancing::Dns, Balancing::Hardware { .. }) | (Balancing::Hardware { .. }, Balancing::Dns) => warnings.push(
            "The outer and the inner side are balanced in different ways. Then one side takes a member for gone while the \
             other still sends to it, and what is under way is cut in two. Use the DNS on both sides, or a load balancer on \
             both."
                .to_owned(),
        ),
        _ => {}
    }
    if pool.outer == Balancing::Dns {
        warnings.push(
            "With DNS load balancing, a partner that keeps the first address that answered (Office Communications Server, \
             and XMPP gateways) does not go to another edge when that one is gone: until the edge is back, what it sends is \
             lost. For such partners, put a load balancer before the edges, on both sides."
                .to_owned(),
        );
    }
    if pool.members.len() < 2 {
        warnings
            .push("A pool of one edge has nothing to go on with when that one is gone: name two or more.".to_owned());
    }
    warnings.extend(topology.half.as_ref().and_then(|half| untold(half, pool)));
    let outer: Vec<IpAddr> = pool.members.iter().map(|member| member.outer).collect();
    let twice = pool.members.iter().any(|member| outer.iter().filter(|other| **other == member.outer).count() > 1);
    if twice {
        warnings.push("Two members of the pool have the same outer address: give each its own.".to_owned());
    }
    warnings
}

/// Whoever connects to a name of several edges reaches one of them.
fn untold(half: &Half, pool: &EdgePool) -> Option<String> {
    let told = if half.control.is_empty() { &half.hops } else { &half.control };
    let is_short = half.role == Role::Home && half.is_comity && told.len() < pool.members.len();
    let way = match pool.inner {
        Balancing::Dns => "the DNS".to_owned(),
        Balancing::Hardware { vip } => format!("the load balancer at {vip}"),
    };
    let (count, names) = (pool.members.len(), told.len());
    is_short.then(|| {
        format!(
            "The home tells what it decided to {names} of {count} edges alone: {way} leads one name to several of them. Give \
             each edge a name of its own that its inner certificate has, too, and name all of them under [inside] control at \
             the home."
        )
    })
}

/// Firewall rules of the inner side, and those of a load balancer.
pub fn ports(topology: &Topology) -> Vec<Port> {
    let mut ports: Vec<Port> = topology.half.iter().flat_map(|half| inner_ports(topology, half)).collect();
    if let Some(pool) = &topology.pool {
        ports.extend(balancer_ports(topology, pool));
    }
    ports
}

fn inner_ports(topology: &Topology, half: &Half) -> Vec<Port> {
    let other = match half.role {
        Role::Edge => hosts(half),
        Role::Home => inner_side_of_edges(topology, half),
    };
    let purpose = match (half.role, half.is_comity) {
        (Role::Edge, true) => "SIP over mutual TLS from the home",
        (Role::Edge, false) => "SIP from the server behind this edge",
        (Role::Home, _) => "SIP over mutual TLS from the edges",
    };
    let mut ports: Vec<Port> = half
        .listeners
        .iter()
        .map(|(transport, address)| rule(Direction::In, *address, *transport, (&other, "this server"), purpose))
        .collect();
    let back = match half.role {
        Role::Edge => "SIP to what is behind this edge",
        Role::Home => "SIP over mutual TLS to the edges",
    };
    for hop in &half.hops {
        let out = rule(Direction::Out, unspecified(hop.port), hop.transport, ("this server", &hop.host), back);
        ports.push(Port { address: "any".to_owned(), ..out });
    }
    ports.extend(control(half, &other));
    ports
}

/// Partners, rules and keys go from the home to the edge, never the other way.
fn control(half: &Half, other: &str) -> Vec<Port> {
    let is_in = half.role == Role::Edge;
    let why = "control over mutual TLS: the home tells the edge partners, rules and keys; never the other way";
    let (direction, source, destination) = match is_in {
        true => (Direction::In, other, "this server, inner side"),
        false => (Direction::Out, "this server", other),
    };
    let ports: BTreeSet<u16> = match half.control.is_empty() {
        true => half.control_port.filter(|_| half.is_comity).into_iter().collect(),
        false => half.control.iter().map(|hop| hop.port).collect(),
    };
    let rule = |port| {
        let rule = rule(direction, unspecified(port), Transport::Tls, (source, destination), why);
        Port { address: "inner side".to_owned(), ..rule }
    };
    ports.into_iter().map(rule).collect()
}

fn balancer_ports(topology: &Topology, pool: &EdgePool) -> Vec<Port> {
    let mut ports = Vec::new();
    for (side, balancing) in [("outer", pool.outer), ("inner", pool.inner)] {
        let Balancing::Hardware { vip } = balancing else { continue };
        let members = pool.members.iter().map(|member| if side == "outer" { member.outer } else { member.inner });
        let members = members.map(|address| address.to_string()).collect::<Vec<_>>().join(", ");
        let port = if side == "outer" { topology.edge_port() } else { INNER_PORT };
        let source = if side == "outer" { "any" } else { "the home" };
        let sip = format!("{side} side: through the load balancer to every member, with a PROXY header of version 2");
        ports.push(Port {
            destination: format!("{vip}, then {members}"),
            needed_by: "all who come through the load balancer".to_owned(),
            ..rule(Direction::In, (vip, port).into(), Transport::Tls, (source, ""), &sip)
        });
        let health = format!("{side} side: the load balancer asks each member by HTTP whether it can do the work");
        ports.push(Port {
            address: "each member".to_owned(),
            destination: members,
            needed_by: "the load balancer ([listen] health)".to_owned(),
            ..rule(Direction::In, unspecified(HEALTH_PORT), Transport::Tcp, ("the load balancer", ""), &health)
        });
    }
    ports
}

fn rule(
    direction: Direction,
    address: SocketAddr,
    transport: Transport,
    (source, destination): (&str, &str),
    purpose: &str,
) -> Port {
    Port {
        direction,
        address: address.ip().to_string(),
        protocol: protocol(transport),
        port: address.port(),
        last_port: None,
        source: source.to_owned(),
        destination: destination.to_owned(),
        purpose: purpose.to_owned(),
        needed_by: "edge and home".to_owned(),
    }
}

fn protocol(transport: Transport) -> &'static str {
    if transport == Transport::Udp { "UDP" } else { "TCP" }
}

fn unspecified(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

fn hosts(half: &Half) -> String {
    half.hops.iter().map(|hop| hop.host.clone()).collect::<Vec<_>>().join(", ")
}

fn inner_side_of_edges(topology: &Topology, half: &Half) -> String {
    match &topology.pool {
        Some(pool) => pool.members.iter().map(|member| member.inner.to_string()).collect::<Vec<_>>().join(", "),
        None => hosts(half),
    }
}

/// The addresses that the edge's name has in a pool; `None` where there is no pool.
pub(crate) fn edge_addresses(topology: &Topology) -> Option<Vec<IpAddr>> {
    topology.pool.as_ref().map(EdgePool::outer_addresses)
}

/// Names of the inner side, for the DNS inside alone.
pub fn records(topology: &Topology) -> Vec<Record> {
    let Some(half) = &topology.half else { return Vec::new() };
    let own = half.listeners.iter().map(|(_, address)| address.ip());
    let mut named: Vec<(&str, IpAddr, String)> = Vec::new();
    match (half.role, &topology.pool) {
        (Role::Edge, Some(pool)) => {
            let reason = "the inner side of the pool: where the home finds its edges; inside alone";
            named.extend(pool.inner_addresses().into_iter().map(|address| (&*half.name, address, reason.to_owned())));
        }
        (Role::Home, Some(pool)) => {
            let reason = "the inner side of the pool; inside alone";
            let edges = half.hops.iter().map(|hop| &*hop.host);
            let all = edges.flat_map(|edge| pool.inner_addresses().into_iter().map(move |address| (edge, address)));
            named.extend(all.map(|(edge, address)| (edge, address, reason.to_owned())));
            // In the order in which they were named, each one.
            if half.control.len() == pool.members.len() {
                let own = half.control.iter().zip(&pool.members);
                let reason = "one edge of the pool, where the home tells it what it decided; inside alone";
                named.extend(own.map(|(hop, member)| (&*hop.host, member.inner, reason.to_owned())));
            }
            named.extend(own.map(|address| (&*half.name, address, INNER_REASON.to_owned())));
        }
        (_, None) => named.extend(own.map(|address| (&*half.name, address, INNER_REASON.to_owned()))),
    }
    let record = |(name, address, reason): (&str, IpAddr, String)| Record {
        zone: parent(name).to_owned(),
        owner: format!("{name}."),
        kind: if address.is_ipv4() { RecordType::A } else { RecordType::Aaaa },
        data: address.to_string(),
        reason,
    };
    let mut records: Vec<Record> = Vec::new();
    for record in named.into_iter().map(record) {
        if !records.contains(&record) {
            records.push(record);
        }
    }
    records
}

/// The certificate of the inner side.
pub fn certificate(topology: &Topology) -> Option<Certificate> {
    let half = topology.half.as_ref()?;
    let is_tls = half.listeners.iter().any(|(transport, _)| *transport == Transport::Tls);
    let reason = match (half.role, &topology.pool) {
        (Role::Edge, Some(_)) => "the name that the home asks for; the same on every edge of the pool",
        (Role::Edge, None) => "the name that the other side asks for",
        (Role::Home, _) => "the name that the edges ask for, their next_hop",
    };
    let mut notes = vec![
        "Both sides show a certificate, and each checks the other's name. An authority of your own is enough, and better: \
         [inside] roots names it, and nobody outside can get one."
            .to_owned(),
    ];
    if topology.pool.is_some() && half.role == Role::Edge {
        notes.push(
            "Every member of the pool needs both certificates with these names: the same files on all of them, or one each \
             with the same names."
                .to_owned(),
        );
    }
    is_tls.then(|| Certificate {
        file: half.certificate_file.clone().unwrap_or_else(|| topology.certificate_file.clone()),
        subject: format!("CN={}", half.name),
        names: vec![CertificateName {
            kind: NameKind::Dns,
            value: half.name.clone(),
            need: Need::Required,
            reason: reason.to_owned(),
        }],
        purposes: vec!["serverAuth".to_owned(), "clientAuth".to_owned()],
        key: "ECDSA P-256, or RSA of 2048 bits or more".to_owned(),
        used: vec!["the inner side, in both directions".to_owned()],
        notes,
    })
}

const INNER_REASON: &str = "where the other side connects; inside alone";
/// As the configuration has them where nothing else is said.
const INNER_PORT: u16 = 5061;
const HEALTH_PORT: u16 = 8061;
