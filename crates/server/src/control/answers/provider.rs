//! Hosting providers.

use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Provider, VerificationLevel};
use federation::trust::hexadecimal;
use serde::{Deserialize, Serialize};
use store::{StoredProvider, StoredSeen};

use super::partner::{all, yes};
use super::{Advice, CountsAnswer, DecisionAnswer, FromEdge, LinkAnswer, SeenAnswer, TroubleAnswer};

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
    pub mark_source: EntrySwitch,
    #[serde(default)]
    pub hide_topology: EntrySwitch,
    #[serde(default)]
    pub clearing_house: bool,
    #[serde(default)]
    pub monitored: bool,
    #[serde(default = "all")]
    pub modalities: Modalities,
    /// SHA-256 of certificates, as 64 hexadecimal digits, with or without colons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
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
            hide_topology,
            clearing_house,
            monitored,
            modalities,
            pins,
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
            hide_topology,
            clearing_house,
            monitored,
            modalities,
            pins: pins.iter().map(hexadecimal).collect(),
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

/// `GET /api/providers/{name}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderDetail {
    pub provider: ProviderAnswer,
    /// What follows from its entry, in one sentence.
    pub meaning: String,
    /// Domains that were seen behind it lately, by name: as many as are shown.
    pub domains: Vec<HostedDomain>,
    /// How many there are.
    pub domains_seen: usize,
    /// Our connections to its edge, for whichever of these domains: as many as are shown.
    pub links: Vec<LinkAnswer>,
    /// What of its edge failed lately.
    pub troubles: Vec<TroubleAnswer>,
    /// On connections with its edge that stand.
    pub certificates: Vec<SeenAnswer>,
    /// Which certificates its edge has shown where, first and last, the last seen first.
    pub seen: Vec<StoredSeen>,
    /// Of all these domains; absent where no server runs.
    pub counts: Option<CountsAnswer>,
    /// The last decisions about these domains, the newest first.
    pub decisions: Vec<DecisionAnswer>,
    /// The last refusals of ours, the newest first, that are older than those.
    pub refusals: Vec<DecisionAnswer>,
    pub advice: Advice,
    /// Of a home: what each of its edges knows, which are those that the provider meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<FromEdge<ProviderDetail>>,
}

/// A domain behind a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedDomain {
    pub domain: String,
    /// The partner entry that decides about it.
    pub entry: Option<String>,
    /// As in `GET /api/partners/{domain}`.
    pub tier: Option<String>,
    /// Its SRV records lead to the provider, or nothing else takes it.
    pub is_led: bool,
    /// The provider's certificate has proven it.
    pub is_proven: bool,
}
