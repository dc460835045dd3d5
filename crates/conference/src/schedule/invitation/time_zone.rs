//! VTIMEZONE (RFC 5545 section 3.6.5): the rules of a meeting's zone, for calendars that do not know it by its name.
//!
//! Where the clocks change by the same two rules each year, these are printed; elsewhere every change that the meeting can
//! live through is. Of a series without an end the next ten years are.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::basic;
use super::content_line::Lines;
use crate::schedule::{Meeting, Weekday, Zone};

/// One change of the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// By the clocks before the change.
    at: DateTime,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    abbreviation: String,
    /// Seconds east of UTC, before and after.
    from: i32,
    to: i32,
}

pub(super) fn print(lines: &mut Lines, meeting: &Meeting) {
    let first =
        meeting.upcoming(i64::MIN).next().map_or_else(|| meeting.zone.unix(meeting.start), |found| found.start_unix);
    let first = first.min(meeting.zone.unix(meeting.start));
    let last = meeting.ends_unix().unwrap_or(first + 10 * YEAR_SECS);
    lines.put("BEGIN", "VTIMEZONE");
    lines.put("TZID", meeting.zone.name());
    let changes = changes(&meeting.zone, first, last.max(first + SAMPLE_YEARS * YEAR_SECS));
    match yearly(&changes) {
        Some(rules) => rules.iter().for_each(|(change, rule)| observance(lines, change, Some(rule))),
        None => {
            let last = meeting.zone.local(last);
            // What comes after the end is no concern of the meeting's; the first holds when it begins.
            let needed = changes.iter().enumerate().filter(|(place, change)| *place == 0 || change.at <= last);
            needed.for_each(|(_, change)| observance(lines, change, None));
        }
    }
    lines.put("END", "VTIMEZONE");
}

fn observance(lines: &mut Lines, change: &Change, rule: Option<&String>) {
    let Change { at, kind } = change;
    lines.put("BEGIN", kind.name);
    lines.put("DTSTART", &basic(*at));
    lines.put("TZOFFSETFROM", &offset(kind.from));
    lines.put("TZOFFSETTO", &offset(kind.to));
    if let Some(rule) = rule {
        lines.put("RRULE", rule);
    }
    lines.text("TZNAME", &kind.abbreviation);
    lines.put("END", kind.name);
}

/// The two changes before a moment, if there are any, and those that follow until another.
fn changes(zone: &Zone, first_unix: i64, last_unix: i64) -> Vec<Change> {
    let moment = |unix| Timestamp::from_second(unix).unwrap_or(Timestamp::MAX);
    let mut before: Vec<_> = zone.rules().preceding(moment(first_unix)).take(2).collect();
    before.reverse();
    let after = zone.rules().following(moment(first_unix)).take_while(|found| found.timestamp() <= moment(last_unix));
    let found = before.into_iter().chain(after).take(CHANGES_MAX);
    let changes: Vec<_> = found
        .map(|found| {
            let unix = found.timestamp().as_second();
            let (_, from) = zone.offset(unix - 1);
            let name = if found.dst().is_dst() { "DAYLIGHT" } else { "STANDARD" };
            let kind = Kind { name, abbreviation: found.abbreviation().to_owned(), from, to: found.offset().seconds() };
            Change { at: by_offset(unix, from), kind }
        })
        .collect();
    if changes.is_empty() { vec![without_change(zone, first_unix)] } else { changes }
}

fn without_change(zone: &Zone, unix: i64) -> Change {
    let (abbreviation, offset) = zone.offset(unix);
    Change { at: by_offset(0, offset), kind: Kind { name: "STANDARD", abbreviation, from: offset, to: offset } }
}

fn by_offset(unix: i64, offset: i32) -> DateTime {
    let utc: Zone = "UTC".parse().expect("every database has it");
    utc.local(unix + i64::from(offset))
}

/// The first change of each kind with its rule, where there are two kinds, each at the same place of every year.
fn yearly(changes: &[Change]) -> Option<Vec<(Change, String)>> {
    let (first, second) = (changes.first()?, changes.get(1)?);
    let of = |kind: &Kind| changes.iter().filter(|change| change.kind == *kind).collect::<Vec<_>>();
    let (ones, others) = (of(&first.kind), of(&second.kind));
    if ones.len() + others.len() != changes.len() || first.kind == second.kind {
        return None;
    }
    Some(vec![(first.clone(), rule(&ones)?), (second.clone(), rule(&others)?)])
}

/// `FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU`
fn rule(changes: &[&Change]) -> Option<String> {
    let first = changes.first()?.at;
    let weekday = Weekday::of(first.date());
    let alike =
        |at: DateTime| (at.month(), at.time(), Weekday::of(at.date())) == (first.month(), first.time(), weekday);
    let yearly = changes.windows(2).all(|pair| pair[1].at.year() - pair[0].at.year() == 1);
    if changes.len() < 2 || !yearly || !changes.iter().all(|change| alike(change.at)) {
        return None;
    }
    let week = |at: DateTime| (at.day() - 1) / 7 + 1;
    let is_last = |at: DateTime| at.day() + 7 > at.date().days_in_month();
    let place = if changes.iter().all(|change| is_last(change.at)) {
        -1
    } else if changes.iter().all(|change| week(change.at) == week(first)) {
        week(first)
    } else {
        return None;
    };
    Some(format!("FREQ=YEARLY;BYMONTH={};BYDAY={place}{}", first.month(), weekday.two_letters()))
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    let rest = if rest == 0 { String::new() } else { format!("{rest:02}") };
    format!("{sign}{hours:02}{minutes:02}{rest}")
}

const YEAR_SECS: i64 = 366 * 86_400;
/// In so many years the last Sunday of a month is not always the fourth.
const SAMPLE_YEARS: i64 = 12;
const CHANGES_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::super::super::meeting::tests::{meeting, weekly};
    use super::*;
    use crate::schedule::RecurrenceEnd;

    fn printed(zone: &str, meeting: Meeting) -> String {
        let mut lines = Lines::default();
        print(&mut lines, &Meeting { zone: zone.parse().unwrap(), ..meeting });
        lines.into_text().replace("\r\n", "\n")
    }

    #[test]
    fn a_zone_of_two_rules_is_two_rules() {
        assert_eq!(
            printed("Europe/Berlin", meeting()),
            "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\n\
             BEGIN:DAYLIGHT\nDTSTART:20260329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
             RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZNAME:CEST\nEND:DAYLIGHT\n\
             BEGIN:STANDARD\nDTSTART:20261025T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n\
             RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZNAME:CET\nEND:STANDARD\nEND:VTIMEZONE\n"
        );
        let new_york = printed("America/New_York", meeting());
        assert!(new_york.contains("BYMONTH=3;BYDAY=2SU") && new_york.contains("BYMONTH=11;BYDAY=1SU"), "{new_york}");
        assert!(new_york.contains("DTSTART:20261101T020000\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500"), "{new_york}");
    }

    #[test]
    fn a_zone_without_a_change_has_one_offset() {
        let kolkata = printed("Asia/Kolkata", meeting());
        assert!(kolkata.contains("TZOFFSETTO:+0530\nTZNAME:IST\nEND:STANDARD"), "{kolkata}");
        assert!(printed("Etc/GMT+5", meeting()).contains("TZOFFSETFROM:-0500\nTZOFFSETTO:-0500"));
    }

    #[test]
    fn what_follows_no_rule_is_listed_for_as_long_as_the_meeting_lasts() {
        // Palestine leaves its summer time for Ramadan.
        let short = printed("Asia/Gaza", meeting());
        assert!((1..=2).contains(&short.matches("DTSTART").count()) && !short.contains("RRULE"), "{short}");
        let long = printed("Asia/Gaza", weekly("2026-12-07 10:00", RecurrenceEnd::Never));
        assert!((18..=44).contains(&long.matches("DTSTART").count()), "{long}");
        assert!(long.contains("TZOFFSETTO:+0200") && long.contains("TZOFFSETTO:+0300"), "{long}");
    }
}
