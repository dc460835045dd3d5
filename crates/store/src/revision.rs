//! Which state of what an administrator decided about partners this database is in: a home tells its edges by this whether
//! they are current.
//!
//! Triggers of the schema raise the revision with every row of `partners`, `providers` and `domain_trust` that changes, so in
//! the change's own transaction. The epoch names the database: revisions of another one are not to be compared with its own.

use std::fmt;

use federation::ledger::DiscoveredTerms;
use serde::{Deserialize, Serialize};

use crate::{PoolSecret, Store, StoreError};

/// A state of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Of the database: 32 hexadecimal digits.
    pub epoch: String,
    /// Rises.
    pub number: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.number, self.epoch.get(..EPOCH_SHOWN).unwrap_or(&self.epoch))
    }
}

/// What a home's configuration says of federation, as far as its edges go by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub federation: bool,
    pub discovery: bool,
    pub mark_source_verifiable: bool,
    #[serde(default)]
    pub diagnostics_to_partners: bool,
    /// "host:port" of the one next hop.
    #[serde(default)]
    pub default_route: Option<String>,
    pub discovered: DiscoveredTerms,
}

impl Store {
    pub fn revision(&self) -> Result<Revision, StoreError> {
        let select = "SELECT epoch, revision FROM revision";
        let (epoch, number): (String, i64) =
            self.connection().prepare_cached(select)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Revision { epoch, number: number.unsigned_abs() })
    }

    /// Keeps what the configuration says; where it said otherwise before, that is a change like any other.
    pub fn note_rules(&self, rules: &Rules) -> Result<(), StoreError> {
        let rules = serde_json::to_string(rules).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let update = "UPDATE revision SET rules = ?1, revision = revision + 1 WHERE rules <> ?1";
        self.connection().prepare_cached(update)?.execute([rules])?;
        Ok(())
    }

    /// The secret that all edges of this home share; `fresh` becomes it the first time.
    pub fn pool_secret(&self, fresh: [u8; 32]) -> Result<PoolSecret, StoreError> {
        let insert = "INSERT INTO server (name, value) VALUES ('pool-secret', ?1) ON CONFLICT (name) DO NOTHING";
        self.connection().prepare_cached(insert)?.execute([fresh])?;
        self.made_pool_secret()
    }

    /// The one that was made by [`Store::pool_secret`].
    pub(crate) fn made_pool_secret(&self) -> Result<PoolSecret, StoreError> {
        let select = "SELECT value FROM server WHERE name = 'pool-secret'";
        Ok(PoolSecret(self.connection().query_row(select, [], |row| row.get(0))?))
    }

    /// The database is another one from now on: what it once told its edges may be newer than what it holds.
    pub(crate) fn begin_epoch(&self) -> Result<(), StoreError> {
        self.connection().execute("UPDATE revision SET epoch = lower(hex(randomblob(16)))", [])?;
        Ok(())
    }
}

/// Enough to tell two apart.
const EPOCH_SHOWN: usize = 8;

#[cfg(test)]
pub(crate) mod tests {
    use federation::partner::{Partner, Provider};

    use super::*;
    use crate::{PartnerRemoval, TrustChange};

    pub(crate) fn rules() -> Rules {
        Rules {
            federation: true,
            discovery: false,
            mark_source_verifiable: true,
            diagnostics_to_partners: false,
            default_route: None,
            discovered: DiscoveredTerms::default(),
        }
    }

    #[test]
    fn every_change_that_concerns_partners_raises_it_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let mut last = store.revision().unwrap();
        let mut is_raised = |what: &str| {
            let now = store.revision().unwrap();
            assert_eq!(now.epoch, last.epoch, "{what}");
            let is_raised = now.number > last.number;
            last = now;
            is_raised
        };
        assert!(!is_raised("nothing"));
        store.put_partner(&Partner::allowed("a.example"), 1).unwrap();
        assert!(is_raised("an entry"));
        store.put_partner(&Partner { monitored: true, ..Partner::allowed("a.example") }, 1).unwrap();
        assert!(is_raised("a changed entry"));
        store.put_provider(&Provider::new("cloud", "edge.cloud.example"), 1).unwrap();
        assert!(is_raised("a provider"));
        let pins = TrustChange { pins: Some(vec![[1; 32]]), anchors: None };
        store.change_trust("a.example", &pins, 1).unwrap();
        assert!(is_raised("a pin"));
        store.change_trust("a.example", &TrustChange { pins: Some(vec![]), anchors: None }, 1).unwrap();
        assert!(is_raised("no pin"));
        store.remove_provider("cloud").unwrap();
        assert!(is_raised("no provider"));
        store.remove_partner("a.example", PartnerRemoval::Any).unwrap();
        assert!(is_raised("no entry"));
        store.note_rules(&rules()).unwrap();
        assert!(is_raised("rules"));
        store.note_rules(&rules()).unwrap();
        assert!(!is_raised("the same rules"));
        store.note_rules(&Rules { discovery: true, ..rules() }).unwrap();
        assert!(is_raised("other rules"));
        store.next_incarnation().unwrap();
        store.pool_secret([1; 32]).unwrap();
        assert!(!is_raised("a start"));
    }

    #[test]
    fn the_secret_of_the_pool_is_made_once_and_is_not_the_servers_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        assert_eq!(store.secret([1; 32]).unwrap(), [1; 32]);
        assert_eq!(store.pool_secret([2; 32]).unwrap(), PoolSecret([2; 32]));
        assert_eq!(store.pool_secret([3; 32]).unwrap(), PoolSecret([2; 32]));
        assert_eq!(format!("{:?}", store.pool_secret([3; 32]).unwrap()), "PoolSecret");
    }
}
