//! When a meeting takes place: its series, with what was cancelled or moved of it.

use std::ops::Range;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::{Meeting, ScheduleError};

/// One time that a meeting takes place. Moments in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub start_unix: i64,
    pub end_unix: i64,
    /// Its start by the series, which names it (RFC 5545 RECURRENCE-ID); in the meeting's zone.
    pub original: DateTime,
    /// Its start; another one where it was moved.
    pub start: DateTime,
}

/// What became of one occurrence of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exception {
    Cancelled,
    /// To this start; it lasts as long as the others.
    Moved(DateTime),
}

impl Meeting {
    /// All that end after a moment, in the order of their starts; endless where the series is.
    pub fn upcoming(&self, after_unix: i64) -> impl Iterator<Item = Occurrence> + '_ {
        let mut moved: Vec<_> = self.moved().filter(|found| found.end_unix > after_unix).collect();
        moved.sort_by_key(|found| found.start_unix);
        let mut moved = moved.into_iter().peekable();
        let mut regular = self.regular(after_unix).peekable();
        std::iter::from_fn(move || match (regular.peek(), moved.peek()) {
            (Some(by_series), Some(other)) if other.start_unix < by_series.start_unix => moved.next(),
            (Some(_), _) => regular.next(),
            (None, _) => moved.next(),
        })
    }

    /// Those of which a part lies between two moments.
    pub fn occurrences(&self, between_unix: Range<i64>) -> impl Iterator<Item = Occurrence> + '_ {
        self.upcoming(between_unix.start).take_while(move |found| found.start_unix < between_unix.end)
    }

    /// When the last one ends; `None`: never, or that there is none left.
    pub fn ends_unix(&self) -> Option<i64> {
        if self.is_endless() {
            return None;
        }
        self.upcoming(i64::MIN).map(|found| found.end_unix).max()
    }

    pub fn is_endless(&self) -> bool {
        self.recurrence.as_ref().is_some_and(|series| series.end == super::RecurrenceEnd::Never)
    }

    /// The original start of the occurrence on a day, be it that it was there or that it was moved there.
    ///
    /// # Errors
    /// [`ScheduleError::NoOccurrence`]; also for one that is cancelled.
    pub fn occurrence_on(&self, day: Date) -> Result<DateTime, ScheduleError> {
        let from = self.zone.unix(day.to_datetime(jiff::civil::Time::midnight()));
        let mut moved = self.moved().filter(|found| found.start.date() == day || found.original.date() == day);
        let mut regular = self.regular(from).take_while(|found| found.original.date() <= day);
        let found = regular.find(|found| found.original.date() == day).or_else(|| moved.next());
        found.map(|found| found.original).ok_or_else(|| ScheduleError::NoOccurrence(day.to_string()))
    }

    /// Cancels or moves one occurrence.
    ///
    /// # Errors
    /// As [`Meeting::occurrence_on`]; [`ScheduleError::Exceptions`]; [`ScheduleError::NothingLeft`] where the meeting would take
    /// place no more.
    pub fn except(&mut self, day: Date, exception: Exception) -> Result<DateTime, ScheduleError> {
        let original = self.occurrence_on(day)?;
        let before = self.exceptions.insert(original, exception);
        let outcome = if self.exceptions.len() > EXCEPTIONS_MAX {
            Err(ScheduleError::Exceptions(self.exceptions.len()))
        } else if self.upcoming(i64::MIN).next().is_none() {
            Err(ScheduleError::NothingLeft)
        } else {
            return Ok(original);
        };
        match before {
            Some(before) => self.exceptions.insert(original, before),
            None => self.exceptions.remove(&original),
        };
        outcome
    }

    fn regular(&self, after_unix: i64) -> impl Iterator<Item = Occurrence> + '_ {
        // A day earlier, for what began the day before and still lasts.
        let from = self.zone.local(after_unix.saturating_sub(2 * 86_400)).date();
        let series = self.recurrence.as_ref().map(|series| series.starts(self.start, from));
        let single = self.recurrence.is_none().then_some(self.start);
        let starts = series.into_iter().flatten().chain(single);
        let kept = starts.filter(|start| !self.exceptions.contains_key(start));
        kept.map(|start| self.occurrence(start, start)).filter(move |found| found.end_unix > after_unix)
    }

    pub(super) fn moved(&self) -> impl Iterator<Item = Occurrence> + '_ {
        self.exceptions.iter().filter_map(|(original, exception)| match exception {
            Exception::Moved(start) => Some(self.occurrence(*original, *start)),
            Exception::Cancelled => None,
        })
    }

    fn occurrence(&self, original: DateTime, start: DateTime) -> Occurrence {
        let start_unix = self.zone.unix(start);
        Occurrence { start_unix, end_unix: start_unix.saturating_add(60 * i64::from(self.minutes)), original, start }
    }
}

/// A series that ends has at most so many.
pub const OCCURRENCES_MAX: u32 = 1000;
/// Of each meeting.
pub(super) const EXCEPTIONS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::meeting::tests::{meeting, weekly};
    use super::*;
    use crate::schedule::{Frequency, Recurrence, RecurrenceEnd, Zone, parse_date, parse_local};

    fn locals(meeting: &Meeting, from: &str, to: &str) -> Vec<String> {
        let unix = |text| meeting.zone.unix(parse_local(text).unwrap());
        let found = meeting.occurrences(unix(from)..unix(to));
        found.map(|found| meeting.zone.local(found.start_unix).strftime("%m-%d %H:%M").to_string()).collect()
    }

    fn day(text: &str) -> Date {
        parse_date(text).unwrap()
    }

    #[test]
    fn a_weekly_meeting_stays_at_its_local_time_when_the_clocks_change() {
        let meeting = weekly("2026-10-12 10:00", RecurrenceEnd::Never);
        let found: Vec<_> = meeting.upcoming(0).take(4).collect();
        let gaps: Vec<_> = found.windows(2).map(|pair| (pair[1].start_unix - pair[0].start_unix) / 3600).collect();
        assert_eq!(gaps, [168, 169, 168], "the clocks went back on 25 October");
        assert_eq!(
            locals(&meeting, "2026-10-12 00:00", "2026-11-03 00:00"),
            ["10-12 10:00", "10-19 10:00", "10-26 10:00", "11-02 10:00"]
        );
        // And forward on 28 March.
        assert_eq!(locals(&meeting, "2027-03-22 00:00", "2027-03-30 00:00"), ["03-22 10:00", "03-29 10:00"]);
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_later_on_that_day_only() {
        let meeting = Meeting {
            start: parse_local("2027-03-14 02:30").unwrap(),
            ..weekly("2027-03-14 02:30", RecurrenceEnd::Count(4))
        };
        assert_eq!(
            locals(&meeting, "2027-03-14 00:00", "2027-04-30 00:00"),
            ["03-14 02:30", "03-21 02:30", "03-28 03:30", "04-04 02:30"]
        );
    }

    #[test]
    fn the_last_sundays_are_those_on_which_the_clocks_change() {
        let frequency = Frequency::Month { on: vec!["last sun".parse().unwrap()] };
        let recurrence = Some(Recurrence { frequency, interval: 1, end: RecurrenceEnd::Count(10) });
        let start = parse_local("2027-01-31 02:30").unwrap();
        let meeting = Meeting { start, recurrence, ..weekly("2027-01-31 02:30", RecurrenceEnd::Never) };
        // On 28 March half past two does not exist, on 31 October it comes twice: the first counts.
        assert_eq!(
            locals(&meeting, "2027-02-01 00:00", "2027-11-01 00:00"),
            [
                "02-28 02:30",
                "03-28 03:30",
                "04-25 02:30",
                "05-30 02:30",
                "06-27 02:30",
                "07-25 02:30",
                "08-29 02:30",
                "09-26 02:30",
                "10-31 02:30"
            ]
        );
        let october = meeting.upcoming(0).last().unwrap().start_unix;
        let summer = Zone::utc().unix(parse_local("2027-10-31 00:30").unwrap());
        assert_eq!(october, summer, "while it is summer time still");
    }

    #[test]
    fn what_still_lasts_is_upcoming_and_what_has_ended_is_not() {
        let meeting = weekly("2026-12-07 23:30", RecurrenceEnd::Count(2));
        let first = meeting.upcoming(0).next().unwrap();
        assert_eq!(first.end_unix - first.start_unix, 45 * 60);
        assert_eq!(meeting.upcoming(first.end_unix - 1).next(), Some(first.clone()));
        assert_ne!(meeting.upcoming(first.end_unix).next(), Some(first.clone()));
        assert_eq!(meeting.ends_unix(), Some(first.end_unix + 7 * 86_400));
        assert_eq!(meeting.upcoming(first.end_unix + 7 * 86_400).next(), None);
        assert_eq!(weekly("2026-12-07 23:30", RecurrenceEnd::Never).ends_unix(), None);
    }

    #[test]
    fn one_occurrence_is_cancelled_another_moved() {
        let mut meeting = weekly("2026-12-07 10:00", RecurrenceEnd::Count(4));
        meeting.except(day("2026-12-14"), Exception::Cancelled).unwrap();
        let to = parse_local("2026-12-29 15:00").unwrap();
        meeting.except(day("2026-12-21"), Exception::Moved(to)).unwrap();
        assert_eq!(
            locals(&meeting, "2026-12-01 00:00", "2027-02-01 00:00"),
            ["12-07 10:00", "12-28 10:00", "12-29 15:00"]
        );
        assert_eq!(meeting.ends_unix(), Some(meeting.zone.unix(to) + 45 * 60));
        // By its first day and by its new one.
        for named in ["2026-12-21", "2026-12-29"] {
            assert_eq!(meeting.occurrence_on(day(named)), Ok(parse_local("2026-12-21 10:00").unwrap()));
        }
        for named in ["2026-12-14", "2026-12-08", "2027-01-04"] {
            assert_eq!(meeting.occurrence_on(day(named)), Err(ScheduleError::NoOccurrence(named.to_owned())));
        }
    }

    #[test]
    fn the_last_occurrence_that_is_left_is_not_cancelled_alone() {
        let mut meeting = meeting();
        assert_eq!(meeting.except(meeting.start.date(), Exception::Cancelled), Err(ScheduleError::NothingLeft));
        assert_eq!(meeting.upcoming(0).count(), 1);
    }
}
