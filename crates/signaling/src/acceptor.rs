//! What the worker does on which a request arrives: screening, the server transaction, admission (`admitting`), and the
//! decision where it goes. From there the target's owner takes over (`owner`); what comes back goes up by `responding`.

mod admitting;
mod cancelling;
mod responding;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use federation::admission::{Admitted, Decision, Evidence, Origin, Tier};
use federation::flow::FlowFacts;
use federation::screen::screen;
use federation::verification::Rung;
use sip::proxy::forward::received_via;
use sip::refusal::Word;
use sip::transaction::{RequestOutcome, ServerTransactionId};
use sip::{Aor, Edits, FlowId, HeaderName, Message, Method, Refusal};

pub(crate) use admitting::from_domain;
pub(crate) use cancelling::cancel_reason;
pub(crate) use responding::{draining, no_answer, overloaded, refusal_response, store_failed};

use crate::core::Core;
use crate::route::{Destination, OwnRoutes, route};
use crate::shares::{Peer, ShareLimits, Shares};
use crate::{AdmittedRequest, Handoff, Ingress, Output, Requester, Upstream, WorkerId};

/// The server transactions of this worker, and where each was handed to.
#[derive(Debug, Default)]
pub(crate) struct Acceptor {
    whereabouts_by_server: BTreeMap<ServerTransactionId, Given>,
    /// Those of them whose owner was told that the caller gave up.
    cancelled: BTreeSet<ServerTransactionId>,
    shares: Shares,
}

/// Where a request went: to its target's owner, perhaps by way of whoever counts it.
#[derive(Debug, Clone, Copy)]
struct Given {
    next: WorkerId,
    owner: WorkerId,
    by_ledger: bool,
}

/// A request between its arrival and its admission.
pub(crate) struct Arrival {
    /// `None` for an ACK to a 2xx, which has no transaction.
    pub upstream: Option<Upstream>,
    pub facts: FlowFacts,
    pub message: Message,
    pub own_routes: OwnRoutes,
    pub evidence: Evidence,
    pub came_at: Instant,
}

impl Arrival {
    fn admitted(self, admitted: Admitted, destination: Destination, admitted_unix_ms: u64) -> AdmittedRequest {
        let Arrival { message, facts, own_routes, upstream, .. } = self;
        AdmittedRequest {
            message,
            admitted,
            ingress: Ingress::Flow(facts),
            destination,
            routes_taken: own_routes.count,
            sent_on_by: Vec::new(),
            upstream,
            admitted_unix_ms,
        }
    }
}

impl Acceptor {
    pub(crate) fn forget(&mut self, id: ServerTransactionId) {
        self.whereabouts_by_server.remove(&id);
        self.cancelled.remove(&id);
        self.shares.give_back(id);
    }

    /// Whoever it was handed to has given it back.
    pub(crate) fn forget_owner(&mut self, id: ServerTransactionId) {
        self.whereabouts_by_server.remove(&id);
    }

    pub(crate) fn went_to(&mut self, id: ServerTransactionId, owner: WorkerId) {
        self.whereabouts_by_server.insert(id, Given { next: owner, owner, by_ledger: false });
    }

    pub(crate) fn went_by_ledger(&mut self, id: ServerTransactionId, keeper: WorkerId, owner: WorkerId) {
        self.whereabouts_by_server.insert(id, Given { next: keeper, owner, by_ledger: true });
    }

    pub(crate) fn is_cancelled(&self, id: ServerTransactionId) -> bool {
        self.cancelled.contains(&id)
    }
}

impl Core {
    /// A request from outside.
    pub(crate) fn accept(&mut self, now: Instant, facts: &FlowFacts, message: Message) {
        if let Err(refusal) = screen(&message).and_then(|()| self.location.check_contacts(&message)) {
            self.record_turned_away(now, facts.id, &message, &refusal);
            return self.refuse_stateless(now, facts, &message, &refusal);
        }
        let message = if facts.is_inner { message } else { self.reveal_request(message) };
        let arrival = self.arrival(now, facts, stamp_received(message, facts.remote));
        let judged = match self.judge_at_once(now, &arrival) {
            Ok(judged) => judged,
            Err(refusal) => return self.refuse_stateless(now, facts, &arrival.message, &refusal),
        };
        let message = &arrival.message;
        match self.transactions.handle_request(now, facts.id, message) {
            RequestOutcome::New(transaction) => {
                let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Outside(transaction) };
                self.begin(now, Arrival { upstream: Some(upstream), ..arrival }, judged);
            }
            RequestOutcome::AckFor2xx => self.decide(now, arrival, None),
            RequestOutcome::Cancel { cancelled } => {
                if let Some(transaction) = cancelled {
                    self.draft_cancelled(Requester::Outside(transaction));
                    self.cancel(now, transaction, cancel_reason(message));
                }
            }
            RequestOutcome::CancelOfNothing => self.cancel_elsewhere(now, facts, message),
            RequestOutcome::Absorbed => {}
            RequestOutcome::Malformed(error) => {
                let refusal = Refusal::new(400, Word::MalformedRequest, error.to_string());
                self.record_turned_away(now, facts.id, message, &refusal);
                self.refuse_stateless(now, facts, message, &refusal);
            }
            RequestOutcome::Full => {
                self.counts.hit("server_transactions_max");
                let refusal = overloaded("too many server transactions");
                self.record_turned_away(now, facts.id, message, &refusal);
                self.refuse_stateless(now, facts, message, &refusal);
            }
        }
    }

    fn arrival(&self, now: Instant, facts: &FlowFacts, message: Message) -> Arrival {
        let own_routes = OwnRoutes::of(&message, &self.organisation, facts.local.ip(), &self.mint);
        let sender = Aor::of_sender(&message);
        let is_proven = |aor| match facts.is_inner {
            true => self.proves_remote(&aor, &own_routes, &message),
            false => own_routes.proves(&aor, facts.id, &self.mint),
        };
        let evidence = Evidence {
            // By our Path comes, too, what a home sends within a dialog to a phone that has another connection by now.
            in_dialog: own_routes.exit().is_some()
                && (!own_routes.by_path || (facts.is_inner && message.is_within_dialog())),
            proven_outside: facts.is_inner
                && sender.as_ref().is_some_and(|aor| self.is_proven_outside(now, aor, &message)),
            proven_by_route: sender.is_some_and(is_proven),
            to_outside: own_routes.leads_to_phone(),
            is_of_peer: from_domain(&message).is_some_and(|domain| own_routes.entered_by_partner(&domain)),
            proven_before: self.proven_before(facts.id, &message),
            // What was concealed comes to light only after it was screened.
            is_screened: facts.is_inner || !self.hides_topology(),
            ..Evidence::default()
        };
        Arrival { upstream: None, facts: facts.clone(), message, own_routes, evidence, came_at: now }
    }

    /// By which rung the domain in From was proven when it last spoke on this connection, if it was the last to do so.
    fn proven_before(&self, flow: FlowId, message: &Message) -> Option<Rung> {
        let state = self.flows.get(flow).filter(|state| state.partner.is_some())?;
        state.rung.filter(|_| state.partner == from_domain(message))
    }

    fn begin(&mut self, now: Instant, arrival: Arrival, judged: Option<Decision>) {
        if self.is_draining && !arrival.evidence.in_dialog {
            return self.refuse_unproven(now, arrival, &draining());
        }
        self.decide(now, arrival, judged);
    }

    /// Admitted: fixes what the flow is, decides where the request goes, and gives it to the owner of that.
    fn send_on(&mut self, now: Instant, arrival: Arrival, admitted: Admitted) {
        let flow = arrival.facts.id;
        if self.flows.fix(flow, admitted.kind()) {
            self.count_flow(&arrival.facts, Peer::of(admitted.origin()));
        }
        let users_max = self.limits.users_per_flow_max;
        if admitted.signs_in().is_some_and(|user| !self.flows.signed_in(flow, user, users_max)) {
            self.counts.hit("users_per_flow_max");
        }
        self.record_admitted(now, &arrival, &admitted);
        if !flow.is_reliable() && admitted.signs_in().is_some() {
            self.prove_address(now, arrival.facts.remote.ip());
        }
        if let Err(refusal) = self.take_share(&arrival, &admitted) {
            return self.refuse_and_forget(now, arrival, &refusal);
        }
        if arrival.message.method() == Some(Method::Bye) {
            self.call_ended(now, &arrival.message);
        }
        if let Origin::Partner { domain, rung, .. } = admitted.origin() {
            self.flows.speaks_for(flow, domain, *rung);
            self.proven_on(&arrival.facts, domain, &arrival.message);
            self.partner_heard(domain);
        }
        self.remote_came(&arrival, &admitted);
        if let Some(Upstream { requester: Requester::Outside(transaction), .. }) = arrival.upstream {
            self.invited(now, &arrival.message, &admitted, transaction);
        }
        let organisation = &self.organisation;
        let connections = self.limits.partner_connections;
        let routed = route(&arrival.message, &admitted, &arrival.own_routes, &self.mint, organisation, connections);
        let routed = routed.or_else(|refusal| self.to_sharer(&arrival.message, &admitted).ok_or(refusal));
        let destination = match routed {
            Err(refusal) => return self.refuse_arrival(now, arrival, &refusal),
            Ok(destination) => destination.or_conference(|| self.new_conference()),
        };
        if let Some(keeper) = self.keeper_of_replaced(&arrival, &admitted, &destination) {
            return self.ask_keeper(now, keeper, arrival.admitted(admitted, destination, self.unix_ms(now)));
        }
        if let Err(refusal) =
            self.check_external_access(&arrival.message, &admitted, &destination, arrival.own_routes.exit())
        {
            return self.refuse_arrival(now, arrival, &refusal);
        }
        self.note_sent(now, &arrival.message, &admitted, &destination);
        let destination = match destination {
            Destination::Agent(_) => destination,
            other => self.in_open_session(&arrival.message, &admitted, other),
        };
        let in_dialog = arrival.own_routes.exit().is_some();
        self.meter(now, arrival.admitted(admitted, destination, self.unix_ms(now)), in_dialog);
    }

    /// What one user or one partner has under way is bounded, so that something is left for all others.
    fn take_share(&mut self, arrival: &Arrival, admitted: &Admitted) -> Result<(), Refusal> {
        let Some(Upstream { requester: Requester::Outside(transaction), .. }) = arrival.upstream else { return Ok(()) };
        let limits = ShareLimits {
            user_max: self.limits.requests_per_user_max,
            partner_max: self.limits.requests_per_partner_max,
        };
        let outside = self.share_outside(arrival, admitted);
        let origin = outside.as_ref().unwrap_or(admitted.origin());
        let Err(limit) = self.acceptor.shares.take(transaction, origin, arrival.evidence.in_dialog, limits) else {
            return Ok(());
        };
        self.counts.hit(limit);
        if let Origin::Partner { domain, standing: Tier::Allowed, source, .. } = origin {
            let is_monitored = self.partners.is_monitored(domain, source.provider.as_deref());
            self.counts.over_share_of_partners[usize::from(!is_monitored)] += 1;
            self.count_of_partner(domain, |counts| counts.over_share += 1);
        }
        Err(overloaded("too much of the same sender is under way"))
    }

    pub(crate) fn give_to_owner(&mut self, now: Instant, request: AdmittedRequest) {
        self.draft_records(now, &request);
        let owner = request.destination.owner(&self.ownership).unwrap_or(self.ownership.worker);
        if self.ownership.is_ours(owner) {
            return self.own(now, request);
        }
        if let (Destination::Registrar(_), Some(flow)) = (&request.destination, request.ingress.flow())
            && !flow.is_inner
        {
            self.move_flow(flow.id, owner);
        }
        if let Some(Upstream { requester: Requester::Outside(transaction), .. }) = request.upstream {
            self.acceptor.went_to(transaction, owner);
        }
        self.hand(owner, Handoff::Request(Box::new(request)));
    }

    /// A client's flow moves to its user's owner, once, unless something else that came in on it is still open here:
    /// a CANCEL must find its INVITE, and another user of ours may be bound to it. Then it may move with a later
    /// REGISTER.
    fn move_flow(&mut self, flow: sip::FlowId, to: WorkerId) {
        let accepted_here = matches!(flow, sip::FlowId::Stream { worker, .. } if self.ownership.is_ours(worker));
        let is_busy = !self.transactions.pending_invites(flow).is_empty() || self.location.carries(flow);
        if !accepted_here || is_busy {
            return;
        }
        if let Some(state) = self.flows.relocate(flow, to) {
            self.put(Output::MoveFlow { flow, to });
            self.hand(to, Handoff::FlowMoved { flow, kind: state.kind, users: state.users });
        }
    }

    pub(crate) fn refuse_arrival(&mut self, now: Instant, arrival: Arrival, refusal: &Refusal) {
        self.record_refused(now, &arrival.message, refusal);
        if let Some(upstream) = arrival.upstream {
            self.refuse(now, upstream, &arrival.message, refusal);
        }
    }
}

/// RFC 3261 section 18.2.1 and RFC 3581: where the request really came from, said in its top Via.
fn stamp_received(message: Message, source: SocketAddr) -> Message {
    let Ok(Some(via)) = received_via(&message, source) else { return message };
    let mut edits = Edits::new();
    edits.replace_first_value(HeaderName::Via, via);
    Message::parse(edits.apply(&message)).unwrap_or(message)
}
