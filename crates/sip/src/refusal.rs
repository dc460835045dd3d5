//! Our policy said no: what the wire is told and what the operator reads are two different texts.

mod diagnostics;
mod word;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::HeaderName;
pub use diagnostics::{NO_ADDRESS, SEE_STATUS, TLS_FAILED};
pub use word::{Told, Word};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// SIP status of the answer.
    pub status: u16,
    /// Public, for the peer.
    pub word: Word,
    /// Private, for the operator: never on the wire.
    pub reason: String,
    /// Further headers of the answer (Retry-After, WWW-Authenticate ...).
    pub headers: Vec<(HeaderName, String)>,
    /// An id of `ms-diagnostics` that says more than the word's own.
    pub diagnostics_id: Option<u32>,
    /// The user whom the request names does not exist: servers that trust each other say so, whatever the sender is told.
    #[serde(default)]
    pub names_nobody: bool,
}

impl Refusal {
    /// The status is one that the table has for the word.
    pub fn new(status: u16, word: Word, reason: impl Into<String>) -> Self {
        debug_assert!(word.statuses().contains(&status), "{word} never comes with {status}: add it to the table");
        Refusal { status, word, reason: reason.into(), headers: Vec::new(), diagnostics_id: None, names_nobody: false }
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub fn naming_nobody(mut self) -> Self {
        self.names_nobody = true;
        self
    }

    /// The id is one of [`crate::diagnostics::KNOWN`].
    #[must_use]
    pub fn with_diagnostics_id(mut self, id: u32) -> Self {
        self.diagnostics_id = Some(id);
        self
    }
}

/// The Reason of a BYE or a CANCEL that stands for a refusal (RFC 3326).
pub fn reason(status: u16, word: Word) -> String {
    format!("SIP;cause={status};text=\"{word}\"")
}

/// For the operator's log: it shows the private reason.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.word, self.reason)
    }
}

impl std::error::Error for Refusal {}
