//! `POST /api/escalations`: a call of two becomes a meeting, and nobody redials.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use conference::ConferenceId;
use federation::flow::Direction;
use signaling::{CallKind, EscalationStatus};
use sip::refusal::Word;
use sip::{Aor, Refusal};
use store::StoredCall;

use super::answers::{ConferenceChange, NewEscalation};
use super::conferences::{address, change, check_running};
use super::error::ControlError;
use super::{Body, Control, calls, why};

/// Answers when both phones have taken the meeting's sound, or one has not.
pub(super) async fn begin(
    State(control): State<Control>,
    Body(new): Body<NewEscalation>,
) -> Result<(StatusCode, Json<ConferenceChange>), ControlError> {
    check_running(&control)?;
    let people = new.people.iter().map(|text| address(text)).collect::<Result<Vec<Aor>, _>>()?;
    let call_id = new.call_id.clone();
    let begun = control.0.workers.ask(move |core, now| core.escalate_call(now, &call_id, &people)).await;
    let Some(begun) = begun.into_iter().flatten().next() else { return Err(unknown(&control, &new).await?) };
    let id = begun.map_err(|refusal| refused(&refusal))?;
    await_end(&control, &new.call_id, &id).await?;
    Ok((StatusCode::CREATED, Json(change(&control, &id).await)))
}

/// Waits until it is known what came of it.
async fn await_end(control: &Control, call_id: &str, id: &ConferenceId) -> Result<(), ControlError> {
    for _ in 0..LOOKS_MAX {
        let call_id = call_id.to_owned();
        let known = control.0.workers.ask(move |core, _| core.escalation_status(&call_id)).await;
        match known.into_iter().flatten().next() {
            Some(EscalationStatus::UnderWay) => tokio::time::sleep(LOOK_AGAIN).await,
            Some(EscalationStatus::Refused { reason }) => {
                let error = format!("{reason}; the call goes on as it was");
                let hint = "its settings may forbid what a meeting offers: G.711, G.722 or Opus, in RTP or SRTP, or messages \
                    within the dialog";
                return Err(ControlError::conflict(error, hint));
            }
            Some(EscalationStatus::Done { .. }) | None => return Ok(()),
        }
    }
    let error = format!("a phone has not answered yet; the meeting is {id}");
    Err(ControlError::new(StatusCode::GATEWAY_TIMEOUT, error, "comity meeting running ID shows how it stands"))
}

fn refused(refusal: &Refusal) -> ControlError {
    let hint = match refusal.word {
        Word::DialogUnknown => "call them into a meeting: comity meeting start --organiser A --with B",
        Word::MediaUnacceptable => {
            "the phone cannot be moved; of calls that begin from now on both are moved by this server where comity.toml has \
             [calls] between = \"always\""
        }
        Word::OffersCross => "try again in a moment; comity meeting running lists what calls have become already",
        _ => "comity status shows how much goes on here",
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::CONFLICT);
    ControlError::new(status, format!("{}: {}", refusal.word, refusal.reason), hint)
}

/// What goes by the Call-ID is no call under way: then what is it?
async fn unknown(control: &Control, new: &NewEscalation) -> Result<ControlError, ControlError> {
    let call_id = &new.call_id;
    let is_over = |call: &StoredCall| call.record.end.is_some() && call.record.kind != CallKind::Meeting;
    if let Some(StoredCall { record, .. }) = calls::of_call(control, call_id).await?.into_iter().find(is_over) {
        let error = format!("the call {call_id} of {} and {} is over", record.user, record.other);
        let how = if record.kind == CallKind::Messages { "--in-writing " } else { "" };
        let people = std::iter::once(&record.other).chain(&new.people);
        return Ok(ControlError::new(StatusCode::NOT_FOUND, error, start(how, &record.user.to_string(), people)));
    }
    let known = why::decisions_about(control, call_id).await?;
    let Some(page) = known.iter().find(|found| found.record.method == "MESSAGE") else {
        let error = format!("no call with the Call-ID {call_id} goes on here, as far as is remembered");
        let hint =
            "comity why --from A --to B shows the Call-ID of the newest call; a restart of the server forgets all";
        return Ok(ControlError::new(StatusCode::NOT_FOUND, error, hint));
    };
    let error = format!("{call_id} is a single message: those who write so have no session that could be moved");
    let record = &page.record;
    let (ours, other) = match record.direction {
        Direction::Outbound => (&record.from_domain, &record.to_domain),
        Direction::Inbound => (&record.to_domain, &record.from_domain),
    };
    let others = [format!("NAME@{other}")];
    let hint = start("--in-writing ", &format!("NAME@{ours}"), others.iter().chain(&new.people));
    Ok(ControlError::new(StatusCode::NOT_FOUND, error, hint))
}

/// The command that calls them together anew.
fn start<'a>(how: &str, organiser: &str, people: impl Iterator<Item = &'a String>) -> String {
    let with: String = people.map(|who| format!(" --with {who}")).collect();
    format!("begin a meeting of all of them: comity meeting start {how}--organiser {organiser}{with}")
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longer than a phone may take to answer a request.
const LOOKS_MAX: u32 = 400;
