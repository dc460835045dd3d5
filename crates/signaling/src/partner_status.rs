//! What one worker knows of one partner: what the DNS said, what failed, which certificates it shows, and counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::decision::{Answerer, DecisionRecord, Outcome};
use federation::discovery::SrvResult;
use federation::flow::Direction;
use federation::health::{self, Place};
use federation::partner::Standing;
use federation::trust::PeerCertificate;
use federation::verification::Rung;
use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::flow_table::FlowState;

/// One worker's view of a partner.
#[derive(Debug, Clone)]
pub struct PartnerStatus {
    /// What the DNS said, and for how long that is believed.
    pub discovery: Option<(SrvResult, Duration)>,
    /// How long ago it said so.
    pub discovery_learnt_ago: Option<Duration>,
    /// For how long its own time has been over, and how asking again failed.
    pub discovery_stale: Option<(Duration, String)>,
    pub troubles: Vec<Trouble>,
    /// Of the connections that stand, both ways.
    pub certificates: Vec<CertificateSeen>,
    pub counts: PartnerCounts,
}

/// A server, or one of its addresses, that failed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// `edge.fabrikam.example:5061`, with the address where it is one of several.
    pub place: String,
    pub failures: u32,
    pub reason: String,
    /// Since the last time.
    pub failed_ago: Duration,
    /// How much longer it is tried last.
    pub avoided_for: Duration,
}

/// A certificate on a connection that stands.
#[derive(Debug, Clone)]
pub struct CertificateSeen {
    pub direction: Direction,
    pub remote: SocketAddr,
    pub certificate: Arc<PeerCertificate>,
}

/// A connection with a partner that has an entry, or with a hosting provider's edge, and what was proven on it.
#[derive(Debug, Clone)]
pub struct PartnerSeen {
    /// Of a domain behind a provider that has no entry, the provider's edge: there may be any number of such domains.
    pub domain: String,
    /// The provider by whose certificate the domain was proven.
    pub provider: Option<String>,
    pub direction: Direction,
    pub remote: SocketAddr,
    /// `edge.fabrikam.example:5061`, where we went to.
    pub server: Option<String>,
    pub rung: Option<Rung>,
    pub certificate: Arc<PeerCertificate>,
}

/// Requests since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartnerCounts {
    /// Of the partner.
    pub admitted: u64,
    /// Of the partner.
    pub refused: u64,
    /// Of those refused: as much of the partner was under way as one may have (503 with Retry-After).
    pub over_share: u64,
    /// Of our users for the partner.
    pub refused_ours: u64,
    /// To the partner.
    pub sent: u64,
    /// Of those sent, answered with a success.
    pub succeeded: u64,
    /// Of those sent, answered with 503.
    pub overloaded: u64,
    /// Of our users, not sent because the partner's server had asked for rest.
    pub held_back: u64,
    pub this_hour: HourCounts,
    pub last_hour: HourCounts,
    /// Which hour since 1970 this one is.
    hour: u64,
}

/// Requests of one hour of the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourCounts {
    /// Of the partner, admitted or refused.
    pub theirs: u64,
    /// Sent to the partner.
    pub sent: u64,
}

impl PartnerCounts {
    /// As of this hour since 1970.
    pub(crate) fn at(mut self, hour: u64) -> PartnerCounts {
        self.roll(hour);
        self
    }

    /// An hour begins: what was counted last becomes the hour before, if it is.
    fn roll(&mut self, hour: u64) {
        if hour != self.hour {
            let is_next = hour.checked_sub(1) == Some(self.hour);
            self.last_hour = if is_next { self.this_hour } else { HourCounts::default() };
            (self.this_hour, self.hour) = (HourCounts::default(), hour);
        }
    }
}

impl Trouble {
    pub(crate) fn of(place: &Place, trouble: &health::Trouble, now: Instant) -> Trouble {
        Trouble {
            place: match place.address {
                Some(address) => format!("{} ({address})", place.target),
                None => place.target.to_string(),
            },
            failures: trouble.failures,
            reason: trouble.reason.clone(),
            failed_ago: now.saturating_duration_since(trouble.last_failure),
            avoided_for: trouble.avoided_until.saturating_duration_since(now),
        }
    }
}

impl CertificateSeen {
    /// `None`: the other side showed none.
    pub(crate) fn of(flow: &FlowState) -> Option<CertificateSeen> {
        let (direction, remote) = (flow.facts.direction, flow.facts.remote);
        Some(CertificateSeen { direction, remote, certificate: flow.facts.certificate.clone()? })
    }
}

impl Core {
    pub fn partner_status(&self, now: Instant, domain: &str) -> PartnerStatus {
        let known = self.discovery.remembered(domain);
        let stale = known.as_ref().and_then(|known| known.stale);
        let learnt = known.as_ref().map(|known| now.saturating_duration_since(known.learnt));
        let left = known.map(|known| (known.result.clone(), known.expires.saturating_duration_since(now)));
        // On the inner side an edge speaks for it, or we do.
        let is_its_own = |flow: &&FlowState| flow.partner.as_deref() == Some(domain) && !flow.facts.is_inner;
        let seen = self.flows.iter().filter(is_its_own);
        PartnerStatus {
            discovery_learnt_ago: learnt,
            discovery: left.filter(|(_, rest)| !rest.is_zero()),
            discovery_stale: stale.map(|(since, why)| (now.saturating_duration_since(since), why.to_owned())),
            troubles: self.troubles(now, domain),
            certificates: seen.filter_map(CertificateSeen::of).collect(),
            counts: self.counts_by_partner.get(domain).copied().unwrap_or_default().at(self.hour(now)),
        }
    }

    /// All partners with an entry, and providers, on connections of this worker, one for each connection.
    pub fn partners_seen(&self) -> Vec<PartnerSeen> {
        let seen = |flow: &FlowState| {
            let domain = flow.partner.as_ref().filter(|_| !flow.facts.is_inner)?;
            let provider = self.provider_on(flow);
            let domain = match (self.partners.standing(domain), provider) {
                (Standing::Blocked(_), _) => return None,
                (Standing::Allowed(_), _) => domain.clone(),
                (_, provider) => provider?.edge().ok()?.host,
            };
            Some(PartnerSeen {
                domain,
                provider: provider.map(|provider| provider.name.clone()),
                direction: flow.facts.direction,
                remote: flow.facts.remote,
                server: self.links.place_of(flow.facts.id).map(|(_, server, _)| server.to_string()),
                rung: flow.rung,
                certificate: flow.facts.certificate.clone()?,
            })
        };
        self.flows.iter().filter_map(seen).collect()
    }

    fn troubles(&self, now: Instant, domain: &str) -> Vec<Trouble> {
        self.failover.health.of_domain(domain).map(|(place, trouble)| Trouble::of(place, trouble, now)).collect()
    }

    /// Counts a decision for the domain on the other side. Names that nobody has proven, or entered in the partner
    /// list, are not counted: anybody can make up as many as he likes.
    pub(crate) fn count(&mut self, now: Instant, record: &DecisionRecord) {
        let domain = match record.direction {
            Direction::Outbound => &record.to_domain,
            Direction::Inbound => &record.from_domain,
        };
        let count: fn(&mut PartnerCounts) = match &record.outcome {
            Outcome::Admitted { .. } if record.direction == Direction::Inbound => |counts| {
                counts.admitted += 1;
                counts.this_hour.theirs += 1;
            },
            Outcome::Refused { .. } if record.direction == Direction::Inbound => |counts| {
                counts.refused += 1;
                counts.this_hour.theirs += 1;
            },
            Outcome::Refused { .. } => |counts| counts.refused_ours += 1,
            // What came from it and goes on over a connection of ours is nothing that was sent to it.
            _ if record.direction == Direction::Inbound => return,
            Outcome::Routed { connection: Some(_), .. } => |counts| {
                counts.sent += 1;
                counts.this_hour.sent += 1;
            },
            Outcome::Answered { status: 200..=299, by: Answerer::Partner, .. } => |counts| counts.succeeded += 1,
            _ => return,
        };
        // Below a `*.` anybody can make up names too.
        let is_listed = self.partners.standing(domain).entry().is_some_and(|entry| entry.domain == *domain);
        let is_proven = !matches!(record.outcome, Outcome::Refused { .. });
        let hour = self.hour(now);
        if let Some(counts) = counts_of(&mut self.counts_by_partner, domain, is_listed || is_proven) {
            counts.roll(hour);
            count(counts);
        }
    }

    /// Since 1970.
    pub(crate) fn hour(&self, now: Instant) -> u64 {
        self.unix_ms(now) / HOUR_MS
    }
}

impl Core {
    /// Of a partner that is counted already.
    pub(crate) fn count_of_partner(&mut self, domain: &str, count: impl FnOnce(&mut PartnerCounts)) {
        if let Some(counts) = self.counts_by_partner.get_mut(domain) {
            count(counts);
        }
    }
}

/// Those that there are; new ones where they may begin, and there is room.
fn counts_of<'a>(
    counts_by_partner: &'a mut BTreeMap<String, PartnerCounts>,
    domain: &str,
    may_begin: bool,
) -> Option<&'a mut PartnerCounts> {
    if may_begin && counts_by_partner.len() < PARTNERS_COUNTED_MAX && !counts_by_partner.contains_key(domain) {
        counts_by_partner.insert(domain.to_owned(), PartnerCounts::default());
    }
    counts_by_partner.get_mut(domain)
}

impl std::ops::AddAssign for PartnerCounts {
    fn add_assign(&mut self, other: PartnerCounts) {
        self.admitted += other.admitted;
        self.refused += other.refused;
        self.over_share += other.over_share;
        self.refused_ours += other.refused_ours;
        self.sent += other.sent;
        self.succeeded += other.succeeded;
        self.overloaded += other.overloaded;
        self.held_back += other.held_back;
        // Both are of one hour: see [`PartnerCounts::at`].
        self.hour = other.hour;
        for (hour, other) in [(&mut self.this_hour, other.this_hour), (&mut self.last_hour, other.last_hour)] {
            hour.theirs += other.theirs;
            hour.sent += other.sent;
        }
    }
}

const HOUR_MS: u64 = 3_600_000;

/// Partners beyond these are not counted.
const PARTNERS_COUNTED_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_partners_are_counted_and_those_go_on_to_be() {
        let mut all = BTreeMap::new();
        assert!(counts_of(&mut all, "stranger.example", false).is_none());
        for number in 0..PARTNERS_COUNTED_MAX {
            counts_of(&mut all, &format!("p{number}.example"), true).unwrap().sent += 1;
        }
        assert!(counts_of(&mut all, "one-more.example", true).is_none());
        assert_eq!(counts_of(&mut all, "p7.example", false).unwrap().sent, 1);
    }

    #[test]
    fn an_hour_is_the_last_one_for_an_hour_and_then_gone() {
        let mut counts = PartnerCounts::default().at(7);
        counts.this_hour = HourCounts { theirs: 3, sent: 2 };
        let busy = counts.this_hour;
        assert_eq!((counts.at(7).this_hour, counts.at(7).last_hour), (busy, HourCounts::default()));
        assert_eq!((counts.at(8).this_hour, counts.at(8).last_hour), (HourCounts::default(), busy));
        assert_eq!((counts.at(9).this_hour, counts.at(9).last_hour), (HourCounts::default(), HourCounts::default()));
        let mut both = counts.at(8);
        both += counts.at(8);
        assert_eq!(both.at(8).last_hour, HourCounts { theirs: 6, sent: 4 });
    }
}
