//! Invitations as calendars read them: iCalendar (RFC 5545), sent as iTIP says (RFC 5546), with the way in as RFC 7986 has it.
//!
//! Times are local with their zone, so that a series stays at its time of day; a meeting in UTC says so and needs no zone.

mod content_line;
mod time_zone;

use jiff::civil::DateTime;

use super::{Attendance, Exception, Frequency, Invitee, Meeting, Occurrence, Recurrence, RecurrenceEnd};
use content_line::Lines;

/// What a calendar is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Request,
    Cancel,
}

/// An iCalendar object and the method that it is sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub method: Method,
    /// Lines that end with CRLF, none longer than 75 bytes.
    pub text: String,
}

/// Who sends, and when.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    pub now_unix: i64,
    /// The mail address that sends for the organiser, where it is not his own.
    pub sent_by: Option<&'a str>,
}

impl Method {
    /// As in `METHOD:` and in the media type's parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Request => "REQUEST",
            Method::Cancel => "CANCEL",
        }
    }
}

impl Meeting {
    /// The meeting as it is now: an invitation, or an update of an earlier one; where it is cancelled, a cancellation.
    pub fn invitation(&self, sending: Sending<'_>) -> Invitation {
        if self.is_cancelled {
            return self.withdrawal(&self.invitees, sending);
        }
        let mut calendar = Calendar::begin(self, Method::Request, sending);
        calendar.series(&self.invitees, "CONFIRMED");
        for moved in self.moved() {
            calendar.occurrence(&moved, "CONFIRMED");
        }
        calendar.end()
    }

    /// That one occurrence, named by its original start, does not take place.
    pub fn cancelled_occurrence(&self, original: DateTime, sending: Sending<'_>) -> Invitation {
        let start_unix = self.zone.unix(original);
        let end_unix = start_unix + 60 * i64::from(self.minutes);
        let mut calendar = Calendar::begin(self, Method::Cancel, sending);
        calendar.occurrence(&Occurrence { start_unix, end_unix, original, start: original }, "CANCELLED");
        calendar.end()
    }

    /// That the meeting does not take place for these people: it was cancelled, or they are invited no more.
    pub fn withdrawal(&self, from: &[Invitee], sending: Sending<'_>) -> Invitation {
        let mut calendar = Calendar::begin(self, Method::Cancel, sending);
        calendar.series(from, "CANCELLED");
        calendar.end()
    }

    /// Names it for ever, across all calendars.
    pub fn uid(&self) -> String {
        self.id.aor(self.domain()).to_string()
    }
}

struct Calendar<'a> {
    meeting: &'a Meeting,
    method: Method,
    sending: Sending<'a>,
    lines: Lines,
}

impl<'a> Calendar<'a> {
    fn begin(meeting: &'a Meeting, method: Method, sending: Sending<'a>) -> Calendar<'a> {
        let mut lines = Lines::default();
        lines.put("BEGIN", "VCALENDAR");
        lines.put("PRODID", PRODUCT);
        lines.put("VERSION", "2.0");
        lines.put("METHOD", method.as_str());
        if !meeting.zone.is_utc() {
            time_zone::print(&mut lines, meeting);
        }
        Calendar { meeting, method, sending, lines }
    }

    fn end(mut self) -> Invitation {
        self.lines.put("END", "VCALENDAR");
        Invitation { method: self.method, text: self.lines.into_text() }
    }

    fn series(&mut self, attendees: &[Invitee], status: &str) {
        let meeting = self.meeting;
        self.begin_event();
        self.time("DTSTART", meeting.start);
        self.lines.put("DURATION", &format!("PT{}M", meeting.minutes));
        if let Some(recurrence) = &meeting.recurrence {
            self.lines.put("RRULE", &rule(recurrence, meeting));
        }
        for (original, _) in meeting.exceptions.iter().filter(|(_, what)| **what == Exception::Cancelled) {
            self.time("EXDATE", *original);
        }
        self.end_event(attendees, status);
    }

    fn occurrence(&mut self, occurrence: &Occurrence, status: &str) {
        let meeting = self.meeting;
        self.begin_event();
        self.time("RECURRENCE-ID", occurrence.original);
        self.time("DTSTART", occurrence.start);
        self.lines.put("DURATION", &format!("PT{}M", meeting.minutes));
        self.end_event(&meeting.invitees, status);
    }

    fn begin_event(&mut self) {
        self.lines.put("BEGIN", "VEVENT");
        self.lines.put("UID", &self.meeting.uid());
        self.lines.put("DTSTAMP", &utc(self.sending.now_unix));
        self.lines.put("SEQUENCE", &self.meeting.sequence.to_string());
    }

    fn end_event(&mut self, attendees: &[Invitee], status: &str) {
        let (meeting, uri) = (self.meeting, self.meeting.uri());
        let sent_by = self.sending.sent_by.map(|address| format!(";SENT-BY=\"mailto:{address}\"")).unwrap_or_default();
        self.lines.put(&format!("ORGANIZER{sent_by}"), &format!("mailto:{}", meeting.organiser));
        for attendee in attendees {
            self.lines.put(&format!("ATTENDEE{}", parameters(attendee)), &format!("mailto:{}", attendee.address));
        }
        self.lines.text("SUMMARY", &meeting.subject);
        self.lines.text("DESCRIPTION", &description(&uri));
        self.lines.text("LOCATION", &uri);
        self.lines.put("URL", &uri);
        self.lines.put("CONFERENCE;VALUE=URI;FEATURE=AUDIO;LABEL=Call", &uri);
        self.lines.put("STATUS", status);
        self.lines.put("TRANSP", "OPAQUE");
        self.lines.put("END", "VEVENT");
    }

    fn time(&mut self, name: &str, local: DateTime) {
        let zone = &self.meeting.zone;
        match zone.is_utc() {
            true => self.lines.put(name, &utc(zone.unix(local))),
            false => self.lines.put(&format!("{name};TZID={zone}"), &basic(local)),
        }
    }
}

fn parameters(invitee: &Invitee) -> String {
    let role = match invitee.attendance {
        Attendance::Required => "REQ-PARTICIPANT",
        Attendance::Optional => "OPT-PARTICIPANT",
    };
    format!(";CUTYPE=INDIVIDUAL;ROLE={role};PARTSTAT=NEEDS-ACTION;RSVP=TRUE")
}

fn description(uri: &str) -> String {
    format!("To join, call {uri} with your own SIP phone or client.")
}

/// RFC 5545 section 3.3.10.
fn rule(recurrence: &Recurrence, meeting: &Meeting) -> String {
    let mut rule = match &recurrence.frequency {
        Frequency::Day => "FREQ=DAILY".to_owned(),
        Frequency::Month { on } if on.is_empty() => "FREQ=MONTHLY".to_owned(),
        Frequency::Month { on } => {
            let days: Vec<_> = on.iter().map(|day| day.by_day()).collect();
            format!("FREQ=MONTHLY;BYDAY={}", days.join(","))
        }
        Frequency::Week { on } => {
            let days: Vec<_> = on.iter().map(|day| day.two_letters()).collect();
            format!("FREQ=WEEKLY;BYDAY={}", days.join(","))
        }
    };
    if recurrence.interval > 1 {
        rule += &format!(";INTERVAL={}", recurrence.interval);
    }
    match recurrence.end {
        RecurrenceEnd::Never => {}
        RecurrenceEnd::Count(count) => rule += &format!(";COUNT={count}"),
        // It is in UTC wherever the start has a zone.
        RecurrenceEnd::Until(last) => {
            rule += &format!(";UNTIL={}", utc(meeting.zone.unix(last.to_datetime(meeting.start.time()))));
        }
    }
    rule
}

fn basic(local: DateTime) -> String {
    local.strftime("%Y%m%dT%H%M%S").to_string()
}

fn utc(unix: i64) -> String {
    let utc: super::Zone = "UTC".parse().expect("every database has it");
    format!("{}Z", basic(utc.local(unix)))
}

const PRODUCT: &str = "-//Comity//Comity//EN";

#[cfg(test)]
mod tests {
    use super::super::meeting::tests::{invitee, meeting, weekly};
    use super::*;
    use crate::schedule::{MeetingRole, Weekday, parse_local};

    const NOW: Sending<'static> = Sending { now_unix: 1_796_000_000, sent_by: None };

    /// The lines of one calendar without its time zone, unfolded.
    fn lines(invitation: &Invitation) -> Vec<String> {
        let unfolded = invitation.text.replace("\r\n ", "");
        let (before, rest) = unfolded.split_once("BEGIN:VTIMEZONE").unwrap_or((&unfolded, ""));
        let after = rest.split_once("END:VTIMEZONE\r\n").map_or("", |(_, after)| after);
        before.lines().chain(after.lines()).map(str::to_owned).collect()
    }

    #[test]
    fn an_invitation_says_who_when_and_where() {
        let mut meeting = meeting();
        let optional = Invitee {
            attendance: Attendance::Optional,
            role: MeetingRole::Presenter,
            ..invitee("carol@northwind.example")
        };
        meeting.invitees.push(optional);
        let invitation = meeting.invitation(NOW);
        assert_eq!(invitation.method, Method::Request);
        assert_eq!(
            lines(&invitation),
            [
                "BEGIN:VCALENDAR",
                "PRODID:-//Comity//Comity//EN",
                "VERSION:2.0",
                "METHOD:REQUEST",
                "BEGIN:VEVENT",
                "UID:meet-budget@contoso.example",
                "DTSTAMP:20261130T005320Z",
                "SEQUENCE:0",
                "DTSTART;TZID=Europe/Berlin:20261201T100000",
                "DURATION:PT45M",
                "ORGANIZER:mailto:alice@contoso.example",
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@fabrikam.example",
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:carol@northwind.example",
                "SUMMARY:Budget",
                "DESCRIPTION:To join\\, call sip:meet-budget@contoso.example with your own SIP phone or client.",
                "LOCATION:sip:meet-budget@contoso.example",
                "URL:sip:meet-budget@contoso.example",
                "CONFERENCE;VALUE=URI;FEATURE=AUDIO;LABEL=Call:sip:meet-budget@contoso.example",
                "STATUS:CONFIRMED",
                "TRANSP:OPAQUE",
                "END:VEVENT",
                "END:VCALENDAR",
            ]
        );
    }

    #[test]
    fn an_update_names_what_was_cancelled_and_what_was_moved() {
        let mut meeting = weekly("2026-12-07 10:00", RecurrenceEnd::Count(4));
        meeting.except(parse_local("2026-12-14 00:00").unwrap().date(), Exception::Cancelled).unwrap();
        let to = parse_local("2026-12-22 15:00").unwrap();
        meeting.except(parse_local("2026-12-21 00:00").unwrap().date(), Exception::Moved(to)).unwrap();
        meeting.sequence = 2;
        let lines = lines(&meeting.invitation(NOW));
        let of = |name: &str| lines.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>();
        assert_eq!(of("RRULE"), ["RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=4"]);
        assert_eq!(of("EXDATE"), ["EXDATE;TZID=Europe/Berlin:20261214T100000"]);
        assert_eq!(of("RECURRENCE-ID"), ["RECURRENCE-ID;TZID=Europe/Berlin:20261221T100000"]);
        let starts = ["DTSTART;TZID=Europe/Berlin:20261207T100000", "DTSTART;TZID=Europe/Berlin:20261222T150000"];
        assert_eq!(of("DTSTART"), starts);
        assert_eq!(of("SEQUENCE"), ["SEQUENCE:2", "SEQUENCE:2"]);
        assert_eq!(of("UID").len(), 2);
    }

    #[test]
    fn a_cancellation_is_of_the_whole_or_of_one_occurrence() {
        let mut series = weekly("2026-12-07 10:00", RecurrenceEnd::Never);
        let original = parse_local("2026-12-14 10:00").unwrap();
        let one = series.cancelled_occurrence(original, NOW);
        assert_eq!(one.method, Method::Cancel);
        let told = lines(&one);
        assert!(told.contains(&"RECURRENCE-ID;TZID=Europe/Berlin:20261214T100000".to_owned()), "{told:?}");
        assert!(told.contains(&"STATUS:CANCELLED".to_owned()) && !told.iter().any(|line| line.starts_with("RRULE")));

        series.is_cancelled = true;
        let whole = lines(&series.invitation(NOW));
        assert!(
            whole.contains(&"METHOD:CANCEL".to_owned()) && whole.contains(&"STATUS:CANCELLED".to_owned()),
            "{whole:?}"
        );
        assert!(!whole.iter().any(|line| line.starts_with("RECURRENCE-ID")), "{whole:?}");
    }

    #[test]
    fn rules_are_printed_as_the_standard_has_them() {
        let print = |frequency, interval, end| {
            let recurrence = Recurrence { frequency, interval, end };
            rule(&recurrence, &Meeting { recurrence: Some(recurrence.clone()), ..meeting() })
        };
        let last = parse_local("2027-07-01 00:00").unwrap().date();
        assert_eq!(print(Frequency::Day, 3, RecurrenceEnd::Never), "FREQ=DAILY;INTERVAL=3");
        // The last start, in summer time by then.
        let month = |on: &[&str]| Frequency::Month { on: on.iter().map(|day| day.parse().unwrap()).collect() };
        assert_eq!(print(month(&[]), 1, RecurrenceEnd::Until(last)), "FREQ=MONTHLY;UNTIL=20270701T080000Z");
        let named = print(month(&["second tue", "last fri"]), 2, RecurrenceEnd::Count(4));
        assert_eq!(named, "FREQ=MONTHLY;BYDAY=2TU,-1FR;INTERVAL=2;COUNT=4");
        let on = vec![Weekday::Mon, Weekday::Thu];
        assert_eq!(
            print(Frequency::Week { on }, 2, RecurrenceEnd::Count(10)),
            "FREQ=WEEKLY;BYDAY=MO,TH;INTERVAL=2;COUNT=10"
        );
    }

    #[test]
    fn a_meeting_in_utc_needs_no_zone_and_a_sender_for_the_organiser_is_named() {
        let meeting = Meeting { zone: "UTC".parse().unwrap(), ..meeting() };
        let sending = Sending { sent_by: Some("meetings@contoso.example"), ..NOW };
        let text = meeting.invitation(sending).text;
        assert!(text.contains("\r\nDTSTART:20261201T100000Z\r\n") && !text.contains("VTIMEZONE"), "{text}");
        assert!(text.contains("ORGANIZER;SENT-BY=\"mailto:meetings@contoso.example\":mailto:alice@contoso"), "{text}");
    }
}
