//! What one worker is asked by others, and how much of it there may be, while its own sockets have something to say.

use std::sync::atomic::{AtomicUsize, Ordering};

use federation::flow::{Direction, FlowFacts};
use signaling::{Core, Input, Output};
use sip::FlowId;

use super::*;
use crate::worker::serving::TIMERS_PER_TURN_MAX;

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

/// A hundred connections that have shown nothing, and whose time is over at once.
#[test]
fn of_what_is_due_at_once_a_turn_has_so_many_and_the_rest_stays_due() {
    const SILENT: usize = 100;
    let address = SocketAddr::from(([192, 0, 2, 1], 5061));
    let mut core = Core::new(core_config("contoso.example", "fabrikam.example", 0, &[address]));
    let opened = Instant::now();
    for serial in 1..=SILENT as u64 {
        core.handle_input(
            opened,
            Input::FlowOpened(FlowFacts {
                id: FlowId::Stream { worker: 0, serial },
                transport: Transport::Tls,
                local: address,
                remote: address,
                direction: Direction::Inbound,
                certificate: None,
                is_inner: false,
            }),
        );
    }
    let due = opened + Duration::from_secs(signaling::Limits::default().undecided_secs_max);
    let mut closed = Vec::new();
    while closed.iter().sum::<usize>() < SILENT {
        assert!(core.poll_timeout().expect("something is due") <= due);
        core.handle_timeouts(due, TIMERS_PER_TURN_MAX);
        let outputs = std::iter::from_fn(|| core.poll_output());
        closed.push(outputs.filter(|output| matches!(output, Output::CloseFlow { .. })).count());
    }
    assert!(closed.len() > SILENT / TIMERS_PER_TURN_MAX, "{closed:?}");
    assert!(closed.iter().all(|count| *count <= TIMERS_PER_TURN_MAX), "{closed:?}");
}
