//! Targets of the crate `media`.

pub mod link;
pub mod node;
pub mod rtp;
pub mod srtp;
