//! Who is in a call: what a watcher is told of a user beside what his devices publish.
//!
//! A dialog is the phones' own; what is kept here is only that a call was answered and has not ended. Whoever sees that
//! tells the owner of each user of ours who is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sip::{Aor, Message, Method};

use crate::core::Core;
use crate::route::Destination;
use crate::{AdmittedRequest, Handoff};

/// The calls of the users that one worker owns, by Call-ID.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    call_ids_by_aor: BTreeMap<Aor, BTreeSet<String>>,
}

impl Calls {
    /// Says how many the user has now.
    fn change(&mut self, aor: &Aor, call_id: String, is_under_way: bool) -> usize {
        let calls = self.call_ids_by_aor.entry(aor.clone()).or_default();
        match is_under_way {
            true if calls.len() < CALLS_PER_USER_MAX => drop(calls.insert(call_id)),
            true => {}
            false => drop(calls.remove(&call_id)),
        }
        let count = calls.len();
        if count == 0 {
            self.call_ids_by_aor.remove(aor);
        }
        count
    }

    /// Nothing of the user can be reached any more: whatever he was in is over, or will not be heard to end.
    pub(crate) fn forget(&mut self, aor: &Aor) {
        self.call_ids_by_aor.remove(aor);
    }
}

/// The users of ours who are in a call once this response goes up: none, unless it is a 2xx to a new INVITE.
pub(crate) fn parties(request: &AdmittedRequest, response: &Message) -> Vec<Aor> {
    let is_new = request.message.to().is_ok_and(|to| to.tag().is_none());
    if request.message.method() != Some(Method::Invite) || !is_new || !matches!(response.status(), Some(200..=299)) {
        return Vec::new();
    }
    let callee = match &request.destination {
        Destination::User(aor) => Some(aor),
        _ => None,
    };
    request.admitted.aor().into_iter().chain(callee).cloned().collect()
}

impl Core {
    /// A BYE was admitted. Its sender and its receiver are as the dialog has them (RFC 3261 section 12.2.1.1).
    pub(crate) fn call_ended(&mut self, now: Instant, bye: &Message) {
        let parties = [bye.from(), bye.to()].into_iter().flatten().filter_map(|party| Aor::from_uri(&party.uri()).ok());
        for aor in parties.collect::<Vec<_>>() {
            if self.organisation.is_local(aor.domain()) {
                self.call_changed(now, aor, bye.call_id().unwrap_or_default(), false);
            }
        }
    }

    pub(crate) fn call_changed(&mut self, now: Instant, aor: Aor, call_id: &str, is_under_way: bool) {
        let call_id = call_id.to_owned();
        let owner = self.ownership.of_aor(&aor);
        if self.ownership.is_ours(owner) {
            self.change_calls(now, &aor, call_id, is_under_way);
        } else {
            self.hand(owner, Handoff::Call { aor, call_id, is_under_way });
        }
    }

    pub(crate) fn change_calls(&mut self, now: Instant, aor: &Aor, call_id: String, is_under_way: bool) {
        // Of somebody without a device there is nothing to tell, and nobody would say when it is over.
        if is_under_way && self.location.lookup(now, aor).is_empty() {
            return;
        }
        let count = self.calls.change(aor, call_id, is_under_way);
        self.presence.set_calls(aor, u32::try_from(count).unwrap_or(u32::MAX));
    }
}

/// Beyond it he is on the phone all the same.
const CALLS_PER_USER_MAX: usize = 32;
