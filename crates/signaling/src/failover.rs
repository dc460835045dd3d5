//! When a partner's server fails a request, the next one is tried (RFC 3263 section 4.3) until all were, each once; and what
//! failed is remembered until the partner is heard from, by whichever worker.

mod trial;

pub(crate) use trial::{Trial, Tried, Trouble};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use federation::health::{Health, Place};
use federation::refusal;
use federation::rest::{Rests, retry_after};
use federation::route::NextHopTarget;
use sip::refusal::Word;
use sip::transaction::ClientTransactionId;
use sip::{FlowId, HeaderName, Message, Method, Refusal};

use crate::core::Core;
use crate::links::LinkKey;
use crate::owner::ContextId;
use crate::route::{Destination, INSIDE};
use crate::{AdmittedRequest, Handoff, Reach, WorkerId};

/// What failed, and who else wants to know when a partner is heard from.
#[derive(Default)]
pub(crate) struct Failover {
    pub health: Health,
    pub rests: Rests,
    watchers_by_domain: BTreeMap<String, BTreeSet<WorkerId>>,
}

impl Failover {
    /// Another worker wants to know. Beyond the limit its memory only fades by itself.
    pub(crate) fn watch(&mut self, domain: String, watcher: WorkerId) {
        if self.watchers_by_domain.len() < WATCHED_DOMAINS_MAX || self.watchers_by_domain.contains_key(&domain) {
            self.watchers_by_domain.entry(domain).or_default().insert(watcher);
        }
    }
}

impl Core {
    /// A server of a partner, or one of its addresses, will not do: it is tried last from now on.
    pub(crate) fn place_failed(
        &mut self,
        now: Instant,
        domain: &str,
        target: &NextHopTarget,
        address: Option<IpAddr>,
        reason: &str,
    ) {
        if !self.failover.health.is_troubled(domain) {
            for worker in self.ownership.others() {
                let watcher = self.ownership.worker;
                self.hand(worker, Handoff::WatchPartner { domain: domain.to_owned(), watcher });
            }
        }
        let place = Place { domain: domain.to_owned(), target: target.clone(), address };
        self.failover.health.failed(now, place, reason);
    }

    /// A request of this partner was admitted: what failed may work again, for every worker.
    pub(crate) fn partner_heard(&mut self, domain: &str) {
        self.failover.health.forget(domain);
        if self.failover.watchers_by_domain.is_empty() {
            return;
        }
        for worker in self.failover.watchers_by_domain.remove(domain).unwrap_or_default() {
            self.hand(worker, Handoff::PartnerHeard { domain: domain.to_owned() });
        }
    }

    /// A response came over a connection to a partner: that server works. One that is overloaded says so itself.
    pub(crate) fn target_answered(&mut self, now: Instant, flow: FlowId, response: &Message) {
        if let Some(key) = self.links.heard(flow) {
            self.reach_changed(now, &key, Reach::Reachable);
        }
        if self.failover.health.is_empty() || response.status() == Some(503) {
            return;
        }
        if let Some((domain, target, address)) = self.links.place_of(flow) {
            self.failover.health.answers(domain, target, address);
        }
    }

    /// Notes a partner's response. `true`: the request goes to another server, and this is not the answer.
    pub(crate) fn responded(&mut self, now: Instant, id: ClientTransactionId, response: &Message) -> bool {
        let Some(status) = response.status() else { return false };
        if status == 503 {
            self.server_overloaded(now, id, response);
        }
        if status == 503 && self.try_elsewhere(now, id, Trouble::Overloaded) {
            return true;
        }
        let Some((_, request, trial)) = self.owner.tried(id) else { return false };
        trial.heard = Some(status);
        if status >= 200 && matches!(request.destination, Destination::Partner { .. }) {
            let (message, since) = (request.message.clone(), trial.opened_at);
            self.record_answered(now, &message, since, response);
        }
        false
    }

    /// A server of a partner wants rest: for as long as it says, it is asked for nothing new.
    fn server_overloaded(&mut self, now: Instant, id: ClientTransactionId, response: &Message) {
        let Some((_, request, trial)) = self.owner.tried(id) else { return };
        let Destination::Partner { domain, .. } = &request.destination else { return };
        let (domain, flow) = (domain.clone(), trial.sent_on);
        self.count_of_partner(&domain, |counts| counts.overloaded += 1);
        let wanted = response.header_text(HeaderName::RetryAfter).and_then(retry_after);
        // Of several by one name the others need no rest: this one is tried last, as one that failed. So is an edge of ours, which
        // may have heard from its home a moment later all that it was waiting for.
        let place = flow.filter(|flow| !self.links.shares_name(*flow)).and_then(|flow| self.links.place_of(flow));
        if let (Some(time), Some((domain, target, _))) =
            (wanted, place.filter(|(domain, ..)| !domain.starts_with(INSIDE)))
        {
            self.failover.rests.begin(now, domain, target, time);
        }
    }

    /// Why a request that begins something is not sent over this flow, if its server rests.
    pub(crate) fn rest_of(&self, now: Instant, flow: FlowId, request: &Message) -> Option<Refusal> {
        let (domain, target, _) = self.links.place_of(flow)?;
        let left = self.failover.rests.left(now, domain, target)?;
        let is_within = request.method() == Some(Method::Ack) || request.is_within_dialog();
        (!is_within).then(|| rests(domain, left))
    }

    /// Takes the request of a failed branch to another server of the partner, if that may help.
    pub(crate) fn try_elsewhere(&mut self, now: Instant, id: ClientTransactionId, trouble: Trouble) -> bool {
        if !self.may_go_elsewhere(now, id, trouble) {
            return false;
        }
        let Some((context, request, trial)) = self.owner.tried(id) else { return false };
        let (message, destination) = (request.message.clone(), request.destination.clone());
        let (since, sent_on) = (trial.opened_at, trial.sent_on);
        let Some(key) = self.link_key(&destination) else { return false };
        if self.links.is_full(&key, self.limits.waiting_per_link_max) || !self.leave(now, &key, sent_on, trouble) {
            return false;
        }
        if let Some((.., trial)) = self.owner.tried(id) {
            trial.failed(trouble);
        }
        self.owner.begin_anew(context, id);
        self.record_retried(now, &message, since, trouble.reason());
        self.send_again(now, key, context);
        true
    }

    /// Whether the request of a branch that fails goes to another server: there is one, and its sender still waits.
    pub(crate) fn may_go_elsewhere(&mut self, now: Instant, id: ClientTransactionId, trouble: Trouble) -> bool {
        let Some((_, request, trial)) = self.owner.tried(id) else { return false };
        let is_invite = request.message.method() == Some(Method::Invite);
        if !trial.may_move(now, trouble, is_invite) {
            return false;
        }
        let (destination, tried) = (request.destination.clone(), trial.tried_after(trouble));
        let Some(key) = self.link_key(&destination) else { return false };
        tried.may_return() || self.has_untried(now, &key, &tried)
    }

    /// No server is left for a request that waits for one: the sender is told what the last that had it said, else why the
    /// others were not reached.
    pub(crate) fn give_up(&mut self, now: Instant, context: ContextId, unreached: &Refusal) {
        let domain = match self.owner.request(context).map(|request| &request.destination) {
            Some(Destination::Partner { domain, .. }) => domain.clone(),
            _ => INSIDE.to_owned(),
        };
        let refusal = match self.owner.tried_by(context).and_then(Tried::last_trouble) {
            Some(Trouble::Overloaded) if unreached.word != Word::PartnerOverloaded => overloaded(&domain),
            Some(Trouble::Silence) => silent(&domain),
            _ => unreached.clone(),
        };
        self.abandon_context(now, context, &refusal);
    }

    /// What the caller and the operator are told of a request for a partner that has no answer of the partner's.
    pub(crate) fn partner_refusal(&self, request: &AdmittedRequest, status: u16, trial: &Trial) -> Option<Refusal> {
        let key = self.link_key(&request.destination)?;
        let domain = match &request.destination {
            Destination::Partner { domain, .. } => domain,
            _ => &key.domain,
        };
        match status {
            487 => None,
            _ if trial.lost_connection => Some(self.links.last_failure(&key).cloned().unwrap_or_else(|| {
                refusal::partner_unreachable(format!("the connection to {domain} ended before an answer came"))
            })),
            500 if trial.heard == Some(503) => Some(overloaded(domain)),
            408 => Some(silent(domain)),
            _ => None,
        }
    }

    /// New requests go elsewhere. `false`: there is no elsewhere.
    fn leave(&mut self, now: Instant, key: &LinkKey, flow: Option<FlowId>, trouble: Trouble) -> bool {
        let failed = match (flow, trouble) {
            (Some(flow), Trouble::ConnectionLost) => self.links.last_place(key, flow),
            (Some(flow), _) if self.links.is_only_way(key, flow) => return false,
            (Some(flow), _) => self.links.place_of(flow).map(|(_, target, address)| (target.clone(), address)),
            (None, _) => None,
        };
        if let Some((target, address)) = failed {
            // The server as a whole too: another one is what the request is to find.
            for address in [Some(address), None] {
                self.place_failed(now, &key.domain, &target, address, trouble.reason());
            }
        }
        if let Some(flow) = flow {
            self.aliases.distrust(&key.domain, flow);
            self.links.turn_from(key, flow);
        }
        true
    }
}

/// RFC 3261 section 16.7: a 503 is not passed on.
fn overloaded(domain: &str) -> Refusal {
    Refusal::new(500, Word::PartnerOverloaded, format!("a server of {domain} answered 503"))
}

fn silent(domain: &str) -> Refusal {
    Refusal::new(408, Word::PartnerSilent, format!("{domain} did not answer in time"))
}

/// RFC 3261 section 16.7: that a partner's server is overloaded is no 503 of ours.
pub(crate) fn rests(domain: &str, left: Duration) -> Refusal {
    let secs = left.as_secs().saturating_add(1);
    let reason = format!("a server of {domain} answered 503, and is not to be asked again for {secs} s (Retry-After)");
    Refusal::new(500, Word::PartnerOverloaded, reason).with_header(HeaderName::RetryAfter, secs.to_string())
}

/// Domains that other workers wait to hear from.
const WATCHED_DOMAINS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_domains_are_watched_and_those_by_as_many_as_want() {
        let mut failover = Failover::default();
        (0..=WATCHED_DOMAINS_MAX).for_each(|number| failover.watch(format!("p{number}.example"), 1));
        failover.watch("p7.example".to_owned(), 2);
        assert_eq!(failover.watchers_by_domain.len(), WATCHED_DOMAINS_MAX);
        assert_eq!(failover.watchers_by_domain["p7.example"], BTreeSet::from([1, 2]));
    }
}
