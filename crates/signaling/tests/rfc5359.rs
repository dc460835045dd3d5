//! RFC 5359 sections 2.1 to 2.6: hold and transfer, services of the phones that pass through two or three servers.

use sim::Line;
use sip::{HeaderName, Message};

use crate::conversation::{
    ALICE, ANSWER, BOB, CAROL, Call, OFFER, Stage, everywhere, method, sdp, text, with_contact, with_headers,
};
use crate::phone;

const CAROLS: &str = "v=0\no=carol 3 3 IN IP4 192.0.2.50\ns=-\nc=IN IP4 192.0.2.50\nt=0 0\nm=audio 45678 RTP/AVP 0\n";

fn held(body: &str, direction: &str) -> String {
    format!("{body}a={direction}\n")
}

impl Stage {
    fn call_bob(&mut self) -> Call {
        let invite = self.invite(ALICE, BOB, "a-b", OFFER);
        self.establish(self.alice, self.bob, &invite, ANSWER)
    }

    /// Bob puts Alice on hold; he is the callee of that call.
    fn hold(&mut self, call: &Call, cseq: u32) {
        self.offer_again(call, false, cseq, &held(ANSWER, "sendonly"), &held(OFFER, "recvonly"));
    }

    /// Tells how a reference goes on, within the dialog that it came in.
    fn notify(&mut self, from: Line, to: Line, request: &str, state: &str, fragment: &str) {
        let headers = format!("Event: refer\nSubscription-State: {state}");
        let notify = phone::with_body(&with_headers(request, &headers), "", "message/sipfrag;version=2.0", fragment);
        let received = self.ask(from, to, &with_contact(&notify), "200 OK");
        assert_eq!((received.header_text(HeaderName::Event), text(&received).as_str()), (Some("refer"), fragment));
        assert_eq!(received.header_text(HeaderName::SubscriptionState), Some(state));
    }

    /// Bob asks Alice within their call to call somebody else; returns the REFER as she has it.
    fn refer_alice(&mut self, call: &Call, cseq: u32, refer_to: &str) -> Message {
        let headers = format!("Refer-To: {refer_to}\nReferred-By: <sip:{BOB}>");
        let refer = with_contact(&with_headers(&call.request("REFER", false, cseq), &headers));
        let received = self.ask(call.callee, call.caller, &refer, "202 Accepted");
        assert_eq!(received.header_text(HeaderName::ReferTo), Some(refer_to), "as Bob wrote it");
        assert_eq!(received.header_text(HeaderName::ReferredBy), Some(&*format!("<sip:{BOB}>")));
        received
    }
}

#[test]
fn call_hold_2_1() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        stage.hold(&call, 1);
        stage.offer_again(&call, false, 2, ANSWER, OFFER);
        // Alice may hold as well, and without an address for the sound, as RFC 2543 had it.
        stage.offer_again(&call, true, 2, &OFFER.replace("c=IN IP4 192.0.2.101", "c=IN IP4 0.0.0.0"), ANSWER);
        stage.offer_again(&call, true, 3, OFFER, ANSWER);
        stage.hang_up(&call, true, 4);
        stage.world.assert_quiet();
    });
}

#[test]
fn consultation_hold_2_2() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        stage.hold(&call, 1);
        let invite = stage.invite(BOB, CAROL, "b-c", ANSWER);
        let consulted = stage.establish(stage.bob, stage.carol, &invite, CAROLS);
        stage.hang_up(&consulted, true, 2);
        stage.offer_again(&call, false, 2, ANSWER, OFFER);
        stage.hang_up(&call, false, 3);
        stage.world.assert_quiet();
    });
}

/// Bob's phone has the music server offer to Alice what it plays: two late offers, one in each call.
#[test]
fn music_on_hold_2_3() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        let (alice, bob, music) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(BOB, CAROL, "music", "");
        let received = stage.pass(bob, music, &invite);
        let played = held(CAROLS, "sendonly");
        let ok = stage.pass(music, bob, &sdp(&phone::answer(&received, "200 OK", "music"), &played));
        let listens = held(OFFER, "recvonly");
        stage.offer_again(&call, false, 1, &played, &listens);
        let ack = stage.pass(bob, music, &sdp(&phone::by_caller("ACK", &ok, 1), &listens));
        assert_eq!(text(&ack), listens);
        stage.ask(bob, music, &phone::by_caller("BYE", &ok, 2), "200 OK");
        stage.offer_again(&call, false, 2, ANSWER, OFFER);
        stage.hang_up(&call, true, 2);
        assert!(stage.world.take(alice).is_empty());
        stage.world.assert_quiet();
    });
}

/// The call of Alice and Bob is over before she tells how the other one went, in its dialog all the same.
#[test]
fn transfer_unattended_2_4() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        stage.refer_alice(&call, 1, &format!("<sip:{CAROL}>"));
        stage.notify(alice, bob, &call.request("NOTIFY", true, 2), "active;expires=60", "SIP/2.0 100 Trying\n");
        stage.hang_up(&call, false, 2);
        let invite = with_headers(&stage.invite(ALICE, CAROL, "a-c", OFFER), &format!("Referred-By: <sip:{BOB}>"));
        let transferred = stage.establish(alice, carol, &invite, CAROLS);
        assert_eq!(transferred.invite.header_text(HeaderName::ReferredBy), Some(&*format!("<sip:{BOB}>")));
        let state = "terminated;reason=noresource";
        stage.notify(alice, bob, &call.request("NOTIFY", true, 3), state, "SIP/2.0 200 OK\n");
        stage.hang_up(&transferred, false, 1);
        stage.world.assert_quiet();
    });
}

/// Alice takes Bob's place in his call with Carol: what Replaces names is the dialog as Carol has it.
#[test]
fn transfer_attended_2_5() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        stage.hold(&call, 1);
        let invite = stage.invite(BOB, CAROL, "b-c", ANSWER);
        let consulted = stage.establish(bob, carol, &invite, CAROLS);
        let replaces = "b-c;to-tag=callee;from-tag=caller";
        let escaped = replaces.replace(';', "%3B").replace('=', "%3D");
        stage.refer_alice(&call, 2, &format!("<sip:{CAROL}?Replaces={escaped}>"));
        let invite = with_headers(&stage.invite(ALICE, CAROL, "a-c", OFFER), &format!("Replaces: {replaces}"));
        let received = stage.pass(alice, carol, &invite);
        assert_eq!(received.header_text(HeaderName::Replaces), Some(replaces));
        let (id, dialog) = (consulted.call_id().to_owned(), &consulted.invite);
        assert_eq!((id.as_str(), dialog.from().unwrap().tag()), ("b-c", Some("caller")), "the dialog that it names");
        let transferred = stage.accept(alice, carol, received, CAROLS);
        stage.hang_up(&consulted, false, 1);
        let state = "terminated;reason=noresource";
        stage.notify(alice, bob, &call.request("NOTIFY", true, 2), state, "SIP/2.0 200 OK\n");
        stage.hang_up(&call, false, 3);
        stage.hang_up(&transferred, true, 2);
        stage.world.assert_quiet();
    });
}

/// Bob cannot talk, and has Alice write to him instead.
#[test]
fn transfer_to_instant_messaging_2_6() {
    everywhere(|mut stage| {
        let call = stage.call_bob();
        let (alice, bob) = (stage.alice, stage.bob);
        stage.refer_alice(&call, 1, &format!("<sip:{BOB};method=MESSAGE>"));
        stage.notify(alice, bob, &call.request("NOTIFY", true, 2), "active;expires=60", "SIP/2.0 100 Trying\n");
        stage.hang_up(&call, false, 2);
        let message =
            phone::with_body(&phone::request("MESSAGE", ALICE, BOB, "im"), "", "text/plain", "In writing, then?\n");
        let received = stage.ask(alice, bob, &message, "200 OK");
        assert_eq!((method(&received).as_str(), text(&received).as_str()), ("MESSAGE", "In writing, then?\n"));
        let state = "terminated;reason=noresource";
        stage.notify(alice, bob, &call.request("NOTIFY", true, 3), state, "SIP/2.0 200 OK\n");
        stage.world.assert_quiet();
    });
}
