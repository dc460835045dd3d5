//! RFC 5359 sections 2.7 to 2.18: forwarding, conferences of three, find-me, screening, park, pickup, redial, click to dial.

use sim::{Line, allowed, blocked, first_line};
use sip::{HeaderName, Message};

use crate::conversation::{
    ALICE, ANSWER, BOB, CAROL, OFFER, Stage, everywhere, method, sdp, text, told, with_contact, with_headers,
};
use crate::phone;

/// Bob's phone sends Alice to Carol with this status, after ringing or at once; her phone follows.
fn forwarded(mut stage: Stage, rings: bool, answer: &str) {
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let invite = stage.invite(ALICE, BOB, "forwarded", OFFER);
    let received = if rings { stage.ring(alice, bob, &invite) } else { stage.pass(alice, bob, &invite) };
    let moved = phone::answer(&received, answer, "bob")
        .replace("<sip:bob@phone.invalid;transport=tls>", &format!("<sip:{CAROL}>"));
    let moved = stage.pass(bob, alice, &moved);
    assert!(first_line(&moved).ends_with(answer));
    assert_eq!(moved.header_text(HeaderName::Contact), Some(&*format!("<sip:{CAROL}>")));
    assert_eq!(method(&stage.world.only(bob)), "ACK");
    let followed = stage.invite(ALICE, CAROL, "followed", OFFER);
    let call = stage.establish(alice, carol, &followed, ANSWER);
    stage.hang_up(&call, true, 2);
    stage.world.assert_quiet();
}

/// No user of ours has rules of his own that send calls elsewhere: his phone says so, and the caller's follows.
#[test]
fn call_forwarding_unconditional_2_7() {
    everywhere(|stage| forwarded(stage, false, "302 Moved Temporarily"));
}

#[test]
fn call_forwarding_no_answer_2_9() {
    everywhere(|stage| forwarded(stage, true, "302 Moved Temporarily"));
}

/// Busy without a Contact is busy.
#[test]
fn call_forwarding_busy_2_8() {
    everywhere(|mut stage| {
        let invite = stage.invite(ALICE, BOB, "busy", OFFER);
        let received = stage.pass(stage.alice, stage.bob, &invite);
        stage.answer(stage.bob, stage.alice, &received, "486 Busy Here");
        assert_eq!(method(&stage.world.only(stage.bob)), "ACK");
        stage.world.assert_quiet();
    });
    everywhere(|stage| forwarded(stage, false, "302 Moved Temporarily"));
}

/// Bob's phone mixes: it is a focus from now on, and says so in its Contact.
#[test]
fn three_way_conference_third_party_is_added_2_10() {
    everywhere(|mut stage| {
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(ALICE, BOB, "a-b", OFFER);
        let call = stage.establish(alice, bob, &invite, ANSWER);
        let focus = "Contact: <sip:conf@phone.invalid>;isfocus";
        let reinvite = with_headers(&sdp(&call.request("INVITE", false, 1), ANSWER), focus);
        let received = stage.pass(bob, alice, &reinvite);
        assert_eq!(received.header_text(HeaderName::Contact), Some("<sip:conf@phone.invalid>;isfocus"));
        stage.pass(alice, bob, &sdp(&phone::answer(&received, "200 OK", "alice"), OFFER));
        stage.pass(bob, alice, &call.request("ACK", false, 1));
        let invite =
            stage.invite(BOB, CAROL, "b-c", ANSWER).replace("Contact: <sip:bob@phone.invalid;transport=tls>", focus);
        let third = stage.establish(bob, carol, &invite, OFFER);
        assert_eq!(third.invite.header_text(HeaderName::Contact), Some("<sip:conf@phone.invalid>;isfocus"));
        stage.hang_up(&third, false, 1);
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

/// Carol asks to join the call of Alice and Bob: what Join names is for Bob's phone to find.
#[test]
fn three_way_conference_third_party_joins_2_11() {
    everywhere(|mut stage| {
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(ALICE, BOB, "a-b", OFFER);
        let call = stage.establish(alice, bob, &invite, ANSWER);
        let join = "a-b;to-tag=callee;from-tag=caller";
        let invite = with_headers(&stage.invite(CAROL, BOB, "c-b", OFFER), &format!("Join: {join}\nRequire: join"));
        let joined = stage.establish(carol, bob, &invite, ANSWER);
        assert_eq!(joined.invite.header_text(HeaderName::Join), Some(join));
        assert_eq!(joined.invite.header_text(HeaderName::Require), Some("join"), "for Bob's phone to know");
        stage.hang_up(&joined, true, 2);
        stage.hang_up(&call, false, 1);
        stage.world.assert_quiet();
    });
}

/// All of Bob's phones ring; the one that is answered has the call, and the others stop. It is also how one line is on several
/// phones: each is a binding of the same address.
#[test]
fn find_me_2_12() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let cell = phone::register(&mut stage.world, stage.sites[1], stage.next_worker, BOB);
        let invite = stage.invite(ALICE, BOB, "found", OFFER);
        stage.world.send(alice, &invite);
        let (at_desk, at_cell) = (stage.world.only(bob), stage.world.only(cell));
        stage.world.send(bob, &phone::answer(&at_desk, "180 Ringing", "bob"));
        assert_eq!(stage.world.only(alice).status(), Some(180));
        let found = stage.pass(cell, alice, &sdp(&phone::answer(&at_cell, "200 OK", "cell"), ANSWER));
        assert_eq!(found.status(), Some(200));
        let cancelled = stage.world.only(bob);
        assert_eq!(method(&cancelled), "CANCEL");
        stage.world.send(bob, &phone::answer(&cancelled, "200 OK", "bob"));
        stage.world.send(bob, &phone::answer(&at_desk, "487 Request Terminated", "bob"));
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        assert_eq!(method(&stage.pass(alice, cell, &phone::by_caller("ACK", &found, 1))), "ACK");
        stage.ask(cell, alice, &phone::by_callee("BYE", &at_cell, 1), "200 OK");
        stage.world.assert_quiet();
    });
}

/// As the RFC has it: Bob's first phone is busy, the one that he wants less is called then, and Alice hears of one call.
#[test]
fn find_me_one_after_the_other_2_12() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let cell = phone::register_wanted(&mut stage.world, stage.sites[1], stage.next_worker, BOB, "0.5");
        let invite = stage.invite(ALICE, BOB, "found", OFFER);
        let at_desk = stage.pass(alice, bob, &invite);
        assert!(stage.world.take(cell).is_empty());
        stage.world.send(bob, &phone::answer(&at_desk, "486 Busy Here", "bob"));
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        let at_cell = stage.world.only(cell);
        stage.answer(cell, alice, &at_cell, "180 Ringing");
        let call = stage.accept(alice, cell, at_cell, ANSWER);
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

/// Who may call is a matter of domains here, decided at the border; a user screens with his phone.
#[test]
fn incoming_call_screening_2_13() {
    everywhere(|mut stage| {
        let partners = vec![blocked("atlanta.example.com"), allowed("chicago.example.com")];
        stage.world.replace_partners(stage.sites[1], partners);
        let invite = stage.invite(ALICE, BOB, "screened", OFFER);
        stage.world.send(stage.alice, &invite);
        assert_eq!(told(&stage.world.only(stage.alice)), (403, "domain-blocked".to_owned()));
        let invite = stage.invite(CAROL, BOB, "let in", OFFER).replace("let in", "let-in");
        let call = stage.establish(stage.carol, stage.bob, &invite, ANSWER);
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

#[test]
fn outgoing_call_screening_2_14() {
    everywhere(|mut stage| {
        let partners = vec![blocked("biloxi.example.com"), allowed("chicago.example.com")];
        stage.world.replace_partners(stage.sites[0], partners);
        let invite = stage.invite(ALICE, BOB, "screened", OFFER);
        stage.world.send(stage.alice, &invite);
        assert_eq!(told(&stage.world.only(stage.alice)), (403, "domain-blocked".to_owned()));
        assert!(stage.world.take(stage.bob).is_empty());
    });
}

/// Bob has the park server, at Chicago, take his place with Alice; and takes its place himself to have her back.
#[test]
fn call_park_2_15() {
    everywhere(|mut stage| {
        let (alice, bob, park) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(ALICE, BOB, "a-b", OFFER);
        let call = stage.establish(alice, bob, &invite, ANSWER);
        let refer_to = format!("<sip:{ALICE}?Replaces=a-b%3Bto-tag%3Dcaller%3Bfrom-tag%3Dcallee>");
        let refer = with_headers(&phone::request("REFER", BOB, CAROL, "park"), &format!("Refer-To: {refer_to}"));
        let received = stage.ask(bob, park, &refer, "202 Accepted");
        assert_eq!(received.header_text(HeaderName::ReferTo), Some(&*refer_to));
        let replaces = "Replaces: a-b;to-tag=caller;from-tag=callee";
        let invite = with_headers(&stage.invite(CAROL, ALICE, "c-a", ANSWER), replaces);
        let parked = stage.establish(park, alice, &invite, OFFER);
        stage.hang_up(&call, true, 2);
        let replaces = "Replaces: c-a;to-tag=callee;from-tag=caller";
        let invite = with_headers(&stage.invite(BOB, ALICE, "b-a", ANSWER), replaces);
        let retrieved = stage.establish(bob, alice, &invite, OFFER);
        assert!(retrieved.invite.header_text(HeaderName::Replaces).is_some());
        stage.hang_up(&parked, false, 1);
        stage.hang_up(&retrieved, false, 1);
        stage.world.assert_quiet();
    });
}

/// A watcher of what Bob's phone does (RFC 4235): its phone answers for itself, the servers pass it on.
struct Watch {
    line: Line,
    subscribe: Message,
}

impl Stage {
    fn watch_bob(&mut self, line: Line, watcher: &str, dialogs: &str) -> Watch {
        let request = phone::request("SUBSCRIBE", watcher, BOB, "watch");
        let subscribe = self.pass(line, self.bob, &with_headers(&request, "Event: dialog\nExpires: 60"));
        self.answer(self.bob, line, &subscribe, "200 OK");
        let watch = Watch { line, subscribe };
        self.tell(&watch, 1, dialogs);
        watch
    }

    fn tell(&mut self, watch: &Watch, cseq: u32, dialogs: &str) {
        let headers = "Event: dialog\nSubscription-State: active;expires=60";
        let notify = with_headers(&phone::by_callee("NOTIFY", &watch.subscribe, cseq), headers);
        let notify = with_contact(&phone::with_body(&notify, "", "application/dialog-info+xml", dialogs));
        let heard = self.ask(self.bob, watch.line, &notify, "200 OK");
        assert_eq!(text(&heard), dialogs);
    }
}

/// Carol sees that Bob's phone rings, and takes the call in its place, while it is an early dialog.
#[test]
fn call_pickup_2_16() {
    everywhere(|mut stage| {
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(ALICE, BOB, "rings", OFFER);
        let ringing = stage.ring(alice, bob, &invite);
        stage.watch_bob(carol, CAROL, "<dialog-info><state>early</state></dialog-info>\n");
        let replaces = "rings;to-tag=caller;from-tag=callee;early-only";
        let pickup = with_headers(&stage.invite(CAROL, ALICE, "pickup", OFFER), &format!("Replaces: {replaces}"));
        let call = stage.establish(carol, alice, &pickup, ANSWER);
        assert_eq!(call.invite.header_text(HeaderName::Replaces), Some(replaces));
        let cancel = phone::request("CANCEL", ALICE, BOB, "rings").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        stage.world.send(alice, &cancel);
        assert_eq!(stage.world.only(alice).status(), Some(200));
        let cancelled = stage.world.only(bob);
        stage.world.send(bob, &phone::answer(&cancelled, "200 OK", "bob"));
        stage.answer(bob, alice, &ringing, "487 Request Terminated");
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

/// Bob is busy; Alice's phone hears when he is not any more, and calls again.
#[test]
fn automatic_redial_2_17() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let invite = stage.invite(ALICE, BOB, "first", OFFER);
        let received = stage.pass(alice, bob, &invite);
        stage.answer(bob, alice, &received, "486 Busy Here");
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        let watch = stage.watch_bob(alice, ALICE, "<dialog-info><state>confirmed</state></dialog-info>\n");
        stage.tell(&watch, 2, "<dialog-info><state>terminated</state></dialog-info>\n");
        let invite = stage.invite(ALICE, BOB, "again", OFFER);
        let call = stage.establish(alice, bob, &invite, ANSWER);
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

/// A page that Bob clicks at has his phone call Carol: a REFER outside of any call, and what it tells of that.
#[test]
fn click_to_dial_2_18() {
    everywhere(|mut stage| {
        let (page, bob, carol) = (stage.alice, stage.bob, stage.carol);
        let refer = with_headers(&phone::request("REFER", ALICE, BOB, "click"), &format!("Refer-To: <sip:{CAROL}>"));
        let received = stage.pass(page, bob, &refer);
        assert_eq!(received.header_text(HeaderName::ReferTo), Some(&*format!("<sip:{CAROL}>")));
        stage.answer(bob, page, &received, "202 Accepted");
        let notify = |cseq, state: &str, fragment: &str| {
            let headers = format!("Event: refer\nSubscription-State: {state}");
            let notify = with_headers(&phone::by_callee("NOTIFY", &received, cseq), &headers);
            with_contact(&phone::with_body(&notify, "", "message/sipfrag", fragment))
        };
        let heard = stage.ask(bob, page, &notify(1, "active;expires=60", "SIP/2.0 100 Trying\n"), "200 OK");
        assert_eq!(text(&heard), "SIP/2.0 100 Trying\n");
        let invite = stage.invite(BOB, CAROL, "b-c", OFFER);
        let call = stage.establish(bob, carol, &invite, ANSWER);
        stage.ask(bob, page, &notify(2, "terminated;reason=noresource", "SIP/2.0 200 OK\n"), "200 OK");
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}
