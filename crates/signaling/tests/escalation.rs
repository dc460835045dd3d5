//! A call of two that becomes a meeting of three organisations, of one and of three workers each.

use federation::decision::{DecisionRecord, Outcome};
use signaling::{EscalationStatus, When};
use sim::{Leg, Line, World, first_line};
use sip::{Aor, Message};

use crate::phone;

/// Contoso, Fabrikam and Northwind allow each other. Alice's phone shows neither REFER nor Replaces.
struct Three {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
    carol: Line,
    /// What Bob received of a proxied call.
    invite: Option<Message>,
}

/// The call of Alice and Bob: what he received and what she did.
struct Call {
    invite: Message,
    ok: Message,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const CAROL: &str = "carol@northwind.example";
const CALL_ID: &str = "talk";

fn organisations(workers: u16, seed: u64) -> (World, [usize; 3]) {
    let mut world = World::new(seed);
    let sites = world.allies(["contoso.example", "fabrikam.example", "northwind.example"], workers);
    for (site, aor) in sites.into_iter().zip([ALICE, BOB, CAROL]) {
        world.user(site, aor);
    }
    (world, sites)
}

fn three(workers: u16, seed: u64) -> Three {
    let (mut world, sites) = organisations(workers, seed);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register_simple(&mut world, sites[0], by_seed(0), ALICE);
    with_others(world, sites, alice, by_seed)
}

/// The same, and Alice is not signed in yet.
fn three_with_one_phone_each(workers: u16, seed: u64) -> Three {
    let (mut world, sites) = organisations(workers, seed);
    let alice = world.connect(sites[0], 0, None);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    with_others(world, sites, alice, by_seed)
}

fn with_others(mut world: World, sites: [usize; 3], alice: Line, by_seed: impl Fn(u64) -> u16) -> Three {
    let bob = phone::register(&mut world, sites[1], by_seed(1), BOB);
    let carol = phone::register(&mut world, sites[2], by_seed(2), CAROL);
    Three { world, contoso: sites[0], alice, bob, carol, invite: None }
}

fn everywhere(play: impl Fn(Three)) {
    phone::everywhere(12, |workers, seed| play(three(workers, seed)));
}

fn sdp(request: &str, body: &str) -> String {
    phone::with_body(request, "", "application/sdp", body)
}

fn protected(port: u16) -> String {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\n";
    phone::described(port).replace("RTP/AVP", "RTP/SAVP") + key
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).replace('\r', "")
}

fn method(message: &Message) -> String {
    first_line(message).split(' ').next().unwrap_or_default().to_owned()
}

impl Three {
    fn call(&mut self) -> Call {
        let invite = phone::simple(&phone::request("INVITE", ALICE, BOB, CALL_ID));
        self.world.send(self.alice, &sdp(&invite, &phone::described(4000)));
        let invite = self.world.only(self.bob);
        self.world.send(self.bob, &sdp(&phone::answer(&invite, "200 OK", "bob"), &phone::described(4002)));
        let ok = self.world.only(self.alice);
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(self.bob)), "ACK");
        Call { invite, ok }
    }

    fn escalate(&mut self) -> Result<(), u16> {
        let people: Vec<Aor> = vec![CAROL.parse().unwrap()];
        let answers = self.world.on_cores(self.contoso, |core, now| core.escalate_call(now, CALL_ID, &people));
        answers
            .into_iter()
            .flatten()
            .next()
            .expect("a worker knows the call")
            .map(drop)
            .map_err(|refusal| refusal.status)
    }

    fn status(&self) -> Option<EscalationStatus> {
        let workers = 0..self.world.workers(self.contoso);
        workers.filter_map(|worker| self.world.core(self.contoso, worker).escalation_status(CALL_ID)).next()
    }

    /// Whoever is offered something on this line takes it; returns the INVITE.
    fn take(&mut self, line: Line, port: u16) -> Message {
        let invite = self.world.only(line);
        assert_eq!(method(&invite), "INVITE", "{}", first_line(&invite));
        let answer = phone::answer_to(&invite, port);
        self.world.send(line, &sdp(&phone::answer(&invite, "200 OK", "x"), &answer));
        let ack = self.world.only(line);
        assert_eq!(method(&ack), "ACK", "{}", first_line(&ack));
        invite
    }

    /// Whatever is offered on this line is refused; says how often.
    fn refuse(&mut self, line: Line, status: &str) -> usize {
        let mut count = 0;
        while let Some(invite) = self.world.take(line).into_iter().find(|message| method(message) == "INVITE") {
            self.world.send(line, &phone::answer(&invite, status, "x"));
            count += 1;
        }
        count
    }

    /// Bob's phone says what became of the call that it was asked for; gives the answer.
    fn tell_of_reference(&mut self, refer: &Message, cseq: u32, status: &str) -> Option<u16> {
        let notify = phone::by_callee("NOTIFY", refer, cseq);
        let headers = "Event: refer\nSubscription-State: active\n";
        let notify = phone::with_body(&notify, headers, "message/sipfrag", &format!("SIP/2.0 {status}\n"));
        self.world.send(self.bob, &notify);
        self.world.take_response(self.bob).status()
    }

    fn legs(&self) -> Vec<Leg> {
        self.world.sound(self.contoso).legs().map(|(_, leg)| leg.clone()).collect()
    }

    fn hang_up(&mut self, line: Line, bye: &str) {
        self.world.send(line, bye);
        assert_eq!(self.world.only(line).status(), Some(200));
    }
}

#[test]
fn a_call_of_two_becomes_a_meeting_of_three_and_nobody_redials() {
    everywhere(|mut three| {
        let call = three.call();
        assert_eq!((three.escalate(), three.status()), (Ok(()), Some(EscalationStatus::UnderWay)));
        assert_eq!(three.escalate(), Err(491), "once is enough");
        let (alice, bob, carol) = (three.alice, three.bob, three.carol);
        let to_alice = three.take(alice, 4000);
        assert_eq!(to_alice.call_id().unwrap(), CALL_ID);
        let contact = to_alice.contacts().next().unwrap().unwrap().address().unwrap().as_str().to_owned();
        assert!(contact.contains("sip:meet-") && contact.ends_with(";isfocus"), "{contact}");
        assert!(three.world.take(carol).is_empty(), "nobody is called before both are there");
        let to_bob = three.take(bob, 4002);
        assert_eq!((to_bob.call_id().unwrap(), to_bob.cseq().unwrap().number), (CALL_ID, 2));
        let to_carol = three.take(carol, 4004);
        let legs = three.legs();
        assert_eq!(three.world.meetings(three.contoso), 1);
        assert!(legs.len() == 3 && legs.iter().all(|leg| leg.session.is_some() && !leg.is_held), "{legs:?}");
        assert!(matches!(three.status(), Some(EscalationStatus::Done { .. })));
        three.hang_up(bob, &phone::by_callee("BYE", &call.invite, 1));
        assert_eq!(three.legs().len(), 2);
        three.hang_up(alice, &phone::by_caller("BYE", &call.ok, 2));
        three.hang_up(carol, &phone::by_callee("BYE", &to_carol, 1));
        assert_eq!(three.legs(), []);
        three.world.assert_quiet();
    });
}

#[test]
fn where_one_phone_refuses_the_call_goes_on_as_it_was() {
    everywhere(|mut three| {
        let call = three.call();
        let (alice, bob) = (three.alice, three.bob);
        three.escalate().unwrap();
        three.take(alice, 4000);
        assert_eq!(three.refuse(bob, "488 Not Acceptable Here"), 2, "each kind of protection is offered once");
        // Alice has agreed to the meeting's sound: she gets Bob's back.
        let restored = three.take(alice, 4000);
        assert_eq!((body(&restored), restored.cseq().unwrap().number), (phone::described(4002), 2));
        assert_eq!(three.legs(), []);
        let reason = format!("the phone of {BOB} answers 488");
        assert_eq!(three.status(), Some(EscalationStatus::Refused { reason }));
        assert_eq!(three.world.meetings(three.contoso), 0, "nothing is kept of a meeting that never was");
        assert!(three.world.take(three.carol).is_empty());
        three.world.send(alice, &phone::by_caller("INFO", &call.ok, 2));
        let info = three.world.only(bob);
        assert_eq!((method(&info), info.cseq().unwrap().number), ("INFO".to_owned(), 4));
        three.world.send(bob, &phone::answer(&info, "200 OK", "bob"));
        assert_eq!(three.world.only(alice).cseq().unwrap().number, 2);
        three.world.send(bob, &phone::by_callee("BYE", &call.invite, 1));
        let bye = three.world.only(alice);
        assert_eq!((method(&bye), bye.cseq().unwrap().number), ("BYE".to_owned(), 3));
        three.world.send(alice, &phone::answer(&bye, "200 OK", "alice"));
        assert_eq!(three.world.only(bob).status(), Some(200));
        three.world.assert_quiet();
    });
}

#[test]
fn who_hangs_up_on_the_way_does_not_keep_the_others_from_meeting() {
    everywhere(|mut three| {
        let call = three.call();
        let (alice, bob, carol) = (three.alice, three.bob, three.carol);
        three.escalate().unwrap();
        let offered = three.world.only(alice);
        three.hang_up(alice, &phone::by_caller("BYE", &call.ok, 2));
        three.world.send(alice, &phone::answer(&offered, "481 Call/Transaction Does Not Exist", "alice"));
        three.world.take(alice);
        three.take(bob, 4002);
        three.take(carol, 4004);
        assert_eq!(three.legs().len(), 2);
        assert!(matches!(three.status(), Some(EscalationStatus::Done { .. })));
    });
}

#[test]
fn a_phone_of_ours_asks_by_refer_to_the_factory() {
    everywhere(|mut three| {
        let call = three.call();
        let (alice, bob) = (three.alice, three.bob);
        let refer = |target: &str, cseq| {
            let refer = phone::by_caller("REFER", &call.ok, cseq);
            refer.replace("Content-Length: 0\n", &format!("Refer-To: <sip:{target}>\nContent-Length: 0\n"))
        };
        three.world.send(alice, &refer(CAROL, 2));
        let passed = three.world.only(bob);
        assert_eq!(method(&passed), "REFER", "to a person it is a transfer, and Bob's phone's business");
        three.world.send(bob, &phone::answer(&passed, "603 Decline", "bob"));
        assert_eq!(three.world.only(alice).status(), Some(603));
        three.world.send(alice, &refer("meet@contoso.example", 3));
        let mut came = three.world.take(alice);
        let accepted = came.remove(0);
        assert_eq!((accepted.status(), accepted.header(sip::HeaderName::ReferSub)), (Some(202), None), "not asked for");
        // The re-INVITE may overtake the NOTIFY.
        let told = came.extract_if(.., |message| method(message) == "NOTIFY").collect::<Vec<_>>();
        let [notify] = told.as_slice() else { panic!("{came:?}") };
        assert_eq!(notify.header_text(sip::HeaderName::SubscriptionState), Some("terminated;reason=noresource"));
        assert!(notify.body().starts_with(b"SIP/2.0 100 "));
        three.world.send(alice, &phone::answer(notify, "200 OK", "alice"));
        let invite = came.remove(0);
        three.world.send(alice, &sdp(&phone::answer(&invite, "200 OK", "x"), &phone::answer_to(&invite, 4000)));
        assert_eq!(method(&three.world.only(alice)), "ACK");
        three.take(bob, 4002);
        assert_eq!(three.legs().len(), 2);
        three.world.send(alice, &refer(CAROL, 4));
        assert_eq!(three.world.take_response(alice).status(), Some(202));
        three.take(three.carol, 4004);
        assert_eq!(three.legs().len(), 3);
    });
}

#[test]
fn what_is_under_way_in_the_call_comes_first() {
    everywhere(|mut three| {
        let call = three.call();
        three.world.send(three.alice, &phone::by_caller("INFO", &call.ok, 2));
        assert_eq!(three.escalate(), Err(491));
        let info = three.world.only(three.bob);
        three.world.send(three.bob, &phone::answer(&info, "200 OK", "bob"));
        assert_eq!(three.world.only(three.alice).status(), Some(200));
        assert_eq!(three.escalate(), Ok(()));
    });
}

#[test]
fn after_a_crash_each_phone_learns_that_the_meeting_is_gone() {
    everywhere(|mut three| {
        let call = three.call();
        three.escalate().unwrap();
        three.take(three.alice, 4000);
        three.world.restart(three.contoso);
        three.world.send(three.bob, &phone::by_callee("BYE", &call.invite, 1));
        let received = three.world.take(three.bob);
        assert!(received.iter().any(|message| message.status() == Some(481)), "{received:?}");
    });
}

/// Alice with a phone that shows REFER and Replaces calls Bob, whose phone says so, too, if it does.
fn proxied(three: &mut Three, bob_shows: &str) -> Message {
    let alice = phone::register(&mut three.world, three.contoso, 0, ALICE);
    three.alice = alice;
    let invite = phone::request("INVITE", ALICE, BOB, CALL_ID);
    three.world.send(alice, &sdp(&invite, &phone::described(4000)));
    let invite = three.world.only(three.bob);
    let ok = sdp(&phone::answer(&invite, "200 OK", "bob"), &phone::described(4002));
    three.world.send(three.bob, &ok.replace("Content-Length", &format!("{bob_shows}Content-Length")));
    three.invite = Some(invite);
    let ok = three.world.only(alice);
    three.world.send(alice, &phone::by_caller("ACK", &ok, 1));
    assert_eq!(method(&three.world.only(three.bob)), "ACK");
    ok
}

#[test]
fn phones_that_know_replaces_are_called_into_the_meeting_in_place_of_the_call() {
    for workers in [1, 3] {
        for seed in 0..12 {
            let mut three = three_with_one_phone_each(workers, seed);
            let ok = proxied(&mut three, "Supported: replaces\n");
            assert_eq!(three.escalate(), Ok(()));
            let replaces =
                |invite: &Message| invite.header_text(sip::HeaderName::Replaces).unwrap_or_default().to_owned();
            let to_alice = three.take(three.alice, 4000);
            assert_eq!(replaces(&to_alice), format!("{CALL_ID};to-tag=caller;from-tag=callee"));
            let to_bob = three.take(three.bob, 4002);
            assert_eq!(replaces(&to_bob), format!("{CALL_ID};to-tag=callee;from-tag=caller"));
            let to_carol = three.take(three.carol, 4004);
            assert_eq!(replaces(&to_carol), "");
            assert_eq!(three.legs().len(), 3);
            // Both end what was replaced.
            three.world.send(three.alice, &phone::by_caller("BYE", &ok, 2));
            let bye = three.world.only(three.bob);
            three.world.send(three.bob, &phone::answer(&bye, "200 OK", "bob"));
            assert_eq!(three.world.only(three.alice).status(), Some(200));
            assert_eq!(three.legs().len(), 3);
            three.world.assert_quiet();
        }
    }
}

/// A proxied call: Alice's phone shows REFER and Replaces, Bob's this.
fn everywhere_proxied(bob_shows: &str, play: impl Fn(Three, Message)) {
    for workers in [1, 3] {
        for seed in 0..12 {
            println!("workers {workers}, seed {seed}");
            let mut three = three_with_one_phone_each(workers, seed);
            let ok = proxied(&mut three, bob_shows);
            play(three, ok);
        }
    }
}

const REPLACES: &str = "Supported: replaces\n";
const REFER_ALONE: &str = "Allow: INVITE, ACK, BYE, CANCEL, REFER\n";

#[test]
fn a_phone_that_shows_refer_alone_is_asked_to_call_the_meeting_before_anybody_is_called() {
    everywhere_proxied(REFER_ALONE, |mut three, _| {
        assert_eq!((three.escalate(), three.status()), (Ok(()), Some(EscalationStatus::UnderWay)));
        assert_eq!(three.escalate(), Err(491), "once is enough");
        let refer = three.world.only(three.bob);
        assert_eq!(method(&refer), "REFER");
        let dialog = format!("{CALL_ID};local-tag=callee;remote-tag=caller");
        assert_eq!(refer.header_text(sip::HeaderName::TargetDialog), Some(dialog.as_str()));
        let target = refer.address(sip::HeaderName::ReferTo).unwrap().uri().as_str()["sip:".len()..].to_owned();
        three.world.send(three.bob, &phone::answer(&refer, "202 Accepted", "bob"));
        assert_eq!(three.tell_of_reference(&refer, 1, "100 Trying"), Some(200), "though he was asked not to");
        assert!(three.world.take(three.alice).is_empty(), "nothing is lost while he has not come");
        assert_eq!(three.world.meetings(three.contoso), 0);
        three.world.send(three.bob, &sdp(&phone::request("INVITE", BOB, &target, "comes"), &protected(4002)));
        let ok = three.world.take_response(three.bob);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        three.world.send(three.bob, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(three.tell_of_reference(&refer, 2, "200 OK"), Some(200));
        let to_alice = three.take(three.alice, 4000);
        let replaces = to_alice.header_text(sip::HeaderName::Replaces).unwrap_or_default();
        assert_eq!(replaces, format!("{CALL_ID};to-tag=caller;from-tag=callee"));
        three.take(three.carol, 4004);
        assert_eq!((three.legs().len(), three.world.meetings(three.contoso)), (3, 1));
        assert!(matches!(three.status(), Some(EscalationStatus::Done { .. })));
    });
}

#[test]
fn where_we_never_stand_between_a_phone_of_ours_that_shows_refer_alone_is_asked_too() {
    for workers in [1, 3] {
        let (mut world, sites) = organisations(workers, 1);
        for site in sites {
            world.configure(site, |config| config.calls.between = When::Never);
        }
        let alice = phone::register(&mut world, sites[0], 0, ALICE);
        let mut three = with_others(world, sites, alice, |_| 0);
        let invite = phone::request("INVITE", ALICE, BOB, CALL_ID).replace(REPLACES, "");
        three.world.send(alice, &sdp(&invite, &phone::described(4000)));
        let invite = three.world.only(three.bob);
        let ok = sdp(&phone::answer(&invite, "200 OK", "bob"), &phone::described(4002));
        three.world.send(three.bob, &ok.replace("Content-Length", &format!("{REPLACES}Content-Length")));
        let ok = three.world.only(alice);
        three.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        three.world.only(three.bob);
        let said = "[calls] between says never, and a device of ours in it shows no Replaces: it is asked by REFER";
        let is_said = |record: &DecisionRecord| matches!(&record.outcome, Outcome::Way { stands_between: false, reason } if reason == said);
        assert!(three.world.decisions(three.contoso).any(is_said));
        assert_eq!(three.escalate(), Ok(()));
        assert_eq!(method(&three.world.only(alice)), "REFER");
        assert!(three.world.take(three.bob).is_empty(), "he is called when she is there");
    }
}

#[test]
fn who_says_no_to_his_phone_is_not_waited_for() {
    everywhere_proxied(REFER_ALONE, |mut three, _| {
        assert_eq!(three.escalate(), Ok(()));
        let refer = three.world.only(three.bob);
        three.world.send(three.bob, &phone::answer(&refer, "202 Accepted", "bob"));
        assert_eq!(three.tell_of_reference(&refer, 1, "603 Decline"), Some(200));
        let reason = format!("the phone of {BOB} answers 603");
        assert_eq!(three.status(), Some(EscalationStatus::Refused { reason }));
        assert!(three.world.take(three.alice).is_empty());
    });
}

#[test]
fn where_it_does_not_come_the_call_stays_as_it_is() {
    everywhere_proxied(REFER_ALONE, |mut three, ok| {
        for (status, reason) in
            [("603 Decline", "answers 603"), ("202 Accepted", "did not call the meeting, as it was asked to")]
        {
            assert_eq!(three.escalate(), Ok(()));
            let refer = three.world.only(three.bob);
            three.world.send(three.bob, &phone::answer(&refer, status, "bob"));
            three.world.pass(std::time::Duration::from_secs(31));
            let reason = format!("the phone of {BOB} {reason}");
            assert_eq!(three.status(), Some(EscalationStatus::Refused { reason }));
            assert!(three.world.take(three.alice).is_empty());
            assert_eq!((three.legs(), three.world.meetings(three.contoso)), (vec![], 0));
        }
        three.world.send(three.alice, &phone::by_caller("BYE", &ok, 2));
        assert_eq!(method(&three.world.only(three.bob)), "BYE");
    });
}

#[test]
fn a_proxied_call_that_is_over_becomes_no_meeting() {
    for ended_by_caller in [true, false] {
        everywhere_proxied(REPLACES, |mut three, ok| {
            let (from, to) = if ended_by_caller { (three.alice, three.bob) } else { (three.bob, three.alice) };
            let bye = match ended_by_caller {
                true => phone::by_caller("BYE", &ok, 2),
                false => phone::by_callee("BYE", &three.invite.clone().unwrap(), 1),
            };
            three.world.send(from, &bye);
            let bye = three.world.only(to);
            three.world.send(to, &phone::answer(&bye, "200 OK", "x"));
            assert_eq!(three.world.only(from).status(), Some(200));
            assert_eq!(three.escalate(), Err(481));
            assert_eq!((three.legs(), three.world.meetings(three.contoso)), (vec![], 0));
            three.world.assert_quiet();
        });
    }
}

#[test]
fn where_neither_phone_comes_in_place_of_the_call_there_is_no_meeting() {
    everywhere_proxied(REPLACES, |mut three, _| {
        assert_eq!(three.escalate(), Ok(()));
        three.refuse(three.alice, "481 Call/Transaction Does Not Exist");
        three.refuse(three.bob, "481 Call/Transaction Does Not Exist");
        let Some(EscalationStatus::Refused { reason }) = three.status() else { panic!("{:?}", three.status()) };
        assert!(reason.ends_with("answers 481"), "{reason}");
        assert!(three.world.take(three.carol).is_empty());
        assert_eq!((three.legs(), three.world.meetings(three.contoso)), (vec![], 0));
    });
}

#[test]
fn a_phone_that_could_not_be_moved_is_named_and_nothing_changes() {
    let mut three = three_with_one_phone_each(3, 1);
    proxied(&mut three, "");
    assert_eq!(three.escalate(), Err(488));
    assert_eq!(three.legs(), []);
    three.world.assert_quiet();
}
