//! `GET /api/why`: the decisions about a request in the order of time, or what would be decided about one.
//!
//! Here they are gathered. How they read is `story`; what would happen without sending anything is `dry_run`.

mod dry_run;
mod story;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use federation::decision::{Outcome, Recorded};
use federation::modality::Modality;
use serde::{Deserialize, Serialize};
use signaling::cut_word;
use store::RefusalQuery;

use super::answers::{DecisionAnswer, FromEdge, WhyAnswer};
use super::error::ControlError;
use super::{Control, Parameters, calls};
use crate::domain;

/// One call, or the newest between two domains.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct WhyQuery {
    call_id: Option<String>,
    /// A user's address, or a domain.
    from: Option<String>,
    to: Option<String>,
    /// Decide about a message from one to the other, and send nothing.
    #[serde(default)]
    dry_run: bool,
    /// With a dry run: another modality than messages, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    what: Option<String>,
}

pub(super) async fn show(
    State(control): State<Control>,
    Parameters(query): Parameters<WhyQuery>,
) -> Result<Json<WhyAnswer>, ControlError> {
    let here = control.why(query.clone()).await;
    if query.dry_run {
        let here = here?;
        let edges = if control.crosses_border(&query) {
            control.edges().ask_within(DRY_RUN_TIME, "/edge/why", &query).await
        } else {
            Vec::new()
        };
        return Ok(Json(WhyAnswer { edges, ..here }));
    }
    // The same call, whichever way it was asked for.
    let call_id = here.as_ref().ok().and_then(|answer| answer.call_id.clone());
    let asked = call_id.map_or(query, |call_id| WhyQuery { call_id: Some(call_id), ..WhyQuery::default() });
    with_edges(here, control.edges().ask("/edge/why", &asked).await).map(Json)
}

impl Control {
    /// Whether one of the two is of another organisation, so that an edge decides as well.
    fn crosses_border(&self, query: &WhyQuery) -> bool {
        let is_ours = |domain: String| self.0.config.domains.contains(&domain);
        [&query.from, &query.to].into_iter().flatten().any(|end| domain_of(end).is_ok_and(|domain| !is_ours(domain)))
    }

    /// What this server decided, or would.
    pub(crate) async fn why(&self, query: WhyQuery) -> Result<WhyAnswer, ControlError> {
        match query {
            WhyQuery { call_id: Some(call_id), .. } => of_call(self, call_id).await,
            WhyQuery { from: Some(from), to: Some(to), dry_run: true, what, .. } => {
                dry_run::decide(self, (&from, &to), modality(what.as_deref())?).await
            }
            WhyQuery { from: Some(from), to: Some(to), .. } => {
                between(self, &domain_of(&from)?, &domain_of(&to)?).await
            }
            _ => Err(ControlError::unprocessable("nothing is asked for", "name a Call-ID, or both --from and --to")),
        }
    }
}

fn modality(name: Option<&str>) -> Result<Modality, ControlError> {
    let Some(name) = name else { return Ok(Modality::Messages) };
    Modality::ALL.into_iter().find(|modality| modality.as_str() == name).ok_or_else(|| {
        let names = Modality::ALL.map(Modality::as_str).join(", ");
        ControlError::unprocessable(format!("{name:?} is no modality"), format!("name one of these: {names}"))
    })
}

/// What an edge refused never came to its home.
fn with_edges(
    here: Result<WhyAnswer, ControlError>,
    edges: Vec<FromEdge<WhyAnswer>>,
) -> Result<WhyAnswer, ControlError> {
    match here {
        Ok(answer) => Ok(WhyAnswer { edges, ..answer }),
        Err(error) => {
            let Some(told) = edges.iter().find_map(|from| from.answer.clone()) else { return Err(error) };
            let note = Some("nothing of it came to this server: what its edges say is all there is".to_owned());
            Ok(WhyAnswer { note, steps: Vec::new(), edges, ..told })
        }
    }
}

/// All that is remembered of one Call-ID.
pub(super) async fn decisions_about(control: &Control, call_id: &str) -> Result<Vec<DecisionAnswer>, ControlError> {
    let wanted = cut_word(call_id);
    gather(control, Some(call_id.to_owned()), move |found| found.record.call_id == wanted).await
}

async fn of_call(control: &Control, call_id: String) -> Result<WhyAnswer, ControlError> {
    let decisions = decisions_about(control, &call_id).await?;
    let calls = calls::of_call(control, &call_id).await?;
    if decisions.is_empty() && calls.is_empty() {
        let error = format!("nothing was decided here about the Call-ID {call_id}, as far as is remembered");
        let hint = "check the Call-ID; admitted requests are remembered until the server restarts or thousands more have \
            come, refused ones for 30 days, but for those that could not be read: of them the last few hundred; if it never came here, ask the sender, or: comity why --from A --to B --dry-run";
        return Err(ControlError::new(StatusCode::NOT_FOUND, error, hint));
    }
    Ok(story::tell(call_id, &decisions, &calls))
}

/// The newest call from one domain to another, and which others there are.
async fn between(control: &Control, from: &str, to: &str) -> Result<WhyAnswer, ControlError> {
    let (wanted_from, wanted_to) = (from.to_owned(), to.to_owned());
    let fits =
        move |found: &DecisionAnswer| found.record.from_domain == wanted_from && found.record.to_domain == wanted_to;
    let mut call_ids: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for found in gather(control, None, fits).await?.into_iter().rev() {
        if call_ids.len() <= OTHERS_MAX && seen.insert(found.record.call_id.clone()) {
            call_ids.push(found.record.call_id);
        }
    }
    if call_ids.is_empty() {
        let error = format!("nothing from {from} to {to} was decided here, as far as is remembered");
        let dry_run = format!("see what would happen: comity why --from NAME@{from} --to NAME@{to} --dry-run");
        let hint = if control.0.config.domains.iter().any(|domain| domain == from) {
            format!("a phone may have gone its own way: it has to have this server as its outbound proxy; {dry_run}")
        } else {
            format!("it may never have come here; {dry_run}")
        };
        return Err(ControlError::new(StatusCode::NOT_FOUND, error, hint));
    }
    let newest = call_ids.remove(0);
    let note = format!(
        "the newest from {from} to {to}, whoever wrote: what is remembered names domains, not users. For another, name \
         its Call-ID"
    );
    Ok(WhyAnswer { note: Some(note), others: call_ids, ..of_call(control, newest).await? })
}

/// What all workers and the store remember, the oldest first. Of one moment, what a worker decided first comes first,
/// and an admission before what followed from it on another worker.
async fn gather(
    control: &Control,
    call_id: Option<String>,
    fits: impl Fn(&DecisionAnswer) -> bool + Clone + Send + 'static,
) -> Result<Vec<DecisionAnswer>, ControlError> {
    let stored = RefusalQuery { call_id, domain: None, limit: STORED_MAX };
    let stored = control.0.store.read(move |store| store.refusals(&stored)).await?;
    let matching = fits.clone();
    let remembered = control.0.workers.ask(move |core, _| {
        let judged = core.decisions().iter().map(|recorded| answer(recorded, false));
        let turned_away = core.turned_away().iter().map(|recorded| answer(recorded, true));
        judged.chain(turned_away).filter(&matching).collect::<Vec<_>>()
    });
    let mut all: Vec<DecisionAnswer> = remembered.await.into_iter().flatten().collect();
    // A refusal may be in memory and in the store.
    let stored = stored.into_iter().map(|found| DecisionAnswer {
        at_unix_ms: found.at_unix_ms,
        turned_away: false,
        record: found.record,
    });
    let stored: Vec<_> = stored.filter(|found| fits(found) && !all.iter().any(|known| is_same(known, found))).collect();
    all.extend(stored);
    all.sort_by_key(|found| (found.at_unix_ms, !matches!(found.record.outcome, Outcome::Admitted { .. })));
    Ok(all)
}

fn answer(recorded: &Recorded, turned_away: bool) -> DecisionAnswer {
    let at_unix_ms = i64::try_from(recorded.at_unix_ms).unwrap_or(i64::MAX);
    DecisionAnswer { at_unix_ms, turned_away, record: (*recorded.record).clone() }
}

fn is_same(one: &DecisionAnswer, other: &DecisionAnswer) -> bool {
    one.at_unix_ms == other.at_unix_ms && one.record == other.record
}

fn domain_of(typed: &str) -> Result<String, ControlError> {
    let name = typed.trim_start_matches("sip:");
    let name = name.rsplit_once('@').map_or(name, |(_, domain)| domain);
    domain::parse(name).map_err(|error| {
        ControlError::unprocessable(
            error.to_string(),
            "write a user's address, such as alice@contoso.example, or a domain",
        )
    })
}

/// An edge waits for the DNS first.
const DRY_RUN_TIME: Duration = Duration::from_secs(12);
const OTHERS_MAX: usize = 5;
/// Stored refusals that are looked through.
const STORED_MAX: u32 = 5_000;
