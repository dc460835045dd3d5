//! A user's phone of one test, over TCP from an address of its own, or over any other stream.

#![allow(dead_code, reason = "not every test needs everything")]

use std::io::{Read, Write};
use std::net::Ipv4Addr;

use sip::{HeaderName, Message, Method, auth, build};

use crate::partner;
use crate::served::Served;

pub trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Who calls, and from where.
pub struct Phone {
    /// `alice@contoso.example`
    pub aor: &'static str,
    pub password: &'static str,
    pub call_id: String,
    /// Of the dialog that it is in; empty outside of one.
    pub to_tag: &'static str,
    stream: Box<dyn Stream>,
    /// Each request is a transaction of its own.
    cseq: u32,
}

impl Phone {
    pub fn connect(served: &Served, aor: &'static str, address: Ipv4Addr) -> Phone {
        Phone::over(aor, partner::connect_plain(address, served.tcp_port))
    }

    pub fn over(aor: &'static str, stream: impl Stream + 'static) -> Phone {
        let call_id = format!("of-{}", aor.replace('@', "-"));
        Phone { aor, password: PASSWORD, call_id, to_tag: "", stream: Box::new(stream), cseq: 0 }
    }

    /// As the administrator enters the user.
    pub fn add_user(served: &Served, aor: &str) {
        let typed = format!("{PASSWORD}\n");
        served.place.run_with_input(&["user", "add", aor, "--password-stdin"], &typed).ok();
    }

    /// Sends a request, and again with the answer to the challenge if there is one; answers the final response.
    pub fn ask(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> Message {
        self.send(method, uri, to, lines);
        let response = self.final_response();
        if !matches!(response.status(), Some(401 | 407)) {
            return response;
        }
        self.prove(&response, method, (uri, to), lines);
        self.final_response()
    }

    /// As [`Phone::ask`], without waiting for what comes after the challenge.
    pub fn offer_proof(&mut self, method: &Method, uri: &str, to: &str, lines: &str) {
        self.send(method, uri, to, lines);
        let challenge = self.final_response();
        if *method == Method::Invite {
            self.cseq -= 1;
            self.send(&Method::Ack, uri, to, "");
        }
        self.prove(&challenge, method, (uri, to), lines);
    }

    fn prove(&mut self, challenge: &Message, method: &Method, (uri, to): (&str, &str), lines: &str) {
        let (asked, proof) = match challenge.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            _ => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
        };
        let offered: Vec<&str> = challenge.header_all(asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
        let value = auth::answer(&offered, self.user(), self.password, method, uri, b"", "c", 1).unwrap();
        self.send(method, uri, to, &format!("{lines}{proof}: {value}\r\n"));
    }

    pub fn register(&mut self) -> Message {
        let (uri, aor) = (format!("sip:{}", self.aor.split('@').nth(1).unwrap()), self.aor);
        let contact = format!("Contact: <sip:{};transport=tcp>\r\n", aor.replace("contoso.example", "phone.invalid"));
        self.ask(&Method::Register, &uri, aor, &contact)
    }

    pub fn message(&mut self, to: &str) -> Message {
        self.ask(&Method::Message, &format!("sip:{to}"), to, "")
    }

    /// As a device takes a request.
    pub fn answer(&mut self, request: &Message, status: u16) {
        let contact = format!("<sip:{}@phone.invalid;transport=tcp>", self.user());
        let response = build::response(request, status, None, Some("b")).header(HeaderName::Contact, contact);
        self.stream.write_all(&response.build()).unwrap();
    }

    /// Nothing is proven, unless `lines` do it.
    pub fn send(&mut self, method: &Method, uri: &str, to: &str, lines: &str) {
        self.cseq += 1;
        let Phone { aor, call_id, cseq, to_tag, .. } = &*self;
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let branch = format!("z9hG4bK{}{cseq}", call_id.replace('@', "-"));
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch={branch}\r\n\
             From: <sip:{aor}>;tag=a\r\nTo: <sip:{to}>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        self.send_text(&text);
    }

    fn user(&self) -> &'static str {
        self.aor.split('@').next().unwrap()
    }

    pub fn send_text(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
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
            self.stream.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        Message::parse(text.into()).unwrap()
    }
}

pub const PASSWORD: &str = "correct horse";
