//! Conversations of many in writing, over three organisations of one and of three workers each: by sessions, by single
//! messages, and by both in one.

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod phone;

use std::time::Duration;

use conference::{Command, ConferenceId};
use documents::ConferenceInfo;
use documents::conference_info::{Endpoint, EndpointStatus, JoiningMethod, User};
use signaling::AdHocMeeting;
use sim::{Line, World, allowed, first_line};
use sip::{HeaderName, Message};

/// Three organisations that allow each other; at contoso Alice and Dave, at fabrikam Bob, at adatum Carol.
struct Room {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
    carol: Line,
    requests: u32,
}

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const CAROL: &str = "carol@adatum.example";
const FACTORY: &str = "meet@contoso.example";
const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
const MESSAGES: &str = "m=message 5060 sip null\na=accept-types:text/plain\n";
const AUDIO: &str = "m=audio 40000 RTP/AVP 0\n";
const TYPING: &str = "<?xml version=\"1.0\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state>\
    </isComposing>";

fn everywhere(play: impl Fn(Room)) {
    phone::everywhere(6, |workers, seed| play(Room::new(workers, seed)));
}

impl Room {
    fn new(workers: u16, seed: u64) -> Room {
        let mut world = World::new(seed);
        let domains = ["contoso.example", "fabrikam.example", "adatum.example"];
        let sites = domains.map(|domain| {
            let others: Vec<_> = domains.into_iter().filter(|other| *other != domain).map(allowed).collect();
            world.organisation(domain, workers, &others, false)
        });
        let mut phone = |site: usize, aor: &str, n: u64| {
            world.user(site, aor);
            phone::register(&mut world, site, u16::try_from((seed + n) % u64::from(workers)).unwrap(), aor)
        };
        let (alice, dave) = (phone(sites[0], ALICE, 0), phone(sites[0], DAVE, 1));
        let (bob, carol) = (phone(sites[1], BOB, 2), phone(sites[2], CAROL, 3));
        Room { world, contoso: sites[0], alice, dave, bob, carol, requests: 0 }
    }

    /// Writes outside of any dialog; returns the response.
    fn page_as(&mut self, line: Line, from: &str, to: &str, content_type: &str, body: &str) -> Message {
        self.requests += 1;
        let request = phone::request("MESSAGE", from, to, &format!("page{}", self.requests));
        let name = from.split_once('@').unwrap().0.to_uppercase();
        let request = request.replace("From: <", &format!("From: \"{name}\" <"));
        self.world.send(line, &phone::with_body(&request, "", content_type, body));
        self.world.take_response(line)
    }

    fn page(&mut self, line: Line, from: &str, to: &str, body: &str) {
        let response = self.page_as(line, from, to, "text/plain", body);
        assert_eq!(response.status(), Some(200), "{}", first_line(&response));
    }

    /// All that came on a line, answered.
    fn hear(&mut self, line: Line) -> Vec<Message> {
        self.hear_with(line, "200 OK")
    }

    /// The next to somebody may wait for the answer to the last.
    fn hear_with(&mut self, line: Line, status: &str) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            let messages = self.world.take(line);
            if messages.is_empty() {
                return heard;
            }
            for message in messages {
                assert!(first_line(&message).starts_with("MESSAGE"), "{}", first_line(&message));
                self.world.send(line, &phone::answer(&message, status, "listener"));
                heard.push(message);
            }
        }
    }

    fn texts(&mut self, line: Line) -> Vec<String> {
        self.hear(line).iter().map(text).collect()
    }

    /// A session with these streams.
    fn join(&mut self, line: Line, from: &str, to: &str, media: &str) -> Message {
        self.requests += 1;
        let invite = phone::request("INVITE", from, to, &format!("join{}", self.requests));
        let name = from.split_once('@').unwrap().0.to_uppercase();
        let invite = invite.replace("From: <", &format!("Allow: INVITE, MESSAGE\nFrom: \"{name}\" <"));
        self.world.send(line, &phone::with_body(&invite, "", "application/sdp", &format!("{HEAD}{media}")));
        let ok = self.world.take_response(line);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(line, &phone::by_caller("ACK", &ok, 1));
        ok
    }

    /// Offers other streams in a session.
    fn change(&mut self, line: Line, ok: &Message, cseq: u32, media: &str) -> Message {
        let invite = phone::by_caller("INVITE", ok, cseq);
        let invite = invite.replace("Max-Forwards", "Contact: <sip:phone@phone.invalid;transport=tls>\nMax-Forwards");
        self.world.send(line, &phone::with_body(&invite, "", "application/sdp", &format!("{HEAD}{media}")));
        let changed = self.world.take_response(line);
        self.world.send(line, &phone::by_caller("ACK", ok, cseq));
        changed
    }

    fn say_as(&mut self, line: Line, ok: &Message, cseq: u32, content_type: &str, body: &str) -> Message {
        let message = phone::by_caller("MESSAGE", ok, cseq);
        self.world.send(line, &phone::with_body(&message, "", content_type, body));
        self.world.take_response(line)
    }

    fn say(&mut self, line: Line, ok: &Message, cseq: u32, body: &str) {
        let response = self.say_as(line, ok, cseq, "text/plain", body);
        assert_eq!(response.status(), Some(200), "{}", first_line(&response));
    }

    fn legs(&self) -> usize {
        self.world.sound(self.contoso).legs().count()
    }

    /// Alice begins by a message, and adds Bob and Carol; returns the address of the conversation.
    fn three_in_writing(&mut self) -> String {
        self.page(self.alice, ALICE, FACTORY, "hello");
        let greeting = self.hear(self.alice);
        assert_eq!(greeting.len(), 1);
        assert!(text(&greeting[0]).contains("/add"), "{}", text(&greeting[0]));
        let address = sender(&greeting[0]);
        for whom in [BOB, CAROL] {
            self.page(self.alice, ALICE, &address, &format!("/add {whom}"));
            assert_eq!(self.texts(self.alice), [format!("{whom} is invited.")]);
        }
        for line in [self.bob, self.carol] {
            let invited = self.hear(line);
            assert_eq!(invited.iter().map(text).collect::<Vec<_>>(), [INVITATION]);
            assert_eq!(sender(&invited[0]), address);
        }
        address
    }
}

const INVITATION: &str = "ALICE invites you to write: answer to take part, /leave ends it for you.";

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

fn sender(message: &Message) -> String {
    message.from().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

fn conference(ok: &Message) -> String {
    let contact = ok.contacts().next().unwrap().unwrap();
    contact.address().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

fn media_lines(message: &Message) -> Vec<String> {
    text(message).lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}

#[test]
fn phones_that_know_only_messages_write_in_threes() {
    everywhere(|mut room| {
        let address = room.three_in_writing();
        room.page(room.alice, ALICE, &address, "one");
        assert_eq!(
            (room.texts(room.bob), room.texts(room.carol)),
            (vec!["ALICE: one".into()], vec!["ALICE: one".into()])
        );
        room.page(room.bob, BOB, &address, "two");
        assert_eq!(
            (room.texts(room.alice), room.texts(room.carol)),
            (vec!["BOB: two".into()], vec!["BOB: two".into()])
        );
        room.page(room.carol, CAROL, &address, "/who");
        assert_eq!(room.texts(room.carol), ["Here are: ALICE, BOB, CAROL."]);
        room.page(room.carol, CAROL, &address, "/add eve@fabrikam.example");
        assert_eq!(room.texts(room.carol), ["eve@fabrikam.example is not invited: not-presenter."]);
        room.page(room.bob, BOB, &address, "/leave");
        assert_eq!(room.texts(room.bob), ["You have left the conversation."]);
        room.page(room.carol, CAROL, &address, "three");
        assert_eq!((room.texts(room.alice), room.texts(room.bob)), (vec!["CAROL: three".into()], vec![]));
        for (line, from) in [(room.carol, CAROL), (room.alice, ALICE)] {
            room.page(line, from, &address, "/leave");
            assert_eq!(room.texts(line), ["You have left the conversation."]);
        }
        assert_eq!(room.page_as(room.alice, ALICE, &address, "text/plain", "is anybody here?").status(), Some(404));
        room.world.assert_quiet();
    });
}

#[test]
fn a_conversation_that_is_begun_for_them_is_one_of_messages_alone() {
    everywhere(|mut room| {
        let id = ConferenceId::new(7);
        let [organiser, bob, carol] = [ALICE, BOB, CAROL].map(|aor| aor.parse().unwrap());
        let new = AdHocMeeting { id: id.clone(), organiser, people: vec![bob], is_written: true };
        let begun = room.world.on_cores(room.contoso, |core, now| core.start_conference(now, &new));
        assert_eq!(begun.into_iter().flatten().count(), 1);
        let greeting = room.hear(room.alice);
        let address = sender(&greeting[0]);
        assert!(text(&greeting[0]).contains("/leave") && address.contains(id.as_str()), "{}", text(&greeting[0]));
        let invitation = format!("{ALICE} invites you to write: answer to take part, /leave ends it for you.");
        assert_eq!(room.texts(room.bob), std::slice::from_ref(&invitation));
        let add = Command::Add(carol);
        room.world.on_cores(room.contoso, |core, now| core.command_conference(now, &id, None, &add));
        assert_eq!(room.texts(room.carol), [invitation.replace(ALICE, "The meeting")], "by a message, too");
        room.page(room.bob, BOB, &address, "one");
        assert_eq!(
            (room.texts(room.alice), room.texts(room.carol)),
            (vec!["BOB: one".into()], vec!["BOB: one".into()])
        );
        room.page(room.alice, ALICE, &address, "two");
        assert_eq!(
            (room.texts(room.bob), room.texts(room.carol)),
            (vec!["ALICE: two".into()], vec!["ALICE: two".into()])
        );
        for (line, from) in [(room.carol, CAROL), (room.bob, BOB), (room.alice, ALICE)] {
            room.page(line, from, &address, "/leave");
            assert_eq!(room.texts(line), ["You have left the conversation."]);
        }
        room.world.assert_quiet();
    });
}

#[test]
fn who_takes_messages_only_within_a_session_is_offered_one() {
    everywhere(|mut room| {
        room.page(room.alice, ALICE, FACTORY, "hello");
        let address = sender(&room.hear(room.alice)[0]);
        for (line, aor) in [(room.dave, DAVE), (room.carol, CAROL)] {
            room.page(room.alice, ALICE, &address, &format!("/add {aor}"));
            assert_eq!(room.texts(room.alice), [format!("{aor} is invited.")]);
            let page = room.world.only(line);
            room.world.send(line, &phone::answer(&page, "405 Method Not Allowed", "session"));
            let invite = room.world.only(line);
            assert_eq!(media_lines(&invite), ["m=message 5060 sip null"], "{}", first_line(&invite));
            if aor == DAVE {
                room.world.send(line, &phone::answer(&invite, "488 Not Acceptable Here", "session"));
                room.world.take(line);
                continue;
            }
            let ok = phone::answer(&invite, "200 OK", "session");
            room.world.send(line, &phone::with_body(&ok, "", "application/sdp", &format!("{HEAD}{MESSAGES}")));
            assert!(first_line(&room.world.only(line)).starts_with("ACK"));
            room.page(room.alice, ALICE, &address, "one");
            let heard = room.hear(line);
            assert_eq!((heard.len(), text(&heard[0]).as_str()), (1, "ALICE: one"));
            assert_eq!(heard[0].call_id(), invite.call_id(), "within the session");
            let said = phone::by_callee("MESSAGE", &invite, 1);
            room.world.send(line, &phone::with_body(&said, "", "text/plain", "two"));
            assert_eq!(room.world.take_response(line).status(), Some(200));
            assert_eq!(room.texts(room.alice), [format!("{CAROL}: two")]);
        }
        room.page(room.alice, ALICE, &address, "/who");
        assert_eq!(room.texts(room.alice), [format!("Here are: ALICE, {CAROL}.")], "Dave takes neither");
    });
}

#[test]
fn watchers_see_who_takes_part_by_single_messages() {
    everywhere(|mut room| {
        let address = room.three_in_writing();
        room.page(room.bob, BOB, &address, "one");
        room.hear(room.alice);
        room.hear(room.carol);
        let subscribe = phone::request("SUBSCRIBE", ALICE, &address, "s1");
        let subscribe = subscribe.replace("Content-Length", "Event: conference\nExpires: 600\nContent-Length");
        room.world.send(room.alice, &subscribe);
        assert_eq!(room.world.take_response(room.alice).status(), Some(200));
        let told = |room: &mut Room| {
            let notify = room.world.only(room.alice);
            room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
            ConferenceInfo::parse(notify.body()).unwrap()
        };
        let of = |user: &User| {
            let media = |endpoint: &Endpoint| endpoint.media.iter().filter_map(|one| one.media_type.clone()).collect();
            let all = user.endpoints.iter();
            let shown = all.map(|one| (one.entity.clone(), one.status, one.joining_method, media(one)));
            shown.collect::<Vec<(_, _, _, Vec<String>)>>()
        };
        let whole = told(&mut room);
        let shown: Vec<_> = whole.users.iter().flat_map(|users| users.users.iter().flat_map(of)).collect();
        let endpoint =
            |aor: &str, status, method| (format!("sip:{aor}"), Some(status), Some(method), vec!["message".to_owned()]);
        let (dialed_in, dialed_out) = (JoiningMethod::DialedIn, JoiningMethod::DialedOut);
        assert_eq!(
            shown,
            [
                endpoint(ALICE, EndpointStatus::Connected, dialed_in),
                endpoint(BOB, EndpointStatus::Connected, dialed_out),
                endpoint(CAROL, EndpointStatus::Pending, dialed_out),
            ]
        );
        assert_eq!(whole.conference_state.unwrap().user_count, Some(2));
        room.page(room.carol, CAROL, &address, "I am here");
        room.hear(room.bob);
        let heard = room.world.take(room.alice);
        let notify = heard.iter().find(|one| first_line(one).starts_with("NOTIFY")).unwrap();
        let change = ConferenceInfo::parse(notify.body()).unwrap();
        let shown: Vec<_> = change.users.iter().flat_map(|users| users.users.iter().flat_map(of)).collect();
        assert_eq!(shown, [endpoint(CAROL, EndpointStatus::Connected, dialed_out)]);
    });
}

#[test]
fn a_list_of_recipients_begins_a_conversation_with_all_of_them() {
    everywhere(|mut room| {
        let entries = format!("<entry uri=\"sip:{BOB}\"/><entry uri=\"sip:{CAROL}\"/>");
        let list = format!(
            "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list></resource-lists>"
        );
        let body = format!(
            "--b\nContent-Type: text/plain\n\nlunch?\n--b\nContent-Type: application/resource-lists+xml\n\
             Content-Disposition: recipient-list\n\n{list}\n--b--\n"
        );
        let response = room.page_as(room.alice, ALICE, FACTORY, "multipart/mixed;boundary=b", &body);
        assert_eq!(response.status(), Some(200));
        assert_eq!(room.hear(room.alice).len(), 3, "the greeting, and one for each who is invited");
        for line in [room.bob, room.carol] {
            assert_eq!(room.texts(line), [INVITATION, "ALICE: lunch?"]);
        }
        room.world.assert_quiet();
    });
}

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
        let notify = room.world.only(room.alice);
        assert_eq!(text(&notify), "SIP/2.0 200 OK\r\n");
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
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
        let notify = room.world.only(room.alice);
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
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
