//! `GET /metrics`: the server at one moment, in the text of Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use federation::partner::PartnerKind;
use store::{Store, StoreError, now_unix};

use super::{Control, Known};
use crate::metrics::{self, Resources, ServerSnapshot, Snapshot, StoredSnapshot};
use crate::partner_watch::Ending;

pub(super) async fn show(State(control): State<Control>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], control.metrics().await)
}

impl Control {
    /// The text of all metrics. One moment at a time: an older answer of a worker must never follow a newer one.
    pub(crate) async fn metrics(&self) -> String {
        let Known { config, workers, last_answers, .. } = &*self.0;
        let mut last_answers = last_answers.lock().await;
        let cores = workers.ask(|core, _| (core.load(), core.counts().clone()));
        let (cores, sockets, media, server) =
            tokio::join!(cores, workers.counters(), workers.media_counters(), self.server_snapshot());
        let workers = last_answers.update(config.workers, cores, sockets);
        let media = last_answers.update_media(media);
        metrics::render(&Snapshot { workers, media, server })
    }

    /// What cannot be read was told of, and is counted, with the rest that the store does not say.
    async fn read_or_none<T: Send + 'static>(&self, read: fn(&Store) -> Result<T, StoreError>) -> Option<T> {
        self.store().read(read).await.ok()
    }

    async fn server_snapshot(&self) -> ServerSnapshot {
        let Known { store, started, certificate, counts, .. } = &*self.0;
        let read = |store: &Store| {
            Ok((store.users_count()?, store.partners()?, (store.waiting_messages()?, store.held_messages()?)))
        };
        let stored = store.read(read).await.map(|(users, partners, (messages, held))| {
            let mut stored = StoredSnapshot { users, messages, held, ..StoredSnapshot::default() };
            for entry in partners {
                *stored.partners_by_kind.entry(kind(&entry.partner.kind)).or_default() += 1;
            }
            stored
        });
        if let Err(error) = &stored {
            counts.store_failed();
            tracing::warn!(%error, "the store cannot be read for the metrics");
        }
        ServerSnapshot {
            uptime_secs: started.elapsed().as_secs(),
            now_unix: now_unix(),
            certificate: certificate.get(),
            stored: stored.ok(),
            messages_expired: counts.messages_expired_total(),
            held_discarded: counts.held_discarded_total(),
            store_failures: counts.store_failures_total(),
            pins_changed: counts.pins_changed_total(),
            records_dropped: counts.records_dropped_total(),
            partner_endings: Ending::once_each(&self.partner_watch().endings()),
            edges: self.edges().counts(self.read_or_none(Store::revision).await),
            told_unix: self.read_or_none(Store::told).await.flatten().map_or(0, |told| told.at_unix),
            home_heard_unix: self.home_word().heard_unix().unwrap_or_default(),
            resources: tokio::task::spawn_blocking(Resources::of_this_program).await.ok().flatten(),
        }
    }
}

fn kind(kind: &PartnerKind) -> &'static str {
    match kind {
        PartnerKind::AllowedServer { .. } => "allowed-server",
        PartnerKind::AllowedDomain => "allowed-domain",
        PartnerKind::Blocked => "blocked",
    }
}
