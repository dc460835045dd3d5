//! Many entries, providers and policies at once.

use serde::{Deserialize, Serialize};

use super::{NewPartner, NewPolicy, NewProvider};

/// `POST /api/import`, and the file of `partner export`: all of it is entered, or nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partner: Vec<EnteredPartner>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<Entered<NewProvider>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<Entered<NewPolicy>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<EnteredGroup>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<EnteredTrust>,
}

/// The policy that a group of users has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnteredGroup {
    pub name: String,
    pub policy: String,
}

/// All that is said of a domain's certificates, in place of what was said before. `GET /api/trust` answers a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnteredTrust {
    pub domain: String,
    /// SHA-256 of certificates, as 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
    /// The domain's own authorities, in PEM.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub anchors: String,
}

/// A partner entry, as it is sent to `PUT /api/partners/{domain}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnteredPartner {
    pub domain: String,
    #[serde(flatten)]
    pub entry: NewPartner,
}

/// Something under its name, as it is sent there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered<T> {
    pub name: String,
    #[serde(flatten)]
    pub entry: T,
}

/// The answer: how many of each were entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    pub partners: usize,
    pub providers: usize,
    pub policies: usize,
    pub groups: usize,
    pub trusted: usize,
}
