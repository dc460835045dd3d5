//! First contacts in the store in memory: who was asked about whom, and what is held. What is done about each is
//! `messaging::judge`'s, as in the real one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use messaging::{
    Approach, Brings, ConsentAnswer, ConsentAnswered, ConsentId, ConsentReply, Holding, Known, MessageId, NewMessage,
    Room, Terms, Verdict, judge,
};
use signaling::Answer;
use sip::Aor;

use super::MessageStore;

#[derive(Default)]
pub(super) struct Consents {
    verdicts: BTreeMap<(Aor, String), Verdict>,
    questions: BTreeMap<(Aor, ConsentId), String>,
    held: Vec<Held>,
    /// By Call-ID.
    pub(super) not_agreed_to: BTreeSet<String>,
}

struct Held {
    aor: Aor,
    sender: String,
    expires_unix_ms: u64,
    until_unix_ms: u64,
    request: Option<Bytes>,
}

impl Consents {
    /// What was said of a sender, else of his domain.
    fn verdict(&self, aor: &Aor, sender: &str) -> Option<Verdict> {
        let of = |who: &str| self.verdicts.get(&(aor.clone(), who.to_owned())).copied();
        let decided = |who: &str| of(who).filter(|verdict| *verdict != Verdict::Asked);
        decided(sender).or_else(|| decided(domain_of(sender))).or_else(|| of(sender))
    }

    fn known(&self, approach: &Approach, is_user: bool) -> Known {
        let Approach { aor, sender, terms, .. } = approach;
        let count = |of: &dyn Fn(&&Held) -> bool| u32::try_from(self.held.iter().filter(of).count()).expect("a few");
        let lives = |held: &Held| held.until_unix_ms > terms.now_unix_ms;
        Known {
            is_user,
            verdict: self.verdict(aor, sender),
            held_by_sender: count(&|held| held.aor == *aor && held.sender == *sender && lives(held)),
            held_for_user: count(&|held| held.aor == *aor && lives(held)),
            held_in_all: count(&|_| true),
        }
    }

    /// How many messages wait that their users may still get.
    pub(super) fn waiting(&self) -> usize {
        self.held.iter().filter(|held| held.request.is_some()).count()
    }
}

impl MessageStore {
    pub fn approach(&mut self, approach: Approach, is_user: bool) -> Answer {
        self.asked.push("approach");
        if self.is_broken {
            return Answer::Approached(Err("it is broken".into()));
        }
        let approached = judge(&self.consents.known(&approach, is_user), &approach);
        let Approach { aor, sender, brings, question, terms, .. } = approach;
        if approached.asks {
            self.consents.verdicts.insert((aor.clone(), sender.clone()), Verdict::Asked);
            self.consents.questions.insert((aor.clone(), question.id), sender.clone());
            self.put(&aor, question.request, (terms.now_unix_ms, terms.until_unix_ms));
        }
        if let Brings::Message(held) = &brings
            && approached.holding != Holding::No
        {
            self.consents.not_agreed_to.extend(call_id(&held.request));
        }
        let (request, expires_unix_ms) = match (brings, approached.holding) {
            (_, Holding::No | Holding::Full(_)) => return Answer::Approached(Ok(approached)),
            (Brings::Message(held), Holding::Whole) => (Some(held.request), held.expires_unix_ms),
            _ => (None, terms.until_unix_ms),
        };
        let until_unix_ms = terms.until_unix_ms;
        self.consents.held.push(Held { aor, sender, expires_unix_ms, until_unix_ms, request });
        Answer::Approached(Ok(approached))
    }

    pub fn answer_consent(&mut self, answer: ConsentAnswer) -> Answer {
        self.asked.push("answer");
        if self.is_broken {
            return Answer::ConsentAnswered(Err("it is broken".into()));
        }
        let ConsentAnswer { aor, id, reply, confirmation, now_unix_ms } = answer;
        let Some(sender) = self.consents.questions.get(&(aor.clone(), id)).cloned() else {
            return Answer::ConsentAnswered(Ok(None));
        };
        self.put(&aor, confirmation, (now_unix_ms, now_unix_ms + CONFIRMATION_MS));
        let verdict = reply.map(ConsentReply::verdict);
        let released = verdict.map_or(0, |verdict| self.decide_consent(&aor, &sender, verdict, now_unix_ms));
        if reply == Some(ConsentReply::Block) {
            self.decide_consent(&aor, domain_of(&sender), Verdict::Denied, now_unix_ms);
        }
        Answer::ConsentAnswered(Ok(Some(ConsentAnswered { sender, verdict, released })))
    }

    pub fn agree(&mut self, aor: &Aor, sender: &str, now_unix_ms: u64) -> Answer {
        self.asked.push("agree");
        if self.is_broken {
            return Answer::Agreed(Err("it is broken".into()));
        }
        Answer::Agreed(Ok(self.decide_consent(aor, sender, Verdict::Allowed, now_unix_ms)))
    }

    /// As an administrator does; says how many messages go on their way.
    pub fn decide_consent(&mut self, aor: &Aor, sender: &str, verdict: Verdict, now_unix_ms: u64) -> u32 {
        self.consents.verdicts.insert((aor.clone(), sender.to_owned()), verdict);
        let is_meant = |held: &Held| held.aor == *aor && (held.sender == sender || domain_of(&held.sender) == sender);
        if verdict != Verdict::Allowed {
            self.consents.held.iter_mut().filter(|held| is_meant(held)).for_each(|held| held.request = None);
            return 0;
        }
        let (released, kept) = std::mem::take(&mut self.consents.held).into_iter().partition(is_meant);
        self.consents.held = kept;
        let released: Vec<Held> = released;
        let mut count = 0;
        for Held { request, expires_unix_ms, .. } in released {
            let Some(request) = request.filter(|_| expires_unix_ms > now_unix_ms) else { continue };
            call_id(&request).iter().for_each(|call_id| {
                self.consents.not_agreed_to.remove(call_id);
            });
            self.put(aor, request, (now_unix_ms, expires_unix_ms));
            count += 1;
        }
        count
    }

    /// Among what is stored for the user, whether there is room or not.
    fn put(&mut self, aor: &Aor, request: Bytes, (accepted_unix_ms, expires_unix_ms): (u64, u64)) {
        let room = Room { messages_max: u32::MAX, bytes_max: u64::MAX };
        let terms = Terms { accepted_unix_ms, expires_unix_ms, room, of_sender: room, of_partner: None };
        let new = NewMessage { aor: aor.clone(), request, terms, was_sent: false };
        self.serial += 1;
        self.messages.insert(MessageId(self.serial), (new, false));
    }
}

fn call_id(request: &Bytes) -> Option<String> {
    sip::Message::parse(request.clone()).ok()?.call_id().ok().map(str::to_owned)
}

fn domain_of(sender: &str) -> &str {
    sender.rsplit_once('@').map_or(sender, |(_, domain)| domain)
}

const CONFIRMATION_MS: u64 = 24 * 3_600_000;
