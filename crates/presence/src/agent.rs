//! The presence agent (RFC 3856): publications and registrations in, notifications out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use documents::pidf::CONTENT_TYPE;
use federation::Admitted;
use sip::deadlines::Deadlines;
use sip::dialog::DialogId;
use sip::refusal::Word;
use sip::{Aor, EventHeader, HeaderName, Message, ParseError, Refusal, TerminationReason};

use crate::PresenceLimits;
use crate::event_state::{Publish, Published};
use crate::presentity::Presentity;
use crate::subscription::{Answer, Notify, Subscribe, Subscribed, Subscription, SubscriptionId};

/// The presence agent (RFC 3856) and event state compositor (RFC 3903) of the users that one worker owns.
///
/// `W` is the way to a watcher: chosen and understood by its caller, kept here as it is. After each input,
/// [`PresenceAgent::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub struct PresenceAgent<W> {
    presentities_by_aor: BTreeMap<Aor, Presentity>,
    subscriptions_by_id: BTreeMap<SubscriptionId, Subscription<W>>,
    /// Of those that have not ended.
    ids_by_dialog: BTreeMap<DialogId, SubscriptionId>,
    deadlines: Deadlines<Due>,
    outputs: VecDeque<Notify<W>>,
    limits: PresenceLimits,
    life: u32,
    last_etag: u64,
    last_id: u64,
}

/// What happens at a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The soonest publication of the user runs out.
    Publications(Aor),
    /// A subscription runs out.
    Subscription(SubscriptionId),
    /// A watcher that said when may be notified again.
    Retry(SubscriptionId),
}

impl<W: Clone> PresenceAgent<W> {
    /// `life` tells this run of the server from those before: their entity-tags are not known again.
    pub fn new(limits: PresenceLimits, life: u32) -> PresenceAgent<W> {
        PresenceAgent {
            presentities_by_aor: BTreeMap::new(),
            subscriptions_by_id: BTreeMap::new(),
            ids_by_dialog: BTreeMap::new(),
            deadlines: Deadlines::default(),
            outputs: VecDeque::new(),
            limits,
            life,
            last_etag: 0,
            last_id: 0,
        }
    }

    /// A PUBLISH (RFC 3903 section 6), by the user himself only.
    ///
    /// # Errors
    /// 403 `identity-mismatch` for anybody else, 489 for another event package, 412 for an entity-tag that is not known,
    /// 423 for too short an interval, 413, 415 and 400 for the body, 503 beyond `publications_per_user_max`.
    pub fn handle_publish(
        &mut self,
        now: Instant,
        aor: &Aor,
        request: &Message,
        admitted: &Admitted,
    ) -> Result<Published, Refusal> {
        if admitted.aor() != Some(aor) {
            return Err(Refusal::new(403, Word::IdentityMismatch, "only the user himself publishes his presence"));
        }
        let publish = Publish::read(request, &self.limits)?;
        let expires_secs = publish.expires_secs;
        self.last_etag += 1;
        let etag = format!("{:08x}-{:x}", self.life, self.last_etag);
        let presentity = self.presentities_by_aor.entry(aor.clone()).or_default();
        presentity.event_state.expire(now);
        let applied = presentity.event_state.apply(now, publish, &etag, &self.limits);
        self.update(now, aor);
        applied.map(|()| Published { etag, expires_secs })
    }

    /// A SUBSCRIBE (RFC 6665 section 4.2.1): outside a dialog it makes a subscription, within one it refreshes or ends
    /// it. Expires 0 outside a dialog fetches the state once. Each that is accepted is followed by a NOTIFY.
    ///
    /// # Errors
    /// 489 for another event package, 403 `presence-denied`, 406 where Accept excludes PIDF, 423 for too short an
    /// interval, 481 for a dialog that is not known, 500 for an old CSeq, 400 for what does not parse, 486 and 503
    /// beyond `watchers_per_user_max` and `subscriptions_max`.
    pub fn handle_subscribe(&mut self, now: Instant, subscribe: Subscribe<'_, W>) -> Result<Subscribed, Refusal> {
        let request = subscribe.request;
        let event = check_event(request)?;
        check_accept(request)?;
        let expires_secs = self.limits.grant(request.expires().map_err(malformed)?)?;
        let id = match request.to().map_err(malformed)?.tag() {
            Some(local_tag) => self.refresh(now, &subscribe, &event, local_tag)?,
            None => self.establish(now, &subscribe, event, expires_secs)?,
        };
        match expires_secs {
            0 => self.end(now, id, TerminationReason::Timeout),
            _ => self.extend(now, id, expires_secs),
        }
        Ok(Subscribed { id, expires_secs })
    }

    /// A device registered, or the last one went: the state of a user who publishes nothing. With the last device go his
    /// calls.
    pub fn set_registered(&mut self, now: Instant, aor: &Aor, is_registered: bool) {
        let base = &mut self.presentities_by_aor.entry(aor.clone()).or_default().base;
        base.is_registered = is_registered;
        if !is_registered {
            base.calls = 0;
        }
        self.update(now, aor);
    }

    /// How many calls the user has: while there are any he is on the phone, beside what is published.
    pub fn set_calls(&mut self, now: Instant, aor: &Aor, calls: u32) {
        self.presentities_by_aor.entry(aor.clone()).or_default().base.calls = calls;
        self.update(now, aor);
    }

    /// What became of a NOTIFY: its final status, and Retry-After if it had one; no status where no answer came.
    ///
    /// No answer, and what says that there is no such subscription, ends it (RFC 6665 section 4.2.2). After a Retry-After
    /// the latest state is sent once that time has passed.
    pub fn handle_notified(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        status: Option<u16>,
        retry_after_secs: Option<u32>,
    ) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        match subscription.handle_answer(status, retry_after_secs) {
            Some(Answer::Goes) => self.notify(now, id),
            Some(Answer::Later(after)) if !subscription.is_ending() => {
                self.deadlines.set(Due::Retry(id), Some(now + after));
            }
            Some(Answer::Ends | Answer::Later(_)) => self.remove(id),
            None => {}
        }
    }

    /// The next NOTIFY to send.
    pub fn poll_output(&mut self) -> Option<Notify<W>> {
        self.outputs.pop_front()
    }

    /// When [`PresenceAgent::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends what has run out, and notifies anew whoever asked to be left alone until now.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop(now) {
            match due {
                Due::Publications(aor) => {
                    if let Some(presentity) = self.presentities_by_aor.get_mut(&aor) {
                        presentity.event_state.expire(now);
                    }
                    self.update(now, &aor);
                }
                Due::Subscription(id) => self.end(now, id, TerminationReason::Timeout),
                Due::Retry(id) => {
                    if let Some(subscription) = self.subscriptions_by_id.get_mut(&id) {
                        subscription.lift_hold();
                    }
                    self.notify(now, id);
                }
            }
        }
    }

    /// The user is no more: whoever watched him is told so.
    pub fn remove_user(&mut self, now: Instant, aor: &Aor) {
        let Some(presentity) = self.presentities_by_aor.remove(aor) else { return };
        self.deadlines.set(Due::Publications(aor.clone()), None);
        for id in presentity.watchers {
            self.end(now, id, TerminationReason::Noresource);
        }
    }

    /// Subscriptions held, over all users.
    pub fn watchers(&self) -> usize {
        self.subscriptions_by_id.len()
    }

    /// Publications held, over all users.
    pub fn publications(&self) -> usize {
        self.presentities_by_aor.values().map(|presentity| presentity.event_state.len()).sum()
    }

    fn establish(
        &mut self,
        now: Instant,
        subscribe: &Subscribe<'_, W>,
        event: EventHeader,
        expires_secs: u32,
    ) -> Result<SubscriptionId, Refusal> {
        check_allowed(subscribe)?;
        // A fetch leaves nothing behind that a limit would have to bound.
        if expires_secs > 0 {
            let watchers =
                self.presentities_by_aor.get(subscribe.aor).map_or(0, |presentity| presentity.watchers.len());
            self.limits.check_subscriptions(watchers, self.subscriptions_by_id.len())?;
        }
        let id = SubscriptionId(self.last_id + 1);
        let subscription = Subscription::new(now, id, subscribe, event)?;
        self.last_id = id.0;
        self.ids_by_dialog.insert(subscription.dialog.id().clone(), id);
        self.subscriptions_by_id.insert(id, subscription);
        let presentity = self.presentities_by_aor.entry(subscribe.aor.clone()).or_default();
        presentity.watchers.insert(id);
        presentity.recompose(subscribe.aor);
        Ok(id)
    }

    fn refresh(
        &mut self,
        now: Instant,
        subscribe: &Subscribe<'_, W>,
        event: &EventHeader,
        local_tag: &str,
    ) -> Result<SubscriptionId, Refusal> {
        let dialog = DialogId {
            call_id: subscribe.request.call_id().map_err(malformed)?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: subscribe.request.from().map_err(malformed)?.tag().unwrap_or_default().to_owned(),
        };
        let found = self.ids_by_dialog.get(&dialog).copied();
        let found = found.and_then(|id| Some((id, self.subscriptions_by_id.get_mut(&id)?)));
        let Some((id, subscription)) = found.filter(|(_, subscription)| subscription.is_meant(subscribe, event)) else {
            return Err(Refusal::new(481, Word::SubscriptionUnknown, "no subscription of this sender in that dialog"));
        };
        subscription.refresh(subscribe)?;
        self.deadlines.set(Due::Retry(id), None);
        check_allowed(subscribe).inspect_err(|_| self.end(now, id, TerminationReason::Rejected))?;
        Ok(id)
    }

    fn extend(&mut self, now: Instant, id: SubscriptionId, expires_secs: u32) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        let expires_at = subscription.extend(now, expires_secs);
        self.deadlines.set(Due::Subscription(id), Some(expires_at));
        self.notify(now, id);
    }

    /// From now on it is not to be refreshed; it is gone with its last NOTIFY.
    fn end(&mut self, now: Instant, id: SubscriptionId, reason: TerminationReason) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        self.ids_by_dialog.remove(subscription.dialog.id());
        self.deadlines.set(Due::Subscription(id), None);
        match subscription.end(reason) {
            true => self.notify(now, id),
            false => self.remove(id),
        }
    }

    /// Something about the user may have changed: his watchers are told if it did.
    fn update(&mut self, now: Instant, aor: &Aor) {
        let Some(presentity) = self.presentities_by_aor.get_mut(aor) else { return };
        self.deadlines.set(Due::Publications(aor.clone()), presentity.event_state.next_expiry());
        if presentity.recompose(aor) {
            for id in presentity.watchers.clone() {
                self.notify(now, id);
            }
        }
        self.forget_blank(aor);
    }

    /// Sends what this watcher is to be told now, if anything.
    fn notify(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        let document = self.presentities_by_aor.get(&subscription.aor).and_then(Presentity::document);
        let Some(notify) = subscription.notify(now, document) else { return };
        let is_last = subscription.is_ending();
        self.outputs.push_back(notify);
        if is_last {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions_by_id.remove(&id) else { return };
        self.ids_by_dialog.remove(subscription.dialog.id());
        self.deadlines.set(Due::Subscription(id), None);
        self.deadlines.set(Due::Retry(id), None);
        if let Some(presentity) = self.presentities_by_aor.get_mut(&subscription.aor) {
            presentity.watchers.remove(&id);
        }
        self.forget_blank(&subscription.aor);
    }

    fn forget_blank(&mut self, aor: &Aor) {
        if self.presentities_by_aor.get(aor).is_some_and(Presentity::is_blank) {
            self.presentities_by_aor.remove(aor);
        }
    }
}

/// Event is there, and names presence itself: a template such as `presence.winfo` is another package.
pub(crate) fn check_event(request: &Message) -> Result<EventHeader, Refusal> {
    let event = request.event().map_err(malformed)?;
    event.filter(|event| event.package == PACKAGE).ok_or_else(|| {
        Refusal::new(489, Word::EventUnknown, "only the event package presence is served here")
            .with_header(HeaderName::AllowEvents, PACKAGE.to_owned())
    })
}

pub(crate) fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}

/// RFC 3856 section 6.6: without Accept the watcher takes PIDF.
fn check_accept(request: &Message) -> Result<(), Refusal> {
    let takes_pidf = |range: &[u8]| {
        let range = std::str::from_utf8(range).unwrap_or_default().split(';').next().unwrap_or_default().trim();
        [CONTENT_TYPE, "application/*", "*/*"].iter().any(|taken| range.eq_ignore_ascii_case(taken))
    };
    let is_absent = request.header(HeaderName::Accept).is_none();
    if is_absent || request.elements(HeaderName::Accept).any(takes_pidf) {
        return Ok(());
    }
    Err(Refusal::new(406, Word::MediaTypeUnsupported, "the watcher takes no presence document (PIDF)"))
}

fn check_allowed<W>(subscribe: &Subscribe<'_, W>) -> Result<(), Refusal> {
    let denied = || Refusal::new(403, Word::PresenceDenied, "policy does not let the sender watch the user");
    subscribe.is_allowed.then_some(()).ok_or_else(denied)
}

/// The event package that is served.
pub const PACKAGE: &str = "presence";
