use std::cell::Cell;

use super::*;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Serves what is there, each message with the time that it costs, and says of which kinds one share was.
fn share(kinds: &mut Kinds, left: &mut [usize; 3], cost_micros: u64) -> Vec<Kind> {
    let (begun, spent, taken) = (Instant::now(), Cell::new(Duration::ZERO), std::cell::RefCell::new(Vec::new()));
    let served = kinds.share(
        Duration::from_millis(1),
        || begun + spent.get(),
        |kind| {
            let left = &mut left[kind as usize];
            if *left == 0 {
                return Served::Nothing;
            }
            *left -= 1;
            spent.set(spent.get() + Duration::from_micros(cost_micros));
            taken.borrow_mut().push(kind);
            Served::Some
        },
    );
    let taken = taken.into_inner();
    assert_eq!(served, if taken.is_empty() { Served::Nothing } else { Served::Some });
    taken
}

#[test]
fn the_kinds_take_turns_until_the_time_is_over_and_one_message_always_goes() {
    use Kind::{Discovered, Handed, Unproven};
    let (mut kinds, mut left) = (Kinds::default(), [100, 100, 100]);
    assert_eq!(share(&mut kinds, &mut left, 300), [Unproven, Discovered, Handed, Unproven]);
    assert_eq!(share(&mut kinds, &mut left, 5_000), [Discovered]);
    assert_eq!(share(&mut kinds, &mut left, 5_000), [Handed]);
    left = [0, 0, 3];
    assert_eq!(share(&mut kinds, &mut left, 1), [Handed; 3]);
    assert_eq!(share(&mut kinds, &mut left, 1), []);
}

#[test]
fn what_would_only_wait_elsewhere_is_left_and_the_others_go() {
    let mut kinds = Kinds::default();
    let (begun, served) = (Instant::now(), Cell::new(0));
    let mut share = |unproven| {
        served.set(0);
        kinds.share(
            Duration::from_millis(1),
            || begun,
            |kind| match kind {
                Kind::Discovered => Served::Blocked,
                Kind::Unproven if served.get() < unproven => {
                    served.set(served.get() + 1);
                    Served::Some
                }
                _ => Served::Nothing,
            },
        )
    };
    assert_eq!((share(2), served.get()), (Served::Some, 2));
    assert_eq!((share(0), served.get()), (Served::Blocked, 0));
}

#[test]
fn addresses_take_turns_however_many_wait_at_one() {
    let mut waiting = ByNetwork::default();
    (1..=4).for_each(|number| waiting.push(ip(1), number));
    assert_eq!(waiting.pop(), Some(1));
    waiting.push(ip(2), 20);
    waiting.push(ip(3), 30);
    waiting.push(ip(3), 31);
    let order: Vec<i32> = std::iter::from_fn(|| waiting.pop()).collect();
    assert_eq!(order, [2, 20, 30, 3, 31, 4]);
    assert!(waiting.is_empty() && waiting.items_by_network.is_empty());
}

#[test]
fn an_address_that_asks_again_comes_after_those_that_waited_meanwhile() {
    let mut waiting = ByNetwork::default();
    (1..=3).for_each(|last| waiting.push(ip(last), last));
    let mut order = Vec::new();
    for _ in 0..6 {
        let next = waiting.pop().expect("somebody waits");
        order.push(next);
        // It was all that it had, and it has more.
        waiting.push(ip(next), next);
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3]);
}
