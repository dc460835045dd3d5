//! What a partner is still owed when its connection has ended (RFC 3261 sections 17.2.4 and 18.2.2): the response goes over
//! another connection to the same partner, one of its own or one of ours, and never to an address that only a Via names.
//! A call that it has begun goes on, and it can be taken back over another connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::admission::{Admitted, Flow, Origin};
use federation::flow::{FlowFacts, FlowKind};
use federation::refusal;
use federation::verification::{Rung, Verdict};
use sip::transaction::{ClientTransactionId, ServerTransactionId};
use sip::{FlowId, Message, Method, build};

use crate::acceptor::cancel_reason;
use crate::core::Core;
use crate::failover::Trouble;
use crate::flow_table::FlowState;
use crate::links::LinkKey;
use crate::ownership::{partner_connection, partner_connection_of};
use crate::route::{Destination, INSIDE};
use crate::waiting::Asker;
use crate::{Answer, Handoff, Question, WorkerId};

/// Connections of partners that have ended lately, and the domains that they had proven.
#[derive(Debug, Default)]
pub(crate) struct EndedFlows {
    domains_by_flow: BTreeMap<FlowId, Vec<String>>,
    /// Those of the inner side: whoever was there speaks for every domain of his side.
    inner: BTreeSet<FlowId>,
    /// The oldest first.
    flows: VecDeque<(Instant, FlowId)>,
}

impl EndedFlows {
    fn insert(&mut self, now: Instant, flow: FlowId, domains: Vec<String>, is_inner: bool) {
        while let Some((ended_at, oldest)) = self.flows.front().copied()
            && (self.flows.len() >= ENDED_FLOWS_MAX || ended_at + OWED_FOR <= now)
        {
            self.flows.pop_front();
            self.domains_by_flow.remove(&oldest);
            self.inner.remove(&oldest);
        }
        if is_inner {
            self.inner.insert(flow);
        }
        self.flows.push_back((now, flow));
        self.domains_by_flow.insert(flow, domains);
    }

    /// A request that came on it was admitted late.
    pub(crate) fn proves(&mut self, flow: FlowId, domain: &str) {
        if let Some(domains) = self.domains_by_flow.get_mut(&flow)
            && domains.len() < LATE_DOMAINS_MAX
            && !domains.iter().any(|known| known == domain)
        {
            domains.push(domain.to_owned());
        }
    }

    fn has_proven(&self, flow: FlowId, domain: &str) -> bool {
        let is_known = |domains: &Vec<String>| domains.iter().any(|known| known == domain);
        self.inner.contains(&flow) || self.domains_by_flow.get(&flow).is_some_and(is_known)
    }
}

/// An INVITE, as its CANCEL and its repetitions by another way name it too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct InviteName(String);

impl InviteName {
    /// `None` where it cannot be told from others.
    fn of(request: &Message) -> Option<InviteName> {
        let (from, cseq) = (request.from().ok()?, request.cseq().ok()?);
        let (domain, tag) = (from.uri().host_lowercase().into_owned(), from.tag()?);
        Some(InviteName(format!("{domain}\n{}\n{tag}\n{}", cseq.number, request.call_id().ok()?)))
    }

    /// Of whoever sent it.
    fn domain(&self) -> &str {
        self.0.split('\n').next().unwrap_or_default()
    }
}

/// INVITEs whose connection has ended, on whichever worker, and those that are known by name for when theirs does.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    names_by_server: BTreeMap<ServerTransactionId, InviteName>,
    orphans_by_name: BTreeMap<InviteName, (Instant, WorkerId, ServerTransactionId)>,
    /// When there was no room, until which moment that is taken for so.
    full_until: Option<Instant>,
    /// How often there was none.
    full: u64,
}

impl Orphans {
    /// INVITEs that came here and may have no answer yet, of domains of which this is so.
    pub(crate) fn of_domains(&self, is_meant: impl Fn(&str) -> bool) -> Vec<ServerTransactionId> {
        let meant = self.names_by_server.iter().filter(|(_, name)| is_meant(name.domain()));
        meant.map(|(server, _)| *server).collect()
    }

    /// The transaction has ended.
    pub(crate) fn forget(&mut self, server: ServerTransactionId) {
        self.names_by_server.remove(&server);
    }

    fn insert(&mut self, now: Instant, name: InviteName, worker: WorkerId, server: ServerTransactionId) {
        // One connection may leave more than there is room for: not all of them are looked at for each.
        if self.orphans_by_name.len() >= ORPHANS_MAX && self.full_until.is_none_or(|until| now >= until) {
            self.orphans_by_name.retain(|_, (since, ..)| *since + OWED_FOR > now);
            self.full_until = Some(now + LOOK_AGAIN_TIME);
        }
        match self.orphans_by_name.len() < ORPHANS_MAX {
            true => drop(self.orphans_by_name.insert(name, (now, worker, server))),
            false => self.full += 1,
        }
    }

    pub(crate) fn full(&self) -> u64 {
        self.full
    }

    fn take(&mut self, now: Instant, name: &InviteName) -> Option<(WorkerId, ServerTransactionId)> {
        let (since, worker, server) = self.orphans_by_name.remove(name)?;
        (since + OWED_FOR > now).then_some((worker, server))
    }
}

impl Core {
    /// A partner's connection has ended: what it began goes on, and every worker knows how it can be taken back.
    pub(crate) fn partner_flow_ended(&mut self, now: Instant, flow: FlowId, state: &FlowState) {
        let domains = state.proven.iter().map(|proven| proven.domain.clone()).collect();
        self.ended_flows.insert(now, flow, domains, state.kind == FlowKind::Inside);
        let us = self.ownership.worker;
        let mut orphans = Vec::new();
        for server in self.transactions.pending_invites(flow) {
            match self.orphans.names_by_server.get(&server).filter(|name| self.is_welcome(name.domain())) {
                Some(name) => orphans.push((name.clone(), server)),
                // It has not been admitted yet, or would not be any more.
                None => self.cancel(now, server, None),
            }
        }
        for (name, server) in &orphans {
            self.orphans.insert(now, name.clone(), us, *server);
        }
        if !orphans.is_empty() {
            for to in self.ownership.others() {
                self.hand(to, Handoff::Orphans { orphans: orphans.clone(), worker: us });
            }
        }
        self.transactions.repeat_unacknowledged(now, flow);
    }

    pub(crate) fn hear_of_orphans(
        &mut self,
        now: Instant,
        orphans: Vec<(InviteName, ServerTransactionId)>,
        worker: WorkerId,
    ) {
        for (name, server) in orphans {
            self.orphans.insert(now, name, worker, server);
        }
    }

    /// An INVITE of a partner was admitted. One that comes again after its connection ended takes the place of the first.
    pub(crate) fn invited(
        &mut self,
        now: Instant,
        message: &Message,
        admitted: &Admitted,
        server: ServerTransactionId,
    ) {
        let is_of_server = matches!(admitted.origin(), Origin::Partner { .. } | Origin::Inside { .. });
        if message.method() != Some(Method::Invite) || !is_of_server {
            return;
        }
        let Some(name) = InviteName::of(message) else { return };
        if let Some((worker, first)) = self.orphans.take(now, &name) {
            self.cancel_orphan(now, worker, first, None);
        }
        self.orphans.names_by_server.insert(server, name);
    }

    fn cancel_orphan(&mut self, now: Instant, worker: WorkerId, server: ServerTransactionId, reason: Option<String>) {
        match self.ownership.is_ours(worker) {
            true => self.cancel(now, server, reason),
            false => self.hand(worker, Handoff::CancelOrphan { server, reason }),
        }
    }

    /// A CANCEL that matches nothing on its own connection: it may be for a call whose connection has ended.
    pub(crate) fn cancel_elsewhere(&mut self, now: Instant, facts: &FlowFacts, cancel: &Message) {
        let may_know = |name: &InviteName| self.passes_cancels() || self.orphans.orphans_by_name.contains_key(name);
        let name = InviteName::of(cancel).filter(may_know);
        let domain = cancel.from().map(|from| from.uri().host_lowercase().into_owned()).unwrap_or_default();
        let verdict = name.as_ref().map(|_| self.proves_now(now, facts, &domain));
        let is_taken_back = match (name, verdict) {
            (Some(name), Some(Verdict::Proven(_))) => match self.orphans.take(now, &name) {
                Some((worker, server)) => {
                    self.cancel_orphan(now, worker, server, cancel_reason(cancel));
                    true
                }
                None => self.pass_cancel(now, facts, cancel),
            },
            (Some(_), Some(Verdict::Needs)) => {
                let asker = Asker::StrayCancel(Box::new((facts.clone(), cancel.clone())));
                if self.ask(now, Question::Srv { domain }, asker).is_ok() {
                    return;
                }
                false
            }
            _ => false,
        };
        let status = if is_taken_back { 200 } else { 481 };
        self.respond_stateless(now, facts, cancel, |tag| build::response(cancel, status, None, Some(tag)).build());
    }

    /// The domain's SRV records are there, or will not be.
    pub(crate) fn resume_cancel(&mut self, now: Instant, facts: &FlowFacts, cancel: &Message, answer: Option<Answer>) {
        match (answer, cancel.from()) {
            (Some(Answer::Srv(result)), Ok(from)) => {
                self.learn(now, &from.uri().host_lowercase(), result);
                self.cancel_elsewhere(now, facts, cancel);
            }
            _ => {
                let response = |tag: &str| build::response(cancel, 481, None, Some(tag)).build();
                self.respond_stateless(now, facts, cancel, response);
            }
        }
    }

    /// Whose requests are answered: partners', and of an edge those of what is behind it.
    pub(crate) fn is_welcome(&self, domain: &str) -> bool {
        let is_behind = self.organisation.is_edge_only() && self.organisation.is_local(domain);
        is_behind || self.partners.standing(domain).check(domain).is_ok()
    }

    /// Whether the certificate of a flow proves the domain of a partner who is welcome.
    pub(crate) fn proves_now(&self, now: Instant, facts: &FlowFacts, domain: &str) -> Verdict {
        if facts.is_inner {
            return self.proves_inside(facts);
        }
        let is_client = self.flows.get(facts.id).is_some_and(|state| state.kind == FlowKind::Client);
        match self.partners.standing(domain).check(domain).err() {
            Some(refusal) => Verdict::Failed(refusal),
            None if is_client => Verdict::Failed(refusal::certificate_missing(domain)),
            None => self.judged(now, facts, facts.peer_role(), domain),
        }
    }

    pub(crate) fn proves_inside(&self, facts: &FlowFacts) -> Verdict {
        let kind = self.flows.get(facts.id).map_or(&FlowKind::Undecided, |state| &state.kind);
        let checked = self.organisation.inside().map(|inside| inside.check_peer(&Flow { facts, kind, users: &[] }));
        match checked {
            Some(Ok(())) => Verdict::Proven(Rung::Configured),
            Some(Err(refusal)) => Verdict::Failed(refusal),
            None => Verdict::Failed(refusal::not_inside("there is no inner side")),
        }
    }

    /// Bytes for a flow that is gone: a response that a partner waits for finds another way.
    pub(crate) fn transmit_elsewhere(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        match self.respond_elsewhere(now, flow, bytes) {
            true => self.counts.responses_elsewhere += 1,
            false => self.undeliverable += 1,
        }
    }

    fn respond_elsewhere(&mut self, now: Instant, flow: FlowId, bytes: Bytes) -> bool {
        let Ok(response) = Message::parse(bytes.clone()) else { return false };
        let Some(status) = response.status() else { return false };
        let Ok(from) = response.from() else { return false };
        let domain = from.uri().host_lowercase().into_owned();
        if !self.ended_flows.has_proven(flow, &domain) || !self.is_welcome(&domain) {
            return false;
        }
        let sent_by = response.top_via().map(|via| via.host.to_owned()).unwrap_or_default();
        if let Some(other) = self.aliases.for_response(&domain, &sent_by, flow) {
            self.transmit(now, other, bytes);
            return true;
        }
        // For what is only said on the way nobody connects.
        if status < 200 {
            return false;
        }
        let connections = self.limits.partner_connections;
        // Of an edge's own domains is what is behind it.
        let (domain, connection) = match self.organisation.is_edge_only() && self.organisation.is_local(&domain) {
            true => (INSIDE.to_owned(), partner_connection(response.call_id().unwrap_or_default(), connections)),
            false => (domain, partner_connection_of(&response, &self.organisation, connections)),
        };
        self.respond_to(now, domain, connection, bytes);
        true
    }

    /// Gives a response to the worker that owns this link.
    pub(crate) fn respond_to(&mut self, now: Instant, domain: String, connection: u16, bytes: Bytes) {
        let owner = self.ownership.of_partner(&domain, connection);
        match self.ownership.is_ours(owner) {
            true => self.transmit_over_link(now, self.partner_link(&domain, connection), bytes),
            false => self.hand(owner, Handoff::RespondOverLink { domain, connection, bytes }),
        }
    }

    /// The client transactions on a flow that has ended to which a partner may answer on another: what it may have read,
    /// and what is not sent once more.
    pub(crate) fn answered_elsewhere(&mut self, now: Instant, flow: FlowId) -> BTreeMap<ClientTransactionId, LinkKey> {
        let mut found = BTreeMap::new();
        for id in self.transactions.clients_on(flow) {
            let Some((_, request, _)) = self.owner.tried(id) else { continue };
            let destination = request.destination.clone();
            if !matches!(
                destination,
                Destination::Partner { .. } | Destination::Inside { .. } | Destination::Edge { .. }
            ) {
                continue;
            }
            if !self.may_go_elsewhere(now, id, Trouble::ConnectionLost) {
                if let Some((.., trial)) = self.owner.tried(id) {
                    trial.lost_connection = true;
                }
                found.extend(self.link_key(&destination).map(|key| (id, key)));
            }
        }
        found
    }

    /// What waits for a response on another connection wants one to be there.
    pub(crate) fn await_other_connection(&mut self, now: Instant, waiting: BTreeMap<ClientTransactionId, LinkKey>) {
        for (id, key) in waiting {
            self.connect_for(now, key, id);
        }
    }

    /// The flow for a request that belongs to one sent before: where that one's is gone, another to the same partner.
    pub(crate) fn flow_after(&self, id: ClientTransactionId, flow: FlowId, destination: &Destination) -> FlowId {
        let Some(key) = self.link_key(destination) else { return flow };
        if !self.transactions.is_cut(ClientTransactionId { cancel: false, ..id }) {
            return flow;
        }
        let other = self.links.flow_of(&key).or_else(|| self.aliases.for_response(&key.domain, "", flow));
        other.unwrap_or(flow)
    }
}

/// How long after its connection a partner is owed anything: longer than an INVITE rings until timer C.
const OWED_FOR: Duration = Duration::from_secs(240);
/// Ended connections that are remembered; of more the oldest is forgotten.
const ENDED_FLOWS_MAX: usize = 4096;
/// Domains of one of them.
const LATE_DOMAINS_MAX: usize = 32;
/// INVITEs that can be taken back over another connection than their own.
const ORPHANS_MAX: usize = 4096;
const LOOK_AGAIN_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is read once, for a moment to count from.
    #[allow(clippy::disallowed_methods)]
    #[test]
    fn where_there_was_no_room_there_is_some_when_the_first_have_ended() {
        let (mut orphans, begun) = (Orphans::default(), Instant::now());
        let name = |number: usize| InviteName(format!("fabrikam.example\n1\nt\n{number}"));
        let mut came = |number, at| {
            orphans.insert(at, name(number), 0, ServerTransactionId(1));
            orphans.orphans_by_name.contains_key(&name(number))
        };
        assert!((0..ORPHANS_MAX).all(|number| came(number, begun)));
        assert!(!came(ORPHANS_MAX, begun + OWED_FOR - Duration::from_millis(1)));
        assert!(!came(ORPHANS_MAX, begun + OWED_FOR), "it was looked for room a moment ago");
        assert!(came(ORPHANS_MAX, begun + OWED_FOR + LOOK_AGAIN_TIME));
        assert_eq!((orphans.orphans_by_name.len(), orphans.full()), (1, 2));
    }

    #[allow(clippy::disallowed_methods)]
    #[test]
    fn an_ended_connection_proves_so_many_domains_late() {
        let (mut ended, flow) = (EndedFlows::default(), FlowId::Stream { worker: 0, serial: 1 });
        ended.insert(Instant::now(), flow, vec!["d0.example".to_owned()], false);
        let domain = |number: usize| format!("d{number}.example");
        for number in 0..2 * LATE_DOMAINS_MAX {
            ended.proves(flow, &domain(number));
            ended.proves(flow, &domain(number));
        }
        let proven: Vec<usize> =
            (0..2 * LATE_DOMAINS_MAX).filter(|number| ended.has_proven(flow, &domain(*number))).collect();
        assert_eq!(proven, Vec::from_iter(0..LATE_DOMAINS_MAX));
        ended.proves(FlowId::Stream { worker: 0, serial: 2 }, "late.example");
        assert_eq!(ended.domains_by_flow.len(), 1, "a connection that is not remembered proves nothing");
    }
}
