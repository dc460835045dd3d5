//! Names are tried: one of a hundred is a user's, who is away. A name is learnt where its answer is none that a name gets that
//! nobody has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use sip::{HeaderName, Message, Method};

use super::row::Harm;
use super::spam::{CUT_SHORT, LASTS_MAX, TEXT, callers, each_crowd};
use super::{Field, Stranger};
use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::server::{DOMAIN, Doors};

/// A user who is away.
pub fn there(number: usize) -> String {
    format!("name{}@{DOMAIN}", number * 100)
}

/// What was answered about which names: those that are somebody's, and the others.
#[derive(Default)]
struct Told {
    about_users: BTreeMap<usize, String>,
    about_nobody: BTreeSet<String>,
}

pub fn try_all(field: &Field<'_>, names: usize, per_sec: Option<u32>) -> anyhow::Result<Harm> {
    let told = Mutex::new(Told::default());
    let each = names.div_ceil(field.strangers.len());
    let size = field.strangers.len().div_ceil(8).max(1);
    let answers = each_crowd(&field.strangers, |number, crowd| {
        let first = usize::from(number) * size * each;
        try_some(number, crowd, &field.server.doors, Trial { first, each, names, per_sec }, &told)
    });
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let learnt = told.about_users.values().filter(|answer| !told.about_nobody.contains(*answer)).count() as u64;
    let mut problems = Vec::new();
    if told.about_users.is_empty() || told.about_nobody.is_empty() {
        problems.push("nothing was answered about names that are somebody's, or about the others".to_owned());
    }
    Ok(Harm { kind: "names learnt", done: learnt, of: names as u64, done_max: names as u64 / 1000, answers, problems })
}

/// Which names one crowd tries: each domain its own.
#[derive(Clone, Copy)]
struct Trial {
    first: usize,
    each: usize,
    names: usize,
    per_sec: Option<u32>,
}

fn try_some(number: u8, crowd: &[Stranger], doors: &Doors, trial: Trial, told: &Mutex<Told>) -> Answers {
    let mut answers = Answers::default();
    let until = Instant::now() + LASTS_MAX;
    let mut callers = callers(number, crowd, doors, until, &mut answers);
    let begun = Instant::now();
    for turn in 0..trial.each {
        if let Some(per_sec) = trial.per_sec {
            let due = begun + Duration::from_secs(1) * u32::try_from(turn).unwrap_or(u32::MAX) / per_sec;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        for (place, caller) in callers.iter_mut().enumerate() {
            if Instant::now() >= until {
                answers.note(CUT_SHORT);
                return answers;
            }
            let name = trial.first + place * trial.each + turn;
            if name < trial.names && ask(caller, name, turn) {
                answers.sent += 1;
            }
            note(caller, Duration::ZERO, &mut answers, told);
        }
    }
    callers.iter_mut().for_each(|caller| note(caller, Duration::from_millis(300), &mut answers, told));
    answers
}

/// In one of the ways in which one can ask about a user; the Call-ID says whom.
fn ask(caller: &mut Caller, name: usize, turn: usize) -> bool {
    let method = [Method::Message, Method::Invite, Method::Options, Method::Subscribe][turn % 4].clone();
    let lines = match method {
        Method::Message => TEXT.to_owned(),
        Method::Subscribe => format!("Event: presence\r\nContact: {}\r\n", caller.contact()),
        _ => format!("Contact: {}\r\n", caller.contact()),
    };
    let mut request = Request::new(method, &format!("name{name}@{DOMAIN}"), lines, "");
    request.call_id = format!("n{name}-{}", request.call_id);
    caller.send(&request).is_ok()
}

fn note(caller: &mut Caller, within: Duration, answers: &mut Answers, told: &Mutex<Told>) {
    while let Ok(Some(message)) = caller.line.receive(within) {
        if message.status() < Some(200) {
            continue;
        }
        answers.note_message(&message);
        let Some(name) = name_of(&message) else { continue };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        match name % 100 {
            0 => drop(told.about_users.insert(name, said(&message))),
            _ => drop(told.about_nobody.insert(said(&message))),
        }
    }
}

fn name_of(message: &Message) -> Option<usize> {
    message.header_text(HeaderName::CallId)?.strip_prefix('n')?.split_once('-')?.0.parse().ok()
}

/// All of an answer but what it repeats of the request, and of which method it is.
fn said(message: &Message) -> String {
    let repeated = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let text = String::from_utf8_lossy(message.as_bytes());
    let own = text.lines().filter(|line| !repeated.iter().any(|name| line.starts_with(name)));
    let cseq = message.header_text(HeaderName::CSeq).unwrap_or_default();
    format!("{} {}", cseq.split(' ').nth(1).unwrap_or_default(), own.collect::<Vec<_>>().join("\n"))
}
