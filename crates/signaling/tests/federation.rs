//! Two organisations of one and of three workers: what passes only with one is broken.

use std::time::Duration;

use federation::decision::Outcome;
use sim::{Line, World, allowed, blocked, certificate, first_line};
use sip::{HeaderName, Message};

use crate::phone;

/// Contoso and Fabrikam allow each other; Alice and Bob are signed in at home.
struct Pair {
    world: World,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    bob: Line,
}

fn pair(workers: u16, seed: u64) -> Pair {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    world.user(contoso, "alice@contoso.example");
    world.user(fabrikam, "bob@fabrikam.example");
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), "alice@contoso.example");
    let bob = phone::register(&mut world, fabrikam, by_seed(1), "bob@fabrikam.example");
    Pair { world, contoso, fabrikam, alice, bob }
}

/// Each play runs with one worker and with three, over several orders of handoffs.
fn everywhere(play: impl Fn(Pair)) {
    phone::everywhere(12, |workers, seed| play(pair(workers, seed)));
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

fn warning(message: &Message) -> &str {
    message.header_text(HeaderName::Warning).unwrap_or_default()
}

#[test]
fn a_message_crosses_and_its_answer_comes_back() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        let message = pair.world.only(pair.bob);
        assert_eq!(message.request_uri(), Some("sip:bob@phone1.invalid;transport=tls"));
        assert_eq!(message.vias().count(), 3, "the phone, Contoso and Fabrikam");
        assert_eq!(message.header(HeaderName::RecordRoute), None);
        pair.world.send(pair.bob, &phone::answer(&message, "200 OK", "bob"));
        let answer = pair.world.only(pair.alice);
        assert_eq!(answer.status(), Some(200));
        assert_eq!(answer.vias().count(), 1);
        pair.world.assert_quiet();
    });
}

#[test]
fn a_call_is_set_up_answered_and_ended_by_either_side() {
    everywhere(|mut pair| {
        for ended_by_caller in [true, false] {
            let call_id = format!("call-{ended_by_caller}");
            pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, &call_id));
            let invite = pair.world.only(pair.bob);
            assert_eq!(invite.record_routes().count(), 4);
            pair.world.send(pair.bob, &phone::answer(&invite, "180 Ringing", "bob"));
            assert_eq!(pair.world.only(pair.alice).status(), Some(180));
            pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
            let ok = pair.world.only(pair.alice);
            assert_eq!(ok.status(), Some(200));
            pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
            assert!(first_line(&pair.world.only(pair.bob)).starts_with("ACK sip:bob@phone.invalid"));
            let (from, to, bye) = match ended_by_caller {
                true => (pair.alice, pair.bob, phone::by_caller("BYE", &ok, 2)),
                false => (pair.bob, pair.alice, phone::by_callee("BYE", &invite, 1)),
            };
            pair.world.send(from, &bye);
            let bye = pair.world.only(to);
            assert_eq!(bye.routes().count(), 0, "every Route was one of ours and is popped");
            pair.world.send(to, &phone::answer(&bye, "200 OK", "x"));
            assert_eq!(pair.world.only(from).status(), Some(200));
            pair.world.assert_quiet();
        }
    });
}

#[test]
fn requests_of_a_dialog_find_their_owner_from_any_connection_and_worker() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "elsewhere"));
        let invite = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = pair.world.only(pair.alice);
        pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
        pair.world.only(pair.bob);
        // Fabrikam's Routes taken off, the callee's BYE arrives at Contoso on new connections, one to each worker.
        let bye = phone::by_callee("BYE", &invite, 7);
        let contosos: Vec<&str> = bye.lines().filter(|line| line.contains("sip.contoso.example")).collect();
        assert_eq!(contosos.len(), 2);
        for worker in 0..pair.world.workers(pair.contoso) {
            let text = bye.replace("BYE7in", &format!("BYE7in{worker}"));
            let text: String = text
                .lines()
                .filter(|line| !line.starts_with("Route:") || line.contains("sip.contoso.example"))
                .map(|line| format!("{line}\n"))
                .collect();
            let partner = pair.world.connect(pair.contoso, worker, Some(certificate(&["sip.fabrikam.example"])));
            pair.world.send(partner, &(text + "\n").replace("\n\n\n", "\n\n"));
            let arrived = pair.world.only(pair.alice);
            assert!(first_line(&arrived).starts_with("BYE"), "{}", first_line(&arrived));
            pair.world.send(pair.alice, &phone::answer(&arrived, "200 OK", "alice"));
            assert_eq!(pair.world.only(partner).status(), Some(200));
        }
        pair.world.assert_quiet();
    });
}

#[test]
fn a_response_on_another_connection_finds_its_owner() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "late"));
        let message = pair.world.only(pair.bob);
        // Fabrikam's own Via taken off: this is what its edge would send back, on a connection of its own.
        let answer = phone::answer(&message, "200 OK", "bob");
        let top = answer.lines().find(|line| line.starts_with("Via:")).unwrap().to_owned();
        let answer = answer.replacen(&format!("{top}\n"), "", 1);
        let last = pair.world.workers(pair.contoso) - 1;
        pair.world.misdeliver(pair.contoso, last, certificate(&["sip.fabrikam.example"]), &answer);
        assert_eq!(pair.world.only(pair.alice).status(), Some(200));
    });
}

#[test]
fn a_cancelled_call_stops_ringing() {
    everywhere(|mut pair| {
        let invite = phone::request("INVITE", ALICE, BOB, "cancelled");
        pair.world.send(pair.alice, &invite);
        let ringing = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        assert_eq!(pair.world.only(pair.alice).status(), Some(180));
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        pair.world.send(pair.alice, &cancel);
        assert_eq!(pair.world.only(pair.alice).status(), Some(200), "the answer to the CANCEL");
        let cancel = pair.world.only(pair.bob);
        assert!(first_line(&cancel).starts_with("CANCEL"));
        pair.world.send(pair.bob, &phone::answer(&cancel, "200 OK", "bob"));
        pair.world.send(pair.bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        assert_eq!(pair.world.only(pair.alice).status(), Some(487));
        assert!(first_line(&pair.world.only(pair.bob)).starts_with("ACK"));
        pair.world.assert_quiet();
    });
}

#[test]
fn devices_ring_and_stop_together() {
    for workers in [1, 3] {
        for seed in 0..6 {
            let mut pair = pair(workers, seed);
            let other = u16::try_from((seed + 2) % u64::from(workers)).unwrap();
            let desk = phone::register(&mut pair.world, pair.fabrikam, other, BOB);
            pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "fork"));
            let (at_bob, at_desk) = (pair.world.only(pair.bob), pair.world.only(desk));
            pair.world.send(pair.bob, &phone::answer(&at_bob, "180 Ringing", "bob"));
            pair.world.send(desk, &phone::answer(&at_desk, "180 Ringing", "desk"));
            assert_eq!(pair.world.take(pair.alice).len(), 2, "each device's ringing is heard");
            pair.world.send(desk, &phone::answer(&at_desk, "200 OK", "desk"));
            assert_eq!(pair.world.only(pair.alice).status(), Some(200));
            let cancel = pair.world.only(pair.bob);
            assert!(first_line(&cancel).starts_with("CANCEL"));
            pair.world.send(pair.bob, &phone::answer(&cancel, "200 OK", "bob"));
            pair.world.send(pair.bob, &phone::answer(&at_bob, "487 Request Terminated", "bob"));
            assert!(first_line(&pair.world.only(pair.bob)).starts_with("ACK"));
            pair.world.assert_quiet();
        }
    }
}

#[test]
fn a_message_reaches_every_device_and_is_answered_once() {
    let mut pair = pair(3, 4);
    let desk = phone::register(&mut pair.world, pair.fabrikam, 1, BOB);
    pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "both"));
    let (at_bob, at_desk) = (pair.world.only(pair.bob), pair.world.only(desk));
    pair.world.send(desk, &phone::answer(&at_desk, "200 OK", "desk"));
    assert_eq!(pair.world.only(pair.alice).status(), Some(200));
    pair.world.send(pair.bob, &phone::answer(&at_bob, "200 OK", "bob"));
    pair.world.assert_quiet();
}

#[test]
fn a_client_flow_moves_to_its_owner_once() {
    for seed in 0..12 {
        let mut pair = pair(3, seed);
        let owner = pair.world.worker_of(pair.alice);
        let again = phone::register(&mut pair.world, pair.contoso, (owner + 1) % 3, ALICE);
        assert_eq!(pair.world.worker_of(again), owner, "whoever accepts it");
        assert_eq!(pair.world.core(pair.contoso, owner).bindings(pair.world.now).len(), 2);
    }
}

#[test]
fn a_phone_on_udp_is_reached_from_every_worker_and_ends_its_call_without_a_second_digest() {
    for workers in [1, 3] {
        for seed in 0..6 {
            let mut pair = pair(workers, seed);
            pair.world.user(pair.fabrikam, "beth@fabrikam.example");
            let kernel = u16::try_from(seed % u64::from(workers)).unwrap();
            let beth = pair.world.datagrams(pair.fabrikam, kernel);
            phone::register_on(&mut pair.world, beth, "beth@fabrikam.example");
            pair.world.send(pair.alice, &phone::request("INVITE", ALICE, "beth@fabrikam.example", "udp"));
            let invite = pair.world.only(beth);
            assert!(invite.top_via().unwrap().as_str().starts_with("SIP/2.0/UDP sip.fabrikam.example:5060;"));
            pair.world.send(beth, &phone::answer(&invite, "200 OK", "beth"));
            let ok = pair.world.only(pair.alice);
            pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
            pair.world.only(beth);
            pair.world.send(beth, &phone::by_callee("BYE", &invite, 1));
            let bye = pair.world.only(pair.alice);
            pair.world.send(pair.alice, &phone::answer(&bye, "200 OK", "alice"));
            assert_eq!(pair.world.only(beth).status(), Some(200));
            pair.world.assert_quiet();
        }
    }
}

#[test]
fn a_closed_flow_takes_its_bindings_along() {
    everywhere(|mut pair| {
        pair.world.hang_up(pair.bob);
        for (to, status) in [(BOB, 480), ("nobody@fabrikam.example", 404)] {
            pair.world.send(pair.alice, &phone::request("OPTIONS", ALICE, to, &format!("{status}")));
            let answer = pair.world.only(pair.alice);
            assert_eq!(answer.status(), Some(status), "{}", first_line(&answer));
        }
    });
}

#[test]
fn a_partner_that_is_not_allowed_is_refused_on_both_sides() {
    for workers in [1, 3] {
        let mut world = World::new(5);
        let contoso = world.organisation("contoso.example", workers, &[blocked("northwind.example")], false);
        world.user(contoso, ALICE);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        world.send(alice, &phone::request("MESSAGE", ALICE, "x@northwind.example", "out"));
        let refused = world.only(alice);
        assert_eq!((refused.status(), warning(&refused)), (Some(403), "399 sip.contoso.example \"domain-blocked\""));
        let partner = world.connect(contoso, 0, Some(certificate(&["northwind.example"])));
        world.send(partner, &phone::request("MESSAGE", "x@northwind.example", ALICE, "in"));
        let refused = world.only(partner);
        assert_eq!((refused.status(), warning(&refused)), (Some(403), "399 sip.contoso.example \"domain-blocked\""));
        let stranger = world.connect(contoso, 0, Some(certificate(&["litware.example"])));
        world.send(stranger, &phone::request("MESSAGE", "x@litware.example", ALICE, "stranger"));
        let refused = world.only(stranger);
        assert_eq!(warning(&refused), "399 sip.contoso.example \"domain-not-allowed\"");
    }
}

#[test]
fn an_impostor_is_refused_and_the_reason_is_kept() {
    let mut pair = pair(3, 1);
    let impostor = pair.world.connect(pair.fabrikam, 2, Some(certificate(&["sip.mallory.example"])));
    pair.world.send(impostor, &phone::request("MESSAGE", ALICE, BOB, "forged"));
    let refused = pair.world.only(impostor);
    assert_eq!(refused.status(), Some(403));
    assert!(warning(&refused).ends_with("\"certificate-name\""), "{}", warning(&refused));
    let decisions = pair.world.core(pair.fabrikam, 2).decisions();
    let kept = decisions.by_call_id("forged").next().expect("every decision is kept");
    let Outcome::Refused { reason, .. } = &kept.record.outcome else { panic!("{kept:?}") };
    assert!(reason.contains("sip.mallory.example"), "{reason}");
    pair.world.assert_quiet();
}

#[test]
fn a_message_that_our_headers_make_too_large_is_refused() {
    for filler in 110..128 {
        let mut pair = pair(3, filler);
        let headers = "X-Filler: 1\n".repeat(usize::try_from(filler).unwrap() - 10);
        let text =
            phone::request("INVITE", ALICE, BOB, "large").replace("Content-Length", &(headers + "Content-Length"));
        pair.world.send(pair.alice, &text);
        let (answers, arrived) = (pair.world.take(pair.alice), pair.world.take(pair.bob));
        match answers.first() {
            Some(answer) => assert_eq!((answer.status(), arrived.len()), (Some(513), 0)),
            None => assert_eq!(arrived.len(), 1),
        }
        assert!((filler < 114) <= answers.is_empty() && (filler > 125) <= !answers.is_empty(), "{filler}");
    }
}

#[test]
fn a_dialog_whose_flow_is_gone_gets_481() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "gone"));
        let invite = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = pair.world.only(pair.alice);
        pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
        pair.world.only(pair.bob);
        pair.world.hang_up(pair.bob);
        pair.world.send(pair.alice, &phone::by_caller("BYE", &ok, 2));
        let answer = pair.world.only(pair.alice);
        assert_eq!((answer.status(), warning(&answer)), (Some(481), "399 sip.fabrikam.example \"flow-failed\""));
    });
}

#[test]
fn after_a_restart_a_call_ends_from_whichever_side_still_can() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "restart"));
        let invite = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = pair.world.only(pair.alice);
        pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
        pair.world.only(pair.bob);
        pair.world.restart(pair.contoso);
        pair.world.send(pair.bob, &phone::by_callee("BYE", &invite, 1));
        let answer = pair.world.only(pair.bob);
        assert_eq!((answer.status(), warning(&answer)), (Some(481), "399 sip.contoso.example \"flow-failed\""));
        let alice = phone::register(&mut pair.world, pair.contoso, 0, ALICE);
        pair.world.send(alice, &phone::by_caller("BYE", &ok, 2));
        let bye = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&bye, "200 OK", "bob"));
        assert_eq!(pair.world.only(alice).status(), Some(200));
        pair.world.assert_quiet();
    });
}

#[test]
fn a_route_of_ones_own_call_makes_nobody_somebody_else() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "mine"));
        let invite = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = pair.world.only(pair.alice);
        pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
        pair.world.only(pair.bob);
        let as_another = phone::by_caller("INFO", &ok, 2).replace("From: <sip:alice@", "From: <sip:ceo@");
        pair.world.send(pair.alice, &as_another);
        assert_eq!(pair.world.only(pair.alice).status(), Some(407), "who says so must show the password");
        pair.world.send(pair.alice, &phone::request("MESSAGE", "ceo@contoso.example", BOB, "forged"));
        assert_eq!(pair.world.only(pair.alice).status(), Some(407));
        pair.world.assert_quiet();
    });
}

#[test]
fn the_tokens_of_a_dialog_are_of_no_use_to_a_third() {
    let mut pair = pair(3, 2);
    pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "leaked"));
    let invite = pair.world.only(pair.bob);
    pair.world.send(pair.bob, &phone::answer(&invite, "200 OK", "bob"));
    pair.world.take(pair.alice);
    let routes: String = phone::by_callee("BYE", &invite, 7)
        .lines()
        .filter(|line| !line.starts_with("Route:") || line.contains("sip.contoso.example"))
        .map(|line| line.replace("bob@fabrikam.example", "eve@litware.example") + "\n")
        .collect();
    let partners = vec![allowed("fabrikam.example"), allowed("litware.example")];
    pair.world.replace_partners(pair.contoso, partners);
    let litware = pair.world.connect(pair.contoso, 1, Some(certificate(&["litware.example"])));
    pair.world.send(litware, &routes);
    let refused = pair.world.only(litware);
    assert_eq!((refused.status(), warning(&refused)), (Some(403), "399 sip.contoso.example \"relay-denied\""));
    pair.world.assert_quiet();
}

#[test]
fn only_the_caller_takes_a_call_back() {
    let mut pair = pair(3, 3);
    let invite = phone::request("INVITE", ALICE, BOB, "rings");
    pair.world.send(pair.alice, &invite);
    let ringing = pair.world.only(pair.bob);
    pair.world.send(pair.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
    pair.world.take(pair.alice);
    let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
    let stranger = pair.world.datagrams(pair.contoso, pair.world.worker_of(pair.alice));
    pair.world.send(stranger, &cancel);
    assert_eq!(pair.world.only(stranger).status(), Some(481));
    pair.world.assert_quiet();
}

#[test]
fn a_stranger_s_response_is_nobody_s_answer() {
    let mut pair = pair(3, 1);
    pair.world.user(pair.contoso, "adam@contoso.example");
    let adam = phone::register(&mut pair.world, pair.contoso, 1, "adam@contoso.example");
    pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, "adam@contoso.example", "home"));
    let message = pair.world.only(adam);
    for worker in 0..3 {
        let stranger = pair.world.datagrams(pair.contoso, worker);
        pair.world.send(stranger, &phone::answer(&message, "200 Forged", "x"));
    }
    pair.world.assert_quiet();
    pair.world.send(adam, &phone::answer(&message, "200 OK", "adam"));
    assert_eq!(pair.world.only(pair.alice).status(), Some(200));
}

#[test]
fn a_datagram_from_a_stranger_costs_no_transaction_and_gets_one_answer() {
    let mut pair = pair(1, 1);
    let stranger = pair.world.datagrams(pair.contoso, 0);
    let before = pair.world.core(pair.contoso, 0).status().server_transactions;
    for number in 0..50 {
        pair.world.send(stranger, &phone::request("INVITE", "eve@contoso.example", BOB, &format!("flood{number}")));
    }
    assert_eq!(pair.world.take(stranger).len(), 50);
    assert_eq!(pair.world.core(pair.contoso, 0).status().server_transactions, before);
    pair.world.pass(Duration::from_secs(40));
    assert!(pair.world.take(stranger).is_empty(), "a challenge is not repeated");
}

#[test]
fn users_who_share_a_connection_end_with_it() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        let site = world.organisation("contoso.example", 3, &[], false);
        let shared = world.connect(site, 0, None);
        for number in 0..6 {
            let aor = format!("user{number}@contoso.example");
            world.user(site, &aor);
            phone::register_on(&mut world, shared, &aor);
        }
        world.user(site, ALICE);
        let alice = phone::register(&mut world, site, 1, ALICE);
        world.send(alice, &phone::request("INVITE", ALICE, "user3@contoso.example", "one"));
        assert!(first_line(&world.only(shared)).starts_with("INVITE"), "whichever worker owns him");
        world.hang_up(shared);
        let bound: usize = (0..3).map(|worker| world.core(site, worker).bindings(world.now).len()).sum();
        assert_eq!(bound, 1, "alice's own");
    }
}

#[test]
fn a_caller_who_vanishes_does_not_leave_the_phone_ringing() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "vanish"));
        let ringing = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        pair.world.hang_up(pair.alice);
        assert!(first_line(&pair.world.only(pair.bob)).starts_with("CANCEL"));
    });
}

#[test]
fn a_thousand_times_ringing_is_one_timer() {
    let mut pair = pair(1, 1);
    pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "ringing"));
    let invite = pair.world.only(pair.bob);
    let before = pair.world.core(pair.fabrikam, 0).status().timers;
    for _ in 0..1000 {
        pair.world.send(pair.bob, &phone::answer(&invite, "180 Ringing", "bob"));
    }
    let after = pair.world.core(pair.fabrikam, 0).status().timers;
    assert!(after < before + 10, "{before} timers before, {after} after");
}

#[test]
fn an_options_without_hops_left_ends_here() {
    let mut pair = pair(1, 1);
    let text = phone::request("OPTIONS", ALICE, BOB, "hops").replace("Max-Forwards: 70", "Max-Forwards: 0");
    pair.world.send(pair.alice, &text);
    assert_eq!(pair.world.only(pair.alice).status(), Some(200));
    pair.world.assert_quiet();
}

#[test]
fn event_state_is_not_published_to_the_user_s_own_devices() {
    let mut pair = pair(1, 1);
    pair.world.send(pair.alice, &phone::request("PUBLISH", ALICE, ALICE, "state"));
    let refused = pair.world.only(pair.alice);
    assert_eq!((refused.status(), warning(&refused)), (Some(489), "399 sip.contoso.example \"event-unknown\""));
}

#[test]
fn a_partner_that_hangs_up_at_once_is_named_as_what_failed() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "hangs-up"));
        // The second time it is not tried again.
        for _ in 0..2 {
            pair.world.only(pair.bob);
            pair.world.cut(pair.contoso);
        }
        let answer = pair.world.only(pair.alice);
        assert_eq!((answer.status(), warning(&answer)), (Some(504), "399 sip.contoso.example \"partner-unreachable\""));
        let links: Vec<_> = (0..pair.world.workers(pair.contoso))
            .flat_map(|worker| pair.world.core(pair.contoso, worker).status().links)
            .collect();
        assert!(links[0].last_failure.as_ref().is_some_and(|why| why.contains("certificate")), "{links:?}");
    });
}

#[test]
fn a_partner_that_was_blocked_gets_nothing_any_more() {
    everywhere(|mut pair| {
        pair.world.cut(pair.contoso);
        pair.world.replace_partners(pair.contoso, vec![blocked("fabrikam.example")]);
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "blocked"));
        assert_eq!(pair.world.only(pair.alice).status(), Some(403));
        assert!(pair.world.take(pair.bob).is_empty());
    });
}

#[test]
fn an_undecided_flow_ends() {
    let mut pair = pair(1, 1);
    let idle = pair.world.connect(pair.contoso, 0, None);
    let flows = pair.world.core(pair.contoso, 0).status().flows;
    pair.world.pass(Duration::from_secs(11));
    assert_eq!(pair.world.core(pair.contoso, 0).status().flows, flows - 1);
    assert!(pair.world.take(idle).is_empty());
}

#[test]
fn nothing_is_left_when_all_is_over() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        let message = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&message, "200 OK", "bob"));
        pair.world.take(pair.alice);
        pair.world.pass(Duration::from_secs(120));
        for site in [pair.contoso, pair.fabrikam] {
            for worker in 0..pair.world.workers(site) {
                let status = pair.world.core(site, worker).status();
                let left = (status.server_transactions, status.client_transactions, status.response_contexts);
                assert_eq!((left, status.waiting), ((0, 0, 0), 0));
            }
        }
    });
}
