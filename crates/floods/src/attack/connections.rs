//! Connections that do not become anything: handshakes of TLS and of WebSockets, begun and left.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Target, address, crowd};
use crate::answers::Answers;
use crate::line::connect;

/// Three kinds: nothing is said, the first half of a ClientHello, and what is no handshake.
pub fn half_open(target: &Target) -> Answers {
    crowd(24, |number| {
        held(target, number, target.doors.tls, |turn| match turn % 3 {
            0 => Vec::new(),
            1 => CLIENT_HELLO[..CLIENT_HELLO.len() / 2].to_vec(),
            _ => b"this is no handshake".to_vec(),
        })
    })
}

/// Upgrades that are left in the middle, endless ones, ones from a page of somebody else, and complete ones that then
/// say nothing.
pub fn web_sockets(target: &Target) -> Answers {
    crowd(24, |number| {
        held(target, number, target.doors.web_socket, |turn| match turn % 4 {
            0 => upgrade("https://contoso.example").into_bytes()[..60].to_vec(),
            1 => format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(4_000)).into_bytes(),
            2 => upgrade("https://evil.example").into_bytes(),
            _ => upgrade("https://contoso.example").into_bytes(),
        })
    })
}

/// Opens connections, says one thing on each and holds the last so many; what came is noted as each is let go.
fn held(target: &Target, number: u8, port: u16, say: impl Fn(u64) -> Vec<u8>) -> Answers {
    let mut answers = Answers::default();
    let mut held = std::collections::VecDeque::new();
    while !target.is_over() {
        match connect(address(number), port) {
            Ok(mut stream) => {
                let _ = stream.write_all(&say(answers.sent));
                held.push_back(stream);
            }
            Err(error) => answers.note_error(&error),
        }
        answers.sent += 1;
        if held.len() > HELD {
            held.pop_front().into_iter().for_each(|stream| let_go(&stream, &mut answers));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    held.iter().for_each(|stream| let_go(stream, &mut answers));
    answers
}

fn let_go(mut stream: &TcpStream, answers: &mut Answers) {
    let _ = stream.set_nonblocking(true);
    let mut bytes = [0; 1024];
    match stream.read(&mut bytes) {
        Ok(0) => answers.note("closed"),
        Ok(count) if bytes.starts_with(b"HTTP/1.1 ") => {
            answers.note(&String::from_utf8_lossy(&bytes[9..count.clamp(9, 12)]))
        }
        Ok(_) => answers.note("an alert of TLS"),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => answers.note("still open when let go"),
        Err(_) => answers.note("closed"),
    }
}

fn upgrade(origin: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: sip.contoso.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: sip\r\nOrigin: {origin}\r\n\r\n"
    )
}

/// Of each of the attackers.
const HELD: usize = 200;
/// A record of TLS that says that 512 bytes of handshake follow, and some of them.
pub const CLIENT_HELLO: [u8; 64] = {
    let mut bytes = [0; 64];
    [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]] = [22, 3, 1, 2, 0];
    [bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10]] = [1, 0, 1, 252, 3, 3];
    bytes
};
