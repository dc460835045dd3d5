//! A phone as a state machine: real transactions, digest and dialogs, over whatever line the world gives it.
//!
//! It keeps itself registered, as phones do: it connects again when its connection breaks. What its user would see and
//! hear is a list of [`Event`]s.

mod calls;
mod event;
mod meetings;
mod presence;
mod requests;
mod roster;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::{Encoding, ProtectionPolicy};
use sip::dialog::Dialog;
use sip::transaction::{
    ServerTransactionId, Timers, TransactionKey, TransactionLayer, TransactionLimits, TransactionOutput,
};
use sip::{FlowId, Message, Method};

use crate::identity::Identity;
use crate::world::{Line, PASSWORD};
use calls::Call;
pub use calls::Within;
pub use event::{Event, Outcome};
use requests::Sent;
use roster::Roster;
use session::SIX;

pub struct Phone {
    /// `alice@contoso.example`, or `alice@contoso.example/tablet` where there are several.
    name: String,
    aor: String,
    password: String,
    pub(crate) site: usize,
    pub(crate) is_datagram: bool,
    media_port: u16,
    conference: Option<String>,
    line: Option<(Line, FlowId)>,
    transactions: TransactionLayer,
    schedule: BTreeSet<(Instant, Task)>,
    serial: u64,
    sent: BTreeMap<u64, Sent>,
    calls: BTreeMap<String, Call>,
    registration: Registration,
    /// Subscriptions by the user watched, each with its Call-ID.
    watched: BTreeMap<String, (Dialog, String)>,
    roster: Roster,
    /// Names what it has published (RFC 3903).
    etag: Option<String>,
    /// IPv6, and no IPv4.
    pub has_six_alone: bool,
    /// What it answers to the next message, instead of 200.
    pub answers: Option<u16>,
    /// How long it takes to answer messages.
    pub ponders: Duration,
    pondered: BTreeMap<ServerTransactionId, (u16, Message)>,
    /// The certificate that it shows when it connects.
    pub shows: Option<Identity>,
    /// Whether it protects its sound; where it is not said, on TLS if the other side can, and on UDP never.
    pub protection: Option<ProtectionPolicy>,
    /// Whether it shows REFER and Replaces, so that a server need not stand between for its calls to become meetings.
    pub can_be_moved: bool,
    pub encodings: Vec<Encoding>,
    /// Ringing at the other end is no event.
    pub is_deaf_to_ringing: bool,
    /// It hears and says nothing any more.
    pub is_gone: bool,
    pub events: VecDeque<Event>,
    /// Messages of its own that were acknowledged: Call-ID and status.
    pub acknowledged: Vec<(String, u16)>,
    /// How often each message was received, by Call-ID.
    pub received: BTreeMap<String, u32>,
    last_text: Option<Message>,
    /// Messages that it did not take, by Call-ID.
    pub refused: BTreeSet<String>,
    outputs: VecDeque<PhoneOutput>,
}

/// What a phone wants of the network.
pub(crate) enum PhoneOutput {
    Connect,
    Disconnect(Line),
    Send(Line, Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Transaction(TransactionKey),
    Connect,
    /// It answers a message that it has had for a while.
    Answer(ServerTransactionId),
    /// Its user does not let it ring any longer.
    EndRinging(u64),
    /// A 2xx to an INVITE goes again until its ACK is here, by the number of the call.
    Repeat2xx(u64),
}

/// Whether the phone is, or wants to be, reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Registration {
    call_id: String,
    sequence: u32,
    is_wanted: bool,
    is_held: bool,
    /// A 2xx came over the line that there is now.
    is_confirmed: bool,
    /// Its user asked for the one under way, and wants to know.
    is_asked: bool,
}

impl Phone {
    /// Not connected, and not registered.
    pub fn new(name: &str, site: usize, is_datagram: bool, media_port: u16) -> Phone {
        let aor = name.split('/').next().unwrap_or(name);
        let limits = TransactionLimits { server_max: 1000, client_max: 1000, lingering_max: 1000 };
        let call_id = format!("registration of {name}").replace(' ', "-");
        let registration = Registration {
            call_id,
            sequence: 0,
            is_wanted: false,
            is_held: false,
            is_confirmed: false,
            is_asked: false,
        };
        Phone {
            name: name.to_owned(),
            aor: aor.to_owned(),
            password: PASSWORD.to_owned(),
            site,
            is_datagram,
            media_port,
            conference: None,
            line: None,
            transactions: TransactionLayer::new(Timers::default(), limits),
            schedule: BTreeSet::new(),
            serial: 0,
            sent: BTreeMap::new(),
            calls: BTreeMap::new(),
            registration,
            watched: BTreeMap::new(),
            roster: Roster::default(),
            etag: None,
            has_six_alone: false,
            answers: None,
            ponders: Duration::ZERO,
            pondered: BTreeMap::new(),
            shows: None,
            protection: None,
            can_be_moved: false,
            encodings: vec![Encoding::G722, Encoding::Pcma, Encoding::Pcmu],
            is_deaf_to_ringing: false,
            is_gone: false,
            events: VecDeque::new(),
            acknowledged: Vec::new(),
            received: BTreeMap::new(),
            last_text: None,
            refused: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn aor(&self) -> &str {
        &self.aor
    }

    pub fn line(&self) -> Option<Line> {
        self.line.map(|(line, _)| line)
    }

    pub fn is_registered(&self) -> bool {
        self.registration.is_held
    }

    /// Whether it waits for the answer to anything.
    pub fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether it is in a call, or one is being set up.
    pub fn is_in_call(&self) -> bool {
        !self.calls.is_empty()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _)| *at).filter(|_| !self.is_gone)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, task)) = self.schedule.first().copied().filter(|(at, _)| *at <= now && !self.is_gone) {
            self.schedule.remove(&(at, task));
            match task {
                Task::Transaction(key) => self.transactions.handle_timeout(now, key),
                Task::Connect => self.keep_registered(now),
                Task::Answer(id) => self.answer_pondered(now, id),
                Task::EndRinging(number) => self.end_ringing(now, number),
                Task::Repeat2xx(number) => self.repeat_2xx(now, number),
            }
            self.settle(now);
        }
    }

    pub fn handle_message(&mut self, now: Instant, message: Message) {
        if self.is_gone {
            return;
        }
        if message.is_request() {
            self.handle_request(now, message);
        } else {
            self.handle_response(now, &message);
        }
        self.settle(now);
    }

    /// The line it asked for.
    pub(crate) fn handle_opened(&mut self, now: Instant, line: Line, flow: FlowId) {
        self.line = Some((line, flow));
        if self.registration.is_wanted {
            self.send_registration(now, EXPIRES_SECS);
        }
        self.settle(now);
    }

    pub(crate) fn handle_refused(&mut self, now: Instant) {
        if self.registration.is_asked {
            self.registration.is_asked = false;
            self.events.push_back(Event::Told { method: Method::Register, outcome: Outcome::LineLost });
        }
        self.connect_later(now);
    }

    pub(crate) fn handle_closed(&mut self, now: Instant, line: Line) {
        let Some((_, flow)) = self.line.take_if(|(ours, _)| *ours == line) else { return };
        if self.is_gone {
            return;
        }
        (self.registration.is_held, self.registration.is_confirmed) = (false, false);
        self.transactions.flow_closed(flow, |_| false);
        self.connect_later(now);
        self.settle(now);
    }

    /// Connects, and says nothing yet.
    pub fn connect(&mut self) {
        self.outputs.push_back(PhoneOutput::Connect);
    }

    /// Its user switches it on, with what happens in the end among its events.
    pub fn register(&mut self, now: Instant) {
        (self.registration.is_wanted, self.registration.is_asked) = (true, true);
        match self.line {
            Some(_) => self.send_registration(now, EXPIRES_SECS),
            None => self.outputs.push_back(PhoneOutput::Connect),
        }
        self.settle(now);
    }

    /// As [`Phone::register`], as somebody who does not know the password.
    pub fn guess(&mut self, now: Instant) {
        self.password = "wrong".to_owned();
        self.register(now);
    }

    /// It shall be reachable as before, and does not say how that went unless it fails.
    pub fn refresh(&mut self, now: Instant) {
        self.registration.is_wanted = true;
        self.keep_registered(now);
        self.settle(now);
    }

    pub fn unregister(&mut self, now: Instant) {
        (self.registration.is_wanted, self.registration.is_asked) = (false, true);
        self.send_registration(now, 0);
        self.settle(now);
    }

    /// Its connection goes, and it notices at once.
    pub fn hang_up_line(&mut self, now: Instant) {
        if let Some((line, _)) = self.line {
            self.outputs.push_back(PhoneOutput::Disconnect(line));
            self.handle_closed(now, line);
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<PhoneOutput> {
        self.outputs.pop_front()
    }

    fn keep_registered(&mut self, now: Instant) {
        match self.line {
            _ if !self.registration.is_wanted => {}
            Some(_) => self.send_registration(now, EXPIRES_SECS),
            None => self.outputs.push_back(PhoneOutput::Connect),
        }
    }

    fn connect_later(&mut self, now: Instant) {
        self.schedule.retain(|(_, task)| *task != Task::Connect);
        self.schedule.insert((now + CONNECT_PAUSE, Task::Connect));
    }

    fn settle(&mut self, now: Instant) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                TransactionOutput::Transmit { bytes, .. } => self.transmit(bytes),
                TransactionOutput::Schedule { at, key } => drop(self.schedule.insert((at, Task::Transaction(key)))),
                TransactionOutput::ClientFailed { id, failure } => self.request_failed(now, id, failure),
                TransactionOutput::ServerEnded { .. } | TransactionOutput::ClientEnded { .. } => {}
            }
        }
    }

    fn transmit(&mut self, bytes: Bytes) {
        if let Some((line, _)) = self.line {
            self.outputs.push_back(PhoneOutput::Send(line, bytes));
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Tells this phone's names from all others'.
    fn word(&self) -> String {
        self.name.replace(['@', '/'], "-")
    }

    fn contact(&self) -> String {
        let user = self.aor.split('@').next().unwrap_or(&self.aor);
        let transport = if self.is_datagram { "udp" } else { "tls" };
        match self.has_six_alone {
            true => format!("<sip:{user}@[{SIX}]:{};transport={transport}>", self.media_port),
            false => format!("<sip:{user}@{}.invalid;transport={transport}>", self.word()),
        }
    }
}

/// Long enough for every play.
const EXPIRES_SECS: u32 = 7200;
/// Before it connects again.
const CONNECT_PAUSE: Duration = Duration::from_secs(2);
