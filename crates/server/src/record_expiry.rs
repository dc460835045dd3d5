//! Removes records of calls that have been kept for as long as the configuration says.

use std::time::Duration;

use store::{StoreError, StoreHandle, now_unix};

use crate::metrics::ServerCounts;

/// Sweeps now and then, until the store is closed.
pub(crate) async fn run(store: StoreHandle, counts: ServerCounts, keep_days: u64) {
    loop {
        let before_unix_ms = (now_unix().unsigned_abs().saturating_sub(keep_days * DAY_SECS)) * 1000;
        match store.write(move |store| store.expire_calls(before_unix_ms)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, keep_days, "records of calls were removed: they are too old"),
            Err(StoreError::Closed) => return,
            Err(error) => {
                counts.store_failed();
                tracing::warn!(%error, "old records of calls cannot be removed");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const DAY_SECS: u64 = 86_400;
const PAUSE: Duration = Duration::from_secs(600);
