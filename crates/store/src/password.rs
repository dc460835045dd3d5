//! What is kept of a password: an argon2id hash for logging in with the password itself, and the HA1 of both digest
//! algorithms (RFC 7616 section 3.4.2), for which SIP needs no more and no less.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sip::Aor;
use sip::auth::UserHa1;

use crate::StoreError;

/// A password in the forms in which it is stored.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) argon2id: String,
    pub(crate) ha1: UserHa1,
}

impl Credentials {
    /// Hashes a password for one user.
    ///
    /// Slow on purpose (tens of milliseconds): call it outside of the store's threads.
    ///
    /// # Errors
    /// When the operating system gives no random salt.
    pub fn new(aor: &Aor, password: &str) -> Result<Credentials, StoreError> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        let argon2id = hash.map_err(|error| StoreError::Hash(error.to_string()))?.to_string();
        Ok(Credentials { argon2id, ha1: UserHa1::new(aor, password) })
    }

    /// What digest authentication compares with.
    pub fn ha1(&self) -> &UserHa1 {
        &self.ha1
    }
}

/// Whether the password is the one of this argon2id hash. Slow on purpose, as [`Credentials::new`].
pub(crate) fn verify(argon2id: &str, password: &str) -> Result<bool, StoreError> {
    let hash = PasswordHash::new(argon2id).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

// Neither hash belongs in a log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials")
    }
}
