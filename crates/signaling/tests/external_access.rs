//! The external access policies within dialogs, in answers, and when they change; Contoso and Fabrikam, of one and of three
//! workers each.

use federation::decision::{DecisionRecord, Outcome};
use federation::external_access::{ExternalAccess, Policy};
use sim::{Line, World, allowed, blocked, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const CAROL: &str = "carol@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
const AUDIO: &str = "m=audio 40000 RTP/AVP 0\n";
const VIDEO: &str = "m=video 40002 RTP/AVP 96\n";

/// Alice may call with sound alone, everybody else may do everything.
struct Pair {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
}

impl Pair {
    /// Where phones are simple, a server of Contoso stands between their calls.
    fn new(workers: u16, seed: u64, is_simple: bool) -> Pair {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        for (site, aor) in [(contoso, ALICE), (contoso, CAROL), (fabrikam, BOB)] {
            world.user(site, aor);
        }
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let register = if is_simple { phone::register_simple } else { phone::register };
        let alice = register(&mut world, contoso, worker(0), ALICE);
        let bob = phone::register(&mut world, fabrikam, worker(1), BOB);
        let mut pair = Pair { world, contoso, alice, bob };
        pair.change(|access| {
            access.put_policy(Policy { modalities: "audio, presence".parse().unwrap(), ..Policy::new("sound") });
            access.give_to_user(ALICE.parse().unwrap(), "sound");
        });
        pair
    }

    fn change(&mut self, change: impl FnOnce(&mut ExternalAccess)) {
        self.world.change_access(self.contoso, change);
    }

    /// A call from one to the other that stands; the INVITE as it came, and its 200.
    fn call(
        &mut self,
        (from, caller): (Line, &str),
        (to, called): (Line, &str),
        is_simple: bool,
    ) -> (Message, Message) {
        let invite = phone::request("INVITE", caller, called, "c1");
        let invite = if is_simple { phone::simple(&invite) } else { invite };
        self.world.send(from, &sdp(&invite, AUDIO));
        let invite = self.world.only(to);
        self.world.send(to, &sdp(&phone::answer(&invite, "200 OK", "callee"), AUDIO));
        let ok = self.world.only(from);
        assert_eq!(ok.status(), Some(200));
        self.world.send(from, &phone::by_caller("ACK", &ok, 1));
        self.world.only(to);
        (invite, ok)
    }

    fn refuses(&mut self, line: Line, request: &str, word: &str) {
        self.world.send(line, request);
        let refused = self.world.only(line);
        let said = refused.header_text(HeaderName::Warning).unwrap_or_default();
        assert!(said.contains(word), "{} {said}", first_line(&refused));
        self.world.assert_quiet();
    }
}

fn everywhere(play: impl Fn(Pair, bool)) {
    phone::everywhere(6, |workers, seed| {
        for is_simple in [false, true] {
            play(Pair::new(workers, seed, is_simple), is_simple);
        }
    });
}

fn sdp(message: &str, streams: &str) -> String {
    phone::with_body(message, "", "application/sdp", &format!("{HEAD}{streams}"))
}

fn streams(message: &Message) -> Vec<String> {
    let body = String::from_utf8_lossy(message.body()).replace('\r', "");
    body.lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}

#[test]
fn a_partner_adds_no_stream_whomever_it_says_to_speak_to() {
    everywhere(|mut pair, is_simple| {
        let (alice, bob) = ((pair.alice, ALICE), (pair.bob, BOB));
        let (invite, _) = pair.call(alice, bob, is_simple);
        let more = sdp(&phone::by_callee("INVITE", &invite, 7), &format!("{AUDIO}{VIDEO}"));
        pair.refuses(bob.0, &more, "modality-not-allowed");
        let as_carol = more.replace(&format!("To: <sip:{ALICE}>"), &format!("To: <sip:{CAROL}>"));
        assert_ne!(as_carol, more);
        pair.refuses(bob.0, &as_carol.replace("CSeq: 7", "CSeq: 8").replace("E7in", "E8in"), "modality-not-allowed");
        // What is allowed goes on.
        pair.world.send(bob.0, &sdp(&phone::by_callee("INVITE", &invite, 9), AUDIO));
        assert_eq!(streams(&pair.world.only(alice.0)), [AUDIO.trim()]);
    });
}

#[test]
fn our_own_user_adds_none_either() {
    everywhere(|mut pair, is_simple| {
        let (alice, bob) = ((pair.alice, ALICE), (pair.bob, BOB));
        let (_, ok) = pair.call(alice, bob, is_simple);
        let more = sdp(&phone::by_caller("INVITE", &ok, 7), &format!("{AUDIO}{VIDEO}"));
        pair.refuses(alice.0, &more, "modality-not-allowed");
        let as_carol = more.replace(&format!("To: <sip:{BOB}>"), &format!("To: <sip:{CAROL}>"));
        assert_ne!(as_carol, more);
        pair.refuses(alice.0, &as_carol.replace("CSeq: 7", "CSeq: 8").replace("E7in", "E8in"), "modality-not-allowed");
    });
}

#[test]
fn a_dialog_goes_on_by_the_policy_of_whom_it_is_with_not_of_a_stricter_one() {
    everywhere(|mut pair, is_simple| {
        let nothing = Policy { modalities: "none".parse().unwrap(), ..Policy::new("organisation") };
        pair.change(|access| access.put_policy(nothing));
        let (alice, bob) = ((pair.alice, ALICE), (pair.bob, BOB));
        let (invite, _) = pair.call(alice, bob, is_simple);
        let again = sdp(&phone::by_callee("INVITE", &invite, 7), AUDIO);
        let again = again.replace(&format!("To: <sip:{ALICE}>"), &format!("To: <sip:{CAROL}>"));
        pair.world.send(bob.0, &again);
        assert_eq!(streams(&pair.world.only(alice.0)), [AUDIO.trim()]);
    });
}

#[test]
fn what_an_answer_may_not_offer_is_declined_on_its_way() {
    everywhere(|mut pair, is_simple| {
        let (alice, bob) = ((pair.alice, ALICE), (pair.bob, BOB));
        for ((from, caller), (to, called)) in [(alice, bob), (bob, alice)] {
            let invite = phone::request("INVITE", caller, called, &format!("offerless-{caller}"));
            pair.world.send(from, &if is_simple { phone::simple(&invite) } else { invite });
            let invite = pair.world.only(to);
            let ok = sdp(&phone::answer(&invite, "200 OK", "callee"), &format!("{AUDIO}{VIDEO}"));
            pair.world.send(to, &ok);
            let ok = pair.world.only(from);
            assert_eq!(streams(&ok), [AUDIO.trim(), &VIDEO.trim().replace("40002", "0")], "{caller}");
            pair.world.send(from, &sdp(&phone::by_caller("ACK", &ok, 1), &format!("{AUDIO}m=video 0 RTP/AVP 96\n")));
            assert_eq!(streams(&pair.world.only(to)).len(), 2);
            // And so it is of what an INVITE within the call is answered with.
            pair.world
                .send(from, &phone::by_caller("INVITE", &ok, 2).replace("Max", "Contact: <sip:x@phone.invalid>\nMax"));
            let again = pair.world.only(to);
            pair.world.send(to, &sdp(&phone::answer(&again, "200 OK", "callee"), &format!("{AUDIO}{VIDEO}")));
            assert_eq!(streams(&pair.world.only(from))[1], "m=video 0 RTP/AVP 96", "{caller}");
        }
    });
}

/// Bob watches Alice; returns the last NOTIFY of Fabrikam's that he got.
fn watch(pair: &mut Pair) {
    let subscribe = phone::request("SUBSCRIBE", BOB, ALICE, "s1");
    pair.world.send(pair.bob, &subscribe.replace("Max-Forwards", "Event: presence\nExpires: 3600\nMax-Forwards"));
    let came = pair.world.take(pair.bob);
    let notify = came.iter().find(|message| message.is_request()).expect("a NOTIFY");
    assert!(notify.header_text(HeaderName::SubscriptionState).unwrap().starts_with("active"));
    pair.world.send(pair.bob, &phone::answer(notify, "200 OK", "bob"));
}

#[test]
fn who_may_watch_no_more_is_told_so_at_once() {
    let changes: [fn(&mut Pair); 5] = [
        |pair| pair.world.replace_partners(pair.contoso, vec![blocked("fabrikam.example")]),
        |pair| pair.world.replace_partners(pair.contoso, vec![]),
        |pair| {
            let entry =
                federation::partner::Partner { modalities: "audio".parse().unwrap(), ..allowed("fabrikam.example") };
            pair.world.replace_partners(pair.contoso, vec![entry]);
        },
        |pair| pair.change(|access| access.put_policy(Policy { federation: false, ..Policy::new("sound") })),
        |pair| {
            pair.change(|access| {
                access.put_policy(Policy { modalities: "audio".parse().unwrap(), ..Policy::new("sound") })
            })
        },
    ];
    phone::everywhere(6, |workers, seed| {
        for (number, change) in changes.iter().enumerate() {
            let mut pair = Pair::new(workers, seed, false);
            watch(&mut pair);
            change(&mut pair);
            let last = pair.world.only(pair.bob);
            let state = last.header_text(HeaderName::SubscriptionState);
            assert_eq!(state, Some("terminated;reason=rejected"), "change {number}");
            assert!(last.body().is_empty(), "he learns nothing more");
            pair.world.send(pair.bob, &phone::answer(&last, "200 OK", "bob"));
            let watchers: usize = pair.world.statuses(pair.contoso).iter().map(|status| status.watchers).sum();
            assert_eq!(watchers, 0);
            pair.world.assert_quiet();
        }
    });
}

#[test]
fn who_may_still_watch_hears_nothing_of_a_change() {
    phone::everywhere(6, |workers, seed| {
        let mut pair = Pair::new(workers, seed, false);
        watch(&mut pair);
        pair.change(|access| access.put_policy(Policy { federation: false, ..Policy::new("organisation") }));
        pair.world.assert_quiet();
        let watchers: usize = pair.world.statuses(pair.contoso).iter().map(|status| status.watchers).sum();
        assert_eq!(watchers, 1);
    });
}

#[test]
fn a_tag_in_to_makes_no_dialog_of_what_a_policy_forbids() {
    everywhere(|mut pair, _| {
        let nobody = Policy { federation: false, ..Policy::new("sound") };
        pair.change(|access| access.put_policy(nobody));
        for (call_id, to) in [("m1", format!("<sip:{ALICE}>")), ("m2", format!("<sip:{ALICE}>;tag=forged"))] {
            let message = phone::request("INFO", BOB, ALICE, call_id).replace(&format!("<sip:{ALICE}>"), &to);
            pair.refuses(pair.bob, &message, "user-unknown");
        }
    });
}

#[test]
fn a_call_with_a_blocked_partner_is_ended_by_our_user_or_by_who_stands_between() {
    everywhere(|mut pair, is_simple| {
        // The call began there, and nothing of ours has gone out but responses.
        let (invite, _) = pair.call((pair.bob, BOB), (pair.alice, ALICE), false);
        pair.world.replace_partners(pair.contoso, vec![blocked("fabrikam.example")]);
        if !is_simple {
            pair.refuses(pair.alice, &phone::by_callee("INFO", &invite, 7), "domain-blocked");
            pair.world.send(pair.alice, &phone::by_callee("BYE", &invite, 8));
            assert!(first_line(&pair.world.only(pair.bob)).starts_with("BYE "));
            return;
        }
        for line in [pair.alice, pair.bob] {
            let bye = pair.world.only(line);
            assert!(first_line(&bye).starts_with("BYE "), "{}", first_line(&bye));
            assert_eq!(bye.header_text(HeaderName::Reason), Some("SIP;cause=403;text=\"domain-blocked\""));
            pair.world.send(line, &phone::answer(&bye, "200 OK", "x"));
        }
        let call_id = invite.call_id().unwrap();
        let is_why = |record: &&DecisionRecord| {
            let is_blocked = matches!(&record.outcome, Outcome::Refused { word, reason, .. } if word == "domain-blocked" && reason.contains("call"));
            record.call_id == call_id && record.method == "BYE" && is_blocked
        };
        assert_eq!(pair.world.decisions(pair.contoso).filter(is_why).count(), 1);
        pair.world.assert_quiet();
    });
}
