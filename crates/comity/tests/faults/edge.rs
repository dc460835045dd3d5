//! A partner's edge that does one thing wrong.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use certificates::ServedIdentity;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sip::build;
use socket2::{Domain, Socket, Type};

use crate::phone::Phone;
use crate::place::Authority;

/// What it does once TLS is up.
#[derive(Clone, Copy)]
pub enum Manner {
    /// Answers every request with this status and these headers.
    Answers(u16, &'static [(&'static str, &'static str)]),
    /// Is a web server.
    SpeaksHttp,
}

/// Serves until the test ends; the port.
pub fn serve(address: Ipv4Addr, config: ServerConfig, manner: Manner) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(move || behave(StreamOwned::new(connection, stream), manner));
        }
    });
    port
}

fn behave(mut stream: StreamOwned<ServerConnection, TcpStream>, manner: Manner) {
    match manner {
        Manner::SpeaksHttp => {
            if stream.read(&mut [0; 2000]).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.flush();
            }
        }
        Manner::Answers(status, headers) => {
            let mut line = Phone::over("edge", stream);
            while let Ok(request) = line.try_receive() {
                let response = build::response(&request, status, None, Some("edge"));
                let response =
                    headers.iter().fold(response, |response, (name, value)| response.raw_header(name, value));
                line.send_text(std::str::from_utf8(&response.build()).unwrap());
            }
        }
    }
}

/// Asks for a certificate and takes any.
pub fn tolerant(identity: &Arc<ServedIdentity>) -> ServerConfig {
    certificates::tls::recording_server_config(identity).unwrap()
}

/// Takes certificates of this authority only, and ends the handshake of everybody else with an alert.
pub fn trusting_only(authority: &Authority, folder: &std::path::Path) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = CertificateDer::pem_file_iter(folder.join("edge.pem")).unwrap().map(Result::unwrap).collect();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_file(folder.join("edge.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_client_cert_verifier(verifier.build().unwrap()).with_single_cert(chain, key).unwrap()
}

/// A port at which nothing listens.
pub fn closed_port(address: Ipv4Addr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

/// A port whose connections are dropped without a word, as by a firewall: its queue is full and nobody takes from it.
pub struct Filtered {
    pub port: u16,
    _held: Vec<Socket>,
}

impl Filtered {
    pub fn new(address: Ipv4Addr) -> Filtered {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from((address, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let port = listener.local_addr().unwrap().as_socket().unwrap().port();
        let fill = || {
            let filler = socket();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&SocketAddr::from((address, port)).into());
            filler
        };
        let mut held: Vec<Socket> = (0..4).map(|_| fill()).collect();
        held.push(listener);
        Filtered { port, _held: held }
    }
}

/// A list of revoked certificates by HTTP; the port.
pub fn serve_list(list: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 2000]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", list.len());
            let _ = stream.write_all(&[head.as_bytes(), &list].concat());
        }
    });
    port
}
