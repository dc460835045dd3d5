//! What has changed at a home since a revision that an edge knows: of a hundred thousand partners the one that was added.
//!
//! Triggers of the schema note in `changed` in which revision each row of `partners`, `providers` and `domain_trust` changed last,
//! also where it is gone since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{PoolSecret, Revision, Rules, Store, StoreError, StoredPartner, StoredProvider, StoredTrust, integer};

/// To be put upon exactly what was known at `base`. `None` stands for what is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub base: Revision,
    pub revision: Revision,
    pub rules: Rules,
    pub pool_secret: PoolSecret,
    pub partners: BTreeMap<String, Option<StoredPartner>>,
    pub providers: BTreeMap<String, Option<StoredProvider>>,
    pub trust: BTreeMap<String, Option<StoredTrust>>,
}

impl Changes {
    /// How many entries are other ones now.
    pub fn len(&self) -> usize {
        self.partners.len() + self.providers.len() + self.trust.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store {
    /// What this home tells an edge that knows `base`; all of it of one moment. `None`: that is not known any more, or so much
    /// that the whole is no more.
    pub fn changes(&self, base: &Revision) -> Result<Option<Changes>, StoreError> {
        let _one_moment = self.connection().unchecked_transaction()?;
        let revision = self.revision()?;
        let (since, rules): (i64, String) =
            self.connection()
                .query_row("SELECT changed_since, rules FROM revision", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if base.epoch != revision.epoch || base.number > revision.number || base.number < since.unsigned_abs() {
            return Ok(None);
        }
        let names = self.changed_after(base.number)?;
        if names.len() > CHANGES_MAX {
            return Ok(None);
        }
        let mut changes = Changes {
            base: base.clone(),
            revision,
            rules: crate::snapshot::read_rules(&rules)?,
            pool_secret: self.made_pool_secret()?,
            partners: BTreeMap::new(),
            providers: BTreeMap::new(),
            trust: BTreeMap::new(),
        };
        for (kind, name) in names {
            match kind.as_str() {
                "partner" => drop(changes.partners.insert(name.clone(), self.partner(&name)?)),
                "provider" => drop(changes.providers.insert(name.clone(), self.provider(&name)?)),
                _ => drop(changes.trust.insert(name.clone(), self.trust_of(&name)?)),
            }
        }
        Ok(Some(changes))
    }

    fn changed_after(&self, number: u64) -> Result<Vec<(String, String)>, StoreError> {
        let select = "SELECT kind, name FROM changed WHERE revision > ?1 LIMIT ?2";
        let mut statement = self.connection().prepare_cached(select)?;
        let bounds = [integer(number), CHANGES_MAX as i64 + 1];
        let rows = statement.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts what has changed at home upon what is known here. To be called within a change, as [`Store::keep_snapshot`].
    ///
    /// # Errors
    /// [`StoreError::OtherBase`] where it is to be put upon something else; and where it contradicts what is known.
    pub fn keep_changes(&self, changes: &Changes, home: &str, now_unix: i64) -> Result<(), StoreError> {
        let Changes { base, revision, rules, pool_secret, partners, providers, trust } = changes;
        let known = self.told()?.map(|told| told.revision);
        if known.as_ref() != Some(base) || base.epoch != revision.epoch || revision.number < base.number {
            let known = known.map_or_else(|| "nothing".to_owned(), |known| known.to_string());
            return Err(StoreError::OtherBase { known, base: base.to_string() });
        }
        // All that changed goes first: an edge may have gone from one entry to another.
        self.delete_each("DELETE FROM providers WHERE name = ?1", providers.keys())?;
        self.delete_each("DELETE FROM partners WHERE domain = ?1", partners.keys())?;
        self.delete_each("DELETE FROM domain_trust WHERE domain = ?1", trust.keys())?;
        for StoredPartner { partner, added_unix } in partners.values().flatten() {
            self.put_partner(partner, *added_unix)?;
        }
        for StoredProvider { provider, added_unix } in providers.values().flatten() {
            self.put_provider(provider, *added_unix)?;
        }
        for (domain, trust) in trust {
            if let Some(trust) = trust {
                self.put_trust(domain, trust, now_unix)?;
            }
        }
        self.put_told((revision, rules, *pool_secret), home, now_unix)?;
        self.forget_changed()
    }

    fn delete_each<'a>(&self, delete: &str, names: impl Iterator<Item = &'a String>) -> Result<(), StoreError> {
        let mut statement = self.connection().prepare_cached(delete)?;
        for name in names {
            statement.execute([name])?;
        }
        Ok(())
    }

    /// Nobody is told by this server.
    pub(crate) fn forget_changed(&self) -> Result<(), StoreError> {
        self.connection().execute_batch("DELETE FROM changed; UPDATE revision SET changed_since = revision")?;
        Ok(())
    }

    /// Of a home at its start: names of long ago go, of which most are there no more. Edges that know so little are told all.
    pub fn prune_changed(&self) -> Result<(), StoreError> {
        self.prune_changed_to(CHANGES_MAX)
    }

    fn prune_changed_to(&self, max: usize) -> Result<(), StoreError> {
        let last = "SELECT revision FROM changed ORDER BY revision DESC LIMIT 1 OFFSET ?1";
        let connection = self.connection();
        connection
            .prepare_cached(&format!("UPDATE revision SET changed_since = max(changed_since, ifnull(({last}), 0))"))?
            .execute([max as i64])?;
        connection
            .prepare_cached("DELETE FROM changed WHERE revision <= (SELECT changed_since FROM revision)")?
            .execute([])?;
        Ok(())
    }
}

/// With more of them an edge is told the whole.
const CHANGES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use federation::partner::{Partner, Provider};

    use super::*;
    use crate::revision::tests::rules;
    use crate::testing::new_store;
    use crate::{PartnerRemoval, TrustChange};

    /// A home, and an edge that was told all of it.
    fn told() -> [(tempfile::TempDir, Store); 2] {
        let (home, edge) = (new_store(), new_store());
        home.1.note_rules(&rules()).unwrap();
        home.1.pool_secret([9; 32]).unwrap();
        for domain in ["a.example", "b.example", "c.example"] {
            home.1.put_partner(&Partner::allowed(domain), 1).unwrap();
        }
        home.1.put_provider(&Provider::new("cloud", "edge.cloud.example"), 1).unwrap();
        let pins = TrustChange { pins: Some(vec![[1; 32]]), anchors: None };
        home.1.change_trust("a.example", &pins, 1).unwrap();
        edge.1.keep_snapshot(&home.1.snapshot().unwrap(), "home", 1).unwrap();
        [home, edge]
    }

    fn tell(home: &Store, edge: &Store) -> Changes {
        let base = edge.told().unwrap().unwrap().revision;
        let changes = home.changes(&base).unwrap().expect("that is known");
        let read: Changes = serde_json::from_str(&serde_json::to_string(&changes).unwrap()).unwrap();
        edge.keep_changes(&read, "home", 2).unwrap();
        assert_eq!(edge.partners().unwrap(), home.partners().unwrap());
        assert_eq!(edge.providers().unwrap(), home.providers().unwrap());
        assert_eq!(edge.domain_trust().unwrap(), home.domain_trust().unwrap());
        assert_eq!(edge.told().unwrap().unwrap().revision, home.revision().unwrap());
        changes
    }

    #[test]
    fn of_whatever_changes_the_edge_is_told_that_alone() {
        let [(_home_folder, home), (_edge_folder, edge)] = told();
        assert!(tell(&home, &edge).is_empty());
        home.put_partner(&Partner::allowed("new.example"), 5).unwrap();
        assert_eq!(tell(&home, &edge).partners.into_keys().collect::<Vec<_>>(), ["new.example"]);
        home.remove_partner("a.example", PartnerRemoval::Any).unwrap();
        let gone = tell(&home, &edge);
        assert_eq!((&gone.partners["a.example"], &gone.trust["a.example"], gone.len()), (&None, &None, 2));
        home.put_partner(&Partner::blocked("b.example"), 6).unwrap();
        tell(&home, &edge);
        home.remove_partner("b.example", PartnerRemoval::Blocked).unwrap();
        home.put_partner(&Partner::allowed("b.example"), 7).unwrap();
        assert_eq!(tell(&home, &edge).len(), 1, "a block is lifted there, too");
        let anchors = TrustChange { pins: None, anchors: Some(vec![vec![0x30, 0]]) };
        home.change_trust("c.example", &anchors, 8).unwrap();
        assert_eq!(tell(&home, &edge).trust.len(), 1);
        home.note_rules(&Rules { discovery: true, ..rules() }).unwrap();
        assert!(tell(&home, &edge).is_empty());
        assert!(edge.told().unwrap().unwrap().rules.discovery);
    }

    #[test]
    fn an_edge_that_goes_from_one_entry_to_another_is_told_at_once() {
        let [(_home_folder, home), (_edge_folder, edge)] = told();
        home.remove_provider("cloud").unwrap();
        home.put_partner(&Partner::at("a.example", "edge.cloud.example"), 5).unwrap();
        tell(&home, &edge);
        home.put_partner(&Partner::allowed("a.example"), 6).unwrap();
        home.put_provider(&Provider::new("aerial", "edge.cloud.example"), 7).unwrap();
        tell(&home, &edge);
    }

    #[test]
    fn changes_are_put_upon_what_they_were_made_for_and_nothing_else() {
        let [(_home_folder, home), (_edge_folder, edge)] = told();
        home.put_partner(&Partner::allowed("one.example"), 5).unwrap();
        let base = edge.told().unwrap().unwrap().revision;
        let one = home.changes(&base).unwrap().unwrap();
        edge.keep_changes(&one, "home", 2).unwrap();
        let again = edge.keep_changes(&one, "home", 3).unwrap_err();
        assert!(matches!(again, StoreError::OtherBase { .. }), "{again}");
        let (_fresh_folder, fresh) = new_store();
        assert!(matches!(fresh.keep_changes(&one, "home", 3).unwrap_err(), StoreError::OtherBase { .. }));
        assert!(home.changes(&Revision { number: base.number + 1_000, ..base.clone() }).unwrap().is_none());
        home.begin_epoch().unwrap();
        assert!(home.changes(&base).unwrap().is_none(), "it was restored");
    }

    #[test]
    fn what_is_too_much_or_too_long_ago_is_told_whole() {
        let [(_home_folder, home), (_edge_folder, edge)] = told();
        let base = edge.told().unwrap().unwrap().revision;
        for number in 0..5 {
            home.put_partner(&Partner::allowed(format!("n{number}.example")), 5).unwrap();
        }
        home.prune_changed_to(5).unwrap();
        assert_eq!(home.changes(&base).unwrap().map(|changes| changes.len()), Some(5));
        home.prune_changed_to(4).unwrap();
        assert!(home.changes(&base).unwrap().is_none());
        let later = Revision { number: base.number + 1, ..base.clone() };
        assert_eq!(home.changes(&later).unwrap().map(|changes| changes.len()), Some(4));
        home.connection().execute_batch("BEGIN").unwrap();
        for number in 0..CHANGES_MAX {
            home.put_partner(&Partner::allowed(format!("m{number}.example")), 5).unwrap();
        }
        home.connection().execute_batch("COMMIT").unwrap();
        assert!(home.changes(&later).unwrap().is_none());
    }
}
