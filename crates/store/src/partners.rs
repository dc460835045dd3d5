//! The table of partners: whom the administrator allowed or blocked. A domain is exactly one row.

use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Partner, PartnerKind, VerificationLevel};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

/// A partner entry and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPartner {
    pub partner: Partner,
    pub added_unix: i64,
}

/// Which entries a removal may touch. Removing a block opens a door, so it has a command of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartnerRemoval {
    /// Only an allowed entry.
    Allowed,
    /// Only a block.
    Blocked,
    /// Whatever there is.
    Any,
}

impl Store {
    /// Adds or replaces an entry, and returns the one that was there before. Its domain must be in lower case.
    ///
    /// # Errors
    /// [`StoreError::PartnerBlocked`]: a block is lifted first, never overwritten. [`StoreError::EdgeOfProvider`].
    pub fn put_partner(&self, partner: &Partner, now_unix: i64) -> Result<Option<StoredPartner>, StoreError> {
        let before = self.partner(&partner.domain)?;
        let (kind, edge) = kind_and_edge(&partner.kind);
        if let Some(Ok(edge)) = partner.edge() {
            self.check_edge_free(&edge.host)?;
        }
        // The condition on the row itself holds against another process that blocks the domain just now.
        let changed = self
            .connection()
            .prepare_cached(
                "INSERT INTO partners (domain, kind, edge, comment, added, monitored, verification, modalities,
                 mark_source, hide_topology) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (domain) DO UPDATE SET kind = ?2, edge = ?3, comment = ?4, monitored = ?6,
                 verification = ?7, modalities = ?8, mark_source = ?9, hide_topology = ?10
                 WHERE partners.kind <> 'blocked' OR ?2 = 'blocked'",
            )?
            .execute(params![
                partner.domain,
                kind,
                edge,
                partner.comment,
                now_unix,
                partner.monitored,
                partner.verification.as_str(),
                partner.modalities.to_string(),
                partner.mark_source.as_str(),
                partner.hide_topology.as_str(),
            ])?;
        if changed == 0 {
            return Err(StoreError::PartnerBlocked { domain: partner.domain.clone() });
        }
        Ok(before)
    }

    /// Removes an entry, with what was said of its certificates, and returns it.
    ///
    /// # Errors
    /// [`StoreError::PartnerUnknown`]; [`StoreError::PartnerBlocked`] and [`StoreError::PartnerNotBlocked`] where the
    /// entry is of the other kind.
    pub fn remove_partner(&self, domain: &str, removal: PartnerRemoval) -> Result<StoredPartner, StoreError> {
        let domain = domain.to_owned();
        let Some(found) = self.partner(&domain)? else {
            return Err(StoreError::PartnerUnknown { domain });
        };
        match (removal, found.partner.kind == PartnerKind::Blocked) {
            (PartnerRemoval::Allowed, true) => return Err(StoreError::PartnerBlocked { domain }),
            (PartnerRemoval::Blocked, false) => return Err(StoreError::PartnerNotBlocked { domain }),
            _ => {}
        }
        let (kind, _) = kind_and_edge(&found.partner.kind);
        let removed = self
            .connection()
            .prepare_cached("DELETE FROM partners WHERE domain = ?1 AND kind = ?2")?
            .execute([domain.as_str(), kind])?;
        if removed == 0 {
            return Err(StoreError::PartnerUnknown { domain });
        }
        // An entry that comes back later is another one: nobody then expects an old pin to refuse its certificate. Who only lifts
        // a block says nothing about certificates.
        if removal != PartnerRemoval::Blocked {
            self.connection()
                .prepare_cached("DELETE FROM domain_trust WHERE domain = ?1")?
                .execute([domain.as_str()])?;
        }
        Ok(found)
    }

    /// The entry of one domain.
    pub fn partner(&self, domain: &str) -> Result<Option<StoredPartner>, StoreError> {
        let found = self
            .connection()
            .prepare_cached(&format!("{SELECT} WHERE domain = ?1"))?
            .query_row([domain], stored_partner)
            .optional()?;
        Ok(found)
    }

    /// All entries in the order of their domains.
    pub fn partners(&self) -> Result<Vec<StoredPartner>, StoreError> {
        let mut statement = self.connection().prepare_cached(&format!("{SELECT} ORDER BY domain"))?;
        let rows = statement.query_map([], stored_partner)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

const SELECT: &str =
    "SELECT domain, kind, edge, comment, added, monitored, verification, modalities, mark_source, hide_topology
    FROM partners";

fn kind_and_edge(kind: &PartnerKind) -> (&'static str, Option<&str>) {
    match kind {
        PartnerKind::AllowedServer { edge } => ("allowed-server", Some(edge)),
        PartnerKind::AllowedDomain => ("allowed-domain", None),
        PartnerKind::Blocked => ("blocked", None),
    }
}

fn stored_partner(row: &Row<'_>) -> rusqlite::Result<StoredPartner> {
    let kind: String = row.get(1)?;
    let edge: Option<String> = row.get(2)?;
    let kind = match (kind.as_str(), edge) {
        ("allowed-server", Some(edge)) => PartnerKind::AllowedServer { edge },
        ("allowed-domain", None) => PartnerKind::AllowedDomain,
        // The table allows no other kind; what it cannot mean must not open a door.
        _ => PartnerKind::Blocked,
    };
    let (verification, modalities): (String, String) = (row.get(6)?, row.get(7)?);
    let partner = Partner {
        kind,
        comment: row.get(3)?,
        monitored: row.get(5)?,
        verification: VerificationLevel::named(&verification).unwrap_or(VerificationLevel::AlwaysUnverifiable),
        // The same: what cannot be read lets nothing pass.
        modalities: modalities.parse().unwrap_or(Modalities::NONE),
        mark_source: EntrySwitch::named(&row.get::<_, String>(8)?).unwrap_or(EntrySwitch::Never),
        hide_topology: EntrySwitch::named(&row.get::<_, String>(9)?).unwrap_or(EntrySwitch::Always),
        ..Partner::allowed(row.get::<_, String>(0)?)
    };
    Ok(StoredPartner { partner, added_unix: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::new_store;

    fn entry(domain: &str, kind: PartnerKind) -> Partner {
        Partner { kind, ..Partner::allowed(domain) }
    }

    #[test]
    fn entries_survive_reopening() {
        let (folder, store) = new_store();
        let server =
            entry("fabrikam.example", PartnerKind::AllowedServer { edge: "sip.fabrikam.example:5061".to_owned() });
        store.put_partner(&server, 10).unwrap();
        store.put_partner(&entry("adatum.example", PartnerKind::Blocked), 20).unwrap();
        drop(store);
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let found = store.partners().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].partner.domain.as_str(), &found[0].partner.kind),
            ("adatum.example", &PartnerKind::Blocked)
        );
        assert_eq!((&found[1].partner.kind, found[1].added_unix), (&server.kind, 10));
    }

    #[test]
    fn every_term_of_an_entry_survives() {
        let (_folder, store) = new_store();
        let entry = Partner {
            comment: "the bank".to_owned(),
            monitored: true,
            verification: VerificationLevel::AlwaysUnverifiable,
            modalities: "messages,files".parse().unwrap(),
            mark_source: EntrySwitch::Never,
            hide_topology: EntrySwitch::Always,
            ..Partner::at("*.bank.example", "sip.bank.example:5071")
        };
        store.put_partner(&entry, 10).unwrap();
        assert_eq!(store.partner("*.bank.example").unwrap().unwrap().partner, entry);
        let changed = Partner { monitored: false, modalities: Modalities::NONE, ..entry };
        store.put_partner(&changed, 10).unwrap();
        assert_eq!(store.partners().unwrap()[0].partner, changed);
    }

    #[test]
    fn a_domain_is_one_entry() {
        let (_folder, store) = new_store();
        let first = entry("fabrikam.example", PartnerKind::AllowedDomain);
        assert!(store.put_partner(&first, 10).unwrap().is_none());
        let blocked = entry("fabrikam.example", PartnerKind::Blocked);
        let replaced = store.put_partner(&blocked, 20).unwrap().expect("there was an entry");
        assert_eq!(replaced.partner.kind, PartnerKind::AllowedDomain);
        assert_eq!(store.partners().unwrap().len(), 1);
        assert_eq!(store.partner("fabrikam.example").unwrap().unwrap().partner.kind, PartnerKind::Blocked);
    }

    #[test]
    fn what_was_said_of_certificates_goes_with_the_entry_and_not_with_a_block() {
        let (_folder, store) = new_store();
        let change = crate::TrustChange { pins: Some(vec![[7; 32]]), anchors: None };
        for (kind, removal, is_kept) in [
            (PartnerKind::AllowedDomain, PartnerRemoval::Any, false),
            (PartnerKind::AllowedDomain, PartnerRemoval::Allowed, false),
            (PartnerKind::Blocked, PartnerRemoval::Blocked, true),
            (PartnerKind::Blocked, PartnerRemoval::Any, false),
        ] {
            store.put_partner(&entry("fabrikam.example", kind), 10).unwrap();
            store.change_trust("fabrikam.example", &change, 10).unwrap();
            store.change_trust("adatum.example", &change, 10).unwrap();
            store.remove_partner("fabrikam.example", removal).unwrap();
            assert_eq!(store.domain_trust().unwrap().contains_key("fabrikam.example"), is_kept, "{removal:?}");
            assert!(store.domain_trust().unwrap().contains_key("adatum.example"));
        }
    }

    #[test]
    fn a_block_is_lifted_first_and_never_overwritten() {
        let (_folder, store) = new_store();
        store.put_partner(&entry("fabrikam.example", PartnerKind::Blocked), 10).unwrap();
        let error = store.put_partner(&entry("fabrikam.example", PartnerKind::AllowedDomain), 20).unwrap_err();
        assert_eq!(error.to_string(), "fabrikam.example is blocked");
        assert_eq!(error.hint().as_deref(), Some("first lift the block: comity partner unblock fabrikam.example"));
        assert!(matches!(
            store.remove_partner("fabrikam.example", PartnerRemoval::Allowed),
            Err(StoreError::PartnerBlocked { .. })
        ));
        store.remove_partner("fabrikam.example", PartnerRemoval::Blocked).unwrap();
        store.put_partner(&entry("fabrikam.example", PartnerKind::AllowedDomain), 30).unwrap();
        assert!(matches!(
            store.remove_partner("fabrikam.example", PartnerRemoval::Blocked),
            Err(StoreError::PartnerNotBlocked { .. })
        ));
        store.remove_partner("fabrikam.example", PartnerRemoval::Allowed).unwrap();
        assert!(matches!(
            store.remove_partner("fabrikam.example", PartnerRemoval::Any),
            Err(StoreError::PartnerUnknown { .. })
        ));
    }
}
