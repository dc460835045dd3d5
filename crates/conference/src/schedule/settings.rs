//! How a meeting receives people: who waits in the lobby, who presents, whether it is locked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the organiser chose. `Default` is what holds where he chose nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeetingSettings {
    pub lobby: LobbyRules,
    pub presenters: Presenters,
    /// Nobody comes in any more but the organiser.
    pub is_locked: bool,
    /// Attendees are muted when they come in.
    pub mute_on_entry: bool,
    /// How long before the beginning everyone may come in.
    pub opens_before_mins: u32,
}

/// Who enters at once, who waits, who stays outside: by where he comes from, and by domain. What is said of a domain goes before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LobbyRules {
    pub own: LobbyRule,
    pub invited: LobbyRule,
    pub federated: LobbyRule,
    pub by_domain: BTreeMap<String, LobbyRule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LobbyRule {
    Enter,
    /// Until a presenter lets him in.
    Wait,
    Refuse,
}

/// Where somebody who wants to come in stands. Who is invited is `Invited`, also where he is of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Organiser,
    Invited,
    /// Of the organiser's domain, not invited.
    Own,
    /// Of another domain, not invited.
    Federated,
}

/// Who may present without having been named a presenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presenters {
    /// Nobody else.
    Organiser,
    /// Everybody of the organiser's domain.
    #[default]
    Company,
    Invited,
    Everyone,
}

/// What somebody may do in a meeting, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeetingRole {
    #[default]
    Attendee,
    Presenter,
    Organiser,
}

impl Default for MeetingSettings {
    fn default() -> MeetingSettings {
        MeetingSettings {
            lobby: LobbyRules::default(),
            presenters: Presenters::default(),
            is_locked: false,
            mute_on_entry: false,
            opens_before_mins: OPENS_BEFORE_MINS_DEFAULT,
        }
    }
}

/// Strangers wait: a meeting's address can be passed on.
impl Default for LobbyRules {
    fn default() -> LobbyRules {
        LobbyRules {
            own: LobbyRule::Enter,
            invited: LobbyRule::Enter,
            federated: LobbyRule::Wait,
            by_domain: BTreeMap::new(),
        }
    }
}

impl LobbyRules {
    /// What holds for somebody from there. The organiser always enters.
    pub fn rule(&self, origin: Origin, domain: &str) -> LobbyRule {
        match (origin, self.by_domain.get(domain)) {
            (Origin::Organiser, _) => LobbyRule::Enter,
            (_, Some(rule)) => *rule,
            (Origin::Invited, None) => self.invited,
            (Origin::Own, None) => self.own,
            (Origin::Federated, None) => self.federated,
        }
    }
}

impl LobbyRule {
    pub fn as_str(self) -> &'static str {
        match self {
            LobbyRule::Enter => "enter",
            LobbyRule::Wait => "wait",
            LobbyRule::Refuse => "refuse",
        }
    }
}

impl Presenters {
    pub fn as_str(self) -> &'static str {
        match self {
            Presenters::Organiser => "organiser",
            Presenters::Company => "company",
            Presenters::Invited => "invited",
            Presenters::Everyone => "everyone",
        }
    }

    /// Whether somebody from there presents.
    pub fn include(self, origin: Origin, is_own: bool) -> bool {
        match (self, origin) {
            (_, Origin::Organiser) | (Presenters::Everyone, _) | (Presenters::Invited, Origin::Invited) => true,
            (Presenters::Company, _) => is_own,
            (Presenters::Organiser | Presenters::Invited, _) => false,
        }
    }
}

impl fmt::Display for LobbyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LobbyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<LobbyRule, String> {
        let all = [LobbyRule::Enter, LobbyRule::Wait, LobbyRule::Refuse];
        all.into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of enter, wait, refuse"))
    }
}

impl FromStr for Presenters {
    type Err = String;

    fn from_str(text: &str) -> Result<Presenters, String> {
        let all = [Presenters::Organiser, Presenters::Company, Presenters::Invited, Presenters::Everyone];
        let found = all.into_iter().find(|presenters| presenters.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none of organiser, company, invited, everyone"))
    }
}

const OPENS_BEFORE_MINS_DEFAULT: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_domain_goes_before_the_rest_but_not_for_the_organiser() {
        let mut rules = LobbyRules::default();
        assert_eq!(rules.rule(Origin::Own, "contoso.example"), LobbyRule::Enter);
        assert_eq!(rules.rule(Origin::Federated, "fabrikam.example"), LobbyRule::Wait);
        rules.by_domain.insert("fabrikam.example".to_owned(), LobbyRule::Enter);
        rules.by_domain.insert("adatum.example".to_owned(), LobbyRule::Refuse);
        rules.by_domain.insert("contoso.example".to_owned(), LobbyRule::Refuse);
        assert_eq!(rules.rule(Origin::Federated, "fabrikam.example"), LobbyRule::Enter);
        assert_eq!(rules.rule(Origin::Invited, "adatum.example"), LobbyRule::Refuse);
        assert_eq!(rules.rule(Origin::Organiser, "contoso.example"), LobbyRule::Enter);
    }

    #[test]
    fn company_means_the_own_domain_whoever_is_invited() {
        for (presenters, origin, is_own, expected) in [
            (Presenters::Company, Origin::Own, true, true),
            (Presenters::Company, Origin::Invited, true, true),
            (Presenters::Company, Origin::Invited, false, false),
            (Presenters::Invited, Origin::Invited, false, true),
            (Presenters::Invited, Origin::Own, true, false),
            (Presenters::Organiser, Origin::Own, true, false),
            (Presenters::Organiser, Origin::Organiser, true, true),
            (Presenters::Everyone, Origin::Federated, false, true),
        ] {
            assert_eq!(presenters.include(origin, is_own), expected, "{presenters:?} {origin:?}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let read: MeetingSettings =
            serde_json::from_str(r#"{"lobby":{"federated":"refuse"},"is_locked":true}"#).unwrap();
        assert_eq!((read.lobby.own, read.lobby.federated), (LobbyRule::Enter, LobbyRule::Refuse));
        assert_eq!((read.presenters, read.opens_before_mins), (Presenters::Company, 10));
        assert!(serde_json::from_str::<MeetingSettings>(r#"{"locked":true}"#).is_err());
    }
}
