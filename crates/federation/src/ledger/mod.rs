//! What discovered partners do here, counted by certificate: how fast they ask, how many users of ours they address, and how
//! many of those do not exist. Whoever tries names rather than writes to people becomes suspect, and is kept to those whom he
//! has addressed already.
//!
//! Allowed partners have no ledger, blocked ones never come this far. Pure: moments are milliseconds since 1970, users are
//! numbers that only this server can compute.

mod bucket;
mod names;
mod summary;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::look_alike::{LookAlike, LookAlikePolicy};
use crate::trust::PeerCertificate;
use bucket::Bucket;
use names::{Names, New};
pub use summary::{LedgerSummary, Volume};

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
pub struct DiscoveredTerms {
    /// Requests a second.
    pub rate: u32,
    /// Requests a second of a suspect one.
    pub suspect_rate: u32,
    /// Users of ours, there or not, that it may address in [`NAME_LIFE_MS`].
    pub users_max: u32,
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
}

impl Default for LedgerLimits {
    fn default() -> LedgerLimits {
        LedgerLimits { ledgers_max: 4_096, ledger_names_max: 1_000_000, ledger_domains_max: 32 }
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
    pub fn new(terms: DiscoveredTerms, limits: LedgerLimits) -> Ledgers {
        Ledgers { terms, limits, ..Ledgers::default() }
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
        let taken = ledger.take(now_unix_ms, entry, &self.terms);
        self.names = (self.names + ledger.names.len()).saturating_sub(before);
        while self.names > self.limits.ledger_names_max && self.forget_oldest(Some(entry.certificate)) {}
        taken
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
        let of = |(certificate, ledger): (&CertificateId, &mut Ledger)| ledger.summary(certificate, now_unix_ms);
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

    /// How often a ledger had to be forgotten for another.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
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

    fn take(&mut self, now_unix_ms: u64, entry: &Entry<'_>, terms: &DiscoveredTerms) -> Result<(), OverLimit> {
        let taken = self.check(now_unix_ms, entry, terms);
        for volume in [&mut self.window.volume, &mut self.total] {
            match taken {
                Ok(is_new) => {
                    volume.passed += 1;
                    volume.users += u64::from(is_new);
                }
                Err(OverLimit::Rate { .. }) => volume.too_fast += 1,
                Err(OverLimit::Users { .. } | OverLimit::Suspect) => volume.users_refused += 1,
            }
        }
        taken.map(|_| ())
    }

    /// Says whether the request is the first of this hour for its user.
    fn check(&mut self, now_unix_ms: u64, entry: &Entry<'_>, terms: &DiscoveredTerms) -> Result<bool, OverLimit> {
        let is_suspect = self.suspicion.is_some();
        let per_sec = if is_suspect { terms.suspect_rate } else { terms.rate };
        // What belongs to a conversation that both sides have begun comes first, and is not without a bound either.
        let (bucket, per_sec) = match entry.in_dialog {
            true => (&mut self.within_dialogs, per_sec.saturating_mul(DIALOG_SHARE)),
            false => (&mut self.requests, per_sec),
        };
        if !bucket.take(now_unix_ms, per_sec) {
            let retry_after_secs = bucket::retry_after_secs(per_sec);
            return Err(OverLimit::Rate { per_sec, retry_after_secs });
        }
        let Some(user) = entry.user else { return Ok(false) };
        match self.names.touch(now_unix_ms, self.window.began_unix_ms, user) {
            New::No => Ok(false),
            New::InWindow => Ok(true),
            New::Ever if is_suspect => Err(OverLimit::Suspect),
            New::Ever if self.names.has_room(now_unix_ms, terms.users_max as usize) => {
                self.names.insert(now_unix_ms, user);
                Ok(true)
            }
            New::Ever => Err(OverLimit::Users { max: terms.users_max }),
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
/// How many times as many requests may come within dialogs.
const DIALOG_SHARE: u32 = 10;

#[cfg(test)]
mod tests;
