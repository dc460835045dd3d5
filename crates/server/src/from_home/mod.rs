//! An edge whose home decides: what the home says is kept, put in force in every worker, and known again after a restart
//! while the home is away. Only the home speaks here; the edge never calls it.

mod answer;
mod listener;
mod sound;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use federation::ledger::DiscoveredTerms;
use store::{Changes, PoolSecret, Revision, Snapshot, Store, StoreError, now_unix};
use tokio::sync::Mutex;

use crate::control::Control;
pub(crate) use answer::SNAPSHOT_BYTES_MAX;
pub(crate) use listener::{Inner, open as open_listeners};
pub(crate) use sound::HomeSound;

/// What is remembered of the home beside the store.
#[derive(Default)]
pub(crate) struct HomeWord {
    /// Held while a snapshot is taken, so that an older one never overtakes.
    taking: Mutex<()>,
    /// When the home was here last; 0: not since the start.
    heard_unix: AtomicI64,
    /// Which life of the home that was.
    life: Mutex<Option<String>>,
    /// Where this edge takes the home's sound.
    sound: OnceLock<HomeSound>,
}

impl HomeWord {
    pub(crate) fn take_sound(&self, sound: HomeSound) {
        // A server starts once.
        let _ = self.sound.set(sound);
    }

    pub(crate) fn sound(&self) -> Option<&HomeSound> {
        self.sound.get()
    }

    /// The home is here. Returns whether it has started anew since it was here last.
    async fn hear(&self, life: Option<&str>) -> bool {
        self.heard_unix.store(now_unix(), Ordering::Relaxed);
        let Some(life) = life else { return false };
        let before = self.life.lock().await.replace(life.to_owned());
        before.is_some_and(|before| before != life)
    }

    pub(crate) fn heard_unix(&self) -> Option<i64> {
        Some(self.heard_unix.load(Ordering::Relaxed)).filter(|at| *at != 0)
    }
}

impl Control {
    /// Keeps what the home says and puts it in force; connections that it does not concern stay.
    ///
    /// # Errors
    /// As [`Store::keep_snapshot`]; then nothing has changed.
    pub(crate) async fn take_snapshot(&self, snapshot: Snapshot, home: &str) -> Result<Revision, StoreError> {
        let _one_at_a_time = self.home_word().taking.lock().await;
        let before = self.store().read(Store::told).await?;
        let (revision, discovered, secret) =
            (snapshot.revision.clone(), snapshot.rules.discovered, snapshot.pool_secret);
        warn_of_another_home(before.as_ref().map(|told| &told.revision), &revision);
        let is_new = before.is_none_or(|told| told.pool_secret != secret);
        let (partners, by) = (snapshot.partners.len(), home.to_owned());
        self.store().write(move |store| store.keep_snapshot(&snapshot, &by, now_unix())).await?;
        self.put_in_force(discovered, is_new.then_some(secret)).await?;
        tracing::info!(home, %revision, partners, "the home has told what it decided");
        Ok(revision)
    }

    /// The same of what has changed since it told last.
    ///
    /// # Errors
    /// As [`Store::keep_changes`]; then nothing has changed.
    pub(crate) async fn take_changes(&self, changes: Changes, home: &str) -> Result<(), StoreError> {
        let _one_at_a_time = self.home_word().taking.lock().await;
        let (revision, entries) = (changes.revision.clone(), changes.len());
        let (discovered, secret, by) = (changes.rules.discovered, changes.pool_secret, home.to_owned());
        let before = self.store().read(Store::told).await?;
        let is_new = before.is_none_or(|told| told.pool_secret != secret);
        self.store().write(move |store| store.keep_changes(&changes, &by, now_unix())).await?;
        self.put_in_force(discovered, is_new.then_some(secret)).await?;
        tracing::info!(home, %revision, entries, "the home has told what has changed");
        Ok(())
    }

    /// The home asks something: which life of it, where it says so.
    pub(crate) async fn hear_home(&self, life: Option<&str>) {
        if self.home_word().hear(life).await {
            tracing::info!("the home has started anew and knows of no phone outside: each is let go, to sign in again");
            self.workers().ask(|core, _| core.home_restarted()).await;
        }
    }

    async fn put_in_force(&self, discovered: DiscoveredTerms, secret: Option<PoolSecret>) -> Result<(), StoreError> {
        self.publish_partners().await?;
        let secret = secret.map(|secret| secret.0);
        self.workers().ask(move |core, _| core.take_home_terms(discovered, secret)).await;
        Ok(())
    }
}

/// Of two homes each would undo what the other says.
fn warn_of_another_home(before: Option<&Revision>, now: &Revision) {
    if before.is_some_and(|before| before.epoch != now.epoch) {
        tracing::warn!(
            "the home speaks from another database than before: it was restored, or two homes have this edge in \
             [inside] edges"
        );
    }
}

/// Says at the start what an edge goes by until its home is there.
pub(crate) fn log_what_is_known(store: &Store) -> Result<(), StoreError> {
    match store.told()? {
        Some(told) => {
            let age = crate::moment::duration((now_unix() - told.at_unix).max(0).unsigned_abs());
            let (home, revision) = (told.home, told.revision);
            tracing::info!(home, %revision, age, "partners and rules are those that the home told last");
        }
        None => tracing::warn!(
            "no home has told this edge anything yet: until then partners get 503 edge-not-ready; on the home: comity status"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_home_that_started_anew_is_noticed_once() {
        let word = HomeWord::default();
        assert!(!word.hear(Some("1")).await, "it may have been there for long");
        assert!(!word.hear(Some("1")).await);
        assert!(!word.hear(None).await, "one of an earlier version says nothing of it");
        assert!(word.hear(Some("2")).await);
        assert!(!word.hear(Some("2")).await);
    }
}
