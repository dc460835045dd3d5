//! Targets of the crate `media`.

pub mod node;
pub mod rtp;
pub mod srtp;
