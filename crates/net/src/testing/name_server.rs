//! An authoritative server for `example.`; everything else it refuses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::rdata::{A, AAAA, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// A record: its owner, and what it says. Both without the root.
pub(crate) type Entry<'a> = (&'a str, RData);

/// Serves these records on the current runtime until that ends.
pub(crate) async fn start<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> SocketAddr {
    let mut catalog = Catalog::new();
    catalog.upsert(name("example").into(), vec![Arc::new(zone(entries))]);
    let mut server = Server::new(catalog);
    let (udp, tcp) = one_port().await;
    let address = udp.local_addr().expect("bound");
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 32);
    tokio::spawn(async move { server.block_until_done().await });
    address
}

/// Says nothing to questions of these types, and to all others what that server says. Ends with the tests.
pub(crate) fn silent_about(types: &'static [RecordType], speaking: SocketAddr) -> SocketAddr {
    in_front_of(speaking, move |question| !types.contains(&question.query_type()))
}

/// Says what that server says, and tells of which names it was asked for a record of this type.
pub(crate) fn heard_about(of: RecordType, speaking: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let address = in_front_of(speaking, move |question| {
        if question.query_type() == of {
            tell.send(question.name().to_ascii()).ok();
        }
        true
    });
    (address, told)
}

/// Passes on what this says yes to.
fn in_front_of(speaking: SocketAddr, passes: impl Fn(&Query) -> bool + Send + 'static) -> SocketAddr {
    let open = || std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let (questions, answers) = (open(), open());
    let address = questions.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((count, asker)) = questions.recv_from(&mut bytes) {
            let question = Message::from_vec(&bytes[..count]).expect("a question");
            if !question.queries.iter().all(&passes) {
                continue;
            }
            answers.send_to(&bytes[..count], speaking).expect("a name server");
            let count = answers.recv(&mut bytes).expect("an answer");
            questions.send_to(&bytes[..count], asker).expect("an asker");
        }
    });
    address
}

/// The same port for both: which of UDP is free may be somebody's of TCP.
async fn one_port() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both");
}

pub(crate) fn srv(port: u16, target: &str) -> RData {
    srv_of(10, port, target)
}

pub(crate) fn srv_of(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 20, port, name(target)))
}

pub(crate) fn address(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

fn zone<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> InMemoryZoneHandler<TokioRuntimeProvider> {
    let mut zone = InMemoryZoneHandler::empty(name("example"), ZoneType::Primary, AxfrPolicy::Deny);
    let soa = SOA::new(name("ns.example"), name("admin.example"), 1, 3600, 600, 86_400, 60);
    zone.upsert_mut(Record::from_rdata(name("example"), 300, RData::SOA(soa)), 0);
    for (owner, rdata) in entries {
        zone.upsert_mut(Record::from_rdata(name(owner), 300, rdata), 0);
    }
    zone
}

pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}
