//! Removes stored messages that are no longer valid. They are not delivered any more by then; here their room is freed.

use std::time::Duration;

use store::{StoreError, StoreHandle, now_unix};

/// Sweeps now and then, until the store is closed.
pub async fn run(store: StoreHandle) {
    loop {
        let now_unix_ms = now_unix().unsigned_abs() * 1000;
        match store.write(move |store| store.expire_messages(now_unix_ms)).await {
            Ok(0) => {}
            Ok(expired) => tracing::info!(expired, "stored messages expired undelivered"),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "expired messages cannot be removed"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_secs(60);
