//! Which messages wait (RFC 3428 section 7), and how a queue is emptied.

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use federation::Admitted;
use messaging::{MessageId, NotStored, Outcome, Queues, Settled, StoreAndForward, StoreAndForwardLimits, Terms};
use sip::transaction::ClientTransactionId;
use sip::{Aor, Message, Refusal};

const NOW: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 86_400_000;

fn terms(headers: &str) -> Result<Option<Terms>, Refusal> {
    let text = format!(
        "MESSAGE sip:bob@fabrikam.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
         From: <sip:alice@contoso.example>;tag=1\r\nTo: <sip:bob@fabrikam.example>\r\nCall-ID: 1\r\n\
         CSeq: 1 MESSAGE\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    let aor: Aor = "alice@contoso.example".parse().unwrap();
    let admitted: Admitted =
        serde_json::from_value(serde_json::json!({ "origin": { "User": { "aor": aor } } })).unwrap();
    StoreAndForward::default().terms(&Message::parse(text.into()).unwrap(), &admitted, NOW)
}

#[test]
fn a_message_is_kept_for_as_long_as_it_says_within_the_limit() {
    let expires = |headers: &str| terms(headers).unwrap().unwrap().expires_unix_ms;
    assert_eq!(expires(""), NOW + 7 * DAY_MS);
    assert_eq!(expires("Expires: 60\r\n"), NOW + 60_000);
    assert_eq!(expires("Expires: 4000000000\r\n"), NOW + 28 * DAY_MS);
    // A sender whose clock is a day behind loses nothing.
    assert_eq!(expires("Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nExpires: 60\r\n"), NOW + 60_000);
    assert_eq!(terms("Expires: soon\r\n").unwrap_err().status, 400);
}

#[test]
fn what_means_nothing_later_is_not_kept() {
    assert_eq!(terms("Expires: 0\r\n"), Ok(None));
    assert_eq!(terms("Content-Type: application/im-isComposing+xml ;charset=UTF-8\r\n"), Ok(None));
    assert!(terms("Content-Type: text/plain\r\n").unwrap().is_some());
}

#[test]
fn each_reason_has_its_answer() {
    let answer = |why: NotStored| {
        let refusal = Refusal::from(why);
        (refusal.status, refusal.word.as_str())
    };
    assert_eq!(answer(NotStored::UserUnknown), (404, "user-unknown"));
    assert_eq!(answer(NotStored::Full), (486, "mailbox-full"));
    assert_eq!(answer(NotStored::SenderFull), (486, "mailbox-full"));
    assert_eq!(answer(NotStored::Failed("disk full".into())), (500, "not-stored"));
}

fn queues() -> Queues {
    Queues::new(StoreAndForwardLimits::default().empty_queues_max)
}

fn bob() -> Aor {
    "bob@fabrikam.example".parse().unwrap()
}

fn branch(serial: u64) -> ClientTransactionId {
    ClientTransactionId { serial, cancel: false }
}

fn send(queues: &mut Queues, id: i64, branches: &[u64]) -> Option<Settled> {
    let branches: BTreeSet<_> = branches.iter().map(|serial| branch(*serial)).collect();
    queues.sent(&bob(), MessageId(id), branches, None)
}

fn settled(id: i64, outcome: Outcome) -> Option<Settled> {
    Some(Settled { aor: bob(), id: MessageId(id), outcome })
}

#[test]
fn one_device_that_has_it_is_enough_and_the_next_message_follows() {
    let mut queues = queues();
    assert!(queues.begin(&bob(), true));
    assert_eq!(queues.expects_after(&bob()), Some(MessageId(0)));
    assert_eq!(send(&mut queues, 5, &[1, 2]), None);
    assert_eq!(queues.expects_after(&bob()), None, "not before an answer");
    assert_eq!(queues.answered(branch(1), Outcome::NotNow), None);
    assert_eq!(queues.answered(branch(2), Outcome::Delivered), settled(5, Outcome::Delivered));
    assert_eq!(queues.expects_after(&bob()), Some(MessageId(5)));
    assert!(!queues.exhausted(&bob()));
    assert!(!queues.is_draining(&bob()));
}

#[test]
fn a_late_answer_for_an_earlier_message_decides_nothing() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    send(&mut queues, 1, &[1, 2]);
    queues.answered(branch(1), Outcome::Delivered);
    send(&mut queues, 2, &[3, 4]);
    assert_eq!(queues.answered(branch(2), Outcome::Delivered), None);
    assert_eq!(queues.answered(branch(3), Outcome::Refused), None);
    assert_eq!(queues.answered(branch(4), Outcome::Unanswered), settled(2, Outcome::Unanswered));
}

#[test]
fn a_device_that_is_busy_keeps_all_waiting_and_one_that_refuses_this_message_does_not() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    send(&mut queues, 1, &[1]);
    assert_eq!(queues.answered(branch(1), Outcome::of_status(415)), settled(1, Outcome::Refused));
    assert_eq!(queues.expects_after(&bob()), Some(MessageId(1)), "the next one");
    send(&mut queues, 2, &[2]);
    assert_eq!(queues.answered(branch(2), Outcome::of_status(486)), settled(2, Outcome::NotNow));
    assert!(!queues.is_draining(&bob()));
    assert!(queues.begin(&bob(), false), "the next registration tries again");
}

#[test]
fn the_store_is_asked_again_only_for_a_reason() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    queues.exhausted(&bob());
    assert!(!queues.begin(&bob(), false) && !queues.begin(&bob(), true), "nothing waits");
    queues.stored(&bob());
    assert!(queues.begin(&bob(), false), "something was stored");
    send(&mut queues, 1, &[1]);
    queues.answered(branch(1), Outcome::Refused);
    queues.exhausted(&bob());
    assert!(!queues.begin(&bob(), false), "this device said what it thinks of it");
    assert!(queues.begin(&bob(), true), "another may think otherwise");
}

#[test]
fn a_drain_starts_over_for_what_came_meanwhile() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    queues.stored(&bob());
    assert!(queues.exhausted(&bob()), "stored after the store had been asked");
    assert!(!queues.begin(&bob(), true), "one drain at a time, though another device registers");
    send(&mut queues, 1, &[1]);
    assert_eq!(queues.answered(branch(1), Outcome::Unanswered), settled(1, Outcome::Unanswered));
    assert_eq!(queues.expects_after(&bob()), Some(MessageId(0)), "the new device gets its chance");
    assert!(!queues.exhausted(&bob()));
}

#[test]
fn what_is_remembered_is_bounded_and_a_removed_user_is_forgotten() {
    let mut queues = Queues::new(1);
    let carol: Aor = "carol@fabrikam.example".parse().unwrap();
    for aor in [bob(), carol.clone()] {
        queues.begin(&aor, true);
        queues.exhausted(&aor);
    }
    assert!(!queues.begin(&carol, true));
    assert!(queues.begin(&bob(), true), "forgotten to make room");
    send(&mut queues, 1, &[1]);
    queues.remove_user(&bob());
    assert_eq!((queues.answered(branch(1), Outcome::Delivered), queues.drains()), (None, 0));
    queues.remove_user(&carol);
    assert!(queues.begin(&carol, true));
}

#[test]
fn a_store_that_fails_is_asked_by_one_user_at_a_time_until_it_works() {
    let mut queues = queues();
    let users: Vec<Aor> = ["a", "b", "c"].map(|user| format!("{user}@fabrikam.example").parse().unwrap()).into();
    for (user, sets_a_time) in users.iter().zip([true, false, false]) {
        queues.begin(user, true);
        assert_eq!(queues.pause(user), sets_a_time);
        assert!(!queues.is_draining(user), "what is new goes to his device");
    }
    assert_eq!(queues.wake(), (Some(users[0].clone()), true));
    queues.begin(&users[0], true);
    assert!(!queues.pause(&users[0]), "a time is set");
    queues.begin(&users[1], true);
    queues.remove_user(&users[2]);
    assert_eq!(queues.resume(), Some(users[0].clone()), "the others go out, or are no more");
    assert_eq!(queues.wake(), (None, false));
}

#[test]
fn nothing_begins_before_the_response_to_the_registration_is_out() {
    let mut queues = queues();
    queues.response_begins(&bob());
    queues.response_begins(&bob());
    assert!(!queues.begin(&bob(), true));
    queues.response_is_out(&bob());
    assert!(!queues.begin(&bob(), true), "another of his devices waits for its own");
    queues.response_is_out(&bob());
    assert!(queues.begin(&bob(), true));
}

#[test]
fn an_answer_to_something_else_begins_at_a_pace_until_a_device_takes_what_waits() {
    let mut queues = queues();
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    let fails = |queues: &mut Queues, secs: u64, serial: u64| {
        assert!(queues.begin_answered(at(secs), &bob()), "{secs}");
        assert!(!queues.begin_answered(at(secs + 7200), &bob()), "one at a time");
        send(queues, 1, &[serial]);
        assert_eq!(queues.answered(branch(serial), Outcome::Unanswered), settled(1, Outcome::Unanswered));
        assert!(!queues.is_draining(&bob()), "what was said meanwhile makes no new device");
    };
    let mut secs = 0;
    for (serial, pause) in [60, 120, 240, 480, 960, 1920, 3600, 3600].into_iter().enumerate() {
        fails(&mut queues, secs, serial as u64);
        assert!(!queues.begin_answered(at(secs + pause - 1), &bob()));
        secs += pause;
    }
    assert!(queues.begin(&bob(), false), "a registration always does");
    send(&mut queues, 1, &[20]);
    queues.answered(branch(20), Outcome::Delivered);
    send(&mut queues, 2, &[21]);
    queues.answered(branch(21), Outcome::NotNow);
    assert!(queues.begin_answered(at(0), &bob()), "one was taken");
    queues.exhausted(&bob());
    assert!(!queues.begin_answered(at(9000), &bob()), "nothing waits");
}

#[test]
fn what_is_stored_meanwhile_does_not_ask_a_silent_device_again() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    send(&mut queues, 1, &[1]);
    queues.stored(&bob());
    queues.answered(branch(1), Outcome::Unanswered);
    assert!(!queues.is_draining(&bob()));
}

#[test]
fn paces_are_as_many_as_rests_and_whom_the_store_failed_has_his_turn() {
    let mut queues = Queues::new(1);
    let (now, carol): (_, Aor) = (Instant::now(), "carol@fabrikam.example".parse().unwrap());
    for aor in [bob(), carol.clone()] {
        assert!(queues.begin_answered(now, &aor));
        queues.end(&aor);
    }
    assert!(!queues.begin_answered(now, &carol));
    assert!(queues.begin_answered(now, &bob()), "forgotten to make room");
    queues.pause(&bob());
    assert!(!queues.begin_answered(now + Duration::from_secs(60), &bob()));
    assert_eq!(queues.resume(), Some(bob()));
}

#[test]
fn a_late_answer_to_what_is_under_way_decides_about_it() {
    let mut queues = queues();
    queues.begin(&bob(), true);
    assert_eq!(queues.delivered_late(&bob(), MessageId(1)), None);
    send(&mut queues, 1, &[1]);
    assert_eq!(queues.delivered_late(&bob(), MessageId(2)), None);
    assert_eq!(queues.delivered_late(&bob(), MessageId(1)), settled(1, Outcome::Delivered));
    assert_eq!(queues.answered(branch(1), Outcome::Delivered), None);
    assert_eq!(queues.expects_after(&bob()), Some(MessageId(1)));
}
