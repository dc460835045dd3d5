//! What the worker does on which a request arrives: screening, the server transaction, admission, and the decision
//! where it goes. From there the target's owner takes over (`owner`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use federation::admission::{self, Admitted, Decision, Evidence, Flow, Origin, Rules};
use federation::flow::{FlowFacts, FlowKind};
use federation::screen::screen;
use sip::proxy::forward::received_via;
use sip::refusal::Word;
use sip::transaction::{RequestOutcome, ServerTransactionId};
use sip::{Aor, Edits, HeaderName, Message, Method, Refusal, build};

use crate::core::Core;
use crate::diagnostics::Told;
use crate::extensions::check_require;
use crate::route::{Destination, OwnRoutes, route};
use crate::shares::{ShareLimits, Shares};
use crate::waiting::Asker;
use crate::{AdmittedRequest, Answer, Handoff, Ingress, Output, Question, Requester, Upstream, WorkerId};

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
}

/// A request between its arrival and its admission.
pub(crate) struct Arrival {
    /// `None` for an ACK to a 2xx, which has no transaction.
    pub upstream: Option<Upstream>,
    pub facts: FlowFacts,
    pub message: Message,
    pub own_routes: OwnRoutes,
    pub evidence: Evidence,
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

    pub(crate) fn went_to(&mut self, id: ServerTransactionId, next: WorkerId, owner: WorkerId) {
        self.whereabouts_by_server.insert(id, Given { next, owner });
    }

    pub(crate) fn is_cancelled(&self, id: ServerTransactionId) -> bool {
        self.cancelled.contains(&id)
    }
}

impl Core {
    /// A request from outside.
    pub(crate) fn accept(&mut self, now: Instant, facts: &FlowFacts, message: Message) {
        if let Err(refusal) = screen(&message).and_then(|()| self.location.check_contacts(&message)) {
            self.count_refused(&message, &refusal);
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
                    self.cancel(now, transaction);
                }
            }
            RequestOutcome::CancelOfNothing => self.cancel_elsewhere(now, facts, message),
            RequestOutcome::Absorbed => {}
            RequestOutcome::Malformed(error) => {
                let refusal = Refusal::new(400, Word::MalformedRequest, error.to_string());
                self.count_refused(message, &refusal);
                self.refuse_stateless(now, facts, message, &refusal);
            }
            RequestOutcome::Full => {
                self.counts.hit("server_transactions_max");
                let refusal = overloaded("too many server transactions");
                self.count_refused(message, &refusal);
                self.refuse_stateless(now, facts, message, &refusal);
            }
        }
    }

    fn arrival(&self, now: Instant, facts: &FlowFacts, message: Message) -> Arrival {
        let own_routes = OwnRoutes::of(&message, &self.organisation, facts.local.ip(), &self.mint);
        let sender = message.from().ok().and_then(|from| Aor::from_uri(&from.uri()).ok());
        let is_proven = |aor| match facts.is_inner {
            true => self.proves_remote(&aor, &own_routes, &message),
            false => own_routes.proves(&aor, facts.id, &self.mint),
        };
        let evidence = Evidence {
            in_dialog: own_routes.exit().is_some() && !own_routes.by_path,
            proven_outside: facts.is_inner
                && sender.as_ref().is_some_and(|aor| self.is_proven_outside(now, aor, &message)),
            route_names_flow: sender.is_some_and(is_proven),
            to_outside: own_routes.leads_to_phone(),
            // What was concealed comes to light only after it was screened.
            is_screened: facts.is_inner || !self.hides_topology(),
            ..Evidence::default()
        };
        Arrival { upstream: None, facts: facts.clone(), message, own_routes, evidence }
    }

    /// What costs a stranger nothing must cost us nothing either. The sender of a datagram is only a claim until it
    /// has answered a challenge: before that no transaction is kept for it, and each packet gets one packet back. And
    /// those who have proven nothing cannot take all transactions from those who have. Of a datagram the first run of the
    /// list is done then.
    fn judge_at_once(&mut self, now: Instant, arrival: &Arrival) -> Result<Option<Decision>, Refusal> {
        let is_stream = arrival.facts.id.is_reliable();
        let method = arrival.message.method();
        if matches!(method, Some(Method::Ack | Method::Cancel)) || self.transactions.is_known(&arrival.message) {
            return Ok(None);
        }
        let kind = self.flows.get(arrival.facts.id).map_or(FlowKind::Undecided, |state| state.kind);
        if kind == FlowKind::Undecided && self.transactions.counts().0 >= self.limits.server_transactions_unproven_max {
            self.counts.hit("server_transactions_unproven_max");
            let refusal = overloaded("too many server transactions");
            self.count_refused(&arrival.message, &refusal);
            return Err(refusal);
        }
        if let Some(refusal) = self.refused_outside(now, arrival, kind) {
            self.count_refused(&arrival.message, &refusal);
            return Err(refusal);
        }
        if self.is_only_for_dialogs() && !arrival.evidence.in_dialog {
            self.counts.hit("server_transactions_max");
            let refusal = overloaded("too many server transactions");
            self.count_refused(&arrival.message, &refusal);
            return Err(refusal);
        }
        if is_stream {
            return Ok(None);
        }
        match self.judge_arrival(now, arrival) {
            Decision::Refused(refusal) => {
                self.record_refused(now, &arrival.message, &refusal);
                Err(refusal)
            }
            judged @ (Decision::Admitted(_) | Decision::Needs(_)) => Ok(Some(judged)),
        }
    }

    /// The last tenth of the transactions is for calls that are under way: who is in one can always hang up.
    fn is_only_for_dialogs(&self) -> bool {
        let max = self.limits.server_transactions_max;
        self.transactions.counts().0 >= max - max / 10
    }

    fn begin(&mut self, now: Instant, arrival: Arrival, judged: Option<Decision>) {
        if self.is_draining && !arrival.evidence.in_dialog {
            return self.refuse_unproven(now, arrival, &draining());
        }
        self.decide(now, arrival, judged);
    }

    /// Runs the list of checks from the top with the evidence there is, unless that is done already; asks for more, refuses,
    /// or lets it through.
    fn decide(&mut self, now: Instant, mut arrival: Arrival, mut judged: Option<Decision>) {
        loop {
            match judged.take().unwrap_or_else(|| self.judge_arrival(now, &arrival)) {
                Decision::Needs(admission::Question::Srv { domain }) => match self.discovery.lookup(now, &domain) {
                    Some(known) => {
                        arrival.evidence.srv = Some(known.clone());
                        self.discovery.mark_used(&domain);
                    }
                    None => return self.await_evidence(now, arrival, Question::Srv { domain }),
                },
                Decision::Needs(admission::Question::Credentials(aor)) => {
                    return self.await_evidence(now, arrival, Question::Credentials(aor));
                }
                Decision::Refused(refusal) => return self.refuse_unproven(now, arrival, &refusal),
                Decision::Admitted(admitted) => return self.send_on(now, arrival, admitted),
            }
        }
    }

    fn judge_arrival(&mut self, now: Instant, arrival: &Arrival) -> Decision {
        let state = self.flows.get(arrival.facts.id);
        let flow = Flow {
            facts: &arrival.facts,
            kind: state.map_or(&FlowKind::Undecided, |state| &state.kind),
            users: state.map_or(&[], |state| &state.users),
        };
        let mut rules =
            Rules { organisation: &self.organisation, partners: &self.partners, now, nonces: &mut self.nonces };
        admission::admit(&arrival.message, &flow, &arrival.evidence, &mut rules)
    }

    fn await_evidence(&mut self, now: Instant, arrival: Arrival, question: Question) {
        if let Err(Asker::Admission(arrival)) = self.ask(now, question, Asker::Admission(Box::new(arrival))) {
            self.refuse_unproven(now, *arrival, &overloaded("too many requests wait for an answer"));
        }
    }

    /// The answer has come, or will not come: the same list again, with more evidence.
    pub(crate) fn resume_admission(&mut self, now: Instant, mut arrival: Arrival, answer: Option<Answer>) {
        match answer {
            Some(Answer::Credentials(Ok(found))) => arrival.evidence.credentials = Some(found),
            Some(Answer::Credentials(Err(why))) => return self.refuse_unproven(now, arrival, &store_failed(&why)),
            Some(Answer::Srv(result)) => {
                let domain = from_domain(&arrival.message);
                if let Some(domain) = &domain {
                    self.learn(now, domain, result.clone());
                }
                // Where the name servers are silent, what they said before.
                let believed = domain.and_then(|domain| self.discovery.lookup(now, &domain).cloned());
                arrival.evidence.srv = Some(believed.unwrap_or(result));
            }
            _ => return self.refuse_unproven(now, arrival, &no_answer()),
        }
        self.decide(now, arrival, None);
    }

    /// Admitted: fixes what the flow is, decides where the request goes, and gives it to the owner of that.
    fn send_on(&mut self, now: Instant, arrival: Arrival, admitted: Admitted) {
        let flow = arrival.facts.id;
        self.flows.admitted(flow, admitted.kind(), admitted.signs_in(), self.limits.users_per_flow_max);
        self.record_admitted(now, &arrival.message, &admitted);
        if !flow.is_reliable() && admitted.signs_in().is_some() {
            self.proven_addresses.prove(now, arrival.facts.remote.ip(), self.limits.proven_addresses_max);
        }
        if let Err(refusal) = self.take_share(&arrival, &admitted) {
            return self.refuse_arrival(now, arrival, &refusal);
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
        if let Err(refusal) =
            self.check_external_access(&arrival.message, &admitted, &destination, arrival.own_routes.exit())
        {
            return self.refuse_arrival(now, arrival, &refusal);
        }
        self.note_sent(&arrival.message, &admitted, &destination);
        let destination = match destination {
            Destination::Agent(_) => destination,
            other => self.in_open_session(&arrival.message, &admitted, other),
        };
        let Arrival { message, facts, own_routes, upstream, .. } = arrival;
        let (ingress, routes_taken) = (Ingress::Flow(facts), own_routes.count);
        self.meter(
            now,
            AdmittedRequest { message, admitted, ingress, destination, routes_taken, redirections: 0, upstream },
            own_routes.exit().is_some(),
        );
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
        let taken = self.acceptor.shares.take(transaction, origin, arrival.evidence.in_dialog, limits);
        taken.map_err(|limit| {
            self.counts.hit(limit);
            overloaded("too much of the same sender is under way")
        })
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
            self.acceptor.went_to(transaction, owner, owner);
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

    /// The caller gave up (RFC 3261 section 16.10): whoever works on the request stops, and answers for it.
    pub(crate) fn cancel(&mut self, now: Instant, transaction: ServerTransactionId) {
        let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Outside(transaction) };
        let waits = |asker: &Asker| match asker {
            Asker::Admission(arrival) => arrival.upstream == Some(upstream),
            Asker::Recipient(request) => request.upstream == Some(upstream),
            // What is on its way into the store cannot be taken back.
            Asker::StrayCancel(_)
            | Asker::StrayResponse(_)
            | Asker::Link(_)
            | Asker::Dial(_)
            | Asker::Refresh(_)
            | Asker::Keep(_)
            | Asker::Queue(_)
            | Asker::Settlement(_)
            | Asker::Leg { .. } => false,
        };
        match self.stop_waiting(waits) {
            Some(Asker::Admission(arrival)) => {
                self.answer_cancelled(now, upstream, &arrival);
            }
            Some(Asker::Recipient(request)) => {
                self.respond_generated(now, upstream, &request.message, 487);
            }
            _ => match self.acceptor.whereabouts_by_server.get(&transaction) {
                Some(Given { next, owner }) => {
                    self.hand(*next, Handoff::Cancel { upstream, owner: *owner });
                    self.acceptor.cancelled.insert(transaction);
                }
                None => self.cancel_owned(now, upstream),
            },
        }
    }

    pub(crate) fn refuse_arrival(&mut self, now: Instant, arrival: Arrival, refusal: &Refusal) {
        self.record_refused(now, &arrival.message, refusal);
        if let Some(upstream) = arrival.upstream {
            self.refuse(now, upstream, &arrival.message, refusal);
        }
    }

    /// Refuses a request of ours or of another worker, with the public word and nothing more.
    pub(crate) fn refuse(&mut self, now: Instant, upstream: Upstream, request: &Message, refusal: &Refusal) {
        let tag = self.mint.tag(upstream.requester.serial());
        let diagnostics = self.diagnostics_told(request, refusal);
        let told = [diagnostics, self.verdict_told(request, refusal)];
        let response = refusal_response(request, refusal, &tag, (&self.organisation.edge, told));
        self.respond(now, upstream, refusal.status, response);
    }

    /// A final response without a word: the request ended in the ordinary way.
    pub(crate) fn respond_generated(&mut self, now: Instant, upstream: Upstream, request: &Message, status: u16) {
        let tag = self.mint.tag(upstream.requester.serial());
        let response = build::response(request, status, None, Some(&tag)).build();
        self.respond(now, upstream, status, response);
    }

    /// Sends a response up the server transaction, on whichever worker that is.
    pub(crate) fn respond(&mut self, now: Instant, upstream: Upstream, status: u16, response: Bytes) {
        self.respond_from(now, upstream, status, response, None);
    }

    /// The same, saying where the response came from.
    pub(crate) fn respond_from(
        &mut self,
        now: Instant,
        upstream: Upstream,
        status: u16,
        response: Bytes,
        source: Option<IpAddr>,
    ) {
        let to = upstream.requester;
        if self.ownership.is_ours(upstream.worker) {
            self.respond_here(now, to, status, response, source);
        } else {
            self.hand(upstream.worker, Handoff::Respond { to, status, response, source });
        }
    }

    /// The transaction may have ended meanwhile: then there is nobody to tell.
    pub(crate) fn respond_here(
        &mut self,
        now: Instant,
        to: Requester,
        status: u16,
        response: Bytes,
        source: Option<IpAddr>,
    ) {
        self.draft_answered(now, to, status, &response);
        let Some(response) = self.remote_answered(now, to, status, response) else { return };
        let response = self.concealed_response(to, response);
        match to {
            Requester::Agent(serial) => self.asked.responded(serial, response, source),
            Requester::Outside(id) => {
                if status >= 200 {
                    self.acceptor.shares.give_back(id);
                }
                // It may have ended meanwhile.
                let _ = self.transactions.respond(now, id, status, response);
            }
            Requester::Notifier(subscription) => self.notified(now, subscription, status, response),
        }
    }

    /// What a partner is answered, by whomever.
    fn concealed_response(&self, to: Requester, response: Bytes) -> Bytes {
        let Requester::Outside(transaction) = to else { return response };
        let flow = self.transactions.server_flow(transaction).filter(|_| self.hides_topology());
        let Some(flow) = flow else { return response };
        let is_partner = self.flows.get(flow).is_some_and(|state| state.kind == FlowKind::Partner);
        match Message::parse(response.clone()) {
            Ok(message) if is_partner || self.is_of_partner(flow, &message) => self.conceal(&message),
            _ => response,
        }
    }

    /// Of a connection that has ended the request says whose it was.
    fn is_of_partner(&self, flow: sip::FlowId, response: &Message) -> bool {
        !self.is_inner(flow) && response.from().is_ok_and(|from| !self.organisation.is_local(from.uri().host()))
    }

    /// Answers for this server itself (RFC 3261 section 11.2).
    pub(crate) fn answer_ourselves(&mut self, now: Instant, request: &AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let checked = check_for_ourselves(&request.message).and_then(|()| check_require(&request.message, &[]));
        if let Err(refusal) = checked {
            self.count_refused(&request.message, &refusal);
            return self.refuse(now, upstream, &request.message, &refusal);
        }
        let tag = self.mint.tag(upstream.requester.serial());
        let response = build::response(&request.message, 200, None, Some(&tag))
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Accept, "*/*")
            .build();
        self.respond(now, upstream, 200, response);
    }
}

/// 405 for what we know and do not do, 501 for what we do not know (RFC 3261 sections 8.2.1, 21.5.2).
fn check_for_ourselves(request: &Message) -> Result<(), Refusal> {
    let status = match request.method() {
        Some(Method::Options) => return Ok(()),
        Some(Method::Other(_)) => 501,
        _ => 405,
    };
    let refusal = Refusal::new(status, Word::MethodNotAllowed, "this server itself answers OPTIONS only");
    Err(refusal.with_header(HeaderName::Allow, "OPTIONS".into()))
}

/// RFC 3261 section 18.2.1 and RFC 3581: where the request really came from, said in its top Via.
fn stamp_received(message: Message, source: SocketAddr) -> Message {
    let Ok(Some(via)) = received_via(&message, source) else { return message };
    let mut edits = Edits::new();
    edits.replace_first_value(HeaderName::Via, via);
    Message::parse(edits.apply(&message)).unwrap_or(message)
}

/// By this server's name, and with what else is told.
pub(crate) fn refusal_response(
    request: &Message,
    refusal: &Refusal,
    tag: &str,
    (host, told): (&str, [Option<Told>; 2]),
) -> Bytes {
    let mut response = build::response(request, refusal.status, None, Some(tag))
        .header(HeaderName::Warning, format!("399 {host} \"{}\"", refusal.word));
    for Told { header, value } in told.into_iter().flatten() {
        response = response.raw_header(header, value);
    }
    for (name, value) in &refusal.headers {
        response = response.header(*name, value);
    }
    response.build()
}

pub(crate) fn overloaded(reason: &str) -> Refusal {
    Refusal::new(503, Word::Overloaded, reason).with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

pub(crate) fn draining() -> Refusal {
    Refusal::new(503, Word::Draining, "this server is about to end, and takes nothing new")
        .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

pub(crate) fn no_answer() -> Refusal {
    Refusal::new(504, Word::NoAnswer, "what the decision needed did not come in time")
}

/// Nobody is let in unproven, and nobody is told that he does not exist.
pub(crate) fn store_failed(why: &str) -> Refusal {
    Refusal::new(504, Word::NoAnswer, format!("the store: {why}"))
}

fn from_domain(request: &Message) -> Option<String> {
    request.from().ok().map(|from| from.uri().host_lowercase().into())
}

/// What passes through this server.
const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, REFER, NOTIFY, SUBSCRIBE, INFO, UPDATE, PRACK, REGISTER";
const RETRY_AFTER_SECS: u32 = 5;
