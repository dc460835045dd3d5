//! What cannot be scheduled, in words for whoever typed it.

/// Why a meeting cannot be as it was asked for. `Display` says what was wrong, [`ScheduleError::hint`] what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("there is no time zone {0:?}")]
    ZoneUnknown(String),
    #[error("{0:?} is no date and time")]
    NotLocal(String),
    #[error("{0:?} is no date")]
    NotDate(String),
    #[error("the subject has {0} characters")]
    SubjectLong(usize),
    #[error("the subject is empty or more than one line")]
    SubjectUnfit,
    #[error("a meeting of {0} minutes")]
    Duration(u32),
    #[error("{0} people are invited")]
    Invitees(usize),
    #[error("{0} is invited twice")]
    InvitedTwice(String),
    #[error("an interval of {0}")]
    Interval(u32),
    #[error("a series of {0} occurrences")]
    Count(u32),
    #[error("the series ends on {0}, before it begins")]
    EndsBefore(String),
    #[error("the meeting lies in the past")]
    Past,
    #[error("attendees come in {0} minutes before")]
    OpensBefore(u32),
    #[error("{0} is the date of no occurrence")]
    NoOccurrence(String),
    #[error("{0} changes of single occurrences")]
    Exceptions(usize),
    #[error("no occurrence is left")]
    NothingLeft,
}

impl ScheduleError {
    /// What to do about it, as one line.
    pub fn hint(&self) -> String {
        use super::{meeting, occurrence, recurrence};
        match self {
            ScheduleError::ZoneUnknown(_) => {
                "name it as the IANA database does, such as Europe/Berlin or UTC".to_owned()
            }
            ScheduleError::NotLocal(_) => "write it as YYYY-MM-DD HH:MM, such as 2026-12-01 10:00".to_owned(),
            ScheduleError::NotDate(_) => "write it as YYYY-MM-DD, such as 2026-12-01".to_owned(),
            ScheduleError::SubjectLong(_) => format!("a subject has at most {} characters", meeting::SUBJECT_CHARS_MAX),
            ScheduleError::SubjectUnfit => "write the subject in one line".to_owned(),
            ScheduleError::Duration(_) => format!("a meeting lasts from 1 to {} minutes", meeting::MINUTES_MAX),
            ScheduleError::Invitees(_) => format!("a meeting has at most {} invitees", meeting::INVITEES_MAX),
            ScheduleError::InvitedTwice(_) => "name each person once, and not the organiser".to_owned(),
            ScheduleError::Interval(_) => format!("an interval is from 1 to {}", recurrence::INTERVAL_MAX),
            ScheduleError::Count(_) => format!("a series has from 1 to {} occurrences", occurrence::OCCURRENCES_MAX),
            ScheduleError::EndsBefore(_) => "name a later last day".to_owned(),
            ScheduleError::Past => "give a date and time to come, by the clocks of the meeting's zone".to_owned(),
            ScheduleError::OpensBefore(_) => {
                format!("attendees may come in at most {} minutes before", meeting::OPENS_BEFORE_MINS_MAX)
            }
            ScheduleError::NoOccurrence(_) => "comity meeting show ID lists the next occurrences".to_owned(),
            ScheduleError::Exceptions(_) => {
                format!(
                    "at most {} occurrences can differ from their series; begin a new one",
                    occurrence::EXCEPTIONS_MAX
                )
            }
            ScheduleError::NothingLeft => "cancel the whole meeting: comity meeting cancel ID".to_owned(),
        }
    }
}
