//! Domains that look like this organisation's or its partner's, each with a good certificate of its own.

use std::time::Duration;

use sip::Method;

use super::row::Harm;
use super::spam::TEXT;
use crate::answers::Answers;
use crate::attack::address;
use crate::caller::{Caller, Request};
use crate::line::Line;
use crate::server::{DOMAIN, Server};

/// Harm is what looks the same and comes through, or is a letter away and is not told to the administrator.
pub fn show(server: &Server) -> anyhow::Result<Harm> {
    let flagged_before = server.metric("comity_look_alikes_total")?;
    let mut answers = Answers::default();
    let mut let_through = 0;
    for (domain, looks_the_same) in ALL {
        let identity = server.certify(domain)?;
        let line = Line::tls(address(1), server.doors.tls, Some(&identity))?;
        let mut caller = Caller::over(format!("ceo@{domain}"), line);
        let mut request = Request::new(Method::Message, &format!("bob@{DOMAIN}"), TEXT, "Pay this at once");
        answers.sent += 1;
        let answer = caller.ask(&mut request)?;
        answers.note_message(&answer);
        let_through += u64::from(looks_the_same && answer.status() != Some(403));
    }
    std::thread::sleep(Duration::from_millis(100));
    let flagged = server.metric("comity_look_alikes_total")?.saturating_sub(flagged_before);
    let unflagged = (ALL.len() as u64).saturating_sub(flagged);
    let of = ALL.len() as u64;
    let problems = Vec::new();
    Ok(Harm {
        kind: "let through or not flagged",
        done: let_through + unflagged,
        of,
        done_max: 0,
        answers,
        problems,
        remark: None,
    })
}

/// With whether it looks the same; with Cyrillic letters, too.
const ALL: [(&str, bool); 12] = [
    ("c0ntoso.example", true),
    ("cont0so.example", true),
    ("c0nt0s0.example", true),
    ("xn--nts-redcbp.example", true),
    ("fabrikarn.example", true),
    ("xn--fabrkam-ufb.example", true),
    ("contosso.example", false),
    ("contos.example", false),
    ("contozo.example", false),
    ("cnotoso.example", false),
    ("fabrikan.example", false),
    ("fabrikam.exampel", false),
];
