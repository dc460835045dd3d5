//! Messages that never end, and peers that are slow to write or to read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sip::Method;

use super::{Target, address, crowd};
use crate::answers::Answers;
use crate::caller::{Caller, Request};
use crate::line::connect;
use crate::server::DOMAIN;

/// A length that nobody can have, a body that never comes to its end, headers without end, and a line without end: of
/// strangers, by TCP.
pub fn giant(target: &Target) -> Answers {
    crowd(32, |number| {
        let mut answers = Answers::default();
        while !target.is_over() {
            match connect(address(number), target.doors.plain) {
                Ok(stream) => giant_message(target, stream, answers.sent + u64::from(number), &mut answers),
                Err(error) => answers.note_error(&error),
            }
            answers.sent += 1;
        }
        answers
    })
}

fn giant_message(target: &Target, mut stream: TcpStream, turn: u64, answers: &mut Answers) {
    let (head, piece) = match turn % 4 {
        0 => (format!("{HEAD}Content-Length: 4294967295\r\n\r\n"), "x".repeat(4096)),
        1 => (format!("{HEAD}Content-Length: 60000\r\n\r\n{}", "x".repeat(59_999)), String::new()),
        2 => (HEAD.to_owned(), "X-Header: of no use\r\n".repeat(100)),
        _ => (format!("{HEAD}X-Header: "), "x".repeat(4096)),
    };
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    while !target.is_over() {
        if stream.write_all(piece.as_bytes()).is_err() {
            return answers.note("closed");
        }
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return answers.note("closed"),
            Ok(_) => answers.note("an answer"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return answers.note("closed"),
        }
    }
    answers.note("still open at the end");
}

/// Four hundred connections on which a request comes byte by byte, each byte in its second.
pub fn slow_writers(target: &Target) -> Answers {
    crowd(20, |number| {
        let mut answers = Answers::default();
        let mut open: Vec<TcpStream> = Vec::new();
        for place in (0..).take_while(|_| !target.is_over()) {
            while open.len() < 20 {
                answers.sent += 1;
                match connect(address(number), target.doors.plain) {
                    Ok(stream) => open.push(stream),
                    Err(error) => {
                        answers.note_error(&error);
                        break;
                    }
                }
            }
            let byte = HEAD.as_bytes()[place % HEAD.len()];
            open.retain_mut(|stream| {
                is_open(stream, byte) || {
                    answers.note("closed");
                    false
                }
            });
            std::thread::sleep(
                Duration::from_secs(1).min(target.until.saturating_duration_since(std::time::Instant::now())),
            );
        }
        open.iter().for_each(|_| answers.note("still open at the end"));
        answers
    })
}

fn is_open(stream: &mut TcpStream, byte: u8) -> bool {
    let _ = stream.set_nonblocking(true);
    let is_closed = matches!(stream.read(&mut [0; 64]), Ok(0));
    !is_closed && stream.write_all(&[byte]).is_ok()
}

/// Users who ask and ask, and never read an answer.
pub fn slow_readers(target: &Target) -> Answers {
    crowd(16, |number| {
        let mut answers = Answers::default();
        while !target.is_over() {
            let asked = Caller::user("mallory", address(number), &target.doors).and_then(|mut caller| {
                caller.sign_in()?;
                ask_and_ask(target, &mut caller, &mut answers.sent)
            });
            match asked {
                Ok(()) => answers.note("still open at the end"),
                Err(error) => answers.note_error(&error),
            }
        }
        answers
    })
}

fn ask_and_ask(target: &Target, caller: &mut Caller, sent: &mut u64) -> std::io::Result<()> {
    let wide = format!("X-Wide: {}\r\n", "x".repeat(500));
    while !target.is_over() {
        let mut request = Request::new(Method::Options, &format!("bob@{DOMAIN}"), "", "");
        request.uri = format!("sip:{DOMAIN}");
        request.lines = wide.as_str().into();
        for _ in 0..20 {
            // What is echoed is as long as it may be.
            request.call_id = format!("{}{}", "c".repeat(4_000), crate::caller::serial());
            request.branch = format!("z9hG4bK{}", crate::caller::serial());
            caller.send(&request)?;
            *sent += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

const HEAD: &str = "MESSAGE sip:bob@contoso.example SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch=z9hG4bKgiant\r\n\
    From: <sip:mallory@contoso.example>;tag=f\r\nTo: <sip:bob@contoso.example>\r\nCall-ID: giant\r\nCSeq: 1 MESSAGE\r\n\
    Max-Forwards: 70\r\n";
