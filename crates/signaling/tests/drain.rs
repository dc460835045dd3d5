//! A server that is about to end: what is under way goes on, what is new is sent elsewhere.

use std::time::Duration;

use sim::{Line, World, first_line};
use sip::HeaderName;

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";

/// Alice and Dave are signed in.
fn home(workers: u16, seed: u64) -> (World, Line, Line) {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[], false);
    let [alice, dave] = [(ALICE, 0), (DAVE, workers - 1)].map(|(aor, worker)| {
        world.user(contoso, aor);
        phone::register(&mut world, contoso, worker, aor)
    });
    (world, alice, dave)
}

fn everywhere(play: impl Fn(World, Line, Line)) {
    for (workers, seed) in [(1, 1), (3, 1), (3, 2), (3, 3)] {
        let (world, alice, dave) = home(workers, seed);
        play(world, alice, dave);
    }
}

#[test]
fn a_call_that_rings_is_answered_and_ended_while_new_ones_are_refused() {
    everywhere(|mut world, alice, dave| {
        assert!(world.is_idle(0));
        world.send(alice, &phone::request("INVITE", ALICE, DAVE, "ringing"));
        let invite = world.only(dave);
        world.send(dave, &phone::answer(&invite, "180 Ringing", "dave"));
        assert_eq!(world.only(alice).status(), Some(180));
        world.drain_site(0);
        assert!(!world.is_idle(0), "somebody waits for an answer");

        for method in ["MESSAGE", "INVITE", "OPTIONS"] {
            world.send(dave, &phone::request(method, DAVE, ALICE, "new"));
            let refused = world.only(dave);
            assert_eq!(refused.status(), Some(503), "{method}");
            assert_eq!(refused.header_text(HeaderName::RetryAfter), Some("5"));
            assert!(refused.header_text(HeaderName::Warning).unwrap().contains("draining"));
        }

        world.send(dave, &phone::answer(&invite, "200 OK", "dave"));
        let ok = world.only(alice);
        assert_eq!(ok.status(), Some(200));
        assert!(world.is_idle(0), "the call stands, and nobody waits");
        world.send(alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&world.only(dave)).starts_with("ACK"));
        world.send(alice, &phone::by_caller("BYE", &ok, 2));
        let bye = world.only(dave);
        assert!(!world.is_idle(0));
        world.send(dave, &phone::answer(&bye, "200 OK", "x"));
        assert_eq!(world.only(alice).status(), Some(200));
        assert!(world.is_idle(0));
        world.assert_quiet();
    });
}

#[test]
fn a_caller_may_still_give_up() {
    everywhere(|mut world, alice, dave| {
        let invite = phone::request("INVITE", ALICE, DAVE, "cancelled");
        world.send(alice, &invite);
        let ringing = world.only(dave);
        world.drain_site(0);
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        world.send(dave, &phone::answer(&ringing, "180 Ringing", "dave"));
        world.send(alice, &cancel);
        assert_eq!(world.take(alice).iter().filter_map(sip::Message::status).collect::<Vec<_>>(), [180, 200]);
        world.only(dave);
        world.send(dave, &phone::answer(&ringing, "487 Request Terminated", "dave"));
        assert_eq!(world.only(alice).status(), Some(487));
        assert!(first_line(&world.only(dave)).starts_with("ACK"));
        assert!(world.is_idle(0));
    });
}

#[test]
fn an_edge_alone_lets_go_of_connections_on_which_nobody_waits() {
    const BOB: &str = "bob@fabrikam.example";
    for (workers, seed) in [(1, 1), (3, 1), (3, 2)] {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.put_edges_before(contoso, 2);
        // They are the last that were made.
        let edges = [fabrikam + 1, fabrikam + 2];
        [(contoso, ALICE), (fabrikam, BOB)].into_iter().for_each(|(site, aor)| world.user(site, aor));
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        world.send(bob, &phone::request("INVITE", BOB, ALICE, "ringing"));
        let invite = world.only(alice);
        world.send(alice, &phone::answer(&invite, "180 Ringing", "alice"));
        assert_eq!(world.only(bob).status(), Some(180));

        let flows =
            |world: &World| edges.iter().flat_map(|edge| world.statuses(*edge)).map(|seen| seen.flows).sum::<usize>();
        [1, 2].into_iter().for_each(|number| world.drain_edge(contoso, number));
        world.pass(Duration::from_secs(1));
        assert_eq!(flows(&world), 2, "the partner's and the home's, of the call that rings");
        world.send(alice, &phone::answer(&invite, "200 OK", "alice"));
        assert_eq!(world.only(bob).status(), Some(200));
        world.pass(Duration::from_secs(40));
        assert_eq!(flows(&world), 0);
    }
}
