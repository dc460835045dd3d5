//! Whether partners can be reached, told once for each change, however many requests find out, and of a hosting provider's edge
//! however many domains. Every worker tells the one that owns a partner's first connection, and that one the shell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use federation::verification::provider_pinned_in;
use serde::{Deserialize, Serialize};
use sip::Refusal;
use sip::refusal::Word;

use crate::core::Core;
use crate::links::LinkKey;
use crate::{Handoff, Output, WorkerId};

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
    /// It is about that one's edge, and so about all domains behind it.
    pub is_of_edge: bool,
    pub reach: Reach,
}

/// A hosting provider whose edge can be reached again, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedProvider {
    pub name: String,
    /// Behind it, which were to be reached by its edge since the start.
    pub domains: usize,
}

/// What was told of partners, and of providers, that are, or lately were, in trouble.
#[derive(Debug, Default)]
pub(crate) struct Reaches {
    told_by_domain: BTreeMap<String, Told>,
    told_by_provider: BTreeMap<String, ToldOfProvider>,
}

#[derive(Debug, Default)]
struct ToldOfProvider {
    told: Option<Told>,
    /// Which were to be reached by its edge.
    domains: BTreeSet<String>,
    /// Those of them for which it failed, since it was reached last.
    away: BTreeSet<String>,
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
    /// Whether it is a change, and to be told.
    fn is_news(&mut self, now: Instant, change: &Reached) -> bool {
        match change.provider.as_ref().filter(|_| change.is_of_edge) {
            Some(provider) => self.told_by_provider.entry(provider.clone()).or_default().is_news(now, change),
            None => self.is_news_of_domain(now, change),
        }
    }

    fn is_news_of_domain(&mut self, now: Instant, Reached { domain, provider, reach, .. }: &Reached) -> bool {
        let is_full = self.told_by_domain.len() >= DOMAINS_TOLD_MAX;
        match self.told_by_domain.get_mut(domain) {
            Some(told) => told.is_news(now, *reach),
            None if *reach == Reach::Reachable || is_full => false,
            None => {
                self.told_by_domain.insert(domain.to_owned(), Told::new(now, provider.clone(), *reach));
                true
            }
        }
    }

    /// How many domains were to be reached by the edge of a provider.
    fn domains_of(&self, provider: &str) -> usize {
        self.told_by_provider.get(provider).map_or(0, |known| known.domains.len())
    }

    fn away(&self) -> impl Iterator<Item = Reached> {
        let by_domain = self.told_by_domain.iter().map(|(domain, told)| (domain, told, false));
        let of_providers = self.told_by_provider.values().filter_map(|known| Some((known, known.told.as_ref()?)));
        let by_provider =
            of_providers.flat_map(|(known, told)| known.away.iter().map(move |domain| (domain, told, true)));
        let away = by_domain.chain(by_provider).filter(|(_, told, _)| told.reach != Reach::Reachable);
        away.map(|(domain, Told { provider, reach, .. }, is_of_edge)| Reached {
            domain: domain.clone(),
            provider: provider.clone(),
            is_of_edge,
            reach: *reach,
        })
    }

    /// Keeps what was told of these domains, and of these providers, alone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool, keep_provider: impl Fn(&str) -> bool) {
        self.told_by_domain.retain(|domain, _| keep(domain));
        self.told_by_provider.retain(|name, _| keep_provider(name));
    }
}

impl ToldOfProvider {
    fn is_news(&mut self, now: Instant, Reached { domain, provider, reach, .. }: &Reached) -> bool {
        if self.domains.len() < DOMAINS_TOLD_MAX {
            self.domains.insert(domain.clone());
        }
        match reach {
            Reach::Reachable => self.away.clear(),
            _ if self.domains.contains(domain) => drop(self.away.insert(domain.clone())),
            _ => {}
        }
        match &mut self.told {
            Some(told) => told.is_news(now, *reach),
            None if *reach == Reach::Reachable => false,
            None => {
                self.told = Some(Told::new(now, provider.clone(), *reach));
                true
            }
        }
    }
}

impl Told {
    fn new(now: Instant, provider: Option<String>, reach: Reach) -> Told {
        Told { provider, reach, changes: 1, hour_began: now }
    }

    /// What changes all the time is told of so many times an hour.
    fn is_news(&mut self, now: Instant, reach: Reach) -> bool {
        let told = self;
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
}

impl Core {
    /// A connection could not be brought up, and this is what all that wait for it get.
    pub(crate) fn link_failed(&mut self, now: Instant, key: &LinkKey, refusal: &Refusal) {
        match Reach::of(refusal) {
            Some(Reach::CertificateRefused) if is_for_domain(&refusal.reason) => {
                self.reach_of_domain_changed(now, key, Reach::CertificateRefused);
            }
            Some(reach) => self.reach_changed(now, key, reach),
            None => {}
        }
    }

    /// Of a partner, or of the hosting provider that it is behind: where one domain is reached, so is the edge of them all.
    pub(crate) fn reach_changed(&mut self, now: Instant, key: &LinkKey, reach: Reach) {
        if let Some(provider) = self.provider_known(&key.domain).filter(|_| self.is_told_of(key)) {
            let (provider, teller) = (Some(provider.name.clone()), self.ownership.of_partner(&provider.edge, 0));
            self.tell_teller(now, teller, Reached { domain: key.domain.clone(), provider, is_of_edge: true, reach });
            if reach != Reach::Reachable {
                return;
            }
        }
        self.reach_of_domain_changed(now, key, reach);
    }

    fn reach_of_domain_changed(&mut self, now: Instant, key: &LinkKey, reach: Reach) {
        if self.is_told_of(key) {
            let provider = self.provider_known(&key.domain).map(|provider| provider.name.clone());
            let change = Reached { domain: key.domain.clone(), provider, is_of_edge: false, reach };
            self.tell_teller(now, self.ownership.of_partner(&key.domain, 0), change);
        }
    }

    /// Names that users make up are told of to nobody: a partner has an entry, or was reached before.
    fn is_told_of(&self, key: &LinkKey) -> bool {
        let entry = self.partners.standing(&key.domain).entry();
        !key.is_inside() && (entry.is_some_and(|entry| entry.domain == key.domain) || self.links.was_up(key))
    }

    fn tell_teller(&mut self, now: Instant, teller: WorkerId, change: Reached) {
        match self.ownership.is_ours(teller) {
            true => self.tell_reach(now, change),
            false => self.hand(teller, Handoff::PartnerReach(change)),
        }
    }

    pub(crate) fn tell_reach(&mut self, now: Instant, change: Reached) {
        if self.reaches.is_news(now, &change) {
            let Reached { domain, provider, is_of_edge, reach } = change;
            let is_monitored = self.partners.is_monitored(&domain, provider.as_deref());
            let told = |name: String| ReachedProvider { domains: self.reaches.domains_of(&name), name };
            let provider = provider.filter(|_| is_of_edge).map(told);
            self.put(Output::PartnerReach { domain, provider, reach, is_monitored });
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

/// Whether a certificate is refused for what it is to prove: it may prove the other domains behind a provider.
fn is_for_domain(reason: &str) -> bool {
    let is = |word: Word| reason.contains(word.as_str());
    is(Word::CertificateName) || is(Word::CertificatePinChanged) && provider_pinned_in(reason).is_none()
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
        Reached { domain: domain.into(), provider: None, is_of_edge: false, reach }
    }

    #[test]
    fn a_provider_is_told_of_once_for_all_domains_behind_it_and_each_is_known_to_be_away() {
        let (mut reaches, now) = (Reaches::default(), Instant::now());
        let mut tell = |domain: &str, reach| {
            let change = Reached { provider: Some("cloud".into()), is_of_edge: true, ..now_at(domain, reach) };
            let is_news = reaches.is_news(now, &change);
            let away: Vec<_> = reaches.away().map(|it| (it.domain, it.provider)).collect();
            (is_news, reaches.domains_of("cloud"), away)
        };
        let away = |domain: &str| (domain.to_owned(), Some("cloud".to_owned()));
        assert_eq!(tell("a.example", Reach::Reachable), (false, 1, vec![]));
        assert_eq!(tell("a.example", Reach::OutOfReach), (true, 1, vec![away("a.example")]));
        let both = vec![away("a.example"), away("b.example")];
        assert_eq!(tell("b.example", Reach::OutOfReach), (false, 2, both.clone()));
        assert_eq!(tell("b.example", Reach::HangsUp), (true, 2, both));
        assert_eq!(tell("c.example", Reach::Reachable), (true, 3, vec![]));
        assert_eq!(tell("a.example", Reach::Reachable), (false, 3, vec![]));
        assert_eq!(tell("a.example", Reach::OutOfReach), (true, 3, vec![away("a.example")]));
        reaches.retain(|_| false, |_| true);
        assert_eq!(reaches.away().count(), 1);
        reaches.retain(|_| true, |_| false);
        assert_eq!(reaches.away().count(), 0);
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
