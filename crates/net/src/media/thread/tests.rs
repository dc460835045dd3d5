//! A media thread's tasks, and another beside them that sees how much each does before it has its turn.

use std::sync::atomic::{AtomicU64, Ordering};

use ::media::{BridgeId, BridgeKind};
use sdp::Encoding;
use tokio::task::yield_now;

use super::super::media_threads;
use super::super::tests::{Phone, free_range};
use super::*;

const LEG: LegId = LegId { bridge: BridgeId { worker: 0, serial: 1 }, serial: 1 };
const PATIENCE: usize = 100_000;

/// Runs the tasks until it has come to so many, and returns how many it came to in each turn.
fn steps(runtime: &tokio::runtime::Runtime, tasks: &LocalSet, until: u64, count: impl Fn() -> u64) -> Vec<u64> {
    let watch = async {
        let (mut steps, mut before) = (Vec::new(), count());
        for _ in 0..PATIENCE {
            yield_now().await;
            steps.extend(Some(count() - before).filter(|step| *step > 0));
            before = count();
            if before >= until {
                return steps;
            }
        }
        panic!("{before} of {until}");
    };
    tasks.block_on(runtime, watch)
}

fn thread() -> (super::super::MediaThreads, Rc<RefCell<Shell>>, MediaInbox) {
    let (threads, mut inboxes) = media_threads(1);
    let setup = MediaSetup {
        thread: 0,
        threads: 1,
        addresses: Ok(std::net::IpAddr::from([127, 0, 0, 1]).into()),
        ports: free_range(2),
        clock: Clock { epoch: Instant::now(), epoch_unix_ms: 0 },
        inbox: inboxes.remove(0),
        deliver: Arc::new(|_| {}),
    };
    let (shell, inbox) = Shell::new(setup);
    (threads, shell, inbox)
}

#[test]
fn of_one_socket_a_turn_has_so_many_packets() {
    const PACKETS: u64 = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = LocalSet::new();
    let _within = (runtime.enter(), tasks.enter());
    let (_threads, shell, _inbox) = thread();
    let opened = open_leg(&shell, LEG).unwrap();
    let phone = Phone::new(1, &opened, Encoding::Pcmu, None);
    let session = phone.session.clone();
    let trusted_source = Some(session.remote.ip());
    shell.borrow_mut().command(MediaCommand::Run { leg: LEG, kind: BridgeKind::Conference, session, trusted_source });
    (0..PACKETS).for_each(|_| phone.hiss());
    let steps = steps(&runtime, &tasks, PACKETS, || shell.borrow().counters().packets_malformed);
    let full = PACKETS / PACKETS_PER_TURN_MAX as u64;
    let expected = [vec![PACKETS_PER_TURN_MAX as u64; full as usize], vec![PACKETS % PACKETS_PER_TURN_MAX as u64]];
    assert_eq!(steps, expected.concat());
}

#[test]
fn who_asks_a_thread_without_end_does_not_keep_its_sockets_waiting() {
    const REQUESTS: u64 = 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = LocalSet::new();
    let _within = (runtime.enter(), tasks.enter());
    let (threads, shell, inbox) = thread();
    let done = Arc::new(AtomicU64::new(0));
    for _ in 0..REQUESTS {
        let done = done.clone();
        threads.counters(move |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    spawn_local(serve(shell, inbox));
    let steps = steps(&runtime, &tasks, REQUESTS, || done.load(Ordering::Relaxed));
    assert!(steps.iter().all(|step| *step <= REQUESTS_PER_TURN_MAX as u64), "{steps:?}");
}
