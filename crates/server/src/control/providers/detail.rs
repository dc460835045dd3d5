//! `GET /api/providers/{name}`: what the workers know of a provider and of the domains behind it, put together, and what it comes
//! down to.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use federation::partner::{Partners, Provider};
use signaling::{Behind, PartnerCounts, ProviderStatus};
use sip::refusal::Word;
use store::{StoredSeen, now_unix};

use super::super::advice::{self, Refuser};
use super::super::answers::{
    AboutProvider, Advice, DecisionAnswer, HostedDomain, ProviderAnswer, ProviderDetail, Side, Sure,
};
use super::super::decisions::{decisions_about, refusals_before};
use super::super::error::ControlError;
use super::super::partners::detail::{certificates, counts, troubles};
use super::super::partners::verdict::{ends_soon, is_taken, told};
use super::super::partners::{links, look_now, tier};
use super::super::{Control, FederationTerms, partners_of};
use crate::config::FederationSwitches;
use crate::moment;

pub(in super::super) async fn show(
    State(control): State<Control>,
    Path(name): Path<String>,
) -> Result<Json<ProviderDetail>, ControlError> {
    let mut detail = control.provider(&name).await?;
    detail.edges = control.edges().ask("/edge/provider", &AboutProvider { name }).await;
    Ok(Json(detail))
}

impl Control {
    /// What this server knows of a hosting provider.
    pub(crate) async fn provider(&self, name: &str) -> Result<ProviderDetail, ControlError> {
        look_now(self).await;
        let (wanted, terms) = (name.to_owned(), FederationTerms::of(&self.0.config));
        let read = move |store: &store::Store| {
            Ok((store.provider(&wanted)?, partners_of(store, &terms)?, store.seen_of_provider(&wanted)?))
        };
        let (stored, table, seen) = self.0.store.read(read).await?;
        let stored = stored.ok_or_else(|| store::StoreError::ProviderUnknown(name.to_owned()))?;
        let gathered = Gathered::of(self, name).await;
        let domains: BTreeSet<String> = gathered.behind_by_domain.keys().cloned().collect();
        let decisions = decisions_about(self, domains.clone(), DECISIONS_SHOWN).await?;
        let refusals = refusals_before(self, domains.clone(), &decisions).await?;
        let mut links = links(self, |link| domains.contains(&link.domain)).await;
        links.retain(|found| found.link.host.as_ref().is_none_or(|host| is_at(&stored.provider, host)));
        let hosted = |(domain, behind)| hosted(&table, domain, behind);
        let mut detail = ProviderDetail {
            meaning: meaning(&stored.provider),
            domains_seen: domains.len(),
            domains: gathered.behind_by_domain.into_iter().take(DOMAINS_SHOWN).map(hosted).collect(),
            links,
            troubles: gathered.statuses.iter().flat_map(|(worker, one)| troubles(*worker, &one.troubles)).collect(),
            certificates: certificates(
                gathered.statuses.iter().flat_map(|(_, one)| &one.certificates),
                &self.0.certificate.roots(),
            ),
            seen: once_each(seen),
            counts: gathered.counts.map(counts),
            decisions,
            refusals,
            advice: advice::nothing_said(),
            edges: Vec::new(),
            provider: ProviderAnswer::from(stored),
        };
        detail.advice = conclude(&detail, self.switches().await?, now_unix());
        detail.links.truncate(LINKS_SHOWN);
        Ok(detail)
    }
}

/// What all workers say.
struct Gathered {
    statuses: Vec<(u16, ProviderStatus)>,
    behind_by_domain: BTreeMap<String, Behind>,
    /// Absent where there are no workers.
    counts: Option<PartnerCounts>,
}

impl Gathered {
    async fn of(control: &Control, name: &str) -> Gathered {
        let workers = &control.0.workers;
        let wanted = name.to_owned();
        let mut statuses =
            workers.ask(move |core, now| (core.status().worker, core.provider_status(now, &wanted))).await;
        statuses.sort_by_key(|(worker, _)| *worker);
        let mut behind_by_domain: BTreeMap<String, Behind> = BTreeMap::new();
        for (domain, behind) in statuses.iter().flat_map(|(_, one)| &one.behind_by_domain) {
            *behind_by_domain.entry(domain.clone()).or_default() |= *behind;
        }
        // A worker may have counted a domain of which another knows where it is.
        let domains: BTreeSet<String> = behind_by_domain.keys().cloned().collect();
        let counted = workers.ask(move |core, now| core.counts_of_domains(now, &domains)).await;
        let counts = counted.into_iter().reduce(|mut sum, one| {
            sum += one;
            sum
        });
        Gathered { statuses, behind_by_domain, counts }
    }
}

/// Whether a connection leads to its edge: "host" or "host:port".
pub(in super::super) fn is_at(provider: &Provider, host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    provider.edge().is_ok_and(|edge| edge.host.eq_ignore_ascii_case(host))
}

fn hosted(table: &Partners, domain: String, Behind { is_led, is_proven }: Behind) -> HostedDomain {
    let standing = table.standing(&domain);
    let (entry, tier) = (standing.entry().map(|entry| entry.domain.clone()), tier(standing).map(str::to_owned));
    HostedDomain { domain, entry, tier, is_led, is_proven }
}

/// One row for each certificate at each place, for whichever domains it was shown.
fn once_each(rows: Vec<StoredSeen>) -> Vec<StoredSeen> {
    let mut all: Vec<StoredSeen> = Vec::new();
    for row in rows {
        let place = |row: &StoredSeen| (row.seen.is_inbound, row.seen.place.clone(), row.seen.fingerprint.clone());
        match all.iter_mut().find(|known| place(known) == place(&row)) {
            Some(known) => known.first_unix = known.first_unix.min(row.first_unix),
            None => all.push(row),
        }
    }
    all.truncate(SEEN_SHOWN);
    all
}

fn meaning(provider: &Provider) -> String {
    let edge = &provider.edge;
    if !provider.enabled {
        return "disabled: it is as if it were not there".to_owned();
    }
    let by = match provider.pins.len() {
        0 => "a certificate that names that host",
        1 => "the pinned certificate alone",
        _ => "a pinned certificate alone",
    };
    let mut meaning =
        format!("a domain whose SRV records lead to {edge} is proven by {by}, unless its own entry names an edge");
    meaning += match (provider.shared_address_space, provider.hosts_users) {
        (true, true) => "; users of our domains who are not here are looked for there",
        (true, false) => "; it serves our domains too",
        (false, _) => "",
    };
    if provider.clearing_house {
        meaning += "; whoever has no other way goes through it";
    }
    meaning
}

fn conclude(detail: &ProviderDetail, switches: Option<FederationSwitches>, now_unix: i64) -> Advice {
    let Provider { name, edge, enabled, .. } = &detail.provider.provider;
    let says = |side, verdict, next| Advice { verdict, next, side, sure: Sure::Seen };
    let word = match switches {
        None => Some(Word::EdgeNotReady),
        Some(switches) if !switches.enabled => Some(Word::FederationOff),
        Some(_) => None,
    };
    if let Some(word) = word {
        return advice::for_refusal(word.as_str(), 403, Refuser::UsToUser, name);
    }
    if !enabled {
        let next = format!("once it is to count: comity provider set {name} --enabled yes");
        return says(Side::Ours, format!("the hosting provider {name} is disabled"), next);
    }
    if let Some(advice) = worst(&detail.domains, &detail.decisions) {
        return advice;
    }
    let example = detail.domains.first().map_or("DOMAIN", |hosted| hosted.domain.as_str());
    if let Some(trouble) = detail.troubles.first() {
        let verdict = format!("not every server at {edge} works: {} failed: {}", trouble.place, trouble.reason);
        let next = format!("see which: comity route {example}; if it is one address of several, tell {name}");
        return says(Side::Partner, verdict, next);
    }
    if let Some(end) = ends_soon(&detail.certificates, now_unix) {
        let date = moment::date(end);
        let verdict = format!("a certificate that {edge} shows ends on {date}, for all domains behind it");
        let next = format!("ask {name} to renew it before that day; from then on they are all refused");
        return says(Side::Partner, verdict, next);
    }
    if detail.domains.is_empty() {
        let next =
            format!("try the way of one that should be: comity route DOMAIN; its SRV records have to name {edge}");
        return says(Side::Nobody, format!("no domain was seen behind {name} lately"), next);
    }
    let is_well = detail.decisions.iter().any(is_taken);
    let word = match is_well {
        true => "it goes well with",
        false if detail.decisions.is_empty() => "nothing has passed lately with",
        false => "nothing has been taken lately, there or here, with",
    };
    let verdict = format!("{word} the domains behind {name}");
    let next = match is_well {
        true => "nothing is to be done".to_owned(),
        false => format!("try the way there: comity route {example}"),
    };
    says(Side::Nobody, verdict, next)
}

/// What is wrong with one of the domains, as its last decisions tell.
fn worst(domains: &[HostedDomain], decisions: &[DecisionAnswer]) -> Option<Advice> {
    let advice = domains.iter().filter_map(|HostedDomain { domain, .. }| {
        let about =
            |decision: &&DecisionAnswer| [&decision.record.from_domain, &decision.record.to_domain].contains(&domain);
        let decisions: Vec<DecisionAnswer> = decisions.iter().filter(about).cloned().collect();
        told(&decisions, domain)
    });
    advice.into_iter().find(|advice| advice.side != Side::Nobody)
}

const DECISIONS_SHOWN: usize = 20;
const SEEN_SHOWN: usize = 20;
const LINKS_SHOWN: usize = 100;
const DOMAINS_SHOWN: usize = 500;

#[cfg(test)]
mod tests;
