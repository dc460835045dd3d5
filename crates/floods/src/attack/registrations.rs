//! Registrations: of one user with more contacts than devices, or more often than anybody needs; and of many users by somebody
//! who knows no password.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use sip::Method;

use super::{Target, address, crowd, pour};
use crate::answers::Answers;
use crate::caller::{Caller, Request, serial};
use crate::server::DOMAIN;

pub fn many_contacts(target: &Target) -> Answers {
    crowd(4, |number| {
        let begin = || -> io::Result<Caller> {
            let mut caller = Caller::user("mallory", address(number), &target.doors)?;
            caller.sign_in().map(|()| caller)
        };
        match begin() {
            Ok(mut caller) => pour(target, &mut caller, PER_SEC, || {
                let contacts =
                    (0..50).map(|_| format!("Contact: <sip:m{}@phone.invalid>\r\n", serial())).collect::<String>();
                register("mallory", contacts)
            }),
            Err(error) => failed(&error),
        }
    })
}

/// One user, who proves himself each time, and refreshes what is registered on each of four connections.
pub fn refreshed(target: &Target) -> Answers {
    crowd(4, |number| {
        let begin = || -> io::Result<Caller> {
            let mut caller = Caller::user("mallory", address(number), &target.doors)?;
            caller.sign_in().map(|()| caller)
        };
        let (call_id, turn) = (format!("c{}", serial()), AtomicU32::new(1));
        match begin() {
            Ok(mut caller) => pour(target, &mut caller, REFRESHES_PER_SEC, || {
                let contact = format!("Contact: <sip:m{number}@phone.invalid;transport=tls>\r\nExpires: 600\r\n");
                let cseq = turn.fetch_add(1, Ordering::Relaxed);
                Request { call_id: call_id.clone(), cseq, ..register("mallory", contact) }
            }),
            Err(error) => failed(&error),
        }
    })
}

/// Half of them users that there are.
pub fn wrong_passwords(target: &Target) -> Answers {
    crowd(8, |number| {
        let mut answers = Answers::default();
        while !target.is_over() {
            answers.sent += 1;
            let name = if answers.sent % 2 == 0 { "bob".to_owned() } else { format!("nobody{}", serial()) };
            let told = Caller::user(&name, address(number), &target.doors).and_then(|mut caller| {
                caller.password = "guessed";
                caller.ask(&mut register(&name, "Contact: <sip:x@phone.invalid>\r\n"))
            });
            match told {
                Ok(response) => answers.note_message(&response),
                Err(error) => answers.note_error(&error),
            }
        }
        answers
    })
}

fn register<'a>(name: &str, contacts: impl Into<std::borrow::Cow<'a, str>>) -> Request<'a> {
    let mut request = Request::new(Method::Register, &format!("{name}@{DOMAIN}"), contacts, "");
    request.uri = format!("sip:{DOMAIN}");
    request
}

fn failed(error: &io::Error) -> Answers {
    let mut answers = Answers::default();
    answers.note(&format!("could not begin ({error})"));
    answers
}

const PER_SEC: u32 = 200;
/// Of each of the four: more than is answered.
const REFRESHES_PER_SEC: u32 = 2_000;
