//! Honest people, before an attack and during it: two write, two call, one signs in anew again and again, and somebody at a
//! partner writes. Each at a steady rate, from an address of his own.

mod samples;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip::{Message, Method};

use crate::caller::{Caller, Request, routes};
use crate::line::GIVE_UP;
use crate::server::{DISCOVERED, DOMAIN, Doors, PARTNER};

use samples::Sample;
pub use samples::{Samples, Summary};

/// They go on until this is dropped.
pub struct Honest {
    pub samples: Arc<Samples>,
    is_over: Arc<AtomicBool>,
    habits: usize,
    threads: Vec<JoinHandle<()>>,
}

/// What one of them does again and again.
struct Habit {
    kind: &'static str,
    every: Duration,
    from: Ipv4Addr,
    begin: fn(Ipv4Addr, &Doors) -> io::Result<Caller>,
    act: fn(&mut Caller, Ipv4Addr, &Doors) -> io::Result<()>,
}

impl Honest {
    /// # Errors
    /// When somebody cannot sign in.
    pub fn begin(doors: &Doors) -> io::Result<Honest> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut honest = Honest { samples: Arc::default(), is_over, habits: 0, threads: Vec::new() };
        for (name, number) in [("bob", 1), ("dave", 2)] {
            honest.answer(name, Ipv4Addr::new(127, 0, 81, number), doors)?;
        }
        let discovered = doors.discovered.as_ref().map(|_| OF_A_DISCOVERED_PARTNER);
        for habit in HABITS.into_iter().chain(discovered) {
            honest.habits += 1;
            let caller = (habit.begin)(habit.from, doors)?;
            let (doors, samples, is_over) = (doors.clone(), honest.samples.clone(), honest.is_over.clone());
            honest.threads.push(std::thread::spawn(move || habit.keep(caller, &doors, &samples, &is_over)));
        }
        Ok(honest)
    }

    /// Somebody who takes what comes, and comes back when his connection ends.
    fn answer(&mut self, name: &'static str, from: Ipv4Addr, doors: &Doors) -> io::Result<()> {
        let (doors, is_over) = (doors.clone(), self.is_over.clone());
        let mut caller = signed_in(name, from, &doors)?;
        if name == WRITTEN_TO && doors.discovered.is_some() {
            turn_to_the_discovered(&mut caller);
        }
        self.threads.push(std::thread::spawn(move || {
            while caller.answer_all(|| is_over.load(Ordering::Relaxed)).is_err() && !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                if let Ok(again) = signed_in(name, from, &doors) {
                    caller = again;
                }
            }
        }));
        Ok(())
    }

    /// What became of all that was due in this time; waits for the last of it.
    pub fn summary(&self, from: Instant, until: Instant) -> Summary {
        let deadline = until + 2 * GIVE_UP;
        while !self.samples.has_passed(until, self.habits) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.samples.summary(from, until)
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Habit {
    fn keep(&self, mut caller: Caller, doors: &Doors, samples: &Samples, is_over: &AtomicBool) {
        let begun = Instant::now();
        for number in 1.. {
            let due = begun + self.every * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let done = (self.act)(&mut caller, self.from, doors);
            let took = done.as_ref().map(|()| due.elapsed()).map_err(ToString::to_string);
            samples.push(Sample { due, kind: self.kind, took });
            if done.is_err()
                && let Ok(again) = (self.begin)(self.from, doors)
            {
                caller = again;
            }
        }
    }
}

fn signed_in(name: &str, from: Ipv4Addr, doors: &Doors) -> io::Result<Caller> {
    let mut caller = Caller::user(name, from, doors)?;
    caller.sign_in()?;
    Ok(caller)
}

/// Whoever has turned to a partner without an entry may be written to from there. Whether it arrives is not what counts.
fn turn_to_the_discovered(caller: &mut Caller) {
    let _ = caller.ask(&mut Request::new(Method::Message, &format!("pat@{DISCOVERED}"), TEXT, "Hello"));
}

fn write_to(caller: &mut Caller, to: &str) -> io::Result<()> {
    let mut request = Request::new(Method::Message, &format!("{to}@{DOMAIN}"), TEXT, "Hello");
    is_200(&caller.ask(&mut request)?)
}

/// A call that is answered, and ended at once.
fn call(caller: &mut Caller, to: &str) -> io::Result<()> {
    let contact = format!("Contact: {}\r\n", caller.contact());
    let mut invite = Request::new(Method::Invite, &format!("{to}@{DOMAIN}"), &contact, "");
    let answered = caller.ask(&mut invite)?;
    is_200(&answered)?;
    let routes = routes(&answered);
    caller.send(&invite.next(Method::Ack, &answered, &routes))?;
    let mut bye = invite.next(Method::Bye, &answered, &routes);
    is_200(&caller.ask(&mut bye)?)
}

fn is_200(response: &Message) -> io::Result<()> {
    match response.status() {
        Some(200) => Ok(()),
        status => Err(io::Error::other(format!("{}", status.unwrap_or_default()))),
    }
}

const WRITTEN_TO: &str = "bob";
const TEXT: &str = "Content-Type: text/plain\r\n";
const OF_A_DISCOVERED_PARTNER: Habit = Habit {
    kind: "discovered partner's message",
    every: Duration::from_millis(200),
    from: Ipv4Addr::new(127, 0, 81, 15),
    begin: |from, doors| Caller::discovered(&format!("pat@{DISCOVERED}"), from, doors),
    act: |caller, _, _| write_to(caller, WRITTEN_TO),
};
const HABITS: [Habit; 4] = [
    Habit {
        kind: "message",
        every: Duration::from_millis(100),
        from: Ipv4Addr::new(127, 0, 81, 11),
        begin: |from, doors| signed_in("alice", from, doors),
        act: |caller, _, _| write_to(caller, "bob"),
    },
    Habit {
        kind: "call",
        every: Duration::from_millis(400),
        from: Ipv4Addr::new(127, 0, 81, 12),
        begin: |from, doors| signed_in("carol", from, doors),
        act: |caller, _, _| call(caller, "dave"),
    },
    Habit {
        kind: "sign-in",
        every: Duration::from_millis(1_000),
        from: Ipv4Addr::new(127, 0, 81, 13),
        begin: |from, doors| signed_in("erin", from, doors),
        act: |caller, from, doors| {
            *caller = signed_in("erin", from, doors)?;
            Ok(())
        },
    },
    Habit {
        kind: "partner's message",
        every: Duration::from_millis(200),
        from: Ipv4Addr::new(127, 0, 81, 14),
        begin: |from, doors| Caller::partner(&format!("peggy@{PARTNER}"), from, doors),
        act: |caller, _, _| write_to(caller, "bob"),
    },
];
