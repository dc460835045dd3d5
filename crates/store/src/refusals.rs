//! Why requests were refused, kept for the operator beyond the ring in memory, within bounds.

use federation::decision::DecisionRecord;
use rusqlite::{Row, params};

use crate::{Store, StoreError};

/// How many refusals are kept.
pub const REFUSALS_MAX: u32 = 100_000;

/// For how long a refusal is kept.
pub const REFUSAL_AGE_DAYS_MAX: u32 = 30;

const DAY_MS: i64 = 86_400_000;

/// A refusal and when it happened.
#[derive(Clone, Debug)]
pub struct StoredRefusal {
    pub at_unix_ms: i64,
    pub record: DecisionRecord,
}

/// Which refusals to read: all that match every given field, the newest first.
#[derive(Clone, Debug, Default)]
pub struct RefusalQuery {
    pub call_id: Option<String>,
    /// The domain of either side, lower case.
    pub domain: Option<String>,
    pub limit: u32,
}

impl Store {
    /// Adds refusals and drops those that are too many or too old.
    pub fn add_refusals(&self, refusals: &[StoredRefusal], now_unix_ms: i64) -> Result<(), StoreError> {
        let mut insert = self.connection().prepare_cached(
            "INSERT INTO refusals (at, call_id, from_domain, to_domain, record) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for StoredRefusal { at_unix_ms, record } in refusals {
            let json = serde_json::to_string(record).map_err(|error| StoreError::Unreadable(error.to_string()))?;
            insert.execute(params![at_unix_ms, record.call_id, record.from_domain, record.to_domain, json])?;
        }
        self.prune_refusals(now_unix_ms, REFUSALS_MAX)
    }

    fn prune_refusals(&self, now_unix_ms: i64, refusals_max: u32) -> Result<(), StoreError> {
        let oldest = now_unix_ms - i64::from(REFUSAL_AGE_DAYS_MAX) * DAY_MS;
        let connection = self.connection();
        connection.prepare_cached("DELETE FROM refusals WHERE at < ?1")?.execute([oldest])?;
        connection
            .prepare_cached("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - ?1")?
            .execute([refusals_max])?;
        Ok(())
    }

    /// Reads refusals, the newest first.
    pub fn refusals(&self, query: &RefusalQuery) -> Result<Vec<StoredRefusal>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT at, record FROM refusals
             WHERE (?1 IS NULL OR call_id = ?1) AND (?2 IS NULL OR from_domain = ?2 OR to_domain = ?2)
             ORDER BY id DESC LIMIT ?3",
        )?;
        let rows = statement.query_map(params![query.call_id, query.domain, query.limit], at_and_record)?;
        rows.map(|row| stored_refusal(row?)).collect()
    }
}

fn at_and_record(row: &Row<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn stored_refusal((at_unix_ms, json): (i64, String)) -> Result<StoredRefusal, StoreError> {
    match serde_json::from_str(&json) {
        Ok(record) => Ok(StoredRefusal { at_unix_ms, record }),
        Err(error) => Err(StoreError::Unreadable(format!("refusal: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use federation::decision::Outcome;
    use federation::flow::Direction;

    use super::*;

    fn refusal(at_unix_ms: i64, call_id: &str, from_domain: &str) -> StoredRefusal {
        let outcome =
            Outcome::Refused { status: 403, word: "domain-not-allowed".to_owned(), reason: "no entry".to_owned() };
        let record = DecisionRecord {
            call_id: call_id.to_owned(),
            method: "MESSAGE".to_owned(),
            from_domain: from_domain.to_owned(),
            to_domain: "contoso.example".to_owned(),
            direction: Direction::Inbound,
            outcome,
            spent_ms: 0,
        };
        StoredRefusal { at_unix_ms, record }
    }

    fn call_ids(found: &[StoredRefusal]) -> Vec<&str> {
        found.iter().map(|refusal| refusal.record.call_id.as_str()).collect()
    }

    #[test]
    fn refusals_are_found_by_call_and_by_either_domain_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let store = Store::open(&path).unwrap();
        let some = [refusal(1, "a", "fabrikam.example"), refusal(2, "b", "adatum.example")];
        store.add_refusals(&some, 3).unwrap();
        drop(store);

        let store = Store::open(&path).unwrap();
        let find = |call_id: Option<&str>, domain: Option<&str>, limit| {
            let query = RefusalQuery { call_id: call_id.map(str::to_owned), domain: domain.map(str::to_owned), limit };
            store.refusals(&query).unwrap()
        };
        assert_eq!(call_ids(&find(None, None, 10)), ["b", "a"]);
        assert_eq!(call_ids(&find(None, None, 1)), ["b"]);
        assert_eq!(call_ids(&find(Some("a"), None, 10)), ["a"]);
        assert_eq!(call_ids(&find(None, Some("fabrikam.example"), 10)), ["a"]);
        assert_eq!(call_ids(&find(None, Some("contoso.example"), 10)), ["b", "a"]);
        assert_eq!(call_ids(&find(Some("a"), Some("adatum.example"), 10)), [] as [&str; 0]);
        assert_eq!(find(Some("a"), None, 1)[0].record, some[0].record);
    }

    #[test]
    fn what_is_too_old_or_too_many_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let now = 100 * DAY_MS;
        let old = now - i64::from(REFUSAL_AGE_DAYS_MAX) * DAY_MS - 1;
        store
            .add_refusals(&[refusal(old, "old", "fabrikam.example"), refusal(old + 2, "a", "x.example")], now)
            .unwrap();
        store.add_refusals(&[refusal(now, "b", "x.example"), refusal(now, "c", "x.example")], now).unwrap();
        let all = RefusalQuery { limit: 10, ..RefusalQuery::default() };
        assert_eq!(call_ids(&store.refusals(&all).unwrap()), ["c", "b", "a"]);
        store.prune_refusals(now, 2).unwrap();
        assert_eq!(call_ids(&store.refusals(&all).unwrap()), ["c", "b"]);
    }
}
