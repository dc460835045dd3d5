//! What is said of a domain's certificates, as the API tells it.

use serde::{Deserialize, Serialize};

/// `PUT /api/partners/{domain}/trust`: what is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTrust {
    /// SHA-256 of certificates, as 64 hexadecimal digits, with or without colons.
    pub pins: Option<Vec<String>>,
    /// PEM; empty: none any more.
    pub anchors: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustAnswer {
    /// If there are any, only these certificates prove the domain.
    pub pins: Vec<String>,
    /// The domain's own authorities, which vouch for it alone.
    pub anchors: Vec<AnchorAnswer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorAnswer {
    pub subject: String,
    pub not_after_unix: i64,
    pub fingerprint: String,
}

/// The answer to `PUT /api/partners/{domain}/trust`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustChanged {
    pub domain: String,
    pub trust: TrustAnswer,
    pub before: TrustAnswer,
}
