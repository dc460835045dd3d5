//! The load generator: connections, conversations on them, and what became of each. One thread.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Poll, Token};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Serialize;
use sip::Message;

use crate::alarm::Alarm;
use crate::latency::{Latencies, Percentiles};
use crate::wire::{Wire, wait};
use crate::work::{Conversation, Next, Parties, Place, Proofs, Work, serial};

/// How connections are made.
#[derive(Clone)]
pub enum Door {
    Tls(SocketAddr, Arc<ClientConfig>, ServerName<'static>),
    Tcp(SocketAddr),
    Udp(SocketAddr),
}

impl Door {
    pub fn open(&self) -> io::Result<Wire> {
        match self {
            Door::Tls(address, config, name) => Wire::tls_client(connect(*address)?, config, name),
            Door::Tcp(address) => Ok(Wire::tcp(connect(*address)?)),
            Door::Udp(address) => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
                socket.connect(*address)?;
                Ok(Wire::udp(socket))
            }
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How much at once, and for how long.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Shape {
    pub connections: usize,
    pub pace: Pace,
    /// Before anything counts.
    pub warm_up: Duration,
    pub lasts: Duration,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Each connection has so many conversations at once; the next begins when one is over.
    Outstanding(usize),
    /// So many conversations begin in a second, however the others are.
    PerSecond(f64),
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    pub transactions: u64,
    pub secs: f64,
    pub per_second: f64,
    pub latency_us: Percentiles,
    /// What failed, and how often.
    pub failures: BTreeMap<String, u64>,
}

/// The moments between which is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Begun,
    Over,
}

struct Generator<'a> {
    work: Work,
    parties: &'a Parties,
    pace: Pace,
    alarm: Alarm,
    wires: Vec<Wire>,
    /// What each wire says of itself in Via.
    places: Vec<(&'static str, String)>,
    conversations_by_serial: HashMap<u64, Conversation>,
    proofs: Proofs,
    /// Of the first conversation of this run.
    first_serial: u64,
    next_serial: u64,
    is_ending: bool,
    latencies: Latencies,
    failures: BTreeMap<String, u64>,
}

/// Does the work and measures it; `at` is called when what counts begins and when it is over.
///
/// # Errors
/// When connections cannot be made or end.
pub fn run(
    door: &Door,
    (work, parties): (Work, &Parties),
    shape: Shape,
    mut at: impl FnMut(Moment) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut poll = Poll::new()?;
    let mut generator = Generator::connect(&mut poll, door, (work, parties), shape)?;
    let begun = Instant::now();
    generator.fill(begun);
    generator.turn_until(&mut poll, begun, begun + shape.warm_up)?;
    generator.latencies = Latencies::new();
    generator.failures.clear();
    at(Moment::Begun)?;
    let counted = Instant::now();
    generator.turn_until(&mut poll, begun, counted + shape.lasts)?;
    at(Moment::Over)?;
    let outcome = generator.outcome(counted.elapsed());
    generator.finish(&mut poll)?;
    Ok(outcome)
}

impl<'a> Generator<'a> {
    fn connect(
        poll: &mut Poll,
        door: &Door,
        (work, parties): (Work, &'a Parties),
        shape: Shape,
    ) -> anyhow::Result<Generator<'a>> {
        let (mut wires, mut places) = (Vec::new(), Vec::new());
        for number in 0..shape.connections {
            let mut wire = door.open().context("cannot connect")?;
            wire.register(poll.registry(), Token(number))?;
            places.push((wire.transport(), wire.local()?.to_string()));
            wires.push(wire);
        }
        let first = first_serial();
        Ok(Generator {
            work,
            parties,
            pace: shape.pace,
            alarm: Alarm::new(poll.registry(), ALARM)?,
            wires,
            places,
            conversations_by_serial: HashMap::new(),
            proofs: Proofs::new(parties.users),
            first_serial: first,
            next_serial: first,
            is_ending: false,
            latencies: Latencies::new(),
            failures: BTreeMap::new(),
        })
    }

    /// With the conversations that each connection always has.
    fn fill(&mut self, now: Instant) {
        let Pace::Outstanding(count) = self.pace else { return };
        for number in 0..self.wires.len() * count {
            self.begin(number % self.wires.len(), now);
        }
    }

    fn turn_until(&mut self, poll: &mut Poll, begun: Instant, end: Instant) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut swept = Instant::now();
        let mut now = swept;
        while now < end {
            self.begin_what_is_due(begun, now);
            self.flush()?;
            if let Some(due) = self.next_due(begun) {
                self.alarm.set(due.saturating_duration_since(now))?;
            }
            wait(poll, &mut events, LONGEST_PAUSE.min(end - now))?;
            now = Instant::now();
            for event in events.iter().filter(|event| event.token() != ALARM) {
                self.receive(event.token().0, now)?;
            }
            if now - swept > Duration::from_secs(1) {
                self.give_up_on_the_old(now);
                swept = now;
            }
        }
        Ok(())
    }

    fn begin_what_is_due(&mut self, begun: Instant, now: Instant) {
        while let Some(due) = self.next_due(begun).filter(|due| *due <= now) {
            let wire = usize::try_from(self.next_serial).unwrap_or(0) % self.wires.len();
            self.begin(wire, due);
        }
    }

    /// When the next conversation begins, however the others are.
    fn next_due(&self, begun: Instant) -> Option<Instant> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        #[expect(clippy::cast_precision_loss, reason = "a run has fewer conversations than a float has digits")]
        let number = (self.next_serial - self.first_serial) as f64;
        Some(begun + Duration::from_secs_f64(number / rate))
    }

    fn begin(&mut self, wire: usize, due: Instant) {
        if self.conversations_by_serial.len() >= CONVERSATIONS_MAX {
            self.next_serial += 1;
            return self.fail("not sent: too many are waiting already");
        }
        let (transport, sent_by) = &self.places[wire];
        let place = Place { transport, sent_by };
        let numbers = (self.next_serial, wire, due);
        let (conversation, bytes) = Conversation::begin(self.work, numbers, self.parties, place, &mut self.proofs);
        self.wires[wire].send(&bytes);
        self.conversations_by_serial.insert(self.next_serial, conversation);
        self.next_serial += 1;
    }

    fn receive(&mut self, wire: usize, now: Instant) -> anyhow::Result<()> {
        let mut received = Vec::new();
        self.wires[wire].receive(|message| received.push(message)).context("a connection ended")?;
        for message in received {
            if message.status() >= Some(200) {
                self.handle_final(&message, now);
            }
        }
        Ok(())
    }

    fn handle_final(&mut self, message: &Message, now: Instant) {
        // A response to what was given up, or to a request that is answered already.
        let Some(serial) = serial(message) else { return };
        let Some(conversation) = self.conversations_by_serial.get_mut(&serial) else { return };
        let (wire, due) = (conversation.wire, conversation.due);
        let (transport, sent_by) = &self.places[wire];
        let place = Place { transport, sent_by };
        match conversation.handle_final(message, self.parties, place, &mut self.proofs) {
            Next::Again(bytes) => self.wires[wire].send(&bytes),
            Next::GoOn(bytes) => {
                conversation.due = now;
                self.latencies.record(now - due);
                self.wires[wire].send(&bytes);
            }
            Next::Done => {
                self.latencies.record(now - due);
                self.end(serial, now);
            }
            Next::Failed(why) => {
                self.fail(&why);
                self.end(serial, now);
            }
        }
    }

    fn end(&mut self, serial: u64, now: Instant) {
        let Some(conversation) = self.conversations_by_serial.remove(&serial) else { return };
        if matches!(self.pace, Pace::Outstanding(_)) && !self.is_ending {
            self.begin(conversation.wire, now);
        }
    }

    fn fail(&mut self, why: &str) {
        *self.failures.entry(why.to_owned()).or_default() += 1;
    }

    fn give_up_on_the_old(&mut self, now: Instant) {
        let old = |conversation: &Conversation| now.saturating_duration_since(conversation.due) > GIVE_UP;
        let serials: Vec<u64> =
            self.conversations_by_serial.iter().filter(|(_, each)| old(each)).map(|(serial, _)| *serial).collect();
        for serial in serials {
            self.fail("no final response");
            self.end(serial, now);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        for wire in &mut self.wires {
            wire.flush().context("a connection ended")?;
        }
        Ok(())
    }

    /// Lets what was begun come to its end, so that nothing of it is in the next measurement.
    fn finish(mut self, poll: &mut Poll) -> anyhow::Result<()> {
        self.is_ending = true;
        // Nothing more is due.
        self.pace = Pace::Outstanding(0);
        let deadline = Instant::now() + GIVE_UP;
        while !self.conversations_by_serial.is_empty() && Instant::now() < deadline {
            let now = Instant::now();
            self.turn_until(poll, now, now + Duration::from_millis(20))?;
        }
        Ok(())
    }

    fn outcome(&self, took: Duration) -> Outcome {
        let transactions = self.latencies.count();
        #[expect(clippy::cast_precision_loss, reason = "a run has fewer transactions than a float has digits")]
        let per_second = transactions as f64 / took.as_secs_f64();
        let (latency_us, failures) = (self.latencies.percentiles(), self.failures.clone());
        Outcome { transactions, secs: took.as_secs_f64(), per_second, latency_us, failures }
    }
}

impl Outcome {
    /// # Errors
    /// When more than one of a thousand transactions failed: such a run measures something else.
    pub fn check(&self) -> anyhow::Result<()> {
        let failed: u64 = self.failures.values().sum();
        ensure!(self.transactions > 0, "nothing was answered: {:?}", self.failures);
        ensure!(failed * 1_000 <= self.transactions, "{failed} failed of {}: {:?}", self.transactions, self.failures);
        Ok(())
    }
}

/// Others than in the run before, whose Call-IDs a server may remember.
fn first_serial() -> u64 {
    static RUN: AtomicU64 = AtomicU64::new(0);
    (u64::from(std::process::id()) << 36) + (RUN.fetch_add(1, Ordering::Relaxed) << 28)
}

const GIVE_UP: Duration = Duration::from_secs(5);
/// No wire has it.
const ALARM: Token = Token(usize::MAX);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const CONVERSATIONS_MAX: usize = 20_000;
