//! One worker: a thread with a runtime of its own, a core, its sockets, and the loop that joins them.
//!
//! The worker's state is borrowed in synchronous code only, never across an await. Every entry from outside begins
//! with [`Worker::enter`], which takes the time, and ends with [`Worker::finish`], which performs everything asked for.

mod serving;
mod starting;
mod sweeping;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use signaling::{Answer, Core, Input, QuestionId, WorkerId};
use sip::FlowId;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet};

use self::serving::serve;
use self::starting::start;
use crate::flow::{Fate, StreamFlow};
use crate::limits::Alarm;
use crate::media::MediaThreads;
use crate::occupancy::Occupancy;
use crate::strangers::Strangers;
use crate::turns::BusyFlows;
use crate::udp::{DatagramPlaces, DatagramSocket};
use crate::{
    Accounts, Counters, InsideTls, Limits, Mailbox, MovedFlow, NetError, Origins, Resolver, TlsClients, WorkerSetup,
    turn,
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
    pub(crate) datagram_sockets: Vec<Option<Rc<DatagramSocket>>>,
    pub(crate) datagram_places: Arc<DatagramPlaces>,
    pub(crate) limits: Rc<Limits>,
    pub(crate) counters: Counters,
    pub(crate) alarms: Alarms,
    pub(crate) occupancy: Occupancy,
    pub(crate) busy_flows: BusyFlows,
    pub(crate) strangers: Rc<Strangers>,
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
        if facts.certificate.is_some() {
            flow.expect_server();
        }
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
}

#[cfg(test)]
mod tests;
