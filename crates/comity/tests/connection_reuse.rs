//! A partner speaks on the connection that we opened to it, and back (RFC 5923), as far as its certificate goes.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use sip::{HeaderName, Message, Method};

use crate::partner;
use crate::phone::Phone;
use crate::place;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const PHONE: Ipv4Addr = Ipv4Addr::new(127, 0, 73, 1);
const EDGE: Ipv4Addr = Ipv4Addr::new(127, 0, 73, 2);

/// Fabrikam's edge at the connection that Contoso opens to it; what it says itself is Bob's.
fn accept(listener: &TcpListener, authority: &place::Authority, folder: &Path) -> Phone {
    let identity = partner::identity(folder, authority, &["edge.fabrikam.example", "fabrikam.example"]);
    let config = Arc::new(certificates::tls::recording_server_config(&identity).unwrap());
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Phone::over(BOB, StreamOwned::new(ServerConnection::new(config).unwrap(), stream))
}

fn message(from: &str, call_id: &str) -> String {
    format!(
        "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.example;branch=z9hG4bK{call_id}\r\n\
         From: <sip:{from}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn word(response: &Message) -> String {
    response.header_text(HeaderName::Warning).unwrap_or_default().to_owned()
}

#[test]
fn requests_come_back_on_our_own_connection_for_whom_its_certificate_proves() {
    let listener = TcpListener::bind((EDGE, 0)).unwrap();
    let dns = partner::name_server(&[("edge.fabrikam.example", EDGE)]);
    let served = Served::start_with("", &dns.to_string());
    let edge = format!("edge.fabrikam.example:{}", listener.local_addr().unwrap().port());
    served.run(&["partner", "add", "fabrikam.example", "--edge", &edge]).ok();
    served.run(&["partner", "add", "litware.example"]).ok();
    Phone::add_user(&served, ALICE);
    let mut alice = Phone::connect(&served, ALICE, PHONE);
    assert_eq!(alice.register().status(), Some(200));

    alice.offer_proof(&Method::Message, &format!("sip:{BOB}"), BOB, "");
    let mut line = accept(&listener, &served.authority, served.place.path());
    let request = line.receive();
    assert_eq!(request.top_via().unwrap().host, "sip.contoso.example");
    line.answer(&request, 200);
    assert_eq!(alice.final_response().status(), Some(200));

    line.send_text(&message(BOB, "back"));
    let arrived = alice.receive();
    assert_eq!(arrived.call_id(), Ok("back"));
    alice.answer(&arrived, 200);
    assert_eq!(line.final_response().status(), Some(200));

    // Another partner's name needs another certificate, whatever was admitted before.
    line.send_text(&message("carol@litware.example", "forged"));
    let refused = line.final_response();
    assert_eq!(refused.status(), Some(403));
    assert!(word(&refused).contains("certificate-name"), "{}", word(&refused));
    // And a user of ours is none of a partner's.
    line.send_text(&message("dave@contoso.example", "ours"));
    assert_eq!(line.final_response().status(), Some(403));
}
