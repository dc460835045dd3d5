//! The Date header's value (RFC 3261 section 20.17): an RFC 1123 date, always GMT.

/// `Sat, 13 Nov 2010 23:29:00 GMT`, of seconds since 1970.
pub fn sip_date(unix_secs: u64) -> String {
    let days = i64::try_from(unix_secs / 86_400).expect("a part of a u64 fits");
    let (year, month, day) = civil(days);
    let second = unix_secs % 86_400;
    let weekday = WEEKDAYS[usize::try_from((days + 4).rem_euclid(7)).expect("a remainder of 7")];
    let month = MONTHS[usize::try_from(month - 1).expect("months count from 1")];
    format!("{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT", second / 3600, second / 60 % 60, second % 60)
}

/// The same read again, a leap second as the one before it; `None`: it is no such date.
pub fn unix_secs(text: &str) -> Option<u64> {
    let (_, date) = text.trim().split_once(", ")?;
    let mut words = date.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<i64>().ok();
    let day = number().filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    let year = words.next()?.parse::<i64>().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_time = hour < 24 && minute < 60 && second <= 60 && time.next().is_none() && words.next() == Some("GMT");
    let days = u64::try_from(days_of(year, i64::try_from(month).ok()? + 1, day)).ok()?;
    is_time.then(|| days * 86_400 + hour * 3600 + minute * 60 + second.min(59))
}

/// The count of days since 1970-01-01, as [`civil`] reads it.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian calendar). Years start in March here, so
/// that the leap day is a year's last and months have a regular length.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days_since_0000_03_01 = days + 719_468;
    let (era, day_of_era) = (days_since_0000_03_01.div_euclid(146_097), days_since_0000_03_01.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(sip_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(sip_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        // The example of RFC 3261.
        assert_eq!(sip_date(1_289_690_940), "Sat, 13 Nov 2010 23:29:00 GMT");
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_no_date_is_none() {
        for secs in [0, 951_782_400, 1_289_690_940, 1_793_491_200, 4_102_444_799] {
            assert_eq!(unix_secs(&sip_date(secs)), Some(secs));
        }
        assert_eq!(unix_secs("Fri, 31 Dec 9999 23:59:60 GMT"), Some(253_402_300_799));
        for wrong in [
            "",
            "Sat, 13 Nov 2010 23:29:00",
            "Sat, 13 Nvo 2010 23:29:00 GMT",
            "Sat, 0 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 24:29:00 GMT",
            "Sat, 13 Nov 2010 23:18446744073709551615:00 GMT",
            "Sat, 13 Nov 99999 23:29:00 GMT",
            "13 Nov 2010 23:29:00 GMT",
        ] {
            assert_eq!(unix_secs(wrong), None, "{wrong}");
        }
    }
}
