//! What an administrator decides about calls.

use serde::{Deserialize, Serialize};

/// `[calls]` of comity.toml.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSettings {
    /// Whether we stand between the two dialogs of a call.
    pub between: When,
    /// Whether its sound goes through us.
    pub anchor: When,
    /// Whether a call of a user of ours goes on to where the one called sends it (RFC 3261 section 21.3).
    pub redirects: bool,
}

/// In which calls something is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// In those that would lack something without.
    #[default]
    WhenNeeded,
    Always,
    Never,
}

impl When {
    pub const ALL: [When; 3] = [When::WhenNeeded, When::Always, When::Never];

    /// As it is written in comity.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            When::WhenNeeded => "when-needed",
            When::Always => "always",
            When::Never => "never",
        }
    }

    pub fn parse(text: &str) -> Option<When> {
        When::ALL.into_iter().find(|setting| setting.as_str() == text)
    }
}
