//! `GET /api/decisions`: what was decided lately, from the workers' memory, and refusals also from the store.

use std::collections::{BTreeSet, HashSet};

use axum::Json;
use axum::extract::State;
use federation::decision::{DecisionRecord, Outcome, Recorded};
use serde::Deserialize;
use store::{RefusalQuery, StoredRefusal};

use super::answers::DecisionAnswer;
use super::error::ControlError;
use super::{Control, Parameters};
use crate::domain;

/// Which decisions: all that match every given field.
#[derive(Clone, Deserialize)]
pub(super) struct DecisionQuery {
    pub call_id: Option<String>,
    pub domain: Option<String>,
    pub limit: Option<usize>,
    /// What was refused by us, and nothing else.
    #[serde(default)]
    pub refused: bool,
}

pub(super) async fn list(
    State(control): State<Control>,
    Parameters(mut query): Parameters<DecisionQuery>,
) -> Result<Json<Vec<DecisionAnswer>>, ControlError> {
    if let Some(typed) = &query.domain {
        let domain = domain::parse(typed).map_err(|error| {
            ControlError::unprocessable(error.to_string(), "write a SIP domain, such as fabrikam.example")
        })?;
        query.domain = Some(domain);
    }
    Ok(Json(decisions(&control, query).await?))
}

/// The newest first. The domain must be canonical.
pub(super) async fn decisions(control: &Control, query: DecisionQuery) -> Result<Vec<DecisionAnswer>, ControlError> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let stored = RefusalQuery {
        call_id: query.call_id.clone(),
        domain: query.domain.clone(),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    let stored = control.0.store.read(move |store| store.refusals(&stored)).await?;
    let remembered = remembered(control, move |record| query.matches(record), limit).await;
    Ok(together(remembered, stored, limit))
}

/// The newest decisions about any of these domains, which are canonical; of refusals that are no longer remembered, those about as
/// many of them as are looked up.
pub(super) async fn decisions_about(
    control: &Control,
    domains: BTreeSet<String>,
    limit: usize,
) -> Result<Vec<DecisionAnswer>, ControlError> {
    decided(control, domains, limit, false).await
}

/// As [`earlier_refusals`], of several domains.
pub(super) async fn refusals_before(
    control: &Control,
    domains: BTreeSet<String>,
    shown: &[DecisionAnswer],
) -> Result<Vec<DecisionAnswer>, ControlError> {
    let Some(oldest) = shown.iter().map(|decision| decision.at_unix_ms).min() else { return Ok(Vec::new()) };
    let refusals = decided(control, domains, shown.len() + REFUSALS_SHOWN, true).await?;
    Ok(refusals.into_iter().filter(|refusal| refusal.at_unix_ms < oldest).take(REFUSALS_SHOWN).collect())
}

async fn decided(
    control: &Control,
    domains: BTreeSet<String>,
    limit: usize,
    refused: bool,
) -> Result<Vec<DecisionAnswer>, ControlError> {
    let looked_up: Vec<String> = domains.iter().take(DOMAINS_LOOKED_UP_MAX).cloned().collect();
    let read = move |store: &store::Store| {
        let query = |domain| RefusalQuery { call_id: None, domain: Some(domain), limit: limit as u32 };
        looked_up.into_iter().map(|domain| store.refusals(&query(domain))).collect::<Result<Vec<_>, _>>()
    };
    let stored = control.0.store.read(read).await?.concat();
    let is_about = move |record: &DecisionRecord| {
        let is_one = domains.contains(&record.from_domain) || domains.contains(&record.to_domain);
        is_one && (!refused || matches!(record.outcome, Outcome::Refused { .. }))
    };
    Ok(together(remembered(control, is_about, limit).await, stored, limit))
}

fn together(remembered: Vec<DecisionAnswer>, stored: Vec<StoredRefusal>, limit: usize) -> Vec<DecisionAnswer> {
    let mut all = remembered;
    // A refusal may be in memory and in the store; a request sent again within a millisecond is shown once.
    let seen: HashSet<(i64, String)> = all.iter().map(identity).collect();
    let stored = stored.into_iter().map(|found| DecisionAnswer {
        at_unix_ms: found.at_unix_ms,
        turned_away: false,
        record: found.record,
    });
    all.extend(stored.filter(|decision| !seen.contains(&identity(decision))));
    all.sort_by_key(|decision| std::cmp::Reverse(decision.at_unix_ms));
    all.truncate(limit);
    all
}

/// The last few refusals about a domain which is canonical, of those that are older than all that is shown.
pub(super) async fn earlier_refusals(
    control: &Control,
    domain: &str,
    shown: &[DecisionAnswer],
) -> Result<Vec<DecisionAnswer>, ControlError> {
    let Some(oldest) = shown.iter().map(|decision| decision.at_unix_ms).min() else { return Ok(Vec::new()) };
    let limit = Some(shown.len() + REFUSALS_SHOWN);
    let query = DecisionQuery { call_id: None, domain: Some(domain.to_owned()), limit, refused: true };
    let refusals = decisions(control, query).await?;
    let earlier = refusals.into_iter().filter(|refusal| refusal.at_unix_ms < oldest);
    Ok(earlier.take(REFUSALS_SHOWN).collect())
}

impl DecisionQuery {
    fn matches(&self, record: &DecisionRecord) -> bool {
        let by_call = self.call_id.as_ref().is_none_or(|call_id| *call_id == record.call_id);
        let by_domain =
            self.domain.as_ref().is_none_or(|domain| [&record.from_domain, &record.to_domain].contains(&domain));
        let by_outcome = !self.refused || matches!(record.outcome, Outcome::Refused { .. });
        by_call && by_domain && by_outcome
    }
}

async fn remembered(
    control: &Control,
    is_wanted: impl Fn(&DecisionRecord) -> bool + Clone + Send + 'static,
    limit: usize,
) -> Vec<DecisionAnswer> {
    let of_worker = control.0.workers.ask(move |core, _| newest(core.decisions().iter(), &is_wanted, limit)).await;
    of_worker.into_iter().flatten().collect()
}

fn newest<'a>(
    recorded: impl Iterator<Item = &'a Recorded>,
    is_wanted: &impl Fn(&DecisionRecord) -> bool,
    limit: usize,
) -> Vec<DecisionAnswer> {
    let answer = |recorded: &Recorded| DecisionAnswer {
        at_unix_ms: i64::try_from(recorded.at_unix_ms).unwrap_or(i64::MAX),
        turned_away: false,
        record: (*recorded.record).clone(),
    };
    let mut found: Vec<_> = recorded.filter(|recorded| is_wanted(&recorded.record)).map(answer).collect();
    // Of one millisecond, what was decided last comes first.
    found.reverse();
    found.truncate(limit);
    found
}

fn identity(decision: &DecisionAnswer) -> (i64, String) {
    (decision.at_unix_ms, format!("{} {}", decision.record.call_id, decision.record.method))
}

/// Of each its refusals are read.
const DOMAINS_LOOKED_UP_MAX: usize = 50;
const REFUSALS_SHOWN: usize = 5;
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1000;
