//! Connections to partners: found by the one discovery rule, proven by the ladder before the first byte, and kept. How
//! one comes up is `attempt`, what goes out over it is `sending`.
//!
//! A partner has a fixed number of them over all workers; a Call-ID always takes the same one (`ownership`).

mod attempt;
mod dial;
mod edge;
mod inside;
mod link;
mod sending;
mod untried;

pub(crate) use dial::Dial;
pub(crate) use edge::edge_domain;
use link::{Attempt, Link, Rest, Stage, Waiter, hung_up};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::decision::Connection;
use federation::refusal;
use federation::route::NextHopTarget;
use sip::refusal::TLS_FAILED;
use sip::{FlowId, Refusal};

use crate::owner::ContextId;
use crate::{Breakage, LinkCounts, LinkStatus};

/// Names a connection to a partner: the domain, and its number among the domain's connections, of which there are so many with each
/// certificate of ours and through each edge to which policies lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkKey {
    pub domain: String,
    pub connection: u16,
    /// "host:port" of that edge.
    pub via: Option<String>,
}

/// The partner connections that this worker owns.
#[derive(Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkKey, Link>,
    /// Also of flows that are no longer used for new requests, until they end.
    keys_by_flow: BTreeMap<FlowId, LinkKey>,
    /// Those that go over a connection which the partner has opened, until it ends or they leave it.
    keys_by_alias: BTreeMap<FlowId, BTreeSet<LinkKey>>,
    /// Of partners that stand otherwise than when they came up: good for a last word alone.
    retired_by_key: BTreeMap<LinkKey, FlowId>,
    /// Those with a second address that may be tried beside the first.
    keys_by_dial: BTreeMap<u64, LinkKey>,
    last_dial: u64,
    /// How often those that are down were forgotten, so that there was room.
    forgotten: u64,
}

impl Links {
    /// A connection that ends as soon as it is up was most likely refused: under TLS 1.3 a server judges our
    /// certificate after we are through with the handshake, and can only hang up. Whether what went over it may have
    /// been read.
    pub(crate) fn flow_closed(&mut self, now: Instant, flow: FlowId) -> bool {
        self.retired_by_key.retain(|_, retired| *retired != flow);
        for key in self.keys_by_alias.remove(&flow).unwrap_or_default() {
            self.turn_from(&key, flow);
        }
        let Some(link) = self.keys_by_flow.remove(&flow).and_then(|key| self.links.get_mut(&key)) else { return true };
        let Stage::Up { flow: used, connection, since, is_heard, .. } = &link.stage else { return true };
        if *used != flow {
            return true;
        }
        let was_refused = !is_heard && now.saturating_duration_since(*since) < REFUSED_WITHIN;
        if was_refused {
            let how = link.breakage.take().filter(|(of, _)| *of == flow).map(|(_, how)| how);
            let why = refusal::partner_unreachable(hung_up(&connection.host, how.as_ref()));
            link.last_failure = Some(match how {
                Some(Breakage::NoSip(_)) => why,
                _ => why.with_diagnostics_id(TLS_FAILED),
            });
        }
        link.stage = Stage::Idle;
        !was_refused
    }

    /// Told once it has ended.
    pub(crate) fn flow_broke(&mut self, flow: FlowId, how: Breakage) {
        if let Some(link) = self.keys_by_flow.get(&flow).and_then(|key| self.links.get_mut(key)) {
            link.breakage.get_or_insert((flow, how));
        }
    }

    /// The flow of a connection that is up.
    pub(crate) fn flow_of(&self, key: &LinkKey) -> Option<FlowId> {
        self.up(key).map(|(flow, _)| flow)
    }

    fn up(&self, key: &LinkKey) -> Option<(FlowId, Arc<Connection>)> {
        match &self.links.get(key)?.stage {
            Stage::Up { flow, connection, .. } => Some((*flow, connection.clone())),
            _ => None,
        }
    }

    /// We end this flow ourselves: its end says nothing about the partner.
    pub(crate) fn let_go(&mut self, flow: FlowId) {
        if let Some(key) = self.keys_by_flow.remove(&flow) {
            self.turn_from(&key, flow);
        }
    }

    /// The same of a flow over which a partner may still be told that something is over.
    pub(crate) fn retire(&mut self, flow: FlowId) {
        if let Some(key) = self.keys_by_flow.get(&flow) {
            self.retired_by_key.insert(key.clone(), flow);
        }
        self.let_go(flow);
    }

    /// The flow for a last word to a partner that nothing else may be sent to.
    fn last_flow(&self, key: &LinkKey) -> Option<FlowId> {
        self.flow_of(key).filter(|_| key.is_inside()).or_else(|| self.retired_by_key.get(key).copied())
    }

    /// A response came over this flow; answers its connection where that is the first.
    pub(crate) fn heard(&mut self, flow: FlowId) -> Option<LinkKey> {
        let key = self.keys_by_flow.get(&flow)?;
        match &mut self.links.get_mut(key)?.stage {
            Stage::Up { flow: used, is_heard, .. } if *used == flow && !*is_heard => {
                *is_heard = true;
                Some(key.clone())
            }
            _ => None,
        }
    }

    pub(crate) fn key_of(&self, flow: FlowId) -> Option<LinkKey> {
        self.keys_by_flow.get(&flow).cloned()
    }

    /// Whether a connection to this domain is up or coming up.
    pub(crate) fn is_connected_to(&self, domain: &str) -> bool {
        let from = LinkKey { domain: domain.to_owned(), connection: 0, via: None };
        let of_domain = self.links.range(from..).take_while(|(key, _)| key.domain == domain);
        of_domain.into_iter().any(|(_, link)| !matches!(link.stage, Stage::Idle))
    }

    /// Whether any connection leads to this server.
    pub(crate) fn are_connected_at(&self, host: &str) -> bool {
        let is_there = |link: &Link| link.last_place.as_ref().is_some_and(|(_, target, _)| target.host == host);
        self.links.values().any(|link| !matches!(link.stage, Stage::Idle) && is_there(link))
    }

    /// Whether it was ever up.
    pub(crate) fn was_up(&self, key: &LinkKey) -> bool {
        self.links.get(key).is_some_and(|link| link.last_place.is_some())
    }

    /// Why this connection could not be brought up last, or was lost. The domain's other connections may have failed
    /// for other reasons, long ago.
    pub(crate) fn last_failure(&self, key: &LinkKey) -> Option<&Refusal> {
        self.links.get(key)?.last_failure.as_ref()
    }

    /// The server that a flow leads to, while it is used for new requests.
    pub(crate) fn place_of(&self, flow: FlowId) -> Option<(&str, &NextHopTarget, IpAddr)> {
        let key = self.keys_by_flow.get(&flow)?;
        match &self.links.get(key)?.stage {
            Stage::Up { flow: used, place: Some((target, address)), .. } if *used == flow => {
                Some((&key.domain, target, *address))
            }
            _ => None,
        }
    }

    /// The server that a flow led to which has ended, if it was this connection's last.
    pub(crate) fn last_place(&self, key: &LinkKey, flow: FlowId) -> Option<(NextHopTarget, IpAddr)> {
        let (last, target, address) = self.links.get(key)?.last_place.as_ref()?;
        (*last == flow).then(|| (target.clone(), *address))
    }

    /// Whether new requests go over this flow, and no other server could be tried.
    pub(crate) fn is_only_way(&self, key: &LinkKey, flow: FlowId) -> bool {
        let stage = self.links.get(key).map(|link| &link.stage);
        matches!(stage, Some(Stage::Up { flow: used, is_only: true, .. }) if *used == flow)
    }

    /// Whether the flow leads to one of several servers by the same name.
    pub(crate) fn shares_name(&self, flow: FlowId) -> bool {
        let link = self.keys_by_flow.get(&flow).and_then(|key| self.links.get(key));
        matches!(link.map(|link| &link.stage), Some(Stage::Up { flow: used, shares_name: true, .. }) if *used == flow)
    }

    /// New requests find a new way; what is under way on the flow goes on there.
    pub(crate) fn turn_from(&mut self, key: &LinkKey, flow: FlowId) {
        if let Some(link) = self.links.get_mut(key)
            && matches!(link.stage, Stage::Up { flow: used, .. } if used == flow)
        {
            link.stage = Stage::Idle;
        }
        if let Some(keys) = self.keys_by_alias.get_mut(&flow) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys_by_alias.remove(&flow);
            }
        }
    }

    /// Whether too many requests wait for this connection already.
    pub(crate) fn is_full(&self, key: &LinkKey, waiting_max: usize) -> bool {
        self.links.get(key).is_some_and(|link| link.waiting.len() >= waiting_max)
    }

    /// Those to partners who stand otherwise in the new table leave the connections that they have opened.
    pub(crate) fn leave_aliases(&mut self, keep: impl Fn(&str) -> bool) {
        let used = self.keys_by_alias.iter().flat_map(|(flow, keys)| keys.iter().map(|key| (*flow, key.clone())));
        let outdated: Vec<_> = used.filter(|(_, key)| !keep(&key.domain)).collect();
        for (flow, key) in outdated {
            self.turn_from(&key, flow);
            self.retired_by_key.insert(key, flow);
        }
    }

    /// The connections whose partner stands otherwise in the new table: they were judged by what no longer holds.
    pub(crate) fn outdated(&self, stands_alike: impl Fn(&str) -> bool) -> Vec<FlowId> {
        let changed = |key: &LinkKey| !key.is_inside() && !stands_alike(&key.domain);
        self.keys_by_flow.iter().filter(|(_, key)| changed(key)).map(|(flow, _)| *flow).collect()
    }

    /// Of the connections that stand.
    pub(crate) fn flows(&self) -> impl Iterator<Item = FlowId> {
        self.keys_by_flow.keys().copied()
    }

    /// Takes a request out of whichever queue it waits in.
    pub(crate) fn stop_waiting(&mut self, context: ContextId) -> bool {
        let mut found = false;
        for link in self.links.values_mut() {
            link.waiting.retain(|waiter| {
                let is_it = matches!(waiter, Waiter::Context(id) if *id == context);
                found |= is_it;
                !is_it
            });
        }
        found
    }

    pub(crate) fn statuses(&self) -> Vec<LinkStatus> {
        let mut all: Vec<_> = self.links.iter().map(|(key, link)| link.status(key)).collect();
        all.sort_by(|a, b| (&a.domain, a.connection).cmp(&(&b.domain, b.connection)));
        all
    }

    pub(crate) fn counts_by_state(&self) -> LinkCounts {
        let mut counts = LinkCounts::default();
        for link in self.links.values() {
            match &link.stage {
                Stage::Idle => counts.idle += 1,
                Stage::ExpectSrv { .. } | Stage::ExpectAddresses { .. } => counts.resolving += 1,
                Stage::ExpectConnect { .. } | Stage::ExpectVerdict { .. } => counts.connecting += 1,
                Stage::Up { .. } => counts.up += 1,
            }
        }
        counts
    }

    /// Forgets the connections to a domain that are down, and why; answers how many.
    fn forget_idle(&mut self, domain: &str) -> usize {
        let before = self.links.len();
        self.links.retain(|key, link| key.domain != domain || !matches!(link.stage, Stage::Idle));
        before - self.links.len()
    }

    fn stage(&mut self, key: &LinkKey, stage: Stage) {
        if let Some(link) = self.links.get_mut(key) {
            link.stage = stage;
        }
    }

    /// Forgets connections that are down when there are too many to remember.
    fn make_room(&mut self) {
        if self.links.len() >= LINKS_REMEMBERED_MAX {
            self.links.retain(|_, link| !matches!(link.stage, Stage::Idle));
            self.forgotten += 1;
        }
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// Connections that are down are remembered for their last failure, up to this many.
const LINKS_REMEMBERED_MAX: usize = 10_000;

/// How soon after the handshake a server hangs up that does not accept our certificate.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_failure_of_its_own() {
        let key = |connection| LinkKey { domain: "fabrikam.example".to_owned(), connection, via: None };
        let failed = |reason: &str| Link { last_failure: Some(refusal::partner_unreachable(reason)), ..Link::new() };
        let mut links = Links::default();
        links.links.insert(key(0), failed("it hung up"));
        links.links.insert(key(3), failed("an older trouble"));
        assert_eq!(links.last_failure(&key(0)).map(|refusal| refusal.reason.as_str()), Some("it hung up"));
        assert_eq!(links.last_failure(&key(1)), None);
    }

    #[test]
    fn at_the_limit_connections_that_are_down_are_forgotten() {
        let key = |number| LinkKey { domain: format!("p{number}.example"), connection: 0, via: None };
        let mut links = Links::default();
        (0..LINKS_REMEMBERED_MAX - 1).for_each(|number| drop(links.links.insert(key(number), Link::new())));
        links.make_room();
        assert_eq!(links.links.len(), LINKS_REMEMBERED_MAX - 1);
        links.links.insert(key(LINKS_REMEMBERED_MAX), Link::new());
        links.make_room();
        assert_eq!((links.links.len(), links.forgotten()), (0, 1));
    }
}
