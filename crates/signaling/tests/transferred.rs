//! Attended transfer by phones that name the Contact of the one consulted (RFC 5589 section 7.3), in organisations of one and of
//! three workers, as a proxy and between the phones.

use federation::decision::Outcome;
use federation::external_access::{PartnerScope, Policy};
use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::conversation::{ANSWER, OFFER, method, sdp, told, with_headers};
use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const CAROL: &str = "carol@contoso.example";
const DAVE: &str = "dave@fabrikam.example";

/// Carol consults Bob, who has two phones, and Dave, who is a partner's, and transfers Alice to them.
struct Play {
    world: World,
    site: usize,
    alice: Line,
    bob: Line,
    other: Line,
    carol: Line,
    dave: Line,
    is_simple: bool,
    /// The answer to Carol's call with whom she consults.
    consulted: Option<Message>,
}

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(9, |workers, seed| {
        for is_simple in [false, true] {
            play(Play::new(workers, seed, is_simple));
        }
    });
}

impl Play {
    fn new(workers: u16, seed: u64, is_simple: bool) -> Play {
        let mut world = World::new(seed);
        let [site, partner] = world.allies(["contoso.example", "fabrikam.example"], workers);
        [ALICE, BOB, CAROL].into_iter().for_each(|user| world.user(site, user));
        world.user(partner, DAVE);
        let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let register = if is_simple { phone::register_simple } else { phone::register };
        let [alice, bob, other, carol] =
            [(ALICE, 0), (BOB, 1), (BOB, 2), (CAROL, 2)].map(|(user, n)| register(&mut world, site, by_seed(n), user));
        let dave = phone::register(&mut world, partner, by_seed(0), DAVE);
        Play { world, site, alice, bob, other, carol, dave, is_simple, consulted: None }
    }

    /// Carol's call with somebody, by her or by him, that stands; the Contact of his phone, and what Replaces has to say there.
    fn consult(&mut self, who: &str, line: Line, by_carol: bool) -> (String, String) {
        let contact = format!("{}@phone{}.invalid", who.split('@').next().unwrap(), line.0);
        let (from, caller, to, called) =
            if by_carol { (self.carol, CAROL, line, who) } else { (line, who, self.carol, CAROL) };
        let call_id = format!("consulted-{by_carol}");
        let invite = phone::request("INVITE", caller, called, &call_id);
        let invite = if self.is_simple { phone::simple(&invite) } else { invite };
        self.world.send(from, &sdp(&invite, OFFER));
        let received = self.world.only(to);
        if called == BOB {
            let invite = self.world.only(self.other);
            self.world.send(self.other, &phone::answer(&invite, "486 Busy Here", "bob"));
            assert_eq!(method(&self.world.only(self.other)), "ACK");
        }
        self.world.send(to, &sdp(&phone::answer(&received, "200 OK", "callee"), ANSWER));
        let ok = self.world.only(from);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(from, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(to)), "ACK");
        self.consulted = Some(ok);
        let (near, far) = if by_carol { ("callee", "caller") } else { ("caller", "callee") };
        (format!("{contact};transport=tls"), format!("{call_id};to-tag={near};from-tag={far}"))
    }

    /// Alice, to this address, in the place of that call.
    fn transferred(&self, to: &str, call_id: &str, replaces: &str) -> String {
        let invite = phone::request("INVITE", ALICE, to, call_id);
        let invite = if self.is_simple { phone::simple(&invite) } else { invite };
        sdp(&with_headers(&invite, &format!("Replaces: {replaces}")), OFFER)
    }

    /// The new call is answered, and ended by Alice.
    fn goes_on(&mut self, line: Line, invite: &Message, cseq: u32) {
        self.world.send(line, &sdp(&phone::answer(invite, "200 OK", "callee"), ANSWER));
        let ok = self.world.only(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(line)), "ACK");
        self.world.send(self.alice, &phone::by_caller("BYE", &ok, cseq));
        let bye = self.world.only(line);
        assert_eq!(method(&bye), "BYE");
        self.world.send(line, &phone::answer(&bye, "200 OK", "callee"));
        assert_eq!(self.world.only(self.alice).status(), Some(200));
    }

    /// Of Bob, as Dave is told now.
    fn is_on_the_phone(&mut self) -> bool {
        let mut told = String::new();
        loop {
            let came = self.world.take(self.dave);
            for notify in came.iter().filter(|message| method(message) == "NOTIFY") {
                told = String::from_utf8_lossy(notify.body()).into_owned();
                self.world.send(self.dave, &phone::answer(notify, "200 OK", "dave"));
            }
            if came.is_empty() {
                break;
            }
        }
        assert!(!told.is_empty(), "there was nothing new");
        told.contains("on-the-phone")
    }
}

/// To is the phone's address in that call, and says of no user that it is over.
#[test]
fn who_was_called_so_is_not_on_the_phone_for_ever() {
    everywhere(|mut play| {
        let subscribe = with_headers(&phone::request("SUBSCRIBE", DAVE, BOB, "s"), "Event: presence");
        play.world.send(play.dave, &subscribe);
        assert!(!play.is_on_the_phone());
        let bob = play.bob;
        let (contact, replaces) = play.consult(BOB, bob, true);
        assert!(play.is_on_the_phone());
        play.world.send(play.alice, &play.transferred(&contact, "t", &replaces));
        let invite = play.world.only(bob);
        let hang_up = phone::by_caller("BYE", play.consulted.as_ref().unwrap(), 2);
        play.world.send(play.carol, &hang_up);
        let bye = play.world.only(bob);
        play.world.send(bob, &phone::answer(&bye, "200 OK", "callee"));
        assert!(!play.is_on_the_phone());
        play.goes_on(bob, &invite, 2);
        assert!(!play.is_on_the_phone());
    });
}

#[test]
fn whose_call_is_replaced_is_called_at_that_phone() {
    everywhere(|mut play| {
        for (by_carol, cseq) in [(true, 2), (false, 3)] {
            let bob = play.bob;
            let (contact, replaces) = play.consult(BOB, bob, by_carol);
            play.world.send(play.alice, &play.transferred(&contact, &format!("t{by_carol}"), &replaces));
            let invite = play.world.only(bob);
            assert_eq!(first_line(&invite), format!("INVITE sip:{contact} SIP/2.0"));
            assert_eq!(invite.header_text(HeaderName::Replaces), Some(&*replaces));
            assert!(play.world.take(play.other).is_empty(), "it has no part in that call");
            play.goes_on(bob, &invite, cseq);
        }
        play.world.assert_quiet();
    });
}

#[test]
fn a_partners_user_is_called_by_his_address() {
    everywhere(|mut play| {
        let dave = play.dave;
        for (by_carol, cseq) in [(true, 2), (false, 3)] {
            let (contact, replaces) = play.consult(DAVE, dave, by_carol);
            play.world.send(play.alice, &play.transferred(&contact, &format!("t{by_carol}"), &replaces));
            let invite = play.world.only(dave);
            assert_eq!(first_line(&invite), format!("INVITE sip:{contact} SIP/2.0"), "his own server knows his phone");
            assert_eq!(invite.header_text(HeaderName::Replaces), Some(&*replaces));
            play.goes_on(dave, &invite, cseq);
        }
        play.world.assert_quiet();
    });
}

/// She is asked whether she may call him, as if she had called him by his address.
#[test]
fn who_may_not_call_him_does_not_reach_him_so() {
    everywhere(|mut play| {
        play.world.change_access(play.site, |access| {
            access.put_policy(Policy { partners: PartnerScope::Only(Vec::new()), ..Policy::new("inside") });
            access.give_to_user(ALICE.parse().unwrap(), "inside");
        });
        let dave = play.dave;
        let (contact, replaces) = play.consult(DAVE, dave, true);
        play.world.send(play.alice, &play.transferred(&contact, "t", &replaces));
        assert_eq!(told(&play.world.only(play.alice)), (403, "partner-not-for-user".to_owned()));
        assert!(play.world.take(dave).is_empty());
    });
}

#[test]
fn a_call_that_is_taken_back_is_taken_back_there() {
    everywhere(|mut play| {
        let bob = play.bob;
        let (contact, replaces) = play.consult(BOB, bob, true);
        play.world.send(play.alice, &play.transferred(&contact, "t", &replaces));
        let received = play.world.only(bob);
        play.world.send(bob, &phone::answer(&received, "180 Ringing", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(180));
        let cancel = phone::request("CANCEL", ALICE, &contact, "t").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        play.world.send(play.alice, &cancel);
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        let cancel = play.world.only(bob);
        assert_eq!(method(&cancel), "CANCEL");
        play.world.send(bob, &phone::answer(&cancel, "200 OK", "bob"));
        play.world.send(bob, &phone::answer(&received, "487 Request Terminated", "bob"));
        assert_eq!(method(&play.world.only(bob)), "ACK");
        assert_eq!(play.world.only(play.alice).status(), Some(487));
    });
}

/// Nobody else is found by a guess, and the operator reads what happened.
#[test]
fn what_is_of_no_call_is_refused_as_before() {
    everywhere(|mut play| {
        let bob = play.bob;
        let (contact, _) = play.consult(BOB, bob, true);
        for (n, replaces) in
            ["unknown;to-tag=callee;from-tag=caller", "consulted-true;to-tag=callee;from-tag=x"].into_iter().enumerate()
        {
            let call_id = format!("c{n}");
            play.world.send(play.alice, &play.transferred(&contact, &call_id, replaces));
            assert_eq!(told(&play.world.only(play.alice)), (403, "domain-not-allowed".to_owned()));
            assert!(play.world.take(bob).is_empty());
            let cores = (0..play.world.workers(play.site)).map(|worker| play.world.core(play.site, worker));
            let kept: Vec<_> = cores.flat_map(|core| core.decisions().by_call_id(&call_id)).collect();
            let says = |outcome: &Outcome| matches!(outcome, Outcome::Refused { reason, .. } if reason.ends_with(signaling::OF_DEVICE));
            assert!(kept.iter().any(|kept| says(&kept.record.outcome)), "{kept:?}");
        }
    });
}
