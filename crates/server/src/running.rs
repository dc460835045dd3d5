//! A server that serves: looked into, drained, and ended in the order in which its parts need each other.

use std::fmt;
use std::thread::JoinHandle;
use std::time::Duration;

use net::media::MediaThreads;
use signaling::{Core, Record, WorkerId};
use store::{Store, StoreThread};
use tokio::sync::mpsc;

use crate::acme_service::AcmeTask;
use crate::between::Between;
use crate::certificate_service::CertificateTask;
use crate::config::Config;
use crate::control::ControlSocket;
use crate::folder_lock::FolderLock;
use crate::listening::Listening;
use crate::refusal_log::RefusalLogTask;
use crate::workers::Workers;

/// A server that serves. Stop it with [`Running::stop`]; dropping it leaves its threads behind.
pub struct Running {
    pub(crate) control: ControlSocket,
    pub(crate) between: Between,
    pub(crate) metrics: Listening,
    pub(crate) workers: Workers,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) media: MediaThreads,
    pub(crate) media_threads: Vec<JoinHandle<()>>,
    /// Hears from each thread as it ends.
    pub(crate) ended: mpsc::UnboundedReceiver<LostThread>,
    pub(crate) refusals: RefusalLogTask,
    pub(crate) certificate: CertificateTask,
    pub(crate) acme: Option<AcmeTask>,
    pub(crate) store: StoreThread,
    pub(crate) config: Config,
    /// Released when the file is closed.
    pub(crate) _lock: FolderLock,
}

impl Running {
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// What is served, as one line.
    pub(crate) fn summary(&self) -> String {
        let Config { domains, edge, workers, .. } = &self.config;
        format!("{} as {edge}, {workers} workers", domains.join(", "))
    }

    /// How long [`Running::drain`] takes at most.
    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_secs(self.config.drain_secs_max)
    }

    /// Waits until a thread ends of itself, which is a bug of ours: the rest cannot serve without it.
    pub async fn thread_lost(&mut self) -> LostThread {
        match self.ended.recv().await {
            Some(thread) => thread,
            // Every sender is held by a thread, and each sends before it ends.
            None => std::future::pending().await,
        }
    }

    /// Takes nothing new, and returns when nothing is under way any more, or when the configured time has passed.
    pub async fn drain(&self) {
        tracing::info!(drain_secs_max = self.config.drain_secs_max, "draining");
        self.workers.drain();
        let quiet = async {
            while !self.workers.are_idle().await {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
        };
        if tokio::time::timeout(self.drain_time(), quiet).await.is_err() {
            tracing::warn!("requests that are still under way are given up");
        }
        self.end_what_sounds_here().await;
    }

    /// Whoever is in a meeting, or in a call whose sound goes through us, is told that it is over: the sound ends with the server.
    async fn end_what_sounds_here(&self) {
        let end = |core: &mut Core, now| {
            core.end_conferences(now);
            core.end_anchored_calls(now);
        };
        self.workers.ask(end).await;
        let is_answered = || async { self.workers.ask(|core, _| core.load().agent_requests == 0).await };
        let answered = async {
            while !is_answered().await.into_iter().all(|answered| answered) {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE_TIME, answered).await;
    }

    /// Calls from phone to phone go on when the server ends, and are not seen to end.
    async fn record_unfinished(&self) {
        let taken = self.workers.ask(|core, now| core.take_open_records(now)).await;
        let unfinished: Vec<_> = taken.into_iter().flatten().map(|call| Record::Call(Box::new(call))).collect();
        if unfinished.is_empty() || self.config.keep_days == 0 {
            return;
        }
        let keep = move |store: &Store| unfinished.iter().try_for_each(|record| store.put_record(record));
        if let Err(error) = self.store.handle().write(keep).await {
            tracing::warn!(%error, "calls that are under way cannot be recorded");
        }
    }

    /// Ends everything in order. What was answered is on disk.
    pub async fn stop(self) {
        self.record_unfinished().await;
        drop((self.metrics, self.between));
        self.control.stop().await;
        self.refusals.finish().await;
        if let Some(acme) = self.acme {
            acme.finish().await;
        }
        self.certificate.finish().await;
        self.workers.stop();
        let (threads, media, media_threads, store) = (self.threads, self.media, self.media_threads, self.store);
        let ending = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic was reported when it happened.
                let _ = thread.join();
            }
            // Workers may close legs to the last.
            media.stop();
            for thread in media_threads {
                // A panic was reported when it happened.
                let _ = thread.join();
            }
            store.stop();
        });
        let _ = ending.await;
        tracing::info!("stopped");
    }
}

/// A thread that ended of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostThread {
    Worker(WorkerId),
    Media(u16),
}

impl fmt::Display for LostThread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LostThread::Worker(number) => write!(formatter, "worker {number}"),
            LostThread::Media(number) => write!(formatter, "media thread {number}"),
        }
    }
}

/// Says that a thread ends, also by a panic.
pub(crate) struct EndReport {
    pub(crate) thread: LostThread,
    pub(crate) end: mpsc::UnboundedSender<LostThread>,
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let _ = self.end.send(self.thread);
    }
}

/// How long phones may take to answer that a meeting is over; who does not is not there.
const GOODBYE_TIME: Duration = Duration::from_secs(1);
const DRAIN_PAUSE: Duration = Duration::from_millis(50);
