//! What both benches of admission do: the one with a clock and the one that counts instructions.

#![allow(dead_code, reason = "neither bench uses all of it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::admission::{Admitted, Decision, Evidence, Flow, GuessBook, Organisation, Rules, admit};
use federation::flow::{Direction, FlowFacts, FlowKind};
use federation::partner::{Partner, Partners};
use federation::trust::{Anchor, Names, PeerCertificate, Purposes};
use sip::auth::{NonceBook, UserHa1, answer};
use sip::refusal::Refusal;
use sip::{FlowId, Message, Method, Transport};

/// An edge with partners, a connection of one of them, and a user who may sign in.
pub struct Edge {
    organisation: Organisation,
    partners: Partners,
    nonces: NonceBook,
    guesses: GuessBook,
    now: Instant,
    partner: FlowFacts,
    phone: FlowFacts,
    ha1: UserHa1,
}

impl Edge {
    #[allow(clippy::disallowed_methods, reason = "a moment to begin with")]
    pub fn new() -> Edge {
        let now = Instant::now();
        let list = (0..PARTNERS).map(|number| Partner::allowed(format!("partner{number}.example"))).collect();
        let mut edge = Edge {
            organisation: Organisation::new(vec!["contoso.example".into()], "sip.contoso.example".into()),
            partners: Partners::new(list, true, false),
            nonces: NonceBook::new([7; 32], now, Duration::from_secs(300), 100),
            guesses: GuessBook::new(now),
            now,
            partner: facts(Some(Arc::new(certificate()))),
            phone: facts(None),
            ha1: UserHa1::new(&"alice@contoso.example".parse().expect("an address"), PASSWORD),
        };
        // The first search for a byte finds out what this processor can do: that is not what is counted.
        edge.admit_partner(&message(SENDER));
        edge
    }

    /// A request on a connection that its partner has used before.
    pub fn admit_partner(&mut self, request: &Message) -> Admitted {
        match self.decide(request, Evidence::default()) {
            Decision::Admitted(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    pub fn refuse(&mut self, request: &Message) -> Refusal {
        match self.decide(request, Evidence::default()) {
            Decision::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// The list asks for the credentials, and is run again with them.
    pub fn admit_user(&mut self, request: &Message) -> Admitted {
        assert!(matches!(self.decide_phone(request, Evidence::default()), Decision::Needs(_)), "it has what it needs");
        let evidence = Evidence { credentials: Some(Some(self.ha1.clone())), ..Evidence::default() };
        match self.decide_phone(request, evidence) {
            Decision::Admitted(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    /// What a user signs in with.
    pub fn phone(&mut self) -> Phone {
        let Decision::Refused(refusal) = self.decide_phone(&register(""), Evidence::default()) else {
            panic!("no challenge");
        };
        Phone { challenges: refusal.headers.into_iter().map(|(_, value)| value).collect(), count: 0 }
    }

    fn decide(&mut self, request: &Message, evidence: Evidence) -> Decision {
        let flow = Flow { facts: &self.partner, kind: &FlowKind::Partner, users: &[] };
        let (organisation, partners, now) = (&self.organisation, &self.partners, self.now);
        admit(
            request,
            &flow,
            &evidence,
            &mut Rules { organisation, partners, now, nonces: &mut self.nonces, guesses: &mut self.guesses },
        )
    }

    fn decide_phone(&mut self, request: &Message, evidence: Evidence) -> Decision {
        let flow = Flow { facts: &self.phone, kind: &FlowKind::Undecided, users: &[] };
        let (organisation, partners, now) = (&self.organisation, &self.partners, self.now);
        admit(
            request,
            &flow,
            &evidence,
            &mut Rules { organisation, partners, now, nonces: &mut self.nonces, guesses: &mut self.guesses },
        )
    }
}

/// A user's device, which was challenged.
pub struct Phone {
    challenges: Vec<String>,
    count: u32,
}

impl Phone {
    /// The next one, with the same nonce.
    pub fn register(&mut self) -> Message {
        self.count += 1;
        let challenges: Vec<&str> = self.challenges.iter().map(String::as_str).collect();
        let value =
            answer(&challenges, "alice", PASSWORD, &Method::Register, "sip:contoso.example", b"", "abc", self.count);
        register(&format!("Authorization: {}\r\n", value.expect("an answer")))
    }
}

pub fn message(sender: &str) -> Message {
    parse(&format!(
        "MESSAGE sip:alice@contoso.example SIP/2.0\r\n\
         Via: SIP/2.0/TLS sip.partner5000.example:5061;branch=z9hG4bK1.6.1f0c4a5be2d83a97;rport\r\n\
         Max-Forwards: 69\r\nFrom: \"Bob\" <sip:bob@{sender}>;tag=k3v9c2m1xq\r\nTo: <sip:alice@contoso.example>\r\n\
         Call-ID: 6f1c0b7a-22d4-4f6e-9a0d-8d7b5c4e3f21\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\
         Content-Length: 2\r\n\r\nHi"
    ))
}

fn register(credentials: &str) -> Message {
    parse(&format!(
        "REGISTER sip:contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS phone7f3a.invalid:5061;branch=z9hG4bK8c1d2e;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@contoso.example>;tag=k3v9c2m1xq\r\nTo: <sip:alice@contoso.example>\r\n\
         Call-ID: 0d8d7b5c\r\nCSeq: 2 REGISTER\r\nContact: <sip:alice@phone7f3a.invalid;transport=tls>\r\n\
         Expires: 600\r\n{credentials}Content-Length: 0\r\n\r\n"
    ))
}

fn parse(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message of ours")
}

fn facts(certificate: Option<Arc<PeerCertificate>>) -> FlowFacts {
    FlowFacts {
        id: FlowId::Stream { worker: 0, serial: 1 },
        transport: Transport::Tls,
        local: "192.0.2.1:5061".parse().expect("an address"),
        remote: "198.51.100.7:40000".parse().expect("an address"),
        direction: Direction::Inbound,
        certificate,
        is_inner: false,
    }
}

fn certificate() -> PeerCertificate {
    PeerCertificate {
        chain: Ok(Anchor::Public { name: "Test CA".into() }),
        validity: Ok(()),
        dane: None,
        purposes: Purposes { client_auth: true, server_auth: true, stated: true, ..Purposes::default() },
        names: Names { sip_uris: Vec::new(), dns: vec![SENDER.into(), format!("sip.{SENDER}")] },
        fingerprint: [0; 32],
        issuer: "CN=Test CA".into(),
        serial: "01".into(),
        subject: format!("CN={SENDER}"),
        not_after_unix: 2_000_000_000,
    }
}

/// As many as an organisation with many has.
const PARTNERS: usize = 10_000;
pub const SENDER: &str = "partner5000.example";
/// In no list.
pub const STRANGER: &str = "litware.example";
const PASSWORD: &str = "correct horse";
