//! RFC 3665 section 3: sessions through two proxies, each as a proxy sees it and where we stand between the phones. Sections 3.1
//! and 3.5 have no element of ours in them; the manifest of flows says so.

use std::time::Duration;

use sim::{Condition, Line, PASSWORD, first_line};
use sip::{HeaderName, Message, Method, auth};

use crate::conversation::{
    self, ALICE, ANSWER, BOB, CAROL, Kind, OFFER, Stage, everywhere, method, proxied, sdp, told, with_headers,
};
use crate::phone;

/// The credentials that answer a 407.
fn credentials(challenge: &Message, user: &str, request_uri: &str) -> String {
    assert_eq!(first_line(challenge), "SIP/2.0 407 Proxy Authentication Required");
    let values: Vec<&str> =
        challenge.header_all(HeaderName::ProxyAuthenticate).map(|value| std::str::from_utf8(value).unwrap()).collect();
    let value = auth::answer(&values, user, PASSWORD, &Method::Invite, request_uri, b"", "cnonce", 1).unwrap();
    format!("Proxy-Authorization: {value}")
}

/// The ACK of a phone for a final response other than 2xx: of the same branch (RFC 3261 17.1.1.3).
fn ack_of(invite: &str, response: &Message) -> String {
    let to = response.header_text(HeaderName::To).unwrap();
    let mut ack = String::new();
    for line in invite.split("\n\n").next().unwrap().lines() {
        match line.split_once(':') {
            Some(("To", _)) => ack += &format!("To: {to}\n"),
            Some(("CSeq", _)) => ack += "CSeq: 1 ACK\n",
            Some(("Content-Length", _)) => ack += "Content-Length: 0\n",
            Some(("Content-Type", _)) => {}
            _ => ack += &format!("{}\n", line.replacen("INVITE sip:", "ACK sip:", 1)),
        }
    }
    ack + "\n"
}

/// As a phone by UDP, of a user who is signed in with it.
fn by_datagrams(stage: &mut Stage, site: usize, aor: &str) -> Line {
    let line = stage.world.datagrams(stage.sites[site], stage.next_worker);
    phone::register_on(&mut stage.world, line, aor);
    line
}

impl Stage {
    /// The INVITE is refused by the callee with this status, and that is what the caller hears.
    fn refused(&mut self, invite: &str, status: &str) -> Message {
        let (alice, bob) = (self.alice, self.bob);
        let received = self.ring(alice, bob, invite);
        self.world.send(bob, &phone::answer(&received, status, "bob"));
        let answer = self.world.only(alice);
        assert!(first_line(&answer).ends_with(status), "{}", first_line(&answer));
        let ack = self.world.only(bob);
        assert_eq!(method(&ack), "ACK", "each hop acknowledges what is no 2xx");
        assert_eq!(ack.top_via().unwrap().branch(), received.top_via().unwrap().branch());
        self.world.send(alice, &ack_of(invite, &answer));
        self.world.assert_quiet();
        answer
    }
}

#[test]
fn session_establishment_through_two_proxies_3_2() {
    everywhere(|mut stage| {
        stage.world.user(stage.sites[0], "al@atlanta.example.com");
        let (al, bob) = (by_datagrams(&mut stage, 0, "al@atlanta.example.com"), stage.bob);
        let invite = sdp(&phone::request("INVITE", "al@atlanta.example.com", BOB, "3.2"), OFFER);
        stage.world.send(al, &invite);
        let challenge = stage.world.only(al);
        stage.world.send(al, &ack_of(&invite, &challenge));
        let proof = credentials(&challenge, "al", &format!("sip:{BOB}"));
        let invite =
            with_headers(&invite, &proof).replace("branch=z9hG4bK", "branch=z9hG4bK2").replace("1 INVITE", "2 INVITE");
        let received = stage.ring(al, bob, &invite);
        assert_eq!(received.vias().count(), if stage.kind == Kind::Proxied { 3 } else { 1 });
        let call = stage.accept(al, bob, received, ANSWER);
        stage.hang_up(&call, false, 1);
        stage.world.assert_quiet();
    });
}

/// An INVITE that takes longer than 200 ms to be answered is told so by the first hop alone (RFC 3261 16.2, 17.2.1).
#[test]
fn trying_is_of_the_first_hop_3_2() {
    everywhere(|mut stage| {
        let invite = stage.invite(ALICE, BOB, "trying", OFFER);
        let received = stage.pass(stage.alice, stage.bob, &invite);
        stage.world.pass(Duration::from_millis(250));
        assert_eq!(first_line(&stage.world.only(stage.alice)), "SIP/2.0 100 Trying");
        stage.world.send(stage.bob, &phone::answer(&received, "100 Trying", "bob"));
        stage.world.assert_quiet();
    });
}

/// The second proxy asks nothing of Alice: the first one's certificate proves her domain. A challenge of an element further on
/// passes as it is, and so do the credentials for it beside those for us.
#[test]
fn session_with_multiple_proxy_authentication_3_3() {
    proxied(|mut stage| {
        stage.world.user(stage.sites[0], "al@atlanta.example.com");
        let (al, bob) = (by_datagrams(&mut stage, 0, "al@atlanta.example.com"), stage.bob);
        let invite = phone::request("INVITE", "al@atlanta.example.com", BOB, "3.3");
        stage.world.send(al, &invite);
        let ours = credentials(&stage.world.only(al), "al", &format!("sip:{BOB}"));
        let numbered = |number: u32, headers: &str| {
            let invite = invite.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{number}"));
            with_headers(&invite.replace("1 INVITE", &format!("{number} INVITE")), headers)
        };
        let received = stage.pass(al, bob, &numbered(2, &ours));
        let challenge =
            "Proxy-Authenticate: Digest realm=\"pbx.biloxi.example.com\", qop=\"auth\", nonce=\"c1\", algorithm=MD5";
        let refusal = with_headers(&phone::answer(&received, "407 Proxy Authentication Required", "bob"), challenge);
        let challenge = stage.pass(bob, al, &refusal);
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        let theirs = credentials(&challenge, "al", &format!("sip:{BOB}"));
        stage.world.send(al, &numbered(3, &theirs));
        let again = credentials(&stage.world.only(al), "al", &format!("sip:{BOB}"));
        let received = stage.pass(al, bob, &numbered(4, &format!("{again}\n{theirs}")));
        let passed: Vec<_> = received.header_all(HeaderName::ProxyAuthorization).map(String::from_utf8_lossy).collect();
        assert_eq!(passed, [theirs.trim_start_matches("Proxy-Authorization: ")], "ours stay here");
        let call = stage.accept(al, bob, received, ANSWER);
        stage.hang_up(&call, true, 5);
    });
}

/// The first of Biloxi's servers is dead: the second one gets the INVITE, with nothing asked of Alice's phone.
#[test]
fn session_with_proxy_failure_3_4() {
    everywhere(|mut stage| {
        stage.world.server(stage.sites[1], 10, "ss1.biloxi.example.com", &["192.0.2.71"]);
        stage.world.server(stage.sites[1], 20, "ss2.biloxi.example.com", &["192.0.2.72"]);
        stage.world.set_condition("192.0.2.71", Condition::Dead);
        let invite = stage.invite(ALICE, BOB, "3.4", OFFER);
        let call = stage.establish(stage.alice, stage.bob, &invite, ANSWER);
        let dialled: Vec<String> = stage.world.dialled.iter().map(ToString::to_string).collect();
        assert_eq!(dialled, ["192.0.2.71", "192.0.2.72"]);
        stage.hang_up(&call, true, 2);
        stage.world.assert_quiet();
    });
}

/// Whoever redirects, his 302 and its Contact are for the caller's phone to follow; its next INVITE has no offer.
#[test]
fn session_via_redirect_with_the_answer_in_the_ack_3_6() {
    everywhere(|mut stage| {
        let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
        let invite = stage.invite(ALICE, BOB, "3.6", "");
        let received = stage.pass(alice, bob, &invite);
        let moved = phone::answer(&received, "302 Moved Temporarily", "bob")
            .replace("<sip:bob@phone.invalid;transport=tls>", &format!("<sip:{CAROL}>"));
        let answer = stage.pass(bob, alice, &moved);
        let contact = answer.contacts().next().unwrap().unwrap();
        assert_eq!(
            (answer.status(), contact.address().unwrap().uri().as_str()),
            (Some(302), "sip:carol@chicago.example.com")
        );
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        stage.world.send(alice, &ack_of(&invite, &answer));
        let followed =
            stage.invite(ALICE, CAROL, "3.6", "").replace("1 INVITE", "2 INVITE").replace("z9hG4bK", "z9hG4bK2");
        let received = stage.ring(alice, carol, &followed);
        let ok = stage.pass(carol, alice, &sdp(&phone::answer(&received, "200 OK", "carol"), OFFER));
        assert_eq!(conversation::text(&ok), OFFER);
        let ack = stage.pass(alice, carol, &sdp(&phone::by_caller("ACK", &ok, 2), ANSWER));
        assert_eq!(conversation::text(&ack), ANSWER);
        stage.ask(carol, alice, &phone::by_callee("BYE", &received, 1), "200 OK");
        stage.world.assert_quiet();
    });
}

/// Bob's phone has another address from now on: it is in the Contact and the offer of a re-INVITE, and the next request goes there.
#[test]
fn session_with_re_invite_3_7() {
    everywhere(|mut stage| {
        let invite = stage.invite(ALICE, BOB, "3.7", OFFER);
        let call = stage.establish(stage.alice, stage.bob, &invite, ANSWER);
        let moved = ANSWER.replace("192.0.2.201", "192.0.2.100");
        let reinvite = with_headers(&sdp(&call.request("INVITE", false, 14), &moved), "Contact: <sip:bob@192.0.2.100>");
        let received = stage.pass(stage.bob, stage.alice, &reinvite);
        assert_eq!(conversation::text(&received), moved);
        let contact = received.contacts().next().unwrap().unwrap().address().unwrap().uri().as_str().to_owned();
        assert_eq!(contact, "sip:bob@192.0.2.100");
        stage.world.send(stage.alice, &sdp(&phone::answer(&received, "200 OK", "alice"), OFFER));
        assert_eq!(stage.world.only(stage.bob).status(), Some(200));
        let ack = stage.pass(stage.bob, stage.alice, &call.request("ACK", false, 14));
        assert_eq!(method(&ack), "ACK");
        let bye = call.request("BYE", true, 2).replacen(
            "BYE sip:callee@phone.invalid;transport=tls",
            "BYE sip:bob@192.0.2.100",
            1,
        );
        let bye = stage.ask(stage.alice, stage.bob, &bye, "200 OK");
        assert_eq!(bye.request_uri(), Some("sip:bob@192.0.2.100"));
        stage.world.assert_quiet();
    });
}

#[test]
fn unsuccessful_no_answer_3_8() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let invite = stage.invite(ALICE, BOB, "3.8", OFFER);
        let ringing = stage.ring(alice, bob, &invite);
        let cancel = phone::request("CANCEL", ALICE, BOB, "3.8").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        let reason = "Q.850;cause=31, SIP;cause=200;text=\"Call completed elsewhere\"";
        stage.world.send(alice, &cancel.replace("\nContent-Length", &format!("\nReason: {reason}\nContent-Length")));
        assert_eq!(stage.world.only(alice).cseq().unwrap().method, Method::Cancel, "hop by hop");
        let cancelled = stage.world.only(bob);
        assert_eq!(cancelled.header_text(HeaderName::Reason), Some(reason), "RFC 3326: it is not missed");
        assert_eq!((method(&cancelled).as_str(), cancelled.vias().count()), ("CANCEL", 1));
        assert_eq!(cancelled.top_via().unwrap().branch(), ringing.top_via().unwrap().branch());
        stage.world.send(bob, &phone::answer(&cancelled, "200 OK", "bob"));
        stage.world.send(bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        let answer = stage.world.only(alice);
        assert_eq!(first_line(&answer), "SIP/2.0 487 Request Terminated");
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        stage.world.send(alice, &ack_of(&invite, &answer));
        stage.world.assert_quiet();
    });
}

#[test]
fn unsuccessful_busy_3_9() {
    everywhere(|mut stage| {
        let invite = stage.invite(ALICE, BOB, "3.9", OFFER);
        stage.refused(&invite, "486 Busy Here");
    });
}

/// Bob's phone, by UDP, is silent: it gets the INVITE seven times in 32 seconds, and then the caller hears that it did not answer.
#[test]
fn unsuccessful_no_response_from_user_agent_3_10() {
    proxied(|mut stage| {
        stage.world.user(stage.sites[1], "bill@biloxi.example.com");
        let bill = by_datagrams(&mut stage, 1, "bill@biloxi.example.com");
        let invite = stage.invite(ALICE, "bill@biloxi.example.com", "3.10", OFFER);
        stage.world.send(stage.alice, &invite);
        stage.world.pass(Duration::from_secs(40));
        let received = stage.world.take(bill);
        assert_eq!(received.len(), 7, "after 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds again (RFC 3261 17.1.1.2)");
        assert!(received.iter().all(|again| again == &received[0]));
        let answers: Vec<String> = stage.world.take(stage.alice).iter().map(first_line).collect();
        assert_eq!(answers, ["SIP/2.0 100 Trying", "SIP/2.0 408 Request Timeout"]);
    });
}

#[test]
fn unsuccessful_temporarily_unavailable_3_11() {
    everywhere(|mut stage| {
        let invite = stage.invite(ALICE, BOB, "3.11", OFFER);
        let answer = stage.refused(&invite, "480 Temporarily Unavailable");
        assert_eq!(told(&answer).1, "", "what his phone says is no refusal of ours");
        stage.world.hang_up(stage.bob);
        let invite = stage.invite(ALICE, BOB, "3.11 away", OFFER);
        let invite = invite.replace("3.11 away", "away");
        stage.world.send(stage.alice, &invite);
        assert_eq!(told(&stage.world.only(stage.alice)), (480, "user-offline".to_owned()));
    });
}
