//! What a change makes of a meeting.

use conference::schedule::{Date, Exception, Invitee, Meeting, ScheduleError, parse_date, parse_local};
use sip::Aor;

use crate::control::answers::{MeetingEdit, SettingsChange};
use crate::control::error::ControlError;
use crate::domain;

/// The meeting as wanted. Its sequence grows where the invitees have something to learn.
pub(super) fn apply(meeting: Meeting, wanted: MeetingEdit, now_unix: i64) -> Result<Meeting, ControlError> {
    let before = meeting.clone();
    let mut after = match &wanted.occurrence {
        Some(day) => moved(meeting, day, &wanted)?,
        None => changed(meeting, wanted)?,
    };
    let is_told = Meeting { settings: before.settings.clone(), ..after.clone() } != before;
    if is_told {
        check_future(&after, now_unix)?;
        after.sequence += 1;
    }
    Ok(after)
}

/// A meeting that nobody can come to any more is most likely a slip of the finger.
pub(super) fn check_future(meeting: &Meeting, now_unix: i64) -> Result<(), ControlError> {
    match meeting.upcoming(now_unix).next() {
        Some(_) => Ok(()),
        None => Err(ScheduleError::Past.into()),
    }
}

pub(super) fn check_not_cancelled(meeting: &Meeting) -> Result<(), ControlError> {
    match meeting.is_cancelled {
        true => Err(ControlError::conflict(
            format!("meeting {} is cancelled", meeting.id),
            "schedule a new one: comity meeting create",
        )),
        false => Ok(()),
    }
}

/// The meeting without one occurrence, or cancelled as a whole.
pub(super) fn cancelled(mut meeting: Meeting, day: Option<Date>) -> Result<Meeting, ControlError> {
    meeting.sequence += 1;
    match day {
        Some(day) => drop(meeting.except(day, Exception::Cancelled)?),
        None => meeting.is_cancelled = true,
    }
    Ok(meeting)
}

/// Who was invited before, and is no more.
pub(super) fn uninvited(before: &Meeting, after: &Meeting) -> Vec<Invitee> {
    let is_gone = |invitee: &&Invitee| !after.invitees.iter().any(|still| still.address == invitee.address);
    before.invitees.iter().filter(is_gone).cloned().collect()
}

/// The settings with their domains in the form that is compared.
pub(super) fn checked_settings(mut settings: SettingsChange) -> Result<SettingsChange, ControlError> {
    let mut lobby = std::collections::BTreeMap::new();
    for (whom, rule) in std::mem::take(&mut settings.lobby) {
        let is_kind = SettingsChange::KINDS.contains(&whom.as_str());
        let hint = "name own, invited, federated, or a SIP domain";
        let whom = if is_kind {
            whom
        } else {
            domain::parse(&whom).map_err(|error| ControlError::unprocessable(error.to_string(), hint))?
        };
        lobby.insert(whom, rule);
    }
    settings.lobby = lobby;
    Ok(settings)
}

fn moved(mut meeting: Meeting, day: &str, wanted: &MeetingEdit) -> Result<Meeting, ControlError> {
    let MeetingEdit { occurrence: _, at, .. } = wanted;
    let alone = MeetingEdit { occurrence: wanted.occurrence.clone(), at: at.clone(), ..MeetingEdit::default() };
    match at {
        Some(at) if alone == *wanted => drop(meeting.except(parse_date(day)?, Exception::Moved(parse_local(at)?))?),
        _ => {
            let error = "of one occurrence only the start can be changed";
            return Err(ControlError::unprocessable(error, "give its new date and time, and nothing else"));
        }
    }
    Ok(meeting)
}

fn changed(mut meeting: Meeting, wanted: MeetingEdit) -> Result<Meeting, ControlError> {
    let (start, zone, recurrence) = (meeting.start, meeting.zone.clone(), meeting.recurrence.clone());
    let MeetingEdit { subject, at, minutes, invite, uninvite, settings, .. } = wanted;
    meeting.subject = subject.unwrap_or(meeting.subject);
    meeting.minutes = minutes.unwrap_or(meeting.minutes);
    if let Some(at) = at {
        meeting.start = parse_local(&at)?;
    }
    if let Some(name) = wanted.zone {
        meeting.zone = name.parse()?;
    }
    meeting.recurrence = if wanted.once { None } else { wanted.recurrence.or(meeting.recurrence) };
    for address in uninvite {
        uninvite_one(&mut meeting, &address)?;
    }
    meeting.invitees.retain(|before| !invite.iter().any(|new| new.address == before.address));
    meeting.invitees.extend(invite);
    meeting.settings = checked_settings(settings)?.apply(meeting.settings);
    let mut meeting = meeting.checked()?;
    // They are named by starts that there are no more.
    if (start, zone, recurrence) != (meeting.start, meeting.zone.clone(), meeting.recurrence.clone()) {
        meeting.exceptions.clear();
    }
    Ok(meeting)
}

fn uninvite_one(meeting: &mut Meeting, address: &str) -> Result<(), ControlError> {
    let parsed = address.parse::<Aor>().ok();
    let place = meeting.invitees.iter().position(|invitee| Some(&invitee.address) == parsed.as_ref());
    match place {
        Some(place) => {
            meeting.invitees.remove(place);
            Ok(())
        }
        None => {
            let hint = format!("comity meeting show {} lists who is", meeting.id);
            Err(ControlError::unprocessable(format!("{address} is not invited"), hint))
        }
    }
}
