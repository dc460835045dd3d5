//! Where a phone is within a dialog: it may have gone from the connection over which that began, and be there over another one.
//!
//! A dialog's Route is as it was in the beginning, and our token in it names the connection of then (RFC 5626 section 5.3), which may
//! have ended, or stand there unnoticed while the phone is on another network. The other side addresses the phone by its Contact: as
//! it was, where that names no connection (RFC 7118 section 5, RFC 5627), or as a re-INVITE has said it since. Whoever has
//! registered that very Contact is meant, and may have come back by an edge, by another edge, or inside. Where our own connection
//! has ended and nobody has, it is the only device that there is; of one to an edge we do not know.

use std::cmp::Reverse;
use std::time::Instant;

use registrar::{Binding, EdgeFlow};
use sip::{Aor, FlowId, HeaderName, Message, Uri};

use super::{Target, no_secure_way};
use crate::core::Core;
use crate::flow_table::Whereabouts;
use crate::outbound::{gruu, is_sips};
use crate::route::{Began, Destination, TokenUser, flow_failed};
use crate::{AdmittedRequest, Handoff, WorkerId};

impl Core {
    /// Within a dialog, or by our Path, over the flow that our own token names.
    pub(super) fn relay(
        &mut self,
        now: Instant,
        flow: FlowId,
        (user, by_path): (Option<TokenUser>, bool),
        request: AdmittedRequest,
    ) {
        match (self.flows.whereabouts_handed(flow), user) {
            (Whereabouts::At(owner), _) => self.hand(owner, Handoff::Request(Box::new(request))),
            // It may be there still, and the phone elsewhere: which an edge alone knows of nobody.
            (here, Some(user)) if !by_path && !self.organisation.is_edge_only() => {
                let began = Began::On { flow, has_ended: here == Whereabouts::Gone };
                self.relay_in_dialog(now, user, began, request);
            }
            (Whereabouts::Here, user) => self.relay_over(now, flow, user.filter(|_| by_path), request),
            (Whereabouts::Gone, _) => self.refuse_ended(now, &request, by_path),
        }
    }

    /// The same to a phone outside, over the connection to an edge that our token names.
    pub(super) fn relay_by_edge(
        &mut self,
        now: Instant,
        edge: String,
        phone: Option<(u64, TokenUser)>,
        request: AdmittedRequest,
    ) {
        match phone {
            Some((number, user)) => self.relay_in_dialog(now, user, Began::AtEdge { edge, number }, request),
            None => self.send_to_edge(now, request),
        }
    }

    fn relay_over(&mut self, now: Instant, flow: FlowId, by_path: Option<TokenUser>, request: AdmittedRequest) {
        let (transport, local_port) = self.facts_of(flow);
        if is_sips(&request.message) && !transport.is_secure() {
            if let Some(upstream) = request.upstream {
                self.refuse_owned(now, upstream, &request.message, &no_secure_way());
            }
            return;
        }
        let target = Target {
            flow,
            transport,
            local_port,
            request_uri: self.contact_of_gruu(now, &request.message, flow),
            path: Vec::new(),
            leg: by_path.map(|user| self.mint.leg_of(self.ownership.worker, flow, user)),
            q: 1000,
            others: Vec::new(),
            breadth: None,
            edge: None,
        };
        self.send_single(now, request, target);
    }

    /// On to whoever knows where the user is whom the token names, as To has to.
    fn relay_in_dialog(&mut self, now: Instant, user: TokenUser, began: Began, mut request: AdmittedRequest) {
        let named = request.message.to().ok().and_then(|to| Aor::from_uri(&to.uri()).ok());
        let named = named.filter(|aor| self.organisation.is_local(aor.domain()) && user == self.mint.user(aor));
        let Some(aor) = named.filter(|_| request.message.is_within_dialog()) else {
            return self.relay_as_it_began(now, began, request);
        };
        let owner = self.ownership.of_aor(&aor);
        if self.ownership.is_ours(owner) {
            return self.relay_to_contact(now, &aor, began, request);
        }
        request.destination = Destination::InDialog { aor, began };
        self.pass_to(now, owner, request);
    }

    fn pass_to(&mut self, now: Instant, worker: WorkerId, request: AdmittedRequest) {
        match request.upstream {
            // So that its CANCEL follows.
            Some(upstream) => self.send_elsewhere(now, upstream, request),
            None => self.hand(worker, Handoff::Request(Box::new(request))),
        }
    }

    pub(super) fn relay_to_contact(&mut self, now: Instant, aor: &Aor, began: Began, mut request: AdmittedRequest) {
        let taken = request.routes_taken + routes_of_edge(&began, &request);
        match self.registered_again(now, aor, &began, (&request.message, taken)) {
            Some(target) if !self.is_where_it_began(&began, (target.flow, target.edge)) => {
                request.routes_taken = taken;
                // Wherever it began, no other way than this one leads to it.
                request.destination = Destination::InDialog { aor: aor.clone(), began };
                self.send_single(now, request, target);
            }
            _ => self.relay_as_it_began(now, began, request),
        }
    }

    fn is_where_it_began(&self, began: &Began, (at, by_edge): (FlowId, Option<EdgeFlow>)) -> bool {
        match (began, by_edge) {
            (Began::On { flow, .. }, None) => at == *flow,
            (Began::AtEdge { edge, number }, Some(by)) => by.number == *number && self.edge_name(by) == edge,
            _ => false,
        }
    }

    /// The device of this user whose Contact, or whose GRUU, the Request-URI is; `taken`: the Routes that do not lead on from here.
    fn registered_again(
        &self,
        now: Instant,
        aor: &Aor,
        began: &Began,
        (message, taken): (&Message, usize),
    ) -> Option<Target> {
        let uri = Uri::parse(message.request_uri()?).ok()?;
        let mut bindings = match gruu(message) {
            Some(gruu) => self.location.named_device(now, aor, &gruu),
            None => self.location.lookup(now, aor),
        };
        let is_contact = |contact: &str| Uri::parse(contact).is_ok_and(|contact| contact.eq_uri(&uri));
        bindings.retain(|binding| gruu(message).is_some() || is_contact(binding.request_uri()));
        if bindings.is_empty() && matches!(began, Began::On { has_ended: true, .. }) {
            let devices = self.location.devices(now, aor);
            bindings = <[_; 1]>::try_from(devices).map(|[device]| device).unwrap_or_default();
        }
        // Of two that call themselves the same, the one that the dialog is of.
        let is_of_dialog = |binding: &Binding| self.is_where_it_began(began, (binding.flow.id, binding.flow.edge));
        bindings.sort_by_key(|binding| Reverse((is_of_dialog(binding), binding.registered_at)));
        let first = *bindings.first()?;
        bindings.retain(|binding| std::ptr::eq(*binding, first) || binding.is_same_instance(first));
        let mut target = self.device(aor, &bindings, is_sips(message))?;
        // A dialog's Route stays as it was: those before the phone that want to be on the way are in it.
        let has_routes = message.elements(HeaderName::Route).count() > taken;
        let others = std::mem::take(&mut target.others);
        let within = |target: Target| {
            let mut path = target.path;
            if has_routes {
                path.truncate(usize::from(target.edge.is_some()));
            }
            Target { leg: None, path, ..target }
        };
        Some(Target { others: others.into_iter().map(within).collect(), ..within(target) })
    }

    /// Over the connection of then, which another worker may have, or to the address to which datagrams went.
    fn relay_as_it_began(&mut self, now: Instant, began: Began, mut request: AdmittedRequest) {
        let (flow, has_ended) = match began {
            Began::On { flow, has_ended } => (flow, has_ended),
            Began::AtEdge { edge, .. } => {
                request.destination = Destination::Edge { edge, phone: None };
                return self.send_to_edge(now, request);
            }
        };
        match self.flows.whereabouts(flow, self.ownership.worker) {
            Whereabouts::Here => self.relay_over(now, flow, None, request),
            Whereabouts::At(worker) if !has_ended => {
                request.destination = Destination::Flow { worker, flow, user: None, by_path: false };
                self.pass_to(now, worker, request);
            }
            Whereabouts::At(_) | Whereabouts::Gone => self.refuse_ended(now, &request, false),
        }
    }

    fn refuse_ended(&mut self, now: Instant, request: &AdmittedRequest, by_path: bool) {
        if let Some(upstream) = request.upstream {
            let reason = "the connection that the dialog runs over has ended";
            let refusal = flow_failed(&request.message, by_path, reason);
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
    }
}

/// How many of the Routes that are left lead over the edge of then: as we do, it has recorded itself for each of its sides, the inner
/// one first.
fn routes_of_edge(began: &Began, request: &AdmittedRequest) -> usize {
    let Began::AtEdge { edge, .. } = began else { return 0 };
    let mut left = request.message.routes().skip(request.routes_taken);
    let is_of_edge = left.next().is_some_and(|route| route.is_ok_and(|route| route.uri().host_lowercase() == *edge));
    if is_of_edge { 1 + left.take(1).count() } else { 0 }
}
