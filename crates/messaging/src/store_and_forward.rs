//! Messages for people who are away (RFC 3428 section 7): which of them are kept, for how long, and how many.
//!
//! What is kept is kept by the store, and the 202 goes up once it has said so. How a user's queue is emptied when a
//! device of his registers is `queue`'s.

use bytes::Bytes;
use federation::Admitted;
use sip::refusal::Word;
use sip::{Aor, HeaderName, Message, Refusal};

use crate::Room;

/// The rules for keeping messages, of one organisation.
#[derive(Debug, Default)]
pub struct StoreAndForward {
    limits: StoreAndForwardLimits,
}

/// Bounds on what is kept for one user.
#[derive(Debug, Clone)]
pub struct StoreAndForwardLimits {
    /// Beyond it 486 `mailbox-full`.
    pub messages_per_user_max: u32,
    /// Beyond it 486 `mailbox-full`.
    pub bytes_per_user_max: u64,
    /// Of them, those of one sender; beyond it likewise.
    pub messages_per_sender_max: u32,
    pub bytes_per_sender_max: u64,
    /// Of all users of one partner together, likewise.
    pub messages_per_partner_max: u32,
    pub bytes_per_partner_max: u64,
    /// For a message that does not say how long it is valid.
    pub expires_secs_default: u32,
    /// A message that says it is valid for longer is kept for this long.
    pub expires_secs_max: u32,
    /// Users of whom one worker remembers that nothing waits; beyond it the store is asked more often.
    pub empty_queues_max: usize,
}

/// Names a stored message. It rises: of one user's messages the lower was accepted first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub i64);

/// For how long a message is kept, and how much room its user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub accepted_unix_ms: u64,
    pub expires_unix_ms: u64,
    pub room: Room,
    pub of_sender: Room,
    /// Of all of his domain together; `None`: he is a user of ours.
    pub of_partner: Option<Room>,
}

/// A message for the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub aor: Aor,
    /// As it goes out later, but for what each device needs: Request-URI, Via, Route.
    pub request: Bytes,
    pub terms: Terms,
    /// A device may have it already: it was sent, and no answer came.
    pub was_sent: bool,
}

/// A message out of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    pub id: MessageId,
    pub request: Bytes,
    /// It was sent before, and what became of that was never recorded: the device may get it a second time.
    pub is_repeat: bool,
}

/// Why a message is not in the store. Then nothing may be promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStored {
    UserUnknown,
    /// The user has as many, or as many bytes, as he may have.
    Full,
    /// Of that, his sender has as much as one may, or his sender's organisation.
    SenderFull,
    Failed(String),
}

impl StoreAndForward {
    pub fn new(limits: StoreAndForwardLimits) -> StoreAndForward {
        StoreAndForward { limits }
    }

    /// The terms on which an admitted MESSAGE is kept; `None` for one that means nothing later.
    ///
    /// The sender's Date is not read: his clock may be wrong, and the message has just come.
    ///
    /// # Errors
    /// 400 for an Expires that is no number of seconds.
    pub fn terms(
        &self,
        request: &Message,
        admitted: &Admitted,
        accepted_unix_ms: u64,
    ) -> Result<Option<Terms>, Refusal> {
        let expires =
            request.expires().map_err(|error| Refusal::new(400, Word::MalformedRequest, error.to_string()))?;
        let secs = expires.unwrap_or(self.limits.expires_secs_default).min(self.limits.expires_secs_max);
        if secs == 0 || is_transient(request) {
            return Ok(None);
        }
        let limits = &self.limits;
        Ok(Some(Terms {
            accepted_unix_ms,
            expires_unix_ms: accepted_unix_ms.saturating_add(u64::from(secs) * 1000),
            room: Room { messages_max: limits.messages_per_user_max, bytes_max: limits.bytes_per_user_max },
            of_sender: Room { messages_max: limits.messages_per_sender_max, bytes_max: limits.bytes_per_sender_max },
            of_partner: admitted.aor().is_none().then_some(Room {
                messages_max: limits.messages_per_partner_max,
                bytes_max: limits.bytes_per_partner_max,
            }),
        }))
    }
}

impl Default for StoreAndForwardLimits {
    fn default() -> StoreAndForwardLimits {
        StoreAndForwardLimits {
            messages_per_user_max: 200,
            bytes_per_user_max: 2 << 20,
            messages_per_sender_max: 50,
            bytes_per_sender_max: 512 << 10,
            messages_per_partner_max: 100,
            bytes_per_partner_max: 1 << 20,
            expires_secs_default: 7 * DAY_SECS,
            expires_secs_max: 28 * DAY_SECS,
            empty_queues_max: 100_000,
        }
    }
}

impl From<NotStored> for Refusal {
    fn from(why: NotStored) -> Refusal {
        match why {
            NotStored::UserUnknown => Refusal::new(404, Word::UserUnknown, "there is no such account").naming_nobody(),
            // Not 503: it is this user who can take no more, and a 503 would turn the sender away from the whole server.
            NotStored::Full => {
                Refusal::new(486, Word::MailboxFull, "the user is away and has as much stored as he may")
            }
            NotStored::SenderFull => {
                let reason =
                    "the user is away and has as much stored of the sender, or of the sender's domain, as one may";
                Refusal::new(486, Word::MailboxFull, reason)
            }
            // Not 503 either: who is signed in can still be reached (RFC 3261 section 21.5.1 has a Retry-After, too).
            NotStored::Failed(reason) => Refusal::new(500, Word::NotStored, format!("the store: {reason}"))
                .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string()),
        }
    }
}

/// "Is composing" (RFC 3994) is about this moment only.
pub fn is_transient(request: &Message) -> bool {
    let media_type = request.header_text(HeaderName::ContentType).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/im-iscomposing+xml")
}

const DAY_SECS: u32 = 86_400;
const RETRY_AFTER_SECS: u32 = 30;
