//! What a notifier keeps at most, and what is answered at each limit.

use crate::refusal::Word;
use crate::{HeaderName, Refusal};

use super::Subscriber;

/// Bounds on what subscribers ask for.
#[derive(Debug, Clone)]
pub struct NotifierLimits {
    /// Subscriptions to one resource. Beyond it 486 `too-many-watchers`.
    pub subscriptions_per_resource_max: usize,
    /// Of them, those of one user of ours. Beyond it 480 `too-many-subscriptions` with Retry-After.
    pub resource_per_user_max: usize,
    /// Of all users of one partner together, likewise.
    pub resource_per_partner_max: usize,
    /// Subscriptions of one user of ours, to any resource. Beyond it 480 `too-many-subscriptions` with Retry-After.
    pub subscriptions_per_user_max: usize,
    /// Of all users of one partner together, likewise.
    pub subscriptions_per_partner_max: usize,
    /// Subscriptions of one notifier. Beyond it 503 `overloaded` with Retry-After.
    pub subscriptions_max: usize,
    /// Below it, but for 0, 423 `interval-too-brief` with Min-Expires.
    pub expires_secs_min: u32,
    /// For a request without Expires.
    pub expires_secs_default: u32,
    /// Who asks for longer gets this.
    pub expires_secs_max: u32,
}

/// Subscriptions that there are where another one is asked for.
pub(super) struct Held {
    pub of_resource: usize,
    pub of_subscriber_to_resource: usize,
    pub of_subscriber: usize,
    pub in_all: usize,
}

impl NotifierLimits {
    /// The interval that is granted: an interval may be shortened, and one that is too brief is refused. 0 stays 0.
    ///
    /// # Errors
    /// 423 `interval-too-brief` with Min-Expires.
    pub fn grant(&self, asked_secs: Option<u32>) -> Result<u32, Refusal> {
        let asked_secs = asked_secs.unwrap_or(self.expires_secs_default);
        if asked_secs != 0 && asked_secs < self.expires_secs_min {
            return Err(Refusal::new(423, Word::IntervalTooBrief, format!("asked for {asked_secs} s"))
                .with_header(HeaderName::MinExpires, self.expires_secs_min.to_string()));
        }
        Ok(asked_secs.min(self.expires_secs_max))
    }

    /// The resource's own limit first: it says nothing about the rest of the server. Then the sender's.
    pub(super) fn check_subscriptions(&self, subscriber: &Subscriber, held: &Held) -> Result<(), Refusal> {
        let Held { of_resource, of_subscriber_to_resource, of_subscriber, in_all } = *held;
        if of_resource >= self.subscriptions_per_resource_max {
            // Not 503: it is this resource that no more can watch, and a 503 would turn the sender away from the server.
            let reason = format!("{of_resource} watch it already");
            return Err(Refusal::new(486, Word::TooManyWatchers, reason));
        }
        let (to_resource_max, in_all_max) = self.shares_of(subscriber);
        if of_subscriber_to_resource >= to_resource_max {
            return Err(too_many(format!("the sender watches it {of_subscriber_to_resource} times already")));
        }
        if of_subscriber >= in_all_max {
            return Err(too_many(format!("the sender has {of_subscriber} subscriptions")));
        }
        if in_all >= self.subscriptions_max {
            return Err(Refusal::new(503, Word::Overloaded, format!("there are {in_all} subscriptions"))
                .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string()));
        }
        Ok(())
    }

    /// Of one resource, and of all.
    fn shares_of(&self, subscriber: &Subscriber) -> (usize, usize) {
        match subscriber.aor {
            Some(_) => (self.resource_per_user_max, self.subscriptions_per_user_max),
            None => (self.resource_per_partner_max, self.subscriptions_per_partner_max),
        }
    }
}

/// Not 503: what he has asked for before goes on.
fn too_many(reason: String) -> Refusal {
    Refusal::new(480, Word::TooManySubscriptions, reason)
        .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

const RETRY_AFTER_SECS: u32 = 30;
