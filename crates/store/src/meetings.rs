//! Scheduled meetings. What a meeting is stands in one column as JSON; the others are what is searched for.

use conference::ConferenceId;
use conference::schedule::Meeting;
use rusqlite::{OptionalExtension, Row, params};

use crate::{Store, StoreError};

/// A meeting, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMeeting {
    pub meeting: Meeting,
    pub created_unix: i64,
}

impl Store {
    /// Adds a meeting.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`]: its organiser has to be a user. [`StoreError::MeetingsFull`]: as many as may be are still
    /// to take place. [`StoreError::MeetingExists`].
    pub fn add_meeting(&self, meeting: &Meeting, now_unix: i64) -> Result<(), StoreError> {
        if !self.user_exists(&meeting.organiser)? {
            return Err(StoreError::UserUnknown(meeting.organiser.clone()));
        }
        if self.meetings_count(now_unix)? >= MEETINGS_MAX {
            return Err(StoreError::MeetingsFull { max: MEETINGS_MAX });
        }
        let added = self
            .connection()
            .prepare_cached(
                "INSERT INTO meetings (id, organiser, ends, record, created) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                meeting.id.as_str(),
                meeting.organiser.to_string(),
                ends(meeting, now_unix),
                record(meeting)?,
                now_unix
            ])?;
        if added == 0 { Err(StoreError::MeetingExists(meeting.id.clone())) } else { Ok(()) }
    }

    /// Keeps a meeting in place of what was kept of it before, if anything was.
    ///
    /// # Errors
    /// As of [`Store::add_meeting`].
    pub fn put_meeting(&self, meeting: &Meeting, now_unix: i64) -> Result<(), StoreError> {
        match self.change_meeting(meeting, now_unix) {
            Err(StoreError::MeetingUnknown(_)) => self.add_meeting(meeting, now_unix),
            changed => changed,
        }
    }

    /// Replaces what is kept of a meeting.
    ///
    /// # Errors
    /// [`StoreError::MeetingUnknown`].
    pub fn change_meeting(&self, meeting: &Meeting, now_unix: i64) -> Result<(), StoreError> {
        let changed = self
            .connection()
            .prepare_cached("UPDATE meetings SET ends = ?2, record = ?3 WHERE id = ?1")?
            .execute(params![meeting.id.as_str(), ends(meeting, now_unix), record(meeting)?])?;
        if changed == 0 { Err(StoreError::MeetingUnknown(meeting.id.clone())) } else { Ok(()) }
    }

    /// One meeting, whenever it was.
    ///
    /// # Errors
    /// [`StoreError::MeetingUnknown`].
    pub fn meeting(&self, id: &ConferenceId) -> Result<StoredMeeting, StoreError> {
        let found = self
            .connection()
            .prepare_cached("SELECT id, record, created FROM meetings WHERE id = ?1")?
            .query_row([id.as_str()], columns)
            .optional()?;
        found.map(stored_meeting).ok_or_else(|| StoreError::MeetingUnknown(id.clone()))?
    }

    /// The meetings that end, or were cancelled, after a moment; in the order of their making.
    pub fn meetings(&self, after_unix: i64) -> Result<Vec<StoredMeeting>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT id, record, created FROM meetings WHERE ends IS NULL OR ends > ?1 ORDER BY created, id",
        )?;
        let rows: Vec<_> = statement.query_map([after_unix], columns)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(stored_meeting).collect()
    }

    /// As [`Store::meetings`], in no order, each as it is stored: reading many thousands takes long.
    pub fn meeting_records(&self, after_unix: i64) -> Result<Vec<(ConferenceId, String)>, StoreError> {
        let mut statement =
            self.connection().prepare_cached("SELECT id, record FROM meetings WHERE ends IS NULL OR ends > ?1")?;
        let rows = statement.query_map([after_unix], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut records = Vec::new();
        for row in rows {
            let (id, record) = row?;
            let named = ConferenceId::parse(&id).ok_or_else(|| StoreError::Unreadable(format!("meeting {id}")))?;
            records.push((named, record));
        }
        Ok(records)
    }

    /// How many meetings end after a moment.
    pub fn meetings_count(&self, after_unix: i64) -> Result<u64, StoreError> {
        let mut statement =
            self.connection().prepare_cached("SELECT count(*) FROM meetings WHERE ends IS NULL OR ends > ?1")?;
        let count: i64 = statement.query_row([after_unix], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

/// When the last occurrence ends, or the moment at which it was cancelled; none where the series has no end.
fn ends(meeting: &Meeting, now_unix: i64) -> Option<i64> {
    if meeting.is_cancelled { Some(now_unix) } else { meeting.ends_unix() }
}

fn record(meeting: &Meeting) -> Result<String, StoreError> {
    serde_json::to_string(meeting).map_err(|error| StoreError::Unreadable(format!("meeting {}: {error}", meeting.id)))
}

type Columns = (String, String, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn stored_meeting((id, record, created_unix): Columns) -> Result<StoredMeeting, StoreError> {
    let read = serde_json::from_str(&record);
    let meeting = read.map_err(|error| StoreError::Unreadable(format!("meeting {id}: {error}")))?;
    Ok(StoredMeeting { meeting, created_unix })
}

/// That have not ended yet: every worker has them all.
const MEETINGS_MAX: u64 = 20_000;

#[cfg(test)]
mod tests {
    use conference::schedule::{Frequency, MeetingSettings, Recurrence, RecurrenceEnd, parse_local};

    use super::*;
    use crate::Credentials;
    use crate::testing::new_store;

    fn store() -> (tempfile::TempDir, Store) {
        let (folder, store) = new_store();
        let alice = "alice@contoso.example".parse().unwrap();
        store.add_user(&alice, &Credentials::new(&alice, "correct horse").unwrap(), 1).unwrap();
        (folder, store)
    }

    fn meeting(id: &str) -> Meeting {
        Meeting {
            id: ConferenceId::parse(id).unwrap(),
            organiser: "alice@contoso.example".parse().unwrap(),
            subject: "Budget".to_owned(),
            start: parse_local("2026-12-01 10:00").unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
            minutes: 45,
            recurrence: None,
            exceptions: Default::default(),
            invitees: Vec::new(),
            settings: MeetingSettings::default(),
            sequence: 0,
            is_cancelled: false,
        }
    }

    #[test]
    fn meetings_survive_reopening() {
        let (folder, store) = store();
        store.add_meeting(&meeting("one"), 5).unwrap();
        drop(store);
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        assert_eq!(store.meetings(0).unwrap(), [StoredMeeting { meeting: meeting("one"), created_unix: 5 }]);
        assert!(matches!(store.meeting(&meeting("two").id), Err(StoreError::MeetingUnknown(_))));
        assert!(matches!(store.add_meeting(&meeting("one"), 6), Err(StoreError::MeetingExists(_))));
        assert!(matches!(store.change_meeting(&meeting("two"), 6), Err(StoreError::MeetingUnknown(_))));
    }

    #[test]
    fn what_has_ended_is_listed_no_more_and_found_all_the_same() {
        let (_folder, store) = store();
        let once = meeting("once");
        let end = once.ends_unix().unwrap();
        let endless =
            Recurrence { frequency: Frequency::Month { on: Vec::new() }, interval: 1, end: RecurrenceEnd::Never };
        store.add_meeting(&once, 1).unwrap();
        store.add_meeting(&Meeting { recurrence: Some(endless), ..meeting("endless") }, 2).unwrap();
        assert_eq!(store.meetings_count(end - 1).unwrap(), 2);
        let ids: Vec<_> = store.meetings(end).unwrap().into_iter().map(|found| found.meeting.id.to_string()).collect();
        assert_eq!(ids, ["endless"]);
        assert_eq!(store.meeting(&once.id).unwrap().meeting, once);

        store.change_meeting(&Meeting { is_cancelled: true, ..meeting("endless") }, end + 100).unwrap();
        assert_eq!((store.meetings_count(end + 99).unwrap(), store.meetings_count(end + 100).unwrap()), (1, 0));
    }

    #[test]
    fn so_many_are_to_take_place_and_no_more_until_one_is_over() {
        let (_folder, store) = store();
        let once = meeting("once");
        let end = once.ends_unix().unwrap();
        store.add_meeting(&once, 1).unwrap();
        let fill =
            "WITH RECURSIVE numbers (number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?1)
                    INSERT INTO meetings (id, organiser, ends, record, created)
                    SELECT 'm' || number, organiser, ends, record, created FROM numbers, meetings WHERE id = 'once'";
        store.connection().execute(fill, [MEETINGS_MAX.cast_signed()]).unwrap();
        assert_eq!(store.meetings_count(1).unwrap(), MEETINGS_MAX);
        let refused = |added| matches!(added, Err(StoreError::MeetingsFull { max: MEETINGS_MAX }));
        assert!(refused(store.add_meeting(&meeting("late"), 2)) && refused(store.put_meeting(&meeting("late"), 2)));
        // What is there may be changed.
        store.put_meeting(&Meeting { is_cancelled: true, ..once }, 2).unwrap();
        store.add_meeting(&meeting("late"), 2).unwrap();
        assert!(refused(store.add_meeting(&meeting("later"), 2)));
        store.add_meeting(&meeting("later"), end).unwrap();
    }

    #[test]
    fn who_organises_is_a_user() {
        let (_folder, store) = store();
        let other = Meeting { organiser: "bob@contoso.example".parse().unwrap(), ..meeting("one") };
        assert!(matches!(store.add_meeting(&other, 1), Err(StoreError::UserUnknown(_))));
    }
}
