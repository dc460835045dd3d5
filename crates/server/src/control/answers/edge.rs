//! Between a home and its edges, and what `status` says of that.

use serde::{Deserialize, Serialize};
use store::Revision;

/// What an edge answers its home: `GET /edge` at its control address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeReport {
    /// Of the program.
    pub version: String,
    /// As partners know it.
    pub edge: String,
    /// Absent: no home has told it anything yet.
    pub revision: Option<Revision>,
}

/// What a home knows of one of its edges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeAnswer {
    /// As the home calls it.
    pub edge: String,
    /// What it was last known to know.
    pub revision: Option<Revision>,
    /// When it was last reached, and current.
    pub succeeded_unix: Option<i64>,
    /// Since then it could not be told.
    pub failed: Option<EdgeFailure>,
    /// Where the home has its bridges at its edges.
    #[serde(default)]
    pub sound: Option<EdgeSoundAnswer>,
}

/// What sound goes by one edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSoundAnswer {
    pub is_connected: bool,
    pub is_draining: bool,
    pub bridges: usize,
    pub legs: usize,
    /// Why it is not connected, where that is known.
    pub why: Option<String>,
}

/// What sound of its home goes by this edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeSoundAnswer {
    /// The homes that are connected for it.
    pub homes: Vec<String>,
    pub bridges: usize,
    pub legs: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeFailure {
    pub since_unix: i64,
    /// The last time that it was tried.
    pub at_unix: i64,
    pub why: String,
}

impl EdgeAnswer {
    pub(crate) fn unknown(edge: &str) -> EdgeAnswer {
        EdgeAnswer { edge: edge.to_owned(), revision: None, succeeded_unix: None, failed: None, sound: None }
    }

    /// Whether it knows what is decided at home.
    pub fn is_current(&self, home: &Revision) -> bool {
        self.failed.is_none() && self.revision.as_ref() == Some(home)
    }
}

/// What one edge said to a question of its home.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FromEdge<T> {
    pub edge: String,
    /// Absent where there is a failure.
    pub answer: Option<T>,
    pub failure: Option<String>,
}

/// `POST /edge/partner` and `POST /edge/partner/reset` at an edge's control address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AboutPartner {
    pub domain: String,
}

/// `POST /edge/provider` at an edge's control address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AboutProvider {
    pub name: String,
}

/// A home and its edges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgesAnswer {
    /// What is decided here.
    pub revision: Revision,
    pub edges: Vec<EdgeAnswer>,
}

/// What an edge goes by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToldAnswer {
    /// Absent: the home has told it nothing yet.
    pub revision: Option<Revision>,
    /// The name of its certificate.
    pub home: Option<String>,
    /// When it was told.
    pub told_unix: Option<i64>,
    /// When the home was here last, since the start.
    pub heard_unix: Option<i64>,
    /// Where the edge takes the home's sound.
    #[serde(default)]
    pub sound: Option<HomeSoundAnswer>,
}
