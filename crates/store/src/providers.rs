//! The table of hosting providers.

use federation::partner::Provider;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

/// A hosting provider and when it was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredProvider {
    pub provider: Provider,
    pub added_unix: i64,
}

impl Store {
    /// Adds or replaces a provider, and returns the one that had the name before.
    ///
    /// # Errors
    /// [`StoreError::EdgeOfProvider`] and [`StoreError::EdgeOfPartner`] where the edge is somebody's already,
    /// [`StoreError::AddressSpaceShared`] where our users are looked for elsewhere already.
    pub fn put_provider(&self, provider: &Provider, now_unix: i64) -> Result<Option<StoredProvider>, StoreError> {
        let unreadable = |error: federation::partner::EdgeError| StoreError::Unreadable(error.to_string());
        let host = provider.edge().map_err(unreadable)?.host;
        for other in self.providers()?.into_iter().map(|found| found.provider).filter(|it| it.name != provider.name) {
            if other.edge().is_ok_and(|edge| edge.host == host) {
                return Err(StoreError::EdgeOfProvider { edge: host, provider: other.name });
            }
            if other.takes_missing_users() && provider.takes_missing_users() {
                return Err(StoreError::AddressSpaceShared(other.name));
            }
        }
        let is_at = |edge| matches!(edge, Some(Ok(federation::partner::Edge { host: named, .. })) if named == host);
        if let Some(found) = self.partners()?.into_iter().find(|found| is_at(found.partner.edge())) {
            return Err(StoreError::EdgeOfPartner { edge: host, domain: found.partner.domain });
        }
        let before = self.provider(&provider.name)?;
        let record = serde_json::to_string(provider).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        self.connection()
            .prepare_cached(
                "INSERT INTO providers (name, edge_host, record, added) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET edge_host = ?2, record = ?3",
            )?
            .execute(params![provider.name, host, record, now_unix])?;
        Ok(before)
    }

    /// Removes a provider and returns it.
    ///
    /// # Errors
    /// [`StoreError::ProviderUnknown`].
    pub fn remove_provider(&self, name: &str) -> Result<StoredProvider, StoreError> {
        let found = self.provider(name)?.ok_or_else(|| StoreError::ProviderUnknown(name.to_owned()))?;
        self.connection().prepare_cached("DELETE FROM providers WHERE name = ?1")?.execute([name])?;
        Ok(found)
    }

    pub fn provider(&self, name: &str) -> Result<Option<StoredProvider>, StoreError> {
        let found = self
            .connection()
            .prepare_cached("SELECT record, added FROM providers WHERE name = ?1")?
            .query_row([name], columns)
            .optional()?;
        found.map(stored).transpose()
    }

    /// All of them, by name.
    pub fn providers(&self) -> Result<Vec<StoredProvider>, StoreError> {
        let mut statement = self.connection().prepare_cached("SELECT record, added FROM providers ORDER BY name")?;
        let rows: Vec<(String, i64)> = statement.query_map([], columns)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(stored).collect()
    }

    /// Whether a partner entry may name this host as its edge.
    pub(crate) fn check_edge_free(&self, host: &str) -> Result<(), StoreError> {
        let owner: Option<String> = self
            .connection()
            .prepare_cached("SELECT name FROM providers WHERE edge_host = ?1")?
            .query_row([host], |row| row.get(0))
            .optional()?;
        match owner {
            Some(provider) => Err(StoreError::EdgeOfProvider { edge: host.to_owned(), provider }),
            None => Ok(()),
        }
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn stored((record, added_unix): (String, i64)) -> Result<StoredProvider, StoreError> {
    let unreadable = |error: serde_json::Error| StoreError::Unreadable(format!("a hosting provider: {error}"));
    Ok(StoredProvider { provider: serde_json::from_str(&record).map_err(unreadable)?, added_unix })
}

#[cfg(test)]
mod tests {
    use federation::partner::Partner;

    use super::*;
    use crate::testing::new_store;

    fn sharing(name: &str, edge: &str) -> Provider {
        Provider { shared_address_space: true, hosts_users: true, ..Provider::new(name, edge) }
    }

    #[test]
    fn a_provider_is_kept_changed_and_removed() {
        let (_folder, store) = new_store();
        let cloud = sharing("cloud", "edge.cloud.example:5071");
        assert_eq!(store.put_provider(&cloud, 10).unwrap(), None);
        let changed = Provider { enabled: false, ..cloud.clone() };
        let before = store.put_provider(&changed, 20).unwrap().unwrap();
        assert_eq!((before.provider, before.added_unix), (cloud, 10));
        assert_eq!(store.providers().unwrap(), [StoredProvider { provider: changed, added_unix: 10 }]);
        store.remove_provider("cloud").unwrap();
        assert!(matches!(store.remove_provider("cloud"), Err(StoreError::ProviderUnknown(_))));
    }

    #[test]
    fn an_edge_is_one_provider_s_or_partners_and_not_both() {
        let (_folder, store) = new_store();
        store.put_provider(&Provider::new("cloud", "edge.cloud.example"), 1).unwrap();
        let error = store.put_provider(&Provider::new("other", "Edge.cloud.example:5071"), 1).unwrap_err();
        assert_eq!(error.to_string(), "edge.cloud.example is the edge of the hosting provider cloud");
        let error = store.put_partner(&Partner::at("a.example", "edge.cloud.example:5080"), 1).unwrap_err();
        assert_eq!(error.to_string(), "edge.cloud.example is the edge of the hosting provider cloud");
        assert!(error.hint().is_some_and(|hint| hint.contains("without --edge")));
        // Several domains of one partner have one edge.
        store.put_partner(&Partner::at("a.example", "sip.a.example"), 1).unwrap();
        store.put_partner(&Partner::at("b.example", "sip.a.example"), 1).unwrap();
        let error = store.put_provider(&Provider::new("other", "sip.a.example"), 1).unwrap_err();
        assert_eq!(error.to_string(), "sip.a.example is the edge of the partner a.example");
    }

    #[test]
    fn missing_users_are_looked_for_in_one_place() {
        let (_folder, store) = new_store();
        store.put_provider(&sharing("cloud", "edge.cloud.example"), 1).unwrap();
        let second = sharing("other", "edge.other.example");
        assert!(matches!(store.put_provider(&second, 1), Err(StoreError::AddressSpaceShared(name)) if name == "cloud"));
        store.put_provider(&Provider { hosts_users: false, ..second }, 1).unwrap();
        store.put_provider(&sharing("cloud", "edge2.cloud.example"), 1).unwrap();
    }
}
