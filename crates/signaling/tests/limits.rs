//! What one sender may take of a server: at its limit it is told so, and nobody else notices.

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod phone;

use sim::{Line, World, allowed};
use sip::{HeaderName, Message};

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";

/// Contoso takes two requests of a user and three of a partner at a time; all are signed in.
struct Narrow {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
}

fn narrow(workers: u16, seed: u64) -> Narrow {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
    let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
    world.configure(contoso, |config| {
        config.limits.requests_per_user_max = 2;
        config.limits.requests_per_partner_max = 3;
    });
    for (site, user) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, user);
    }
    let alice = phone::register(&mut world, contoso, 0, ALICE);
    let dave = phone::register(&mut world, contoso, workers - 1, DAVE);
    let bob = phone::register(&mut world, fabrikam, 0, BOB);
    Narrow { world, contoso, alice, dave, bob }
}

fn everywhere(play: impl Fn(Narrow)) {
    for (workers, seed) in [(1, 1), (3, 1), (3, 2), (3, 3)] {
        println!("workers {workers}, seed {seed}");
        play(narrow(workers, seed));
    }
}

impl Narrow {
    fn message(&mut self, from: Line, (sender, to): (&str, &str), call_id: &str) {
        self.world.send(from, &phone::request("MESSAGE", sender, to, call_id));
    }

    fn hits(&self, limit: &str) -> u64 {
        let workers = 0..self.world.workers(self.contoso);
        workers.filter_map(|worker| self.world.core(self.contoso, worker).counts().limits_hit.get(limit)).sum()
    }
}

fn is_told_to_wait(answer: &Message) {
    assert_eq!(answer.status(), Some(503));
    assert!(answer.header_text(HeaderName::Warning).unwrap().contains("overloaded"));
    assert_eq!(answer.header_text(HeaderName::RetryAfter), Some("5"));
}

#[test]
fn a_user_with_too_much_under_way_waits_and_others_do_not() {
    everywhere(|mut narrow| {
        let (alice, dave) = (narrow.alice, narrow.dave);
        for call_id in ["m1", "m2"] {
            narrow.message(alice, (ALICE, DAVE), call_id);
        }
        let waiting = narrow.world.take(dave);
        assert_eq!(waiting.len(), 2);
        narrow.message(alice, (ALICE, DAVE), "m3");
        is_told_to_wait(&narrow.world.only(alice));
        narrow.message(dave, (DAVE, ALICE), "d1");
        let to_alice = narrow.world.only(alice);
        narrow.world.send(alice, &phone::answer(&to_alice, "200 OK", "alice"));
        assert_eq!(narrow.world.only(dave).status(), Some(200));
        assert_eq!(narrow.hits("requests_per_user_max"), 1);

        narrow.world.send(dave, &phone::answer(&waiting[0], "200 OK", "dave"));
        assert_eq!(narrow.world.only(alice).status(), Some(200));
        narrow.message(alice, (ALICE, DAVE), "m4");
        let again = narrow.world.only(dave);
        for request in [&waiting[1], &again] {
            narrow.world.send(dave, &phone::answer(request, "200 OK", "dave"));
            assert_eq!(narrow.world.only(alice).status(), Some(200));
        }
        narrow.world.assert_quiet();
    });
}

#[test]
fn what_belongs_to_a_dialog_goes_on_beyond_the_limit() {
    everywhere(|mut narrow| {
        let (alice, dave) = (narrow.alice, narrow.dave);
        narrow.world.send(alice, &phone::request("INVITE", ALICE, DAVE, "c1"));
        let invite = narrow.world.only(dave);
        narrow.world.send(dave, &phone::answer(&invite, "200 OK", "dave"));
        let ok = narrow.world.only(alice);
        narrow.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        narrow.world.only(dave);
        for call_id in ["m1", "m2"] {
            narrow.message(alice, (ALICE, DAVE), call_id);
            narrow.world.only(dave);
        }
        narrow.world.send(alice, &phone::by_caller("BYE", &ok, 2));
        let bye = narrow.world.only(dave);
        narrow.world.send(dave, &phone::answer(&bye, "200 OK", "dave"));
        assert_eq!(narrow.world.only(alice).status(), Some(200));
    });
}

#[test]
fn a_partner_with_too_much_under_way_is_told_and_our_own_users_are_not() {
    everywhere(|mut narrow| {
        let (bob, alice, dave) = (narrow.bob, narrow.alice, narrow.dave);
        // Over one connection, so that one worker counts them.
        for _ in 0..3 {
            narrow.message(bob, (BOB, ALICE), "one");
            narrow.world.take(bob);
        }
        let mut seen = narrow.world.take(alice).len();
        let mut refused = 0;
        for number in 0..20 {
            narrow.message(bob, (BOB, ALICE), &format!("n{number}"));
            seen += narrow.world.take(alice).len();
            refused += narrow.world.take(bob).iter().filter(|answer| answer.status() >= Some(500)).count();
        }
        assert!(refused > 0 && seen <= 3 * usize::from(narrow.world.workers(narrow.contoso)), "{seen} {refused}");
        assert_eq!(narrow.hits("requests_per_partner_max"), refused as u64);
        narrow.message(dave, (DAVE, ALICE), "d1");
        let to_alice = narrow.world.only(alice);
        narrow.world.send(alice, &phone::answer(&to_alice, "200 OK", "alice"));
        assert_eq!(narrow.world.only(dave).status(), Some(200));
    });
}
