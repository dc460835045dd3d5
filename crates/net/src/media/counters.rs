//! What one media thread has seen since it started.

use serde::Serialize;

/// Counts only ever rise, but for those that say "now".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MediaCounters {
    pub thread: u16,
    /// Now.
    pub bridges: usize,
    /// Now: legs whose ports are open.
    pub legs: usize,
    /// How many legs the port range has room for.
    pub legs_max: usize,
    pub legs_opened: u64,
    /// No port was free, or none was to be had.
    pub legs_refused: u64,
    /// Opened, and never used.
    pub legs_expired: u64,
    /// Gone with the edge that had them.
    pub legs_lost: u64,
    pub packets_received: u64,
    pub packets_sent: u64,
    /// Not taken by the system.
    pub packets_unsent: u64,
    pub packets_malformed: u64,
    pub packets_refused: u64,
    pub packets_stray: u64,
    pub frames_skipped: u64,
}
