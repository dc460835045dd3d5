//! Organisations of several workers in one thread: no sockets, a clock that jumps, and one seed for all that is drawn.
//!
//! What lives here is the clock and the order of things. Streams are `streams`', questions `answers`', what a test says
//! by hand `line`'s, what administrators and their servers do `operations`'.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::flow::{Direction, FlowFacts};
use federation::partner::Partner;
use federation::trust::PeerCertificate;
use media::{MediaCommand, MediaEvent};
use signaling::{Core, CoreConfig, Input, Output, Reach};
use sip::auth::UserHa1;
use sip::{Aor, FlowId, Message, MessageLimits, ParseError, Transport, framing};

use crate::fault::{Fault, FaultKind};
use crate::identity::Identity;
use crate::lanes::{End, LaneKey, Lanes, Mail, Parcel};
use crate::line::LineState;
use crate::names::Zones;
use crate::network::{Network, Place, Weather};
use crate::organisation::{Beginning, Site};
use crate::phone::Phone;
use crate::random::Random;
use crate::trace::Trace;

/// A phone's connection, or whatever else a test itself speaks on: a stream, or an address that datagrams come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line(pub usize);

pub struct World {
    pub now: Instant,
    pub network: Network,
    pub weather: Weather,
    pub zones: Zones,
    pub trace: Trace,
    pub(crate) begun: Instant,
    pub(crate) sites: Vec<Site>,
    pub(crate) lines: Vec<LineState>,
    pub(crate) phones: Vec<Phone>,
    /// The far end of each stream that has one.
    pub(crate) far: BTreeMap<End, End>,
    pub(crate) lanes: Lanes,
    pub(crate) servers: BTreeMap<IpAddr, Server>,
    /// Every address that somebody tried to connect to, in order.
    pub dialled: Vec<IpAddr>,
    /// Flows that were to be read more slowly, in order. Lines of this world have no room to fill.
    pub slowed: Vec<(usize, FlowId)>,
    /// What each site was told of its partners, and of providers with so many domains, in order.
    pub reaches: Vec<(usize, String, Reach)>,
    /// What was told of partners whose name servers are silent: by whom, of whom.
    pub stale_names: Vec<(usize, String, bool)>,
    /// How often the store of each site was asked what, by the kind of the question.
    pub asked: BTreeMap<(usize, &'static str), u64>,
    pub(crate) serial: u64,
    pub(crate) random: Random,
    /// Outputs of all cores so far.
    pub outputs: u64,
    pub fault: Option<Fault>,
    /// A server died in the middle of its work.
    pub has_crashed: bool,
}

/// What answers at an address.
pub(crate) struct Server {
    pub site: usize,
    pub identity: Identity,
    pub condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Well,
    /// Nothing listens.
    Dead,
    /// Takes connections and messages, and says nothing.
    Mute,
    /// What is sent to it vanishes: who connects waits in vain.
    Silent,
    /// Takes connections, and answers 503 to every request.
    Overloaded,
    /// Takes connections, and ends each on which a request comes.
    Breaking,
}

impl World {
    /// A world in which nothing takes any time; only the order of things is drawn.
    pub fn new(seed: u64) -> World {
        World::with_weather(seed, Weather::still())
    }

    pub fn with_weather(seed: u64, weather: Weather) -> World {
        // A moment to count from, and the only look at the clock.
        let begun = Instant::now();
        World {
            now: begun,
            network: Network::default(),
            weather,
            zones: Zones::default(),
            trace: Trace::new(TRACE_LINES_MAX),
            begun,
            sites: Vec::new(),
            lines: Vec::new(),
            phones: Vec::new(),
            far: BTreeMap::new(),
            lanes: Lanes::default(),
            servers: BTreeMap::new(),
            dialled: Vec::new(),
            slowed: Vec::new(),
            reaches: Vec::new(),
            stale_names: Vec::new(),
            asked: BTreeMap::new(),
            serial: 1000,
            random: Random::new(seed),
            outputs: 0,
            fault: None,
            has_crashed: false,
        }
    }

    /// Adds `domain` with its edge `sip.domain`, allowing these partners and discovering others if told so.
    pub fn organisation(&mut self, domain: &str, workers: u16, partners: &[Partner], discovery: bool) -> usize {
        let site = self.sites.len();
        self.sites.push(Site::new(Beginning {
            site,
            domain: domain.to_owned(),
            workers,
            partners: partners.to_vec(),
            discovery,
            now: self.begun,
            unix_ms: BEGUN_UNIX_SECS * 1000,
            random_seed: self.random.draw(),
        }));
        site
    }

    /// Organisations that allow each other.
    pub fn allies<const N: usize>(&mut self, domains: [&str; N], workers: u16) -> [usize; N] {
        domains.map(|domain| {
            let others: Vec<_> = domains.into_iter().filter(|other| *other != domain).map(allowed).collect();
            self.organisation(domain, workers, &others, false)
        })
    }

    /// With other limits or settings; before anything happens.
    pub fn configure(&mut self, site: usize, change: impl Fn(&mut CoreConfig)) {
        self.on_nodes(site, |node| {
            node.configs.iter_mut().for_each(&change);
            node.start_again();
        });
    }

    pub fn user(&mut self, site: usize, aor: &str) {
        let aor: Aor = aor.parse().expect("an address-of-record");
        let ha1 = UserHa1::new(&aor, PASSWORD);
        self.sites[site].users.insert(aor, ha1);
    }

    /// Lets things arrive that are due now, and everything that follows from them without time passing.
    pub fn settle(&mut self) {
        while self.deliver_one() {}
    }

    /// Lets time pass, waking whoever is due.
    pub fn pass(&mut self, time: Duration) {
        self.run_until(self.now + time, |_| false);
    }

    /// Lets time pass until something is so, and says whether it is; not beyond `end`.
    pub fn run_until(&mut self, end: Instant, is_so: impl Fn(&World) -> bool) -> bool {
        loop {
            while !is_so(self) {
                if !self.deliver_one() {
                    break;
                }
            }
            if is_so(self) {
                return true;
            }
            match self.next_time().filter(|at| *at <= end) {
                Some(at) => self.wake(at),
                None => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    /// Seconds since 1970, by a clock that is right.
    pub fn unix_secs(&self) -> i64 {
        let elapsed = self.now.duration_since(self.begun).as_secs();
        i64::try_from(BEGUN_UNIX_SECS + elapsed).expect("a world of a few hours")
    }

    /// By the clock of an organisation.
    pub(crate) fn unix_secs_at(&self, site: usize) -> i64 {
        self.unix_secs() + self.sites[site].clock_off_secs
    }

    pub fn core(&self, site: usize, worker: u16) -> &Core {
        &self.sites[site].cores[usize::from(worker)]
    }

    pub fn workers(&self, site: usize) -> u16 {
        self.sites[site].workers()
    }

    pub fn is_idle(&self, site: usize) -> bool {
        self.sites[site].cores.iter().all(Core::is_idle)
    }

    /// When the next thing happens by itself.
    fn next_time(&self) -> Option<Instant> {
        let cores = self.sites.iter().filter_map(Site::next_time).min();
        let phones = self.phones.iter().filter_map(Phone::poll_timeout).min();
        let parcels = self.lanes.next_due(|key| self.is_open(key));
        [cores, phones, parcels].into_iter().flatten().min()
    }

    fn wake(&mut self, at: Instant) {
        self.now = self.now.max(at);
        for site in 0..self.sites.len() {
            for worker in 0..self.workers(site) {
                self.wake_worker(site, worker);
            }
        }
        self.wake_phones();
    }

    fn deliver_one(&mut self) -> bool {
        let mut random = self.random.clone();
        let mut lanes = std::mem::take(&mut self.lanes);
        let parcel = lanes.take_due(self.now, &mut random, |key| self.is_open(key));
        (self.lanes, self.random) = (lanes, random);
        match parcel {
            Some(parcel) => self.deliver(parcel),
            None => return false,
        }
        true
    }

    /// A stream that is being moved or whose path is cut lets nothing through.
    fn is_open(&self, key: &LaneKey) -> bool {
        match key {
            LaneKey::Stream(End::Site { site, flow }) => {
                let Some(stream) = self.sites[*site].streams.get(flow) else { return true };
                !stream.is_moving && !self.network.is_cut(stream.far_place, stream.place)
            }
            LaneKey::Stream(End::Line(line)) => {
                !self.network.is_cut(Place::Site(self.lines[line.0].site), Place::Line(line.0))
            }
            LaneKey::Mail { .. } | LaneKey::Single(_) => true,
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Mail { site, to, mail } => self.take_mail(site, to, mail),
            Parcel::Bytes { to, bytes } => self.bytes_arrived(to, &bytes),
            Parcel::Fin { to } => self.fin_arrived(to),
            Parcel::PacketToSite { site, line, bytes } => self.packet_arrived(site, line, bytes),
            Parcel::PacketToLine { line, bytes } => self.received(line, Message::parse(bytes).expect(OURS)),
            Parcel::Dial { asker, remote, is_inner, certificate } => self.dial(asker, remote, is_inner, certificate),
            Parcel::Answer { asker, answer } => self.answered(asker, answer),
            Parcel::Sound { site, incarnation, event } => self.sound_said(site, incarnation, *event),
        }
    }

    fn wake_worker(&mut self, site: usize, worker: u16) {
        let now = self.now;
        for input in self.sites[site].go_on(worker, now) {
            self.input(site, worker, input);
        }
        let home = &mut self.sites[site];
        if !home.is_stalled(worker) && home.cores[usize::from(worker)].poll_timeout().is_some_and(|due| due <= now) {
            home.cores[usize::from(worker)].handle_timeout(now);
            self.drain(site, worker);
        }
    }

    fn take_mail(&mut self, site: usize, to: u16, mail: Mail) {
        match mail {
            Mail::Handoff(handoff) => self.input(site, to, Input::Handoff(*handoff)),
            Mail::Adopt { facts, known } => self.adopt(site, to, *facts, *known),
        }
    }

    /// A datagram reaches the worker that the kernel chooses.
    fn packet_arrived(&mut self, site: usize, line: Line, bytes: Bytes) {
        if !self.sites[site].is_up(self.now) {
            return;
        }
        let (FlowId::Datagram { remote, .. }, workers) = (self.lines[line.0].flow, self.workers(site)) else { return };
        let worker = match self.lines[line.0].worker {
            Some(worker) => worker,
            None => self.draw_worker(workers),
        };
        let local = SocketAddr::new(self.sites[site].address.ip(), 5060);
        let (id, direction) = (self.lines[line.0].flow, Direction::Inbound);
        let facts =
            FlowFacts { id, transport: Transport::Udp, local, remote, direction, certificate: None, is_inner: false };
        match framing::check_datagram(bytes.clone()).map_err(ParseError::from).and_then(Message::parse) {
            Ok(message) => self.input(site, worker, Input::Datagram { facts, message }),
            Err(error) => self.refuse_datagram((site, worker), id, &bytes, &error),
        }
    }

    fn refuse_datagram(&mut self, (site, worker): (usize, u16), flow: FlowId, bytes: &[u8], error: &ParseError) {
        let core = &mut self.sites[site].cores[usize::from(worker)];
        let response = core.refuse_unreadable(self.now, flow, (bytes, error), MessageLimits::DEFAULT);
        if let (FlowId::Datagram { remote, .. }, Some(response)) = (flow, response) {
            self.send_packet(site, remote, response);
        }
    }

    pub(crate) fn input(&mut self, site: usize, worker: u16, input: Input) {
        let now = self.now;
        if let Some(input) = self.sites[site].keep_if_stalled(worker, input) {
            self.sites[site].cores[usize::from(worker)].handle_input(now, input);
            self.drain(site, worker);
        }
    }

    pub(crate) fn drain(&mut self, site: usize, worker: u16) {
        let index = usize::from(worker);
        loop {
            while let Some(output) = self.sites[site].cores[index].poll_output() {
                match self.fault_of(&output) {
                    None => self.perform(site, worker, output),
                    // Nothing is left of whoever put it out.
                    Some(FaultKind::Crash) => return self.crash(site),
                    Some(kind) => self.perform_faultily(site, worker, output, kind),
                }
            }
            let Some(flow) = self.sites[site].ended[index].pop_front() else { break };
            let now = self.now;
            self.sites[site].cores[index].handle_input(now, Input::FlowClosed(flow));
        }
    }

    /// How this output is to go wrong, if it is the one that does.
    fn fault_of(&mut self, output: &Output) -> Option<FaultKind> {
        if matches!(output, Output::Decided(_) | Output::Record(_)) {
            return None;
        }
        self.outputs += 1;
        self.fault.filter(|fault| fault.output == self.outputs).map(|fault| fault.kind)
    }

    pub(crate) fn perform(&mut self, site: usize, worker: u16, output: Output) {
        match output {
            Output::Transmit { flow, bytes } => self.transmit(site, worker, flow, bytes),
            Output::CloseFlow { flow } => self.close(site, flow),
            Output::MoveFlow { flow, .. } => self.begin_move(site, worker, flow),
            Output::Handoff { to, handoff } => self.hand_off((site, worker), to, handoff, Duration::ZERO),
            Output::Ask { id, question } => self.ask(site, worker, id, question),
            Output::Media(command) => self.perform_media(site, command),
            Output::KeepMeeting(meeting) => self.sites[site].keep_meeting(*meeting),
            Output::Record(record) => self.sites[site].records.push(record),
            Output::KeepSuspect(suspect) => self.sites[site].suspects.push(*suspect),
            Output::KeepAnswer(answer) => self.sites[site].keep_answer(answer),
            Output::PartnerReach { domain, provider, reach, .. } => {
                let whose = provider.map(|it| format!("{} with {}", it.name, it.domains));
                self.reaches.push((site, whose.unwrap_or(domain), reach));
            }
            Output::PartnerNames { domain, is_stale } => self.stale_names.push((site, domain, is_stale)),
            Output::SlowFlow { flow } => self.slowed.push((site, flow)),
            Output::Decided(_) | Output::LookAlike(_) => {}
        }
    }

    fn perform_media(&mut self, site: usize, command: MediaCommand) {
        if let Some(event) = self.sites[site].sound.handle(command) {
            let incarnation = self.sites[site].incarnation();
            self.lanes.put_single(self.now, Parcel::Sound { site, incarnation, event: Box::new(event) });
        }
    }

    fn sound_said(&mut self, site: usize, incarnation: u32, event: MediaEvent) {
        if self.sites[site].incarnation() == incarnation
            && let MediaEvent::Closed { leg, .. } = &event
        {
            let worker = leg.bridge.worker;
            self.input(site, worker, Input::Media(event));
        }
    }

    /// A line of the trace, for whoever looks for the cause.
    pub(crate) fn note(&mut self, what: impl AsRef<str>) {
        self.trace.add(self.now.duration_since(self.begun), what.as_ref());
    }

    pub(crate) fn draw_worker(&mut self, workers: u16) -> u16 {
        u16::try_from(self.random.below(usize::from(workers))).expect("fewer than the workers")
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

pub fn allowed(domain: &str) -> Partner {
    Partner::allowed(domain)
}

pub fn blocked(domain: &str) -> Partner {
    Partner::blocked(domain)
}

pub fn first_line(message: &Message) -> String {
    let text = String::from_utf8_lossy(message.as_bytes());
    text.lines().next().unwrap_or_default().to_owned()
}

/// Facts of a certificate, shared as the cores hold them.
pub(crate) fn shared(certificate: Option<PeerCertificate>) -> Option<Arc<PeerCertificate>> {
    certificate.map(Arc::new)
}

pub const PASSWORD: &str = "correct horse";
pub(crate) const OURS: &str = "what is sent in this world is a message";
/// When every world begins.
pub const BEGUN_UNIX_SECS: u64 = 1_800_000_000;
/// What is kept of the trace unless all of it is wanted.
const TRACE_LINES_MAX: usize = 40;
