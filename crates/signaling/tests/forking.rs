//! A user whose devices are wanted more and less (q), in an organisation of one and of three workers.

use std::time::Duration;

use sim::{Line, World, first_line};
use sip::Message;

use crate::phone;

/// Alice calls. Bob has two phones that are wanted alike, one that is wanted less, and a machine that is wanted least.
struct Play {
    world: World,
    site: usize,
    alice: Line,
    desk: Line,
    lab: Line,
    mobile: Line,
    machine: Line,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const ERIN: &str = "erin@contoso.example";

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(9, |workers, seed| play(opening(workers, seed)));
}

fn opening(workers: u16, seed: u64) -> Play {
    let mut world = World::new(seed);
    let site = world.organisation("contoso.example", workers, &[], false);
    world.user(site, ALICE);
    world.user(site, BOB);
    world.user(site, ERIN);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, site, by_seed(0), ALICE);
    let mut device = |n, q| phone::register_wanted(&mut world, site, by_seed(n), BOB, q);
    let (machine, desk, mobile, lab) = (device(1, "0.1"), device(2, "1.0"), device(3, "0.5"), device(4, "1"));
    Play { world, site, alice, desk, lab, mobile, machine }
}

impl Play {
    fn call(&mut self) {
        self.world.send(self.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
    }

    /// It is called, and rings; returns the INVITE.
    fn rings(&mut self, line: Line) -> Message {
        let invite = self.world.only(line);
        assert!(first_line(&invite).starts_with("INVITE"), "{}", first_line(&invite));
        self.world.send(line, &phone::answer(&invite, "180 Ringing", "bob"));
        assert_eq!(self.world.only(self.alice).status(), Some(180));
        invite
    }

    fn refuses(&mut self, line: Line, invite: &Message, status: &str) {
        self.world.send(line, &phone::answer(invite, status, "bob"));
        assert!(first_line(&self.world.only(line)).starts_with("ACK"));
    }

    /// It hears that it is not wanted any more.
    fn is_cancelled(&mut self, line: Line, invite: &Message) {
        let cancel = self.world.only(line);
        assert!(first_line(&cancel).starts_with("CANCEL"), "{}", first_line(&cancel));
        self.world.send(line, &phone::answer(&cancel, "200 OK", "bob"));
        self.refuses(line, invite, "487 Request Terminated");
    }

    fn is_quiet(&mut self, lines: &[Line]) {
        for line in lines {
            let came = self.world.take(*line);
            assert!(came.is_empty(), "{:?}", came.iter().map(first_line).collect::<Vec<_>>());
        }
    }

    fn assert_over(&mut self) {
        self.world.assert_quiet();
        assert!(self.world.is_idle(self.site), "something waits for somebody");
    }
}

#[test]
fn those_that_are_wanted_less_are_called_when_the_others_refuse() {
    everywhere(|mut play| {
        play.call();
        let (desk, lab) = (play.rings(play.desk), play.rings(play.lab));
        play.is_quiet(&[play.mobile, play.machine]);
        play.refuses(play.desk, &desk, "486 Busy Here");
        play.is_quiet(&[play.mobile]);
        play.refuses(play.lab, &lab, "480 Temporarily Unavailable");
        let mobile = play.rings(play.mobile);
        play.is_quiet(&[play.machine]);
        play.world.send(play.mobile, &phone::answer(&mobile, "200 OK", "bob"));
        let ok = play.world.only(play.alice);
        assert_eq!(ok.status(), Some(200));
        play.world.send(play.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&play.world.only(play.mobile)).starts_with("ACK"));
        play.is_quiet(&[play.desk, play.lab, play.machine]);
        play.world.pass(Duration::from_secs(60));
        play.assert_over();
    });
}

#[test]
fn those_that_ring_for_long_enough_make_room_for_the_next() {
    everywhere(|mut play| {
        play.call();
        let (desk, lab) = (play.rings(play.desk), play.rings(play.lab));
        play.world.pass(Duration::from_secs(19));
        play.is_quiet(&[play.desk, play.mobile]);
        play.world.pass(Duration::from_secs(2));
        play.is_cancelled(play.desk, &desk);
        play.is_cancelled(play.lab, &lab);
        let mobile = play.rings(play.mobile);
        play.world.pass(Duration::from_secs(21));
        play.is_cancelled(play.mobile, &mobile);
        let machine = play.rings(play.machine);
        play.refuses(play.machine, &machine, "486 Busy Here");
        assert_eq!(play.world.only(play.alice).status(), Some(486));
        play.world.pass(Duration::from_secs(60));
        play.assert_over();
    });
}

#[test]
fn who_declines_for_all_is_not_called_elsewhere_and_who_gives_up_neither() {
    everywhere(|mut play| {
        play.call();
        let (desk, lab) = (play.rings(play.desk), play.rings(play.lab));
        play.refuses(play.desk, &desk, "603 Decline");
        play.is_cancelled(play.lab, &lab);
        assert_eq!(play.world.only(play.alice).status(), Some(603));
        play.world.pass(Duration::from_secs(60));
        play.is_quiet(&[play.mobile, play.machine]);
        play.assert_over();
    });
    everywhere(|mut play| {
        play.call();
        let (desk, lab) = (play.rings(play.desk), play.rings(play.lab));
        let cancel = phone::request("CANCEL", ALICE, BOB, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        play.world.send(play.alice, &cancel);
        play.is_cancelled(play.desk, &desk);
        play.is_cancelled(play.lab, &lab);
        let statuses: Vec<_> = play.world.take(play.alice).iter().map(Message::status).collect();
        assert_eq!(statuses, [Some(200), Some(487)]);
        play.world.pass(Duration::from_secs(60));
        play.is_quiet(&[play.mobile, play.machine]);
        play.assert_over();
    });
}

#[test]
fn a_phone_that_was_started_anew_on_its_flow_is_called_once_by_its_new_name() {
    everywhere(|mut play| {
        play.world.pass(Duration::from_secs(1));
        phone::register_renamed(&mut play.world, play.desk, BOB, "bob-0x77aa");
        let udp = play.world.datagrams(play.site, None);
        phone::register_on(&mut play.world, udp, ERIN);
        play.world.pass(Duration::from_secs(1));
        phone::register_renamed(&mut play.world, udp, ERIN, "erin-0x77aa");
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, ERIN, "m0"));
        let message = play.world.only(udp);
        assert!(first_line(&message).starts_with("MESSAGE sip:erin-0x77aa@"), "{}", first_line(&message));
        play.world.send(udp, &phone::answer(&message, "200 OK", "erin"));
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        let message = play.world.only(play.desk);
        assert!(first_line(&message).starts_with("MESSAGE sip:bob-0x77aa@"), "{}", first_line(&message));
        play.world.send(play.desk, &phone::answer(&message, "200 OK", "bob"));
        for line in [play.lab, play.mobile, play.machine] {
            let message = play.world.only(line);
            play.world.send(line, &phone::answer(&message, "200 OK", "bob"));
        }
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.call();
        let (desk, lab) = (play.rings(play.desk), play.rings(play.lab));
        assert!(first_line(&desk).starts_with("INVITE sip:bob-0x77aa@"), "{}", first_line(&desk));
        play.is_quiet(&[play.desk, play.mobile]);
        play.refuses(play.lab, &lab, "603 Decline");
        play.is_cancelled(play.desk, &desk);
    });
}

#[test]
fn a_message_goes_to_every_device_at_once() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        for line in [play.desk, play.lab, play.mobile, play.machine] {
            let message = play.world.only(line);
            play.world.send(line, &phone::answer(&message, "200 OK", "bob"));
        }
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.assert_over();
    });
}
