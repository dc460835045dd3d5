//! New transactions, more than anybody needs.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::{Message, Method};

use super::{Target, address, crowd, pour};
use crate::answers::Answers;
use crate::caller::{Caller, Request, serial};
use crate::line::Line;
use crate::server::{DOMAIN, LOUD_PARTNER, PARTNER};

/// INVITEs from hundreds of ports of dozens of addresses: to the server, each is somebody else.
pub fn by_datagrams(target: &Target) -> Answers {
    crowd(8, |number| {
        let mut answers = Answers::default();
        let sockets: Vec<_> = (0..32).filter_map(|_| UdpSocket::bind((address(number), 0)).ok()).collect();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, target.doors.plain));
        let begun = Instant::now();
        while !target.is_over() {
            let due = (begun.elapsed().as_secs_f64() * f64::from(DATAGRAMS_PER_SEC)) as u64;
            while answers.sent < due {
                let socket = &sockets[answers.sent as usize % sockets.len()];
                let _ = socket.send_to(stranger("INVITE", "UDP").as_bytes(), server);
                answers.sent += 1;
            }
            sockets.iter().for_each(|socket| drain(socket, &mut answers));
            std::thread::sleep(Duration::from_millis(2));
        }
        answers
    })
}

fn drain(socket: &UdpSocket, answers: &mut Answers) {
    let _ = socket.set_nonblocking(true);
    let mut bytes = [0; 4096];
    while let Ok(count) = socket.recv(&mut bytes) {
        if let Ok(message) = Message::parse(bytes[..count].to_vec().into()) {
            answers.note_message(&message);
        }
    }
}

/// Messages to a user whose phone takes them and never answers.
pub fn of_a_partner(target: &Target) -> Answers {
    with_silent_phone(target, || {
        crowd(4, |number| match Caller::partner(&format!("mallory@{PARTNER}"), address(number), &target.doors) {
            Ok(mut caller) => pour(target, &mut caller, REQUESTS_PER_SEC / 4, to_the_silent),
            Err(error) => failed(&error),
        })
    })
}

/// One partner's messages, more than the server can do; the honest partner is another.
pub fn messages_of_a_loud_partner(target: &Target) -> Answers {
    of_a_loud_partner(target, to_the_silent)
}

/// The same with calls, which nobody answers.
pub fn calls_of_a_loud_partner(target: &Target) -> Answers {
    of_a_loud_partner(target, || {
        Request::new(Method::Invite, &format!("frank@{DOMAIN}"), "Contact: <sip:mallory@phone.invalid>\r\n", "")
    })
}

fn of_a_loud_partner(target: &Target, next: fn() -> Request<'static>) -> Answers {
    with_silent_phone(target, || {
        let aor = format!("mallory@{LOUD_PARTNER}");
        crowd(4, |number| match Caller::loud_partner(&aor, address(number), &target.doors) {
            Ok(mut caller) => pour(target, &mut caller, LOUD_REQUESTS_PER_SEC / 4, next),
            Err(error) => failed(&error),
        })
    })
}

pub fn of_a_user(target: &Target) -> Answers {
    with_silent_phone(target, || match Caller::user("mallory", address(0), &target.doors) {
        Ok(mut caller) => match caller.sign_in() {
            Ok(()) => pour(target, &mut caller, REQUESTS_PER_SEC, to_the_silent),
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    })
}

/// Nobody's requests over many connections, which are not read before the end.
pub fn of_strangers(target: &Target) -> Answers {
    crowd(16, |number| {
        let mut answers = Answers::default();
        while !target.is_over() {
            match Line::plain(address(number), target.doors.plain) {
                Ok(mut line) => strange_requests(target, &mut line, &mut answers),
                Err(error) => answers.note_error(&error),
            }
        }
        answers
    })
}

fn strange_requests(target: &Target, line: &mut Line, answers: &mut Answers) {
    for _ in 0..STRANGE_PER_CONNECTION {
        if let Err(error) = line.send(stranger("MESSAGE", "TCP").as_bytes()) {
            return answers.note_error(&error);
        }
        answers.sent += 1;
    }
    for _ in 0..STRANGE_PER_CONNECTION {
        match line.receive(Duration::from_secs(1)) {
            Ok(Some(message)) => answers.note_message(&message),
            Ok(None) if target.is_over() => return,
            Ok(None) => answers.note("no answer within a second"),
            Err(error) => return answers.note_error(&error),
        }
    }
}

fn with_silent_phone(target: &Target, attack: impl FnOnce() -> Answers) -> Answers {
    let Ok(mut phone) = Caller::user("frank", address(200), &target.doors) else { return Answers::default() };
    if let Err(error) = phone.sign_in() {
        return failed(&error);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| while !target.is_over() && phone.line.receive(Duration::from_millis(100)).is_ok() {});
        attack()
    })
}

fn to_the_silent() -> Request<'static> {
    Request::new(Method::Message, &format!("frank@{DOMAIN}"), "Content-Type: text/plain\r\n", "Hello")
}

fn stranger(method: &str, transport: &str) -> String {
    let number = serial();
    format!(
        "{method} sip:bob@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/{transport} phone.invalid;branch=z9hG4bK{number};rport\r\n\
         From: <sip:mallory@{DOMAIN}>;tag=f\r\nTo: <sip:bob@{DOMAIN}>\r\nCall-ID: s{number}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:mallory@phone.invalid>\r\nMax-Forwards: 70\r\nUser-Agent: a phone of some maker, with a name of \
         usual length\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, REFER, NOTIFY, SUBSCRIBE, INFO, UPDATE\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn failed(error: &std::io::Error) -> Answers {
    let mut answers = Answers::default();
    answers.note(&format!("could not begin ({error})"));
    answers
}

/// Of each of the eight.
const DATAGRAMS_PER_SEC: u32 = 250;
const REQUESTS_PER_SEC: u32 = 2_000;
const LOUD_REQUESTS_PER_SEC: u32 = 8_000;
const STRANGE_PER_CONNECTION: usize = 50;
