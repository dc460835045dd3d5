//! Datagrams whose sender is somebody else: who answers more than came in attacks him for them. Each kind of datagram is
//! sent from a port of its own, which counts what comes back, repeats included.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::{HeaderName, Message, Method, auth};

use super::{Target, address, crowd};
use crate::answers::Answers;
use crate::caller::serial;
use crate::server::DOMAIN;

pub fn spoofed(target: &Target) -> Answers {
    crowd(KINDS.len() as u8, |number| {
        let (kind, make) = KINDS[usize::from(number)];
        let Ok(socket) = UdpSocket::bind((address(number), 0)) else { return Answers::default() };
        let _ = socket.set_read_timeout(Some(Duration::from_millis(2)));
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, target.doors.plain));
        let (mut answers, mut sent, mut back) = (Answers::default(), 0, 0);
        let mut counted = |answers: &mut Answers| {
            let mut bytes = [0; 65_535];
            while let Ok(count) = socket.recv(&mut bytes) {
                back += count as u64;
                answers.note(&first_word(&bytes[..count]));
            }
        };
        let challenges = challenges(&socket, server);
        let begun = Instant::now();
        while !target.is_over() {
            for _ in 0..4 {
                let datagram = make(&challenges);
                sent += socket.send_to(&datagram, server).unwrap_or(0) as u64;
                answers.sent += 1;
            }
            counted(&mut answers);
        }
        // What comes again and again comes within this, first.
        while target.until.elapsed() < LATER {
            counted(&mut answers);
        }
        answers.bytes_by_kind.insert(kind, (sent, back));
        answers.lasted = begun.elapsed();
        answers
    })
}

/// Anybody gets those, at his own address, and may then answer them at another's.
fn challenges(socket: &UdpSocket, server: SocketAddr) -> Vec<String> {
    let _ = socket.send_to(&shortest("INVITE", &format!("Max-Forwards:1\r\nX:{}\r\n", "x".repeat(800))), server);
    let mut bytes = [0; 4096];
    let received = (0..500).find_map(|_| socket.recv(&mut bytes).ok());
    let message = received.and_then(|count| Message::parse(bytes[..count].to_vec().into()).ok());
    let values = message.iter().flat_map(|message| message.header_all(HeaderName::ProxyAuthenticate));
    values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// Proof of nobody, over a nonce that is good.
fn unproven(challenges: &[String]) -> Vec<u8> {
    let offered: Vec<&str> = challenges.iter().map(String::as_str).collect();
    let uri = format!("sip:{DOMAIN}");
    let proof = auth::answer(&offered, "a", "guessed", &Method::Invite, &uri, b"", "c", 1).unwrap_or_default();
    shortest("INVITE", &format!("Max-Forwards:1\r\nProxy-Authorization: {proof}\r\n"))
}

fn first_word(bytes: &[u8]) -> String {
    match bytes.strip_prefix(b"SIP/2.0 ") {
        Some(rest) => String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned(),
        None => "no SIP".to_owned(),
    }
}

/// The shortest that can be read: to whoever wants much for little.
fn shortest(method: &str, lines: &str) -> Vec<u8> {
    let number = serial();
    format!(
        "{method} sip:{DOMAIN} SIP/2.0\r\nv:SIP/2.0/UDP x;branch=z9hG4bK{number}\r\nf:<sip:a@{DOMAIN}>;tag=f\r\n\
         t:<sip:a@{DOMAIN}>\r\ni:{number}\r\nCSeq:1 {method}\r\n{lines}\r\n"
    )
    .into_bytes()
}

type Kind = (&'static str, fn(&[String]) -> Vec<u8>);

const LATER: Duration = Duration::from_millis(1_600);
const KINDS: [Kind; 13] = [
    ("INVITE with a wrong password", unproven),
    ("REGISTER", |_| shortest("REGISTER", "Max-Forwards:1\r\n")),
    ("INVITE", |_| shortest("INVITE", "Max-Forwards:1\r\n")),
    ("MESSAGE", |_| shortest("MESSAGE", "Max-Forwards:1\r\n")),
    ("OPTIONS", |_| shortest("OPTIONS", "Max-Forwards:1\r\n")),
    ("SUBSCRIBE", |_| shortest("SUBSCRIBE", "Max-Forwards:1\r\no:presence\r\n")),
    ("CANCEL", |_| shortest("CANCEL", "Max-Forwards:1\r\n")),
    ("no Max-Forwards", |_| shortest("OPTIONS", "")),
    ("Max-Forwards 0", |_| shortest("OPTIONS", "Max-Forwards:0\r\n")),
    ("an unknown method", |_| shortest("X", "Max-Forwards:1\r\n")),
    ("not to be parsed", |_| shortest("OPTIONS", "Max-Forwards:x\r\nContact: <<\r\n")),
    ("keep-alive", |_| b"\r\n\r\n".to_vec()),
    ("STUN", |_| {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend_from_slice(&[7; 12]);
        bytes
    }),
];
