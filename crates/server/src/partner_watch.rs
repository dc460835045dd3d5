//! What is learnt of partners over time: which certificates they show, where and since when; and which of these end before long.
//! Looked at every minute, and whenever somebody asks about a partner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use federation::flow::Direction;
use federation::partner::{Partner, Partners};
use store::{PartnerSeen, StoreError, StoreHandle, StoredPartner, StoredProvider, StoredSeen, now_unix};

use crate::certificate::{EXPIRY_WARNING_DAYS, days};
use crate::certificate_service::ExpiryReminder;
use crate::control::answers::purposes;
use crate::moment;
use crate::workers::Workers;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct PartnerWatch {
    known: Arc<Mutex<Known>>,
    /// Held while it is looked, so that nothing is told twice.
    looking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    /// When it was written last that a certificate was seen.
    written_unix: BTreeMap<Key, i64>,
    reminders: BTreeMap<(bool, String, String), ExpiryReminder>,
    endings: Vec<Ending>,
}

/// A row of what was seen.
type Key = (String, bool, String, String);

/// A certificate that a partner shows nowadays, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub domain: String,
    /// The hosting provider whose certificate it is.
    pub provider: Option<String>,
    pub is_monitored: bool,
    pub fingerprint: String,
    pub not_after_unix: i64,
}

impl Ending {
    /// Whose certificate it is: whether a provider's, and the name of that.
    fn whose(&self) -> (bool, &str) {
        (self.provider.is_some(), self.provider.as_deref().unwrap_or(&self.domain))
    }

    /// Each certificate once, wherever and for whichever domains of a provider it is shown.
    pub(crate) fn once_each(all: &[Ending]) -> Vec<Ending> {
        let mut found: BTreeMap<_, Ending> = BTreeMap::new();
        for ending in all {
            let known = found.entry((ending.whose(), &ending.fingerprint)).or_insert_with(|| ending.clone());
            known.is_monitored |= ending.is_monitored;
        }
        found.into_values().collect()
    }

    pub(crate) fn is_soon(&self, now_unix: i64) -> bool {
        self.not_after_unix - now_unix < EXPIRY_WARNING_DAYS * DAY_SECS
    }
}

impl PartnerWatch {
    /// Looks until the server ends.
    pub(crate) async fn run(self, workers: Workers, store: StoreHandle) {
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            if let Err(error) = self.look(&workers, &store).await {
                tracing::warn!(%error, "what partners show cannot be kept");
            }
        }
    }

    /// # Errors
    /// Where the store fails.
    pub(crate) async fn look(&self, workers: &Workers, store: &StoreHandle) -> Result<(), StoreError> {
        let _one_at_a_time = self.looking.lock().await;
        let now = now_unix();
        let seen = workers.ask(|core, _| core.partners_seen()).await;
        let seen = self.news(seen.into_iter().flatten().map(row).collect(), now);
        if !seen.is_empty() {
            store.write(move |store| store.note_seen(&seen, now)).await?;
        }
        let read = move |store: &store::Store| {
            Ok((store.seen_since(now - LATELY_SECS)?, table(store.partners()?, store.providers()?)))
        };
        let (rows, table) = store.read(read).await?;
        self.remind(endings(&rows, &table), now);
        Ok(())
    }

    /// What partners with an entry, and hosting providers, show nowadays, as it was found last.
    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.lock().endings.clone()
    }

    /// Somebody wants all to be learnt anew.
    pub(crate) fn forget(&self, domain: &str) {
        self.lock().written_unix.retain(|(known, ..), _| known != domain);
    }

    /// What is to be written: what is new, and what was not written for an hour.
    fn news(&self, seen: Vec<PartnerSeen>, now: i64) -> Vec<PartnerSeen> {
        let written = &mut self.lock().written_unix;
        written.retain(|_, at| now - *at < LATELY_SECS);
        let mut is_due = |seen: &PartnerSeen| {
            let key = (seen.domain.clone(), seen.is_inbound, seen.place.clone(), seen.fingerprint.clone());
            let is_due = written.get(&key).is_none_or(|at| now - at >= WRITE_PAUSE_SECS);
            if is_due {
                written.insert(key, now);
            }
            is_due
        };
        seen.into_iter().filter(|seen| is_due(seen)).collect()
    }

    fn remind(&self, endings: Vec<Ending>, now: i64) {
        let known = &mut *self.lock();
        let mut before = std::mem::take(&mut known.reminders);
        for ending in Ending::once_each(&endings).iter().filter(|ending| ending.is_soon(now)) {
            let (is_provider, name) = ending.whose();
            let key = (is_provider, name.to_owned(), ending.fingerprint.clone());
            let mut reminder = before.remove(&key).unwrap_or_default();
            if reminder.is_due(ending.not_after_unix, now) {
                warn(ending, now);
            }
            known.reminders.insert(key, reminder);
        }
        known.endings = endings;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn(ending: &Ending, now: i64) {
    let Ending { domain, is_monitored: monitored, not_after_unix, .. } = ending;
    let (date, left) = (moment::date(*not_after_unix), not_after_unix - now);
    if let Some(provider) = &ending.provider {
        return match left < 0 {
            true => tracing::warn!(
                provider,
                monitored,
                "the certificate of a hosting provider expired on {date}: all domains behind it are refused"
            ),
            false => tracing::warn!(
                provider,
                monitored,
                "the certificate of a hosting provider expires in {} on {date}, for all domains behind it: ask it to renew it",
                days(left / DAY_SECS)
            ),
        };
    }
    match left < 0 {
        true => tracing::warn!(domain, monitored, "the certificate of a partner expired on {date}: it is refused"),
        false => tracing::warn!(
            domain,
            monitored,
            "the certificate of a partner expires in {} on {date}: ask its administrator to renew it",
            days(left / DAY_SECS)
        ),
    }
}

fn row(seen: signaling::PartnerSeen) -> PartnerSeen {
    let certificate = &seen.certificate;
    PartnerSeen {
        is_inbound: seen.direction == Direction::Inbound,
        place: seen.server.unwrap_or_default(),
        address: seen.remote.ip(),
        rung: seen.rung.map(|rung| rung.as_str().to_owned()),
        fingerprint: certificate.fingerprint_hex(),
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        serial: certificate.serial.clone(),
        not_after_unix: certificate.not_after_unix,
        purposes: purposes(certificate.purposes),
        purposes_stated: Some(certificate.purposes.stated),
        domain: seen.domain,
        provider: seen.provider,
    }
}

fn table(entries: Vec<StoredPartner>, providers: Vec<StoredProvider>) -> Partners {
    let providers = providers.into_iter().map(|stored| stored.provider).collect();
    Partners::new(entries.into_iter().map(|stored| stored.partner).collect(), true, false)
        .with_providers(providers, &[])
}

/// Of what was seen lately, what was not replaced since: another certificate of the same name was seen a day later.
fn endings(rows: &[StoredSeen], table: &Partners) -> Vec<Ending> {
    let provider = |row: &StoredSeen| table.provider(row.seen.provider.as_ref()?);
    let mut last_seen: BTreeMap<_, i64> = BTreeMap::new();
    let name = |row: &StoredSeen| {
        let whose = provider(row).map_or(&row.seen.domain, |provider| &provider.name);
        (provider(row).is_some(), whose.clone(), row.seen.is_inbound, row.seen.subject.clone())
    };
    for row in rows {
        let last = last_seen.entry(name(row)).or_default();
        *last = row.last_unix.max(*last);
    }
    let ending = |row: &StoredSeen| {
        let (entry, provider) = (table.standing(&row.seen.domain).entry(), provider(row));
        if entry.map_or(provider.is_none(), Partner::is_blocked) {
            return None;
        }
        let is_replaced = last_seen.get(&name(row)).is_some_and(|last| last - row.last_unix >= DAY_SECS);
        (!is_replaced).then(|| Ending {
            domain: row.seen.domain.clone(),
            provider: provider.map(|provider| provider.name.clone()),
            is_monitored: table.is_monitored(&row.seen.domain, row.seen.provider.as_deref()),
            fingerprint: row.seen.fingerprint.clone(),
            not_after_unix: row.seen.not_after_unix,
        })
    };
    rows.iter().filter_map(ending).collect()
}

const LOOK_PAUSE: Duration = Duration::from_secs(60);
/// The last time that something was seen is exact to an hour: it is not written at each look.
const WRITE_PAUSE_SECS: i64 = 3600;
/// What was not seen for so long says nothing of the partner any more.
const LATELY_SECS: i64 = 7 * DAY_SECS;
const DAY_SECS: i64 = 86_400;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use federation::partner::Provider;

    use super::*;

    fn seen(domain: &str, subject: &str, fingerprint: &str, last_unix: i64) -> StoredSeen {
        let seen = PartnerSeen {
            domain: domain.to_owned(),
            provider: None,
            is_inbound: false,
            place: "edge:5061".to_owned(),
            address: IpAddr::from([192, 0, 2, 1]),
            rung: None,
            fingerprint: fingerprint.to_owned(),
            subject: subject.to_owned(),
            issuer: String::new(),
            serial: String::new(),
            not_after_unix: 100,
            purposes: Vec::new(),
            purposes_stated: None,
        };
        StoredSeen { seen, first_unix: 0, last_unix }
    }

    #[test]
    fn a_certificate_that_was_replaced_is_told_of_no_more_and_one_of_two_servers_is() {
        let entry = |domain: &str, monitored| StoredPartner {
            partner: Partner { monitored, ..Partner::allowed(domain) },
            added_unix: 0,
        };
        let blocked = StoredPartner { partner: Partner::blocked("spam.example"), added_unix: 0 };
        let entries = vec![entry("a.example", true), entry("*.b.example", false), blocked];
        let rows = [
            seen("a.example", "CN=one", "old", DAY_SECS),
            seen("a.example", "CN=one", "new", 2 * DAY_SECS),
            seen("a.example", "CN=two", "other", DAY_SECS),
            seen("x.b.example", "CN=x", "x", DAY_SECS),
            seen("spam.example", "CN=s", "s", DAY_SECS),
            seen("stranger.example", "CN=s", "s", DAY_SECS),
        ];
        let found = endings(&rows, &table(entries, Vec::new()));
        let found: Vec<_> = found.iter().map(|ending| (ending.fingerprint.as_str(), ending.is_monitored)).collect();
        assert_eq!(found, [("new", true), ("other", true), ("x", false)]);
    }

    #[test]
    fn a_provider_s_certificate_ends_once_for_all_domains_behind_it() {
        let of_cloud = |domain: &str, fingerprint: &str, last_unix| {
            let mut row = seen(domain, "CN=edge", fingerprint, last_unix);
            row.seen.provider = Some("cloud".to_owned());
            row
        };
        let rows = [
            of_cloud("a.example", "new", 2 * DAY_SECS),
            // Of whom has no entry, and of one that was replaced for whichever domain.
            of_cloud("edge.cloud.example", "new", 2 * DAY_SECS),
            of_cloud("b.example", "old", DAY_SECS),
            of_cloud("spam.example", "new", 2 * DAY_SECS),
        ];
        let entry = |partner| StoredPartner { partner, added_unix: 0 };
        let entries = vec![entry(Partner::allowed("a.example")), entry(Partner::blocked("spam.example"))];
        let cloud = Provider { monitored: true, ..Provider::new("cloud", "edge.cloud.example") };
        let providers = |provider| vec![StoredProvider { provider, added_unix: 0 }];
        let found = endings(&rows, &table(entries.clone(), providers(cloud.clone())));
        assert_eq!(
            found.iter().map(|ending| ending.domain.as_str()).collect::<Vec<_>>(),
            ["a.example", "edge.cloud.example"]
        );
        let once = Ending::once_each(&found);
        assert_eq!((once.len(), once[0].provider.as_deref(), once[0].is_monitored), (1, Some("cloud"), true));
        // One that does not count any more leaves its domains to themselves.
        let found = endings(&rows, &table(entries, providers(Provider { enabled: false, ..cloud })));
        assert_eq!(found.iter().map(|ending| ending.provider.as_deref()).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn what_is_seen_is_written_once_an_hour() {
        let watch = PartnerWatch::default();
        let row = seen("a.example", "CN=one", "01", 0).seen;
        let count = |now| watch.news(vec![row.clone(), row.clone()], now).len();
        assert_eq!([count(0), count(60), count(3599), count(3600), count(3601)], [1, 0, 0, 1, 0]);
        watch.forget("a.example");
        assert_eq!(count(3602), 1);
    }
}
