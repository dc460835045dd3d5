//! The worker threads, and those for media, as seen from the control side: all of them are told, each can be looked into.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conference::schedule::Meetings;
use federation::partner::Partners;
use net::media::{MediaCounters, MediaThreads};
use net::{Mailbox, WorkerMessage};
use signaling::Core;
use sip::Aor;
use tokio::sync::{mpsc, oneshot};

/// Reaches every worker. Without any, as for commands without a server, everything is a question without an answer.
#[derive(Clone, Default)]
pub struct Workers {
    mailboxes: Arc<[Mailbox]>,
    media: MediaThreads,
    are_draining: Arc<AtomicBool>,
}

impl Workers {
    pub fn new(mailboxes: Vec<Mailbox>, media: MediaThreads) -> Workers {
        Workers { mailboxes: mailboxes.into(), media, are_draining: Arc::default() }
    }

    /// Whether there are any.
    pub fn are_running(&self) -> bool {
        !self.mailboxes.is_empty()
    }

    pub fn count(&self) -> u16 {
        u16::try_from(self.mailboxes.len()).unwrap_or(u16::MAX)
    }

    /// Replaces the table of partners everywhere.
    pub fn publish(&self, partners: Partners) {
        let partners = Arc::new(partners);
        self.tell(|| WorkerMessage::Partners(partners.clone()));
    }

    /// Replaces the table of scheduled meetings everywhere.
    pub fn publish_meetings(&self, meetings: Meetings) {
        let meetings = Arc::new(meetings);
        self.tell(|| WorkerMessage::Meetings(meetings.clone()));
    }

    /// Ends what a removed user has here.
    pub fn user_removed(&self, aor: &Aor) {
        self.tell(|| WorkerMessage::UserRemoved(aor.clone()));
    }

    /// Something was put among what is stored for a user.
    pub fn stored_for(&self, aor: &Aor) {
        self.tell(|| WorkerMessage::StoredFor(aor.clone()));
    }

    /// Makes every worker ask the DNS anew.
    pub fn forget_names(&self) {
        self.tell(|| WorkerMessage::ForgetNames);
    }

    /// Makes every worker refuse what is new.
    pub fn drain(&self) {
        self.are_draining.store(true, Ordering::SeqCst);
        self.tell(|| WorkerMessage::Drain);
    }

    /// Whether they were told to refuse what is new.
    pub fn are_draining(&self) -> bool {
        self.are_draining.load(Ordering::SeqCst)
    }

    /// Whether every worker says that nothing is under way.
    pub async fn are_idle(&self) -> bool {
        let answers = self.ask(|core, _| core.is_idle()).await;
        answers.len() == self.mailboxes.len() && answers.into_iter().all(|idle| idle)
    }

    /// Makes every worker end.
    pub fn stop(&self) {
        self.tell(|| WorkerMessage::Stop);
    }

    /// Asks every worker the same; one that does not answer in time is left out.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Core, Instant) -> T + Clone + Send + 'static,
    ) -> Vec<T> {
        let asked: Vec<_> = self
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (reply, answer) = oneshot::channel();
                let question = question.clone();
                let inspect = move |core: &mut Core, now: Instant| drop(reply.send(question(core, now)));
                mailbox.send(WorkerMessage::Inspect(Box::new(inspect)));
                answer
            })
            .collect();
        collect(asked).await
    }

    /// The workers that do not answer in time.
    pub async fn silent(&self) -> Vec<u16> {
        let answered = self.ask(|core, _| core.worker()).await;
        (0_u16..).take(self.mailboxes.len()).filter(|worker| !answered.contains(worker)).collect()
    }

    /// What each worker's sockets have seen.
    pub async fn counters(&self) -> Vec<net::Counters> {
        let asked: Vec<_> = self
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (reply, answer) = oneshot::channel();
                mailbox.send(WorkerMessage::Counters(Box::new(move |counters| drop(reply.send(counters)))));
                answer
            })
            .collect();
        collect(asked).await
    }

    /// What each media thread has seen.
    pub async fn media_counters(&self) -> Vec<MediaCounters> {
        let (reply, mut answers) = mpsc::unbounded_channel();
        self.media.counters(move |counters| drop(reply.send(counters)));
        let deadline = tokio::time::Instant::now() + ANSWER_TIME;
        let mut all = Vec::with_capacity(self.media.count());
        // The channel ends once every thread has answered, or is gone.
        while let Ok(Some(counters)) = tokio::time::timeout_at(deadline, answers.recv()).await {
            all.push(counters);
        }
        all
    }

    fn tell(&self, message: impl Fn() -> WorkerMessage) {
        for (worker, mailbox) in self.mailboxes.iter().enumerate() {
            if !mailbox.send(message()) {
                tracing::warn!(worker, "a worker takes no messages");
            }
        }
    }
}

async fn collect<T>(asked: Vec<oneshot::Receiver<T>>) -> Vec<T> {
    let deadline = tokio::time::Instant::now() + ANSWER_TIME;
    let mut answers = Vec::with_capacity(asked.len());
    for answer in asked {
        if let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, answer).await {
            answers.push(answer);
        }
    }
    answers
}

/// A worker answers between two messages; one that takes longer is stuck, and status must still come.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(2);
