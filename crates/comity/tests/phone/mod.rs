//! A user's phone of one test, over TCP from an address of its own.

#![allow(dead_code, reason = "not every test needs everything")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use sip::{HeaderName, Message, Method, auth};
use socket2::{Domain, Socket, Type};

use crate::served::Served;

/// Who calls, and from where.
pub struct Phone {
    /// `alice@contoso.example`
    pub aor: &'static str,
    pub password: &'static str,
    pub call_id: String,
    socket: TcpStream,
    /// Each request is a transaction of its own.
    cseq: u32,
}

impl Phone {
    pub fn connect(served: &Served, aor: &'static str, address: Ipv4Addr) -> Phone {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, served.tcp_port)).into()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let call_id = format!("of-{}", aor.replace('@', "-"));
        Phone { aor, password: PASSWORD, call_id, socket: socket.into(), cseq: 0 }
    }

    /// As the administrator enters the user.
    pub fn add_user(served: &Served, aor: &str) {
        let typed = format!("{PASSWORD}\n");
        served.place.run_with_input(&["user", "add", aor, "--password-stdin"], &typed).ok();
    }

    /// Sends a request, and again with the answer to the challenge if there is one; answers the final response.
    pub fn ask(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> Message {
        self.send(method, uri, to, lines);
        let challenge = self.final_response();
        let (asked, proof) = match challenge.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            Some(407) => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
            _ => return challenge,
        };
        let offered: Vec<&str> = challenge.header_all(asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
        let user = self.aor.split('@').next().unwrap();
        let value = auth::answer(&offered, user, self.password, method, uri, b"", "c", 1).unwrap();
        self.send(method, uri, to, &format!("{lines}{proof}: {value}\r\n"));
        self.final_response()
    }

    pub fn register(&mut self) -> Message {
        let (uri, aor) = (format!("sip:{}", self.aor.split('@').nth(1).unwrap()), self.aor);
        let contact = format!("Contact: <sip:{};transport=tcp>\r\n", aor.replace("contoso.example", "phone.invalid"));
        self.ask(&Method::Register, &uri, aor, &contact)
    }

    pub fn message(&mut self, to: &str) -> Message {
        self.ask(&Method::Message, &format!("sip:{to}"), to, "")
    }

    /// From whoever `lines` or the address-of-record say; nothing is proven.
    pub fn send(&mut self, method: &Method, uri: &str, to: &str, lines: &str) {
        self.cseq += 1;
        let Phone { aor, call_id, cseq, .. } = &*self;
        let branch = format!("z9hG4bK{}{cseq}", call_id.replace('@', "-"));
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch={branch}\r\n\
             From: <sip:{aor}>;tag=a\r\nTo: <sip:{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        self.send_text(&text);
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    pub fn final_response(&mut self) -> Message {
        loop {
            let message = self.receive();
            if message.status().is_none_or(|status| status >= 200) {
                return message;
            }
        }
    }

    /// One message without a body.
    pub fn receive(&mut self) -> Message {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            self.socket.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        Message::parse(text.into()).unwrap()
    }
}

pub const PASSWORD: &str = "correct horse";
