//! `/api/providers`: hosting providers.

pub(super) mod detail;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use federation::partner::Provider;
use store::now_unix;

use super::answers::{NewProvider, ProviderAnswer, ProviderChange};
use super::error::ControlError;
use super::partners::trust::pins;
use super::partners::{check_comment, foreign_edge};
use super::{Body, Control};

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<ProviderAnswer>>, ControlError> {
    let providers = control.0.store.read(|store| store.providers()).await?;
    Ok(Json(providers.into_iter().map(ProviderAnswer::from).collect()))
}

pub(super) async fn put(
    State(control): State<Control>,
    Path(name): Path<String>,
    Body(new): Body<NewProvider>,
) -> Result<(StatusCode, Json<ProviderChange>), ControlError> {
    let provider = provider(&control, &name, new)?;
    let name = provider.name.clone();
    let change = move |store: &store::Store| {
        let before = store.put_provider(&provider, now_unix())?;
        Ok((before, store.provider(&provider.name)?))
    };
    let (before, now) = control.0.store.write(change).await?;
    control.publish_partners().await?;
    tracing::info!(name, "hosting provider changed");
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let (provider, before) = (now.map(ProviderAnswer::from), before.map(ProviderAnswer::from));
    Ok((status, Json(ProviderChange { provider, before })))
}

/// A provider as it was sent, checked.
pub(super) fn provider(control: &Control, name: &str, new: NewProvider) -> Result<Provider, ControlError> {
    let name = plain_name(name)?;
    check_comment(&new.comment)?;
    let edge = foreign_edge(control, &new.edge)?;
    if new.hosts_users && !new.shared_address_space {
        let hint = "share the address space too, or let it host its own domains alone";
        return Err(ControlError::unprocessable("a provider hosts users of ours only in a shared address space", hint));
    }
    Ok(Provider {
        name,
        edge,
        enabled: new.enabled,
        verification: new.verification,
        shared_address_space: new.shared_address_space,
        hosts_users: new.hosts_users,
        mark_source: new.mark_source,
        hide_topology: new.hide_topology,
        clearing_house: new.clearing_house,
        monitored: new.monitored,
        modalities: new.modalities,
        pins: pins(&new.pins)?,
        comment: new.comment,
    })
}

pub(super) async fn remove(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Result<Json<ProviderChange>, ControlError> {
    let gone = name.clone();
    let before = control.0.store.write(move |store| store.remove_provider(&gone)).await?;
    control.publish_partners().await?;
    tracing::info!(name, "hosting provider removed");
    Ok(Json(ProviderChange { provider: None, before: Some(before.into()) }))
}

/// The name of a provider, a policy or a group: one word that can stand in a command.
pub(super) fn plain_name(name: &str) -> Result<String, ControlError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.chars().all(is_plain) {
        let hint = format!("letters, digits, dots, dashes and underscores, at most {NAME_LENGTH_MAX}");
        return Err(ControlError::unprocessable(format!("{name:?} cannot be a name here"), hint));
    }
    Ok(name.to_owned())
}

const NAME_LENGTH_MAX: usize = 64;
