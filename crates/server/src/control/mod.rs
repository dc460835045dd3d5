//! The control API: HTTP and JSON over a Unix socket, for every command against a running server.
//!
//! The same router also serves commands without a server, within their own process and without workers ([`direct`]), so
//! that a command means the same in both cases. Whoever may open the socket may do everything; [`socket`] sees to it
//! that this is the server's own user or root.

pub mod advice;
pub mod answers;
mod calls;
mod conferences;
mod consents;
mod decisions;
pub(crate) mod discovered;
mod doctor;
mod error;
mod escalations;
mod health;
mod import;
mod meetings;
mod metrics;
mod partners;
mod policies;
mod providers;
mod route;
mod socket;
mod status;
mod users;
mod why;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use federation::bodies::BodyTypes;
use federation::external_access::ExternalAccess;
use federation::partner::Partners;
use rustls_pki_types::UnixTime;
use serde::de::DeserializeOwned;
use store::{Rules, Store, StoreError, StoreHandle, StoreThread};
use tokio::sync::Mutex;

use crate::certificate_service::CertificateState;
use crate::config::{Config, FederationSwitches, Roles};
use crate::domain_trust;
use crate::edges::Edges;
use crate::folder_lock::FolderLock;
use crate::from_home::HomeWord;
use crate::health::InnerSide;
use crate::metrics::{LastAnswers, ServerCounts};
use crate::partner_watch::PartnerWatch;
use crate::workers::Workers;
pub(crate) use error::ControlError;
pub(crate) use meetings::meetings_of;
pub use socket::{ControlSocket, SocketError};
pub(crate) use why::WhyQuery;

/// What the API works on.
#[derive(Clone)]
pub struct Control(Arc<Known>);

struct Known {
    config: Config,
    store: StoreHandle,
    workers: Workers,
    started: Instant,
    certificate: CertificateState,
    counts: ServerCounts,
    /// Of an edge alone.
    inner_side: InnerSide,
    /// Of what partners show.
    partner_watch: PartnerWatch,
    store_probe: health::StoreProbe,
    /// Held while the metrics of one moment are gathered.
    last_answers: Mutex<LastAnswers>,
    /// Of an edge whose home decides.
    home_word: HomeWord,
    /// Of a home.
    edges: Edges,
    /// Held from reading the table until the workers have it, so that an older table never follows a newer one.
    publishing: Mutex<()>,
}

impl Control {
    pub(crate) fn new(
        config: Config,
        store: StoreHandle,
        workers: Workers,
        certificate: CertificateState,
        counts: ServerCounts,
    ) -> Control {
        let (last_answers, publishing) = (Mutex::default(), Mutex::new(()));
        let (started, home_word, edges) = (Instant::now(), HomeWord::default(), Edges::of(&config));
        let (inner_side, store_probe) = (InnerSide::default(), health::StoreProbe::default());
        Control(Arc::new(Known {
            config,
            store,
            workers,
            started,
            certificate,
            counts,
            inner_side,
            partner_watch: PartnerWatch::default(),
            store_probe,
            last_answers,
            home_word,
            edges,
            publishing,
        }))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn store(&self) -> &StoreHandle {
        &self.0.store
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(crate) fn home_word(&self) -> &HomeWord {
        &self.0.home_word
    }

    pub(crate) fn partner_watch(&self) -> &PartnerWatch {
        &self.0.partner_watch
    }

    pub(crate) fn edges(&self) -> &Edges {
        &self.0.edges
    }

    /// The rules of federation that hold: the configuration's, or what the home said; `None`: it has said nothing yet.
    async fn switches(&self) -> Result<Option<FederationSwitches>, StoreError> {
        let terms = FederationTerms::of(&self.0.config);
        self.0.store.read(move |store| terms.in_force(store)).await
    }

    /// What the health of an edge alone goes by besides itself.
    pub(crate) fn inner_side(&self) -> InnerSide {
        self.0.inner_side.clone()
    }

    fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics::show))
            .route("/health", get(health::show))
            .route("/api/drain", post(health::drain))
            .route("/api/status", get(status::show))
            .merge(self.clone().decided())
            .merge(self.clone().of_home())
            .route("/api/partners/{domain}/reset", post(partners::reset))
            .route("/api/discovered", get(discovered::list))
            .route("/api/meetings/{id}/invitation", get(meetings::invitation))
            .route("/api/conferences", get(conferences::list).post(conferences::start))
            .route("/api/escalations", post(escalations::begin))
            .route("/api/conferences/{id}", get(conferences::show).post(conferences::act))
            .route("/api/calls", get(calls::list))
            .route("/api/calls/{call_id}", get(calls::show))
            .route("/api/route/{domain}", get(route::show))
            .route("/api/doctor", get(doctor::of_server))
            .route("/api/doctor/{domain}", get(doctor::of_partner))
            .route("/api/why", get(why::show))
            .route("/api/decisions", get(decisions::list))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self)
    }

    /// What the home of an edge decides for it.
    fn decided(self) -> Router<Control> {
        Router::new()
            .route("/api/partners", get(partners::list))
            .route(
                "/api/partners/{domain}",
                get(partners::show).put(partners::put).patch(partners::edit).delete(partners::remove),
            )
            .route("/api/partners/{domain}/trust", put(partners::trust::put))
            .route("/api/providers", get(providers::list))
            .route("/api/providers/{name}", get(providers::detail::show).put(providers::put).delete(providers::remove))
            .route("/api/policies", get(policies::list))
            .route("/api/policies/{name}", put(policies::put).delete(policies::remove))
            .route("/api/groups", get(policies::groups))
            .route("/api/groups/{group}", put(policies::put_group))
            .route("/api/trust", get(partners::trust::list))
            .route("/api/import", post(import::enter).layer(DefaultBodyLimit::max(import::BYTES_MAX)))
            .route_layer(middleware::from_fn_with_state(self, decided_here))
    }

    /// Where users are, and the meetings that they schedule.
    fn of_home(self) -> Router<Control> {
        Router::new()
            .route("/api/users", get(users::list).post(users::add))
            .route("/api/users/{aor}", axum::routing::delete(users::remove))
            .route("/api/users/{aor}/password", put(users::set_password))
            .route("/api/users/{aor}/access", get(policies::show_user).patch(policies::edit_user))
            .route("/api/users/{aor}/allows/{who}", put(policies::allow).delete(policies::unallow))
            .route("/api/consents", get(consents::list))
            .route("/api/users/{aor}/consents/{sender}", put(consents::put).delete(consents::forget))
            .route("/api/meetings", get(meetings::list).post(meetings::create))
            .route("/api/meetings/{id}", get(meetings::show).patch(meetings::edit).delete(meetings::cancel))
            .route("/api/meetings/{id}/mail", post(meetings::mail))
            .route_layer(middleware::from_fn_with_state(self, at_home))
    }

    /// Gives the workers the table of partners as it is stored.
    pub(crate) async fn publish_partners(&self) -> Result<(), StoreError> {
        let Known { config, store, workers, publishing, certificate, .. } = &*self.0;
        let roots = certificate.roots();
        let _one_at_a_time = publishing.lock().await;
        let terms = FederationTerms::of(config);
        let read = move |store: &Store| Ok((partners_of(store, &terms)?, domain_trust::authorities(store)?));
        let (partners, authorities) = store.read(read).await?;
        domain_trust::enforce(&roots, &authorities);
        workers.publish(partners.with_revoked(roots.revocations().revoked(UnixTime::now())));
        self.0.edges.changed();
        Ok(())
    }
}

/// What the configuration says of federation.
pub(crate) struct FederationTerms {
    switches: FederationSwitches,
    body_types: BodyTypes,
    domains: Vec<String>,
    default_route: Option<String>,
    /// The home says it.
    is_told: bool,
}

impl FederationTerms {
    pub(crate) fn of(config: &Config) -> FederationTerms {
        let is_told = config.is_told();
        let (domains, default_route) = (config.domains.clone(), config.default_route.clone());
        let body_types = config.body_types.clone();
        FederationTerms { switches: config.federation, body_types, domains, default_route, is_told }
    }

    /// `None`: it is for the home to say, which has said nothing yet.
    fn in_force(&self, store: &Store) -> Result<Option<FederationSwitches>, StoreError> {
        if !self.is_told {
            return Ok(Some(self.switches));
        }
        let of = |rules: Rules| FederationSwitches {
            enabled: rules.federation,
            discovery: rules.discovery,
            mark_source_verifiable: rules.mark_source_verifiable,
            diagnostics_to_partners: rules.diagnostics_to_partners,
            // Lists are fetched from here, and here is the border.
            ..self.switches
        };
        Ok(store.told()?.map(|told| of(told.rules)))
    }

    fn default_route(&self, store: &Store) -> Result<Option<String>, StoreError> {
        match self.is_told {
            true => Ok(store.told()?.and_then(|told| told.rules.default_route)),
            false => Ok(self.default_route.clone()),
        }
    }

    /// About users, an edge leaves all to its home.
    fn access(&self, store: &Store) -> Result<ExternalAccess, StoreError> {
        if self.is_told { Ok(ExternalAccess::for_home()) } else { store.external_access() }
    }
}

/// The table of partners as the workers use it.
pub(crate) fn partners_of(store: &Store, terms: &FederationTerms) -> Result<Partners, StoreError> {
    let Some(switches) = terms.in_force(store)? else { return Ok(Partners::awaited()) };
    let FederationSwitches { enabled, discovery, mark_source_verifiable, diagnostics_to_partners, .. } = switches;
    let list = store.partners()?.into_iter().map(|stored| stored.partner).collect();
    let providers = store.providers()?.into_iter().map(|stored| stored.provider).collect();
    Ok(Partners::new(list, enabled, discovery)
        .with_trust(domain_trust::read(store)?)
        .with_providers(providers, &terms.domains)
        .with_access(terms.access(store)?)
        .with_default_route(terms.default_route(store)?)
        .with_source_marked(mark_source_verifiable)
        .with_diagnostics(diagnostics_to_partners)
        .with_body_types(terms.body_types.clone())
        .with_topology_hidden(switches.hide_topology))
}

/// The API on the store alone, for a command while no server runs. Returns the client's end of its only connection;
/// everything ends with the runtime, what was answered is on disk.
///
/// # Errors
/// When the store cannot be opened. `_lock`: nobody else works in the folder, for as long as the caller keeps it.
pub fn direct(config: Config, _lock: &FolderLock) -> Result<tokio::io::DuplexStream, StoreError> {
    let path = config.store_path();
    let store = StoreThread::start(&path)?.handle();
    let control = Control::new(config, store, Workers::default(), CertificateState::default(), ServerCounts::default());
    Ok(socket::serve_one(control.router()))
}

/// Lets pass what only reads, and on an edge that has its partners from its home nothing else.
async fn decided_here(State(control): State<Control>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET || !control.0.config.is_told() {
        return next.run(request).await;
    }
    let error = "this edge has its partners, providers and policies from its home";
    ControlError::conflict(error, "run the command there; the home tells its edges at once").into_response()
}

/// The same of what an edge alone has none of.
async fn at_home(State(control): State<Control>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET || control.0.config.roles != Roles::Edge {
        return next.run(request).await;
    }
    let error = "users and meetings are behind this edge, not here";
    ControlError::conflict(error, "run the command at the home").into_response()
}

async fn no_such_path(uri: Uri) -> ControlError {
    let error = format!("there is no {} in this API", uri.path());
    ControlError::new(StatusCode::NOT_FOUND, error, "command and server may be of different versions")
}

async fn no_such_method(method: Method, uri: Uri) -> ControlError {
    let error = format!("{} is not for {method}", uri.path());
    ControlError::new(StatusCode::METHOD_NOT_ALLOWED, error, "command and server may be of different versions")
}

/// A JSON body; unlike axum's own extractor, it refuses in JSON too.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, ControlError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| ControlError::new(error.status(), error.body_text(), "send less"))?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            ControlError::new(StatusCode::BAD_REQUEST, format!("the body is not as expected: {error}"), "send JSON")
        })
    }
}

/// The query of a URI; refuses in JSON too.
struct Parameters<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters<T>, ControlError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(error) => {
                Err(ControlError::new(error.status(), error.body_text(), "check the query's names and values"))
            }
        }
    }
}

const BODY_BYTES_MAX: usize = 64 << 10;
