//! `GET /health` and `POST /api/drain`: whether this server can do the work, and that it is not to any more.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use store::{StoreHandle, now_unix};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::answers::HealthAnswer;
use super::{Control, Known};
use crate::config::Roles;
use crate::health::{Facts, failing};

pub(super) async fn show(State(control): State<Control>) -> impl IntoResponse {
    control.health_response().await
}

/// Nothing new is taken from now on; the server goes on with what is under way until it is ended.
pub(super) async fn drain(State(control): State<Control>) -> Json<HealthAnswer> {
    tracing::info!("draining: an administrator wants it");
    control.0.workers.drain();
    Json(control.health().await)
}

impl Control {
    pub(crate) async fn health(&self) -> HealthAnswer {
        let Known { workers, certificate, inner_side, .. } = &*self.0;
        let (silent, unwritable) = tokio::join!(workers.silent(), self.unwritable());
        let failing = failing(&Facts {
            is_draining: workers.are_draining(),
            is_untold: self.is_untold().await,
            silent,
            unwritable,
            inner_unreachable: inner_side.unreachable(),
            not_after_unix: certificate.get().report.not_after_unix,
            now_unix: now_unix(),
        });
        HealthAnswer { ready: failing.is_empty(), failing }
    }

    /// For a load balancer: the status alone counts, the text is for people.
    pub(crate) async fn health_response(&self) -> (StatusCode, String) {
        let HealthAnswer { ready, failing } = self.health().await;
        match ready {
            true => (StatusCode::OK, "ready\n".to_owned()),
            false => (StatusCode::SERVICE_UNAVAILABLE, failing.join("\n") + "\n"),
        }
    }

    /// An edge whose home decides knows no partner before it was told some.
    async fn is_untold(&self) -> bool {
        self.config().is_told() && matches!(self.switches().await, Ok(None))
    }

    /// An edge alone keeps nothing for anybody, and serves on with what it knows.
    async fn unwritable(&self) -> Option<String> {
        let Known { config, store, store_probe, .. } = &*self.0;
        match config.roles {
            Roles::Edge => None,
            Roles::EdgeAndHome | Roles::Home => store_probe.unwritable(store).await,
        }
    }
}

/// Tries now and then whether the database takes changes: without a change nobody would notice that it does not.
#[derive(Default)]
pub(super) struct StoreProbe(Mutex<Option<(Instant, Option<String>)>>);

impl StoreProbe {
    async fn unwritable(&self, store: &StoreHandle) -> Option<String> {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, outcome)) if at.elapsed() < PROBE_PAUSE => {
                store.unwritable().map(|found| found.why).or_else(|| outcome.clone())
            }
            _ => {
                let outcome = match timeout(PROBE_TIME, store.probe()).await {
                    Ok(outcome) => outcome.err().map(|error| error.to_string()),
                    Err(_) => Some(format!("a change took more than {} s", PROBE_TIME.as_secs())),
                };
                *last = Some((Instant::now(), outcome.clone()));
                outcome
            }
        }
    }
}

/// Load balancers ask every second or two, each of them.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
const PROBE_TIME: Duration = Duration::from_secs(1);
