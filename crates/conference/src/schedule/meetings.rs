//! The table of scheduled meetings as every worker has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Meeting;
use crate::ConferenceId;

/// Meetings that may still be entered, and those that were cancelled lately. Replaced as a whole when one of them changes.
#[derive(Debug, Clone, Default)]
pub struct Meetings {
    meetings_by_id: BTreeMap<ConferenceId, Arc<Meeting>>,
}

impl Meetings {
    pub fn new(meetings: impl IntoIterator<Item = Meeting>) -> Meetings {
        let named = meetings.into_iter().map(|meeting| (meeting.id.clone(), Arc::new(meeting)));
        Meetings { meetings_by_id: named.collect() }
    }

    /// `None`: there is no such meeting, or it ended long ago.
    pub fn get(&self, id: &ConferenceId) -> Option<&Arc<Meeting>> {
        self.meetings_by_id.get(id)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Meeting>> {
        self.meetings_by_id.values()
    }

    pub fn len(&self) -> usize {
        self.meetings_by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.meetings_by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::meeting::tests::meeting;
    use super::*;

    #[test]
    fn a_meeting_is_found_by_its_id() {
        let other = ConferenceId::parse("other").unwrap();
        let meetings =
            Meetings::new([meeting(), Meeting { id: other.clone(), subject: "Other".to_owned(), ..meeting() }]);
        assert_eq!(meetings.get(&other).unwrap().subject, "Other");
        assert_eq!(meetings.get(&ConferenceId::parse("third").unwrap()), None);
        assert_eq!((meetings.len(), meetings.iter().count()), (2, 2));
    }
}
