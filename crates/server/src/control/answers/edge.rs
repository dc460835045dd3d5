//! Between a home and its edges, and what `status` says of that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::Revision;

use crate::config::FederationSwitches;

/// What an edge answers its home: `GET /edge` at its control address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeReport {
    /// Of the program.
    pub version: String,
    /// As partners know it.
    pub edge: String,
    /// Absent: no home has told it anything yet.
    pub revision: Option<Revision>,
    /// Absent: it is of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnRules>,
}

/// What an edge goes by with partners that its own comity.toml says, and its home does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRules {
    pub hide_topology: bool,
    /// As it is written.
    pub crl: String,
    pub connections_per_partner: u16,
}

impl OwnRules {
    pub(crate) fn of(switches: &FederationSwitches) -> OwnRules {
        OwnRules {
            hide_topology: switches.hide_topology,
            crl: switches.crl.as_str().to_owned(),
            connections_per_partner: switches.connections_per_partner,
        }
    }

    /// Each by its key under `[federation]`.
    fn by_key(&self) -> [(&'static str, String); 3] {
        [
            ("hide_topology", self.hide_topology.to_string()),
            ("crl", format!("{:?}", self.crl)),
            ("connections_per_partner", self.connections_per_partner.to_string()),
        ]
    }
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
    /// What its own comity.toml says, as far as it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnRules>,
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
        EdgeAnswer { edge: edge.to_owned(), revision: None, succeeded_unix: None, failed: None, sound: None, own: None }
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

impl EdgesAnswer {
    /// The keys under `[federation]` of which the edges do not say the same: what each says. A partner meets one or the other.
    pub fn differences(&self) -> Vec<(&'static str, Vec<(&str, String)>)> {
        let mut said: BTreeMap<&'static str, Vec<(&str, String)>> = BTreeMap::new();
        for edge in &self.edges {
            for (key, value) in edge.own.iter().flat_map(OwnRules::by_key) {
                said.entry(key).or_default().push((&edge.edge, value));
            }
        }
        let differs = |said: &[(&str, String)]| said.windows(2).any(|two| two[0].1 != two[1].1);
        said.into_iter().filter(|(_, said)| differs(said)).collect()
    }
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
