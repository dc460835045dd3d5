//! Days of the week, and such of them in a month: the second Tuesday, the last Friday.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday as CalendarDay};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// One of the days of a month that have a name in the week; written `second tue`, `last fri`. Every month has each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DayOfMonth {
    pub which: Which,
    pub day: Weekday,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

impl Weekday {
    pub const ALL: [Weekday; 7] =
        [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

    pub fn of(date: Date) -> Weekday {
        Weekday::ALL[date.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7]
    }

    pub fn as_str(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }

    /// As in BYDAY (RFC 5545 section 3.3.10).
    pub(super) fn two_letters(self) -> &'static str {
        ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][self as usize]
    }

    fn of_calendar(self) -> CalendarDay {
        CalendarDay::from_monday_zero_offset(self as i8).expect("there are seven of either")
    }
}

impl Which {
    const ALL: [Which; 5] = [Which::First, Which::Second, Which::Third, Which::Fourth, Which::Last];

    fn as_str(self) -> &'static str {
        ["first", "second", "third", "fourth", "last"][self as usize]
    }

    /// From the front, or, negative, from the back.
    fn number(self) -> i8 {
        [1, 2, 3, 4, -1][self as usize]
    }
}

impl DayOfMonth {
    /// That day of the month of a date.
    pub(super) fn in_month_of(self, date: Date) -> Option<Date> {
        date.nth_weekday_of_month(self.which.number(), self.day.of_calendar()).ok()
    }

    /// `2TU`, `-1FR` (RFC 5545 section 3.3.10).
    pub(super) fn by_day(self) -> String {
        format!("{}{}", self.which.number(), self.day.two_letters())
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Weekday {
    type Err = String;

    fn from_str(text: &str) -> Result<Weekday, String> {
        let lower = text.to_ascii_lowercase();
        let found = Weekday::ALL.into_iter().find(|day| lower == day.as_str());
        found.ok_or_else(|| format!("{text:?} is none of mon, tue, wed, thu, fri, sat, sun"))
    }
}

impl fmt::Display for DayOfMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.which.as_str(), self.day)
    }
}

impl FromStr for DayOfMonth {
    type Err = String;

    fn from_str(text: &str) -> Result<DayOfMonth, String> {
        let unknown = || format!("{text:?} is no day of a month; write such as 'second tue' or 'last fri'");
        let (which, day) = text.trim().split_once(' ').ok_or_else(unknown)?;
        let lower = which.to_ascii_lowercase();
        let which = Which::ALL.into_iter().find(|which| lower == which.as_str()).ok_or_else(unknown)?;
        Ok(DayOfMonth { which, day: day.trim().parse()? })
    }
}

impl TryFrom<String> for DayOfMonth {
    type Error = String;

    fn try_from(text: String) -> Result<DayOfMonth, String> {
        text.parse()
    }
}

impl From<DayOfMonth> for String {
    fn from(day: DayOfMonth) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::parse_date;

    #[test]
    fn a_day_of_a_month_is_counted_from_the_front_or_the_back() {
        for (text, month, expected, by_day) in [
            ("first mon", "2027-02-14", "2027-02-01", "1MO"),
            ("Second TUE", "2026-12-01", "2026-12-08", "2TU"),
            ("fourth sun", "2027-02-28", "2027-02-28", "4SU"),
            ("last fri", "2027-01-01", "2027-01-29", "-1FR"),
            ("last thu", "2028-02-01", "2028-02-24", "-1TH"),
        ] {
            let day: DayOfMonth = text.parse().unwrap();
            assert_eq!(day.in_month_of(parse_date(month).unwrap()), Some(parse_date(expected).unwrap()), "{text}");
            assert_eq!((day.by_day().as_str(), day.to_string()), (by_day, text.to_lowercase()));
        }
    }

    #[test]
    fn what_is_no_day_of_a_month_says_how_to_write_one() {
        for text in ["tue", "fifth tue", "second", "2 tue"] {
            let said = text.parse::<DayOfMonth>().unwrap_err();
            assert!(said.contains("write such as 'second tue' or 'last fri'"), "{said}");
        }
        assert!("last day".parse::<DayOfMonth>().unwrap_err().contains("none of mon"));
    }
}
