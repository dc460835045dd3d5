//! Organisations of several workers in one thread: no sockets, a clock that the test moves, handoffs in a seeded order.
//!
//! Phones are streams whose far end is the test. Connections between organisations are made when a core asks for one.

#![allow(dead_code, reason = "each file of plays needs another part of the world")]

mod message_store;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::admission::Organisation;
use federation::discovery::{SrvAnswer, SrvFailure, SrvResult, SrvTarget};
use federation::flow::{Direction, FlowFacts};
use federation::partner::{Partner, PartnerKind, Partners};
use federation::trust::{Anchor, Names, PeerCertificate, Purposes};
use signaling::{Answer, Core, CoreConfig, Forgotten, Handoff, Input, Limits, Listener, Output, Question, QuestionId};
use sip::auth::Ha1;
use sip::{Aor, FlowId, Message, Transport};

use message_store::MessageStore;

/// A phone, or whatever else the test itself speaks as: one stream to one organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line(pub usize);

pub struct World {
    pub now: Instant,
    sites: Vec<Site>,
    lines: Vec<End>,
    /// The far end of each stream.
    ends: BTreeMap<End, Far>,
    received: BTreeMap<Line, VecDeque<Message>>,
    datagram_workers: BTreeMap<Line, u16>,
    in_flight: Vec<(usize, u16, u16, VecDeque<Handoff>)>,
    answers: VecDeque<(usize, u16, QuestionId, Answer)>,
    /// The servers of a domain by SRV, where they are not its one edge.
    srv: BTreeMap<String, Vec<SrvTarget>>,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    servers: BTreeMap<IpAddr, Server>,
    /// Every address that somebody tried to connect to, in order.
    pub dialled: Vec<IpAddr>,
    serial: u64,
    random: u64,
}

/// What answers at an address.
struct Server {
    site: usize,
    certificate: Arc<PeerCertificate>,
    condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Well,
    /// Nothing listens.
    Dead,
    /// Takes connections and messages, and says nothing.
    Mute,
}

/// One organisation.
struct Site {
    organisation: Arc<Organisation>,
    address: SocketAddr,
    certificate: Arc<PeerCertificate>,
    users: BTreeMap<Aor, Ha1>,
    messages: MessageStore,
    configs: Vec<CoreConfig>,
    cores: Vec<Core>,
    /// Where each stream lives now.
    streams: BTreeMap<FlowId, u16>,
}

/// One end of a stream: the organisation and its name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    site: usize,
    flow: FlowId,
}

#[derive(Debug, Clone, Copy)]
enum Far {
    Test(Line),
    Site(End),
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            now: Instant::now(),
            sites: Vec::new(),
            lines: Vec::new(),
            ends: BTreeMap::new(),
            received: BTreeMap::new(),
            datagram_workers: BTreeMap::new(),
            in_flight: Vec::new(),
            answers: VecDeque::new(),
            srv: BTreeMap::new(),
            hosts: BTreeMap::new(),
            servers: BTreeMap::new(),
            dialled: Vec::new(),
            serial: 1000,
            random: seed * 2 + 1,
        }
    }

    /// Adds `domain` with its edge `sip.domain`, allowing these partners and discovering others if told so.
    pub fn organisation(&mut self, domain: &str, workers: u16, partners: &[Partner], discovery: bool) -> usize {
        let site = self.sites.len();
        let edge = format!("sip.{domain}");
        let organisation = Arc::new(Organisation::new(vec![domain.to_owned()], edge.clone()));
        let address = SocketAddr::from(([192, 0, 2, u8::try_from(site).unwrap() + 1], 5061));
        let partners = Arc::new(Partners::new(partners.to_vec(), true, discovery));
        let configs: Vec<CoreConfig> = (0..workers)
            .map(|worker| CoreConfig {
                worker,
                workers,
                organisation: organisation.clone(),
                listeners: vec![
                    Listener { transport: Transport::Tls, address },
                    Listener { transport: Transport::Udp, address: SocketAddr::new(address.ip(), 5060) },
                ],
                secret: [u8::try_from(site).unwrap() + 1; 32],
                incarnation: 1,
                epoch: self.now,
                epoch_unix_ms: 1_800_000_000_000,
                partners: partners.clone(),
                limits: Limits::default(),
                random_seed: self.random + u64::from(worker),
            })
            .collect();
        let cores = configs.iter().cloned().map(Core::new).collect();
        let certificate = Arc::new(certificate(&[&edge]));
        let users = BTreeMap::new();
        let messages = MessageStore::default();
        let streams = BTreeMap::new();
        self.sites.push(Site { organisation, address, certificate, users, messages, configs, cores, streams });
        site
    }

    /// Adds a server `host` of an organisation's domain, by SRV, with these addresses and a certificate of its name.
    pub fn server(&mut self, site: usize, priority: u16, host: &str, addresses: &[&str]) {
        let domain = self.sites[site].organisation.domains[0].clone();
        let target = SrvTarget { priority, weight: 0, port: 5061, host: host.to_owned() };
        self.srv.entry(domain).or_default().push(target);
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let certificate = Arc::new(certificate(&[host]));
        for address in &addresses {
            let server = Server { site, certificate: certificate.clone(), condition: Condition::Well };
            self.servers.insert(*address, server);
        }
        self.hosts.insert(host.to_owned(), addresses);
    }

    pub fn set_condition(&mut self, address: &str, condition: Condition) {
        self.servers.get_mut(&address.parse::<IpAddr>().unwrap()).unwrap().condition = condition;
    }

    pub fn set_certificate(&mut self, address: &str, shown: PeerCertificate) {
        self.servers.get_mut(&address.parse::<IpAddr>().unwrap()).unwrap().certificate = Arc::new(shown);
    }

    /// What an administrator does by `partner reset`, in every worker.
    pub fn reset_partner(&mut self, site: usize, domain: &str) -> Forgotten {
        let forgotten = self.sites[site].cores.iter_mut().map(|core| core.reset_partner(domain));
        forgotten.fold(Forgotten::default(), |sum, one| sum + one)
    }

    pub fn user(&mut self, site: usize, aor: &str) {
        let aor: Aor = aor.parse().unwrap();
        let ha1 = Ha1::new(aor.user(), aor.domain(), PASSWORD);
        self.sites[site].users.insert(aor, ha1);
    }

    /// A new stream from the test to an organisation, accepted by this worker.
    pub fn connect(&mut self, site: usize, worker: u16, certificate: Option<PeerCertificate>) -> Line {
        let line = Line(self.lines.len());
        let end = self.accept(site, worker, certificate.map(Arc::new));
        self.lines.push(end);
        self.ends.insert(end, Far::Test(line));
        line
    }

    /// A phone that speaks UDP. The kernel gives all its packets to this worker.
    pub fn datagrams(&mut self, site: usize, worker: u16) -> Line {
        let line = Line(self.lines.len());
        let port = 30_000 + u16::try_from(line.0).unwrap();
        let flow = FlowId::Datagram { listener: UDP_LISTENER, remote: SocketAddr::from(([198, 51, 100, 8], port)) };
        let end = End { site, flow };
        self.lines.push(end);
        self.ends.insert(end, Far::Test(line));
        self.datagram_workers.insert(line, worker);
        line
    }

    /// Sends one message on a line; the text has plain line ends.
    pub fn send(&mut self, line: Line, text: &str) {
        let message =
            Message::parse(text.replace('\n', "\r\n").into_bytes().into()).expect("the test's message parses");
        let end = self.lines[line.0];
        match (end.flow, self.datagram_workers.get(&line).copied()) {
            (FlowId::Datagram { remote, .. }, Some(worker)) => {
                let facts = FlowFacts {
                    id: end.flow,
                    transport: Transport::Udp,
                    local: SocketAddr::new(self.sites[end.site].address.ip(), 5060),
                    remote,
                    direction: Direction::Inbound,
                    certificate: None,
                };
                self.input(end.site, worker, Input::Datagram { facts, message });
            }
            _ => self.arrive(end, message),
        }
        self.settle();
    }

    /// What came in on a line, in order; empties it.
    pub fn take(&mut self, line: Line) -> Vec<Message> {
        self.received.remove(&line).unwrap_or_default().into()
    }

    /// The one message that came in on a line.
    pub fn only(&mut self, line: Line) -> Message {
        let mut all = self.take(line);
        assert_eq!(all.len(), 1, "expected one message, got {:#?}", all.iter().map(first_line).collect::<Vec<_>>());
        all.remove(0)
    }

    /// The first response on a line; requests that came with it stay.
    pub fn take_response(&mut self, line: Line) -> Message {
        let received = self.received.entry(line).or_default();
        let at = received.iter().position(|message| !message.is_request()).expect("a response");
        received.remove(at).expect("it is there")
    }

    /// Nothing is left that the test did not look at.
    pub fn assert_quiet(&mut self) {
        for (line, messages) in &self.received {
            assert!(
                messages.is_empty(),
                "{line:?} still has {:?}",
                messages.iter().map(first_line).collect::<Vec<_>>()
            );
        }
    }

    /// Ends a line from the test's side.
    pub fn hang_up(&mut self, line: Line) {
        let end = self.lines[line.0];
        self.close(end);
        self.settle();
    }

    /// The administrator changes whom this organisation federates with.
    pub fn replace_partners(&mut self, site: usize, partners: Vec<Partner>) {
        let partners = Arc::new(Partners::new(partners, true, false));
        for worker in 0..self.workers(site) {
            self.input(site, worker, Input::Partners(partners.clone()));
        }
        self.settle();
    }

    /// Every connection between this organisation and others ends.
    pub fn cut(&mut self, site: usize) {
        let between = |(end, far): (&End, &Far)| (end.site == site && matches!(far, Far::Site(_))).then_some(*end);
        let ends: Vec<End> = self.ends.iter().filter_map(between).collect();
        for end in ends {
            self.close(end);
        }
        self.settle();
    }

    /// Kills an organisation's server and starts it again: its streams end, what it knew in memory is gone.
    pub fn restart(&mut self, site: usize) {
        let ends: Vec<End> = self.sites[site].streams.keys().map(|flow| End { site, flow: *flow }).collect();
        for config in &mut self.sites[site].configs {
            config.incarnation += 1;
        }
        self.sites[site].cores = self.sites[site].configs.iter().cloned().map(Core::new).collect();
        for end in ends {
            self.close(end);
        }
        self.settle();
    }

    /// Tells every worker of an organisation that its server is about to end.
    pub fn drain_site(&mut self, site: usize) {
        for worker in 0..self.workers(site) {
            self.input(site, worker, Input::Drain);
        }
    }

    pub fn is_idle(&self, site: usize) -> bool {
        self.sites[site].cores.iter().all(Core::is_idle)
    }

    /// Lets time pass, waking whoever is due.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self.sites.iter().flat_map(|site| &site.cores).filter_map(Core::poll_timeout).min();
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            for site in 0..self.sites.len() {
                for worker in 0..self.sites[site].cores.len() {
                    let now = self.now;
                    self.sites[site].cores[worker].handle_timeout(now);
                    self.drain(site, u16::try_from(worker).unwrap());
                }
            }
            self.settle();
        }
        self.now = until;
    }

    /// The stored messages of an organisation.
    pub fn messages(&mut self, site: usize) -> &mut MessageStore {
        &mut self.sites[site].messages
    }

    /// Lets the answers come that the store kept back.
    pub fn release(&mut self, site: usize) {
        let held = self.sites[site].messages.held.take().unwrap_or_default();
        self.answers.extend(held.into_iter().map(|(worker, id, answer)| (site, worker, id, answer)));
        self.settle();
    }

    pub fn core(&self, site: usize, worker: u16) -> &Core {
        &self.sites[site].cores[usize::from(worker)]
    }

    pub fn workers(&self, site: usize) -> u16 {
        u16::try_from(self.sites[site].cores.len()).unwrap()
    }

    /// The worker that has a line's stream now.
    pub fn worker_of(&self, line: Line) -> u16 {
        let end = self.lines[line.0];
        self.sites[end.site].streams[&end.flow]
    }

    /// Gives this worker a response that another worker is waiting for.
    pub fn misdeliver(&mut self, site: usize, worker: u16, text: &str) {
        let message = Message::parse(text.replace('\n', "\r\n").into_bytes().into()).unwrap();
        let flow = self.accept(site, worker, Some(Arc::new(certificate(&["sip.fabrikam.example"]))));
        self.arrive(flow, message);
        self.settle();
    }

    fn accept(&mut self, site: usize, worker: u16, certificate: Option<Arc<PeerCertificate>>) -> End {
        self.serial += 1;
        let flow = FlowId::Stream { worker, serial: self.serial };
        let facts = self.accepted(site, flow, certificate);
        self.sites[site].streams.insert(flow, worker);
        self.input(site, worker, Input::FlowOpened(facts));
        End { site, flow }
    }

    /// The facts of a stream that somebody opened to an organisation.
    fn accepted(&self, site: usize, flow: FlowId, certificate: Option<Arc<PeerCertificate>>) -> FlowFacts {
        FlowFacts {
            id: flow,
            transport: Transport::Tls,
            local: self.sites[site].address,
            remote: SocketAddr::from(([198, 51, 100, 7], 40_000)),
            direction: Direction::Inbound,
            certificate,
        }
    }

    fn arrive(&mut self, end: End, message: Message) {
        if let Some(worker) = self.sites[end.site].streams.get(&end.flow).copied() {
            self.input(end.site, worker, Input::Message { flow: end.flow, message });
        }
    }

    fn close(&mut self, end: End) {
        let Some(worker) = self.sites[end.site].streams.remove(&end.flow) else { return };
        self.input(end.site, worker, Input::FlowClosed(end.flow));
        if let Some(Far::Site(far)) = self.ends.remove(&end) {
            self.close(far);
        }
    }

    fn input(&mut self, site: usize, worker: u16, input: Input) {
        let now = self.now;
        self.sites[site].cores[usize::from(worker)].handle_input(now, input);
        self.drain(site, worker);
    }

    fn drain(&mut self, site: usize, worker: u16) {
        while let Some(output) = self.sites[site].cores[usize::from(worker)].poll_output() {
            match output {
                Output::Transmit { flow, bytes } => self.transmit(End { site, flow }, worker, bytes),
                Output::CloseFlow { flow } => self.close(End { site, flow }),
                Output::MoveFlow { flow, to } => self.move_flow(site, flow, to),
                Output::Handoff { to, handoff } => self.queue(site, worker, to, handoff),
                Output::Ask { id, question } => {
                    let answer = self.answer(site, worker, question);
                    match &mut self.sites[site].messages.held {
                        Some(held) if matches!(answer, Answer::Stored(_)) => held.push((worker, id, answer)),
                        _ => self.answers.push_back((site, worker, id, answer)),
                    }
                }
                Output::Decided(_) => {}
            }
        }
    }

    fn transmit(&mut self, end: End, worker: u16, bytes: bytes::Bytes) {
        if end.flow.is_reliable() {
            assert_eq!(self.sites[end.site].streams.get(&end.flow), Some(&worker), "only its owner writes on a flow");
        }
        let message = Message::parse(bytes).expect("what we send is a message");
        match self.ends.get(&end).copied() {
            Some(Far::Test(line)) => self.received.entry(line).or_default().push_back(message),
            Some(Far::Site(far)) => self.arrive(far, message),
            None => {}
        }
    }

    fn move_flow(&mut self, site: usize, flow: FlowId, to: u16) {
        self.sites[site].streams.insert(flow, to);
        let facts = self.accepted(site, flow, None);
        self.input(site, to, Input::FlowOpened(facts));
    }

    /// In order between two workers; which pair goes first is the seed's.
    fn queue(&mut self, site: usize, from: u16, to: u16, handoff: Handoff) {
        let text = serde_json::to_vec(&handoff).expect("a handoff is serialisable");
        let handoff = serde_json::from_slice(&text).expect("and comes back");
        match self.in_flight.iter_mut().find(|(s, f, t, _)| (*s, *f, *t) == (site, from, to)) {
            Some((.., queue)) => queue.push_back(handoff),
            None => self.in_flight.push((site, from, to, VecDeque::from([handoff]))),
        }
    }

    fn settle(&mut self) {
        loop {
            self.in_flight.retain(|(.., queue)| !queue.is_empty());
            let ready = self.in_flight.len() + self.answers.len();
            if ready == 0 {
                return;
            }
            let pick = self.draw(ready);
            if pick < self.in_flight.len() {
                let (site, _, to, queue) = &mut self.in_flight[pick];
                let (site, to) = (*site, *to);
                let handoff = queue.pop_front().expect("empty queues were dropped");
                self.input(site, to, Input::Handoff(handoff));
            } else if let Some((site, worker, id, answer)) = self.answers.pop_front() {
                self.input(site, worker, Input::Answer { id, answer });
            }
        }
    }

    fn answer(&mut self, site: usize, worker: u16, question: Question) -> Answer {
        match question {
            Question::Credentials(aor) => Answer::Credentials(Ok(self.sites[site].users.get(&aor).cloned())),
            Question::User(aor) => Answer::User(Ok(self.sites[site].users.contains_key(&aor))),
            Question::Store(new) => {
                let is_user = self.sites[site].users.contains_key(&new.aor);
                self.sites[site].messages.store(*new, is_user)
            }
            Question::NextStored { aor, after, now_unix_ms } => {
                self.sites[site].messages.next(&aor, after, now_unix_ms)
            }
            Question::Settle { id, is_delivered } => self.sites[site].messages.settle(id, is_delivered),
            Question::Srv { domain } => Answer::Srv(self.srv(&domain)),
            Question::Addresses { host } if self.hosts.contains_key(&host) => {
                Answer::Addresses(Ok(self.hosts[&host].clone()))
            }
            Question::Addresses { host } => match self.sites.iter().find(|site| site.organisation.edge == host) {
                Some(site) => Answer::Addresses(Ok(vec![site.address.ip()])),
                None => Answer::Addresses(Err("no address".into())),
            },
            Question::Connect { remote, .. } => Answer::Connected(self.dial(site, worker, remote)),
        }
    }

    fn srv(&self, domain: &str) -> SrvResult {
        if let Some(targets) = self.srv.get(domain) {
            let name = format!("_sipfederationtls._tcp.{domain}");
            return Ok(SrvAnswer { name, targets: targets.clone(), ttl: Duration::from_secs(3600), secure: false });
        }
        let host = format!("sip.{domain}");
        if !self.sites.iter().any(|site| site.organisation.edge == host) {
            return Err(SrvFailure::NoRecord);
        }
        Ok(SrvAnswer {
            name: format!("_sipfederationtls._tcp.{domain}"),
            targets: vec![SrvTarget { priority: 0, weight: 0, port: 5061, host }],
            ttl: Duration::from_secs(60),
            secure: false,
        })
    }

    fn dial(&mut self, site: usize, worker: u16, remote: SocketAddr) -> Result<FlowFacts, String> {
        self.dialled.push(remote.ip());
        let server = self.servers.get(&remote.ip()).map(|server| (server.condition, server.certificate.clone()));
        if let Some((Condition::Dead, _)) = server {
            return Err("connection refused".into());
        }
        let far = match self.servers.get(&remote.ip()) {
            Some(server) => server.site,
            None => self.sites.iter().position(|site| site.address == remote).ok_or("connection refused")?,
        };
        let shown = server.as_ref().map_or_else(|| self.sites[far].certificate.clone(), |(_, shown)| shown.clone());
        let acceptor = u16::try_from(self.draw(usize::from(self.workers(far)))).unwrap();
        let certificate = self.sites[site].certificate.clone();
        let accepted = self.accept(far, acceptor, Some(certificate));
        self.serial += 1;
        let ours = End { site, flow: FlowId::Stream { worker, serial: self.serial } };
        self.sites[site].streams.insert(ours.flow, worker);
        if !matches!(server, Some((Condition::Mute, _))) {
            self.ends.insert(ours, Far::Site(accepted));
            self.ends.insert(accepted, Far::Site(ours));
        }
        Ok(FlowFacts {
            id: ours.flow,
            transport: Transport::Tls,
            local: SocketAddr::from(([192, 0, 2, 99], 50_000)),
            remote,
            direction: Direction::Outbound,
            certificate: Some(shown),
        })
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 20).unwrap() % bound
    }
}

/// A certificate by a known authority that names these hosts.
pub fn certificate(names: &[&str]) -> PeerCertificate {
    PeerCertificate {
        chain: Ok(Anchor::Public { name: "Test CA".into() }),
        purposes: Purposes { client_auth: false, server_auth: true, sip_domain: false, any: false, stated: true },
        names: Names { sip_uris: Vec::new(), dns: names.iter().map(|name| (*name).to_owned()).collect() },
        fingerprint: [0; 32],
        issuer: "CN=Test CA".into(),
        serial: "01".into(),
        subject: format!("CN={}", names[0]),
        not_after_unix: 2_000_000_000,
    }
}

pub fn allowed(domain: &str) -> Partner {
    Partner { domain: domain.into(), kind: PartnerKind::AllowedDomain, comment: String::new() }
}

pub fn blocked(domain: &str) -> Partner {
    Partner { domain: domain.into(), kind: PartnerKind::Blocked, comment: String::new() }
}

pub fn first_line(message: &Message) -> String {
    let text = String::from_utf8_lossy(message.as_bytes());
    text.lines().next().unwrap_or_default().to_owned()
}

/// By its place in the list of listeners.
const UDP_LISTENER: u8 = 1;
pub const PASSWORD: &str = "correct horse";
