//! The words of a meeting as they are typed: addresses, times, durations, intervals, rules.

use std::fmt;
use std::str::FromStr;

use conference::schedule::{Date, DayOfMonth, LobbyRule, Weekday, Zone, parse_date, parse_local};
use sip::Aor;

/// `week`, `2 weeks`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    pub interval: u32,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Day,
    Week,
    Month,
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        let unknown = || format!("{text:?} is no interval; write day, week, month, or such as '2 weeks'");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let interval = if number.is_empty() { Ok(1) } else { number.parse() };
        let unit = match unit.trim() {
            "day" | "days" => Unit::Day,
            "week" | "weeks" => Unit::Week,
            "month" | "months" => Unit::Month,
            _ => return Err(unknown()),
        };
        Ok(Every { interval: interval.map_err(|_| unknown())?, unit })
    }
}

/// `mon`, `second tue`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Week(Weekday),
    Month(DayOfMonth),
}

impl On {
    pub fn of_week(self) -> Option<Weekday> {
        match self {
            On::Week(day) => Some(day),
            On::Month(_) => None,
        }
    }

    pub fn of_month(self) -> Option<DayOfMonth> {
        match self {
            On::Month(day) => Some(day),
            On::Week(_) => None,
        }
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<On, String> {
        match text.trim().contains(' ') {
            true => text.parse().map(On::Month),
            false => text.trim().parse().map(On::Week),
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            On::Week(day) => day.fmt(f),
            On::Month(day) => day.fmt(f),
        }
    }
}

pub fn address(text: &str) -> Result<Aor, String> {
    let wrong = || format!("{text:?} is no address; write NAME@DOMAIN, such as bob@fabrikam.example");
    let (_, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    server::domain::parse(domain).map_err(|error| error.to_string())?;
    text.parse().map_err(|_| wrong())
}

pub fn zone(text: &str) -> Result<Zone, String> {
    text.parse::<Zone>().map_err(|error| format!("{error}; {}", error.hint()))
}

/// Checked here, read by the server.
pub fn moment(text: &str) -> Result<String, String> {
    parse_local(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; {}", error.hint()))
}

pub fn date(text: &str) -> Result<Date, String> {
    parse_date(text).map_err(|error| format!("{error}; {}", error.hint()))
}

/// Reads `45m`, `1h30m`, `2h`.
pub fn minutes(text: &str) -> Result<u32, String> {
    match minutes_or_none(text) {
        Ok(0) => Err("a meeting takes a minute at least".to_owned()),
        other => other,
    }
}

/// As [`minutes`], or `0m`.
pub fn minutes_or_none(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no duration; write it as 45m, 2h or 1h30m");
    let (hours, rest) = match text.split_once('h') {
        Some((hours, rest)) => (hours.parse::<u32>().map_err(|_| wrong())?, rest),
        None => (0, text),
    };
    let minutes = match rest.strip_suffix('m') {
        Some(minutes) => minutes.parse::<u32>().map_err(|_| wrong())?,
        None if rest.is_empty() && text.contains('h') => 0,
        None => return Err(wrong()),
    };
    hours.checked_mul(60).and_then(|hours| hours.checked_add(minutes)).ok_or_else(wrong)
}

/// `federated=wait`, `fabrikam.example=enter`
pub fn lobby(text: &str) -> Result<(String, LobbyRule), String> {
    let wrong = || format!("{text:?} is no rule; write it as federated=wait or fabrikam.example=enter");
    let (whom, rule) = text.split_once('=').ok_or_else(wrong)?;
    Ok((whom.to_ascii_lowercase(), rule.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_intervals_are_read_as_people_write_them() {
        for (text, expected) in [("45m", 45), ("2h", 120), ("1h30m", 90), ("0h5m", 5)] {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
        for text in ["", "h", "m", "45", "1h30", "1.5h", "-5m", "0m", "5m1h", "99999999999h"] {
            assert!(minutes(text).is_err(), "{text}");
        }
        assert_eq!("week".parse(), Ok(Every { interval: 1, unit: Unit::Week }));
        assert_eq!("2 weeks".parse(), Ok(Every { interval: 2, unit: Unit::Week }));
        assert_eq!("3months".parse(), Ok(Every { interval: 3, unit: Unit::Month }));
        for text in ["", "2", "fortnight", "two weeks", "99999999999 days"] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }

    #[test]
    fn rules_name_whom_and_what() {
        assert_eq!(lobby("Federated=refuse"), Ok(("federated".to_owned(), LobbyRule::Refuse)));
        for text in ["federated", "federated=", "federated=no"] {
            assert!(lobby(text).is_err(), "{text}");
        }
        assert!(address("bob").is_err() && address("bob@192.0.2.1").is_err());
    }
}
