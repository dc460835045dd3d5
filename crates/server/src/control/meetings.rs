//! `/api/meetings`: a change is stored, then known to every worker, then answered.

mod edit;
mod telling;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use conference::ConferenceId;
use conference::schedule::invitation::Invitation;
use conference::schedule::{Invitee, Meeting, Meetings, parse_date, parse_local};
use serde::Deserialize;
use store::{Store, StoreError, StoredMeeting, now_unix};

use super::answers::{
    MailAnswer, MeetingAnswer, MeetingChange, MeetingDetail, MeetingEdit, NewMeeting, OccurrenceAnswer,
};
use super::error::ControlError;
use super::users::local_aor;
use super::{Body, Control, Parameters};
use crate::mail::Post;
use telling::Telling;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    /// Those that are over or cancelled, too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    State(control): State<Control>,
    Parameters(ListQuery { all }): Parameters<ListQuery>,
) -> Result<Json<Vec<MeetingAnswer>>, ControlError> {
    let now = now_unix();
    let after = if all { i64::MIN } else { now };
    let found = control.0.store.read(move |store| store.meetings(after)).await?;
    let mut answers: Vec<_> = found.into_iter().map(|stored| MeetingAnswer::new(stored, now)).collect();
    answers.sort_by_key(|answer| answer.next.as_ref().map_or(i64::MAX, |next| next.start_unix));
    Ok(Json(answers))
}

pub(super) async fn show(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<MeetingDetail>, ControlError> {
    let now = now_unix();
    let stored = find(&control, parse_id(&id)?).await?;
    let meeting = stored.meeting.clone();
    let is_on = !meeting.is_cancelled;
    let occurrences = meeting.upcoming(now).take(if is_on { OCCURRENCES_SHOWN } else { 0 });
    Ok(Json(MeetingDetail {
        occurrences: occurrences.map(|found| OccurrenceAnswer::from(&found)).collect(),
        workers: workers_that_know(&control, meeting.clone()).await,
        answer: MeetingAnswer::new(stored, now),
    }))
}

/// `?mail=true`: the invitees are told by mail.
#[derive(Deserialize)]
pub(super) struct MailQuery {
    #[serde(default)]
    mail: bool,
}

pub(super) async fn create(
    State(control): State<Control>,
    Parameters(MailQuery { mail }): Parameters<MailQuery>,
    Body(new): Body<NewMeeting>,
) -> Result<(StatusCode, Json<MeetingChange>), ControlError> {
    let (telling, created_unix) = (Telling::new(&control, mail)?, now_unix());
    let meeting = meeting(&control, new)?;
    edit::check_future(&meeting, created_unix)?;
    let stored = StoredMeeting { meeting: meeting.clone(), created_unix };
    control.0.store.write(move |store| store.add_meeting(&meeting, created_unix)).await?;
    control.publish_meetings().await?;
    tracing::info!(domain = stored.meeting.domain(), "meeting scheduled");
    let invitation = telling.print(&stored.meeting, Meeting::invitation);
    let posts = vec![post(&stored.meeting, &invitation, stored.meeting.invitees.clone())];
    Ok((StatusCode::CREATED, Json(change(stored, Some(invitation), telling.tell(posts).await))))
}

pub(super) async fn edit(
    State(control): State<Control>,
    Path(id): Path<String>,
    Parameters(MailQuery { mail }): Parameters<MailQuery>,
    Body(wanted): Body<MeetingEdit>,
) -> Result<Json<MeetingChange>, ControlError> {
    let (telling, id) = (Telling::new(&control, mail)?, parse_id(&id)?);
    let (before, after) = rewrite(&control, id, move |meeting| edit::apply(meeting, wanted, now_unix())).await?;
    if before.meeting.sequence == after.meeting.sequence {
        return Ok(Json(change(after, None, telling.tell(Vec::new()).await)));
    }
    let invitation = telling.print(&after.meeting, Meeting::invitation);
    let left = edit::uninvited(&before.meeting, &after.meeting);
    let withdrawal = telling.print(&after.meeting, |meeting, sending| meeting.withdrawal(&left, sending));
    let still = after.meeting.invitees.clone();
    let posts = vec![post(&after.meeting, &invitation, still), post(&after.meeting, &withdrawal, left)];
    Ok(Json(change(after, Some(invitation), telling.tell(posts).await)))
}

#[derive(Deserialize)]
pub(super) struct CancelQuery {
    /// The day of the one to cancel, `2026-12-14`; absent: the whole meeting.
    occurrence: Option<String>,
    #[serde(default)]
    mail: bool,
}

pub(super) async fn cancel(
    State(control): State<Control>,
    Path(id): Path<String>,
    Parameters(CancelQuery { occurrence, mail }): Parameters<CancelQuery>,
) -> Result<Json<MeetingChange>, ControlError> {
    let (telling, id) = (Telling::new(&control, mail)?, parse_id(&id)?);
    let day = occurrence.as_deref().map(parse_date).transpose()?;
    let (before, after) = rewrite(&control, id, move |meeting| edit::cancelled(meeting, day)).await?;
    let invitation = match day {
        Some(day) => {
            let original = before.meeting.occurrence_on(day)?;
            telling.print(&after.meeting, |meeting, sending| meeting.cancelled_occurrence(original, sending))
        }
        None => telling.print(&after.meeting, Meeting::invitation),
    };
    let posts = vec![post(&after.meeting, &invitation, after.meeting.invitees.clone())];
    Ok(Json(change(after, Some(invitation), telling.tell(posts).await)))
}

/// Tells all invitees by mail how the meeting is now.
pub(super) async fn mail(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<MailAnswer>, ControlError> {
    let telling = Telling::new(&control, true)?;
    let StoredMeeting { meeting, .. } = find(&control, parse_id(&id)?).await?;
    let invitation = telling.print(&meeting, Meeting::invitation);
    let posts = vec![post(&meeting, &invitation, meeting.invitees.clone())];
    Ok(Json(telling.tell(posts).await.unwrap_or_default()))
}

/// The invitation as it is now, as a file.
pub(super) async fn invitation(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ControlError> {
    let stored = find(&control, parse_id(&id)?).await?;
    let Invitation { method, text } = Telling::new(&control, false)?.print(&stored.meeting, Meeting::invitation);
    let kind = format!("text/calendar; charset=utf-8; method={}", method.as_str());
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

impl Control {
    /// Gives the workers the table of meetings as it is stored.
    pub(crate) async fn publish_meetings(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.publishing.lock().await;
        self.0.workers.publish_meetings(self.0.store.read(meetings_of).await?);
        Ok(())
    }
}

/// The table of meetings as the workers use it.
pub(crate) fn meetings_of(store: &Store) -> Result<Meetings, StoreError> {
    Ok(Meetings::of_records(store.meeting_records(now_unix() - KEPT_SECS)?))
}

/// Changes a meeting in one transaction, and tells the workers. Returns it before and after.
async fn rewrite(
    control: &Control,
    id: ConferenceId,
    change: impl FnOnce(Meeting) -> Result<Meeting, ControlError> + Send + 'static,
) -> Result<(StoredMeeting, StoredMeeting), ControlError> {
    let rewritten = move |store: &Store| {
        let before = store.meeting(&id)?;
        let changed = edit::check_not_cancelled(&before.meeting).and_then(|()| change(before.meeting.clone()));
        Ok(match changed {
            Ok(meeting) => {
                store.change_meeting(&meeting, now_unix())?;
                Ok((before.clone(), StoredMeeting { meeting, ..before }))
            }
            Err(error) => Err(error),
        })
    };
    let (before, after) = control.0.store.write(rewritten).await??;
    control.publish_meetings().await?;
    tracing::info!(domain = after.meeting.domain(), is_cancelled = after.meeting.is_cancelled, "meeting changed");
    Ok((before, after))
}

fn meeting(control: &Control, new: NewMeeting) -> Result<Meeting, ControlError> {
    let NewMeeting { organiser, subject, at, zone, minutes, recurrence, invitees, settings } = new;
    let meeting = Meeting {
        id: ConferenceId::new(rand::random()),
        organiser: local_aor(control, &organiser)?,
        subject,
        start: parse_local(&at)?,
        zone: zone.parse()?,
        minutes,
        recurrence,
        exceptions: Default::default(),
        invitees,
        settings: edit::checked_settings(settings)?.apply(Default::default()),
        sequence: 0,
        is_cancelled: false,
    };
    Ok(meeting.checked()?)
}

async fn find(control: &Control, id: ConferenceId) -> Result<StoredMeeting, ControlError> {
    Ok(control.0.store.read(move |store| store.meeting(&id)).await?)
}

async fn workers_that_know(control: &Control, meeting: Meeting) -> Option<usize> {
    if !control.0.workers.are_running() {
        return None;
    }
    let knows =
        move |core: &mut signaling::Core, _| core.meetings().get(&meeting.id).is_some_and(|known| **known == meeting);
    Some(control.0.workers.ask(knows).await.into_iter().filter(|knows| *knows).count())
}

fn change(stored: StoredMeeting, invitation: Option<Invitation>, mail: Option<MailAnswer>) -> MeetingChange {
    let invitation = invitation.map(|found| found.text);
    MeetingChange { meeting: MeetingAnswer::new(stored, now_unix()), invitation, mail }
}

fn post(meeting: &Meeting, invitation: &Invitation, to: Vec<Invitee>) -> Post {
    Post { meeting: meeting.clone(), invitation: invitation.clone(), to }
}

/// As it is listed, or as it stands in the address.
pub(super) fn parse_id(text: &str) -> Result<ConferenceId, ControlError> {
    let name = text.trim_start_matches("sip:").split('@').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let id = lower.strip_prefix(conference::id::CONFERENCE_PREFIX).unwrap_or(&lower);
    ConferenceId::parse(id).ok_or_else(|| {
        let error = format!("{text:?} is no meeting's ID");
        ControlError::unprocessable(error, "comity meeting list shows the IDs")
    })
}

const OCCURRENCES_SHOWN: usize = 10;
/// The workers know a meeting for so long after its end: whoever comes late is told that it is over, its organiser lets in.
const KEPT_SECS: i64 = 14 * 86_400;
