//! The loop of a worker: its mailbox, its timers, and the tasks of its sockets.

use std::time::{Duration, Instant};

use signaling::{Handoff, Input};

use super::starting::{Listening, ListeningKind};
use super::{Shared, Worker};
use crate::flow::{Fate, LINGER_TIME, StreamFlow};
use crate::handshakes::Handshakes;
use crate::mailbox::Queue;
use crate::turns::Turn;
use crate::{Counters, Inbox, MovedFlow, WorkerMessage, strangers, tcp, udp};

pub(super) async fn serve(worker: Shared, inbox: Inbox, listeners: Vec<Listening>) {
    let Inbox { mut urgent, waiting } = inbox;
    tokio::task::spawn_local(strangers::serve(worker.clone(), waiting));
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
    // The clock is read before anything is judged by it.
    worker.borrow_mut().sweep();
    while !worker.borrow().is_stopping {
        let deadline = worker.borrow_mut().arm();
        tokio::select! {
            first = urgent.receive() => {
                // Nobody is left who could ever send anything, not even Stop.
                let Some(first) = first else { break };
                worker.borrow_mut().take_turn_of_mail(first, &mut urgent);
            }
            () = sleep_until(deadline) => worker.borrow_mut().handle_timeout(),
            () = rearm.notified() => {}
            _ = sweep.tick() => worker.borrow_mut().sweep(),
        }
        // However much more there is: the sockets have their turn.
        tokio::task::yield_now().await;
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
    /// When the loop is to call [`Worker::handle_timeout`].
    fn arm(&mut self) -> Option<Instant> {
        self.sleeps_until = self.core.poll_timeout();
        self.sleeps_until
    }

    fn handle_timeout(&mut self) {
        self.enter();
        self.core.handle_timeouts(self.now, TIMERS_PER_TURN_MAX);
        self.finish();
    }

    /// What has come, up to the limits of a turn.
    fn take_turn_of_mail(&mut self, first: WorkerMessage, urgent: &mut Queue) {
        let mut turn = Turn::begin(Instant::now(), &self.limits, 1).of_messages(MESSAGES_PER_TURN_MAX);
        let mut next = Some(first);
        let messages = std::iter::from_fn(|| {
            if !turn.take(Instant::now()) {
                return None;
            }
            next.take().or_else(|| urgent.take())
        });
        self.take_mail(messages);
    }

    pub(crate) fn take_mail(&mut self, messages: impl Iterator<Item = WorkerMessage>) {
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
/// Machines woken likewise.
pub(super) const TIMERS_PER_TURN_MAX: usize = 32;

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
