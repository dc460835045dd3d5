//! Whoever waits for a connection may have been at some of the partner's servers in vain. Those come last, are left out where
//! nobody waits who has not been there, and where one is used for others, he goes on to the next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use federation::decision::Connection;
use federation::refusal;
use federation::route::{NextHopTarget, RoutePlan, plan};

use super::{LinkKey, Waiter};
use crate::core::Core;
use crate::failover::Tried;
use crate::owner::ContextId;

impl Core {
    /// Whether there is a server where a request has not been, as far as is known, and which does not rest.
    pub(crate) fn has_untried(&mut self, now: Instant, key: &LinkKey, tried: &Tried) -> bool {
        let stands = self.links.up(key).is_some_and(|(_, over)| tried.may_use(&over.host, over.address));
        if stands || (self.may_take_alias(key) && self.has_untried_alias(&key.domain, tried)) {
            return true;
        }
        match self.targets_known(now, key) {
            None => true,
            Some(targets) => targets.iter().any(|target| {
                self.failover.rests.left(now, &key.domain, target).is_none() && self.is_untried(now, target, tried)
            }),
        }
    }

    fn has_untried_alias(&self, domain: &str, tried: &Tried) -> bool {
        let mut remotes = self.aliases.all_for_requests(domain).map(|facts| facts.remote);
        remotes.any(|remote| tried.may_use(&remote.to_string(), remote.ip()))
    }

    /// By an address that is known, or altogether where none is.
    fn is_untried(&mut self, now: Instant, target: &NextHopTarget, tried: &Tried) -> bool {
        match self.hosts.lookup(now, &target.host) {
            Some(addresses) => {
                let host = target.to_string();
                addresses.into_iter().any(|address| tried.may_use(&host, address))
            }
            None => !tried.has(target),
        }
    }

    /// The servers that a connection may lead to; `None`: the DNS has to be asked.
    fn targets_known(&self, now: Instant, key: &LinkKey) -> Option<Vec<NextHopTarget>> {
        if key.is_inside() {
            return Some(self.inside_targets(key).unwrap_or_default());
        }
        let srv = self.discovery.lookup(now, &key.domain);
        match plan(&key.domain, self.way_of(key), srv, &mut |_| 0) {
            RoutePlan::Targets(targets) => Some(targets),
            RoutePlan::Refused(_) => Some(Vec::new()),
            RoutePlan::Needs => None,
        }
    }

    /// Those first where fewer of the requests that wait have been.
    pub(super) fn untried_targets_first(&self, key: &LinkKey, mut targets: Vec<NextHopTarget>) -> Vec<NextHopTarget> {
        let mut times_by_host: BTreeMap<&str, usize> = BTreeMap::new();
        for (host, _) in self.places_tried(key) {
            *times_by_host.entry(host).or_default() += 1;
        }
        if !times_by_host.is_empty() {
            targets.sort_by_cached_key(|target| times_by_host.get(target.to_string().as_str()).copied());
        }
        targets
    }

    /// The same of the addresses of a server, `host:port`, without those where all have been.
    pub(super) fn untried_addresses_first(&self, key: &LinkKey, host: &str, mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        let mut times_by_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for (_, address) in self.places_tried(key).filter(|(tried, _)| *tried == host) {
            *times_by_address.entry(address).or_default() += 1;
        }
        if !times_by_address.is_empty() {
            addresses.sort_by_key(|address| times_by_address.get(address).copied());
            addresses.retain(|address| !self.have_all_tried(key, host, *address));
        }
        addresses
    }

    fn places_tried<'a>(&'a self, key: &LinkKey) -> impl Iterator<Item = (&'a str, IpAddr)> {
        let waiting = self.links.links.get(key).into_iter().flat_map(|link| &link.waiting);
        let contexts = waiting.filter_map(|waiter| match waiter {
            Waiter::Context(context) => Some(*context),
            _ => None,
        });
        contexts.filter_map(|context| self.owner.tried_by(context)).flat_map(Tried::places)
    }

    /// Whether some wait for the connection, and none that this server could be used for.
    pub(super) fn have_all_tried(&self, key: &LinkKey, host: &str, address: IpAddr) -> bool {
        let Some(link) = self.links.links.get(key).filter(|link| !link.waiting.is_empty()) else { return false };
        link.waiting.iter().all(|waiter| match waiter {
            Waiter::Context(context) => {
                self.owner.tried_by(*context).is_some_and(|tried| !tried.may_use(host, address))
            }
            _ => false,
        })
    }

    pub(super) fn may_use(&self, context: ContextId, over: &Connection) -> bool {
        self.owner.tried_by(context).is_none_or(|tried| tried.may_use(&over.host, over.address))
    }

    /// The context's request goes out over this connection, as soon as it is up; where it leads to a server that has had the
    /// request, over another.
    pub(crate) fn send_again(&mut self, now: Instant, key: LinkKey, context: ContextId) {
        self.take_alias(now, &key);
        if let Some((flow, connection)) = self.links.up(&key) {
            if self.may_use(context, &connection) {
                return self.send_waiting(now, flow, &connection, context);
            }
            self.aliases.distrust(&key.domain, flow);
            self.links.turn_from(&key, flow);
        }
        self.await_link(now, key, Waiter::Context(context));
    }

    /// A connection came up for others, to a server where these have been: once they may look for another.
    pub(super) fn pass_by(&mut self, now: Instant, key: &LinkKey, been_there: Vec<ContextId>) {
        for context in been_there {
            match self.owner.passes_by(context) {
                Some(tried) if self.has_untried(now, key, &tried) => self.send_again(now, key.clone(), context),
                _ => self.give_up(now, context, &refusal::partner_unreachable("no target is left to try")),
            }
        }
    }
}
