//! The store's users, and the messages that wait for them, as the workers ask for them.

use messaging::{MessageId, NewMessage, NotStored, StoredMessage};
use net::{Accounts, Reply};
use sip::Aor;
use sip::auth::Ha1;
use store::{Store, StoreError, StoreHandle};

/// Users are read on the store's reading thread. All about messages goes through its writing thread, which keeps the
/// order.
pub struct StoreAccounts(pub StoreHandle);

impl Accounts for StoreAccounts {
    fn credentials(&self, aor: Aor, reply: Reply<Option<Ha1>>) {
        self.0.read_then(
            move |store| store.ha1(&aor),
            // A reply that is dropped counts as "no such user": nobody is let in unproven.
            |found| match found {
                Ok(found) => reply(found),
                Err(error) => tracing::warn!(%error, "credentials cannot be read"),
            },
        );
    }

    fn exists(&self, aor: Aor, reply: Reply<bool>) {
        self.0.read_then(
            move |store| store.user_exists(&aor),
            |found| match found {
                Ok(found) => reply(found),
                Err(error) => tracing::warn!(%error, "users cannot be read"),
            },
        );
    }

    fn store(&self, new: NewMessage, reply: Reply<Result<(), NotStored>>) {
        let change = move |store: &Store| store.add_message(&new);
        self.0.write_then(change, |stored| reply(stored.map_err(not_stored)));
    }

    fn next_stored(
        &self,
        aor: Aor,
        after: MessageId,
        now_unix_ms: u64,
        reply: Reply<Result<Option<StoredMessage>, String>>,
    ) {
        self.0.write_then(
            move |store| store.next_message(&aor, after, now_unix_ms),
            |found| {
                if let Err(error) = &found {
                    tracing::warn!(%error, "stored messages cannot be read");
                }
                reply(found.map_err(|error| error.to_string()));
            },
        );
    }

    fn settle(&self, id: MessageId, is_delivered: bool, reply: Reply<Result<(), String>>) {
        self.0.write_then(
            move |store| if is_delivered { store.remove_message(id) } else { store.keep_message(id) },
            |settled| {
                if let Err(error) = &settled {
                    tracing::warn!(%error, "what became of a stored message cannot be recorded: it is sent again");
                }
                reply(settled.map_err(|error| error.to_string()));
            },
        );
    }
}

/// A full mailbox and an unknown user are the sender's concern; anything else is the administrator's.
fn not_stored(error: StoreError) -> NotStored {
    match error {
        StoreError::UserUnknown(_) => NotStored::UserUnknown,
        StoreError::MailboxFull(_) => NotStored::Full,
        other => {
            tracing::warn!(error = %other, "a message cannot be stored");
            NotStored::Failed(other.to_string())
        }
    }
}
