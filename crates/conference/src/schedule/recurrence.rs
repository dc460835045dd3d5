//! How a meeting repeats: the part of RFC 5545 section 3.3.10 that people use, expanded in local time. A time of day stays
//! what it is when the clocks change.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};
use serde::{Deserialize, Serialize};

use super::occurrence::OCCURRENCES_MAX;
use super::{DayOfMonth, ScheduleError, Weekday};

/// Every so many days, weeks or months, from the meeting's start on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    #[serde(flatten)]
    pub frequency: Frequency,
    /// Every second week: 2.
    pub interval: u32,
    #[serde(flatten)]
    pub end: RecurrenceEnd,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "every", rename_all = "kebab-case")]
pub enum Frequency {
    Day,
    /// On these days, in the order of the week, without repetition; never empty once checked.
    Week {
        on: Vec<Weekday>,
    },
    /// On these days, each once; none: on the day of the month that the meeting begins on, and a month without it is left out.
    Month {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        on: Vec<DayOfMonth>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecurrenceEnd {
    Never,
    /// So many in all; those that were cancelled count.
    Count(u32),
    /// The last day on which it may begin, in the meeting's zone.
    Until(Date),
}

impl Recurrence {
    /// Puts the days in order and says when the first occurrence is: the first of these days from `start` on.
    pub(super) fn check(&mut self, start: DateTime) -> Result<DateTime, ScheduleError> {
        if !(1..=INTERVAL_MAX).contains(&self.interval) {
            return Err(ScheduleError::Interval(self.interval));
        }
        match &mut self.frequency {
            Frequency::Week { on } => {
                if on.is_empty() {
                    on.push(Weekday::of(start.date()));
                }
                on.sort();
                on.dedup();
            }
            Frequency::Month { on } => {
                on.sort();
                on.dedup();
            }
            Frequency::Day => {}
        }
        // The number of weeks or months between them is no matter where the first is looked for.
        let each = Recurrence { interval: 1, end: RecurrenceEnd::Never, ..self.clone() };
        let first = each.starts(start, start.date()).next().unwrap_or(start);
        self.check_end(first)?;
        Ok(first)
    }

    fn check_end(&self, first: DateTime) -> Result<(), ScheduleError> {
        match self.end {
            RecurrenceEnd::Count(count) if !(1..=OCCURRENCES_MAX).contains(&count) => Err(ScheduleError::Count(count)),
            RecurrenceEnd::Until(last) if last < first.date() => Err(ScheduleError::EndsBefore(last.to_string())),
            RecurrenceEnd::Until(_) => {
                let count = self.starts(first, first.date()).take(OCCURRENCES_MAX as usize + 1).count() as u32;
                if count > OCCURRENCES_MAX { Err(ScheduleError::Count(count)) } else { Ok(()) }
            }
            RecurrenceEnd::Never | RecurrenceEnd::Count(_) => Ok(()),
        }
    }

    /// The local starts of all occurrences in order; those before the day `from` are left out where that is cheap.
    pub(super) fn starts(&self, first: DateTime, from: Date) -> impl Iterator<Item = DateTime> + use<> {
        let this = self.clone();
        let (skipped, count, until) = match self.end {
            RecurrenceEnd::Never => (self.turns_before(first.date(), from), usize::MAX, None),
            RecurrenceEnd::Until(last) => (self.turns_before(first.date(), from), usize::MAX, Some(last)),
            RecurrenceEnd::Count(count) => (0, count as usize, None),
        };
        let turns = (skipped..).map_while(move |turn| this.dates(first.date(), turn));
        let dates = turns.flatten().skip_while(move |date| *date < first.date());
        let dates = dates.take_while(move |date| until.is_none_or(|last| *date <= last)).take(count);
        dates.map(move |date| date.to_datetime(first.time()))
    }

    /// How many turns surely end before a day.
    fn turns_before(&self, first: Date, from: Date) -> i64 {
        let days = i64::from(first.until(from).map_or(0, |span| span.get_days())).max(0);
        let days_in_turn = i64::from(self.interval)
            * match self.frequency {
                Frequency::Day => 1,
                Frequency::Week { .. } => 7,
                Frequency::Month { .. } => 31,
            };
        (days / days_in_turn - 1).max(0)
    }

    /// The dates of one turn, counted from 0; `None` at the end of the calendar.
    fn dates(&self, first: Date, turn: i64) -> Option<Vec<Date>> {
        let steps = turn.checked_mul(i64::from(self.interval))?;
        match &self.frequency {
            Frequency::Day => Some(vec![after(first, Span::new().try_days(steps))?]),
            Frequency::Week { on } => {
                let monday = first.checked_sub(i64::from(first.weekday().to_monday_zero_offset()).days()).ok()?;
                let week = after(monday, Span::new().try_weeks(steps))?;
                Some(on.iter().filter_map(|day| week.checked_add((*day as i64).days()).ok()).collect())
            }
            Frequency::Month { on } => {
                let month = after(first.first_of_month(), Span::new().try_months(steps))?;
                if on.is_empty() {
                    // A month without the day has no occurrence, and is not one short of the end.
                    return Some(month.with().day(first.day()).build().into_iter().collect());
                }
                let mut dates: Vec<Date> = on.iter().filter_map(|day| day.in_month_of(month)).collect();
                dates.sort();
                // The fourth may be the last.
                dates.dedup();
                Some(dates)
            }
        }
    }
}

fn after(date: Date, span: Result<Span, jiff::Error>) -> Option<Date> {
    date.checked_add(span.ok()?).ok()
}

/// `every 2 weeks on mon, thu, 10 times`
impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.frequency {
            Frequency::Day => "day",
            Frequency::Week { .. } => "week",
            Frequency::Month { .. } => "month",
        };
        match self.interval {
            1 => write!(f, "every {unit}")?,
            interval => write!(f, "every {interval} {unit}s")?,
        }
        match &self.frequency {
            Frequency::Week { on } => write!(f, " on {}", listed(on))?,
            Frequency::Month { on } if !on.is_empty() => write!(f, " on the {}", listed(on))?,
            Frequency::Month { .. } | Frequency::Day => {}
        }
        match self.end {
            RecurrenceEnd::Never => Ok(()),
            RecurrenceEnd::Count(1) => write!(f, ", once"),
            RecurrenceEnd::Count(count) => write!(f, ", {count} times"),
            RecurrenceEnd::Until(last) => write!(f, ", until {last}"),
        }
    }
}

fn listed(days: &[impl ToString]) -> String {
    days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Every so many days, weeks or months at most.
pub const INTERVAL_MAX: u32 = 99;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{parse_date, parse_local};

    fn starts(frequency: Frequency, interval: u32, end: RecurrenceEnd, start: &str) -> Vec<String> {
        let mut recurrence = Recurrence { frequency, interval, end };
        let first = recurrence.check(parse_local(start).unwrap()).unwrap();
        let all = recurrence.starts(first, first.date());
        all.take(6).map(|found| found.strftime("%Y-%m-%d %H:%M").to_string()).collect()
    }

    fn until(date: &str) -> RecurrenceEnd {
        RecurrenceEnd::Until(parse_date(date).unwrap())
    }

    fn weekly(on: &[Weekday]) -> Frequency {
        Frequency::Week { on: on.to_vec() }
    }

    fn monthly(on: &[&str]) -> Frequency {
        Frequency::Month { on: on.iter().map(|day| day.parse().unwrap()).collect() }
    }

    #[test]
    fn days_weeks_and_months_in_steps() {
        let found = starts(Frequency::Day, 3, RecurrenceEnd::Count(3), "2026-12-30 09:15");
        assert_eq!(found, ["2026-12-30 09:15", "2027-01-02 09:15", "2027-01-05 09:15"]);
        let found = starts(weekly(&[Weekday::Thu, Weekday::Mon]), 2, RecurrenceEnd::Count(4), "2026-12-03 10:00");
        assert_eq!(found, ["2026-12-03 10:00", "2026-12-14 10:00", "2026-12-17 10:00", "2026-12-28 10:00"]);
        let found = starts(monthly(&[]), 1, until("2027-05-31"), "2026-12-31 10:00");
        assert_eq!(found, ["2026-12-31 10:00", "2027-01-31 10:00", "2027-03-31 10:00", "2027-05-31 10:00"]);
        assert_eq!(
            starts(monthly(&[]), 12, RecurrenceEnd::Count(2), "2024-02-29 10:00"),
            ["2024-02-29 10:00", "2028-02-29 10:00"]
        );
    }

    #[test]
    fn days_of_a_month_by_their_names_in_the_week() {
        let found = starts(monthly(&["second tue"]), 1, RecurrenceEnd::Count(3), "2026-12-09 10:00");
        assert_eq!(found, ["2027-01-12 10:00", "2027-02-09 10:00", "2027-03-09 10:00"], "December's is over");
        let found = starts(monthly(&["last fri"]), 3, until("2027-12-31"), "2027-01-29 10:00");
        assert_eq!(found, ["2027-01-29 10:00", "2027-04-30 10:00", "2027-07-30 10:00", "2027-10-29 10:00"]);
        // In February the fourth is the last.
        let both = monthly(&["last sun", "fourth sun", "last sun"]);
        let found = starts(both, 1, RecurrenceEnd::Count(4), "2027-01-25 10:00");
        assert_eq!(found, ["2027-01-31 10:00", "2027-02-28 10:00", "2027-03-28 10:00", "2027-04-25 10:00"]);
    }

    #[test]
    fn a_series_begins_on_one_of_its_days() {
        // A Tuesday.
        let found = starts(weekly(&[Weekday::Mon, Weekday::Thu]), 2, RecurrenceEnd::Count(3), "2026-12-01 10:00");
        assert_eq!(found, ["2026-12-03 10:00", "2026-12-14 10:00", "2026-12-17 10:00"]);
        // The first such day is in the week after, and the second comes two weeks after that.
        let found = starts(weekly(&[Weekday::Mon]), 2, RecurrenceEnd::Count(2), "2026-12-01 10:00");
        assert_eq!(found, ["2026-12-07 10:00", "2026-12-21 10:00"]);
        assert_eq!(
            starts(weekly(&[]), 1, until("2026-12-08"), "2026-12-01 10:00"),
            ["2026-12-01 10:00", "2026-12-08 10:00"]
        );
    }

    #[test]
    fn what_is_skipped_is_before_the_day_that_is_asked_for() {
        let first = parse_local("2001-01-31 10:00").unwrap();
        for frequency in
            [Frequency::Day, weekly(&[Weekday::Wed, Weekday::Sun]), monthly(&[]), monthly(&["first wed", "last wed"])]
        {
            for interval in [1, 2, 5] {
                let recurrence = Recurrence { frequency: frequency.clone(), interval, end: RecurrenceEnd::Never };
                for from in ["1999-01-01", "2001-02-28", "2026-03-29", "2026-12-31"] {
                    let from = parse_date(from).unwrap();
                    let all = recurrence.starts(first, first.date()).filter(|start| start.date() >= from);
                    let late = recurrence.starts(first, from).filter(|start| start.date() >= from);
                    assert!(all.take(3).eq(late.take(3)), "{recurrence} from {from}");
                    assert!(recurrence.starts(first, from).take_while(|start| start.date() < from).count() < 90);
                }
            }
        }
    }

    #[test]
    fn what_is_no_series_is_refused() {
        let start = parse_local("2026-12-01 10:00").unwrap();
        let check = |interval, end| Recurrence { frequency: Frequency::Day, interval, end }.check(start);
        assert_eq!(check(0, RecurrenceEnd::Never), Err(ScheduleError::Interval(0)));
        assert_eq!(check(1, RecurrenceEnd::Count(0)), Err(ScheduleError::Count(0)));
        assert_eq!(check(1, until("2026-11-30")), Err(ScheduleError::EndsBefore("2026-11-30".to_owned())));
        assert_eq!(check(1, until("2199-12-31")), Err(ScheduleError::Count(1001)));
    }

    #[test]
    fn it_is_stored_flat_and_told_in_words() {
        let recurrence = Recurrence { frequency: weekly(&[Weekday::Mon]), interval: 2, end: RecurrenceEnd::Count(10) };
        let text = serde_json::to_string(&recurrence).unwrap();
        assert_eq!(text, r#"{"every":"week","on":["mon"],"interval":2,"count":10}"#);
        assert_eq!(serde_json::from_str::<Recurrence>(&text).unwrap(), recurrence);
        assert_eq!(recurrence.to_string(), "every 2 weeks on mon, 10 times");
        let endless = Recurrence { frequency: monthly(&[]), interval: 1, end: until("2027-01-31") };
        let text = serde_json::to_string(&endless).unwrap();
        assert_eq!(text, r#"{"every":"month","interval":1,"until":"2027-01-31"}"#);
        assert_eq!(serde_json::from_str::<Recurrence>(&text).unwrap(), endless);
        assert_eq!(endless.to_string(), "every month, until 2027-01-31");
        let named =
            Recurrence { frequency: monthly(&["second tue", "last fri"]), interval: 1, end: RecurrenceEnd::Never };
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(text, r#"{"every":"month","on":["second tue","last fri"],"interval":1,"never":null}"#);
        assert_eq!(serde_json::from_str::<Recurrence>(&text).unwrap(), named);
        assert_eq!(named.to_string(), "every month on the second tue, last fri");
    }
}
