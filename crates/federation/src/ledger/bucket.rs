//! A rate with bounded bursts.

/// What may still be taken, in thousandths of a request.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    level: u64,
    /// 0: never used, and so full.
    filled_unix_ms: u64,
}

impl Bucket {
    /// Takes one, where the rate leaves one.
    pub(super) fn take(&mut self, now_unix_ms: u64, per_sec: u32) -> bool {
        let full = u64::from(per_sec) * 1000 * BURST_SECS;
        // A clock that was set back must not keep anybody waiting for it to catch up.
        let elapsed = now_unix_ms.saturating_sub(self.filled_unix_ms);
        self.level = match self.filled_unix_ms {
            0 => full,
            _ => full.min(self.level.saturating_add(elapsed.saturating_mul(u64::from(per_sec)))),
        };
        self.filled_unix_ms = now_unix_ms;
        match self.level.checked_sub(1000) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

/// When as much has come back that another try is worth it.
pub(super) fn retry_after_secs(per_sec: u32) -> u32 {
    if per_sec == 0 { 3600 } else { BURST_SECS as u32 }
}

/// How many seconds' worth may come at once.
const BURST_SECS: u64 = 5;
