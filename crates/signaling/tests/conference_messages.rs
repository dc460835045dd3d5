//! Conversations of many in writing, over three organisations of one and of three workers each: by sessions, and by those and single
//! messages in one.

use std::time::Duration;

use sim::first_line;
use sip::{HeaderName, Message};

use crate::phone;
use crate::room::*;

#[test]
fn sessions_and_single_messages_are_one_conversation_without_sound() {
    everywhere(|mut room| {
        let cpim = MESSAGES.replace("text/plain", "text/plain message/cpim");
        let alice = room.join(room.alice, ALICE, FACTORY, &cpim);
        assert_eq!(media_lines(&alice), ["m=message 5060 sip null"]);
        let address = conference(&alice);
        let dave = room.join(room.dave, DAVE, &address, &format!("m=message 9 TCP/MSRP *\n{MESSAGES}"));
        assert_eq!(media_lines(&dave), ["m=message 0 TCP/MSRP *", "m=message 5060 sip null"]);
        assert_eq!(room.legs(), 0);
        let refer = phone::by_caller("REFER", &alice, 2);
        let refer = refer.replace("Content-Length: 0\n", &format!("Refer-To: <sip:{BOB}>\nContent-Length: 0\n"));
        room.world.send(room.alice, &refer);
        assert_eq!(room.world.take_response(room.alice).status(), Some(202));
        assert_eq!(
            room.texts(room.bob),
            ["ALICE invites you to write with DAVE: answer to take part, /leave ends it for you."]
        );
        let notifies = room.world.take(room.alice);
        let told: Vec<_> = notifies.iter().map(text).collect();
        assert_eq!(told, ["SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n"]);
        for notify in &notifies {
            room.world.send(room.alice, &phone::answer(notify, "200 OK", "alice"));
        }
        room.say(room.alice, &alice, 3, "one");
        assert_eq!(
            (room.texts(room.dave), room.texts(room.bob)),
            (vec!["ALICE: one".into()], vec!["ALICE: one".into()])
        );
        room.page(room.bob, BOB, &address, "two");
        assert_eq!(room.texts(room.dave), ["BOB: two"]);
        let heard = room.hear(room.alice);
        assert_eq!(heard.len(), 1);
        let expected =
            format!("From: \"BOB\" <sip:{BOB}>\r\nTo: <sip:{address}>\r\n\r\nContent-Type: text/plain\r\n\r\ntwo");
        assert_eq!((heard[0].header_text(HeaderName::ContentType), text(&heard[0])), (Some("message/cpim"), expected));
        for (line, ok) in [(room.alice, &alice), (room.dave, &dave)] {
            room.world.send(line, &phone::by_caller("BYE", ok, 4));
            assert_eq!(room.world.only(line).status(), Some(200));
        }
        room.world.assert_quiet();
    });
}

#[test]
fn a_session_of_messages_adds_sound_and_drops_it_again() {
    everywhere(|mut room| {
        let alice = room.join(room.alice, ALICE, FACTORY, MESSAGES);
        let dave = room.join(room.dave, DAVE, &conference(&alice), AUDIO);
        assert_eq!(room.legs(), 1);
        let both = room.change(room.alice, &alice, 2, &format!("{MESSAGES}{AUDIO}"));
        assert_eq!(both.status(), Some(200));
        assert_eq!(media_lines(&both)[0], "m=message 5060 sip null");
        assert!(!media_lines(&both)[1].starts_with("m=audio 0"), "{:?}", media_lines(&both));
        let version = |message: &Message| text(message).lines().nth(1).unwrap().to_owned();
        assert_eq!(version(&both), version(&alice).replace(" 0 IN", " 1 IN"), "one session");
        assert_eq!(room.legs(), 2);
        room.say(room.alice, &alice, 3, "hear me?");
        assert_eq!(room.texts(room.dave), ["ALICE: hear me?"], "his phone allows MESSAGE");
        let written = room.change(room.alice, &alice, 4, &format!("{MESSAGES}{}", AUDIO.replace("40000", "0")));
        assert_eq!(media_lines(&written), ["m=message 5060 sip null", "m=audio 0 RTP/AVP 0"]);
        assert_eq!(room.legs(), 1);
        room.page(room.dave, DAVE, &conference(&alice), "no");
        assert_eq!(room.texts(room.alice), ["DAVE: no"]);
        let heard = room.change(room.dave, &dave, 9, AUDIO);
        assert_eq!(heard.status(), Some(200));
        room.world.assert_quiet();
    });
}

#[test]
fn an_offer_of_nothing_that_is_taken_is_refused_and_the_session_goes_on() {
    everywhere(|mut room| {
        let invite = phone::request("INVITE", ALICE, FACTORY, "none");
        let msrp = format!("{HEAD}m=message 9 TCP/MSRP *\n");
        room.world.send(room.alice, &phone::with_body(&invite, "", "application/sdp", &msrp));
        assert_eq!(room.world.take_response(room.alice).status(), Some(488));
        let ok = room.join(room.alice, ALICE, FACTORY, MESSAGES);
        let refused = room.change(room.alice, &ok, 2, "m=audio 40000 RTP/AVP 18\n");
        assert_eq!((refused.status(), room.legs()), (Some(488), 0));
        let dave = room.join(room.dave, DAVE, &conference(&ok), MESSAGES);
        room.say(room.dave, &dave, 2, "still there?");
        assert_eq!(room.texts(room.alice), ["DAVE: still there?"]);
    });
}

#[test]
fn who_writes_from_two_devices_hears_each_word_once() {
    everywhere(|mut room| {
        let alice = room.join(room.alice, ALICE, FACTORY, MESSAGES);
        let address = conference(&alice);
        room.join(room.dave, DAVE, &address, MESSAGES);
        room.page(room.dave, DAVE, &address, "I also write like this");
        assert_eq!(room.texts(room.alice), ["DAVE: I also write like this"]);
        room.say(room.alice, &alice, 2, "good");
        let heard = room.hear(room.dave);
        assert_eq!(heard.iter().map(text).collect::<Vec<_>>(), ["ALICE: good"]);
        assert!(heard[0].to().unwrap().tag().is_some(), "within his session");
        room.world.assert_quiet();
    });
}

#[test]
fn typing_comes_to_those_who_know_it() {
    everywhere(|mut room| {
        let typing = "application/im-iscomposing+xml";
        let alice =
            room.join(room.alice, ALICE, FACTORY, &MESSAGES.replace("text/plain", &format!("text/plain {typing}")));
        let address = conference(&alice);
        let dave = room.join(room.dave, DAVE, &address, MESSAGES);
        let refer = phone::by_caller("REFER", &alice, 2);
        let refer = refer.replace("Content-Length: 0\n", &format!("Refer-To: <sip:{BOB}>\nContent-Length: 0\n"));
        room.world.send(room.alice, &refer);
        assert_eq!((room.world.take_response(room.alice).status(), room.hear(room.bob).len()), (Some(202), 1));
        for notify in room.world.take(room.alice) {
            room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
        }
        assert_eq!(room.say_as(room.dave, &dave, 2, "text/plain", "x").status(), Some(200));
        assert_eq!((room.texts(room.alice).len(), room.texts(room.bob).len()), (1, 1));
        assert_eq!(room.say_as(room.alice, &alice, 3, typing, TYPING).status(), Some(200));
        assert_eq!(
            (room.texts(room.dave), room.texts(room.bob)),
            (vec![], vec![]),
            "they never said that they know it"
        );
        assert_eq!(room.page_as(room.bob, BOB, &address, typing, TYPING).status(), Some(200));
        assert_eq!((room.texts(room.alice), room.texts(room.dave)), (vec![TYPING.to_owned()], vec![]));
        assert_eq!(room.say_as(room.alice, &alice, 4, typing, TYPING).status(), Some(200));
        assert_eq!((room.texts(room.dave), room.texts(room.bob)), (vec![], vec![TYPING.to_owned()]));
        room.world.assert_quiet();
    });
}

#[test]
fn one_who_refuses_keeps_nothing_from_the_others() {
    everywhere(|mut room| {
        let address = room.three_in_writing();
        room.page(room.bob, BOB, &address, "yes");
        assert_eq!(
            (room.texts(room.alice), room.texts(room.carol)),
            (vec!["BOB: yes".into()], vec!["BOB: yes".into()])
        );
        room.page(room.alice, ALICE, &address, "one");
        assert_eq!((room.hear_with(room.bob, "415 No").len(), room.texts(room.carol)), (1, vec!["ALICE: one".into()]));
        room.page(room.alice, ALICE, &address, "two");
        assert_eq!(
            (room.hear_with(room.bob, "603 Leave me").len(), room.texts(room.carol)),
            (1, vec!["ALICE: two".into()])
        );
        room.page(room.alice, ALICE, &address, "three");
        assert_eq!(
            (room.texts(room.bob), room.texts(room.carol)),
            (vec![], vec!["ALICE: three".into()]),
            "he wants none of it"
        );
        room.world.assert_quiet();
    });
}

#[test]
fn a_conference_has_limits_for_each_who_writes() {
    everywhere(|mut room| {
        let address = room.three_in_writing();
        room.world.pass(Duration::from_secs(1));
        let mut refused = None;
        for number in 0..40 {
            let response = room.page_as(room.alice, ALICE, &address, "text/plain", &format!("{number}"));
            if response.status() != Some(200) {
                refused = Some((number, response));
                break;
            }
            room.hear(room.bob);
            room.hear(room.carol);
        }
        let (number, refused) = refused.expect("they all passed");
        assert!(number >= 20, "{number}");
        assert_eq!((refused.status(), refused.header_text(HeaderName::RetryAfter)), (Some(480), Some("1")));
        room.page(room.bob, BOB, &address, "I may");
        assert_eq!((room.hear(room.alice).len(), room.hear(room.carol).len()), (1, 1));
        room.world.pass(Duration::from_secs(1));
        room.page(room.alice, ALICE, &address, "I may again");
        assert_eq!((room.hear(room.bob).len(), room.hear(room.carol).len()), (1, 1));
        let long = room.page_as(room.alice, ALICE, &address, "text/plain", &"x".repeat(32 * 1024 + 1));
        assert_eq!(long.status(), Some(413));
        let html = room.page_as(room.alice, ALICE, &address, "text/html", "<b>x</b>");
        assert_eq!((html.status(), html.header_text(HeaderName::Accept).is_some()), (Some(415), true));
        let hits = |limit: &str| -> u64 {
            let workers =
                (0..room.world.workers(room.contoso)).map(|worker| room.world.core(room.contoso, worker).counts());
            workers.map(|counts| counts.limits_hit.get(limit).copied().unwrap_or_default()).sum()
        };
        assert_eq!((hits("messages_per_sec_max"), hits("message_bytes_max")), (1, 1));
        room.world.assert_quiet();
    });
}

#[test]
fn a_conversation_in_which_nothing_is_written_for_a_day_is_over() {
    everywhere(|mut room| {
        let address = room.three_in_writing();
        room.world.pass(Duration::from_secs(23 * 3600));
        for (line, aor) in [(room.alice, ALICE), (room.bob, BOB), (room.carol, CAROL)] {
            phone::refresh(&mut room.world, line, aor, 10);
        }
        room.page(room.alice, ALICE, &address, "still here");
        assert_eq!((room.hear(room.bob).len(), room.hear(room.carol).len()), (1, 1));
        room.world.pass(Duration::from_secs(24 * 3600 + 1));
        phone::refresh(&mut room.world, room.alice, ALICE, 20);
        assert_eq!(room.page_as(room.alice, ALICE, &address, "text/plain", "and now?").status(), Some(404));
    });
}

/// Without sound nobody misses it; and a meeting that never ends counts for ever.
#[test]
fn a_session_of_messages_whose_phone_is_gone_is_over() {
    everywhere(|mut room| {
        room.join(room.alice, ALICE, FACTORY, MESSAGES);
        let dave = room.join(room.dave, DAVE, FACTORY, MESSAGES);
        let meetings = |room: &Room| room.world.statuses(room.contoso).iter().map(|one| one.conferences).sum::<usize>();
        assert_eq!(meetings(&room), 2);
        room.world.hang_up(room.alice);
        room.world.pass(Duration::from_secs(890));
        assert_eq!((meetings(&room), room.world.take(room.dave).len()), (2, 0));
        room.world.pass(Duration::from_secs(15));
        // Dave is asked, too, and is there.
        let asked = room.world.only(room.dave);
        assert_eq!(first_line(&asked).split(' ').next(), Some("INVITE"));
        let answer = phone::answer(&asked, "200 OK", "dave");
        room.world.send(room.dave, &phone::with_body(&answer, "", "application/sdp", &format!("{HEAD}{MESSAGES}")));
        room.world.pass(Duration::from_secs(600));
        assert_eq!(meetings(&room), 1, "and hers is over");
        room.say(room.dave, &dave, 2, "still here");
    });
}

#[test]
fn who_only_writes_is_not_shown_in_a_meeting_and_who_adds_sound_is() {
    everywhere(|mut room| {
        let watch =
            phone::request("SUBSCRIBE", DAVE, ALICE, "watch").replace("Max-Forwards", "Event: presence\nMax-Forwards");
        room.world.send(room.dave, &watch);
        assert_eq!(room.world.take_response(room.dave).status(), Some(200));
        // Changes are told after a while.
        let shown = |room: &mut Room| {
            room.world.pass(Duration::from_secs(10));
            let notified = room.world.take(room.dave);
            for notify in &notified {
                room.world.send(room.dave, &phone::answer(notify, "200 OK", "dave"));
            }
            notified.last().map(|notify| text(notify).contains("meeting"))
        };
        assert_eq!(shown(&mut room), Some(false));
        let alice = room.join(room.alice, ALICE, FACTORY, MESSAGES);
        assert_eq!(shown(&mut room), None, "nothing has changed");
        assert_eq!(room.change(room.alice, &alice, 2, &format!("{MESSAGES}{AUDIO}")).status(), Some(200));
        assert_eq!(shown(&mut room), Some(true));
        let silent = format!("{MESSAGES}{}", AUDIO.replace("40000", "0"));
        assert_eq!(room.change(room.alice, &alice, 3, &silent).status(), Some(200));
        assert_eq!(shown(&mut room), Some(false));
        room.world.send(room.alice, &phone::by_caller("BYE", &alice, 4));
        assert_eq!(room.world.only(room.alice).status(), Some(200));
        assert_eq!(shown(&mut room), None);
    });
}
