//! What each may do, and to whom.

use sip::refusal::Word;
use sip::{Aor, Refusal};

use super::Conduct;
use crate::schedule::{MeetingRole, Origin};

/// What somebody in the meeting wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// To himself: mute, leave.
    Himself,
    /// Bring in another, let in from the lobby, mute all, lock.
    Lead,
    /// Mute or remove this one.
    Direct(&'a Aor),
    /// Make this one a presenter, or an attendee again.
    Promote(&'a Aor),
    End,
}

/// The role of somebody whose identity was verified: the one given by name, else the one of where he comes from.
pub fn role(conduct: &Conduct, who: &Aor) -> MeetingRole {
    let origin = conduct.origin(who);
    if origin == Origin::Organiser {
        return MeetingRole::Organiser;
    }
    let named = conduct.roles.get(who).copied().unwrap_or(MeetingRole::Attendee);
    match conduct.settings.presenters.include(origin, conduct.is_own(who)) {
        true => named.max(MeetingRole::Presenter),
        false => named,
    }
}

/// # Errors
/// 403 `not-presenter`.
pub fn check(conduct: &Conduct, who: &Aor, act: Act<'_>) -> Result<(), Refusal> {
    let own_role = role(conduct, who);
    let may = match act {
        Act::Himself => true,
        Act::Lead => own_role >= MeetingRole::Presenter,
        Act::Direct(whom) => own_role >= MeetingRole::Presenter && role(conduct, whom) <= own_role,
        Act::Promote(whom) => own_role >= MeetingRole::Presenter && role(conduct, whom) != MeetingRole::Organiser,
        Act::End => own_role == MeetingRole::Organiser,
    };
    let denied = || Refusal::new(403, Word::NotPresenter, format!("{act:?} is not for an {own_role:?}"));
    may.then_some(()).ok_or_else(denied)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{aor, conduct};
    use super::*;

    #[test]
    fn presenters_lead_and_attendees_do_not() {
        let mut conduct = conduct();
        let [alice, bob, dave] = ["alice@contoso.example", "bob@fabrikam.example", "dave@contoso.example"].map(aor);
        for (who, act, may) in [
            (&alice, Act::End, true),
            (&dave, Act::End, false),
            (&dave, Act::Lead, true),
            (&dave, Act::Direct(&bob), true),
            (&dave, Act::Direct(&alice), false),
            (&dave, Act::Promote(&bob), true),
            (&dave, Act::Promote(&alice), false),
            (&bob, Act::Lead, false),
            (&bob, Act::Direct(&dave), false),
            (&bob, Act::Himself, true),
        ] {
            assert_eq!(check(&conduct, who, act).is_ok(), may, "{who} {act:?}");
        }
        conduct.roles.insert(bob.clone(), MeetingRole::Presenter);
        assert!(check(&conduct, &bob, Act::Lead).is_ok());
    }
}
