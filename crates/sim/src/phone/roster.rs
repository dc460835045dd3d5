//! Who is in a meeting, as a phone that subscribed to its roster knows (RFC 4575).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use documents::conference_info::{CONTENT_TYPE, ConferenceInfo, Endpoint, EndpointStatus, State, User};
use sip::transaction::ServerTransactionId;
use sip::{HeaderName, Message};

use super::{Event, Phone};

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Roster {
    version: Option<u32>,
    users_by_entity: BTreeMap<String, User>,
}

impl Phone {
    pub fn watch_roster(&mut self, now: Instant, conference: &str) {
        self.subscribe(now, conference, "conference", CONTENT_TYPE);
    }

    /// The addresses of those who are in the meeting; who waits in the lobby or is being called is not.
    pub fn roster(&self) -> BTreeSet<&str> {
        let users = self.roster.users_by_entity.values().filter(|user| user.endpoints.iter().any(is_in));
        users.map(|user| user.entity.trim_start_matches("sip:")).collect()
    }

    pub(super) fn roster_comes(&mut self, now: Instant, id: ServerTransactionId, notify: &Message) {
        let is_over = notify
            .header_text(HeaderName::SubscriptionState)
            .is_some_and(|state| state.trim_start().starts_with("terminated"));
        if is_over {
            self.roster = Roster::default();
        } else if !ConferenceInfo::parse(notify.body()).is_ok_and(|told| self.roster.take(told)) {
            self.events.push_back(Event::Puzzled);
        }
        self.respond(now, id, notify, 200);
    }
}

impl Roster {
    /// Says whether it could be told so: what changed makes sense only to who has heard all before (RFC 4575 section 4).
    fn take(&mut self, told: ConferenceInfo) -> bool {
        let is_next = self.version.zip(told.version).is_some_and(|(last, next)| next == last.wrapping_add(1));
        if told.state != State::Full && !is_next {
            return false;
        }
        self.version = told.version;
        let users = told.users.unwrap_or_default();
        if told.state == State::Full || users.state == State::Full && !users.users.is_empty() {
            self.users_by_entity.clear();
        }
        users.users.into_iter().for_each(|user| self.take_user(user));
        true
    }

    fn take_user(&mut self, user: User) {
        match (user.state, self.users_by_entity.get_mut(&user.entity)) {
            (State::Deleted, _) => drop(self.users_by_entity.remove(&user.entity)),
            (State::Partial, Some(known)) => {
                for endpoint in user.endpoints {
                    known.endpoints.retain(|other| other.entity != endpoint.entity);
                    if endpoint.state != State::Deleted {
                        known.endpoints.push(endpoint);
                    }
                }
            }
            (State::Full | State::Partial, _) => drop(self.users_by_entity.insert(user.entity.clone(), user)),
        }
    }
}

fn is_in(endpoint: &Endpoint) -> bool {
    matches!(endpoint.status, Some(EndpointStatus::Connected | EndpointStatus::MutedViaFocus))
}
