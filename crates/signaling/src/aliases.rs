//! Connections that partners have opened, as every worker knows them: what belongs to a partner can go over any of them
//! that has proven its domain (RFC 5923), whichever worker accepted it.

use std::collections::{BTreeMap, BTreeSet};

use federation::flow::{Direction, FlowFacts};
use serde::{Deserialize, Serialize};
use sip::{FlowId, Message};

use crate::Handoff;
use crate::core::Core;

/// One such connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alias {
    pub facts: FlowFacts,
    /// The host by which the partner's server calls itself in its Via.
    pub sent_by: String,
    /// Its Via says `alias`: it takes requests where it sent some. Responses it has to take everywhere.
    pub takes_requests: bool,
}

/// The newest few of each domain.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    aliases_by_domain: BTreeMap<String, Vec<Alias>>,
    domains_by_flow: BTreeMap<FlowId, BTreeSet<String>>,
    /// Of domains that were judged by what no longer holds: the newest connection that takes requests.
    last_by_domain: BTreeMap<String, FlowFacts>,
    /// How often there was no room for a further domain.
    full: u64,
}

impl Aliases {
    pub(crate) fn full(&self) -> u64 {
        self.full
    }

    /// What is known of one of them.
    pub(crate) fn facts(&self, domain: &str, flow: FlowId) -> Option<&FlowFacts> {
        self.aliases_by_domain.get(domain)?.iter().map(|alias| &alias.facts).find(|facts| facts.id == flow)
    }

    /// Each domain that was proven on one, with that.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&String, &FlowFacts)> {
        self.aliases_by_domain.iter().flat_map(|(domain, all)| all.iter().map(move |alias| (domain, &alias.facts)))
    }

    /// Of a domain that has many the oldest is forgotten, of too many domains the new one.
    pub(crate) fn insert(&mut self, domain: &str, alias: Alias) {
        let flow = alias.facts.id;
        self.remove(domain, flow);
        if self.aliases_by_domain.len() >= DOMAINS_MAX && !self.aliases_by_domain.contains_key(domain) {
            self.full += 1;
            return;
        }
        let known = self.aliases_by_domain.entry(domain.to_owned()).or_default();
        known.push(alias);
        let oldest = (known.len() > ALIASES_PER_DOMAIN_MAX).then(|| known[0].facts.id);
        self.domains_by_flow.entry(flow).or_default().insert(domain.to_owned());
        if let Some(oldest) = oldest {
            self.remove(domain, oldest);
        }
    }

    /// The connection for a response, other than the one that has ended: to the same server of the partner if there is
    /// one, else the newest.
    pub(crate) fn for_response(&self, domain: &str, sent_by: &str, ended: FlowId) -> Option<FlowId> {
        let known = self.aliases_by_domain.get(domain)?;
        let mut others = known.iter().rev().filter(|alias| alias.facts.id != ended);
        let is_same = |alias: &&Alias| alias.sent_by.eq_ignore_ascii_case(sent_by);
        others.clone().find(is_same).or_else(|| others.next()).map(|alias| alias.facts.id)
    }

    /// A connection for requests, by the number of ours that it takes the place of.
    pub(crate) fn for_requests(&self, domain: &str, connection: u16) -> Option<&FlowFacts> {
        let known: Vec<_> = self.aliases_by_domain.get(domain)?.iter().filter(|alias| alias.takes_requests).collect();
        let number = usize::from(connection).checked_rem(known.len())?;
        Some(&known[number].facts)
    }

    /// All of those.
    pub(crate) fn all_for_requests(&self, domain: &str) -> impl Iterator<Item = &FlowFacts> {
        let known = self.aliases_by_domain.get(domain).into_iter().flatten();
        known.filter(|alias| alias.takes_requests).map(|alias| &alias.facts)
    }

    /// The connection for what is still said to a domain that is not spoken with any more.
    pub(crate) fn for_last_word(&self, domain: &str) -> Option<&FlowFacts> {
        self.last_by_domain.get(domain)
    }

    /// A request failed there: others find another way.
    pub(crate) fn distrust(&mut self, domain: &str, flow: FlowId) {
        let known = self.aliases_by_domain.get_mut(domain).into_iter().flatten();
        known.filter(|alias| alias.facts.id == flow).for_each(|alias| alias.takes_requests = false);
    }

    /// The connection has ended; answers the domains of which it was the last.
    pub(crate) fn flow_closed(&mut self, flow: FlowId) -> Vec<String> {
        self.last_by_domain.retain(|_, last| last.id != flow);
        let domains = self.domains_by_flow.remove(&flow).unwrap_or_default();
        domains.iter().for_each(|domain| self.remove(domain, flow));
        domains.into_iter().filter(|domain| !self.aliases_by_domain.contains_key(domain)).collect()
    }

    /// Those of other domains were judged by what no longer holds.
    pub(crate) fn retain_domains(&mut self, keep: impl Fn(&str) -> bool) {
        let is_left = |(domain, _): &(&String, &Vec<Alias>)| !keep(domain);
        for (domain, known) in self.aliases_by_domain.iter().filter(is_left) {
            let last = known.iter().rev().find(|alias| alias.takes_requests).map(|alias| alias.facts.clone());
            self.last_by_domain.extend(last.map(|last| (domain.clone(), last)));
        }
        while self.last_by_domain.len() > DOMAINS_MAX {
            self.last_by_domain.pop_first();
        }
        self.aliases_by_domain.retain(|domain, _| keep(domain));
        self.domains_by_flow.retain(|_, domains| {
            domains.retain(|domain| keep(domain));
            !domains.is_empty()
        });
    }

    fn remove(&mut self, domain: &str, flow: FlowId) {
        if let Some(known) = self.aliases_by_domain.get_mut(domain) {
            known.retain(|alias| alias.facts.id != flow);
            if known.is_empty() {
                self.aliases_by_domain.remove(domain);
            }
        }
        if let Some(domains) = self.domains_by_flow.get_mut(&flow) {
            domains.remove(domain);
            if domains.is_empty() {
                self.domains_by_flow.remove(&flow);
            }
        }
    }
}

impl Core {
    /// A request of this domain was admitted on this flow: every worker is told of the connection, once.
    pub(crate) fn proven_on(&mut self, facts: &FlowFacts, domain: &str, request: &Message) {
        let Ok(via) = request.top_via() else { return };
        let takes_requests = via.param("alias").is_some();
        if !self.flows.proves(facts.id, domain, takes_requests) {
            return self.ended_flows.proves(facts.id, domain);
        }
        // To one that we have opened our own link leads.
        if facts.is_inner || facts.direction != Direction::Inbound {
            return;
        }
        let alias = Alias { facts: facts.clone(), sent_by: via.host.to_owned(), takes_requests };
        for worker in self.ownership.others() {
            self.hand(worker, Handoff::Alias { domain: domain.to_owned(), alias: Box::new(alias.clone()) });
        }
        self.aliases.insert(domain, alias);
    }
}

/// Connections remembered of one domain.
const ALIASES_PER_DOMAIN_MAX: usize = 8;
/// Domains of which any are remembered.
const DOMAINS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use sip::Transport;

    use super::*;

    fn alias(serial: u64, sent_by: &str) -> Alias {
        let address = |last| (IpAddr::from([192, 0, 2, last]), 5061).into();
        let facts = FlowFacts {
            id: flow(serial),
            transport: Transport::Tls,
            local: address(1),
            remote: address(2),
            direction: Direction::Inbound,
            certificate: None,
            is_inner: false,
        };
        Alias { facts, sent_by: sent_by.to_owned(), takes_requests: true }
    }

    fn flow(serial: u64) -> FlowId {
        FlowId::Stream { worker: 0, serial }
    }

    #[test]
    fn a_response_goes_to_the_server_that_asked_or_to_the_newest_connection() {
        let mut aliases = Aliases::default();
        for (serial, sent_by) in [(1, "one.b.example"), (2, "two.b.example"), (3, "three.b.example")] {
            aliases.insert("b.example", alias(serial, sent_by));
        }
        assert_eq!(aliases.for_response("b.example", "ONE.b.example", flow(9)), Some(flow(1)));
        assert_eq!(aliases.for_response("b.example", "one.b.example", flow(1)), Some(flow(3)));
        assert_eq!(aliases.for_response("c.example", "one.b.example", flow(9)), None);
        aliases.flow_closed(flow(3));
        assert_eq!(aliases.for_response("b.example", "four.b.example", flow(9)), Some(flow(2)));
    }

    #[test]
    fn nothing_grows_and_nothing_is_left_behind() {
        let mut aliases = Aliases::default();
        for serial in 0..100 {
            aliases.insert("b.example", alias(serial, "x"));
            aliases.insert("c.example", alias(serial, "x"));
        }
        assert_eq!(aliases.aliases_by_domain["b.example"].len(), ALIASES_PER_DOMAIN_MAX);
        assert_eq!(aliases.domains_by_flow.len(), ALIASES_PER_DOMAIN_MAX);
        aliases.retain_domains(|domain| domain == "c.example");
        assert_eq!(aliases.for_response("b.example", "x", flow(0)), None);
        (0..100).for_each(|serial| drop(aliases.flow_closed(flow(serial))));
        assert!(aliases.aliases_by_domain.is_empty() && aliases.domains_by_flow.is_empty());
        (0..5_000).for_each(|serial| aliases.insert(&format!("d{serial}.example"), alias(serial, "x")));
        assert_eq!((aliases.aliases_by_domain.len(), aliases.domains_by_flow.len()), (DOMAINS_MAX, DOMAINS_MAX));
        assert_eq!(aliases.full(), 5_000 - DOMAINS_MAX as u64);
    }
}
