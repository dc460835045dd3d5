//! Calls whose sound goes through us, since the phones could not hear each other; two organisations of one and of three workers
//! each.

use std::time::Duration;

use federation::decision::Outcome;
use sdp::{Direction, Encoding};
use signaling::{CallSettings, EscalationStatus, Record, When};
use sim::{Line, World, first_line};
use sip::{Aor, HeaderName, Message};

use crate::phone;

/// Alice and Dave are at Contoso, Bob is at Fabrikam; both know REFER and Replaces, so that their calls are proxied.
struct Three {
    world: World,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    dave: Line,
    bob: Line,
}

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const REFUSED: &str = "488 Not Acceptable Here";

fn three(workers: u16, seed: u64, calls: CallSettings) -> Three {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    for site in [contoso, fabrikam] {
        world.configure(site, |config| config.calls = calls);
    }
    for (site, user) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, user);
    }
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let dave = phone::register(&mut world, contoso, by_seed(1), DAVE);
    let bob = phone::register(&mut world, fabrikam, by_seed(2), BOB);
    Three { world, contoso, fabrikam, alice, dave, bob }
}

fn everywhere_with(anchor: When, play: impl Fn(Three)) {
    phone::everywhere(12, |workers, seed| {
        play(three(workers, seed, CallSettings { anchor, ..CallSettings::default() }))
    });
}

fn everywhere(play: impl Fn(Three)) {
    everywhere_with(When::WhenNeeded, play);
}

/// What a phone at this port says of itself; `formats`: payload types.
fn described(port: u16, transport: &str, formats: &str, more: &str) -> String {
    // Nobody signals from there.
    let lines = "v=0\no=- 1 1 IN IP4 198.51.100.9\ns=-\nc=IN IP4 198.51.100.9\nt=0 0\n";
    format!("{lines}m=audio {port} {transport} {formats}\na=rtpmap:96 opus/48000/2\n{more}")
}

fn plain(port: u16) -> String {
    described(port, "RTP/AVP", "0", "")
}

fn protected(port: u16) -> String {
    described(port, "RTP/SAVP", "0", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"))
}

/// The answer of a phone that demands encryption to an offer of ours, whatever its numbers of suites.
fn protected_answer(offer: &Message, port: u16) -> String {
    let offered = body(offer);
    let line = offered.lines().find(|line| line.contains(" AES_CM_128_HMAC_SHA1_80 ")).unwrap();
    let tag = line.strip_prefix("a=crypto:").unwrap().split(' ').next().unwrap();
    described(port, "RTP/SAVP", "0", &format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"))
}

fn sdp(request: &str, body: &str) -> String {
    phone::with_body(request, "", "application/sdp", body)
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).replace('\r', "")
}

/// The m-line of its sound.
fn audio(message: &Message) -> String {
    body(message).lines().find(|line| line.starts_with("m=audio")).unwrap_or_default().to_owned()
}

fn method(message: &Message) -> String {
    first_line(message).split(' ').next().unwrap_or_default().to_owned()
}

/// A call that is answered: what the callee received and what the caller did.
struct Call {
    invite: Message,
    ok: Message,
}

impl Three {
    /// What each leg of an organisation does, the caller's first: protected or not, in which encoding, which way.
    fn legs(&self, site: usize) -> Vec<(bool, Encoding, Direction)> {
        let sessions = self.world.sound(site).legs().filter_map(|(_, leg)| leg.session.clone());
        sessions.map(|it| (it.protection.is_some(), it.format.encoding, it.direction)).collect()
    }

    fn invite(&mut self, from: Line, (caller, callee): (&str, &str), offer: &str) {
        self.world.send(from, &sdp(&phone::request("INVITE", caller, callee, "c1"), offer));
    }

    /// The INVITE that comes to this line is refused; its ACK and what else comes are taken.
    fn refuse(&mut self, line: Line, status: &str) -> Option<Message> {
        let invite = self.world.only(line);
        assert_eq!(method(&invite), "INVITE", "{}", first_line(&invite));
        self.next_after_refusal(line, &invite, status)
    }

    fn next_after_refusal(&mut self, line: Line, invite: &Message, status: &str) -> Option<Message> {
        self.world.send(line, &phone::answer(invite, status, "x"));
        let mut came = self.world.take(line);
        assert_eq!(method(&came.remove(0)), "ACK");
        assert!(came.len() < 2);
        came.pop()
    }

    /// Alice's phone, which does not encrypt, calls Dave's, which demands it.
    fn call(&mut self) -> Call {
        let (alice, dave) = (self.alice, self.dave);
        self.invite(alice, (ALICE, DAVE), &plain(4000));
        let invite = self.refuse(dave, REFUSED).expect("it is offered in another way");
        let answer = protected_answer(&invite, 4002);
        self.world.send(dave, &sdp(&phone::answer(&invite, "200 OK", "dave"), &answer));
        let ok = self.world.only(alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(dave)), "ACK");
        Call { invite, ok }
    }

    /// One sends this, the other receives and answers it; returns what was received, and the answer to it.
    fn ask(
        &mut self,
        (from, to): (Line, Line),
        request: &str,
        answer: impl Fn(&Message) -> String,
    ) -> (Message, Message) {
        self.world.send(from, request);
        let received = self.world.only(to);
        self.world.send(to, &answer(&received));
        (received, self.world.only(from))
    }

    fn nothing_is_left(&mut self) {
        for site in [self.contoso, self.fabrikam] {
            assert_eq!(self.world.statuses(site).iter().map(|status| status.calls_between).sum::<usize>(), 0);
            assert_eq!(self.world.sound(site).legs().count(), 0);
        }
        self.world.assert_quiet();
    }

    fn hang_up(&mut self, call: &Call, cseq: u32) {
        let bye = phone::by_caller("BYE", &call.ok, cseq);
        let (_, answer) = self.ask((self.alice, self.dave), &bye, |bye| phone::answer(bye, "200 OK", "dave"));
        assert_eq!(answer.status(), Some(200));
    }

    fn ways(&self, site: usize) -> Vec<(bool, String)> {
        let of = |outcome: &Outcome| match outcome {
            Outcome::Way { stands_between, reason } => Some((*stands_between, reason.clone())),
            Outcome::Anchored { reason } => Some((true, reason.clone())),
            _ => None,
        };
        self.world.decisions(site).filter_map(|record| of(&record.outcome)).collect()
    }
}

#[test]
fn a_phone_without_encryption_talks_with_one_that_demands_it() {
    everywhere(|mut three| {
        let call = three.call();
        assert!(audio(&call.invite).contains("RTP/SAVP"), "{}", body(&call.invite));
        assert_eq!(call.invite.cseq().unwrap().number, 2, "it is another request than the refused one");
        assert!(audio(&call.ok).ends_with("RTP/AVP 0"), "{}", body(&call.ok));
        for message in [&call.invite, &call.ok] {
            assert!(body(message).contains("c=IN IP4 192.0.2.1\n") && !audio(message).contains(" 400"));
        }
        let expected = [false, true].map(|is_protected| (is_protected, Encoding::Pcmu, Direction::SendRecv));
        assert_eq!(three.legs(three.contoso), expected);
        assert!(three.ways(three.contoso).last().unwrap().1.contains("as the caller offers it (488)"));
        three.hang_up(&call, 2);
        three.nothing_is_left();
        let mut legs: Vec<String> = three.world.records(three.contoso).iter().filter_map(of_leg).collect();
        legs.sort();
        assert_eq!(legs, [ALICE, DAVE]);
    });
}

fn of_leg(record: &Record) -> Option<String> {
    match record {
        Record::Leg(leg) => Some(leg.who.clone()),
        Record::Call(_) => None,
    }
}

#[test]
fn two_phones_that_share_no_encoding_talk_with_each_other() {
    everywhere(|mut three| {
        three.invite(three.alice, (ALICE, DAVE), &described(4000, "RTP/AVP", "96", ""));
        let invite = three.refuse(three.dave, REFUSED).expect("it is offered in another way");
        assert!(audio(&invite).contains("RTP/AVP 111 "), "{}", audio(&invite));
        three.world.send(three.dave, &sdp(&phone::answer(&invite, "200 OK", "dave"), &plain(4002)));
        let ok = three.world.only(three.alice);
        three.world.send(three.alice, &phone::by_caller("ACK", &ok, 1));
        three.world.only(three.dave);
        let expected = [Encoding::Opus, Encoding::Pcmu].map(|encoding| (false, encoding, Direction::SendRecv));
        assert_eq!(three.legs(three.contoso), expected);
        three.hang_up(&Call { invite, ok }, 2);
        three.nothing_is_left();
    });
}

#[test]
fn a_phone_that_is_offered_everything_and_refuses_it_is_left_alone() {
    everywhere(|mut three| {
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        let second = three.refuse(three.dave, REFUSED).unwrap();
        let third = three.next_after_refusal(three.dave, &second, "606 Not Acceptable").unwrap();
        assert!(audio(&second).contains("RTP/SAVP") && audio(&third).contains("RTP/AVP 0 "), "{}", audio(&third));
        assert!(three.next_after_refusal(three.dave, &third, REFUSED).is_none());
        assert_eq!(three.world.only(three.alice).status(), Some(488));
        three.world.send(three.alice, &phone::request("ACK", ALICE, DAVE, "c1"));
        three.nothing_is_left();
    });
}

#[test]
fn who_is_busy_is_not_offered_other_sound() {
    everywhere(|mut three| {
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        let second = three.refuse(three.dave, REFUSED).unwrap();
        assert!(three.next_after_refusal(three.dave, &second, "486 Busy Here").is_none());
        assert_eq!(three.world.only(three.alice).status(), Some(486));
        three.nothing_is_left();
    });
}

#[test]
fn without_ports_or_by_policy_the_refusal_is_the_answer() {
    everywhere_with(When::Never, |mut three| {
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        assert!(three.refuse(three.dave, REFUSED).is_none());
        assert_eq!(three.world.only(three.alice).status(), Some(488));
        three.nothing_is_left();
    });
    everywhere(|mut three| {
        three.world.use_up_ports(three.contoso);
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        assert!(three.refuse(three.dave, REFUSED).is_none());
        assert_eq!(three.world.only(three.alice).status(), Some(488));
        three.nothing_is_left();
    });
}

#[test]
fn the_caller_may_give_up_while_ports_are_opened_or_another_offer_rings() {
    everywhere(|mut three| {
        three.world.delay_ports(three.contoso, Duration::from_secs(1));
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        assert!(three.refuse(three.dave, REFUSED).is_none());
        let cancel = phone::request("CANCEL", ALICE, DAVE, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        three.world.send(three.alice, &cancel);
        let statuses: Vec<_> = three.world.take(three.alice).iter().map(Message::status).collect();
        assert_eq!(statuses, [Some(200), Some(487)]);
        three.world.pass(Duration::from_secs(5));
        three.nothing_is_left();
    });
    everywhere(|mut three| {
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        let second = three.refuse(three.dave, REFUSED).unwrap();
        three.world.send(three.dave, &phone::answer(&second, "180 Ringing", "dave"));
        assert_eq!(three.world.only(three.alice).status(), Some(180));
        let cancel = phone::request("CANCEL", ALICE, DAVE, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        three.world.send(three.alice, &cancel);
        let cancel = three.world.only(three.dave);
        assert_eq!(method(&cancel), "CANCEL");
        three.world.send(three.dave, &phone::answer(&cancel, "200 OK", "dave"));
        three.world.send(three.dave, &phone::answer(&second, "487 Request Terminated", "dave"));
        assert_eq!(method(&three.world.only(three.dave)), "ACK");
        let statuses: Vec<_> = three.world.take(three.alice).iter().map(Message::status).collect();
        assert_eq!(statuses, [Some(200), Some(487)]);
        three.nothing_is_left();
    });
}

#[test]
fn who_gives_up_before_the_refusal_is_not_offered_to_anybody_again() {
    for between in [When::Never, When::Always] {
        phone::everywhere(12, |workers, seed| {
            let mut three = three(workers, seed, CallSettings { between, ..CallSettings::default() });
            three.invite(three.alice, (ALICE, DAVE), &plain(4000));
            let invite = three.world.only(three.dave);
            let cancel = phone::request("CANCEL", ALICE, DAVE, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
            three.world.send(three.alice, &cancel);
            assert_eq!(three.world.only(three.alice).status(), Some(200));
            assert!(three.next_after_refusal(three.dave, &invite, REFUSED).is_none());
            let answer = three.world.only(three.alice);
            assert!(matches!(answer.status(), Some(487 | 488)), "{}", first_line(&answer));
            three.nothing_is_left();
        });
    }
}

#[test]
fn sound_before_the_answer_is_heard_and_each_device_answers_for_itself() {
    everywhere(|mut three| {
        let (alice, dave) = (three.alice, three.dave);
        three.invite(alice, (ALICE, DAVE), &plain(4000));
        let invite = three.refuse(dave, REFUSED).unwrap();
        let early = sdp(&phone::answer(&invite, "183 Session Progress", "dave"), &protected_answer(&invite, 4002));
        three.world.send(dave, &early);
        let progress = three.world.only(alice);
        assert!(audio(&progress).ends_with("RTP/AVP 0"), "{}", body(&progress));
        assert_eq!(three.legs(three.contoso).len(), 2);
        three.world.send(dave, &early.replace("183 Session Progress", "200 OK"));
        let ok = three.world.only(alice);
        assert_eq!(body(&ok), body(&progress), "the same answer says it again");
        three.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        three.world.only(dave);
        three.hang_up(&Call { invite, ok }, 2);
        three.nothing_is_left();
    });
}

#[test]
fn a_call_is_held_and_asked_for_an_offer_and_refused_a_change() {
    everywhere(|mut three| {
        let call = three.call();
        let (alice, dave) = (three.alice, three.dave);
        let contact =
            |request: String| request.replace("Max-Forwards", "Contact: <sip:alice@phone.invalid>\nMax-Forwards");
        let again =
            |cseq: u32, more: &str| contact(sdp(&phone::by_caller("INVITE", &call.ok, cseq), &(plain(4000) + more)));
        let (held, answer) = three.ask((alice, dave), &again(2, "a=sendonly\n"), |held| {
            sdp(&phone::answer(held, "200 OK", "dave"), &(protected_answer(held, 4002) + "a=recvonly\n"))
        });
        assert!(body(&held).contains("a=sendonly") && body(&answer).contains("a=recvonly"), "{}", body(&answer));
        assert_eq!(audio(&held).split(' ').nth(1), audio(&call.invite).split(' ').nth(1), "the port stays");
        three.world.send(alice, &phone::by_caller("ACK", &call.ok, 2));
        three.world.only(dave);
        let directions: Vec<Direction> =
            three.legs(three.contoso).into_iter().map(|(.., direction)| direction).collect();
        assert_eq!(directions, [Direction::RecvOnly, Direction::SendOnly]);

        let (_, refused) = three.ask((alice, dave), &again(3, ""), |changed| phone::answer(changed, REFUSED, "dave"));
        assert_eq!(refused.status(), Some(488));
        let acknowledge = |cseq| phone::by_caller("ACK", &call.ok, cseq).replace("z9hG4bKACK", "z9hG4bKINVITE");
        three.world.send(alice, &acknowledge(3));
        assert_eq!(method(&three.world.only(dave)), "ACK");
        three.world.send(alice, &contact(sdp(&phone::by_caller("INVITE", &call.ok, 4), "v=0\nm=nothing\n")));
        assert_eq!(three.world.only(alice).status(), Some(488), "what cannot be read does not reach the other phone");
        three.world.send(alice, &acknowledge(4));

        let (asked, offered) = three.ask((alice, dave), &contact(phone::by_caller("INVITE", &call.ok, 5)), |asked| {
            sdp(&phone::answer(asked, "200 OK", "dave"), &protected(4004))
        });
        assert_eq!((body(&asked).as_str(), audio(&offered).contains("RTP/AVP")), ("", true));
        three.world.send(alice, &sdp(&phone::by_caller("ACK", &call.ok, 5), &plain(4000)));
        let ack = three.world.only(dave);
        assert!(audio(&ack).contains("RTP/SAVP"), "{}", body(&ack));
        let both = [false, true].map(|is_protected| (is_protected, Encoding::Pcmu, Direction::SendRecv));
        assert_eq!(three.legs(three.contoso), both);
        three.hang_up(&call, 6);
        three.nothing_is_left();
    });
}

#[test]
fn sound_ends_with_the_call_even_where_a_reference_is_reported_yet() {
    everywhere(|mut three| {
        let call = three.call();
        let (alice, dave) = (three.alice, three.dave);
        let refer = phone::by_caller("REFER", &call.ok, 2);
        let refer = refer.replace("Content-Length", &format!("Refer-To: <sip:{BOB}>\nContent-Length"));
        let (_, accepted) = three.ask((alice, dave), &refer, |refer| phone::answer(refer, "202 Accepted", "dave"));
        assert_eq!(accepted.status(), Some(202));
        three.hang_up(&call, 3);
        assert_eq!(three.world.sound(three.contoso).legs().count(), 0);
        three.world.pass(Duration::from_secs(200));
        three.nothing_is_left();
    });
}

#[test]
fn what_the_callee_answers_must_make_a_session_with_us() {
    everywhere(|mut three| {
        let (alice, dave) = (three.alice, three.dave);
        three.invite(alice, (ALICE, DAVE), &plain(4000));
        let invite = three.refuse(dave, REFUSED).unwrap();
        // It was offered keys and gives none.
        three.world.send(dave, &sdp(&phone::answer(&invite, "200 OK", "dave"), &plain(4002)));
        assert_eq!(three.world.only(alice).status(), Some(488));
        let came = three.world.take(dave);
        assert_eq!(came.iter().map(method).collect::<Vec<_>>(), ["ACK", "BYE"]);
        three.world.send(dave, &phone::answer(&came[1], "200 OK", "dave"));
        three.nothing_is_left();
    });
}

#[test]
fn between_organisations_the_one_whose_phone_is_plain_protects_it() {
    everywhere(|mut three| {
        let (alice, bob) = (three.alice, three.bob);
        three.invite(alice, (ALICE, BOB), &plain(4000));
        let invite = three.refuse(bob, REFUSED).expect("Contoso offers keys");
        assert!(audio(&invite).contains("RTP/SAVP"));
        three.world.send(bob, &sdp(&phone::answer(&invite, "200 OK", "bob"), &protected_answer(&invite, 4002)));
        let ok = three.world.only(alice);
        assert_eq!(ok.status(), Some(200));
        three.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        three.world.only(bob);
        assert_eq!((three.legs(three.contoso).len(), three.legs(three.fabrikam).len()), (2, 0));
        let bye = phone::by_caller("BYE", &ok, 2);
        three.ask((alice, bob), &bye, |bye| phone::answer(bye, "200 OK", "bob"));
        three.nothing_is_left();

        three.world.send(bob, &sdp(&phone::request("INVITE", BOB, ALICE, "c2"), &protected(4002)));
        let invite = three.refuse(alice, REFUSED).expect("Contoso takes them off");
        assert!(audio(&invite).contains("RTP/AVP"));
        assert!(three.next_after_refusal(alice, &invite, "486 Busy Here").is_none());
        assert_eq!(three.world.only(bob).status(), Some(486));
        three.nothing_is_left();
    });
}

#[test]
fn another_organisations_phone_is_offered_the_sound_of_both_families() {
    everywhere(|mut three| {
        three.invite(three.alice, (ALICE, BOB), &plain(4000));
        let mut offers = Vec::new();
        let mut next = three.refuse(three.bob, REFUSED);
        while let Some(offer) = next {
            offers.push((audio(&offer).contains("RTP/SAVP"), body(&offer).contains("c=IN IP6 ")));
            next = three.next_after_refusal(three.bob, &offer, REFUSED);
        }
        let unprotected = (false, false);
        assert_eq!(
            offers,
            [(true, false), unprotected, (true, true), unprotected],
            "his own server takes the keys off"
        );
        assert_eq!(three.world.only(three.alice).status(), Some(488));
        three.world.send(three.alice, &phone::request("ACK", ALICE, BOB, "c1"));
        three.nothing_is_left();
    });
}

#[test]
fn every_call_has_its_sound_here_where_the_policy_says_so() {
    everywhere_with(When::Always, |mut three| {
        three.invite(three.alice, (ALICE, DAVE), &plain(4000));
        let invite = three.world.only(three.dave);
        assert!(body(&invite).contains("c=IN IP4 192.0.2.1\n"), "{}", body(&invite));
        three.world.send(three.dave, &sdp(&phone::answer(&invite, "200 OK", "dave"), &plain(4002)));
        let ok = three.world.only(three.alice);
        three.world.send(three.alice, &phone::by_caller("ACK", &ok, 1));
        three.world.only(three.dave);
        assert_eq!(three.legs(three.contoso).len(), 2);
        assert_eq!(three.ways(three.contoso)[0], (true, "[calls] anchor says always".to_owned()));
        three.hang_up(&Call { invite, ok }, 2);
        three.nothing_is_left();
    });
}

#[test]
fn a_call_whose_sound_ends_with_the_server_is_over_for_both() {
    everywhere(|mut three| {
        three.call();
        three.world.on_cores(three.contoso, |core, now| core.end_anchored_calls(now));
        for line in [three.alice, three.dave] {
            let bye = three.world.only(line);
            assert_eq!(method(&bye), "BYE");
            assert_eq!(bye.header_text(HeaderName::Reason), Some("SIP;cause=503;text=\"draining\""));
            three.world.send(line, &phone::answer(&bye, "200 OK", "x"));
        }
        three.nothing_is_left();
    });
}

#[test]
fn an_anchored_call_becomes_a_meeting_or_goes_on() {
    for takes_part in [true, false] {
        everywhere(|mut three| {
            let call = three.call();
            let people: Vec<Aor> = vec![BOB.parse().unwrap()];
            let begun = three.world.on_cores(three.contoso, |core, now| core.escalate_call(now, "c1", &people));
            assert!(begun.into_iter().flatten().next().unwrap().is_ok());
            let to_alice = three.world.only(three.alice);
            let to_dave = three.world.only(three.dave);
            assert!(audio(&to_dave).contains("RTP/SAVP"), "{}", body(&to_dave));
            three
                .world
                .send(three.dave, &sdp(&phone::answer(&to_dave, "200 OK", "dave"), &protected_answer(&to_dave, 4002)));
            assert_eq!(method(&three.world.only(three.dave)), "ACK");
            match takes_part {
                true => {
                    three.world.send(three.alice, &sdp(&phone::answer(&to_alice, "200 OK", "alice"), &plain(4000)));
                    assert_eq!(method(&three.world.only(three.alice)), "ACK");
                    assert_eq!(method(&three.world.only(three.bob)), "INVITE");
                    assert_eq!(three.legs(three.contoso).len(), 2, "those of the meeting, and no others");
                }
                false => {
                    three.world.send(three.alice, &phone::answer(&to_alice, "603 Decline", "alice"));
                    assert_eq!(method(&three.world.only(three.alice)), "ACK");
                    let back = three.world.only(three.dave);
                    assert_eq!(audio(&back), audio(&call.invite), "{}", body(&back));
                    let answer = protected_answer(&back, 4010);
                    three.world.send(three.dave, &sdp(&phone::answer(&back, "200 OK", "dave"), &answer));
                    assert_eq!(method(&three.world.only(three.dave)), "ACK");
                    let ports: Vec<u16> = three
                        .world
                        .sound(three.contoso)
                        .legs()
                        .filter_map(|(_, leg)| Some(leg.session.as_ref()?.remote.port()))
                        .collect();
                    assert_eq!(ports, [4000, 4010]);
                    let statuses = three.world.on_cores(three.contoso, |core, _| core.escalation_status("c1"));
                    assert!(matches!(statuses.into_iter().flatten().next(), Some(EscalationStatus::Refused { .. })));
                    three.hang_up(&call, 2);
                    three.nothing_is_left();
                }
            }
        });
    }
}
