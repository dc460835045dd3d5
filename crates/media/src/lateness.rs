//! How much later than the earliest the packets of a stream come: what the jitter buffer has to hold them for.

use std::collections::VecDeque;
use std::time::Instant;

use crate::rtp::timestamp_distance;

/// Over the last [`PACKETS_MAX`] packets.
pub struct Lateness {
    clock_rate: u32,
    /// Where arrival and timestamp are counted from.
    origin: Option<(Instant, u32)>,
    /// Arrival less timestamp, milliseconds.
    transits: VecDeque<i64>,
    peak_ms: u64,
    unread: usize,
}

impl Lateness {
    pub fn new(clock_rate: u32) -> Lateness {
        Lateness { clock_rate, origin: None, transits: VecDeque::new(), peak_ms: PEAK_MS_AT_FIRST, unread: 0 }
    }

    /// Another stream: other timestamps, but the same network.
    pub fn forget(&mut self) {
        self.origin = None;
        self.transits.clear();
    }

    pub fn measure(&mut self, now: Instant, timestamp: u32) {
        let (begun, first) = *self.origin.get_or_insert((now, timestamp));
        let ticks = i64::from(timestamp_distance(first, timestamp));
        let elapsed = i64::try_from(now.duration_since(begun).as_millis()).unwrap_or(i64::MAX);
        let transit = elapsed - ticks * 1000 / i64::from(self.clock_rate);
        let is_jump = self.transits.back().is_some_and(|last| last.abs_diff(transit) > JUMP_MS);
        // The distance to the origin must not wrap: begin again in time.
        if is_jump || ticks.unsigned_abs() > ORIGIN_TICKS_MAX {
            self.forget();
            self.origin = Some((now, timestamp));
            self.transits.push_back(0);
            return;
        }
        if self.transits.len() == PACKETS_MAX {
            self.transits.pop_front();
        }
        self.transits.push_back(transit);
        self.unread += 1;
        if self.unread >= UNREAD_MAX || self.transits.len() < UNREAD_MAX {
            self.read();
        }
    }

    /// What all but the worst few stay below.
    pub fn peak_ms(&self) -> u64 {
        self.peak_ms
    }

    fn read(&mut self) {
        self.unread = 0;
        // The first packets alone say little of a network.
        if self.transits.len() < PACKETS_MIN {
            return;
        }
        let mut sorted: Vec<i64> = self.transits.iter().copied().collect();
        sorted.sort_unstable();
        let peak = sorted[(sorted.len() - 1) * PERCENTILE / 100];
        self.peak_ms = peak.abs_diff(sorted[0]);
    }
}

/// Five seconds of packets of 20 ms.
const PACKETS_MAX: usize = 250;
const PACKETS_MIN: usize = 10;
const UNREAD_MAX: usize = 25;
const PERCENTILE: usize = 97;
/// As long as nothing is known.
const PEAK_MS_AT_FIRST: u64 = 30;
/// More than this within one packet is no lateness but a pause, or timestamps that begin again.
const JUMP_MS: u64 = 1000;
const ORIGIN_TICKS_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::begin;

    fn measured(arrivals_ms: impl IntoIterator<Item = u64>) -> u64 {
        let (begun, mut lateness) = (begin(), Lateness::new(8000));
        for (number, at) in (0_u32..).zip(arrivals_ms) {
            lateness.measure(begun + Duration::from_millis(at), (u32::MAX - 500).wrapping_add(number * 160));
        }
        lateness.peak_ms()
    }

    #[test]
    fn the_peak_follows_the_network() {
        assert_eq!(measured([0, 20]), 30, "not known yet");
        assert_eq!(measured((0..100).map(|n| n * 20)), 0);
        assert_eq!(measured((0..100).map(|n| n * 20 + if n % 10 == 0 { 45 } else { 0 })), 45);
        assert_eq!(measured((0..100).map(|n| n * 20 + if n == 50 { 500 } else { 0 })), 0, "one alone does not count");
        let calm_again = (0..500).map(|n| n * 20 + if n < 100 && n % 2 == 0 { 45 } else { 0 });
        assert_eq!(measured(calm_again), 0);
    }

    #[test]
    fn a_pause_is_no_lateness() {
        assert_eq!(measured((0..100).map(|n| n * 20 + if n > 50 { 5000 } else { 0 })), 0);
    }
}
