//! Meetings as people read them.

use std::path::Path;

use conference::schedule::{Attendance, LobbyRule, MeetingRole, MeetingSettings};
use server::control::answers::{
    MailAnswer, MailFailure, MeetingAnswer, MeetingChange, MeetingDetail, MeetingState, NewMeeting, local,
};
use server::moment;

use super::arguments::Telling;
use crate::table::{Columns, count};

pub fn list(meetings: &[MeetingAnswer]) {
    if meetings.is_empty() {
        return println!("no meetings are to come; to schedule one: comity meeting create --help");
    }
    let mut table = Columns::new(&["ID", "NEXT", "ZONE", "FOR", "STATE", "ORGANISER", "INVITED", "SUBJECT"]);
    for MeetingAnswer { meeting, next, state, .. } in meetings {
        table.row([
            meeting.id.to_string(),
            next.as_ref().map_or_else(|| "-".to_owned(), |next| next.start.clone()),
            meeting.zone.name().to_owned(),
            duration(meeting.minutes),
            state.as_str().to_owned(),
            meeting.organiser.to_string(),
            meeting.invitees.len().to_string(),
            meeting.subject.clone(),
        ]);
    }
    table.print();
}

pub fn detail(detail: &MeetingDetail) {
    let MeetingAnswer { meeting, uri, state, next, created_unix } = &detail.answer;
    println!("{}", meeting.subject);
    println!("  call {uri}");
    println!("  {}", state_sentence(&detail.answer));
    let mut facts = Columns::plain();
    facts.row(["organiser".to_owned(), meeting.organiser.to_string()]);
    facts.row(["start".to_owned(), format!("{} {}", local(&meeting.start), meeting.zone)]);
    facts.row(["takes".to_owned(), duration(meeting.minutes)]);
    if let Some(recurrence) = &meeting.recurrence {
        facts.row(["repeats".to_owned(), recurrence.to_string()]);
    }
    facts.row(["made on".to_owned(), moment::date(*created_unix)]);
    facts.row(["changes told".to_owned(), meeting.sequence.to_string()]);
    if let Some(workers) = detail.workers {
        facts.row(["known to".to_owned(), count(workers as u64, "worker", "workers")]);
    }
    facts.print_indented();
    invitees(&detail.answer);
    settings(&meeting.settings);
    if *state != MeetingState::Cancelled && next.is_some() {
        occurrences(detail);
    }
}

/// What was made, and what to do with it.
pub fn created(change: &MeetingChange, new: &NewMeeting, telling: &Telling) {
    let MeetingAnswer { meeting, uri, next, .. } = &change.meeting;
    println!("meeting {} scheduled: call {uri}", meeting.id);
    if let Some(next) = next {
        let wanted = new.at.trim().replacen('T', " ", 1);
        let moved = if next.start == wanted { "" } else { ", the first of the days of the series" };
        println!("it begins {} {}{moved}", next.start, meeting.zone);
    }
    told(change, telling);
}

pub fn changed(change: &MeetingChange, telling: &Telling) {
    let MeetingAnswer { meeting, .. } = &change.meeting;
    match meeting.is_cancelled {
        true => println!("meeting {} cancelled: nobody comes in any more", meeting.id),
        false => println!("meeting {} changed: {}", meeting.id, state_sentence(&change.meeting)),
    }
    match &change.invitation {
        Some(_) => told(change, telling),
        None => println!("the invitees need not be told"),
    }
}

pub fn mail(MailAnswer { sent, failed }: &MailAnswer) {
    if sent.is_empty() && failed.is_empty() {
        return println!("nobody is invited, so nobody was told");
    }
    println!("told by mail: {}", count(sent.len() as u64, "person", "people"));
    for MailFailure { address, reason } in failed {
        println!("not reached: {address}: {reason}");
    }
}

fn told(change: &MeetingChange, telling: &Telling) {
    let id = &change.meeting.meeting.id;
    match telling.file() {
        Some(file) if file == Path::new("-") => {}
        Some(file) => println!("for the invitees' calendars: {}", file.display()),
        None if telling.mail => {}
        None => println!("nobody was told; to write the invitation: comity meeting invite {id} --invitation FILE.ics"),
    }
    let Some(answer) = &change.mail else { return };
    mail(answer);
    if !answer.failed.is_empty() {
        println!("to send it to everybody again: comity meeting invite {id} --mail");
    }
}

fn state_sentence(answer: &MeetingAnswer) -> String {
    let MeetingAnswer { meeting, state, next, .. } = answer;
    let opens = meeting.settings.opens_before_mins;
    match (state, next) {
        (MeetingState::Cancelled, _) => "cancelled: nobody comes in".to_owned(),
        (MeetingState::Open, Some(next)) => {
            format!("open, until {}", moment::date_and_time(next.end_unix))
        }
        (MeetingState::Scheduled, Some(next)) => {
            format!("next on {} {}; opens {opens} min before, for its organiser at any time", next.start, meeting.zone)
        }
        _ => "over; its organiser may open it still".to_owned(),
    }
}

fn invitees(answer: &MeetingAnswer) {
    if answer.meeting.invitees.is_empty() {
        return println!("nobody is invited");
    }
    println!("invited");
    let mut table = Columns::plain();
    for invitee in &answer.meeting.invitees {
        let role = if invitee.role == MeetingRole::Presenter { "presenter" } else { "" };
        let attendance = if invitee.attendance == Attendance::Optional { "optional" } else { "" };
        table.row([invitee.address.to_string(), role.to_owned(), attendance.to_owned()]);
    }
    table.print_indented();
}

fn settings(settings: &MeetingSettings) {
    println!("who comes in how");
    let mut table = Columns::plain();
    let lobby = &settings.lobby;
    let kinds = [("own domains", lobby.own), ("invited", lobby.invited), ("other federated domains", lobby.federated)];
    for (whom, rule) in kinds {
        table.row([whom.to_owned(), rule_word(rule).to_owned()]);
    }
    for (domain, rule) in &lobby.by_domain {
        table.row([domain.clone(), rule_word(*rule).to_owned()]);
    }
    table.row(["presenters".to_owned(), settings.presenters.as_str().to_owned()]);
    table.row(["locked".to_owned(), yes_or_no(settings.is_locked)]);
    table.row(["muted on entry".to_owned(), yes_or_no(settings.mute_on_entry)]);
    table.print_indented();
}

fn occurrences(detail: &MeetingDetail) {
    println!("next");
    let mut table = Columns::plain();
    for found in &detail.occurrences {
        let moved = found.moved_from.as_ref().map(|from| format!("moved from {from}")).unwrap_or_default();
        table.row([found.start.clone(), moment::date_and_time(found.start_unix), moved]);
    }
    table.print_indented();
}

fn rule_word(rule: LobbyRule) -> &'static str {
    match rule {
        LobbyRule::Enter => "enter",
        LobbyRule::Wait => "wait in the lobby",
        LobbyRule::Refuse => "are refused",
    }
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// `45m`, `1h30m`: as it is typed.
fn duration(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
