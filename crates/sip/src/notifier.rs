//! The notifier of one event package (RFC 6665 section 4.2): subscriptions by dialog, and one NOTIFY at a time in each.
//!
//! What there is to tell is its caller's business, and asked for at the moment a NOTIFY goes out: what changes while an
//! answer is awaited is told at once after it. So is who may subscribe.

mod limits;
mod shares;
mod subscribe;
mod subscription;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::deadlines::Deadlines;
use crate::dialog::DialogId;
use crate::refusal::Word;
use crate::{EventHeader, Refusal, RequestBuilder, TerminationReason};

use limits::Held;
pub use limits::NotifierLimits;
use shares::Shares;
use subscribe::malformed;
pub use subscribe::{EventPackage, Subscribe, Subscribed, Subscriber};
use subscription::{Answer, Subscription};

/// Subscriptions to resources `R`, as many as there are.
///
/// `W` is the way to a subscriber: chosen and understood by the caller, kept here as it is. So is `S`, the mark of what a
/// subscriber was sent last: the document itself, or its number. After each input, [`Notifier::poll_output`] is called until
/// it gives nothing.
#[derive(Debug)]
pub struct Notifier<R, W, S> {
    package: EventPackage,
    limits: NotifierLimits,
    subscriptions_by_id: BTreeMap<SubscriptionId, Subscription<R, W, S>>,
    /// Of those that have not ended.
    ids_by_dialog: BTreeMap<DialogId, SubscriptionId>,
    ids_by_resource: BTreeMap<R, BTreeSet<SubscriptionId>>,
    shares: Shares<R>,
    deadlines: Deadlines<Due>,
    ready: VecDeque<Ready<R>>,
    last_id: u64,
}

/// Names a subscription; never given twice by one notifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

#[derive(Debug)]
pub enum NotifierOutput<R, W> {
    Notify(Notify<W>),
    /// The last subscription to the resource is gone: what is kept for its subscribers can be forgotten.
    Unwatched(R),
}

/// A NOTIFY to send. What becomes of it is to be told by [`Notifier::handle_notified`].
#[derive(Debug, Clone)]
pub struct Notify<W> {
    pub id: SubscriptionId,
    pub way: W,
    /// Complete but for Via and Contact.
    pub request: RequestBuilder,
}

/// A subscriber who can be told something now.
#[derive(Debug)]
pub struct Occasion<'a, R, S> {
    pub resource: &'a R,
    /// The mark of the last document that he was sent, whether he took it or not; `None` before the first.
    pub sent: Option<&'a S>,
    /// A NOTIFY goes out in any case: the first, the last, and the one after a SUBSCRIBE.
    pub is_owed: bool,
    /// What changed is not enough for him: he is owed the state as a whole, or did not take what he was sent last. No reason
    /// to send it where nothing changed: he may refuse it again, and again.
    pub is_whole: bool,
}

/// What a NOTIFY says, and the mark to remember it by.
#[derive(Debug, Clone)]
pub struct Told<S> {
    pub body: Arc<str>,
    pub mark: S,
}

/// What happens at a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A subscription runs out.
    Expiry(SubscriptionId),
    /// A subscriber that said when may be notified again.
    Retry(SubscriptionId),
}

#[derive(Debug)]
enum Ready<R> {
    Subscription(SubscriptionId),
    Unwatched(R),
}

impl<R: Clone + Ord, W: Clone, S> Notifier<R, W, S> {
    pub fn new(package: EventPackage, limits: NotifierLimits) -> Notifier<R, W, S> {
        Notifier {
            package,
            limits,
            subscriptions_by_id: BTreeMap::new(),
            ids_by_dialog: BTreeMap::new(),
            ids_by_resource: BTreeMap::new(),
            shares: Shares::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            last_id: 0,
        }
    }

    /// A SUBSCRIBE (RFC 6665 section 4.2.1): outside a dialog it makes a subscription, within one it refreshes or ends
    /// it. Expires 0 outside a dialog fetches the state once. Each that is accepted is followed by a NOTIFY.
    ///
    /// # Errors
    /// 489 for another event package, `permission`'s own refusal, which also ends the subscription that was to be
    /// refreshed, 406 where Accept excludes the package's documents, 423 for too short an interval, 481 for a dialog that is
    /// not known, 500 for an old CSeq, 400 for what does not parse, 480, 486 and 503 beyond the limits.
    pub fn handle_subscribe(&mut self, now: Instant, subscribe: Subscribe<'_, R, W>) -> Result<Subscribed, Refusal> {
        let request = subscribe.request;
        let event = self.package.check_event(request)?;
        self.package.check_accept(request)?;
        let expires_secs = self.limits.grant(request.expires().map_err(malformed)?)?;
        let id = match request.to().map_err(malformed)?.tag() {
            Some(local_tag) => self.refresh(&subscribe, &event, local_tag)?,
            None => self.establish(now, subscribe, event, expires_secs)?,
        };
        match expires_secs {
            0 => self.end(id, TerminationReason::Timeout),
            _ => self.extend(now, id, expires_secs),
        }
        Ok(Subscribed { id, expires_secs })
    }

    /// The state of the resource is another one: each subscriber is told as soon as he can be.
    pub fn handle_change(&mut self, resource: &R) {
        for id in self.ids_of(resource) {
            self.make_ready(id);
        }
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
            Some(Answer::Goes) => self.make_ready(id),
            Some(Answer::Later(after)) if !subscription.is_ending() => {
                self.deadlines.set(Due::Retry(id), Some(now + after));
            }
            Some(Answer::Ends | Answer::Later(_)) => self.remove(id),
            None => {}
        }
    }

    /// Ends the subscriptions to a resource whose subscriber is meant. `reason` is what the last NOTIFY of each says; but
    /// for [`TerminationReason::Timeout`] it has no document.
    pub fn end_all(&mut self, resource: &R, reason: &TerminationReason, is_meant: impl Fn(&Subscriber) -> bool) {
        for id in self.ids_of(resource) {
            if self.subscriptions_by_id.get(&id).is_some_and(|subscription| is_meant(&subscription.subscriber)) {
                self.end(id, reason.clone());
            }
        }
    }

    /// The next NOTIFY to send. `tell` is asked for what it says: `None` where that is nothing new, or there is no document.
    pub fn poll_output(
        &mut self,
        now: Instant,
        mut tell: impl FnMut(&Occasion<'_, R, S>) -> Option<Told<S>>,
    ) -> Option<NotifierOutput<R, W>> {
        while let Some(ready) = self.ready.pop_front() {
            match ready {
                Ready::Subscription(id) => {
                    if let Some(notify) = self.notify(now, id, &mut tell) {
                        return Some(NotifierOutput::Notify(notify));
                    }
                }
                Ready::Unwatched(resource) if !self.is_watched(&resource) => {
                    return Some(NotifierOutput::Unwatched(resource));
                }
                Ready::Unwatched(_) => {}
            }
        }
        None
    }

    /// When [`Notifier::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends what has run out, and notifies anew whoever asked to be left alone until now.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop(now) {
            match due {
                Due::Expiry(id) => self.end(id, TerminationReason::Timeout),
                Due::Retry(id) => {
                    if let Some(subscription) = self.subscriptions_by_id.get_mut(&id) {
                        subscription.lift_hold();
                    }
                    self.make_ready(id);
                }
            }
        }
    }

    /// Whether anybody has a subscription to it, be it one that is ending.
    pub fn is_watched(&self, resource: &R) -> bool {
        self.ids_by_resource.contains_key(resource)
    }

    /// Subscriptions held, over all resources.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions_by_id.len()
    }

    fn establish(
        &mut self,
        now: Instant,
        subscribe: Subscribe<'_, R, W>,
        event: EventHeader,
        expires_secs: u32,
    ) -> Result<SubscriptionId, Refusal> {
        subscribe.permission.clone()?;
        // A fetch leaves nothing behind that a limit would have to bound.
        if expires_secs > 0 {
            let (of_subscriber, of_subscriber_to_resource) = self.shares.of(&subscribe.subscriber, subscribe.resource);
            let held = Held {
                of_resource: self.ids_by_resource.get(subscribe.resource).map_or(0, BTreeSet::len),
                of_subscriber_to_resource,
                of_subscriber,
                in_all: self.subscriptions_by_id.len(),
            };
            self.limits.check_subscriptions(&subscribe.subscriber, &held)?;
        }
        let id = SubscriptionId(self.last_id + 1);
        let resource = subscribe.resource.clone();
        let subscription = Subscription::new(now, id, subscribe, event)?;
        self.last_id = id.0;
        self.ids_by_dialog.insert(subscription.dialog.id().clone(), id);
        self.shares.take(&subscription.subscriber, &resource);
        self.subscriptions_by_id.insert(id, subscription);
        self.ids_by_resource.entry(resource).or_default().insert(id);
        Ok(id)
    }

    fn refresh(
        &mut self,
        subscribe: &Subscribe<'_, R, W>,
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
        subscribe.permission.clone().inspect_err(|_| self.end(id, TerminationReason::Rejected))?;
        Ok(id)
    }

    fn extend(&mut self, now: Instant, id: SubscriptionId, expires_secs: u32) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        let expires_at = subscription.extend(now, expires_secs);
        self.deadlines.set(Due::Expiry(id), Some(expires_at));
        self.make_ready(id);
    }

    /// From now on it is not to be refreshed; it is gone with its last NOTIFY.
    fn end(&mut self, id: SubscriptionId, reason: TerminationReason) {
        let Some(subscription) = self.subscriptions_by_id.get_mut(&id) else { return };
        self.ids_by_dialog.remove(subscription.dialog.id());
        self.deadlines.set(Due::Expiry(id), None);
        match subscription.end(reason) {
            true => self.make_ready(id),
            false => self.remove(id),
        }
    }

    fn make_ready(&mut self, id: SubscriptionId) {
        if let Some(subscription) = self.subscriptions_by_id.get_mut(&id)
            && !std::mem::replace(&mut subscription.is_ready, true)
        {
            self.ready.push_back(Ready::Subscription(id));
        }
    }

    /// What this subscriber is to be told now, if anything.
    fn notify(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        tell: impl FnMut(&Occasion<'_, R, S>) -> Option<Told<S>>,
    ) -> Option<Notify<W>> {
        let subscription = self.subscriptions_by_id.get_mut(&id)?;
        subscription.is_ready = false;
        let notify = subscription.notify(now, self.package.content_type, tell)?;
        if subscription.is_ending() {
            self.remove(id);
        }
        Some(notify)
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions_by_id.remove(&id) else { return };
        self.ids_by_dialog.remove(subscription.dialog.id());
        self.deadlines.set(Due::Expiry(id), None);
        self.deadlines.set(Due::Retry(id), None);
        let resource = subscription.resource;
        self.shares.give_back(subscription.subscriber, resource.clone());
        if let Some(ids) = self.ids_by_resource.get_mut(&resource) {
            ids.remove(&id);
            if ids.is_empty() {
                self.ids_by_resource.remove(&resource);
                self.ready.push_back(Ready::Unwatched(resource));
            }
        }
    }

    fn ids_of(&self, resource: &R) -> Vec<SubscriptionId> {
        self.ids_by_resource.get(resource).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
