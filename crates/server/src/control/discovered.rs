//! `/api/discovered`: who has come without an entry in the partner list, how much, and what is thought of it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use federation::ledger::{LedgerSummary, Volume};

use super::Control;
use super::answers::{DiscoveredAnswer, FromEdge, TierWord};
use super::error::ControlError;
use crate::moment;
use crate::workers::Workers;

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<DiscoveredAnswer>>, ControlError> {
    let mut found = control.discovered().await?;
    // An edge that is silent is told of by status.
    let asked = control.edges().ask::<Vec<DiscoveredAnswer>>("/edge/discovered", &()).await;
    for FromEdge { edge, answer, .. } in asked {
        let of_edge = |one| DiscoveredAnswer { edge: Some(edge.clone()), ..one };
        found.extend(answer.unwrap_or_default().into_iter().map(of_edge));
    }
    found.sort_by_key(order);
    Ok(Json(found))
}

impl Control {
    /// Those that this server has heard from.
    pub(crate) async fn discovered(&self) -> Result<Vec<DiscoveredAnswer>, ControlError> {
        discovered(self).await
    }
}

/// Those of a domain alone.
pub(super) async fn of_domain(control: &Control, domain: &str) -> Result<Vec<DiscoveredAnswer>, ControlError> {
    let mut found = of_workers(&control.0.workers).await;
    found.retain(|one| one.domains.iter().any(|known| known == domain));
    Ok(found)
}

/// Whoever has an entry by now is in the other list.
async fn discovered(control: &Control) -> Result<Vec<DiscoveredAnswer>, ControlError> {
    let entries = control.0.store.read(|store| store.partners()).await?;
    let entries: BTreeSet<String> = entries.into_iter().map(|stored| stored.partner.domain).collect();
    let mut found = of_workers(&control.0.workers).await;
    found.retain(|one| one.domains.iter().any(|domain| !entries.contains(domain)));
    Ok(found)
}

/// From all workers: suspects first, then by what they sent in the last hour.
pub(crate) async fn of_workers(workers: &Workers) -> Vec<DiscoveredAnswer> {
    let ledgers = workers.ask(|core, now| core.ledgers(now)).await;
    let mut found: Vec<DiscoveredAnswer> = ledgers.into_iter().flatten().map(answer).collect();
    found.sort_by_key(order);
    found
}

fn order(one: &DiscoveredAnswer) -> (bool, std::cmp::Reverse<u64>) {
    let is_fine = one.tier != TierWord::Suspect && one.look_alikes.is_empty();
    (is_fine, std::cmp::Reverse(asked(&one.last_hour) + asked(&one.this_hour)))
}

/// Everything that came, whatever became of it.
pub(crate) fn asked(volume: &Volume) -> u64 {
    volume.passed + volume.too_fast + volume.users_refused + volume.unanswered
}

fn answer(ledger: LedgerSummary) -> DiscoveredAnswer {
    let tier = match ledger.suspect_since_unix_ms {
        Some(_) => TierWord::Suspect,
        None => TierWord::Discovered,
    };
    DiscoveredAnswer {
        verdict: verdict(&ledger),
        tier,
        domains: ledger.domains,
        look_alikes: ledger.look_alikes,
        issuer: ledger.certificate.issuer,
        serial: ledger.certificate.serial,
        first_unix_ms: ledger.first_unix_ms,
        last_unix_ms: ledger.last_unix_ms,
        users: ledger.users,
        total: ledger.total,
        this_hour: ledger.this_hour,
        last_hour: ledger.last_hour,
        rate: Some(ledger.rate),
        pardon_unix_ms: ledger.pardon_unix_ms,
        edge: None,
    }
}

/// In one sentence.
fn verdict(ledger: &LedgerSummary) -> String {
    let Volume { passed, too_fast, users_refused, unanswered, .. } = ledger.total;
    match ledger.pardon_unix_ms {
        Some(pardon) => {
            let until = i64::try_from(pardon / 1000).unwrap_or(i64::MAX);
            let until = moment::date_and_time(until);
            format!("it asks for users who do not exist; if it stops, it is trusted again at {until}")
        }
        None if !ledger.look_alikes.is_empty() => {
            let all: Vec<String> = ledger.look_alikes.iter().map(ToString::to_string).collect();
            all.join("; ")
        }
        None if too_fast > passed => "it sends more than a discovered partner may".to_owned(),
        None if users_refused > 0 => "it addresses more users than a discovered partner may".to_owned(),
        None if unanswered > passed => "people here do not answer it".to_owned(),
        None => "nothing speaks against it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use federation::ledger::CertificateId;
    use federation::look_alike::{Likeness, LookAlike};

    use super::*;

    fn ledger(total: Volume) -> LedgerSummary {
        LedgerSummary {
            certificate: CertificateId { issuer: "CN=Some CA".into(), serial: "01".into() },
            domains: vec!["adatum.example".into()],
            look_alikes: Vec::new(),
            first_unix_ms: 0,
            last_unix_ms: 0,
            users: 0,
            total,
            this_hour: Volume::default(),
            last_hour: Volume::default(),
            rate: 20,
            suspect_since_unix_ms: None,
            pardon_unix_ms: None,
        }
    }

    #[test]
    fn the_verdict_names_the_worst_first() {
        let volume = |passed, too_fast, users_refused| Volume { passed, too_fast, users_refused, ..Volume::default() };
        assert_eq!(verdict(&ledger(volume(10, 3, 0))), "nothing speaks against it");
        assert!(verdict(&ledger(volume(10, 11, 1))).contains("sends more"));
        assert!(verdict(&ledger(volume(10, 0, 1))).contains("more users"));
        let unanswered = |unanswered| verdict(&ledger(Volume { unanswered, ..volume(10, 0, 0) }));
        assert_eq!(unanswered(10), "nothing speaks against it");
        assert_eq!(unanswered(11), "people here do not answer it");
        let like =
            LookAlike { domain: "c0ntoso.example".into(), of: "contoso.example".into(), likeness: Likeness::Homograph };
        let like = LedgerSummary { look_alikes: vec![like], ..ledger(volume(10, 11, 1)) };
        assert_eq!(verdict(&like), "c0ntoso.example looks the same as contoso.example");
        let suspect = LedgerSummary {
            suspect_since_unix_ms: Some(1),
            pardon_unix_ms: Some(86_400_000),
            ..ledger(volume(10, 11, 1))
        };
        assert!(verdict(&suspect).ends_with("trusted again at 1970-01-02 00:00:00 UTC"), "{}", verdict(&suspect));
        assert_eq!(answer(suspect).tier, TierWord::Suspect);
    }
}
