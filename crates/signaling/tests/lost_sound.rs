//! Calls and meetings whose bridge is gone with the media node that had it: whoever was heard is offered the sound of another,
//! within his dialog, or hears that it is over.

use federation::decision::Outcome;
use signaling::{CallSettings, When};
use sim::{Line, World, first_line};
use sip::{HeaderName, Message, Method};

use crate::phone;

/// Alice and Dave are at Contoso.
struct Two {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
}

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";

fn everywhere(play: impl Fn(Two)) {
    phone::everywhere(12, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, _] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.configure(contoso, |config| {
            config.calls = CallSettings { anchor: When::Always, ..CallSettings::default() }
        });
        world.user(contoso, ALICE);
        world.user(contoso, DAVE);
        let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
        let dave = phone::register(&mut world, contoso, by_seed(1), DAVE);
        play(Two { world, contoso, alice, dave });
    });
}

fn plain(port: u16) -> String {
    format!("v=0\no=- 1 1 IN IP4 198.51.100.9\ns=-\nc=IN IP4 198.51.100.9\nt=0 0\nm=audio {port} RTP/AVP 0\n")
}

fn sdp(message: &str, port: u16) -> String {
    phone::with_body(message, "", "application/sdp", &plain(port))
}

/// The port that the server says sound is to be sent to.
fn port(message: &Message) -> u16 {
    let body = String::from_utf8_lossy(message.body()).into_owned();
    let line = body.lines().find(|line| line.starts_with("m=audio ")).unwrap_or_else(|| panic!("{body}"));
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

impl Two {
    /// Alice calls somebody; gives the answer, once he has one, acknowledged.
    fn call(&mut self, whom: &str, call_id: &str) -> Message {
        self.world.send(self.alice, &sdp(&phone::request("INVITE", ALICE, whom, call_id), 4000));
        if whom == DAVE {
            let invite = self.world.only(self.dave);
            self.world.send(self.dave, &sdp(&phone::answer(&invite, "200 OK", "dave"), 4002));
        }
        let ok = self.world.take_response(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        if whom == DAVE {
            assert_eq!(self.world.only(self.dave).method(), Some(Method::Ack));
        }
        ok
    }

    /// The re-INVITE that comes to this line, answered so; gives the ports that the server has told.
    fn offered_anew(&mut self, line: Line, status: &str, port_of_phone: u16) -> u16 {
        let invite = self.world.only(line);
        assert_eq!(invite.method(), Some(Method::Invite), "{}", first_line(&invite));
        assert!(invite.to().unwrap().tag().is_some(), "within its dialog");
        let answer = phone::answer(&invite, status, "again");
        self.world.send(line, &if status.starts_with("200") { sdp(&answer, port_of_phone) } else { answer });
        port(&invite)
    }

    fn expect(&mut self, line: Line, method: Method) -> Message {
        let request = self.world.only(line);
        assert_eq!(request.method(), Some(method), "{}", first_line(&request));
        request
    }

    fn ends(&mut self, line: Line) -> Message {
        let bye = self.expect(line, Method::Bye);
        self.world.send(line, &phone::answer(&bye, "200 OK", "again"));
        bye
    }

    fn ends_after_ack(&mut self, line: Line) {
        let came = self.world.take(line);
        let [ack, bye] = &came[..] else { panic!("{:?}", came.iter().map(first_line).collect::<Vec<_>>()) };
        assert_eq!((ack.method(), bye.method()), (Some(Method::Ack), Some(Method::Bye)));
        self.world.send(line, &phone::answer(bye, "200 OK", "again"));
    }

    /// Where each leg sends sound to.
    fn heard_at(&self) -> Vec<Option<u16>> {
        let legs = self.world.sound(self.contoso).legs();
        legs.map(|(_, leg)| leg.session.as_ref().map(|session| session.remote.port())).collect()
    }

    fn nothing_is_left(&mut self) {
        assert_eq!(self.world.statuses(self.contoso).iter().map(|status| status.calls_between).sum::<usize>(), 0);
        assert_eq!(self.heard_at(), []);
        self.world.assert_quiet();
    }
}

#[test]
fn both_phones_of_a_call_are_offered_the_sound_of_another() {
    everywhere(|mut two| {
        let ok = two.call(DAVE, "c1");
        two.world.lose_sound(two.contoso);
        let (alice, dave) = (two.alice, two.dave);
        let to_alice = two.offered_anew(alice, "200 OK", 4100);
        two.expect(alice, Method::Ack);
        assert_ne!(to_alice, port(&ok));
        let to_dave = two.offered_anew(dave, "200 OK", 4102);
        two.expect(dave, Method::Ack);
        assert_ne!(to_alice, to_dave);
        assert_eq!(two.heard_at(), [Some(4100), Some(4102)]);
        two.world.send(alice, &phone::by_caller("BYE", &ok, 2));
        two.ends(dave);
        assert_eq!(two.world.only(alice).status(), Some(200));
        two.nothing_is_left();
    });
}

#[test]
fn a_call_that_can_have_no_other_sound_ends_for_both() {
    everywhere(|mut two| {
        two.call(DAVE, "c1");
        two.world.use_up_ports(two.contoso);
        two.world.lose_sound(two.contoso);
        for line in [two.alice, two.dave] {
            let bye = two.ends(line);
            assert_eq!(bye.header_text(HeaderName::Reason), Some("SIP;cause=503;text=\"no-media\""));
        }
        two.nothing_is_left();
    });
}

#[test]
fn a_call_that_one_phone_will_not_go_on_with_ends_for_both() {
    everywhere(|mut two| {
        two.call(DAVE, "c1");
        two.world.lose_sound(two.contoso);
        let (alice, dave) = (two.alice, two.dave);
        two.offered_anew(alice, "200 OK", 4100);
        two.expect(alice, Method::Ack);
        two.offered_anew(dave, "488 Not Acceptable Here", 0);
        two.ends_after_ack(dave);
        two.ends(alice);
        two.nothing_is_left();
    });
}

#[test]
fn a_call_that_rings_is_given_up() {
    everywhere(|mut two| {
        two.world.send(two.alice, &sdp(&phone::request("INVITE", ALICE, DAVE, "c1"), 4000));
        let invite = two.world.only(two.dave);
        two.world.send(two.dave, &phone::answer(&invite, "180 Ringing", "dave"));
        assert_eq!(two.world.only(two.alice).status(), Some(180));
        two.world.lose_sound(two.contoso);
        let cancel = two.expect(two.dave, Method::Cancel);
        two.world.send(two.dave, &phone::answer(&cancel, "200 OK", "dave"));
        two.world.send(two.dave, &phone::answer(&invite, "487 Request Terminated", "dave"));
        two.expect(two.dave, Method::Ack);
        let refused = two.world.only(two.alice);
        assert_eq!(refused.status(), Some(487), "{}", first_line(&refused));
        two.nothing_is_left();
    });
}

#[test]
fn who_is_in_a_meeting_is_offered_the_sound_of_another_and_is_let_go_if_he_refuses() {
    for (status, is_in) in [("200 OK", true), ("488 Not Acceptable Here", false)] {
        everywhere(|mut two| {
            let ok = two.call("meet@contoso.example", "m1");
            two.world.lose_sound(two.contoso);
            let alice = two.alice;
            assert_ne!(two.offered_anew(alice, status, 4100), port(&ok));
            match is_in {
                true => {
                    two.expect(alice, Method::Ack);
                    assert_eq!(two.heard_at(), [Some(4100)]);
                    assert!(
                        two.world.sound(two.contoso).legs().all(|(_, leg)| leg.is_let_speak() && leg.is_let_hear())
                    );
                    two.world.send(alice, &phone::by_caller("BYE", &ok, 2));
                    assert_eq!(two.world.only(alice).status(), Some(200));
                }
                false => two.ends_after_ack(alice),
            }
            two.nothing_is_left();
        });
    }
}

#[test]
fn who_is_in_a_meeting_that_can_have_no_other_sound_is_let_go() {
    everywhere(|mut two| {
        two.call("meet@contoso.example", "m1");
        two.world.use_up_ports(two.contoso);
        two.world.lose_sound(two.contoso);
        let bye = two.ends(two.alice);
        assert_eq!(bye.header_text(HeaderName::Reason), Some("SIP;cause=503;text=\"no-media\""));
        let why = two.world.decisions(two.contoso).filter_map(|record| match &record.outcome {
            Outcome::Refused { status: 503, word, reason } => Some((&*record.call_id, &**word, reason.clone())),
            _ => None,
        });
        let why: Vec<_> = why.collect();
        assert!(matches!(&why[..], [("m1", "no-media", reason)] if reason.contains("no ports")), "{why:?}");
        two.nothing_is_left();
    });
}
