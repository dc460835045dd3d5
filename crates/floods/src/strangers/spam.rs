//! Messages that nobody asked for, from all domains at once, as fast as they are taken; and the users who get what comes.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sip::{HeaderName, Method, build};

use super::row::Harm;
use super::{Field, Stranger};
use crate::answers::Answers;
use crate::attack::address;
use crate::caller::{Caller, Request};
use crate::line::Line;
use crate::server::Doors;

pub fn pour(field: &Field<'_>, messages: usize) -> anyhow::Result<Harm> {
    let begun = Instant::now();
    let (each, until) = (messages.div_ceil(field.strangers.len()), begun + LASTS_MAX);
    let doors = &field.server.doors;
    let (answers, done) = delivered_by(doors, || {
        each_crowd(&field.strangers, |number, crowd| send_all(number, crowd, doors, (each, until)))
    });
    let hours = begun.elapsed().as_secs() / 3600 + 1;
    Ok(Harm {
        kind: "delivered",
        done,
        of: answers.sent,
        done_max: PER_HOUR * hours * VICTIMS.len() as u64,
        answers,
        problems: Vec::new(),
        remark: None,
    })
}

/// What attackers got, and how many messages reached the victims meanwhile, who have signed in before.
pub fn delivered_by(doors: &Doors, attack: impl FnOnce() -> Answers) -> (Answers, u64) {
    let (is_over, delivered) = (AtomicBool::new(false), AtomicU64::new(0));
    let answers = thread::scope(|scope| {
        for (number, victim) in (20..).zip(VICTIMS) {
            let (is_over, delivered) = (&is_over, &delivered);
            scope.spawn(move || take(victim, Ipv4Addr::new(127, 0, 81, number), doors, (is_over, delivered)));
        }
        thread::sleep(Duration::from_secs(1));
        let answers = attack();
        thread::sleep(Duration::from_secs(1));
        is_over.store(true, Ordering::Relaxed);
        answers
    });
    (answers, delivered.into_inner())
}

/// All strangers in a few crowds, each on a thread of its own; what all of them got.
pub fn each_crowd(strangers: &[Stranger], act: impl Fn(u8, &[Stranger]) -> Answers + Sync) -> Answers {
    let size = strangers.len().div_ceil(THREADS).max(1);
    thread::scope(|scope| {
        let act = &act;
        let crowds = (0..).zip(strangers.chunks(size));
        let threads: Vec<_> = crowds.map(|(number, crowd)| scope.spawn(move || act(number, crowd))).collect();
        let mut all = Answers::default();
        threads.into_iter().filter_map(|thread| thread.join().ok()).for_each(|answers| all.add(answers));
        all
    })
}

/// One of each domain of the crowd, connected.
pub fn callers(number: u8, crowd: &[Stranger], doors: &Doors, until: Instant, answers: &mut Answers) -> Vec<Caller> {
    let connect = |stranger: &Stranger| {
        let line = Line::tls(address(number), doors.tls, Some(&stranger.identity))?;
        Ok(Caller::over(format!("eve@{}", stranger.domain), line))
    };
    let mut connected = Vec::new();
    for stranger in crowd {
        if Instant::now() >= until {
            break;
        }
        match connect(stranger) {
            Ok(caller) => connected.push(caller),
            Err(error) => note_failed(answers, &error),
        }
    }
    connected
}

fn note_failed(answers: &mut Answers, error: &io::Error) {
    answers.note(&format!("no connection ({})", error.kind()));
}

fn send_all(number: u8, crowd: &[Stranger], doors: &Doors, (each, until): (usize, Instant)) -> Answers {
    let mut answers = Answers::default();
    let mut callers = callers(number, crowd, doors, until, &mut answers);
    for turn in 0..each.div_ceil(AT_ONCE) {
        for caller in &mut callers {
            if Instant::now() >= until {
                answers.note(CUT_SHORT);
                return answers;
            }
            for place in 0..AT_ONCE.min(each - turn * AT_ONCE) {
                let to = VICTIMS[(turn + place) % VICTIMS.len()];
                let request = Request::new(Method::Message, to, TEXT, "Buy now");
                match caller.send(&request) {
                    Ok(()) => answers.sent += 1,
                    Err(error) => answers.note_error(&error),
                }
            }
            read_some(caller, Duration::ZERO, &mut answers);
        }
    }
    callers.iter_mut().for_each(|caller| read_some(caller, Duration::from_millis(200), &mut answers));
    answers
}

/// What has come.
pub fn read_some(caller: &mut Caller, within: Duration, answers: &mut Answers) {
    while let Ok(Some(message)) = caller.line.receive(within) {
        answers.note_message(&message);
    }
}

/// A user who takes what comes, and counts it.
fn take(user: &str, from: Ipv4Addr, doors: &Doors, (is_over, delivered): (&AtomicBool, &AtomicU64)) {
    let name = user.split('@').next().unwrap_or_default();
    while !is_over.load(Ordering::Relaxed) {
        let taken = Caller::user(name, from, doors).and_then(|mut caller| {
            caller.sign_in()?;
            while !is_over.load(Ordering::Relaxed) {
                let Some(message) = caller.line.receive(Duration::from_millis(100))? else { continue };
                if message.method() == Some(Method::Message) {
                    delivered.fetch_add(1, Ordering::Relaxed);
                    let response = build::response(&message, 200, None, Some("t"));
                    caller.line.send(&response.header(HeaderName::Contact, caller.contact()).build())?;
                }
            }
            Ok(())
        });
        if taken.is_err() {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

pub const VICTIMS: [&str; 4] =
    ["victim1@contoso.example", "victim2@contoso.example", "victim3@contoso.example", "victim4@contoso.example"];
pub const TEXT: &str = "Content-Type: text/plain\r\n";
/// The longest that one attack lasts, whatever is left of it then: the four of them have twenty minutes.
pub const LASTS_MAX: Duration = Duration::from_secs(280);
/// What each crowd notes that had more to do.
pub const CUT_SHORT: &str = "crowd that was cut short";
const THREADS: usize = 8;
const AT_ONCE: usize = 10;
/// What reaches one user of all whom he has not answered, by default.
const PER_HOUR: u64 = 10;
