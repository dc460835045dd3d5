//! Who is in a meeting, as its subscribers are told: as a whole, or what changed since they were told last (RFC 4575).

use std::collections::{BTreeMap, VecDeque};

use documents::ConferenceInfo;
use documents::conference_info::{
    ConferenceDescription, ConferenceState, Endpoint, EndpointStatus, Execution, JoiningMethod, Media, State, UriEntry,
    User, Users,
};
use sip::header::date::civil;
use sip::notifier::{Occasion, Told};

/// The roster of one meeting. Each change makes another [`Revision`].
#[derive(Debug, Clone)]
pub struct Roster {
    /// The conference's URI.
    entity: String,
    description: RosterDescription,
    described: Revision,
    is_locked: bool,
    rows: BTreeMap<String, Row>,
    /// Who left; the oldest first.
    gone: VecDeque<Gone>,
    revision: Revision,
    /// Who was told no later one is told the whole: it is no longer known who left since.
    known_from: Revision,
}

/// A state of the roster. Each is later than those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u64);

/// What is told of the meeting itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterDescription {
    pub subject: Option<String>,
    pub participants_max: Option<u32>,
}

/// What is told of a participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterEntry {
    pub display: Option<String>,
    /// Such as `organiser`.
    pub role: String,
    pub endpoints: Vec<RosterEndpoint>,
}

/// What is told of a participant's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEndpoint {
    /// Tells it from his others. Not where it is: that is nobody's business in other organisations.
    pub entity: String,
    pub status: EndpointStatus,
    pub joining_method: JoiningMethod,
    /// Seconds since 1970.
    pub joined_unix: Option<i64>,
    pub media: Vec<Media>,
}

/// What a subscriber was sent last: the mark that a notifier keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterMark {
    pub revision: Revision,
    /// Of his last document: of his subscription alone, and one more each time.
    pub version: u32,
}

#[derive(Debug, Clone)]
struct Row {
    entry: RosterEntry,
    came: Revision,
    changed: Revision,
}

#[derive(Debug, Clone)]
struct Gone {
    entity: String,
    came: Revision,
    left: Revision,
}

impl Roster {
    pub fn new(entity: String, description: RosterDescription) -> Roster {
        let revision = Revision::default();
        Roster {
            entity,
            description,
            described: revision,
            is_locked: false,
            rows: BTreeMap::new(),
            gone: VecDeque::new(),
            revision,
            known_from: revision,
        }
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Says whether anything is different now, as the others do that change something.
    pub fn set_description(&mut self, description: RosterDescription) -> bool {
        let is_changed = self.description != description;
        if is_changed {
            self.description = description;
            self.described = self.advance();
        }
        is_changed
    }

    pub fn set_locked(&mut self, is_locked: bool) -> bool {
        let is_changed = self.is_locked != is_locked;
        if is_changed {
            self.is_locked = is_locked;
            self.advance();
        }
        is_changed
    }

    /// The participant with this URI is there, and so.
    pub fn put(&mut self, entity: &str, entry: RosterEntry) -> bool {
        let old = self.rows.get(entity);
        let is_changed = old.is_none_or(|row| row.entry != entry);
        if is_changed {
            let came = old.map(|row| row.came);
            let changed = self.advance();
            self.rows.insert(entity.to_owned(), Row { entry, came: came.unwrap_or(changed), changed });
        }
        is_changed
    }

    pub fn remove(&mut self, entity: &str) -> bool {
        let Some((entity, row)) = self.rows.remove_entry(entity) else { return false };
        let left = self.advance();
        self.gone.push_back(Gone { entity, came: row.came, left });
        if self.gone.len() > GONE_MAX
            && let Some(forgotten) = self.gone.pop_front()
        {
            self.known_from = forgotten.left;
        }
        true
    }

    /// What a subscriber is told at this occasion: nothing where he was told all there is and is owed no more.
    pub fn tell<R>(&self, occasion: &Occasion<'_, R, RosterMark>) -> Option<Told<RosterMark>> {
        let version = occasion.sent.map_or(1, |sent| sent.version.wrapping_add(1));
        let is_told = occasion.sent.is_some_and(|sent| sent.revision == self.revision);
        if is_told && !occasion.is_owed {
            return None;
        }
        let partial = occasion.sent.filter(|_| !occasion.is_whole).and_then(|sent| self.since(sent.revision, version));
        let document = partial.unwrap_or_else(|| self.full(version));
        Some(Told { body: fitting(document).into(), mark: RosterMark { revision: self.revision, version } })
    }

    /// The whole, with the version of the subscription that it is for.
    pub fn full(&self, version: u32) -> ConferenceInfo {
        let users = self.rows.iter().map(|(entity, row)| row.entry.user(entity)).collect();
        self.document(State::Full, version, users, Some(self.description()))
    }

    /// What changed since a revision; `None` where it is no longer known who left since.
    pub fn since(&self, revision: Revision, version: u32) -> Option<ConferenceInfo> {
        if revision < self.known_from || revision > self.revision {
            return None;
        }
        let changed = self.rows.iter().filter(|(_, row)| row.changed > revision);
        let changed = changed.map(|(entity, row)| row.entry.user(entity));
        // Who came and left since was never told of.
        let left = self.gone.iter().filter(|gone| gone.left > revision && gone.came <= revision);
        let left = left.map(|gone| &gone.entity).filter(|entity| !self.rows.contains_key(*entity));
        let left = left.map(|entity| User { entity: entity.clone(), state: State::Deleted, ..User::default() });
        let description = (self.described > revision).then(|| self.description());
        Some(self.document(State::Partial, version, changed.chain(left).collect(), description))
    }

    fn document(
        &self,
        state: State,
        version: u32,
        users: Vec<User>,
        description: Option<ConferenceDescription>,
    ) -> ConferenceInfo {
        let inside = self.rows.values().filter(|row| row.entry.is_inside()).count();
        ConferenceInfo {
            entity: self.entity.clone(),
            state,
            version: Some(version),
            description,
            host_info: None,
            conference_state: Some(ConferenceState {
                user_count: u32::try_from(inside).ok(),
                active: Some(inside > 0),
                locked: Some(self.is_locked),
            }),
            users: Some(Users { state, users }),
        }
    }

    fn description(&self) -> ConferenceDescription {
        let uri = UriEntry { uri: self.entity.clone(), display_text: None, purpose: Some("participation".to_owned()) };
        ConferenceDescription {
            subject: self.description.subject.clone(),
            conf_uris: vec![uri],
            maximum_user_count: self.description.participants_max,
            ..ConferenceDescription::default()
        }
    }

    fn advance(&mut self) -> Revision {
        self.revision.0 += 1;
        self.revision
    }
}

impl RosterEntry {
    /// Not in the lobby, not on his way in, and not out again.
    fn is_inside(&self) -> bool {
        self.endpoints.iter().any(|endpoint| {
            matches!(
                endpoint.status,
                EndpointStatus::Connected | EndpointStatus::OnHold | EndpointStatus::MutedViaFocus
            )
        })
    }

    fn user(&self, entity: &str) -> User {
        User {
            entity: entity.to_owned(),
            state: State::Full,
            display_text: self.display.clone(),
            roles: Some(self.role.clone()).into_iter().filter(|role| !role.is_empty()).collect(),
            endpoints: self.endpoints.iter().map(RosterEndpoint::endpoint).collect(),
        }
    }
}

impl RosterEndpoint {
    fn endpoint(&self) -> Endpoint {
        let when = self.joined_unix.map(date_time);
        Endpoint {
            entity: self.entity.clone(),
            status: Some(self.status),
            joining_method: Some(self.joining_method),
            joining_info: when.map(|when| Execution { when: Some(when), ..Execution::default() }),
            media: self.media.clone(),
            ..Endpoint::default()
        }
    }
}

/// The document, such that a message can hold it: of a great many who and in which role, but not with what; of still more the
/// first ones. Their number is told in any case.
fn fitting(mut document: ConferenceInfo) -> String {
    loop {
        let text = document.print();
        let Some(users) = document.users.as_mut().map(|users| &mut users.users).filter(|users| !users.is_empty())
        else {
            return text;
        };
        if text.len() <= DOCUMENT_BYTES_MAX {
            return text;
        }
        match users.iter().any(|user| !user.endpoints.is_empty()) {
            true => users.iter_mut().for_each(|user| user.endpoints.clear()),
            false => users.truncate(users.len() / 2),
        }
    }
}

/// `2026-03-02T09:00:00Z` (RFC 3339), of seconds since 1970.
fn date_time(unix_secs: i64) -> String {
    let (year, month, day) = civil(unix_secs.div_euclid(86_400));
    let second = unix_secs.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A message with its headers is no longer than 65,535 bytes.
const DOCUMENT_BYTES_MAX: usize = 56 << 10;
/// Those who left that are remembered for partial documents.
const GONE_MAX: usize = 256;

#[cfg(test)]
mod tests;
