//! The media threads: sockets and clocks around [`::media::MediaNode`]. No policy.
//!
//! A bridge lives on one thread, so that a frame is mixed without a lock. Each leg has two sockets of its own, so a batch of
//! reads would find a packet in each at most: they are read one by one as they become ready.

mod counters;
mod handle;
mod ports;
mod thread;

pub use counters::MediaCounters;
pub use handle::{MediaInbox, MediaRequest, MediaThreads, media_threads, to_workers};
pub use ports::{PortRange, PortRangeError, check_ports};
pub use thread::{MediaSetup, run};

#[cfg(test)]
pub(crate) mod tests;
