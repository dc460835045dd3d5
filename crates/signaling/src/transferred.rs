//! Calls that are transferred to the address of a device (RFC 5589 section 7.3): a phone names the Contact of the one consulted,
//! and unless that is a GRUU nobody can route it. The call that the INVITE is to take the place of (RFC 3891) says who is meant.
//!
//! Who takes part in a call is kept by hash(Call-ID): the INVITE passes there on its way. Only calls that went through this
//! organisation are known; which device has such an address is not asked.

use std::time::Instant;

use federation::admission::{Admitted, Origin};
use sip::{Message, Method, Uri};

use crate::acceptor::Arrival;
use crate::core::Core;
use crate::owner::Target;
use crate::route::Destination;
use crate::{AdmittedRequest, Handoff, Requester, Upstream, WorkerId};

impl Core {
    /// Whether an INVITE of a user of ours takes the place of a call, and is for an address that is of no partner in our list: the
    /// worker that would know the call.
    pub(crate) fn keeper_of_replaced(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        to: &Destination,
    ) -> Option<WorkerId> {
        let (Destination::Partner { domain, .. }, Origin::User { .. }) = (to, admitted.origin()) else { return None };
        let message = &arrival.message;
        let begins = message.method() == Some(Method::Invite) && !message.is_within_dialog();
        let is_known = self.organisation.is_local(domain) || self.partners.standing(domain).entry().is_some();
        if !begins || is_known || arrival.own_routes.exit().is_some() {
            return None;
        }
        let replaced = message.replaces().ok().flatten()?;
        Some(self.ownership.of_call(&replaced.dialog.call_id))
    }

    pub(crate) fn ask_keeper(&mut self, now: Instant, keeper: WorkerId, request: AdmittedRequest) {
        if self.ownership.is_ours(keeper) {
            return self.find_replaced(now, request);
        }
        if let Some(Upstream { requester: Requester::Outside(transaction), .. }) = request.upstream {
            self.acceptor.went_to(transaction, keeper);
        }
        self.hand(keeper, Handoff::Transferred(Box::new(request)));
    }

    /// On the worker that keeps the call: on to whoever of the two is meant, as if he had been called by his address. What is of no
    /// call that is known here goes where it would have gone.
    pub(crate) fn find_replaced(&mut self, now: Instant, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let next = self.for_whoever_is_replaced(now, &request);
        let checked = match &next {
            Some(next) => self.check_sent_on(next),
            None => self.check_sent_on(&request).map_err(|mut refusal| {
                refusal.reason = format!("{}; {OF_DEVICE}", refusal.reason);
                refusal
            }),
        };
        match (checked, next) {
            (Err(refusal), _) => self.refuse_owned(now, upstream, &request.message, &refusal),
            (Ok(()), Some(next)) => self.send_elsewhere(now, upstream, next),
            (Ok(()), None) => {
                self.note_sent(now, &request.message, &request.admitted, &request.destination);
                self.send_elsewhere(now, upstream, request);
            }
        }
    }

    fn for_whoever_is_replaced(&mut self, now: Instant, request: &AdmittedRequest) -> Option<AdmittedRequest> {
        let replaced = request.message.replaces().ok().flatten()?;
        let who = self.proxied.party(&replaced.dialog)?.clone();
        let uri = Uri::parse(request.message.request_uri()?).ok()?;
        let (next, _) = self.addressed(request, &format!("{}:{who}", uri.scheme()))?;
        self.record_routed(
            now,
            &request.message,
            &format!("{who}, who has the call that this one is to take the place of"),
        );
        Some(AdmittedRequest { sent_on_by: vec![uri.as_str().to_owned()], ..next })
    }
}

/// Of the devices of a user those that an INVITE was for before it was sent to him: all, where none of them has that address.
pub(crate) fn meant(request: &AdmittedRequest, devices: Vec<Target>) -> Vec<Target> {
    let was_for = request.sent_on_by.last().and_then(|uri| Uri::parse(uri).ok());
    let Some(was_for) = was_for.filter(|_| takes_place(&request.message)) else { return devices };
    let is_there = |target: &Target| {
        let contact = target.request_uri.as_deref().and_then(|uri| Uri::parse(uri).ok());
        contact.is_some_and(|contact| contact.eq_uri(&was_for))
    };
    let (meant, others): (Vec<Target>, Vec<Target>) =
        devices.into_iter().partition(|device| is_there(device) || device.others.iter().any(is_there));
    if meant.is_empty() { others } else { meant }
}

fn takes_place(message: &Message) -> bool {
    message.replaces().is_ok_and(|replaced| replaced.is_some())
}

/// What the refusal of such an INVITE says besides.
pub const OF_DEVICE: &str =
    "a call was transferred to this address of a device, and the one that it is to replace is not known here";
