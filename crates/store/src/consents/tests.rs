use messaging::{ConsentId, ConsentQuestion, ConsentTerms, MessageId};

use super::*;
use crate::Credentials;
use crate::testing::new_store;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 3_600_000;

fn alice() -> Aor {
    "alice@contoso.example".parse().unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let (folder, store) = new_store();
    store.add_user(&alice(), &Credentials::new(&alice(), "correct horse").unwrap(), 1).unwrap();
    (folder, store)
}

fn approach(to: &str, sender: &str, text: &'static str, at: u64) -> Approach {
    Approach {
        aor: to.parse().unwrap(),
        sender: sender.into(),
        brings: Brings::Message(HeldMessage { request: text.into(), expires_unix_ms: at + 7 * DAY }),
        question: ConsentQuestion {
            id: ConsentId::new(at ^ sender.len() as u64),
            request: format!("who is {sender}?").into(),
        },
        hides_users: true,
        terms: ConsentTerms {
            now_unix_ms: at,
            until_unix_ms: at + 7 * DAY,
            held_per_sender: 3,
            held_per_user: 50,
            held_max: 100,
        },
    }
}

/// What waits for alice, in the order in which it goes out.
fn queue(store: &Store, now: u64) -> Vec<String> {
    let mut after = MessageId(0);
    let next = || {
        let found = store.next_message(&alice(), after, now).unwrap()?;
        after = found.id;
        Some(String::from_utf8(found.request.to_vec()).unwrap())
    };
    std::iter::from_fn(next).collect()
}

fn answer(store: &Store, asked: &Approach, reply: Option<ConsentReply>) -> Option<ConsentAnswered> {
    let (aor, id) = (alice(), asked.question.id.clone());
    let confirmation = "understood".into();
    store.answer_consent(&ConsentAnswer { aor, id, reply, confirmation, now_unix_ms: NOW + 5 }).unwrap()
}

const EVE: &str = "eve@mallory.example";

#[test]
fn what_was_held_outlives_a_restart_and_comes_in_order_after_a_yes() {
    let (folder, store) = store();
    let first = approach("alice@contoso.example", EVE, "one", NOW);
    assert!(store.approach(&first).unwrap().asks);
    assert!(!store.approach(&approach("alice@contoso.example", EVE, "two", NOW + 1)).unwrap().asks);
    assert_eq!(queue(&store, NOW), ["who is eve@mallory.example?"]);
    drop(store);
    let store = Store::open(&folder.path().join("comity.db")).unwrap();
    assert_eq!(store.held_messages().unwrap(), HeldMessages { count: 2, asked: 1 });
    let answered = answer(&store, &first, Some(ConsentReply::Yes)).unwrap();
    assert_eq!((answered.sender.as_str(), answered.released), (EVE, 2));
    assert_eq!(queue(&store, NOW), ["who is eve@mallory.example?", "understood", "one", "two"]);
    let next = store.approach(&approach("alice@contoso.example", EVE, "three", NOW + 9)).unwrap();
    assert_eq!((next.verdict, next.holding), (Some(Verdict::Allowed), Holding::No));
}

#[test]
fn a_no_discards_what_is_held_and_its_places_stay_taken() {
    let (_folder, store) = store();
    let first = approach("alice@contoso.example", EVE, "one", NOW);
    store.approach(&first).unwrap();
    answer(&store, &first, Some(ConsentReply::No)).unwrap();
    assert_eq!(store.held_messages().unwrap(), HeldMessages::default());
    for (time, holding) in [(1, Holding::Name), (2, Holding::Name), (3, Holding::Full("held_per_sender"))] {
        let again = store.approach(&approach("alice@contoso.example", EVE, "again", NOW + time)).unwrap();
        assert_eq!((again.asks, again.holding), (false, holding));
    }
    assert_eq!(queue(&store, NOW), ["who is eve@mallory.example?", "understood"]);
    let other = store.approach(&approach("alice@contoso.example", "mal@mallory.example", "hello", NOW + 4)).unwrap();
    assert!(other.asks, "nobody else of that domain was refused");
    // He may think better of it.
    assert_eq!(answer(&store, &first, Some(ConsentReply::Yes)).unwrap().released, 0);
    assert_eq!(store.consent_of(&alice(), EVE).unwrap(), Some(Verdict::Allowed));
}

#[test]
fn a_block_is_about_the_whole_domain_and_who_is_allowed_by_name_passes_it() {
    let (_folder, store) = store();
    let first = approach("alice@contoso.example", EVE, "one", NOW);
    store.approach(&first).unwrap();
    answer(&store, &first, Some(ConsentReply::Block)).unwrap();
    let other = store.approach(&approach("alice@contoso.example", "mal@mallory.example", "hello", NOW + 1)).unwrap();
    assert_eq!((other.asks, other.verdict), (false, Some(Verdict::Denied)));
    store.decide_consent(&alice(), "mal@mallory.example", Verdict::Allowed, NOW + 2).unwrap();
    assert_eq!(store.consent_of(&alice(), "mal@mallory.example").unwrap(), Some(Verdict::Allowed));
    assert_eq!(store.consent_of(&alice(), EVE).unwrap(), Some(Verdict::Denied));
}

#[test]
fn nothing_is_kept_for_a_name_that_nobody_has_but_that_something_came() {
    let (_folder, store) = store();
    let nobody = || approach("nobody@contoso.example", EVE, "secret", NOW);
    for holding in [Holding::Name, Holding::Name, Holding::Name, Holding::Full("held_per_sender")] {
        let approached = store.approach(&nobody()).unwrap();
        assert_eq!((approached.is_user, approached.asks, approached.holding), (false, false, holding));
    }
    assert_eq!(store.held_messages().unwrap(), HeldMessages::default());
    // A user who gets that name later begins with nothing.
    let aor: Aor = "nobody@contoso.example".parse().unwrap();
    store.add_user(&aor, &Credentials::new(&aor, "correct horse").unwrap(), 1).unwrap();
    assert!(store.approach(&nobody()).unwrap().asks);
    store.remove_user(&aor).unwrap();
    assert_eq!(store.held_messages().unwrap(), HeldMessages::default());
}

#[test]
fn what_nobody_answers_is_forgotten_in_time_and_asked_about_anew() {
    let (_folder, store) = store();
    store.approach(&approach("alice@contoso.example", EVE, "one", NOW)).unwrap();
    assert_eq!(store.expire_held(NOW + 7 * DAY - 1).unwrap(), 0);
    assert_eq!(store.consents(None, NOW).unwrap()[0].until_unix_ms, Some(NOW + 7 * DAY));
    assert_eq!(store.expire_held(NOW + 7 * DAY).unwrap(), 1);
    assert_eq!(store.consents(None, NOW).unwrap(), []);
    assert!(store.approach(&approach("alice@contoso.example", EVE, "two", NOW + 8 * DAY)).unwrap().asks);
}

#[test]
fn whoever_turns_to_a_sender_gets_what_was_held_of_him() {
    let (_folder, store) = store();
    store.approach(&approach("alice@contoso.example", EVE, "one", NOW)).unwrap();
    assert_eq!(store.agree(&alice(), EVE, NOW + 1).unwrap(), 1);
    assert_eq!(store.agree(&alice(), EVE, NOW + 2).unwrap(), 0);
    assert_eq!(queue(&store, NOW), ["who is eve@mallory.example?", "one"]);
    assert!(store.forget_consent(&alice(), EVE).unwrap());
    assert!(store.approach(&approach("alice@contoso.example", EVE, "two", NOW + 3)).unwrap().asks);
}

#[test]
fn what_is_not_understood_changes_nothing_and_who_was_not_asked_cannot_answer() {
    let (_folder, store) = store();
    let first = approach("alice@contoso.example", EVE, "one", NOW);
    store.approach(&first).unwrap();
    let unclear = answer(&store, &first, None).unwrap();
    assert_eq!((unclear.verdict, unclear.released), (None, 0));
    assert_eq!(store.consent_of(&alice(), EVE).unwrap(), Some(Verdict::Asked));
    let other = approach("alice@contoso.example", EVE, "one", NOW + 99);
    assert_eq!(answer(&store, &other, Some(ConsentReply::Yes)), None);
}

#[test]
fn a_message_that_is_no_longer_valid_is_not_delivered_by_a_late_yes() {
    let (_folder, store) = store();
    let request = "lunch in an hour?".into();
    let brings = Brings::Message(HeldMessage { request, expires_unix_ms: NOW + 1 });
    let first = Approach { brings, ..approach("alice@contoso.example", EVE, "", NOW) };
    store.approach(&first).unwrap();
    assert_eq!(answer(&store, &first, Some(ConsentReply::Yes)).unwrap().released, 0);
}

#[test]
fn of_what_a_user_has_said_the_oldest_is_forgotten() {
    let (_folder, store) = store();
    let many = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CONSENTS_PER_USER_MAX})
         INSERT INTO consents (aor, sender, verdict, since) SELECT '{}', n || '@mallory.example', 'allowed', n FROM numbers",
        alice()
    );
    store.connection().execute_batch(&many).unwrap();
    store.decide_consent(&alice(), EVE, Verdict::Denied, NOW).unwrap();
    assert_eq!(store.consents(Some(&alice()), NOW).unwrap().len() as u64, CONSENTS_PER_USER_MAX);
    assert_eq!(store.consent_of(&alice(), "1@mallory.example").unwrap(), None);
    assert_eq!(store.consent_of(&alice(), EVE).unwrap(), Some(Verdict::Denied));
}
