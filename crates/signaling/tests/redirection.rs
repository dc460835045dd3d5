//! Callees who send their callers elsewhere (3xx); three organisations of one and of three workers each.

use federation::external_access::{PartnerScope, Policy};
use signaling::{CallSettings, When};
use sim::{Line, World, allowed, blocked, first_line};
use sip::Message;

use crate::phone;

/// Contoso, where Alice and Dave are, follows; Fabrikam, where Bob is, does not. Carol is at Northwind, whom Contoso allows.
struct Play {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
    carol: Line,
}

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const CAROL: &str = "carol@northwind.example";

fn opening(workers: u16, seed: u64, between: When) -> Play {
    let mut world = World::new(seed);
    let contoso = allowed("contoso.example");
    let partners = [allowed("fabrikam.example"), allowed("northwind.example")];
    let home = world.organisation("contoso.example", workers, &partners, false);
    let fabrikam = world.organisation("fabrikam.example", workers, std::slice::from_ref(&contoso), false);
    let northwind = world.organisation("northwind.example", workers, &[contoso], false);
    let calls = CallSettings { redirects: true, between, ..CallSettings::default() };
    world.configure(home, |config| config.calls = calls);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let mut user = |site, aor, n| {
        world.user(site, aor);
        phone::register(&mut world, site, by_seed(n), aor)
    };
    let (alice, dave) = (user(home, ALICE, 0), user(home, DAVE, 1));
    let (bob, carol) = (user(fabrikam, BOB, 2), user(northwind, CAROL, 0));
    Play { world, contoso: home, alice, dave, bob, carol }
}

fn everywhere(play: impl Fn(Play)) {
    for between in [When::Never, When::Always] {
        for (workers, seeds) in [(1, 0..4), (3, 0..12)] {
            for seed in seeds {
                println!("workers {workers}, seed {seed}, between {between:?}");
                play(opening(workers, seed, between));
            }
        }
    }
}

/// Sends a caller to one of these.
fn elsewhere(invite: &Message, status: &str, contacts: &str) -> String {
    let answer = phone::answer(invite, status, "x");
    let (head, _) = answer.split_once("Contact:").unwrap();
    format!("{head}Contact: {contacts}\nContent-Length: 0\n\n")
}

impl Play {
    fn call(&mut self, from: Line, (caller, callee): (&str, &str)) {
        self.world.send(from, &phone::request("INVITE", caller, callee, "c1"));
    }

    /// The INVITE that comes to this line is sent elsewhere.
    fn sends_on(&mut self, line: Line, contacts: &str) {
        let invite = self.world.only(line);
        assert!(first_line(&invite).starts_with("INVITE"), "{}", first_line(&invite));
        self.world.send(line, &elsewhere(&invite, "302 Moved Temporarily", contacts));
    }

    /// The call is answered here, acknowledged and ended.
    fn talks(&mut self, caller: Line, callee: Line) -> Message {
        let invite = self.world.only(callee);
        self.world.send(callee, &phone::answer(&invite, "200 OK", "x"));
        let ok = self.world.only(caller);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(caller, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&self.world.only(callee)).starts_with("ACK"));
        self.world.send(caller, &phone::by_caller("BYE", &ok, 2));
        let bye = self.world.only(callee);
        self.world.send(callee, &phone::answer(&bye, "200 OK", "x"));
        assert_eq!(self.world.only(caller).status(), Some(200));
        invite
    }

    fn is_told_of_a_loop(&mut self) {
        self.is_told(482, "loop-detected");
    }

    fn is_told(&mut self, status: u16, word: &str) {
        let refused = self.world.take_response(self.alice);
        assert_eq!(refused.status(), Some(status), "{}", first_line(&refused));
        assert!(refused.header_text(sip::HeaderName::Warning).unwrap().contains(word));
    }

    fn assert_over(&mut self) {
        self.world.assert_quiet();
        assert!(self.world.is_idle(self.contoso), "something waits for somebody");
    }
}

#[test]
fn a_user_of_ours_reaches_the_third_organisation_that_a_partner_names() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, BOB));
        play.sends_on(play.bob, &format!("<sip:nobody@192.0.2.77>;q=0.1, <sip:{CAROL};transport=udp?Subject=x>;q=0.7"));
        play.world.take(play.bob);
        let invite = play.talks(play.alice, play.carol);
        assert_eq!(invite.request_uri().unwrap().split(';').next(), Some("sip:carol@phone3.invalid"));
        assert_eq!(invite.to().unwrap().uri().user(), Some("bob"), "whom she called stays in the To");
        play.assert_over();
    });
}

#[test]
fn one_of_our_own_sends_a_colleague_on_to_a_partner() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, &format!("<sip:{BOB}>"));
        play.world.take(play.dave);
        play.talks(play.alice, play.bob);
        play.assert_over();
    });
}

#[test]
fn what_a_partner_asks_for_is_his_own_server_s_to_follow() {
    everywhere(|mut play| {
        play.call(play.bob, (BOB, ALICE));
        play.sends_on(play.alice, &format!("<sip:{CAROL}>"));
        play.world.take(play.alice);
        let answer = play.world.only(play.bob);
        assert_eq!(answer.status(), Some(302));
        assert!(answer.contacts().next().unwrap().unwrap().address().unwrap().uri().as_str().contains("northwind"));
        assert!(play.world.take(play.carol).is_empty());
        play.assert_over();
    });
}

#[test]
fn a_circle_ends_and_what_is_no_address_is_the_caller_s_to_see() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, &format!("<sip:{DAVE}>"));
        play.is_told_of_a_loop();
        assert!(first_line(&play.world.only(play.dave)).starts_with("ACK"));
        play.assert_over();
    });
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, "<tel:+15551234>, <https://a.example/>");
        play.world.take(play.dave);
        assert_eq!(play.world.only(play.alice).status(), Some(302));
        play.assert_over();
    });
}

#[test]
fn two_organisations_that_forward_to_one_another_ring_nobody_twice() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, BOB));
        play.sends_on(play.bob, &format!("<sip:{DAVE}>"));
        play.world.take(play.bob);
        play.sends_on(play.dave, &format!("<sip:{BOB}>"));
        play.world.take(play.dave);
        play.is_told_of_a_loop();
        assert!(play.world.take(play.bob).is_empty(), "he was asked already");
        play.assert_over();
    });
}

#[test]
fn who_was_not_asked_yet_is_called_though_another_was() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, &format!("<sip:{DAVE}>;q=0.9, <sip:{CAROL}>;q=0.1"));
        play.world.take(play.dave);
        play.talks(play.alice, play.carol);
        play.assert_over();
    });
}

#[test]
fn the_caller_gives_up_wherever_the_call_is() {
    everywhere(|mut play| {
        play.call(play.alice, (ALICE, BOB));
        play.sends_on(play.bob, &format!("<sip:{CAROL}>"));
        play.world.take(play.bob);
        let invite = play.world.only(play.carol);
        play.world.send(play.carol, &phone::answer(&invite, "180 Ringing", "carol"));
        assert_eq!(play.world.only(play.alice).status(), Some(180));
        let cancel = phone::request("CANCEL", ALICE, BOB, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        play.world.send(play.alice, &cancel);
        let cancel = play.world.only(play.carol);
        assert!(first_line(&cancel).starts_with("CANCEL"), "{}", first_line(&cancel));
        play.world.send(play.carol, &phone::answer(&cancel, "200 OK", "carol"));
        play.world.send(play.carol, &phone::answer(&invite, "487 Request Terminated", "carol"));
        play.world.take(play.carol);
        let statuses: Vec<_> = play.world.take(play.alice).iter().map(Message::status).collect();
        assert_eq!(statuses, [Some(200), Some(487)]);
        play.assert_over();
    });
}

#[test]
fn nobody_is_sent_to_whom_he_may_not_call() {
    everywhere(|mut play| {
        let only = PartnerScope::Only(vec!["fabrikam.example".to_owned()]);
        let policy = Policy { partners: only, ..Policy::new("organisation") };
        play.world.change_access(play.contoso, |access| access.put_policy(policy.clone()));
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, &format!("<sip:{CAROL}>"));
        play.world.take(play.dave);
        play.is_told(403, "partner-not-for-user");
        play.assert_over();
    });
}

#[test]
fn nobody_is_sent_to_a_blocked_partner_but_to_whom_else_is_named() {
    everywhere(|mut play| {
        let list = vec![allowed("fabrikam.example"), blocked("northwind.example")];
        play.world.replace_partners(play.contoso, list);
        play.call(play.alice, (ALICE, DAVE));
        play.sends_on(play.dave, &format!("<sip:{CAROL}>;q=0.9, <sip:{BOB}>;q=0.2"));
        play.world.take(play.dave);
        play.talks(play.alice, play.bob);
        play.assert_over();
    });
}
