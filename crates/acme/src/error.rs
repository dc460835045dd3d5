//! Why an order came to nothing, whose side that is, and when another one makes sense.

use std::time::Duration;

use instant_acme::{Error, Problem};

/// One sentence; what to do about it is [`AcmeError::advice`].
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// Of this machine: nothing was asked of the authority, or nothing that it counts.
    #[error("{what}")]
    Here { what: String, advice: &'static str },
    #[error("the authority at {directory} cannot be reached: {why}")]
    Unreachable { directory: String, why: String },
    #[error("the authority refuses: {what}")]
    Refused { what: String, retry_after: Option<Duration> },
    /// It neither refused nor issued in the time that it was given.
    #[error("the authority took longer than {secs} s to {what}")]
    Slow { what: &'static str, secs: u64 },
}

impl AcmeError {
    pub(crate) fn here(what: impl Into<String>, advice: &'static str) -> AcmeError {
        AcmeError::Here { what: what.into(), advice }
    }

    /// What an administrator does next.
    pub fn advice(&self) -> &'static str {
        match self {
            AcmeError::Here { advice, .. } => advice,
            AcmeError::Unreachable { why, .. }
                if why.contains("certificate expired") || why.contains("not valid yet") =>
            {
                "look whether the clock of this machine is right; if it is, the certificate of that server is out of date"
            }
            AcmeError::Unreachable { .. } => {
                "look whether this machine reaches that address; a private authority's root belongs into [certificate.acme] roots"
            }
            AcmeError::Refused { retry_after: Some(_), .. } => "nothing: it is asked again when it said",
            AcmeError::Refused { .. } => {
                "put right what it says; comity plan tells which names have to lead here, and on which port"
            }
            AcmeError::Slow { .. } => "nothing, unless it happens again",
        }
    }

    /// How long to wait after so many failures in a row, at least one. Authorities count what they refuse (the public ones
    /// allow five failed proofs of a name an hour), so that those waits are longer.
    pub fn pause(&self, failures: u32) -> Duration {
        let (first, retry_after) = match self {
            AcmeError::Here { .. } | AcmeError::Unreachable { .. } => (FIRST_PAUSE, None),
            AcmeError::Refused { retry_after, .. } => (FIRST_PAUSE_REFUSED, *retry_after),
            AcmeError::Slow { .. } => (FIRST_PAUSE_REFUSED, None),
        };
        let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MAX);
        doubled.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// Whether the authority has forgotten our account, as one does that was set up anew.
    pub(crate) fn is_account_gone(error: &Error) -> bool {
        matches!(error, Error::Api(problem) if has_type(problem, "accountDoesNotExist"))
    }

    /// Which means no more than that it is to be asked again (RFC 8555 section 6.5).
    pub(crate) fn is_bad_nonce(&self) -> bool {
        matches!(self, AcmeError::Refused { what, .. } if what.ends_with("(badNonce)"))
    }

    /// `retry_after` is what the last response said of it.
    pub(crate) fn of(error: Error, directory: &str, retry_after: Option<Duration>) -> AcmeError {
        match error {
            Error::Api(problem) => AcmeError::Refused { what: words(&problem), retry_after },
            Error::Timeout(_) => AcmeError::Slow { what: "answer", secs: crate::order::POLL_TIME.as_secs() },
            Error::Other(error) => AcmeError::Unreachable { directory: directory.to_owned(), why: error.to_string() },
            other => AcmeError::Unreachable { directory: directory.to_owned(), why: other.to_string() },
        }
    }
}

/// What a problem document says, its parts included; without a line break, and bounded: the authority wrote it.
pub(crate) fn words(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        let name = part.identifier.as_ref().map(|name| format!("{}: ", name.authorized(false))).unwrap_or_default();
        words.push_str(&format!("; {name}{}", part.detail.as_deref().unwrap_or_default()));
    }
    if let Some(kind) = problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(ERRORS)) {
        words.push_str(&format!(" ({kind})"));
    }
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(WORDS_CHARS_MAX).collect()
}

fn has_type(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().and_then(|typed| typed.strip_prefix(ERRORS)) == Some(kind)
}

/// RFC 8555 section 6.7.
const ERRORS: &str = "urn:ietf:params:acme:error:";
const WORDS_CHARS_MAX: usize = 600;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const FIRST_PAUSE_REFUSED: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// An authority that says more is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(retry_after: Option<u64>) -> AcmeError {
        AcmeError::Refused { what: "no".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn pauses_double_and_have_an_end() {
        let here = AcmeError::here("no", "do");
        let secs: Vec<u64> = [1, 2, 3, 40].map(|failures| here.pause(failures).as_secs()).to_vec();
        assert_eq!(secs, [10, 20, 40, 21_600]);
        // Five in the first hour, which is what public authorities allow.
        let hour = (1..=5).map(|failures| refused(None).pause(failures).as_secs()).sum::<u64>();
        assert_eq!(hour, 60 + 120 + 240 + 480 + 960);
    }

    #[test]
    fn the_authority_is_asked_no_earlier_than_it_said() {
        assert_eq!(refused(Some(3000)).pause(1).as_secs(), 3000);
        assert_eq!(refused(Some(5)).pause(2).as_secs(), 120);
        assert_eq!(refused(Some(u64::MAX / 4)).pause(1), RETRY_AFTER_MAX);
    }
}
