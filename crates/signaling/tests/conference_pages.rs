//! Conversations of many by single messages, over three organisations of one and of three workers each.

use conference::{Command, ConferenceId};
use documents::ConferenceInfo;
use documents::conference_info::{Endpoint, EndpointStatus, JoiningMethod, User};
use signaling::AdHocMeeting;
use sim::first_line;

use crate::phone;
use crate::room::*;

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

fn hits(room: &Room, limit: &str) -> u64 {
    room.world.core(room.contoso, 0).counts().limits_hit.get(limit).copied().unwrap_or(0)
}

#[test]
fn what_is_written_to_one_who_does_not_answer_waits_within_a_limit() {
    let mut room = Room::within(1, 1, |limits| limits.conference.pages_waiting_max = 1);
    let address = room.three_in_writing();
    for text in ["one", "two", "three"] {
        room.page(room.alice, ALICE, &address, text);
        assert_eq!(room.texts(room.carol), [format!("ALICE: {text}")]);
    }
    assert_eq!(hits(&room, "pages_waiting_max"), 1);
    assert_eq!(room.texts(room.bob), ["ALICE: one", "ALICE: two"], "the third was dropped");
    room.page(room.alice, ALICE, &address, "four");
    assert_eq!(room.texts(room.bob), ["ALICE: four"]);
}

#[test]
fn a_meeting_has_so_many_requests_under_way_and_what_is_beyond_waits_for_an_answer() {
    let mut room = Room::within(1, 1, |limits| limits.conference.requests_max = 2);
    room.page(room.alice, ALICE, FACTORY, "hello");
    let address = sender(&room.hear(room.alice)[0]);
    for (whom, line) in [(BOB, room.bob), (CAROL, room.carol)] {
        room.page(room.alice, ALICE, &address, &format!("/add {whom}"));
        assert_eq!((room.texts(room.alice).len(), room.texts(line).len()), (1, 1));
    }
    room.page(room.alice, ALICE, &address, "one");
    let waiting = [room.bob, room.carol].map(|line| room.world.only(line));
    room.page(room.bob, BOB, &address, "two");
    assert_eq!(room.texts(room.alice), [""; 0]);
    assert_eq!(hits(&room, "requests_max"), 1);
    for (line, message) in [room.bob, room.carol].into_iter().zip(&waiting) {
        room.world.send(line, &phone::answer(message, "200 OK", "listener"));
    }
    room.hear(room.carol);
    assert_eq!(room.texts(room.alice), ["BOB: two"], "nobody has to write again for it");
    room.page(room.bob, BOB, &address, "three");
    assert_eq!(room.texts(room.alice), ["BOB: three"]);
}

#[test]
fn whom_a_meeting_has_no_room_to_call_is_not_in_it() {
    let mut room = Room::within(1, 1, |limits| limits.conference.requests_max = 2);
    let ok = room.join(room.alice, ALICE, FACTORY, AUDIO);
    for (cseq, (whom, legs)) in [(BOB, 2), (CAROL, 3), (DAVE, 3)].into_iter().enumerate() {
        let refer = phone::by_caller("REFER", &ok, 2 + u32::try_from(cseq).unwrap());
        let refer = format!("{}\nRefer-To: <sip:{whom}>\nRefer-Sub: false\n\n", refer.trim_end());
        room.world.send(room.alice, &refer);
        assert_eq!(room.world.take_response(room.alice).status(), Some(202));
        assert_eq!(room.legs(), legs, "{whom}");
    }
    assert_eq!(room.world.take(room.dave).len(), 0);
    assert_eq!(hits(&room, "requests_max"), 1);
}
