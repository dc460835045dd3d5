//! Calls that we stand between, of phones that could not be moved else; two organisations of one and of three workers each.

use std::time::Duration;

use federation::decision::Outcome;
use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::phone;

/// Contoso and Fabrikam allow each other. Alice's phone shows neither REFER nor Replaces, Bob's shows both.
struct Pair {
    world: World,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    bob: Line,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const OFFER: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";
const ANSWER: &str = "v=0\no=- 2 2 IN IP4 192.0.2.2\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\nm=audio 40002 RTP/AVP 0\n";

fn pair(workers: u16, seed: u64) -> Pair {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    world.user(contoso, ALICE);
    world.user(fabrikam, BOB);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register_simple(&mut world, contoso, by_seed(0), ALICE);
    let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
    Pair { world, contoso, fabrikam, alice, bob }
}

fn everywhere(play: impl Fn(Pair)) {
    phone::everywhere(12, |workers, seed| play(pair(workers, seed)));
}

fn sdp(request: &str, body: &str) -> String {
    phone::with_body(request, "", "application/sdp", body)
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).replace('\r', "")
}

/// What is between two of these and a third.
fn method(message: &Message) -> String {
    first_line(message).split(' ').next().unwrap_or_default().to_owned()
}

impl Pair {
    fn standing(&self) -> usize {
        let of = |site| self.world.statuses(site).iter().map(|status| status.calls_between).sum::<usize>();
        of(self.contoso) + of(self.fabrikam)
    }

    /// Alice calls Bob; returns what he received and what she did.
    fn call(&mut self) -> (Message, Message) {
        self.call_as("c1")
    }

    fn call_as(&mut self, call_id: &str) -> (Message, Message) {
        let invite = phone::simple(&phone::request("INVITE", ALICE, BOB, call_id));
        self.world.send(self.alice, &sdp(&invite, OFFER));
        let invite = self.world.only(self.bob);
        self.world.send(self.bob, &sdp(&phone::answer(&invite, "200 OK", "bob"), ANSWER));
        let ok = self.world.only(self.alice);
        assert_eq!((ok.status(), body(&ok)), (Some(200), ANSWER.to_owned()));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(self.bob)), "ACK");
        assert_eq!(self.standing(), 1);
        (invite, ok)
    }

    /// One sends this, the other receives and answers it; returns what was received, and the answer to it.
    fn ask(&mut self, from: Line, to: Line, request: &str, status: &str) -> (Message, Message) {
        self.world.send(from, request);
        let received = self.world.only(to);
        self.world.send(to, &phone::answer(&received, status, "x"));
        let answer = self.world.only(from);
        assert!(first_line(&answer).ends_with(status), "{}", first_line(&answer));
        (received, answer)
    }
}

#[test]
fn a_call_is_set_up_held_and_ended_by_either_side() {
    everywhere(|mut pair| {
        for (ended_by_caller, first) in [(true, 2), (false, 12)] {
            let (invite, ok) = pair.call_as(&format!("by-caller-{ended_by_caller}"));
            assert_eq!(body(&invite), OFFER);
            assert_eq!(invite.contacts().next().unwrap().unwrap().address().unwrap().uri().user(), Some("alice"));
            assert_eq!(ok.record_routes().count(), 2, "the dialog with Alice ends here");
            let (alice, bob) = (pair.alice, pair.bob);
            let hold = sdp(&phone::by_caller("INVITE", &ok, first), "v=0\na=sendonly\n")
                .replace("Max-Forwards", "Contact: <sip:alice@phone.invalid>\nMax-Forwards");
            let (held, again) = pair.ask(alice, bob, &hold, "200 OK");
            assert_eq!((body(&held).as_str(), held.cseq().unwrap().number), ("v=0\na=sendonly\n", first));
            pair.world.send(alice, &phone::by_caller("ACK", &ok, first));
            assert_eq!((method(&pair.world.only(bob)), again.cseq().unwrap().number), ("ACK".to_owned(), first));
            let (info, _) = pair.ask(bob, alice, &phone::by_callee("INFO", &invite, first), "200 OK");
            assert_eq!((info.routes().count(), info.cseq().unwrap().number), (0, first));
            match ended_by_caller {
                true => pair.ask(alice, bob, &phone::by_caller("BYE", &ok, first + 1), "200 OK"),
                false => pair.ask(bob, alice, &phone::by_callee("BYE", &invite, first + 1), "200 OK"),
            };
            assert_eq!(pair.standing(), 0);
            let late = phone::by_caller("INFO", &ok, first + 2);
            pair.world.send(alice, &late);
            assert_eq!(pair.world.only(alice).status(), Some(481));
            pair.world.assert_quiet();
        }
    });
}

/// An answer of the device that this tag names.
fn answer_of(invite: &Message, status: &str, tag: &str) -> String {
    phone::answer(invite, status, "bob").replace(";tag=callee", &format!(";tag={tag}"))
}

#[test]
fn a_device_that_takes_a_call_which_sixteen_have_taken_is_let_go() {
    everywhere(|mut pair| {
        let invite = phone::simple(&phone::request("INVITE", ALICE, BOB, "many"));
        pair.world.send(pair.alice, &sdp(&invite, OFFER));
        let invite = pair.world.only(pair.bob);
        for number in 0..16 {
            pair.world.send(pair.bob, &sdp(&answer_of(&invite, "200 OK", &format!("t{number}")), ANSWER));
            let ok = pair.world.only(pair.alice);
            pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
            assert_eq!(method(&pair.world.only(pair.bob)), "ACK", "{number}");
        }
        pair.world.send(pair.bob, &sdp(&answer_of(&invite, "200 OK", "t16"), ANSWER));
        assert!(pair.world.take(pair.alice).is_empty(), "nothing could be said in that dialog");
        let [ack, bye] = pair.world.take(pair.bob).try_into().unwrap();
        assert_eq!((method(&ack).as_str(), method(&bye).as_str()), ("ACK", "BYE"));
        for request in [&ack, &bye] {
            assert_eq!(request.to().unwrap().tag(), Some("t16"));
        }
        pair.world.send(pair.bob, &phone::answer(&bye, "200 OK", "bob"));
        assert!(pair.world.take(pair.alice).is_empty());
    });
}

#[test]
fn a_device_that_answers_takes_the_place_of_one_that_only_rings() {
    everywhere(|mut pair| {
        let invite = phone::simple(&phone::request("INVITE", ALICE, BOB, "ringing"));
        pair.world.send(pair.alice, &sdp(&invite, OFFER));
        let invite = pair.world.only(pair.bob);
        for number in 0..20 {
            pair.world.send(pair.bob, &answer_of(&invite, "180 Ringing", &format!("t{number}")));
            assert_eq!(pair.world.only(pair.alice).status(), Some(180));
        }
        pair.world.send(pair.bob, &sdp(&answer_of(&invite, "200 OK", "late"), ANSWER));
        let ok = pair.world.only(pair.alice);
        pair.world.send(pair.alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&pair.world.only(pair.bob)), "ACK");
        let (alice, bob) = (pair.alice, pair.bob);
        pair.ask(alice, bob, &phone::by_caller("BYE", &ok, 2), "200 OK");
        assert_eq!(pair.standing(), 0);
    });
}

#[test]
fn why_tells_which_calls_we_stand_between() {
    everywhere(|mut pair| {
        pair.call();
        let ways = |site| {
            let of = |outcome: &Outcome| match outcome {
                Outcome::Way { stands_between, reason } => Some((*stands_between, reason.clone())),
                _ => None,
            };
            pair.world.decisions(site).filter_map(|record| of(&record.outcome)).collect::<Vec<_>>()
        };
        let between = "the caller's device shows neither REFER nor Replaces".to_owned();
        assert_eq!(ways(pair.contoso), [(true, between)]);
        let proxied = "each device of ours in it shows REFER and Replaces".to_owned();
        assert_eq!(ways(pair.fabrikam), [(false, proxied)]);
    });
}

#[test]
fn a_call_to_such_a_phone_passes_ringing_with_sound_and_a_late_offer() {
    everywhere(|mut pair| {
        let (alice, bob) = (pair.alice, pair.bob);
        pair.world.send(bob, &phone::request("INVITE", BOB, ALICE, "c2"));
        let invite = pair.world.only(alice);
        pair.world.send(alice, &sdp(&phone::answer(&invite, "183 Session Progress", "alice"), "early\n"));
        let early = pair.world.only(bob);
        assert_eq!((early.status(), body(&early).as_str()), (Some(183), "early\n"));
        let tag = early.to().unwrap().tag().unwrap().to_owned();
        pair.world.send(alice, &sdp(&phone::answer(&invite, "200 OK", "alice"), OFFER));
        let ok = pair.world.only(bob);
        assert_eq!((body(&ok).as_str(), ok.to().unwrap().tag()), (OFFER, Some(tag.as_str())));
        pair.world.send(bob, &sdp(&phone::by_caller("ACK", &ok, 1), ANSWER));
        assert_eq!(body(&pair.world.only(alice)), ANSWER);
        assert_eq!(pair.standing(), 1);
        pair.ask(alice, bob, &phone::by_callee("BYE", &invite, 1), "200 OK");
        assert_eq!(pair.standing(), 0);
        pair.world.assert_quiet();
    });
}

#[test]
fn who_gives_up_or_is_refused_leaves_nothing() {
    everywhere(|mut pair| {
        let (alice, bob) = (pair.alice, pair.bob);
        let invite = |call_id: &str| phone::simple(&phone::request("INVITE", ALICE, BOB, call_id));
        pair.world.send(alice, &invite("c3"));
        let ringing = pair.world.only(bob);
        pair.world.send(bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        pair.world.only(alice);
        let cancel = invite("c3").replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL");
        pair.world.send(alice, &cancel);
        assert_eq!(pair.world.only(alice).cseq().unwrap().method, sip::Method::Cancel);
        let cancelled = pair.world.only(bob);
        pair.world.send(bob, &phone::answer(&cancelled, "200 OK", "bob"));
        pair.world.send(bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        assert_eq!(pair.world.only(alice).status(), Some(487));
        assert_eq!(method(&pair.world.only(bob)), "ACK");
        pair.world.send(alice, &invite("c4"));
        let refused = pair.world.only(bob);
        let busy = phone::answer(&refused, "486 Busy Here", "bob")
            .replace("Content-Length", "Retry-After: 60\nWarning: 399 b \"busy\"\nX-Kept: as it is\nContent-Length");
        pair.world.send(bob, &busy);
        let answer = pair.world.only(alice);
        assert_eq!(answer.header_text(HeaderName::RetryAfter), Some("60"));
        assert_eq!(answer.header_by_name("X-Kept"), Some(b"as it is".as_slice()));
        assert_eq!((first_line(&answer).as_str(), pair.standing()), ("SIP/2.0 486 Busy Here", 0));
    });
}

#[test]
fn a_partner_takes_back_a_call_to_such_a_phone() {
    everywhere(|mut pair| {
        let (alice, bob) = (pair.alice, pair.bob);
        let invite = phone::request("INVITE", BOB, ALICE, "c5");
        pair.world.send(bob, &sdp(&invite, OFFER));
        let ringing = pair.world.only(alice);
        pair.world.send(alice, &phone::answer(&ringing, "180 Ringing", "alice"));
        assert_eq!(pair.world.only(bob).status(), Some(180));
        let cancel = phone::simple(&invite).replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL");
        pair.world.send(bob, &cancel.replace("\nContent-Length", "\nReason: SIP;cause=200\nContent-Length"));
        assert_eq!(pair.world.only(bob).cseq().unwrap().method, sip::Method::Cancel);
        let cancelled = pair.world.only(alice);
        assert_eq!(method(&cancelled), "CANCEL");
        assert_eq!(cancelled.header_text(HeaderName::Reason), Some("SIP;cause=200"));
        pair.world.send(alice, &phone::answer(&cancelled, "200 OK", "alice"));
        pair.world.send(alice, &phone::answer(&ringing, "487 Request Terminated", "alice"));
        let answer = pair.world.only(bob);
        assert_eq!((answer.status(), answer.vias().count(), pair.standing()), (Some(487), 1, 0));
        assert_eq!(method(&pair.world.only(alice)), "ACK");
    });
}

#[test]
fn a_phone_that_is_gone_ends_the_call_of_the_other() {
    everywhere(|mut pair| {
        let (_, ok) = pair.call();
        pair.world.pass(Duration::from_secs(800));
        pair.world.take(pair.alice);
        let (alice, bob) = (pair.alice, pair.bob);
        pair.ask(alice, bob, &phone::by_caller("INFO", &ok, 2), "200 OK");
        pair.world.hang_up(bob);
        pair.world.pass(Duration::from_secs(899));
        assert_eq!((pair.world.take(alice).len(), pair.standing()), (0, 1));
        pair.world.pass(Duration::from_secs(2));
        let asked: Vec<Message> = pair.world.take(alice);
        assert_eq!(asked.iter().map(method).collect::<Vec<_>>(), ["OPTIONS", "BYE"]);
        assert_eq!(asked[1].cseq().unwrap().number, 2);
        for request in &asked {
            pair.world.send(alice, &phone::answer(request, "200 OK", "alice"));
        }
        assert_eq!(pair.standing(), 0);
    });
}

#[test]
fn after_we_asked_ourselves_requests_are_numbered_on() {
    everywhere(|mut pair| {
        let (invite, ok) = pair.call();
        let (alice, bob) = (pair.alice, pair.bob);
        pair.world.pass(Duration::from_secs(901));
        for line in [alice, bob] {
            let asked = pair.world.only(line);
            assert_eq!(method(&asked), "OPTIONS");
            pair.world.send(line, &phone::answer(&asked, "200 OK", "x"));
        }
        let change = sdp(&phone::by_caller("INVITE", &ok, 2), OFFER)
            .replace("Max-Forwards", "Contact: <sip:alice@phone.invalid>\nMax-Forwards");
        let (received, answer) = pair.ask(alice, bob, &change, "200 OK");
        assert_eq!((received.cseq().unwrap().number, answer.cseq().unwrap().number), (3, 2));
        pair.world.send(alice, &phone::by_caller("ACK", &ok, 2));
        assert_eq!(pair.world.only(bob).cseq().unwrap().number, 3);
        let (received, answer) = pair.ask(bob, alice, &phone::by_callee("BYE", &invite, 1), "200 OK");
        assert_eq!((received.cseq().unwrap().number, answer.cseq().unwrap().number), (2, 1));
        assert_eq!(pair.standing(), 0);
    });
}

#[test]
fn offers_that_cross_are_refused_by_the_phones_themselves() {
    everywhere(|mut pair| {
        let (invite, ok) = pair.call();
        let (alice, bob) = (pair.alice, pair.bob);
        let contact = |request: String| request.replace("Max-Forwards", "Contact: <sip:x@phone.invalid>\nMax-Forwards");
        pair.world.send(alice, &contact(sdp(&phone::by_caller("INVITE", &ok, 2), OFFER)));
        pair.world.send(bob, &contact(sdp(&phone::by_callee("INVITE", &invite, 1), ANSWER)));
        for line in [alice, bob] {
            let crossed = pair.world.take(line).into_iter().find(Message::is_request).unwrap();
            pair.world.send(line, &phone::answer(&crossed, "491 Request Pending", "x"));
        }
        assert_eq!(pair.world.take_response(alice).status(), Some(491));
        for line in [alice, bob] {
            pair.world.take(line);
        }
        pair.ask(alice, bob, &phone::by_caller("BYE", &ok, 3), "200 OK");
    });
}

#[test]
fn too_many_requests_within_a_call_wait_for_nobody() {
    everywhere(|mut pair| {
        let (_, ok) = pair.call();
        for number in 2..40 {
            pair.world.send(pair.alice, &phone::by_caller("INFO", &ok, number));
        }
        let passed = pair.world.take(pair.bob).len();
        let refused: Vec<Message> = pair.world.take(pair.alice);
        assert_eq!(passed + refused.len(), 38);
        assert!((28..=32).contains(&passed), "{passed}");
        assert!(refused.iter().all(|answer| answer.status() == Some(503)), "{refused:?}");
    });
}

/// RFC 5057 section 3.2: the dialog of a call goes on for a reference in it, but for nothing else and not for ever.
#[test]
fn a_reference_outlives_its_call_for_a_while() {
    everywhere(|mut pair| {
        let (invite, ok) = pair.call();
        let (alice, bob) = (pair.alice, pair.bob);
        let refer = phone::by_callee("REFER", &invite, 1).replace(
            "Max-Forwards",
            "Refer-To: <sip:carol@fabrikam.example>\nContact: <sip:bob@phone.invalid>\nMax-Forwards",
        );
        pair.ask(bob, alice, &refer, "202 Accepted");
        pair.ask(bob, alice, &phone::by_callee("BYE", &invite, 2), "200 OK");
        assert_eq!(pair.standing(), 1);
        pair.world.send(alice, &phone::by_caller("INFO", &ok, 2));
        assert_eq!(pair.world.only(alice).status(), Some(481));
        let notify = |cseq| {
            phone::by_caller("NOTIFY", &ok, cseq)
                .replace("Max-Forwards", "Event: refer\nSubscription-State: active;expires=60\nMax-Forwards")
        };
        pair.ask(alice, bob, &notify(3), "200 OK");
        pair.world.pass(Duration::from_secs(179));
        pair.ask(alice, bob, &notify(4), "200 OK");
        pair.world.pass(Duration::from_secs(2));
        assert_eq!(pair.standing(), 0);
        pair.world.send(alice, &notify(5));
        assert_eq!(pair.world.only(alice).status(), Some(481));
        pair.world.assert_quiet();
    });
}

#[test]
fn more_transfers_of_one_phone_than_are_counted_are_not_waited_for() {
    const COUNTED: u32 = 16;
    everywhere(|mut pair| {
        let (invite, ok) = pair.call();
        let (alice, bob) = (pair.alice, pair.bob);
        for cseq in 1..=COUNTED + 4 {
            let refer = phone::by_callee("REFER", &invite, cseq).replace(
                "Max-Forwards",
                "Refer-To: <sip:carol@fabrikam.example>\nContact: <sip:bob@phone.invalid>\nMax-Forwards",
            );
            pair.ask(bob, alice, &refer, "202 Accepted");
        }
        pair.ask(bob, alice, &phone::by_callee("BYE", &invite, COUNTED + 5), "200 OK");
        let over = |cseq| {
            phone::by_caller("NOTIFY", &ok, cseq)
                .replace("Max-Forwards", "Event: refer\nSubscription-State: terminated\nMax-Forwards")
        };
        for told in 0..COUNTED {
            assert_eq!(pair.standing(), 1, "{told} have come to their end");
            pair.ask(alice, bob, &over(2 + told), "200 OK");
        }
        assert_eq!(pair.standing(), 0);
        pair.world.send(alice, &over(2 + COUNTED));
        assert_eq!(pair.world.only(alice).status(), Some(481));
        pair.world.assert_quiet();
    });
}

/// One device after the other answers, is asked to call somebody else, and hangs up.
#[test]
fn of_dialogs_that_only_transfers_are_told_in_the_oldest_are_forgotten() {
    const DEVICES: usize = 20;
    everywhere(|mut pair| {
        let (alice, bob) = (pair.alice, pair.bob);
        pair.world.send(alice, &sdp(&phone::simple(&phone::request("INVITE", ALICE, BOB, "many")), OFFER));
        let invite = pair.world.only(bob);
        let mut oks = Vec::new();
        for device in 0..DEVICES {
            pair.world.send(bob, &sdp(&answer_of(&invite, "200 OK", &format!("device{device}")), ANSWER));
            let ok = pair.world.only(alice);
            pair.world.send(alice, &phone::by_caller("ACK", &ok, 1));
            assert_eq!(method(&pair.world.only(bob)), "ACK", "{device}");
            let by_device = |method, cseq| {
                phone::by_callee(method, &invite, cseq)
                    .replace("tag=callee", &format!("tag=device{device}"))
                    .replace(";branch=z9hG4bK", &format!(";branch=z9hG4bK{device}"))
            };
            let refer = by_device("REFER", 1).replace(
                "Max-Forwards",
                "Refer-To: <sip:carol@fabrikam.example>\nContact: <sip:bob@phone.invalid>\nMax-Forwards",
            );
            pair.ask(bob, alice, &refer, "202 Accepted");
            pair.ask(bob, alice, &by_device("BYE", 2), "200 OK");
            oks.push(ok);
        }
        let standing: Vec<u16> = oks
            .iter()
            .enumerate()
            .map(|(device, ok)| {
                let notify = phone::by_caller("NOTIFY", ok, 2)
                    .replace(";branch=z9hG4bK", &format!(";branch=z9hG4bK{device}"))
                    .replace("Max-Forwards", "Event: refer\nSubscription-State: active;expires=60\nMax-Forwards");
                pair.world.send(alice, &notify);
                for arrived in pair.world.take(bob) {
                    pair.world.send(bob, &phone::answer(&arrived, "200 OK", "bob"));
                }
                pair.world.only(alice).status().unwrap()
            })
            .collect();
        assert_eq!(standing, [[481; 4].as_slice(), &[200; 16]].concat());
    });
}

/// Two devices answered. The session of the one has ended and only a reference goes on in its dialogs, when the other's becomes
/// a meeting.
#[test]
fn a_reference_within_a_call_that_became_a_meeting_is_forgotten_in_time() {
    everywhere(|mut pair| {
        let (alice, bob) = (pair.alice, pair.bob);
        let invite = phone::simple(&phone::request("INVITE", ALICE, BOB, "two"));
        pair.world.send(alice, &sdp(&invite, OFFER));
        let invite = pair.world.only(bob);
        for tag in ["callee", "other"] {
            pair.world.send(bob, &sdp(&answer_of(&invite, "200 OK", tag), ANSWER));
            let ok = pair.world.only(alice);
            pair.world.send(alice, &phone::by_caller("ACK", &ok, 1));
            assert_eq!(method(&pair.world.only(bob)), "ACK", "{tag}");
        }
        let refer = phone::by_callee("REFER", &invite, 1).replace(
            "Max-Forwards",
            "Refer-To: <sip:carol@fabrikam.example>\nContact: <sip:bob@phone.invalid>\nMax-Forwards",
        );
        pair.ask(bob, alice, &refer, "202 Accepted");
        pair.ask(bob, alice, &phone::by_callee("BYE", &invite, 2), "200 OK");
        let begun = pair.world.on_cores(pair.contoso, |core, now| core.escalate_call(now, "two", &[]));
        assert!(begun.into_iter().flatten().all(|begun| begun.is_ok()));
        for line in [alice, bob] {
            let offer = pair.world.only(line);
            let answer = sdp(&phone::answer(&offer, "200 OK", "x"), &phone::answer_to(&offer, 4000));
            pair.world.send(line, &answer);
            assert_eq!(method(&pair.world.only(line)), "ACK");
        }
        pair.world.pass(Duration::from_secs(600));
        assert_eq!(pair.world.meetings(pair.contoso), 1);
    });
}
