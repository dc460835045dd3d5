//! What a partner's organisation is made of in a test: names in the DNS, a server with a certificate, connections to us.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use certificates::{Identity, ServedIdentity};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use socket2::{Domain, Socket, Type};

use crate::place::Authority;

/// Answers for the addresses of these hosts, and says of everything else that it does not exist. Ends with the test.
pub fn name_server(hosts: &'static [(&'static str, Ipv4Addr)]) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, asker)) = socket.recv_from(&mut packet) {
            let question = Message::from_vec(&packet[..length]).unwrap();
            let answer = dns_answer(&question, hosts).to_vec().unwrap();
            let _ = socket.send_to(&answer, asker);
        }
    });
    address
}

fn dns_answer(question: &Message, hosts: &[(&str, Ipv4Addr)]) -> Message {
    let query = question.queries[0].clone();
    let host = query.name().to_ascii();
    let known = hosts.iter().find(|(name, _)| *name == host.trim_end_matches('.'));
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    match (known, query.query_type()) {
        (Some((_, address)), RecordType::A) => {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A(*address))));
        }
        (Some(_), _) => {}
        (None, _) => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer
}

/// A certificate for these names, with its key.
pub fn identity(folder: &Path, authority: &Authority, names: &[&str]) -> Arc<ServedIdentity> {
    let (chain, key) = (folder.join("partner.pem"), folder.join("partner.key"));
    authority.issue(names, &chain, &key);
    ServedIdentity::new(&Identity::load(&chain, &key, UnixTime::now()).unwrap()).unwrap()
}

/// A server at this address that shakes hands with whoever comes, and then listens only.
pub fn listen(address: Ipv4Addr, identity: &Arc<ServedIdentity>) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(certificates::tls::recording_server_config(identity).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(move || StreamOwned::new(connection, stream).read(&mut [0; 1]));
        }
    });
    port
}

/// A server as [`listen`], which tells what certificate each who comes has shown.
pub fn listen_and_note(
    address: Ipv4Addr,
    identity: &Arc<ServedIdentity>,
) -> (u16, mpsc::Receiver<CertificateDer<'static>>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(certificates::tls::recording_server_config(identity).unwrap());
    let (note, notes) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut connection, note) = (ServerConnection::new(config.clone()).unwrap(), note.clone());
            std::thread::spawn(move || {
                connection.complete_io(&mut stream).unwrap();
                note.send(connection.peer_certificates().unwrap()[0].clone().into_owned()).unwrap();
                std::io::copy(&mut StreamOwned::new(connection, stream), &mut std::io::sink())
            });
        }
    });
    (port, notes)
}

/// A connection from this address to a server of ours, with the partner's certificate or without one.
pub fn connect(
    from: Ipv4Addr,
    port: u16,
    identity: Option<&Arc<ServedIdentity>>,
) -> StreamOwned<ClientConnection, TcpStream> {
    connect_under("sip.contoso.example", from, port, identity)
}

/// As [`connect`], to another name of the server, as the handshake says it (SNI).
pub fn connect_under(
    name: &'static str,
    from: Ipv4Addr,
    port: u16,
    identity: Option<&Arc<ServedIdentity>>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = certificates::tls::recording_client_config(identity).unwrap();
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, connect_plain(from, port))
}

pub fn connect_plain(from: Ipv4Addr, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.into()
}
