//! What one worker knows of a hosting provider: which domains are behind it, what of its edge failed, which certificates that
//! shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use federation::admission::Origin;
use federation::decision::{DecisionRecord, Outcome};
use federation::discovery::SrvFailure;
use federation::flow::Direction;
use federation::partner::Provider;
use federation::verification::{Rung, provider_pinned_in};

use crate::core::Core;
use crate::flow_table::FlowState;
use crate::partner_status::{CertificateSeen, PartnerCounts, Trouble};

/// One worker's view of a provider.
#[derive(Debug, Clone, Default)]
pub struct ProviderStatus {
    pub behind_by_domain: BTreeMap<String, Behind>,
    /// Of its edge, for whichever domain it was to be reached.
    pub troubles: Vec<Trouble>,
    /// Of the connections that stand, both ways.
    pub certificates: Vec<CertificateSeen>,
}

/// How a domain is known to be behind a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Its SRV records lead there, or nothing else takes it.
    pub is_led: bool,
    /// The provider's certificate has proven it.
    pub is_proven: bool,
}

impl std::ops::BitOrAssign for Behind {
    fn bitor_assign(&mut self, other: Behind) {
        self.is_led |= other.is_led;
        self.is_proven |= other.is_proven;
    }
}

impl Core {
    /// Of a provider that does not count, nothing is known.
    pub fn provider_status(&self, now: Instant, name: &str) -> ProviderStatus {
        let Some(provider) = self.partners.provider(name) else { return ProviderStatus::default() };
        let mut status = ProviderStatus::default();
        let mut note = |domain: &str, behind: Behind| {
            if !self.organisation.is_local(domain) {
                *status.behind_by_domain.entry(domain.to_owned()).or_default() |= behind;
            }
        };
        let led = |(domain, srv)| self.partners.provider_of(domain, srv).is_some_and(|found| found.name == name);
        self.discovery.iter().filter(|known| led(*known)).for_each(|(domain, _)| note(domain, LED));
        self.flows.iter().for_each(|flow| self.proven_by(provider, flow).for_each(|domain| note(domain, PROVEN)));
        let admitted = self.decisions().iter().filter_map(|known| admitted_through(&known.record, name));
        admitted.for_each(|domain| note(domain, PROVEN));
        let refused = self.decisions().iter().filter_map(|known| refused_by_pin(&known.record, name));
        refused.for_each(|domain| note(domain, Behind::default()));
        if let Ok(edge) = provider.edge() {
            let troubles = self.failover.health.at_host(&edge.host);
            status.troubles = troubles.map(|(place, trouble)| Trouble::of(place, trouble, now)).collect();
        }
        status.certificates =
            self.flows.iter().filter(|flow| is_of(provider, flow)).filter_map(CertificateSeen::of).collect();
        status
    }

    /// What passed between us and these domains, together.
    pub fn counts_of_domains(&self, now: Instant, domains: &BTreeSet<String>) -> PartnerCounts {
        let (mut sum, hour) = (PartnerCounts::default(), self.hour(now));
        let counted = domains.iter().filter_map(|domain| self.counts_by_partner.get(domain));
        counted.for_each(|counts| sum += counts.at(hour));
        sum
    }

    /// The provider that a domain is behind, as far as this worker has learnt from the DNS.
    pub(crate) fn provider_known(&self, domain: &str) -> Option<&Provider> {
        let srv = self.discovery.remembered(domain).map_or(&Err(SrvFailure::Timeout), |known| known.result);
        self.partners.provider_of(domain, srv)
    }

    /// The provider by whose certificate the domain was proven that spoke last on a connection.
    pub(crate) fn provider_on(&self, flow: &FlowState) -> Option<&Provider> {
        let certificate = flow.facts.certificate.as_ref().filter(|_| !flow.facts.is_inner)?;
        self.partners.provider_behind(flow.partner.as_ref()?, flow.rung?, certificate)
    }

    /// The domains that this provider's certificate has proven on a connection.
    fn proven_by<'a>(&'a self, provider: &'a Provider, flow: &'a FlowState) -> impl Iterator<Item = &'a str> {
        let spoke_last = flow.partner.as_ref().zip(flow.rung);
        let before = flow.proven.iter().map(|proven| (&proven.domain, Rung::EdgeFqdn));
        let certificate = flow.facts.certificate.as_ref().filter(|_| is_of(provider, flow));
        spoke_last.into_iter().chain(before).filter_map(move |(domain, rung)| {
            let behind = self.partners.provider_behind(domain, rung, certificate?)?;
            (behind.name == provider.name).then_some(domain.as_str())
        })
    }
}

/// Whether it is a connection with the provider's edge, either way.
fn is_of(provider: &Provider, flow: &FlowState) -> bool {
    let certificate = flow.facts.certificate.as_ref().filter(|_| !flow.facts.is_inner);
    certificate.is_some_and(|certificate| provider.is_claimed_by(certificate))
}

fn admitted_through<'a>(record: &'a DecisionRecord, name: &str) -> Option<&'a str> {
    match &record.outcome {
        Outcome::Admitted { origin: Origin::Partner { domain, source, .. }, .. } => {
            (source.provider.as_deref() == Some(name)).then_some(domain)
        }
        _ => None,
    }
}

/// The domain in whose name another certificate was shown than the provider's pinned one.
fn refused_by_pin<'a>(record: &'a DecisionRecord, name: &str) -> Option<&'a str> {
    let Outcome::Refused { reason, .. } = &record.outcome else { return None };
    let domain = match record.direction {
        Direction::Inbound => &record.from_domain,
        Direction::Outbound => &record.to_domain,
    };
    (provider_pinned_in(reason)? == name).then_some(domain)
}

const LED: Behind = Behind { is_led: true, is_proven: false };
const PROVEN: Behind = Behind { is_led: false, is_proven: true };
