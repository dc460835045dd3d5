//! What a request to the control API gets instead of an answer: what was wrong, and what to do next.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use conference::schedule::ScheduleError;
use store::StoreError;

use super::answers::ErrorAnswer;

/// A refusal of the control API.
#[derive(Debug)]
pub(crate) struct ControlError {
    status: StatusCode,
    answer: ErrorAnswer,
}

impl ControlError {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> ControlError {
        ControlError { status, answer: ErrorAnswer { error: error.into(), hint: Some(hint.into()) } }
    }

    /// What is asked for does not go with what is there.
    pub(crate) fn conflict(error: impl Into<String>, hint: impl Into<String>) -> ControlError {
        ControlError::new(StatusCode::CONFLICT, error, hint)
    }

    /// What was sent is understood but cannot be done.
    pub(crate) fn unprocessable(error: impl Into<String>, hint: impl Into<String>) -> ControlError {
        ControlError::new(StatusCode::UNPROCESSABLE_ENTITY, error, hint)
    }

    /// All of these in one, with what to do about the first; `None` where there are none.
    pub(crate) fn together(errors: Vec<ControlError>) -> Option<ControlError> {
        let (count, mut errors) = (errors.len(), errors.into_iter());
        let mut all = errors.next()?;
        for other in errors.take(TOLD_TOGETHER_MAX - 1) {
            all.answer.error = format!("{}\n  {}", all.answer.error, other.answer.error);
        }
        if let Some(more) = count.checked_sub(TOLD_TOGETHER_MAX).filter(|more| *more > 0) {
            all.answer.error += &format!("\n  and {more} more");
        }
        Some(all)
    }

    /// The same, where it is one of many that were sent.
    pub(crate) fn about(mut self, which: &str) -> ControlError {
        self.answer.error = format!("{which}: {}", self.answer.error);
        self
    }
}

impl From<ScheduleError> for ControlError {
    fn from(error: ScheduleError) -> ControlError {
        ControlError::unprocessable(error.to_string(), error.hint())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.status, Json(self.answer)).into_response()
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> ControlError {
        let status = match &error {
            StoreError::OlderRevision { .. }
            | StoreError::OtherBase { .. }
            | StoreError::UserExists(_)
            | StoreError::PartnerBlocked { .. }
            | StoreError::PartnerNotBlocked { .. } => StatusCode::CONFLICT,
            StoreError::EdgeOfProvider { .. }
            | StoreError::EdgeOfPartner { .. }
            | StoreError::AddressSpaceShared(_)
            | StoreError::PolicyInUse { .. }
            | StoreError::AllowsFull { .. } => StatusCode::CONFLICT,
            StoreError::ProviderUnknown(_) | StoreError::PolicyUnknown(_) => StatusCode::NOT_FOUND,
            StoreError::MeetingExists(_) | StoreError::MeetingsFull { .. } => StatusCode::CONFLICT,
            StoreError::UserUnknown(_) | StoreError::PartnerUnknown { .. } | StoreError::MeetingUnknown(_) => {
                StatusCode::NOT_FOUND
            }
            StoreError::Overloaded | StoreError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Commit(_) => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ControlError { status, answer: ErrorAnswer { error: error.to_string(), hint: error.hint() } }
    }
}

/// Of many things that cannot be done, so many are named.
const TOLD_TOGETHER_MAX: usize = 20;
