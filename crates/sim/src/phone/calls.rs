//! Calls of a phone, on both sides, over the route set alone (RFC 3261 sections 12 to 15).

use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::ProtectionPolicy;
use sip::dialog::Dialog;
use sip::transaction::{ClientTransactionId, ServerTransactionId, build_cancel};
use sip::uac::Draft;
use sip::{HeaderName, Message, Method, RequestBuilder, build};

use super::requests::{Sent, sender};
use super::session::{FOUR, SIX, Session};
use super::{Event, Phone, Task};

pub(super) struct Call {
    /// Names it in the schedule.
    number: u64,
    stage: Stage,
    session: Session,
    /// The other side is the focus of a conference.
    is_meeting: bool,
    /// A change of the other side that we answered, and that it has not acknowledged.
    change: Option<Change>,
}

struct Change {
    transaction: ServerTransactionId,
    answer: Bytes,
    sequence: u32,
    pause: Duration,
    until: Instant,
}

enum Stage {
    /// Our INVITE is on its way, in the transaction with this number.
    ExpectAnswer { transaction: Option<u64>, is_given_up: bool, hears_ringing: bool },
    /// Theirs rings here.
    ExpectUser { transaction: ServerTransactionId, invite: Message },
    /// We answered, and say so again until the ACK is here.
    ExpectAck { transaction: ServerTransactionId, answer: Bytes, dialog: Dialog, pause: Duration, until: Instant },
    Talking {
        dialog: Dialog,
        /// The last that it sent, with the number of its INVITE.
        ack: Option<(u32, Bytes)>,
    },
}

/// A request within a call.
pub struct Within {
    method: Method,
    headers: Vec<(HeaderName, String)>,
    body: Option<(&'static str, String)>,
}

impl Within {
    pub fn new(method: Method) -> Within {
        Within { method, headers: Vec::new(), body: None }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: String) -> Within {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub fn body(mut self, content_type: &'static str, text: &str) -> Within {
        self.body = Some((content_type, text.to_owned()));
        self
    }
}

/// What a user does.
impl Phone {
    /// Calls somebody, with an offer or asking for one.
    pub fn call(&mut self, now: Instant, to: &str, offers: bool) {
        let number = self.next_serial();
        let call_id = format!("c{number}-{}", self.word());
        let mut session = self.new_session();
        let mut draft = self.draft(Method::Invite, to, call_id.clone()).header(HeaderName::Contact, self.contact());
        if offers {
            draft = draft.body("application/sdp", session.offer());
        }
        let stage = Stage::ExpectAnswer { transaction: None, is_given_up: false, hears_ringing: false };
        self.calls.insert(call_id.clone(), Call { number, stage, session, is_meeting: false, change: None });
        self.schedule.insert((now + RINGS_FOR, Task::EndRinging(number)));
        let transaction = self.send_draft(now, draft, false);
        self.call_sent_again(&call_id, transaction);
        self.settle(now);
    }

    /// Takes the call that rings; `false`: none does.
    pub fn answer(&mut self, now: Instant) -> bool {
        let Some((transaction, invite)) = self.ringing() else { return false };
        let call_id = invite.call_id().unwrap_or_default().to_owned();
        let tag = self.word();
        let Some(description) = self.describe(&call_id, invite.body()) else { return self.decline(now, 488) };
        let answer = build::response(&invite, 200, None, Some(&tag))
            .header(HeaderName::Contact, self.contact())
            .body("application/sdp", description)
            .build();
        let Ok(mut dialog) = Dialog::uas(&invite, &tag) else { return false };
        dialog.confirm();
        // Where the transaction is over, the caller has given up.
        let _ = self.transactions.respond(now, transaction, 200, answer.clone());
        if let Some(call) = self.calls.get_mut(&call_id) {
            let (pause, until) = (FIRST_PAUSE, now + ACK_WITHIN);
            self.schedule.insert((now + pause, Task::Repeat2xx(call.number)));
            call.stage = Stage::ExpectAck { transaction, answer, dialog, pause, until };
        }
        self.settle(now);
        true
    }

    /// Refuses the call that rings; `false`: none does.
    pub fn decline(&mut self, now: Instant, status: u16) -> bool {
        let Some((transaction, invite)) = self.ringing() else { return false };
        self.calls.remove(invite.call_id().unwrap_or_default());
        self.respond(now, transaction, &invite, status);
        self.settle(now);
        true
    }

    /// Cancels the call that was not answered; `false`: there is none, or nothing was heard of it yet.
    pub fn give_up(&mut self, now: Instant) -> bool {
        let waits = |call: &&mut Call| matches!(call.stage, Stage::ExpectAnswer { is_given_up: false, .. });
        let Some(call) = self.calls.values_mut().find(waits) else { return false };
        let Stage::ExpectAnswer { transaction: Some(serial), is_given_up, .. } = &mut call.stage else { return false };
        let (serial, Some((_, flow))) = (*serial, self.line) else { return false };
        let Some(sent) = self.sent.get(&serial) else { return false };
        let Ok(cancel) = build_cancel(&sent.request, None) else { return false };
        *is_given_up = true;
        let id = ClientTransactionId { serial, cancel: true };
        self.transactions.send_request(now, id, flow, &Method::Cancel, cancel).expect("a CANCEL has room");
        self.settle(now);
        true
    }

    /// Ends the call that stands; `false`: none does.
    pub fn hang_up(&mut self, now: Instant) -> bool {
        let Some(call_id) = self.talking() else { return false };
        let sent = self.send_within(now, &call_id, Within::new(Method::Bye));
        self.calls.remove(&call_id);
        sent
    }

    /// Ends whatever it is in.
    pub fn leave_all(&mut self, now: Instant) {
        while self.give_up(now) || self.decline(now, 486) || self.hang_up(now) {}
        let unacknowledged = |call: &Call| matches!(call.stage, Stage::ExpectAck { .. });
        let left: Vec<String> =
            self.calls.iter().filter(|(_, call)| unacknowledged(call)).map(|(call_id, _)| call_id.clone()).collect();
        for call_id in left {
            self.send_within(now, &call_id, Within::new(Method::Bye));
            self.calls.remove(&call_id);
        }
    }

    /// Sends a request within the call that stands; `false`: none does.
    pub fn send_inside(&mut self, now: Instant, within: Within) -> bool {
        self.talking().is_some_and(|call_id| self.send_within(now, &call_id, within))
    }

    fn new_session(&self) -> Session {
        let protection = match self.is_datagram {
            true => ProtectionPolicy::Never,
            false => ProtectionPolicy::Preferred,
        };
        let address = if self.has_six_alone { SIX } else { FOUR };
        Session::new(address, self.media_port, self.protection.unwrap_or(protection), &self.encodings)
    }

    pub(super) fn session_of_talk(&mut self) -> Option<&mut Session> {
        let call_id = self.talking()?;
        self.calls.get_mut(&call_id).map(|call| &mut call.session)
    }

    /// What it answers to an offer, or offers where there is none.
    fn describe(&mut self, call_id: &str, offer: &[u8]) -> Option<String> {
        let session = &mut self.calls.get_mut(call_id)?.session;
        if offer.is_empty() { Some(session.offer()) } else { session.answer(offer) }
    }

    fn send_within(&mut self, now: Instant, call_id: &str, within: Within) -> bool {
        let serial = self.next_serial();
        let (via, contact) = (self.via(serial), self.contact());
        let Some(Call { stage: Stage::Talking { dialog, .. } | Stage::ExpectAck { dialog, .. }, .. }) =
            self.calls.get_mut(call_id)
        else {
            return false;
        };
        let Within { method, headers, body } = within;
        let request = dialog.request(&method).header(HeaderName::Via, via).header(HeaderName::Contact, contact);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = body.iter().fold(request, |request: RequestBuilder, (kind, text)| request.body(kind, text));
        let request = request.message().expect("a dialog's request is a message");
        let mut draft = Draft::new(method, &self.aor, &self.aor, call_id, call_id.to_owned());
        draft.sequence = dialog.local_sequence();
        self.send(now, serial, Sent { draft, request, is_second: true });
        self.settle(now);
        true
    }

    pub(super) fn end_ringing(&mut self, now: Instant, number: u64) {
        if self.calls.values().any(|call| call.number == number) {
            self.give_up(now);
        }
    }

    fn ringing(&self) -> Option<(ServerTransactionId, Message)> {
        self.calls.values().find_map(|call| match &call.stage {
            Stage::ExpectUser { transaction, invite } => Some((*transaction, invite.clone())),
            _ => None,
        })
    }

    pub(super) fn talking(&self) -> Option<String> {
        let stands = |call: &Call| matches!(call.stage, Stage::Talking { .. });
        self.calls.iter().find(|(_, call)| stands(call)).map(|(call_id, _)| call_id.clone())
    }
}

/// What the network brings.
impl Phone {
    pub(super) fn call_sent_again(&mut self, call_id: &str, serial: Option<u64>) {
        if let Some(Call { stage: Stage::ExpectAnswer { transaction, .. }, .. }) = self.calls.get_mut(call_id) {
            *transaction = serial;
        }
    }

    pub(super) fn heard_ringing(&mut self, serial: u64, status: u16) {
        let of = |call: &&mut Call| matches!(&call.stage, Stage::ExpectAnswer { transaction, .. } if *transaction == Some(serial));
        let Some(call) = self.calls.values_mut().find(of) else { return };
        if let Stage::ExpectAnswer { hears_ringing, .. } = &mut call.stage
            && status > 100
            && !self.is_deaf_to_ringing
            && !std::mem::replace(hears_ringing, true)
        {
            self.events.push_back(Event::HearsRinging);
        }
    }

    /// A 2xx to our INVITE: the first makes the call, its repeats want the ACK again, those of other devices are not
    /// wanted any more.
    pub(super) fn call_answered(&mut self, now: Instant, serial: u64, response: &Message) {
        let call_id = response.call_id().unwrap_or_default().to_owned();
        let tag = response.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let number = response.cseq().map_or(0, |cseq| cseq.number);
        if let Some(Call { stage: Stage::Talking { dialog, ack: Some((last, ack)) }, .. }) = self.calls.get(&call_id)
            && Some(&dialog.id().remote_tag) == tag.as_ref()
            && *last == number
        {
            let ack = ack.clone();
            return self.transmit(ack);
        }
        let is_first = matches!(self.calls.get(&call_id), Some(Call { stage: Stage::ExpectAnswer { .. }, .. }));
        let Some(sent) = self.sent.remove(&serial) else { return };
        if sent.is_within() {
            return self.change_answered(&call_id, &sent, response);
        }
        let Ok(dialog) = Dialog::uac(&sent.request, response) else { return };
        let serial = self.next_serial();
        let ack = dialog.ack(sent.draft.sequence).header(HeaderName::Via, self.via(serial));
        let ack = self.with_answer(&call_id, ack, response);
        self.transmit(ack.clone());
        let (with, is_focus) = (dialog_peer(response), self.meets(response));
        if let Some(call) = self.calls.get_mut(&call_id).filter(|_| is_first) {
            let is_given_up = matches!(call.stage, Stage::ExpectAnswer { is_given_up: true, .. });
            call.stage = Stage::Talking { dialog, ack: Some((sent.draft.sequence, ack)) };
            call.is_meeting = is_focus;
            self.events.push_back(Event::Talks { with, is_focus });
            // The answer crossed the CANCEL (RFC 3261 section 9.1).
            if is_given_up {
                self.hang_up(now);
            }
        }
    }

    /// The other side agrees to a change.
    fn change_answered(&mut self, call_id: &str, sent: &Sent, response: &Message) {
        let serial = self.next_serial();
        let via = self.via(serial);
        let Some(Call { stage: Stage::Talking { dialog, .. }, .. }) = self.calls.get(call_id) else { return };
        let ack = dialog.ack(sent.draft.sequence).header(HeaderName::Via, via);
        let bytes = self.with_answer(call_id, ack, response);
        if let Some(Call { stage: Stage::Talking { ack, .. }, .. }) = self.calls.get_mut(call_id) {
            *ack = Some((sent.draft.sequence, bytes.clone()));
        }
        self.transmit(bytes);
        self.events.push_back(Event::Told { method: Method::Invite, outcome: super::Outcome::of(response) });
    }

    /// The ACK, with the answer where the 2xx had the offer.
    fn with_answer(&mut self, call_id: &str, ack: RequestBuilder, response: &Message) -> Bytes {
        let Some(call) = self.calls.get_mut(call_id) else { return ack.build() };
        if call.session.is_offered() {
            if !call.session.accept(response.body()) {
                self.events.push_back(Event::Puzzled);
            }
            return ack.build();
        }
        match call.session.answer(response.body()) {
            Some(answer) => ack.body("application/sdp", answer).build(),
            None => {
                self.events.push_back(Event::Puzzled);
                ack.build()
            }
        }
    }

    /// 200 within a call that stands, else 481.
    pub(super) fn status_within(&self, request: &Message) -> u16 {
        let tag = request.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        match self.calls.get(request.call_id().unwrap_or_default()).map(|call| &call.stage) {
            Some(Stage::Talking { dialog, .. } | Stage::ExpectAck { dialog, .. }) if dialog.id().local_tag == tag => {
                200
            }
            _ => 481,
        }
    }

    /// The other side changes the session, or asks whether it is there.
    pub(super) fn change_comes(&mut self, now: Instant, id: ServerTransactionId, invite: &Message) {
        let call_id = invite.call_id().unwrap_or_default();
        let tag = invite.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        let dialog = match self.calls.get_mut(call_id).map(|call| &mut call.stage) {
            Some(Stage::Talking { dialog, .. } | Stage::ExpectAck { dialog, .. }) => dialog,
            _ => return self.respond(now, id, invite, 481),
        };
        if dialog.id().local_tag != tag {
            return self.respond(now, id, invite, 481);
        }
        // Offers of both at once: neither counts (RFC 3261 section 14.2).
        let crosses = |sent: &Sent| sent.draft.method == Method::Invite && sent.draft.call_id == call_id;
        if self.sent.values().any(crosses) {
            return self.respond(now, id, invite, 491);
        }
        if dialog.handle_request(invite).is_err() {
            return self.respond(now, id, invite, 500);
        }
        let Some(description) = self.describe(call_id, invite.body()) else {
            return self.respond(now, id, invite, 488);
        };
        let answer = build::response(invite, 200, None, None)
            .header(HeaderName::Contact, self.contact())
            .body("application/sdp", description)
            .build();
        let _ = self.transactions.respond(now, id, 200, answer.clone());
        let sequence = invite.cseq().map_or(0, |cseq| cseq.number);
        if let Some(call) = self.calls.get_mut(call_id) {
            let (pause, until) = (FIRST_PAUSE, now + ACK_WITHIN);
            call.change = Some(Change { transaction: id, answer, sequence, pause, until });
            self.schedule.insert((now + pause, Task::Repeat2xx(call.number)));
        }
    }

    pub(super) fn call_comes(&mut self, now: Instant, id: ServerTransactionId, invite: Message) {
        if !invite.body().is_empty() && self.new_session().answer(invite.body()).is_none() {
            // It need not ring for what it cannot take.
            return self.respond(now, id, &invite, 488);
        }
        let number = self.next_serial();
        let is_meeting = self.meets(&invite);
        self.events.push_back(Event::Rings { from: sender(&invite), is_focus: is_meeting });
        self.respond(now, id, &invite, 180);
        let call_id = invite.call_id().unwrap_or_default().to_owned();
        let (stage, session) = (Stage::ExpectUser { transaction: id, invite }, self.new_session());
        self.calls.insert(call_id, Call { number, stage, session, is_meeting, change: None });
    }

    pub(super) fn acknowledged_call(&mut self, ack: &Message) {
        let Some(call) = self.calls.get_mut(ack.call_id().unwrap_or_default()) else { return };
        let sequence = ack.cseq().map_or(0, |cseq| cseq.number);
        let is_change = call.change.as_ref().is_some_and(|change| change.sequence == sequence);
        if !is_change && !matches!(call.stage, Stage::ExpectAck { .. }) {
            // Once more, for a 2xx that was sent once more: its answer is no answer to what we have offered since.
            return;
        }
        if !call.session.accept(ack.body()) {
            self.events.push_back(Event::Puzzled);
        }
        call.change.take_if(|change| change.sequence == sequence);
        if let Stage::ExpectAck { dialog, .. } = &call.stage {
            let (with, is_focus) = (sender(ack), call.is_meeting);
            call.stage = Stage::Talking { dialog: dialog.clone(), ack: None };
            self.events.push_back(Event::Talks { with, is_focus });
        }
    }

    pub(super) fn call_cancelled(&mut self, now: Instant, id: ServerTransactionId) {
        let of = |call: &Call| matches!(&call.stage, Stage::ExpectUser { transaction, .. } if *transaction == id);
        let Some(call_id) = self.calls.iter().find(|(_, call)| of(call)).map(|(call_id, _)| call_id.clone()) else {
            return;
        };
        if let Some(Call { stage: Stage::ExpectUser { invite, .. }, .. }) = self.calls.remove(&call_id) {
            self.respond(now, id, &invite, 487);
            self.events.push_back(Event::Ends);
        }
    }

    pub(super) fn call_ended(&mut self, now: Instant, id: ServerTransactionId, bye: &Message) {
        let call_id = bye.call_id().unwrap_or_default();
        if let Some(Call { stage: Stage::ExpectAnswer { .. }, .. }) = self.calls.get(call_id) {
            // The answer was lost, and the callee has given up. What becomes of the INVITE is another matter.
            return self.respond(now, id, bye, 200);
        }
        let is_known = self.calls.remove(call_id).is_some();
        if is_known {
            self.events.push_back(Event::Ends);
        }
        self.respond(now, id, bye, if is_known { 200 } else { 481 });
    }

    /// RFC 3261 section 13.3.1.4: over any transport, until the ACK is here or 64 T1 have passed.
    pub(super) fn repeat_2xx(&mut self, now: Instant, number: u64) {
        let Some((call_id, call)) = self.calls.iter_mut().find(|(_, call)| call.number == number) else { return };
        let (transaction, answer, pause, until) = match (&mut call.stage, &mut call.change) {
            (Stage::ExpectAck { transaction, answer, pause, until, .. }, _) => (transaction, answer, pause, until),
            (_, Some(Change { transaction, answer, pause, until, .. })) => (transaction, answer, pause, until),
            (_, None) => return,
        };
        if now >= *until {
            let call_id = call_id.clone();
            self.send_within(now, &call_id, Within::new(Method::Bye));
            self.calls.remove(&call_id);
            self.events.push_back(Event::Ends);
            return;
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        let (transaction, answer, next) = (*transaction, answer.clone(), now + *pause);
        let _ = self.transactions.respond(now, transaction, 200, answer);
        self.schedule.insert((next, Task::Repeat2xx(number)));
    }
}

fn dialog_peer(response: &Message) -> String {
    let uri = response.to().map(|to| to.uri().as_str().to_owned()).unwrap_or_default();
    uri.trim_start_matches("sip:").to_owned()
}

/// T1, T2 and 64 T1.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
const ACK_WITHIN: Duration = Duration::from_secs(32);
/// How long people wait for somebody to answer.
const RINGS_FOR: Duration = Duration::from_secs(120);
