//! Questions about our own users and the messages that wait for them, answered by whoever keeps them (the store), on a
//! thread of theirs.

use conference::schedule::Meeting;
use federation::ledger::{KeptAnswer, KeptSuspect};
use messaging::{
    Approach, Approached, ConsentAnswer, ConsentAnswered, MessageId, NewMessage, NotStored, StoredMessage,
};
use signaling::{Answer, QuestionId, Record};
use sip::Aor;
use sip::auth::UserHa1;

use crate::{Mailbox, WorkerMessage};

/// The accounts of this server. Called on a worker's thread: must not block, and calls `reply` from any thread.
pub trait Accounts: Send + Sync {
    /// `None`: there is no such user.
    fn credentials(&self, aor: Aor, reply: Reply<Result<Option<UserHa1>, String>>);
    fn exists(&self, aor: Aor, reply: Reply<Result<bool, String>>);

    /// Replies once the message is on disk, with its name. The questions about messages are worked on in the order of their calls.
    fn store(&self, new: NewMessage, reply: Reply<Result<MessageId, NotStored>>);
    /// The first message of the user after that one, to be sent now.
    fn next_stored(
        &self,
        aor: Aor,
        after: MessageId,
        now_unix_ms: u64,
        reply: Reply<Result<Option<StoredMessage>, String>>,
    );
    /// A message that was sent goes, since a device has it, or stays.
    fn settle(&self, id: MessageId, is_delivered: bool, reply: Reply<Result<(), String>>);

    /// Somebody comes to a user who is to agree first.
    fn approach(&self, approach: Approach, reply: Reply<Result<Approached, String>>);
    /// A user answers the question about somebody; `None`: he was not asked it.
    fn answer_consent(&self, answer: ConsentAnswer, reply: Reply<Result<Option<ConsentAnswered>, String>>);
    /// A user has turned to this address: how many messages that were held he gets now.
    fn agree(&self, aor: Aor, sender: String, now_unix_ms: u64, reply: Reply<Result<u32, String>>);

    /// Keeps a meeting that began without having been scheduled, or what changed of it. Nobody waits for it.
    fn keep_meeting(&self, meeting: Meeting);

    /// Keeps what is to be known of a call. Nobody waits for it: where there is no room it is dropped, and counted.
    fn record(&self, record: Record);

    /// Keeps that a discovered partner is suspect. Nobody waits for it.
    fn keep_suspect(&self, suspect: KeptSuspect);

    /// Keeps who has answered whom. Nobody waits for it.
    fn keep_answer(&self, answer: KeptAnswer);
}

/// Takes the one answer.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// Makes of what is replied the answer to a question, which comes by the worker's own mailbox; `unused`: what is answered when
/// the reply is dropped.
pub(crate) fn reply<T: Send + 'static>(
    (id, mailbox): (QuestionId, Mailbox),
    unused: T,
    answer: fn(T) -> Answer,
) -> Reply<T> {
    let pending = PendingAnswer { id, answer: Some(answer(unused)), mailbox };
    Box::new(move |replied| pending.give(answer(replied)))
}

/// Gives exactly one answer, also when the reply is dropped unused (the store broke down): then nothing is known and
/// nothing was stored.
struct PendingAnswer {
    id: QuestionId,
    answer: Option<Answer>,
    mailbox: Mailbox,
}

impl PendingAnswer {
    fn give(mut self, answer: Answer) {
        self.answer = Some(answer);
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.mailbox.send(WorkerMessage::Answer { id: self.id, answer });
        }
    }
}

/// What is said of a store that broke down.
pub(crate) fn broken() -> String {
    "it gave no answer".to_owned()
}

#[cfg(test)]
mod tests {
    use messaging::{Room, Terms};

    use super::*;
    use crate::mailbox;

    /// Replies at once to some questions, drops the others.
    struct Flaky;

    impl Accounts for Flaky {
        fn credentials(&self, _: Aor, reply: Reply<Result<Option<UserHa1>, String>>) {
            drop(reply);
        }

        fn exists(&self, _: Aor, reply: Reply<Result<bool, String>>) {
            reply(Ok(true));
        }

        fn store(&self, _: NewMessage, reply: Reply<Result<MessageId, NotStored>>) {
            drop(reply);
        }

        fn next_stored(&self, _: Aor, _: MessageId, _: u64, reply: Reply<Result<Option<StoredMessage>, String>>) {
            reply(Ok(None));
        }

        fn settle(&self, _: MessageId, _: bool, reply: Reply<Result<(), String>>) {
            drop(reply);
        }

        fn approach(&self, _: Approach, reply: Reply<Result<Approached, String>>) {
            drop(reply);
        }

        fn answer_consent(&self, _: ConsentAnswer, reply: Reply<Result<Option<ConsentAnswered>, String>>) {
            drop(reply);
        }

        fn agree(&self, _: Aor, _: String, _: u64, reply: Reply<Result<u32, String>>) {
            drop(reply);
        }

        fn keep_meeting(&self, _: Meeting) {}

        fn record(&self, _: Record) {}

        fn keep_suspect(&self, _: KeptSuspect) {}

        fn keep_answer(&self, _: KeptAnswer) {}
    }

    #[tokio::test(flavor = "current_thread")]
    async fn every_question_gets_one_answer_even_from_a_broken_store() {
        let (sender, mut inbox) = mailbox(1);
        let aor: Aor = "alice@contoso.example".parse().expect("an address of record");
        let ask = |number| (QuestionId(number), sender.clone());
        Flaky.credentials(aor.clone(), reply(ask(1), Err(broken()), Answer::Credentials));
        Flaky.exists(aor.clone(), reply(ask(2), Err(broken()), Answer::User));
        let room = Room { messages_max: 1, bytes_max: 1 };
        let terms = Terms { accepted_unix_ms: 0, expires_unix_ms: 1, room, of_sender: room, of_partner: None };
        let new = NewMessage { aor: aor.clone(), request: "MESSAGE".into(), terms, was_sent: false };
        Flaky.store(new, reply(ask(3), Err(NotStored::Failed(broken())), Answer::Stored));
        Flaky.next_stored(aor, MessageId(0), 0, reply(ask(4), Err(broken()), Answer::NextStored));
        Flaky.settle(MessageId(1), true, reply(ask(5), Err(broken()), Answer::Settled));
        let answers: Vec<WorkerMessage> = std::iter::from_fn(|| inbox.urgent.take()).collect();
        assert_eq!(answers.len(), 5);
        assert!(matches!(answers[0], WorkerMessage::Answer { id: QuestionId(1), answer: Answer::Credentials(Err(_)) }));
        assert!(matches!(answers[1], WorkerMessage::Answer { id: QuestionId(2), answer: Answer::User(Ok(true)) }));
        assert!(matches!(
            answers[2],
            WorkerMessage::Answer { id: QuestionId(3), answer: Answer::Stored(Err(NotStored::Failed(_))) }
        ));
        assert!(matches!(
            answers[3],
            WorkerMessage::Answer { id: QuestionId(4), answer: Answer::NextStored(Ok(None)) }
        ));
        assert!(matches!(answers[4], WorkerMessage::Answer { id: QuestionId(5), answer: Answer::Settled(Err(_)) }));
    }
}
