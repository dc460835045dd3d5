//! A server that is looked after while it runs: its certificate renewed, its end asked for.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};
use sip::{HeaderName, Message, Method, auth};

use crate::served::Served;

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(served: &Served) -> Tls {
    let config = certificates::tls::recording_client_config(None).unwrap();
    let name = ServerName::try_from("sip.contoso.example").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, served.tls_port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut tls = StreamOwned::new(connection, socket);
    keep_alive(&mut tls);
    tls
}

/// The ping of RFC 5626 section 3.5.1, and its pong.
fn keep_alive(tls: &mut Tls) {
    tls.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    tls.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

fn shown(tls: &Tls) -> CertificateDer<'static> {
    tls.conn.peer_certificates().unwrap()[0].clone()
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart_and_a_bad_one_is_not() {
    let mut served = Served::start();
    let mut first = connect(&served);
    let old = shown(&first);

    served.place.certify(&["sip.contoso.example", "contoso.example", "renewed.contoso.example"]);
    served.wait_until("the new certificate is served", |served| shown(&connect(served)) != old);
    let renewed = shown(&connect(&served));
    keep_alive(&mut first);
    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!(status["certificate"]["names"][2], "renewed.contoso.example");
    assert!(status["certificate"]["since_unix"].as_i64().unwrap() > 0);

    std::fs::write(served.place.path().join("contoso.key"), "no key").unwrap();
    let shows_refusal = |served: &mut Served| served.run(&["status"]).ok().stdout.contains("holds no private key");
    served.wait_until("the bad key is told", shows_refusal);
    assert!(shown(&connect(&served)) == renewed);
    assert!(served.log().contains("the new certificate is refused"), "{}", served.log());
}

/// Alice over TCP. What she sends goes to a partner whose name server says nothing.
struct Alice(TcpStream);

impl Alice {
    /// Leaves a request under way that only the silence of the name server will end.
    fn wait_for_silence(served: &Served, silent: &UdpSocket) -> Alice {
        served
            .place
            .run_with_input(&["user", "add", "alice@contoso.example", "--password-stdin"], "correct horse\n")
            .ok();
        served.run(&["partner", "add", "fabrikam.example"]).ok();
        let mut alice = Alice(TcpStream::connect((Ipv4Addr::LOCALHOST, served.tcp_port)).unwrap());
        alice.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        alice.send(1, "");
        let challenge = Message::parse(alice.receive().into()).unwrap();
        assert_eq!(challenge.status(), Some(407));
        let offered: Vec<&str> = challenge
            .header_all(HeaderName::ProxyAuthenticate)
            .map(|value| std::str::from_utf8(value).unwrap())
            .collect();
        let to = "sip:bob@fabrikam.example";
        let proof = auth::answer(&offered, "alice", "correct horse", &Method::Message, to, b"", "c", 1).unwrap();
        alice.send(2, &format!("Proxy-Authorization: {proof}\r\n"));
        silent.recv_from(&mut [0; 512]).unwrap();
        alice
    }

    fn send(&mut self, cseq: u32, lines: &str) {
        let text = format!(
            "MESSAGE sip:bob@fabrikam.example SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch=z9hG4bK{cseq}\r\n\
             From: <sip:alice@contoso.example>;tag=a\r\nTo: <sip:bob@fabrikam.example>\r\nCall-ID: silence\r\n\
             CSeq: {cseq} MESSAGE\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// One final response without a body, or nothing where the server hangs up.
    fn receive(&mut self) -> Vec<u8> {
        loop {
            let mut text = Vec::new();
            let mut byte = [0];
            while !text.ends_with(b"\r\n\r\n") && self.0.read(&mut byte).unwrap() == 1 {
                text.push(byte[0]);
            }
            if !text.starts_with(b"SIP/2.0 100 ") {
                return text;
            }
        }
    }
}

fn start_with_silent_dns(lines: &str) -> (Served, UdpSocket) {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let served = Served::start_with(lines, &silent.local_addr().unwrap().to_string());
    (served, silent)
}

#[test]
fn a_server_that_is_to_end_finishes_what_is_under_way() {
    let (mut served, silent) = start_with_silent_dns("drain_secs_max = 30");
    let mut alice = Alice::wait_for_silence(&served, &silent);
    let mut idle = connect(&served);
    served.signal("-TERM");
    let refuses = |served: &mut Served| TcpStream::connect((Ipv4Addr::LOCALHOST, served.tcp_port)).is_err();
    served.wait_until("no connection is accepted", refuses);
    keep_alive(&mut idle);
    alice.send(3, "");
    let new = String::from_utf8(alice.receive()).unwrap();
    assert!(new.starts_with("SIP/2.0 503 ") && new.contains("Retry-After: 5"), "{new}");
    let finished = String::from_utf8(alice.receive()).unwrap();
    assert!(finished.starts_with("SIP/2.0 504 "), "{finished}");
    assert_eq!(idle.read(&mut [0; 16]).unwrap(), 0, "a close_notify: without it, rustls would call it an error");
    served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
    assert_eq!(served.server.wait().unwrap().code(), Some(0), "{}", served.log());
}

#[test]
fn a_second_signal_and_the_limit_end_it_whatever_is_under_way() {
    for (limit, second) in [(30, true), (0, false)] {
        let (mut served, silent) = start_with_silent_dns(&format!("drain_secs_max = {limit}"));
        let mut alice = Alice::wait_for_silence(&served, &silent);
        served.signal("-TERM");
        served.wait_until("it drains", |served| served.log().contains("draining"));
        if second {
            served.signal("-INT");
        }
        assert!(alice.receive().is_empty(), "nobody waits for the name server");
        served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
        assert_eq!(served.server.wait().unwrap().code(), Some(0), "{}", served.log());
    }
}
