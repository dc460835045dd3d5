//! Whether a meeting may be entered now.

use super::{Meeting, Origin};

/// The answer to somebody who wants to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Open,
    /// Not yet: from this moment on, in seconds since 1970.
    OpensAt {
        unix: i64,
    },
    /// The last occurrence has ended, and nobody is there.
    Over,
    Cancelled,
}

impl Meeting {
    /// The organiser comes when he likes, everybody else from a while before an occurrence until its end, and as long as a
    /// meeting that takes longer has people in it.
    pub fn opening(&self, now_unix: i64, origin: Origin, is_occupied: bool) -> Opening {
        if self.is_cancelled {
            return Opening::Cancelled;
        }
        let before = 60 * i64::from(self.settings.opens_before_mins);
        let next = self.upcoming(now_unix).next().map(|found| found.start_unix - before);
        match next {
            _ if origin == Origin::Organiser => Opening::Open,
            Some(opens) if opens <= now_unix => Opening::Open,
            _ if is_occupied && self.has_just_ended(now_unix) => Opening::Open,
            Some(unix) => Opening::OpensAt { unix },
            None => Opening::Over,
        }
    }

    fn has_just_ended(&self, now_unix: i64) -> bool {
        self.occurrences(now_unix - OVERRUN_SECS_MAX..now_unix).any(|found| found.end_unix <= now_unix)
    }
}

/// What goes on for longer is another meeting.
const OVERRUN_SECS_MAX: i64 = 12 * 3600;

#[cfg(test)]
mod tests {
    use super::super::meeting::tests::{meeting, weekly};
    use super::*;
    use crate::schedule::{RecurrenceEnd, parse_local};

    #[test]
    fn attendees_come_in_shortly_before_and_until_the_end() {
        let meeting = weekly("2026-12-07 10:00", RecurrenceEnd::Count(2));
        let at = |text| meeting.zone.unix(parse_local(text).unwrap());
        for (now, origin, is_occupied, expected) in [
            ("2026-12-07 09:49", Origin::Invited, false, Opening::OpensAt { unix: at("2026-12-07 09:50") }),
            // That somebody is there early lets nobody else in.
            ("2026-12-07 09:49", Origin::Own, true, Opening::OpensAt { unix: at("2026-12-07 09:50") }),
            ("2026-12-01 00:00", Origin::Organiser, false, Opening::Open),
            ("2026-12-07 09:50", Origin::Federated, false, Opening::Open),
            ("2026-12-07 10:44", Origin::Invited, false, Opening::Open),
            ("2026-12-07 10:45", Origin::Invited, false, Opening::OpensAt { unix: at("2026-12-14 09:50") }),
            ("2026-12-07 11:45", Origin::Invited, true, Opening::Open),
            ("2026-12-08 11:45", Origin::Invited, true, Opening::OpensAt { unix: at("2026-12-14 09:50") }),
            ("2026-12-14 10:45", Origin::Invited, false, Opening::Over),
            ("2026-12-14 10:45", Origin::Invited, true, Opening::Open),
            ("2026-12-14 10:45", Origin::Organiser, false, Opening::Open),
        ] {
            assert_eq!(meeting.opening(at(now), origin, is_occupied), expected, "{now} {origin:?} {is_occupied}");
        }
    }

    #[test]
    fn a_cancelled_meeting_is_closed_to_all() {
        let cancelled = Meeting { is_cancelled: true, ..meeting() };
        assert_eq!(cancelled.opening(0, Origin::Organiser, true), Opening::Cancelled);
    }
}
