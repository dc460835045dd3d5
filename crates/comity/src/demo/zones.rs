//! The demo's DNS: an authoritative server for the zones of all organisations, on a port that needs no root.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hickory_proto::rr::rdata::{SOA, SRV};
use hickory_proto::rr::{LowerName, Name, RData, Record};
use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};

/// One domain in the DNS.
#[derive(Debug)]
pub struct Zone {
    pub domain: &'static str,
    /// Hosts by name, and the domain itself for phones that look no further.
    pub hosts: BTreeMap<&'static str, IpAddr>,
    /// Host and port in the federation SRV records; without them the domain does not federate.
    pub edge: Option<(&'static str, u16)>,
}

/// Serves the zones for as long as the runtime runs and the answer is kept.
pub async fn serve(zones: &[Zone], udp: UdpSocket, tcp: TcpListener) -> anyhow::Result<Server<Catalog>> {
    let mut catalog = Catalog::new();
    for zone in zones {
        catalog.upsert(LowerName::new(&name(zone.domain)?), vec![Arc::new(zone.handler()?)]);
    }
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    let mut server = Server::new(catalog);
    server.register_socket(tokio::net::UdpSocket::from_std(udp)?);
    server.register_listener(tokio::net::TcpListener::from_std(tcp)?, TCP_IDLE, TCP_RESPONSES_MAX);
    Ok(server)
}

impl Zone {
    fn handler(&self) -> anyhow::Result<InMemoryZoneHandler<TokioRuntimeProvider>> {
        let mut handler = InMemoryZoneHandler::empty(name(self.domain)?, ZoneType::Primary, AxfrPolicy::Deny);
        for (owner, rdata) in self.records()? {
            let is_added = handler.upsert_mut(Record::from_rdata(owner, TTL_SECS, rdata), SERIAL);
            anyhow::ensure!(is_added, "a record does not belong into the zone {}", self.domain);
        }
        Ok(handler)
    }

    fn records(&self) -> anyhow::Result<Vec<(Name, RData)>> {
        let origin = name(self.domain)?;
        let soa = SOA::new(origin.clone(), origin.clone(), SERIAL, 3600, 600, 86_400, TTL_SECS);
        let mut records = vec![(origin, RData::SOA(soa))];
        for (host, address) in &self.hosts {
            let rdata = match *address {
                IpAddr::V4(address) => RData::A(address.into()),
                IpAddr::V6(address) => RData::AAAA(address.into()),
            };
            records.push((name(host)?, rdata));
        }
        if let Some((host, port)) = self.edge {
            for service in ["_sipfederationtls._tcp", "_sips._tcp"] {
                let owner = name(&format!("{service}.{}", self.domain))?;
                records.push((owner, RData::SRV(SRV::new(0, 10, port, name(host)?))));
            }
        }
        Ok(records)
    }
}

fn name(text: &str) -> anyhow::Result<Name> {
    let mut name = Name::from_str(text).with_context(|| format!("{text} is no DNS name"))?;
    name.set_fqdn(true);
    Ok(name)
}

const SERIAL: u32 = 1;
/// Also how long a resolver remembers that there is nothing.
const TTL_SECS: u32 = 60;
const TCP_IDLE: Duration = Duration::from_secs(5);
/// Responses that wait for a connection to take them.
const TCP_RESPONSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_both_services() {
        let hosts = BTreeMap::from([("sip.litware.example", IpAddr::from([127, 0, 2, 3]))]);
        let zone = Zone { domain: "litware.example", hosts, edge: Some(("sip.litware.example", 5061)) };
        let owners: Vec<_> = zone.records().unwrap().iter().map(|(owner, _)| owner.to_utf8()).collect();
        assert_eq!(
            owners,
            [
                "litware.example.",
                "sip.litware.example.",
                "_sipfederationtls._tcp.litware.example.",
                "_sips._tcp.litware.example.",
            ]
        );
        assert!(zone.handler().is_ok());
    }
}
