//! Messages that are broken, each in a way that no reader may overlook: of all domains without an entry, and of a partner
//! with one, whose messages would be delivered if they were whole.

use std::io;
use std::time::{Duration, Instant};

use sip::Method;

use super::row::Harm;
use super::spam::{TEXT, VICTIMS, delivered_by, each_crowd};
use super::{Field, Stranger};
use crate::answers::Answers;
use crate::attack::address;
use crate::caller::{Caller, Request};
use crate::line::Line;
use crate::server::{Doors, LOUD_PARTNER};

pub fn pour(field: &Field<'_>, lasts: Duration) -> anyhow::Result<Harm> {
    let doors = &field.server.doors;
    let (answers, done) = delivered_by(doors, || {
        let until = Instant::now() + lasts;
        each_crowd(&field.strangers, |number, crowd| send_all(number, crowd, doors, until))
    });
    let of = answers.sent;
    Ok(Harm { kind: "delivered", done, of, done_max: 0, answers, problems: Vec::new(), remark: None })
}

/// One after the other of the crowd, and the partner with an entry after each.
fn send_all(number: u8, crowd: &[Stranger], doors: &Doors, until: Instant) -> Answers {
    let mut answers = Answers::default();
    let mut turn = usize::from(number);
    while Instant::now() < until {
        for stranger in crowd {
            let eve = Line::tls(address(number), doors.tls, Some(&stranger.identity))
                .map(|line| Caller::over(format!("eve@{}", stranger.domain), line));
            let loud = Caller::loud_partner(&format!("eve@{LOUD_PARTNER}"), address(number), doors);
            for caller in [eve, loud] {
                let sent = caller.and_then(|mut caller| send_some(&mut caller, &mut turn, until, &mut answers));
                sent.unwrap_or_else(|error| answers.note_error(&error));
            }
        }
    }
    answers
}

/// Until the connection is ended, or a time is over.
fn send_some(caller: &mut Caller, turn: &mut usize, until: Instant, answers: &mut Answers) -> io::Result<()> {
    let until = until.min(Instant::now() + ON_ONE_CONNECTION);
    while Instant::now() < until {
        let request = Request::new(Method::Message, VICTIMS[*turn % VICTIMS.len()], TEXT, "Buy now");
        let whole = String::from_utf8_lossy(&caller.compose(&request)).into_owned();
        caller.line.send(&broken(&whole, *turn))?;
        (*turn, answers.sent) = (*turn + 1, answers.sent + 1);
        while let Some(message) = caller.line.receive(Duration::from_millis(1))? {
            answers.note_message(&message);
        }
    }
    Ok(())
}

/// A message of ours, broken in one of the ways.
fn broken(whole: &str, turn: usize) -> Vec<u8> {
    let (before, after) = BREAKS[turn % BREAKS.len()];
    let after = if after == ENDLESS { "X: y\r\n".repeat(200) } else { after.to_owned() };
    // The line that begins so is replaced; what no line begins with is put before the first header.
    let mut lines: Vec<String> = whole.split_inclusive("\r\n").map(str::to_owned).collect();
    match lines.iter_mut().find(|line| !before.is_empty() && line.starts_with(before)) {
        Some(line) => *line = after,
        None => lines.insert(1, after),
    }
    lines.concat().into_bytes()
}

/// Of a whole message: the line that begins so, and what is written for it. RFC 3261 sections 7, 8.1.1, 18.3, 20 and 25.1.
const BREAKS: [(&str, &str); 24] = [
    ("Via:", ""),
    ("From:", ""),
    ("To:", ""),
    ("Call-ID:", ""),
    ("CSeq:", ""),
    ("CSeq:", "CSeq: 1 INVITE\r\n"),
    ("CSeq:", "CSeq: 4294967296 MESSAGE\r\n"),
    ("CSeq:", "CSeq: one MESSAGE\r\n"),
    ("From:", "From: <sip:eve@litware.example;tag=f\r\n"),
    ("From:", "From: \"eve <sip:eve@litware.example>;tag=f\r\n"),
    ("To:", "To: <victim1@contoso.example>\r\n"),
    ("MESSAGE ", "MESSAGE sip:victim1 @contoso.example SIP/2.0\r\n"),
    ("MESSAGE ", "MESSAGE sip:victim1@contoso.example SIP/3.0\r\n"),
    ("MESSAGE ", "MESSAGE sip:victim1@contoso.example\r\n"),
    ("MESSAGE ", "MES SAGE sip:victim1@contoso.example SIP/2.0\r\n"),
    ("Max-Forwards:", "Max-Forwards: many\r\n"),
    ("Content-Length:", "Content-Length: 7\r\nContent-Length: 8\r\n"),
    ("Content-Length:", "Content-Length: -1\r\n"),
    ("Content-Length:", "Content-Length: 99999999999999999999\r\n"),
    ("Via:", "Via: SIP/2.0/TLS\r\n"),
    ("", "no header at all\r\n"),
    ("", "X-Zero: \0\r\n"),
    ("", "Call-ID: another\r\n"),
    ("", ENDLESS),
];
/// More headers than a message may have.
const ENDLESS: &str = "endless";
const ON_ONE_CONNECTION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use sip::{Frame, Framer, Message};

    use super::*;

    const WHOLE: &str = "MESSAGE sip:victim1@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bK1\r\n\
        From: <sip:eve@litware.example>;tag=f\r\nTo: <sip:victim1@contoso.example>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\
        Max-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nBuy now";

    #[test]
    fn each_way_breaks_it_at_another_place() {
        let all: Vec<_> = (0..BREAKS.len()).map(|turn| broken(WHOLE, turn)).collect();
        for (turn, bytes) in all.iter().enumerate() {
            assert_ne!(bytes, WHOLE.as_bytes(), "{:?}", BREAKS[turn]);
            assert_eq!(all.iter().filter(|other| *other == bytes).count(), 1, "{:?}", BREAKS[turn]);
        }
    }

    #[test]
    fn the_whole_one_is_read() {
        let mut buffer = BytesMut::from(WHOLE);
        let frame = Framer::default().cut(&mut buffer).expect("framed");
        let Some(Frame::Message(bytes)) = frame else { panic!("no message: {frame:?}") };
        Message::parse(bytes).expect("read");
    }
}
