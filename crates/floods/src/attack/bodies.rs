//! Bodies that are more than they seem: compressed ones, and ones within ones. Of a user who may send them.

use std::sync::atomic::{AtomicUsize, Ordering};

use sip::Method;

use super::{Target, address, pour};
use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::DOMAIN;

pub fn nested(target: &Target) -> Answers {
    let mut answers = Answers::default();
    let Ok(mut caller) = Caller::user("mallory", address(0), &target.doors) else { return answers };
    if let Err(error) = caller.sign_in() {
        answers.note(&format!("could not begin ({error})"));
        return answers;
    }
    let (multipart, elements, entities, sdp) = (multipart(), elements(), entities(), sdp());
    let turn = AtomicUsize::new(0);
    pour(target, &mut caller, PER_SEC, || {
        let to_bob = |method, lines, body: &str| Request::new(method, &format!("bob@{DOMAIN}"), lines, body.to_owned());
        let published =
            |body: &str| Request::new(Method::Publish, &format!("mallory@{DOMAIN}"), PRESENCE, body.to_owned());
        match turn.fetch_add(1, Ordering::Relaxed) % 5 {
            // What a gigabyte of zeroes begins with: nobody here is to unpack it.
            0 => to_bob(Method::Message, "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", "\u{1f}\u{8}\u{0}"),
            1 => to_bob(Method::Message, "Content-Type: multipart/mixed;boundary=b0\r\n", &multipart),
            2 => published(&elements),
            3 => published(&entities),
            _ => to_bob(
                Method::Invite,
                "Contact: <sip:mallory@phone.invalid>\r\nContent-Type: application/sdp\r\n",
                &sdp,
            ),
        }
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
const PRESENCE: &str = "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n";
