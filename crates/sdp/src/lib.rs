//! SDP for one audio stream, and for messages within the dialog: what is offered, what is answered, and what both then know
//! (RFC 8866, 3264, 4568).
//!
//! A proxy does not read session descriptions. They are read where media is ours: in a meeting, and where a call is
//! anchored.
//!
//! An offer that came in is read with [`Offer::parse`] and answered with [`answer`]. An offer of ours is made with
//! [`offer`], or with [`reoffer`] inside a running session, and the answer to it is read with [`accept`]. Where messages are taken, too, it is
//! [`answer_streams`] and [`reoffer_streams`].

pub mod capabilities;
mod crypto;
pub mod description;
pub mod message;
pub mod offer_answer;
mod payload;
pub mod session;
mod stream;
mod write;

pub use capabilities::{Capabilities, Keys, LocalAddresses, LocalMedia, Order, ProtectionPolicy, SessionOrigin};
pub use description::{Offer, ParseError};
pub use message::MessageStream;
pub use offer_answer::{
    AgreedStreams, KeysInUse, NotAcceptable, NotOurs, OurStreams, UnusableAnswer, accept, answer, answer_streams,
    keys_in_use, offer, offer_messages, offer_streams_in_place_of, reoffer, reoffer_streams,
};
pub use session::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};
pub use stream::Unusable;
