//! Hosting providers, and how far the word of a sender is believed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Edge, EdgeError};
use crate::discovery::SrvResult;
use crate::domain_name;
use crate::modality::Modalities;
use crate::trust::{Fingerprint, PeerCertificate, as_text};
use crate::verification::names_edge;

/// Somebody whose edge serves many domains. A domain is of a provider when its own entry names no edge and its SRV
/// records lead to the provider's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    pub name: String,
    /// "host" or "host:port"; the host is nobody else's edge.
    pub edge: String,
    /// A provider that is not is as if it were not there.
    pub enabled: bool,
    pub verification: VerificationLevel,
    /// Users of our own domains may be at home at the provider.
    pub shared_address_space: bool,
    /// The provider answers for users of our domains who do not exist here; else it runs another service for ours.
    pub hosts_users: bool,
    /// Whether it is told that we vouch for our users (`ms-asserted-verification-level`), where a domain's own entry says nothing.
    #[serde(default)]
    pub mark_source: EntrySwitch,
    /// Whether it sees the edge alone, where a domain's own entry says nothing.
    #[serde(default)]
    pub hide_topology: EntrySwitch,
    /// Whoever has no entry, and no SRV record where discovery is on, is reached through it.
    #[serde(default)]
    pub clearing_house: bool,
    /// The administrator's mark, as of a partner, for all domains behind it.
    #[serde(default)]
    pub monitored: bool,
    /// What may pass with domains behind it, in either direction, besides what their own entries say.
    #[serde(default = "everything")]
    pub modalities: Modalities,
    /// If there are any, only these certificates are its edge's, and they need neither chain nor name.
    #[serde(default, with = "as_text")]
    pub pins: Vec<Fingerprint>,
    pub comment: String,
}

/// What was kept before a provider had any.
fn everything() -> Modalities {
    Modalities::ALL
}

impl Provider {
    /// An enabled one that shares nothing.
    pub fn new(name: impl Into<String>, edge: impl Into<String>) -> Provider {
        Provider {
            name: name.into(),
            edge: edge.into(),
            enabled: true,
            verification: VerificationLevel::AlwaysVerifiable,
            shared_address_space: false,
            hosts_users: false,
            mark_source: EntrySwitch::default(),
            hide_topology: EntrySwitch::default(),
            clearing_house: false,
            monitored: false,
            modalities: Modalities::ALL,
            pins: Vec::new(),
            comment: String::new(),
        }
    }

    /// # Errors
    /// Where the edge is none.
    pub fn edge(&self) -> Result<Edge, EdgeError> {
        self.edge.parse()
    }

    /// Whether one of the records leads to this provider's edge.
    pub fn is_led_to(&self, srv: &SrvResult) -> bool {
        let (Ok(edge), Ok(answer)) = (self.edge(), srv) else { return false };
        answer.targets.iter().any(|target| domain_name::same(&target.host, &edge.host))
    }

    /// Whether a domain that the one has proven would be proven by the other; what else is said of it is asked with each request.
    pub fn proves_alike(&self, other: &Provider) -> bool {
        let Provider { verification, mark_source, hide_topology, monitored, modalities, comment, .. } = self.clone();
        *self == Provider { verification, mark_source, hide_topology, monitored, modalities, comment, ..other.clone() }
    }

    /// Whether it is this provider's certificate: a pinned one, or where none is pinned, one that names its edge.
    pub fn has_certificate(&self, certificate: &PeerCertificate) -> bool {
        match self.pins.is_empty() {
            true => names_edge(&certificate.names, &self.edge),
            false => self.pins.contains(&certificate.fingerprint),
        }
    }

    /// Whether a certificate is meant to be this provider's, whatever is pinned.
    pub fn is_claimed_by(&self, certificate: &PeerCertificate) -> bool {
        names_edge(&certificate.names, &self.edge) || self.pins.contains(&certificate.fingerprint)
    }

    /// Whether users who are not here are looked for there.
    pub fn takes_missing_users(&self) -> bool {
        self.enabled && self.shared_address_space && self.hosts_users
    }
}

/// How far we believe that who sends is who he says, beyond the proof of his domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationLevel {
    /// Every message counts as verified.
    #[default]
    AlwaysVerifiable,
    /// None does: only those reach a user whom the user allows.
    AlwaysUnverifiable,
    /// What `ms-asserted-verification-level` says; a message that says nothing is refused.
    UseSourceVerification,
}

impl VerificationLevel {
    pub const ALL: [VerificationLevel; 3] = [
        VerificationLevel::AlwaysVerifiable,
        VerificationLevel::AlwaysUnverifiable,
        VerificationLevel::UseSourceVerification,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            VerificationLevel::AlwaysVerifiable => "always-verifiable",
            VerificationLevel::AlwaysUnverifiable => "always-unverifiable",
            VerificationLevel::UseSourceVerification => "use-source-verification",
        }
    }

    pub fn named(text: &str) -> Option<VerificationLevel> {
        VerificationLevel::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

impl fmt::Display for VerificationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an entry says of something that the configuration says for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntrySwitch {
    /// What is said more generally: by the provider, then by the configuration.
    #[default]
    ByDefault,
    Always,
    Never,
}

impl EntrySwitch {
    pub const ALL: [EntrySwitch; 3] = [EntrySwitch::ByDefault, EntrySwitch::Always, EntrySwitch::Never];

    pub const fn as_str(self) -> &'static str {
        match self {
            EntrySwitch::ByDefault => "by-default",
            EntrySwitch::Always => "always",
            EntrySwitch::Never => "never",
        }
    }

    pub fn named(text: &str) -> Option<EntrySwitch> {
        EntrySwitch::ALL.into_iter().find(|mark| mark.as_str() == text)
    }

    /// `None`: nothing is said here.
    pub const fn said(self) -> Option<bool> {
        match self {
            EntrySwitch::ByDefault => None,
            EntrySwitch::Always => Some(true),
            EntrySwitch::Never => Some(false),
        }
    }
}

impl fmt::Display for EntrySwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
