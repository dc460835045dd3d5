//! The table of scheduled meetings as every worker has it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Meeting;
use crate::ConferenceId;

/// Meetings that may still be entered, and those that were cancelled lately. Replaced as a whole when one of them changes.
#[derive(Debug, Clone, Default)]
pub struct Meetings {
    meetings_by_id: BTreeMap<ConferenceId, Entry>,
}

/// A meeting as it is stored, read when it is asked for: of many thousands few are entered before the table is replaced.
#[derive(Debug, Clone)]
struct Entry {
    record: String,
    read: OnceLock<Option<Arc<Meeting>>>,
}

impl Meetings {
    pub fn new(meetings: impl IntoIterator<Item = Meeting>) -> Meetings {
        let named = meetings.into_iter().map(|meeting| {
            let id = meeting.id.clone();
            (id, Entry { record: String::new(), read: OnceLock::from(Some(Arc::new(meeting))) })
        });
        Meetings { meetings_by_id: named.collect() }
    }

    /// Of meetings as JSON, each under its ID.
    pub fn of_records(records: impl IntoIterator<Item = (ConferenceId, String)>) -> Meetings {
        let named = records.into_iter().map(|(id, record)| (id, Entry { record, read: OnceLock::new() }));
        Meetings { meetings_by_id: named.collect() }
    }

    /// `None`: there is no such meeting, or it ended long ago; or its record cannot be read, which the store says to whoever
    /// lists meetings.
    pub fn get(&self, id: &ConferenceId) -> Option<&Arc<Meeting>> {
        let entry = self.meetings_by_id.get(id)?;
        entry.read.get_or_init(|| serde_json::from_str(&entry.record).ok().map(Arc::new)).as_ref()
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
        assert_eq!(meetings.len(), 2);
    }

    #[test]
    fn a_record_is_read_when_it_is_asked_for() {
        let [good, bad] = ["good", "bad"].map(|id| ConferenceId::parse(id).unwrap());
        let record = serde_json::to_string(&meeting()).unwrap();
        let meetings = Meetings::of_records([(good.clone(), record), (bad.clone(), "{".to_owned())]);
        assert_eq!(**meetings.get(&good).unwrap(), meeting());
        assert_eq!(meetings.get(&bad), None);
    }
}
