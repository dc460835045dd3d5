//! `POST /api/escalations`: a call of two becomes a meeting, and nobody redials.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use conference::ConferenceId;
use signaling::EscalationStatus;
use sip::Aor;

use super::answers::{ConferenceChange, NewEscalation};
use super::conferences::{address, change, check_running, refused};
use super::error::ControlError;
use super::{Body, Control};

/// Answers when both phones have taken the meeting's sound, or one has not.
pub(super) async fn begin(
    State(control): State<Control>,
    Body(new): Body<NewEscalation>,
) -> Result<(StatusCode, Json<ConferenceChange>), ControlError> {
    check_running(&control)?;
    let people = new.people.iter().map(|text| address(text)).collect::<Result<Vec<Aor>, _>>()?;
    let call_id = new.call_id.clone();
    let begun = control.0.workers.ask(move |core, now| core.escalate_call(now, &call_id, &people)).await;
    let begun = begun.into_iter().flatten().next().ok_or_else(|| unknown(&new.call_id))?;
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
                let hint = "its settings may forbid what a meeting offers: G.711, G.722 or Opus, in RTP or SRTP";
                return Err(ControlError::conflict(error, hint));
            }
            Some(EscalationStatus::Done { .. }) | None => return Ok(()),
        }
    }
    let error = format!("a phone has not answered yet; the meeting is {id}");
    Err(ControlError::new(StatusCode::GATEWAY_TIMEOUT, error, "comity meeting running ID shows how it stands"))
}

fn unknown(call_id: &str) -> ControlError {
    let error = format!("no call with the Call-ID {call_id} goes on here, as far as is remembered");
    let hint = "comity why --from A --to B shows the Call-ID of the newest call; a restart of the server forgets all";
    ControlError::new(StatusCode::NOT_FOUND, error, hint)
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longer than a phone may take to answer a request.
const LOOKS_MAX: u32 = 400;
