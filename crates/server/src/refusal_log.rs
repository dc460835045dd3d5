//! Copies refusals from the workers' memory to the store, so that "why" outlives a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::decision::Outcome;
use store::{StoreHandle, StoredRefusal, now_unix};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::domain_trust::PinAlarm;
use crate::metrics::ServerCounts;
use crate::workers::Workers;

/// Remembers how far each worker's decisions were read.
pub struct RefusalLog {
    workers: Workers,
    store: StoreHandle,
    counts: ServerCounts,
    serials_by_worker: BTreeMap<u16, u64>,
    pins: PinAlarm,
}

impl RefusalLog {
    pub(crate) fn new(workers: Workers, store: StoreHandle, counts: ServerCounts) -> RefusalLog {
        RefusalLog { workers, store, counts, serials_by_worker: BTreeMap::new(), pins: PinAlarm::default() }
    }

    /// In the background until told to finish.
    pub(crate) fn start(self) -> RefusalLogTask {
        let (stop, stopped) = oneshot::channel();
        RefusalLogTask { stop, task: tokio::spawn(self.run(stopped)) }
    }

    /// Copies now and then, and a last time once told to stop.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        while tokio::time::timeout(PAUSE, &mut stopped).await.is_err() {
            self.copy().await;
        }
        self.copy().await;
    }

    /// Copies what is new. A flood of refusals costs its oldest, as in the workers' own memory.
    async fn copy(&mut self) {
        let known = self.serials_by_worker.clone();
        let news = move |core: &mut signaling::Core, _| {
            let worker = core.worker();
            let last = known.get(&worker).copied().unwrap_or(0);
            let new: Vec<_> = core.decisions().iter().filter(|recorded| recorded.serial > last).collect();
            let serial = new.last().map_or(last, |recorded| recorded.serial);
            let refused = new.into_iter().filter(|new| matches!(new.record.outcome, Outcome::Refused { .. })).cloned();
            (worker, serial, refused.collect::<Vec<_>>())
        };
        let mut refusals = Vec::new();
        for (worker, serial, refused) in self.workers.ask(news).await {
            self.serials_by_worker.insert(worker, serial);
            refusals.extend(refused.into_iter().map(|recorded| StoredRefusal {
                at_unix_ms: i64::try_from(recorded.at_unix_ms).unwrap_or(i64::MAX),
                record: Arc::unwrap_or_clone(recorded.record),
            }));
        }
        for refusal in &refusals {
            if self.pins.look(Instant::now(), &refusal.record) {
                self.counts.pin_changed();
            }
        }
        refusals.sort_by_key(|refusal| refusal.at_unix_ms);
        if !refusals.is_empty() {
            let stored = self.store.write(move |store| store.add_refusals(&refusals, now_unix() * 1000)).await;
            if let Err(error) = stored {
                self.counts.store_failed();
                tracing::warn!(%error, "refusals cannot be stored");
            }
        }
    }
}

/// The copying at work.
pub(crate) struct RefusalLogTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RefusalLogTask {
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

const PAUSE: Duration = Duration::from_secs(2);
