//! `/api/conferences`: meetings that have people in them, wherever their focus is.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use conference::ConferenceId;
use signaling::{AdHocMeeting, ConferenceStatus};
use sip::refusal::Word;
use sip::{Aor, Refusal};

use super::answers::{ConferenceAct, ConferenceChange, NewConference};
use super::error::ControlError;
use super::meetings::parse_id;
use super::users::local_aor;
use super::{Body, Control};

pub(super) async fn list(State(control): State<Control>) -> Result<Json<Vec<ConferenceStatus>>, ControlError> {
    check_running(&control)?;
    Ok(Json(all(&control).await))
}

pub(super) async fn show(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<ConferenceStatus>, ControlError> {
    check_running(&control)?;
    let id = parse_id(&id)?;
    find(&control, &id).await.map(Json).ok_or_else(|| nobody_there(&id))
}

pub(super) async fn start(
    State(control): State<Control>,
    Body(new): Body<NewConference>,
) -> Result<(StatusCode, Json<ConferenceChange>), ControlError> {
    check_running(&control)?;
    let organiser = local_aor(&control, &new.organiser)?;
    let people = new.people.iter().map(|text| address(text)).collect::<Result<Vec<Aor>, _>>()?;
    let id = ConferenceId::new(rand::random());
    let begun = {
        let id = id.clone();
        let new = AdHocMeeting { id, organiser, people, is_written: new.is_written };
        control.0.workers.ask(move |core, now| core.start_conference(now, &new)).await
    };
    done(&id, begun)?;
    Ok((StatusCode::CREATED, Json(change(&control, &id).await)))
}

pub(super) async fn act(
    State(control): State<Control>,
    Path(id): Path<String>,
    Body(act): Body<ConferenceAct>,
) -> Result<Json<ConferenceChange>, ControlError> {
    check_running(&control)?;
    let id = parse_id(&id)?;
    let command = act.command().map_err(|text| no_address(&text))?;
    let acted = {
        let id = id.clone();
        control.0.workers.ask(move |core, now| core.command_conference(now, &id, None, &command)).await
    };
    done(&id, acted)?;
    Ok(Json(change(&control, &id).await))
}

/// Of the workers one has the meeting; none: nobody is in it.
fn done(id: &ConferenceId, answers: Vec<Option<Result<(), Refusal>>>) -> Result<(), ControlError> {
    match answers.into_iter().flatten().next() {
        Some(Ok(())) => Ok(()),
        Some(Err(refusal)) => Err(refused(&refusal)),
        None => Err(nobody_there(id)),
    }
}

async fn all(control: &Control) -> Vec<ConferenceStatus> {
    let mut found = control.0.workers.ask(|core, _| core.conference_statuses()).await.concat();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

async fn find(control: &Control, id: &ConferenceId) -> Option<ConferenceStatus> {
    all(control).await.into_iter().find(|conference| conference.id == *id)
}

pub(super) async fn change(control: &Control, id: &ConferenceId) -> ConferenceChange {
    ConferenceChange { id: id.to_string(), conference: find(control, id).await }
}

pub(super) fn check_running(control: &Control) -> Result<(), ControlError> {
    if control.0.workers.are_running() {
        return Ok(());
    }
    Err(ControlError::conflict("no server runs, so nobody is in a meeting", "start it with: comity serve"))
}

pub(super) fn address(text: &str) -> Result<Aor, ControlError> {
    text.parse().map_err(|_| no_address(text))
}

fn no_address(text: &str) -> ControlError {
    ControlError::unprocessable(format!("{text:?} is no SIP address"), "write it as name@domain")
}

fn nobody_there(id: &ConferenceId) -> ControlError {
    let error = format!("nobody is in a meeting {id} now");
    ControlError::new(StatusCode::NOT_FOUND, error, "comity meeting running lists those that have people in them")
}

fn refused(refusal: &Refusal) -> ControlError {
    let hint = match refusal.word {
        Word::NotInMeeting => "comity meeting running ID shows who is in it",
        Word::MeetingFull => "remove somebody first",
        Word::TooManyMeetings => "comity meeting running lists those under way; to end one: comity meeting end ID",
        _ => "comity meeting running ID shows how it stands",
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::CONFLICT);
    ControlError::new(status, format!("{}: {}", refusal.word, refusal.reason), hint)
}
