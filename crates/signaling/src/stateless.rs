//! What those are told who have proven nothing: nothing is kept of their requests, and by datagrams little more goes out than
//! came in. Anybody can write another's address on a datagram: a server that answers more than it got is a weapon against
//! that one. A phone whose requests are shorter than our challenges is answered all the same, while few ask.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::flow::FlowFacts;
use sip::{HeaderName, Message, MessageLimits, Method, Refusal, build};

use crate::acceptor::{Arrival, refusal_response};
use crate::core::Core;
use crate::{Requester, Upstream};

/// Addresses from which a user of ours has answered a challenge: what we sent there was read there.
#[derive(Debug, Default)]
pub(crate) struct ProvenAddresses {
    proven_at: BTreeMap<IpAddr, Instant>,
    /// Of what goes there beyond what came from there.
    surplus: Surplus,
}

impl ProvenAddresses {
    /// At the limit those that are over are forgotten, and if none is, the new one has to prove itself again.
    /// Says whether it is remembered.
    fn prove(&mut self, now: Instant, address: IpAddr, max: usize) -> bool {
        if self.proven_at.len() >= max && !self.proven_at.contains_key(&address) {
            self.proven_at.retain(|_, at| now.saturating_duration_since(*at) < PROVEN_TIME);
            if self.proven_at.len() >= max {
                return false;
            }
        }
        self.proven_at.insert(address, now);
        true
    }

    pub(crate) fn has(&self, now: Instant, address: IpAddr) -> bool {
        self.proven_at.get(&address).is_some_and(|at| now.saturating_duration_since(*at) < PROVEN_TIME)
    }
}

/// Bytes that answers to datagrams had more than these.
#[derive(Debug, Default)]
pub(crate) struct Surplus {
    second_began: Option<Instant>,
    /// Bytes, in this second.
    spent: usize,
}

impl Surplus {
    /// Whether so many bytes may answer so many.
    pub(crate) fn take(&mut self, now: Instant, received: usize, answered: usize, per_sec_max: usize) -> bool {
        let surplus = answered.saturating_sub(received);
        if surplus == 0 {
            return true;
        }
        if self.second_began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            *self = Surplus { second_began: Some(now), spent: 0 };
        }
        let may = self.spent + surplus <= per_sec_max;
        if may {
            self.spent += surplus;
        }
        may
    }
}

impl Core {
    /// A user of ours has answered a challenge from there.
    pub(crate) fn prove_address(&mut self, now: Instant, address: IpAddr) {
        if !self.proven_addresses.prove(now, address, self.limits.proven_addresses_max) {
            self.counts.hit("proven_addresses_max");
        }
    }

    /// Before any transaction: nothing is kept, and a repeat gets the same answer (RFC 3261 section 8.2.7).
    pub(crate) fn refuse_stateless(&mut self, now: Instant, facts: &FlowFacts, request: &Message, refusal: &Refusal) {
        let edge = self.organisation.clone();
        self.respond_stateless(now, facts, request, |tag| {
            refusal_response(request, refusal, tag, (&edge.edge, [None, None]))
        });
    }

    pub(crate) fn respond_stateless(
        &mut self,
        now: Instant,
        facts: &FlowFacts,
        request: &Message,
        response: impl FnOnce(&str) -> Bytes,
    ) {
        if request.method() == Some(Method::Ack) || request.header(HeaderName::Via).is_none() {
            return;
        }
        // A Via that cannot be read is its sender's to read again (RFC 4475 3.1.2.1).
        let branch = request.top_via().ok().and_then(|via| via.branch());
        let tag = self.mint.stateless_tag(branch.unwrap_or_default());
        let response = response(&tag);
        let is_sendable = response.len() <= MessageLimits::DEFAULT.bytes_max;
        let received = request.as_bytes().len().saturating_sub(STAMP_BYTES);
        if is_sendable
            && (facts.id.is_reliable() || self.may_answer_datagram(now, facts.remote.ip(), received, response.len()))
        {
            self.transmit(now, facts.id, response);
        }
    }

    /// Whether so many bytes may answer a datagram of so many whose sender has proven nothing; see
    /// `datagram_surplus_bytes_per_sec_max`. Where users of ours are, many may ask at once.
    pub fn may_answer_datagram(&mut self, now: Instant, from: IpAddr, received: usize, answered: usize) -> bool {
        let may = match self.proven_addresses.has(now, from) {
            true => {
                let max = self.limits.datagram_surplus_proven_bytes_per_sec_max;
                self.proven_addresses.surplus.take(now, received, answered, max)
            }
            false => self.surplus.take(now, received, answered, self.limits.datagram_surplus_bytes_per_sec_max),
        };
        if !may {
            self.counts.hit("datagram_surplus_bytes_per_sec_max");
        }
        may
    }

    /// Of a sender who is only a claim. By datagrams he gets one answer and no transaction, whose answer would be repeated
    /// to whoever he says he is.
    pub(crate) fn refuse_unproven(&mut self, now: Instant, arrival: Arrival, refusal: &Refusal) {
        match arrival.facts.id.is_reliable() {
            false => self.refuse_and_forget(now, arrival, refusal),
            true => self.refuse_arrival(now, arrival, refusal),
        }
    }

    /// Nothing is left of a request that had a transaction already.
    pub(crate) fn refuse_and_forget(&mut self, now: Instant, arrival: Arrival, refusal: &Refusal) {
        self.record_refused(now, &arrival.message, refusal);
        if let Some(Upstream { requester: Requester::Outside(transaction), .. }) = arrival.upstream {
            self.transactions.abandon(transaction);
            self.refuse_stateless(now, &arrival.facts, &arrival.message, refusal);
        }
    }

    /// Its INVITE was taken back before its sender had proven anything.
    pub(crate) fn answer_cancelled(&mut self, now: Instant, upstream: Upstream, arrival: &Arrival) {
        match upstream.requester {
            Requester::Outside(transaction) if !arrival.facts.id.is_reliable() => {
                self.transactions.abandon(transaction);
                let request = &arrival.message;
                let response = |tag: &str| build::response(request, 487, None, Some(tag)).build();
                self.respond_stateless(now, &arrival.facts, request, response);
            }
            _ => self.respond_generated(now, upstream, &arrival.message, 487),
        }
    }
}

/// Phones register again within an hour.
const PROVEN_TIME: Duration = Duration::from_secs(2 * 3600);
/// The most that `stamp_received` may have put into a message: `;received=` and a port.
const STAMP_BYTES: usize = ";received=".len() + 39 + "=65535".len();

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is read once, for a moment to count from.
    #[allow(clippy::disallowed_methods)]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_second_s_surplus_is_spent_once() {
        let (mut surplus, now) = (Surplus::default(), now());
        assert!(surplus.take(now, 100, 160, 100));
        assert!(!surplus.take(now, 100, 160, 100), "what would be too much is not spent");
        assert!(surplus.take(now, 100, 140, 100));
        assert!(surplus.take(now, 100, 100, 100), "what is not longer costs nothing");
        assert!(!surplus.take(now + Duration::from_millis(999), 100, 101, 100));
        assert!(surplus.take(now + Duration::from_secs(1), 100, 200, 100));
    }
}
