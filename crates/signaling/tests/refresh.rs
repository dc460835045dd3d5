//! The DNS asked again in the background, and what holds while it is silent.

#[allow(dead_code, reason = "other plays use the rest of it")]
use std::time::Duration;

use federation::discovery::{STALE_MAX, SrvFailure};
use sim::Trouble;

use crate::neighbours::{self, ALICE, BOB, Play};
use crate::phone;

/// Fabrikam's record holds for a minute.
fn everywhere(act: impl Fn(Play)) {
    neighbours::everywhere(|_, _| {}, act);
}

fn deliver(play: &mut Play, call_id: &str) {
    play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, call_id));
    let arrived = play.world.only(play.bob);
    play.world.send(play.bob, &phone::answer(&arrived, "200 OK", "bob"));
    assert_eq!(play.world.only(play.alice).status(), Some(200));
}

fn asked(play: &Play) -> u64 {
    asked_of(play, "srv")
}

fn asked_of(play: &Play, kind: &'static str) -> u64 {
    play.world.asked.get(&(play.contoso, kind)).copied().unwrap_or_default()
}

fn silence(play: &mut Play) {
    let trouble = Trouble { failure: Some(SrvFailure::Timeout), ..Trouble::default() };
    play.world.zones.set_trouble("fabrikam.example", trouble);
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Of the worker that sent: since when the answer is stale.
fn is_stale(play: &Play) -> bool {
    let status = |worker| {
        play.world.core(play.contoso, worker).partner_status(play.world.now, "fabrikam.example").discovery_stale
    };
    (0..play.workers).any(|worker| status(worker).is_some())
}

#[test]
fn a_partner_that_is_spoken_with_is_asked_for_before_its_time_is_over_and_nobody_waits() {
    everywhere(|mut play| {
        deliver(&mut play, "one");
        let first = asked(&play);
        play.world.pass(secs(53));
        assert_eq!(asked(&play), first);
        play.world.pass(secs(2));
        assert_eq!(asked(&play), first + 1);
        play.world.pass(secs(20));
        play.world.cut(play.contoso);
        deliver(&mut play, "one");
        assert_eq!(asked(&play), first + 1, "a minute after the first answer, the second one holds");
    });
}

/// Its addresses hold for a minute too.
#[test]
fn the_addresses_of_a_server_that_is_spoken_with_are_asked_for_before_their_time_is_over() {
    everywhere(|mut play| {
        deliver(&mut play, "one");
        let first = asked_of(&play, "addresses");
        play.world.pass(secs(53));
        assert_eq!(asked_of(&play, "addresses"), first);
        play.world.pass(secs(3));
        assert_eq!(asked_of(&play, "addresses"), first + 1);
        play.world.pass(secs(20));
        play.world.cut(play.contoso);
        deliver(&mut play, "one");
        assert_eq!(asked_of(&play, "addresses"), first + 1, "whoever connects again does not wait for them");
    });
}

#[test]
fn what_is_refreshed_again_and_again_leaves_no_timers_behind() {
    everywhere(|mut play| {
        let timers = |play: &Play| -> Vec<usize> {
            (0..play.workers).map(|worker| play.world.core(play.contoso, worker).status().timers).collect()
        };
        deliver(&mut play, "one");
        for _ in 0..20 {
            play.world.pass(secs(50));
            deliver(&mut play, "one");
        }
        let after: usize = timers(&play).iter().sum();
        assert!(after <= 6, "{after} timers");
    });
}

#[test]
fn a_partner_that_nobody_speaks_with_any_more_is_not_asked_for() {
    everywhere(|mut play| {
        deliver(&mut play, "one");
        play.world.cut(play.contoso);
        play.world.pass(secs(59));
        // Once more, since it was used; then never again.
        let once = asked(&play);
        play.world.pass(secs(3000));
        assert_eq!(asked(&play), once);
    });
}

#[test]
fn while_the_name_servers_are_silent_what_they_said_holds_for_a_day() {
    everywhere(|mut play| {
        deliver(&mut play, "one");
        silence(&mut play);
        play.world.pass(secs(70));
        assert!(is_stale(&play));
        let fabrikam = "fabrikam.example".to_owned();
        assert_eq!(play.world.stale_names, [(play.contoso, fabrikam.clone(), true)], "told once");
        play.world.cut(play.contoso);
        deliver(&mut play, "one");
        play.world.pass(STALE_MAX);
        play.world.cut(play.contoso);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "one"));
        assert_eq!(play.world.only(play.alice).status(), Some(504));
        play.world.zones.calm();
        play.world.pass(secs(60));
        phone::register_on(&mut play.world, play.bob, BOB);
        deliver(&mut play, "one");
        assert!(!is_stale(&play));
    });
}

#[test]
fn name_servers_that_answer_again_are_told_of() {
    everywhere(|mut play| {
        deliver(&mut play, "one");
        silence(&mut play);
        play.world.pass(secs(70));
        play.world.zones.calm();
        play.world.pass(secs(60));
        assert!(!is_stale(&play));
        let told: Vec<bool> = play.world.stale_names.iter().map(|(.., is_stale)| *is_stale).collect();
        assert_eq!(told, [true, false]);
    });
}
