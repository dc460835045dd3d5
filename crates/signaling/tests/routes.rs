//! Routes of policies at a home: which of its edges a user's requests leave by.

use std::time::Duration;

use federation::external_access::Policy;
use sim::{Line, World};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const CAROL: &str = "carol@contoso.example";
const BOB: &str = "bob@fabrikam.example";

struct Play {
    world: World,
    contoso: usize,
    alice: Line,
    carol: Line,
    bob: Line,
}

/// Contoso has two edges; Alice's policy leads by this one of them, Carol has none of her own.
fn play(workers: u16, seed: u64, route: &str) -> Play {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    world.put_edges_before(contoso, 2);
    for (site, user) in [(contoso, ALICE), (contoso, CAROL), (fabrikam, BOB)] {
        world.user(site, user);
    }
    let policy = Policy { route: Some(route.to_owned()), ..Policy::new("north") };
    world.change_access(contoso, |access| {
        access.give_to_user(ALICE.parse().unwrap(), "north");
        access.put_policy(policy);
    });
    let [alice, carol] = [ALICE, CAROL].map(|user| phone::register(&mut world, contoso, 0, user));
    let bob = phone::register(&mut world, fabrikam, 0, BOB);
    Play { world, contoso, alice, carol, bob }
}

impl Play {
    /// What so many messages are answered with, each with a Call-ID of its own.
    fn write(&mut self, from: (Line, &str), count: usize) -> Vec<u16> {
        let answer = |play: &mut Play, n: usize| {
            play.world.send(from.0, &phone::request("MESSAGE", from.1, BOB, &format!("{}-{n}", from.1)));
            for arrived in play.world.take(play.bob) {
                play.world.send(play.bob, &phone::answer(&arrived, "200 OK", "bob"));
            }
            play.world.only(from.0).status().unwrap()
        };
        (0..count).map(|n| answer(self, n)).collect()
    }
}

#[test]
fn a_user_s_requests_leave_by_the_edge_of_the_user_s_route_alone() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play(workers, seed, "edge1.contoso.example.inside");
        play.world.kill_edge(play.contoso, 2);
        let alice = play.alice;
        assert_eq!(play.write((alice, ALICE), 8), [200; 8]);
        play.world.revive_edge(play.contoso, 2);
        play.world.pass(Duration::from_secs(1));
        play.world.kill_edge(play.contoso, 1);
        // The other edge is there, but this is not her way.
        let alice_told = play.write((alice, ALICE), 4);
        assert!(alice_told.iter().all(|status| *status >= 500), "{alice_told:?}");
        let carol = play.carol;
        assert_eq!(play.write((carol, CAROL), 4), [200; 4]);
    });
}

#[test]
fn a_route_to_no_edge_of_this_home_leads_nowhere_and_says_so() {
    phone::everywhere(2, |workers, seed| {
        let mut play = play(workers, seed, "edge9.contoso.example.inside");
        let (alice, carol) = (play.alice, play.carol);
        let told = play.write((alice, ALICE), 1);
        assert!(told[0] >= 500, "{told:?}");
        let reasons: Vec<String> =
            play.world.decisions(play.contoso).map(|record| format!("{:?}", record.outcome)).collect();
        assert!(reasons.iter().any(|reason| reason.contains("none of [inside] edges")), "{reasons:?}");
        assert_eq!(play.write((carol, CAROL), 1), [200]);
    });
}
