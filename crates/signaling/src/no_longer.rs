//! What a new list of partners or a new policy ends of the calls under way. Who leaves a meeting `conferences` knows, who watches
//! no more `presence`.

use std::time::Instant;

use federation::external_access::check_goes_on;
use federation::modality::Modalities;
use sip::Aor;

use crate::core::Core;

impl Core {
    /// Calls that ring, from or to a partner who may not be spoken with any more, end as if their caller had given up.
    pub(crate) fn take_back_calls(&mut self, now: Instant) {
        let (partners, organisation) = (self.partners.clone(), self.organisation.clone());
        let is_welcome = |domain: &str| partners.standing(domain).check(domain).is_ok();
        self.take_back(now, |domain| !organisation.is_local(domain) && !is_welcome(domain));
    }

    /// The same with these domains.
    pub(crate) fn take_back(&mut self, now: Instant, is_meant: impl Fn(&str) -> bool) {
        for server in self.orphans.of_domains(&is_meant) {
            self.cancel(now, server, None);
        }
        for upstream in self.owner.calls_to_partners(&is_meant) {
            self.draft_cancelled(upstream.requester);
            self.cancel_owned(now, upstream, None);
        }
    }

    /// Calls that we stand between, one end of which is of a partner who may not be spoken with any more, by anybody or by the
    /// user at the other end. Where a call has become a meeting, its focus sees to that; one that we only forward is its phones'
    /// own to end.
    pub(crate) fn end_calls_between(&mut self, now: Instant) {
        let is_local = |who: &Aor| self.organisation.is_local(who.domain());
        let refused = |party: &Aor, other: Option<&Aor>, began_as: Modalities| match is_local(party) {
            true => None,
            false => {
                check_goes_on(&self.partners, other.filter(|other| is_local(other)), party.domain(), began_as).err()
            }
        };
        for (serial, party, refusal) in self.between.calls_with(refused) {
            self.end_call_between(now, serial, &party, &refusal);
        }
    }
}
