//! One watcher's subscription, as its notifier keeps it (RFC 6665 section 4.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use documents::pidf::CONTENT_TYPE;
use federation::Admitted;
use sip::dialog::{Dialog, DialogError};
use sip::refusal::Word;
use sip::{
    Aor, EventHeader, HeaderName, Message, Method, Refusal, RequestBuilder, SubscriptionState, TerminationReason,
};

use crate::agent::malformed;

/// Names a subscription; never given twice by one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// A SUBSCRIBE, and what is known of it.
pub struct Subscribe<'a, W> {
    /// Whom it asks about.
    pub aor: &'a Aor,
    pub request: &'a Message,
    pub admitted: &'a Admitted,
    /// Whether the sender may watch the user, by policy.
    pub is_allowed: bool,
    /// For the To of our answer, where the request has no tag there: unique, and not to be guessed.
    pub local_tag: &'a str,
    /// How NOTIFYs get to the watcher from now on; kept as it is.
    pub way: W,
}

/// A SUBSCRIBE that was accepted: what its 200 says in Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed {
    pub id: SubscriptionId,
    /// 0 for one that has ended, or never was more than a fetch.
    pub expires_secs: u32,
}

/// A NOTIFY to send. What becomes of it is to be told by [`crate::PresenceAgent::handle_notified`].
#[derive(Debug, Clone)]
pub struct Notify<W> {
    pub id: SubscriptionId,
    pub way: W,
    /// Complete but for Via and Contact.
    pub request: RequestBuilder,
}

#[derive(Debug)]
pub(crate) struct Subscription<W> {
    id: SubscriptionId,
    pub aor: Aor,
    pub dialog: Dialog,
    event: EventHeader,
    subscriber: Subscriber,
    way: W,
    expires_at: Instant,
    stage: Stage,
    /// The document that the watcher was sent last.
    sent: Option<Arc<str>>,
    /// A NOTIFY is owed even where the document is the same.
    is_owed: bool,
    ending: Option<TerminationReason>,
}

/// Where a NOTIFY stands. There is one at a time, so that the last state to arrive is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    ExpectAnswer,
    /// The watcher said when it may be asked again.
    ExpectRetry,
}

/// As far as a sender is proven: our own user, or a partner's domain.
#[derive(Debug, PartialEq, Eq)]
struct Subscriber {
    aor: Option<Aor>,
    domain: String,
}

/// What the answer to a NOTIFY means for the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Goes,
    Ends,
    Later(Duration),
}

impl<W: Clone> Subscription<W> {
    /// # Errors
    /// 400 for headers that a dialog needs.
    pub fn new(
        now: Instant,
        id: SubscriptionId,
        subscribe: &Subscribe<'_, W>,
        event: EventHeader,
    ) -> Result<Self, Refusal> {
        let mut dialog = Dialog::uas(subscribe.request, subscribe.local_tag).map_err(malformed)?;
        dialog.confirm();
        Ok(Subscription {
            id,
            aor: subscribe.aor.clone(),
            dialog,
            event,
            subscriber: Subscriber::of(subscribe.admitted),
            way: subscribe.way.clone(),
            expires_at: now,
            stage: Stage::Idle,
            sent: None,
            is_owed: true,
            ending: None,
        })
    }

    /// Whether a SUBSCRIBE in the dialog is about this subscription, and by him who made it.
    pub fn is_meant(&self, subscribe: &Subscribe<'_, W>, event: &EventHeader) -> bool {
        self.aor == *subscribe.aor && self.event == *event && self.subscriber == Subscriber::of(subscribe.admitted)
    }

    /// Takes a SUBSCRIBE in the dialog: the watcher is there, whatever he answered before, and is owed a NOTIFY.
    ///
    /// # Errors
    /// 500 for an old CSeq, 400 for a header that does not parse.
    pub fn refresh(&mut self, subscribe: &Subscribe<'_, W>) -> Result<(), Refusal> {
        self.dialog.handle_request(subscribe.request).map_err(|error| match error {
            DialogError::OutOfOrder { .. } => Refusal::new(500, Word::OutOfOrder, error.to_string()),
            DialogError::Parse(error) => malformed(error),
        })?;
        self.way = subscribe.way.clone();
        self.is_owed = true;
        self.lift_hold();
        Ok(())
    }

    /// Returns when it runs out.
    pub fn extend(&mut self, now: Instant, expires_secs: u32) -> Instant {
        self.expires_at = now + Duration::from_secs(u64::from(expires_secs));
        self.expires_at
    }

    /// The watcher may be asked again.
    pub fn lift_hold(&mut self) {
        if self.stage == Stage::ExpectRetry {
            self.stage = Stage::Idle;
        }
    }

    /// Says whether there is still a last NOTIFY to send: not to a watcher who does not want to be asked now.
    pub fn end(&mut self, reason: TerminationReason) -> bool {
        self.ending = Some(reason);
        self.stage != Stage::ExpectRetry
    }

    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The next NOTIFY, if one is due and none is under way. `document`: none where the user is gone.
    pub fn notify(&mut self, now: Instant, document: Option<&Arc<str>>) -> Option<Notify<W>> {
        let is_due = self.is_owed || self.is_ending() || self.sent.as_ref() != document;
        if self.stage != Stage::Idle || !is_due {
            return None;
        }
        let mut request = self
            .dialog
            .request(&Method::Notify)
            .header(HeaderName::Event, &self.event)
            .header(HeaderName::SubscriptionState, self.state(now));
        // Who may not see the user any more is not told how he is.
        let is_told = matches!(self.ending, None | Some(TerminationReason::Timeout));
        if let Some(document) = document.filter(|_| is_told) {
            request = request.body(CONTENT_TYPE, document.as_bytes());
        }
        self.stage = Stage::ExpectAnswer;
        self.is_owed = false;
        self.sent = document.cloned();
        Some(Notify { id: self.id, way: self.way.clone(), request })
    }

    /// Takes what became of the NOTIFY; `None` if none was under way.
    pub fn handle_answer(&mut self, status: Option<u16>, retry_after_secs: Option<u32>) -> Option<Answer> {
        if self.stage != Stage::ExpectAnswer {
            return None;
        }
        let answer = Answer::of(status, retry_after_secs);
        self.stage = match answer {
            Answer::Later(_) => Stage::ExpectRetry,
            Answer::Goes | Answer::Ends => Stage::Idle,
        };
        // What he refused he does not know.
        self.is_owed |= matches!(answer, Answer::Later(_));
        Some(answer)
    }

    fn state(&self, now: Instant) -> SubscriptionState {
        match &self.ending {
            Some(reason) => SubscriptionState::Terminated { reason: Some(reason.clone()) },
            None => {
                let secs = self.expires_at.saturating_duration_since(now).as_secs();
                SubscriptionState::Active { expires_secs: Some(u32::try_from(secs).unwrap_or(u32::MAX)) }
            }
        }
    }
}

impl Answer {
    /// RFC 6665 section 4.2.2: these statuses, and silence, end the subscription; another failure leaves it, and the next
    /// change is told as usual.
    fn of(status: Option<u16>, retry_after_secs: Option<u32>) -> Answer {
        match (status, retry_after_secs) {
            (None, _) => Answer::Ends,
            (Some(404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604), None) => Answer::Ends,
            // What says that there is no such subscription means it, whenever we ask again.
            (Some(481 | 489), Some(_)) => Answer::Ends,
            (Some(300..), Some(secs)) => {
                let secs = secs.clamp(RETRY_AFTER_SECS_MIN, RETRY_AFTER_SECS_MAX);
                Answer::Later(Duration::from_secs(u64::from(secs)))
            }
            _ => Answer::Goes,
        }
    }
}

impl Subscriber {
    fn of(admitted: &Admitted) -> Subscriber {
        Subscriber { aor: admitted.aor().cloned(), domain: admitted.domain().to_owned() }
    }
}

/// A watcher that always says "in 0 seconds" would be sent NOTIFYs as fast as it answers.
const RETRY_AFTER_SECS_MIN: u32 = 5;
/// Longer than any subscription lasts; also keeps the sum of two times one.
const RETRY_AFTER_SECS_MAX: u32 = 86_400;
