//! Time zones of the IANA database, and what a local time means in one.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::ScheduleError;

/// A time zone by its name, such as `Europe/Berlin`. Its rules come with this program, so that they are the same on every
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The name as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_utc(&self) -> bool {
        self.name == "UTC" || self.name == "Etc/UTC"
    }

    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// Seconds since 1970. A time that the clocks skip is taken by the offset before the gap, of one that they repeat the
    /// first (RFC 5545 section 3.3.5).
    pub fn unix(&self, local: DateTime) -> i64 {
        // Only a moment beyond the year 9999 fails, and no meeting is there.
        self.rules.to_timestamp(local).map_or(i64::MAX, |moment| moment.as_second())
    }

    /// What the clocks of the zone show.
    pub fn local(&self, unix: i64) -> DateTime {
        self.rules.to_datetime(moment(unix))
    }

    /// The abbreviation and offset at a moment: `CET`, seconds east of UTC.
    pub fn offset(&self, unix: i64) -> (String, i32) {
        let found = self.rules.to_offset_info(moment(unix));
        (found.abbreviation().to_owned(), found.offset().seconds())
    }
}

/// The name in any case, as the database has it.
impl FromStr for Zone {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Zone, ScheduleError> {
        let unknown = |_| ScheduleError::ZoneUnknown(text.to_owned());
        let rules = DATABASE.get(text).map_err(unknown)?;
        let name = rules.iana_name().unwrap_or(text).to_owned();
        Ok(Zone { name, rules })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Reads `2026-12-01 10:00`, also with a T between.
///
/// # Errors
/// [`ScheduleError::NotLocal`]; also for a year that no meeting of ours is in.
pub fn parse_local(text: &str) -> Result<DateTime, ScheduleError> {
    let spaced = text.trim().replacen('T', " ", 1);
    let read =
        DateTime::strptime("%Y-%m-%d %H:%M", &spaced).or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M:%S", &spaced));
    read.ok().filter(|found| YEARS.contains(&found.year())).ok_or_else(|| ScheduleError::NotLocal(text.to_owned()))
}

/// Reads `2026-12-01`.
///
/// # Errors
/// [`ScheduleError::NotDate`]; also for a year that no meeting of ours is in.
pub fn parse_date(text: &str) -> Result<Date, ScheduleError> {
    let read = Date::strptime("%Y-%m-%d", text.trim());
    read.ok().filter(|found| YEARS.contains(&found.year())).ok_or_else(|| ScheduleError::NotDate(text.to_owned()))
}

fn moment(unix: i64) -> jiff::Timestamp {
    let (least, most) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    jiff::Timestamp::from_second(unix.clamp(least, most)).expect("it is between the least and the most")
}

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Everything outside is a slip of the finger.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(zone: &str, local: &str) -> i64 {
        zone.parse::<Zone>().unwrap().unix(parse_local(local).unwrap())
    }

    #[test]
    fn a_local_time_means_another_moment_in_summer_than_in_winter() {
        assert_eq!(unix("UTC", "2026-12-01 10:00"), 1_796_119_200);
        assert_eq!(unix("Europe/Berlin", "2026-12-01 10:00"), unix("UTC", "2026-12-01 09:00"));
        assert_eq!(unix("europe/berlin", "2026-07-01 10:00"), unix("UTC", "2026-07-01 08:00"));
        assert_eq!(unix("Asia/Kolkata", "2026-07-01T10:00"), unix("UTC", "2026-07-01 04:30"));
    }

    #[test]
    fn a_time_that_is_skipped_or_repeated_is_read_as_the_standard_says() {
        // The clocks go from 02:00 to 03:00: by the offset before, 02:30 is 03:30.
        assert_eq!(unix("Europe/Berlin", "2026-03-29 02:30"), unix("UTC", "2026-03-29 01:30"));
        assert_eq!(unix("Europe/Berlin", "2026-03-29 02:30"), unix("Europe/Berlin", "2026-03-29 03:30"));
        // And from 03:00 back to 02:00: the first 02:30 is still in summer time.
        assert_eq!(unix("Europe/Berlin", "2026-10-25 02:30"), unix("UTC", "2026-10-25 00:30"));
    }

    #[test]
    fn what_is_no_zone_or_no_time_is_told() {
        assert_eq!("Europe/Belrin".parse::<Zone>(), Err(ScheduleError::ZoneUnknown("Europe/Belrin".to_owned())));
        for text in [
            "",
            "10:00",
            "2026-12-01",
            "2026-02-29 10:00",
            "2026-12-01 24:10",
            "2026-12-01 10:00+02",
            "0026-12-01 10:00",
        ] {
            assert!(parse_local(text).is_err(), "{text}");
        }
        assert!(parse_date("2026-02-30").is_err());
    }

    #[test]
    fn a_zone_is_stored_by_its_name() {
        let zone: Zone = "america/new_york".parse().unwrap();
        assert_eq!(zone.name(), "America/New_York");
        let text = serde_json::to_string(&zone).unwrap();
        assert_eq!(text, "\"America/New_York\"");
        assert_eq!(serde_json::from_str::<Zone>(&text).unwrap(), zone);
    }
}
