//! Typed headers, parsed on demand from the value bytes of a [`crate::Message`] (RFC 3261 20).

pub mod cseq;
pub mod date;
pub mod grammar;
pub mod name_addr;
pub(crate) mod print;
pub mod rack;
pub mod reason;
pub mod refer_sub;
pub mod replaces;
mod typed;
pub mod via;

pub use cseq::CSeq;
pub use grammar::{Param, Params};
pub use name_addr::{ContactValue, NameAddr};
pub use rack::RAck;
pub use reason::Reason;
pub use replaces::Replaces;
pub use via::Via;
