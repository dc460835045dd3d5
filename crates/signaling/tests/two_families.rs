//! Servers with IPv6 and IPv4 addresses: the second family is tried beside the first when that is slow (RFC 8305).

#[allow(dead_code, reason = "other plays use the rest of it")]
use std::time::Duration;

use sim::{Condition, certificate};

use crate::neighbours::{self, ALICE, BOB, Play};
use crate::phone;

const SIX: &str = "2001:db8::70";
const FOUR: &str = "192.0.2.70";

/// Fabrikam has one server, with an address of each family.
fn everywhere(act: impl Fn(Play)) {
    let arrange = |world: &mut sim::World, fabrikam| world.server(fabrikam, 10, "one.fabrikam.example", &[SIX, FOUR]);
    neighbours::everywhere(arrange, act);
}

fn write(play: &mut Play) {
    play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "one"));
}

fn is_delivered(play: &mut Play) {
    let arrived = play.world.only(play.bob);
    play.world.send(play.bob, &phone::answer(&arrived, "200 OK", "bob"));
    assert_eq!(play.world.only(play.alice).status(), Some(200));
}

fn dialled(play: &mut Play) -> Vec<String> {
    std::mem::take(&mut play.world.dialled).iter().map(ToString::to_string).collect()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn where_ipv6_leads_nowhere_ipv4_is_tried_after_a_quarter_of_a_second_and_first_the_next_time() {
    everywhere(|mut play| {
        play.world.set_condition(SIX, Condition::Silent);
        write(&mut play);
        play.world.pass(millis(249));
        assert_eq!(dialled(&mut play), [SIX]);
        play.world.pass(millis(1));
        assert_eq!(dialled(&mut play), [FOUR]);
        is_delivered(&mut play);
        // What became of the other is remembered, though nobody waited for it.
        play.world.pass(millis(5000));
        play.world.cut(play.contoso);
        write(&mut play);
        is_delivered(&mut play);
        assert_eq!(dialled(&mut play), [FOUR]);
        play.world.assert_quiet();
    });
}

#[test]
fn where_ipv6_works_ipv4_is_not_tried() {
    everywhere(|mut play| {
        write(&mut play);
        is_delivered(&mut play);
        play.world.pass(millis(1000));
        assert_eq!(dialled(&mut play), [SIX]);
    });
}

#[test]
fn the_first_that_proves_the_domain_wins_and_not_the_first_that_answers() {
    everywhere(|mut play| {
        play.world.set_certificate(SIX, certificate(&["sip.mallory.example"]));
        write(&mut play);
        is_delivered(&mut play);
        assert_eq!(dialled(&mut play), [SIX, FOUR]);
    });
}

#[test]
fn where_neither_works_the_refusal_comes_when_both_have_failed() {
    everywhere(|mut play| {
        play.world.set_condition(SIX, Condition::Silent);
        play.world.set_condition(FOUR, Condition::Silent);
        write(&mut play);
        play.world.pass(millis(5100));
        let early: Vec<_> = play.world.take(play.alice).iter().filter_map(|told| told.status()).collect();
        assert_eq!(early, [100], "IPv4 has not had its five seconds");
        play.world.pass(millis(200));
        assert_eq!(play.world.only(play.alice).status(), Some(504));
        assert_eq!(dialled(&mut play), [SIX, FOUR]);
    });
}
