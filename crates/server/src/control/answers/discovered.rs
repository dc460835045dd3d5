//! Partners without an entry.

use federation::ledger::Volume;
use federation::look_alike::LookAlike;
use serde::{Deserialize, Serialize};

/// An element of `GET /api/discovered`: what came with one certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DiscoveredAnswer {
    /// The domains that it has spoken for.
    pub domains: Vec<String>,
    /// Those of them that look like a domain that is trusted here.
    #[serde(default)]
    pub look_alikes: Vec<LookAlike>,
    pub tier: TierWord,
    /// What is thought of it, in one sentence.
    pub verdict: String,
    pub issuer: String,
    /// Hexadecimal.
    pub serial: String,
    pub first_unix_ms: u64,
    pub last_unix_ms: u64,
    /// Users of ours, there or not, addressed in the last seven days.
    pub users: usize,
    /// Since the server started.
    pub total: Volume,
    pub this_hour: Volume,
    pub last_hour: Volume,
    /// Requests a second that it may make as it stands; an edge of an earlier version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// When a suspect is one no more, if it commits no fault until then.
    pub pardon_unix_ms: Option<u64>,
    /// The edge of this home that has heard from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<String>,
}

/// How far a partner without an entry is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierWord {
    Discovered,
    Suspect,
}

impl TierWord {
    pub fn as_str(self) -> &'static str {
        match self {
            TierWord::Discovered => "discovered",
            TierWord::Suspect => "suspect",
        }
    }
}
