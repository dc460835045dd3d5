//! Questions about our own users, answered by whoever keeps them (the store), on a thread of theirs.

use signaling::{Answer, QuestionId};
use sip::Aor;
use sip::auth::Ha1;

use crate::{Mailbox, WorkerMessage};

/// The accounts of this server. Called on a worker's thread: must not block, and calls `reply` from any thread.
pub trait Accounts: Send + Sync {
    /// `None`: there is no such user.
    fn credentials(&self, aor: Aor, reply: Box<dyn FnOnce(Option<Ha1>) + Send>);
    fn exists(&self, aor: Aor, reply: Box<dyn FnOnce(bool) + Send>);
}

/// Asks for the stored credentials; the answer comes by the worker's own mailbox.
pub(crate) fn ask_credentials(accounts: &dyn Accounts, aor: Aor, id: QuestionId, mailbox: Mailbox) {
    let pending = PendingAnswer::new(id, Answer::Credentials(None), mailbox);
    accounts.credentials(aor, Box::new(move |found| pending.give(Answer::Credentials(found))));
}

/// Asks whether the user exists; the answer comes by the worker's own mailbox.
pub(crate) fn ask_exists(accounts: &dyn Accounts, aor: Aor, id: QuestionId, mailbox: Mailbox) {
    let pending = PendingAnswer::new(id, Answer::User(false), mailbox);
    accounts.exists(aor, Box::new(move |found| pending.give(Answer::User(found))));
}

/// Gives exactly one answer, also when the reply is dropped unused (the store broke down): then it is as if there
/// were no such user, since nobody may be let in unproven.
struct PendingAnswer {
    id: QuestionId,
    answer: Option<Answer>,
    mailbox: Mailbox,
}

impl PendingAnswer {
    fn new(id: QuestionId, when_dropped: Answer, mailbox: Mailbox) -> PendingAnswer {
        PendingAnswer { id, answer: Some(when_dropped), mailbox }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox;

    /// Replies at once to one question, drops the other.
    struct Flaky;

    impl Accounts for Flaky {
        fn credentials(&self, _: Aor, reply: Box<dyn FnOnce(Option<Ha1>) + Send>) {
            drop(reply);
        }

        fn exists(&self, _: Aor, reply: Box<dyn FnOnce(bool) + Send>) {
            reply(true);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn every_question_gets_one_answer_even_from_a_broken_store() {
        let (sender, mut inbox) = mailbox(1);
        let aor: Aor = "alice@contoso.example".parse().expect("an address of record");
        ask_credentials(&Flaky, aor.clone(), QuestionId(1), sender.clone());
        ask_exists(&Flaky, aor, QuestionId(2), sender);
        let mut answers = Vec::new();
        inbox.receive(&mut answers, 10).await;
        assert_eq!(answers.len(), 2);
        assert!(matches!(answers[0], WorkerMessage::Answer { id: QuestionId(1), answer: Answer::Credentials(None) }));
        assert!(matches!(answers[1], WorkerMessage::Answer { id: QuestionId(2), answer: Answer::User(true) }));
    }
}
