//! What an import says of each kind of thing: its name, a sentence, and its terms one by one.

use certificates::Roots;
use federation::external_access::Policy;
use federation::partner::Provider;
use federation::trust::{fingerprint, hexadecimal};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Serialize;
use server::control::answers::{
    Entered, EnteredGroup, EnteredPartner, EnteredTrust, NewPartner, NewPolicy, NewProvider, PolicyAnswer,
    ProviderAnswer,
};
use server::domain;

use super::entry_terms::{self, TermsTold, or_dash};
use crate::command::{policy, provider};
use crate::table::count;

/// One of the things that can be imported.
pub(super) trait Importable: PartialEq + Sized {
    fn name(&self) -> &str;
    /// Written as the server writes it, where it can be read.
    fn canonical(self) -> Self {
        self
    }
    /// In a few words.
    fn what(&self) -> String;
    fn terms(&self) -> TermsTold;
    /// The terms of which nothing needs to be said when it is new.
    fn usual_terms(&self) -> TermsTold;
}

/// One thing that an import adds or changes.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) sentence: String,
    pub(super) terms: Vec<TermChange>,
}

/// What is not as it was, or of a new thing, not as usual.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct TermChange {
    term: &'static str,
    now: String,
    /// Absent for what is new.
    before: Option<String>,
}

impl Change {
    pub(super) fn of<T: Importable>(wanted: &T, before: Option<&T>) -> Change {
        let verb = if before.is_some() { "change" } else { "add" };
        let (was, is_new) = (before.map_or_else(|| wanted.usual_terms(), T::terms), before.is_none());
        let differing = wanted.terms().into_iter().zip(was).filter(|((_, now), (_, was))| now != was);
        let told = |((term, now), (_, was))| TermChange { term, now, before: Some(was).filter(|_| !is_new) };
        Change { sentence: format!("{verb} {}", wanted.what()), terms: differing.map(told).collect() }
    }
}

impl TermChange {
    pub(super) fn told(&self) -> String {
        entry_terms::change(self.term, &self.now, self.before.as_deref())
    }
}

impl Importable for EnteredPartner {
    fn name(&self) -> &str {
        &self.domain
    }

    fn canonical(self) -> EnteredPartner {
        EnteredPartner { domain: canonical_domain(self.domain), ..self }
    }

    fn what(&self) -> String {
        let edge = self.entry.edge.as_deref().map(|edge| format!(", its edge {edge}")).unwrap_or_default();
        format!("partner {}: {}{edge}", self.domain, self.entry.kind.as_str())
    }

    fn terms(&self) -> TermsTold {
        entry_terms::terms_of(&self.entry)
    }

    fn usual_terms(&self) -> TermsTold {
        entry_terms::terms_of(&NewPartner::of(self.entry.kind, self.entry.edge.clone(), String::new()))
    }
}

impl Importable for Entered<NewProvider> {
    fn name(&self) -> &str {
        &self.name
    }

    fn canonical(mut self) -> Entered<NewProvider> {
        self.entry.pins = canonical_pins(self.entry.pins);
        self
    }

    fn what(&self) -> String {
        format!("hosting provider {}: its edge {}", self.name, self.entry.edge)
    }

    fn terms(&self) -> TermsTold {
        provider::detail::terms_of(&self.entry)
    }

    fn usual_terms(&self) -> TermsTold {
        provider::detail::terms_of(&new_provider(&self.name, &self.entry.edge))
    }
}

impl Importable for Entered<NewPolicy> {
    fn name(&self) -> &str {
        &self.name
    }

    fn what(&self) -> String {
        let federation = if self.entry.federation { "federation" } else { "no federation" };
        format!("policy {}: {federation}", self.name)
    }

    fn terms(&self) -> TermsTold {
        policy::terms_of(&self.entry)
    }

    fn usual_terms(&self) -> TermsTold {
        policy::terms_of(&NewPolicy { federation: self.entry.federation, ..new_policy(&self.name) })
    }
}

impl Importable for EnteredGroup {
    fn name(&self) -> &str {
        &self.name
    }

    fn what(&self) -> String {
        format!("group {}: its policy is {}", self.name, self.policy)
    }

    fn terms(&self) -> TermsTold {
        vec![("policy", self.policy.clone())]
    }

    fn usual_terms(&self) -> TermsTold {
        self.terms()
    }
}

impl Importable for EnteredTrust {
    fn name(&self) -> &str {
        &self.domain
    }

    fn canonical(self) -> EnteredTrust {
        let (domain, pins) = (canonical_domain(self.domain), canonical_pins(self.pins));
        EnteredTrust { domain, pins, ..self }
    }

    fn what(&self) -> String {
        let pins = count(self.pins.len() as u64, "pinned certificate", "pinned certificates");
        let authorities = self.anchors.matches("BEGIN CERTIFICATE").count() as u64;
        let authorities = count(authorities, "authority of its own", "authorities of its own");
        format!("trust in {}: {pins}, {authorities}", self.domain)
    }

    fn terms(&self) -> TermsTold {
        vec![
            ("pinned certificates", or_dash(&self.pins.join(", "))),
            ("its own authorities", or_dash(&authorities(&self.anchors))),
        ]
    }

    fn usual_terms(&self) -> TermsTold {
        self.terms()
    }
}

fn canonical_domain(text: String) -> String {
    domain::parse(&text).unwrap_or(text)
}

fn canonical_pins(pins: Vec<String>) -> Vec<String> {
    pins.into_iter().map(|pin| fingerprint(&pin).as_ref().map_or(pin, hexadecimal)).collect()
}

/// A provider as it is where nothing is said of it but its edge.
pub(super) fn new_provider(name: &str, edge: &str) -> NewProvider {
    ProviderAnswer { provider: Provider::new(name, edge), added_unix: 0 }.into()
}

/// A policy that allows everything.
pub(super) fn new_policy(name: &str) -> NewPolicy {
    PolicyAnswer { policy: Policy::new(name), given_to: Vec::new() }.into()
}

/// Whose they are, and which.
fn authorities(pem: &str) -> String {
    let told = |der: CertificateDer<'_>| {
        let facts = certificates::facts(&[der], &Roots::empty(), UnixTime::now());
        format!("{} (fingerprint {})", facts.subject, facts.fingerprint_hex())
    };
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).map(told);
    all.collect::<Vec<_>>().join(", ")
}
