//! The one way into a worker from another thread: a queue that never blocks the sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use ::media::MediaEvent;
use conference::schedule::Meetings;
use federation::partner::Partners;
use signaling::{Answer, Core, Handoff, QuestionId};
use sip::Aor;
use tokio::sync::mpsc;

use crate::{Counters, MovedFlow};

/// What a worker is told from outside. Taken in the order sent, but for handoffs that may wait ([`Handoff::may_wait`]): they are
/// taken in their own order, in the share of strangers ([`Strangers`](crate::strangers::Strangers)).
#[allow(clippy::large_enum_variant, reason = "the largest is by far the commonest; the queue holds it without a box")]
pub enum WorkerMessage {
    Handoff(Handoff),
    /// A flow that another worker accepted and this one owns from now on, and what is known of it
    /// ([`Handoff::FlowMoved`]): in one message, for nothing may be read from the flow in between.
    Adopt {
        moved: Box<MovedFlow>,
        known: Handoff,
    },
    Partners(Arc<Partners>),
    Meetings(Arc<Meetings>),
    UserRemoved(Aor),
    StoredFor(Aor),
    /// Forget what the DNS said: an administrator corrected something.
    ForgetNames,
    /// Of a bridge that this worker owns.
    Media(MediaEvent),
    Answer {
        id: QuestionId,
        answer: Answer,
    },
    /// Runs on the worker's thread; what it makes the core put out is performed.
    Inspect(Inspection),
    Counters(Box<dyn FnOnce(Counters) + Send>),
    /// Accepts no more connections, and tells the core.
    Drain,
    /// Ends all flows and makes [`run`](crate::run) return.
    Stop,
}

/// A look at a core, or a change to it.
pub type Inspection = Box<dyn FnOnce(&mut Core, Instant) + Send>;

/// The sending half of a worker's queue.
#[derive(Clone)]
pub struct Mailbox {
    sender: mpsc::UnboundedSender<WorkerMessage>,
    may_wait: mpsc::UnboundedSender<WorkerMessage>,
    gauge: Arc<Gauge>,
}

/// The receiving half, which [`run`](crate::run) takes.
pub struct Inbox {
    /// What is taken as soon as it comes.
    pub(crate) urgent: Queue,
    /// What may wait.
    pub(crate) waiting: Queue,
}

/// One of the two queues into a worker.
pub(crate) struct Queue {
    receiver: mpsc::UnboundedReceiver<WorkerMessage>,
    gauge: Arc<Gauge>,
}

/// How many handoffs are on their way that peers can make as many of as they like, see [`room`]. The transactions above
/// survive the loss of one. The rest is bounded by what asks for it (transactions, flows, questions, an operator), and
/// must arrive: nobody would say it again.
struct Gauge {
    handoffs_max: usize,
    handoffs: AtomicUsize,
    /// Of what may wait.
    waiting: AtomicUsize,
    /// Of what may not: requests on their way to whoever owns their target.
    requests: AtomicUsize,
    dropped: AtomicU64,
}

/// A queue that holds at most `capacity` handoffs that may be lost.
pub fn mailbox(capacity: usize) -> (Mailbox, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (may_wait, waiting) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge {
        handoffs_max: capacity,
        handoffs: AtomicUsize::new(0),
        waiting: AtomicUsize::new(0),
        requests: AtomicUsize::new(0),
        dropped: AtomicU64::new(0),
    });
    let urgent = Queue { receiver, gauge: gauge.clone() };
    let waiting = Queue { receiver: waiting, gauge: gauge.clone() };
    (Mailbox { sender, may_wait, gauge }, Inbox { urgent, waiting })
}

impl Mailbox {
    /// Never blocks. `false`: the queue is full, or the worker is gone; the message is dropped and counted.
    pub fn send(&self, message: WorkerMessage) -> bool {
        let room = room(&message, self.gauge.handoffs_max);
        let queue = if may_wait(&message) { &self.may_wait } else { &self.sender };
        let has_room = room.is_none_or(|room| self.gauge.enter(room));
        // Before it can be taken.
        self.gauge.waiting.fetch_add(usize::from(has_room && may_wait(&message)), Ordering::Relaxed);
        self.gauge.requests.fetch_add(usize::from(has_room && is_request(&message)), Ordering::Relaxed);
        let sent = has_room && queue.send(message).is_ok();
        if !sent {
            self.gauge.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Its worker has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Handoffs that the queue holds at most.
    pub(crate) fn capacity(&self) -> usize {
        self.gauge.handoffs_max
    }

    /// Whether so much waits there that may wait that more of it is better not asked for.
    pub(crate) fn is_crowded(&self) -> bool {
        self.gauge.waiting.load(Ordering::Relaxed) >= WAITING_MAX
    }

    /// Whether so many requests wait there that whoever has many more is better left for a moment.
    pub(crate) fn is_behind(&self) -> bool {
        self.gauge.requests.load(Ordering::Relaxed) >= REQUESTS_MAX
    }

    /// Messages dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.gauge.dropped.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// Waits for a message; `None`: no sender is left.
    pub(crate) async fn receive(&mut self) -> Option<WorkerMessage> {
        let message = self.receiver.recv().await?;
        Some(self.taken(message))
    }

    /// One that is there already.
    pub(crate) fn take(&mut self) -> Option<WorkerMessage> {
        let message = self.receiver.try_recv().ok()?;
        Some(self.taken(message))
    }

    fn taken(&self, message: WorkerMessage) -> WorkerMessage {
        self.gauge.leave(&message);
        message
    }
}

impl Gauge {
    fn enter(&self, room: usize) -> bool {
        let entered = self.handoffs.fetch_add(1, Ordering::Relaxed) < room;
        if !entered {
            self.handoffs.fetch_sub(1, Ordering::Relaxed);
        }
        entered
    }

    fn leave(&self, message: &WorkerMessage) {
        self.handoffs.fetch_sub(usize::from(room(message, 0).is_some()), Ordering::Relaxed);
        self.waiting.fetch_sub(usize::from(may_wait(message)), Ordering::Relaxed);
        self.requests.fetch_sub(usize::from(is_request(message)), Ordering::Relaxed);
    }
}

/// How many of those that may be lost the queue may hold for this one to enter it; `None`: it must arrive.
fn room(message: &WorkerMessage, handoffs_max: usize) -> Option<usize> {
    let WorkerMessage::Handoff(handoff) = message else { return None };
    match handoff {
        // What anybody can send as much of as he likes must not take the room of what was admitted.
        Handoff::Datagram { .. } => Some(handoffs_max / 4),
        // Nor may those whom nobody allowed take the room of those who are.
        Handoff::Metered { .. } | Handoff::Missed { .. } => Some(handoffs_max / 2),
        Handoff::Request(_) | Handoff::Transferred(_) | Handoff::Response { .. } | Handoff::Transmit { .. } => {
            Some(handoffs_max)
        }
        // What is stored goes out with the next registration, too.
        Handoff::StoredFor { .. } => Some(handoffs_max),
        // What is remembered of a partner's servers fades by itself, a phone is asked for its password, and a call is not worth
        // less for want of its record.
        Handoff::WatchPartner { .. }
        | Handoff::PartnerHeard { .. }
        | Handoff::PartnerReach(_)
        | Handoff::PartnerNames { .. }
        | Handoff::Engaged { .. }
        | Handoff::Alias { .. }
        | Handoff::TurnedTo { .. }
        | Handoff::PhoneProven { .. }
        | Handoff::TooFast { .. }
        | Handoff::CallRecord(_) => Some(handoffs_max),
        // A callee sends provisional responses as often as it likes, and its 2xx to an INVITE until the ACK has come.
        Handoff::Respond { status: ..200, .. } => Some(handoffs_max),
        Handoff::Respond { status: 200..300, .. } => Some(handoffs_max.saturating_mul(SUCCESS_ROOM_FACTOR)),
        // One, or a few, for each transaction or flow.
        Handoff::Respond { .. }
        | Handoff::Cancel { .. }
        | Handoff::Redirected(_)
        | Handoff::Registered { .. }
        | Handoff::RespondOverLink { .. }
        | Handoff::Orphans { .. }
        | Handoff::CancelOrphan { .. }
        | Handoff::FlowMoved { .. }
        | Handoff::FlowEnded { .. }
        | Handoff::PhoneGone { .. } => None,
        // One for each provider, when an administrator changes it.
        Handoff::Narrowed(_) => None,
        // Two for each session, of which there are so many at most.
        Handoff::Gateway { .. } => None,
    }
}

fn may_wait(message: &WorkerMessage) -> bool {
    matches!(message, WorkerMessage::Handoff(handoff) if handoff.may_wait())
}

fn is_request(message: &WorkerMessage) -> bool {
    matches!(message, WorkerMessage::Handoff(Handoff::Request(_) | Handoff::Transferred(_)))
}

/// With so many requests waiting, a connection that has more of them than a turn is left for a moment: whoever has one waits for these
/// at most.
const REQUESTS_MAX: usize = 32;
/// With so many that may wait, nothing more is read that would end there: its senders' own sockets hold the rest.
const WAITING_MAX: usize = 64;

/// A success still enters a queue so many times as full as a request does: work done is worth more than work to do.
const SUCCESS_ROOM_FACTOR: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use federation::flow::FlowKind;
    use signaling::{Requester, Upstream};
    use sip::FlowId;
    use sip::transaction::ServerTransactionId;

    const FLOW: FlowId = FlowId::Stream { worker: 0, serial: 1 };

    fn handoff(serial: u64) -> WorkerMessage {
        let flow = FlowId::Stream { worker: 0, serial };
        WorkerMessage::Handoff(Handoff::Transmit { flow, bytes: Bytes::new() })
    }

    fn respond(status: u16) -> WorkerMessage {
        WorkerMessage::Handoff(Handoff::Respond {
            to: Requester::Outside(ServerTransactionId(1)),
            status,
            response: Bytes::new(),
            source: None,
        })
    }

    /// All that is there of what may not wait.
    fn taken(inbox: &mut Inbox) -> Vec<WorkerMessage> {
        std::iter::from_fn(|| inbox.urgent.take()).collect()
    }

    #[test]
    fn what_nobody_would_say_again_enters_a_full_queue() {
        let (mailbox, mut inbox) = mailbox(1);
        assert!(mailbox.send(handoff(1)));
        let upstream = Upstream { worker: 0, requester: Requester::Outside(ServerTransactionId(1)) };
        for handoff in [
            Handoff::FlowMoved { flow: FLOW, kind: FlowKind::Client, users: Vec::new() },
            Handoff::FlowEnded { flow: FLOW },
            Handoff::Cancel { upstream, owner: 0, by_ledger: false, reason: None },
        ] {
            assert!(mailbox.send(WorkerMessage::Handoff(handoff)));
        }
        assert!(mailbox.send(respond(486)));
        assert!(!mailbox.send(respond(180)));
        let successes = (0..10).filter(|_| mailbox.send(respond(200))).count();
        assert_eq!(successes, SUCCESS_ROOM_FACTOR - 1);
        assert_eq!(mailbox.dropped(), 8);

        taken(&mut inbox);
        assert_eq!(mailbox.gauge.handoffs.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_queue_drops_handoffs_and_nothing_else() {
        let (mailbox, mut inbox) = mailbox(2);
        assert!(mailbox.send(handoff(1)));
        assert!(mailbox.send(handoff(2)));
        assert!(!mailbox.send(handoff(3)));
        assert!(mailbox.send(WorkerMessage::Stop));
        assert_eq!(mailbox.dropped(), 1);

        let messages = taken(&mut inbox);
        assert_eq!(messages.len(), 3);
        assert!(matches!(messages[2], WorkerMessage::Stop));
        assert!(mailbox.send(handoff(4)), "taking makes room");
    }

    #[test]
    fn a_message_to_a_worker_that_is_gone_is_counted() {
        let (mailbox, inbox) = mailbox(2);
        assert!(!mailbox.is_closed());
        drop(inbox);
        assert!(mailbox.is_closed());
        assert!(!mailbox.send(WorkerMessage::Stop));
        assert_eq!(mailbox.dropped(), 1);
    }

    #[test]
    fn what_may_wait_keeps_its_order_and_stops_more_of_it_when_there_is_much() {
        let (mailbox, mut inbox) = mailbox(2);
        let upstream = |serial| Upstream { worker: 0, requester: Requester::Agent(serial) };
        let cancel = |serial| Handoff::Cancel { upstream: upstream(serial), owner: 0, by_ledger: true, reason: None };
        let count = WAITING_MAX as u64;
        (1..=count).for_each(|serial| {
            assert!(!mailbox.is_crowded());
            assert!(mailbox.send(WorkerMessage::Handoff(cancel(serial))));
        });
        assert!(mailbox.is_crowded());
        assert!(mailbox.send(handoff(1)));

        assert!(matches!(taken(&mut inbox)[..], [WorkerMessage::Handoff(Handoff::Transmit { .. })]));
        let serials = (1..=count).map(|_| match inbox.waiting.take() {
            Some(WorkerMessage::Handoff(Handoff::Cancel { upstream, .. })) => upstream.requester,
            _ => panic!("one that may not wait, or none"),
        });
        assert!(serials.eq((1..=count).map(Requester::Agent)));
        assert!(!mailbox.is_crowded() && inbox.waiting.take().is_none());
    }
}
