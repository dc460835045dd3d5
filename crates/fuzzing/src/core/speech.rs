//! What a phone or a partner says on one flow: requests of few people to each other, so that they meet; answers and requests
//! within dialogs made from what was heard; and noise.

use sip::auth;
use sip::{HeaderName, Message, Method};

use crate::choices::Choices;

/// One end of a flow: what it heard, as far as it counts.
#[derive(Default)]
pub struct Speech {
    /// The last challenge.
    challenge: Vec<String>,
    /// The last requests that came, and the last 2xx to an INVITE or SUBSCRIBE.
    requests: Vec<Message>,
    dialogs: Vec<Message>,
    said: u32,
}

impl Speech {
    pub fn hear(&mut self, message: Message) {
        match message.status() {
            None => push(&mut self.requests, message),
            Some(401 | 407) => {
                let values = message.header_all(HeaderName::WwwAuthenticate);
                let values = values.chain(message.header_all(HeaderName::ProxyAuthenticate));
                self.challenge = values.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
            }
            Some(100..300) => push(&mut self.dialogs, message),
            Some(_) => {}
        }
    }

    /// A request outside dialogs, or in one that is made up.
    pub fn request(&mut self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let method = *choices.one_of(&METHODS);
        let (from, to) = (user(choices.below(6)), *choices.one_of(&TARGETS));
        let (call, cseq) = (choices.below(4), 1 + choices.below(4));
        let style = choices.byte();
        let to = if method == "REGISTER" { from } else { to };
        let uri = if method == "REGISTER" { format!("sip:{}", domain(from)) } else { format!("sip:{to}") };
        self.said += 1;
        let branch = if style & 1 == 0 { format!("{call}{cseq}{}", self.said) } else { format!("{call}{cseq}") };
        let (body, content_type) = body(method, choices);
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bK{method}{branch};rport\r\n\
             From: <sip:{from}>;tag=f{call}\r\nTo: <sip:{to}>\r\nCall-ID: call-{call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:phone.invalid;transport=tls>\r\nMax-Forwards: 70\r\nContent-Length: {}\r\n{content_type}",
            body.len(),
        );
        text += extra(style, choices);
        text += &self.credentials(method, from, &uri, style);
        Some(finish(text, body))
    }

    /// What a phone without a wish of its own answers, or an answer to a request that nobody sent.
    pub fn answer(&mut self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let status = *choices.one_of(&STATUSES);
        let request = self.requests.get(choices.below(self.requests.len().max(1)))?;
        let mut text = format!("SIP/2.0 {status} Said\r\n");
        for header in request.headers() {
            let value = String::from_utf8_lossy(header.value);
            match header.name {
                HeaderName::Via => text += &format!("Via: {value}\r\n"),
                HeaderName::From => text += &format!("From: {value}\r\n"),
                HeaderName::CallId => text += &format!("Call-ID: {value}\r\n"),
                HeaderName::CSeq => text += &format!("CSeq: {value}\r\n"),
                HeaderName::RecordRoute => text += &format!("Record-Route: {value}\r\n"),
                HeaderName::To if request.is_within_dialog() || status == 100 => {
                    text += &format!("To: {value}\r\n");
                }
                HeaderName::To => text += &format!("To: {value};tag=answering\r\n"),
                _ => {}
            }
        }
        let has_body = request.method() == Some(Method::Invite) && (180..300).contains(&status);
        let body = if has_body { choices.one_of(&DESCRIPTIONS) } else { "" };
        let described = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        text += &format!("Contact: <sip:answering.invalid;transport=tls>\r\nContent-Length: {}\r\n", body.len());
        text += described;
        text += extra(choices.byte(), choices);
        Some(finish(text, body))
    }

    /// A request of a dialog that an answer or a request made here.
    pub fn within_dialog(&mut self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let method = *choices.one_of(&METHODS_WITHIN);
        let is_caller = choices.flag();
        let known = if is_caller { &self.dialogs } else { &self.requests };
        let dialog = known.get(choices.below(known.len().max(1)))?;
        let (from, to) = (dialog.from().ok()?.as_str(), dialog.to().ok()?.as_str());
        let answering = if to.contains(";tag=") { "" } else { ";tag=answering" };
        let (from, to) =
            if is_caller { (from.to_owned(), to.to_owned()) } else { (format!("{to}{answering}"), from.to_owned()) };
        let mut routes: Vec<String> =
            dialog.record_routes().flatten().map(|route| format!("Route: {}\r\n", route.as_str())).collect();
        if is_caller {
            routes.reverse();
        }
        let contact = dialog.contacts().flatten().next();
        let target =
            contact.as_ref().and_then(|contact| contact.address()).map_or("sip:nobody.invalid", |to| to.uri().as_str());
        let same = dialog.cseq().map_or(1, |cseq| cseq.number);
        let cseq =
            if matches!(method, "ACK" | "CANCEL") { same } else { same.saturating_add(1 + choices.below(3) as u32) };
        let (body, content_type) = body(method, choices);
        self.said += 1;
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bKin{};rport\r\n{}\
             From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:phone.invalid;transport=tls>\r\nContent-Length: {}\r\n{content_type}",
            self.said,
            routes.concat(),
            dialog.call_id().ok()?,
            body.len(),
        );
        text += extra(choices.byte(), choices);
        Some(finish(text, body))
    }

    /// A message with some of its bytes changed, or bytes that are nothing else.
    pub fn noise(&mut self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let spoken = match choices.below(4) {
            0 => self.request(choices),
            1 => self.answer(choices),
            2 => self.within_dialog(choices),
            _ => return Some(choices.piece().to_vec()),
        };
        let mut bytes = spoken?;
        for _ in 0..choices.below(4) {
            let at = choices.below(bytes.len());
            bytes[at] = choices.byte();
        }
        Some(bytes)
    }

    fn credentials(&self, method: &str, from: &str, uri: &str, style: u8) -> String {
        let values: Vec<&str> = self.challenge.iter().map(String::as_str).collect();
        let user = from.split_once('@').map_or(from, |(user, _)| user);
        let password = if style & 2 == 0 { PASSWORD } else { "wrong" };
        let method = Method::parse(method.as_bytes()).expect("a method of ours");
        let answer = auth::answer(&values, user, password, &method, uri, b"", "cnonce", self.said);
        let name = if method == Method::Register { "Authorization" } else { "Proxy-Authorization" };
        answer.map_or(String::new(), |value| format!("{name}: {value}\r\n"))
    }
}

fn push(kept: &mut Vec<Message>, message: Message) {
    if kept.len() == HEARD_MAX {
        kept.remove(0);
    }
    kept.push(message);
}

fn finish(mut head: String, body: &str) -> Vec<u8> {
    head += "\r\n";
    head += body;
    head.into_bytes()
}

/// Three of ours, who have accounts, one who has none, and two of a partner.
pub fn user(number: usize) -> &'static str {
    USERS[number % USERS.len()]
}

pub fn domain(user: &str) -> &str {
    user.split_once('@').map_or(user, |(_, domain)| domain)
}

fn extra(style: u8, choices: &mut Choices<'_>) -> &'static str {
    let chosen = if style & 0x80 == 0 { usize::from(style >> 2) } else { choices.below(EXTRAS.len()) };
    EXTRAS[chosen % EXTRAS.len()]
}

fn body(method: &str, choices: &mut Choices<'_>) -> (&'static str, &'static str) {
    match method {
        "INVITE" | "UPDATE" | "PRACK" | "ACK" => match *choices.one_of(&DESCRIPTIONS) {
            "" => ("", ""),
            body => (body, "Content-Type: application/sdp\r\n"),
        },
        "MESSAGE" | "PUBLISH" | "NOTIFY" | "INFO" => *choices.one_of(&BODIES),
        _ => ("", ""),
    }
}

pub const PASSWORD: &str = "secret";
const HEARD_MAX: usize = 12;
const USERS: [&str; 6] = [
    "alice@contoso.example",
    "bob@contoso.example",
    "carol@contoso.example",
    "nobody@contoso.example",
    "dave@fabrikam.example",
    "erin@northwind.example",
];
const TARGETS: [&str; 8] = [
    "bob@contoso.example",
    "alice@contoso.example",
    "dave@fabrikam.example",
    "meet@contoso.example",
    "meet-budget@contoso.example",
    "erin@northwind.example",
    "nobody@contoso.example",
    "carol@contoso.example;gr=x",
];
const METHODS: [&str; 13] = [
    "REGISTER",
    "INVITE",
    "MESSAGE",
    "SUBSCRIBE",
    "PUBLISH",
    "OPTIONS",
    "CANCEL",
    "ACK",
    "BYE",
    "REFER",
    "NOTIFY",
    "UPDATE",
    "WHATEVER",
];
const METHODS_WITHIN: [&str; 12] =
    ["ACK", "BYE", "INVITE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO", "NOTIFY", "SUBSCRIBE", "MESSAGE", "OPTIONS"];
const STATUSES: [u16; 16] = [200, 180, 100, 183, 202, 302, 401, 404, 408, 481, 486, 487, 488, 491, 503, 603];
const EXTRAS: [&str; 20] = [
    "",
    "Supported: replaces, 100rel, timer, outbound, path\r\nAllow: INVITE, ACK, BYE, CANCEL, REFER, MESSAGE, UPDATE\r\n",
    "Event: presence\r\nExpires: 600\r\nAccept: application/pidf+xml\r\n",
    "Event: conference\r\nAccept: application/conference-info+xml\r\n",
    "Expires: 0\r\n",
    "Expires: 4294967295\r\n",
    "Require: 100rel\r\nRSeq: 1\r\n",
    "RAck: 1 1 INVITE\r\n",
    "Refer-To: <sip:carol@contoso.example>\r\n",
    "Refer-To: <sip:carol@contoso.example?Replaces=call-1%3Bto-tag%3Danswering%3Bfrom-tag%3Df1>\r\nReferred-By: <sip:alice@contoso.example>\r\n",
    "Replaces: call-1;to-tag=answering;from-tag=f1\r\nRequire: replaces\r\n",
    "Session-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n",
    "Event: presence\r\nSubscription-State: terminated;reason=noresource\r\n",
    "Event: refer\r\nSubscription-State: active;expires=60\r\nContent-Disposition: session\r\n",
    "SIP-If-Match: 1\r\nEvent: presence\r\nExpires: 60\r\n",
    "Retry-After: 5\r\nWarning: 399 x \"y\"\r\n",
    "Require: never-heard-of\r\nProxy-Require: never-heard-of\r\n",
    "Route: <sip:sip.contoso.example;lr>\r\nPrivacy: id\r\n",
    "Join: call-1;to-tag=answering;from-tag=f1\r\nMin-Expires: 60\r\n",
    "Contact: *\r\nExpires: 0\r\n",
];
const DESCRIPTIONS: [&str; 6] = [
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n",
    "",
    "v=0\r\no=- 1 2 IN IP4 192.0.2.8\r\ns=-\r\nc=IN IP4 192.0.2.8\r\nt=0 0\r\nm=audio 4002 RTP/SAVP 9\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n",
    "v=0\r\no=- 1 3 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\nm=video 4000 RTP/AVP 96\r\n",
    "v=0\r\n",
];
const BODIES: [(&str, &str); 6] = [
    ("hello", "Content-Type: text/plain\r\n"),
    ("", ""),
    (
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:alice@contoso.example\"><tuple id=\"a\"><status><basic>open</basic></status></tuple></presence>",
        "Content-Type: application/pidf+xml\r\n",
    ),
    ("SIP/2.0 200 OK\r\n", "Content-Type: message/sipfrag\r\n"),
    (
        "From: <sip:alice@contoso.example>\r\n\r\nContent-Type: text/plain\r\n\r\nhello",
        "Content-Type: message/cpim\r\n",
    ),
    (
        "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state></isComposing>",
        "Content-Type: application/im-iscomposing+xml\r\n",
    ),
];
