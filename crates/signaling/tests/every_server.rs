//! A partner with many servers, most of which refuse or are silent: each is asked once, until one does otherwise.

use std::time::Duration;

use signaling::Reach;
use sim::Condition;
use sip::Message;

use crate::many_servers::{ALICE, BOB, FIRST, Play, SECOND, THIRD, told};
use crate::phone;

fn play(workers: u16, seed: u64) -> Play {
    Play::new(workers, seed, 3, |_| {})
}

fn play_by_one_connection(workers: u16, seed: u64) -> Play {
    Play::new(workers, seed, 3, |config| config.limits.partner_connections = 1)
}

fn everywhere(act: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| act(play(workers, seed)));
}

impl Play {
    fn set(&mut self, conditions: &[(&str, Condition)]) {
        conditions.iter().for_each(|(address, condition)| self.world.set_condition(address, *condition));
    }
}

#[test]
fn a_message_goes_past_all_servers_that_refuse_it() {
    everywhere(|mut play| {
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Overloaded)]);
        play.write("x");
        play.arrives();
        assert_eq!(play.dialled(), [FIRST, SECOND, THIRD]);
        play.write("x");
        play.arrives();
        assert!(play.dialled().is_empty(), "the connection to the third stays");
    });
}

#[test]
fn each_server_is_asked_once_and_the_sender_is_told_what_the_last_said() {
    everywhere(|mut play| {
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Overloaded), (THIRD, Condition::Overloaded)]);
        play.write("x");
        assert_eq!(told(&play.world.only(play.alice)), (500, "partner-overloaded".into()));
        assert_eq!(play.dialled(), [FIRST, SECOND, THIRD]);
        assert_eq!(play.counts().sent, 3);
    });
}

#[test]
fn where_the_others_cannot_be_reached_the_sender_is_told_what_the_one_said_and_nobody_is_alarmed() {
    everywhere(|mut play| {
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Dead), (THIRD, Condition::Dead)]);
        play.write("x");
        assert_eq!(told(&play.world.only(play.alice)), (500, "partner-overloaded".into()));
        assert_eq!(play.dialled(), [FIRST, SECOND, THIRD], "the first is not asked again");
        assert_eq!(play.counts().sent, 1);
        assert!(play.world.reaches.iter().all(|(.., reach)| *reach == Reach::Reachable), "{:?}", play.world.reaches);
    });
}

#[test]
fn a_call_is_tried_at_each_server_that_is_silent_while_its_caller_waits() {
    everywhere(|mut play| {
        play.set(&[(FIRST, Condition::Mute), (SECOND, Condition::Mute)]);
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "mute"));
        play.world.pass(Duration::from_secs(33));
        assert_eq!(play.dialled(), [FIRST, SECOND]);
        play.world.pass(Duration::from_secs(33));
        let invite = play.world.only(play.bob);
        assert_eq!(play.dialled(), [THIRD]);
        play.world.send(play.bob, &phone::answer(&invite, "200 OK", "bob"));
        let answers: Vec<_> = play.world.take(play.alice).iter().filter_map(Message::status).collect();
        assert_eq!(answers, [100, 200]);
    });
}

/// Both addresses of a name are a server's own.
#[test]
fn each_address_of_a_name_is_asked_once() {
    everywhere(|mut play| {
        play.world.server(play.fabrikam, 5, "pool.fabrikam.example", &["192.0.2.61", "192.0.2.62"]);
        play.set(&[("192.0.2.61", Condition::Overloaded), ("192.0.2.62", Condition::Overloaded)]);
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Overloaded), (THIRD, Condition::Overloaded)]);
        play.write("x");
        assert_eq!(told(&play.world.only(play.alice)), (500, "partner-overloaded".into()));
        let mut dialled = play.dialled();
        dialled.sort_unstable();
        assert_eq!(dialled, ["192.0.2.61", "192.0.2.62", FIRST, SECOND, THIRD]);
    });
}

#[test]
fn a_request_is_sent_to_as_many_servers_as_are_remembered_of_a_domain() {
    everywhere(|mut play| {
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Overloaded), (THIRD, Condition::Overloaded)]);
        for host in 0..12_u16 {
            let four: Vec<String> = (1..=4).map(|last| format!("203.0.113.{}", host * 4 + last)).collect();
            let addresses: Vec<&str> = four.iter().map(String::as_str).collect();
            play.world.server(play.fabrikam, 1 + host, &format!("s{host}.fabrikam.example"), &addresses);
            addresses.iter().for_each(|address| play.world.set_condition(address, Condition::Overloaded));
        }
        play.write("x");
        assert_eq!(told(&play.world.only(play.alice)), (500, "partner-overloaded".into()));
        assert_eq!(play.counts().sent, 32);
    });
}

/// Of two calls by one connection the later finds it at a server where it has been, since the earlier went on before it.
#[test]
fn a_connection_that_others_use_is_left_for_a_server_that_has_not_had_the_request() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play_by_one_connection(workers, seed);
        play.set(&[(FIRST, Condition::Mute), (SECOND, Condition::Mute), (THIRD, Condition::Dead)]);
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "earlier"));
        play.world.pass(Duration::from_secs(10));
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "later"));
        assert_eq!(play.dialled(), [FIRST]);
        // Both have been at the first by now, and the earlier at all.
        play.world.pass(Duration::from_secs(56));
        let answers = play.world.take(play.alice);
        assert_eq!(answers.last().and_then(Message::status), Some(408), "{answers:?}");
        assert_eq!(play.dialled(), [SECOND, THIRD]);
        play.set(&[(FIRST, Condition::Well), (THIRD, Condition::Well)]);
        play.write("between");
        play.arrives();
        assert_eq!(play.dialled(), [FIRST]);
        play.world.pass(Duration::from_secs(10));
        assert_eq!(play.dialled(), [THIRD]);
        let invite = play.world.only(play.bob);
        assert!(invite.call_id().unwrap().contains("later"));
    });
}

/// The first server is well again for those who come later, and no other can be reached.
#[test]
fn who_finds_no_further_server_does_not_keep_those_who_come_later_waiting() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play_by_one_connection(workers, seed);
        play.set(&[(FIRST, Condition::Overloaded), (SECOND, Condition::Silent), (THIRD, Condition::Dead)]);
        play.write("refused");
        play.set(&[(FIRST, Condition::Well)]);
        let mut refused = Vec::new();
        for round in 0..8 {
            play.write(&format!("later{round}"));
            play.world.pass(Duration::from_secs(6));
            for arrived in play.world.take(play.bob) {
                play.world.send(play.bob, &phone::answer(&arrived, "200 OK", "bob"));
            }
            refused.extend(play.world.take(play.alice).iter().filter(|it| it.status() > Some(200)).map(told));
        }
        assert_eq!(refused, [(500, "partner-overloaded".into())]);
        let dialled = play.dialled();
        let times = |address: &str| dialled.iter().filter(|dialled| *dialled == address).count();
        assert_eq!((times(FIRST), times(SECOND)), (3, 2), "{dialled:?}");
    });
}
