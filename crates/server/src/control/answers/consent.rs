//! First contacts: who was asked about whom, and what was said.

use serde::{Deserialize, Serialize};

/// An element of `GET /api/consents`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentAnswer {
    pub aor: String,
    /// An address, or a domain for all in it.
    pub sender: String,
    /// `asked`, `allowed` or `denied`
    pub verdict: String,
    pub since_unix_ms: u64,
    /// Messages that wait for the user's answer.
    pub held: u64,
    /// Until when they do; absent where nobody is asked any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<u64>,
}

/// `PUT /api/users/{aor}/consents/{sender}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConsent {
    /// `allowed` or `denied`
    pub verdict: String,
}

/// The answer to it, and to `DELETE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChange {
    pub aor: String,
    pub sender: String,
    /// `allowed`, `denied` or `forgotten`
    pub verdict: String,
    /// Messages that were held, and are on their way now.
    pub released: u32,
    /// Whether there was anything to forget; else always true.
    pub is_changed: bool,
}
