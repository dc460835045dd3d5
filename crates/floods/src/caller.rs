//! Somebody who speaks SIP over one connection: a user who proves himself by digest, or a partner's edge.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sip::{HeaderName, Message, Method, auth, build};

use crate::line::{GIVE_UP, Line};
use crate::server::{DOMAIN, Doors, PASSWORD};

pub struct Caller {
    pub aor: String,
    pub password: &'static str,
    pub line: Line,
    /// The last challenges, with how often they were answered.
    proof: Option<(Vec<String>, bool, u32)>,
}

/// A request but for what every request has.
pub struct Request<'a> {
    pub method: Method,
    pub uri: String,
    /// With its tag.
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub branch: String,
    /// Further headers, each with its CRLF.
    pub lines: Cow<'a, str>,
    pub body: Cow<'a, [u8]>,
}

impl<'a> Request<'a> {
    /// The first of its Call-ID, to this address.
    pub fn new(method: Method, to: &str, lines: impl Into<Cow<'a, str>>, body: impl Into<Cow<'a, str>>) -> Request<'a> {
        let (lines, body) = (lines.into(), bytes(body.into()));
        let (uri, call_id) = (format!("sip:{to}"), format!("c{}", serial()));
        Request { method, to: format!("<{uri}>"), uri, call_id, cseq: 1, branch: branch(), lines, body }
    }

    /// The next of the dialog that this response to it began or went on with.
    pub fn next(&self, method: Method, response: &Message, routes: &'a str) -> Request<'a> {
        let text = |name| response.header_text(name).unwrap_or_default().to_owned();
        let contact = text(HeaderName::Contact);
        let uri = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
        let cseq = self.cseq + u32::from(method != Method::Ack);
        let (to, call_id) = (text(HeaderName::To), self.call_id.clone());
        Request { method, uri, to, call_id, cseq, branch: branch(), lines: routes.into(), body: Cow::default() }
    }

    /// The ACK to a response other than 2xx: of the same transaction (RFC 3261 section 17.1.1.3).
    fn ack(&self, response: &Message) -> Request<'static> {
        let to = response.header_text(HeaderName::To).unwrap_or_default().to_owned();
        let (uri, call_id, branch) = (self.uri.clone(), self.call_id.clone(), self.branch.clone());
        Request {
            method: Method::Ack,
            uri,
            to,
            call_id,
            cseq: self.cseq,
            branch,
            lines: "".into(),
            body: Cow::default(),
        }
    }
}

impl Caller {
    /// A user of ours, over TLS.
    pub fn user(name: &str, from: Ipv4Addr, doors: &Doors) -> io::Result<Caller> {
        Ok(Caller::over(format!("{name}@{DOMAIN}"), Line::tls(from, doors.tls, None)?))
    }

    /// The partner's edge, speaking for this user of its.
    pub fn partner(aor: &str, from: Ipv4Addr, doors: &Doors) -> io::Result<Caller> {
        Ok(Caller::over(aor.to_owned(), Line::tls(from, doors.tls, Some(&doors.partner))?))
    }

    /// The edge of the partner that floods.
    pub fn loud_partner(aor: &str, from: Ipv4Addr, doors: &Doors) -> io::Result<Caller> {
        Ok(Caller::over(aor.to_owned(), Line::tls(from, doors.tls, Some(&doors.loud_partner))?))
    }

    /// The edge of the honest partner without an entry.
    pub fn discovered(aor: &str, from: Ipv4Addr, doors: &Doors) -> io::Result<Caller> {
        Ok(Caller::over(aor.to_owned(), Line::tls(from, doors.tls, doors.discovered.as_ref())?))
    }

    pub fn over(aor: String, line: Line) -> Caller {
        Caller { aor, password: PASSWORD, line, proof: None }
    }

    /// Registers this connection.
    pub fn sign_in(&mut self) -> io::Result<()> {
        let contact = format!("Contact: {}\r\nExpires: 600\r\n", self.contact());
        let mut request = Request::new(Method::Register, &self.aor.clone(), contact, "");
        request.uri = format!("sip:{DOMAIN}");
        match self.ask(&mut request)?.status() {
            Some(200) => Ok(()),
            status => Err(io::Error::other(format!("REGISTER: {status:?}"))),
        }
    }

    pub fn contact(&self) -> String {
        format!("<sip:{}@phone.invalid;transport=tls>", self.name())
    }

    /// Sends a request and answers the challenge, if one comes: the final response.
    ///
    /// # Errors
    /// `TimedOut`, or what ended the connection.
    pub fn ask(&mut self, request: &mut Request<'_>) -> io::Result<Message> {
        self.send(request)?;
        let response = self.final_response(&request.call_id)?;
        if request.method == Method::Invite && response.status() >= Some(300) {
            self.send(&request.ack(&response))?;
        }
        if !matches!(response.status(), Some(401 | 407)) {
            return Ok(response);
        }
        self.challenged(&response);
        (request.cseq, request.branch) = (request.cseq + 1, branch());
        self.send(request)?;
        self.final_response(&request.call_id)
    }

    pub fn final_response(&mut self, call_id: &str) -> io::Result<Message> {
        loop {
            let message = self.line.receive(GIVE_UP)?.ok_or(ErrorKind::TimedOut)?;
            if message.status() >= Some(200) && message.header_text(HeaderName::CallId) == Some(call_id) {
                return Ok(message);
            }
        }
    }

    pub fn send(&mut self, request: &Request<'_>) -> io::Result<()> {
        let bytes = self.compose(request);
        self.line.send(&bytes)
    }

    /// Keeps the challenge, which answers to it from now on.
    pub fn challenged(&mut self, response: &Message) {
        let is_proxy = response.status() == Some(407);
        let name = if is_proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let offered = response.header_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        self.proof = Some((offered, is_proxy, 0));
    }

    /// With proof, once there was a challenge.
    pub fn compose(&mut self, request: &Request<'_>) -> Vec<u8> {
        let Request { method, uri, to, call_id, cseq, branch, lines, body } = request;
        let is_ack = *method == Method::Ack;
        let proof = if is_ack { None } else { self.proof(method, uri, body) }.unwrap_or_default();
        let head = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch={branch}\r\nFrom: <sip:{}>;tag=f\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{lines}{proof}\
             Content-Length: {}\r\n\r\n",
            self.aor,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    fn proof(&mut self, method: &Method, uri: &str, body: &[u8]) -> Option<String> {
        let name = self.name().to_owned();
        let (offered, is_proxy, count) = self.proof.as_mut()?;
        *count += 1;
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let value = auth::answer(&offered, &name, self.password, method, uri, body, "c", *count)?;
        Some(format!("{}: {value}\r\n", if *is_proxy { "Proxy-Authorization" } else { "Authorization" }))
    }

    fn name(&self) -> &str {
        self.aor.split('@').next().unwrap_or_default()
    }

    /// Takes requests, and answers each with 200, until told to stop.
    ///
    /// # Errors
    /// What ended the connection.
    pub fn answer_all(&mut self, is_over: impl Fn() -> bool) -> io::Result<()> {
        while !is_over() {
            let Some(message) = self.line.receive(Duration::from_millis(100))? else { continue };
            if message.method().is_some_and(|method| method != Method::Ack) {
                let response =
                    build::response(&message, 200, None, Some("t")).header(HeaderName::Contact, self.contact());
                self.line.send(&response.build())?;
            }
        }
        Ok(())
    }
}

/// The Route headers of a caller in the dialog that this response began.
pub fn routes(response: &Message) -> String {
    let mut recorded: Vec<_> = response.header_all(HeaderName::RecordRoute).collect();
    recorded.reverse();
    recorded.iter().map(|value| format!("Route: {}\r\n", String::from_utf8_lossy(value))).collect()
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}

fn branch() -> String {
    format!("z9hG4bK{}", serial())
}

/// A number that nobody had before.
pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
