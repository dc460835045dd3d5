//! The store's users, and the messages that wait for them, as the workers ask for them; and what they want kept of calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conference::schedule::Meeting;
use federation::ledger::{KeptAnswer, KeptSuspect};
use messaging::{
    Approach, Approached, ConsentAnswer, ConsentAnswered, MessageId, NewMessage, NotStored, StoredMessage,
};
use net::{Accounts, Reply};
use signaling::Record;
use sip::Aor;
use sip::auth::UserHa1;
use store::{Store, StoreError, StoreHandle, now_unix};

use crate::metrics::ServerCounts;

/// Users are read on the store's reading thread, unless their credentials were read lately. All about messages goes through its writing thread, which keeps the
/// order.
pub struct StoreAccounts {
    store: StoreHandle,
    counts: ServerCounts,
    /// Records of calls on their way to the store: they must not take the room of messages.
    records_waiting: Arc<AtomicUsize>,
    keeps_records: bool,
    answers: AnswersWaiting,
}

/// What is known of answers and not in the store yet. All that gathers while the store is busy is one change.
type AnswersWaiting = Arc<Mutex<Vec<KeptAnswer>>>;

impl StoreAccounts {
    pub(crate) fn new(store: StoreHandle, counts: ServerCounts, keeps_records: bool) -> StoreAccounts {
        StoreAccounts { store, counts, records_waiting: Arc::default(), keeps_records, answers: Arc::default() }
    }
}

impl Accounts for StoreAccounts {
    fn credentials(&self, aor: Aor, reply: Reply<Result<Option<UserHa1>, String>>) {
        let counts = self.counts.clone();
        let told = move |found| reply(told(&counts, found, "credentials cannot be read"));
        self.store.ha1_then(aor, told);
    }

    fn exists(&self, aor: Aor, reply: Reply<Result<bool, String>>) {
        let counts = self.counts.clone();
        let told = move |found| reply(told(&counts, found, "users cannot be read"));
        self.store.read_then(move |store| store.user_exists(&aor), told);
    }

    fn store(&self, new: NewMessage, reply: Reply<Result<MessageId, NotStored>>) {
        let counts = self.counts.clone();
        let change = move |store: &Store| store.add_message(&new);
        self.store.write_then(change, move |stored| reply(stored.map_err(|error| not_stored(&counts, error))));
    }

    fn next_stored(
        &self,
        aor: Aor,
        after: MessageId,
        now_unix_ms: u64,
        reply: Reply<Result<Option<StoredMessage>, String>>,
    ) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.next_message(&aor, after, now_unix_ms),
            move |found| reply(told(&counts, found, "stored messages cannot be read")),
        );
    }

    fn settle(&self, id: MessageId, is_delivered: bool, reply: Reply<Result<(), String>>) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| if is_delivered { store.remove_message(id) } else { store.keep_message(id) },
            move |settled| reply(told(&counts, settled, "what became of a stored message cannot be recorded yet")),
        );
    }

    fn approach(&self, approach: Approach, reply: Reply<Result<Approached, String>>) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.approach(&approach),
            move |done| reply(told(&counts, done, "a first contact cannot be held")),
        );
    }

    fn answer_consent(&self, answer: ConsentAnswer, reply: Reply<Result<Option<ConsentAnswered>, String>>) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.answer_consent(&answer),
            move |done| reply(told(&counts, done, "what a user says of a first contact cannot be kept")),
        );
    }

    fn agree(&self, aor: Aor, sender: String, now_unix_ms: u64, reply: Reply<Result<u32, String>>) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.agree(&aor, &sender, now_unix_ms),
            move |done| reply(told(&counts, done, "whom a user has turned to cannot be kept")),
        );
    }

    fn keep_meeting(&self, meeting: Meeting) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.put_meeting(&meeting, now_unix()),
            move |kept| drop(told(&counts, kept, "a meeting that has begun cannot be kept")),
        );
    }

    fn record(&self, record: Record) {
        if !self.keeps_records {
            return;
        }
        let waiting = self.records_waiting.clone();
        if waiting.fetch_add(1, Ordering::Relaxed) >= RECORDS_WAITING_MAX {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return self.counts.record_dropped();
        }
        let counts = self.counts.clone();
        let kept = move |kept: Result<(), StoreError>| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            if let Err(error) = kept {
                counts.record_dropped();
                tracing::debug!(%error, "a call cannot be recorded");
            }
        };
        self.store.write_then(move |store| store.put_record(&record), kept);
    }

    fn keep_suspect(&self, suspect: KeptSuspect) {
        let counts = self.counts.clone();
        self.store.write_then(
            move |store| store.put_suspect(&suspect),
            move |kept| drop(told(&counts, kept, "that a partner is suspect cannot be kept")),
        );
    }

    fn keep_answer(&self, answer: KeptAnswer) {
        if !waits_first(&self.answers, answer) {
            return;
        }
        let (counts, waiting, refused) = (self.counts.clone(), self.answers.clone(), self.answers.clone());
        let take = move |waiting: &AnswersWaiting| {
            std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.store.write_then(
            move |store| store.put_answers(&take(&waiting)),
            move |kept| {
                // Where the change never ran, the next one is to be asked for again.
                if kept.is_err() {
                    take(&refused);
                }
                drop(told(&counts, kept, "who has answered whom cannot be kept"));
            },
        );
    }
}

/// Whether the change that takes them still has to be asked for. Where the store does not come to it for long, the rest is lost.
fn waits_first(answers: &AnswersWaiting, answer: KeptAnswer) -> bool {
    let mut waiting = answers.lock().unwrap_or_else(PoisonError::into_inner);
    if waiting.len() < ANSWERS_WAITING_MAX {
        waiting.push(answer);
    }
    waiting.len() == 1
}

/// The administrator is told what failed; who asked, that it did.
fn told<T>(counts: &ServerCounts, found: Result<T, StoreError>, what: &'static str) -> Result<T, String> {
    found.map_err(|error| {
        failed(counts, &error, what);
        error.to_string()
    })
}

/// A full mailbox and an unknown user are the sender's concern; anything else is the administrator's.
fn not_stored(counts: &ServerCounts, error: StoreError) -> NotStored {
    match error {
        StoreError::UserUnknown(_) => NotStored::UserUnknown,
        StoreError::MailboxFull(_) => NotStored::Full,
        StoreError::SenderFull(_) => NotStored::SenderFull,
        other => {
            failed(counts, &other, "a message cannot be stored");
            NotStored::Failed(other.to_string())
        }
    }
}

/// Of the places that the store's queue has, records of calls take this many at most.
const RECORDS_WAITING_MAX: usize = 1_024;

/// More than a store is behind with by itself.
const ANSWERS_WAITING_MAX: usize = 10_000;

/// What comes here is about the store as a whole: it names no user.
fn failed(counts: &ServerCounts, error: &StoreError, what: &str) {
    counts.store_failed();
    tracing::warn!(%error, "{what}");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use signaling::{CallKind, CallRecord, Way};
    use store::StoreThread;

    use super::*;

    /// Holds the store until the other end is dropped.
    fn held(handle: &StoreHandle) -> std::sync::mpsc::Sender<()> {
        let (go, gate) = channel::<()>();
        let held = move |_: &Store| {
            let _ = gate.recv();
            Ok(())
        };
        handle.write_then(held, |_| {});
        go
    }

    #[test]
    fn answers_that_come_while_the_store_is_busy_are_one_change_and_all_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let thread = StoreThread::start(&path).unwrap();
        let accounts = StoreAccounts::new(thread.handle(), ServerCounts::default(), true);
        let turn = |user| KeptAnswer::TurnedTo { at_unix_ms: user, user, domain: "adatum.example".to_owned() };
        let go = held(&thread.handle());
        (0..100).for_each(|user| accounts.keep_answer(turn(user)));
        assert_eq!(accounts.answers.lock().unwrap().len(), 100);
        drop(go);
        let (done, wait) = channel();
        thread.handle().write_then(|_| Ok(()), move |_| done.send(()).unwrap());
        wait.recv().unwrap();
        accounts.keep_answer(turn(100));
        thread.stop();
        assert_eq!(Store::open(&path).unwrap().answers(0).unwrap(), (0..=100).map(turn).collect::<Vec<_>>());
    }

    #[test]
    fn answers_beyond_what_may_wait_are_not_kept() {
        let waiting = AnswersWaiting::default();
        let turn = |user| KeptAnswer::TurnedTo { at_unix_ms: user, user, domain: "adatum.example".to_owned() };
        let asked = (0..20_000).filter(|user| waits_first(&waiting, turn(*user))).count();
        assert_eq!((asked, waiting.lock().unwrap().len()), (1, ANSWERS_WAITING_MAX));
    }

    #[test]
    fn a_store_that_takes_nothing_is_asked_again_with_the_next_answer() {
        let folder = tempfile::tempdir().unwrap();
        let thread = StoreThread::start(&folder.path().join("comity.db")).unwrap();
        let accounts = StoreAccounts::new(thread.handle(), ServerCounts::default(), true);
        thread.stop();
        for user in 0..2 {
            accounts.keep_answer(KeptAnswer::TurnedTo { at_unix_ms: 1, user, domain: "adatum.example".to_owned() });
            assert!(accounts.answers.lock().unwrap().is_empty());
        }
        assert_eq!(accounts.counts.store_failures_total(), 2);
    }

    #[test]
    fn records_beyond_what_may_wait_are_dropped_and_counted_and_room_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let thread = StoreThread::start(&folder.path().join("comity.db")).unwrap();
        let counts = ServerCounts::default();
        let accounts = StoreAccounts::new(thread.handle(), counts.clone(), true);
        let record = |number: usize| {
            accounts.record(Record::Call(Box::new(CallRecord {
                call_id: format!("c{number}"),
                user: "alice@contoso.example".parse().unwrap(),
                other: "dave@contoso.example".to_owned(),
                partner: None,
                direction: federation::flow::Direction::Outbound,
                kind: CallKind::Call,
                way: Way::Proxied,
                began_unix_ms: 0,
                ringing_ms: None,
                answered_ms: None,
                end: None,
            })));
        };
        let go = held(&thread.handle());
        (0..RECORDS_WAITING_MAX + 3).for_each(record);
        assert_eq!(counts.records_dropped_total(), 3);
        drop(go);
        let (done, wait) = channel();
        thread.handle().write_then(|_| Ok(()), move |_| done.send(()).unwrap());
        wait.recv().unwrap();
        record(RECORDS_WAITING_MAX + 3);
        assert_eq!(counts.records_dropped_total(), 3);
        thread.stop();
    }
}
