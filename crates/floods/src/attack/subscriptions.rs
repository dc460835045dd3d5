//! Subscriptions to somebody's presence, each a new one. What is told is answered by nobody.

use sip::Method;

use super::{Target, address, crowd, pour};
use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::{DOMAIN, PARTNER};

pub fn of_a_user(target: &Target) -> Answers {
    subscribe(target, |number| {
        let mut caller = Caller::user("mallory", address(number), &target.doors)?;
        caller.sign_in().map(|()| caller)
    })
}

pub fn of_a_partner(target: &Target) -> Answers {
    subscribe(target, |number| Caller::partner(&format!("mallory{number}@{PARTNER}"), address(number), &target.doors))
}

fn subscribe(target: &Target, begin: impl Fn(u8) -> std::io::Result<Caller> + Sync) -> Answers {
    crowd(4, |number| match begin(number) {
        Ok(mut caller) => pour(target, &mut caller, PER_SEC, move || {
            let whom = ["bob", "alice", "carol", "dave"][usize::from(number)];
            Request::new(Method::Subscribe, &format!("{whom}@{DOMAIN}"), LINES, "")
        }),
        Err(error) => {
            let mut answers = Answers::default();
            answers.note(&format!("could not begin ({error})"));
            answers
        }
    })
}

/// Of each of the four.
const PER_SEC: u32 = 300;
const LINES: &str = "Contact: <sip:mallory@phone.invalid;transport=tls>\r\nEvent: presence\r\nExpires: 3600\r\n\
    Accept: application/pidf+xml\r\n";
