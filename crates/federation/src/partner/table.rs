//! The table of partners: entries, providers and switches, and what they mean for a domain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sip::refusal::Refusal;

use super::{EntrySwitch, Partner, PartnerKind, Provider};
use crate::admission::Tier;
use crate::bodies::BodyTypes;
use crate::discovery::{SrvFailure, SrvResult};
use crate::domain_name;
use crate::external_access::ExternalAccess;
use crate::look_alike::TrustedNames;
use crate::refusal;
use crate::trust::{DomainTrust, Fingerprint, PeerCertificate};
use crate::verification::{Claim, Rung, names_edge, provider_of_certificate};

/// All that an administrator decided about other organisations, as every worker has it.
#[derive(Clone, Debug)]
pub struct Partners {
    partners_by_domain: BTreeMap<String, Partner>,
    /// Entries of `*.domain`, by that domain.
    partners_below: BTreeMap<String, Partner>,
    trust_by_domain: BTreeMap<String, DomainTrust>,
    revoked: Arc<BTreeSet<Fingerprint>>,
    /// The enabled ones.
    providers: Vec<Provider>,
    own_domains: Vec<String>,
    access: ExternalAccess,
    /// "host:port" of the one next hop for whoever's entry names no edge.
    default_route: Option<String>,
    federation: bool,
    discovery: bool,
    mark_source_verifiable: bool,
    diagnostics_to_partners: bool,
    hides_topology: bool,
    /// An entry, or a provider, says so of itself.
    hides_topology_from_some: bool,
    body_types: BodyTypes,
    /// They come from the home, which has told nothing yet.
    are_awaited: bool,
}

/// How a foreign domain stands with us.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    Allowed(&'a Partner),
    Blocked(&'a Partner),
    /// Not listed, and partner discovery is on.
    Discovered,
    /// A domain of our own, some of whose users are at home at this provider.
    Shared(&'a Provider),
    /// Not listed, and partner discovery is off: reached through the default route or a clearing house.
    Cleared(Clearing<'a>),
    /// Not listed, and nobody takes what is not.
    Unknown,
    /// The master switch is off: every foreign domain stands like this.
    FederationOff,
    /// Nobody has told this edge yet: so does every foreign domain.
    Awaited,
}

/// Who takes what has no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearing<'a> {
    DefaultRoute(&'a str),
    Provider(&'a Provider),
}

impl<'a> Clearing<'a> {
    pub fn edge(self) -> &'a str {
        match self {
            Clearing::DefaultRoute(edge) => edge,
            Clearing::Provider(provider) => &provider.edge,
        }
    }

    fn pins(self) -> &'a [Fingerprint] {
        match self {
            Clearing::DefaultRoute(_) => &[],
            Clearing::Provider(provider) => &provider.pins,
        }
    }
}

impl<'a> Standing<'a> {
    /// The tier of a domain that may pass.
    ///
    /// # Errors
    /// The refusal of one that may not.
    pub fn check(self, domain: &str) -> Result<Tier, Refusal> {
        match self {
            Standing::Allowed(_) | Standing::Shared(_) | Standing::Cleared(_) => Ok(Tier::Allowed),
            Standing::Discovered => Ok(Tier::Discovered),
            Standing::Blocked(_) => Err(refusal::domain_blocked(domain)),
            Standing::Unknown => Err(refusal::domain_not_allowed(domain)),
            Standing::FederationOff => Err(refusal::federation_off()),
            Standing::Awaited => Err(refusal::partners_awaited()),
        }
    }

    /// The edge that the configuration names, as it is written; `None` when it is to be found by SRV.
    pub fn edge(self) -> Option<&'a str> {
        match self {
            Standing::Allowed(Partner { kind: PartnerKind::AllowedServer { edge }, .. }) => Some(edge),
            Standing::Shared(provider) => Some(&provider.edge),
            _ => None,
        }
    }

    /// The entry that decides.
    pub fn entry(self) -> Option<&'a Partner> {
        match self {
            Standing::Allowed(partner) | Standing::Blocked(partner) => Some(partner),
            _ => None,
        }
    }

    /// Whether a connection judged by the one would be judged alike by the other; a comment makes no difference.
    pub fn is_alike(self, other: Standing<'_>) -> bool {
        match (self, other) {
            (Standing::Allowed(one), Standing::Allowed(other)) => one.kind == other.kind,
            (Standing::Shared(one), Standing::Shared(other)) => one.edge == other.edge && one.pins == other.pins,
            (Standing::Cleared(one), Standing::Cleared(other)) => {
                one.edge() == other.edge() && one.pins() == other.pins()
            }
            (Standing::Discovered, Standing::Discovered) => true,
            _ => false,
        }
    }
}

impl Partners {
    /// Of several entries for one domain a block wins, else the last.
    pub fn new(list: Vec<Partner>, federation: bool, discovery: bool) -> Partners {
        let (mut partners_by_domain, mut partners_below) = (BTreeMap::new(), BTreeMap::new());
        let hides_topology_from_some = list.iter().any(|partner| partner.hide_topology == EntrySwitch::Always);
        for partner in list {
            let domain = domain_name::canonical(&partner.domain);
            let (entries, domain) = match domain.strip_prefix("*.") {
                Some(parent) => (&mut partners_below, parent.to_owned()),
                None => (&mut partners_by_domain, domain),
            };
            if !entries.get(&domain).is_some_and(Partner::is_blocked) {
                entries.insert(domain, partner);
            }
        }
        Partners {
            partners_by_domain,
            partners_below,
            trust_by_domain: BTreeMap::new(),
            revoked: Arc::default(),
            providers: Vec::new(),
            own_domains: Vec::new(),
            access: ExternalAccess::default(),
            default_route: None,
            federation,
            discovery,
            mark_source_verifiable: true,
            diagnostics_to_partners: false,
            hides_topology: false,
            hides_topology_from_some,
            body_types: BodyTypes::default(),
            are_awaited: false,
        }
    }

    /// Those of an edge that its home has told nothing yet: whoever asks is to ask again.
    pub fn awaited() -> Partners {
        Partners { are_awaited: true, ..Partners::new(Vec::new(), true, false) }
    }

    /// These, with what was said of domains' certificates; a domain need not have an entry for that.
    pub fn with_trust(mut self, trust: impl IntoIterator<Item = (String, DomainTrust)>) -> Partners {
        self.trust_by_domain =
            trust.into_iter().map(|(domain, trust)| (domain_name::canonical(&domain), trust)).collect();
        self
    }

    /// These, with the certificates of partners that are known to have been revoked.
    pub fn with_revoked(mut self, revoked: BTreeSet<Fingerprint>) -> Partners {
        self.revoked = Arc::new(revoked);
        self
    }

    pub fn revoked(&self) -> &BTreeSet<Fingerprint> {
        &self.revoked
    }

    /// What was said of exactly this domain's certificates.
    pub fn trust(&self, domain: &str) -> &DomainTrust {
        self.trust_by_domain.get(&domain_name::canonical(domain)).unwrap_or(&NOTHING_SAID)
    }

    /// With these providers, and our own domains, whose users they may share.
    pub fn with_providers(mut self, providers: Vec<Provider>, own_domains: &[String]) -> Partners {
        self.providers = providers.into_iter().filter(|provider| provider.enabled).collect();
        self.own_domains = own_domains.iter().map(|domain| domain_name::canonical(domain)).collect();
        self.hides_topology_from_some |=
            self.providers.iter().any(|provider| provider.hide_topology == EntrySwitch::Always);
        self
    }

    /// With these policies about our users.
    pub fn with_access(mut self, access: ExternalAccess) -> Partners {
        self.access = access;
        self
    }

    /// With one next hop ("host:port") for whoever's entry names no edge.
    pub fn with_default_route(mut self, route: Option<String>) -> Partners {
        self.default_route = route;
        self
    }

    pub fn default_route(&self) -> Option<&str> {
        self.default_route.as_deref()
    }

    /// The provider that takes whoever has no other way.
    pub fn clearing_house(&self) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.clearing_house)
    }

    /// Whether what our users send is marked as verified.
    pub fn with_source_marked(mut self, is_marked: bool) -> Partners {
        self.mark_source_verifiable = is_marked;
        self
    }

    /// Whether partners are told by number why we refuse (`ms-diagnostics-public`).
    pub fn with_diagnostics(mut self, is_told: bool) -> Partners {
        self.diagnostics_to_partners = is_told;
        self
    }

    /// Whether partners see the edge alone, and nothing of what is behind it.
    pub fn with_topology_hidden(mut self, is_hidden: bool) -> Partners {
        self.hides_topology = is_hidden;
        self
    }

    /// With what their messages, and ours to them, may hold.
    pub fn with_body_types(mut self, types: BodyTypes) -> Partners {
        self.body_types = types;
        self
    }

    pub fn body_types(&self) -> &BodyTypes {
        &self.body_types
    }

    /// Whether there is anybody who sees the edge alone.
    pub fn hides_topology(&self) -> bool {
        self.hides_topology || self.hides_topology_from_some
    }

    /// Whether this domain does: by its entry, by the provider whose certificate its server has, or as it is for all. Where no
    /// certificate is known, it may be behind any provider.
    pub fn hides_topology_from(&self, domain: &str, certificate: Option<&PeerCertificate>) -> bool {
        let hides = |provider: &Provider| provider.hide_topology.said();
        let by_entry = self.standing(domain).entry().and_then(|entry| entry.hide_topology.said());
        let by_provider = || match certificate {
            Some(certificate) => self.provider_behind(domain, Rung::EdgeFqdn, certificate).and_then(hides),
            None => self.providers.iter().any(|provider| hides(provider) == Some(true)).then_some(true),
        };
        by_entry.or_else(by_provider).unwrap_or(self.hides_topology)
    }

    pub fn tells_diagnostics(&self) -> bool {
        self.diagnostics_to_partners
    }

    /// Whether somebody watches over the partner, or over the provider of this name that it is behind.
    pub fn is_monitored(&self, domain: &str, provider: Option<&str>) -> bool {
        let provider = provider.and_then(|name| self.provider(name));
        provider.is_some_and(|provider| provider.monitored)
            || self.standing(domain).entry().is_some_and(|entry| entry.monitored)
    }

    /// Whether a domain is told that we vouch for our users: by its entry, by the provider whose certificate its server
    /// has, or as it is for all.
    pub fn marks_source(&self, domain: &str, certificate: Option<&PeerCertificate>) -> bool {
        let by_entry = self.standing(domain).entry().and_then(|entry| entry.mark_source.said());
        let provider = || self.provider_behind(domain, Rung::EdgeFqdn, certificate?)?.mark_source.said();
        by_entry.or_else(provider).unwrap_or(self.mark_source_verifiable)
    }

    pub fn access(&self) -> &ExternalAccess {
        &self.access
    }

    /// The standing of this domain: by its own entry, else by the entry of `*.` the nearest domain above it. A block
    /// among all of these wins.
    pub fn standing(&self, domain: &str) -> Standing<'_> {
        if self.are_awaited {
            return Standing::Awaited;
        }
        if !self.federation {
            return Standing::FederationOff;
        }
        let domain = domain_name::canonical(domain);
        // Whatever a `*.` above it says: it is ours.
        if self.own_domains.contains(&domain) {
            return self.shared_address_space().map_or(Standing::Unknown, Standing::Shared);
        }
        let mut allowed = None;
        for entry in self.entries(&domain) {
            if entry.is_blocked() {
                return Standing::Blocked(entry);
            }
            allowed = allowed.or(Some(entry));
        }
        match allowed {
            Some(partner) => Standing::Allowed(partner),
            None => self.unlisted(),
        }
    }

    fn unlisted(&self) -> Standing<'_> {
        let clearing = self.clearing_house().map(Clearing::Provider).filter(|_| !self.discovery);
        match self.default_route().map(Clearing::DefaultRoute).or(clearing) {
            Some(clearing) => Standing::Cleared(clearing),
            None if self.discovery => Standing::Discovered,
            None => Standing::Unknown,
        }
    }

    /// Every entry that is about this domain, the most exact first.
    fn entries<'a, 'b>(&'a self, domain: &'b str) -> impl Iterator<Item = &'a Partner> + use<'a, 'b> {
        let above = std::iter::successors(domain_name::parent(domain), |name| domain_name::parent(name));
        let below = above.filter_map(|name| self.partners_below.get(name));
        self.partners_by_domain.get(domain).into_iter().chain(below)
    }

    /// The provider where users of our own domains may be at home.
    pub fn shared_address_space(&self) -> Option<&Provider> {
        let mut shared = self.providers.iter().filter(|provider| provider.shared_address_space);
        let first = shared.next();
        self.providers.iter().find(|provider| provider.takes_missing_users()).or(first)
    }

    /// What a certificate is judged by that is to prove the domain.
    pub fn claim<'a>(&'a self, domain: &'a str) -> Claim<'a> {
        let way = self.usual_way(domain);
        let providers = if way.standing.edge().is_some() { &[] } else { self.providers.as_slice() };
        let deputy = match way.standing {
            Standing::Shared(provider) | Standing::Cleared(Clearing::Provider(provider)) => Some(provider),
            _ => None,
        };
        Claim {
            domain,
            edge: way.edge.or(way.last_resort),
            relays: self.access.routes(),
            trust: self.trust(domain),
            providers,
            deputy,
            last_resort: way.last_resort.and_then(|_| self.clearing_house()),
            revoked: &self.revoked,
        }
    }

    /// Whoever is on no list comes through the one that takes such, or not at all.
    ///
    /// # Errors
    /// `domain-not-allowed` where the certificate is another's.
    pub(crate) fn check_cleared(&self, domain: &str, certificate: &PeerCertificate) -> Result<(), Refusal> {
        let Standing::Cleared(clearing) = self.standing(domain) else { return Ok(()) };
        let is_through = match clearing {
            Clearing::DefaultRoute(edge) => names_edge(&certificate.names, edge),
            Clearing::Provider(provider) => provider.has_certificate(certificate),
        };
        match is_through || self.access.routes().iter().any(|edge| names_edge(&certificate.names, edge)) {
            true => Ok(()),
            false => Err(refusal::domain_not_allowed(domain)),
        }
    }

    /// What another domain could be taken for: ours, and whoever has an entry that lets it in.
    pub fn trusted_names(&self, ours: &[String]) -> TrustedNames {
        let allowed = self.iter().filter(|partner| partner.kind != PartnerKind::Blocked);
        TrustedNames::new(ours.iter().cloned().chain(allowed.map(|partner| partner.domain.clone())))
    }

    /// The provider by whose edge a domain was proven, if it was.
    pub fn provider_behind(&self, domain: &str, rung: Rung, certificate: &PeerCertificate) -> Option<&Provider> {
        match self.standing(domain) {
            Standing::Shared(provider) => Some(provider),
            standing if standing.edge().is_some() || !matches!(rung, Rung::EdgeFqdn | Rung::Pin) => None,
            _ => provider_of_certificate(certificate, &self.providers),
        }
    }

    /// The provider that shares our address space, where a certificate is meant to be its own.
    pub fn sharer_claimed(&self, certificate: &PeerCertificate) -> Option<&Provider> {
        self.shared_address_space().filter(|provider| provider.is_claimed_by(certificate))
    }

    /// The provider to which the records of this domain lead, unless its own entry names an edge; or which takes it, since it
    /// has no other way.
    pub fn provider_of(&self, domain: &str, srv: &SrvResult) -> Option<&Provider> {
        match self.standing(domain) {
            Standing::Shared(provider) | Standing::Cleared(Clearing::Provider(provider)) => Some(provider),
            standing if standing.edge().is_some() => None,
            Standing::Discovered if matches!(srv, Err(SrvFailure::NoRecord)) => self.clearing_house(),
            _ => self.providers.iter().find(|provider| provider.is_led_to(srv)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Partner> {
        self.partners_by_domain.values().chain(self.partners_below.values())
    }

    /// The enabled ones.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    /// The enabled one of this name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }
}

static NOTHING_SAID: DomainTrust = DomainTrust { pins: Vec::new(), anchors: Vec::new() };

#[cfg(test)]
mod tests;
