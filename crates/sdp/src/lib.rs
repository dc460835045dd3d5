//! SDP for one audio stream: what is offered, what is answered, and what both then know (RFC 8866, 3264, 4568).
//!
//! A proxy does not read session descriptions. They are read where media is ours: in a meeting, and where a call is
//! anchored.
//!
//! An offer that came in is read with [`Offer::parse`] and answered with [`answer`]. An offer of ours is made with
//! [`offer`], or with [`reoffer`] inside a running session, and the answer to it is read with [`accept`].

pub mod capabilities;
mod crypto;
pub mod description;
pub mod offer_answer;
mod payload;
pub mod session;
mod stream;
mod write;

pub use capabilities::{Capabilities, Keys, LocalMedia, Order, ProtectionPolicy};
pub use description::{Offer, ParseError};
pub use offer_answer::{NotAcceptable, NotOurs, UnusableAnswer, accept, answer, offer, reoffer};
pub use session::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};
pub use stream::Unusable;
