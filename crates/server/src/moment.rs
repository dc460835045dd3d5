//! Moments as people read them, always in UTC.

use sip::header::date::civil;

/// `2026-11-23 14:05:09 UTC`, of seconds since 1970.
pub fn date_and_time(unix_secs: i64) -> String {
    let second = unix_secs.rem_euclid(86_400);
    format!("{} {:02}:{:02}:{:02} UTC", date(unix_secs), second / 3600, second / 60 % 60, second % 60)
}

/// The same of milliseconds since 1970.
pub fn date_and_time_of_ms(unix_ms: u64) -> String {
    date_and_time(i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX))
}

/// `2026-11-23`, of seconds since 1970.
pub fn date(unix_secs: i64) -> String {
    let (year, month, day) = civil(unix_secs.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `3 days 4 h`, `5 min 7 s`: the two largest units.
pub fn duration(secs: u64) -> String {
    let (days, hours, minutes, seconds) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_moments() {
        assert_eq!(date_and_time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date_and_time(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date_and_time(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(4_102_444_800), "2100-01-01");
    }

    #[test]
    fn durations_keep_two_units() {
        assert_eq!(duration(7), "7 s");
        assert_eq!(duration(307), "5 min 7 s");
        assert_eq!(duration(3 * 3600 + 59), "3 h 0 min");
        assert_eq!(duration(86_400 * 3 + 4 * 3600), "3 days 4 h");
    }
}
