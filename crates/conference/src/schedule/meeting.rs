//! A scheduled meeting: what is kept of it, and what must hold of that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use sip::Aor;

use super::{Exception, MeetingRole, MeetingSettings, Origin, Recurrence, ScheduleError, Zone, text};
use crate::ConferenceId;

/// A meeting as it is stored. [`Meeting::checked`] says whether it can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    pub id: ConferenceId,
    /// The meeting's home is the domain of his.
    #[serde(with = "text")]
    pub organiser: Aor,
    pub subject: String,
    /// By the clocks of the zone.
    pub start: DateTime,
    pub zone: Zone,
    pub minutes: u32,
    pub recurrence: Option<Recurrence>,
    /// By the original start of the occurrence.
    #[serde(default)]
    pub exceptions: BTreeMap<DateTime, Exception>,
    pub invitees: Vec<Invitee>,
    #[serde(default)]
    pub settings: MeetingSettings,
    /// Counts the changes that an invitation has to tell (RFC 5545 SEQUENCE).
    pub sequence: u32,
    pub is_cancelled: bool,
}

/// Somebody who is asked to come, of whatever domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitee {
    #[serde(with = "text")]
    pub address: Aor,
    /// Attendee or presenter.
    #[serde(default)]
    pub role: MeetingRole,
    #[serde(default)]
    pub attendance: Attendance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attendance {
    #[default]
    Required,
    Optional,
}

impl Meeting {
    /// The meeting if it can take place, with its start on the first day of its series.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(mut self) -> Result<Meeting, ScheduleError> {
        self.subject = self.subject.trim().to_owned();
        let length = self.subject.chars().count();
        if length > SUBJECT_CHARS_MAX {
            return Err(ScheduleError::SubjectLong(length));
        }
        if length == 0 || self.subject.chars().any(char::is_control) {
            return Err(ScheduleError::SubjectUnfit);
        }
        if !(1..=MINUTES_MAX).contains(&self.minutes) {
            return Err(ScheduleError::Duration(self.minutes));
        }
        if self.settings.opens_before_mins > OPENS_BEFORE_MINS_MAX {
            return Err(ScheduleError::OpensBefore(self.settings.opens_before_mins));
        }
        self.check_invitees()?;
        for invitee in &mut self.invitees {
            invitee.role = invitee.role.min(MeetingRole::Presenter);
        }
        if let Some(recurrence) = &mut self.recurrence {
            self.start = recurrence.check(self.start)?;
        }
        Ok(self)
    }

    fn check_invitees(&self) -> Result<(), ScheduleError> {
        if self.invitees.len() > INVITEES_MAX {
            return Err(ScheduleError::Invitees(self.invitees.len()));
        }
        let mut seen = BTreeSet::from([&self.organiser]);
        match self.invitees.iter().find(|invitee| !seen.insert(&invitee.address)) {
            Some(twice) => Err(ScheduleError::InvitedTwice(twice.address.to_string())),
            None => Ok(()),
        }
    }

    /// The domain that it is at home in.
    pub fn domain(&self) -> &str {
        self.organiser.domain()
    }

    /// Where to call: `sip:meet-ID@DOMAIN`.
    pub fn uri(&self) -> String {
        self.id.aor(self.domain()).uri()
    }

    /// Where somebody stands whose identity was verified; `own` are the domains of this organisation.
    pub fn origin(&self, who: &Aor, own: &[String]) -> Origin {
        if *who == self.organiser {
            Origin::Organiser
        } else if self.invitees.iter().any(|invitee| invitee.address == *who) {
            Origin::Invited
        } else if own.iter().any(|domain| domain == who.domain()) {
            Origin::Own
        } else {
            Origin::Federated
        }
    }

    /// What he may do in the meeting; arguments as of [`Meeting::origin`].
    pub fn role(&self, who: &Aor, own: &[String]) -> MeetingRole {
        let origin = self.origin(who, own);
        let is_named = |invitee: &Invitee| invitee.address == *who && invitee.role == MeetingRole::Presenter;
        let is_own = own.iter().any(|domain| domain == who.domain());
        if origin == Origin::Organiser {
            MeetingRole::Organiser
        } else if self.invitees.iter().any(is_named) || self.settings.presenters.include(origin, is_own) {
            MeetingRole::Presenter
        } else {
            MeetingRole::Attendee
        }
    }
}

/// Of each meeting.
pub const INVITEES_MAX: usize = 500;
pub(super) const SUBJECT_CHARS_MAX: usize = 200;
/// A day, so that no occurrence overlaps the next.
pub const MINUTES_MAX: u32 = 24 * 60;
pub(super) const OPENS_BEFORE_MINS_MAX: u32 = 24 * 60;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::schedule::{Frequency, Presenters, RecurrenceEnd, Weekday, parse_local};

    pub fn invitee(address: &str) -> Invitee {
        Invitee { address: address.parse().unwrap(), role: MeetingRole::Attendee, attendance: Attendance::Required }
    }

    /// One hour short of a quarter, in Berlin, with bob of another domain.
    pub fn meeting() -> Meeting {
        Meeting {
            id: ConferenceId::parse("budget").unwrap(),
            organiser: "alice@contoso.example".parse().unwrap(),
            subject: "Budget".to_owned(),
            start: parse_local("2026-12-01 10:00").unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
            minutes: 45,
            recurrence: None,
            exceptions: BTreeMap::new(),
            invitees: vec![invitee("bob@fabrikam.example")],
            settings: MeetingSettings::default(),
            sequence: 0,
            is_cancelled: false,
        }
    }

    /// Every week on the day of its start.
    pub fn weekly(start: &str, end: RecurrenceEnd) -> Meeting {
        let start = parse_local(start).unwrap();
        let on = vec![Weekday::of(start.date())];
        let recurrence = Some(Recurrence { frequency: Frequency::Week { on }, interval: 1, end });
        Meeting { start, recurrence, ..meeting() }.checked().unwrap()
    }

    fn own() -> Vec<String> {
        vec!["contoso.example".to_owned(), "contoso.test".to_owned()]
    }

    #[test]
    fn roles_follow_from_the_identity() {
        let mut meeting = meeting();
        meeting.invitees.push(Invitee { role: MeetingRole::Presenter, ..invitee("carol@northwind.example") });
        for (who, origin, role) in [
            ("alice@contoso.example", Origin::Organiser, MeetingRole::Organiser),
            ("dave@contoso.test", Origin::Own, MeetingRole::Presenter),
            ("bob@fabrikam.example", Origin::Invited, MeetingRole::Attendee),
            ("carol@northwind.example", Origin::Invited, MeetingRole::Presenter),
            ("carol@fabrikam.example", Origin::Federated, MeetingRole::Attendee),
        ] {
            let who = who.parse().unwrap();
            assert_eq!((meeting.origin(&who, &own()), meeting.role(&who, &own())), (origin, role), "{who}");
        }
        meeting.settings.presenters = Presenters::Organiser;
        assert_eq!(meeting.role(&"dave@contoso.test".parse().unwrap(), &own()), MeetingRole::Attendee);
    }

    #[test]
    fn what_cannot_take_place_is_told() {
        let refused = |meeting: Meeting| meeting.checked().unwrap_err();
        assert_eq!(refused(Meeting { subject: " ".to_owned(), ..meeting() }), ScheduleError::SubjectUnfit);
        assert_eq!(refused(Meeting { subject: "a\nb".to_owned(), ..meeting() }), ScheduleError::SubjectUnfit);
        assert_eq!(refused(Meeting { subject: "a".repeat(201), ..meeting() }), ScheduleError::SubjectLong(201));
        assert_eq!(refused(Meeting { minutes: 0, ..meeting() }), ScheduleError::Duration(0));
        assert_eq!(refused(Meeting { minutes: 1441, ..meeting() }), ScheduleError::Duration(1441));
        let twice = vec![invitee("bob@fabrikam.example"), invitee("Bob@Fabrikam.example")];
        let expected = ScheduleError::InvitedTwice("bob@fabrikam.example".to_owned());
        assert_eq!(refused(Meeting { invitees: twice, ..meeting() }), expected);
        assert!(Meeting { invitees: vec![invitee("alice@contoso.example")], ..meeting() }.checked().is_err());
    }

    #[test]
    fn it_is_stored_in_plain_words() {
        let mut meeting = weekly("2026-12-07 10:00", RecurrenceEnd::Count(3));
        meeting.except(parse_local("2026-12-14 00:00").unwrap().date(), Exception::Cancelled).unwrap();
        let json = serde_json::to_value(&meeting).unwrap();
        assert_eq!(json["organiser"], "alice@contoso.example");
        assert_eq!(json["start"], "2026-12-07T10:00:00");
        assert_eq!(json["exceptions"], serde_json::json!({ "2026-12-14T10:00:00": "cancelled" }));
        assert_eq!(serde_json::from_value::<Meeting>(json).unwrap(), meeting);
        assert_eq!(meeting.uri(), "sip:meet-budget@contoso.example");
    }
}
