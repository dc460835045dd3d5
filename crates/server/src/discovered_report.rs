//! Every hour, one line in the log for each discovered partner that was heard from in it.

use std::collections::BTreeMap;
use std::time::Duration;

use federation::ledger::{Volume, WINDOW_MS};

use crate::control::answers::DiscoveredAnswer;
use crate::control::discovered::{asked, of_workers};
use crate::workers::Workers;

/// What each had sent when it was reported last, by issuer and serial number.
#[derive(Default)]
struct Reported {
    totals: BTreeMap<(String, String), Volume>,
}

/// Reports until the server ends.
pub(crate) async fn run(workers: Workers) {
    let mut reported = Reported::default();
    loop {
        tokio::time::sleep(Duration::from_millis(WINDOW_MS)).await;
        for (partner, volume) in reported.news(of_workers(&workers).await) {
            report(&partner, &volume);
        }
    }
}

impl Reported {
    /// Those that were heard from since the last time, and what they sent.
    fn news(&mut self, partners: Vec<DiscoveredAnswer>) -> Vec<(DiscoveredAnswer, Volume)> {
        let before = std::mem::take(&mut self.totals);
        let mut news = Vec::new();
        for partner in partners {
            let key = (partner.issuer.clone(), partner.serial.clone());
            let volume = partner.total.since(before.get(&key).copied().unwrap_or_default());
            self.totals.insert(key, partner.total);
            if asked(&volume) > 0 {
                news.push((partner, volume));
            }
        }
        news
    }
}

fn report(partner: &DiscoveredAnswer, volume: &Volume) {
    tracing::info!(
        domains = partner.domains.join(" "),
        issuer = partner.issuer,
        serial = partner.serial,
        tier = partner.tier.as_str(),
        passed = volume.passed,
        too_fast = volume.too_fast,
        users_refused = volume.users_refused,
        unanswered = volume.unanswered,
        users = volume.users,
        users_missing = volume.missed,
        verdict = partner.verdict,
        "a discovered partner in the last hour"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::answers::TierWord;

    fn partner(serial: &str, passed: u64) -> DiscoveredAnswer {
        let total = Volume { passed, ..Volume::default() };
        DiscoveredAnswer {
            domains: vec!["adatum.example".into()],
            look_alikes: Vec::new(),
            tier: TierWord::Discovered,
            verdict: String::new(),
            issuer: "CN=Some CA".into(),
            serial: serial.into(),
            first_unix_ms: 0,
            last_unix_ms: 0,
            users: 0,
            total,
            this_hour: total,
            last_hour: total,
            rate: None,
            pardon_unix_ms: None,
            edge: None,
        }
    }

    #[test]
    fn only_what_is_new_is_reported_and_a_ledger_that_began_anew_is_all_new() {
        let mut reported = Reported::default();
        let mut passed = |partners| -> Vec<(String, u64)> {
            reported.news(partners).into_iter().map(|(partner, volume)| (partner.serial, volume.passed)).collect()
        };
        assert_eq!(passed(vec![partner("01", 5), partner("02", 0)]), [("01".into(), 5)]);
        assert_eq!(passed(vec![partner("01", 5), partner("02", 3)]), [("02".into(), 3)]);
        assert_eq!(passed(vec![partner("01", 7), partner("02", 1)]), [("01".into(), 2), ("02".into(), 1)]);
    }
}
