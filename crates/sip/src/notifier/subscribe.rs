//! A SUBSCRIBE, what is known of it, and what any of an event package must say.

use crate::refusal::Word;
use crate::{Aor, EventHeader, HeaderName, Message, ParseError, Refusal};

use super::SubscriptionId;

/// What a notifier serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPackage {
    /// Such as `presence`: a template such as `presence.winfo` is another package.
    pub name: &'static str,
    /// The media type of its documents: what a subscriber takes who says nothing in Accept.
    pub content_type: &'static str,
}

/// A SUBSCRIBE, and what is known of it.
pub struct Subscribe<'a, R, W> {
    /// What it asks about.
    pub resource: &'a R,
    pub request: &'a Message,
    /// Who refreshes a subscription must be who made it.
    pub subscriber: Subscriber,
    /// What policy says.
    pub permission: Result<(), Refusal>,
    /// For the To of our answer, where the request has no tag there: unique, and not to be guessed.
    pub local_tag: &'a str,
    /// How NOTIFYs get to the subscriber from now on; kept as it is.
    pub way: W,
}

/// As far as a sender is proven: our own user, or a partner's domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscriber {
    pub aor: Option<Aor>,
    pub domain: String,
}

/// A SUBSCRIBE that was accepted: what its 200 says in Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed {
    pub id: SubscriptionId,
    /// 0 for one that has ended, or never was more than a fetch.
    pub expires_secs: u32,
}

impl EventPackage {
    /// Event is there, and names the package itself.
    ///
    /// # Errors
    /// 489 `event-unknown` with Allow-Events, 400 for what does not parse.
    pub fn check_event(&self, request: &Message) -> Result<EventHeader, Refusal> {
        let event = request.event().map_err(malformed)?;
        event.filter(|event| event.package == self.name).ok_or_else(|| {
            let reason = format!("only the event package {} is served here", self.name);
            Refusal::new(489, Word::EventUnknown, reason).with_header(HeaderName::AllowEvents, self.name.to_owned())
        })
    }

    /// RFC 6665 section 3.1.3: without Accept the subscriber takes what is usual for the package.
    pub(super) fn check_accept(&self, request: &Message) -> Result<(), Refusal> {
        let (main_type, _) = self.content_type.split_once('/').unwrap_or_default();
        let is_taken = |range: &[u8]| {
            let range = std::str::from_utf8(range).unwrap_or_default().split(';').next().unwrap_or_default().trim();
            let is_any = range
                .split_once('/')
                .is_some_and(|(main, sub)| sub == "*" && (main == "*" || main.eq_ignore_ascii_case(main_type)));
            is_any || range.eq_ignore_ascii_case(self.content_type)
        };
        let is_absent = request.header(HeaderName::Accept).is_none();
        if is_absent || request.elements(HeaderName::Accept).any(is_taken) {
            return Ok(());
        }
        let reason = format!("the subscriber takes no {}", self.content_type);
        Err(Refusal::new(406, Word::MediaTypeUnsupported, reason))
    }
}

pub(super) fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}
