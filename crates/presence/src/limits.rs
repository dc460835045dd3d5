//! What one worker keeps at most, and what is answered at each limit.

use sip::refusal::Word;
use sip::{HeaderName, Refusal};

/// Bounds on what users publish and watchers ask for.
#[derive(Debug, Clone)]
pub struct PresenceLimits {
    /// Live publications of one user. Beyond it 503 `too-many-publications`.
    pub publications_per_user_max: usize,
    /// Subscriptions to one user. Beyond it 486 `too-many-watchers`.
    pub watchers_per_user_max: usize,
    /// Subscriptions of one worker. Beyond it 503 `overloaded` with Retry-After.
    pub subscriptions_max: usize,
    /// Body of a PUBLISH. Beyond it 413 `message-too-large`.
    pub document_bytes_max: usize,
    /// Below it, but for 0, 423 `interval-too-brief` with Min-Expires.
    pub expires_secs_min: u32,
    /// For a request without Expires.
    pub expires_secs_default: u32,
    /// Who asks for longer gets this.
    pub expires_secs_max: u32,
}

impl Default for PresenceLimits {
    fn default() -> PresenceLimits {
        PresenceLimits {
            publications_per_user_max: 16,
            watchers_per_user_max: 1000,
            subscriptions_max: 100_000,
            document_bytes_max: 16 << 10,
            expires_secs_min: 60,
            expires_secs_default: 3600,
            expires_secs_max: 7200,
        }
    }
}

impl PresenceLimits {
    /// The interval that is granted: an interval may be shortened, and one that is too brief is refused. 0 stays 0.
    pub(crate) fn grant(&self, asked_secs: Option<u32>) -> Result<u32, Refusal> {
        let asked_secs = asked_secs.unwrap_or(self.expires_secs_default);
        if asked_secs != 0 && asked_secs < self.expires_secs_min {
            return Err(Refusal::new(423, Word::IntervalTooBrief, format!("asked for {asked_secs} s"))
                .with_header(HeaderName::MinExpires, self.expires_secs_min.to_string()));
        }
        Ok(asked_secs.min(self.expires_secs_max))
    }

    pub(crate) fn check_publications(&self, held: usize) -> Result<(), Refusal> {
        let reason = || format!("the user has {held} publications");
        (held < self.publications_per_user_max)
            .then_some(())
            .ok_or_else(|| Refusal::new(503, Word::TooManyPublications, reason()))
    }

    /// The user's own limit first: it says nothing about the rest of the server.
    pub(crate) fn check_subscriptions(&self, of_user: usize, of_worker: usize) -> Result<(), Refusal> {
        if of_user >= self.watchers_per_user_max {
            // Not 503: it is this user whom no more can watch, and a 503 would turn the sender away from the server.
            let reason = format!("the user has {of_user} watchers");
            return Err(Refusal::new(486, Word::TooManyWatchers, reason));
        }
        if of_worker >= self.subscriptions_max {
            return Err(Refusal::new(503, Word::Overloaded, format!("the worker has {of_worker} subscriptions"))
                .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string()));
        }
        Ok(())
    }
}

const RETRY_AFTER_SECS: u32 = 30;
