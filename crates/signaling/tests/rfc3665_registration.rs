//! RFC 3665 section 2: registrations, as the registrar sees them.

use sim::{Line, PASSWORD, World, first_line};
use sip::{HeaderName, Message, Method, auth};

const BOB: &str = "bob@biloxi.example.com";

/// Bob has a phone by TLS and one by UDP; neither is signed in.
struct Stage {
    world: World,
    phone: Line,
    cseq: u32,
}

/// Each play runs with one worker and with three, by TLS and by UDP.
fn everywhere(play: impl Fn(Stage)) {
    for workers in [1, 3] {
        for seed in 0..6 {
            for is_stream in [true, false] {
                println!("workers {workers}, seed {seed}, TLS {is_stream}");
                let mut world = World::new(seed);
                let biloxi = world.organisation("biloxi.example.com", workers, &[], false);
                world.user(biloxi, BOB);
                let worker = u16::try_from(seed % u64::from(workers)).unwrap();
                let phone = match is_stream {
                    true => world.connect(biloxi, worker, None),
                    false => world.datagrams(biloxi, worker),
                };
                play(Stage { world, phone, cseq: 0 });
            }
        }
    }
}

impl Stage {
    /// Sends the next REGISTER with these lines; returns its answer.
    fn register(&mut self, lines: &str) -> Message {
        self.cseq += 1;
        let text = format!(
            "REGISTER sip:biloxi.example.com SIP/2.0\nVia: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnash{}\n\
             Max-Forwards: 70\nFrom: Bob <sip:{BOB}>;tag=ja743ks76zlflH\nTo: Bob <sip:{BOB}>\n\
             Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com\nCSeq: {} REGISTER\n{lines}Content-Length: 0\n\n",
            self.cseq, self.cseq
        );
        self.world.send(self.phone, &text);
        let answer = self.world.only(self.phone);
        self.world.assert_quiet();
        assert_eq!(answer.call_id(), Ok("1j9FpLxk3uxtm8tn@biloxi.example.com"));
        assert_eq!(answer.cseq().unwrap().number, self.cseq);
        assert!(answer.top_via().unwrap().branch().unwrap().ends_with(&format!("nash{}", self.cseq)));
        assert!(answer.to().unwrap().tag().is_some(), "who answers puts his tag on To");
        answer
    }

    /// The same, answering the challenge that comes.
    fn signed_in(&mut self, lines: &str) -> Message {
        let challenge = self.register(lines);
        assert_eq!(first_line(&challenge), "SIP/2.0 401 Unauthorized");
        let authorization = credentials(&challenge, PASSWORD);
        self.register(&format!("{authorization}{lines}"))
    }
}

fn credentials(challenge: &Message, password: &str) -> String {
    let values: Vec<&str> = challenge
        .header_all(HeaderName::WwwAuthenticate)
        .map(|value| std::str::from_utf8(value).unwrap())
        .inspect(|value| assert!(value.starts_with("Digest realm=\"biloxi.example.com\""), "{value}"))
        .collect();
    let uri = "sip:biloxi.example.com";
    let value = auth::answer(&values, "bob", password, &Method::Register, uri, b"", "cnonce", 1).unwrap();
    format!("Authorization: {value}\n")
}

/// The contacts in a 200, without what follows their URIs.
fn bound(answer: &Message) -> Vec<String> {
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    answer.contacts().map(|contact| contact.unwrap().address().unwrap().uri().as_str().to_owned()).collect()
}

const CONTACT: &str = "Contact: <sip:bob@client.biloxi.example.com>\n";

#[test]
fn successful_new_registration_2_1() {
    everywhere(|mut stage| {
        let answer = stage.signed_in(CONTACT);
        assert_eq!(bound(&answer), ["sip:bob@client.biloxi.example.com"]);
        let contact = answer.header_text(HeaderName::Contact).unwrap();
        assert!(contact.ends_with(";expires=3600"), "{contact}");
    });
}

/// What RFC 3665 adds is a mailto: a device is reached over its own flow here, and there is none to a mailbox.
#[test]
fn update_of_contact_list_2_2() {
    everywhere(|mut stage| {
        stage.signed_in(CONTACT);
        let mail = stage.signed_in("Contact: <mailto:bob@biloxi.example.com>\n");
        assert_eq!(mail.status(), Some(400));
        let answer = stage.signed_in("Contact: <sip:bob@desk.biloxi.example.com>;expires=600\n");
        assert_eq!(bound(&answer), ["sip:bob@client.biloxi.example.com", "sip:bob@desk.biloxi.example.com"]);
    });
}

#[test]
fn request_for_current_contact_list_2_3() {
    everywhere(|mut stage| {
        assert_eq!(bound(&stage.signed_in("")), [""; 0]);
        stage.signed_in(CONTACT);
        assert_eq!(bound(&stage.signed_in("")), ["sip:bob@client.biloxi.example.com"]);
    });
}

#[test]
fn cancellation_of_registration_2_4() {
    everywhere(|mut stage| {
        stage.signed_in(CONTACT);
        assert_eq!(bound(&stage.signed_in("Contact: *\nExpires: 0\n")), [""; 0]);
        assert_eq!(bound(&stage.signed_in("")), [""; 0]);
    });
}

#[test]
fn unsuccessful_registration_2_5() {
    everywhere(|mut stage| {
        let challenge = stage.register(CONTACT);
        let wrong = credentials(&challenge, "wrong");
        let again = stage.register(&format!("{wrong}{CONTACT}"));
        assert_eq!(first_line(&again), "SIP/2.0 401 Unauthorized");
        let nonce = |answer: &Message| answer.header_text(HeaderName::WwwAuthenticate).map(str::to_owned);
        assert_ne!(nonce(&challenge), nonce(&again), "a new challenge");
        assert_eq!(bound(&stage.signed_in("")), [""; 0], "nothing was bound");
    });
}
