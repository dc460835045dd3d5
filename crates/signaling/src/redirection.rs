//! Calls of our users that are sent elsewhere: a 3xx names another address (RFC 3261 sections 16.7 step 4 and 21.3), and where
//! `[calls] redirects` lets us we call that, as the user's phone would.
//!
//! Only what a user of ours asks for is followed: a partner's server follows for its own, by its own rules.

use std::time::Instant;

use federation::admission::Origin;
use sip::refusal::Word;
use sip::{Edits, Message, Method, NameAddr, Refusal, Uri};

use crate::agent::AgentKey;
use crate::core::Core;
use crate::route::{Destination, OwnRoutes, route_own};
use crate::{AdmittedRequest, Handoff, Ingress, Requester, Upstream};

impl Core {
    /// The target names another address. Gives the request back where that is for the caller to see to.
    pub(crate) fn follow_redirection(
        &mut self,
        now: Instant,
        request: AdmittedRequest,
        response: &Message,
    ) -> Option<AdmittedRequest> {
        let is_followed = self.call_settings.redirects
            && matches!(response.status(), Some(301 | 302))
            && request.message.method() == Some(Method::Invite)
            && matches!(request.admitted.origin(), Origin::User { .. })
            && request.sent_on_by.len() < REDIRECTIONS_MAX;
        let (true, Some(upstream)) = (is_followed, request.upstream) else { return Some(request) };
        let elsewhere = contacts(response).into_iter().filter_map(|uri| self.addressed(&request, &uri));
        let elsewhere: Vec<(AdmittedRequest, String)> = elsewhere.collect();
        if elsewhere.is_empty() {
            return Some(request);
        }
        let (mut may_go, mut refusal) = (Vec::new(), None);
        for (next, uri) in elsewhere {
            match self.check_sent_on(&next) {
                Ok(()) => may_go.push((next, uri)),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        if let (true, Some(refusal)) = (may_go.is_empty(), refusal) {
            self.refuse_owned(now, upstream, &request.message, &refusal);
            return None;
        }
        // RFC 3261 section 16.5: nobody is called twice.
        let Some((next, uri)) = may_go.into_iter().find(|(next, uri)| !next.sent_on_by.contains(uri)) else {
            let circle = next_called(&request);
            self.refuse_owned(now, upstream, &request.message, &circle);
            return None;
        };
        self.record_routed(now, &request.message, &format!("{uri}, where the one called sends him"));
        self.send_elsewhere(now, upstream, next);
        None
    }

    /// By the worker to which the answer goes.
    pub(crate) fn send_elsewhere(&mut self, now: Instant, upstream: Upstream, next: AdmittedRequest) {
        if self.ownership.is_ours(upstream.worker) {
            self.redirected(now, next);
        } else {
            self.hand(upstream.worker, Handoff::Redirected(Box::new(next)));
        }
    }

    /// The same request to another address, if that is one to which we can route.
    pub(crate) fn addressed(&self, request: &AdmittedRequest, uri: &str) -> Option<(AdmittedRequest, String)> {
        let mut edits = Edits::new();
        edits.set_request_uri(uri);
        if request.routes_taken > 0 {
            edits.remove_first_value(sip::HeaderName::Route, request.routes_taken);
        }
        let message = Message::parse(edits.apply(&request.message)).ok()?;
        let nothing = OwnRoutes::default();
        let (organisation, connections) = (&self.organisation, self.limits.partner_connections);
        let destination = route_own(&message, &request.admitted, &nothing, organisation, connections).ok()?;
        let is_person = matches!(destination, Destination::User(_) | Destination::Partner { .. });
        let now_for = request.message.request_uri().and_then(|uri| plain(&Uri::parse(uri).ok()?));
        let sent_on_by = request.sent_on_by.iter().cloned().chain(now_for).collect();
        let next = AdmittedRequest { message, destination, routes_taken: 0, sent_on_by, ..request.clone() };
        is_person.then(|| (next, uri.to_owned()))
    }

    /// Whether the caller may speak with whom he is sent to: asked as if he had called there himself.
    ///
    /// # Errors
    /// Those of the domain's standing, and of the external access policies.
    pub(crate) fn check_sent_on(&mut self, next: &AdmittedRequest) -> Result<(), Refusal> {
        if let Destination::Partner { domain, .. } = &next.destination
            && !self.organisation.is_local(domain)
        {
            self.partners.standing(domain).check(domain)?;
        }
        match &next.ingress {
            Ingress::Agent(AgentKey::Conference(id)) => {
                self.check_meeting_invites(id, &next.message, &next.destination)
            }
            _ => self.check_external_access(&next.message, &next.admitted, &next.destination, None),
        }
    }

    /// On the worker to which the answer goes: its CANCEL must find the new owner, or has come already.
    pub(crate) fn redirected(&mut self, now: Instant, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        if self.is_taken_back(upstream) {
            return self.respond_generated(now, upstream, &request.message, 487);
        }
        let owner = request.destination.owner(&self.ownership).unwrap_or(self.ownership.worker);
        match upstream.requester {
            Requester::Outside(transaction) => self.acceptor.forget_owner(transaction),
            Requester::Agent(serial) => self.asked.set_owner(serial, owner),
            Requester::Notifier(_) => {}
        }
        self.give_to_owner(now, request);
    }

    fn is_taken_back(&self, upstream: Upstream) -> bool {
        match upstream.requester {
            Requester::Outside(transaction) => self.acceptor.is_cancelled(transaction),
            Requester::Agent(serial) => self.asked.is_cancelled(serial),
            Requester::Notifier(_) => false,
        }
    }
}

/// Each sends on to another of them.
fn next_called(request: &AdmittedRequest) -> Refusal {
    let (last, rest) = (request.message.request_uri().unwrap_or_default(), request.sent_on_by.join(", "));
    let reason = match rest.is_empty() {
        true => format!("{last} sends callers to itself"),
        false => format!("{last} sends callers back to one of those who sent this one there: {rest}"),
    };
    Refusal::new(482, Word::LoopDetected, reason)
}

/// The addresses that a redirection names, the most wanted first; without what a request must not inherit of them.
fn contacts(response: &Message) -> Vec<String> {
    let mut wanted: Vec<(f32, String)> = response
        .contacts()
        .flatten()
        .filter_map(|contact| {
            let address = contact.address()?;
            Some((wanted(address), plain(&address.uri())?))
        })
        .take(CONTACTS_MAX)
        .collect();
    wanted.sort_by(|one, other| other.0.total_cmp(&one.0));
    wanted.into_iter().map(|(_, uri)| uri).collect()
}

fn wanted(address: &NameAddr<'_>) -> f32 {
    address.param("q").flatten().and_then(|q| q.parse().ok()).unwrap_or(1.0)
}

/// User and host: neither headers nor parameters of a stranger's choice (RFC 3261 section 19.1.5).
fn plain(uri: &Uri<'_>) -> Option<String> {
    uri.user().map(|user| format!("sip:{user}@{}", uri.host_lowercase()))
}

/// Who is sent on more often is sent in a circle.
const REDIRECTIONS_MAX: usize = 5;
const CONTACTS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_contacts_are_looked_at_and_the_most_wanted_comes_first() {
        let listed: Vec<_> = (0..20).map(|number| format!("<sip:n{number}@b.example>;q=0.{number:02}")).collect();
        let text = format!(
            "SIP/2.0 302 Moved\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=f\r\n\
             To: <sip:b@b.example>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: {}\r\nContent-Length: 0\r\n\r\n",
            listed.join(", ")
        );
        let found = contacts(&Message::parse(text.into_bytes().into()).unwrap());
        assert_eq!((found.len(), found[0].as_str()), (CONTACTS_MAX, "sip:n9@b.example"));
    }
}
