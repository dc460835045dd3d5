//! The shapes of what the doctor found.

use serde::{Deserialize, Serialize};

use super::Advice;

/// `GET /api/doctor`, of this server; `GET /api/doctor/{domain}`, of the way to a partner. In the order in which one thing
/// builds on the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoctorAnswer {
    /// The partner's.
    pub domain: Option<String>,
    pub findings: Vec<Finding>,
}

impl DoctorAnswer {
    /// Whether nothing is wrong. A doubt is no fault.
    pub fn is_well(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != FindingState::Wrong)
    }
}

/// One question, what was seen, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The same at every time, such as `dns contoso.example`.
    pub id: String,
    pub question: String,
    pub state: FindingState,
    /// One sentence each.
    pub evidence: Vec<String>,
    /// Absent where nothing is wrong.
    pub advice: Option<Advice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    Well,
    /// It works, but not for everybody, or not for long.
    Doubtful,
    Wrong,
    /// It could not be seen, mostly since what it builds on is wrong.
    Unknown,
}

impl FindingState {
    pub fn as_str(self) -> &'static str {
        match self {
            FindingState::Well => "well",
            FindingState::Doubtful => "doubtful",
            FindingState::Wrong => "wrong",
            FindingState::Unknown => "unknown",
        }
    }
}
