//! Conversations with a node: what goes in, and exactly what comes out.

mod anchor;
mod conference;
mod hostile;
mod phone;

use std::collections::BTreeMap;
use std::net::IpAddr;

use sdp::{Encoding, Suite};

use super::*;
use crate::rtp::Header;
use crate::tests::begin;
use phone::Phone;

const BRIDGE: BridgeId = BridgeId { worker: 0, serial: 1 };

fn leg(serial: u32) -> LegId {
    LegId { bridge: BRIDGE, serial }
}

/// A node, and phones by the number of their leg.
struct World {
    begun: Instant,
    now: Instant,
    node: MediaNode,
    phones: BTreeMap<u32, Phone>,
    events: Vec<MediaEvent>,
    kind: BridgeKind,
    /// The network, as a number that the next is drawn from, and how many of a hundred packets it loses and delays.
    drawn: u64,
    lost_percent: u64,
    late_percent: u64,
    delayed: Vec<(Instant, u32, Vec<u8>)>,
}

impl World {
    fn new(kind: BridgeKind) -> World {
        let begun = begin();
        let clock = Clock { epoch: begun, epoch_unix_ms: 1_000_000_000 };
        World {
            begun,
            now: begun,
            node: MediaNode::new(clock, [7; 32]),
            phones: BTreeMap::new(),
            events: Vec::new(),
            kind,
            drawn: 0x9e37_79b9_7f4a_7c15,
            lost_percent: 0,
            late_percent: 0,
            delayed: Vec::new(),
        }
    }

    /// With phones 1, 2 and so on, each heard already.
    fn with(kind: BridgeKind, phones: &[(Encoding, Option<Suite>)]) -> World {
        let mut world = World::new(kind);
        for (number, (encoding, suite)) in (1..).zip(phones) {
            world.phones.insert(number.into(), Phone::new(number, *encoding, *suite));
            world.run(number.into());
        }
        world
    }

    /// The leg runs as its phone is now.
    fn run(&mut self, number: u32) {
        let phone = &self.phones[&number];
        let (session, trusted_source) = (phone.session(), Some(phone.address.ip()));
        self.command(MediaCommand::Run { leg: leg(number), kind: self.kind, session, trusted_source });
    }

    fn command(&mut self, command: MediaCommand) {
        self.node.handle_command(self.now, command);
        self.settle();
    }

    /// A packet comes from somewhere.
    fn receive(&mut self, number: u32, source: SocketAddr, packet: &[u8]) {
        self.node.handle_packet(self.now, (leg(number), PacketKind::Rtp), source, packet);
        self.settle();
    }

    /// So many times 20 ms, in each of which every phone says its tone.
    fn talk(&mut self, frames: u64) {
        for _ in 0..frames {
            let numbers: Vec<u32> = self.phones.keys().copied().collect();
            for number in numbers {
                let phone = self.phones.get_mut(&number).unwrap();
                if phone.tone > 0.0 {
                    let (packet, source) = (phone.say(), phone.address);
                    self.bring(number, source, packet);
                }
            }
            self.pass(Duration::from_millis(20));
        }
    }

    fn bring(&mut self, number: u32, source: SocketAddr, packet: Vec<u8>) {
        if self.draw() % 100 < self.lost_percent {
            return;
        }
        if self.draw() % 100 < self.late_percent {
            let at = self.now + Duration::from_millis(self.draw() % 60);
            return self.delayed.push((at, number, packet));
        }
        self.receive(number, source, &packet);
    }

    fn draw(&mut self) -> u64 {
        self.drawn ^= self.drawn << 13;
        self.drawn ^= self.drawn >> 7;
        self.drawn ^= self.drawn << 17;
        self.drawn
    }

    /// Time goes by, in steps of what is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let (due, rest): (Vec<_>, _) =
                std::mem::take(&mut self.delayed).into_iter().partition(|(at, ..)| *at <= self.now);
            self.delayed = rest;
            for (_, number, packet) in due {
                let source = self.phones[&number].address;
                self.receive(number, source, &packet);
            }
            let delayed = self.delayed.iter().map(|(at, ..)| *at).min();
            let Some(at) = self.node.poll_timeout().into_iter().chain(delayed).min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Transmit { leg, kind, to, bytes } => {
                    let phone = self.phones.get_mut(&leg.serial).expect("only phones are sent to");
                    match kind {
                        PacketKind::Rtp => {
                            assert_eq!(to, phone.address);
                            phone.hear(&bytes);
                        }
                        PacketKind::Rtcp => phone.hear_rtcp(&bytes),
                    }
                }
            }
        }
    }

    fn phone(&mut self, number: u32) -> &mut Phone {
        self.phones.get_mut(&number).unwrap()
    }

    /// What each phone hears, of the last half second.
    fn hearing(&self) -> Vec<Vec<u8>> {
        self.phones.values().map(|phone| phone.hears(25)).collect()
    }

    fn take_events(&mut self) -> Vec<MediaEvent> {
        std::mem::take(&mut self.events)
    }

    /// The leg ends; how it was.
    fn close(&mut self, number: u32) -> LegReport {
        self.command(MediaCommand::Close { leg: leg(number) });
        match self.events.pop() {
            Some(MediaEvent::Closed { leg: closed, report }) if closed == leg(number) => report,
            other => panic!("no last word but {other:?}"),
        }
    }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Whether numbers and times follow each other without a gap.
fn are_continuous(headers: &[Header], ticks: u32) -> bool {
    headers.windows(2).all(|pair| {
        pair[1].sequence == pair[0].sequence.wrapping_add(1)
            && pair[1].timestamp == pair[0].timestamp.wrapping_add(ticks)
            && pair[1].ssrc == pair[0].ssrc
    })
}
