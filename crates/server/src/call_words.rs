//! What became of a call, in words for people.

use federation::flow::Direction;
use signaling::{CallKind, CallRecord, Ending, LegRecord, Way};
use store::StoredCall;

use crate::moment;

/// How it ended, as a cell of a table: `busy here (486)`.
pub fn ending(record: &CallRecord) -> String {
    let Some(end) = &record.end else { return "under way".to_owned() };
    match &end.why {
        Ending::ByCaller => "the caller hung up".to_owned(),
        Ending::ByCallee => "the callee hung up".to_owned(),
        Ending::ByMeeting => "ended by the meeting".to_owned(),
        Ending::Refused { status, word: Some(word) } => format!("refused: {status} {word}"),
        Ending::Refused { status, word: None } => format!("refused: {status}{}", meaning(*status)),
        Ending::Cancelled => "cancelled by the caller".to_owned(),
        Ending::NoAnswer => "not answered".to_owned(),
        Ending::ConnectionLost => "connection lost".to_owned(),
        Ending::Drained => "the server ended first".to_owned(),
        Ending::NeverSeen => "never seen to end".to_owned(),
    }
}

/// Who called whom: `(from, to)`.
pub fn sides(record: &CallRecord) -> (String, String) {
    let (user, other) = (record.user.to_string(), record.other.clone());
    match record.direction {
        Direction::Outbound => (user, other),
        Direction::Inbound => (other, user),
    }
}

/// `proxied`, as a cell of a table.
pub fn way(record: &CallRecord) -> String {
    match &record.way {
        Way::Proxied => "one dialog, from phone to phone".to_owned(),
        Way::Between => "two dialogs, with this server between them".to_owned(),
        Way::Meeting(id) => format!("meeting {id}"),
    }
}

/// What became of it, in a sentence and its details.
pub fn story(call: &StoredCall) -> (String, Vec<String>) {
    let record = &call.record;
    let (from, to) = sides(record);
    let what = match record.kind {
        CallKind::Messages => "session of messages",
        CallKind::Call | CallKind::Meeting => "call",
    };
    let sentence = match (record.talked_ms(0), &record.end) {
        (_, None) => format!("the {what} of {from} to {to} is under way"),
        (None, Some(_)) => format!("the {what} of {from} to {to} was never answered: {}", ending(record)),
        (Some(ms), Some(_)) => {
            let talked = moment::duration(ms / 1000);
            format!("the {what} of {from} to {to} lasted {talked} and is over: {}", ending(record))
        }
    };
    // What was never answered was never joined.
    let mut details: Vec<String> = record.answered_ms.map(|_| way(record)).into_iter().collect();
    details.extend(set_up(record));
    details.extend(call.legs.iter().map(leg));
    (sentence, details)
}

/// `rang after 80 ms, answered after 2.4 s`; `None`: neither.
pub fn set_up(record: &CallRecord) -> Option<String> {
    let rang = record.ringing_ms.map(|ms| format!("rang after {}", milliseconds(ms)));
    let answered = record.answered_ms.map(|ms| format!("answered after {}", milliseconds(ms)));
    match (rang, answered) {
        (Some(rang), Some(answered)) => Some(format!("{rang}, {answered}")),
        (one, other) => one.or(other),
    }
}

/// How the sound of a leg was: `sound from bob@fabrikam.example: PCMU, 0.2 % lost, jitter 3 ms (11 ms at worst)`.
pub fn leg(leg: &LegRecord) -> String {
    let report = &leg.report;
    let Some(loss) = leg.loss() else { return format!("sound from {}: nothing came", leg.who) };
    let mut said = vec![format!("{} lost", percent(loss))];
    said.push(format!("jitter {:.0} ms ({:.0} ms at worst)", report.jitter_ms, report.jitter_ms_max));
    if report.gap_ms_max > GAP_MS {
        said.push(format!("silent for {} once", milliseconds(report.gap_ms_max.into())));
    }
    said.extend(report.round_trip_ms.map(|ms| format!("round trip {ms:.0} ms")));
    let protection = if report.is_protected { "encrypted" } else { "not encrypted" };
    let encoding = report.encoding.as_ref().map(|encoding| format!("{encoding:?}, ")).unwrap_or_default();
    format!("sound from {}: {encoding}{protection}, {}", leg.who, said.join(", "))
}

/// Of all legs of a call the worst, as a cell of a table: `0.2 %, 11 ms`. Empty: no sound went by way of this server.
pub fn worst_sound(legs: &[LegRecord]) -> String {
    let loss = legs.iter().filter_map(LegRecord::loss).reduce(f64::max);
    let jitter = legs.iter().map(|leg| leg.report.jitter_ms_max).fold(0.0, f32::max);
    loss.map(|loss| format!("{}, {jitter:.0} ms", percent(loss))).unwrap_or_default()
}

pub fn milliseconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// The commonest answers of phones (RFC 3261 section 21).
fn meaning(status: u16) -> &'static str {
    match status {
        403 => " forbidden",
        404 => " not found",
        480 => " unavailable",
        486 | 600 => " busy",
        488 => " no common sound",
        603 => " declined",
        _ => "",
    }
}

/// Shorter ones nobody notices.
const GAP_MS: u32 = 200;

#[cfg(test)]
mod tests {
    use signaling::{CallEnd, LegReport};

    use super::*;

    fn report() -> LegReport {
        LegReport {
            packets_received: 998,
            packets_lost: 2,
            jitter_ms: 3.4,
            jitter_ms_max: 11.2,
            gap_ms_max: 1_450,
            round_trip_ms: Some(42.0),
            is_protected: true,
            ..LegReport::default()
        }
    }

    fn call(answered_ms: Option<u64>, why: Option<Ending>) -> StoredCall {
        let record = CallRecord {
            call_id: "c1".to_owned(),
            user: "alice@contoso.example".parse().unwrap(),
            other: "bob@fabrikam.example".to_owned(),
            partner: Some("fabrikam.example".to_owned()),
            direction: Direction::Inbound,
            kind: CallKind::Call,
            way: Way::Proxied,
            began_unix_ms: 1_000,
            ringing_ms: Some(80),
            answered_ms,
            end: why.map(|why| CallEnd { at_unix_ms: 65_000, why }),
        };
        StoredCall { record, legs: Vec::new() }
    }

    #[test]
    fn a_call_is_told_from_the_caller_to_the_callee() {
        let told = story(&call(Some(2_400), Some(Ending::ByCallee)));
        let sentence = "the call of bob@fabrikam.example to alice@contoso.example lasted 1 min 1 s and is over: the callee hung up";
        assert_eq!(told.0, sentence);
        assert_eq!(told.1, ["one dialog, from phone to phone", "rang after 80 ms, answered after 2.4 s"]);
        let (sentence, _) = story(&call(None, Some(Ending::Refused { status: 486, word: None })));
        assert!(sentence.ends_with("was never answered: refused: 486 busy"), "{sentence}");
        let (sentence, _) = story(&call(Some(1), None));
        assert!(sentence.ends_with("is under way"), "{sentence}");
    }

    #[test]
    fn sound_is_told_for_each_leg_and_its_worst_in_a_table() {
        let of = |report| LegRecord {
            call_id: "c1".to_owned(),
            who: "bob@fabrikam.example".to_owned(),
            closed_unix_ms: 0,
            report,
        };
        let heard = of(report());
        let sentence = "sound from bob@fabrikam.example: encrypted, 0.2 % lost, jitter 3 ms (11 ms at worst), silent for 1.4 s \
            once, round trip 42 ms";
        assert_eq!(leg(&heard), sentence);
        let silent = of(Default::default());
        assert_eq!(leg(&silent), "sound from bob@fabrikam.example: nothing came");
        assert_eq!(worst_sound(&[silent.clone(), heard]), "0.2 %, 11 ms");
        assert_eq!(worst_sound(&[silent]), "");
        assert_eq!(worst_sound(&[]), "");
    }
}
