//! A phone that no longer has the connection of its dialog, and is there again over another one.
//!
//! A dialog's Route is as it was in the beginning, and our token in it names the connection of then (RFC 5626 section 5.3). Where
//! the phone has come back, the other side addresses it by its Contact: as it was, where that names no connection (RFC 7118
//! section 5, RFC 5627), or as a re-INVITE has said it since. Whoever has registered that very Contact is meant.

use std::cmp::Reverse;
use std::time::Instant;

use sip::{Aor, FlowId, HeaderName, Uri};

use super::Target;
use crate::core::Core;
use crate::outbound::{gruu, is_sips};
use crate::route::{Destination, TokenUser, flow_failed};
use crate::{AdmittedRequest, Handoff};

impl Core {
    /// On to whoever knows where the user is whom the token names, as To has to.
    pub(super) fn relay_moved(
        &mut self,
        now: Instant,
        (user, was): (Option<TokenUser>, FlowId),
        mut request: AdmittedRequest,
    ) {
        let named = request.message.to().ok().and_then(|to| Aor::from_uri(&to.uri()).ok());
        let named = named.filter(|aor| self.organisation.is_local(aor.domain()) && user == Some(self.mint.user(aor)));
        let Some(aor) = named.filter(|_| request.message.is_within_dialog()) else {
            return self.relay_as_it_was(now, was, request);
        };
        let owner = self.ownership.of_aor(&aor);
        request.destination = Destination::Moved { aor: aor.clone(), was };
        match request.upstream {
            _ if self.ownership.is_ours(owner) => self.relay_to_contact(now, (&aor, was), request),
            // So that its CANCEL follows.
            Some(upstream) => self.send_elsewhere(now, upstream, request),
            None => self.hand(owner, Handoff::Request(Box::new(request))),
        }
    }

    pub(super) fn relay_to_contact(&mut self, now: Instant, (aor, was): (&Aor, FlowId), request: AdmittedRequest) {
        match self.registered_again(now, (aor, was), &request) {
            Some(target) => self.send_single(now, request, target),
            None => self.relay_as_it_was(now, was, request),
        }
    }

    /// The device of this user whose Contact, or whose GRUU, the Request-URI is.
    fn registered_again(&self, now: Instant, (aor, was): (&Aor, FlowId), request: &AdmittedRequest) -> Option<Target> {
        let message = &request.message;
        let uri = Uri::parse(message.request_uri()?).ok()?;
        let mut bindings = match gruu(message) {
            Some(gruu) => self.location.named_device(now, aor, &gruu),
            None => self.location.lookup(now, aor),
        };
        let is_contact = |contact: &str| Uri::parse(contact).is_ok_and(|contact| contact.eq_uri(&uri));
        bindings.retain(|binding| gruu(message).is_some() || is_contact(binding.request_uri()));
        // Of two that call themselves the same, the one that the dialog is of.
        bindings.sort_by_key(|binding| Reverse((binding.flow.id == was, binding.registered_at)));
        let first = *bindings.first()?;
        bindings.retain(|binding| std::ptr::eq(*binding, first) || binding.is_same_instance(first));
        let target = self.device(aor, &bindings, is_sips(message))?;
        // A dialog's Route stays as it was: those before the phone that want to be on the way are in it.
        let has_routes = message.elements(HeaderName::Route).count() > request.routes_taken;
        let path = if has_routes && target.edge.is_none() { Vec::new() } else { target.path };
        Some(Target { leg: None, path, ..target })
    }

    /// To the address to which datagrams went; what went over a connection is refused, since that has ended.
    fn relay_as_it_was(&mut self, now: Instant, was: FlowId, request: AdmittedRequest) {
        if !was.is_reliable() {
            return self.relay_over(now, was, None, request);
        }
        if let Some(upstream) = request.upstream {
            let refusal = flow_failed(&request.message, "the connection that the dialog runs over has ended");
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
    }
}
