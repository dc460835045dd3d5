//! Messages that wait for a user to register. An `id` rises and is never used again: the order of a user's messages is
//! the order in which they were accepted.

use std::collections::BTreeMap;

use messaging::{MessageId, NewMessage, SenderShare, StoredMessage};
use rusqlite::{OptionalExtension, params};
use sip::Aor;

use crate::{Store, StoreError, integer};

/// What waits, over all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingMessages {
    pub count: u64,
    pub oldest_unix_ms: Option<i64>,
}

impl Store {
    /// Keeps a message for a user, after what he has already.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`], and beyond the room that the message's terms name [`StoreError::MailboxFull`] or, where others may
    /// still write to the user, [`StoreError::SenderFull`].
    pub fn add_message(&self, new: &NewMessage) -> Result<MessageId, StoreError> {
        let (aor, terms) = (new.aor.to_string(), new.terms);
        if !self.user_exists(&new.aor)? {
            return Err(StoreError::UserUnknown(new.aor.clone()));
        }
        let now = integer(terms.accepted_unix_ms);
        let connection = self.connection();
        let (count, bytes): (i64, i64) = connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(length(request)), 0) FROM stored_messages
                 WHERE aor = ?1 AND expires > ?2",
            )?
            .query_row(params![aor, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (count, bytes) = (count.unsigned_abs(), bytes.unsigned_abs());
        if !terms.room.has_room(count, bytes, new.request.len()) {
            return Err(StoreError::MailboxFull(new.aor.clone()));
        }
        if let Some(share) = SenderShare::needed(new, count, bytes) {
            self.check_share(&new.aor, now, share)?;
        }
        connection
            .prepare_cached(
                "INSERT INTO stored_messages (aor, accepted, expires, was_sent, request) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![aor, now, integer(terms.expires_unix_ms), new.was_sent, &new.request[..]])?;
        Ok(MessageId(connection.last_insert_rowid()))
    }

    /// Who sent what is stored stands in it alone. There are at most as many as one user may have, and they are read only where
    /// more wait than one sender may have there.
    fn check_share(&self, aor: &Aor, now: i64, mut share: SenderShare<'_>) -> Result<(), StoreError> {
        let mut statement =
            self.connection().prepare_cached("SELECT request FROM stored_messages WHERE aor = ?1 AND expires > ?2")?;
        let mut rows = statement.query(params![aor.to_string(), now])?;
        while let Some(row) = rows.next()? {
            share.add(row.get::<_, Vec<u8>>(0)?.into());
        }
        share.has_room().then_some(()).ok_or_else(|| StoreError::SenderFull(aor.clone()))
    }

    /// The first message of a user after this one that is still valid, marked as sent: it is about to be.
    pub fn next_message(
        &self,
        aor: &Aor,
        after: MessageId,
        now_unix_ms: u64,
    ) -> Result<Option<StoredMessage>, StoreError> {
        let found = self
            .connection()
            .prepare_cached(
                "SELECT id, request, was_sent FROM stored_messages
                 WHERE aor = ?1 AND id > ?2 AND expires > ?3 ORDER BY id LIMIT 1",
            )?
            .query_row(params![aor.to_string(), after.0, integer(now_unix_ms)], |row| {
                let request: Vec<u8> = row.get(1)?;
                Ok(StoredMessage { id: MessageId(row.get(0)?), request: request.into(), is_repeat: row.get(2)? })
            })
            .optional()?;
        if let Some(StoredMessage { id, is_repeat: false, .. }) = &found {
            self.mark_message(*id, true)?;
        }
        Ok(found)
    }

    /// A device has the message.
    pub fn remove_message(&self, id: MessageId) -> Result<(), StoreError> {
        self.connection().prepare_cached("DELETE FROM stored_messages WHERE id = ?1")?.execute([id.0])?;
        Ok(())
    }

    /// It is known that no device has the message, though it was sent.
    pub fn keep_message(&self, id: MessageId) -> Result<(), StoreError> {
        self.mark_message(id, false)
    }

    /// Removes what is no longer valid; says how many.
    pub fn expire_messages(&self, now_unix_ms: u64) -> Result<usize, StoreError> {
        let mut statement = self.connection().prepare_cached("DELETE FROM stored_messages WHERE expires <= ?1")?;
        Ok(statement.execute([integer(now_unix_ms)])?)
    }

    /// What waits, over all users.
    pub fn waiting_messages(&self) -> Result<WaitingMessages, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let count: i64 = row.get(0)?;
            Ok(WaitingMessages { count: count.unsigned_abs(), oldest_unix_ms: row.get(1)? })
        };
        Ok(self.connection().query_row("SELECT count(*), min(accepted) FROM stored_messages", [], read)?)
    }

    /// How many messages wait for each user, by address; who has none is absent.
    pub fn waiting_messages_by_aor(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut statement =
            self.connection().prepare_cached("SELECT aor, count(*) FROM stored_messages GROUP BY aor")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn mark_message(&self, id: MessageId, was_sent: bool) -> Result<(), StoreError> {
        let mut statement =
            self.connection().prepare_cached("UPDATE stored_messages SET was_sent = ?2 WHERE id = ?1")?;
        statement.execute(params![id.0, was_sent])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use messaging::{Room, Terms};

    use super::*;
    use crate::Credentials;

    const NOW: u64 = 1_800_000_000_000;
    const START: MessageId = MessageId(0);

    fn aor(text: &str) -> Aor {
        text.parse().unwrap()
    }

    fn message(to: &Aor, text: &'static str) -> NewMessage {
        let room = Room { messages_max: 3, bytes_max: 1000 };
        let terms = Terms {
            accepted_unix_ms: NOW,
            expires_unix_ms: NOW + 10_000,
            room,
            of_sender: room,
            of_partner: Some(room),
        };
        NewMessage { aor: to.clone(), request: text.into(), terms, was_sent: false }
    }

    fn store(users: &[&Aor]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        for user in users {
            store.add_user(user, &Credentials::new(user, "correct horse").unwrap(), 1).unwrap();
        }
        (folder, store)
    }

    /// Every text of a user's queue, in the order in which it is handed out.
    fn queue(store: &Store, aor: &Aor, now: u64) -> Vec<String> {
        let mut after = START;
        let next = || {
            let found = store.next_message(aor, after, now).unwrap()?;
            after = found.id;
            Some(String::from_utf8(found.request.to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn messages_wait_in_order_over_reopening_and_go_when_delivered() {
        let (alice, bob) = (aor("alice@contoso.example"), aor("bob@contoso.example"));
        let (folder, store) = store(&[&alice, &bob]);
        for text in ["one", "two", "three"] {
            store.add_message(&message(&alice, text)).unwrap();
        }
        store.add_message(&message(&bob, "for bob")).unwrap();
        drop(store);
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let waiting = WaitingMessages { count: 4, oldest_unix_ms: Some(NOW as i64) };
        assert_eq!(store.waiting_messages().unwrap(), waiting);
        assert_eq!(queue(&store, &alice, NOW), ["one", "two", "three"]);
        let first = store.next_message(&alice, START, NOW).unwrap().unwrap();
        store.remove_message(first.id).unwrap();
        assert_eq!(queue(&store, &alice, NOW), ["two", "three"]);
        let by_aor = store.waiting_messages_by_aor().unwrap();
        assert_eq!(by_aor.into_iter().collect::<Vec<_>>(), [(alice.to_string(), 2), (bob.to_string(), 1)]);
    }

    #[test]
    fn a_message_sent_without_a_known_outcome_is_a_repeat_even_after_reopening() {
        let alice = aor("alice@contoso.example");
        let (folder, store) = store(&[&alice]);
        store.add_message(&message(&alice, "one")).unwrap();
        let first = store.next_message(&alice, START, NOW).unwrap().unwrap();
        assert!(!first.is_repeat);
        drop(store);
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let again = store.next_message(&alice, START, NOW).unwrap().unwrap();
        assert_eq!(again, StoredMessage { is_repeat: true, ..first.clone() });
        store.keep_message(first.id).unwrap();
        assert_eq!(store.next_message(&alice, START, NOW).unwrap(), Some(first));
        store.add_message(&NewMessage { was_sent: true, ..message(&alice, "two") }).unwrap();
        assert!(store.next_message(&alice, again.id, NOW).unwrap().unwrap().is_repeat);
    }

    #[test]
    fn a_mailbox_has_room_for_so_many_messages_and_so_many_bytes() {
        let (alice, bob) = (aor("alice@contoso.example"), aor("bob@contoso.example"));
        let (_folder, store) = store(&[&alice, &bob]);
        for _ in 0..3 {
            store.add_message(&message(&alice, "text")).unwrap();
        }
        let full = |result| matches!(result, Err(StoreError::MailboxFull(_)));
        assert!(full(store.add_message(&message(&alice, "text"))));
        let mut large = message(&bob, "12345678");
        large.terms.room.bytes_max = 15;
        store.add_message(&large).unwrap();
        assert!(full(store.add_message(&large)));
        // What has expired takes no room, swept or not.
        let mut later = message(&alice, "later");
        later.terms.accepted_unix_ms = NOW + 10_000;
        later.terms.expires_unix_ms = NOW + 20_000;
        store.add_message(&later).unwrap();
        assert_eq!(queue(&store, &alice, NOW + 10_000), ["later"]);
    }

    #[test]
    fn one_sender_leaves_room_for_others() {
        let (alice, bob) = (aor("alice@contoso.example"), aor("bob@contoso.example"));
        let (_folder, store) = store(&[&alice, &bob]);
        let from = |to: &Aor, sender: &str| {
            let text = format!(
                "MESSAGE sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\nFrom: <sip:{sender}>;tag=1\r\n\
                 To: <sip:{to}>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
            );
            let mut new = NewMessage { request: text.into(), ..message(to, "") };
            new.terms.room = Room { messages_max: 6, bytes_max: 10_000 };
            new.terms.of_sender = Room { messages_max: 2, bytes_max: 10_000 };
            new.terms.of_partner = Some(Room { messages_max: 3, bytes_max: 10_000 });
            new
        };
        let is_over_share = |new| matches!(store.add_message(&new), Err(StoreError::SenderFull(_)));
        for _ in 0..2 {
            store.add_message(&from(&alice, "mallory@fabrikam.example")).unwrap();
        }
        assert!(is_over_share(from(&alice, "mallory@fabrikam.example")));
        store.add_message(&from(&bob, "mallory@fabrikam.example")).unwrap();
        store.add_message(&from(&alice, "carol@fabrikam.example")).unwrap();
        assert!(is_over_share(from(&alice, "carol@fabrikam.example")), "three are of the partner");
        store.add_message(&from(&alice, "dave@litware.example")).unwrap();
        // What has expired takes no room of its sender, swept or not.
        let mut later = from(&alice, "mallory@fabrikam.example");
        later.terms.accepted_unix_ms = NOW + 10_000;
        later.terms.expires_unix_ms = NOW + 20_000;
        store.add_message(&later).unwrap();
    }

    #[test]
    fn nothing_is_kept_for_who_is_not_there_or_for_too_long() {
        let (alice, nobody) = (aor("alice@contoso.example"), aor("nobody@contoso.example"));
        let (_folder, store) = store(&[&alice]);
        assert!(matches!(store.add_message(&message(&nobody, "x")), Err(StoreError::UserUnknown(_))));
        store.add_message(&message(&alice, "one")).unwrap();
        assert_eq!(store.expire_messages(NOW + 9_999).unwrap(), 0);
        assert_eq!(store.expire_messages(NOW + 10_000).unwrap(), 1);
        store.add_message(&message(&alice, "two")).unwrap();
        store.remove_user(&alice).unwrap();
        assert_eq!(store.waiting_messages().unwrap(), WaitingMessages::default());
    }
}
