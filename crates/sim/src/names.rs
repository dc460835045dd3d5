//! The DNS: what it answers, how late, and how wrongly.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use federation::discovery::{HostFailure, SrvAnswer, SrvFailure, SrvResult, SrvTarget};

/// The records of every domain, and what is wrong with asking for them.
#[derive(Debug, Default)]
pub struct Zones {
    targets_by_domain: BTreeMap<String, Vec<SrvTarget>>,
    addresses_by_host: BTreeMap<String, Vec<IpAddr>>,
    troubles_by_domain: BTreeMap<String, Trouble>,
}

/// What is wrong with a domain's name servers, for the domain and all names in it.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Added to every answer.
    pub late: Duration,
    /// Instead of every answer.
    pub failure: Option<SrvFailure>,
}

impl Zones {
    pub fn add_target(&mut self, domain: &str, target: SrvTarget) {
        self.targets_by_domain.entry(domain.to_owned()).or_default().push(target);
    }

    pub fn remove_targets(&mut self, domain: &str) {
        self.targets_by_domain.insert(domain.to_owned(), Vec::new());
    }

    pub fn set_addresses(&mut self, host: &str, addresses: Vec<IpAddr>) {
        self.addresses_by_host.insert(host.to_owned(), addresses);
    }

    pub fn set_trouble(&mut self, domain: &str, trouble: Trouble) {
        self.troubles_by_domain.insert(domain.to_owned(), trouble);
    }

    /// Nothing is wrong any more.
    pub fn calm(&mut self) {
        self.troubles_by_domain.clear();
    }

    /// How much later than usual the answer about `name` comes.
    pub fn lateness(&self, name: &str) -> Duration {
        self.trouble(name).map_or(Duration::ZERO, |trouble| trouble.late)
    }

    /// `edge`: where a domain without records of its own is served, which then answers.
    pub fn srv(&self, domain: &str, edge: Option<&str>) -> SrvResult {
        if let Some(failure) = self.trouble(domain).and_then(|trouble| trouble.failure.clone()) {
            return Err(failure);
        }
        let alone = |host: &str| vec![SrvTarget { priority: 0, weight: 0, port: 5061, host: host.to_owned() }];
        let (targets, ttl_secs) = match self.targets_by_domain.get(domain) {
            Some(targets) => (targets.clone(), 3600),
            None => (edge.map(alone).unwrap_or_default(), 60),
        };
        if targets.is_empty() {
            return Err(SrvFailure::NoRecord);
        }
        let name = format!("_sipfederationtls._tcp.{domain}");
        Ok(SrvAnswer { name, targets, ttl: Duration::from_secs(ttl_secs), secure: false, tlsa: vec![] })
    }

    /// `None`: no record of its own.
    pub fn addresses(&self, host: &str) -> Option<Result<Vec<IpAddr>, HostFailure>> {
        if let Some(failure) = self.trouble(host).and_then(|trouble| trouble.failure.clone()) {
            return Some(Err(HostFailure::Unanswered(format!("{host} cannot be looked up: {failure:?}"))));
        }
        self.addresses_by_host.get(host).map(|addresses| Ok(addresses.clone()))
    }

    fn trouble(&self, name: &str) -> Option<&Trouble> {
        let inside = |domain: &String| name == domain || name.ends_with(&format!(".{domain}"));
        self.troubles_by_domain.iter().find(|(domain, _)| inside(domain)).map(|(_, trouble)| trouble)
    }
}
