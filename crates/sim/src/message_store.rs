//! The store of stored messages, in memory: it outlives the cores, can break down, and can keep an answer back.

mod consents;

use std::collections::BTreeMap;

use messaging::{MessageId, NewMessage, NotStored, SenderShare, StoredMessage};
use signaling::{Answer, QuestionId};
use sip::Aor;

#[derive(Default)]
pub struct MessageStore {
    messages: BTreeMap<MessageId, (NewMessage, bool)>,
    serial: i64,
    consents: consents::Consents,
    /// What was asked, in short.
    pub asked: Vec<&'static str>,
    pub is_broken: bool,
    /// What became of messages is not recorded: as if the server ended before it could be.
    pub is_forgetful: bool,
    /// While set, answers wait in here, each with its worker.
    pub held: Option<Vec<(u16, QuestionId, Answer)>>,
}

impl MessageStore {
    /// The Call-IDs of what waits, in order.
    pub fn call_ids(&self) -> Vec<String> {
        let call_id = |(new, _): &(NewMessage, bool)| {
            let message = sip::Message::parse(new.request.clone()).expect("what is stored is a message");
            message.call_id().expect("of one with a Call-ID").to_owned()
        };
        self.messages.values().map(call_id).collect()
    }

    /// As no disk should.
    pub fn lose_all(&mut self) {
        self.messages.clear();
    }

    /// Whose each is, and its Call-ID.
    pub fn kept(&self) -> impl Iterator<Item = (String, String)> {
        let aors = self.messages.values().map(|(new, _)| format!("{}@{}", new.aor.user(), new.aor.domain()));
        aors.zip(self.call_ids())
    }

    /// The Call-IDs of those whose time was over then.
    pub fn expired(&self, now_unix_ms: u64) -> impl Iterator<Item = String> {
        let is_over = self.messages.values().map(move |(new, _)| new.terms.expires_unix_ms <= now_unix_ms);
        is_over.zip(self.call_ids()).filter_map(|(is_over, call_id)| is_over.then_some(call_id))
    }

    /// How many messages wait for their users' consent.
    pub fn awaiting_consent(&self) -> usize {
        self.consents.waiting()
    }

    /// The Call-IDs of what waits for that, and of what is not to reach anybody.
    pub fn not_agreed_to(&self) -> Vec<String> {
        self.consents.not_agreed_to.iter().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn store(&mut self, new: NewMessage, is_user: bool) -> Answer {
        self.asked.push("store");
        let theirs =
            || self.messages.values().filter(|(other, _)| other.aor == new.aor).map(|(other, _)| &other.request);
        let (count, bytes) = (theirs().count() as u64, theirs().map(|request| request.len() as u64).sum());
        let has_room = new.terms.room.has_room(count, bytes, new.request.len());
        let has_share = SenderShare::needed(&new, count, bytes).is_none_or(|mut share| {
            theirs().for_each(|request| share.add(request.clone()));
            share.has_room()
        });
        Answer::Stored(match (self.is_broken, is_user) {
            (true, _) => Err(NotStored::Failed("it is broken".into())),
            (_, false) => Err(NotStored::UserUnknown),
            _ if !has_room => Err(NotStored::Full),
            _ if !has_share => Err(NotStored::SenderFull),
            _ => {
                self.serial += 1;
                let was_sent = new.was_sent;
                self.messages.insert(MessageId(self.serial), (new, was_sent));
                Ok(MessageId(self.serial))
            }
        })
    }

    pub fn next(&mut self, aor: &Aor, after: MessageId, now_unix_ms: u64) -> Answer {
        self.asked.push("next");
        if self.is_broken {
            return Answer::NextStored(Err("it is broken".into()));
        }
        let waits = |new: &NewMessage| new.aor == *aor && new.terms.expires_unix_ms > now_unix_ms;
        let found = self.messages.iter_mut().find(|(id, (new, _))| **id > after && waits(new));
        Answer::NextStored(Ok(found.map(|(id, (new, was_sent))| StoredMessage {
            id: *id,
            request: new.request.clone(),
            is_repeat: std::mem::replace(was_sent, true),
        })))
    }

    pub fn settle(&mut self, id: MessageId, is_delivered: bool) -> Answer {
        self.asked.push("settle");
        if self.is_broken {
            return Answer::Settled(Err("it is broken".into()));
        }
        match (self.is_forgetful, is_delivered) {
            (true, _) => {}
            (_, true) => drop(self.messages.remove(&id)),
            (_, false) => {
                if let Some((_, was_sent)) = self.messages.get_mut(&id) {
                    *was_sent = false;
                }
            }
        }
        Answer::Settled(Ok(()))
    }
}
