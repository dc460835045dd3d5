//! What can be said of a meeting on the command line, and the requests that are made of it.

use std::path::{Path, PathBuf};

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use conference::schedule::{
    Attendance, Frequency, Invitee, LobbyRule, MeetingRole, Presenters, Recurrence, RecurrenceEnd, Zone,
};
use server::control::answers::{MeetingEdit, NewMeeting, SettingsChange};
use sip::Aor;

use super::words::{self, Every, On};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub struct CreateArguments {
    /// Whose meeting it is: a user of this server
    #[arg(long, value_name = "NAME@DOMAIN", value_parser = words::address)]
    organiser: Aor,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    subject: String,
    /// When it begins, by the clocks of the zone
    #[arg(long, value_name = "DATE TIME", value_parser = words::moment)]
    at: String,
    /// The time zone, such as Europe/Berlin or UTC
    #[arg(long, value_name = "ZONE", value_parser = words::zone)]
    zone: Zone,
    /// How long it takes, such as 45m or 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = words::minutes)]
    minutes: u32,
    #[command(flatten)]
    series: Series,
    #[command(flatten)]
    people: People,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    telling: Telling,
}

#[derive(Debug, clap::Args)]
pub struct SetArguments {
    /// The meeting's ID, as it is listed
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// The day of the one occurrence to move, with --at
    #[arg(long, value_name = "DATE", requires = "at")]
    only: Option<String>,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// When it begins, by the clocks of the zone
    #[arg(long, value_name = "DATE TIME", value_parser = words::moment)]
    at: Option<String>,
    /// The time zone, such as Europe/Berlin or UTC
    #[arg(long, value_name = "ZONE", value_parser = words::zone)]
    zone: Option<Zone>,
    /// How long it takes, such as 45m or 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = words::minutes)]
    minutes: Option<u32>,
    #[command(flatten)]
    series: Series,
    /// Make it a single meeting
    #[arg(long, conflicts_with = "every")]
    once: bool,
    #[command(flatten)]
    people: People,
    /// Invite somebody no more; may be given several times
    #[arg(long, value_name = "NAME@DOMAIN", value_parser = words::address)]
    uninvite: Vec<Aor>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    telling: Telling,
}

#[derive(Debug, clap::Args)]
struct Series {
    /// Repeat it: day, week, month, or such as '2 weeks'
    #[arg(long, value_name = "INTERVAL")]
    every: Option<Every>,
    /// The days of the week, such as mon,thu, or of the month, such as 'second tue' or 'last fri' [default: the day of --at]
    #[arg(long, value_name = "DAYS", value_delimiter = ',', requires = "every")]
    on: Vec<On>,
    /// How often it takes place in all
    #[arg(long, value_name = "NUMBER", requires = "every", conflicts_with = "until")]
    count: Option<u32>,
    /// The last day on which it may take place
    #[arg(long, value_name = "DATE", requires = "every", value_parser = words::date)]
    until: Option<conference::schedule::Date>,
}

#[derive(Debug, clap::Args)]
struct People {
    /// Invite somebody, of whatever domain; may be given several times
    #[arg(long, value_name = "NAME@DOMAIN", value_parser = words::address)]
    invite: Vec<Aor>,
    /// Invite somebody who need not come
    #[arg(long, value_name = "NAME@DOMAIN", value_parser = words::address)]
    optional: Vec<Aor>,
    /// Invite somebody as a presenter, or make one of who is invited
    #[arg(long, value_name = "NAME@DOMAIN", value_parser = words::address)]
    presenter: Vec<Aor>,
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Who else presents: organiser (nobody), company, invited or everyone [default: company]
    #[arg(long, value_name = "WHO")]
    presenters: Option<Presenters>,
    /// Who enters, waits or is refused: own, invited, federated or a domain, =, enter, wait or refuse
    /// [default: own=enter invited=enter federated=wait]
    #[arg(long, value_name = "WHO=RULE", value_parser = words::lobby)]
    lobby: Vec<(String, LobbyRule)>,
    /// Whether the meeting is locked: nobody but the organiser comes in [default: no]
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    locked: Option<bool>,
    /// Whether attendees are muted when they come in [default: no]
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    mute_on_entry: Option<bool>,
    /// How long before the start everyone may come in, such as 10m [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = words::minutes_or_none)]
    opens_before: Option<u32>,
}

/// How the invitees learn of it.
#[derive(Debug, clap::Args)]
pub struct Telling {
    /// Write what the invitees' calendars need to this file; -: to standard output
    #[arg(long, value_name = "FILE")]
    invitation: Option<PathBuf>,
    /// Send it to the invitees by mail; exit code 3 says that somebody was not reached
    #[arg(long)]
    pub mail: bool,
}

impl Telling {
    pub fn file(&self) -> Option<&Path> {
        self.invitation.as_deref()
    }
}

impl CreateArguments {
    /// The request, and how it is told.
    ///
    /// # Errors
    /// Days that are none of the interval's.
    pub fn into_request(self) -> Result<(NewMeeting, Telling), Failure> {
        let new = NewMeeting {
            organiser: self.organiser.to_string(),
            subject: self.subject,
            at: self.at,
            zone: self.zone.name().to_owned(),
            minutes: self.minutes,
            recurrence: self.series.into_recurrence()?,
            invitees: self.people.into_invitees(),
            settings: self.settings.into_change(),
        };
        Ok((new, self.telling))
    }
}

impl SetArguments {
    /// The meeting, the request, and how it is told.
    ///
    /// # Errors
    /// Days that are none of the interval's.
    pub fn into_request(self) -> Result<(String, MeetingEdit, Telling), Failure> {
        let edit = MeetingEdit {
            occurrence: self.only,
            subject: self.subject,
            at: self.at,
            zone: self.zone.map(|zone| zone.name().to_owned()),
            minutes: self.minutes,
            recurrence: self.series.into_recurrence()?,
            once: self.once,
            invite: self.people.into_invitees(),
            uninvite: self.uninvite.iter().map(Aor::to_string).collect(),
            settings: self.settings.into_change(),
        };
        Ok((self.id, edit, self.telling))
    }
}

impl Series {
    fn into_recurrence(self) -> Result<Option<Recurrence>, Failure> {
        let Some(Every { interval, unit }) = self.every else { return Ok(None) };
        let misfit = |on: &On, of: &str, such: &str| {
            Failure::new(format!("{on} is no day of {of}"), format!("write such as --on {such}"))
        };
        let frequency = match unit {
            words::Unit::Week => {
                let weekday = |on: &On| on.of_week().ok_or_else(|| misfit(on, "the week", "mon,thu"));
                Frequency::Week { on: self.on.iter().map(weekday).collect::<Result<_, _>>()? }
            }
            words::Unit::Month => {
                let of_month = |on: &On| on.of_month().ok_or_else(|| misfit(on, "the month", "'second tue'"));
                Frequency::Month { on: self.on.iter().map(of_month).collect::<Result<_, _>>()? }
            }
            words::Unit::Day => match self.on.first() {
                None => Frequency::Day,
                Some(on) => {
                    let hint = "write --every week, or leave --on out";
                    return Err(Failure::new(format!("every day is not on {on} alone"), hint));
                }
            },
        };
        let end = match (self.count, self.until) {
            (Some(count), _) => RecurrenceEnd::Count(count),
            (None, Some(last)) => RecurrenceEnd::Until(last),
            (None, None) => RecurrenceEnd::Never,
        };
        Ok(Some(Recurrence { frequency, interval, end }))
    }
}

impl People {
    /// Each once, with all that was said of him.
    fn into_invitees(self) -> Vec<Invitee> {
        let mut invitees: Vec<Invitee> = Vec::new();
        let named = self.invite.iter().chain(&self.optional).chain(&self.presenter);
        for address in named {
            if invitees.iter().any(|known| known.address == *address) {
                continue;
            }
            let role = if self.presenter.contains(address) { MeetingRole::Presenter } else { MeetingRole::Attendee };
            let is_optional = self.optional.contains(address);
            let attendance = if is_optional { Attendance::Optional } else { Attendance::Required };
            invitees.push(Invitee { address: address.clone(), role, attendance });
        }
        invitees
    }
}

impl Settings {
    fn into_change(self) -> SettingsChange {
        SettingsChange {
            lobby: self.lobby.into_iter().collect(),
            presenters: self.presenters,
            is_locked: self.locked,
            mute_on_entry: self.mute_on_entry,
            opens_before_mins: self.opens_before,
        }
    }
}
