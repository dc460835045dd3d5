//! Connections that do not go on: handshakes that stay half open, and requests that come byte by byte. Each is to be ended
//! after a time, whatever it does.

use std::io;
use std::time::{Duration, Instant};

use super::row::Harm;
use super::spam::each_crowd;
use super::{Field, Stranger};
use crate::answers::Answers;
use crate::attack::{CLIENT_HELLO, address};
use crate::line::Line;
use crate::server::Doors;

/// What is done on each connection, and for how long the server may bear it.
struct Kind {
    open: fn(u8, &Stranger, &Doors) -> io::Result<Line>,
    /// What is said in this second, of the connection that bears this number.
    say: fn(usize, usize) -> Vec<u8>,
    borne: Duration,
}

/// No handshake: nothing is said, half of the first message at once, or all of it byte by byte.
pub fn half_open(field: &Field<'_>, lasts: Duration) -> Harm {
    let say = |number: usize, second: usize| match (number % 3, second) {
        (1, 0) => CLIENT_HELLO[..CLIENT_HELLO.len() / 2].to_vec(),
        (2, _) => vec![CLIENT_HELLO[second % CLIENT_HELLO.len()]],
        _ => Vec::new(),
    };
    let open = |number, _: &Stranger, doors: &Doors| Line::plain(address(number), doors.tls);
    held(field, lasts, &Kind { open, say, borne: HANDSHAKE })
}

/// A whole handshake, which proves the domain; then a request of which each second has one byte.
pub fn drip(field: &Field<'_>, lasts: Duration) -> Harm {
    let say = |_, second: usize| vec![REQUEST[second % REQUEST.len()]];
    let open =
        |number, stranger: &Stranger, doors: &Doors| Line::tls(address(number), doors.tls, Some(&stranger.identity));
    held(field, lasts, &Kind { open, say, borne: MESSAGE })
}

fn held(field: &Field<'_>, lasts: Duration, kind: &Kind) -> Harm {
    let doors = &field.server.doors;
    let until = Instant::now() + lasts;
    let answers = each_crowd(&field.strangers, |number, crowd| hold(number, crowd, doors, until, kind));
    let (done, of) = (answers.count(BORNE_TOO_LONG), answers.sent);
    let ended = answers.count(ENDED);
    let problems = if ended == 0 { vec!["none was ended by the server".to_owned()] } else { Vec::new() };
    Harm { kind: "borne for longer", done, of, done_max: 0, answers, problems, remark: None }
}

/// Keeps so many connections, each of the next of the crowd.
fn hold(number: u8, crowd: &[Stranger], doors: &Doors, until: Instant, kind: &Kind) -> Answers {
    let mut answers = Answers::default();
    let mut lines: Vec<(usize, Instant, Line)> = Vec::new();
    let (mut opened, mut strangers) = (0, crowd.iter().cycle());
    while Instant::now() < until {
        let begun = Instant::now();
        while lines.len() < HELD && begun.elapsed() < SECOND {
            let Some(stranger) = strangers.next() else { return answers };
            answers.sent += 1;
            match (kind.open)(number, stranger, doors) {
                Ok(line) => lines.push((opened, Instant::now(), line)),
                Err(error) => {
                    answers.note_error(&error);
                    break;
                }
            }
            opened += 1;
        }
        lines.retain_mut(|(number, since, line)| {
            let second = usize::try_from(since.elapsed().as_secs()).unwrap_or(0);
            if line.send(&(kind.say)(*number, second)).and_then(|()| line.receive(Duration::ZERO)).is_err() {
                answers.note(ENDED);
                return false;
            }
            let is_borne = since.elapsed() <= kind.borne;
            if !is_borne {
                answers.note(BORNE_TOO_LONG);
            }
            is_borne
        });
        std::thread::sleep(SECOND.saturating_sub(begun.elapsed()));
    }
    lines.iter().for_each(|_| answers.note("young when it was over"));
    answers
}

/// Of each of eight crowds.
const HELD: usize = 60;
const SECOND: Duration = Duration::from_secs(1);
/// `silent_secs_max` and `handshake_secs_max`, and what a busy machine adds.
const HANDSHAKE: Duration = Duration::from_secs(3 + 5 + 3);
/// `message_secs_max`, the five seconds between two looks, and the same.
const MESSAGE: Duration = Duration::from_secs(20 + 5 + 3);
/// How long the attack lasts at least.
pub const DRIPS: Duration = Duration::from_secs(30);
const ENDED: &str = "ended by the server";
const BORNE_TOO_LONG: &str = "borne for longer than it may be";
const REQUEST: &[u8] =
    b"MESSAGE sip:victim1@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bKdrip\r\n";
