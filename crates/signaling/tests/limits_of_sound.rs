//! How many legs of sound one user and one partner may have, and what is said to one more.

use signaling::{CallSettings, Limits, When};
use sim::{Line, allowed, certificate, first_line};
use sip::{HeaderName, Message};

use crate::narrow::{self, ALICE, DAVE, Stage};
use crate::phone;

const FACTORY: &str = "meet@contoso.example";
const BOB: &str = "bob@fabrikam.example";
/// Protected, since a partner's would not be taken in the clear.
const SOUND: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/SAVP 0\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

/// The sound of every call goes through the server.
fn stage(narrow: impl Fn(&mut Limits)) -> Stage {
    narrow::configured(phone::register_simple, |config| {
        config.calls = CallSettings { anchor: When::Always, ..CallSettings::default() };
        narrow(&mut config.limits);
    })
}

impl Stage {
    fn legs(&self) -> usize {
        self.world.core(self.site, 0).load().legs
    }

    /// Is refused for want of ports.
    fn is_refused(&mut self, from: Line, parties: (&str, &str), call_id: &str) {
        let invite = self.invite(from, parties, call_id, SOUND);
        let refused = self.world.take_response(from);
        let told = (refused.status(), refused.header(HeaderName::RetryAfter).is_some());
        assert_eq!(told, (Some(503), true), "{}", first_line(&refused));
        assert!(refused.header_text(HeaderName::Warning).unwrap().contains("no-media"));
        self.world.send(from, &phone::acknowledge(&invite, &refused));
    }

    /// Rings, with both legs open.
    fn rings(&mut self, from: Line, (to, parties): (Line, (&str, &str)), call_id: &str) -> Message {
        self.invite(from, parties, call_id, SOUND);
        let invite = self.world.only(to);
        assert!(first_line(&invite).starts_with("INVITE"), "{}", first_line(&invite));
        invite
    }

    fn declines(&mut self, (to, invite): (Line, &Message), from: Line) {
        self.world.send(to, &phone::answer(invite, "486 Busy Here", "callee"));
        assert_eq!(self.world.take_response(from).status(), Some(486));
        self.world.take(to);
    }
}

#[test]
fn a_user_whose_calls_have_his_share_leaves_the_rest_to_others() {
    let mut stage = stage(|limits| limits.legs_per_user_max = 3);
    let (alice, dave) = (stage.alice, stage.dave);
    let ringing = stage.rings(alice, (dave, (ALICE, DAVE)), "a1");
    assert_eq!(stage.legs(), 2);
    stage.is_refused(alice, (ALICE, DAVE), "a2");
    assert_eq!((stage.legs(), stage.hits("legs_per_user_max")), (2, 1), "the one that it got is given back");
    let his = stage.rings(dave, (alice, (DAVE, ALICE)), "d1");
    assert_eq!(stage.legs(), 4, "dave has his own share");
    stage.declines((dave, &ringing), alice);
    assert_eq!(stage.legs(), 2);
    let again = stage.rings(alice, (dave, (ALICE, DAVE)), "a3");
    stage.declines((dave, &again), alice);
    stage.declines((alice, &his), dave);
    assert_eq!((stage.legs(), stage.hits("legs_per_user_max")), (0, 1));
}

#[test]
fn a_partner_has_its_share_for_all_its_users() {
    let mut stage = stage(|limits| limits.legs_per_partner_max = 2);
    stage.world.replace_partners(stage.site, vec![allowed("fabrikam.example")]);
    let partner = stage.world.connect(stage.site, 0, Some(certificate(&["fabrikam.example"])));
    let (alice, dave) = (stage.alice, stage.dave);
    let ringing = stage.rings(partner, (alice, (BOB, ALICE)), "b1");
    assert_eq!(stage.legs(), 2);
    stage.is_refused(partner, ("carol@fabrikam.example", DAVE), "b2");
    assert_eq!((stage.legs(), stage.hits("legs_per_partner_max")), (2, 2), "two legs more");
    let own = stage.rings(dave, (alice, (DAVE, ALICE)), "d1");
    stage.declines((alice, &own), dave);
    stage.declines((alice, &ringing), partner);
    assert_eq!(stage.legs(), 0);
    stage.rings(partner, (dave, ("carol@fabrikam.example", DAVE)), "b3");
}

#[test]
fn the_people_in_his_meetings_count_for_the_organiser() {
    let mut stage = stage(|limits| limits.legs_per_user_max = 1);
    let (alice, dave) = (stage.alice, stage.dave);
    stage.invite(alice, (ALICE, FACTORY), "m1", SOUND);
    let ok = stage.world.take_response(alice);
    assert_eq!((ok.status(), stage.legs()), (Some(200), 1));
    stage.world.send(alice, &phone::by_caller("ACK", &ok, 1));
    let address = ok.contacts().next().unwrap().unwrap().address().unwrap().uri().as_str().to_owned();
    let meeting = address.trim_start_matches("sip:").split(';').next().unwrap().to_owned();
    stage.is_refused(dave, (DAVE, &meeting), "m2");
    assert_eq!((stage.legs(), stage.hits("legs_per_user_max")), (1, 1));
    stage.world.send(alice, &phone::by_caller("BYE", &ok, 2));
    assert_eq!(stage.world.take_response(alice).status(), Some(200));
    assert_eq!(stage.legs(), 0);
}
