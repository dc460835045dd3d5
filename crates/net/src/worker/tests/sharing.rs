//! What one worker is asked by others, and how much of it there may be, while its own sockets have something to say.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Makes a worker do nothing else for so long.
fn delay(millis: u64, done: &Arc<AtomicUsize>) -> WorkerMessage {
    let done = done.clone();
    WorkerMessage::Inspect(Box::new(move |_, _| {
        thread::sleep(Duration::from_millis(millis));
        done.fetch_add(1, Ordering::Relaxed);
    }))
}

#[test]
fn who_mails_a_worker_without_end_does_not_keep_its_sockets_waiting() {
    const EACH: usize = 1_000;
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    let done = Arc::new(AtomicUsize::new(0));
    for mailbox in &contoso.mailboxes {
        (0..EACH).for_each(|_| assert!(mailbox.send(delay(1, &done))));
    }
    alice.say("sip:alice@contoso.example", "hello");
    assert_eq!(alice.receive().method(), Some(Method::Message));
    let done = done.load(Ordering::Relaxed);
    assert!(done < EACH, "{done} of {}", 2 * EACH);
}

#[test]
fn who_asks_more_than_the_owner_of_its_targets_comes_to_is_read_more_slowly() {
    const REQUESTS: u64 = 1_000;
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    // Her own worker goes on, wherever that is.
    let flows: Vec<usize> = contoso.counters().iter().map(|seen| seen.flows).collect();
    let other = flows.iter().position(|flows| *flows == 0).expect("a worker without a flow");
    let before = contoso.counters()[1 - other].messages_received;
    assert!(contoso.mailboxes[other].send(delay(1_500, &Arc::default())));
    for number in 0..REQUESTS {
        alice.say(&format!("sip:user{}@contoso.example", number % 16), "more");
    }
    thread::sleep(Duration::from_millis(500));
    let (reply, counters) = mpsc::channel();
    let count = move |seen: Counters| reply.send(seen.messages_received).expect("somebody asked");
    assert!(contoso.mailboxes[1 - other].send(WorkerMessage::Counters(Box::new(count))));
    let meanwhile = counters.recv().expect("a worker that is not held up") - before;
    assert!((1..REQUESTS / 2).contains(&meanwhile), "{meanwhile} of {REQUESTS}");
    contoso.expect_at_least(before + REQUESTS, |seen| seen.messages_received);
}
