//! Who has answered whom: to which domains users have turned, and what reached those who had not. Users are numbers that only
//! this server can compute.

use federation::ledger::{CertificateId, KNOCKS_MS, KeptAnswer};
use rusqlite::{Row, params};

use crate::{Store, StoreError, integer};

impl Store {
    /// Keeps all of these, and drops what is too old or too much.
    pub fn put_answers(&self, answers: &[KeptAnswer]) -> Result<(), StoreError> {
        for answer in answers {
            match answer {
                KeptAnswer::TurnedTo { at_unix_ms, user, domain } => self.put_turn(*at_unix_ms, *user, domain)?,
                KeptAnswer::Knock { at_unix_ms, user, domain, certificate } => {
                    self.put_knock(*at_unix_ms, *user, domain, certificate)?;
                }
            }
        }
        self.prune_answers(ANSWERS_MAX)
    }

    fn put_turn(&self, at_unix_ms: u64, user: u64, domain: &str) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO turned_to (user, domain, at) VALUES (?1, ?2, ?3)")?
            .execute(params![user.cast_signed(), domain, integer(at_unix_ms)])?;
        Ok(())
    }

    fn put_knock(
        &self,
        at_unix_ms: u64,
        user: u64,
        domain: &str,
        certificate: &CertificateId,
    ) -> Result<(), StoreError> {
        let CertificateId { issuer, serial } = certificate;
        self.connection()
            .prepare_cached("INSERT INTO knocks (at, user, domain, issuer, serial) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![integer(at_unix_ms), user.cast_signed(), domain, issuer, serial])?;
        Ok(())
    }

    fn prune_answers(&self, max: u32) -> Result<(), StoreError> {
        let connection = self.connection();
        connection
            .prepare_cached("DELETE FROM knocks WHERE at < (SELECT max(at) FROM knocks) - ?1")?
            .execute([integer(KNOCKS_MS)])?;
        connection
            .prepare_cached("DELETE FROM knocks WHERE id <= (SELECT max(id) FROM knocks) - ?1")?
            .execute([max])?;
        connection
            .prepare_cached(
                "DELETE FROM turned_to WHERE (user, domain) IN
                 (SELECT user, domain FROM turned_to ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute([max])?;
        Ok(())
    }

    /// First to whom users have turned, then what reached those who had not, within the last day; the oldest first.
    pub fn answers(&self, now_unix_ms: i64) -> Result<Vec<KeptAnswer>, StoreError> {
        let connection = self.connection();
        let mut turns = connection.prepare_cached("SELECT at, user, domain FROM turned_to ORDER BY at")?;
        let mut answers = turns.query_map([], turn)?.collect::<Result<Vec<_>, _>>()?;
        let mut knocks = connection
            .prepare_cached("SELECT at, user, domain, issuer, serial FROM knocks WHERE at > ?1 ORDER BY id")?;
        let since = now_unix_ms.saturating_sub(integer(KNOCKS_MS));
        for knock in knocks.query_map([since], knock)? {
            answers.push(knock?);
        }
        Ok(answers)
    }

    /// Pardons a domain: what it brought is forgotten, who has turned to it is not.
    pub fn remove_knocks(&self, domain: &str) -> Result<(), StoreError> {
        self.connection().prepare_cached("DELETE FROM knocks WHERE domain = ?1")?.execute([domain])?;
        Ok(())
    }
}

fn turn(row: &Row<'_>) -> rusqlite::Result<KeptAnswer> {
    let (at, user): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(KeptAnswer::TurnedTo { at_unix_ms: at.unsigned_abs(), user: user.cast_unsigned(), domain: row.get(2)? })
}

fn knock(row: &Row<'_>) -> rusqlite::Result<KeptAnswer> {
    let (at, user): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(KeptAnswer::Knock {
        at_unix_ms: at.unsigned_abs(),
        user: user.cast_unsigned(),
        domain: row.get(2)?,
        certificate: CertificateId { issuer: row.get(3)?, serial: row.get(4)? },
    })
}

/// Of each kind; beyond it the oldest go.
pub const ANSWERS_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(at: u64, user: u64, domain: &str) -> KeptAnswer {
        KeptAnswer::TurnedTo { at_unix_ms: at, user, domain: domain.into() }
    }

    fn knock(at: u64, user: u64, domain: &str) -> KeptAnswer {
        let certificate = CertificateId { issuer: "CN=Some CA".into(), serial: "0a".into() };
        KeptAnswer::Knock { at_unix_ms: at, user, domain: domain.into(), certificate }
    }

    #[test]
    fn what_is_kept_is_there_after_reopening_in_the_order_in_which_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let kept = [knock(4, 1, "b.example"), turn(3, u64::MAX, "a.example"), knock(2, 1, "a.example")];
        Store::open(&path).unwrap().put_answers(&kept).unwrap();
        let store = Store::open(&path).unwrap();
        let [late, turned, early] = kept;
        assert_eq!(store.answers(5).unwrap(), [turned.clone(), late.clone(), early.clone()]);
        store.put_answers(&[turn(9, u64::MAX, "a.example")]).unwrap();
        assert_eq!(store.answers(5).unwrap(), [turn(9, u64::MAX, "a.example"), late.clone(), early]);
        store.remove_knocks("a.example").unwrap();
        assert_eq!(store.answers(5).unwrap(), [turn(9, u64::MAX, "a.example"), late]);
    }

    #[test]
    fn a_knock_is_for_a_day_and_a_turn_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        store.put_answers(&[turn(1, 1, "a.example"), knock(1, 2, "a.example")]).unwrap();
        assert_eq!(store.answers(KNOCKS_MS as i64 + 1).unwrap(), [turn(1, 1, "a.example")]);
        assert_eq!(store.answers(2).unwrap().len(), 2);
        store.put_answers(&[knock(KNOCKS_MS + 2, 3, "b.example")]).unwrap();
        assert_eq!(store.answers(2).unwrap(), [turn(1, 1, "a.example"), knock(KNOCKS_MS + 2, 3, "b.example")]);
    }

    #[test]
    fn both_are_bounded_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        for number in 0..10 {
            let (at, user) = (number + 1, 100 - number);
            store.put_answers(&[turn(at, user, "a.example"), knock(at, user, "a.example")]).unwrap();
        }
        store.prune_answers(2).unwrap();
        let left = [
            turn(9, 92, "a.example"),
            turn(10, 91, "a.example"),
            knock(9, 92, "a.example"),
            knock(10, 91, "a.example"),
        ];
        assert_eq!(store.answers(0).unwrap(), left);
    }
}
