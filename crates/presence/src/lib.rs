//! Presence: who is there, told to those who may watch (RFC 3856, 3863, 3903, 6665).
//!
//! Pure: time is an argument, and nothing here knows a socket. The presence of a user, what his devices publish and who
//! watches him, is kept by one worker, the owner of the address-of-record.

mod agent;
mod compositor;
mod event_state;
mod limits;
mod presentity;

pub use agent::{PACKAGE, PresenceAgent, Subscribe};
pub use event_state::Published;
pub use limits::PresenceLimits;
pub use sip::notifier::{Notify, Subscribed, SubscriptionId};
