//! Messages between people (RFC 3428). Page mode is here; what is sent inside a dialog never passes through.
//!
//! Pure: this crate decides, `signaling` forwards.

mod pager;

pub use pager::{Delivery, Pager, PagerLimits};
