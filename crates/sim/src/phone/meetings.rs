//! What a phone does in a meeting (RFC 4579): it asks the focus to call or remove others, holds, and hears what came of it.

use std::net::SocketAddr;
use std::time::Instant;

use sdp::Direction;
use sip::transaction::ServerTransactionId;
use sip::{HeaderName, Message, Method};

use super::calls::Within;
use super::{Event, Phone};

impl Phone {
    /// The address of the conference that it was in last, or was called by.
    pub fn conference(&self) -> Option<&str> {
        self.conference.as_deref()
    }

    /// The Call-ID of its call that stands.
    pub fn call_id(&self) -> Option<String> {
        self.talking()
    }

    /// Where its sound goes, in the call that stands.
    pub fn speaks_to(&mut self) -> Option<SocketAddr> {
        self.session_of_talk()?.remote()
    }

    /// Where it hears: tells its leg from those of all others.
    pub fn media_port(&self) -> u16 {
        self.media_port
    }

    /// Asks the focus to call somebody, or to remove him; `false`: no call stands.
    pub fn refer(&mut self, now: Instant, target: &str, is_removal: bool) -> bool {
        let method = if is_removal { ";method=BYE" } else { "" };
        let within = Within::new(Method::Refer).header(HeaderName::ReferTo, format!("<sip:{target}{method}>"));
        self.send_inside(now, within)
    }

    /// Says something within the call.
    pub fn say(&mut self, now: Instant, text: &str) -> bool {
        self.send_inside(now, Within::new(Method::Message).body("text/plain", text))
    }

    /// Holds the call that stands, or goes on with it; `false`: none does.
    pub fn turn(&mut self, now: Instant, direction: Direction) -> bool {
        let Some(session) = self.session_of_talk() else { return false };
        session.turn(direction);
        let offer = session.offer();
        self.send_inside(now, Within::new(Method::Invite).body("application/sdp", &offer))
    }

    /// The focus has something to tell (RFC 3515).
    pub(super) fn report_comes(&mut self, now: Instant, id: ServerTransactionId, notify: &Message) {
        let text = String::from_utf8_lossy(notify.body());
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        // That it has begun is told in every subscription; people hear how it ended.
        if status >= 200 {
            self.events.push_back(Event::Reports { status });
        }
        self.respond(now, id, notify, 200);
    }

    /// Remembers the conference that a message comes from; says whether it does from one.
    pub(super) fn meets(&mut self, message: &Message) -> bool {
        let Some(Ok(contact)) = message.contacts().next() else { return false };
        let Some(address) = contact.address().filter(|address| address.has_param("isfocus")) else { return false };
        self.conference = Some(address.uri().as_str().trim_start_matches("sip:").to_owned());
        true
    }
}
