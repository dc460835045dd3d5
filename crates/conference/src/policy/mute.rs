//! Who is not heard: the muted by name, and attendees while all are muted.

use std::collections::BTreeSet;

use sip::Aor;

use super::{Conduct, roles};
use crate::schedule::MeetingRole;

/// Whom a presenter, or himself, has muted.
#[derive(Debug, Default)]
pub struct Mutes {
    muted: BTreeSet<Aor>,
}

impl Mutes {
    pub fn is_muted(&self, who: &Aor) -> bool {
        self.muted.contains(who)
    }

    pub fn set(&mut self, who: &Aor, is_muted: bool) {
        match is_muted {
            true => self.muted.insert(who.clone()),
            false => self.muted.remove(who),
        };
    }

    /// Somebody comes in: muted if attendees are on entry.
    pub fn enter(&mut self, conduct: &Conduct, who: &Aor) {
        if conduct.settings.mute_on_entry && roles::role(conduct, who) == MeetingRole::Attendee {
            self.muted.insert(who.clone());
        }
    }

    /// All of these but presenters; `false`: nobody is muted any more.
    pub fn set_all<'a>(&mut self, conduct: &Conduct, all: impl Iterator<Item = &'a Aor>, is_muted: bool) {
        for who in all {
            if !is_muted || roles::role(conduct, who) == MeetingRole::Attendee {
                self.set(who, is_muted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{aor, conduct};
    use super::*;

    #[test]
    fn muting_all_spares_presenters_and_unmuting_all_spares_nobody() {
        let conduct = conduct();
        let all = ["alice@contoso.example", "bob@fabrikam.example"].map(aor);
        let mut mutes = Mutes::default();
        mutes.set_all(&conduct, all.iter(), true);
        assert_eq!(all.each_ref().map(|who| mutes.is_muted(who)), [false, true]);
        mutes.set(&all[0], true);
        mutes.set_all(&conduct, all.iter(), false);
        assert_eq!(all.each_ref().map(|who| mutes.is_muted(who)), [false, false]);
    }

    #[test]
    fn attendees_enter_muted_where_that_is_so() {
        let mut conduct = conduct();
        let [alice, bob] = ["alice@contoso.example", "bob@fabrikam.example"].map(aor);
        let mut mutes = Mutes::default();
        mutes.enter(&conduct, &bob);
        assert!(!mutes.is_muted(&bob));
        conduct.settings.mute_on_entry = true;
        mutes.enter(&conduct, &bob);
        mutes.enter(&conduct, &alice);
        assert!(mutes.is_muted(&bob) && !mutes.is_muted(&alice));
    }
}
