//! What one worker keeps at most, and what is answered at each limit.

use sip::Refusal;
use sip::refusal::Word;

use sip::notifier::NotifierLimits;

/// Bounds on what users publish and watchers ask for.
#[derive(Debug, Clone)]
pub struct PresenceLimits {
    /// Live publications of one user. Beyond it 503 `too-many-publications`.
    pub publications_per_user_max: usize,
    /// Subscriptions to one user. Beyond it 486 `too-many-watchers`.
    pub watchers_per_user_max: usize,
    /// Of them, those of one user of ours, with all his devices. Beyond it 480 `too-many-subscriptions` with Retry-After.
    pub watchers_per_user_of_one_max: usize,
    /// Of all users of one partner together, likewise.
    pub watchers_per_user_of_partner_max: usize,
    /// Subscriptions that one user of ours has, with all his devices. Beyond it 480 `too-many-subscriptions` with Retry-After.
    pub subscriptions_per_user_max: usize,
    /// Those of all users of one partner together, likewise.
    pub subscriptions_per_partner_max: usize,
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
            watchers_per_user_of_one_max: 32,
            watchers_per_user_of_partner_max: 500,
            subscriptions_per_user_max: 1000,
            subscriptions_per_partner_max: 20_000,
            subscriptions_max: 100_000,
            document_bytes_max: 16 << 10,
            expires_secs_min: 60,
            expires_secs_default: 3600,
            expires_secs_max: 7200,
        }
    }
}

impl PresenceLimits {
    /// Those of the subscriptions; a publication's interval is granted by the same rule.
    pub(crate) fn notifier(&self) -> NotifierLimits {
        NotifierLimits {
            subscriptions_per_resource_max: self.watchers_per_user_max,
            resource_per_user_max: self.watchers_per_user_of_one_max,
            resource_per_partner_max: self.watchers_per_user_of_partner_max,
            subscriptions_per_user_max: self.subscriptions_per_user_max,
            subscriptions_per_partner_max: self.subscriptions_per_partner_max,
            subscriptions_max: self.subscriptions_max,
            expires_secs_min: self.expires_secs_min,
            expires_secs_default: self.expires_secs_default,
            expires_secs_max: self.expires_secs_max,
        }
    }

    pub(crate) fn check_publications(&self, held: usize) -> Result<(), Refusal> {
        let reason = || format!("the user has {held} publications");
        (held < self.publications_per_user_max)
            .then_some(())
            .ok_or_else(|| Refusal::new(503, Word::TooManyPublications, reason()))
    }
}
