//! `POST /api/import`: many entries, providers and policies in one change, all of them or none; with `?dry_run=true` none, and the
//! answer is what it would be.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use federation::partner::PartnerKind;
use serde::Deserialize;
use store::{StoreError, now_unix};

use super::answers::{Import, Imported};
use super::error::ControlError;
use super::partners::trust::entered_trust;
use super::partners::{foreign_entry, partner};
use super::policies::policy;
use super::providers::{plain_name, provider};
use super::{Body, Control, Parameters};

#[derive(Deserialize)]
pub(super) struct ImportQuery {
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn enter(
    State(control): State<Control>,
    Parameters(ImportQuery { dry_run }): Parameters<ImportQuery>,
    Body(import): Body<Import>,
) -> Result<Json<Imported>, ControlError> {
    let known = control.0.store.read(|store| store.partners()).await?;
    let kinds: BTreeMap<&str, &PartnerKind> =
        known.iter().map(|stored| (stored.partner.domain.as_str(), &stored.partner.kind)).collect();
    let mut wrong = Vec::new();
    let partners = checked(import.partner, &mut wrong, |entered| {
        let entry = foreign_entry(&control, &entered.domain).and_then(|domain| {
            let before = kinds.get(domain.as_str()).copied();
            partner(&control, domain, &entered.entry, before)
        });
        entry.map_err(|error| error.about(&format!("partner {}", entered.domain)))
    });
    let providers = checked(import.provider, &mut wrong, |entered| {
        provider(&control, &entered.name, entered.entry)
            .map_err(|error| error.about(&format!("provider {}", entered.name)))
    });
    let policies = checked(import.policy, &mut wrong, |entered| {
        policy(&entered.name, entered.entry).map_err(|error| error.about(&format!("policy {}", entered.name)))
    });
    let groups = checked(import.group, &mut wrong, |entered| {
        plain_name(&entered.name).map_err(|error| error.about(&format!("group {}", entered.name)))?;
        Ok(entered)
    });
    let trusted = checked(import.trust, &mut wrong, |entered| {
        let change = entered_trust(&control, &entered);
        change.map_err(|error| error.about(&format!("trust in {}", entered.domain)))
    });
    if let Some(error) = ControlError::together(wrong) {
        return Err(error);
    }
    let imported = Imported {
        partners: partners.len(),
        providers: providers.len(),
        policies: policies.len(),
        groups: groups.len(),
        trusted: trusted.len(),
    };
    let change = move |store: &store::Store| {
        // A partner may name no edge of a provider: what is said of providers comes after.
        partners.iter().try_for_each(|partner| store.put_partner(partner, now_unix()).map(drop))?;
        providers.iter().try_for_each(|provider| store.put_provider(provider, now_unix()).map(drop))?;
        policies.iter().try_for_each(|policy| store.put_policy(policy).map(drop))?;
        groups.iter().try_for_each(|group| store.set_group_policy(&group.name, Some(&group.policy)))?;
        trusted.iter().try_for_each(|(domain, trust)| store.change_trust(domain, trust, now_unix()).map(drop))?;
        if dry_run { Err(StoreError::OnlyTried) } else { Ok(()) }
    };
    match control.0.store.write(change).await {
        Err(StoreError::OnlyTried) => return Ok(Json(imported)),
        written => written?,
    }
    control.publish_partners().await?;
    let Imported { partners, providers, policies, groups, trusted } = imported;
    tracing::info!(partners, providers, policies, groups, trusted, "entries were imported");
    Ok(Json(imported))
}

/// Those that can be entered; why the others cannot.
fn checked<T, C>(sent: Vec<T>, wrong: &mut Vec<ControlError>, check: impl Fn(T) -> Result<C, ControlError>) -> Vec<C> {
    sent.into_iter().filter_map(|one| check(one).map_err(|error| wrong.push(error)).ok()).collect()
}

/// Three hundred thousand entries of a usual kind.
pub(super) const BYTES_MAX: usize = 64 << 20;
