//! How much may wait for one user, and how much of it may be one sender's, so that nobody fills a mailbox alone.

use bytes::Bytes;
use sip::{Aor, Message};

use crate::NewMessage;

/// Messages that wait, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub messages_max: u32,
    pub bytes_max: u64,
}

/// What waits for a user of whoever sent one more message to him: beside it, what others sent takes no room.
#[derive(Debug)]
pub struct SenderShare<'a> {
    new: &'a NewMessage,
    sender: Aor,
    of_sender: Waiting,
    of_partner: Waiting,
}

#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    count: u64,
    bytes: u64,
}

impl Room {
    /// For one of so many bytes beside what waits.
    pub fn has_room(&self, count: u64, bytes: u64, new_bytes: usize) -> bool {
        count < u64::from(self.messages_max) && bytes.saturating_add(new_bytes as u64) <= self.bytes_max
    }
}

impl<'a> SenderShare<'a> {
    /// `None` where so little waits in all that nobody can have more than his share, or it says nothing of its sender.
    pub fn needed(new: &'a NewMessage, count: u64, bytes: u64) -> Option<SenderShare<'a>> {
        let is_small = |room: &Room| room.has_room(count, bytes, new.request.len());
        if is_small(&new.terms.of_sender) && new.terms.of_partner.as_ref().is_none_or(is_small) {
            return None;
        }
        let sender = sender(new.request.clone())?;
        Some(SenderShare { new, sender, of_sender: Waiting::default(), of_partner: Waiting::default() })
    }

    /// Counts one of those that wait.
    pub fn add(&mut self, request: Bytes) {
        let bytes = request.len() as u64;
        let Some(other) = sender(request) else { return };
        if other.domain() == self.sender.domain() {
            self.of_partner.add(bytes);
        }
        if other == self.sender {
            self.of_sender.add(bytes);
        }
    }

    /// Once all are counted.
    pub fn has_room(&self) -> bool {
        let fits = |room: &Room, waiting: Waiting| room.has_room(waiting.count, waiting.bytes, self.new.request.len());
        let terms = &self.new.terms;
        fits(&terms.of_sender, self.of_sender)
            && terms.of_partner.as_ref().is_none_or(|room| fits(room, self.of_partner))
    }
}

impl Waiting {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// As admission has proven him: a user of ours by his name, a partner's by his domain.
fn sender(request: Bytes) -> Option<Aor> {
    let message = Message::parse(request).ok()?;
    let from = message.from().ok()?;
    Aor::from_uri(&from.uri()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terms;

    fn message(sender: &str, is_of_partner: bool) -> NewMessage {
        let text = format!(
            "MESSAGE sip:bob@fabrikam.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
             From: <sip:{sender}>;tag=1\r\nTo: <sip:bob@fabrikam.example>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let bytes = text.len() as u64;
        let terms = Terms {
            accepted_unix_ms: 0,
            expires_unix_ms: 1,
            room: Room { messages_max: 9, bytes_max: 9 * bytes },
            of_sender: Room { messages_max: 2, bytes_max: 9 * bytes },
            of_partner: is_of_partner.then_some(Room { messages_max: 9, bytes_max: 3 * bytes }),
        };
        NewMessage {
            aor: "bob@fabrikam.example".parse().expect("an address"),
            request: text.into(),
            terms,
            was_sent: false,
        }
    }

    fn has_room(new: &NewMessage, waiting: &[&str]) -> bool {
        let waiting: Vec<Bytes> = waiting.iter().map(|sender| message(sender, true).request).collect();
        let bytes = waiting.iter().map(|request| request.len() as u64).sum();
        let Some(mut share) = SenderShare::needed(new, waiting.len() as u64, bytes) else { return true };
        waiting.into_iter().for_each(|request| share.add(request));
        share.has_room()
    }

    #[test]
    fn a_sender_and_a_partner_have_shares_and_colleagues_have_their_own() {
        let (a, b, c) = ("a@contoso.example", "b@contoso.example", "c@contoso.example");
        let other = "a@litware.example";
        assert!(has_room(&message(a, true), &[a, other, other]));
        assert!(!has_room(&message(a, true), &[a, a]), "he has two");
        assert!(has_room(&message(a, true), &[other, other, other, other]));
        assert!(has_room(&message(c, true), &[a, b]));
        assert!(!has_room(&message(c, true), &[a, b, b]), "they have three");
        assert!(has_room(&message(c, false), &[a, b, b]), "of our own users each counts alone");
    }

    #[test]
    fn where_little_waits_nothing_is_read() {
        let new = message("a@contoso.example", true);
        let bytes = new.request.len() as u64;
        assert!(SenderShare::needed(&new, 1, bytes).is_none());
        assert!(SenderShare::needed(&new, 2, bytes).is_some());
        assert!(SenderShare::needed(&new, 1, 3 * bytes).is_some());
    }
}
