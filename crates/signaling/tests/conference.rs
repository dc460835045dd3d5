//! Meetings of two organisations, of one and of three workers each.

use std::time::Duration;

use conference::{Command, ConferenceId};
use documents::ConferenceInfo;
use documents::conference_info::{EndpointStatus, State, User};
use sim::{Leg, Line, World, first_line};
use sip::{HeaderName, Message, Method};

use crate::phone;

/// Contoso and Fabrikam allow each other; Alice, Dave and Bob are signed in at home.
struct Room {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
    dave: Line,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const DAVE: &str = "dave@contoso.example";
const FACTORY: &str = "meet@contoso.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

fn room(workers: u16, seed: u64) -> Room {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    for (site, aor) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, aor);
    }
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let dave = phone::register(&mut world, contoso, by_seed(2), DAVE);
    let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
    Room { world, contoso, alice, bob, dave }
}

fn everywhere(play: impl Fn(Room)) {
    phone::everywhere(12, |workers, seed| play(room(workers, seed)));
}

impl Room {
    /// Alice begins a meeting; returns the 200.
    fn begin(&mut self) -> Message {
        let invite = phone::with_body(&phone::request("INVITE", ALICE, FACTORY, "a1"), "", "application/sdp", SDP);
        self.world.send(self.alice, &invite);
        let ok = self.world.take_response(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        ok
    }

    /// Whoever is called on this line answers; returns the INVITE.
    fn answer(&mut self, line: Line) -> Message {
        let invite = self.world.only(line);
        assert_eq!(first_line(&invite).split(' ').next(), Some("INVITE"));
        let sdp = protected_answer(&invite);
        let ok = phone::with_body(&phone::answer(&invite, "200 OK", "callee"), "", "application/sdp", &sdp);
        self.world.send(line, &ok);
        let ack = self.world.only(line);
        assert_eq!(first_line(&ack).split(' ').next(), Some("ACK"), "{}", first_line(&ack));
        invite
    }

    /// What is told of it at once is taken.
    fn refer(&mut self, ok: &Message, target: &str, cseq: u32) -> Message {
        let refer = phone::by_caller("REFER", ok, cseq);
        let refer = refer.replace("Content-Length: 0\n", &format!("Refer-To: <{target}>\nContent-Length: 0\n"));
        self.world.send(self.alice, &refer);
        let mut came = self.world.take(self.alice);
        for notify in came.extract_if(.., |message| message.is_request()).collect::<Vec<_>>() {
            self.world.send(self.alice, &phone::answer(&notify, "200 OK", "alice"));
        }
        came.pop().unwrap()
    }

    fn refer_with(&mut self, ok: &Message, headers: &str, cseq: u32) -> Message {
        let refer = phone::by_caller("REFER", ok, cseq);
        let refer = refer.replace("Content-Length: 0\n", &format!("{headers}Content-Length: 0\n"));
        self.world.send(self.alice, &refer);
        self.world.take_response(self.alice)
    }

    /// Whichever worker has the meeting carries it out.
    fn command(&mut self, address: &str, command: &Command) -> Result<(), u16> {
        let id = address.split('@').next().and_then(|user| user.strip_prefix("meet-")).unwrap();
        let id = ConferenceId::parse(id).unwrap();
        let done = self.world.on_cores(self.contoso, |core, now| core.command_conference(now, &id, None, command));
        done.into_iter().flatten().next().expect("a worker has it").map_err(|refusal| refusal.status)
    }

    fn legs(&self) -> Vec<Leg> {
        self.world.sound(self.contoso).legs().map(|(_, leg)| leg.clone()).collect()
    }
}

/// What a phone answers that takes up one of the keys it is offered.
fn protected_answer(invite: &Message) -> String {
    let offer = String::from_utf8_lossy(invite.body()).into_owned();
    let line = offer.lines().find(|line| line.contains(SUITE)).expect("a key is offered");
    let tag = line.trim_start_matches("a=crypto:").split(' ').next().unwrap();
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    SDP.replace("RTP/AVP 0\n", &format!("RTP/SAVP 0\na=crypto:{tag} {SUITE} inline:{key}\n"))
}

const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// The address in the Contact of a focus.
fn conference(ok: &Message) -> String {
    let contact = ok.contacts().next().unwrap().unwrap();
    let address = contact.address().unwrap();
    assert!(address.has_param("isfocus"), "{}", address.as_str());
    address.uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

#[test]
fn a_meeting_begins_at_the_factory_calls_a_partner_in_and_ends_with_the_last() {
    everywhere(|mut room| {
        let ok = room.begin();
        assert!(conference(&ok).starts_with("meet-"), "{}", conference(&ok));
        assert!(String::from_utf8_lossy(ok.body()).contains("m=audio "), "{:?}", ok.body());
        assert_eq!(room.refer(&ok, &format!("sip:{BOB}"), 2).status(), Some(202));
        let invite = room.answer(room.bob);
        assert_eq!(invite.from().unwrap().uri().as_str(), format!("sip:{}", conference(&ok)));
        let notify = room.world.only(room.alice);
        assert!(String::from_utf8_lossy(notify.body()).starts_with("SIP/2.0 200"), "{:?}", notify.body());
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
        let legs = room.legs();
        assert!(legs.len() == 2 && legs.iter().all(|leg| leg.session.is_some() && !leg.is_held), "{legs:?}");
        room.world.send(room.bob, &phone::by_callee("BYE", &invite, 1));
        assert_eq!(room.world.only(room.bob).status(), Some(200));
        assert_eq!(room.legs().len(), 1);
        room.world.send(room.alice, &phone::by_caller("BYE", &ok, 3));
        assert_eq!(room.world.only(room.alice).status(), Some(200));
        assert_eq!(room.legs(), []);
        room.world.assert_quiet();
    });
}

#[test]
fn our_own_enter_and_strangers_wait_without_hearing_anything() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        let join = |from: &str, call_id: &str| {
            phone::with_body(&phone::request("INVITE", from, &address, call_id), "", "application/sdp", SDP)
        };
        room.world.send(room.dave, &join(DAVE, "d1"));
        let dave = room.world.take_response(room.dave);
        assert_eq!(dave.status(), Some(200));
        room.world.send(room.dave, &phone::by_caller("ACK", &dave, 1));
        room.world.send(room.bob, &join(BOB, "b1"));
        let bob = room.world.take_response(room.bob);
        assert_eq!(bob.status(), Some(200));
        room.world.send(room.bob, &phone::by_caller("ACK", &bob, 1));
        let held: Vec<bool> = room.legs().iter().map(|leg| leg.is_held).collect();
        assert_eq!(held, [false, false, true]);
        for (line, ok) in [(room.alice, &ok), (room.dave, &dave), (room.bob, &bob)] {
            room.world.send(line, &phone::by_caller("BYE", ok, 2));
            assert_eq!(room.world.only(line).status(), Some(200));
        }
        assert_eq!(room.legs(), []);
        room.world.assert_quiet();
    });
}

/// The roster that the only message on this line tells; the NOTIFY is answered.
fn told(world: &mut World, line: Line) -> ConferenceInfo {
    let notify = world.only(line);
    assert_eq!(notify.method(), Some(Method::Notify), "{}", first_line(&notify));
    world.send(line, &phone::answer(&notify, "200 OK", "watcher"));
    ConferenceInfo::parse(notify.body()).unwrap()
}

fn users(info: &ConferenceInfo) -> Vec<(String, State, Vec<EndpointStatus>)> {
    let of = |user: &User| {
        let status = user.endpoints.iter().filter_map(|endpoint| endpoint.status).collect();
        (user.entity.clone(), user.state, status)
    };
    info.users.iter().flat_map(|users| users.users.iter().map(of)).collect()
}

#[test]
fn the_roster_is_told_as_a_whole_and_then_by_changes() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        let subscribe = phone::request("SUBSCRIBE", ALICE, &address, "s1");
        let subscribe = subscribe.replace("Content-Length", "Event: conference\nExpires: 600\nContent-Length");
        room.world.send(room.alice, &subscribe);
        let accepted = room.world.take_response(room.alice);
        assert_eq!(accepted.status(), Some(200), "{}", first_line(&accepted));
        let all = told(&mut room.world, room.alice);
        assert_eq!((all.state, all.version), (State::Full, Some(1)));
        let alice = format!("sip:{ALICE}");
        assert_eq!(users(&all), [(alice, State::Full, vec![EndpointStatus::Connected])]);
        // A stranger knocks, is let in, muted, and removed.
        let join = phone::request("INVITE", BOB, &address, "b1");
        room.world.send(room.bob, &phone::with_body(&join, "", "application/sdp", SDP));
        let bob = room.world.take_response(room.bob);
        room.world.send(room.bob, &phone::by_caller("ACK", &bob, 1));
        let mut version = 1;
        let mut statuses = Vec::new();
        let mut collect = |room: &mut Room| {
            let change = told(&mut room.world, room.alice);
            version += 1;
            assert_eq!((change.state, change.version), (State::Partial, Some(version)));
            let all = users(&change);
            assert_eq!(all.len(), 1, "only he has changed: {all:?}");
            statuses.push((all[0].1, all[0].2.clone()));
        };
        collect(&mut room);
        for command in [Command::Admit(None), Command::Mute(BOB.parse().unwrap(), true)] {
            assert_eq!(room.command(&address, &command), Ok(()));
            collect(&mut room);
        }
        assert_eq!(room.command(&address, &Command::Remove(BOB.parse().unwrap())), Ok(()));
        let bye = room.world.only(room.bob);
        assert_eq!(bye.method(), Some(Method::Bye));
        room.world.send(room.bob, &phone::answer(&bye, "200 OK", "bob"));
        collect(&mut room);
        let here = |status| (State::Full, vec![status]);
        assert_eq!(
            statuses,
            [
                here(EndpointStatus::OnHold),
                here(EndpointStatus::Connected),
                here(EndpointStatus::MutedViaFocus),
                (State::Deleted, vec![]),
            ]
        );
        assert_eq!(room.command(&address, &Command::End), Ok(()));
        let last = room.world.take(room.alice);
        let names: Vec<_> =
            last.iter().map(|message| first_line(message).split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["BYE", "NOTIFY"]);
        let state = last[1].header_text(HeaderName::SubscriptionState).unwrap();
        assert_eq!(state, "terminated;reason=noresource");
        for message in last {
            room.world.send(room.alice, &phone::answer(&message, "200 OK", "alice"));
        }
        assert_eq!(room.legs(), []);
        room.world.assert_quiet();
    });
}

#[test]
fn who_gives_up_while_there_are_no_ports_yet_is_not_in_the_meeting() {
    everywhere(|mut room| {
        room.begin();
        room.world.delay_ports(room.contoso, Duration::from_secs(2));
        let invite = phone::request("INVITE", DAVE, FACTORY, "d1");
        room.world.send(room.dave, &phone::with_body(&invite, "", "application/sdp", SDP));
        assert_eq!(room.legs().len(), 2, "ports are on their way to him");
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        room.world.send(room.dave, &cancel);
        let answers: Vec<_> = room.world.take(room.dave).iter().filter_map(Message::status).collect();
        assert!(answers.contains(&200) && answers.contains(&487), "{answers:?}");
        room.world.pass(Duration::from_secs(3));
        assert_eq!(room.legs().len(), 1);
        assert!(
            room.world.take(room.dave).iter().all(|one| one.status() == Some(487)),
            "it is said again until the ACK"
        );
    });
}

#[test]
fn a_locked_meeting_takes_nobody_and_attendees_lead_nothing() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        assert_eq!(room.command(&address, &Command::Lock(true)), Ok(()));
        let join = phone::request("INVITE", DAVE, &address, "d1");
        room.world.send(room.dave, &phone::with_body(&join, "", "application/sdp", SDP));
        let refused = room.world.take_response(room.dave);
        assert_eq!(refused.status(), Some(403));
        assert!(refused.header_text(HeaderName::Warning).unwrap().contains("meeting-locked"));
        room.command(&address, &Command::Lock(false)).unwrap();
        assert_eq!(room.refer(&ok, &format!("sip:{BOB}"), 2).status(), Some(202));
        let invite = room.answer(room.bob);
        room.world.take(room.alice);
        let refer = phone::by_callee("REFER", &invite, 1);
        let refer = refer.replace("Content-Length", &format!("Refer-To: <sip:{DAVE}>\nContent-Length"));
        room.world.send(room.bob, &refer);
        let refused = room.world.take_response(room.bob);
        assert_eq!(refused.status(), Some(403));
        assert!(refused.header_text(HeaderName::Warning).unwrap().contains("not-presenter"));
        assert!(room.world.take(room.dave).is_empty());
    });
}

/// The NOTIFYs about a REFER that wait on Alice's line, each answered: the state, and the status that is told.
fn told_of_reference(room: &mut Room) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for notify in room.world.take(room.alice).into_iter().filter(|one| first_line(one).starts_with("NOTIFY")) {
        let state = notify.header_text(HeaderName::SubscriptionState).unwrap();
        let state = state.split(';').next().unwrap().to_owned();
        told.push((state, String::from_utf8_lossy(notify.body()).split(' ').nth(1).unwrap().to_owned()));
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
        told.extend(told_of_reference(room));
    }
    told
}

#[test]
fn whoever_refers_in_a_session_is_told_at_once_and_at_the_end_unless_he_wants_nothing() {
    everywhere(|mut room| {
        let ok = room.begin();
        room.world.take(room.alice);
        let accepted = room.refer_with(&ok, &format!("Refer-To: <sip:{BOB}>\n"), 2);
        assert_eq!((accepted.status(), accepted.header(HeaderName::ReferSub)), (Some(202), None));
        let trying = ("active".to_owned(), "100".to_owned());
        assert_eq!(told_of_reference(&mut room), [trying]);
        room.answer(room.bob);
        assert_eq!(told_of_reference(&mut room), [("terminated".to_owned(), "200".to_owned())]);

        let accepted = room.refer_with(&ok, &format!("Refer-To: <sip:{DAVE}>\nRefer-Sub: false\n"), 3);
        let said = accepted.header_text(HeaderName::ReferSub);
        assert_eq!((accepted.status(), said), (Some(202), Some("false")));
        room.answer(room.dave);
        assert_eq!(told_of_reference(&mut room), []);
    });
}

#[test]
fn whoever_refers_outside_of_a_session_is_told_once_unless_he_wants_nothing() {
    everywhere(|mut room| {
        let ok = room.begin();
        let meeting = ok.address(HeaderName::Contact).unwrap().uri().as_str().to_owned();
        let refer = |to: &str, call: &str| {
            let refer = phone::request("REFER", ALICE, meeting.trim_start_matches("sip:"), call);
            refer.replace("Content-Length: 0\n", &format!("Refer-To: {to}\nContent-Length: 0\n"))
        };
        room.world.take(room.alice);
        room.world.send(room.alice, &refer(&format!("<sip:{BOB}>"), "apart"));
        let accepted = room.world.take_response(room.alice);
        assert_eq!(
            (accepted.status(), accepted.header(HeaderName::ReferSub)),
            (Some(202), None),
            "RFC 4488: not asked for"
        );
        let trying = ("terminated".to_owned(), "100".to_owned());
        assert_eq!(told_of_reference(&mut room), [trying]);
        room.answer(room.bob);
        assert_eq!(told_of_reference(&mut room), []);

        room.world.send(room.alice, &refer(&format!("<sip:{DAVE}>\nRefer-Sub: false"), "silent"));
        let accepted = room.world.take_response(room.alice);
        assert_eq!((accepted.status(), accepted.header_text(HeaderName::ReferSub)), (Some(202), Some("false")));
        room.answer(room.dave);
        assert_eq!(told_of_reference(&mut room), []);
    });
}

#[test]
fn a_phone_that_refuses_protected_sound_is_offered_plain_and_then_left_alone() {
    everywhere(|mut room| {
        let ok = room.begin();
        room.refer(&ok, &format!("sip:{BOB}"), 2);
        let mut invite = room.world.only(room.bob);
        // Of the meeting, and of the phone's own server in place of it; then of both the other way round.
        let offers = ["RTP/SAVP", "RTP/AVP", "RTP/AVP", "RTP/SAVP"];
        for (number, transport) in offers.into_iter().enumerate() {
            let body = String::from_utf8_lossy(invite.body()).into_owned();
            assert!(body.contains(&format!(" {transport} ")), "{body}");
            room.world.send(room.bob, &phone::answer(&invite, "488 Not Acceptable Here", "bob"));
            let mut came = room.world.take(room.bob);
            assert_eq!(came.remove(0).method(), Some(Method::Ack));
            match came.pop() {
                Some(next) => invite = next,
                None => assert_eq!(number, offers.len() - 1),
            }
        }
        let notify = room.world.only(room.alice);
        assert!(String::from_utf8_lossy(notify.body()).starts_with("SIP/2.0 488"), "{:?}", notify.body());
        assert!(room.world.take(room.bob).is_empty());
        assert_eq!(room.legs().len(), 1);
    });
}

#[test]
fn who_is_handed_a_place_in_the_meeting_comes_in_and_the_first_phone_is_let_go() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        let join = |replaces: &str, call_id: &str| {
            let invite = phone::request("INVITE", BOB, &address, call_id);
            phone::with_body(&invite, &format!("Replaces: {replaces}\n"), "application/sdp", SDP)
        };
        room.world.send(room.bob, &join("a1;to-tag=no;from-tag=caller", "b1"));
        let refused = room.world.take_response(room.bob);
        assert_eq!(refused.status(), Some(481), "{}", first_line(&refused));
        // The tags as the focus has them: its own is in the To of its answer.
        let tag = ok.to().unwrap().tag().unwrap().to_owned();
        room.world.send(room.bob, &join(&format!("a1;to-tag={tag};from-tag=caller"), "b2"));
        let taken = room.world.take_response(room.bob);
        assert_eq!(taken.status(), Some(200), "{}", first_line(&taken));
        room.world.send(room.bob, &phone::by_caller("ACK", &taken, 1));
        let bye = room.world.only(room.alice);
        assert_eq!(bye.method(), Some(Method::Bye));
        room.world.send(room.alice, &phone::answer(&bye, "200 OK", "alice"));
        let legs = room.legs();
        assert!(legs.len() == 1 && !legs[0].is_held, "{legs:?}");
    });
}

#[test]
fn a_place_is_not_handed_to_more_phones_than_one_may_have() {
    everywhere(|mut room| {
        let ok = room.begin();
        let (address, tag) = (conference(&ok), ok.to().unwrap().tag().unwrap().to_owned());
        // None of them offers or acknowledges anything, so that the place is not taken, and each has ports.
        let mut statuses = Vec::new();
        for number in 0..7 {
            let invite = phone::request("INVITE", BOB, &address, &format!("b{number}"));
            let replaces = format!("Replaces: a1;to-tag={tag};from-tag=caller\nContent-Length");
            room.world.send(room.bob, &invite.replace("Content-Length", &replaces));
            statuses
                .extend(room.world.take(room.bob).iter().filter_map(Message::status).filter(|status| *status >= 200));
        }
        assert_eq!(statuses, [200, 200, 200, 200, 200, 486, 486]);
        assert_eq!(room.legs().len(), 6, "hers, and five of his");
    });
}

#[test]
fn a_phone_that_holds_plays_nothing_into_the_meeting() {
    everywhere(|mut room| {
        let ok = room.begin();
        for (cseq, direction, is_muted) in [(2, "sendonly", true), (3, "sendrecv", false)] {
            let hold = phone::by_caller("INVITE", &ok, cseq);
            let sdp = format!("{SDP}a={direction}\n");
            let contact = "Contact: <sip:alice@phone.invalid;transport=tls>\n";
            room.world.send(room.alice, &phone::with_body(&hold, contact, "application/sdp", &sdp));
            let answer = room.world.take_response(room.alice);
            assert_eq!(answer.status(), Some(200), "{}", first_line(&answer));
            room.world.send(room.alice, &phone::by_caller("ACK", &ok, cseq));
            assert_eq!(room.legs().iter().map(|leg| leg.is_muted).collect::<Vec<_>>(), [is_muted]);
        }
    });
}

#[test]
fn what_a_focus_does_not_know_cannot_be_demanded_of_it() {
    everywhere(|mut room| {
        let invite = phone::request("INVITE", ALICE, FACTORY, "a9");
        let invite = phone::with_body(&invite, "Require: replaces, precondition\n", "application/sdp", SDP);
        room.world.send(room.alice, &invite);
        let refused = room.world.take_response(room.alice);
        assert_eq!(refused.status(), Some(420));
        assert_eq!(refused.header_text(HeaderName::Unsupported), Some("precondition"));
        room.world.assert_quiet();
    });
}

#[test]
fn a_server_that_ends_says_so_in_every_meeting() {
    everywhere(|mut room| {
        let ok = room.begin();
        room.refer(&ok, &format!("sip:{BOB}"), 2);
        room.answer(room.bob);
        let notify = room.world.only(room.alice);
        room.world.send(room.alice, &phone::answer(&notify, "200 OK", "alice"));
        room.world.on_cores(room.contoso, |core, now| core.end_conferences(now));
        for line in [room.alice, room.bob] {
            let bye = room.world.only(line);
            assert_eq!(bye.method(), Some(Method::Bye), "{}", first_line(&bye));
            room.world.send(line, &phone::answer(&bye, "200 OK", "phone"));
        }
        assert_eq!(room.legs(), []);
        let asked = room.world.statuses(room.contoso).iter().map(|status| status.agent_requests).sum::<usize>();
        assert_eq!(asked, 0, "and whoever waits for the answers knows when they are here");
    });
}

#[test]
fn after_a_crash_a_meeting_is_joined_again_by_those_who_were_invited() {
    everywhere(|mut room| {
        let ok = room.begin();
        let address = conference(&ok);
        assert_eq!(room.refer(&ok, &format!("sip:{BOB}"), 2).status(), Some(202));
        room.answer(room.bob);
        room.world.restart(room.contoso);
        room.alice = phone::register(&mut room.world, room.contoso, 0, ALICE);
        for line in [room.alice, room.bob] {
            room.world.take(line);
        }
        // What is left of the old dialog is told so.
        let bye = phone::with_body(&phone::by_caller("BYE", &ok, 7), "", "text/plain", "");
        room.world.send(room.alice, &bye);
        let gone = room.world.take_response(room.alice);
        assert!(matches!(gone.status(), Some(401 | 407 | 481)), "{}", first_line(&gone));
        for (line, from, call_id) in [(room.bob, BOB, "b2"), (room.alice, ALICE, "a2")] {
            let join = phone::request("INVITE", from, &address, call_id);
            room.world.send(line, &phone::with_body(&join, "", "application/sdp", SDP));
            let ok = room.world.take_response(line);
            assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
            room.world.send(line, &phone::by_caller("ACK", &ok, 1));
        }
        let legs = room.legs();
        assert!(legs.len() == 2 && legs.iter().all(|leg| leg.session.is_some() && !leg.is_held), "{legs:?}");
    });
}

#[test]
fn a_meeting_that_is_not_there_is_told_so_and_partners_begin_none() {
    everywhere(|mut room| {
        for (line, from, to) in [(room.alice, ALICE, "meet-nothing@contoso.example"), (room.bob, BOB, FACTORY)] {
            let invite = phone::request("INVITE", from, to, "x1");
            room.world.send(line, &phone::with_body(&invite, "", "application/sdp", SDP));
            let refused = room.world.take_response(line);
            assert_eq!(refused.status(), Some(404));
            let warning = refused.header_text(HeaderName::Warning).unwrap();
            assert!(warning.contains("meeting-unknown"), "{warning}");
        }
    });
}
