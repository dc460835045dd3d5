//! What the server itself has to remember between its starts.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

impl Store {
    /// The secret that signs this server's tokens; `fresh` becomes it on the first start.
    pub fn secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO server (name, value) VALUES ('secret', ?1) ON CONFLICT (name) DO NOTHING")?
            .execute([fresh])?;
        let secret =
            self.connection().query_row("SELECT value FROM server WHERE name = 'secret'", [], |row| row.get(0))?;
        Ok(secret)
    }

    /// Counts the starts of this server from 1, wrapping: each call is one start.
    pub fn next_incarnation(&self) -> Result<u32, StoreError> {
        let last: Option<[u8; 4]> = self
            .connection()
            .query_row("SELECT value FROM server WHERE name = 'incarnation'", [], |row| row.get(0))
            .optional()?;
        let next = last.map_or(0, u32::from_be_bytes).wrapping_add(1);
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO server (name, value) VALUES ('incarnation', ?1)")?
            .execute(params![next.to_be_bytes()])?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays_and_the_starts_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.secret([7; 32]).unwrap(), [7; 32]);
        assert_eq!(store.next_incarnation().unwrap(), 1);
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.secret([8; 32]).unwrap(), [7; 32]);
        assert_eq!(store.next_incarnation().unwrap(), 2);
    }
}
