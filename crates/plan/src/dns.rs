//! The DNS summary: the records by which partners and phones find the server.

use std::net::IpAddr;

use federation::discovery::srv_names;
use serde::Serialize;
use sip::Transport;

use crate::topology::{EDGE_PORT_DEFAULT, Topology, parent};

/// One record to publish. Names end with a dot, as in a zone file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The zone that it most likely belongs to; where zones are cut is known to the DNS alone.
    pub zone: String,
    pub owner: String,
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// As a zone file has it; in angle brackets, what cannot be known here.
    pub data: String,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    A,
    Aaaa,
    Srv,
}

impl RecordType {
    pub fn as_str(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Srv => "SRV",
        }
    }
}

/// The addresses of the edge, then one set of records for each SIP domain.
pub fn summary(topology: &Topology) -> Vec<Record> {
    let mut records = addresses(topology);
    records.extend(topology.domains.iter().flat_map(|domain| services(topology, domain)));
    records
}

/// A domain that partners cannot prove by the edge's name alone.
pub fn warnings(topology: &Topology) -> Vec<String> {
    if !topology.federation || topology.is_home_alone() {
        return Vec::new();
    }
    let outside = topology.domains.iter().filter(|domain| !topology.is_edge_directly_below(domain));
    outside.map(|domain| warning(topology, domain)).collect()
}

fn warning(topology: &Topology, domain: &str) -> String {
    let (edge, port) = (&topology.edge, topology.edge_port());
    let entry = if port == EDGE_PORT_DEFAULT { edge.clone() } else { format!("{edge}:{port}") };
    format!(
        "The edge {edge} does not stand exactly one label below {domain}, so that its name proves {domain} to no partner \
         by Lync's rule, and a strict partner will refuse this: the certificate has to name {domain} itself. Lync and Skype for Business refuse even that, unless \
         they enter {entry} as the edge of {domain}. Better is an edge name in the domain: publish sip.{domain} with the \
         addresses of {edge}, lead the SRV records of {domain} to it, and have the certificate name it, too."
    )
}

fn addresses(topology: &Topology) -> Vec<Record> {
    let reason = match topology.federation && !topology.is_home_alone() {
        _ if topology.takes_remote_users() => "the edge: where partners and phones outside connect",
        _ if topology.is_edge_alone() => "the edge: where partners connect",
        true => "the edge: where partners and phones connect",
        false => "the edge: where phones connect",
    };
    let mut records: Vec<Record> = Vec::new();
    let published = crate::pool::edge_addresses(topology).unwrap_or_else(|| published(topology));
    // What the name of a pool has is for everybody to see, whatever network it is in: it was typed for that.
    for address in published {
        let record = Record {
            zone: zone_of_edge(topology).to_owned(),
            owner: format!("{}.", topology.edge),
            kind: if address.is_ipv4() { RecordType::A } else { RecordType::Aaaa },
            data: topology.public_address(address),
            reason: reason.to_owned(),
        };
        if !records.contains(&record) {
            records.push(record);
        }
    }
    records.sort_by_key(|record| record.kind);
    records
}

/// The addresses that listen on the published port: any other would take half of the partners nowhere, and so would one
/// that this machine alone can reach, unless there is nothing else to start from.
fn published(topology: &Topology) -> Vec<IpAddr> {
    let port = topology.edge_port();
    let listening = topology.listeners_by(Transport::Tls).filter(|address| address.port() == port);
    let (inside, reachable): (Vec<IpAddr>, Vec<IpAddr>) =
        listening.map(|address| address.ip()).partition(|address| address.is_loopback());
    if reachable.is_empty() { inside } else { reachable }
}

fn services(topology: &Topology, domain: &str) -> Vec<Record> {
    let [federation, sips] = srv_names(domain);
    let record = |owner: String, reason: &str| Record {
        zone: domain.to_owned(),
        owner: format!("{owner}."),
        kind: RecordType::Srv,
        data: format!("0 0 {} {}.", topology.edge_port(), topology.edge),
        reason: reason.to_owned(),
    };
    if !topology.federation || topology.is_home_alone() {
        let reason = match topology.is_home_alone() {
            true => "phones inside that know the domain only (RFC 3263); inside alone: outside it leads to the edges",
            false => "phones that know the domain only (RFC 3263)",
        };
        return vec![record(sips, reason)];
    }
    let by_rfc_3263 = match topology.takes_remote_users() {
        true => "partners and phones outside that go by RFC 3263; outside alone: inside it leads to the home",
        false => "partners and phones that go by RFC 3263",
    };
    let federation = record(federation, "partners that find us by DNS: Comity, Lync, Skype for Business");
    [federation, record(sips, by_rfc_3263)].into_iter().chain(crate::outside::record(topology, domain)).collect()
}

/// The longest of our domains that the edge stands in, else the domain right above it.
fn zone_of_edge(topology: &Topology) -> &str {
    let is_within = |domain: &&String| {
        topology.edge == **domain || topology.edge.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
    };
    let domain = topology.domains.iter().filter(is_within).max_by_key(|domain| domain.len());
    domain.map_or(parent(&topology.edge), String::as_str)
}
