//! An authoritative server for `example.`; everything else it refuses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::rdata::{A, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// Serves on the current runtime until that ends.
pub(crate) async fn start() -> SocketAddr {
    let mut catalog = Catalog::new();
    catalog.upsert(name("example.").into(), vec![Arc::new(zone())]);
    let mut server = Server::new(catalog);
    let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = udp.local_addr().expect("bound");
    server.register_socket(udp);
    server.register_listener(TcpListener::bind(address).await.expect("the same port"), Duration::from_secs(5), 32);
    tokio::spawn(async move { server.block_until_done().await });
    address
}

fn zone() -> InMemoryZoneHandler<TokioRuntimeProvider> {
    let mut zone = InMemoryZoneHandler::empty(name("example."), ZoneType::Primary, AxfrPolicy::Deny);
    let soa = SOA::new(name("ns.example."), name("admin.example."), 1, 3600, 600, 86_400, 60);
    let srv = |port, target| RData::SRV(SRV::new(10, 20, port, name(target)));
    for (owner, rdata) in [
        ("example.", RData::SOA(soa)),
        ("_sipfederationtls._tcp.both.example.", srv(5061, "Edge.both.example.")),
        ("_sips._tcp.both.example.", srv(5062, "other.both.example.")),
        ("_sips._tcp.sips.example.", srv(5061, "edge.sips.example.")),
        ("_sipfederationtls._tcp.refusing.example.", srv(0, ".")),
        ("_sips._tcp.refusing.example.", srv(5061, "edge.refusing.example.")),
        ("edge.both.example.", RData::A(A::new(127, 0, 0, 7))),
    ] {
        zone.upsert_mut(Record::from_rdata(name(owner), 300, rdata), 0);
    }
    zone
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}
