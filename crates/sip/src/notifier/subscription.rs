//! One subscription, as its notifier keeps it (RFC 6665 section 4.2).

use std::time::{Duration, Instant};

use crate::dialog::{Dialog, DialogError};
use crate::refusal::Word;
use crate::{EventHeader, HeaderName, Method, Refusal, SubscriptionState, TerminationReason};

use super::subscribe::malformed;
use super::{Notify, Occasion, Subscribe, Subscriber, SubscriptionId, Told};

#[derive(Debug)]
pub(super) struct Subscription<R, W, S> {
    id: SubscriptionId,
    pub resource: R,
    pub dialog: Dialog,
    event: EventHeader,
    pub subscriber: Subscriber,
    way: W,
    expires_at: Instant,
    stage: Stage,
    /// The mark of the document that he was sent last.
    sent: Option<S>,
    /// A NOTIFY is owed even where there is nothing new.
    is_owed: bool,
    /// He took the last NOTIFY.
    is_taken: bool,
    /// Waits to be asked for its next NOTIFY.
    pub is_ready: bool,
    ending: Option<TerminationReason>,
}

/// Where a NOTIFY stands. There is one at a time, so that the last state to arrive is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    ExpectAnswer,
    /// The subscriber said when it may be asked again.
    ExpectRetry,
}

/// What the answer to a NOTIFY means for the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Goes,
    Ends,
    Later(Duration),
}

impl<R: PartialEq + Clone, W: Clone, S> Subscription<R, W, S> {
    /// # Errors
    /// 400 for headers that a dialog needs.
    pub fn new(
        now: Instant,
        id: SubscriptionId,
        subscribe: Subscribe<'_, R, W>,
        event: EventHeader,
    ) -> Result<Self, Refusal> {
        let mut dialog = Dialog::uas(subscribe.request, subscribe.local_tag).map_err(malformed)?;
        dialog.confirm();
        Ok(Subscription {
            id,
            resource: subscribe.resource.clone(),
            dialog,
            event,
            subscriber: subscribe.subscriber,
            way: subscribe.way,
            expires_at: now,
            stage: Stage::Idle,
            sent: None,
            is_owed: true,
            is_taken: true,
            is_ready: false,
            ending: None,
        })
    }

    /// Whether a SUBSCRIBE in the dialog is about this subscription, and by him who made it.
    pub fn is_meant(&self, subscribe: &Subscribe<'_, R, W>, event: &EventHeader) -> bool {
        self.resource == *subscribe.resource && self.event == *event && self.subscriber == subscribe.subscriber
    }

    /// Takes a SUBSCRIBE in the dialog: the subscriber is there, whatever he answered before, and is owed a NOTIFY.
    ///
    /// # Errors
    /// 500 for an old CSeq, 400 for a header that does not parse.
    pub fn refresh(&mut self, subscribe: &Subscribe<'_, R, W>) -> Result<(), Refusal> {
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

    /// The subscriber may be asked again.
    pub fn lift_hold(&mut self) {
        if self.stage == Stage::ExpectRetry {
            self.stage = Stage::Idle;
        }
    }

    /// Says whether there is still a last NOTIFY to send: not to one who does not want to be asked now.
    pub fn end(&mut self, reason: TerminationReason) -> bool {
        self.ending = Some(reason);
        self.stage != Stage::ExpectRetry
    }

    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The next NOTIFY, if one is due and none is under way.
    pub fn notify(
        &mut self,
        now: Instant,
        content_type: &str,
        tell: impl FnMut(&Occasion<'_, R, S>) -> Option<Told<S>>,
    ) -> Option<Notify<W>> {
        if self.stage != Stage::Idle {
            return None;
        }
        let is_owed = self.is_owed || self.is_ending();
        let told = self.ask(is_owed, tell);
        if told.is_none() && !is_owed {
            return None;
        }
        let mut request = self
            .dialog
            .request(&Method::Notify)
            .header(HeaderName::Event, &self.event)
            .header(HeaderName::SubscriptionState, self.state(now));
        if let Some(Told { body, mark }) = told {
            request = request.body(content_type, body.as_bytes());
            self.sent = Some(mark);
        }
        self.stage = Stage::ExpectAnswer;
        self.is_owed = false;
        Some(Notify { id: self.id, way: self.way.clone(), request })
    }

    /// Who may not see the state any more is not told it.
    fn ask(&self, is_owed: bool, mut tell: impl FnMut(&Occasion<'_, R, S>) -> Option<Told<S>>) -> Option<Told<S>> {
        let may_know = matches!(self.ending, None | Some(TerminationReason::Timeout));
        let is_whole = is_owed || !self.is_taken;
        let occasion = Occasion { resource: &self.resource, sent: self.sent.as_ref(), is_owed, is_whole };
        may_know.then(|| tell(&occasion)).flatten()
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
        self.is_taken = matches!(status, Some(..300));
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

/// A subscriber that always says "in 0 seconds" would be sent NOTIFYs as fast as it answers.
const RETRY_AFTER_SECS_MIN: u32 = 5;
/// Longer than any subscription lasts; also keeps the sum of two times one.
const RETRY_AFTER_SECS_MAX: u32 = 86_400;
