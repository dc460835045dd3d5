//! Messages between people (RFC 3428): page mode, and what waits for who is away. What is sent inside a dialog never
//! passes through.
//!
//! Pure: this crate decides, `signaling` forwards.

mod pager;
mod queue;
mod store_and_forward;

pub use pager::{Delivery, Pager, PagerLimits};
pub use queue::{Outcome, Queues, Settled};
pub use store_and_forward::{
    MessageId, NewMessage, NotStored, StoreAndForward, StoreAndForwardLimits, StoredMessage, Terms,
};
