//! Why requests were refused, kept for the operator beyond the ring in memory, within bounds.

use federation::decision::DecisionRecord;
use rusqlite::{Row, params};

use crate::{Store, StoreError};

/// How many refusals are kept.
pub const REFUSALS_MAX: u32 = 100_000;

/// For how long a refusal is kept.
pub const REFUSAL_AGE_DAYS_MAX: u32 = 30;

/// A refusal and when it happened.
#[derive(Clone, Debug)]
pub struct StoredRefusal {
    pub at_unix: i64,
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
    pub fn add_refusals(&self, refusals: &[StoredRefusal], now_unix: i64) -> Result<(), StoreError> {
        let mut insert = self.connection().prepare_cached(
            "INSERT INTO refusals (at, call_id, from_domain, to_domain, record) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for StoredRefusal { at_unix, record } in refusals {
            let json = serde_json::to_string(record).map_err(|error| StoreError::Unreadable(error.to_string()))?;
            insert.execute(params![at_unix, record.call_id, record.from_domain, record.to_domain, json])?;
        }
        self.prune_refusals(now_unix, REFUSALS_MAX)
    }

    fn prune_refusals(&self, now_unix: i64, refusals_max: u32) -> Result<(), StoreError> {
        let oldest = now_unix - i64::from(REFUSAL_AGE_DAYS_MAX) * 86_400;
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

fn stored_refusal((at_unix, json): (i64, String)) -> Result<StoredRefusal, StoreError> {
    match serde_json::from_str(&json) {
        Ok(record) => Ok(StoredRefusal { at_unix, record }),
        Err(error) => Err(StoreError::Unreadable(format!("refusal: {error}"))),
    }
}
