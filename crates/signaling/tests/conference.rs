//! Meetings of two organisations, of one and of three workers each.

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod phone;

use sim::{Leg, Line, World, allowed, first_line};
use sip::{HeaderName, Message};

/// Contoso and Fabrikam allow each other; Alice, Dave and Bob are signed in at home.
struct Room {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
    dave: Line,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const DAVE: &str = "dave@contoso.example";
const FACTORY: &str = "meet@contoso.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

fn room(workers: u16, seed: u64) -> Room {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
    let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
    for (site, aor) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, aor);
    }
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let dave = phone::register(&mut world, contoso, by_seed(2), DAVE);
    let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
    Room { world, contoso, alice, bob, dave }
}

fn everywhere(play: impl Fn(Room)) {
    for workers in [1, 3] {
        for seed in 0..12 {
            println!("workers {workers}, seed {seed}");
            play(room(workers, seed));
        }
    }
}

impl Room {
    /// Alice begins a meeting; returns the 200.
    fn begin(&mut self) -> Message {
        let invite = phone::with_body(&phone::request("INVITE", ALICE, FACTORY, "a1"), "", "application/sdp", SDP);
        self.world.send(self.alice, &invite);
        let ok = self.world.take_response(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        ok
    }

    /// Whoever is called on this line answers; returns the INVITE.
    fn answer(&mut self, line: Line) -> Message {
        let invite = self.world.only(line);
        assert_eq!(first_line(&invite).split(' ').next(), Some("INVITE"));
        let ok = phone::with_body(&phone::answer(&invite, "200 OK", "callee"), "", "application/sdp", SDP);
        self.world.send(line, &ok);
        let ack = self.world.only(line);
        assert_eq!(first_line(&ack).split(' ').next(), Some("ACK"), "{}", first_line(&ack));
        invite
    }

    fn refer(&mut self, ok: &Message, target: &str, cseq: u32) -> Message {
        let refer = phone::by_caller("REFER", ok, cseq);
        let refer = refer.replace("Content-Length: 0\n", &format!("Refer-To: <{target}>\nContent-Length: 0\n"));
        self.world.send(self.alice, &refer);
        self.world.take_response(self.alice)
    }

    fn legs(&self) -> Vec<Leg> {
        self.world.sound(self.contoso).legs().map(|(_, leg)| leg.clone()).collect()
    }
}

/// The address in the Contact of a focus.
fn conference(ok: &Message) -> String {
    let contact = ok.contacts().next().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(address.has_param("isfocus"), "{}", address.as_str());
    address.uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

#[test]
fn a_meeting_begins_at_the_factory_calls_a_partner_in_and_ends_with_the_last() {
    everywhere(|mut room| {
        let ok = room.begin();
        assert!(conference(&ok).starts_with("meet-"), "{}", conference(&ok));
        assert!(String::from_utf8_lossy(ok.body()).contains("m=audio "), "{:?}", ok.body());
        assert_eq!(room.refer(&ok, &format!("sip:{BOB}"), 2).status(), Some(202));
        let invite = room.answer(room.bob);
        assert_eq!(invite.from().unwrap().uri().as_str(), format!("sip:{}", conference(&ok)));
        let notify = room.world.only(room.alice);
        assert!(String::from_utf8_lossy(notify.body()).starts_with("SIP/2.0 200"), "{:?}", notify.body());
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
        let legs = room.legs();
        assert!(legs.len() == 2 && legs.iter().all(|leg| leg.session.is_some() && !leg.is_held), "{legs:?}");
        room.world.send(room.bob, &phone::by_callee("BYE", &invite, 1));
        assert_eq!(room.world.only(room.bob).status(), Some(200));
        assert_eq!(room.legs().len(), 1);
        room.world.send(room.alice, &phone::by_caller("BYE", &ok, 3));
        assert_eq!(room.world.only(room.alice).status(), Some(200));
        assert_eq!(room.legs(), []);
        room.world.assert_quiet();
    });
}

#[test]
fn our_own_enter_and_strangers_wait_without_hearing_anything() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        let join = |from: &str, call_id: &str| {
            phone::with_body(&phone::request("INVITE", from, &address, call_id), "", "application/sdp", SDP)
        };
        room.world.send(room.dave, &join(DAVE, "d1"));
        let dave = room.world.take_response(room.dave);
        assert_eq!(dave.status(), Some(200));
        room.world.send(room.dave, &phone::by_caller("ACK", &dave, 1));
        room.world.send(room.bob, &join(BOB, "b1"));
        let bob = room.world.take_response(room.bob);
        assert_eq!(bob.status(), Some(200));
        room.world.send(room.bob, &phone::by_caller("ACK", &bob, 1));
        let held: Vec<bool> = room.legs().iter().map(|leg| leg.is_held).collect();
        assert_eq!(held, [false, false, true]);
        for (line, ok) in [(room.alice, &ok), (room.dave, &dave), (room.bob, &bob)] {
            room.world.send(line, &phone::by_caller("BYE", ok, 2));
            assert_eq!(room.world.only(line).status(), Some(200));
        }
        assert_eq!(room.legs(), []);
        room.world.assert_quiet();
    });
}

#[test]
fn a_meeting_that_is_not_there_is_told_so_and_partners_begin_none() {
    everywhere(|mut room| {
        for (line, from, to) in [(room.alice, ALICE, "meet-nothing@contoso.example"), (room.bob, BOB, FACTORY)] {
            let invite = phone::request("INVITE", from, to, "x1");
            room.world.send(line, &phone::with_body(&invite, "", "application/sdp", SDP));
            let refused = room.world.take_response(line);
            assert_eq!(refused.status(), Some(404));
            let warning = refused.header_text(HeaderName::Warning).unwrap();
            assert!(warning.contains("meeting-unknown"), "{warning}");
        }
    });
}
