//! Connections to partners that break while something is under way: what a partner is owed goes over another one, and never
//! to anybody else.

use std::time::Duration;

use sim::{Condition, Line, World, allowed, certificate, first_line};
use sip::Message;

use crate::neighbours::{self, ALICE, BOB, Play};
use crate::phone;

const FABRIKAM: &str = "192.0.2.71";

/// Fabrikam has one server, which can fail.
fn everywhere(act: impl Fn(Play)) {
    neighbours::everywhere(|world, fabrikam| world.server(fabrikam, 10, "one.fabrikam.example", &[FABRIKAM]), act);
}

impl Play {
    /// A connection of a partner to Contoso, on one worker or another, on which its domain has been proven.
    fn partner(&mut self, n: u64, domain: &str) -> Line {
        let line = self.world.connect(self.contoso, self.worker(n), Some(certificate(&[domain])));
        let from = format!("x@{domain}");
        self.world.send(line, &phone::request("OPTIONS", &from, "contoso.example", &format!("hello{n}{domain}")));
        assert_eq!(self.world.only(line).status(), Some(200));
        line
    }

    /// Bob calls Alice over this connection; her phone rings.
    fn ring(&mut self, line: Line, call_id: &str) -> Message {
        self.world.send(line, &phone::request("INVITE", BOB, ALICE, call_id));
        let invite = self.world.only(self.alice);
        self.world.send(self.alice, &phone::answer(&invite, "180 Ringing", "alice"));
        assert_eq!(statuses(&self.world.take(line)).last(), Some(&180));
        invite
    }

    fn elsewhere(&self) -> u64 {
        (0..self.workers).map(|worker| self.world.core(self.contoso, worker).counts().responses_elsewhere).sum()
    }
}

fn statuses(messages: &[Message]) -> Vec<u16> {
    messages.iter().filter_map(Message::status).collect()
}

fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| first_line(message).split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn cancel(call_id: &str) -> String {
    let invite = phone::request("INVITE", BOB, ALICE, call_id);
    invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL")
}

#[test]
fn a_call_survives_the_connection_that_it_rings_over() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "ringing"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        assert_eq!(statuses(&play.world.take(play.alice)).last(), Some(&180));
        play.world.cut(play.contoso);
        assert!(play.world.take(play.bob).is_empty() && play.world.take(play.alice).is_empty(), "it rings on");
        play.world.send(play.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = play.world.only(play.alice);
        assert_eq!(ok.status(), Some(200));
        play.world.send(play.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&play.world.only(play.bob)).starts_with("ACK"));
        play.world.send(play.alice, &phone::by_caller("BYE", &ok, 2));
        let bye = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&bye, "200 OK", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.world.pass(Duration::from_secs(300));
        play.world.assert_quiet();
    });
}

#[test]
fn a_caller_can_give_up_after_the_connection_broke() {
    everywhere(|mut play| {
        let invite = phone::request("INVITE", ALICE, BOB, "gone");
        play.world.send(play.alice, &invite);
        let ringing = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        play.world.take(play.alice);
        play.world.cut(play.contoso);
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        play.world.send(play.alice, &cancel);
        assert_eq!(lines(&play.world.take(play.bob)), ["CANCEL"], "over another connection, on any worker");
        play.world.send(play.bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        let answers = statuses(&play.world.take(play.alice));
        assert!(answers.contains(&487), "{answers:?}");
    });
}

#[test]
fn a_partner_that_is_gone_altogether_is_not_waited_for() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "crash"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        play.world.take(play.alice);
        play.world.set_condition(FABRIKAM, Condition::Dead);
        play.world.cut(play.contoso);
        assert_eq!(statuses(&play.world.take(play.alice)), [504]);
    });
}

#[test]
fn the_answer_to_a_partner_goes_over_another_connection_of_the_same_partner() {
    everywhere(|mut play| {
        let [first, second] = [0, 1].map(|n| play.partner(n, "fabrikam.example"));
        let other = play.partner(2, "litware.example");
        let invite = play.ring(first, "call");
        play.world.hang_up(first);
        assert!(play.world.take(play.alice).is_empty(), "her phone rings on");
        play.world.send(play.alice, &phone::answer(&invite, "200 OK", "alice"));
        assert_eq!(statuses(&play.world.take(second)), [200]);
        assert!(play.world.take(other).is_empty());
        assert_eq!((play.elsewhere(), play.world.dialled.len()), (1, 0));
        play.world.hang_up(second);
        // As her phone does until the ACK has come.
        play.world.send(play.alice, &phone::answer(&invite, "200 OK", "alice"));
        assert!(play.world.take(other).is_empty());
        assert_eq!(play.world.dialled.len(), 1, "and without one of its own, over ours");
    });
}

#[test]
fn nobody_is_dialled_by_what_a_via_says_and_nobody_else_is_told() {
    everywhere(|mut play| {
        let first = play.partner(0, "fabrikam.example");
        let other = play.partner(2, "litware.example");
        let invite = play.ring(first, "call");
        play.world.set_condition(FABRIKAM, Condition::Well);
        play.world.set_certificate(FABRIKAM, certificate(&["litware.example"]));
        play.world.hang_up(first);
        play.world.send(play.alice, &phone::answer(&invite, "200 OK", "alice"));
        assert!(play.world.take(other).is_empty());
        let lost: u64 = play.world.statuses(play.contoso).iter().map(|status| status.undeliverable).sum();
        assert_eq!((lost, play.world.dialled.len()), (1, 1), "its certificate proves another domain");
    });
}

#[test]
fn a_refusal_without_its_ack_is_said_again_over_the_next_connection() {
    everywhere(|mut play| {
        let [first, second] = [0, 1].map(|n| play.partner(n, "fabrikam.example"));
        let invite = play.ring(first, "busy");
        play.world.send(play.alice, &phone::answer(&invite, "486 Busy Here", "alice"));
        assert_eq!(statuses(&play.world.take(first)), [486]);
        play.world.hang_up(first);
        assert_eq!(statuses(&play.world.take(second)), [486]);
    });
}

#[test]
fn a_call_is_taken_back_over_another_connection_by_the_same_partner_only() {
    everywhere(|mut play| {
        let [first, second] = [0, 1].map(|n| play.partner(n, "fabrikam.example"));
        let other = play.partner(2, "litware.example");
        let invite = play.ring(first, "call");
        play.world.hang_up(first);
        play.world.send(other, &cancel("call"));
        assert_eq!(statuses(&play.world.take(other)), [481]);
        assert!(play.world.take(play.alice).is_empty(), "another partner cannot take it back");
        play.world.send(second, &cancel("call"));
        assert_eq!(statuses(&play.world.take(second)), [200]);
        assert_eq!(lines(&play.world.take(play.alice)), ["CANCEL"]);
        play.world.send(play.alice, &phone::answer(&invite, "487 Request Terminated", "alice"));
        assert_eq!(statuses(&play.world.take(second)), [487]);
    });
}

#[test]
fn while_its_connection_lives_a_call_is_taken_back_there() {
    everywhere(|mut play| {
        let [first, second] = [0, 1].map(|n| play.partner(n, "fabrikam.example"));
        play.ring(first, "call");
        play.world.send(second, &cancel("call"));
        assert_eq!(statuses(&play.world.take(second)), [481]);
        assert!(play.world.take(play.alice).is_empty());
    });
}

#[test]
fn a_call_that_is_begun_again_takes_the_place_of_the_first() {
    everywhere(|mut play| {
        let [first, second] = [0, 1].map(|n| play.partner(n, "fabrikam.example"));
        play.ring(first, "again");
        play.world.hang_up(first);
        let again = phone::request("INVITE", BOB, ALICE, "again").replace("z9hG4bKINVITE", "z9hG4bKsecond");
        play.world.send(second, &again);
        let mut arrived = lines(&play.world.take(play.alice));
        arrived.retain(|line| line != "ACK");
        arrived.sort();
        assert_eq!(arrived, ["CANCEL", "INVITE"]);
    });
}

#[test]
fn a_phone_that_is_gone_still_takes_its_call_back() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "phone"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        play.world.hang_up(play.alice);
        assert_eq!(lines(&play.world.take(play.bob)), ["CANCEL"]);
    });
}

#[test]
fn a_flood_of_connections_that_end_at_once_leaves_nothing_behind() {
    for workers in [1, 3] {
        let mut world = World::new(1);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        world.user(contoso, ALICE);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        for number in 0..300_u16 {
            let line = world.connect(contoso, number % workers, Some(certificate(&["fabrikam.example"])));
            world.send(line, &phone::request("INVITE", BOB, ALICE, &format!("flood{number}")));
            world.hang_up(line);
        }
        world.take(alice);
        world.pass(Duration::from_secs(500));
        for status in world.statuses(contoso) {
            let left =
                (status.server_transactions, status.client_transactions, status.response_contexts, status.waiting);
            assert_eq!((left, status.flows - status.client_flows), ((0, 0, 0, 0), 0), "{status:?}");
        }
    }
}
