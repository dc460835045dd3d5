//! One or two workers, their flows and what they wait for: outputs are carried out as the shell does, and held against what
//! must always be so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use federation::flow::{Direction, FlowFacts};
use media::{LegId, LegReport, MediaEvent};
use signaling::{Answer, CallSettings, Core, Input, Limits, Question, QuestionId, When, WorkerId};
use sip::{FlowId, Frame, Framer, Message, Transport};

use super::answers;
use super::setting::{Part, config, small_limits};
use super::speech::Speech;
use crate::choices::Choices;

pub struct World {
    pub(super) part: Part,
    pub(super) is_shown: bool,
    /// What went out, by its kind: `INVITE`, `180`, `MoveFlow` ...
    pub(super) reached: BTreeSet<String>,
    pub(super) begun: Instant,
    pub(super) cores: Vec<Core>,
    pub(super) limits: Limits,
    pub(super) now: Instant,
    pub(super) flows: BTreeMap<FlowId, Flow>,
    pub(super) questions: VecDeque<(WorkerId, QuestionId, Question)>,
    /// Comes in as soon as what came before is carried out.
    pub(super) pending: VecDeque<(WorkerId, Input)>,
    pub(super) legs: Vec<LegId>,
    /// Questions are answered at once, and well.
    pub(super) is_prompt: bool,
    pub(super) serial: u64,
    /// Nothing is answered any more but that it failed.
    pub(super) is_over: bool,
}

pub(super) struct Flow {
    pub(super) facts: FlowFacts,
    pub(super) worker: WorkerId,
    pub(super) speech: Speech,
}

impl World {
    pub fn new(part: Part, choices: &mut Choices<'_>) -> World {
        let style = choices.byte();
        let split_style = if part == Part::Whole { 0 } else { choices.byte() };
        let (workers, now) = (1 + u16::from(style & 1), Instant::now());
        let when = |bits: u8| When::ALL[usize::from(bits & 3) % 3];
        let calls = CallSettings { between: when(style >> 2), anchor: when(style >> 4), redirects: style & 0x40 != 0 };
        let limits = if style & 0x80 == 0 { small_limits() } else { Limits::default() };
        let core = |worker| Core::new(config((worker, workers), now, (part, split_style), calls, limits.clone()));
        World {
            part,
            is_shown: std::env::var_os("FUZZ_SHOW").is_some(),
            reached: BTreeSet::new(),
            begun: now,
            cores: (0..workers).map(core).collect(),
            limits: limits.clone(),
            now,
            flows: BTreeMap::new(),
            questions: VecDeque::new(),
            pending: VecDeque::new(),
            legs: Vec::new(),
            is_prompt: style & 2 == 0,
            serial: 0,
            is_over: false,
        }
    }

    pub fn open_client(&mut self, choices: &mut Choices<'_>) {
        let transport = *choices.one_of(&[Transport::Tls, Transport::Wss, Transport::Tcp, Transport::Ws]);
        self.open(choices, transport, None);
    }

    /// The other of edge and home, or somebody who is neither.
    pub fn open_inside(&mut self, choices: &mut Choices<'_>) {
        let name = if choices.below(8) == 7 { "printer.inside.example" } else { self.part.other() };
        let certificate = Arc::new(answers::certificate_of(name, choices.below(8) != 7));
        self.open_on((Transport::Tls, true), choices, Some(certificate));
    }

    pub fn open_partner(&mut self, choices: &mut Choices<'_>) {
        let domain = *choices.one_of(&["fabrikam.example", "northwind.example", "contoso.example"]);
        let certificate = Arc::new(answers::certificate(domain, choices.below(4) != 3));
        self.open(choices, Transport::Tls, Some(certificate));
    }

    fn open(
        &mut self,
        choices: &mut Choices<'_>,
        transport: Transport,
        certificate: Option<Arc<federation::trust::PeerCertificate>>,
    ) {
        self.open_on((transport, false), choices, certificate);
    }

    fn open_on(
        &mut self,
        (transport, is_inner): (Transport, bool),
        choices: &mut Choices<'_>,
        certificate: Option<Arc<federation::trust::PeerCertificate>>,
    ) {
        if self.flows.len() >= FLOWS_MAX {
            return;
        }
        let worker = u16::try_from(choices.below(self.cores.len())).expect("two at most");
        let facts = FlowFacts {
            id: self.new_flow(worker),
            transport,
            local: SocketAddr::from(([192, 0, 2, 1], if is_inner { 5071 } else { 5061 })),
            remote: SocketAddr::from(([192, 0, 2, 200], 50_000)),
            direction: Direction::Inbound,
            certificate,
            is_inner,
        };
        self.adopt(facts.clone(), worker);
        self.input(usize::from(worker), Input::FlowOpened(facts));
    }

    pub(super) fn adopt(&mut self, facts: FlowFacts, worker: WorkerId) {
        self.flows.insert(facts.id, Flow { facts, worker, speech: Speech::default() });
    }

    fn new_flow(&mut self, worker: WorkerId) -> FlowId {
        self.serial += 1;
        FlowId::Stream { worker, serial: self.serial }
    }

    pub fn choose_flow(&self, choices: &mut Choices<'_>) -> Option<FlowId> {
        let streams: Vec<FlowId> = self.flows.keys().filter(|flow| flow.is_reliable()).copied().collect();
        (!streams.is_empty()).then(|| *choices.one_of(&streams))
    }

    pub fn speech(&mut self, flow: FlowId) -> Option<&mut Speech> {
        self.flows.get_mut(&flow).map(|flow| &mut flow.speech)
    }

    pub fn close_one(&mut self, choices: &mut Choices<'_>) {
        if let Some(flow) = self.choose_flow(choices) {
            self.close(flow);
        }
    }

    pub(super) fn close(&mut self, flow: FlowId) {
        if let Some(closed) = self.flows.remove(&flow) {
            self.input(usize::from(closed.worker), Input::FlowClosed(flow));
        }
    }

    /// On a stream, as it is framed there.
    pub fn receive(&mut self, flow: FlowId, bytes: &[u8]) {
        let mut buffer = BytesMut::from(bytes);
        let mut framer = Framer::default();
        while let Ok(Some(frame)) = framer.cut(&mut buffer) {
            let Frame::Message(message) = frame else { continue };
            let Some(worker) = self.flows.get(&flow).map(|flow| usize::from(flow.worker)) else { return };
            let Ok(message) = Message::parse(message) else { return };
            self.input(worker, Input::Message { flow, message });
        }
    }

    pub fn datagram(&mut self, choices: &mut Choices<'_>) {
        let remote = SocketAddr::from(([192, 0, 2, 100 + choices.byte() % 2], 5060));
        let id = FlowId::Datagram { listener: 1, remote };
        let facts = FlowFacts {
            id,
            transport: Transport::Udp,
            local: SocketAddr::from(([192, 0, 2, 1], 5060)),
            remote,
            direction: Direction::Inbound,
            certificate: None,
            is_inner: false,
        };
        let flow =
            self.flows.entry(id).or_insert_with(|| Flow { facts: facts.clone(), worker: 0, speech: Speech::default() });
        let said = match choices.below(4) {
            0 | 1 => flow.speech.request(choices),
            2 => flow.speech.answer(choices),
            _ => flow.speech.within_dialog(choices),
        };
        let message = said.and_then(|bytes| sip::framing::check_datagram(bytes.into()).ok()).map(Message::parse);
        if let Some(Ok(message)) = message {
            self.input(choices.below(2), Input::Datagram { facts, message });
        }
    }

    /// Well, badly, or to another question.
    pub fn answer_one(&mut self, choices: &mut Choices<'_>) {
        let manner = choices.below(8);
        if self.questions.is_empty() {
            return;
        }
        let at = choices.below(self.questions.len());
        let Some((worker, id, question)) = self.questions.remove(at) else { return };
        let answer = match manner {
            0..=4 => self.right(worker, &question),
            5 | 6 => answers::failed(&question, choices),
            _ => answers::right(&answers::other(choices), FlowId::Stream { worker, serial: 0 }),
        };
        self.input(usize::from(worker), Input::Answer { id, answer });
    }

    pub(super) fn right(&mut self, worker: WorkerId, question: &Question) -> Answer {
        let flow = self.new_flow(worker);
        let answer = answers::right(question, flow);
        if let Answer::Connected(Ok(facts)) = &answer {
            self.adopt(facts.clone(), worker);
        }
        answer
    }

    pub fn media_event(&mut self, choices: &mut Choices<'_>) {
        if self.legs.is_empty() {
            return;
        }
        let leg = *choices.one_of(&self.legs);
        let source = [192, 0, 2, 99].into();
        let event = match choices.below(7) {
            0 => MediaEvent::Heard { leg },
            1 => MediaEvent::SourceRefused { leg, source },
            2 => MediaEvent::Dtmf { leg, key: *choices.one_of(&['1', '*', '#', 'A', '6']) },
            3 => MediaEvent::Talking { leg, is_talking: choices.flag() },
            4 => MediaEvent::Silent { leg },
            5 => MediaEvent::Lost { leg },
            _ => MediaEvent::Closed { leg, report: LegReport::default() },
        };
        self.input(usize::from(leg.bridge.worker), Input::Media(event));
    }

    /// Lets this much time pass, waking whoever wants it on the way.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..WAKES_MAX {
            let next = (0..self.cores.len()).filter_map(|at| Some((self.cores[at].poll_timeout()?, at))).min();
            let Some((at, worker)) = next.filter(|(at, _)| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.cores[worker].handle_timeout(self.now);
            self.settle(worker);
        }
        panic!("{WAKES_MAX} wakes in {time:?}");
    }

    pub fn input(&mut self, worker: usize, input: Input) {
        self.note(|| format!("in: {input:?}"));
        let worker = worker % self.cores.len();
        self.cores[worker].handle_input(self.now, input);
        self.settle(worker);
    }

    /// With `FUZZ_SHOW` set, whoever replays an input sees what goes in and out.
    pub(super) fn note(&self, what: impl Fn() -> String) {
        if self.is_shown {
            eprintln!("{:>9.3?} {}", self.now.duration_since(self.begun), what().replace("\\r\\n", "\n          "));
        }
    }

    /// Carries out what came of it, until all workers are quiet.
    fn settle(&mut self, worker: usize) {
        self.perform_all(worker);
        while let Some((to, input)) = self.pending.pop_front() {
            self.cores[usize::from(to)].handle_input(self.now, input);
            self.perform_all(usize::from(to));
        }
    }

    pub fn check_limits(&self) {
        for core in &self.cores {
            let (load, limits) = (core.load(), &self.limits);
            assert!(load.server_transactions <= limits.server_transactions_max, "{load:?}");
            assert!(load.waiting <= limits.waiting_max, "{load:?}");
            assert!(load.conferences <= limits.conferences_max, "{load:?}");
            assert!(load.calls_between <= limits.calls_between_max, "{load:?}");
            assert!(load.watchers <= limits.presence.subscriptions_max, "{load:?}");
            assert!(core.decisions().len() <= limits.decisions_max);
        }
    }

    /// Everybody leaves, nothing is answered any more, and a day passes: then nothing is left.
    pub fn end(mut self) -> BTreeSet<String> {
        self.is_over = true;
        for (worker, id, question) in std::mem::take(&mut self.questions) {
            let answer = answers::failed(&question, &mut Choices::new(&[]));
            self.input(usize::from(worker), Input::Answer { id, answer });
        }
        self.flows.retain(|flow, _| flow.is_reliable());
        while let Some(flow) = self.flows.keys().next().copied() {
            self.close(flow);
        }
        // What the media threads say of legs on which nothing comes any more.
        for leg in self.legs.clone() {
            self.input(usize::from(leg.bridge.worker), Input::Media(MediaEvent::Silent { leg }));
        }
        self.pass(DAY);
        for core in &self.cores {
            let load = core.load();
            assert!(core.is_idle(), "{load:?}");
            let left = [load.flows, load.server_transactions, load.client_transactions, load.response_contexts];
            let kept = [
                load.waiting,
                load.conferences,
                load.calls_between,
                load.agent_requests,
                load.queues_draining,
                load.legs,
            ];
            assert_eq!((left, kept), ([0; 4], [0; 6]), "{load:?}");
            assert_eq!([load.bindings, load.watchers, load.publications], [0; 3], "{load:?}");
        }
        self.reached
    }
}

const FLOWS_MAX: usize = 8;
const WAKES_MAX: usize = 20_000;
const DAY: Duration = Duration::from_secs(86_400);
