//! What ends of what is under way with the domains behind a hosting provider, when its terms become narrower. Which domains these
//! are, the workers know that have a connection with its edge, and each tells all others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use federation::external_access::check_provider;
use federation::modality::{Modalities, Modality};
use federation::partner::{Partners, Provider};
use federation::refusal;
use federation::verification::{Rung, Verdict};
use serde::{Deserialize, Serialize};
use sip::{Aor, Refusal, TerminationReason};

use crate::Handoff;
use crate::core::Core;
use crate::flow_table::FlowState;

/// A provider that lets less pass than before, or counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// As it is now; one that is gone, as it was.
    pub provider: Provider,
    /// It was removed or disabled, and nothing else that its edge has shown proves these domains.
    pub is_gone: bool,
    /// Which its certificate has proven on connections that stand.
    pub domains: BTreeSet<String>,
}

impl Narrowed {
    fn check(&self, domain: &str, modalities: Modalities) -> Result<(), Refusal> {
        let Provider { name, .. } = &self.provider;
        match self.is_gone {
            true => Err(refusal::certificate_name(format!(
                "{domain} was proven by the edge of the hosting provider {name}, which counts no more"
            ))),
            false => check_provider(&self.provider, modalities),
        }
    }

    fn refuses(&self, who: &Aor, modalities: Modalities) -> Option<Refusal> {
        let is_behind = self.domains.contains(who.domain());
        self.check(who.domain(), modalities).err().filter(|_| is_behind)
    }
}

impl Core {
    /// What the list that holds now has narrowed, as against `old`; asked before what was proven by that one is forgotten.
    pub(crate) fn narrowed(&self, now: Instant, old: &Partners) -> Vec<Narrowed> {
        if old.providers().eq(self.partners.providers()) {
            return Vec::new();
        }
        let mut all: BTreeMap<String, Narrowed> = BTreeMap::new();
        for flow in self.flows.iter() {
            let proven = flow.proven.iter().map(|proven| (&proven.domain, Rung::EdgeFqdn));
            let shown = flow.partner.iter().zip(flow.rung).chain(proven);
            for (domain, (provider, is_gone)) in
                shown.filter_map(|(domain, rung)| Some((domain, self.narrowed_on(now, old, flow, (domain, rung))?)))
            {
                let narrowed = || Narrowed { provider: provider.clone(), is_gone, domains: BTreeSet::new() };
                all.entry(provider.name.clone()).or_insert_with(narrowed).domains.insert(domain.clone());
            }
        }
        all.into_values().collect()
    }

    /// The provider by which a flow has proven a domain, where that has become narrower; and whether it is gone.
    fn narrowed_on<'a>(
        &'a self,
        now: Instant,
        old: &'a Partners,
        flow: &FlowState,
        (domain, rung): (&String, Rung),
    ) -> Option<(&'a Provider, bool)> {
        let certificate = flow.facts.certificate.as_ref().filter(|_| !flow.facts.is_inner)?;
        let before = old.provider_behind(domain, rung, certificate).filter(|_| !self.organisation.is_local(domain))?;
        match self.partners.provider(&before.name) {
            Some(provider) => {
                let is_behind = self.partners.provider_behind(domain, rung, certificate).is_some();
                let is_narrower = before.modalities.first_beyond(provider.modalities).is_some();
                (is_behind && is_narrower).then_some((provider, false))
            }
            None => {
                let proven = self.judged(now, &flow.facts, flow.facts.peer_role(), domain);
                matches!(proven, Verdict::Failed(_)).then_some((before, true))
            }
        }
    }

    /// Ends it here, and has all other workers end it.
    pub(crate) fn end_with_providers(&mut self, now: Instant, all: Vec<Narrowed>) {
        for narrowed in all {
            for worker in self.ownership.others() {
                self.hand(worker, Handoff::Narrowed(Box::new(narrowed.clone())));
            }
            self.end_behind(now, &narrowed);
        }
    }

    pub(crate) fn end_behind(&mut self, now: Instant, narrowed: &Narrowed) {
        if narrowed.is_gone {
            self.take_back(now, |domain| narrowed.domains.contains(domain));
        }
        for (serial, party, refusal) in self.between.calls_with(|party, _, began_as| narrowed.refuses(party, began_as))
        {
            self.end_call_between(now, serial, &party, &refusal);
        }
        let [meetings, presence] =
            [Modality::Meetings, Modality::Presence].map(|one| [one].into_iter().collect::<Modalities>());
        self.remove_from_conferences(now, |_, who, _| narrowed.refuses(who, meetings).map_or(Ok(()), Err));
        self.presence.end_subscriptions(&TerminationReason::Rejected, |_, subscriber| {
            let domain = subscriber.domain.as_str();
            narrowed.domains.contains(domain) && narrowed.check(domain, presence).is_err()
        });
    }
}
