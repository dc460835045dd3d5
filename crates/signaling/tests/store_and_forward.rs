//! Messages for who is away, between two organisations of one and of three workers.

use std::time::Duration;

use signaling::Limits;
use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::phone;

/// Alice of Contoso and Erin of Fabrikam are there, Bob of Fabrikam is away.
struct Play {
    world: World,
    workers: u16,
    seed: u64,
    fabrikam: usize,
    alice: Line,
    erin: Line,
}

/// Each play runs with one worker and with three, over several orders of handoffs.
fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(12, |workers, seed| play(opening(workers, seed)));
}

fn opening(workers: u16, seed: u64) -> Play {
    opening_with(workers, seed, |_| {})
}

fn opening_with(workers: u16, seed: u64, narrow: impl Fn(&mut Limits)) -> Play {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    world.configure(fabrikam, |config| narrow(&mut config.limits));
    world.user(contoso, ALICE);
    world.user(fabrikam, BOB);
    world.user(fabrikam, ERIN);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let erin = phone::register(&mut world, fabrikam, by_seed(1), ERIN);
    world.messages(fabrikam).asked.clear();
    Play { world, workers, seed, fabrikam, alice, erin }
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const ERIN: &str = "erin@fabrikam.example";

impl Play {
    /// Sent by Alice across the border.
    fn send(&mut self, call_id: &str) -> Message {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, BOB, call_id));
        self.world.only(self.alice)
    }

    /// Sent by Alice, and not answered by the phones that get it: what she is told after 20 s.
    fn send_and_wait(&mut self, call_id: &str) -> Option<u16> {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, BOB, call_id));
        self.world.pass(Duration::from_secs(21));
        self.world.take(self.alice).last().and_then(Message::status)
    }

    /// Sent by Erin at home, with further headers.
    fn send_at_home(&mut self, call_id: &str, headers: &str) -> Message {
        let text = phone::request("MESSAGE", ERIN, BOB, call_id);
        self.world.send(self.erin, &text.replace("Content-Length", &format!("{headers}Content-Length")));
        self.world.only(self.erin)
    }

    /// A device of Bob's registers; what comes after the 200 is left on its line.
    fn bob_registers(&mut self, n: u64) -> Line {
        let worker = u16::try_from((self.seed + n) % u64::from(self.workers)).unwrap();
        let line = self.world.connect(self.fabrikam, worker, None);
        phone::register_and_listen(&mut self.world, line, BOB);
        line
    }

    fn waiting(&mut self) -> Vec<String> {
        self.world.messages(self.fabrikam).call_ids()
    }

    fn asked(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.world.messages(self.fabrikam).asked)
    }

    /// The one message that came in, answered so.
    fn take(&mut self, line: Line, call_id: &str, status: &str) {
        let message = self.world.only(line);
        assert_eq!(message.call_id(), Ok(call_id));
        self.world.send(line, &phone::answer(&message, status, "bob"));
    }

    fn repeats(&self) -> u64 {
        (0..self.workers).map(|worker| self.world.core(self.fabrikam, worker).status().stored_repeats).sum()
    }

    fn delivered(&self) -> u64 {
        (0..self.workers).map(|worker| self.world.core(self.fabrikam, worker).counts().stored_delivered).sum()
    }

    /// Nothing waits for anything, in any worker.
    fn assert_over(&mut self) {
        self.world.assert_quiet();
        for worker in 0..self.workers {
            let status = self.world.core(self.fabrikam, worker).status();
            assert_eq!((status.waiting, status.queues_draining, status.response_contexts), (0, 0, 0));
        }
    }
}

fn warning(message: &Message) -> &str {
    message.header_text(HeaderName::Warning).unwrap_or_default()
}

#[test]
fn a_message_is_stored_before_its_202() {
    everywhere(|mut play| {
        play.world.messages(play.fabrikam).held = Some(Vec::new());
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        assert!(play.world.take(play.alice).is_empty(), "the store has not said so");
        assert_eq!(play.waiting(), ["m1"]);
        play.world.release(play.fabrikam);
        assert_eq!(play.world.only(play.alice).status(), Some(202));
        play.assert_over();
    });
}

#[test]
fn a_device_that_comes_before_the_commit_need_not_wait_for_its_next_registration() {
    everywhere(|mut play| {
        play.world.messages(play.fabrikam).held = Some(Vec::new());
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        // The store cannot show yet what it is about to commit.
        play.world.messages(play.fabrikam).is_broken = true;
        let bob = play.bob_registers(0);
        assert!(play.world.take(bob).is_empty());
        play.world.messages(play.fabrikam).is_broken = false;
        play.world.release(play.fabrikam);
        assert_eq!(play.world.only(play.alice).status(), Some(202));
        play.take(bob, "m1", "200 OK");
        assert!(play.waiting().is_empty());
        play.assert_over();
    });
}

#[test]
fn a_store_that_fails_promises_nothing() {
    everywhere(|mut play| {
        play.world.messages(play.fabrikam).is_broken = true;
        let refused = play.send_at_home("home", "");
        assert_eq!((refused.status(), warning(&refused)), (Some(500), "399 sip.fabrikam.example \"not-stored\""));
        assert_eq!(refused.header_text(HeaderName::RetryAfter), Some("30"));
        // A 503 would keep the partner from the whole server.
        assert_eq!(play.send("away").status(), Some(500));
        play.world.messages(play.fabrikam).is_broken = false;
        assert!(play.waiting().is_empty());
        // A store that never answers: nothing was promised either, though the message may be there.
        play.world.messages(play.fabrikam).held = Some(Vec::new());
        play.world.send(play.erin, &phone::request("MESSAGE", ERIN, BOB, "slow"));
        play.world.pass(Duration::from_secs(21));
        let statuses: Vec<_> = play.world.take(play.erin).iter().filter_map(Message::status).collect();
        assert_eq!(statuses, [100, 504]);
        play.world.release(play.fabrikam);
        play.assert_over();
    });
}

#[test]
fn what_waits_is_delivered_at_the_next_registration_in_order_and_one_after_another() {
    everywhere(|mut play| {
        assert_eq!(play.send("m1").status(), Some(202));
        assert_eq!(play.send_at_home("m2", "").status(), Some(202));
        assert_eq!(play.send("m3").status(), Some(202));
        let bob = play.bob_registers(0);
        let first = play.world.only(bob);
        assert_eq!(first.call_id(), Ok("m1"));
        assert_eq!(play.waiting(), ["m1", "m2", "m3"], "until the phone has said 200");
        play.world.send(bob, &phone::answer(&first, "200 OK", "bob"));
        play.take(bob, "m2", "202 Accepted");
        assert_eq!(play.waiting(), ["m3"]);
        play.take(bob, "m3", "200 OK");
        assert!(play.waiting().is_empty());
        assert_eq!(play.repeats(), 0);
        play.assert_over();
    });
}

#[test]
fn a_stored_message_is_the_senders_but_for_what_a_hop_changes() {
    everywhere(|mut play| {
        let headers = "X-Odd:  kept as  it is \nSubject: later\n";
        assert_eq!(play.send_at_home("m1", headers).status(), Some(202));
        play.send_at_home("dated", "Date: Sat, 13 Nov 2010 23:29:00 GMT\n");
        play.world.pass(Duration::from_secs(3));
        let bob = play.bob_registers(0);
        let stored = play.world.only(bob);
        assert_eq!(first_line(&stored), format!("MESSAGE sip:bob@phone{}.invalid;transport=tls SIP/2.0", bob.0));
        let text = String::from_utf8(stored.as_bytes().to_vec()).unwrap();
        assert!(text.contains("\r\nX-Odd:  kept as  it is \r\nSubject: later\r\n"), "{text}");
        assert!(text.contains("\r\nFrom: <sip:erin@fabrikam.example>;tag=caller\r\n"), "{text}");
        assert_eq!((stored.vias().count(), stored.max_forwards()), (1, Ok(Some(69))));
        assert_eq!(stored.cseq().unwrap().number, 1);
        assert_eq!(stored.header_text(HeaderName::Date), Some("Fri, 15 Jan 2027 08:00:00 GMT"), "when it was accepted");
        play.world.send(bob, &phone::answer(&stored, "200 OK", "bob"));
        let dated = play.world.only(bob);
        assert_eq!(dated.header_text(HeaderName::Date), Some("Sat, 13 Nov 2010 23:29:00 GMT"), "the sender's own");
        play.world.send(bob, &phone::answer(&dated, "200 OK", "bob"));
        play.assert_over();
    });
}

#[test]
fn every_device_gets_its_copy_and_one_answer_is_enough() {
    everywhere(|mut play| {
        play.send("m1");
        play.send("m2");
        let bob = play.bob_registers(0);
        let desk = play.bob_registers(1);
        assert_eq!(play.asked(), ["store", "store", "next"], "one drain, though two devices registered");
        play.take(bob, "m1", "200 OK");
        assert!(play.waiting() == ["m2"] && play.world.only(bob).call_id() == Ok("m2"));
        play.take(desk, "m2", "200 OK");
        assert!(play.waiting().is_empty());
        // The first phone answers late: nothing happens any more. The desk came when m1 was on its way already.
        play.assert_over();
    });
}

#[test]
fn a_refresh_asks_the_store_only_when_something_may_wait() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        assert_eq!(play.asked(), ["next"]);
        for cseq in [3, 5, 7] {
            phone::refresh(&mut play.world, bob, BOB, cseq);
        }
        assert!(play.asked().is_empty(), "nothing waits, and that is known");
        play.world.hang_up(bob);
        play.send("m1");
        let bob = play.bob_registers(1);
        play.take(bob, "m1", "200 OK");
        assert_eq!(play.asked(), ["store", "next", "settle", "next"]);
        play.assert_over();
    });
}

#[test]
fn a_phone_that_is_busy_gets_them_at_its_next_registration() {
    everywhere(|mut play| {
        play.send("m1");
        play.send("m2");
        let bob = play.bob_registers(0);
        play.take(bob, "m1", "486 Busy Here");
        assert_eq!(play.waiting(), ["m1", "m2"]);
        play.assert_over();
        phone::refresh(&mut play.world, bob, BOB, 3);
        play.take(bob, "m1", "200 OK");
        play.take(bob, "m2", "200 OK");
        assert!(play.waiting().is_empty());
        assert_eq!(play.repeats(), 0, "the phone had said that it does not have it");
        play.assert_over();
    });
}

#[test]
fn a_message_that_a_phone_dislikes_does_not_hold_up_the_rest() {
    everywhere(|mut play| {
        play.send("odd");
        play.send("m2");
        let bob = play.bob_registers(0);
        play.take(bob, "odd", "415 Unsupported Media Type");
        play.take(bob, "m2", "200 OK");
        assert_eq!(play.waiting(), ["odd"]);
        phone::refresh(&mut play.world, bob, BOB, 3);
        play.assert_over();
        let desk = play.bob_registers(1);
        let copies = [play.world.only(bob), play.world.only(desk)];
        assert!(copies.iter().all(|copy| copy.call_id() == Ok("odd")), "another device may think otherwise");
        play.world.send(desk, &phone::answer(&copies[1], "200 OK", "desk"));
        assert!(play.waiting().is_empty());
        play.assert_over();
    });
}

#[test]
fn a_phone_that_falls_silent_keeps_nothing_from_the_next() {
    everywhere(|mut play| {
        play.send("m1");
        let silent = play.bob_registers(0);
        assert_eq!(play.world.only(silent).call_id(), Ok("m1"));
        let bob = play.bob_registers(1);
        play.world.pass(Duration::from_secs(33));
        assert_eq!(play.world.only(silent).call_id(), Ok("m1"));
        play.take(bob, "m1", "200 OK");
        assert!(play.waiting().is_empty());
        assert_eq!(play.repeats(), 1, "the silent phone may have it");
        play.assert_over();
    });
}

#[test]
fn what_is_sent_while_the_queue_goes_out_comes_after_it() {
    everywhere(|mut play| {
        play.send("m1");
        play.send("m2");
        let bob = play.bob_registers(0);
        let first = play.world.only(bob);
        assert_eq!(play.send("m3").status(), Some(202));
        play.world.send(bob, &phone::answer(&first, "200 OK", "bob"));
        play.take(bob, "m2", "200 OK");
        play.take(bob, "m3", "200 OK");
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m4"));
        play.take(bob, "m4", "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200), "all is as usual again");
        play.assert_over();
    });
}

#[test]
fn a_message_that_no_longer_means_anything_is_not_delivered() {
    everywhere(|mut play| {
        play.send_at_home("short", "Expires: 60\n");
        play.send_at_home("long", "Expires: 90\n");
        play.world.pass(Duration::from_secs(60));
        let bob = play.bob_registers(0);
        play.take(bob, "long", "200 OK");
        play.assert_over();
    });
}

#[test]
fn one_sender_or_partner_leaves_room_in_a_mailbox_for_others() {
    let full = |answer: &Message| (answer.status(), warning(answer).contains("mailbox-full"));
    for (of_sender, of_partner, at_home) in [(2, 9, 2), (9, 2, 9)] {
        let mut play = opening_with(1, 5, |limits| {
            limits.store_and_forward.messages_per_sender_max = of_sender;
            limits.store_and_forward.messages_per_partner_max = of_partner;
        });
        for n in 0..2 {
            assert_eq!(play.send(&format!("m{n}")).status(), Some(202));
        }
        assert_eq!(full(&play.send("one-too-many")), (Some(486), true));
        for n in 0..at_home {
            assert_eq!(play.send_at_home(&format!("e{n}"), "").status(), Some(202), "no partner is his domain");
        }
        assert_eq!(full(&play.send_at_home("hers", "")), (Some(486), true));
        let bob = play.bob_registers(0);
        play.take(bob, "m0", "200 OK");
        assert_eq!(play.send("again").status(), Some(202), "there is room for one");
    }
}

#[test]
fn a_full_mailbox_says_so() {
    let mut play = opening_with(3, 5, |limits| {
        limits.store_and_forward.messages_per_sender_max = 200;
        limits.store_and_forward.messages_per_partner_max = 200;
    });
    for n in 0..200 {
        assert_eq!(play.send(&format!("m{n}")).status(), Some(202));
    }
    let refused = play.send("one-too-many");
    assert_eq!((refused.status(), warning(&refused)), (Some(486), "399 sip.fabrikam.example \"mailbox-full\""));
    let bob = play.bob_registers(0);
    play.take(bob, "m0", "200 OK");
    assert_eq!(play.send("again").status(), Some(202), "there is room for one");
    assert_eq!(play.waiting().len(), 200);
    // With no room behind the queue it goes to the phone at once rather than nowhere.
    play.world.take(bob);
    play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "past-the-queue"));
    play.take(bob, "past-the-queue", "200 OK");
    assert_eq!(play.world.only(play.alice).status(), Some(200));
}

#[test]
fn only_messages_of_users_who_exist_are_kept() {
    everywhere(|mut play| {
        let composing = play.send_at_home("typing", "Content-Type: application/im-iscomposing+xml\n");
        assert_eq!((composing.status(), warning(&composing)), (Some(480), "399 sip.fabrikam.example \"user-offline\""));
        assert_eq!(play.send_at_home("now-or-never", "Expires: 0\n").status(), Some(480));
        assert_eq!(play.send_at_home("odd", "Expires: soon\n").status(), Some(400));
        play.world.send(play.erin, &phone::request("INVITE", ERIN, BOB, "call"));
        let statuses: Vec<_> = play.world.take(play.erin).iter().filter_map(Message::status).collect();
        assert_eq!(statuses.last(), Some(&480));
        play.world.send(play.erin, &phone::request("MESSAGE", ERIN, "nobody@fabrikam.example", "none"));
        let refused = play.world.only(play.erin);
        assert_eq!((refused.status(), warning(&refused)), (Some(404), "399 sip.fabrikam.example \"user-unknown\""));
        assert!(play.waiting().is_empty());
    });
}

#[test]
fn a_restart_loses_nothing_and_what_may_be_a_repeat_is_counted() {
    everywhere(|mut play| {
        play.send("m1");
        play.send("m2");
        play.world.restart(play.fabrikam);
        let bob = play.bob_registers(0);
        // The phone takes m1, and the server ends before that is on disk.
        play.world.messages(play.fabrikam).is_forgetful = true;
        let first = play.world.only(bob);
        play.world.send(bob, &phone::answer(&first, "200 OK", "bob"));
        play.world.take(bob);
        play.world.restart(play.fabrikam);
        play.world.messages(play.fabrikam).is_forgetful = false;
        assert_eq!(play.waiting(), ["m1", "m2"]);
        let bob = play.bob_registers(1);
        let again = play.world.only(bob);
        assert_eq!((again.call_id(), again.cseq()), (first.call_id(), first.cseq()));
        play.world.send(bob, &phone::answer(&again, "200 OK", "bob"));
        play.take(bob, "m2", "200 OK");
        assert_eq!(play.repeats(), 2, "both had been sent, and nothing was known of either");
        play.assert_over();
    });
}

#[test]
fn a_message_whose_devices_all_fail_is_kept() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        play.world.only(bob);
        play.world.hang_up(bob);
        assert_eq!(play.world.only(play.alice).status(), Some(202));
        // A phone's own answer is the answer.
        let bob = play.bob_registers(1);
        play.take(bob, "m1", "200 OK");
        assert_eq!(play.repeats(), 1, "the first may have come through");
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m2"));
        play.take(bob, "m2", "488 Not Acceptable Here");
        assert_eq!(play.world.only(play.alice).status(), Some(488));
        assert!(play.waiting().is_empty());
        play.assert_over();
    });
}

#[test]
fn what_one_missed_answer_has_put_into_the_store_comes_once_the_phone_answers_again() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        let missed = play.send_and_wait("m1");
        assert_eq!((missed, play.waiting()), (Some(202), vec!["m1".to_owned()]));
        play.world.take(bob);
        // Its transaction has ended.
        play.world.pass(Duration::from_secs(15));
        play.world.take(bob);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m2"));
        play.take(bob, "m2", "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.take(bob, "m1", "200 OK");
        assert_eq!((play.waiting().len(), play.delivered()), (0, 1));
        play.asked();
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m3"));
        play.take(bob, "m3", "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        assert!(play.asked().is_empty(), "nothing waits, and that is known");
        play.assert_over();
    });
}

#[test]
fn a_call_that_is_taken_shows_that_the_phone_is_there() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        assert_eq!(play.send_and_wait("m1"), Some(202));
        play.world.take(bob);
        play.world.send(play.erin, &phone::request("INVITE", ERIN, BOB, "call"));
        let invite = play.world.take(bob).pop().unwrap();
        assert_eq!(invite.call_id(), Ok("call"));
        play.world.send(bob, &phone::answer(&invite, "180 Ringing", "bob"));
        assert!(play.world.take(bob).is_empty());
        play.world.send(bob, &phone::answer(&invite, "200 OK", "bob"));
        play.take(bob, "m1", "200 OK");
        assert!(play.waiting().is_empty());
    });
}

#[test]
fn a_phone_that_answers_late_while_the_queue_goes_out_has_it_once_in_the_counts() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        assert_eq!(play.send_and_wait("m1"), Some(202));
        let first = play.world.take(bob).remove(0);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m2"));
        play.take(bob, "m2", "200 OK");
        play.world.take(play.alice);
        let again = play.world.only(bob);
        assert_eq!(again.call_id(), Ok("m1"));
        play.world.send(bob, &phone::answer(&first, "200 OK", "bob"));
        assert_eq!((play.waiting().len(), play.delivered()), (0, 1));
        play.world.send(bob, &phone::answer(&again, "200 OK", "bob"));
        assert_eq!(play.delivered(), 1);
        play.assert_over();
    });
}

#[test]
fn a_phone_that_never_takes_one_message_is_asked_at_a_pace() {
    everywhere(|mut play| {
        let bob = play.bob_registers(0);
        assert_eq!(play.send_and_wait("m1"), Some(202));
        play.world.pass(Duration::from_secs(15));
        play.world.take(bob);
        let mut copies = 0;
        for n in 0..30 {
            play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, &format!("n{n}")));
            play.world.take(play.alice);
            let before = copies;
            for message in play.world.take(bob) {
                match message.call_id() {
                    Ok("m1") => copies += 1,
                    _ => play.world.send(bob, &phone::answer(&message, "200 OK", "bob")),
                }
            }
            copies += play.world.take(bob).iter().filter(|message| message.call_id() == Ok("m1")).count();
            assert!(copies - before <= 1);
            play.world.pass(Duration::from_secs(20));
        }
        assert_eq!(copies, 4, "in ten minutes: at once, and a minute, three and seven later");
        play.world.pass(Duration::from_secs(33));
        play.world.take(play.alice);
        play.world.take(bob);
        play.assert_over();
    });
}
