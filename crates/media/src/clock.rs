//! The wall clock of senders' reports, told from the instants that everything else counts by.

use std::time::Instant;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub epoch: Instant,
    /// What the wall clock said then, milliseconds since 1970.
    pub epoch_unix_ms: u64,
}

impl Clock {
    /// Seconds since 1900 and their fraction, 32 bits each (RFC 3550 section 4).
    pub fn ntp(&self, now: Instant) -> u64 {
        let since_epoch = now.saturating_duration_since(self.epoch);
        let nanos = u128::from(self.epoch_unix_ms) * 1_000_000 + since_epoch.as_nanos();
        let secs = nanos / 1_000_000_000 + UNIX_EPOCH_SECS;
        let fraction = ((nanos % 1_000_000_000) << 32) / 1_000_000_000;
        // The era of 1900 ends in 2036; the next begins at zero.
        (secs << 32 | fraction) as u64
    }
}

/// From 1900 to 1970.
const UNIX_EPOCH_SECS: u128 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::begin;

    #[test]
    fn ntp_counts_from_1900() {
        let epoch = begin();
        let clock = Clock { epoch, epoch_unix_ms: 1_500 };
        assert_eq!(clock.ntp(epoch + Duration::from_millis(250)), 2_208_988_801 << 32 | 0xc000_0000);
    }
}
