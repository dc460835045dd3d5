//! What is kept of a call: who spoke with whom, by which way, how long it took to set up, why it ended, and how its sound was.
//!
//! Values only. A record is about one user of ours: a call between two of them leaves two. A meeting's legs to people of other
//! organisations are about the meeting itself, by its address.

use federation::flow::Direction;
use media::LegReport;
use serde::{Deserialize, Serialize};
use sip::Aor;

/// What is to be kept; see [`Output::Record`](crate::Output::Record).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Said when the call is answered, and again when it is over: the later one takes the place of the earlier. They are the
    /// same where user, Call-ID and beginning are.
    Call(Box<CallRecord>),
    Leg(Box<LegRecord>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    pub call_id: String,
    /// The user of ours, or the meeting, that it is about.
    pub user: Aor,
    /// The address of the other side.
    pub other: String,
    /// The domain of the other side, where it is a partner's.
    pub partner: Option<String>,
    /// Outbound: the user called.
    pub direction: Direction,
    pub kind: CallKind,
    pub way: Way,
    /// When the INVITE was admitted.
    pub began_unix_ms: u64,
    /// From then until the first answer that says that somebody is being called (RFC 3261 section 13.2.2.1): 101 to 199.
    pub ringing_ms: Option<u64>,
    /// From then until the 2xx.
    pub answered_ms: Option<u64>,
    /// Absent while it is under way.
    pub end: Option<CallEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    Call,
    /// A session of messages within an INVITE dialog, as it began: without sound.
    Messages,
    /// One side is a meeting here.
    Meeting,
}

impl CallKind {
    pub fn as_str(self) -> &'static str {
        match self {
            CallKind::Call => "call",
            CallKind::Messages => "messages",
            CallKind::Meeting => "meeting",
        }
    }
}

/// How the two sides are joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// One dialog, through our proxy.
    Proxied,
    /// Two dialogs, and we stand between them.
    Between,
    /// In a meeting, by its id.
    Meeting(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    pub at_unix_ms: u64,
    #[serde(flatten)]
    pub why: Ending,
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Ending {
    ByCaller,
    ByCallee,
    /// The meeting ended it: somebody was removed, or the meeting was over.
    ByMeeting,
    /// Before it was answered, by us or by the other side, with the public word of whoever says one.
    Refused {
        status: u16,
        word: Option<String>,
    },
    /// The caller gave up before it was answered.
    Cancelled,
    /// It rang, or the request was heard by nobody, until the time was up (408).
    NoAnswer,
    /// The user has no connection to us any more, or the caller had none before it was answered.
    ConnectionLost,
    /// The server ended while it was under way; the phones may have talked on.
    Drained,
    /// It was answered, and nobody ever said that it was over.
    NeverSeen,
}

impl Ending {
    /// Every cause by its name, for counting.
    pub const CAUSES: [&str; 9] = [
        "by-caller",
        "by-callee",
        "by-meeting",
        "refused",
        "cancelled",
        "no-answer",
        "connection-lost",
        "drained",
        "never-seen",
    ];

    pub fn cause(&self) -> &'static str {
        match self {
            Ending::ByCaller => "by-caller",
            Ending::ByCallee => "by-callee",
            Ending::ByMeeting => "by-meeting",
            Ending::Refused { .. } => "refused",
            Ending::Cancelled => "cancelled",
            Ending::NoAnswer => "no-answer",
            Ending::ConnectionLost => "connection-lost",
            Ending::Drained => "drained",
            Ending::NeverSeen => "never-seen",
        }
    }
}

impl CallRecord {
    /// How long they talked, or have talked by now; `None`: it was never answered.
    pub fn talked_ms(&self, now_unix_ms: u64) -> Option<u64> {
        let answered_at = self.began_unix_ms + self.answered_ms?;
        let until = self.end.as_ref().map_or(now_unix_ms, |end| end.at_unix_ms);
        Some(until.saturating_sub(answered_at))
    }

    /// Who hung up, from this record's side.
    pub(crate) fn hung_up_by(&self, is_user: bool) -> Ending {
        match (is_user, self.direction) {
            (true, Direction::Outbound) | (false, Direction::Inbound) => Ending::ByCaller,
            (true, Direction::Inbound) | (false, Direction::Outbound) => Ending::ByCallee,
        }
    }
}

/// How the sound between us and one phone was, in a meeting or where we stand between two dialogs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegRecord {
    /// Of the call that it belonged to, as its record has it.
    pub call_id: String,
    /// Whose phone it was.
    pub who: String,
    pub closed_unix_ms: u64,
    pub report: LegReport,
}

impl LegRecord {
    /// Which part of what the phone sent never came or came too late: 0 to 1; `None`: nothing came at all.
    pub fn loss(&self) -> Option<f64> {
        let LegReport { packets_received, packets_lost, packets_late, .. } = &self.report;
        let sent = packets_received + packets_lost;
        (sent > 0).then(|| (packets_lost + packets_late.min(packets_received)) as f64 / sent as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(direction: Direction) -> CallRecord {
        CallRecord {
            call_id: "c1".to_owned(),
            user: "alice@contoso.example".parse().unwrap(),
            other: "bob@fabrikam.example".to_owned(),
            partner: Some("fabrikam.example".to_owned()),
            direction,
            kind: CallKind::Call,
            way: Way::Meeting("m1".to_owned()),
            began_unix_ms: 1_000,
            ringing_ms: Some(40),
            answered_ms: Some(500),
            end: None,
        }
    }

    #[test]
    fn a_record_reads_back_from_json_with_its_cause() {
        for why in [Ending::Refused { status: 486, word: None }, Ending::NeverSeen] {
            let record = CallRecord { end: Some(CallEnd { at_unix_ms: 2_000, why }), ..record(Direction::Inbound) };
            let json = serde_json::to_string(&record).unwrap();
            assert!(json.contains(&format!("\"cause\":\"{}\"", record.end.as_ref().unwrap().why.cause())), "{json}");
            assert_eq!(serde_json::from_str::<CallRecord>(&json).unwrap(), record);
        }
    }

    #[test]
    fn time_is_counted_from_the_answer_to_the_end_or_to_now() {
        let mut record = record(Direction::Outbound);
        assert_eq!(record.talked_ms(2_000), Some(500));
        record.end = Some(CallEnd { at_unix_ms: 1_700, why: Ending::ByCaller });
        assert_eq!(record.talked_ms(9_000), Some(200));
        record.answered_ms = None;
        assert_eq!(record.talked_ms(9_000), None);
    }

    #[test]
    fn who_hung_up_is_the_caller_or_the_callee() {
        assert_eq!(record(Direction::Outbound).hung_up_by(true), Ending::ByCaller);
        assert_eq!(record(Direction::Outbound).hung_up_by(false), Ending::ByCallee);
        assert_eq!(record(Direction::Inbound).hung_up_by(true), Ending::ByCallee);
        assert_eq!(record(Direction::Inbound).hung_up_by(false), Ending::ByCaller);
    }

    #[test]
    fn what_came_too_late_is_as_good_as_lost() {
        let report = LegReport { packets_received: 95, packets_lost: 5, packets_late: 3, ..LegReport::default() };
        let leg = LegRecord { call_id: String::new(), who: String::new(), closed_unix_ms: 0, report };
        assert_eq!(leg.loss(), Some(0.08));
        assert_eq!(LegRecord { report: LegReport::default(), ..leg }.loss(), None);
    }
}
