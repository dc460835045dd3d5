//! Who of ours may speak to whom outside, and how: the external access policies, and the one decision about a request
//! that crosses the border, whichever way it goes.
//!
//! A user's own policy counts alone, else that of the user's group, else the organisation's: nothing is merged. What
//! the partner's entry allows is asked besides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sip::aor::Aor;
use sip::refusal::{Refusal, Word};

use crate::domain_name;
use crate::flow::Direction;
use crate::modality::{Modalities, Modality};
use crate::partner::{Partner, Partners, Provider};

/// The name of the policy that holds where no other was given; it is always there.
pub const ORGANISATION: &str = "organisation";

/// What users may do with people of other organisations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    /// Whether they may at all. To a partner, a user who may not is no user.
    pub federation: bool,
    pub partners: PartnerScope,
    pub modalities: Modalities,
    /// Whether they may sign in from outside, by an edge that lets users in.
    #[serde(default = "yes")]
    pub outside: bool,
    /// "host:port" of the edge through which their requests to other organisations go, such as that of their site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What becomes of the first that somebody of a domain without an entry sends them.
    #[serde(default)]
    pub first_contact: FirstContact,
}

/// What becomes of a first contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstContact {
    /// It comes through, within what such a domain may do.
    #[default]
    Deliver,
    /// It is held, and the user is asked.
    Ask,
}

impl FirstContact {
    pub const ALL: [FirstContact; 2] = [FirstContact::Deliver, FirstContact::Ask];

    pub const fn as_str(self) -> &'static str {
        match self {
            FirstContact::Deliver => "deliver",
            FirstContact::Ask => "ask",
        }
    }
}

/// What was kept before there was such a thing.
fn yes() -> bool {
    true
}

/// With which partners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartnerScope {
    #[default]
    All,
    /// Domains, and `*.` with a domain for all that is below it.
    Only(Vec<String>),
}

impl PartnerScope {
    pub fn contains(&self, domain: &str) -> bool {
        match self {
            PartnerScope::All => true,
            PartnerScope::Only(list) => list.iter().any(|entry| matches(entry, domain)),
        }
    }
}

/// Whether an entry, exact or with a star, is about the domain.
fn matches(entry: &str, domain: &str) -> bool {
    match entry.strip_prefix("*.") {
        Some(parent) => domain_name::is_below(domain, parent),
        None => domain_name::same(entry, domain),
    }
}

impl Policy {
    /// A policy that allows everything.
    pub fn new(name: impl Into<String>) -> Policy {
        let (partners, modalities) = (PartnerScope::All, Modalities::ALL);
        Policy {
            name: name.into(),
            federation: true,
            partners,
            modalities,
            outside: true,
            route: None,
            first_contact: FirstContact::Deliver,
        }
    }
}

/// Every policy, to whom each was given, and whom users let reach them unverified.
#[derive(Clone, Debug, Default)]
pub struct ExternalAccess {
    policies_by_name: BTreeMap<String, Policy>,
    policy_names_by_user: BTreeMap<Aor, String>,
    policy_names_by_group: BTreeMap<String, String>,
    groups_by_user: BTreeMap<Aor, String>,
    allowed_by_user: BTreeMap<Aor, BTreeSet<String>>,
    /// Of all policies.
    routes: Vec<String>,
    /// What concerns users is for the home to say: an edge knows none.
    is_for_home: bool,
}

impl ExternalAccess {
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> ExternalAccess {
        let mut access = ExternalAccess::default();
        policies.into_iter().for_each(|policy| access.put_policy(policy));
        access
    }

    /// Of an edge whose home decides about its users.
    pub fn for_home() -> ExternalAccess {
        ExternalAccess { is_for_home: true, ..ExternalAccess::default() }
    }

    /// In place of the one of its name.
    pub fn put_policy(&mut self, policy: Policy) {
        self.policies_by_name.insert(policy.name.clone(), policy);
        self.routes = self.policies_by_name.values().filter_map(|policy| policy.route.clone()).collect();
    }

    /// Through which edges policies send requests to other organisations.
    pub(crate) fn routes(&self) -> &[String] {
        &self.routes
    }

    /// Every policy that has a route, with it.
    pub fn routes_by_policy(&self) -> impl Iterator<Item = (&str, &str)> {
        self.policies_by_name.values().filter_map(|policy| Some((policy.name.as_str(), policy.route.as_deref()?)))
    }

    /// The route of the policy that holds for a user, with the policy's name.
    pub(crate) fn route_of(&self, user: Option<&Aor>) -> Option<(&str, &str)> {
        let (policy, _) = self.policy_of(user);
        policy.and_then(|policy| Some((policy.name.as_str(), policy.route.as_deref()?)))
    }

    pub fn give_to_user(&mut self, user: Aor, policy: impl Into<String>) {
        self.policy_names_by_user.insert(user, policy.into());
    }

    pub fn give_to_group(&mut self, group: impl Into<String>, policy: impl Into<String>) {
        self.policy_names_by_group.insert(group.into(), policy.into());
    }

    pub fn put_into_group(&mut self, user: Aor, group: impl Into<String>) {
        self.groups_by_user.insert(user, group.into());
    }

    /// The user lets an address, or all of a domain, in without proof of who sends.
    pub fn let_reach(&mut self, user: Aor, who: &str) {
        self.allowed_by_user.entry(user).or_default().insert(who.to_ascii_lowercase());
    }

    /// The policy that holds for a user, and by what; for `None`, the organisation's.
    pub fn policy_of(&self, user: Option<&Aor>) -> (Option<&Policy>, Scope) {
        let own = user.and_then(|user| self.policy_names_by_user.get(user));
        if let Some(policy) = own.and_then(|name| self.policies_by_name.get(name)) {
            return (Some(policy), Scope::User);
        }
        let group = user.and_then(|user| self.groups_by_user.get(user));
        let given = group.and_then(|group| self.policy_names_by_group.get(group));
        if let (Some(policy), Some(group)) = (given.and_then(|name| self.policies_by_name.get(name)), group) {
            return (Some(policy), Scope::Group(group.clone()));
        }
        (self.policies_by_name.get(ORGANISATION), Scope::Organisation)
    }

    /// Whoever has a policy of his own, or is in a group: for all others the organisation's holds.
    pub fn users_with_terms(&self) -> impl Iterator<Item = &Aor> {
        self.policy_names_by_user.keys().chain(self.groups_by_user.keys())
    }

    /// Whether a user is asked before somebody of a domain without an entry reaches him; for `None`, by the organisation's policy.
    pub fn asks_first(&self, user: Option<&Aor>) -> bool {
        self.policy_of(user).0.is_some_and(|policy| policy.first_contact == FirstContact::Ask)
    }

    /// Whether the user lets this address in.
    pub fn lets_reach(&self, user: &Aor, sender: &str) -> bool {
        let sender = sender.to_ascii_lowercase();
        let domain = sender.rsplit_once('@').map_or(sender.as_str(), |(_, domain)| domain);
        let is_let = |entry: &String| *entry == sender || matches(entry, domain);
        self.allowed_by_user.get(user).is_some_and(|allowed| allowed.iter().any(is_let))
    }
}

/// By what a policy holds for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    User,
    Group(String),
    Organisation,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::User => f.write_str("given to the user"),
            Scope::Group(group) => write!(f, "given to the group {group}"),
            Scope::Organisation => f.write_str("the organisation's"),
        }
    }
}

/// A request between a user of ours and somebody of another organisation.
#[derive(Clone, Debug)]
pub struct Crossing<'a> {
    pub direction: Direction,
    /// `None`: for nobody in particular, such as a meeting.
    pub user: Option<&'a Aor>,
    /// The other organisation's domain.
    pub domain: &'a str,
    /// The name of the hosting provider that it is behind, where that is known already.
    pub provider: Option<&'a str>,
    pub modalities: Modalities,
    pub part: Part,
    /// From outside, by a sender whose name nobody vouches for: `user@domain`.
    pub unverified_sender: Option<&'a str>,
}

/// Which part of what two people have with each other a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Begins,
    /// It belongs to a dialog that was let in: whether the two may speak at all, and what it adds, is asked about.
    GoesOn,
    /// It only ends what was let in.
    Ends,
}

/// Decides; the first refusal wins.
///
/// # Errors
/// `user-unknown` to a partner whose user may not reach ours, as for a user who does not exist; `federation-not-for-user`
/// and `partner-not-for-user` to our own; `modality-not-allowed` and `source-unverified` to both.
pub fn decide(partners: &Partners, crossing: &Crossing<'_>) -> Result<(), Refusal> {
    if let (Some(policy), scope) = partners.access().policy_of(crossing.user) {
        if crossing.part != Part::Ends {
            check_federation(policy, &scope, crossing)?;
        }
        let whose = || format!("the policy {} ({scope})", policy.name);
        check_modalities(policy.modalities, crossing.modalities, whose)?;
    }
    if let Some(entry) = partners.standing(crossing.domain).entry() {
        check_modalities(entry.modalities, crossing.modalities, || entry_named(entry))?;
    }
    if let Some(provider) = crossing.provider.and_then(|name| partners.provider(name)) {
        check_provider(provider, crossing.modalities)?;
    }
    check_sender(partners.access(), crossing)
}

/// Whether this may pass with domains behind a provider.
///
/// # Errors
/// `modality-not-allowed`.
pub fn check_provider(provider: &Provider, modalities: Modalities) -> Result<(), Refusal> {
    check_modalities(provider.modalities, modalities, || format!("the hosting provider {}", provider.name))
}

/// The ways in which a user, or a meeting of nobody's, and people of a domain may communicate: what a request may ask for, and
/// what an answer to it may offer.
pub fn allowed(partners: &Partners, user: Option<&Aor>, domain: &str, provider: Option<&Provider>) -> Modalities {
    let of_policy = partners.access().policy_of(user).0.map(|policy| policy.modalities);
    let of_entry = partners.standing(domain).entry().map(|entry| entry.modalities);
    let of_provider = provider.map(|provider| provider.modalities);
    let sets = [of_policy, of_entry, of_provider].map(|set| set.unwrap_or(Modalities::ALL));
    Modality::ALL.into_iter().filter(|modality| sets.iter().all(|set| set.contains(*modality))).collect()
}

/// Whether a user, or a meeting, may still share these with people of a domain, now that the list or a policy is another one.
///
/// # Errors
/// Those of [`decide`], and of the domain's standing.
pub fn check_goes_on(
    partners: &Partners,
    user: Option<&Aor>,
    domain: &str,
    modalities: Modalities,
) -> Result<(), Refusal> {
    partners.standing(domain).check(domain)?;
    decide(
        partners,
        &Crossing {
            direction: Direction::Outbound,
            user,
            domain,
            provider: None,
            modalities,
            part: Part::Begins,
            unverified_sender: None,
        },
    )
}

/// Whether a user may sign in, and speak, from outside.
///
/// # Errors
/// 403 `outside-not-for-user`.
pub fn check_outside(access: &ExternalAccess, user: &Aor) -> Result<(), Refusal> {
    match access.policy_of(Some(user)) {
        (Some(policy), scope) if !policy.outside => {
            let reason = format!("the policy {} ({scope}) does not let {user} in from outside", policy.name);
            Err(Refusal::new(403, Word::OutsideNotForUser, reason))
        }
        _ => Ok(()),
    }
}

fn entry_named(entry: &Partner) -> String {
    format!("the partner entry of {}", entry.domain)
}

fn check_federation(policy: &Policy, scope: &Scope, crossing: &Crossing<'_>) -> Result<(), Refusal> {
    let Crossing { direction, domain, .. } = crossing;
    let (word, why) = if !policy.federation {
        (Word::FederationNotForUser, "allows no federation".to_owned())
    } else if !policy.partners.contains(domain) {
        (Word::PartnerNotForUser, format!("does not name {domain}"))
    } else {
        return Ok(());
    };
    let reason = format!("the policy {} ({scope}) {why}", policy.name);
    Err(match (direction, crossing.part) {
        // A stranger learns nothing of who is here; who is in a dialog knows it, and a 404 would end that for him alone.
        (Direction::Outbound, _) | (Direction::Inbound, Part::GoesOn) => Refusal::new(403, word, reason),
        (Direction::Inbound, _) => Refusal::new(404, Word::UserUnknown, format!("{word}: {reason}")),
    })
}

fn check_modalities(allowed: Modalities, asked: Modalities, whose: impl FnOnce() -> String) -> Result<(), Refusal> {
    match asked.first_beyond(allowed) {
        None => Ok(()),
        Some(beyond) => {
            let reason = format!("{} allows {allowed}, not {}", whose(), beyond.as_str());
            Err(Refusal::new(403, Word::ModalityNotAllowed, reason))
        }
    }
}

/// The same answer for a user who does not exist: nobody is on a list of his.
fn check_sender(access: &ExternalAccess, crossing: &Crossing<'_>) -> Result<(), Refusal> {
    let Some(sender) = crossing.unverified_sender.filter(|_| crossing.part == Part::Begins) else { return Ok(()) };
    match crossing.user {
        _ if access.is_for_home => Ok(()),
        Some(user) if access.lets_reach(user, sender) => Ok(()),
        _ => {
            let reason = format!("nobody vouches for {sender}, whom the user has not allowed");
            Err(Refusal::new(403, Word::SourceUnverified, reason))
        }
    }
}

#[cfg(test)]
mod tests;
