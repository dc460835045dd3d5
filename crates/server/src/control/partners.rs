//! `/api/partners`: a change is stored, then in force in every worker, then answered.

pub(super) mod detail;
pub(super) mod trust;
pub(super) mod verdict;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use federation::discovery::SrvFailure;
use federation::partner::{Partner, PartnerKind, Partners, Standing, Way};
use federation::trust::hexadecimal;
use serde::Deserialize;
use signaling::{Forgotten, LinkStatus};
use store::{PartnerRemoval, StoreError, StoredSeen, now_unix};

use super::answers::{
    AboutPartner, LinkAnswer, NewPartner, PartnerAnswer, PartnerChange, PartnerDetail, PartnerEdit, PartnerReset,
    PartnerWord,
};
use super::decisions::{DecisionQuery, decisions, earlier_refusals};
use super::discovered;
use super::error::ControlError;
use super::{Body, Control, FederationTerms, Parameters, partners_of};
use crate::config::{FederationSwitches, Roles};
use crate::domain;

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<PartnerAnswer>>, ControlError> {
    let partners = control.0.store.read(|store| store.partners()).await?;
    Ok(Json(partners.into_iter().map(PartnerAnswer::from).collect()))
}

pub(super) async fn show(
    State(control): State<Control>,
    Path(domain): Path<String>,
) -> Result<Json<PartnerDetail>, ControlError> {
    let mut detail = control.partner(&domain).await?;
    detail.edges = control.edges().ask("/edge/partner", &AboutPartner { domain: detail.domain.clone() }).await;
    Ok(Json(detail))
}

impl Control {
    /// What this server knows of a partner.
    pub(crate) async fn partner(&self, domain: &str) -> Result<PartnerDetail, ControlError> {
        partner_here(self, domain).await
    }

    /// Forgets what this server has learnt about a partner.
    pub(crate) async fn reset_partner(&self, domain: &str) -> Result<PartnerReset, ControlError> {
        reset_here(self, domain).await
    }
}

async fn partner_here(control: &Control, domain: &str) -> Result<PartnerDetail, ControlError> {
    let domain = foreign_entry(control, domain)?;
    let (wanted, terms) = (domain.clone(), FederationTerms::of(&control.0.config));
    let read = move |store: &store::Store| Ok((store.partners()?, partners_of(store, &terms)?));
    let (entries, table) = control.0.store.read(read).await?;
    let of =
        |domain: &str| entries.iter().find(|entry| entry.partner.domain == domain).cloned().map(PartnerAnswer::from);
    let entry = of(&wanted);
    let standing = table.standing(&domain);
    let decided_by = standing.entry().filter(|entry| entry.domain != domain).and_then(|entry| of(&entry.domain));
    let query =
        DecisionQuery { domain: Some(domain.clone()), call_id: None, limit: Some(DECISIONS_SHOWN), refused: false };
    let switches = control.switches().await?;
    let trust = trust::of(control, &domain).await?;
    let seen = seen(control, &domain).await?;
    let gathered = detail::gather(control, domain.clone(), entry).await;
    let provider = table.provider_of(&domain, gathered.1.as_ref().unwrap_or(&Err(SrvFailure::Timeout)));
    let deciding = decided_by.as_ref().or(gathered.0.entry.as_ref());
    let served = control.0.certificate.get();
    let decisions = decisions(control, query).await?;
    let detail = PartnerDetail {
        shown: served.also.into_iter().find(|one| one.for_partner.as_ref() == Some(&wanted)),
        trust,
        meaning: meaning(deciding, switches, &table.usual_way(&domain)) + &by_policies(&table),
        tier: tier(standing).map(str::to_owned),
        provider: provider.map(|provider| provider.name.clone()),
        provider_modalities: provider.map(|provider| provider.modalities),
        provider_pins: provider.map(|provider| provider.pins.iter().map(hexadecimal).collect()).unwrap_or_default(),
        provider_monitored: provider.is_some_and(|provider| provider.monitored),
        links: links(control, |link| link.domain == domain).await,
        ledgers: discovered::of_domain(control, &domain).await?,
        seen,
        refusals: earlier_refusals(control, &domain, &decisions).await?,
        decisions,
        decided_by,
        ..gathered.0
    };
    Ok(verdict::look_ahead(verdict::conclude(detail, switches), now_unix()))
}

pub(super) async fn put(
    State(control): State<Control>,
    Path(domain): Path<String>,
    Body(new): Body<NewPartner>,
) -> Result<(StatusCode, Json<PartnerChange>), ControlError> {
    let domain = foreign_entry(&control, &domain)?;
    let wanted = domain.clone();
    let before = control.0.store.read(move |store| store.partner(&wanted)).await?;
    let partner = partner(&control, domain, &new, before.map(|before| before.partner.kind).as_ref())?;
    keep(&control, partner).await
}

/// Changes some terms of an entry.
pub(super) async fn edit(
    State(control): State<Control>,
    Path(domain): Path<String>,
    Body(edit): Body<PartnerEdit>,
) -> Result<(StatusCode, Json<PartnerChange>), ControlError> {
    let domain = foreign_entry(&control, &domain)?;
    let wanted = domain.clone();
    let Some(before) = control.0.store.read(move |store| store.partner(&wanted)).await? else {
        return Err(StoreError::PartnerUnknown { domain }.into());
    };
    let kind = before.partner.kind.clone();
    let mut new = NewPartner::from(PartnerAnswer::from(before));
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    if let (Some(edge), PartnerWord::AllowedDomain | PartnerWord::AllowedServer) = (edit.edge, new.kind) {
        new.edge = given(edge);
        new.kind = if new.edge.is_some() { PartnerWord::AllowedServer } else { PartnerWord::AllowedDomain };
    }
    new.comment = edit.comment.unwrap_or(new.comment);
    new.monitored = edit.monitored.unwrap_or(new.monitored);
    new.verification = edit.verification.unwrap_or(new.verification);
    new.modalities = edit.modalities.unwrap_or(new.modalities);
    new.mark_source = edit.mark_source.unwrap_or(new.mark_source);
    new.hide_topology = edit.hide_topology.unwrap_or(new.hide_topology);
    keep(&control, partner(&control, domain, &new, Some(&kind))?).await
}

/// An entry as it was sent, checked; `before`: of what kind the one is that it takes the place of.
pub(super) fn partner(
    control: &Control,
    domain: String,
    new: &NewPartner,
    before: Option<&PartnerKind>,
) -> Result<Partner, ControlError> {
    check_comment(&new.comment)?;
    let kind = kind(control, new)?;
    check_width(&domain, &kind, before)?;
    Ok(Partner {
        kind,
        comment: new.comment.clone(),
        monitored: new.monitored,
        verification: new.verification,
        modalities: new.modalities,
        mark_source: new.mark_source,
        hide_topology: new.hide_topology,
        ..Partner::allowed(domain)
    })
}

/// All below a top-level domain may be blocked, or be behind an edge that is named; nobody means to allow whoever is there.
/// One that does so already, from before that was asked about, may get other terms.
fn check_width(domain: &str, kind: &PartnerKind, before: Option<&PartnerKind>) -> Result<(), ControlError> {
    let is_wide = |kind: &PartnerKind| *kind == PartnerKind::AllowedDomain;
    if !domain::is_for_top_level(domain) || !is_wide(kind) || before.is_some_and(is_wide) {
        return Ok(());
    }
    let hint = "name the domains one by one, or the edge that all of it is behind (--edge HOST, in a file kind = \"allowed-server\" and \
        edge = \"HOST\"); whoever proves a domain comes in by discovery";
    Err(ControlError::unprocessable(format!("{domain} would allow everybody below a top-level domain"), hint))
}

pub(super) fn check_comment(comment: &str) -> Result<(), ControlError> {
    if comment.chars().count() > COMMENT_CHARS_MAX || comment.chars().any(char::is_control) {
        let hint = format!("a comment is one line of at most {COMMENT_CHARS_MAX} characters");
        return Err(ControlError::unprocessable("the comment is too long or has control characters", hint));
    }
    Ok(())
}

async fn keep(control: &Control, partner: Partner) -> Result<(StatusCode, Json<PartnerChange>), ControlError> {
    let domain = partner.domain.clone();
    let change = move |store: &store::Store| {
        let before = store.put_partner(&partner, now_unix())?;
        Ok((before, store.partner(&partner.domain)?))
    };
    let (before, entry) = control.0.store.write(change).await?;
    control.publish_partners().await?;
    tracing::info!(domain, "partner entry changed");
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let (entry, before) = (entry.map(PartnerAnswer::from), before.map(PartnerAnswer::from));
    let blocked_by = blocking_wildcard(control, &domain).await?;
    Ok((status, Json(PartnerChange { entry, before, blocked_by })))
}

/// What a removal may touch: `?only=allowed`, `?only=blocked`, or anything.
#[derive(Deserialize)]
pub(super) struct RemovalQuery {
    only: Option<Only>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Only {
    Allowed,
    Blocked,
}

pub(super) async fn remove(
    State(control): State<Control>,
    Path(domain): Path<String>,
    Parameters(RemovalQuery { only }): Parameters<RemovalQuery>,
) -> Result<Json<PartnerChange>, ControlError> {
    let domain = foreign_entry(&control, &domain)?;
    let removal = match only {
        Some(Only::Allowed) => PartnerRemoval::Allowed,
        Some(Only::Blocked) => PartnerRemoval::Blocked,
        None => PartnerRemoval::Any,
    };
    let gone = domain.clone();
    let removed = control.0.store.write(move |store| store.remove_partner(&gone, removal)).await;
    let before = match removed {
        Err(StoreError::PartnerUnknown { .. } | StoreError::PartnerNotBlocked { .. })
            if removal == PartnerRemoval::Blocked
                && let Some(error) = blocked_by_wildcard(&control, &domain).await? =>
        {
            return Err(error);
        }
        removed => removed?,
    };
    control.publish_partners().await?;
    tracing::info!(domain, "partner entry removed");
    Ok(Json(PartnerChange { entry: None, before: Some(before.into()), blocked_by: None }))
}

/// What there is to lift is the block of another entry.
async fn blocked_by_wildcard(control: &Control, domain: &str) -> Result<Option<ControlError>, ControlError> {
    Ok(blocking_wildcard(control, domain).await?.map(|entry| {
        let error = format!("{domain} is blocked by the entry of {entry}");
        ControlError::new(StatusCode::CONFLICT, error, format!("to lift that: comity partner unblock '{entry}'"))
    }))
}

async fn blocking_wildcard(control: &Control, domain: &str) -> Result<Option<String>, ControlError> {
    let terms = FederationTerms::of(&control.0.config);
    let partners = control.0.store.read(move |store| partners_of(store, &terms)).await?;
    Ok(wildcard_that_blocks(partners.standing(domain), domain).map(str::to_owned))
}

/// The entry that blocks the domain, where that is not its own.
pub(super) fn wildcard_that_blocks<'a>(standing: Standing<'a>, domain: &str) -> Option<&'a str> {
    let entry = standing.entry().filter(|entry| entry.is_blocked() && entry.domain != domain);
    entry.map(|entry| entry.domain.as_str())
}

/// Forgets what was learnt about the domain, in every worker, and at the edges.
pub(super) async fn reset(
    State(control): State<Control>,
    Path(domain): Path<String>,
) -> Result<Json<PartnerReset>, ControlError> {
    let mut reset = control.reset_partner(&domain).await?;
    reset.edges = control.edges().ask("/edge/partner/reset", &AboutPartner { domain: reset.domain.clone() }).await;
    Ok(Json(reset))
}

async fn reset_here(control: &Control, domain: &str) -> Result<PartnerReset, ControlError> {
    let domain = foreign_domain(control, domain)?;
    let wanted = domain.clone();
    control.0.workers.forget_names();
    let pardoned = domain.clone();
    control.0.partner_watch.forget(&domain);
    let forget = move |store: &store::Store| {
        store.remove_suspects(&pardoned)?;
        store.remove_knocks(&pardoned)?;
        store.forget_seen(&pardoned)
    };
    let seen = control.0.store.write(forget).await?;
    let answers = control.0.workers.ask(move |core, _| core.reset_partner(&wanted)).await;
    tracing::info!(domain, "forgot what was learnt about a partner");
    let add = |sum: Forgotten, one: &Forgotten| sum + *one;
    let forgotten = answers.iter().fold(Forgotten::default(), add);
    Ok(PartnerReset { domain, workers: answers.len(), forgotten, seen, edges: Vec::new() })
}

/// What the partner has shown so far, with what it shows now.
async fn seen(control: &Control, domain: &str) -> Result<Vec<StoredSeen>, ControlError> {
    let wanted = domain.to_owned();
    control.partner_watch().forget(domain);
    look_now(control).await;
    let mut seen = control.0.store.read(move |store| store.seen_of(&wanted)).await?;
    seen.truncate(SEEN_SHOWN);
    Ok(seen)
}

/// Sees to it that what partners show just now is among what was seen.
pub(super) async fn look_now(control: &Control) {
    // Where nothing can be written, what is known is shown all the same.
    if let Err(error) = control.partner_watch().look(&control.0.workers, &control.0.store).await {
        tracing::debug!(%error, "what partners show cannot be kept");
    }
}

pub(super) async fn links(control: &Control, is_wanted: impl Fn(&LinkStatus) -> bool) -> Vec<LinkAnswer> {
    let of_worker = |status: signaling::CoreStatus| {
        let worker = status.worker;
        status.links.into_iter().map(move |link| LinkAnswer { worker, link })
    };
    let answers = control.0.workers.ask(|core, _| core.status()).await;
    let mut links: Vec<_> = answers.into_iter().flat_map(of_worker).filter(|found| is_wanted(&found.link)).collect();
    links.sort_by_key(|found| found.link.connection);
    links
}

/// What an entry, or its absence, means for a domain.
pub(super) fn meaning(entry: Option<&PartnerAnswer>, switches: Option<FederationSwitches>, way: &Way<'_>) -> String {
    let Some(switches) = switches else {
        return "unknown: the home has told this edge nothing yet, and nothing passes".to_owned();
    };
    const FOUND_BY_DNS: &str = "its edge is found by DNS (SRV), and its certificate has to name the domain or an edge \
        directly below it";
    let meaning = match entry {
        Some(PartnerAnswer { kind: PartnerWord::AllowedServer, edge, .. }) => {
            let edge = edge.as_deref().unwrap_or_default();
            format!("allowed: its edge is {edge}, and its certificate has to name that host or the domain")
        }
        Some(PartnerAnswer { kind: PartnerWord::AllowedDomain, .. }) => match way.edge {
            Some(edge) => format!("allowed: it is reached through {edge}, {}", way.by),
            None => format!("allowed: {FOUND_BY_DNS}"),
        },
        Some(PartnerAnswer { kind: PartnerWord::Blocked, .. }) => {
            "blocked: nothing from it or to it passes, whatever else is set".to_owned()
        }
        None if matches!(way.standing, Standing::Cleared(_)) => {
            format!("no entry: it is reached through {}, {}", way.edge.unwrap_or_default(), way.by)
        }
        None if switches.discovery => format!("no entry, allowed since discovery is on: {FOUND_BY_DNS}"),
        None => "no entry, and discovery is off: nothing from it or to it passes".to_owned(),
    };
    if switches.enabled { meaning } else { format!("federation is off, nothing passes; otherwise {meaning}") }
}

/// Who reaches it otherwise.
fn by_policies(table: &Partners) -> String {
    let route = |(policy, route): (&str, &str)| format!("; users with the policy {policy} reach it through {route}");
    table.access().routes_by_policy().take(ROUTES_SHOWN).map(route).collect()
}

fn kind(control: &Control, new: &NewPartner) -> Result<PartnerKind, ControlError> {
    match (new.kind, &new.edge) {
        (PartnerWord::AllowedServer, Some(edge)) => {
            foreign_edge(control, edge).map(|edge| PartnerKind::AllowedServer { edge })
        }
        (PartnerWord::AllowedServer, None) => {
            Err(ControlError::unprocessable("an allowed server needs an edge", "name it, or allow the domain alone"))
        }
        (_, Some(_)) => Err(ControlError::unprocessable("only an allowed server has an edge", "leave the edge out")),
        (PartnerWord::AllowedDomain, None) => Ok(PartnerKind::AllowedDomain),
        (PartnerWord::Blocked, None) => Ok(PartnerKind::Blocked),
    }
}

/// The edge of somebody else, as it was typed. What went to our own would come back to us, and be a loop.
pub(super) fn foreign_edge(control: &Control, typed: &str) -> Result<String, ControlError> {
    let edge = domain::parse_edge(typed)
        .map_err(|error| ControlError::unprocessable(error.to_string(), "write the edge as HOST or HOST:PORT"))?;
    let config = &control.0.config;
    let inside = config.inside.iter().filter(|_| config.roles == Roles::Home);
    let edges = inside.flat_map(|inside| &inside.rules.hops).map(|hop| &hop.host);
    // The usual port may lead to another one here. At any further one of the same name may be another server.
    let (host, port) = edge.rsplit_once(':').unwrap_or((&edge, ""));
    let is_our_port = port.is_empty() || config.listen.tls.iter().any(|at| at.port().to_string() == port);
    let mut names = config.domains.iter().chain([&config.edge]).chain(edges);
    if is_our_port && names.any(|ours| ours.eq_ignore_ascii_case(host)) {
        let hint = "name the edge of the partner or provider; what is sent to our own would come back to us";
        return Err(ControlError::unprocessable(format!("{edge} is an edge of this organisation"), hint));
    }
    Ok(edge)
}

pub(super) fn sip_domain(text: &str) -> Result<String, ControlError> {
    domain::parse(text).map_err(no_sip_domain)
}

pub(super) fn foreign_domain(control: &Control, text: &str) -> Result<String, ControlError> {
    let domain = sip_domain(text)?;
    if control.0.config.domains.contains(&domain) {
        let hint = "partners are other organisations' domains; ours are under domains in comity.toml";
        return Err(ControlError::unprocessable(format!("{domain} is a domain of this server"), hint));
    }
    Ok(domain)
}

/// A domain of others, or `*.` and a domain, below which may be ours: those are never partners.
pub(super) fn foreign_entry(control: &Control, text: &str) -> Result<String, ControlError> {
    match text.starts_with(['*', '.']) {
        true => domain::parse_entry(text).map_err(no_sip_domain),
        false => foreign_domain(control, text),
    }
}

fn no_sip_domain(error: domain::DomainError) -> ControlError {
    ControlError::unprocessable(error.to_string(), "write a SIP domain, such as fabrikam.example")
}

pub(super) fn tier(standing: Standing<'_>) -> Option<&'static str> {
    match standing {
        Standing::Allowed(_) | Standing::Shared(_) | Standing::Cleared(_) => Some("allowed"),
        Standing::Discovered => Some("discovered"),
        Standing::Blocked(_) => Some("blocked"),
        Standing::Unknown | Standing::FederationOff | Standing::Awaited => None,
    }
}

/// More routes than this are in `policy list`.
const ROUTES_SHOWN: usize = 8;
const DECISIONS_SHOWN: usize = 20;
const SEEN_SHOWN: usize = 20;
const COMMENT_CHARS_MAX: usize = 500;
