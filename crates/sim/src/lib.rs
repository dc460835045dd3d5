//! The simulated world: whole organisations in one thread, with a seeded clock, network, DNS and identities.
//!
//! A [`World`] runs the real cores and stands in for their shell: what they put out is carried, late or never, as the
//! seed and the weather have it. Phones are state machines of their own. Plays in plain text are [`scenario`]'s.

mod answers;
mod fault;
mod hearing;
mod identity;
mod lanes;
mod line;
mod message_store;
mod names;
mod network;
mod operations;
mod organisation;
pub mod performance;
mod phone;
mod phones;
mod random;
pub mod scenario;
mod sound;
mod split;
mod streams;
mod trace;
mod world;

pub use fault::{Fault, FaultKind};
pub use identity::{Identity, certificate};
pub use message_store::MessageStore;
pub use names::{Trouble, Zones};
pub use network::{Network, Place, Weather};
pub use phone::{Event, Outcome, Phone};
pub use random::Random;
pub use sound::{Leg, Sound, report_of};
pub use trace::Trace;
pub use world::{BEGUN_UNIX_SECS, Condition, Line, PASSWORD, World, allowed, blocked, first_line};
