//! The way into the media threads: which thread it is, follows from the bridge.

use std::sync::Arc;

use ::media::{BridgeId, LegId, MediaCommand, MediaEvent, OpenedLeg};
use tokio::sync::mpsc;

use super::MediaCounters;
use crate::{Mailbox, Reply, WorkerMessage};

/// Reaches every media thread. Clones reach the same.
#[derive(Clone, Default)]
pub struct MediaThreads {
    senders: Vec<mpsc::UnboundedSender<MediaRequest>>,
}

/// The receiving half of one thread, which [`run`](super::run) takes; or of whoever has bridges elsewhere.
pub struct MediaInbox {
    pub(super) receiver: mpsc::UnboundedReceiver<MediaRequest>,
}

/// In the order sent. What can wait here is bounded by who asks: a worker's dialogs, each with few legs.
pub enum MediaRequest {
    OpenLeg { leg: LegId, reply: Reply<Result<OpenedLeg, String>> },
    Command(MediaCommand),
    Counters(Box<dyn FnOnce(MediaCounters) + Send>),
    Stop,
}

impl MediaInbox {
    /// `None`: nobody is left who could ask for anything.
    pub async fn next(&mut self) -> Option<MediaRequest> {
        self.receiver.recv().await
    }
}

/// As many inboxes as threads.
pub fn media_threads(threads: u16) -> (MediaThreads, Vec<MediaInbox>) {
    let (senders, inboxes) = (0..threads)
        .map(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            (sender, MediaInbox { receiver })
        })
        .unzip();
    (MediaThreads { senders }, inboxes)
}

/// For [`MediaSetup::deliver`](super::MediaSetup): each event to the worker that owns its bridge.
pub fn to_workers(mailboxes: Vec<Mailbox>) -> Arc<dyn Fn(MediaEvent) + Send + Sync> {
    Arc::new(move |event| {
        // A worker that is gone has nobody to tell.
        if let Some(mailbox) = mailboxes.get(usize::from(event.leg().bridge.worker)) {
            mailbox.send(WorkerMessage::Media(event));
        }
    })
}

impl MediaThreads {
    /// Opens a leg's two ports. The error says why there is no sound; where no thread takes the question, the reply is dropped.
    pub fn open_leg(&self, leg: LegId, reply: Reply<Result<OpenedLeg, String>>) {
        self.send(leg.bridge, MediaRequest::OpenLeg { leg, reply });
    }

    /// What the bridge is to do. Its events come by what the threads were started with.
    pub fn command(&self, command: MediaCommand) {
        self.send(command.bridge(), MediaRequest::Command(command));
    }

    /// Asks each thread for its counters.
    pub fn counters(&self, reply: impl FnOnce(MediaCounters) + Clone + Send + 'static) {
        for sender in &self.senders {
            let _ = sender.send(MediaRequest::Counters(Box::new(reply.clone())));
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.senders.len()
    }

    /// Ends all legs, and makes every thread's [`run`](super::run) return.
    pub fn stop(&self) {
        for sender in &self.senders {
            let _ = sender.send(MediaRequest::Stop);
        }
    }

    fn send(&self, bridge: BridgeId, request: MediaRequest) {
        let threads = u64::try_from(self.senders.len()).unwrap_or(0);
        let number = bridge.serial.checked_rem(threads).and_then(|number| usize::try_from(number).ok());
        if let Some(sender) = number.and_then(|number| self.senders.get(number)) {
            // A thread that is gone has no legs left; a reply that it held is dropped, which says so.
            let _ = sender.send(request);
        }
    }
}
