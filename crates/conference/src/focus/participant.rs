//! Somebody in a meeting, by his home identity.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sip::Aor;

use super::Focus;
use super::delivery::Pages;
use super::endpoint::{EndpointId, Hearing};
use super::messages::Pace;
use crate::policy::roles;
use crate::schedule::MeetingRole;

/// Somebody who is in the meeting, wants to be, or is wanted there. His key is the address that his home vouches for.
#[derive(Debug)]
pub(super) struct Participant {
    pub display: Option<String>,
    pub place: Place,
    /// When he came, or was called; seconds since 1970.
    pub since_unix: i64,
    pub endpoints: BTreeSet<EndpointId>,
    /// He takes part by messages outside of any dialog.
    pub is_paged: bool,
    /// He was invited to it by a message.
    pub is_written_to_first: bool,
    /// His phone says when somebody is typing, so it is told, too.
    pub knows_typing: bool,
    /// His phone takes a message with its sender beside it (RFC 3862).
    pub knows_cpim: bool,
    pub pace: Pace,
    pub pages: Pages,
    pub is_talking: bool,
    /// His presence says that he is in a meeting.
    pub is_attending: bool,
}

/// Where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// He is being called.
    Called,
    Lobby,
    Inside,
}

/// A participant as commands show him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantSummary {
    pub address: String,
    pub display: Option<String>,
    pub role: MeetingRole,
    pub place: Place,
    pub is_muted: bool,
    pub is_talking: bool,
    pub since_unix: i64,
    /// Devices with a session.
    pub endpoints: usize,
    pub is_paged: bool,
    /// Of each of his devices that has sound.
    pub sound: Vec<Hearing>,
}

impl Participant {
    pub fn new(place: Place, since_unix: i64) -> Participant {
        Participant {
            display: None,
            place,
            since_unix,
            endpoints: BTreeSet::new(),
            is_paged: false,
            is_written_to_first: false,
            knows_typing: false,
            knows_cpim: false,
            pace: Pace::default(),
            pages: Pages::default(),
            is_talking: false,
            is_attending: false,
        }
    }

    pub fn is_inside(&self) -> bool {
        self.place == Place::Inside
    }

    /// Nothing of him is left.
    pub fn is_gone(&self) -> bool {
        self.endpoints.is_empty() && !self.is_paged
    }

    /// How the others know him.
    pub fn name<'a>(&'a self, aor: &'a Aor) -> std::borrow::Cow<'a, str> {
        match &self.display {
            Some(display) => display.into(),
            None => aor.to_string().into(),
        }
    }
}

impl<S: Copy + Ord> Focus<S> {
    pub(super) fn summary(&self, aor: &Aor, participant: &Participant) -> ParticipantSummary {
        ParticipantSummary {
            address: aor.to_string(),
            display: participant.display.clone(),
            role: roles::role(&self.conduct, aor),
            place: participant.place,
            is_muted: self.mutes.is_muted(aor),
            is_talking: participant.is_talking,
            since_unix: participant.since_unix,
            endpoints: participant.endpoints.len(),
            is_paged: participant.is_paged,
            sound: participant.endpoints.iter().filter_map(|id| self.hearing_of(*id)).collect(),
        }
    }

    fn hearing_of(&self, id: EndpointId) -> Option<Hearing> {
        self.endpoints_by_id.get(&id).filter(|endpoint| endpoint.has_leg()).map(|endpoint| endpoint.hearing)
    }

    /// Those inside, in the order of their addresses.
    pub(super) fn inside(&self) -> impl Iterator<Item = (&Aor, &Participant)> {
        self.participants_by_aor.iter().filter(|(_, participant)| participant.is_inside())
    }
}
