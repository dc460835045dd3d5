//! SUBSCRIBE conversations: who is told what, in which order, and how it ends (RFC 6665 section 4.2).

use crate::house::{House, aor, pidf, user};

const EVENT: &str = "Event: presence\r\n";

fn with(lines: &str) -> String {
    format!("{EVENT}{lines}")
}

#[test]
fn a_watcher_is_told_at_once_on_change_and_at_the_end() {
    let mut house = House::new();
    let subscribed = house.subscribe("c1", &with("Expires: 600\r\n")).unwrap();
    assert_eq!(subscribed.expires_secs, 600);
    assert_eq!(house.settle(), ["c1 1 NOTIFY presence active;expires=600: registration closed"]);
    house.later(100);
    house.agent.set_registered(&aor("alice"), true);
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=500: registration open"]);
    house.agent.set_registered(&aor("alice"), true);
    assert_eq!(house.settle(), [""; 0], "nothing has changed");
    house.agent.set_calls(&aor("alice"), 1);
    house.agent.set_calls(&aor("alice"), 2);
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence active;expires=500: registration open, on-the-phone"]);
    let refreshed = house.resubscribe("c1", &with("Expires: 99999\r\n")).unwrap();
    assert_eq!((refreshed.id, refreshed.expires_secs), (subscribed.id, 7200));
    assert_eq!(house.settle(), ["c1 4 NOTIFY presence active;expires=7200: registration open, on-the-phone"]);
    house.agent.set_calls(&aor("alice"), 0);
    assert_eq!(house.settle(), ["c1 5 NOTIFY presence active;expires=7200: registration open"]);
    assert_eq!(house.resubscribe("c1", &with("Expires: 0\r\n")).unwrap().expires_secs, 0);
    assert_eq!(house.settle(), ["c1 6 NOTIFY presence terminated;reason=timeout: registration open"]);
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
    assert_eq!(house.resubscribe("c1", EVENT).unwrap_err().status, 481);
}

#[test]
fn a_fetch_is_answered_once_and_leaves_nothing() {
    let mut house = House::new();
    let fetched = house.subscribe("c1", "o: presence;id=7\r\nExpires: 0\r\nAccept: text/plain, application/*\r\n");
    assert_eq!(fetched.unwrap().expires_secs, 0);
    assert_eq!(house.settle(), ["c1 1 NOTIFY presence;id=7 terminated;reason=timeout: registration closed"]);
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn a_subscription_that_is_not_refreshed_ends() {
    let mut house = House::new();
    house.subscribe("c1", &with("Expires: 600\r\n")).unwrap();
    house.settle();
    house.later(300);
    house.resubscribe("c1", &with("Expires: 600\r\n")).unwrap();
    house.settle();
    house.later(599);
    assert_eq!(house.settle(), [""; 0], "the first time is no longer counted");
    house.later(1);
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence terminated;reason=timeout: registration closed"]);
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn one_notify_is_under_way_and_the_latest_state_goes_next() {
    let mut house = House::new();
    let id = house.subscribe("c1", &with("Expires: 600\r\n")).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.agent.set_registered(&aor("alice"), true);
    house.publish(EVENT_PIDF, &pidf("t", "away")).unwrap();
    assert_eq!(house.sent(), [""; 0]);
    house.answer(id, 200);
    assert_eq!(house.sent(), ["c1 2 NOTIFY presence active;expires=600: t open, away"]);
    house.agent.set_calls(&aor("alice"), 1);
    house.agent.set_calls(&aor("alice"), 0);
    house.answer(id, 200);
    assert_eq!(house.sent(), [""; 0], "it is as he knows it");
    house.answer(id, 481);
    assert_eq!(house.agent.watchers(), 1, "no NOTIFY was under way");
}

#[test]
fn an_end_waits_for_the_answer_before_it() {
    let mut house = House::new();
    let id = house.subscribe("c1", EVENT).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.resubscribe("c1", &with("Expires: 0\r\n")).unwrap();
    assert_eq!(house.sent(), [""; 0]);
    assert_eq!(house.resubscribe("c1", EVENT).unwrap_err().status, 481, "it has ended already");
    house.answer(id, 200);
    assert_eq!(house.sent(), ["c1 2 NOTIFY presence terminated;reason=timeout: registration closed"]);
    house.answer(id, 200);
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn a_watcher_that_is_gone_is_not_notified_any_more() {
    for status in [Some(481), Some(489), Some(404), None] {
        let mut house = House::new();
        let id = house.subscribe("c1", EVENT).unwrap().id;
        assert_eq!(house.sent().len(), 1);
        house.agent.handle_notified(house.now, id, status, None);
        house.agent.set_registered(&aor("alice"), true);
        assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None), "{status:?}");
    }
}

#[test]
fn a_watcher_that_asks_to_be_left_alone_is() {
    let mut house = House::new();
    let id = house.subscribe("c1", &with("Expires: 600\r\n")).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.agent.handle_notified(house.now, id, Some(500), Some(120));
    house.agent.set_registered(&aor("alice"), true);
    house.later(119);
    assert_eq!(house.sent(), [""; 0]);
    house.later(1);
    assert_eq!(house.sent(), ["c1 2 NOTIFY presence active;expires=480: registration open"]);
    house.agent.handle_notified(house.now, id, Some(503), Some(9999));
    house.resubscribe("c1", &with("Expires: 600\r\n")).unwrap();
    assert_eq!(house.sent(), ["c1 3 NOTIFY presence active;expires=600: registration open"], "he is back himself");
    house.agent.handle_notified(house.now, id, Some(503), Some(9999));
    house.later(600);
    assert_eq!((house.sent(), house.agent.watchers()), (vec![], 0), "its end does not break the silence either");
    assert_eq!(house.agent.poll_timeout(), None);
}

#[test]
fn what_a_watcher_did_not_take_is_sent_again_though_nothing_changed() {
    let mut house = House::new();
    let id = house.subscribe("c1", &with("Expires: 600\r\n")).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.agent.handle_notified(house.now, id, Some(503), Some(10));
    house.later(10);
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=590: registration closed"]);
}

#[test]
fn a_watcher_cannot_ask_for_notifies_without_a_pause() {
    let mut house = House::new();
    let id = house.subscribe("c1", EVENT).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.agent.handle_notified(house.now, id, Some(503), Some(0));
    house.later(4);
    assert_eq!(house.sent(), [""; 0]);
    house.later(1);
    assert_eq!(house.settle().len(), 1);
}

#[test]
fn an_end_is_not_kept_for_a_watcher_that_asks_to_be_left_alone() {
    let mut house = House::new();
    let id = house.subscribe("c1", EVENT).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.agent.remove_user(&aor("alice"));
    house.agent.handle_notified(house.now, id, Some(503), Some(9999));
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn another_failure_leaves_the_subscription() {
    let mut house = House::new();
    let id = house.subscribe("c1", &with("Expires: 600\r\n")).unwrap().id;
    assert_eq!(house.sent().len(), 1);
    house.answer(id, 500);
    assert_eq!(house.sent(), [""; 0]);
    house.agent.set_registered(&aor("alice"), true);
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=600: registration open"]);
}

#[test]
fn two_watchers_are_told_each_in_his_own_dialog() {
    let mut house = House::new();
    house.subscribe("c1", &with("Expires: 600\r\n")).unwrap();
    house.subscribe("c2", &with("Expires: 60\r\n")).unwrap();
    house.subscribe_to("carol", "c3", EVENT).unwrap();
    assert_eq!(house.settle().len(), 3);
    house.agent.set_registered(&aor("alice"), true);
    assert_eq!(
        house.settle(),
        [
            "c1 2 NOTIFY presence active;expires=600: registration open",
            "c2 2 NOTIFY presence active;expires=60: registration open",
        ]
    );
    house.later(60);
    assert_eq!(house.settle(), ["c2 3 NOTIFY presence terminated;reason=timeout: registration open"]);
    house.agent.remove_user(&aor("alice"));
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence terminated;reason=noresource"]);
    assert_eq!(house.agent.watchers(), 1, "carol's");
}

#[test]
fn refusals() {
    let mut house = House::new();
    let unknown = house.subscribe("c1", "Event: presence.winfo\r\n").unwrap_err();
    let allow_events = (sip::HeaderName::AllowEvents, "presence".to_owned());
    assert_eq!((unknown.status, unknown.headers), (489, vec![allow_events]));
    assert_eq!(house.subscribe("c1", "").unwrap_err().status, 489);
    assert_eq!(house.subscribe("c1", "Event: a b\r\n").unwrap_err().status, 400);
    assert_eq!(house.subscribe("c1", &with("Accept: text/plain\r\n")).unwrap_err().status, 406);
    let brief = house.subscribe("c1", &with("Expires: 59\r\n")).unwrap_err();
    assert_eq!((brief.status, brief.headers), (423, vec![(sip::HeaderName::MinExpires, "60".to_owned())]));
    assert_eq!(house.resubscribe("c1", EVENT).unwrap_err().word, "subscription-unknown");
    let denied = house.send("alice", "c1", EVENT, &user("bob"), false).unwrap_err();
    assert_eq!((denied.status, denied.word.as_str()), (403, "presence-denied"));
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn refusals_in_the_dialog() {
    let mut house = House::new();
    house.subscribe("c1", EVENT).unwrap();
    house.settle();
    let to = "alice>;tag=l";
    assert_eq!(house.send(to, "c1", EVENT, &user("mallory"), true).unwrap_err().status, 481);
    assert_eq!(house.resubscribe("c1", "Event: presence;id=2\r\n").unwrap_err().status, 481);
    assert_eq!(house.send("carol>;tag=l", "c1", EVENT, &user("bob"), true).unwrap_err().status, 481);
    let old = house.send_numbered(0, (to, "c1", EVENT), &user("bob"), true).unwrap_err();
    assert_eq!((old.status, old.word.as_str()), (500, "out-of-order"));
    assert_eq!(house.sent(), [""; 0]);
    let denied = house.send(to, "c1", EVENT, &user("bob"), false).unwrap_err();
    assert_eq!(denied.word, "presence-denied");
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence terminated;reason=rejected"], "and he is told no state");
    assert_eq!((house.agent.watchers(), house.agent.poll_timeout()), (0, None));
}

#[test]
fn limits() {
    let mut house = House::new();
    house.subscribe("c1", EVENT).unwrap();
    house.subscribe("c2", EVENT).unwrap();
    let full = house.subscribe("c3", EVENT).unwrap_err();
    assert_eq!((full.status, full.word.as_str()), (486, "too-many-watchers"));
    house.subscribe_to("carol", "c4", EVENT).unwrap();
    let overloaded = house.subscribe_to("dave", "c5", EVENT).unwrap_err();
    assert_eq!((overloaded.status, overloaded.headers[0].0), (503, sip::HeaderName::RetryAfter));
    house.subscribe("c6", &with("Expires: 0\r\n")).unwrap();
    assert_eq!((house.settle().len(), house.agent.watchers()), (4, 3), "a fetch is always answered");
    house.resubscribe("c2", &with("Expires: 0\r\n")).unwrap();
    house.settle();
    house.subscribe("c3", EVENT).unwrap();
    assert_eq!(house.settle().len(), 1);
}

const EVENT_PIDF: &str = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
