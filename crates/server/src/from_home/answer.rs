//! What an edge answers its home: in which state it is, and whether it has taken what it was told. Nothing else of the
//! control API is here.

use std::convert::Infallible;

use ::media::link::PROTOCOL;
use axum::Json;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use store::{Changes, Snapshot, Store};

use crate::control::answers::{AboutPartner, AboutProvider, EdgeReport, OwnRules};
use crate::control::{Control, ControlError, WhyQuery};
use crate::edges::{LIFE_HEADER, SOUND_PATH};

/// Who asks: the name by which its certificate is the home's, or why it is nobody's.
pub(super) type Asker = Result<String, String>;

pub(super) async fn answer(request: Request<Incoming>, asker: Asker, control: Control) -> Result<Response, Infallible> {
    let answered = match asker {
        Ok(home) => home_asks(request, &home, &control).await,
        Err(why) => {
            Err(ControlError::new(StatusCode::FORBIDDEN, why, "see next_hop and peers in [inside] on the edge"))
        }
    };
    Ok(answered.unwrap_or_else(IntoResponse::into_response))
}

async fn home_asks(request: Request<Incoming>, home: &str, control: &Control) -> Result<Response, ControlError> {
    let life = request.headers().get(LIFE_HEADER).and_then(|life| life.to_str().ok());
    control.hear_home(life).await;
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/edge") => report(control).await,
        (&Method::PUT, "/edge/snapshot") => {
            let snapshot: Snapshot = body(request).await?;
            control.take_snapshot(snapshot, home).await?;
            report(control).await
        }
        (&Method::PUT, "/edge/changes") => {
            let changes: Changes = body(request).await?;
            control.take_changes(changes, home).await?;
            report(control).await
        }
        (&Method::POST, "/edge/partner") => {
            let AboutPartner { domain } = body(request).await?;
            Ok(Json(control.partner(&domain).await?).into_response())
        }
        (&Method::POST, "/edge/partner/reset") => {
            let AboutPartner { domain } = body(request).await?;
            Ok(Json(control.reset_partner(&domain).await?).into_response())
        }
        (&Method::POST, "/edge/provider") => {
            let AboutProvider { name } = body(request).await?;
            Ok(Json(control.provider(&name).await?).into_response())
        }
        (&Method::POST, "/edge/discovered") => Ok(Json(control.discovered().await?).into_response()),
        (&Method::POST, "/edge/why") => {
            let query: WhyQuery = body(request).await?;
            Ok(Json(control.why(query).await?).into_response())
        }
        (&Method::POST, SOUND_PATH) => take_sound(request, home, control),
        (method, path) => {
            let error = format!("there is no {method} {path} at an edge");
            Err(ControlError::new(StatusCode::NOT_FOUND, error, "edge and home may be of different versions"))
        }
    }
}

/// The connection is for sound from now on.
fn take_sound(request: Request<Incoming>, home: &str, control: &Control) -> Result<Response, ControlError> {
    let Some(sound) = control.home_word().sound().cloned() else {
        let error = "this edge takes no sound of its home";
        return Err(ControlError::new(StatusCode::NOT_FOUND, error, "set address under [media] at the edge"));
    };
    let asked = request.headers().get(UPGRADE).and_then(|asked| asked.to_str().ok()).unwrap_or_default();
    if asked != PROTOCOL {
        let error = format!("sound is spoken of as {PROTOCOL} here, and not as {asked:?}");
        let hint = "edge and home are of different versions: update the older one";
        return Err(ControlError::new(StatusCode::UPGRADE_REQUIRED, error, hint));
    }
    let (home, workers) = (home.to_owned(), control.workers().clone());
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(stream) => sound.serve(&home, TokioIo::new(stream), || workers.are_draining()).await,
            Err(error) => tracing::debug!(%error, "a connection for sound came to nothing"),
        }
    });
    let head = [(CONNECTION, "upgrade"), (UPGRADE, PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, head).into_response())
}

async fn report(control: &Control) -> Result<Response, ControlError> {
    let told = control.store().read(Store::told).await?;
    let (version, edge) = (env!("CARGO_PKG_VERSION").to_owned(), control.config().edge.clone());
    let own = Some(OwnRules::of(&control.config().federation));
    Ok(Json(EdgeReport { version, edge, revision: told.map(|told| told.revision), own }).into_response())
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, ControlError> {
    let limited = Limited::new(request.into_body(), SNAPSHOT_BYTES_MAX);
    let bytes = limited.collect().await.map_err(|error| {
        let text = format!("the body cannot be read, or has more than {SNAPSHOT_BYTES_MAX} bytes: {error}");
        ControlError::new(StatusCode::PAYLOAD_TOO_LARGE, text, "remove partner entries that are not needed")
    })?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|error| {
        let text = format!("the body is not as expected: {error}");
        ControlError::unprocessable(text, "edge and home may be of different versions")
    })
}

/// Of what a home tells, as JSON: some two hundred thousand partner entries.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 64 << 20;
