//! What a command that fails says: what was wrong, and what to do next.

use server::control::answers::ErrorAnswer;
use store::StoreError;

/// The end of a command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    error: String,
    hint: Option<String>,
}

impl Failure {
    pub fn new(error: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { error: error.into(), hint: Some(hint.into()) }
    }

    /// An error that says itself what to do.
    pub fn told(error: impl std::fmt::Display) -> Failure {
        Failure { error: error.to_string(), hint: None }
    }

    /// On standard error, the hint on a line of its own.
    pub fn print(&self) {
        eprintln!("error: {}", self.error);
        if let Some(hint) = &self.hint {
            eprintln!("next: {hint}");
        }
    }
}

impl From<ErrorAnswer> for Failure {
    fn from(ErrorAnswer { error, hint }: ErrorAnswer) -> Failure {
        Failure { error, hint }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure { hint: error.hint(), error: error.to_string() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure { error: format!("{error:#}"), hint: None }
    }
}
