//! `/api/consents`, `/api/users/{aor}/consents`: whom users hear from though their domain has no entry.

use axum::Json;
use axum::extract::{Path, State};
use messaging::Verdict;
use serde::{Deserialize, Serialize};
use sip::Aor;
use store::{Store, StoreError, StoredConsent, now_unix};

use super::answers::{ConsentAnswer, ConsentChange, NewConsent};
use super::error::ControlError;
use super::policies::own_user;
use super::{Body, Control, Parameters};
use crate::domain;

#[derive(Default, Serialize, Deserialize)]
pub(super) struct ConsentQuery {
    user: Option<String>,
}

pub(super) async fn list(
    State(control): State<Control>,
    Parameters(query): Parameters<ConsentQuery>,
) -> Result<Json<Vec<ConsentAnswer>>, ControlError> {
    let user = query.user.as_deref().map(own_user).transpose()?;
    let read = move |store: &Store| match &user {
        Some(aor) if !store.user_exists(aor)? => Err(StoreError::UserUnknown(aor.clone())),
        user => store.consents(user.as_ref(), now_unix_ms()),
    };
    let found = control.0.store.read(read).await?;
    Ok(Json(found.into_iter().map(answer).collect()))
}

pub(super) async fn put(
    State(control): State<Control>,
    Path((aor, sender)): Path<(String, String)>,
    Body(NewConsent { verdict }): Body<NewConsent>,
) -> Result<Json<ConsentChange>, ControlError> {
    let (user, sender) = (own_user(&aor)?, address_or_domain(&sender)?);
    let said = Verdict::named(&verdict)
        .filter(|verdict| *verdict != Verdict::Asked)
        .ok_or_else(|| ControlError::unprocessable(format!("{verdict:?} is no verdict"), "say allowed or denied"))?;
    let (aor, who) = (user.clone(), sender.clone());
    let change = move |store: &Store| store.decide_consent(&aor, &who, said, now_unix_ms());
    let released = control.0.store.write(change).await?;
    control.0.workers.stored_for(&user);
    tracing::info!(verdict, released, "what a user hears from somebody was decided for him");
    Ok(Json(ConsentChange { aor: user.to_string(), sender, verdict, released, is_changed: true }))
}

pub(super) async fn forget(
    State(control): State<Control>,
    Path((aor, sender)): Path<(String, String)>,
) -> Result<Json<ConsentChange>, ControlError> {
    let (user, sender): (Aor, String) = (own_user(&aor)?, address_or_domain(&sender)?);
    let (aor, who) = (user.clone(), sender.clone());
    let is_changed = control.0.store.write(move |store| store.forget_consent(&aor, &who)).await?;
    let verdict = "forgotten".to_owned();
    Ok(Json(ConsentChange { aor: user.to_string(), sender, verdict, released: 0, is_changed }))
}

fn answer(stored: StoredConsent) -> ConsentAnswer {
    let StoredConsent { aor, sender, verdict, since_unix_ms, held, until_unix_ms } = stored;
    let verdict = verdict.as_str().to_owned();
    ConsentAnswer { aor: aor.to_string(), sender, verdict, since_unix_ms, held, until_unix_ms }
}

/// `eve@mallory.example` or `mallory.example`, in lower case.
fn address_or_domain(text: &str) -> Result<String, ControlError> {
    let read = match text.contains('@') {
        true => text.parse::<Aor>().map(|aor| aor.to_string().to_ascii_lowercase()).map_err(|error| error.to_string()),
        false => domain::parse(text).map_err(|error| error.to_string()),
    };
    read.map_err(|error| ControlError::unprocessable(error, "write an address or a domain: eve@mallory.example"))
}

pub(super) fn now_unix_ms() -> u64 {
    now_unix().unsigned_abs() * 1000
}
