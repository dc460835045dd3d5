//! Who comes in, who waits in the lobby, who stays outside.

use sip::refusal::Word;
use sip::{Aor, HeaderName, Refusal};

use super::{Conduct, lock};
use crate::schedule::{LobbyRule, Opening};

/// Where somebody goes who may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Inside,
    /// Until a presenter lets him in.
    Lobby,
}

/// Whether somebody whose identity was verified may come in now.
///
/// # Errors
/// 480 `meeting-not-open` with Retry-After, 404 `meeting-over`, 403 `meeting-locked` and `meeting-closed`.
pub fn admit(conduct: &Conduct, who: &Aor, unix_secs: i64, is_occupied: bool) -> Result<Entry, Refusal> {
    let origin = conduct.origin(who);
    if let Some(meeting) = &conduct.meeting {
        check_opening(meeting.opening(unix_secs, origin, is_occupied), unix_secs)?;
    }
    lock::check(conduct, who)?;
    by_rule(conduct, who)
}

/// What the rule of where he comes from says, whenever it is and whoever else is there.
///
/// # Errors
/// 403 `meeting-closed`.
pub fn by_rule(conduct: &Conduct, who: &Aor) -> Result<Entry, Refusal> {
    match conduct.settings.lobby.rule(conduct.origin(who), who.domain()) {
        LobbyRule::Enter => Ok(Entry::Inside),
        LobbyRule::Wait => Ok(Entry::Lobby),
        LobbyRule::Refuse => {
            Err(Refusal::new(403, Word::MeetingClosed, "the meeting takes nobody who comes from there"))
        }
    }
}

fn check_opening(opening: Opening, unix_secs: i64) -> Result<(), Refusal> {
    match opening {
        Opening::Open => Ok(()),
        Opening::OpensAt { unix } => {
            let secs = (unix - unix_secs).clamp(1, RETRY_AFTER_SECS_MAX);
            let refusal =
                Refusal::new(480, Word::MeetingNotOpen, format!("the meeting opens in {} s", unix - unix_secs));
            Err(refusal.with_header(HeaderName::RetryAfter, secs.to_string()))
        }
        Opening::Over => Err(Refusal::new(404, Word::MeetingOver, "its last occurrence has ended")),
        Opening::Cancelled => Err(Refusal::new(404, Word::MeetingOver, "the meeting was cancelled")),
    }
}

/// Nobody is to ask again only tomorrow what may be changed in an hour.
const RETRY_AFTER_SECS_MAX: i64 = 3600;

#[cfg(test)]
mod tests {
    use super::super::tests::{aor, conduct};
    use super::*;

    #[test]
    fn the_invited_and_our_own_enter_and_strangers_wait() {
        let mut conduct = conduct();
        for (who, expected) in [
            ("alice@contoso.example", Ok(Entry::Inside)),
            ("dave@contoso.example", Ok(Entry::Inside)),
            ("bob@fabrikam.example", Ok(Entry::Inside)),
            ("eve@fabrikam.example", Ok(Entry::Lobby)),
            ("mallory@adatum.example", Err(403)),
        ] {
            conduct.settings.lobby.by_domain.insert("adatum.example".to_owned(), LobbyRule::Refuse);
            let found = admit(&conduct, &aor(who), 0, false).map_err(|refusal| refusal.status);
            assert_eq!(found, expected, "{who}");
        }
    }

    #[test]
    fn a_meeting_that_is_not_open_says_when_to_ask_again() {
        for (opening, expected) in [
            (Opening::Open, Ok(())),
            (Opening::OpensAt { unix: 160 }, Err((480, Some("60")))),
            (Opening::OpensAt { unix: 999_999 }, Err((480, Some("3600")))),
            (Opening::Over, Err((404, None))),
            (Opening::Cancelled, Err((404, None))),
        ] {
            let found = check_opening(opening, 100).map_err(|refusal| (refusal.status, refusal.headers));
            let expected = expected.map_err(|(status, secs): (u16, Option<&str>)| {
                (status, secs.map(|secs| (HeaderName::RetryAfter, secs.to_owned())).into_iter().collect())
            });
            assert_eq!(found, expected, "{opening:?}");
        }
    }
}
