//! Phones outside that need no password a second time: at a home, those that have registered over a secure connection to an
//! edge, for as long as the registration holds. It is what a phone inside has by its own connection.
//!
//! The edge names connection and user by a token of its own, new for each connection: what is kept here too long leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use registrar::{ClientFlow, EdgeFlow};
use sip::{Aor, Message};

use crate::core::Core;
use crate::{AdmittedRequest, Handoff};

/// Of all users of this home, on each of its workers: an edge's connections end at any of them.
#[derive(Debug, Default)]
pub(crate) struct ProvenPhones {
    proven_by_flow: BTreeMap<EdgeFlow, Proven>,
    endings: BTreeSet<(Instant, EdgeFlow)>,
}

#[derive(Debug)]
struct Proven {
    user: Aor,
    until: Instant,
}

impl ProvenPhones {
    /// Beyond the maximum nothing new is remembered. `false`: it was not.
    pub(crate) fn prove(&mut self, now: Instant, flow: EdgeFlow, proven: (Aor, Instant), proven_max: usize) -> bool {
        self.forget(flow);
        while let Some((until, oldest)) = self.endings.first().copied().filter(|(until, _)| *until <= now) {
            self.endings.remove(&(until, oldest));
            self.proven_by_flow.remove(&oldest);
        }
        let (user, until) = proven;
        if self.proven_by_flow.len() >= proven_max {
            return false;
        }
        self.endings.insert((until, flow));
        self.proven_by_flow.insert(flow, Proven { user, until });
        true
    }

    pub(crate) fn has(&self, now: Instant, flow: EdgeFlow, user: &Aor) -> bool {
        self.proven_by_flow.get(&flow).is_some_and(|proven| proven.user == *user && proven.until > now)
    }

    pub(crate) fn forget(&mut self, flow: EdgeFlow) {
        if let Some(proven) = self.proven_by_flow.remove(&flow) {
            self.endings.remove(&(proven.until, flow));
        }
    }

    pub(crate) fn forget_user(&mut self, user: &Aor) {
        self.proven_by_flow.retain(|_, proven| proven.user != *user);
        self.endings.retain(|(_, flow)| self.proven_by_flow.contains_key(flow));
    }
}

impl Core {
    /// A REGISTER was accepted, with its password: until this binding ends, or not any more where there is none.
    pub(crate) fn phone_registered(&mut self, now: Instant, request: &AdmittedRequest, flow: ClientFlow) {
        let Some((edge, user)) = flow.edge.zip(request.admitted.aor()) else { return };
        // On any other a stranger could slip in.
        if !flow.transport.is_secure() {
            return;
        }
        let lasts = |binding: &&registrar::Binding| binding.flow.is_same(&flow);
        let until = self.location.lookup(now, user).into_iter().filter(lasts).map(|binding| binding.expires_at).max();
        let secs = until.map_or(0, |until| until.saturating_duration_since(now).as_secs());
        let (number, user) = (edge.number, user.clone());
        for worker in self.ownership.others() {
            self.hand(worker, Handoff::PhoneProven { edge: edge.edge, number, user: user.clone(), secs });
        }
        self.phone_proven(now, edge, (user, secs));
    }

    pub(crate) fn phone_proven(&mut self, now: Instant, flow: EdgeFlow, (user, secs): (Aor, u64)) {
        let until = now + Duration::from_secs(secs);
        if secs == 0 {
            self.proven_phones.forget(flow);
        } else if !self.proven_phones.prove(now, flow, (user, until), self.limits.proven_phones_max) {
            self.counts.hit("proven_phones_max");
        }
    }

    /// Whether an edge says of a request that it came by a connection on which its sender has shown the password.
    pub(crate) fn is_proven_outside(&self, now: Instant, user: &Aor, message: &Message) -> bool {
        self.edge_flow_of(message).is_some_and(|flow| self.proven_phones.has(now, flow, user))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // The clock is read once, for a moment to count from.
mod tests {
    use super::*;

    fn flow(number: u64) -> EdgeFlow {
        EdgeFlow { edge: 0, number }
    }

    fn user(name: &str) -> Aor {
        format!("{name}@contoso.example").parse().expect("an address")
    }

    #[test]
    fn a_phone_is_proven_for_its_user_and_its_time() {
        let (mut phones, now) = (ProvenPhones::default(), Instant::now());
        let later = |secs| now + Duration::from_secs(secs);
        assert!(phones.prove(now, flow(1), (user("alice"), later(60)), 2));
        assert!(phones.has(later(59), flow(1), &user("alice")));
        assert!(!phones.has(later(60), flow(1), &user("alice")));
        assert!(!phones.has(now, flow(1), &user("bob")));
        assert!(!phones.has(now, flow(2), &user("alice")));
        assert!(phones.prove(now, flow(1), (user("alice"), later(120)), 2), "it has registered again");
        assert!(phones.has(later(60), flow(1), &user("alice")));
        phones.forget(flow(1));
        assert!(!phones.has(now, flow(1), &user("alice")));
        assert!(phones.endings.is_empty());
    }

    #[test]
    fn with_the_account_the_proof_is_gone() {
        let (mut phones, now) = (ProvenPhones::default(), Instant::now());
        for (number, name) in [(1, "alice"), (2, "bob"), (3, "alice")] {
            phones.prove(now, flow(number), (user(name), now + Duration::from_secs(60)), 9);
        }
        phones.forget_user(&user("alice"));
        let left = [1, 2, 3].map(|number| phones.has(now, flow(number), &user("bob")));
        assert_eq!((left, phones.endings.len()), ([false, true, false], 1));
    }

    #[test]
    fn so_many_are_remembered_and_what_has_run_out_makes_room() {
        let (mut phones, now) = (ProvenPhones::default(), Instant::now());
        let later = |secs| now + Duration::from_secs(secs);
        assert!(phones.prove(now, flow(1), (user("alice"), later(60)), 1));
        assert!(!phones.prove(later(59), flow(2), (user("bob"), later(120)), 1));
        assert!(!phones.has(later(59), flow(2), &user("bob")));
        assert!(phones.prove(later(60), flow(2), (user("bob"), later(120)), 1));
        assert_eq!((phones.proven_by_flow.len(), phones.endings.len()), (1, 1));
    }
}
