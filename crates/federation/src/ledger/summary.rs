//! What an operator sees of a ledger.

use serde::{Deserialize, Serialize};

use super::{CertificateId, DiscoveredTerms, Known, Ledger, PARDON_MS};
use crate::look_alike::LookAlike;

/// What came, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Requests that were let through.
    pub passed: u64,
    /// Requests beyond the rate.
    pub too_fast: u64,
    /// Requests for users who were too many, or new to a suspect.
    pub users_refused: u64,
    /// Messages and calls to who has not answered.
    #[serde(default)]
    pub unanswered: u64,
    /// Users addressed, each once an hour.
    pub users: u64,
    /// Of them, those who do not exist.
    pub missed: u64,
}

impl Volume {
    /// What came since it was as much as this; all of it where counting began anew.
    pub fn since(self, before: Volume) -> Volume {
        let numbers = |volume: Volume| {
            let Volume { passed, too_fast, users_refused, unanswered, users, missed } = volume;
            [passed, too_fast, users_refused, unanswered, users, missed]
        };
        if numbers(self).into_iter().zip(numbers(before)).any(|(now, then)| now < then) {
            return self;
        }
        Volume {
            passed: self.passed - before.passed,
            too_fast: self.too_fast - before.too_fast,
            users_refused: self.users_refused - before.users_refused,
            unanswered: self.unanswered - before.unanswered,
            users: self.users - before.users,
            missed: self.missed - before.missed,
        }
    }
}

/// One ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSummary {
    pub certificate: CertificateId,
    pub domains: Vec<String>,
    /// Those of them that are taken for another.
    pub look_alikes: Vec<LookAlike>,
    pub first_unix_ms: u64,
    pub last_unix_ms: u64,
    /// Users addressed in the last days.
    pub users: usize,
    pub total: Volume,
    /// Since the hour began that is counted now.
    pub this_hour: Volume,
    pub last_hour: Volume,
    /// Requests a second that it may make as it stands.
    pub rate: u32,
    /// When it became suspect.
    pub suspect_since_unix_ms: Option<u64>,
    /// When it is one no more, if it commits no fault until then.
    pub pardon_unix_ms: Option<u64>,
}

impl Ledger {
    pub(super) fn summary(
        &mut self,
        certificate: &CertificateId,
        terms: &DiscoveredTerms,
        now_unix_ms: u64,
    ) -> LedgerSummary {
        self.roll(now_unix_ms);
        LedgerSummary {
            certificate: certificate.clone(),
            domains: self.domains.keys().cloned().collect(),
            look_alikes: self.look_alikes().cloned().collect(),
            first_unix_ms: self.first_unix_ms,
            last_unix_ms: self.last_unix_ms,
            users: self.names.len(),
            total: self.total,
            this_hour: self.window.volume,
            last_hour: self.last_window,
            rate: if self.suspicion.is_some() { terms.suspect_rate } else { terms.rate },
            suspect_since_unix_ms: self.suspicion.map(|suspicion| suspicion.since_unix_ms),
            pardon_unix_ms: self.suspicion.map(|suspicion| suspicion.last_fault_unix_ms + PARDON_MS),
        }
    }
    fn look_alikes(&self) -> impl Iterator<Item = &LookAlike> {
        self.domains.values().filter_map(|known| match known {
            Known::Heard(look_alike) => look_alike.as_ref(),
            Known::Restored => None,
        })
    }
}
