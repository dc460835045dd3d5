//! Who is in a call or a meeting: what a watcher is told of a user beside what his devices publish.
//!
//! A dialog is the phones' own; what is kept here is only that a call was answered and has not ended. Whoever sees that
//! tells the owner of each user of ours who is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sip::{Aor, Message, Method};

use conference::ConferenceId;

use crate::agent::AgentKey;
use crate::core::Core;
use crate::escalation;
use crate::route::Destination;
use crate::{AdmittedRequest, Handoff, Ingress};

/// What keeps a user busy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Engagement {
    /// By its Call-ID.
    Call(String),
    Meeting(ConferenceId),
}

/// The calls and meetings of the users that one worker owns.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    engagements_by_aor: BTreeMap<Aor, BTreeSet<Engagement>>,
}

impl Calls {
    fn change(&mut self, aor: &Aor, engagement: Engagement, is_under_way: bool) {
        let all = self.engagements_by_aor.entry(aor.clone()).or_default();
        match is_under_way {
            true if all.len() < ENGAGEMENTS_PER_USER_MAX => drop(all.insert(engagement)),
            true => {}
            false => drop(all.remove(&engagement)),
        }
        if all.is_empty() {
            self.engagements_by_aor.remove(aor);
        }
    }

    /// How many calls the user has, and how many meetings.
    fn counts(&self, aor: &Aor) -> (usize, usize) {
        let all = self.engagements_by_aor.get(aor);
        let calls = all.into_iter().flatten().filter(|one| matches!(one, Engagement::Call(_))).count();
        (calls, all.map_or(0, BTreeSet::len) - calls)
    }

    /// Nothing of the user can be reached any more: whatever he was in is over, or will not be heard to end.
    pub(crate) fn forget(&mut self, aor: &Aor) {
        self.engagements_by_aor.remove(aor);
    }
}

/// The users of ours who are in a call once this response goes up: none, unless it is a 2xx to a new INVITE.
pub(crate) fn parties(request: &AdmittedRequest, response: &Message) -> Vec<Aor> {
    let is_new = !request.message.is_within_dialog();
    // Of who takes part in a conference its focus tells.
    let is_of_focus = matches!(request.ingress, Ingress::Agent(AgentKey::Conference(_)));
    let is_answered = request.message.method() == Some(Method::Invite) && matches!(response.status(), Some(200..=299));
    // Who writes can be called.
    if !is_answered || !is_new || is_of_focus || escalation::is_for_messages(&request.message) {
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
        self.engagement_changed(now, aor, Engagement::Call(call_id.to_owned()), is_under_way);
    }

    /// Tells the owner of a user of ours.
    pub(crate) fn engagement_changed(&mut self, now: Instant, aor: Aor, engagement: Engagement, is_under_way: bool) {
        let owner = self.ownership.of_aor(&aor);
        if self.ownership.is_ours(owner) {
            self.change_engagement(now, &aor, engagement, is_under_way);
        } else {
            self.hand(owner, Handoff::Engaged { aor, engagement, is_under_way });
        }
    }

    pub(crate) fn change_engagement(&mut self, now: Instant, aor: &Aor, engagement: Engagement, is_under_way: bool) {
        // Of somebody without a device there is nothing to tell, and nobody would say when it is over.
        if is_under_way && self.location.lookup(now, aor).is_empty() {
            return;
        }
        let is_call = matches!(engagement, Engagement::Call(_));
        self.calls.change(aor, engagement, is_under_way);
        let (calls, meetings) = self.calls.counts(aor);
        let bounded = |count| u32::try_from(count).unwrap_or(u32::MAX);
        match is_call {
            true => self.presence.set_calls(aor, bounded(calls)),
            false => self.presence.set_meetings(aor, bounded(meetings)),
        }
    }
}

/// Beyond it he is busy all the same.
const ENGAGEMENTS_PER_USER_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_calls_of_a_user_are_known_and_the_last_makes_him_free() {
        let mut calls = Calls::default();
        let aor: Aor = "alice@contoso.example".parse().unwrap();
        let mut change = |number: usize, is_under_way| {
            calls.change(&aor, Engagement::Call(format!("c{number}")), is_under_way);
            calls.counts(&aor)
        };
        let most = (0..ENGAGEMENTS_PER_USER_MAX + 5).map(|number| change(number, true)).last();
        assert_eq!(most, Some((ENGAGEMENTS_PER_USER_MAX, 0)), "he is busy all the same");
        let least = (0..ENGAGEMENTS_PER_USER_MAX + 5).map(|number| change(number, false)).last();
        assert_eq!(least, Some((0, 0)));
        assert!(calls.engagements_by_aor.is_empty());
    }
}
