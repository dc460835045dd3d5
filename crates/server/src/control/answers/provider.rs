//! Hosting providers.

use federation::partner::{Provider, SourceMark, VerificationLevel};
use serde::{Deserialize, Serialize};
use store::StoredProvider;

use super::partner::yes;

/// A hosting provider, and when it was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAnswer {
    #[serde(flatten)]
    pub provider: Provider,
    pub added_unix: i64,
}

impl From<StoredProvider> for ProviderAnswer {
    fn from(StoredProvider { provider, added_unix }: StoredProvider) -> ProviderAnswer {
        ProviderAnswer { provider, added_unix }
    }
}

/// `PUT /api/providers/{name}`: what is absent is as it is for a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProvider {
    pub edge: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub verification: VerificationLevel,
    #[serde(default)]
    pub shared_address_space: bool,
    #[serde(default)]
    pub hosts_users: bool,
    #[serde(default)]
    pub mark_source: SourceMark,
    #[serde(default)]
    pub clearing_house: bool,
    #[serde(default)]
    pub comment: String,
}

impl From<ProviderAnswer> for NewProvider {
    fn from(answer: ProviderAnswer) -> NewProvider {
        let Provider {
            edge,
            enabled,
            verification,
            shared_address_space,
            hosts_users,
            mark_source,
            clearing_house,
            comment,
            name: _,
        } = answer.provider;
        NewProvider {
            edge,
            enabled,
            verification,
            shared_address_space,
            hosts_users,
            mark_source,
            clearing_house,
            comment,
        }
    }
}

/// The answer to `PUT` and `DELETE /api/providers/{name}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderChange {
    pub provider: Option<ProviderAnswer>,
    pub before: Option<ProviderAnswer>,
}
