//! A partner with several servers, some of which fail: what is tried, in which order, and what is remembered.

use std::time::Duration;

use federation::decision::Outcome;
use federation::partner::Provider;
use federation::trust::{PeerCertificate, Why};
use signaling::{PartnerCounts, Reach};
use sim::{Condition, World, allowed, blocked, certificate};
use sip::{HeaderName, Message};

use crate::many_servers::{ALICE, BOB, FIRST, Play, SECOND, THIRD, told};
use crate::phone;

fn play(workers: u16, seed: u64) -> Play {
    Play::new(workers, seed, 2, |_| {})
}

/// Each play runs with one worker and with three, over several orders of handoffs.
fn everywhere(act: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| act(play(workers, seed)));
}

impl Play {
    /// Alice writes to Bob, who answers.
    fn deliver(&mut self, call_id: &str) {
        self.write(call_id);
        self.arrives();
    }

    /// What Alice's message is answered with.
    fn refused(&mut self, call_id: &str) -> (u16, String) {
        self.write(call_id);
        told(&self.world.only(self.alice))
    }

    /// What Contoso was told of Fabrikam since the last look.
    fn told(&mut self) -> Vec<Reach> {
        let told = std::mem::take(&mut self.world.reaches).into_iter();
        told.filter(|(site, ..)| *site == self.contoso).map(|(.., reach)| reach).collect()
    }

    /// Ends the connections between the two, and lets the next request connect anew.
    fn reconnect(&mut self, call_id: &str) -> Vec<String> {
        self.world.cut(self.contoso);
        self.dialled();
        self.deliver(call_id);
        self.dialled()
    }
}

#[test]
fn the_second_server_is_tried_where_the_first_is_dead() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.deliver("dead");
        assert_eq!(play.dialled(), [FIRST, SECOND]);
        play.world.assert_quiet();
    });
}

#[test]
fn every_address_of_a_server_is_tried_before_the_next_server() {
    everywhere(|mut play| {
        play.world.server(play.fabrikam, 5, "zero.fabrikam.example", &["2001:db8::70", "192.0.2.70"]);
        play.world.set_condition("2001:db8::70", Condition::Dead);
        play.deliver("x");
        assert_eq!(play.dialled(), ["2001:db8::70", "192.0.2.70"]);
        assert_eq!(play.reconnect("x"), ["192.0.2.70"], "the address failed, the server did not");
        play.world.set_condition("192.0.2.70", Condition::Dead);
        assert_eq!(play.reconnect("x"), ["192.0.2.70", "2001:db8::70", FIRST]);
    });
}

#[test]
fn of_a_server_with_many_addresses_so_many_are_tried_and_then_the_next_server() {
    everywhere(|mut play| {
        let many: Vec<String> = (1..=40).map(|last| format!("192.0.2.{last}")).collect();
        let addresses: Vec<&str> = many.iter().map(String::as_str).collect();
        play.world.server(play.fabrikam, 5, "many.fabrikam.example", &addresses);
        addresses.iter().for_each(|address| play.world.set_condition(address, Condition::Dead));
        play.deliver("x");
        assert_eq!(play.dialled(), [&addresses[..4], &[FIRST]].concat());
    });
}

#[test]
fn a_server_with_a_wrong_certificate_gets_no_byte_and_the_next_is_tried() {
    everywhere(|mut play| {
        play.world.set_certificate(FIRST, certificate(&["sip.mallory.example"]));
        play.deliver("impostor");
        assert_eq!(play.dialled(), [FIRST, SECOND]);
        play.world.set_certificate(SECOND, certificate(&["sip.mallory.example"]));
        play.world.cut(play.contoso);
        assert_eq!(play.refused("impostor"), (502, "partner-certificate".into()));
    });
}

#[test]
fn with_all_dead_the_caller_hears_so() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.world.set_condition(SECOND, Condition::Dead);
        assert_eq!(play.refused("nobody"), (504, "partner-unreachable".into()));
        assert_eq!(play.dialled(), [FIRST, SECOND], "each once");
        assert_eq!(play.refused("nobody2").0, 504, "tried last is not never");
        assert_eq!(play.dialled().len(), 2);
        let counts = play.counts();
        assert_eq!((counts.refused, counts.refused_ours), (0, 2), "the partner is not blamed for them");
    });
}

#[test]
fn what_becomes_of_a_partner_is_told_once_however_many_requests_find_out() {
    everywhere(|mut play| {
        play.deliver("well");
        assert_eq!(play.told(), []);
        play.world.cut(play.contoso);
        [FIRST, SECOND].iter().for_each(|server| play.world.set_condition(server, Condition::Dead));
        // Over each of the connections that there may be.
        for number in 0..12 {
            assert_eq!(play.refused(&format!("dead{number}")).0, 504);
        }
        assert_eq!(play.told(), [Reach::OutOfReach]);
        for server in [FIRST, SECOND] {
            play.world.set_condition(server, Condition::Well);
            play.world.set_certificate(server, certificate(&["sip.mallory.example"]));
        }
        for number in 0..12 {
            assert_eq!(play.refused(&format!("impostor{number}")).0, 502);
        }
        assert_eq!(play.told(), [Reach::CertificateRefused]);
        play.world.set_certificate(FIRST, certificate(&["one.fabrikam.example"]));
        for number in 0..12 {
            play.deliver(&format!("again{number}"));
        }
        assert_eq!(play.told(), [Reach::Reachable]);
    });
}

#[test]
fn what_users_make_up_is_told_to_nobody() {
    everywhere(|mut play| {
        play.world.replace_partners(play.contoso, vec![allowed("*.example")]);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, "x@nowhere.example", "made-up"));
        assert_eq!(told(&play.world.only(play.alice)), (404, "no-route".to_owned()));
        assert_eq!(play.told(), []);
    });
}

#[test]
fn what_failed_is_tried_last_for_longer_and_longer() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.deliver("x");
        assert_eq!(play.dialled(), [FIRST, SECOND]);
        // A second after the first failure, two after the second.
        for (secs, expected) in
            [(0, vec![SECOND]), (1, vec![FIRST, SECOND]), (1, vec![SECOND]), (1, vec![FIRST, SECOND])]
        {
            play.world.pass(Duration::from_secs(secs));
            assert_eq!(play.reconnect("x"), expected, "after {secs} s more");
        }
    });
}

#[test]
fn a_request_of_the_partner_makes_all_that_failed_well_again_on_every_worker() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.deliver("x");
        play.world.set_condition(FIRST, Condition::Well);
        assert_eq!(play.reconnect("x"), [SECOND], "still avoided");
        for worker in 0..play.world.workers(play.contoso) {
            play.world.set_condition(FIRST, Condition::Dead);
            play.world.pass(Duration::from_secs(400));
            play.world.cut(play.contoso);
            play.deliver("x");
            play.world.set_condition(FIRST, Condition::Well);
            // Whichever worker hears it.
            let partner = play.world.connect(play.contoso, worker, Some(certificate(&["two.fabrikam.example"])));
            play.world.send(partner, &phone::request("OPTIONS", BOB, ALICE, &format!("hello{worker}")));
            play.world.take(play.alice);
            assert_eq!(play.reconnect("x"), [FIRST], "heard by worker {worker}");
        }
    });
}

#[test]
fn a_reset_forgets_what_failed_and_where_the_domain_is() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.deliver("x");
        play.world.set_condition(FIRST, Condition::Well);
        assert_eq!(play.reconnect("x"), [SECOND]);
        let forgotten = play.world.reset_partner(play.contoso, "fabrikam.example");
        assert_eq!((forgotten.discovery, forgotten.failures), (1, 2), "the target, and its address");
        assert_eq!(play.reconnect("x"), [FIRST]);
        assert_eq!(play.world.reset_partner(play.contoso, "fabrikam.example").failures, 0);
    });
}

#[test]
fn a_changed_entry_forgets_what_failed_and_blames_nobody_for_the_connection_that_we_end() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Dead);
        play.deliver("x");
        play.world.replace_partners(play.contoso, vec![blocked("fabrikam.example")]);
        let workers = 0..play.world.workers(play.contoso);
        let links: Vec<_> = workers.flat_map(|worker| play.world.core(play.contoso, worker).status().links).collect();
        assert!(links.iter().all(|link| link.state == "idle" && link.last_failure.is_none()), "{links:?}");
        play.world.replace_partners(play.contoso, vec![allowed("fabrikam.example")]);
        play.dialled();
        play.deliver("x");
        assert_eq!(play.dialled(), [FIRST, SECOND], "what failed is forgotten");
    });
}

#[test]
fn a_request_whose_connection_ends_is_sent_to_each_server_once() {
    everywhere(|mut play| {
        play.world.server(play.fabrikam, 30, "three.fabrikam.example", &[THIRD]);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "cut"));
        for server in [FIRST, SECOND, THIRD] {
            play.world.only(play.bob);
            assert_eq!(play.dialled(), [server]);
            play.world.cut(play.contoso);
        }
        assert_eq!(told(&play.world.only(play.alice)), (504, "partner-unreachable".into()));
        assert!(play.world.take(play.bob).is_empty(), "to each, not for ever");

        play.world.pass(Duration::from_secs(10));
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "twice"));
        play.world.only(play.bob);
        play.world.cut(play.contoso);
        let again = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&again, "200 OK", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(200));
    });
}

#[test]
fn a_server_whose_connection_ended_gets_the_request_once_more_where_no_other_can_be_reached() {
    everywhere(|mut play| {
        play.world.set_condition(SECOND, Condition::Dead);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "again"));
        for expected in [vec![FIRST], vec![SECOND, FIRST]] {
            play.world.only(play.bob);
            assert_eq!(play.dialled(), expected);
            play.world.cut(play.contoso);
        }
        assert_eq!(told(&play.world.only(play.alice)), (504, "partner-unreachable".into()));
        assert!(play.world.take(play.bob).is_empty());
    });
}

#[test]
fn a_request_that_was_heard_of_is_not_sent_twice() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "ringing"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(180));
        play.world.cut(play.contoso);
        assert!(play.world.take(play.bob).is_empty(), "it rings on, once");
        assert!(play.world.take(play.alice).is_empty(), "the answer may come over another connection");
        play.world.send(play.bob, &phone::answer(&invite, "486 Busy Here", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(486));
    });
}

#[test]
fn a_server_that_says_503_is_left_for_the_next() {
    everywhere(|mut play| {
        // Another Fabrikam, which is about to end, has the first server.
        let workers = play.world.workers(play.fabrikam);
        let ending = play.world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        play.world.drain_site(ending);
        play.world.server(ending, 5, "zero.fabrikam.example", &["192.0.2.70"]);
        play.deliver("draining");
        assert_eq!(play.dialled(), ["192.0.2.70", FIRST]);
        play.deliver("draining2");
        let worker = (0..workers)
            .find(|worker| play.world.core(play.contoso, *worker).decisions().by_call_id("draining").count() > 1);
        let decisions = play.world.core(play.contoso, worker.unwrap()).decisions();
        let outcomes: Vec<&Outcome> = decisions.by_call_id("draining").map(|found| &found.record.outcome).collect();
        let sent =
            |outcome: &Outcome, host: &str| matches!(outcome, Outcome::Routed { next_hop, .. } if next_hop == host);
        let at = outcomes.iter().position(|outcome| sent(outcome, "zero.fabrikam.example:5061")).unwrap();
        assert!(matches!(outcomes[at + 1], Outcome::Retried { .. }), "{outcomes:?}");
        assert!(sent(outcomes[at + 2], "one.fabrikam.example:5061"), "{outcomes:?}");
        assert!(matches!(outcomes[at + 3], Outcome::Answered { status: 200, .. }), "{outcomes:?}");
    });
}

#[test]
fn a_503_of_the_only_server_is_the_answer() {
    for workers in [1, 3] {
        let mut world = World::new(3);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        world.user(contoso, ALICE);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        world.drain_site(fabrikam);
        world.send(alice, &phone::request("MESSAGE", ALICE, BOB, "only"));
        assert_eq!(told(&world.only(alice)), (500, "partner-overloaded".into()));
        assert_eq!(world.dialled.len(), 1);
    }
}

/// Those of this kind ask for five seconds of rest.
#[test]
fn a_server_that_asks_for_rest_gets_it_whoever_else_is_there() {
    everywhere(|mut play| {
        let workers = play.world.workers(play.fabrikam);
        let ending = play.world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        play.world.drain_site(ending);
        play.world.server(ending, 5, "zero.fabrikam.example", &["192.0.2.70"]);
        play.deliver("x");
        assert_eq!(play.dialled(), ["192.0.2.70", FIRST]);
        // As one that failed it would have its turn again after a second.
        play.world.pass(Duration::from_secs(3));
        assert_eq!(play.reconnect("x"), [FIRST]);
        play.world.pass(Duration::from_secs(3));
        assert_eq!(play.reconnect("x"), ["192.0.2.70", FIRST]);
        assert_eq!(play.counts().overloaded, 2);
    });
}

#[test]
fn the_only_server_rests_as_long_as_it_asks_and_then_is_asked_again() {
    for workers in [1, 3] {
        let mut world = World::new(3);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.user(contoso, ALICE);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        world.drain_site(fabrikam);
        let counted = |world: &World| {
            let mut counts = PartnerCounts::default();
            for worker in 0..workers {
                counts += world.core(contoso, worker).partner_status(world.now, "fabrikam.example").counts;
            }
            counts
        };
        let write = |world: &mut World, expected: [u64; 3]| {
            world.send(alice, &phone::request("MESSAGE", ALICE, BOB, "only"));
            let answer = world.only(alice);
            assert_eq!(told(&answer), (500, "partner-overloaded".into()));
            let counts = counted(world);
            assert_eq!([counts.sent, counts.overloaded, counts.held_back], expected);
            answer
        };
        write(&mut world, [1, 1, 0]);
        let held_back = write(&mut world, [1, 1, 1]);
        assert!(held_back.header_text(HeaderName::RetryAfter).is_some());
        world.pass(Duration::from_secs(6));
        write(&mut world, [2, 2, 1]);
        // What an administrator resets is forgotten, too.
        world.reset_partner(contoso, "fabrikam.example");
        write(&mut world, [3, 3, 1]);
        let sent_by_hour = |world: &World| [counted(world).this_hour.sent, counted(world).last_hour.sent];
        assert_eq!(sent_by_hour(&world), [3, 0]);
        world.pass(Duration::from_secs(3_600));
        assert_eq!(sent_by_hour(&world), [0, 3]);
        world.pass(Duration::from_secs(3_600));
        assert_eq!(sent_by_hour(&world), [0, 0]);
    }
}

#[test]
fn a_server_that_swallows_a_call_is_left_for_the_next() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Mute);
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "mute"));
        assert!(play.world.take(play.bob).is_empty());
        play.world.pass(Duration::from_secs(33));
        let invite = play.world.only(play.bob);
        assert_eq!(play.dialled(), [FIRST, SECOND]);
        play.world.send(play.bob, &phone::answer(&invite, "200 OK", "bob"));
        let answers: Vec<_> = play.world.take(play.alice).iter().filter_map(Message::status).collect();
        assert_eq!(answers, [100, 200]);
    });
}

#[test]
fn a_caller_who_gives_up_while_the_next_server_is_tried_is_answered() {
    everywhere(|mut play| {
        play.world.set_condition(FIRST, Condition::Mute);
        play.world.set_condition(SECOND, Condition::Mute);
        let invite = phone::request("INVITE", ALICE, BOB, "gone");
        play.world.send(play.alice, &invite);
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        play.world.send(play.alice, &cancel);
        play.world.pass(Duration::from_secs(70));
        let answers: Vec<_> = play.world.take(play.alice).iter().filter_map(Message::status).collect();
        assert!(answers.contains(&487), "{answers:?}");
        assert_eq!(play.dialled(), [FIRST], "nothing is begun for a caller who is gone");
    });
}

#[test]
fn of_a_provider_s_edge_it_is_told_once_for_all_domains_behind_it() {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, cloud] = world.allies(["contoso.example", "cloud.example"], workers);
        let hosted = ["a.example", "b.example", "c.example"];
        world.server(cloud, 10, "sip.cloud.example", &[FIRST]);
        hosted.iter().for_each(|domain| world.serve(cloud, domain));
        let entries = hosted.iter().map(|domain| allowed(domain));
        world.replace_partners(contoso, entries.collect());
        world.add_provider(contoso, Provider::new("cloud", "sip.cloud.example"));
        world.user(contoso, ALICE);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        let write = |world: &mut World, call_id: &str| {
            hosted.map(|domain| {
                world.send(
                    alice,
                    &phone::request("MESSAGE", ALICE, &format!("x@{domain}"), &format!("{call_id}.{domain}")),
                );
                world.only(alice).status().unwrap()
            })
        };
        assert_eq!(write(&mut world, "well"), [404, 404, 404], "it is reached, and knows nobody");
        assert_eq!(world.reaches, []);
        world.cut(contoso);
        world.set_condition(FIRST, Condition::Dead);
        for number in 0..4 {
            assert_eq!(write(&mut world, &format!("dead{number}")), [504, 504, 504]);
        }
        let told = |reach| [(contoso, "cloud with 3".to_owned(), reach)];
        assert_eq!(std::mem::take(&mut world.reaches), told(Reach::OutOfReach));
        world.set_condition(FIRST, Condition::Well);
        assert_eq!(write(&mut world, "again"), [404, 404, 404]);
        assert_eq!(std::mem::take(&mut world.reaches), told(Reach::Reachable));
        let good = certificate(&["sip.cloud.example"]);
        let expired = PeerCertificate { chain: Err(Why::Expired), ..good.clone() };
        // Of the names that a certificate has not, each domain is told of by itself.
        for (shown, expected) in [(expired, 1), (certificate(&["sip.mallory.example"]), 3)] {
            world.cut(contoso);
            world.set_certificate(FIRST, shown);
            assert_eq!(write(&mut world, &format!("refused{expected}")), [502, 502, 502]);
            let refused = std::mem::take(&mut world.reaches);
            assert!(refused.iter().all(|(.., reach)| *reach == Reach::CertificateRefused), "{refused:?}");
            assert_eq!(refused.len(), expected, "{refused:?}");
            world.set_certificate(FIRST, good.clone());
            assert_eq!(write(&mut world, &format!("good{expected}")), [404, 404, 404]);
            let back = std::mem::take(&mut world.reaches);
            assert_eq!(back.len(), expected, "{back:?}");
        }
    });
}
