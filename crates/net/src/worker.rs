//! One worker: a thread with a runtime of its own, a core, its sockets, and the loop that joins them.
//!
//! The worker's state is borrowed in synchronous code only, never across an await. Every entry from outside begins
//! with [`Worker::enter`], which takes the time, and ends with [`Worker::finish`], which performs everything asked for.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signaling::{Answer, Core, Handoff, Input, QuestionId, WorkerId};
use sip::{FlowId, Transport};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};

use crate::flow::{Fate, LINGER_TIME, StreamFlow};
use crate::handshakes::Handshakes;
use crate::limits::Alarm;
use crate::media::MediaThreads;
use crate::occupancy::Occupancy;
use crate::turns::BusyFlows;
use crate::{
    Accounts, Counters, Inbox, InsideTls, Limits, ListenerSetup, Mailbox, MovedFlow, NetError, Networks, Origins,
    Resolver, TlsClients, WorkerMessage, WorkerSetup, setup, tcp, turn, udp,
};

/// Runs a worker on this thread until [`WorkerMessage::Stop`]. `ready` hears once whether all sockets are bound, and
/// at which addresses (in the order of the listeners); after an error nothing runs.
pub fn run(setup: WorkerSetup, ready: impl FnOnce(Result<Vec<SocketAddr>, NetError>)) -> Result<(), NetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let started = runtime.map_err(|error| NetError::Runtime { reason: error.to_string() }).and_then(|runtime| {
        let context = runtime.enter();
        let (worker, inbox, listeners) = start(setup)?;
        drop(context);
        Ok((runtime, worker, inbox, listeners))
    });
    match started {
        Ok((runtime, worker, inbox, listeners)) => {
            ready(Ok(listeners.iter().map(|listener| listener.address).collect()));
            LocalSet::new().block_on(&runtime, serve(worker, inbox, listeners));
            Ok(())
        }
        Err(error) => {
            ready(Err(error.clone()));
            Err(error)
        }
    }
}

/// The state of a worker, for the tasks of its thread.
pub(crate) type Shared = Rc<RefCell<Worker>>;

pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) core: Core,
    /// When the entry in hand began.
    pub(crate) now: Instant,
    /// Each for itself: a table that grows has room for twice as many.
    pub(crate) flows: HashMap<FlowId, Box<StreamFlow>>,
    /// By listener number; `None` where the listener is a stream's.
    pub(crate) datagram_sockets: Vec<Option<Rc<UdpSocket>>>,
    pub(crate) limits: Rc<Limits>,
    pub(crate) counters: Counters,
    pub(crate) alarms: Alarms,
    pub(crate) occupancy: Occupancy,
    pub(crate) busy_flows: BusyFlows,
    pub(crate) roots: certificates::Roots,
    pub(crate) inside: Option<InsideTls>,
    pub(crate) origins: Arc<Origins>,
    /// What authorities are answered.
    pub(crate) challenges: certificates::TlsAlpn,
    pub(crate) tls_clients: TlsClients,
    pub(crate) resolver: Resolver,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) media: MediaThreads,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// One read of any socket; what is kept of it is copied out.
    pub(crate) scratch: Vec<u8>,
    /// Flows with output to write at the end of this entry.
    pub(crate) dirty: Vec<FlowId>,
    /// Flows that are gone and that the core has not heard of.
    pub(crate) ended: VecDeque<FlowId>,
    /// Between the two outputs by which the core gives a flow away.
    pub(crate) moving: Option<MovedFlow>,
    serials: u64,
    /// What the loop sleeps until, and how to make it look again.
    sleeps_until: Option<Instant>,
    rearm: Rc<Notify>,
    is_stopping: bool,
    /// The tasks that accept; none once the worker drains.
    acceptors: Vec<AbortHandle>,
    is_draining: bool,
    me: Weak<RefCell<Worker>>,
}

#[derive(Default)]
pub(crate) struct Alarms {
    pub(crate) accepts: Alarm,
    pub(crate) connections: Alarm,
    pub(crate) connections_per_ip: Alarm,
    pub(crate) handshakes: Alarm,
    pub(crate) introductions: Alarm,
    pub(crate) introductions_full: Alarm,
    pub(crate) unfinished: Alarm,
    pub(crate) unfinished_per_ip: Alarm,
    pub(crate) output: Alarm,
    pub(crate) handoffs: Alarm,
    pub(crate) origins: Alarm,
}

/// A bound socket, ready for its task.
pub(crate) struct Listening {
    pub(crate) number: u8,
    pub(crate) address: SocketAddr,
    pub(crate) is_inner: bool,
    pub(crate) balancers: Arc<Networks>,
    pub(crate) kind: ListeningKind,
}

pub(crate) enum ListeningKind {
    Stream { socket: TcpListener, transport: Transport, tls: Option<Arc<rustls::ServerConfig>> },
    Datagram(Rc<UdpSocket>),
}

fn start(setup: WorkerSetup) -> Result<(Shared, Inbox, Vec<Listening>), NetError> {
    let listeners = setup
        .listeners
        .into_iter()
        .enumerate()
        .map(|(number, listener)| listen(u8::try_from(number).unwrap_or(u8::MAX), listener))
        .collect::<Result<Vec<_>, _>>()?;
    let mut core = setup.core;
    // Where port 0 was asked for, the core is to write the port that we got.
    for (listener, bound) in core.listeners.iter_mut().zip(&listeners) {
        listener.address = bound.address;
    }
    let resolver = setup.resolver.separate()?;
    let id = core.worker;
    let worker = Rc::new_cyclic(|me| {
        RefCell::new(Worker {
            id,
            core: Core::new(core),
            now: Instant::now(),
            flows: HashMap::new(),
            datagram_sockets: listeners.iter().map(Listening::datagram_socket).collect(),
            limits: Rc::new(setup.limits),
            counters: Counters { worker: id, ..Counters::default() },
            alarms: Alarms::default(),
            occupancy: Occupancy::default(),
            busy_flows: BusyFlows::default(),
            roots: setup.roots,
            inside: setup.inside,
            origins: setup.origins,
            challenges: setup.challenges,
            tls_clients: setup.tls_clients,
            resolver,
            accounts: setup.accounts,
            media: setup.media,
            mailboxes: setup.mailboxes,
            scratch: vec![0; SCRATCH_BYTES],
            dirty: Vec::new(),
            ended: VecDeque::new(),
            moving: None,
            serials: 0,
            sleeps_until: None,
            rearm: Rc::new(Notify::new()),
            is_stopping: false,
            acceptors: Vec::new(),
            is_draining: false,
            me: me.clone(),
        })
    });
    Ok((worker, setup.inbox, listeners))
}

fn listen(number: u8, listener: ListenerSetup) -> Result<Listening, NetError> {
    let ListenerSetup { transport, address, tls, is_inner, balancers } = listener;
    if transport.is_secure() && tls.is_none() {
        return Err(NetError::NoCertificate { transport, address });
    }
    let socket = setup::listen(transport, address)?;
    let bound = socket.local_addr().ok().and_then(|bound| bound.as_socket()).unwrap_or(address);
    let registered = match transport {
        Transport::Udp => UdpSocket::from_std(socket.into()).map(|socket| ListeningKind::Datagram(Rc::new(socket))),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            let tls = tls.filter(|_| transport.is_secure());
            TcpListener::from_std(socket.into()).map(|socket| ListeningKind::Stream { socket, transport, tls })
        }
    };
    let kind = registered.map_err(|error| NetError::Runtime { reason: error.to_string() })?;
    tracing::info!(%transport, address = %bound, inner = is_inner, "listening");
    Ok(Listening { number, address: bound, is_inner, balancers, kind })
}

impl Listening {
    fn datagram_socket(&self) -> Option<Rc<UdpSocket>> {
        match &self.kind {
            ListeningKind::Datagram(socket) => Some(socket.clone()),
            ListeningKind::Stream { .. } => None,
        }
    }
}

async fn serve(worker: Shared, mut inbox: Inbox, listeners: Vec<Listening>) {
    let handshakes = Handshakes::new(&worker.borrow().limits);
    for listening in listeners {
        match listening.kind {
            ListeningKind::Datagram(socket) => {
                let Listening { number, address: local, is_inner, .. } = listening;
                let listener = udp::Listener { number, local, is_inner };
                tokio::task::spawn_local(udp::receive(worker.clone(), socket, listener));
            }
            ListeningKind::Stream { socket, transport, tls } => {
                let acceptor = tcp::Acceptor {
                    worker: worker.clone(),
                    transport,
                    tls,
                    is_inner: listening.is_inner,
                    balancers: listening.balancers,
                    handshakes: handshakes.clone(),
                };
                let task = tokio::task::spawn_local(acceptor.accept(socket));
                worker.borrow_mut().acceptors.push(task.abort_handle());
            }
        }
    }
    let rearm = worker.borrow().rearm.clone();
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let mut messages = Vec::new();
    // The clock is read before anything is judged by it.
    worker.borrow_mut().sweep();
    while !worker.borrow().is_stopping {
        let deadline = worker.borrow_mut().arm();
        tokio::select! {
            () = inbox.receive(&mut messages, MESSAGES_PER_TURN_MAX) => {
                if messages.is_empty() {
                    // Nobody is left who could ever send anything, not even Stop.
                    break;
                }
                worker.borrow_mut().take_mail(messages.drain(..));
            }
            () = sleep_until(deadline) => worker.borrow_mut().handle_timeout(),
            () = rearm.notified() => {}
            _ = sweep.tick() => worker.borrow_mut().sweep(),
        }
    }
    worker.borrow_mut().end_all();
    let occupancy = worker.borrow().occupancy.clone();
    if worker.borrow().is_drained() {
        // Our last bytes are lost with sockets that are closed before the peers have read them.
        tokio::time::timeout(LINGER_TIME, occupancy.emptied()).await.ok();
    }
    // The tasks hold the worker; it goes with them when the caller drops the set.
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

impl Worker {
    /// The worker as its tasks hold it.
    pub(crate) fn shared(&self) -> Shared {
        self.me.upgrade().expect("a worker that runs is held by the loop that runs it")
    }

    pub(crate) fn mailbox(&self) -> Mailbox {
        self.mailboxes[usize::from(self.id)].clone()
    }

    /// A name for a new stream flow; never used twice, wherever the flow goes.
    pub(crate) fn next_flow_id(&mut self) -> FlowId {
        self.serials += 1;
        FlowId::Stream { worker: self.id, serial: self.serials }
    }

    pub(crate) fn enter(&mut self) {
        self.now = Instant::now();
    }

    /// Performs what the core put out, writes what that queued, and tells the core which flows did not survive it.
    pub(crate) fn finish(&mut self) {
        loop {
            self.settle();
            let Some(flow) = self.dirty.pop() else { break };
            self.flush(flow);
        }
        let deadline = self.core.poll_timeout();
        if deadline.is_some_and(|deadline| self.sleeps_until.is_none_or(|until| deadline < until)) {
            self.rearm.notify_one();
        }
    }

    /// Performs the core's outputs, and reports ended flows, until nothing is left of either.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(output) = self.core.poll_output() {
                self.perform(output);
            }
            let Some(flow) = self.ended.pop_front() else { break };
            self.core.handle_input(self.now, Input::FlowClosed(flow));
        }
    }

    /// Puts a flow under this worker's care and starts its task. The core must know of it already.
    pub(crate) fn keep(&mut self, flow: StreamFlow, permit: crate::occupancy::Permit) {
        let id = flow.facts().id;
        tokio::task::spawn_local(turn::run(self.shared(), id, flow.stream(), flow.signal(), permit));
        self.flows.insert(id, Box::new(flow));
        self.counters.flows = self.flows.len();
    }

    /// A connection was accepted and is through its handshake.
    pub(crate) fn open(&mut self, flow: StreamFlow, permit: crate::occupancy::Permit) {
        self.enter();
        let facts = flow.facts().clone();
        self.counters.flows_accepted += 1;
        self.keep(flow, permit);
        self.core.handle_input(self.now, Input::FlowOpened(facts));
        self.finish();
    }

    pub(crate) fn answer(&mut self, id: QuestionId, answer: Answer) {
        self.enter();
        self.core.handle_input(self.now, Input::Answer { id, answer });
        self.finish();
    }

    /// The flow is over: what the core still sends on it is dropped.
    pub(crate) fn end(&mut self, id: FlowId, fate: Fate) {
        let Some(flow) = self.flows.remove(&id) else { return };
        flow.end(fate);
        self.counters.flows_ended += 1;
        self.counters.flows = self.flows.len();
        self.ended.push_back(id);
    }

    /// Writes a flow's queue; ends the flow if that fails, or if it was only waiting for this.
    fn flush(&mut self, id: FlowId) {
        use crate::wire::Flushed;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.mark_clean();
        match flow.flush() {
            Ok(Flushed::All) if flow.is_closing() => self.end(id, Fate::Lingering),
            Ok(Flushed::All) => {}
            Ok(Flushed::Pending) => flow.wake_to_write(),
            Err(error) => {
                tracing::debug!(flow = ?id, %error, "writing failed");
                self.end(id, Fate::Ended);
            }
        }
    }

    /// When the loop is to call [`Worker::handle_timeout`].
    fn arm(&mut self) -> Option<Instant> {
        self.sleeps_until = self.core.poll_timeout();
        self.sleeps_until
    }

    fn handle_timeout(&mut self) {
        self.enter();
        self.core.handle_timeout(self.now);
        self.finish();
    }

    fn take_mail(&mut self, messages: impl Iterator<Item = WorkerMessage>) {
        self.enter();
        for message in messages {
            self.take_message(message);
            self.settle();
        }
        self.finish();
    }

    fn take_message(&mut self, message: WorkerMessage) {
        match message {
            WorkerMessage::Handoff(handoff) => self.core.handle_input(self.now, Input::Handoff(handoff)),
            WorkerMessage::Adopt { moved, known } => self.adopt(*moved, known),
            WorkerMessage::Partners(partners) => self.core.handle_input(self.now, Input::Partners(partners)),
            WorkerMessage::Meetings(meetings) => self.core.handle_input(self.now, Input::Meetings(meetings)),
            WorkerMessage::StoredFor(aor) => self.core.handle_input(self.now, Input::StoredFor(aor)),
            WorkerMessage::UserRemoved(aor) => self.core.handle_input(self.now, Input::UserRemoved(aor)),
            WorkerMessage::Media(event) => self.core.handle_input(self.now, Input::Media(event)),
            WorkerMessage::ForgetNames => self.resolver.forget(),
            WorkerMessage::Answer { id, answer } => self.core.handle_input(self.now, Input::Answer { id, answer }),
            WorkerMessage::Inspect(look) => look(&mut self.core, self.now),
            WorkerMessage::Counters(reply) => reply(self.counters()),
            WorkerMessage::Drain => self.drain(),
            WorkerMessage::Stop => self.is_stopping = true,
        }
    }

    fn counters(&self) -> Counters {
        let handoffs_dropped = self.mailboxes[usize::from(self.id)].dropped();
        Counters { handoffs_dropped, ..self.counters.clone() }
    }

    fn adopt(&mut self, moved: MovedFlow, known: Handoff) {
        let facts = moved.facts().clone();
        let id = facts.id;
        self.core.handle_input(self.now, Input::FlowOpened(facts.clone()));
        self.core.handle_input(self.now, Input::Handoff(known));
        match StreamFlow::adopt(moved) {
            Ok(flow) => {
                self.counters.flows_adopted += 1;
                let permit = self.occupancy.enter(facts.remote.ip());
                self.keep(flow, permit);
                // What the former owner queued and could not write any more.
                self.mark_dirty(id);
            }
            Err(error) => {
                tracing::debug!(flow = ?id, %error, "adopting a flow failed");
                self.ended.push_back(id);
            }
        }
    }
    /// The clock of the machine may have been set: what is told by it (how long a message is kept, when a meeting opens) is told
    /// by the new one. What only waits does not notice.
    fn read_clock(&mut self) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let off_ms = unix_ms.abs_diff(self.core.unix_ms(self.now));
        if off_ms < CLOCK_OFF_MS_MAX {
            return;
        }
        if self.id == 0 && off_ms >= CLOCK_SET_MS {
            let by = if unix_ms > self.core.unix_ms(self.now) { "forward" } else { "back" };
            tracing::warn!("the clock of this machine was set {by} by {} s", off_ms / 1000);
        }
        self.core.handle_input(self.now, Input::Clock { unix_ms });
    }

    /// Ends what has been idle, or ending, for too long.
    fn sweep(&mut self) {
        self.enter();
        let idle_time = Duration::from_secs(self.limits.idle_secs_max);
        let closing_time = Duration::from_secs(self.limits.closing_secs_max);
        let now = self.now;
        let stuck: Vec<FlowId> = self.flows_where(|flow| flow.is_closing_longer_than(now, closing_time)).collect();
        let idle: Vec<FlowId> =
            self.flows_where(|flow| !flow.is_closing() && flow.is_idle_longer_than(now, idle_time)).collect();
        for id in stuck {
            self.end(id, Fate::Ended);
        }
        self.ask_silent_peers();
        self.read_clock();
        for id in idle {
            self.counters.flows_idle_ended += 1;
            self.close(id);
        }
        self.finish();
    }

    /// Of WebSockets only: whether the peer is there is asked, and a peer that is not is given up.
    fn ask_silent_peers(&mut self) {
        let (now, silent_time) = (self.now, Duration::from_secs(self.limits.web_socket_silent_secs_max));
        let gone: Vec<FlowId> = self.flows_where(|flow| flow.is_unanswered_for(now, silent_time)).collect();
        for id in gone {
            self.counters.web_sockets_silent_ended += 1;
            self.end(id, Fate::Ended);
        }
        let ping_time = Duration::from_secs(self.limits.web_socket_ping_secs);
        let asked = self.flows.iter_mut().filter_map(|(id, flow)| flow.ping_after(now, ping_time).then_some(*id));
        for id in asked.collect::<Vec<_>>() {
            self.mark_dirty(id);
        }
    }

    fn flows_where(&self, condition: impl Fn(&StreamFlow) -> bool) -> impl Iterator<Item = FlowId> {
        self.flows.iter().filter(move |(_, flow)| condition(flow)).map(|(id, _)| *id)
    }

    fn drain(&mut self) {
        self.is_draining = true;
        for task in self.acceptors.drain(..) {
            task.abort();
        }
        self.core.handle_input(self.now, Input::Drain);
    }

    /// Whether it was let finish; else whoever ends it is in a hurry.
    fn is_drained(&self) -> bool {
        self.is_draining && self.core.is_idle()
    }

    fn end_all(&mut self) {
        for (_, mut flow) in self.flows.drain() {
            flow.flush().ok();
            flow.end(Fate::Lingering);
        }
    }
}

/// Messages taken from the mailbox before the sockets have their turn.
const MESSAGES_PER_TURN_MAX: usize = 256;
/// More than the largest datagram.
const SCRATCH_BYTES: usize = 1 << 16;
/// Clocks are kept right by small steps, which change nothing that is told by them.
const CLOCK_OFF_MS_MAX: u64 = 250;
/// So much is worth a word.
const CLOCK_SET_MS: u64 = 2_000;
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
