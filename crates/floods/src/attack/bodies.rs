//! Bodies that are more than they seem: compressed ones, and ones within ones. Of a user who may send them.

use std::sync::atomic::{AtomicUsize, Ordering};

use sip::Method;

use super::{Target, address, pour, zeroes};
use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::DOMAIN;

/// Ten megabytes of zeroes in ten kilobytes, for a phone, for what reads presence and for what reads offers: nobody here is to
/// unpack it.
pub fn compressed(target: &Target) -> Answers {
    let zeroes = zeroes::packed(10_000_000);
    let bodies = [
        (Method::Message, "bob", "Content-Type: text/plain\r\n"),
        (Method::Publish, "mallory", PRESENCE),
        (Method::Invite, "meet", SESSION),
    ];
    send_in_turn(
        target,
        bodies.map(|(method, to, lines)| (method, to, format!("{lines}Content-Encoding: gzip\r\n"), zeroes.clone())),
    )
}

pub fn nested(target: &Target) -> Answers {
    let bodies = [
        (Method::Message, "bob", "Content-Type: multipart/mixed;boundary=b0\r\n", multipart()),
        (Method::Publish, "mallory", PRESENCE, elements()),
        (Method::Publish, "mallory", PRESENCE, entities()),
        (Method::Invite, "bob", SESSION, sdp()),
    ];
    send_in_turn(target, bodies.map(|(method, to, lines, body)| (method, to, lines.to_owned(), body.into_bytes())))
}

/// Requests of a user who may send them: method, to whom, headers, body.
fn send_in_turn<const N: usize>(target: &Target, requests: [(Method, &str, String, Vec<u8>); N]) -> Answers {
    let mut answers = Answers::default();
    let Ok(mut caller) = Caller::user("mallory", address(0), &target.doors) else { return answers };
    if let Err(error) = caller.sign_in() {
        answers.note(&format!("could not begin ({error})"));
        return answers;
    }
    let turn = AtomicUsize::new(0);
    pour(target, &mut caller, PER_SEC, || {
        let (method, to, lines, body) = &requests[turn.fetch_add(1, Ordering::Relaxed) % N];
        let request = Request::new(method.clone(), &format!("{to}@{DOMAIN}"), lines.clone(), "");
        Request { body: body.clone().into(), ..request }
    })
}

/// A part within a part, a thousand times.
fn multipart() -> String {
    let begin = |depth| format!("--b{depth}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", depth + 1);
    (0..800).map(begin).collect()
}

/// Elements within elements.
fn elements() -> String {
    format!("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:mallory@{DOMAIN}\">{}", "<a>".repeat(5_000))
}

/// A billion of them, if they were expanded.
fn entities() -> String {
    let mut text = "<!DOCTYPE p [<!ENTITY a0 \"ha\">".to_owned();
    for depth in 1..10 {
        text.push_str(&format!("<!ENTITY a{depth} \"{}\">", format!("&a{};", depth - 1).repeat(10)));
    }
    format!("{text}]><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:mallory@{DOMAIN}\">&a9;</presence>")
}

/// As many streams as fit.
fn sdp() -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}",
        "m=audio 9 RTP/AVP 0\r\n".repeat(2_500)
    )
}

const PER_SEC: u32 = 300;
const SESSION: &str = "Contact: <sip:mallory@phone.invalid>\r\nContent-Type: application/sdp\r\n";
const PRESENCE: &str = "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n";
