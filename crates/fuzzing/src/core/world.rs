//! One or two workers, their flows and what they wait for: outputs are carried out as the shell does, and held against what
//! must always be so.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use federation::flow::{Direction, FlowFacts};
use media::{LegId, LegReport, MediaCommand, MediaEvent};
use signaling::{Answer, CallSettings, Core, Input, Limits, Output, Question, QuestionId, When, WorkerId};
use sip::{FlowId, Frame, Framer, Message, Transport};

use super::answers;
use super::setting::{config, small_limits};
use super::speech::Speech;
use crate::choices::Choices;

pub struct World {
    is_shown: bool,
    begun: Instant,
    cores: Vec<Core>,
    limits: Limits,
    now: Instant,
    flows: BTreeMap<FlowId, Flow>,
    questions: VecDeque<(WorkerId, QuestionId, Question)>,
    /// Comes in as soon as what came before is carried out.
    pending: VecDeque<(WorkerId, Input)>,
    legs: Vec<LegId>,
    /// Questions are answered at once, and well.
    is_prompt: bool,
    serial: u64,
    /// Nothing is answered any more but that it failed.
    is_over: bool,
}

struct Flow {
    facts: FlowFacts,
    worker: WorkerId,
    speech: Speech,
}

impl World {
    pub fn new(choices: &mut Choices<'_>) -> World {
        let style = choices.byte();
        let (workers, now) = (1 + u16::from(style & 1), Instant::now());
        let when = |bits: u8| When::ALL[usize::from(bits & 3) % 3];
        let calls = CallSettings { between: when(style >> 2), anchor: when(style >> 4), redirects: style & 0x40 != 0 };
        let limits = if style & 0x80 == 0 { small_limits() } else { Limits::default() };
        let core = |worker| Core::new(config((worker, workers), now, calls, limits.clone()));
        World {
            is_shown: std::env::var_os("FUZZ_SHOW").is_some(),
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
        if self.flows.len() >= FLOWS_MAX {
            return;
        }
        let worker = u16::try_from(choices.below(self.cores.len())).expect("two at most");
        let facts = FlowFacts {
            id: self.new_flow(worker),
            transport,
            local: SocketAddr::from(([192, 0, 2, 1], 5061)),
            remote: SocketAddr::from(([192, 0, 2, 200], 50_000)),
            direction: Direction::Inbound,
            certificate,
        };
        self.adopt(facts.clone(), worker);
        self.input(usize::from(worker), Input::FlowOpened(facts));
    }

    fn adopt(&mut self, facts: FlowFacts, worker: WorkerId) {
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

    fn close(&mut self, flow: FlowId) {
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

    fn right(&mut self, worker: WorkerId, question: &Question) -> Answer {
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
        let event = match choices.below(6) {
            0 => MediaEvent::Heard { leg },
            1 => MediaEvent::SourceRefused { leg, source },
            2 => MediaEvent::Dtmf { leg, key: *choices.one_of(&['1', '*', '#', 'A', '6']) },
            3 => MediaEvent::Talking { leg, is_talking: choices.flag() },
            4 => MediaEvent::Silent { leg },
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
    fn note(&self, what: impl Fn() -> String) {
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

    fn perform_all(&mut self, worker: usize) {
        let mut outputs = 0;
        while let Some(output) = self.cores[worker].poll_output() {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "one input has no end of outputs");
            self.perform(u16::try_from(worker).expect("two at most"), output);
        }
    }

    fn perform(&mut self, worker: WorkerId, output: Output) {
        self.note(|| format!("out {worker}: {output:?}"));
        match output {
            Output::Transmit { flow, bytes } => self.transmit(worker, flow, bytes),
            Output::CloseFlow { flow } => {
                if let Some(closed) = self.flows.remove(&flow) {
                    self.pending.push_back((closed.worker, Input::FlowClosed(flow)));
                }
            }
            Output::MoveFlow { flow, to } => self.begin_move(flow, to),
            Output::Handoff { to, handoff } => {
                // What goes is what would go to another node: bytes.
                let bytes = serde_json::to_vec(&handoff).expect("a handoff is serialisable");
                let handoff = serde_json::from_slice(&bytes).expect("and comes back");
                self.pending.push_back((to, Input::Handoff(handoff)));
            }
            Output::Ask { id, question } => self.ask(worker, id, question),
            Output::Media(MediaCommand::Close { leg }) => {
                self.legs.retain(|known| *known != leg);
                let event = MediaEvent::Closed { leg, report: LegReport::default() };
                self.pending.push_back((worker, Input::Media(event)));
            }
            Output::Media(command) => drop(serde_json::to_vec(&command).expect("a command is serialisable")),
            Output::KeepMeeting(meeting) => drop(meeting.checked().expect("what is to be kept is in order")),
            Output::Decided(_) | Output::Record(_) => {}
        }
    }

    fn transmit(&mut self, worker: WorkerId, flow: FlowId, bytes: Bytes) {
        let mut buffer = BytesMut::from(&bytes[..]);
        let framed = Framer::default().cut(&mut buffer);
        assert_eq!(framed, Ok(Some(Frame::Message(bytes.clone()))), "not one message");
        let message = Message::parse(bytes).expect("what is framed is read");
        // A response repeats what was malformed; a request of ours, or one that we have admitted, is well-formed.
        if message.is_request() {
            message.check_mandatory().unwrap_or_else(|error| panic!("{error}: {message:?}"));
        }
        if let Some(flow) = self.flows.get_mut(&flow) {
            assert!(flow.worker == worker || !flow.facts.id.is_reliable(), "another worker's flow");
            flow.speech.hear(message);
        }
    }

    /// The other worker sees the flow first, then what is said of it.
    fn begin_move(&mut self, flow: FlowId, to: WorkerId) {
        if let Some(moved) = self.flows.get_mut(&flow) {
            moved.worker = to;
            let facts = moved.facts.clone();
            self.pending.push_back((to, Input::FlowOpened(facts)));
        }
    }

    fn ask(&mut self, worker: WorkerId, id: QuestionId, question: Question) {
        if let Question::OpenLeg { leg } = question {
            self.legs.push(leg);
        }
        let answer = match (self.is_over, self.is_prompt) {
            (true, _) => answers::failed(&question, &mut Choices::new(&[])),
            (false, true) => self.right(worker, &question),
            (false, false) => return self.questions.push_back((worker, id, question)),
        };
        self.pending.push_back((worker, Input::Answer { id, answer }));
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
    pub fn end(mut self) {
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
            let kept = [load.waiting, load.conferences, load.calls_between, load.agent_requests, load.queues_draining];
            assert_eq!((left, kept), ([0; 4], [0; 5]), "{load:?}");
            assert_eq!([load.bindings, load.watchers, load.publications], [0; 3], "{load:?}");
        }
    }
}

const FLOWS_MAX: usize = 8;
const OUTPUTS_MAX: usize = 5_000;
const WAKES_MAX: usize = 20_000;
const DAY: Duration = Duration::from_secs(86_400);
