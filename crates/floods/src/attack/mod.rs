//! The attacks. Each lasts until a moment, and keeps no more than some hundred connections.

mod bodies;
mod connections;
mod datagrams;
mod messages;
mod registrations;
mod subscriptions;
mod transactions;
mod zeroes;

use std::io;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::Doors;

pub use connections::CLIENT_HELLO;

pub struct Attack {
    pub name: &'static str,
    pub run: fn(&Target) -> Answers,
    pub memory_max: MemoryMax,
}

/// Bytes beyond those before an attack: what the server may have at the peak, and may keep two seconds after.
#[derive(Clone, Copy)]
pub struct MemoryMax {
    pub peak: u64,
    pub kept: u64,
}

/// What nearly all attacks keep within. What stays is what the allocator keeps, and what has its time: transactions 32 s,
/// subscriptions until they expire.
pub const MEMORY_MAX: MemoryMax = MemoryMax { peak: 256 << 20, kept: 128 << 20 };
/// A partner may have 25,000 requests under way on each of two workers: messages take some 7.5 kB each, calls 10 kB.
const PARTNER_MEMORY_MAX: MemoryMax = MemoryMax { peak: 640 << 20, kept: 384 << 20 };

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

const fn attack(name: &'static str, run: fn(&Target) -> Answers, memory_max: MemoryMax) -> Attack {
    Attack { name, run, memory_max }
}

pub const ALL: [Attack; 19] = [
    attack("new transactions by UDP from many ports", transactions::by_datagrams, MEMORY_MAX),
    attack("new transactions of a partner", transactions::of_a_partner, PARTNER_MEMORY_MAX),
    attack("messages of a loud partner", transactions::messages_of_a_loud_partner, PARTNER_MEMORY_MAX),
    attack("calls of a loud partner", transactions::calls_of_a_loud_partner, PARTNER_MEMORY_MAX),
    attack("new transactions of a user", transactions::of_a_user, MEMORY_MAX),
    attack("new transactions of strangers by TCP", transactions::of_strangers, MEMORY_MAX),
    attack("half-open TLS handshakes", connections::half_open, MEMORY_MAX),
    attack("WebSocket upgrades", connections::web_sockets, MEMORY_MAX),
    attack("giant and endless messages", messages::giant, MEMORY_MAX),
    attack("slow writers", messages::slow_writers, MEMORY_MAX),
    attack("slow readers", messages::slow_readers, MEMORY_MAX),
    attack("compressed bodies", bodies::compressed, MEMORY_MAX),
    attack("nested bodies", bodies::nested, MEMORY_MAX),
    attack("subscriptions of a user", subscriptions::of_a_user, MEMORY_MAX),
    attack("subscriptions of a partner", subscriptions::of_a_partner, MEMORY_MAX),
    attack("registrations with many contacts", registrations::many_contacts, MEMORY_MAX),
    attack("registrations refreshed without a pause", registrations::refreshed, MEMORY_MAX),
    attack("wrong passwords of many users", registrations::wrong_passwords, MEMORY_MAX),
    attack("spoofed datagrams, to be amplified", datagrams::spoofed, MEMORY_MAX),
];
