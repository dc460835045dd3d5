//! Lists of revoked certificates (RFC 5280 section 5) that we hold, and which certificates they are about. Nothing here
//! fetches: a handshake looks up what is held, and notes what is wanted for whoever fetches.
//!
//! Only lists that a peer's own certificate names count, and only after its chain was accepted: so it is an authority of
//! ours that has named the address, and nobody else can make us fetch anything. The authorities above are not looked up:
//! those that are taken back are taken out of the trust store.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation::trust::Fingerprint;
pub use kept::KeptLists;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Serialize;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::extensions::{DistributionPointName, ParsedExtension};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What is done about a certificate that names a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationPolicy {
    /// What a list that we hold names is refused; where none can be had, the certificate is accepted.
    #[default]
    WhenAvailable,
    /// Without a list that is in force the certificate is refused.
    Required,
    /// No list is fetched.
    Off,
}

impl RevocationPolicy {
    pub const ALL: [RevocationPolicy; 3] =
        [RevocationPolicy::WhenAvailable, RevocationPolicy::Required, RevocationPolicy::Off];

    /// As it is configured.
    pub fn as_str(self) -> &'static str {
        match self {
            RevocationPolicy::WhenAvailable => "when-available",
            RevocationPolicy::Required => "required",
            RevocationPolicy::Off => "off",
        }
    }

    pub fn parse(text: &str) -> Option<RevocationPolicy> {
        RevocationPolicy::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// What the lists say of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It names no list that could be fetched, or none is looked for.
    NotLookedUp,
    NotRevoked,
    Revoked,
    /// No list is held, or the one that is held is out of date.
    Unknown,
}

/// The lists of one server, shared by whoever looks up and whoever fetches.
#[derive(Clone, Debug, Default)]
pub struct RevocationLists {
    policy: RevocationPolicy,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    lists_by_url: BTreeMap<String, Entry>,
    /// Whose lists are wanted, by fingerprint, so that a new list is applied to connections that stand.
    seen: BTreeMap<Fingerprint, Seen>,
}

/// A list that is held, or is to be.
#[derive(Debug, Default)]
struct Entry {
    list: Option<HeldList>,
    failure: Option<String>,
}

#[derive(Debug)]
struct HeldList {
    list: CertRevocationList<'static>,
    issuer_key: Vec<u8>,
    next_update_unix: u64,
}

/// A certificate whose chain was accepted, and all that is needed to judge a list by it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub url: String,
    serial: Vec<u8>,
    issuer_key: Vec<u8>,
    chain: Vec<CertificateDer<'static>>,
    at_unix: u64,
}

impl Seen {
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

impl RevocationLists {
    pub fn new(policy: RevocationPolicy) -> RevocationLists {
        RevocationLists { policy, held: Arc::default() }
    }

    pub(crate) fn policy(&self) -> RevocationPolicy {
        self.policy
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a certificate up whose chain was accepted, and remembers that its list is wanted.
    pub(crate) fn look_up(&self, chain: &[CertificateDer<'_>], issuer_key: &[u8], now: UnixTime) -> Standing {
        let Some(der) = chain.first().filter(|_| self.policy != RevocationPolicy::Off) else {
            return Standing::NotLookedUp;
        };
        let Some((url, serial)) = names_list(der) else { return Standing::NotLookedUp };
        let mut held = self.held();
        let standing = held.standing(&url, &serial, issuer_key, now);
        let fingerprint = crate::roots::fingerprint(der);
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        let issuer_key = issuer_key.to_vec();
        held.remember(fingerprint, Seen { url, serial, issuer_key, chain, at_unix: now.as_secs() });
        standing
    }

    /// What is known of a certificate that was looked up before, and why it is not more.
    pub fn told(&self, fingerprint: &Fingerprint, now: UnixTime) -> (Standing, Option<String>) {
        let held = self.held();
        let Some(seen) = held.seen.get(fingerprint) else { return (Standing::NotLookedUp, None) };
        let failure = held.lists_by_url.get(&seen.url).and_then(|entry| entry.failure.clone());
        (held.standing(&seen.url, &seen.serial, &seen.issuer_key, now), failure)
    }

    /// One certificate for each list that is wanted, [`LISTS_MAX`] at most.
    pub fn wanted(&self) -> Vec<Seen> {
        let held = self.held();
        let mut seen_by_url = BTreeMap::new();
        for seen in held.seen.values() {
            if seen_by_url.len() < LISTS_MAX || seen_by_url.contains_key(&seen.url) {
                seen_by_url.entry(seen.url.clone()).or_insert_with(|| seen.clone());
            }
        }
        seen_by_url.into_values().collect()
    }

    /// Until when the list from there is in force, in seconds since 1970; `None`: none is held.
    pub fn next_update_unix(&self, url: &str) -> Option<u64> {
        self.held().lists_by_url.get(url)?.list.as_ref().map(|list| list.next_update_unix)
    }

    /// Why a list could not be had. One that is held stays.
    pub fn failed(&self, url: &str, why: String) {
        self.held().lists_by_url.entry(url.to_owned()).or_default().failure = Some(why);
    }

    /// Puts in a list that `roots` has found to be about this certificate and signed by who issued it.
    pub(crate) fn put(&self, seen: &Seen, list: OwnedCertRevocationList, next_update_unix: u64) {
        let list = HeldList { list: list.into(), issuer_key: seen.issuer_key.clone(), next_update_unix };
        self.held().lists_by_url.insert(seen.url.clone(), Entry { list: Some(list), failure: None });
    }

    /// Forgets the certificates whose last handshake was before that moment, so that others have room, and the lists that
    /// only they named.
    pub fn forget_before(&self, unix: u64) {
        let mut held = self.held();
        held.seen.retain(|_, seen| seen.at_unix >= unix);
        let urls: BTreeSet<String> = held.seen.values().map(|seen| seen.url.clone()).collect();
        held.lists_by_url.retain(|url, _| urls.contains(url));
    }

    /// Of the certificates that were seen, those on a list that is held.
    pub fn revoked(&self, now: UnixTime) -> BTreeSet<Fingerprint> {
        let held = self.held();
        let is_revoked =
            |seen: &Seen| held.standing(&seen.url, &seen.serial, &seen.issuer_key, now) == Standing::Revoked;
        held.seen.iter().filter(|(_, seen)| is_revoked(seen)).map(|(fingerprint, _)| *fingerprint).collect()
    }
}

impl Held {
    /// Beyond the limit nobody is put out for a newcomer.
    fn remember(&mut self, fingerprint: Fingerprint, seen: Seen) {
        if self.seen.len() < SEEN_MAX || self.seen.contains_key(&fingerprint) {
            self.seen.insert(fingerprint, seen);
        }
    }

    /// A list that is out of date still revokes: nobody is taken off one but by a later list. That a certificate is not on
    /// it says nothing any more.
    fn standing(&self, url: &str, serial: &[u8], issuer_key: &[u8], now: UnixTime) -> Standing {
        let list = self.lists_by_url.get(url).and_then(|entry| entry.list.as_ref());
        let Some(held) = list.filter(|held| held.issuer_key == issuer_key) else { return Standing::Unknown };
        match held.list.find_serial(serial) {
            Ok(Some(_)) => Standing::Revoked,
            Ok(None) if now.as_secs() <= held.next_update_unix => Standing::NotRevoked,
            Ok(None) | Err(_) => Standing::Unknown,
        }
    }
}

/// The first address of a list that HTTP reaches, and the certificate's serial number as lists have it.
fn names_list(der: &CertificateDer<'_>) -> Option<(String, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let points = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(points),
        _ => None,
    })?;
    let names = points.points.iter().filter(|point| point.crl_issuer.is_none() && point.reasons.is_none());
    let names = names.filter_map(|point| match point.distribution_point.as_ref()? {
        DistributionPointName::FullName(names) => Some(names),
        DistributionPointName::NameRelativeToCRLIssuer(_) => None,
    });
    let url = names.flatten().find_map(|name| match name {
        GeneralName::URI(url) if is_fetchable(url) => Some((*url).to_owned()),
        _ => None,
    })?;
    Some((url, certificate.raw_serial().to_vec()))
}

/// By HTTP alone, as the profile has it: to fetch a list by HTTPS would need another certificate to be judged first.
fn is_fetchable(url: &str) -> bool {
    let scheme = url.get(..7).unwrap_or_default();
    scheme.eq_ignore_ascii_case("http://")
        && url.len() <= URL_BYTES_MAX
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Certificates of peers whose lists are followed; those beyond are judged by the lists that are held all the same.
const SEEN_MAX: usize = 4096;
/// Lists that are followed.
pub const LISTS_MAX: usize = 256;
const URL_BYTES_MAX: usize = 500;

#[cfg(test)]
mod tests;
