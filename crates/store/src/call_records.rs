//! What became of calls, and how their sound was, kept for as long as the configuration says.
//!
//! A record stands in one column as JSON; the others are what is searched for. How a leg was is known only once the call is
//! over, so that it has a table of its own, and is found by the Call-ID.

use conference::id::MeetingAddress;
use rusqlite::{Row, ToSql, params};
use serde::{Deserialize, Serialize};
use signaling::{CallEnd, CallRecord, Ending, LegRecord, Record};

use crate::{Store, StoreError, integer};

/// How many records of calls are kept, and how many of legs.
pub const CALL_RECORDS_MAX: u32 = 1_000_000;

/// A call, and the legs of sound between us and its phones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredCall {
    #[serde(flatten)]
    pub record: CallRecord,
    pub legs: Vec<LegRecord>,
}

/// Which calls to read: all that match every given field, the newest first.
#[derive(Clone, Debug, Default)]
pub struct CallQuery {
    pub call_id: Option<String>,
    /// The address of the user of ours, or of the meeting, in canonical form: of a meeting, the calls of all who came into it.
    pub user: Option<String>,
    /// The other side: an address in canonical form, or a partner's domain in lower case.
    pub with: Option<String>,
    /// That began then or later.
    pub since_unix_ms: u64,
    pub limit: u32,
}

impl Store {
    /// Adds a record, or puts it in the place of an earlier one of the same call.
    pub fn put_record(&self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Call(call) => self.put_call(call),
            Record::Leg(leg) => {
                self.connection()
                    .prepare_cached("INSERT INTO call_legs (call_id, closed, record) VALUES (?1, ?2, ?3)")?
                    .execute(params![leg.call_id, integer(leg.closed_unix_ms), json(leg)?])?;
                Ok(())
            }
        }
    }

    fn put_call(&self, call: &CallRecord) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "INSERT INTO call_records (call_id, aor, other, partner, began, ended, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (call_id, aor, began) DO UPDATE SET ended = excluded.ended, record = excluded.record",
            )?
            .execute(params![
                call.call_id,
                call.user.to_string(),
                call.other,
                call.partner,
                integer(call.began_unix_ms),
                call.end.as_ref().map(|end| integer(end.at_unix_ms)),
                json(call)?
            ])?;
        Ok(())
    }

    /// Reads calls, the newest first.
    pub fn calls(&self, query: &CallQuery) -> Result<Vec<StoredCall>, StoreError> {
        let mut found = Vec::new();
        for text in self.call_texts(query)? {
            let record: CallRecord = read(&text, "call")?;
            // One that was refused, and offered in another way, has none: they are the other record's.
            let legs = if record.answered_ms.is_some() { self.legs_of(&record)? } else { Vec::new() };
            found.push(StoredCall { legs, record });
        }
        Ok(found)
    }

    /// Each condition only where it is asked for, so that its index is used.
    fn call_texts(&self, query: &CallQuery) -> Result<Vec<String>, StoreError> {
        let since = integer(query.since_unix_ms);
        let mut conditions = String::from("began >= ?1");
        let mut values: Vec<&dyn ToSql> = vec![&since];
        let with: &[&str] = match query.with.as_deref() {
            Some(with) if is_meeting(with) => &["other", "aor"],
            Some(with) if with.contains('@') => &["other"],
            _ => &["partner"],
        };
        let columns_asked: [(&[&str], _); 3] = [
            (&["call_id"], &query.call_id),
            (if query.user.as_deref().is_some_and(is_meeting) { &["aor", "other"] } else { &["aor"] }, &query.user),
            (with, &query.with),
        ];
        for (columns, value) in columns_asked {
            if let Some(value) = value {
                values.push(value);
                let any: Vec<_> = columns.iter().map(|column| format!("{column} = ?{}", values.len())).collect();
                conditions.push_str(&format!(" AND ({})", any.join(" OR ")));
            }
        }
        values.push(&query.limit);
        let text = format!(
            "SELECT record FROM call_records WHERE {conditions} ORDER BY began DESC, id DESC LIMIT ?{}",
            values.len()
        );
        let mut statement = self.connection().prepare_cached(&text)?;
        let texts = statement.query_map(values.as_slice(), text_of)?.collect::<Result<_, _>>()?;
        Ok(texts)
    }

    /// The legs that were closed while the call was under way, or because it ended: a Call-ID may come again later.
    fn legs_of(&self, call: &CallRecord) -> Result<Vec<LegRecord>, StoreError> {
        let until = call.end.as_ref().map_or(i64::MAX, |end| integer(end.at_unix_ms).saturating_add(LEG_CLOSED_MS_MAX));
        let mut statement = self.connection().prepare_cached(
            "SELECT record FROM call_legs WHERE call_id = ?1 AND closed >= ?2 AND closed <= ?3 ORDER BY id",
        )?;
        let rows = statement.query_map(params![call.call_id, integer(call.began_unix_ms), until], text_of)?;
        rows.map(|text| read(&text?, "leg")).collect()
    }

    /// How many calls ended at this moment or later. One between two users of ours counts once.
    pub fn calls_ended_since(&self, unix_ms: u64) -> Result<u64, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT count(*) FROM (SELECT DISTINCT call_id, began FROM call_records WHERE ended >= ?1)",
        )?;
        let count: i64 = statement.query_row([integer(unix_ms)], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// What was under way when the server ended without a word: nobody will say any more when those calls were over.
    /// For a server that starts.
    pub fn close_open_calls(&self, now_unix_ms: u64) -> Result<usize, StoreError> {
        let mut statement = self.connection().prepare_cached("SELECT record FROM call_records WHERE ended IS NULL")?;
        let open: Vec<String> = statement.query_map([], text_of)?.collect::<Result<_, _>>()?;
        for text in &open {
            let record: CallRecord = read(text, "call")?;
            let end = Some(CallEnd { at_unix_ms: now_unix_ms, why: Ending::NeverSeen });
            self.put_call(&CallRecord { end, ..record })?;
        }
        Ok(open.len())
    }

    /// Removes what ended before this moment, and the oldest of what are too many.
    pub fn expire_calls(&self, before_unix_ms: u64) -> Result<usize, StoreError> {
        self.prune_calls(before_unix_ms, CALL_RECORDS_MAX)
    }

    fn prune_calls(&self, before_unix_ms: u64, records_max: u32) -> Result<usize, StoreError> {
        let connection = self.connection();
        let before = integer(before_unix_ms);
        let mut removed = connection.prepare_cached("DELETE FROM call_records WHERE ended < ?1")?.execute([before])?;
        connection.prepare_cached("DELETE FROM call_legs WHERE closed < ?1")?.execute([before])?;
        removed += connection
            .prepare_cached("DELETE FROM call_records WHERE id <= (SELECT max(id) FROM call_records) - ?1")?
            .execute([records_max])?;
        connection
            .prepare_cached("DELETE FROM call_legs WHERE id <= (SELECT max(id) FROM call_legs) - ?1")?
            .execute([records_max])?;
        Ok(removed)
    }
}

/// Of a call to a meeting, the side of ours is whoever came into it; of one from it, or of a partner's user, the meeting.
fn is_meeting(address: &str) -> bool {
    address.split_once('@').is_some_and(|(user, _)| MeetingAddress::read(user).is_some())
}

fn json(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Unreadable(format!("call record: {error}")))
}

fn read<T: for<'a> Deserialize<'a>>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(format!("{what} record: {error}")))
}

fn text_of(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

/// How long after the end of a call its legs may be closed.
const LEG_CLOSED_MS_MAX: i64 = 60_000;

#[cfg(test)]
mod tests {
    use federation::flow::Direction;
    use media::LegReport;
    use signaling::{CallKind, Way};

    use super::*;
    use crate::testing::new_store;

    fn call(call_id: &str, user: &str, began_unix_ms: u64) -> CallRecord {
        CallRecord {
            call_id: call_id.to_owned(),
            user: user.parse().unwrap(),
            other: "bob@fabrikam.example".to_owned(),
            partner: Some("fabrikam.example".to_owned()),
            direction: Direction::Outbound,
            kind: CallKind::Call,
            way: Way::Proxied,
            began_unix_ms,
            ringing_ms: Some(80),
            answered_ms: Some(900),
            end: None,
        }
    }

    fn ended(call: CallRecord, at_unix_ms: u64) -> CallRecord {
        CallRecord { end: Some(CallEnd { at_unix_ms, why: Ending::ByCallee }), ..call }
    }

    fn put(store: &Store, call: &CallRecord) {
        store.put_record(&Record::Call(Box::new(call.clone()))).unwrap();
    }

    fn put_leg(store: &Store, call_id: &str, closed_unix_ms: u64) {
        let report = LegReport { packets_received: closed_unix_ms, ..LegReport::default() };
        let leg =
            LegRecord { call_id: call_id.to_owned(), who: "bob@fabrikam.example".to_owned(), closed_unix_ms, report };
        store.put_record(&Record::Leg(Box::new(leg))).unwrap();
    }

    fn everything() -> CallQuery {
        CallQuery { limit: 100, ..CallQuery::default() }
    }

    const ALICE: &str = "alice@contoso.example";
    const DAVE: &str = "dave@contoso.example";

    #[test]
    fn the_end_of_a_call_takes_the_place_of_its_beginning_after_reopening() {
        let (folder, store) = new_store();
        put(&store, &call("a", ALICE, 10));
        drop(store);
        let store = Store::open(&folder.path().join("comity.db")).unwrap();
        assert_eq!(store.calls(&everything()).unwrap()[0].record, call("a", ALICE, 10));
        put(&store, &ended(call("a", ALICE, 10), 2_000));
        let found = store.calls(&everything()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].record, ended(call("a", ALICE, 10), 2_000));
    }

    #[test]
    fn calls_are_found_by_each_side_by_domain_and_by_time() {
        let (_folder, store) = new_store();
        put(&store, &call("a", ALICE, 10));
        put(&store, &call("b", DAVE, 20));
        put(&store, &CallRecord { other: ALICE.to_owned(), partner: None, ..call("c", DAVE, 30) });
        let ids = |query: CallQuery| -> Vec<String> {
            store.calls(&query).unwrap().into_iter().map(|found| found.record.call_id).collect()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(ids(everything()), ["c", "b", "a"]);
        assert_eq!(ids(CallQuery { limit: 1, ..everything() }), ["c"]);
        assert_eq!(ids(CallQuery { call_id: text("b"), ..everything() }), ["b"]);
        assert_eq!(ids(CallQuery { user: text(DAVE), ..everything() }), ["c", "b"]);
        assert_eq!(ids(CallQuery { with: text(ALICE), ..everything() }), ["c"]);
        assert_eq!(ids(CallQuery { with: text("fabrikam.example"), ..everything() }), ["b", "a"]);
        assert_eq!(ids(CallQuery { user: text(DAVE), with: text("fabrikam.example"), ..everything() }), ["b"]);
        assert_eq!(ids(CallQuery { since_unix_ms: 20, ..everything() }), ["c", "b"]);
        let meeting = "meet-abc@contoso.example";
        put(&store, &CallRecord { other: meeting.to_owned(), partner: None, ..call("m1", ALICE, 40) });
        put(&store, &call("m2", meeting, 50));
        assert_eq!(ids(CallQuery { user: text(meeting), ..everything() }), ["m2", "m1"]);
        assert_eq!(ids(CallQuery { user: text(meeting), since_unix_ms: 50, ..everything() }), ["m2"]);
        assert_eq!(ids(CallQuery { with: text(meeting), ..everything() }), ["m2", "m1"]);
        assert_eq!(ids(CallQuery { user: text(ALICE), with: text(meeting), ..everything() }), ["m1"]);
    }

    #[test]
    fn legs_belong_to_the_call_that_they_were_closed_in() {
        let (_folder, store) = new_store();
        put(&store, &ended(call("a", ALICE, 1_000), 2_000));
        put(&store, &ended(call("a", ALICE, 900_000), 901_000));
        put_leg(&store, "a", 2_010);
        put_leg(&store, "a", 901_000);
        put_leg(&store, "another", 2_010);
        let packets: Vec<Vec<u64>> = store
            .calls(&everything())
            .unwrap()
            .iter()
            .map(|found| found.legs.iter().map(|leg| leg.report.packets_received).collect())
            .collect();
        assert_eq!(packets, [[901_000], [2_010]]);
    }

    #[test]
    fn what_a_killed_server_left_open_is_closed_and_what_ended_stays() {
        let (_folder, store) = new_store();
        put(&store, &call("open", ALICE, 10));
        put(&store, &ended(call("over", ALICE, 20), 30));
        assert_eq!(store.close_open_calls(99).unwrap(), 1);
        assert_eq!(store.close_open_calls(100).unwrap(), 0);
        let ends: Vec<_> =
            store.calls(&everything()).unwrap().into_iter().filter_map(|found| found.record.end).collect();
        let end = |at_unix_ms, why| CallEnd { at_unix_ms, why };
        assert_eq!(ends, [end(30, Ending::ByCallee), end(99, Ending::NeverSeen)]);
    }

    #[test]
    fn what_is_too_old_or_too_many_goes_with_its_legs_and_what_is_under_way_stays() {
        let (_folder, store) = new_store();
        put(&store, &call("under way", ALICE, 1));
        put(&store, &ended(call("old", ALICE, 5), 99));
        put(&store, &ended(call("new", ALICE, 5), 100));
        put_leg(&store, "old", 99);
        put_leg(&store, "new", 100);
        assert_eq!(store.expire_calls(100).unwrap(), 1);
        let left = store.calls(&everything()).unwrap();
        let ids: Vec<_> = left.iter().map(|found| (found.record.call_id.as_str(), found.legs.len())).collect();
        assert_eq!(ids, [("new", 1), ("under way", 0)]);
        assert_eq!(store.prune_calls(0, 1).unwrap(), 1);
        assert_eq!(store.calls(&everything()).unwrap()[0].record.call_id, "new");
    }

    #[test]
    fn a_call_between_two_of_ours_counts_once() {
        let (_folder, store) = new_store();
        put(&store, &ended(call("a", ALICE, 10), 50));
        put(&store, &ended(call("a", DAVE, 10), 50));
        put(&store, &ended(call("b", DAVE, 10), 40));
        put(&store, &call("c", DAVE, 10));
        assert_eq!(store.calls_ended_since(41).unwrap(), 1);
        assert_eq!(store.calls_ended_since(0).unwrap(), 2);
    }
}
