//! What the metrics are read from: the whole server at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use net::media::MediaCounters;
use signaling::{CoreCounts, CoreStatus};

use super::resources::Resources;

/// One moment of the server. A worker that does not answer is shown as it was last: its counts must not fall.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub workers: Vec<WorkerSnapshot>,
    pub media: Vec<MediaCounters>,
    pub server: ServerSnapshot,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerSnapshot {
    pub worker: u16,
    /// This time, and in time.
    pub has_answered: bool,
    pub core: CoreStatus,
    pub counts: CoreCounts,
    pub sockets: net::Counters,
}

/// What is not a worker's.
#[derive(Debug, Default)]
pub(crate) struct ServerSnapshot {
    pub uptime_secs: u64,
    pub now_unix: i64,
    pub certificate: crate::certificate::ServedCertificate,
    /// What the store says; absent while it cannot be read.
    pub stored: Option<StoredSnapshot>,
    pub messages_expired: u64,
    pub held_discarded: u64,
    pub store_failures: u64,
    pub pins_changed: u64,
    pub records_dropped: u64,
    /// Certificates that partners show nowadays.
    pub partner_endings: Vec<crate::partner_watch::Ending>,
    /// Of a home.
    pub edges: EdgeCounts,
    /// Of an edge whose home decides: when it was told last, and when the home was here last; 0 for never.
    pub told_unix: i64,
    pub home_heard_unix: i64,
    /// Absent where the system does not tell.
    pub resources: Option<Resources>,
}

/// How a home's edges stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EdgeCounts {
    pub current: u64,
    pub being_told: u64,
    pub out_of_reach: u64,
    /// By which its sound goes, if it goes by edges.
    pub sound_connected: u64,
    pub sound_draining: u64,
    pub sound_away: u64,
}

#[derive(Debug, Default)]
pub(crate) struct StoredSnapshot {
    pub users: u64,
    pub partners_by_kind: BTreeMap<&'static str, u64>,
    pub messages: store::WaitingMessages,
    pub held: store::HeldMessages,
}

/// The last answers of the workers and of the media threads, by number.
#[derive(Debug, Default)]
pub(crate) struct LastAnswers {
    workers: BTreeMap<u16, WorkerSnapshot>,
    media: BTreeMap<u16, MediaCounters>,
}

/// What of a worker one answer tells.
pub(crate) type CoreAnswer = (CoreStatus, CoreCounts);

impl LastAnswers {
    /// Puts in what came, and shows every worker.
    pub(crate) fn update(
        &mut self,
        workers: u16,
        cores: Vec<CoreAnswer>,
        sockets: Vec<net::Counters>,
    ) -> Vec<WorkerSnapshot> {
        for worker in 0..workers {
            let known = self.workers.entry(worker).or_default();
            known.worker = worker;
            known.has_answered = false;
        }
        for (core, counts) in cores {
            if let Some(known) = self.workers.get_mut(&core.worker) {
                (known.core, known.counts, known.has_answered) = (core, counts, true);
            }
        }
        for counters in sockets {
            if let Some(known) = self.workers.get_mut(&counters.worker) {
                known.sockets = counters;
            }
        }
        self.workers.values().cloned().collect()
    }

    /// Puts in what came, and shows every media thread that ever answered.
    pub(crate) fn update_media(&mut self, answers: Vec<MediaCounters>) -> Vec<MediaCounters> {
        self.media.extend(answers.into_iter().map(|answer| (answer.thread, answer)));
        self.media.values().cloned().collect()
    }
}

/// Counts of the server itself, for whoever does the work. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerCounts {
    messages_expired: Arc<AtomicU64>,
    held_discarded: Arc<AtomicU64>,
    store_failures: Arc<AtomicU64>,
    pins_changed: Arc<AtomicU64>,
    records_dropped: Arc<AtomicU64>,
}

impl ServerCounts {
    pub(crate) fn messages_expired(&self, count: u64) {
        self.messages_expired.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn held_discarded(&self, count: u64) {
        self.held_discarded.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn held_discarded_total(&self) -> u64 {
        self.held_discarded.load(Ordering::Relaxed)
    }

    pub(crate) fn store_failed(&self) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn store_failures_total(&self) -> u64 {
        self.store_failures.load(Ordering::Relaxed)
    }

    pub(crate) fn pin_changed(&self) {
        self.pins_changed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn pins_changed_total(&self) -> u64 {
        self.pins_changed.load(Ordering::Relaxed)
    }

    pub(crate) fn record_dropped(&self) {
        self.records_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn records_dropped_total(&self) -> u64 {
        self.records_dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn messages_expired_total(&self) -> u64 {
        self.messages_expired.load(Ordering::Relaxed)
    }
}

impl Snapshot {
    /// Summed over the workers.
    pub(super) fn sum_core(&self, number: impl Fn(&CoreStatus) -> usize) -> u64 {
        self.workers.iter().map(|worker| number(&worker.core) as u64).sum()
    }

    pub(super) fn sum_counts(&self, number: impl Fn(&CoreCounts) -> u64) -> u64 {
        self.workers.iter().map(|worker| number(&worker.counts)).sum()
    }

    pub(super) fn sum_media(&self, number: impl Fn(&MediaCounters) -> u64) -> u64 {
        self.media.iter().map(number).sum()
    }

    pub(super) fn sum_sockets(&self, number: impl Fn(&net::Counters) -> u64) -> u64 {
        self.workers.iter().map(|worker| number(&worker.sockets)).sum()
    }
}
