//! The attacks. Each lasts until a moment, and keeps no more than some hundred connections.

mod bodies;
mod connections;
mod datagrams;
mod messages;
mod registrations;
mod subscriptions;
mod transactions;

use std::io;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::Doors;

pub struct Attack {
    pub name: &'static str,
    pub run: fn(&Target) -> Answers,
}

/// Whom it is against, and until when.
#[derive(Clone)]
pub struct Target {
    pub doors: Doors,
    pub until: Instant,
}

impl Target {
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// So many attackers at once; what all of them got.
fn crowd(count: u8, attacker: impl Fn(u8) -> Answers + Sync) -> Answers {
    thread::scope(|scope| {
        let attacker = &attacker;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || attacker(number))).collect();
        let mut all = Answers::default();
        threads.into_iter().filter_map(|thread| thread.join().ok()).for_each(|answers| all.add(answers));
        all
    })
}

/// An attacker's address.
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 82, number.saturating_add(1))
}

/// Sends requests as fast as a rate allows, without waiting for what comes back; notes what comes.
fn pour(target: &Target, caller: &mut Caller, per_sec: u32, next: impl Fn() -> Request<'static>) -> Answers {
    let mut answers = Answers::default();
    let begun = Instant::now();
    while !target.is_over() {
        let due = (begun.elapsed().as_secs_f64() * f64::from(per_sec)) as u64;
        let poured = (|| -> io::Result<()> {
            while answers.sent < due && !target.is_over() {
                caller.send(&next())?;
                answers.sent += 1;
            }
            while let Some(message) = caller.line.receive(Duration::from_millis(1))? {
                if matches!(message.status(), Some(401 | 407)) {
                    caller.challenged(&message);
                }
                answers.note_message(&message);
            }
            Ok(())
        })();
        if let Err(error) = poured {
            answers.note_error(&error);
            break;
        }
    }
    answers
}

pub const ALL: [Attack; 17] = [
    Attack { name: "new transactions by UDP from many ports", run: transactions::by_datagrams },
    Attack { name: "new transactions of a partner", run: transactions::of_a_partner },
    Attack { name: "messages of a loud partner", run: transactions::messages_of_a_loud_partner },
    Attack { name: "calls of a loud partner", run: transactions::calls_of_a_loud_partner },
    Attack { name: "new transactions of a user", run: transactions::of_a_user },
    Attack { name: "new transactions of strangers by TCP", run: transactions::of_strangers },
    Attack { name: "half-open TLS handshakes", run: connections::half_open },
    Attack { name: "WebSocket upgrades", run: connections::web_sockets },
    Attack { name: "giant and endless messages", run: messages::giant },
    Attack { name: "slow writers", run: messages::slow_writers },
    Attack { name: "slow readers", run: messages::slow_readers },
    Attack { name: "compressed and nested bodies", run: bodies::nested },
    Attack { name: "subscriptions of a user", run: subscriptions::of_a_user },
    Attack { name: "subscriptions of a partner", run: subscriptions::of_a_partner },
    Attack { name: "registrations with many contacts", run: registrations::many_contacts },
    Attack { name: "wrong passwords of many users", run: registrations::wrong_passwords },
    Attack { name: "spoofed datagrams, to be amplified", run: datagrams::spoofed },
];
