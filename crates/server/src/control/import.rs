//! `POST /api/import`: many entries, providers and policies in one change, all of them or none.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use federation::partner::PartnerKind;
use store::now_unix;

use super::answers::{Import, Imported};
use super::error::ControlError;
use super::partners::trust::entered_trust;
use super::partners::{foreign_entry, partner};
use super::policies::policy;
use super::providers::{plain_name, provider};
use super::{Body, Control};

pub(super) async fn enter(
    State(control): State<Control>,
    Body(import): Body<Import>,
) -> Result<Json<Imported>, ControlError> {
    let known = control.0.store.read(|store| store.partners()).await?;
    let kinds: BTreeMap<&str, &PartnerKind> =
        known.iter().map(|stored| (stored.partner.domain.as_str(), &stored.partner.kind)).collect();
    let partners = checked(import.partner, |entered| {
        let entry = foreign_entry(&control, &entered.domain).and_then(|domain| {
            let before = kinds.get(domain.as_str()).copied();
            partner(&control, domain, &entered.entry, before)
        });
        entry.map_err(|error| error.about(&format!("partner {}", entered.domain)))
    })?;
    let providers = checked(import.provider, |entered| {
        provider(&control, &entered.name, entered.entry)
            .map_err(|error| error.about(&format!("provider {}", entered.name)))
    })?;
    let policies = checked(import.policy, |entered| {
        policy(&entered.name, entered.entry).map_err(|error| error.about(&format!("policy {}", entered.name)))
    })?;
    let groups = checked(import.group, |entered| {
        plain_name(&entered.name).map_err(|error| error.about(&format!("group {}", entered.name)))?;
        Ok(entered)
    })?;
    let trusted = checked(import.trust, |entered| {
        let change = entered_trust(&control, &entered);
        change.map_err(|error| error.about(&format!("trust in {}", entered.domain)))
    })?;
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
        trusted.iter().try_for_each(|(domain, trust)| store.change_trust(domain, trust, now_unix()).map(drop))
    };
    control.0.store.write(change).await?;
    control.publish_partners().await?;
    let Imported { partners, providers, policies, groups, trusted } = imported;
    tracing::info!(partners, providers, policies, groups, trusted, "entries were imported");
    Ok(Json(imported))
}

fn checked<T, C>(sent: Vec<T>, check: impl Fn(T) -> Result<C, ControlError>) -> Result<Vec<C>, ControlError> {
    sent.into_iter().map(check).collect()
}

/// Three hundred thousand entries of a usual kind.
pub(super) const BYTES_MAX: usize = 64 << 20;
