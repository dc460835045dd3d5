//! Extensions of SIP that belong to others and pass through, or that a proxy and registrar have a small part in.

use sim::{Line, certificate};
use sip::{HeaderName, Message, Method};

use crate::conversation::{
    ALICE, ANSWER, BOB, CAROL, OFFER, everywhere, method, proxied, sdp, text, with_contact, with_headers,
};
use crate::phone;

fn header(message: &Message, name: HeaderName) -> Option<&str> {
    message.header_text(name)
}

/// RFC 3262, 3311: a provisional response that is acknowledged, and a new offer before the answer.
#[test]
fn reliable_provisional_responses_and_updates_pass() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let invite = with_headers(&stage.invite(ALICE, BOB, "reliable", OFFER), "Require: 100rel");
        let received = stage.pass(alice, bob, &invite);
        assert_eq!(header(&received, HeaderName::Require), Some("100rel"), "for Bob's phone to know, not for a proxy");
        let early = with_headers(
            &sdp(&phone::answer(&received, "183 Session Progress", "bob"), ANSWER),
            "Require: 100rel\nRSeq: 813520",
        );
        let early = stage.pass(bob, alice, &early);
        assert_eq!((early.status(), early.header_by_name("RSeq")), (Some(183), Some(&b"813520"[..])));
        let prack = with_headers(&phone::by_caller("PRACK", &early, 2), "RAck: 813520 1 INVITE");
        let heard = stage.ask(alice, bob, &prack, "200 OK");
        let (rack, cseq) = (heard.header_by_name("RAck").unwrap(), received.cseq().unwrap().number);
        assert_eq!(rack, format!("813520 {cseq} INVITE").as_bytes(), "it names the INVITE as Bob has it");
        let update = with_contact(&sdp(&phone::by_caller("UPDATE", &early, 3), OFFER));
        let heard = stage.pass(alice, bob, &update);
        assert_eq!((heard.method(), text(&heard).as_str()), (Some(Method::Update), OFFER));
        let answer = stage.pass(bob, alice, &sdp(&phone::answer(&heard, "200 OK", "bob"), ANSWER));
        assert_eq!(text(&answer), ANSWER);
        let call = stage.accept(alice, bob, received, ANSWER);
        stage.hang_up(&call, true, 4);
        stage.world.assert_quiet();
    });
}

/// RFC 4028: the timer is the phones' own; a server neither shortens it nor refreshes for them.
#[test]
fn session_timers_pass_end_to_end() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let timer = "Session-Expires: 1800;refresher=uac\nMin-SE: 90";
        let invite = with_headers(&stage.invite(ALICE, BOB, "timed", OFFER), timer)
            .replace("Supported: replaces", "Supported: replaces, timer");
        let received = stage.pass(alice, bob, &invite);
        assert_eq!(header(&received, HeaderName::SessionExpires), Some("1800;refresher=uac"));
        assert_eq!(received.header_by_name("Min-SE"), Some(&b"90"[..]));
        let brief = with_headers(&phone::answer(&received, "422 Session Interval Too Small", "bob"), "Min-SE: 3600");
        let answer = stage.pass(bob, alice, &brief);
        assert_eq!((answer.status(), answer.header_by_name("Min-SE")), (Some(422), Some(&b"3600"[..])));
        assert_eq!(method(&stage.world.only(bob)), "ACK");
        stage.world.assert_quiet();
    });
}

/// RFC 3326: the phones that the call was not taken with are told why they stop ringing, so that none shows it as missed.
#[test]
fn a_cancelled_phone_is_told_the_reason() {
    proxied(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let cell = phone::register(&mut stage.world, stage.sites[1], stage.next_worker, BOB);
        let invite = stage.invite(ALICE, BOB, "elsewhere", OFFER);
        stage.world.send(alice, &invite);
        let (at_desk, at_cell) = (stage.world.only(bob), stage.world.only(cell));
        stage.world.send(bob, &phone::answer(&at_desk, "180 Ringing", "bob"));
        stage.world.only(alice);
        stage.world.send(cell, &phone::answer(&at_cell, "200 OK", "cell"));
        let cancel = stage.world.only(bob);
        assert_eq!(header(&cancel, HeaderName::Reason), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    });
}

/// RFC 3327: what is for a phone behind another proxy goes by the Path that it registered with.
#[test]
fn a_path_leads_to_the_device() {
    proxied(|mut stage| {
        stage.world.user(stage.sites[1], "bea@biloxi.example.com");
        let line = stage.world.connect(stage.sites[1], stage.next_worker, None);
        phone::register_with(
            &mut stage.world,
            line,
            "bea@biloxi.example.com",
            "Path: <sip:edge.biloxi.example.com;lr>\n",
        );
        let invite = stage.invite(ALICE, "bea@biloxi.example.com", "path", OFFER);
        let received = stage.pass(stage.alice, line, &invite);
        let routes: Vec<_> = received.routes().map(|route| route.unwrap().as_str().to_owned()).collect();
        assert_eq!(routes, ["<sip:edge.biloxi.example.com;lr>"]);
    });
}

/// RFC 3325: an identity counts from whom it was proven; what a phone prefers is for nobody else.
#[test]
fn an_asserted_identity_passes_from_whom_it_was_proven() {
    proxied(|mut stage| {
        let atlanta = stage.world.connect(stage.sites[1], 0, Some(certificate(&["sip.atlanta.example.com"])));
        for (asserted, passes) in [(ALICE, true), (CAROL, false)] {
            let message = phone::request("MESSAGE", ALICE, BOB, &format!("asserted-{passes}"));
            let message = with_headers(&message, &format!("P-Asserted-Identity: <sip:{asserted}>"));
            let received = stage.ask(atlanta, stage.bob, &message, "200 OK");
            assert_eq!(header(&received, HeaderName::PAssertedIdentity).is_some(), passes);
        }
        let message = with_headers(
            &phone::request("MESSAGE", ALICE, BOB, "own"),
            &format!("P-Asserted-Identity: <sip:{ALICE}>\nP-Preferred-Identity: <sip:{ALICE}>"),
        );
        let received = stage.ask(stage.alice, stage.bob, &message, "200 OK");
        assert_eq!(
            (header(&received, HeaderName::PAssertedIdentity), header(&received, HeaderName::PPreferredIdentity)),
            (None, None)
        );
    });
}

/// What would make a phone answer by itself, fetch something or show a name that nobody has proven does not come in; what is
/// of a domain that was proven does.
#[test]
fn a_partner_sets_nothing_off_and_claims_nothing_that_it_has_not_proven() {
    const SENT: &str = "Alert-Info: <http://192.0.2.9/>;info=alert-autoanswer\nCall-Info: <sip:x>;answer-after=0\n\
        Answer-Mode: Auto\nRemote-Party-ID: <sip:bob@biloxi.example.com>\nMS-Edge-Proxy-Message-Trust: x\n\
        Diversion: <sip:bea@biloxi.example.com>;reason=unconditional, <sip:al@atlanta.example.com>\n\
        History-Info: <sip:al@10.0.0.7>;index=1, <sip:al@atlanta.example.com>;index=1.1\nX-Kept: yes";
    proxied(|mut stage| {
        let atlanta = stage.world.connect(stage.sites[1], 0, Some(certificate(&["sip.atlanta.example.com"])));
        let invite = with_headers(&stage.invite(ALICE, BOB, "claims", OFFER), SENT);
        let received = stage.pass(atlanta, stage.bob, &invite);
        for gone in ["Alert-Info", "Call-Info", "Answer-Mode", "Remote-Party-ID", "ms-edge-proxy-message-trust"] {
            assert_eq!(received.header_by_name(gone), None, "{gone}");
        }
        assert_eq!(header(&received, HeaderName::Diversion), Some("<sip:al@atlanta.example.com>"));
        assert_eq!(header(&received, HeaderName::HistoryInfo), Some("<sip:al@atlanta.example.com>;index=1.1"));
        assert_eq!(received.header_by_name("X-Kept"), Some(&b"yes"[..]));
    });
}

/// A response is a message like any other.
#[test]
fn a_partner_s_answer_sets_nothing_off_either() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        let received = stage.pass(alice, bob, &stage.invite(ALICE, BOB, "ringing", OFFER));
        let ringing = with_headers(
            &phone::answer(&received, "180 Ringing", "bob"),
            "Alert-Info: <http://192.0.2.9/ring.wav>\nP-Charging-Vector: icid-value=1\nX-Kept: yes",
        );
        let heard = stage.pass(bob, alice, &ringing);
        assert_eq!(heard.header_by_name("Alert-Info"), None);
        assert_eq!(heard.header_by_name("P-Charging-Vector"), None);
        assert_eq!(heard.header_by_name("X-Kept"), Some(&b"yes"[..]));
        stage.accept(alice, bob, received, ANSWER);
    });
}

/// RFC 3581, and RFC 3261 18.2.1: where a request came from is written into its Via, and the answer goes there.
#[test]
fn where_a_request_came_from_is_said_in_its_via() {
    proxied(|mut stage| {
        stage.world.user(stage.sites[0], "al@atlanta.example.com");
        let line: Line = stage.world.datagrams(stage.sites[0], stage.next_worker);
        phone::register_on(&mut stage.world, line, "al@atlanta.example.com");
        let options = phone::request("OPTIONS", "al@atlanta.example.com", "atlanta.example.com", "rport");
        stage.world.send(line, &options.replace("sip:atlanta.example.com SIP", "sip:sip.atlanta.example.com SIP"));
        let answer = stage.world.only(line);
        let via = answer.top_via().unwrap();
        assert_eq!((via.received(), via.rport().flatten().is_some()), (Some("198.51.100.8"), true));
    });
}

/// RFC 5658: one Record-Route for each side, so that each is told the transport that it speaks.
#[test]
fn each_side_has_a_record_route_of_its_own() {
    everywhere(|mut stage| {
        stage.world.user(stage.sites[1], "bill@biloxi.example.com");
        let bill = stage.world.datagrams(stage.sites[1], stage.next_worker);
        phone::register_on(&mut stage.world, bill, "bill@biloxi.example.com");
        let invite = stage.invite(ALICE, "bill@biloxi.example.com", "sides", OFFER);
        let received = stage.pass(stage.alice, bill, &invite);
        let uris: Vec<_> =
            received.record_routes().map(|route| route.unwrap().uri().transport().unwrap().to_owned()).collect();
        assert_eq!(uris, ["udp", "tls", "tls", "tls"]);
    });
}

/// RFC 3842: what waits for a user and what he has registered lies with his server, and no phone of his can tell. Phones
/// ask by themselves. Nor can one say what somebody wants who names no event (RFC 6665 section 8.2.1).
#[test]
fn no_phone_is_asked_for_messages_that_wait_or_for_no_event() {
    everywhere(|mut stage| {
        let (alice, bob) = (stage.alice, stage.bob);
        for (line, from) in [(alice, ALICE), (bob, BOB)] {
            let plain = phone::request("SUBSCRIBE", from, ALICE, "waiting");
            let nameless = phone::request("SUBSCRIBE", from, ALICE, "nameless");
            let of_servers = ["message-summary", "reg", "presence.winfo", "xcap-diff"];
            let named = of_servers.map(|package| with_headers(&plain, &format!("Event: {package}")));
            for subscribe in named.into_iter().chain([nameless]) {
                stage.world.send(line, &with_contact(&subscribe));
                let refused = stage.world.only(line);
                assert_eq!(
                    (refused.status(), header(&refused, HeaderName::AllowEvents)),
                    (Some(489), Some("presence"))
                );
            }
        }
        stage.world.assert_quiet();
    });
}
