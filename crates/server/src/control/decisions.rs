//! `GET /api/decisions`: what was decided lately, from the workers' memory, and refusals also from the store.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use federation::decision::{Outcome, Recorded};
use serde::Deserialize;
use store::RefusalQuery;

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
    let remembered = control.0.workers.ask(move |core, _| newest(core.decisions().iter(), &query, limit)).await;

    let mut all: Vec<DecisionAnswer> = remembered.into_iter().flatten().collect();
    // A refusal may be in memory and in the store; a request sent again within a millisecond is shown once.
    let seen: HashSet<(i64, String)> = all.iter().map(identity).collect();
    let stored = stored.into_iter().map(|found| DecisionAnswer { at_unix_ms: found.at_unix_ms, record: found.record });
    all.extend(stored.filter(|decision| !seen.contains(&identity(decision))));
    all.sort_by_key(|decision| std::cmp::Reverse(decision.at_unix_ms));
    all.truncate(limit);
    Ok(all)
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

fn newest<'a>(
    recorded: impl Iterator<Item = &'a Recorded>,
    query: &DecisionQuery,
    limit: usize,
) -> Vec<DecisionAnswer> {
    let matches = |recorded: &&Recorded| {
        let record = &recorded.record;
        let by_call = query.call_id.as_ref().is_none_or(|call_id| *call_id == record.call_id);
        let by_domain =
            query.domain.as_ref().is_none_or(|domain| [&record.from_domain, &record.to_domain].contains(&domain));
        let by_outcome = !query.refused || matches!(record.outcome, Outcome::Refused { .. });
        by_call && by_domain && by_outcome
    };
    let answer = |recorded: &Recorded| DecisionAnswer {
        at_unix_ms: i64::try_from(recorded.at_unix_ms).unwrap_or(i64::MAX),
        record: (*recorded.record).clone(),
    };
    let mut found: Vec<_> = recorded.filter(matches).map(answer).collect();
    // Of one millisecond, what was decided last comes first.
    found.reverse();
    found.truncate(limit);
    found
}

fn identity(decision: &DecisionAnswer) -> (i64, String) {
    (decision.at_unix_ms, format!("{} {}", decision.record.call_id, decision.record.method))
}

const REFUSALS_SHOWN: usize = 5;
const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1000;
