//! A locked meeting lets nobody in any more but its organiser.

use sip::refusal::Word;
use sip::{Aor, Refusal};

use super::Conduct;
use crate::schedule::Origin;

/// # Errors
/// 403 `meeting-locked`.
pub fn check(conduct: &Conduct, who: &Aor) -> Result<(), Refusal> {
    if conduct.settings.is_locked && conduct.origin(who) != Origin::Organiser {
        return Err(Refusal::new(403, Word::MeetingLocked, "the meeting is locked"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{aor, conduct};
    use super::*;

    #[test]
    fn only_the_organiser_passes_a_lock() {
        let mut conduct = conduct();
        assert!(check(&conduct, &aor("bob@fabrikam.example")).is_ok());
        conduct.settings.is_locked = true;
        assert!(check(&conduct, &aor("bob@fabrikam.example")).is_err());
        assert!(check(&conduct, &aor("dave@contoso.example")).is_err());
        assert!(check(&conduct, &aor("alice@contoso.example")).is_ok());
    }
}
