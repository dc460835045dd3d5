//! Presence of a phone: what its user publishes, and whom he watches (RFC 3856, 3903).

use std::time::Instant;

use documents::pidf::{Activity, Basic, CONTENT_TYPE, Person, Pidf, Tuple};
use sip::dialog::Dialog;
use sip::transaction::ServerTransactionId;
use sip::uac::Draft;
use sip::{HeaderName, Message, Method};

use super::requests::{Sent, sender};
use super::{Event, Phone};

impl Phone {
    pub fn watch(&mut self, now: Instant, user: &str) {
        self.subscribe(now, user, "presence", CONTENT_TYPE);
    }

    pub(super) fn subscribe(&mut self, now: Instant, user: &str, package: &str, accept: &str) {
        let call_id = format!("s{}-{}", self.next_serial(), self.word());
        let draft = self
            .draft(Method::Subscribe, user, call_id)
            .header(HeaderName::Event, package)
            .header(HeaderName::Accept, accept)
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Expires, "3600");
        self.send_draft(now, draft, false);
        self.settle(now);
    }

    /// Ends the subscription to a user; `false`: there is none.
    pub fn stop_watching(&mut self, now: Instant, user: &str) -> bool {
        let serial = self.next_serial();
        let (via, contact) = (self.via(serial), self.contact());
        let Some((mut dialog, call_id)) = self.watched.remove(user) else { return false };
        let request = dialog
            .request(&Method::Subscribe)
            .header(HeaderName::Via, via)
            .header(HeaderName::Contact, contact)
            .header(HeaderName::Event, "presence")
            .header(HeaderName::Expires, 0);
        let request = request.message().expect("a dialog's request is a message");
        let mut draft = Draft::new(Method::Subscribe, &self.aor, user, &call_id, call_id.to_owned());
        draft.sequence = dialog.local_sequence();
        self.send(now, serial, Sent { draft, request, is_second: true });
        self.settle(now);
        true
    }

    /// Says what its user does: `open`, `closed`, or `on-the-phone`.
    pub fn publish(&mut self, now: Instant, state: &str) {
        let call_id = format!("p{}-{}", self.next_serial(), self.word());
        let mut draft = self
            .draft(Method::Publish, &self.aor, call_id)
            .header(HeaderName::Event, "presence")
            .header(HeaderName::Expires, "3600")
            .body(CONTENT_TYPE, self.document(state).print());
        if let Some(etag) = &self.etag {
            draft = draft.header(HeaderName::SipIfMatch, etag.clone());
        }
        self.send_draft(now, draft, false);
        self.settle(now);
    }

    pub(super) fn published(&mut self, response: &Message) {
        self.etag = response.header_text(HeaderName::SipETag).map(str::to_owned);
    }

    pub(super) fn subscribed(&mut self, sent: &Sent, response: &Message) {
        if sent.is_within() {
            return;
        }
        if let Ok(dialog) = Dialog::uac(&sent.request, response) {
            let user = sent.draft.uri.trim_start_matches("sip:").to_owned();
            self.watched.insert(user, (dialog, sent.draft.call_id.clone()));
        }
    }

    pub(super) fn notify_comes(&mut self, now: Instant, id: ServerTransactionId, notify: &Message) {
        let state = match Pidf::parse(notify.body()) {
            Ok(document) => seen(&document),
            Err(_) => "nothing",
        };
        self.events.push_back(Event::Sees { user: sender(notify), state: state.to_owned() });
        self.respond(now, id, notify, 200);
    }

    fn document(&self, state: &str) -> Pidf {
        let basic = if state == "closed" { Basic::Closed } else { Basic::Open };
        let tuple = Tuple { id: self.word(), basic: Some(basic), contact: None, notes: Vec::new(), timestamp: None };
        let person = (state == "on-the-phone").then(|| Person {
            id: format!("p-{}", self.word()),
            activities: vec![Activity::OnThePhone],
            notes: Vec::new(),
        });
        Pidf { entity: format!("sip:{}", self.aor), tuples: vec![tuple], person, notes: Vec::new() }
    }
}

/// A document in one word.
fn seen(document: &Pidf) -> &'static str {
    let activities = document.person.iter().flat_map(|person| &person.activities);
    let shown: Vec<&Activity> = activities.collect();
    if shown.contains(&&Activity::OnThePhone) {
        return "on-the-phone";
    }
    if shown.contains(&&Activity::Meeting) {
        return "in-a-meeting";
    }
    if document.tuples.iter().any(|tuple| tuple.basic == Some(Basic::Open)) { "open" } else { "closed" }
}
