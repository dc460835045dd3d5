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
}
