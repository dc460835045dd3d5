//! What an administrator has said about a domain's certificates: pinned ones, and authorities of its own. It stands beside
//! the partner list, since a domain can be pinned that has no entry there.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::{Store, StoreError};

/// Of one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredTrust {
    /// SHA-256 fingerprints.
    pub pins: Vec<[u8; 32]>,
    /// Certificates of authorities, in DER.
    pub anchors: Vec<Vec<u8>>,
}

/// What is to take the place of what is there; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct TrustChange {
    pub pins: Option<Vec<[u8; 32]>>,
    pub anchors: Option<Vec<Vec<u8>>>,
}

impl Store {
    /// Changes what is said of one domain, whose name must be in lower case, and returns what was said before. To be
    /// called within a change, as all writing is, so that no half of it is ever seen.
    pub fn change_trust(&self, domain: &str, change: &TrustChange, now_unix: i64) -> Result<StoredTrust, StoreError> {
        let before = self.domain_trust()?.remove(domain).unwrap_or_default();
        if let Some(pins) = &change.pins {
            self.replace_trust(domain, PIN, pins.iter().map(|pin| &pin[..]), now_unix)?;
        }
        if let Some(anchors) = &change.anchors {
            self.replace_trust(domain, ANCHOR, anchors.iter().map(|anchor| &anchor[..]), now_unix)?;
        }
        Ok(before)
    }

    /// All of one domain.
    pub(crate) fn put_trust(&self, domain: &str, trust: &StoredTrust, now_unix: i64) -> Result<(), StoreError> {
        self.replace_trust(domain, PIN, trust.pins.iter().map(|pin| &pin[..]), now_unix)?;
        self.replace_trust(domain, ANCHOR, trust.anchors.iter().map(|anchor| &anchor[..]), now_unix)
    }

    fn replace_trust<'a>(
        &self,
        domain: &str,
        kind: &str,
        values: impl Iterator<Item = &'a [u8]>,
        now_unix: i64,
    ) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("DELETE FROM domain_trust WHERE domain = ?1 AND kind = ?2")?
            .execute([domain, kind])?;
        for value in values {
            self.connection()
                .prepare_cached(
                    "INSERT OR IGNORE INTO domain_trust (domain, kind, value, added) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![domain, kind, value, now_unix])?;
        }
        Ok(())
    }

    /// Every domain of which something is said.
    pub fn domain_trust(&self) -> Result<BTreeMap<String, StoredTrust>, StoreError> {
        self.trust_where("", [])
    }

    /// What is said of one domain's certificates, if anything is.
    pub(crate) fn trust_of(&self, domain: &str) -> Result<Option<StoredTrust>, StoreError> {
        Ok(self.trust_where("WHERE domain = ?1", [domain])?.remove(domain))
    }

    fn trust_where(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<BTreeMap<String, StoredTrust>, StoreError> {
        let select = format!("SELECT domain, kind, value FROM domain_trust {condition} ORDER BY domain, added, value");
        let mut statement = self.connection().prepare_cached(&select)?;
        let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut trust_by_domain: BTreeMap<String, StoredTrust> = BTreeMap::new();
        for row in rows {
            let (domain, kind, value): (String, String, Vec<u8>) = row?;
            let trust = trust_by_domain.entry(domain).or_default();
            match (kind.as_str(), <[u8; 32]>::try_from(value.as_slice())) {
                (PIN, Ok(pin)) => trust.pins.push(pin),
                _ => trust.anchors.push(value),
            }
        }
        Ok(trust_by_domain)
    }
}

const PIN: &str = "pin";
const ANCHOR: &str = "anchor";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays_until_it_is_said_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let store = Store::open(&path).unwrap();
        let change = |pins: Option<Vec<[u8; 32]>>, anchors: Option<Vec<Vec<u8>>>| TrustChange { pins, anchors };
        store.change_trust("a.example", &change(Some(vec![[2; 32], [1; 32], [2; 32]]), None), 5).unwrap();
        let before = store.change_trust("a.example", &change(None, Some(vec![vec![9; 700]])), 6).unwrap();
        assert_eq!(before, StoredTrust { pins: vec![[1; 32], [2; 32]], anchors: vec![] });
        store.change_trust("b.example", &change(Some(vec![[3; 32]]), None), 7).unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        let mut all = store.domain_trust().unwrap();
        assert_eq!(all.len(), 2);
        let kept = StoredTrust { pins: vec![[1; 32], [2; 32]], anchors: vec![vec![9; 700]] };
        assert_eq!(all.remove("a.example"), Some(kept));
        store.change_trust("a.example", &change(Some(vec![[4; 32]]), Some(vec![])), 8).unwrap();
        let changed = StoredTrust { pins: vec![[4; 32]], anchors: vec![] };
        assert_eq!(store.domain_trust().unwrap().remove("a.example"), Some(changed));
        store.change_trust("a.example", &change(Some(vec![]), None), 9).unwrap();
        assert!(!store.domain_trust().unwrap().contains_key("a.example"));
    }
}
