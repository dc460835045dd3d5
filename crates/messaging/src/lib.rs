//! Messages between people (RFC 3428): page mode, what waits for who is away, first contacts, and the gateway from sessions of
//! messages. What is sent inside a dialog of others never passes through.
//!
//! Pure: this crate decides, `signaling` forwards.

mod consent;
mod gateway;
mod pager;
mod queue;
mod room;
mod store_and_forward;

pub use consent::{
    Approach, Approached, Brings, CONSENT_PREFIX, ConsentAnswer, ConsentAnswered, ConsentId, ConsentQuestion,
    ConsentReply, ConsentTerms, HeldMessage, Holding, Known, Verdict, judge,
};
pub use gateway::{Gateway, GatewayLimits, GatewayOutput};
pub use pager::{Delivery, Pager, PagerLimits};
pub use queue::{Outcome, Queues, Settled};
pub use room::{Room, SenderShare};
pub use store_and_forward::{
    MessageId, NewMessage, NotStored, StoreAndForward, StoreAndForwardLimits, StoredMessage, Terms, is_transient,
};
