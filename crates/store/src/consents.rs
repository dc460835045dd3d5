//! Whom users have agreed to hear from, whom they were asked about, and what is held until they answer.
//!
//! `held_messages` has a row for whatever takes a place, with the message only where its user may still get it: for a name that
//! nobody has, and of a sender who was refused, it says that something came, and no more.

use messaging::{
    Approach, Approached, Brings, ConsentAnswer, ConsentAnswered, ConsentReply, HeldMessage, Holding, Known, Verdict,
    judge,
};
use rusqlite::{OptionalExtension, params};
use sip::Aor;

use crate::{Store, StoreError, integer};

/// What one user, or the administrator for him, has said of a sender, or was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    pub aor: Aor,
    /// `user@domain`, or a domain for all in it; lower case.
    pub sender: String,
    pub verdict: Verdict,
    pub since_unix_ms: u64,
    /// Messages that wait for the answer.
    pub held: u64,
    /// Until when they do, of those that are asked about.
    pub until_unix_ms: Option<u64>,
}

/// What is held, over all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldMessages {
    /// Messages that their users may still get.
    pub count: u64,
    /// Users who were asked about somebody and have not answered, once for each.
    pub asked: u64,
}

/// Of one user; beyond it the oldest is forgotten, and asked about anew.
pub const CONSENTS_PER_USER_MAX: u64 = 5_000;

impl Store {
    /// Somebody comes to a user who is to agree first: does what [`judge`] says.
    pub fn approach(&self, approach: &Approach) -> Result<Approached, StoreError> {
        let approached = judge(&self.known(approach)?, approach);
        let (aor, now) = (approach.aor.to_string(), integer(approach.terms.now_unix_ms));
        let until = integer(approach.terms.until_unix_ms);
        if approached.asks {
            let put = "INSERT INTO consents (aor, sender, verdict, question, since) VALUES (?1, ?2, 'asked', ?3, ?4)
                ON CONFLICT (aor, sender) DO UPDATE SET verdict = 'asked', question = ?3, since = ?4";
            let question = &approach.question;
            self.connection().prepare_cached(put)?.execute(params![aor, approach.sender, question.id.as_str(), now])?;
            self.put_among_stored(&aor, (now, until), &question.request)?;
        }
        let (request, expires) = match (&approach.brings, approached.holding) {
            (_, Holding::No | Holding::Full(_)) => return Ok(approached),
            (Brings::Message(HeldMessage { request, expires_unix_ms }), Holding::Whole) => {
                (Some(&request[..]), integer(*expires_unix_ms))
            }
            _ => (None, until),
        };
        let put = "INSERT INTO held_messages (aor, sender, accepted, expires, until, request) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.connection().prepare_cached(put)?.execute(params![aor, approach.sender, now, expires, until, request])?;
        Ok(approached)
    }

    /// A user answers the question of this name; `None`: he was not asked it.
    pub fn answer_consent(&self, answer: &ConsentAnswer) -> Result<Option<ConsentAnswered>, StoreError> {
        let (aor, now) = (answer.aor.to_string(), answer.now_unix_ms);
        let find = "SELECT sender FROM consents WHERE aor = ?1 AND question = ?2";
        let found =
            self.connection().prepare_cached(find)?.query_row(params![aor, answer.id.as_str()], |row| row.get(0));
        let Some(sender) = found.optional()? else { return Ok(None) };
        let sender: String = sender;
        // Before what is held, which it speaks of.
        self.put_among_stored(&aor, (integer(now), integer(now + CONFIRMATION_MS)), &answer.confirmation)?;
        let verdict = answer.reply.map(ConsentReply::verdict);
        let released = match verdict {
            Some(verdict) => self.decide_consent(&answer.aor, &sender, verdict, now)?,
            None => 0,
        };
        if answer.reply == Some(ConsentReply::Block)
            && let Some((_, domain)) = sender.rsplit_once('@')
        {
            self.decide_consent(&answer.aor, domain, Verdict::Denied, now)?;
        }
        Ok(Some(ConsentAnswered { sender, verdict, released }))
    }

    /// The user has turned to this address himself. Says how many messages that were held he gets now.
    pub fn agree(&self, aor: &Aor, sender: &str, now_unix_ms: u64) -> Result<u32, StoreError> {
        let find = "SELECT 1 FROM consents WHERE aor = ?1 AND sender = ?2 AND verdict = 'allowed'";
        let is_known = self.connection().prepare_cached(find)?.exists(params![aor.to_string(), sender])?;
        // He may have been removed meanwhile.
        if is_known || !self.user_exists(aor)? {
            Ok(0)
        } else {
            self.decide_consent(aor, sender, Verdict::Allowed, now_unix_ms)
        }
    }

    /// Says of an address, or of all in a domain, in lower case, whether they may reach a user. What is held of them goes among
    /// his stored messages, in order, or is discarded; says how many went there.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn decide_consent(
        &self,
        aor: &Aor,
        sender: &str,
        verdict: Verdict,
        now_unix_ms: u64,
    ) -> Result<u32, StoreError> {
        if !self.user_exists(aor)? {
            return Err(StoreError::UserUnknown(aor.clone()));
        }
        let (user, now) = (aor.to_string(), integer(now_unix_ms));
        let put = "INSERT INTO consents (aor, sender, verdict, since) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (aor, sender) DO UPDATE SET verdict = ?3, since = ?4";
        self.connection().prepare_cached(put)?.execute(params![user, sender, verdict.as_str(), now])?;
        self.forget_oldest_consents(&user)?;
        match verdict {
            Verdict::Asked => Ok(0),
            Verdict::Allowed => self.release(&user, sender, now),
            Verdict::Denied => {
                let blank = format!("UPDATE held_messages SET request = NULL WHERE aor = ?1 AND {IS_OF}");
                self.connection().prepare_cached(&blank)?.execute(params![user, sender])?;
                Ok(0)
            }
        }
    }

    /// Forgets what was said of an address or a domain, and discards what is held; the next contact is a first one. Whether there
    /// was anything.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn forget_consent(&self, aor: &Aor, sender: &str) -> Result<bool, StoreError> {
        if !self.user_exists(aor)? {
            return Err(StoreError::UserUnknown(aor.clone()));
        }
        let user = aor.to_string();
        let discard = format!("DELETE FROM held_messages WHERE aor = ?1 AND {IS_OF}");
        self.connection().prepare_cached(&discard)?.execute(params![user, sender])?;
        let forget = "DELETE FROM consents WHERE aor = ?1 AND sender = ?2";
        Ok(self.connection().prepare_cached(forget)?.execute(params![user, sender])? > 0)
    }

    /// What was said and asked, of one user or of all; by user, the newest first.
    pub fn consents(&self, aor: Option<&Aor>, now_unix_ms: u64) -> Result<Vec<StoredConsent>, StoreError> {
        let select = "SELECT c.aor, c.sender, c.verdict, c.since, count(h.request), max(h.until) FROM consents c
            LEFT JOIN held_messages h ON h.aor = c.aor AND h.sender = c.sender AND h.until > ?2
            WHERE ?1 IS NULL OR c.aor = ?1 GROUP BY c.aor, c.sender ORDER BY c.aor, c.since DESC, c.sender";
        let mut statement = self.connection().prepare_cached(select)?;
        let rows = statement.query_map(params![aor.map(ToString::to_string), integer(now_unix_ms)], Row::read)?;
        rows.map(|row| row?.consent()).collect()
    }

    /// What holds for a sender: what was said of him, else of his domain.
    pub fn consent_of(&self, aor: &Aor, sender: &str) -> Result<Option<Verdict>, StoreError> {
        let domain = sender.rsplit_once('@').map_or(sender, |(_, domain)| domain);
        let select = "SELECT verdict FROM consents WHERE aor = ?1 AND sender = ?2";
        let of = |who: &str| -> Result<Option<Verdict>, StoreError> {
            let found =
                self.connection().prepare_cached(select)?.query_row(params![aor.to_string(), who], |row| row.get(0));
            let found: Option<String> = found.optional()?;
            Ok(found.and_then(|verdict| Verdict::named(&verdict)))
        };
        match of(sender)? {
            decided @ Some(Verdict::Allowed | Verdict::Denied) => Ok(decided),
            asked => Ok(of(domain)?.filter(|verdict| *verdict != Verdict::Asked).or(asked)),
        }
    }

    /// Removes what nobody has answered in time. Says how many messages were discarded.
    pub fn expire_held(&self, now_unix_ms: u64) -> Result<usize, StoreError> {
        let now = integer(now_unix_ms);
        let count = "SELECT count(request) FROM held_messages WHERE until <= ?1";
        let count: i64 = self.connection().prepare_cached(count)?.query_row([now], |row| row.get(0))?;
        self.connection().prepare_cached("DELETE FROM held_messages WHERE until <= ?1")?.execute([now])?;
        let forget = "DELETE FROM consents WHERE verdict = 'asked' AND NOT EXISTS
            (SELECT 1 FROM held_messages h WHERE h.aor = consents.aor AND h.sender = consents.sender)";
        self.connection().prepare_cached(forget)?.execute([])?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// What is held, over all users.
    pub fn held_messages(&self) -> Result<HeldMessages, StoreError> {
        let select = "SELECT (SELECT count(request) FROM held_messages),
            (SELECT count(*) FROM consents WHERE verdict = 'asked')";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (count, asked) = self.connection().query_row(select, [], read)?;
        Ok(HeldMessages { count: count.unsigned_abs(), asked: asked.unsigned_abs() })
    }

    fn known(&self, approach: &Approach) -> Result<Known, StoreError> {
        let Approach { aor, sender, .. } = approach;
        let select =
            "SELECT count(*) FILTER (WHERE sender = ?2), count(*) FROM held_messages WHERE aor = ?1 AND until > ?3";
        let now = integer(approach.terms.now_unix_ms);
        let (by_sender, for_user): (u32, u32) = self
            .connection()
            .prepare_cached(select)?
            .query_row(params![aor.to_string(), sender, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let in_all =
            self.connection().prepare_cached("SELECT count(*) FROM held_messages")?.query_row([], |row| row.get(0))?;
        Ok(Known {
            is_user: self.user_exists(aor)?,
            verdict: self.consent_of(aor, sender)?,
            held_by_sender: by_sender,
            held_for_user: for_user,
            held_in_all: in_all,
        })
    }

    /// What was accepted goes there whether there is room or not.
    fn release(&self, aor: &str, sender: &str, now: i64) -> Result<u32, StoreError> {
        let held = format!("FROM held_messages WHERE aor = ?1 AND {IS_OF}");
        let copy = format!(
            "INSERT INTO stored_messages (aor, accepted, expires, was_sent, request)
             SELECT aor, accepted, expires, 0, request {held} AND request IS NOT NULL AND expires > ?3 ORDER BY id"
        );
        let released = self.connection().prepare_cached(&copy)?.execute(params![aor, sender, now])?;
        self.connection().prepare_cached(&format!("DELETE {held}"))?.execute(params![aor, sender])?;
        Ok(u32::try_from(released).unwrap_or(u32::MAX))
    }

    fn put_among_stored(&self, aor: &str, (now, expires): (i64, i64), request: &[u8]) -> Result<(), StoreError> {
        let put = "INSERT INTO stored_messages (aor, accepted, expires, was_sent, request) VALUES (?1, ?2, ?3, 0, ?4)";
        self.connection().prepare_cached(put)?.execute(params![aor, now, expires, request])?;
        Ok(())
    }

    fn forget_oldest_consents(&self, aor: &str) -> Result<(), StoreError> {
        let forget = "DELETE FROM consents WHERE aor = ?1 AND sender IN
            (SELECT sender FROM consents WHERE aor = ?1 ORDER BY since DESC LIMIT -1 OFFSET ?2)";
        self.connection().prepare_cached(forget)?.execute(params![aor, CONSENTS_PER_USER_MAX as i64])?;
        Ok(())
    }
}

/// A consent as it stands in the database.
struct Row {
    aor: String,
    sender: String,
    verdict: String,
    since: i64,
    held: i64,
    until: Option<i64>,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            aor: row.get(0)?,
            sender: row.get(1)?,
            verdict: row.get(2)?,
            since: row.get(3)?,
            held: row.get(4)?,
            until: row.get(5)?,
        })
    }

    fn consent(self) -> Result<StoredConsent, StoreError> {
        let Row { aor, sender, verdict, since, held, until } = self;
        let unreadable = || StoreError::Unreadable(format!("a consent: {aor:?} {verdict:?}"));
        let said = Verdict::named(&verdict).ok_or_else(unreadable)?;
        Ok(StoredConsent {
            aor: aor.parse().map_err(|_| unreadable())?,
            sender,
            verdict: said,
            since_unix_ms: since.unsigned_abs(),
            held: held.unsigned_abs(),
            until_unix_ms: until.map(i64::unsigned_abs).filter(|_| said == Verdict::Asked),
        })
    }
}

/// Of an address, or of everybody in a domain: no domain has an @ in it.
const IS_OF: &str = "(sender = ?2 OR substr(sender, instr(sender, '@') + 1) = ?2)";

/// How long the user may be away to be told what his answer did.
const CONFIRMATION_MS: u64 = 24 * 3_600_000;

#[cfg(test)]
mod tests;
