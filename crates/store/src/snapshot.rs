//! All that a home tells its edges, as one document: read from the home's database, kept in that of an edge.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Revision, Rules, Store, StoreError, StoredPartner, StoredProvider, StoredTrust, integer};

/// The whole of it. What has changed since is told alone ([`Changes`](crate::Changes)) to who is known to have all the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub revision: Revision,
    pub rules: Rules,
    pub pool_secret: PoolSecret,
    pub partners: Vec<StoredPartner>,
    pub providers: Vec<StoredProvider>,
    pub trust: BTreeMap<String, StoredTrust>,
}

/// Signs the Record-Routes of every edge of a home, so that each reads what another wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolSecret(pub [u8; 32]);

impl fmt::Debug for PoolSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolSecret")
    }
}

/// What an edge was told last. The partners are in their own tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub revision: Revision,
    /// Who told it: the name that the certificate had.
    pub home: String,
    pub at_unix: i64,
    pub rules: Rules,
    pub pool_secret: PoolSecret,
}

impl Store {
    /// What this home tells its edges now; all of it of one moment. Its rules were noted and its secret was made before.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let _one_moment = self.connection().unchecked_transaction()?;
        let rules: String = self.connection().query_row("SELECT rules FROM revision", [], |row| row.get(0))?;
        Ok(Snapshot {
            revision: self.revision()?,
            rules: read_rules(&rules)?,
            pool_secret: self.made_pool_secret()?,
            partners: self.partners()?,
            providers: self.providers()?,
            trust: self.domain_trust()?,
        })
    }

    /// Puts what a home says in the place of what is here. To be called within a change, as all writing is, so that a half
    /// of it is never seen.
    ///
    /// # Errors
    /// [`StoreError::OlderRevision`]: a home that was set back does not undo what its edges know; and where the document
    /// contradicts itself.
    pub fn keep_snapshot(&self, snapshot: &Snapshot, home: &str, now_unix: i64) -> Result<(), StoreError> {
        let Snapshot { revision, rules, pool_secret, partners, providers, trust } = snapshot;
        if let Some(told) = self.told()?
            && told.revision.epoch == revision.epoch
            && told.revision.number > revision.number
        {
            return Err(StoreError::OlderRevision { known: told.revision.number, offered: revision.number });
        }
        self.connection().execute_batch("DELETE FROM providers; DELETE FROM partners; DELETE FROM domain_trust")?;
        for StoredPartner { partner, added_unix } in partners {
            self.put_partner(partner, *added_unix)?;
        }
        for StoredProvider { provider, added_unix } in providers {
            self.put_provider(provider, *added_unix)?;
        }
        for (domain, trust) in trust {
            self.put_trust(domain, trust, now_unix)?;
        }
        self.put_told((revision, rules, *pool_secret), home, now_unix)?;
        self.forget_changed()
    }

    pub(crate) fn put_told(
        &self,
        (revision, rules, pool_secret): (&Revision, &Rules, PoolSecret),
        home: &str,
        now_unix: i64,
    ) -> Result<(), StoreError> {
        let rules = serde_json::to_string(rules).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let number = integer(revision.number);
        let put = "INSERT OR REPLACE INTO told (id, epoch, revision, home, at, rules, pool_secret)
            VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![revision.epoch, number, home, now_unix, rules, pool_secret.0];
        self.connection().prepare_cached(put)?.execute(values)?;
        Ok(())
    }

    /// `None`: no home has told this edge anything yet.
    pub fn told(&self) -> Result<Option<Told>, StoreError> {
        let select = "SELECT epoch, revision, home, at, rules, pool_secret FROM told";
        let row = |row: &rusqlite::Row<'_>| {
            let number: i64 = row.get(1)?;
            let revision = Revision { epoch: row.get(0)?, number: number.unsigned_abs() };
            Ok((revision, row.get(2)?, row.get(3)?, row.get::<_, String>(4)?, row.get(5)?))
        };
        let found = self.connection().prepare_cached(select)?.query_row([], row).optional()?;
        let told = |(revision, home, at_unix, rules, secret): (_, _, _, String, _)| {
            Ok(Told { revision, home, at_unix, rules: read_rules(&rules)?, pool_secret: PoolSecret(secret) })
        };
        found.map(told).transpose()
    }
}

pub(crate) fn read_rules(json: &str) -> Result<Rules, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Unreadable(format!("rules of federation: {error}")))
}

impl Serialize for PoolSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hexadecimal::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for PoolSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PoolSecret, D::Error> {
        let bytes = hexadecimal::deserialize(deserializer)?;
        bytes.try_into().map(PoolSecret).map_err(|_| de::Error::custom("a secret has 32 bytes"))
    }
}

/// Bytes as text: JSON has no other form of them that is not four times as long.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.ok_or_else(|| de::Error::custom("expected pairs of hexadecimal digits"))
    }
}

/// As in the document: pins and authorities as text.
#[derive(Serialize, Deserialize)]
struct TrustAsText {
    pins: Vec<Hexadecimal>,
    anchors: Vec<Hexadecimal>,
}

#[derive(Serialize, Deserialize)]
struct Hexadecimal(#[serde(with = "hexadecimal")] Vec<u8>);

impl Serialize for StoredTrust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pins = self.pins.iter().map(|pin| Hexadecimal(pin.to_vec())).collect();
        let anchors = self.anchors.iter().cloned().map(Hexadecimal).collect();
        TrustAsText { pins, anchors }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredTrust {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StoredTrust, D::Error> {
        let TrustAsText { pins, anchors } = TrustAsText::deserialize(deserializer)?;
        let pin = |pin: Hexadecimal| <[u8; 32]>::try_from(pin.0).map_err(|_| de::Error::custom("a pin has 32 bytes"));
        let pins = pins.into_iter().map(pin).collect::<Result<_, _>>()?;
        Ok(StoredTrust { pins, anchors: anchors.into_iter().map(|anchor| anchor.0).collect() })
    }
}

#[cfg(test)]
mod tests;
