//! Discovered partners that tried names: they stay suspect over restarts. What is known of each stands in one column as JSON.

use federation::ledger::{CertificateId, KeptSuspect, PARDON_MS};
use rusqlite::params;

use crate::{Store, StoreError, integer};

impl Store {
    /// Keeps a suspect in place of what was kept of it before, and drops those that are pardoned by now, or too many.
    pub fn put_suspect(&self, suspect: &KeptSuspect) -> Result<(), StoreError> {
        let record = serde_json::to_string(suspect).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let CertificateId { issuer, serial } = &suspect.certificate;
        let at = integer(suspect.last_fault_unix_ms);
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO suspects (issuer, serial, at, record) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![issuer, serial, at, record])?;
        self.connection()
            .prepare_cached("DELETE FROM suspects WHERE at < ?1")?
            .execute([at.saturating_sub(integer(PARDON_MS))])?;
        self.connection()
            .prepare_cached(
                "DELETE FROM suspects WHERE (issuer, serial) IN
                 (SELECT issuer, serial FROM suspects ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute([SUSPECTS_MAX])?;
        Ok(())
    }

    /// Those that are not pardoned yet.
    pub fn suspects(&self, now_unix_ms: i64) -> Result<Vec<KeptSuspect>, StoreError> {
        let mut statement =
            self.connection().prepare_cached("SELECT record FROM suspects WHERE at >= ?1 ORDER BY at")?;
        let rows = statement.query_map([now_unix_ms.saturating_sub(integer(PARDON_MS))], |row| row.get(0))?;
        let read = |json: rusqlite::Result<String>| {
            serde_json::from_str(&json?).map_err(|error| StoreError::Unreadable(format!("suspect: {error}")))
        };
        rows.map(read).collect()
    }

    /// Pardons whoever speaks for a domain.
    pub fn remove_suspects(&self, domain: &str) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "DELETE FROM suspects WHERE EXISTS (SELECT 1 FROM json_each(record, '$.domains') WHERE value = ?1)",
            )?
            .execute([domain])?;
        Ok(())
    }
}

/// Of how many suspects it is kept that they are.
pub const SUSPECTS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(serial: &str, at: u64, domain: &str) -> KeptSuspect {
        KeptSuspect {
            certificate: CertificateId { issuer: "CN=Some CA".into(), serial: serial.into() },
            domains: vec![domain.into(), "other.example".into()],
            since_unix_ms: at,
            last_fault_unix_ms: at,
            users: vec![u64::MAX, 7],
        }
    }

    #[test]
    fn a_suspect_is_kept_replaced_pardoned_by_time_and_by_command() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let (early, late) = (suspect("01", 1_000, "a.example"), suspect("02", 2_000, "b.example"));
        store.put_suspect(&suspect("01", 500, "a.example")).unwrap();
        store.put_suspect(&early).unwrap();
        store.put_suspect(&late).unwrap();
        assert_eq!(store.suspects(2_000).unwrap(), [early.clone(), late.clone()]);
        let pardoned = PARDON_MS as i64 + 1_001;
        assert_eq!(store.suspects(pardoned).unwrap(), [late]);
        store.remove_suspects("b.example").unwrap();
        store.remove_suspects("nobody.example").unwrap();
        assert_eq!(store.suspects(2_000).unwrap(), [early]);
        store.put_suspect(&suspect("03", PARDON_MS + 5_000, "c.example")).unwrap();
        assert_eq!(store.suspects(0).unwrap().len(), 1, "what is over is dropped");
    }

    #[test]
    fn they_are_bounded_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        store.connection().execute_batch("BEGIN").unwrap();
        for number in 0..u64::from(SUSPECTS_MAX) {
            let record = serde_json::to_string(&suspect(&number.to_string(), number, "a.example")).unwrap();
            let insert = "INSERT INTO suspects (issuer, serial, at, record) VALUES ('CN=Some CA', ?1, ?2, ?3)";
            store.connection().execute(insert, params![number.to_string(), number as i64, record]).unwrap();
        }
        store.connection().execute_batch("COMMIT").unwrap();
        store.put_suspect(&suspect("new", u64::from(SUSPECTS_MAX), "a.example")).unwrap();
        let kept = store.suspects(0).unwrap();
        assert_eq!((kept.len(), kept[0].certificate.serial.as_str()), (SUSPECTS_MAX as usize, "1"));
    }
}
