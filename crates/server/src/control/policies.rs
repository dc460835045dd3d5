//! `/api/policies`, `/api/groups` and what is decided about a user's access: each change is stored, then in force in
//! every worker, then answered.

use axum::Json;
use axum::extract::{Path, State};
use federation::external_access::{PartnerScope, Policy};
use federation::partner::{Edge, parse_next_hop};
use sip::Aor;

use super::answers::{AccessAnswer, AllowChange, GroupPolicy, NewPolicy, PolicyAnswer};
use super::error::ControlError;
use super::providers::plain_name;
use super::{Body, Control};
use crate::domain;

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<PolicyAnswer>>, ControlError> {
    let read = |store: &store::Store| {
        let policies = store.policies()?.into_iter();
        let answer = |policy: Policy| Ok(PolicyAnswer { given_to: store.holders(&policy.name)?, policy });
        policies.map(answer).collect()
    };
    Ok(Json(control.0.store.read(read).await?))
}

pub(super) async fn put(
    State(control): State<Control>,
    Path(name): Path<String>,
    Body(new): Body<NewPolicy>,
) -> Result<Json<PolicyAnswer>, ControlError> {
    let policy = policy(&name, new)?;
    let change = move |store: &store::Store| {
        store.put_policy(&policy)?;
        Ok(PolicyAnswer { given_to: store.holders(&policy.name)?, policy })
    };
    let answer = control.0.store.write(change).await?;
    control.publish_partners().await?;
    tracing::info!(name, "external access policy changed");
    Ok(Json(answer))
}

/// A policy as it was sent, checked.
pub(super) fn policy(name: &str, new: NewPolicy) -> Result<Policy, ControlError> {
    let NewPolicy { federation, partners, modalities, outside, route, first_contact } = new;
    let (name, partners, route) = (plain_name(name)?, checked(partners)?, checked_route(route)?);
    Ok(Policy { name, federation, partners, modalities, outside, route, first_contact })
}

/// An empty one is none.
fn checked_route(route: Option<String>) -> Result<Option<String>, ControlError> {
    let Some(text) = route.filter(|text| !text.is_empty()) else { return Ok(None) };
    // As it is shown, such as in an export.
    let uri = if text.parse::<Edge>().is_ok() { format!("sip:{text}") } else { text };
    parse_next_hop(&uri)
        .map(Some)
        .map_err(|error| ControlError::unprocessable(error.to_string(), "write it as sip:HOST:PORT;transport=tls"))
}

fn checked(partners: PartnerScope) -> Result<PartnerScope, ControlError> {
    let PartnerScope::Only(list) = partners else { return Ok(PartnerScope::All) };
    let entry = |text: &String| {
        domain::parse_entry(text).map_err(|error| {
            ControlError::unprocessable(error.to_string(), "write SIP domains, such as fabrikam.example")
        })
    };
    Ok(PartnerScope::Only(list.iter().map(entry).collect::<Result<_, _>>()?))
}

pub(super) async fn remove(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Result<Json<Vec<PolicyAnswer>>, ControlError> {
    let gone = name.clone();
    control.0.store.write(move |store| store.remove_policy(&gone)).await?;
    control.publish_partners().await?;
    tracing::info!(name, "external access policy removed");
    list(State(control)).await
}

pub(super) async fn groups(State(control): State<Control>) -> Result<Json<Vec<GroupPolicy>>, ControlError> {
    let groups = control.0.store.read(|store| store.group_policies()).await?;
    let answer = |(group, policy)| GroupPolicy { group, policy: Some(policy) };
    Ok(Json(groups.into_iter().map(answer).collect()))
}

pub(super) async fn put_group(
    State(control): State<Control>,
    Path(group): Path<String>,
    Body(new): Body<GroupPolicy>,
) -> Result<Json<GroupPolicy>, ControlError> {
    let group = plain_name(&group)?;
    let answer = GroupPolicy { group: group.clone(), policy: new.policy.clone() };
    control.0.store.write(move |store| store.set_group_policy(&group, new.policy.as_deref())).await?;
    control.publish_partners().await?;
    Ok(Json(answer))
}

pub(super) async fn show_user(
    State(control): State<Control>,
    Path(aor): Path<String>,
) -> Result<Json<AccessAnswer>, ControlError> {
    let aor = own_user(&aor)?;
    let read = move |store: &store::Store| {
        let stored = store.user_access(&aor)?;
        let access = store.external_access()?;
        let (policy, scope) = access.policy_of(Some(&aor));
        let holds = policy.map(|policy| format!("{} ({scope})", policy.name));
        Ok(AccessAnswer { policy: stored.policy, group: stored.group, allows: stored.allows, holds })
    };
    Ok(Json(control.0.store.read(read).await?))
}

pub(super) async fn edit_user(
    State(control): State<Control>,
    Path(aor): Path<String>,
    Body(edit): Body<AccessAnswer>,
) -> Result<Json<AccessAnswer>, ControlError> {
    let user = own_user(&aor)?;
    if let Some(group) = edit.group.as_deref().filter(|group| !group.is_empty()) {
        plain_name(group)?;
    }
    let change = move |store: &store::Store| {
        let given = |name: String| Some(name).filter(|name| !name.is_empty());
        if let Some(policy) = edit.policy {
            store.set_user_policy(&user, given(policy).as_deref())?;
        }
        if let Some(group) = edit.group {
            store.set_user_group(&user, given(group).as_deref())?;
        }
        Ok(())
    };
    control.0.store.write(change).await?;
    control.publish_partners().await?;
    show_user(State(control), Path(aor)).await
}

pub(super) async fn allow(
    State(control): State<Control>,
    Path((aor, who)): Path<(String, String)>,
) -> Result<Json<AllowChange>, ControlError> {
    let (user, who) = (own_user(&aor)?, address_or_domain(&who)?);
    let let_in = who.clone();
    let is_changed = control.0.store.write(move |store| store.allow(&user, &let_in)).await?;
    control.publish_partners().await?;
    Ok(Json(AllowChange { aor, who, is_changed }))
}

pub(super) async fn unallow(
    State(control): State<Control>,
    Path((aor, who)): Path<(String, String)>,
) -> Result<Json<AllowChange>, ControlError> {
    let (user, who) = (own_user(&aor)?, address_or_domain(&who)?);
    let kept_out = who.clone();
    let is_changed = control.0.store.write(move |store| store.unallow(&user, &kept_out)).await?;
    control.publish_partners().await?;
    Ok(Json(AllowChange { aor, who, is_changed }))
}

pub(super) fn own_user(text: &str) -> Result<Aor, ControlError> {
    text.parse().map_err(|_| {
        let error = format!("{text:?} is no user's address");
        ControlError::unprocessable(error, "write it as NAME@DOMAIN, such as alice@contoso.example")
    })
}

/// `bob@fabrikam.example`, `fabrikam.example` or `*.fabrikam.example`, in lower case.
fn address_or_domain(text: &str) -> Result<String, ControlError> {
    let read = match text.contains('@') {
        true => text.parse::<Aor>().map(|aor| aor.to_string().to_lowercase()).map_err(|error| error.to_string()),
        false => domain::parse_entry(text).map_err(|error| error.to_string()),
    };
    read.map_err(|error| ControlError::unprocessable(error, "write an address or a domain: bob@fabrikam.example"))
}
