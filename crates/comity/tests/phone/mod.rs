//! A user's phone of one test, over TCP from an address of its own, or over any other stream.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;

use sip::{HeaderName, Message, Method, auth, build};

use crate::partner;
use crate::served::Served;

pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Who calls, and from where.
pub struct Phone {
    /// `alice@contoso.example`
    pub aor: &'static str,
    pub password: &'static str,
    pub call_id: String,
    /// Of the dialog that it is in; empty outside of one.
    pub to_tag: &'static str,
    /// What its INVITEs offer.
    pub offer: &'static str,
    /// What its messages say.
    pub text: &'static str,
    stream: Box<dyn Stream>,
    /// What came of a message that is not whole yet.
    partial: Vec<u8>,
    /// How long that will be, once its head is there; 0 before.
    whole_len: usize,
    /// Each request is a transaction of its own.
    cseq: u32,
}

impl Phone {
    pub fn connect(served: &Served, aor: &'static str, address: Ipv4Addr) -> Phone {
        Phone::over(aor, partner::connect_plain(address, served.tcp_port))
    }

    pub fn over(aor: &'static str, stream: impl Stream + 'static) -> Phone {
        let call_id = format!("of-{}", aor.replace('@', "-"));
        Phone {
            aor,
            password: PASSWORD,
            call_id,
            to_tag: "",
            offer: "",
            text: "",
            stream: Box::new(stream),
            partial: Vec::new(),
            whole_len: 0,
            cseq: 0,
        }
    }

    /// As the administrator enters the user.
    pub fn add_user(served: &Served, aor: &str) {
        let typed = format!("{PASSWORD}\n");
        served.place.run_with_input(&["user", "add", aor, "--password-stdin"], &typed).ok();
    }

    /// Sends a request, and again with the answer to the challenge if there is one; answers the final response.
    pub fn ask(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> Message {
        self.try_ask(method, uri, to, lines).unwrap()
    }

    /// As [`Phone::ask`], of a server that may end meanwhile.
    pub fn try_ask(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> io::Result<Message> {
        self.try_send(method, uri, to, lines)?;
        let response = self.try_final_response()?;
        if !matches!(response.status(), Some(401 | 407)) {
            return Ok(response);
        }
        self.try_prove(&response, method, (uri, to), lines)?;
        self.try_final_response()
    }

    /// As [`Phone::ask`], without waiting for what comes after the challenge.
    pub fn offer_proof(&mut self, method: &Method, uri: &str, to: &str, lines: &str) {
        self.try_offer_proof(method, uri, to, lines).unwrap();
    }

    pub fn try_offer_proof(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> io::Result<()> {
        self.try_send(method, uri, to, lines)?;
        let challenge = self.try_final_response()?;
        if *method == Method::Invite {
            self.try_acknowledge(uri, to, "")?;
        }
        self.try_prove(&challenge, method, (uri, to), lines)
    }

    /// The ACK to what came last: its number is the INVITE's.
    pub fn try_acknowledge(&mut self, uri: &str, to: &str, lines: &str) -> io::Result<()> {
        self.cseq -= 1;
        self.try_send(&Method::Ack, uri, to, lines)
    }

    pub fn try_prove(
        &mut self,
        challenge: &Message,
        method: &Method,
        (uri, to): (&str, &str),
        lines: &str,
    ) -> io::Result<()> {
        let (asked, proof) = match challenge.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            _ => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
        };
        let offered: Vec<&str> = challenge.header_all(asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
        let value = auth::answer(&offered, self.user(), self.password, method, uri, b"", "c", 1).unwrap();
        self.try_send(method, uri, to, &format!("{lines}{proof}: {value}\r\n"))
    }

    pub fn register(&mut self) -> Message {
        self.try_register().unwrap()
    }

    pub fn try_register(&mut self) -> io::Result<Message> {
        let (uri, aor) = (format!("sip:{}", self.aor.split('@').nth(1).unwrap()), self.aor);
        let contact = format!("Contact: <sip:{};transport=tcp>\r\n", aor.replace("contoso.example", "phone.invalid"));
        self.try_ask(&Method::Register, &uri, aor, &contact)
    }

    pub fn message(&mut self, to: &str) -> Message {
        self.ask(&Method::Message, &format!("sip:{to}"), to, "")
    }

    /// As a device takes a request.
    pub fn answer(&mut self, request: &Message, status: u16) {
        self.try_answer(request, status).unwrap();
    }

    pub fn try_answer(&mut self, request: &Message, status: u16) -> io::Result<()> {
        let contact = format!("<sip:{}@phone.invalid;transport=tcp>", self.user());
        let response = build::response(request, status, None, Some("b")).header(HeaderName::Contact, contact);
        self.stream.write_all(&response.build())
    }

    /// Nothing is proven, unless `lines` do it.
    pub fn send(&mut self, method: &Method, uri: &str, to: &str, lines: &str) {
        self.try_send(method, uri, to, lines).unwrap();
    }

    pub fn try_send(&mut self, method: &Method, uri: &str, to: &str, lines: &str) -> io::Result<()> {
        self.cseq += 1;
        let Phone { aor, call_id, cseq, to_tag, .. } = &*self;
        let (body, content_type) = match method {
            Method::Invite if !self.offer.is_empty() => (self.offer, "Content-Type: application/sdp\r\n"),
            Method::Message if !self.text.is_empty() => (self.text, "Content-Type: text/plain\r\n"),
            _ => ("", ""),
        };
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let branch = format!("z9hG4bK{}{cseq}", call_id.replace('@', "-"));
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch={branch}\r\n\
             From: <sip:{aor}>;tag=a\r\nTo: <sip:{to}>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{lines}{content_type}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(text.as_bytes())
    }

    fn user(&self) -> &'static str {
        self.aor.split('@').next().unwrap()
    }

    pub fn send_text(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub fn final_response(&mut self) -> Message {
        self.try_final_response().unwrap()
    }

    pub fn try_final_response(&mut self) -> io::Result<Message> {
        loop {
            let message = self.try_receive()?;
            if message.status().is_none_or(|status| status >= 200) {
                return Ok(message);
            }
        }
    }

    /// One message.
    pub fn receive(&mut self) -> Message {
        self.try_receive().unwrap()
    }

    /// As [`Phone::receive`]; where the time for reading is over, what came is kept for the next time.
    pub fn try_receive(&mut self) -> io::Result<Message> {
        let mut byte = [0];
        while self.whole_len == 0 || self.partial.len() < self.whole_len {
            self.stream.read_exact(&mut byte)?;
            self.partial.push(byte[0]);
            if self.whole_len == 0 && self.partial.ends_with(b"\r\n\r\n") {
                self.whole_len = self.partial.len() + body_len(&self.partial);
            }
        }
        self.whole_len = 0;
        Ok(Message::parse(std::mem::take(&mut self.partial).into()).unwrap())
    }
}

fn body_len(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.map_or(0, |text| text.trim().parse().unwrap())
}

pub const PASSWORD: &str = "correct horse";
