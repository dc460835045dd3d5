//! The users of this server and what authenticates them.

use rusqlite::{OptionalExtension, Row, params};
use sip::Aor;
use sip::auth::{Ha1, UserHa1};

use crate::{Credentials, Store, StoreError, password};

/// A user as listed: nothing of its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUser {
    pub aor: Aor,
    pub created_unix: i64,
}

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::UserExists`], which changes nothing.
    pub fn add_user(&self, aor: &Aor, credentials: &Credentials, now_unix: i64) -> Result<(), StoreError> {
        self.users_change();
        let UserHa1 { of_name, of_address } = &credentials.ha1;
        let added = self
            .connection()
            .prepare_cached(
                "INSERT INTO users (aor, password, ha1_sha256, ha1_md5, ha1_address_sha256, ha1_address_md5, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (aor) DO NOTHING",
            )?
            .execute(params![
                aor.to_string(),
                credentials.argon2id,
                of_name.sha256,
                of_name.md5,
                of_address.as_ref().map(|ha1| ha1.sha256),
                of_address.as_ref().map(|ha1| ha1.md5),
                now_unix
            ])?;
        if added == 0 { Err(StoreError::UserExists(aor.clone())) } else { Ok(()) }
    }

    /// Replaces a user's password.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn set_password(&self, aor: &Aor, credentials: &Credentials) -> Result<(), StoreError> {
        self.users_change();
        let UserHa1 { of_name, of_address } = &credentials.ha1;
        let changed = self
            .connection()
            .prepare_cached(
                "UPDATE users SET password = ?2, ha1_sha256 = ?3, ha1_md5 = ?4, ha1_address_sha256 = ?5, ha1_address_md5 = ?6
                 WHERE aor = ?1",
            )?
            .execute(params![
                aor.to_string(),
                credentials.argon2id,
                of_name.sha256,
                of_name.md5,
                of_address.as_ref().map(|ha1| ha1.sha256),
                of_address.as_ref().map(|ha1| ha1.md5)
            ])?;
        if changed == 0 { Err(StoreError::UserUnknown(aor.clone())) } else { Ok(()) }
    }

    /// Removes a user.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn remove_user(&self, aor: &Aor) -> Result<(), StoreError> {
        self.users_change();
        let removed =
            self.connection().prepare_cached("DELETE FROM users WHERE aor = ?1")?.execute([aor.to_string()])?;
        if removed == 0 { Err(StoreError::UserUnknown(aor.clone())) } else { Ok(()) }
    }

    /// What digest authentication of this user compares with; `None`: there is no such user.
    pub fn ha1(&self, aor: &Aor) -> Result<Option<UserHa1>, StoreError> {
        let found = self
            .connection()
            .prepare_cached(
                "SELECT ha1_sha256, ha1_md5, ha1_address_sha256, ha1_address_md5 FROM users WHERE aor = ?1",
            )?
            .query_row([aor.to_string()], user_ha1)
            .optional()?;
        Ok(found)
    }

    /// Whether there is this user.
    pub fn user_exists(&self, aor: &Aor) -> Result<bool, StoreError> {
        let mut statement = self.connection().prepare_cached("SELECT 1 FROM users WHERE aor = ?1")?;
        Ok(statement.exists([aor.to_string()])?)
    }

    /// Whether this is the user's password. Slow on purpose.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn verify_password(&self, aor: &Aor, password: &str) -> Result<bool, StoreError> {
        let hash: Option<String> = self
            .connection()
            .prepare_cached("SELECT password FROM users WHERE aor = ?1")?
            .query_row([aor.to_string()], |row| row.get(0))
            .optional()?;
        match hash {
            Some(hash) => password::verify(&hash, password),
            None => Err(StoreError::UserUnknown(aor.clone())),
        }
    }

    /// All users in the order of their addresses.
    pub fn users(&self) -> Result<Vec<StoredUser>, StoreError> {
        let mut statement = self.connection().prepare_cached("SELECT aor, created FROM users ORDER BY aor")?;
        let rows: Vec<(String, i64)> = statement.query_map([], aor_and_created)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(stored_user).collect()
    }

    /// How many users there are.
    pub fn users_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.connection().query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

fn user_ha1(row: &Row<'_>) -> rusqlite::Result<UserHa1> {
    let of_name = Ha1 { sha256: row.get(0)?, md5: row.get(1)? };
    let of_address: (Option<[u8; 32]>, Option<[u8; 16]>) = (row.get(2)?, row.get(3)?);
    let of_address = match of_address {
        (Some(sha256), Some(md5)) => Some(Ha1 { sha256, md5 }),
        _ => None,
    };
    Ok(UserHa1 { of_name, of_address })
}

fn aor_and_created(row: &Row<'_>) -> rusqlite::Result<(String, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn stored_user((aor, created_unix): (String, i64)) -> Result<StoredUser, StoreError> {
    match aor.parse() {
        Ok(aor) => Ok(StoredUser { aor, created_unix }),
        Err(error) => Err(StoreError::Unreadable(format!("user {aor}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aor(text: &str) -> Aor {
        text.parse().unwrap()
    }

    #[test]
    fn a_user_survives_reopening_with_both_digests_and_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let alice = aor("alice@contoso.example");
        let store = Store::open(&path).unwrap();
        store.add_user(&alice, &Credentials::new(&alice, "correct horse").unwrap(), 1_700_000_000).unwrap();
        drop(store);

        let store = Store::open(&path).unwrap();
        let found = store.ha1(&alice).unwrap().expect("alice was added");
        assert!(found.of_name == Ha1::new("alice", "contoso.example", "correct horse"));
        assert!(found.of_address == Some(Ha1::new("alice@contoso.example", "contoso.example", "correct horse")));
        assert!(store.verify_password(&alice, "correct horse").unwrap());
        assert!(!store.verify_password(&alice, "battery staple").unwrap());
        assert_eq!(store.users().unwrap(), [StoredUser { aor: alice, created_unix: 1_700_000_000 }]);
    }

    #[test]
    fn adding_twice_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let alice = aor("alice@contoso.example");
        store.add_user(&alice, &Credentials::new(&alice, "first password").unwrap(), 1).unwrap();
        let error = store.add_user(&alice, &Credentials::new(&alice, "second").unwrap(), 2).unwrap_err();
        assert_eq!(error.to_string(), "user alice@contoso.example exists");
        assert_eq!(error.hint().as_deref(), Some("to change its password: comity user passwd alice@contoso.example"));
        assert!(store.verify_password(&alice, "first password").unwrap());
    }

    #[test]
    fn passwords_change_and_users_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        let bob = aor("bob@contoso.example");
        let credentials = Credentials::new(&bob, "first password").unwrap();
        assert!(matches!(store.set_password(&bob, &credentials), Err(StoreError::UserUnknown(_))));
        store.add_user(&bob, &credentials, 1).unwrap();
        store.set_password(&bob, &Credentials::new(&bob, "second password").unwrap()).unwrap();
        assert!(store.verify_password(&bob, "second password").unwrap());
        assert!(store.user_exists(&bob).unwrap());
        store.remove_user(&bob).unwrap();
        assert!(!store.user_exists(&bob).unwrap());
        assert!(store.ha1(&bob).unwrap().is_none());
        assert!(matches!(store.remove_user(&bob), Err(StoreError::UserUnknown(_))));
        assert_eq!(store.users_count().unwrap(), 0);
    }
}
