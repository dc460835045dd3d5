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
        for server in self.orphans.of_domains(|domain| !self.is_welcome(domain)) {
            self.cancel(now, server);
        }
        let is_unwelcome = |domain: &str| !self.organisation.is_local(domain) && !self.is_welcome(domain);
        for upstream in self.owner.calls_to_partners(is_unwelcome) {
            self.draft_cancelled(upstream.requester);
            self.cancel_owned(now, upstream);
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
