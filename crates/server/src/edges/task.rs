//! One task an edge: asks what it knows, tells it what it does not, and comes again.

use std::time::Duration;

use axum::http::Method;
use store::{Revision, Store, StoreHandle};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Edges;
use super::line::{Line, LineError, Way};
use crate::control::answers::EdgeReport;
use crate::from_home::SNAPSHOT_BYTES_MAX;

/// What all tasks work with.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) way: Way,
    pub(crate) store: StoreHandle,
    pub(crate) edges: Edges,
}

/// The tasks at work; they end when this is dropped.
#[derive(Default)]
pub(crate) struct EdgeTasks(Vec<AbortHandle>);

impl EdgeTasks {
    pub(crate) fn start(caller: &Caller) -> EdgeTasks {
        caller.edges.reach_by(&caller.way);
        let run = |edge| tokio::spawn(run(caller.clone(), edge)).abort_handle();
        EdgeTasks(caller.edges.names().into_iter().map(run).collect())
    }
}

impl Drop for EdgeTasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

async fn run(caller: Caller, edge: String) {
    let mut changed = caller.edges.changed.subscribe();
    let mut failures: u32 = 0;
    loop {
        changed.mark_unchanged();
        let outcome = timeout(ROUND_TIME, caller.round(&edge)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {} s", ROUND_TIME.as_secs())));
        failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
        caller.edges.note(&edge, outcome);
        match failures {
            0 => drop(timeout(LOOK_PAUSE, changed.changed()).await),
            // Whatever changes meanwhile: an edge that is away is not asked for more often.
            failures => tokio::time::sleep(backoff(failures, rand::random())).await,
        }
    }
}

impl Caller {
    /// The edge is current when this returns.
    async fn round(&self, edge: &str) -> Result<Revision, String> {
        let mut line = Line::open(&self.way, edge).await.map_err(in_words)?;
        let report: EdgeReport = line.ask(Method::GET, "/edge", Vec::new()).await.map_err(in_words)?;
        self.edges.note_own(edge, report.own);
        Teller { store: &self.store, edge, line }.tell(report.revision).await
    }
}

/// What one edge is told over one connection.
struct Teller<'a> {
    store: &'a StoreHandle,
    edge: &'a str,
    line: Line,
}

impl Teller<'_> {
    /// What it does not know yet, and no more of it than it has to be.
    async fn tell(mut self, known: Option<Revision>) -> Result<Revision, String> {
        let edge = self.edge;
        let ours = self.store.read(Store::revision).await.map_err(in_words)?;
        if known.as_ref() == Some(&ours) {
            return Ok(ours);
        }
        if let Some(base) = known
            && let Some(revision) = self.tell_changes(base).await?
        {
            return Ok(revision);
        }
        let snapshot = self.snapshot().await?;
        let bytes = snapshot.len();
        let told: EdgeReport = self.line.ask(Method::PUT, "/edge/snapshot", snapshot).await.map_err(in_words)?;
        let revision = told.revision.ok_or("the edge took what it was told, and does not know it")?;
        tracing::info!(edge, %revision, bytes, "the edge was told what is decided here");
        Ok(revision)
    }

    /// `None`: it has to be told all of it.
    async fn tell_changes(&mut self, base: Revision) -> Result<Option<Revision>, String> {
        let edge = self.edge;
        let changes = self.store.read(move |store| store.changes(&base)).await.map_err(in_words)?;
        let Some(changes) = changes else { return Ok(None) };
        let (entries, json) = (changes.len(), serde_json::to_vec(&changes).map_err(in_words)?);
        let bytes = json.len();
        match self.line.ask::<EdgeReport>(Method::PUT, "/edge/changes", json).await {
            Ok(EdgeReport { revision: Some(revision), .. }) => {
                tracing::info!(edge, %revision, entries, bytes, "the edge was told what has changed here");
                Ok(Some(revision))
            }
            Ok(_) => Ok(None),
            // Whoever else told it something meanwhile, and however old it is: the whole makes it right.
            Err(LineError::Refused { status, text }) => {
                tracing::debug!(edge, %status, text, "the edge takes no changes");
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn snapshot(&self) -> Result<Vec<u8>, String> {
        let snapshot = self.store.read(Store::snapshot).await.map_err(in_words)?;
        let json = serde_json::to_vec(&snapshot).map_err(in_words)?;
        match json.len() {
            length if length > SNAPSHOT_BYTES_MAX => Err(format!(
                "partners, providers and what is said of certificates make {length} bytes, and edges take \
                 {SNAPSHOT_BYTES_MAX}; remove entries that are not needed"
            )),
            _ => Ok(json),
        }
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Doubles, and is never the same for two edges: `chance` takes up to half of it away.
pub(super) fn backoff(failures: u32, chance: u32) -> Duration {
    let whole = BACKOFF_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(LOOK_PAUSE);
    whole - whole.mul_f64(f64::from(chance) / f64::from(u32::MAX) / 2.0)
}

/// Nothing has changed, as far as is known here: whether the edge still knows it.
const LOOK_PAUSE: Duration = Duration::from_secs(30);
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Names, connection, handshake, question and answer.
const ROUND_TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use federation::ledger::DiscoveredTerms;
    use federation::partner::Partner;
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use store::{Changes, Rules, Snapshot, StoreThread};

    use super::*;

    /// A home's store, and an edge's that answers as an edge does; what each round asked of it, with how many partners.
    struct Told {
        _folder: tempfile::TempDir,
        home: StoreThread,
        edge: StoreThread,
        asked: Arc<Mutex<Vec<(String, usize)>>>,
    }

    impl Told {
        async fn new() -> Told {
            let folder = tempfile::tempdir().unwrap();
            let start = |name| StoreThread::start(&folder.path().join(name)).unwrap();
            let told = Told { home: start("home.db"), edge: start("edge.db"), _folder: folder, asked: Arc::default() };
            let prepare = |store: &Store| {
                store.note_rules(&Rules {
                    federation: true,
                    discovery: false,
                    mark_source_verifiable: true,
                    diagnostics_to_partners: false,
                    default_route: None,
                    discovered: DiscoveredTerms::default(),
                })?;
                store.pool_secret([9; 32])
            };
            told.home.handle().write(prepare).await.unwrap();
            told
        }

        async fn add(&self, prefix: &'static str, count: usize) {
            let add = move |store: &Store| {
                let mut domains = (0..count).map(|number| format!("{prefix}{number}.example"));
                domains.try_for_each(|domain| store.put_partner(&Partner::allowed(domain), 1).map(drop))
            };
            self.home.handle().write(add).await.unwrap();
        }

        /// One round; what it asked.
        async fn round(&self) -> Vec<(String, usize)> {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let (edge, asked) = (self.edge.handle(), self.asked.clone());
            let answer = service_fn(move |request| answer(request, edge.clone(), asked.clone()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), answer));
            let (store, mut line) = (self.home.handle(), Line::over(ours).await);
            let report: EdgeReport = line.ask(Method::GET, "/edge", Vec::new()).await.unwrap();
            let teller = Teller { store: &store, edge: "edge.corp.example", line };
            let revision = teller.tell(report.revision).await.unwrap();
            let partners = |store: &Store| store.partners().map(|partners| partners.len());
            let knows = (self.home.handle().read(partners).await, self.edge.handle().read(partners).await);
            assert_eq!(knows.0.unwrap(), knows.1.unwrap());
            assert_eq!(self.edge.handle().read(Store::told).await.unwrap().unwrap().revision, revision);
            std::mem::take(&mut self.asked.lock().unwrap())
        }
    }

    async fn answer(
        request: Request<Incoming>,
        edge: StoreHandle,
        asked: Arc<Mutex<Vec<(String, usize)>>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let partners = match path.as_str() {
            "/edge/changes" => {
                let changes: Changes = serde_json::from_slice(&body).unwrap();
                let count = changes.partners.len();
                edge.write(move |store| store.keep_changes(&changes, "home", 1)).await.unwrap();
                count
            }
            "/edge/snapshot" => {
                let snapshot: Snapshot = serde_json::from_slice(&body).unwrap();
                let count = snapshot.partners.len();
                edge.write(move |store| store.keep_snapshot(&snapshot, "home", 1)).await.unwrap();
                count
            }
            _ => 0,
        };
        asked.lock().unwrap().push((path, partners));
        let revision = edge.read(Store::told).await.unwrap().map(|told| told.revision);
        let report = EdgeReport { version: String::new(), edge: String::new(), revision, own: None };
        Ok(Response::new(Full::new(serde_json::to_vec(&report).unwrap().into())))
    }

    fn asked(of: &[(&str, usize)]) -> Vec<(String, usize)> {
        of.iter().map(|(path, partners)| ((*path).to_owned(), *partners)).collect()
    }

    #[tokio::test]
    async fn an_edge_is_told_what_has_changed_since_and_all_of_it_when_that_is_too_much() {
        let told = Told::new().await;
        told.add("first", 3).await;
        assert_eq!(told.round().await, asked(&[("/edge", 0), ("/edge/snapshot", 3)]));
        assert_eq!(told.round().await, asked(&[("/edge", 0)]));
        told.add("second", 2).await;
        assert_eq!(told.round().await, asked(&[("/edge", 0), ("/edge/changes", 2)]));
        told.add("third", FAR_BEHIND).await;
        assert_eq!(told.round().await, asked(&[("/edge", 0), ("/edge/snapshot", FAR_BEHIND + 5)]));
        told.add("fourth", 1).await;
        assert_eq!(told.round().await, asked(&[("/edge", 0), ("/edge/changes", 1)]));
        told.home.stop();
        told.edge.stop();
    }

    /// One more than are told one by one.
    const FAR_BEHIND: usize = 10_001;

    #[test]
    fn an_edge_that_is_away_is_tried_less_and_less_often_and_never_less_than_every_half_minute() {
        let longest: Vec<u64> = (1..8).map(|failures| backoff(failures, 0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(u32::MAX, u32::MAX), LOOK_PAUSE / 2);
    }
}
