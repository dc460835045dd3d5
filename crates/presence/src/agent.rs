//! The presence agent (RFC 3856): publications and registrations in, notifications out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use documents::pidf::CONTENT_TYPE;
use federation::Admitted;
use sip::deadlines::Deadlines;
use sip::refusal::Word;
use sip::{Aor, Message, ParseError, Refusal, TerminationReason};

use crate::PresenceLimits;
use crate::event_state::{Publish, Published};
use crate::presentity::Presentity;
use sip::notifier::{
    self, EventPackage, Notifier, NotifierOutput, Notify, Occasion, Subscribed, Subscriber, SubscriptionId, Told,
};

/// The presence agent (RFC 3856) and event state compositor (RFC 3903) of the users that one worker owns.
///
/// `W` is the way to a watcher: chosen and understood by its caller, kept here as it is. After each input,
/// [`PresenceAgent::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub struct PresenceAgent<W> {
    presentities_by_aor: BTreeMap<Aor, Presentity>,
    /// A watcher is remembered by the document that he was sent last.
    notifier: Notifier<Aor, W, Arc<str>>,
    /// When the soonest publication of a user runs out.
    publication_deadlines: Deadlines<Aor>,
    limits: PresenceLimits,
    life: u32,
    last_etag: u64,
}

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

impl<W: Clone> PresenceAgent<W> {
    /// `life` tells this run of the server from those before: their entity-tags are not known again.
    pub fn new(limits: PresenceLimits, life: u32) -> PresenceAgent<W> {
        PresenceAgent {
            presentities_by_aor: BTreeMap::new(),
            notifier: Notifier::new(PRESENCE, limits.notifier()),
            publication_deadlines: Deadlines::default(),
            limits,
            life,
            last_etag: 0,
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
        self.update(aor);
        applied.map(|()| Published { etag, expires_secs })
    }

    /// A SUBSCRIBE (RFC 6665 section 4.2.1): outside a dialog it makes a subscription, within one it refreshes or ends
    /// it. Expires 0 outside a dialog fetches the state once. Each that is accepted is followed by a NOTIFY.
    ///
    /// # Errors
    /// 489 for another event package, 403 `presence-denied`, 406 where Accept excludes PIDF, 423 for too short an
    /// interval, 481 for a dialog that is not known, 500 for an old CSeq, 400 for what does not parse, 486, 480 and 503
    /// beyond `watchers_per_user_max`, the sender's share and `subscriptions_max`.
    pub fn handle_subscribe(&mut self, now: Instant, subscribe: Subscribe<'_, W>) -> Result<Subscribed, Refusal> {
        let Subscribe { aor, request, admitted, is_allowed, local_tag, way } = subscribe;
        let denied = || Refusal::new(403, Word::PresenceDenied, "policy does not let the sender watch the user");
        let subscriber = Subscriber { aor: admitted.aor().cloned(), domain: admitted.domain().to_owned() };
        let permission = is_allowed.then_some(()).ok_or_else(denied);
        let subscribe = notifier::Subscribe { resource: aor, request, subscriber, permission, local_tag, way };
        let subscribed = self.notifier.handle_subscribe(now, subscribe)?;
        let presentity = self.presentities_by_aor.entry(aor.clone()).or_default();
        presentity.recompose(aor, true);
        Ok(subscribed)
    }

    /// A device registered, or the last one went: the state of a user who publishes nothing. With the last device go his
    /// calls and meetings.
    pub fn set_registered(&mut self, aor: &Aor, is_registered: bool) {
        let base = &mut self.presentities_by_aor.entry(aor.clone()).or_default().base;
        base.is_registered = is_registered;
        if !is_registered {
            (base.calls, base.meetings) = (0, 0);
        }
        self.update(aor);
    }

    /// How many calls the user has: while there are any he is on the phone, beside what is published.
    pub fn set_calls(&mut self, aor: &Aor, calls: u32) {
        self.presentities_by_aor.entry(aor.clone()).or_default().base.calls = calls;
        self.update(aor);
    }

    /// How many meetings the user takes part in, likewise.
    pub fn set_meetings(&mut self, aor: &Aor, meetings: u32) {
        self.presentities_by_aor.entry(aor.clone()).or_default().base.meetings = meetings;
        self.update(aor);
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
        self.notifier.handle_notified(now, id, status, retry_after_secs);
    }

    /// The next NOTIFY to send.
    pub fn poll_output(&mut self, now: Instant) -> Option<Notify<W>> {
        loop {
            let presentities = &self.presentities_by_aor;
            match self.notifier.poll_output(now, |occasion| tell(presentities, occasion))? {
                NotifierOutput::Notify(notify) => return Some(notify),
                NotifierOutput::Unwatched(aor) => self.forget_blank(&aor),
            }
        }
    }

    /// When [`PresenceAgent::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.publication_deadlines.next().into_iter().chain(self.notifier.poll_timeout()).min()
    }

    /// Ends what has run out, and notifies anew whoever asked to be left alone until now.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(aor) = self.publication_deadlines.pop(now) {
            if let Some(presentity) = self.presentities_by_aor.get_mut(&aor) {
                presentity.event_state.expire(now);
            }
            self.update(&aor);
        }
        self.notifier.handle_timeout(now);
    }

    /// The user is no more: whoever watched him is told so.
    pub fn remove_user(&mut self, aor: &Aor) {
        if self.presentities_by_aor.remove(aor).is_some() {
            self.publication_deadlines.set(aor.clone(), None);
            self.notifier.end_all(aor, &TerminationReason::Noresource, |_| true);
        }
    }

    /// Ends the subscriptions whose subscriber may not watch this user any more; `reason` is what the last NOTIFY of each says.
    pub fn end_subscriptions(&mut self, reason: &TerminationReason, is_meant: impl Fn(&Aor, &Subscriber) -> bool) {
        for aor in self.presentities_by_aor.keys() {
            self.notifier.end_all(aor, reason, |subscriber| is_meant(aor, subscriber));
        }
    }

    /// Subscriptions held, over all users.
    pub fn watchers(&self) -> usize {
        self.notifier.subscriptions()
    }

    /// Publications held, over all users.
    pub fn publications(&self) -> usize {
        self.presentities_by_aor.values().map(|presentity| presentity.event_state.len()).sum()
    }

    /// Something about the user may have changed: his watchers are told if it did.
    fn update(&mut self, aor: &Aor) {
        let Some(presentity) = self.presentities_by_aor.get_mut(aor) else { return };
        self.publication_deadlines.set(aor.clone(), presentity.event_state.next_expiry());
        if presentity.recompose(aor, self.notifier.is_watched(aor)) {
            self.notifier.handle_change(aor);
        }
        self.forget_blank(aor);
    }

    fn forget_blank(&mut self, aor: &Aor) {
        let is_blank = self.presentities_by_aor.get(aor).is_some_and(Presentity::is_blank);
        if is_blank && !self.notifier.is_watched(aor) {
            self.presentities_by_aor.remove(aor);
        }
    }
}

/// The whole document each time, but no watcher is sent twice in a row what he was not owed.
fn tell(
    presentities_by_aor: &BTreeMap<Aor, Presentity>,
    occasion: &Occasion<'_, Aor, Arc<str>>,
) -> Option<Told<Arc<str>>> {
    let document = presentities_by_aor.get(occasion.resource)?.document()?;
    let is_due = occasion.is_owed || occasion.sent != Some(document);
    is_due.then(|| Told { body: document.clone(), mark: document.clone() })
}

pub(crate) fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}

/// The event package that is served.
pub const PACKAGE: &str = "presence";
/// RFC 3856 sections 6.1 and 6.6.
pub(crate) const PRESENCE: EventPackage = EventPackage { name: PACKAGE, content_type: CONTENT_TYPE };
