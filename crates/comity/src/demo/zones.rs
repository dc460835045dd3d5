//! The DNS of the demo: one authoritative server for all its zones.

use std::net::{SocketAddr, TcpListener, UdpSocket};
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

/// What one zone says: where the domain's edge is.
pub struct Zone {
    pub domain: String,
    pub edge: String,
    pub place: SocketAddr,
}

/// Serves the zones over UDP and TCP for as long as the process lives, on a thread of its own.
pub fn serve(zones: &[Zone], udp: UdpSocket, tcp: TcpListener) -> anyhow::Result<()> {
    let mut catalog = Catalog::new();
    for zone in zones {
        let origin = name(&zone.domain)?;
        catalog.upsert(LowerName::from(&origin), vec![Arc::new(records(zone, origin)?)]);
    }
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let context = runtime.enter();
    let (udp, tcp) = (tokio::net::UdpSocket::from_std(udp)?, tokio::net::TcpListener::from_std(tcp)?);
    drop(context);
    std::thread::Builder::new().name("dns".into()).spawn(move || {
        runtime.block_on(async move {
            let mut server = Server::new(catalog);
            server.register_socket(udp);
            server.register_listener(tcp, Duration::from_secs(5), RESPONSE_BUFFER_BYTES);
            std::future::pending::<()>().await;
        });
    })?;
    Ok(())
}

fn records(zone: &Zone, origin: Name) -> anyhow::Result<InMemoryZoneHandler<TokioRuntimeProvider>> {
    let mut handler = InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let edge = name(&zone.edge)?;
    let soa = SOA::new(edge.clone(), origin.clone(), 1, 3600, 600, 86_400, 60);
    let host = match zone.place {
        SocketAddr::V4(place) => RData::A((*place.ip()).into()),
        SocketAddr::V6(place) => RData::AAAA((*place.ip()).into()),
    };
    let mut add = |owner: Name, rdata: RData| handler.upsert_mut(Record::from_rdata(owner, TTL_SECS, rdata), 1);
    add(origin.clone(), RData::SOA(soa));
    add(origin.clone(), host.clone());
    add(edge.clone(), host);
    for service in ["_sipfederationtls._tcp", "_sips._tcp"] {
        let owner = Name::from_str(service)?.append_domain(&origin)?;
        add(owner, RData::SRV(SRV::new(0, 0, zone.place.port(), edge.clone())));
    }
    Ok(handler)
}

fn name(text: &str) -> anyhow::Result<Name> {
    let mut name = Name::from_str(text).with_context(|| format!("{text} is no DNS name"))?;
    name.set_fqdn(true);
    Ok(name)
}

const TTL_SECS: u32 = 60;
const RESPONSE_BUFFER_BYTES: usize = 64;
