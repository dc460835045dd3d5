//! What a worker tells of itself to whoever asks: counts, connections, what is under way.

use std::time::Instant;

use federation::decision::Decisions;
use federation::flow::FlowKind;
use registrar::BindingSummary;
use sip::FlowId;

use super::Core;
use crate::call_record::CallKind;
use crate::counts::CoreCounts;
use crate::{CoreStatus, WorkerId};

impl Core {
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// What was refused before it was judged: malformed, too large, too much at once.
    pub fn turned_away(&self) -> &Decisions {
        &self.turned_away
    }

    pub fn bindings(&self, now: Instant) -> Vec<BindingSummary> {
        self.location.summaries(now)
    }

    pub fn worker(&self) -> WorkerId {
        self.ownership.worker
    }

    /// The domain of a partner that a flow of this worker speaks for, once a request on it was admitted.
    pub fn partner_of(&self, flow: FlowId) -> Option<&str> {
        self.flows.get(flow)?.partner.as_deref()
    }

    /// What was done since the start.
    pub fn counts(&self) -> CoreCounts {
        let mut counts = self.counts.clone();
        self.limits_met().for_each(|(limit, times)| counts.met(limit, times));
        counts
    }

    /// Those that machines count for themselves.
    fn limits_met(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let met = [
            ("aliases_max", self.aliases.full()),
            ("dns_answers_max", self.discovery.forgotten()),
            ("dns_hosts_max", self.hosts.forgotten()),
            ("guessers_max", self.guesses.full()),
            ("lingering_transactions_max", self.transactions.lingering_forgotten()),
            ("links_remembered_max", self.links.forgotten()),
            ("nonces_max", self.nonces.forgotten()),
            ("orphans_max", self.orphans.full()),
            ("servers_failed_max", self.failover.health.forgotten()),
            ("servers_resting_max", self.failover.rests.full()),
        ];
        self.ledgers.limits_met().into_iter().chain(met)
    }

    pub fn status(&self) -> CoreStatus {
        CoreStatus { links: self.links.statuses(), ..self.load() }
    }

    /// The status without the connections to partners, of which there may be many.
    pub fn load(&self) -> CoreStatus {
        let (server_transactions, client_transactions) = self.transactions.counts();
        let of_kind = |kind| self.flows.iter().filter(|flow| flow.kind == kind).count();
        let (partners_away, monitored_partners_away) = self.count_away();
        CoreStatus {
            worker: self.ownership.worker,
            flows: self.flows.iter().count(),
            client_flows: of_kind(FlowKind::Client),
            partner_flows: of_kind(FlowKind::Partner),
            server_transactions,
            client_transactions,
            response_contexts: self.owner.contexts(),
            waiting: self.waiters.awaited(),
            bindings: self.location.len(),
            watchers: self.presence.watchers(),
            publications: self.presence.publications(),
            conferences: self.conferences.len(),
            agent_requests: self.asked.unanswered(),
            calls_under_way: self.records.under_way(CallKind::Call),
            message_sessions_under_way: self.records.under_way(CallKind::Messages),
            meeting_calls_under_way: self.records.under_way(CallKind::Meeting),
            queues_draining: self.queues.drains(),
            stored_repeats: self.stored_repeats,
            calls_between: self.between.len(),
            legs: self.leg_shares.len(),
            timers: self.schedule.len(),
            undeliverable: self.undeliverable,
            links_by_state: self.links.counts_by_state(),
            partner_servers_failed: self.failover.health.len(),
            partners_away,
            monitored_partners_away,
            discovered_partners: self.ledgers.len(),
            suspect_partners: self.ledgers.suspects(),
            is_draining: self.is_draining,
            links: Vec::new(),
        }
    }

    /// Whether nobody waits for anything that this worker would still do. What only absorbs or passes on repeats does
    /// not count, nor does a dialog: it outlives the server.
    pub fn is_idle(&self) -> bool {
        self.waiters.is_empty() && !self.transactions.owes_final()
    }
}
