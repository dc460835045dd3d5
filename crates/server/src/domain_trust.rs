//! What was said of domains' certificates, from the store to the ladder and to the verifier; and the alarm when a domain
//! shows another certificate than the one that was pinned.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use certificates::Roots;
use federation::decision::{DecisionRecord, Outcome};
use federation::flow::Direction;
use federation::trust::DomainTrust;
use federation::verification::provider_pinned_in;
use rustls_pki_types::CertificateDer;
use sip::refusal::Word;
use store::{Store, StoreError, StoredTrust};

/// What the ladder is to know, by domain.
pub(crate) fn read(store: &Store) -> Result<Vec<(String, DomainTrust)>, StoreError> {
    Ok(store.domain_trust()?.into_iter().map(|(domain, stored)| (domain, trust(&stored))).collect())
}

fn trust(stored: &StoredTrust) -> DomainTrust {
    let fingerprint = |der: &Vec<u8>| certificates::roots::fingerprint(&CertificateDer::from(der.as_slice()));
    DomainTrust { pins: stored.pins.clone(), anchors: stored.anchors.iter().map(fingerprint).collect() }
}

/// Every partner's own authority, for the verifier.
pub(crate) fn authorities(store: &Store) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    Ok(store.domain_trust()?.into_values().flat_map(|stored| stored.anchors).map(CertificateDer::from).collect())
}

/// Gives them to the verifier. They were readable when they were stored.
pub(crate) fn enforce(roots: &Roots, authorities: &[CertificateDer<'_>]) {
    if let Err(error) = roots.replace_partner_authorities(authorities) {
        tracing::error!(error, "a stored authority of a partner cannot be read: all stay as they were");
    }
}

/// Rings where another certificate than the pinned one is shown. Anybody can show one in a partner's name, so a domain
/// rings once an hour, and a hosting provider once for all domains behind it.
#[derive(Default)]
pub(crate) struct PinAlarm {
    rung_by_name: BTreeMap<(bool, String), Instant>,
}

impl PinAlarm {
    /// Whether the refusal is about a pin. `now` is when it is looked at.
    pub(crate) fn look(&mut self, now: Instant, record: &DecisionRecord) -> bool {
        let Some((domain, provider)) = changed(record) else { return false };
        self.rung_by_name.retain(|_, rung| now < *rung + PAUSE);
        let name = (provider.is_some(), provider.unwrap_or(domain).to_owned());
        if !self.rung_by_name.contains_key(&name) && self.rung_by_name.len() < NAMES_MAX {
            self.rung_by_name.insert(name, now);
            let way = if record.direction == Direction::Inbound { "from" } else { "to" };
            ring(domain, provider, way);
        }
        true
    }
}

fn ring(domain: &str, provider: Option<&str>, way: &str) {
    match provider {
        Some(provider) => tracing::warn!(
            provider,
            domain,
            way,
            "another certificate was shown than the one that is pinned for a hosting provider; to see it: comity provider \
             show {provider}, comity route {domain}"
        ),
        None => tracing::warn!(
            domain,
            way,
            "another certificate was shown than the pinned one; to see it: comity why --from {domain}, \
             comity route {domain}"
        ),
    }
}

/// The domain that a refusal for a pin is about, and the provider, where the pin is that one's.
fn changed(record: &DecisionRecord) -> Option<(&str, Option<&str>)> {
    let Outcome::Refused { word, reason, .. } = &record.outcome else { return None };
    let changed = Word::CertificatePinChanged.as_str();
    let domain = match record.direction {
        Direction::Inbound if word == changed => &record.from_domain,
        // Towards a partner the word is that its certificate will not do, and the reason begins with which.
        Direction::Outbound if word == Word::PartnerCertificate.as_str() && reason.contains(changed) => {
            &record.to_domain
        }
        _ => return None,
    };
    Some((domain, provider_pinned_in(reason)))
}

const PAUSE: Duration = Duration::from_secs(3600);
const NAMES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(direction: Direction, word: &str, reason: &str) -> DecisionRecord {
        DecisionRecord {
            call_id: "a".into(),
            method: "MESSAGE".into(),
            from_domain: "from.example".into(),
            to_domain: "to.example".into(),
            direction,
            outcome: Outcome::Refused { status: 403, word: word.into(), reason: reason.into() },
            spent_ms: 0,
        }
    }

    #[test]
    fn a_pin_rings_once_an_hour_for_the_domain_that_it_is_about() {
        let (mut alarm, now) = (PinAlarm::default(), Instant::now());
        let inbound = refused(Direction::Inbound, "certificate-pin-changed", "");
        let outbound =
            refused(Direction::Outbound, "partner-certificate", "sip.x:5061: certificate-pin-changed: other");
        assert!(alarm.look(now, &inbound) && alarm.look(now, &outbound));
        let name = |domain: &str| (false, domain.to_owned());
        assert_eq!(Vec::from_iter(alarm.rung_by_name.keys().cloned()), ["from.example", "to.example"].map(name));
        let soon = now + Duration::from_secs(3599);
        assert!(alarm.look(soon, &inbound), "it counts all the same");
        assert_eq!(alarm.rung_by_name[&name("from.example")], now);
        let later = now + PAUSE;
        assert!(alarm.look(later, &inbound));
        assert_eq!(alarm.rung_by_name[&name("from.example")], later);
        for other in [
            refused(Direction::Inbound, "certificate-name", "certificate-pin-changed"),
            refused(Direction::Outbound, "partner-certificate", "certificate-name: x"),
        ] {
            assert!(!alarm.look(now, &other));
        }
    }

    #[test]
    fn a_provider_s_pin_rings_once_for_all_domains_behind_it() {
        let (mut alarm, now) = (PinAlarm::default(), Instant::now());
        let reason = "for the hosting provider cloud the certificate 07 is pinned, and another was shown";
        let mut record = refused(Direction::Inbound, "certificate-pin-changed", reason);
        for domain in ["a.example", "b.example"] {
            record.from_domain = domain.to_owned();
            assert!(alarm.look(now, &record));
        }
        let outbound = format!("edge.x:5061: certificate-pin-changed: {reason}");
        assert!(alarm.look(now, &refused(Direction::Outbound, "partner-certificate", &outbound)));
        assert_eq!(Vec::from_iter(alarm.rung_by_name.into_keys()), [(true, "cloud".to_owned())]);
    }
}
