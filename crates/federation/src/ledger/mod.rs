//! What discovered partners do here, counted by certificate: how fast they ask, how many users of ours they address, and how
//! many of those do not exist. Whoever tries names rather than writes to people becomes suspect, and is kept to those whom he
//! has addressed already. And whoever nobody answers is kept to a few messages and calls.
//!
//! Allowed partners have no ledger, blocked ones never come this far. Pure: moments are milliseconds since 1970, users are
//! numbers that only this server can compute.

mod bucket;
mod judged;
mod kept;
mod names;
mod summary;
mod unanswered;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::look_alike::{LookAlike, LookAlikePolicy};
use crate::trust::PeerCertificate;
use bucket::Bucket;
use judged::Judged;
pub use kept::KeptAnswer;
use names::Names;
pub use summary::{LedgerSummary, Volume};
use unanswered::{Acquaintances, Recipients};

/// Whose ledger it is. A partner that gets a new certificate begins a new one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CertificateId {
    pub issuer: String,
    /// Hexadecimal, lower case.
    pub serial: String,
}

impl From<&PeerCertificate> for CertificateId {
    fn from(certificate: &PeerCertificate) -> CertificateId {
        CertificateId { issuer: certificate.issuer.clone(), serial: certificate.serial.clone() }
    }
}

/// What a discovered partner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveredTerms {
    /// Requests a second.
    pub rate: u32,
    /// Requests a second of a suspect one.
    pub suspect_rate: u32,
    /// Users of ours, there or not, that it may address in [`NAME_LIFE_MS`].
    pub users_max: u32,
    /// Messages and calls to one user who has not answered it, in [`KNOCKS_MS`].
    pub unanswered_per_user: u32,
    /// Users who have not answered it; each who has makes room for as many again.
    pub unanswered_users: u32,
    /// What reaches one user in an hour of all such partners that he has not answered.
    pub unanswered_per_hour: u32,
    /// Of what is held until a user agrees: of one sender to one user, for one user, and for all.
    pub held_per_sender: u32,
    pub held_per_user: u32,
    pub held_max: u32,
    /// Days that a question to a user, and what is held because of it, waits for his answer.
    pub held_days: u32,
    /// It cannot tell a user who is not there for it from one who does not exist.
    pub hide_users: bool,
    /// What is done about domains that look like one that is trusted here.
    pub look_alikes: LookAlikePolicy,
}

impl Default for DiscoveredTerms {
    fn default() -> DiscoveredTerms {
        DiscoveredTerms {
            rate: 20,
            suspect_rate: 1,
            users_max: 1_000,
            unanswered_per_user: 3,
            unanswered_users: 30,
            unanswered_per_hour: 10,
            held_per_sender: 3,
            held_per_user: 50,
            held_max: 10_000,
            held_days: 7,
            hide_users: true,
            look_alikes: LookAlikePolicy::default(),
        }
    }
}

/// What one worker remembers.
#[derive(Clone, Debug)]
pub struct LedgerLimits {
    /// Ledgers; beyond it the one that was not used for longest is forgotten, those of suspects last.
    pub ledgers_max: usize,
    /// Users in all ledgers together; beyond it the one that was not used for longest is forgotten.
    pub ledger_names_max: usize,
    /// Domains that one ledger names; others are counted, and not named.
    pub ledger_domains_max: usize,
    /// Users and domains whom they have turned to; beyond it those are forgotten who were not needed for longest.
    pub acquaintances_max: usize,
    /// Users of whom it is counted what strangers bring them; beyond it no further user is brought anything by a stranger.
    pub recipients_max: usize,
}

impl Default for LedgerLimits {
    fn default() -> LedgerLimits {
        LedgerLimits {
            ledgers_max: 4_096,
            ledger_names_max: 1_000_000,
            ledger_domains_max: 32,
            acquaintances_max: 100_000,
            recipients_max: 100_000,
        }
    }
}

/// One request of a discovered partner, its domain proven.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub certificate: &'a CertificateId,
    pub domain: &'a str,
    /// What the domain is taken for; looked for at first contact.
    pub look_alike: Option<&'a LookAlike>,
    /// The user of ours whom it names, as a number; `None` within a dialog, and where it names nobody.
    pub user: Option<u64>,
    pub in_dialog: bool,
    /// The user of ours to whom it brings something that he would notice: a message, or a call.
    pub reaches: Option<u64>,
    /// An edge of ours has counted how fast it asks.
    pub is_paced: bool,
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// More than so many requests a second; another try is worth it after these seconds.
    Rate { per_sec: u32, retry_after_secs: u32 },
    /// As many users as it may address.
    Users { max: u32 },
    /// A suspect addresses somebody new.
    Suspect,
    /// The user has had so many messages and calls of this partner, and has not answered.
    UnansweredByUser { max: u32 },
    /// So many users have not answered this partner.
    UnansweredByUsers { max: usize },
    /// The user has had as much of strangers as one may get in an hour.
    UnansweredInHour { max: u32 },
}

/// What a suspect is remembered by over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSuspect {
    pub certificate: CertificateId,
    pub domains: Vec<String>,
    pub since_unix_ms: u64,
    pub last_fault_unix_ms: u64,
    /// Whom it may go on writing to.
    pub users: Vec<u64>,
}

/// The ledgers of one worker.
#[derive(Debug, Default)]
pub struct Ledgers {
    terms: DiscoveredTerms,
    limits: LedgerLimits,
    /// Among how many workers ledgers are divided, and with them what a user may get.
    workers: u32,
    acquaintances: Acquaintances,
    recipients: Recipients,
    ledgers_by_certificate: BTreeMap<CertificateId, Ledger>,
    /// Users in all of them.
    names: usize,
    /// How often one had to be forgotten for another.
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Ledger {
    domains: BTreeMap<String, Known>,
    first_unix_ms: u64,
    last_unix_ms: u64,
    requests: Bucket,
    within_dialogs: Bucket,
    names: Names,
    total: Volume,
    window: Window,
    last_window: Volume,
    suspicion: Option<Suspicion>,
}

/// What is known of a domain.
#[derive(Debug, Clone)]
enum Known {
    /// From before the server started; it was not heard from since.
    Restored,
    Heard(Option<LookAlike>),
}

/// An hour of a ledger.
#[derive(Debug, Default)]
struct Window {
    began_unix_ms: u64,
    volume: Volume,
}

#[derive(Clone, Copy, Debug)]
struct Suspicion {
    since_unix_ms: u64,
    last_fault_unix_ms: u64,
}

impl Ledgers {
    /// Of one of so many workers.
    pub fn new(terms: DiscoveredTerms, limits: LedgerLimits, workers: u16) -> Ledgers {
        Ledgers { terms, limits, workers: workers.into(), ..Ledgers::default() }
    }

    /// What holds from now on; what was counted stays.
    pub fn change_terms(&mut self, terms: DiscoveredTerms) {
        self.terms = terms;
    }

    /// Takes up what was known before the server started.
    pub fn restore(&mut self, kept: KeptSuspect) {
        let mut names = Names::default();
        for user in kept.users.iter().take(self.terms.users_max as usize) {
            names.restore(*user, kept.last_fault_unix_ms);
        }
        self.names += names.len();
        let ledger = Ledger {
            domains: kept
                .domains
                .into_iter()
                .take(self.limits.ledger_domains_max)
                .map(|domain| (domain, Known::Restored))
                .collect(),
            first_unix_ms: kept.since_unix_ms,
            last_unix_ms: kept.last_fault_unix_ms,
            names,
            suspicion: Some(Suspicion {
                since_unix_ms: kept.since_unix_ms,
                last_fault_unix_ms: kept.last_fault_unix_ms,
            }),
            ..Ledger::default()
        };
        self.ledgers_by_certificate.insert(kept.certificate, ledger);
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn take(&mut self, now_unix_ms: u64, entry: &Entry<'_>) -> Result<(), OverLimit> {
        if !self.ledgers_by_certificate.contains_key(entry.certificate) {
            self.make_room();
            let ledger = Ledger { first_unix_ms: now_unix_ms, ..Ledger::default() };
            self.ledgers_by_certificate.insert(entry.certificate.clone(), ledger);
        }
        let Some(ledger) = self.ledgers_by_certificate.get_mut(entry.certificate) else { return Ok(()) };
        ledger.heard(now_unix_ms, entry, self.limits.ledger_domains_max);
        let before = ledger.names.len();
        let max = self.limits.acquaintances_max;
        let stranger_to = entry.reaches.filter(|user| !self.acquaintances.knows(*user, entry.domain, max));
        let per_hour = self.terms.unanswered_per_hour.div_ceil(self.workers.max(1));
        let mut judged = Judged {
            entry,
            terms: &self.terms,
            stranger_to,
            per_hour,
            recipients_max: self.limits.recipients_max,
            recipients: &mut self.recipients,
        };
        let taken = ledger.take(now_unix_ms, &mut judged);
        self.names = (self.names + ledger.names.len()).saturating_sub(before);
        while self.names > self.limits.ledger_names_max && self.forget_oldest(Some(entry.certificate)) {}
        taken
    }

    /// So many more came too fast, and were refused before they came here.
    pub fn refused_elsewhere(&mut self, certificate: &CertificateId, count: u64) {
        if let Some(ledger) = self.ledgers_by_certificate.get_mut(certificate) {
            ledger.window.volume.too_fast += count;
            ledger.total.too_fast += count;
        }
    }

    /// What the domain was taken for at its first contact; `None` before that.
    pub fn seen(&self, certificate: &CertificateId, domain: &str) -> Option<Option<&LookAlike>> {
        match self.ledgers_by_certificate.get(certificate)?.domains.get(domain)? {
            Known::Heard(look_alike) => Some(look_alike.as_ref()),
            Known::Restored => None,
        }
    }

    /// The request named a user who does not exist. Says what to keep where this makes the partner suspect, or more so.
    pub fn missed(&mut self, now_unix_ms: u64, certificate: &CertificateId, user: u64) -> Option<KeptSuspect> {
        let ledger = self.ledgers_by_certificate.get_mut(certificate)?;
        ledger.roll(now_unix_ms);
        if !ledger.names.miss(user) {
            return None;
        }
        ledger.window.volume.missed += 1;
        ledger.total.missed += 1;
        self.judge(now_unix_ms, certificate)
    }

    /// A user of ours wrote to this domain, called it or took its call: it may write to him. Says whether that was news.
    pub fn turned_to(&mut self, user: u64, domain: &str) -> bool {
        let is_news = self.acquaintances.insert(user, domain, self.limits.acquaintances_max);
        if is_news {
            let of_domain =
                self.ledgers_by_certificate.values_mut().filter(|ledger| ledger.domains.contains_key(domain));
            let knocks: u32 = of_domain.map(|ledger| ledger.names.answered(user)).sum();
            self.recipients.give_back(user, knocks);
        }
        is_news
    }

    /// Whether the user has done so.
    pub fn has_turned_to(&mut self, user: u64, domain: &str) -> bool {
        self.acquaintances.knows(user, domain, self.limits.acquaintances_max)
    }

    /// The verdict may have become worse by a request that was just taken or refused.
    pub fn judge(&mut self, now_unix_ms: u64, certificate: &CertificateId) -> Option<KeptSuspect> {
        let ledger = self.ledgers_by_certificate.get_mut(certificate)?;
        ledger.judge(now_unix_ms).then(|| ledger.kept(certificate))?
    }

    /// Pardons whoever speaks for a domain: its ledgers are forgotten. Says whose they were.
    pub fn reset(&mut self, domain: &str) -> Vec<CertificateId> {
        let of_domain = |ledger: &Ledger| ledger.domains.contains_key(domain);
        let found = self.ledgers_by_certificate.iter().filter(|(_, ledger)| of_domain(ledger));
        let found: Vec<CertificateId> = found.map(|(certificate, _)| certificate.clone()).collect();
        found.iter().for_each(|certificate| self.forget(certificate));
        found
    }

    pub fn summaries(&mut self, now_unix_ms: u64) -> Vec<LedgerSummary> {
        let terms = self.terms;
        let of =
            |(certificate, ledger): (&CertificateId, &mut Ledger)| ledger.summary(certificate, &terms, now_unix_ms);
        self.ledgers_by_certificate.iter_mut().map(of).collect()
    }

    pub fn len(&self) -> usize {
        self.ledgers_by_certificate.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ledgers_by_certificate.is_empty()
    }

    pub fn suspects(&self) -> usize {
        self.ledgers_by_certificate.values().filter(|ledger| ledger.suspicion.is_some()).count()
    }

    /// How often each of these limits was met.
    pub fn limits_met(&self) -> [(&'static str, u64); 3] {
        [
            ("acquaintances_max", self.acquaintances.forgotten()),
            ("ledgers_max", self.forgotten),
            ("recipients_max", self.recipients.full()),
        ]
    }

    fn make_room(&mut self) {
        while self.ledgers_by_certificate.len() >= self.limits.ledgers_max.max(1) && self.forget_oldest(None) {}
    }

    /// Whoever gets many certificates must not wash a suspect clean by them: suspects go last.
    fn forget_oldest(&mut self, spared: Option<&CertificateId>) -> bool {
        let candidates = self.ledgers_by_certificate.iter().filter(|(certificate, _)| Some(*certificate) != spared);
        let oldest = candidates.min_by_key(|(_, ledger)| (ledger.suspicion.is_some(), ledger.last_unix_ms));
        let Some(certificate) = oldest.map(|(certificate, _)| certificate.clone()) else { return false };
        self.forget(&certificate);
        self.forgotten += 1;
        true
    }

    fn forget(&mut self, certificate: &CertificateId) {
        if let Some(ledger) = self.ledgers_by_certificate.remove(certificate) {
            self.names = self.names.saturating_sub(ledger.names.len());
        }
    }
}

impl Ledger {
    fn heard(&mut self, now_unix_ms: u64, entry: &Entry<'_>, domains_max: usize) {
        self.roll(now_unix_ms);
        self.last_unix_ms = now_unix_ms;
        let is_new = !matches!(self.domains.get(entry.domain), Some(Known::Heard(_)));
        if is_new && (self.domains.len() < domains_max || self.domains.contains_key(entry.domain)) {
            self.domains.insert(entry.domain.to_owned(), Known::Heard(entry.look_alike.cloned()));
        }
    }

    /// Begins a new hour where it is time.
    fn roll(&mut self, now_unix_ms: u64) {
        let age = now_unix_ms.abs_diff(self.window.began_unix_ms);
        if age < WINDOW_MS {
            return;
        }
        let ended = std::mem::take(&mut self.window);
        self.last_window = if age < 2 * WINDOW_MS { ended.volume } else { Volume::default() };
        self.window.began_unix_ms = now_unix_ms;
        let is_over = |suspicion: &Suspicion| now_unix_ms.abs_diff(suspicion.last_fault_unix_ms) >= PARDON_MS;
        if self.suspicion.as_ref().is_some_and(is_over) {
            self.suspicion = None;
        }
    }

    /// Whether there is something new to keep.
    fn judge(&mut self, now_unix_ms: u64) -> bool {
        let Volume { users, missed, users_refused, .. } = self.window.volume;
        match &mut self.suspicion {
            // It goes on trying: what it tries is refused before anybody looks whether that user exists.
            Some(suspicion) => {
                let is_fault = missed + users_refused >= MISSED_MIN;
                let is_news = now_unix_ms.abs_diff(suspicion.last_fault_unix_ms) >= WINDOW_MS;
                if is_fault && is_news {
                    suspicion.last_fault_unix_ms = now_unix_ms;
                }
                is_fault && is_news
            }
            None if missed >= MISSED_MIN && missed * 2 > users => {
                self.suspicion = Some(Suspicion { since_unix_ms: now_unix_ms, last_fault_unix_ms: now_unix_ms });
                true
            }
            None => false,
        }
    }

    fn kept(&self, certificate: &CertificateId) -> Option<KeptSuspect> {
        let Suspicion { since_unix_ms, last_fault_unix_ms } = self.suspicion?;
        Some(KeptSuspect {
            certificate: certificate.clone(),
            domains: self.domains.keys().cloned().collect(),
            since_unix_ms,
            last_fault_unix_ms,
            users: self.names.there().collect(),
        })
    }
}

/// Over which users are counted and conduct is judged.
pub const WINDOW_MS: u64 = 3_600_000;
/// How many names of users who do not exist, in one window, make suspect; if they are more than half of all names.
pub const MISSED_MIN: u64 = 20;
/// How long after its last fault a suspect is one no more.
pub const PARDON_MS: u64 = 24 * 3_600_000;
/// How long a user counts as addressed.
pub const NAME_LIFE_MS: u64 = 7 * 24 * 3_600_000;
/// How long what one user did not answer counts.
pub const KNOCKS_MS: u64 = 24 * 3_600_000;
/// How many times as many requests may come within dialogs.
const DIALOG_SHARE: u32 = 10;

#[cfg(test)]
mod tests;
