//! Removes stored messages that are no longer valid. They are not delivered any more by then; here their room is freed.

use std::time::Duration;

use store::{StoreError, StoreHandle, now_unix};

use crate::metrics::ServerCounts;

/// Sweeps now and then, until the store is closed.
pub(crate) async fn run(store: StoreHandle, counts: ServerCounts) {
    loop {
        let now_unix_ms = now_unix().unsigned_abs() * 1000;
        match store.write(move |store| store.expire_messages(now_unix_ms)).await {
            Ok(0) => {}
            Ok(expired) => {
                counts.messages_expired(expired as u64);
                tracing::info!(expired, "stored messages expired undelivered");
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                counts.store_failed();
                tracing::warn!(%error, "expired messages cannot be removed");
            }
        }
        match store.write(move |store| store.expire_held(now_unix_ms)).await {
            Ok(0) | Err(StoreError::Closed) => {}
            Ok(discarded) => {
                counts.held_discarded(discarded as u64);
                tracing::info!(discarded, "messages were discarded to which nobody has agreed in time");
            }
            Err(error) => {
                counts.store_failed();
                tracing::warn!(%error, "held messages cannot be removed");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_secs(60);
