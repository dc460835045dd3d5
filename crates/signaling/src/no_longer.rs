//! What a new list of partners or a new policy ends of the calls under way. Who leaves a meeting `conferences` knows, who watches
//! no more `presence`.

use std::time::Instant;

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

    /// Calls between whose two ends we stand, one of them a partner who may not be spoken with any more. Of a call that has
    /// become a meeting its focus sees to that; the phones of others know themselves, and can hang up.
    pub(crate) fn end_calls_between(&mut self, now: Instant) {
        let unwelcome = |domain: &str| match self.organisation.is_local(domain) || self.is_welcome(domain) {
            true => None,
            false => self.partners.standing(domain).check(domain).err(),
        };
        for (serial, refusal) in self.between.calls_with(unwelcome) {
            self.end_call_between(now, serial, &refusal);
        }
    }
}
