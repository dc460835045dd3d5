//! `/api/users`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use conference::id::{CONFERENCE_PREFIX, FACTORY};
use messaging::CONSENT_PREFIX;
use sip::Aor;
use store::{Credentials, StoreError, now_unix};

use super::answers::{NewPassword, NewUser, UserAnswer};
use super::error::ControlError;
use super::{Body, Control};

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<UserAnswer>>, ControlError> {
    let (users, waiting) = control.0.store.read(|store| Ok((store.users()?, store.waiting_messages_by_aor()?))).await?;
    let registrations = registrations(&control).await;
    let answer = |user: store::StoredUser| {
        let aor = user.aor.to_string();
        let registrations = registrations.as_ref().map(|count| count.get(&aor).copied().unwrap_or(0));
        let stored_messages = waiting.get(&aor).copied().unwrap_or(0);
        UserAnswer { aor, created_unix: user.created_unix, registrations, stored_messages }
    };
    Ok(Json(users.into_iter().map(answer).collect()))
}

pub(super) async fn add(
    State(control): State<Control>,
    Body(NewUser { aor, password }): Body<NewUser>,
) -> Result<(StatusCode, Json<UserAnswer>), ControlError> {
    let aor = local_aor(&control, &aor)?;
    check_not_reserved(&aor)?;
    let credentials = hash(aor.clone(), password).await?;
    let (new, created_unix) = (aor.clone(), now_unix());
    control.0.store.write(move |store| store.add_user(&new, &credentials, created_unix)).await?;
    tracing::info!(domain = aor.domain(), "user added");
    let registrations = control.0.workers.are_running().then_some(0);
    let answer = UserAnswer { aor: aor.to_string(), created_unix, registrations, stored_messages: 0 };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn set_password(
    State(control): State<Control>,
    Path(aor): Path<String>,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<StatusCode, ControlError> {
    let aor = parse(&aor)?;
    // Before the slow hash: a mistyped name is the likelier error than a bad password.
    let known = aor.clone();
    if !control.0.store.read(move |store| store.user_exists(&known)).await? {
        return Err(StoreError::UserUnknown(aor).into());
    }
    let credentials = hash(aor.clone(), password).await?;
    let user = aor.clone();
    control.0.store.write(move |store| store.set_password(&user, &credentials)).await?;
    tracing::info!(domain = aor.domain(), "password changed");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(control): State<Control>,
    Path(aor): Path<String>,
) -> Result<StatusCode, ControlError> {
    let aor = parse(&aor)?;
    let gone = aor.clone();
    control.0.store.write(move |store| store.remove_user(&gone)).await?;
    control.0.workers.user_removed(&aor);
    tracing::info!(domain = aor.domain(), "user removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Registered devices by address of record; `None` where no server runs.
pub(super) async fn registrations(control: &Control) -> Option<BTreeMap<String, u64>> {
    if !control.0.workers.are_running() {
        return None;
    }
    let mut count_by_aor = BTreeMap::new();
    for binding in control.0.workers.ask(|core, now| core.bindings(now)).await.into_iter().flatten() {
        *count_by_aor.entry(binding.aor).or_insert(0) += 1;
    }
    Some(count_by_aor)
}

fn parse(text: &str) -> Result<Aor, ControlError> {
    let malformed = |_| {
        let error = format!("{text:?} is no user's address");
        ControlError::unprocessable(error, "write it as NAME@DOMAIN, such as alice@contoso.example")
    };
    text.parse().map_err(malformed)
}

pub(super) fn local_aor(control: &Control, text: &str) -> Result<Aor, ControlError> {
    let aor = parse(text)?;
    let domains = &control.0.config.domains;
    if domains.iter().any(|domain| domain == aor.domain()) {
        return Ok(aor);
    }
    let hint = format!("the domains served here are: {}", domains.join(", "));
    Err(ControlError::unprocessable(format!("{} is not a domain of this server", aor.domain()), hint))
}

/// Meetings, and what asks users, have the addresses of users: a user of such a name could not be reached.
fn check_not_reserved(aor: &Aor) -> Result<(), ControlError> {
    let error = if aor.user() == FACTORY || aor.user().starts_with(CONFERENCE_PREFIX) {
        format!("{FACTORY} and names that begin with {CONFERENCE_PREFIX} are meetings' addresses")
    } else if aor.user().starts_with(CONSENT_PREFIX) {
        format!("names that begin with {CONSENT_PREFIX} ask users about first contacts")
    } else {
        return Ok(());
    };
    Err(ControlError::unprocessable(error, "choose another name for the user"))
}

async fn hash(aor: Aor, password: String) -> Result<Credentials, ControlError> {
    let length = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&length) {
        let error = format!("the password has {length} characters");
        let hint = format!(
            "a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters; --generate makes a good one"
        );
        return Err(ControlError::unprocessable(error, hint));
    }
    let hashed = tokio::task::spawn_blocking(move || Credentials::new(&aor, &password)).await;
    Ok(hashed.map_err(|error| StoreError::Hash(error.to_string()))??)
}

/// Whoever overhears a digest (plain TCP or UDP) can guess at it offline.
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_CHARS_MAX: usize = 256;
