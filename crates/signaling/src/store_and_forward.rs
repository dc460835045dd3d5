//! Messages for who is away (RFC 3428 section 7): stored before the 202 goes up, and sent when a device registers, or shows
//! otherwise that it is there.
//!
//! The rules, and the order in which a queue is emptied, are `messaging`'s. Here the store is asked, and stored messages
//! go out as client transactions of ours: nobody waits upstream for what a device answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::border::Crossing;
use messaging::{Delivery, MessageId, NewMessage, NotStored, Outcome, Settled, StoredMessage, Terms};
use sip::header::date::sip_date;
use sip::proxy::breadth::MAX_BREADTH;
use sip::proxy::forward::via_value;
use sip::transaction::ClientTransactionId;
use sip::{Aor, Message, Method, Refusal};

use crate::acceptor::{no_answer, overloaded};
use crate::core::Core;
use crate::forward::{self, Hop};
use crate::outbound::is_sips;
use crate::owner::{Target, crossing, devices_named};
use crate::route::Destination;
use crate::schedule::Machine;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Answer, Question};

/// A MESSAGE that the store is asked to keep.
pub(crate) struct Keeping {
    pub request: AdmittedRequest,
    pub aor: Aor,
    /// The devices got it, and none of them answered.
    pub was_sent: bool,
    /// Over which an answer may come yet.
    pub branches: Vec<ClientTransactionId>,
}

/// What became of a stored message that went out. As many are under way as messages were when the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settlement {
    pub id: MessageId,
    pub is_delivered: bool,
}

impl Core {
    /// On which terms a MESSAGE for a user with this many devices goes into the store; `None`: it goes to the devices, if
    /// there are any. While his queue goes out, what is new goes to its end.
    ///
    /// # Errors
    /// As [`messaging::Pager::handle_message`] and [`messaging::StoreAndForward::terms`].
    pub(crate) fn terms_if_kept(
        &self,
        now: Instant,
        aor: &Aor,
        request: &AdmittedRequest,
        devices: usize,
    ) -> Result<Option<Terms>, Refusal> {
        match self.pager.handle_message(&request.message, &request.admitted, devices)? {
            Delivery::EveryDevice if !self.queues.is_draining(aor) => Ok(None),
            Delivery::EveryDevice | Delivery::NobodyThere => self.terms(now, request),
        }
    }

    /// The terms on which a request can be kept for its user; `None` where it cannot.
    ///
    /// # Errors
    /// As [`messaging::StoreAndForward::terms`].
    pub(crate) fn terms(&self, now: Instant, request: &AdmittedRequest) -> Result<Option<Terms>, Refusal> {
        let is_message = request.message.method() == Some(Method::Message);
        // That a message is kept would say that there is such a user.
        // Where everybody is asked about first contacts, a 202 says nothing.
        let tells = self.hides_users_from(request) && !self.asks_everybody();
        if !is_message || tells || !matches!(request.destination, Destination::User(_)) {
            return Ok(None);
        }
        // By which way a device comes that registers later nobody knows.
        if is_sips(&request.message) {
            return Ok(None);
        }
        self.store_and_forward.terms(&request.message, &request.admitted, self.unix_ms(now))
    }

    /// Asks the store to keep a MESSAGE. Only its answer promises anything to the sender.
    pub(crate) fn keep(&mut self, now: Instant, keeping: Keeping, terms: Terms) {
        let request = &keeping.request;
        let bytes = self.kept_form(request, terms.accepted_unix_ms);
        self.queues.stored(&keeping.aor);
        let new = NewMessage { aor: keeping.aor.clone(), request: bytes, terms, was_sent: keeping.was_sent };
        let asker = Asker::Keep(Box::new(keeping));
        if let Err(Asker::Keep(keeping)) = self.ask(now, Question::Store(Box::new(new)), asker)
            && let Some(upstream) = keeping.request.upstream
        {
            let refusal = overloaded("too many requests wait for an answer");
            self.refuse_owned(now, upstream, &keeping.request.message, &refusal);
        }
    }

    /// A MESSAGE as the store has it.
    pub(crate) fn kept_form(&self, request: &AdmittedRequest, accepted_unix_ms: u64) -> Bytes {
        let date = sip_date(accepted_unix_ms / 1000);
        let crossing = (crossing(request, &self.organisation), self.source_mark(request, None));
        let realms = &self.organisation.domains;
        forward::for_the_store(&request.message, request.routes_taken, realms, &date, crossing)
    }

    pub(crate) fn resume_keep(&mut self, now: Instant, keeping: Keeping, answer: Option<Answer>) {
        let Keeping { request, aor, was_sent, branches } = keeping;
        let Some(upstream) = request.upstream else { return };
        let why = match answer {
            Some(Answer::Stored(Ok(id))) => {
                self.queues.stored(&aor);
                self.owner.expect_late(&branches, &aor, id);
                self.counts.stored += 1;
                let until = if was_sent { "registers or answers" } else { "registers" };
                self.record_routed(now, &request.message, &format!("the store, until a device of the user {until}"));
                self.respond_generated(now, upstream, &request.message, 202);
                // A device may have registered between the request and its commit.
                if !was_sent && !self.devices(now, &aor).is_empty() {
                    self.forward_stored(now, &aor, false);
                }
                return;
            }
            Some(Answer::Stored(Err(NotStored::UserUnknown))) if !was_sent => {
                return self.user_missing(now, &aor, request);
            }
            Some(Answer::Stored(Err(why))) => {
                if why == NotStored::UserUnknown {
                    self.missed(now, &request);
                }
                why
            }
            _ => {
                // It may be in the store all the same.
                self.queues.stored(&aor);
                return self.refuse_owned(now, upstream, &request.message, &no_answer());
            }
        };
        let is_over = was_sent || why == NotStored::UserUnknown;
        let targets = if is_over { Vec::new() } else { self.called_devices(now, &aor, false) };
        match targets.is_empty() {
            true => self.refuse_owned(now, upstream, &request.message, &why.into()),
            false => self.fork(now, request, targets),
        }
    }

    /// A device of the user registered, over a flow that had no binding of his or that had: what waits for him goes out.
    pub(crate) fn forward_stored(&mut self, now: Instant, aor: &Aor, is_new_flow: bool) {
        if self.queues.begin(aor, is_new_flow) {
            self.ask_for_next(now, aor);
        }
    }

    /// A device of the user took something else: it is there, and so are those that were silent before.
    pub(crate) fn forward_stored_answered(&mut self, now: Instant, aor: &Aor) {
        if self.queues.begin_answered(now, aor) {
            self.ask_for_next(now, aor);
        }
    }

    fn ask_for_next(&mut self, now: Instant, aor: &Aor) {
        let Some(after) = self.queues.expects_after(aor) else { return };
        let question = Question::NextStored { aor: aor.clone(), after, now_unix_ms: self.unix_ms(now) };
        if self.ask(now, question, Asker::Queue(aor.clone())).is_err() {
            self.pause_queue(now, aor);
        }
    }

    /// The store failed. One user's queue at a time asks it again: while it is down it is not to be asked for each.
    fn pause_queue(&mut self, now: Instant, aor: &Aor) {
        if self.queues.pause(aor) {
            self.schedule.push(now + STORE_PAUSE, Machine::Queues);
        }
    }

    pub(crate) fn wake_queues(&mut self, now: Instant) {
        let (resumed, others_wait) = self.queues.wake();
        if others_wait {
            self.schedule.push(now + STORE_PAUSE, Machine::Queues);
        }
        if let Some(aor) = resumed {
            self.go_on_with(now, &aor);
        }
    }

    fn go_on_with(&mut self, now: Instant, aor: &Aor) {
        if !self.devices(now, aor).is_empty() {
            self.forward_stored(now, aor, true);
        }
    }

    pub(crate) fn resume_queue(&mut self, now: Instant, aor: &Aor, answer: Option<Answer>) {
        if self.queues.expects_after(aor).is_none() {
            // The user was removed meanwhile.
            return;
        }
        match answer {
            Some(Answer::NextStored(Ok(Some(stored)))) => self.send_stored(now, aor, stored),
            Some(Answer::NextStored(Ok(None))) => {
                if self.queues.exhausted(aor) {
                    self.ask_for_next(now, aor);
                }
            }
            _ => return self.pause_queue(now, aor),
        }
        // The store works: those whom it failed go on, each with two others, so that all do and not at once.
        for _ in 0..2 {
            if let Some(aor) = self.queues.resume() {
                self.go_on_with(now, &aor);
            }
        }
    }

    /// To every device; each answers for itself.
    fn send_stored(&mut self, now: Instant, aor: &Aor, stored: StoredMessage) {
        self.stored_repeats += u64::from(stored.is_repeat);
        let targets = self.called_devices(now, aor, false);
        let mut branches = BTreeSet::new();
        let mut unsent = targets.is_empty().then_some(Outcome::NotNow);
        if let Ok(message) = Message::parse(stored.request) {
            self.record_routed(now, &message, &format!("{}, from the store", devices_named(targets.len())));
            for target in targets {
                match self.send_stored_branch(now, &message, target) {
                    Ok(branch) => drop(branches.insert(branch)),
                    Err(outcome) => unsent = unsent.max(Some(outcome)),
                }
            }
        }
        let settled = self.queues.sent(aor, stored.id, branches, unsent);
        self.settle_stored(now, settled);
    }

    /// # Errors
    /// What it comes to that it could not be sent.
    fn send_stored_branch(
        &mut self,
        now: Instant,
        message: &Message,
        target: Target,
    ) -> Result<ClientTransactionId, Outcome> {
        let target = target.for_size(message.as_bytes().len());
        let (flow, name) = match target.edge {
            // It will be there when the phone registers next.
            Some(edge) => (self.flow_to_edge(now, edge).ok_or(Outcome::NotNow)?, self.inner_name()),
            None => (target.flow, &*self.organisation.edge),
        };
        let name = name.to_owned();
        let id = self.owner.next_branch();
        let branch = self.mint.branch(id.serial);
        self.owner.remember_edge(id, target.edge);
        let hop = Hop {
            via: via_value(target.transport, &name, target.local_port, &branch),
            request_uri: target.request_uri,
            path: target.path,
            record_routes: Vec::new(),
            crossing: Crossing::Within,
            source: None,
            admitted: None,
            trust: None,
            asserted: None,
            breadth: MAX_BREADTH,
            path_to_phone: None,
            is_unproven: false,
        };
        // It may have become larger than a message may be.
        let sent = Message::parse(forward::from_the_store(message, &hop)).map_err(|_| Outcome::Refused)?;
        let bytes = sent.as_bytes().clone();
        match self.transactions.send_request(now, id, flow, &Method::Message, bytes) {
            Ok(()) => Ok(id),
            Err(_) => {
                self.counts.hit("client_transactions_max");
                Err(Outcome::NotNow)
            }
        }
    }

    /// A response of a device to a stored message.
    pub(crate) fn stored_answered(&mut self, now: Instant, id: ClientTransactionId, response: &Message) {
        if let Some(status) = response.status().filter(|status| *status >= 200) {
            let settled = self.queues.answered(id, Outcome::of_status(status));
            self.settle_stored(now, settled);
        }
    }

    /// A device answers after all to what was kept because it did not.
    pub(crate) fn answered_late(&mut self, now: Instant, aor: &Aor, id: MessageId, response: &Message) {
        if !matches!(response.status(), Some(200..=299)) {
            return;
        }
        match self.queues.delivered_late(aor, id) {
            // It is on its way to the devices again.
            Some(settled) => self.settle_stored(now, Some(settled)),
            None => {
                self.delivered(now, id);
                self.forward_stored_answered(now, aor);
            }
        }
    }

    /// Once, whoever else answers yet.
    fn delivered(&mut self, now: Instant, id: MessageId) {
        self.owner.expect_no_more(id);
        self.counts.stored_delivered += 1;
        self.record_settled(now, Settlement { id, is_delivered: true });
    }

    /// A stored message was sent to a device, and no answer came.
    pub(crate) fn stored_unanswered(&mut self, now: Instant, id: ClientTransactionId) {
        let settled = self.queues.answered(id, Outcome::Unanswered);
        self.settle_stored(now, settled);
    }

    /// Records what became of a message, and goes on with the next. The store takes both questions in order.
    fn settle_stored(&mut self, now: Instant, settled: Option<Settled>) {
        let Some(Settled { aor, id, outcome }) = settled else { return };
        match outcome {
            Outcome::Delivered => self.delivered(now, id),
            Outcome::Refused | Outcome::NotNow => self.record_settled(now, Settlement { id, is_delivered: false }),
            // The store goes on believing that a device may have it.
            Outcome::Unanswered => {}
        }
        self.ask_for_next(now, &aor);
    }

    /// Until it is recorded: what a device has must not come to it again after the next start.
    pub(crate) fn record_settled(&mut self, now: Instant, settlement: Settlement) {
        let Settlement { id, is_delivered } = settlement;
        if self.ask(now, Question::Settle { id, is_delivered }, Asker::Settlement(settlement)).is_err() {
            self.schedule.push(now + STORE_PAUSE, Machine::Settlement(settlement));
        }
    }

    pub(crate) fn resume_settlement(&mut self, now: Instant, settlement: Settlement, answer: Option<Answer>) {
        if !matches!(answer, Some(Answer::Settled(Ok(())))) {
            self.schedule.push(now + STORE_PAUSE, Machine::Settlement(settlement));
        }
    }
}

/// Before a store that failed is asked again: to record what became of a message, or for the next one.
const STORE_PAUSE: Duration = Duration::from_secs(10);
