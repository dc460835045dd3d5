//! `GET /api/calls` and `/api/calls/{call_id}`: what became of calls.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use sip::Aor;
use store::{CallQuery, StoredCall};

use super::error::ControlError;
use super::{Control, Parameters};
use crate::domain;

/// Which calls: all that match every given field.
#[derive(Deserialize)]
pub(super) struct CallParameters {
    /// The address of a user of ours, or of a meeting.
    user: Option<String>,
    /// The address or the domain of the other side.
    with: Option<String>,
    /// That began then or later.
    since_unix_ms: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(control): State<Control>,
    Parameters(typed): Parameters<CallParameters>,
) -> Result<Json<Vec<StoredCall>>, ControlError> {
    let query = CallQuery {
        call_id: None,
        user: typed.user.as_deref().map(|user| own_address(&control, user)).transpose()?,
        with: typed.with.as_deref().map(address_or_domain).transpose()?,
        since_unix_ms: typed.since_unix_ms.unwrap_or(0),
        limit: typed.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX),
    };
    Ok(Json(control.0.store.read(move |store| store.calls(&query)).await?))
}

pub(super) async fn show(
    State(control): State<Control>,
    Path(call_id): Path<String>,
) -> Result<Json<Vec<StoredCall>>, ControlError> {
    let calls = of_call(&control, &call_id).await?;
    if calls.is_empty() {
        let error = format!("no call has the Call-ID {call_id}, as far as is recorded");
        let days = control.0.config.keep_days;
        let hint = format!(
            "records are kept for {days} days ([records] keep_days); for those there are: comity calls; for what was \
             decided about messages and refused strangers: comity why CALL-ID"
        );
        return Err(ControlError::new(StatusCode::NOT_FOUND, error, hint));
    }
    Ok(Json(calls))
}

/// What is recorded of one Call-ID, the newest first.
pub(super) async fn of_call(control: &Control, call_id: &str) -> Result<Vec<StoredCall>, ControlError> {
    let query = CallQuery { call_id: Some(call_id.to_owned()), limit: LIMIT_OF_ONE, ..CallQuery::default() };
    Ok(control.0.store.read(move |store| store.calls(&query)).await?)
}

/// Of a user of ours, or of a meeting.
fn own_address(control: &Control, typed: &str) -> Result<String, ControlError> {
    let typed = address(typed)?;
    let domain = typed.split_once('@').map_or("", |(_, domain)| domain);
    if control.0.config.domains.iter().any(|ours| ours == domain) {
        return Ok(typed);
    }
    let hint = format!("for the calls that our users had with somebody: comity calls --with {typed}");
    Err(ControlError::unprocessable(format!("{domain} is not a domain of this server"), hint))
}

fn address(typed: &str) -> Result<String, ControlError> {
    let aor: Result<Aor, _> = typed.parse();
    aor.map(|aor| aor.to_string()).map_err(|_| {
        let error = format!("{typed:?} is no address");
        ControlError::unprocessable(error, "write it as NAME@DOMAIN, such as alice@contoso.example")
    })
}

fn address_or_domain(typed: &str) -> Result<String, ControlError> {
    if typed.contains('@') {
        return address(typed);
    }
    domain::parse(typed).map_err(|error| {
        let hint = "write an address, such as bob@fabrikam.example, or a partner's domain";
        ControlError::unprocessable(error.to_string(), hint)
    })
}

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 1_000;
/// Both sides of a call, and a few tries of a phone that keeps its Call-ID.
const LIMIT_OF_ONE: u32 = 20;
