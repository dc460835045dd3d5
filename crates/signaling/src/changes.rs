//! What changes under a worker: flows that come and go, the table of partners, accounts that are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use conference::schedule::Meetings;
use federation::flow::{Direction, FlowFacts, FlowKind};
use federation::ledger::DiscoveredTerms;
use federation::partner::{Partners, Provider};
use federation::verification::Rung;
use sip::refusal::Word;
use sip::{Aor, FlowId, Refusal};

use crate::core::Core;
use crate::schedule::Machine;
use crate::{Handoff, Output, Reach};

impl Core {
    pub(crate) fn flow_opened(&mut self, now: Instant, facts: FlowFacts) {
        let flow = facts.id;
        self.flows.open(facts);
        self.schedule.push(now + self.limits.undecided_time(), Machine::Undecided(flow));
    }

    /// A flow of ours is over. Its acceptor has to forget where it went, and any worker may hold a binding over it:
    /// several users can share a connection.
    pub(crate) fn flow_closed(&mut self, now: Instant, flow: FlowId) {
        let state = self.flows.close(flow);
        if state.as_ref().is_some_and(|state| state.facts.direction == Direction::Inbound) {
            for worker in self.ownership.others() {
                self.hand(worker, Handoff::FlowEnded { flow });
            }
        }
        self.flow_ended_elsewhere(now, flow);
        if let Some(state) = state.as_ref().filter(|state| state.kind == FlowKind::Client) {
            self.phone_left(now, state);
        }
        match state.filter(|state| matches!(state.kind, FlowKind::Partner | FlowKind::Inside)) {
            Some(state) => self.partner_flow_ended(now, flow, &state),
            // A phone that called over it hears nothing any more: the other side should not ring on.
            None => {
                for transaction in self.transactions.pending_invites(flow) {
                    self.cancel(now, transaction, None);
                }
            }
        }
    }

    pub(crate) fn flow_ended_elsewhere(&mut self, now: Instant, flow: FlowId) {
        self.flows.forget(flow);
        self.flow_shares.remove(flow);
        let was_of = self.aliases.flow_closed(flow);
        self.location.flow_closed(flow);
        let key = self.links.key_of(flow);
        let was_read = self.links.flow_closed(now, flow);
        if let Some(key) = key.filter(|_| !was_read) {
            self.reach_changed(now, &key, Reach::HangsUp);
        }
        let waiting = if was_read { self.answered_elsewhere(now, flow) } else { BTreeMap::new() };
        self.transactions.flow_closed(flow, |id| waiting.contains_key(&id));
        self.await_other_connection(now, waiting);
        self.look_for_edge(now, was_of);
    }

    /// Whoever shows a certificate that is vouched for may hold a connection ready, for as long as any that is idle; not one
    /// to a server that is about to end.
    pub(crate) fn close_undecided(&mut self, now: Instant, flow: FlowId) {
        let Some(state) = self.flows.get(flow).filter(|state| state.kind == FlowKind::Undecided) else { return };
        let shown = state.facts.secure_certificate();
        if !self.is_draining && shown.is_some_and(|shown| shown.chain.is_ok() && shown.validity.is_ok()) {
            return self.schedule.push(now + self.limits.undecided_time(), Machine::Undecided(flow));
        }
        self.counts.hit("undecided_secs_max");
        self.put(Output::CloseFlow { flow });
    }

    /// The scheduled meetings as this worker knows them.
    pub fn meetings(&self) -> &Meetings {
        &self.meetings
    }

    /// Which of our certificates partners are shown for each domain of ours, from the next request on; connections stay. What
    /// some partners alone are shown stays.
    pub fn change_certificates(&mut self, by_domain: &BTreeMap<String, u16>) {
        if self.organisation.certificates_by_domain != *by_domain {
            Arc::make_mut(&mut self.organisation).certificates_by_domain.clone_from(by_domain);
        }
    }

    /// What a home told its edge besides the partners: the terms of those without an entry, and the secret that the edges
    /// of the home share.
    pub fn take_home_terms(&mut self, discovered: DiscoveredTerms, pool_secret: Option<[u8; 32]>) {
        self.discovered = discovered;
        self.ledgers.change_terms(discovered);
        pool_secret.iter().for_each(|secret| self.mint.use_pool_secret(secret));
    }

    pub(crate) fn replace_partners(&mut self, now: Instant, partners: Arc<Partners>) {
        let old = std::mem::replace(&mut self.partners, partners);
        let new = self.partners.clone();
        self.trusted_names = None;
        self.users_with_terms = None;
        let narrowed = self.narrowed(now, &old);
        let mut hosted_otherwise = self.hosted_otherwise(&old);
        hosted_otherwise.extend(self.pinned_otherwise(&old));
        let stands_alike = |domain: &str| {
            old.standing(domain).is_alike(new.standing(domain))
                && old.trust(domain) == new.trust(domain)
                && !hosted_otherwise.contains(domain)
        };
        self.failover.health.retain_domains(stands_alike);
        self.failover.rests.retain_domains(stands_alike);
        let is_there_alike = |name: &str| {
            old.provider(name).zip(new.provider(name)).is_some_and(|(before, now)| before.proves_alike(now))
        };
        self.reaches.retain(stands_alike, is_there_alike);
        self.aliases.retain_domains(stands_alike);
        self.flows.retain_proven(stands_alike);
        self.links.leave_aliases(stands_alike);
        let revoked = |flow: &FlowId| {
            let certificate = self.flows.get(*flow).and_then(|state| state.facts.certificate.as_ref());
            certificate.is_some_and(|certificate| new.revoked().contains(&certificate.fingerprint))
        };
        // Nothing of ours goes over them any more. The partner may be sending over them at this moment, and is to hear what
        // holds now: each request is judged by itself, and what is silent ends by itself.
        for flow in self.links.outdated(stands_alike) {
            self.links.retire(flow);
        }
        for flow in self.links.flows().filter(revoked).collect::<Vec<_>>() {
            self.links.let_go(flow);
            self.put(Output::CloseFlow { flow });
            self.flow_closed(now, flow);
        }
        self.leave_outside();
        self.take_back_calls(now);
        self.end_calls_between(now);
        self.remove_from_conferences(now, Core::check_stays_in_meeting);
        self.end_watching(&old);
        self.end_with_providers(now, narrowed);
    }

    /// Domains that a provider's edge has proven, here or at another worker, of which the table does not say so any more.
    fn hosted_otherwise(&self, old: &Partners) -> BTreeSet<String> {
        if old.providers().eq(self.partners.providers()) {
            return BTreeSet::new();
        }
        let is_otherwise = |(domain, facts): &(&String, &FlowFacts)| {
            let Some(certificate) = &facts.certificate else { return false };
            let behind = |table: &Partners| table.provider_behind(domain, Rung::EdgeFqdn, certificate).cloned();
            let alike = |one: Provider| behind(&self.partners).is_some_and(|other| one.proves_alike(&other));
            behind(old).is_some_and(|one| !alike(one))
        };
        let shown = self.flows.shown().chain(self.aliases.shown()).filter(is_otherwise);
        shown.map(|(domain, _)| domain.clone()).collect()
    }

    /// Domains whose records lead to a provider for whose edge other certificates are pinned by now: what was proven of them without
    /// such a pin may name no edge of a provider.
    fn pinned_otherwise(&self, old: &Partners) -> BTreeSet<String> {
        let pins = |table: &Partners| -> BTreeSet<_> {
            table.providers().flat_map(|one| one.pins.iter().map(|pin| (one.name.clone(), *pin))).collect()
        };
        if pins(old) == pins(&self.partners) {
            return BTreeSet::new();
        }
        let of = |table: &Partners, domain, srv| table.provider_of(domain, srv).map(|found| found.pins.clone());
        let changed = self.discovery.iter().filter(|(domain, srv)| {
            of(old, domain, srv).unwrap_or_default() != of(&self.partners, domain, srv).unwrap_or_default()
        });
        changed.map(|(domain, _)| domain.to_owned()).collect()
    }

    pub(crate) fn user_removed(&mut self, now: Instant, aor: &Aor) {
        let gone = || Refusal::new(404, Word::UserUnknown, "the account was removed");
        // While their phones can still be told.
        self.remove_from_conferences(now, |_, who, _| match who == aor {
            true => Err(gone()),
            false => Ok(()),
        });
        for (serial, party, refusal) in self.between.calls_with(|party, _, _| (party == aor).then(gone)) {
            self.end_call_between(now, serial, &party, &refusal);
        }
        let mut theirs = self.location.remove_user(aor);
        theirs.retain(|flow| self.flows.get(*flow).is_some());
        theirs.extend(self.flows.iter().filter(|flow| flow.users.contains(aor)).map(|flow| flow.facts.id));
        self.proven_phones.forget_user(aor);
        self.queues.remove_user(aor);
        self.presence.remove_user(aor);
        for flow in theirs {
            self.put(Output::CloseFlow { flow });
        }
    }
}
