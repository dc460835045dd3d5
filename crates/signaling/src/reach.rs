//! Whether partners can be reached, told once for each change, however many requests find out. Every worker tells the one that
//! owns a partner's first connection, and that one the shell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sip::Refusal;
use sip::refusal::Word;

use crate::core::Core;
use crate::links::LinkKey;
use crate::{Handoff, Output};

/// How far connections of ours to a partner come. What is worse comes later: of several failures the worst is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    /// It has answered over one.
    Reachable,
    /// One could not be brought up.
    OutOfReach,
    /// It ends each as soon as it is up, most likely for our certificate.
    HangsUp,
    /// Its certificate does not prove the domain.
    CertificateRefused,
}

impl Reach {
    /// For the operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reach::Reachable => "reachable",
            Reach::OutOfReach => "out of reach",
            Reach::HangsUp => "ends connections as soon as they are up",
            Reach::CertificateRefused => "its certificate is refused",
        }
    }

    /// `None`: the failure says nothing of the partner.
    fn of(refusal: &Refusal) -> Option<Reach> {
        match refusal.word {
            Word::PartnerUnreachable | Word::NoRoute => Some(Reach::OutOfReach),
            Word::PartnerCertificate => Some(Reach::CertificateRefused),
            _ => None,
        }
    }
}

/// How far connections to a partner come now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    pub domain: String,
    /// The hosting provider that it is behind, where that is known.
    pub provider: Option<String>,
    pub reach: Reach,
}

/// What was told of partners that are, or lately were, in trouble.
#[derive(Debug, Default)]
pub(crate) struct Reaches {
    told_by_domain: BTreeMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    provider: Option<String>,
    reach: Reach,
    /// In the hour that began then.
    changes: u32,
    hour_began: Instant,
}

impl Reaches {
    /// Whether it is a change, and to be told. A partner that changes all the time is told of so many times an hour.
    fn is_news(&mut self, now: Instant, Reached { domain, provider, reach }: &Reached) -> bool {
        let reach = *reach;
        let Some(told) = self.told_by_domain.get_mut(domain) else {
            if reach == Reach::Reachable || self.told_by_domain.len() >= DOMAINS_TOLD_MAX {
                return false;
            }
            let told = Told { provider: provider.clone(), reach, changes: 1, hour_began: now };
            self.told_by_domain.insert(domain.to_owned(), told);
            return true;
        };
        if reach == told.reach || (reach != Reach::Reachable && reach < told.reach) {
            return false;
        }
        if now.saturating_duration_since(told.hour_began) >= HOUR {
            (told.changes, told.hour_began) = (0, now);
        }
        // What stays untold is told with the first attempt of the next hour, if it still holds.
        if told.changes >= CHANGES_PER_HOUR_MAX {
            return false;
        }
        told.reach = reach;
        told.changes += 1;
        true
    }

    fn away(&self) -> impl Iterator<Item = Reached> {
        let away = self.told_by_domain.iter().filter(|(_, told)| told.reach != Reach::Reachable);
        away.map(|(domain, Told { provider, reach, .. })| Reached {
            domain: domain.clone(),
            provider: provider.clone(),
            reach: *reach,
        })
    }

    /// Keeps what was told of these domains alone.
    pub(crate) fn retain_domains(&mut self, keep: impl Fn(&str) -> bool) {
        self.told_by_domain.retain(|domain, _| keep(domain));
    }
}

impl Core {
    /// A connection could not be brought up, and this is what all that wait for it get.
    pub(crate) fn link_failed(&mut self, now: Instant, key: &LinkKey, refusal: &Refusal) {
        if let Some(reach) = Reach::of(refusal) {
            self.reach_changed(now, key, reach);
        }
    }

    /// Names that users make up are told of to nobody: a partner has an entry, or was reached before.
    pub(crate) fn reach_changed(&mut self, now: Instant, key: &LinkKey, reach: Reach) {
        let entry = self.partners.standing(&key.domain).entry();
        let is_known = entry.is_some_and(|entry| entry.domain == key.domain) || self.links.was_up(key);
        if key.is_inside() || !is_known {
            return;
        }
        let teller = self.ownership.of_partner(&key.domain, 0);
        let provider = self.provider_known(&key.domain).map(|provider| provider.name.clone());
        let change = Reached { domain: key.domain.clone(), provider, reach };
        match self.ownership.is_ours(teller) {
            true => self.tell_reach(now, change),
            false => self.hand(teller, Handoff::PartnerReach(change)),
        }
    }

    pub(crate) fn tell_reach(&mut self, now: Instant, change: Reached) {
        if self.reaches.is_news(now, &change) {
            let Reached { domain, provider, reach } = change;
            let is_monitored = self.partners.is_monitored(&domain, provider.as_deref());
            self.put(Output::PartnerReach { domain, reach, is_monitored });
        }
    }

    /// Partners that were told to be out of reach, one way or another, and not since to be back.
    pub fn partners_away(&self) -> Vec<Reached> {
        self.reaches.away().collect()
    }

    /// How many these are: of all, and of those with the mark.
    pub(crate) fn count_away(&self) -> (usize, usize) {
        let monitored =
            self.reaches.away().filter(|it| self.partners.is_monitored(&it.domain, it.provider.as_deref())).count();
        (self.reaches.away().count(), monitored)
    }
}

/// Partners beyond these are not told of.
const DOMAINS_TOLD_MAX: usize = 4096;
const CHANGES_PER_HOUR_MAX: u32 = 20;
const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use super::*;

    const DOMAIN: &str = "fabrikam.example";

    fn now_at(domain: impl Into<String>, reach: Reach) -> Reached {
        Reached { domain: domain.into(), provider: None, reach }
    }

    #[test]
    fn the_first_failure_and_whatever_is_worse_is_news_and_the_first_success() {
        let (mut reaches, now) = (Reaches::default(), Instant::now());
        use Reach::{CertificateRefused, HangsUp, OutOfReach, Reachable};
        let order =
            [Reachable, OutOfReach, OutOfReach, CertificateRefused, OutOfReach, HangsUp, Reachable, Reachable, HangsUp];
        let told = order.map(|reach| reaches.is_news(now, &now_at(DOMAIN, reach)));
        assert_eq!(told, [false, true, false, true, false, false, true, false, true]);
    }

    #[test]
    fn who_is_away_is_known_until_it_is_back() {
        let (mut reaches, now) = (Reaches::default(), Instant::now());
        reaches.is_news(now, &now_at(DOMAIN, Reach::OutOfReach));
        reaches.is_news(now, &now_at(DOMAIN, Reach::CertificateRefused));
        assert_eq!(reaches.away().collect::<Vec<_>>(), [now_at(DOMAIN, Reach::CertificateRefused)]);
        reaches.is_news(now, &now_at(DOMAIN, Reach::Reachable));
        assert_eq!(reaches.away().count(), 0);
    }

    #[test]
    fn a_partner_that_comes_and_goes_is_told_of_so_many_times_an_hour() {
        let (mut reaches, begun) = (Reaches::default(), Instant::now());
        let mut told_at = |secs: u64| {
            let now = begun + Duration::from_secs(secs);
            [Reach::OutOfReach, Reach::Reachable].map(|reach| u32::from(reaches.is_news(now, &now_at(DOMAIN, reach))))
        };
        let told: u32 = (0..1000).flat_map(&mut told_at).sum();
        assert_eq!(told, CHANGES_PER_HOUR_MAX);
        assert_eq!(told_at(3600), [1, 1]);
    }

    #[test]
    fn so_many_partners_are_told_of() {
        let (mut reaches, now) = (Reaches::default(), Instant::now());
        let told = (0..=DOMAINS_TOLD_MAX)
            .filter(|n| reaches.is_news(now, &now_at(format!("p{n}.example"), Reach::OutOfReach)));
        assert_eq!(told.count(), DOMAINS_TOLD_MAX);
    }
}
