//! A flow's turn: read, decrypt, cut, parse, hand to the core, perform. And the task that waits between turns.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use signaling::{Breakage, Input};
use sip::{FlowId, Frame, Message, ParseError};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::Mailbox;
use crate::flow::{Fate, Signal, linger};
use crate::occupancy::Permit;
use crate::turns::{BEHIND_BYTES, Turn};
use crate::wire_log::{self, Way};
use crate::worker::{Shared, Worker};

/// What a flow's task does next.
pub(crate) enum Next {
    /// More messages are waiting; the other flows come first.
    Again,
    Wait(Interest),
    /// Nothing is taken before; output goes on, where there is some.
    Pause {
        until: Instant,
        has_output: bool,
    },
    /// The flow is not this worker's any more.
    Over,
}

/// The task of one flow. The connection counts as open for as long as it runs.
pub(crate) async fn run(worker: Shared, id: FlowId, stream: Rc<TcpStream>, signal: Rc<Signal>, _permit: Permit) {
    loop {
        let stranger = worker.borrow().stranger(id);
        let next = match stranger {
            None => worker.borrow_mut().turn(id, false),
            Some(stranger) => {
                let strangers = worker.borrow().strangers.clone();
                strangers.turn(stranger, id).await
            }
        };
        match next {
            Next::Again => tokio::task::yield_now().await,
            Next::Wait(interest) => signal.wait(&stream, interest).await,
            Next::Pause { until, has_output } => signal.wait_until(until, has_output.then_some(&*stream)).await,
            Next::Over => break,
        }
    }
    drop(worker);
    if signal.fate() == Fate::Lingering {
        linger(&stream).await;
    }
}

impl Worker {
    /// `is_stranger`: it is one of those who share a part of each round, and has the turn of one message.
    pub(crate) fn turn(&mut self, id: FlowId, is_stranger: bool) -> Next {
        self.enter();
        // Evaluated only where debug is on.
        let span = tracing::debug_span!("flow", id = ?id, partner = self.core.partner_of(id));
        let _within = span.enter();
        let Some(flow) = self.flows.get_mut(&id) else { return Next::Over };
        let received = flow.receive(self.now, &mut self.scratch);
        let has_output = flow.queued_bytes() > 0;
        if has_output {
            self.mark_dirty(id);
        }
        match received {
            Ok(()) => self.take_frames(id, is_stranger),
            Err(error) => {
                tracing::debug!(flow = ?id, %error, "reading failed");
                if let crate::wire::WireError::Tls(error) = &error {
                    self.counters.tls_errors += 1;
                    let how = Breakage::Tls(error.to_string());
                    self.core.handle_input(self.now, Input::FlowBroke { flow: id, how });
                    self.close(id);
                } else {
                    self.end(id, Fate::Ended);
                }
            }
        }
        self.finish();
        self.next_of(id)
    }

    /// Takes what was received to the core, message by message, up to the limits of a turn: whose messages
    /// cost much has fewer of them.
    fn take_frames(&mut self, id: FlowId, is_stranger: bool) {
        let mut turn = self.begin_turn(id, is_stranger);
        while turn.take(Instant::now()) {
            // The core may have moved, closed or slowed the flow because of the last message.
            let Some(flow) = self.flows.get_mut(&id).filter(|flow| !flow.is_closing()) else { return };
            if flow.paused_until(self.now).is_some() {
                break;
            }
            match flow.next_frame() {
                Ok(Some(Frame::Message(bytes))) => {
                    if !is_stranger {
                        self.busy_flows.note(self.now, flow.busy_window());
                    }
                    self.take_stream_message(id, bytes);
                }
                // Two bytes each, and a place in the queue that takes many times as much.
                Ok(Some(Frame::Ping)) if flow.queued_bytes() > BEHIND_BYTES => {}
                Ok(Some(Frame::Ping)) => self.queue(id, Bytes::from_static(PONG)),
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => {
                    flow.await_rest(self.now);
                    break;
                }
                Err(error) => {
                    tracing::debug!(flow = ?id, %error, "no message");
                    let how = Breakage::no_sip(flow.unread());
                    self.core.handle_input(self.now, Input::FlowBroke { flow: id, how });
                    self.counters.framing_errors += 1;
                    self.close(id);
                    return;
                }
            }
        }
        self.answered_by_framing(id);
    }

    fn begin_turn(&self, id: FlowId, is_stranger: bool) -> Turn {
        let flow = self.flows.get(&id);
        let is_loud = || flow.is_some_and(|flow| flow.has_backlog()) && self.is_any_behind();
        // A stranger's next one comes after one of each other.
        match is_stranger || flow.is_some_and(|flow| flow.queued_bytes() > BEHIND_BYTES) || is_loud() {
            true => Turn::of_one(self.now),
            false => Turn::begin(self.now, &self.limits, self.busy_flows.count()),
        }
    }

    /// Whether a worker has more requests to do than it comes to. One that is full of a flow's requests answers nobody else's.
    fn is_any_behind(&self) -> bool {
        self.mailboxes.iter().any(Mailbox::is_behind)
    }

    /// A peer that asks and asks, and does not read the answers, is one that does not read.
    fn answered_by_framing(&mut self, id: FlowId) {
        let queued_bytes = self.flows.get(&id).map_or(0, |flow| flow.queued_bytes());
        if queued_bytes > self.limits.output_bytes_max {
            self.relieve(id);
        }
        if queued_bytes > 0 {
            self.mark_dirty(id);
        }
    }

    fn take_stream_message(&mut self, id: FlowId, bytes: Bytes) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        wire_log::message(Way::In, flow.facts(), &bytes);
        match Message::parse_within(bytes.clone(), self.limits.message) {
            Ok(message) => {
                self.counters.messages_received += 1;
                flow.message_was_read();
                self.core.handle_input(self.now, Input::Message { flow: id, message });
                self.settle();
            }
            // Whoever disagrees with us about where a message ends could smuggle another into it.
            Err(error @ ParseError::Framing(_)) => {
                tracing::debug!(flow = ?id, %error, "no message");
                self.counters.framing_errors += 1;
                flow.message_was_ambiguous();
                self.close(id);
            }
            Err(error) => {
                tracing::debug!(flow = ?id, %error, "a message that cannot be read");
                let how = Breakage::no_sip(&bytes);
                self.core.handle_input(self.now, Input::FlowBroke { flow: id, how });
                self.refuse_unreadable(id, &bytes, &error);
            }
        }
    }

    /// A message with sound borders harms nobody but its sender: a flow that many share stays, unless it brings little
    /// else.
    fn refuse_unreadable(&mut self, id: FlowId, bytes: &Bytes, error: &ParseError) {
        self.counters.parse_errors += 1;
        if let Some(response) = self.core.refuse_unreadable(self.now, id, (bytes, error), self.limits.message) {
            self.counters.parse_errors_answered += 1;
            self.transmit(id, response);
        }
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if flow.message_was_unreadable() > self.limits.parse_errors_per_flow_max {
            tracing::debug!(flow = ?id, "too many messages that cannot be read");
            self.counters.parse_errors_ended += 1;
            self.close(id);
        }
    }

    fn next_of(&mut self, id: FlowId) -> Next {
        let Some(flow) = self.flows.get_mut(&id) else { return Next::Over };
        if flow.is_finished() && !flow.is_closing() {
            // What is queued still goes out: the peer may have closed only its own half.
            self.close(id);
            self.finish();
        }
        let is_behind = self.is_any_behind();
        let Some(flow) = self.flows.get_mut(&id) else { return Next::Over };
        if flow.has_backlog() && is_behind {
            flow.pause(self.now + BEHIND_TIME);
        }
        if let Some(until) = flow.paused_until(self.now) {
            return Next::Pause { until, has_output: flow.watch_output() };
        }
        if flow.has_backlog() && !flow.is_closing() { Next::Again } else { Next::Wait(flow.watch()) }
    }
}

/// How long whoever has more than a turn is left while another worker is behind with what it was handed.
const BEHIND_TIME: Duration = Duration::from_millis(2);
/// The answer to a keep-alive (RFC 5626 3.5.1).
const PONG: &[u8] = b"\r\n";
