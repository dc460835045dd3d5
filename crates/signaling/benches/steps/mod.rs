//! What both benches of a whole core do: the one with a clock and the one that counts instructions.

#![allow(dead_code, reason = "neither bench uses all of it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::admission::Organisation;
use federation::discovery::HostAnswer;
use federation::flow::{Direction, FlowFacts};
use federation::inside::{Hop, Inside, Split};
use federation::ledger::DiscoveredTerms;
use federation::partner::{Partner, Partners};
use signaling::{Answer, CallSettings, Core, CoreConfig, Input, Limits, Listener, Output, Question};
use sip::{FlowId, Message, Transport, build};

/// The core of an edge with many partners, one of which has a connection; behind it is one server, to which it has connected.
pub struct Edge {
    core: Core,
    now: Instant,
    partner: FlowId,
    /// The one that each Call-ID goes by.
    inside: Vec<FlowId>,
    serial: u64,
}

impl Edge {
    #[allow(clippy::disallowed_methods, reason = "a moment to begin with")]
    pub fn new() -> Edge {
        let now = Instant::now();
        let partner = facts(1, Transport::Tls, Direction::Inbound);
        let mut edge = Edge { core: Core::new(config(now)), now, partner: partner.id, inside: Vec::new(), serial: 0 };
        edge.core.handle_input(now, Input::FlowOpened(partner));
        // Until it holds every connection inwards that it will use, and has the room that it needs.
        for _ in 0..WARM_UP {
            let request = edge.request();
            let sent = edge.pass_in(request);
            edge.pass_back(answer(sent));
        }
        edge
    }

    /// The next MESSAGE of the partner.
    pub fn request(&mut self) -> Bytes {
        self.serial += 1;
        let serial = self.serial;
        Bytes::from(format!(
            "MESSAGE sip:alice@contoso.example SIP/2.0\r\n\
             Via: SIP/2.0/TLS sip.{PARTNER}:5061;branch=z9hG4bK1.6.1f0c4a5be2d{serial:x};rport\r\n\
             Via: SIP/2.0/TLS phone7f3a.invalid;branch=z9hG4bK8c1d2e;rport=51544;received=203.0.113.61\r\n\
             Max-Forwards: 69\r\nFrom: \"Bob\" <sip:bob@{PARTNER}>;tag=k3v9c2m1xq\r\nTo: <sip:alice@contoso.example>\r\n\
             Call-ID: 6f1c0b7a-22d4-4f6e-9a0d-{serial:012x}\r\nCSeq: 1 MESSAGE\r\nUser-Agent: Example Phone 4.2.1\r\n\
             Content-Type: text/plain\r\nContent-Length: 24\r\n\r\nHave you seen the plans?"
        ))
    }

    /// From its bytes to those that go on to the server behind.
    pub fn pass_in(&mut self, request: Bytes) -> Bytes {
        self.now += BETWEEN;
        self.wake();
        let message = Message::parse(request).expect("a message of ours");
        self.core.handle_input(self.now, Input::Message { flow: self.partner, message });
        let sent = self.transmitted();
        sent.expect("it goes on").1
    }

    /// From the bytes of the answer to those that go back to the partner; how many they are.
    pub fn pass_back(&mut self, answer: Bytes) -> usize {
        self.now += BETWEEN;
        self.wake();
        let message = Message::parse(answer).expect("a message of ours");
        // It counts by whichever connection inwards it comes.
        let flow = *self.inside.last().expect("there is one");
        self.core.handle_input(self.now, Input::Message { flow, message });
        let (flow, sent) = self.transmitted().expect("it goes back");
        assert_eq!(flow, self.partner);
        sent.len()
    }

    /// As a worker does before it takes what came.
    fn wake(&mut self) {
        if self.core.poll_timeout().is_some_and(|time| time <= self.now) {
            self.core.handle_timeout(self.now);
        }
    }

    /// What is written; connections inwards are opened for it.
    fn transmitted(&mut self) -> Option<(FlowId, Bytes)> {
        let mut transmitted = None;
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => transmitted = Some((flow, bytes)),
                Output::Ask { id, question } => {
                    let answer = self.answer(&question);
                    self.core.handle_input(self.now, Input::Answer { id, answer });
                }
                _ => {}
            }
        }
        transmitted
    }

    fn answer(&mut self, question: &Question) -> Answer {
        match question {
            Question::Addresses { .. } => Answer::Addresses(Ok(HostAnswer {
                addresses: vec!["10.0.0.7".parse().expect("an address")],
                ttl: Duration::from_secs(60),
            })),
            Question::ConnectInside { .. } => {
                let facts = facts(100 + self.inside.len() as u64, Transport::Tcp, Direction::Outbound);
                self.inside.push(facts.id);
                Answer::Connected(Ok(facts))
            }
            other => panic!("nothing of this asks {other:?}"),
        }
    }
}

/// 200 to what was sent on.
pub fn answer(sent: Bytes) -> Bytes {
    let request = Message::parse(sent).expect("a message of ours");
    build::response(&request, 200, None, Some("alice")).build()
}

fn config(now: Instant) -> CoreConfig {
    let list = (0..PARTNERS).map(|number| Partner::allowed(format!("partner{number}.example"))).collect();
    let mut organisation = Organisation::new(vec!["contoso.example".into()], "sip.contoso.example".into());
    organisation.split = Split::Edge(Inside {
        name: "inside.contoso.example".into(),
        hops: vec![Hop { host: "10.0.0.7".into(), port: Some(5070) }],
        transport: Transport::Tcp,
        is_comity: false,
        peer_names: Vec::new(),
        peer_addresses: vec!["10.0.0.7".parse().expect("an address")],
        assert: false,
        takes_remote_users: false,
    });
    let listener = |transport, address: &str, is_inner| Listener {
        transport,
        address: address.parse().expect("an address"),
        is_inner,
    };
    CoreConfig {
        worker: 0,
        workers: 1,
        organisation: Arc::new(organisation),
        listeners: vec![
            listener(Transport::Tls, "192.0.2.1:5061", false),
            listener(Transport::Tcp, "10.0.0.1:5070", true),
        ],
        secret: [7; 32],
        pool_secret: None,
        incarnation: 1,
        epoch: now,
        epoch_unix_ms: 1_800_000_000_000,
        partners: Arc::new(Partners::new(list, true, false)),
        meetings: Arc::default(),
        calls: CallSettings::default(),
        discovered: DiscoveredTerms::default(),
        suspects: Arc::default(),
        answers: Arc::default(),
        limits: Limits::default(),
        random_seed: 1,
    }
}

fn facts(serial: u64, transport: Transport, direction: Direction) -> FlowFacts {
    let is_inner = transport == Transport::Tcp;
    let (local, remote) =
        if is_inner { ("10.0.0.1:50000", "10.0.0.7:5070") } else { ("192.0.2.1:5061", "198.51.100.7:40000") };
    FlowFacts {
        id: FlowId::Stream { worker: 0, serial },
        transport,
        local: local.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        direction,
        certificate: (!is_inner).then(|| Arc::new(sim::certificate(&[PARTNER]))),
        is_inner,
    }
}

/// As many as an organisation with many has.
const PARTNERS: usize = 10_000;
const PARTNER: &str = "partner5000.example";
const WARM_UP: usize = 1_000;
/// Fifty thousand messages a second, less what comes with each answer.
const BETWEEN: Duration = Duration::from_micros(10);
