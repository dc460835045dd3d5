//! Requests that go round by the edges of a pool, and how many copies become of one behind them (RFC 5393): Contoso's two edges
//! have one name, and its home is behind both. Organisations of one and of three workers, with the topology hidden and shown.

use federation::partner::Provider;
use sim::{Line, World, certificate};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const ZOE: &str = "zoe@contoso.example";

/// Alice and Dave are at Contoso, which shares its domain with a provider, where Zoe is; Bob is at Fabrikam.
struct Play {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
    zoe: Line,
    is_hidden: bool,
}

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| {
        for is_hidden in [false, true] {
            let mut world = World::new(seed);
            let [contoso, fabrikam, cloud] =
                world.allies(["contoso.example", "fabrikam.example", "cloud.example"], workers);
            world.serve(cloud, "contoso.example");
            world.put_edges_before(contoso, 2);
            let shares = |name: &str, edge: &str| Provider {
                shared_address_space: true,
                hosts_users: true,
                ..Provider::new(name, edge)
            };
            world.add_provider(contoso, shares("cloud", "sip.cloud.example"));
            world.add_provider(cloud, shares("premises", "sip.contoso.example"));
            if is_hidden {
                world.hide_topology(contoso);
            }
            let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
            let mut user = |site, aor, n| {
                world.user(site, aor);
                phone::register(&mut world, site, by_seed(n), aor)
            };
            let (alice, dave) = (user(contoso, ALICE, 0), user(contoso, DAVE, 1));
            let (bob, zoe) = (user(fabrikam, BOB, 2), user(cloud, ZOE, 0));
            play(Play { world, contoso, alice, dave, bob, zoe, is_hidden });
        }
    });
}

impl Play {
    /// Connections of a partner to both edges.
    fn connect_to_edges(&mut self, name: &str) -> [Line; 2] {
        let edges = self.world.fronts(self.contoso);
        [edges[0], edges[1]].map(|edge| self.world.connect(edge, 0, Some(certificate(&[name]))))
    }
}

fn refusal(response: &Message) -> (Option<u16>, &str) {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    (response.status(), warning.rsplit_once(' ').map_or("", |(_, word)| word))
}

fn hops(message: &Message) -> u32 {
    message.header_text(HeaderName::MaxForwards).unwrap().parse().unwrap()
}

/// Nobody at Contoso is Zoe: she is at home at the provider that shares the domain, and it sends what is for her back.
#[test]
fn what_the_provider_of_a_shared_domain_sends_back_ends_whichever_edge_it_comes_to() {
    everywhere(|mut play| {
        for (method, call_id) in [("MESSAGE", "m1"), ("INVITE", "c1")] {
            let request = phone::request(method, BOB, ZOE, call_id).replacen("Max-", "Max-Breadth: 8\nMax-", 1);
            play.world.send(play.bob, &request);
            let away = play.world.only(play.zoe);
            assert_eq!(
                (phone::breadth(&away), hops(&away)),
                (8, 70 - 5),
                "on one way the one stays, the other is used up"
            );
            for (n, edge) in play.connect_to_edges("sip.cloud.example").into_iter().enumerate() {
                play.world.send(edge, &phone::passed_on(&away, &format!("sip:{ZOE}"), n));
                let refused = play.world.take_response(edge);
                // Where the Vias of the inside are hidden, whoever has asked us is not asked.
                let expected = match play.is_hidden {
                    false => (Some(482), "\"loop-detected\""),
                    true => (Some(404), "\"user-unknown\""),
                };
                assert_eq!(refusal(&refused), expected, "{method} at edge {n}");
            }
            assert!(play.world.take(play.zoe).is_empty(), "none becomes more");
        }
    });
}

#[test]
fn two_devices_behind_an_edge_share_what_a_request_may_be_on() {
    everywhere(|mut play| {
        let second = phone::register(&mut play.world, play.contoso, 0, DAVE);
        for (call_id, header, whole) in [("m1", "", 60), ("m2", "Max-Breadth: 7\n", 7)] {
            let request = phone::request("MESSAGE", BOB, DAVE, call_id);
            play.world.send(play.bob, &request.replacen("Max-Forwards", &format!("{header}Max-Forwards"), 1));
            let shares = [play.dave, second].map(|line| phone::breadth(&play.world.only(line)));
            assert_eq!(shares.iter().sum::<u32>(), whole, "{shares:?}");
            assert!(shares.iter().all(|share| *share <= whole.div_ceil(2)), "{shares:?}");
        }
    });
}

#[test]
fn what_has_no_hops_left_ends_at_the_edge_or_at_the_home() {
    everywhere(|mut play| {
        let edges = play.connect_to_edges("sip.fabrikam.example");
        for (n, (left, arrives)) in [(0, false), (1, false), (2, true)].into_iter().enumerate() {
            let request = phone::request("MESSAGE", BOB, ALICE, &format!("m{n}"));
            play.world.send(edges[n % 2], &request.replacen("Max-Forwards: 70", &format!("Max-Forwards: {left}"), 1));
            assert_eq!(play.world.take(play.alice).len(), usize::from(arrives), "{left}");
            if !arrives {
                assert_eq!(play.world.only(edges[n % 2]).status(), Some(483), "{left}");
            }
        }
    });
}
