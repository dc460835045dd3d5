//! SIP as pure protocol: messages, transactions, dialogs, the proxy core and digest (RFC 3261, 6026, 5626, 7616).
//!
//! Nothing here opens a socket, reads a clock or draws a random number: time, flows and ids are arguments.
//! A [`Message`] is the received bytes and an index over them; it is never re-printed, only edited ([`Edits`]).

pub mod aor;
pub mod auth;
pub mod build;
pub mod deadlines;
pub mod diagnostics;
pub mod dialog;
pub mod edit;
pub mod error;
pub mod event;
pub mod flow;
pub mod framing;
pub mod header;
pub mod header_name;
pub mod message;
pub mod method;
pub mod notifier;
mod parse;
pub mod proxy;
pub mod refusal;
pub mod status;
pub mod stun;
pub mod transaction;
pub mod transfer;
pub mod uac;
pub mod uri;
pub mod usage;

pub use aor::Aor;
pub use build::{RequestBuilder, ResponseBuilder};
pub use diagnostics::Diagnostics;
pub use edit::Edits;
pub use error::{FramingError, ParseError};
pub use event::{EventHeader, SubscriptionState, TerminationReason};
pub use flow::{FlowId, Transport};
pub use framing::{Frame, Framer, MessageLimits};
pub use header::{CSeq, ContactValue, NameAddr, Via};
pub use header_name::HeaderName;
pub use message::{Header, Message};
pub use method::Method;
pub use refusal::Refusal;
pub use status::reason_phrase;
pub use transfer::TransferSupport;
pub use uri::Uri;
