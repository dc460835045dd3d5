//! What holds in a meeting: each rule in a file of its own, asked by the focus and knowing nothing of it.

pub mod admission;
pub mod lock;
pub mod mute;
pub mod roles;

use std::collections::BTreeMap;
use std::sync::Arc;

use sip::refusal::Word;
use sip::{Aor, Refusal};

use crate::ConferenceId;
use crate::schedule::{
    Attendance, INVITEES_MAX, Invitee, MINUTES_MAX, Meeting, MeetingRole, MeetingSettings, Origin, Zone,
};

/// Whose meeting it is and how it is held: of a scheduled meeting what its organiser chose, of any other what holds by default.
#[derive(Debug, Clone)]
pub struct Conduct {
    pub organiser: Aor,
    /// The domains of this organisation.
    pub own_domains: Vec<String>,
    pub subject: String,
    pub settings: MeetingSettings,
    /// Roles given by name, before the meeting or in it: who has one is invited.
    pub roles: BTreeMap<Aor, MeetingRole>,
    /// Where it has a time.
    pub meeting: Option<Arc<Meeting>>,
}

impl Conduct {
    /// A meeting that begins now.
    pub fn ad_hoc(organiser: Aor, own_domains: Vec<String>) -> Conduct {
        let (settings, roles) = (MeetingSettings::default(), BTreeMap::new());
        Conduct { organiser, own_domains, subject: String::new(), settings, roles, meeting: None }
    }

    pub fn scheduled(meeting: Arc<Meeting>, own_domains: Vec<String>) -> Conduct {
        let named = meeting.invitees.iter().map(|invitee| (invitee.address.clone(), invitee.role));
        Conduct {
            organiser: meeting.organiser.clone(),
            own_domains,
            subject: meeting.subject.clone(),
            settings: meeting.settings.clone(),
            roles: named.collect(),
            meeting: Some(meeting),
        }
    }

    /// A meeting that began without a time, as it is kept so that its people find it again after the server ended in the
    /// middle of it: open for a day.
    pub fn kept(&self, id: &ConferenceId, began_unix: i64) -> Meeting {
        let zone = Zone::utc();
        let invitee = |(address, role): (&Aor, &MeetingRole)| Invitee {
            address: address.clone(),
            role: *role,
            attendance: Attendance::Required,
        };
        Meeting {
            id: id.clone(),
            organiser: self.organiser.clone(),
            subject: format!("Meeting of {}", self.organiser),
            start: zone.local(began_unix),
            zone,
            minutes: MINUTES_MAX,
            recurrence: None,
            exceptions: BTreeMap::new(),
            invitees: self
                .roles
                .iter()
                .filter(|(who, _)| **who != self.organiser)
                .map(invitee)
                .take(INVITEES_MAX)
                .collect(),
            settings: self.settings.clone(),
            sequence: 0,
            is_cancelled: false,
        }
    }

    /// From now on he has this role, by name.
    ///
    /// # Errors
    /// 486 `meeting-full` where as many have one as may be invited.
    pub fn give_role(&mut self, who: &Aor, role: MeetingRole) -> Result<(), Refusal> {
        if !self.roles.contains_key(who) && self.roles.len() >= INVITEES_MAX {
            return Err(Refusal::new(486, Word::MeetingFull, format!("{INVITEES_MAX} are invited")));
        }
        self.roles.insert(who.clone(), role);
        Ok(())
    }

    /// Where somebody stands whose identity was verified.
    pub fn origin(&self, who: &Aor) -> Origin {
        if *who == self.organiser {
            Origin::Organiser
        } else if self.roles.contains_key(who) {
            Origin::Invited
        } else if self.is_own(who) {
            Origin::Own
        } else {
            Origin::Federated
        }
    }

    pub fn is_own(&self, who: &Aor) -> bool {
        self.own_domains.iter().any(|domain| domain == who.domain())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn aor(text: &str) -> Aor {
        text.parse().expect("an address")
    }

    #[test]
    fn roles_are_given_to_as_many_as_may_be_invited() {
        let mut conduct = conduct();
        for number in 1..INVITEES_MAX {
            conduct.give_role(&aor(&format!("user{number}@contoso.example")), MeetingRole::Attendee).unwrap();
        }
        let late = conduct.give_role(&aor("late@contoso.example"), MeetingRole::Attendee);
        assert_eq!(late.map_err(|refusal| refusal.status), Err(486));
        assert!(conduct.give_role(&aor("bob@fabrikam.example"), MeetingRole::Presenter).is_ok(), "he has one");
    }

    /// Alice's, with bob of another domain invited.
    pub fn conduct() -> Conduct {
        let mut conduct = Conduct::ad_hoc(aor("alice@contoso.example"), vec!["contoso.example".to_owned()]);
        conduct.roles.insert(aor("bob@fabrikam.example"), MeetingRole::Attendee);
        conduct
    }
}
