//! Requests that a phone sends, with one answer to a challenge; and what it does with those that come.

use std::time::{Duration, Instant};

use sip::transaction::{ClientTransactionId, Failure, RequestOutcome, ResponseOutcome, ServerTransactionId};
use sip::uac::Draft;
use sip::{HeaderName, Message, Method, build};

use super::{Event, Outcome, Phone, Task};

/// A request under way.
pub(super) struct Sent {
    pub draft: Draft,
    pub request: Message,
    /// It has answered a challenge, or is in a dialog, where none may come.
    pub is_second: bool,
}

impl Sent {
    /// Whether it is in a dialog that was there before.
    pub(super) fn is_within(&self) -> bool {
        self.request.is_within_dialog()
    }

    /// A message to all in a meeting, or an answer to the server itself.
    fn is_for_no_one_phone(&self) -> bool {
        let is_to = |prefix: &str| self.draft.uri.strip_prefix("sip:").is_some_and(|uri| uri.starts_with(prefix));
        self.is_within() || is_to("meet-") || is_to(messaging::CONSENT_PREFIX)
    }
}

impl Phone {
    pub fn send_message(&mut self, now: Instant, to: &str, text: &str) {
        let call_id = format!("m{}-{}", self.next_serial(), self.word());
        let draft = self.draft(Method::Message, to, call_id);
        self.send_draft(now, draft.body("text/plain;charset=UTF-8", text), false);
        self.settle(now);
    }

    /// Sends any request without a body, from any address.
    pub fn send_as(&mut self, now: Instant, method: Method, from: &str, to: &str) {
        let call_id = format!("x{}-{}", self.next_serial(), self.word());
        let draft = Draft::new(method, from, to, &call_id.clone(), call_id).header(HeaderName::Contact, self.contact());
        self.send_draft(now, draft, false);
        self.settle(now);
    }

    pub(super) fn send_registration(&mut self, now: Instant, expires_secs: u32) {
        let domain = self.aor.split('@').nth(1).unwrap_or_default().to_owned();
        let mut draft = self.draft(Method::Register, &self.aor, self.registration.call_id.clone());
        draft.uri = format!("sip:{domain}");
        draft.sequence = self.registration.sequence + 1;
        let contact = format!("{};+sip.instance=\"<urn:x-device:{}>\"", self.contact(), self.word());
        let draft = draft.header(HeaderName::Contact, contact).header(HeaderName::Expires, expires_secs.to_string());
        self.send_draft(now, draft, false);
    }

    /// From its own address; `call_id` is the tag too.
    pub(super) fn draft(&self, method: Method, to: &str, call_id: String) -> Draft {
        let shows = self.can_be_moved && matches!(method, Method::Register | Method::Invite);
        let draft = Draft::new(method, &self.aor, to, &call_id.clone(), call_id);
        match shows {
            true => draft.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, "replaces"),
            false => draft,
        }
    }

    /// Returns the number of its transaction; `None` without a line.
    pub(super) fn send_draft(&mut self, now: Instant, draft: Draft, is_second: bool) -> Option<u64> {
        let serial = self.next_serial();
        let request = draft.message(&self.via(serial)).expect("a phone's request is a message");
        if draft.method == Method::Register {
            self.registration.sequence = draft.sequence;
        }
        self.send(now, serial, Sent { draft, request, is_second })
    }

    pub(super) fn send(&mut self, now: Instant, serial: u64, sent: Sent) -> Option<u64> {
        let method = sent.draft.method.clone();
        let Some((_, flow)) = self.line else {
            self.finished(now, &sent, Outcome::LineLost);
            return None;
        };
        let id = ClientTransactionId { serial, cancel: false };
        let bytes = sent.request.as_bytes().clone();
        self.sent.insert(serial, sent);
        self.transactions.send_request(now, id, flow, &method, bytes).expect("few transactions");
        Some(serial)
    }

    pub(super) fn via(&self, serial: u64) -> String {
        let transport = if self.is_datagram { "UDP" } else { "TLS" };
        let word = self.word();
        format!("SIP/2.0/{transport} {word}.invalid;branch=z9hG4bK-{word}-{serial};rport")
    }

    pub(super) fn handle_response(&mut self, now: Instant, response: &Message) {
        let Some(id) = transaction_of(response) else { return };
        if self.transactions.handle_response(now, id, response) != ResponseOutcome::Deliver || id.cancel {
            return;
        }
        let (status, is_invite) = (response.status().unwrap_or(0), is_invite(response));
        match status {
            100..=199 if is_invite => return self.heard_ringing(id.serial, status),
            100..=199 => return,
            200..=299 if is_invite => return self.call_answered(now, id.serial, response),
            _ => {}
        }
        let Some(sent) = self.sent.remove(&id.serial) else { return };
        let user = self.aor.split('@').next().unwrap_or_default();
        match sent.draft.answering(response, user, &self.password, &sent.draft.call_id) {
            // A nonce that has become stale says nothing about the password.
            Some(again) if !sent.is_second || (is_stale(response) && sent.draft.sequence < TRIES_MAX) => {
                let serial = self.send_draft(now, again, true);
                self.call_sent_again(&sent.draft.call_id, serial);
            }
            _ => {
                match sent.draft.method {
                    Method::Publish => self.published(response),
                    Method::Subscribe if status < 300 => self.subscribed(&sent, response),
                    _ => {}
                }
                self.finished(now, &sent, Outcome::of(response));
            }
        }
    }

    pub(super) fn request_failed(&mut self, now: Instant, id: ClientTransactionId, failure: Failure) {
        let Some(sent) = self.sent.remove(&id.serial).filter(|_| !id.cancel) else { return };
        let outcome = match failure {
            Failure::Timeout => Outcome::TimedOut,
            Failure::TransportFailed => Outcome::LineLost,
        };
        self.finished(now, &sent, outcome);
    }

    fn finished(&mut self, now: Instant, sent: &Sent, outcome: Outcome) {
        let method = sent.draft.method.clone();
        match &outcome {
            // What is said in a meeting goes to many, in messages of the meeting's own; an answer ends with the server.
            Outcome::Status { status, .. }
                if outcome.is_success() && method == Method::Message && !sent.is_for_no_one_phone() =>
            {
                self.acknowledged.push((sent.draft.call_id.clone(), *status));
            }
            _ => {}
        }
        match method {
            Method::Register => return self.registration_finished(now, outcome),
            Method::Invite if !sent.is_within() => drop(self.calls.remove(&sent.draft.call_id)),
            _ if sent.is_within() && outcome.ends_dialog() => drop(self.calls.remove(&sent.draft.call_id)),
            _ => {}
        }
        self.events.push_back(Event::Told { method, outcome });
    }

    fn registration_finished(&mut self, now: Instant, outcome: Outcome) {
        let is_asked = std::mem::take(&mut self.registration.is_asked);
        self.registration.is_held = outcome.is_success() && self.registration.is_wanted;
        self.registration.is_confirmed |= outcome.is_success();
        if is_asked {
            self.events.push_back(Event::Told { method: Method::Register, outcome: outcome.clone() });
        }
        // A wrong password will not get better.
        if !outcome.is_success() && !matches!(outcome, Outcome::Status { status: 400..=499, .. }) && !is_asked {
            self.connect_later(now);
        }
    }

    pub(super) fn handle_request(&mut self, now: Instant, request: Message) {
        let Some((_, flow)) = self.line else { return };
        match self.transactions.handle_request(now, flow, &request) {
            RequestOutcome::New(id) => self.take_request(now, id, request),
            RequestOutcome::AckFor2xx => self.acknowledged_call(&request),
            RequestOutcome::Cancel { cancelled: Some(id) } => self.call_cancelled(now, id),
            RequestOutcome::Absorbed
            | RequestOutcome::Cancel { cancelled: None }
            | RequestOutcome::CancelOfNothing
            | RequestOutcome::Malformed(_)
            | RequestOutcome::Full => {}
        }
    }

    fn take_request(&mut self, now: Instant, id: ServerTransactionId, request: Message) {
        let is_within = request.is_within_dialog();
        match request.method() {
            Some(Method::Invite) if !is_within => self.call_comes(now, id, request),
            Some(Method::Invite) => self.change_comes(now, id, &request),
            Some(Method::Notify) if is_of("refer", &request) => self.report_comes(now, id, &request),
            Some(Method::Notify) if is_of("conference", &request) => self.roster_comes(now, id, &request),
            Some(Method::Notify) => self.notify_comes(now, id, &request),
            Some(Method::Bye) => self.call_ended(now, id, &request),
            Some(Method::Message) => self.text_comes(now, id, &request),
            // Whether the call still stands, the other side wants to know.
            Some(Method::Options) if is_within => self.respond(now, id, &request, self.status_within(&request)),
            Some(method) if is_within => {
                self.events.push_back(Event::Inside { method });
                self.respond(now, id, &request, 200);
            }
            Some(Method::Options) => self.respond(now, id, &request, 200),
            _ => self.respond(now, id, &request, 405),
        }
    }

    /// The last message once more, in a transaction of its own.
    pub fn receive_again(&mut self, now: Instant) -> bool {
        let Some(last) = self.last_text.clone() else { return false };
        let text = String::from_utf8_lossy(last.as_bytes()).replacen("branch=z9hG4bK", "branch=z9hG4bKagain", 1);
        let again = Message::parse(text.into_bytes().into()).expect("it was a message");
        self.handle_message(now, again);
        true
    }

    fn text_comes(&mut self, now: Instant, id: ServerTransactionId, request: &Message) {
        let status = self.answers.take().unwrap_or(200);
        let call_id = name_of(request);
        // Datagrams overtake each other whatever a server does. What was stored has the moment of that in it.
        if request.header(HeaderName::Date).is_some() && !self.registration.is_confirmed && !self.is_datagram {
            self.events.push_back(Event::Early);
        }
        if status == 200 {
            let text = String::from_utf8_lossy(request.body()).into_owned();
            self.events.push_back(Event::Text { from: sender(request), text });
            *self.received.entry(call_id).or_default() += 1;
            self.last_text = Some(request.clone());
        } else {
            self.refused.insert(call_id);
        }
        self.pondered.insert(id, (status, request.clone()));
        match self.ponders {
            Duration::ZERO => self.answer_pondered(now, id),
            time => drop(self.schedule.insert((now + time, Task::Answer(id)))),
        }
    }

    pub(super) fn answer_pondered(&mut self, now: Instant, id: ServerTransactionId) {
        if let Some((status, request)) = self.pondered.remove(&id) {
            self.respond(now, id, &request, status);
        }
    }

    pub(super) fn respond(&mut self, now: Instant, id: ServerTransactionId, request: &Message, status: u16) {
        let tag = self.word();
        let response = build::response(request, status, None, Some(&tag)).header(HeaderName::Contact, self.contact());
        // Where the transaction is over, nobody waits for it.
        let _ = self.transactions.respond(now, id, status, response.build());
    }
}

/// Tells a message from all others: those of one dialog have one Call-ID.
fn name_of(request: &Message) -> String {
    let call_id = request.call_id().unwrap_or_default();
    match request.is_within_dialog() {
        true => format!("{call_id} {}", request.cseq().map_or(0, |cseq| cseq.number)),
        false => call_id.to_owned(),
    }
}

fn is_of(package: &str, notify: &Message) -> bool {
    let event = notify.header_text(HeaderName::Event).unwrap_or_default();
    event.split(';').next().unwrap_or_default().trim() == package
}

/// Which transaction of ours a response is for: the number in our branch.
fn transaction_of(response: &Message) -> Option<ClientTransactionId> {
    let serial = response.top_via().ok()?.branch()?.rsplit('-').next()?.parse().ok()?;
    Some(ClientTransactionId { serial, cancel: response.cseq().ok()?.method == Method::Cancel })
}

fn is_invite(response: &Message) -> bool {
    response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}

fn is_stale(response: &Message) -> bool {
    let names = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];
    let mut values = names.into_iter().flat_map(|name| response.header_all(name));
    values.any(|value| String::from_utf8_lossy(value).contains("stale=true"))
}

/// Sent so often with new credentials, a request is given up.
const TRIES_MAX: u32 = 8;
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, NOTIFY, REFER, UPDATE";

/// The address of a request's From.
pub(super) fn sender(request: &Message) -> String {
    let uri = request.from().map(|from| from.uri().as_str().to_owned()).unwrap_or_default();
    uri.trim_start_matches("sip:").to_owned()
}
