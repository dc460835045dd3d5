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
    /// How long each answer took that was waited for.
    took_about_users: Vec<Duration>,
    took_about_nobody: Vec<Duration>,
}

impl Told {
    fn times(&mut self) -> Option<String> {
        let users = middle(&mut self.took_about_users)?;
        let nobody = middle(&mut self.took_about_nobody)?;
        Some(format!("an answer about a user's name took {users}, about another {nobody}"))
    }
}

/// The median, and what nine of ten stay below.
fn middle(took: &mut [Duration]) -> Option<String> {
    took.sort();
    let at = |tenths: usize| Some(took.get(took.len() * tenths / 10)?.as_secs_f64() * 1000.0);
    Some(format!("{:.2} ms (nine of ten of {} less than {:.2})", at(5)?, took.len(), at(9)?))
}

pub fn try_all(field: &Field<'_>, names: usize, per_sec: Option<u32>) -> anyhow::Result<Harm> {
    let told = Mutex::new(Told::default());
    let each = names.div_ceil(field.strangers.len());
    let size = field.strangers.len().div_ceil(8).max(1);
    let answers = each_crowd(&field.strangers, |number, crowd| {
        let first = usize::from(number) * size * each;
        try_some(number, crowd, &field.server.doors, Trial { first, each, names, per_sec }, &told)
    });
    let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let learnt = told.about_users.values().filter(|answer| !told.about_nobody.contains(*answer)).count() as u64;
    let mut problems = Vec::new();
    if told.about_users.is_empty() || told.about_nobody.is_empty() {
        problems.push("nothing was answered about names that are somebody's, or about the others".to_owned());
    }
    let remark = told.times();
    let (of, done_max) = (names as u64, names as u64 / 1000);
    Ok(Harm { kind: "names learnt", done: learnt, of, done_max, answers, problems, remark })
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
            // Where in its row a user's name comes differs from domain to domain.
            let name = trial.first + place * trial.each + (turn + 7 * place + 3) % trial.each;
            let asked = Instant::now();
            if name < trial.names && ask(caller, name, usize::from(number) + place + turn) {
                answers.sent += 1;
                if trial.per_sec.is_some() {
                    wait_for(name, caller, asked, &mut answers, told);
                }
            }
            note(caller, Duration::ZERO, &mut answers, told);
        }
    }
    callers.iter_mut().for_each(|caller| note(caller, Duration::from_millis(300), &mut answers, told));
    answers
}

/// In one of the ways in which one can ask about a user; the Call-ID says whom.
fn ask(caller: &mut Caller, name: usize, way: usize) -> bool {
    let method = [Method::Message, Method::Invite, Method::Options, Method::Subscribe][way % 4].clone();
    let lines = match method {
        Method::Message => TEXT.to_owned(),
        Method::Subscribe => format!("Event: presence\r\nContact: {}\r\n", caller.contact()),
        _ => format!("Contact: {}\r\n", caller.contact()),
    };
    let mut request = Request::new(method, &format!("name{name}@{DOMAIN}"), lines, "");
    request.call_id = format!("n{name}-{}", request.call_id);
    caller.send(&request).is_ok()
}

/// Its final answer, and how long it took.
fn wait_for(name: usize, caller: &mut Caller, asked: Instant, answers: &mut Answers, told: &Mutex<Told>) {
    while let Some(left) = ANSWER_MAX.checked_sub(asked.elapsed()) {
        let Ok(Some(message)) = caller.line.receive(left) else { return };
        let took = asked.elapsed();
        if note_one(&message, answers, told) == Some(name) {
            // Beyond its rate it is refused before anybody looks who is asked for.
            if message.status() == Some(503) {
                return;
            }
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            match is_users(name) {
                true => told.took_about_users.push(took),
                false => told.took_about_nobody.push(took),
            }
            return;
        }
    }
}

fn note(caller: &mut Caller, within: Duration, answers: &mut Answers, told: &Mutex<Told>) {
    while let Ok(Some(message)) = caller.line.receive(within) {
        note_one(&message, answers, told);
    }
}

/// Which name it is about, if it is a final answer.
fn note_one(message: &Message, answers: &mut Answers, told: &Mutex<Told>) -> Option<usize> {
    if message.status() < Some(200) {
        return None;
    }
    answers.note_message(message);
    let name = name_of(message)?;
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    match is_users(name) {
        true => drop(told.about_users.insert(name, said(message))),
        false => drop(told.about_nobody.insert(said(message))),
    }
    Some(name)
}

fn is_users(name: usize) -> bool {
    name.is_multiple_of(100)
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

const ANSWER_MAX: Duration = Duration::from_millis(300);
