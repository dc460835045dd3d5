//! A message that got its 202 outlives a server that is killed.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod place;
mod served;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use served::Served;
use sip::{HeaderName, Message, Method, auth, build};

/// A user's phone, over TCP.
struct Phone {
    user: &'static str,
    socket: TcpStream,
    /// Each request is a transaction of its own.
    cseq: u32,
}

impl Phone {
    fn connect(served: &Served, user: &'static str) -> Phone {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, served.tcp_port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Phone { user, socket, cseq: 0 }
    }

    /// Sends a request, and again with the answer to the challenge; answers the final response.
    fn ask(&mut self, method: &Method, uri: &str, lines: &str) -> Message {
        self.send(method, uri, lines);
        let challenge = self.receive();
        let (asked, proof) = match challenge.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            Some(407) => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
            other => panic!("expected a challenge, got {other:?}"),
        };
        let offered: Vec<&str> = challenge.header_all(asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
        let value = auth::answer(&offered, self.user, PASSWORD, method, uri, b"", "c", 1).unwrap();
        self.send(method, uri, &format!("{lines}{proof}: {value}\r\n"));
        self.receive()
    }

    fn send(&mut self, method: &Method, uri: &str, lines: &str) {
        self.cseq += 1;
        let Phone { user, cseq, .. } = self;
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch=z9hG4bK{user}{cseq}\r\n\
             From: <sip:{user}@contoso.example>;tag=a\r\nTo: <sip:{BOB}>\r\nCall-ID: of-{user}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// One message without a body.
    fn receive(&mut self) -> Message {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            self.socket.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        Message::parse(text.into()).unwrap()
    }
}

fn stored(served: &Served) -> u64 {
    served.run(&["status", "--json"]).ok().json()["messages"]["stored"].as_u64().unwrap()
}

#[test]
fn a_message_with_its_202_outlives_a_killed_server() {
    let mut served = Served::start();
    for user in ["alice@contoso.example", "bob@contoso.example"] {
        served.place.run_with_input(&["user", "add", user, "--password-stdin"], &format!("{PASSWORD}\n")).ok();
    }
    let mut alice = Phone::connect(&served, "alice");
    for number in 0..3 {
        let line = format!("X-Number: {number}\r\n");
        assert_eq!(alice.ask(&Method::Message, &format!("sip:{BOB}"), &line).status(), Some(202));
    }
    served.signal("-KILL");
    served.server.wait().unwrap();

    let log = std::fs::File::create(served.place.path().join("log")).unwrap();
    served.server = served.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    served.wait_until("the server is ready", |served| served.place.run(&["status"]).code == Some(0));
    assert_eq!(stored(&served), 3);
    let shown = served.run(&["status"]).ok().stdout;
    assert!(shown.contains("3 wait for users who are away, the oldest since 20"), "{shown}");
    let users = served.run(&["user", "list", "--json"]).ok().json();
    assert_eq!((&users[0]["stored_messages"], &users[1]["stored_messages"]), (&0.into(), &3.into()));

    let mut bob = Phone::connect(&served, "bob");
    let contact = "Contact: <sip:bob@phone.invalid;transport=tcp>\r\n";
    assert_eq!(bob.ask(&Method::Register, "sip:contoso.example", contact).status(), Some(200));
    for number in ["0", "1", "2"] {
        let message = bob.receive();
        assert_eq!(message.header_by_name("X-Number"), Some(number.as_bytes()));
        bob.socket.write_all(&build::response(&message, 200, None, Some("b")).build()).unwrap();
    }
    served.wait_until("all are delivered", |served| stored(served) == 0);
    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!(status["messages"]["repeats"], 0);

    // A user's messages go with the user.
    drop(bob);
    let asks_for_bob =
        |served: &mut Served| served.run(&["user", "list", "--json"]).ok().json()[1]["registrations"] == 0;
    served.wait_until("bob is away again", asks_for_bob);
    let mut alice = Phone::connect(&served, "alice");
    assert_eq!(alice.ask(&Method::Message, &format!("sip:{BOB}"), "").status(), Some(202));
    assert_eq!(stored(&served), 1);
    served.run(&["user", "remove", BOB]).ok();
    assert_eq!(stored(&served), 0);
}

const BOB: &str = "bob@contoso.example";
const PASSWORD: &str = "correct horse";
