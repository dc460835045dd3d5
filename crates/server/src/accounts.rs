//! The store's users as the workers ask for them.

use net::Accounts;
use sip::Aor;
use sip::auth::Ha1;
use store::StoreHandle;

/// Answers from the store's reading thread.
pub struct StoreAccounts(pub StoreHandle);

impl Accounts for StoreAccounts {
    fn credentials(&self, aor: Aor, reply: Box<dyn FnOnce(Option<Ha1>) + Send>) {
        self.0.read_then(
            move |store| store.ha1(&aor),
            // A reply that is dropped counts as "no such user": nobody is let in unproven.
            |found| match found {
                Ok(found) => reply(found),
                Err(error) => tracing::warn!(%error, "credentials cannot be read"),
            },
        );
    }

    fn exists(&self, aor: Aor, reply: Box<dyn FnOnce(bool) + Send>) {
        self.0.read_then(
            move |store| store.user_exists(&aor),
            |found| match found {
                Ok(found) => reply(found),
                Err(error) => tracing::warn!(%error, "users cannot be read"),
            },
        );
    }
}
