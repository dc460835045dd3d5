//! Partners and external access policies.

use federation::external_access::{FirstContact, PartnerScope, Policy};
use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Partner, PartnerKind, VerificationLevel};
use serde::{Deserialize, Serialize};
use signaling::Forgotten;
use store::{StoredPartner, StoredSeen};

use super::{
    Advice, CountsAnswer, DecisionAnswer, DiscoveredAnswer, DiscoveryAnswer, FromEdge, LinkAnswer, SeenAnswer,
    TroubleAnswer, TrustAnswer, WayAnswer,
};
use crate::certificate::ServedCertificate;

/// A partner entry, flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerAnswer {
    pub domain: String,
    pub kind: PartnerWord,
    pub edge: Option<String>,
    pub comment: String,
    pub added_unix: i64,
    pub monitored: bool,
    pub verification: VerificationLevel,
    /// What may pass, in either direction.
    pub modalities: Modalities,
    /// Whether it is told that we vouch for our users.
    #[serde(default)]
    pub mark_source: EntrySwitch,
    /// Whether it sees the edge alone.
    #[serde(default)]
    pub hide_topology: EntrySwitch,
}

/// `PUT /api/partners/{domain}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPartner {
    pub kind: PartnerWord,
    #[serde(default)]
    pub edge: Option<String>,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub monitored: bool,
    #[serde(default)]
    pub verification: VerificationLevel,
    #[serde(default = "all")]
    pub modalities: Modalities,
    #[serde(default)]
    pub mark_source: EntrySwitch,
    #[serde(default)]
    pub hide_topology: EntrySwitch,
}

impl NewPartner {
    /// An entry without particular terms.
    pub fn of(kind: PartnerWord, edge: Option<String>, comment: String) -> NewPartner {
        NewPartner {
            kind,
            edge,
            comment,
            monitored: false,
            verification: VerificationLevel::default(),
            modalities: Modalities::ALL,
            mark_source: EntrySwitch::default(),
            hide_topology: EntrySwitch::default(),
        }
    }
}

/// `PATCH /api/partners/{domain}`: what is absent stays. An empty edge takes it away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerEdit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitored: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalities: Option<Modalities>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_source: Option<EntrySwitch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hide_topology: Option<EntrySwitch>,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn all() -> Modalities {
    Modalities::ALL
}

/// The kinds of entries, as in the API and in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartnerWord {
    AllowedServer,
    AllowedDomain,
    Blocked,
}

/// The answer to `PUT` and `DELETE /api/partners/{domain}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerChange {
    /// What holds now; absent after a removal.
    pub entry: Option<PartnerAnswer>,
    /// What held before.
    pub before: Option<PartnerAnswer>,
    /// The wildcard entry whose block holds all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
}

/// `GET /api/partners/{domain}`, also for a domain without an entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerDetail {
    pub domain: String,
    pub entry: Option<PartnerAnswer>,
    /// The entry that decides where the domain has none of its own, or one above it blocks.
    pub decided_by: Option<PartnerAnswer>,
    /// `allowed`, `discovered` or `blocked`; absent where nothing passes for want of an entry.
    pub tier: Option<String>,
    /// The hosting provider to which its records lead, as far as they are remembered.
    pub provider: Option<String>,
    /// What that lets pass, besides what the entry says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_modalities: Option<Modalities>,
    /// Which certificates alone are its edge's, as 64 hexadecimal digits each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider_pins: Vec<String>,
    /// Whether somebody watches over that.
    #[serde(default)]
    pub provider_monitored: bool,
    /// What follows for the domain, in one sentence.
    pub meaning: String,
    /// The certificate that it alone is shown, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<ServedCertificate>,
    /// What was said of its certificates.
    #[serde(default)]
    pub trust: TrustAnswer,
    /// Our connections to it.
    pub links: Vec<LinkAnswer>,
    /// The ways that are up, one for each server and rung.
    pub ways: Vec<WayAnswer>,
    /// What the DNS said, where a worker remembers it.
    pub discovery: Option<DiscoveryAnswer>,
    /// What failed lately.
    pub troubles: Vec<TroubleAnswer>,
    pub certificates: Vec<SeenAnswer>,
    /// What it did without an entry, one for each certificate.
    #[serde(default)]
    pub ledgers: Vec<DiscoveredAnswer>,
    /// Which certificates it has shown where, first and last, the last seen first.
    #[serde(default)]
    pub seen: Vec<StoredSeen>,
    /// Absent where no server runs.
    pub counts: Option<CountsAnswer>,
    /// The last decisions about it, the newest first.
    pub decisions: Vec<DecisionAnswer>,
    /// The last refusals of ours, the newest first, that are older than those.
    #[serde(default)]
    pub refusals: Vec<DecisionAnswer>,
    pub advice: Advice,
    /// Of a home: what each of its edges knows, which are those that the partner meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<FromEdge<PartnerDetail>>,
}

/// The answer to `POST /api/partners/{domain}/reset`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerReset {
    pub domain: String,
    /// Workers that did it; none where no server runs, since nothing is remembered then.
    pub workers: usize,
    /// All workers together.
    pub forgotten: Forgotten,
    /// Certificates that it has shown.
    #[serde(default)]
    pub seen: usize,
    /// Of a home.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<FromEdge<PartnerReset>>,
}

impl PartnerWord {
    pub fn as_str(self) -> &'static str {
        match self {
            PartnerWord::AllowedServer => "allowed server",
            PartnerWord::AllowedDomain => "allowed domain",
            PartnerWord::Blocked => "blocked",
        }
    }
}

impl From<StoredPartner> for PartnerAnswer {
    fn from(StoredPartner { partner, added_unix }: StoredPartner) -> PartnerAnswer {
        let Partner { domain, kind, comment, monitored, verification, modalities, mark_source, hide_topology } =
            partner;
        let (kind, edge) = match kind {
            PartnerKind::AllowedServer { edge } => (PartnerWord::AllowedServer, Some(edge)),
            PartnerKind::AllowedDomain => (PartnerWord::AllowedDomain, None),
            PartnerKind::Blocked => (PartnerWord::Blocked, None),
        };
        PartnerAnswer {
            domain,
            kind,
            edge,
            comment,
            added_unix,
            monitored,
            verification,
            modalities,
            mark_source,
            hide_topology,
        }
    }
}

impl From<PartnerAnswer> for NewPartner {
    fn from(entry: PartnerAnswer) -> NewPartner {
        let PartnerAnswer {
            kind, edge, comment, monitored, verification, modalities, mark_source, hide_topology, ..
        } = entry;
        NewPartner { kind, edge, comment, monitored, verification, modalities, mark_source, hide_topology }
    }
}

/// An element of `GET /api/policies`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAnswer {
    #[serde(flatten)]
    pub policy: Policy,
    /// Users by address, groups as `group NAME`.
    pub given_to: Vec<String>,
}

/// `PUT /api/policies/{name}`: what is absent is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPolicy {
    #[serde(default = "yes")]
    pub federation: bool,
    #[serde(default)]
    pub partners: PartnerScope,
    #[serde(default = "all")]
    pub modalities: Modalities,
    #[serde(default = "yes")]
    pub outside: bool,
    /// "host:port", or a SIP URI of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(default)]
    pub first_contact: FirstContact,
}

impl From<PolicyAnswer> for NewPolicy {
    fn from(answer: PolicyAnswer) -> NewPolicy {
        let Policy { federation, partners, modalities, outside, route, first_contact, name: _ } = answer.policy;
        NewPolicy { federation, partners, modalities, outside, route, first_contact }
    }
}

/// `PUT /api/groups/{name}` and an element of `GET /api/groups`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPolicy {
    #[serde(default)]
    pub group: String,
    pub policy: Option<String>,
}

/// `GET /api/users/{aor}/access`. `PATCH` takes `policy` and `group`: an empty name takes it away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessAnswer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allows: Vec<String>,
    /// The policy that holds, and by what; only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

/// The answer to `PUT` and `DELETE /api/users/{aor}/allows/{who}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowChange {
    pub aor: String,
    pub who: String,
    /// Else it was so before.
    pub is_changed: bool,
}
