//! What partners have shown: each certificate at each place, with the first and the last time. What is known of it stands in one
//! column as JSON.

use std::net::IpAddr;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

/// A certificate of a partner's, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerSeen {
    /// The domain for which it spoke last; the provider's edge, where that has no entry.
    pub domain: String,
    /// The hosting provider by whose certificate the domain was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The partner came to us.
    pub is_inbound: bool,
    /// The server that we reached, `edge.fabrikam.example:5061`; empty for a partner that came to us.
    pub place: String,
    pub address: IpAddr,
    /// The rung of the ladder by which the domain was proven.
    pub rung: Option<String>,
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    pub not_after_unix: i64,
    /// Those of its extended key usages that SIP reads.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// It states any; without that it is good for every purpose. Absent: that was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purposes_stated: Option<bool>,
}

/// The same, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSeen {
    #[serde(flatten)]
    pub seen: PartnerSeen,
    pub first_unix: i64,
    pub last_unix: i64,
}

impl Store {
    /// Notes what is seen now; beyond [`PARTNERS_SEEN_MAX`] what was not seen for longest is dropped.
    pub fn note_seen(&self, all: &[PartnerSeen], now_unix: i64) -> Result<(), StoreError> {
        for seen in all {
            let record = serde_json::to_string(seen).map_err(|error| StoreError::Unreadable(error.to_string()))?;
            self.connection()
                .prepare_cached(
                    "INSERT INTO partners_seen (domain, inbound, place, fingerprint, first, last, record)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)
                     ON CONFLICT (domain, inbound, place, fingerprint) DO UPDATE SET last = ?5, record = ?6",
                )?
                .execute(params![seen.domain, seen.is_inbound, seen.place, seen.fingerprint, now_unix, record])?;
        }
        self.connection()
            .prepare_cached(
                "DELETE FROM partners_seen WHERE (domain, inbound, place, fingerprint) IN
                 (SELECT domain, inbound, place, fingerprint FROM partners_seen ORDER BY last DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute([PARTNERS_SEEN_MAX])?;
        Ok(())
    }

    /// What a domain has shown, the last seen first.
    pub fn seen_of(&self, domain: &str) -> Result<Vec<StoredSeen>, StoreError> {
        self.read_seen("WHERE domain = ?1 ORDER BY last DESC, place", params![domain])
    }

    /// What the edge of a provider has shown, for whichever domains, the last seen first.
    pub fn seen_of_provider(&self, name: &str) -> Result<Vec<StoredSeen>, StoreError> {
        self.read_seen("WHERE json_extract(record, '$.provider') = ?1 ORDER BY last DESC, place, domain", params![name])
    }

    /// What any has shown since then.
    pub fn seen_since(&self, unix: i64) -> Result<Vec<StoredSeen>, StoreError> {
        self.read_seen("WHERE last >= ?1 ORDER BY domain", params![unix])
    }

    /// Forgets what a domain has shown; answers how much that was.
    pub fn forget_seen(&self, domain: &str) -> Result<usize, StoreError> {
        Ok(self.connection().prepare_cached("DELETE FROM partners_seen WHERE domain = ?1")?.execute([domain])?)
    }

    fn read_seen(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<StoredSeen>, StoreError> {
        let select = format!("SELECT record, first, last FROM partners_seen {which}");
        let mut statement = self.connection().prepare_cached(&select)?;
        let columns = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(String, i64, i64)> = statement.query_map(values, columns)?.collect::<Result<_, _>>()?;
        let read = |(record, first_unix, last_unix): (String, i64, i64)| {
            let seen = serde_json::from_str(&record)
                .map_err(|error| StoreError::Unreadable(format!("a certificate of a partner: {error}")))?;
            Ok(StoredSeen { seen, first_unix, last_unix })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Certificates of partners, each at each place.
pub const PARTNERS_SEEN_MAX: u32 = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(domain: &str, place: &str, fingerprint: &str) -> PartnerSeen {
        PartnerSeen {
            domain: domain.to_owned(),
            provider: None,
            is_inbound: place.is_empty(),
            place: place.to_owned(),
            address: IpAddr::from([192, 0, 2, 1]),
            rung: Some("domain".to_owned()),
            fingerprint: fingerprint.to_owned(),
            subject: "CN=edge".to_owned(),
            issuer: "CN=Some CA".to_owned(),
            serial: "0a".to_owned(),
            not_after_unix: 1_000,
            purposes: vec!["serverAuth".to_owned()],
            purposes_stated: Some(true),
        }
    }

    #[test]
    fn the_first_time_stays_and_the_last_one_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let (way, back) = (seen("a.example", "edge.a.example:5061", "01"), seen("a.example", "", "01"));
        store.note_seen(&[way.clone(), back.clone()], 10).unwrap();
        let moved = PartnerSeen { address: IpAddr::from([192, 0, 2, 2]), ..way };
        store.note_seen(&[moved.clone(), seen("b.example", "", "02")], 20).unwrap();
        let at = |seen, first_unix, last_unix| StoredSeen { seen, first_unix, last_unix };
        assert_eq!(store.seen_of("a.example").unwrap(), [at(moved.clone(), 10, 20), at(back, 10, 10)]);
        assert_eq!(store.seen_since(20).unwrap().len(), 2);
        assert_eq!(store.forget_seen("a.example").unwrap(), 2);
        assert_eq!(store.seen_since(0).unwrap(), [at(seen("b.example", "", "02"), 20, 20)]);
    }

    #[test]
    fn what_was_seen_of_a_provider_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let hosted = |domain: &str| PartnerSeen { provider: Some("cloud".to_owned()), ..seen(domain, "", "01") };
        store.note_seen(&[hosted("a.example"), hosted("edge.cloud.example"), seen("b.example", "", "02")], 1).unwrap();
        let found = store.seen_of_provider("cloud").unwrap();
        let domains: Vec<&str> = found.iter().map(|row| row.seen.domain.as_str()).collect();
        assert_eq!(domains, ["a.example", "edge.cloud.example"]);
        assert!(store.seen_of_provider("hub").unwrap().is_empty());
    }

    #[test]
    fn they_are_bounded_and_what_was_seen_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        store.note_seen(&[seen("old.example", "", "00")], 1).unwrap();
        let many: Vec<PartnerSeen> =
            (0..PARTNERS_SEEN_MAX).map(|number| seen(&format!("p{number}.example"), "", "01")).collect();
        store.connection().execute_batch("BEGIN").unwrap();
        store.note_seen(&many, 2).unwrap();
        store.connection().execute_batch("COMMIT").unwrap();
        assert_eq!(store.seen_since(0).unwrap().len(), PARTNERS_SEEN_MAX as usize);
        assert!(store.seen_of("old.example").unwrap().is_empty());
    }
}
