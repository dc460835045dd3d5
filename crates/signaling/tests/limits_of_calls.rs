//! What calls, sessions of messages and meetings may take of one worker, and what becomes of one more.

use std::time::Duration;

use signaling::{Ending, Limits, Record};
use sim::{Line, first_line};
use sip::{HeaderName, Message};

use crate::narrow::{self, ALICE, DAVE, Stage};
use crate::phone;

const FACTORY: &str = "meet@contoso.example";
const SOUND: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";
const WRITTEN: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip null\n\
    a=accept-types:text/plain\n";

/// Alice's phone shows neither REFER nor Replaces.
fn stage(narrow: impl Fn(&mut Limits)) -> Stage {
    narrow::stage(phone::register_simple, narrow)
}

impl Stage {
    /// Alice calls Dave, who answers; returns her 200.
    fn call(&mut self, call_id: &str) -> Message {
        self.invite(self.alice, (ALICE, DAVE), call_id, SOUND);
        let invite = self.world.only(self.dave);
        let answer = phone::with_body(&phone::answer(&invite, "200 OK", "dave"), "", "application/sdp", SOUND);
        self.world.send(self.dave, &answer);
        let ok = self.world.only(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&self.world.only(self.dave)).starts_with("ACK"));
        ok
    }

    fn hang_up(&mut self, ok: &Message) {
        self.world.send(self.alice, &phone::by_caller("BYE", ok, 2));
        let bye = self.world.only(self.dave);
        self.world.send(self.dave, &phone::answer(&bye, "200 OK", "dave"));
        assert_eq!(self.world.only(self.alice).status(), Some(200));
    }

    /// Of the calls of alice's: their Call-IDs, and why each is over if it is.
    fn recorded(&self) -> Vec<(&str, Option<Ending>)> {
        let calls = self.world.records(self.site).iter().filter_map(|record| match record {
            Record::Call(call) if call.user.to_string() == ALICE => Some(call),
            _ => None,
        });
        calls.map(|call| (call.call_id.as_str(), call.end.as_ref().map(|end| end.why.clone()))).collect()
    }
}

#[test]
fn a_call_more_than_we_may_stand_between_passes_through() {
    let mut stage = stage(|limits| limits.calls_between_max = 1);
    let between = |stage: &Stage| stage.world.core(stage.site, 0).load().calls_between;
    let first = stage.call("c1");
    assert_eq!((between(&stage), stage.hits("calls_between_max")), (1, 0));
    let second = stage.call("c2");
    assert_eq!((between(&stage), stage.hits("calls_between_max")), (1, 1));
    stage.hang_up(&second);
    stage.hang_up(&first);
    stage.call("c3");
    assert_eq!((between(&stage), stage.hits("calls_between_max")), (1, 1));
}

#[test]
fn a_user_whose_calls_we_stand_between_enough_leaves_the_rest_to_others() {
    let mut stage = stage(|limits| limits.calls_between_per_user_max = 1);
    let between = |stage: &Stage| stage.world.core(stage.site, 0).load().calls_between;
    let first = stage.call("c1");
    let second = stage.call("c2");
    assert_eq!((between(&stage), stage.hits("calls_between_per_user_max")), (1, 1));
    stage.invite(stage.dave, (DAVE, ALICE), "d1", SOUND);
    assert_eq!((between(&stage), stage.hits("calls_between_per_user_max")), (2, 1), "dave has his own share");
    assert!(first_line(&stage.world.only(stage.alice)).starts_with("INVITE"));
    stage.hang_up(&second);
    stage.hang_up(&first);
    stage.call("c3");
    assert_eq!((between(&stage), stage.hits("calls_between_per_user_max")), (2, 1));
}

#[test]
fn a_call_for_whose_record_there_is_no_room_is_recorded_at_once() {
    let mut stage = stage(|limits| limits.call_records_max = 0);
    let ok = stage.call("c1");
    assert_eq!(stage.recorded(), [("c1", Some(Ending::NeverSeen))]);
    assert_eq!(stage.hits("call_records_max"), 2, "his and hers");
    stage.hang_up(&ok);
    assert_eq!(stage.recorded().len(), 1);
}

#[test]
fn calls_that_were_lost_take_no_room_of_others() {
    let mut stage = narrow::stage(phone::register, |limits| limits.call_records_max = 4);
    let mut calls = Vec::new();
    for call_id in ["c1", "c2", "c3"] {
        calls.push(stage.call(call_id));
        for (line, aor) in [(stage.alice, ALICE), (stage.dave, DAVE)] {
            stage.world.hang_up(line);
            let again = phone::register(&mut stage.world, stage.site, 0, aor);
            *(if aor == ALICE { &mut stage.alice } else { &mut stage.dave }) = again;
        }
    }
    stage.call("c4");
    let ends: Vec<_> = stage.recorded().into_iter().filter(|(_, end)| end.is_some()).collect();
    assert_eq!(ends, ["c1", "c2", "c3"].map(|call_id| (call_id, Some(Ending::ConnectionLost))));
    assert_eq!((stage.recorded().last().cloned(), stage.hits("call_records_max")), (Some(("c4", None)), 0));
    // Of what was lost last it is heard still.
    stage.world.send(stage.alice, &phone::by_caller("BYE", &calls[2], 2));
    let ends: Vec<_> =
        stage.recorded().into_iter().filter(|(call_id, end)| *call_id != "c4" && end.is_some()).collect();
    assert_eq!(ends.last(), Some(&("c3", Some(Ending::ByCaller))));
}

#[test]
fn the_oldest_call_of_a_user_with_too_many_is_given_up_and_goes_on() {
    let mut stage = stage(|limits| limits.call_records_per_user_max = 1);
    let first = stage.call("c1");
    stage.call("c2");
    let over: Vec<_> = stage.recorded().into_iter().filter(|(_, end)| end.is_some()).collect();
    assert_eq!(over, [("c1", Some(Ending::NeverSeen))]);
    assert_eq!(stage.hits("call_records_per_user_max"), 2);
    stage.hang_up(&first);
}

/// Alice asks for a session of messages, which Dave's phone does not know; what she is told.
fn ask_for_session(stage: &mut Stage, call_id: &str) -> Message {
    stage.invite(stage.alice, (ALICE, DAVE), call_id, WRITTEN);
    let refused = stage.world.only(stage.dave);
    stage.world.send(stage.dave, &phone::answer(&refused, "488 Not Acceptable Here", "dave"));
    stage.world.only(stage.dave);
    let answer = stage.world.take_response(stage.alice);
    if answer.status() == Some(200) {
        stage.world.send(stage.alice, &phone::by_caller("ACK", &answer, 1));
    }
    answer
}

#[test]
fn a_session_more_than_we_may_answer_is_refused_as_the_phone_refused_it() {
    let mut stage = stage(|limits| limits.gateways_max = 1);
    assert_eq!(ask_for_session(&mut stage, "s1").status(), Some(200));
    assert_eq!(stage.hits("gateways_max"), 0);
    let mut other = self::stage(|limits| limits.gateways_max = 0);
    assert_eq!(ask_for_session(&mut other, "s1").status(), Some(488));
    assert_eq!(other.hits("gateways_max"), 1);
}

#[test]
fn a_user_with_enough_sessions_that_we_answer_gets_what_the_phone_answers() {
    let mut stage = stage(|limits| limits.gateways_per_user_max = 1);
    let first = ask_for_session(&mut stage, "s1");
    assert_eq!(first.status(), Some(200));
    assert_eq!(ask_for_session(&mut stage, "s2").status(), Some(488));
    assert_eq!(stage.hits("gateways_per_user_max"), 1);
    stage.world.send(stage.alice, &phone::by_caller("BYE", &first, 2));
    assert_eq!(stage.world.take_response(stage.alice).status(), Some(200));
    assert_eq!(ask_for_session(&mut stage, "s3").status(), Some(200));
}

#[test]
fn a_message_more_than_may_be_under_way_in_a_session_is_refused_and_the_session_stays() {
    let mut stage = stage(|limits| limits.gateway.under_way_max = 1);
    let ok = ask_for_session(&mut stage, "s1");
    let say = |stage: &mut Stage, cseq| {
        let message = phone::with_body(&phone::by_caller("MESSAGE", &ok, cseq), "", "text/plain", "hello");
        stage.world.send(stage.alice, &message);
    };
    say(&mut stage, 2);
    let first = stage.world.only(stage.dave);
    say(&mut stage, 3);
    let refused = stage.world.only(stage.alice);
    assert_eq!((refused.status(), refused.header_text(HeaderName::RetryAfter)), (Some(480), Some("1")));
    assert!(refused.header_text(HeaderName::Warning).unwrap().contains("too-many-messages"));
    stage.world.send(stage.dave, &phone::answer(&first, "200 OK", "dave"));
    assert_eq!(stage.world.only(stage.alice).status(), Some(200));
    say(&mut stage, 4);
    stage.world.only(stage.dave);
}

#[test]
fn one_more_than_a_meeting_holds_is_told_that_it_is_full() {
    let mut stage = stage(|limits| limits.conference.participants_max = 1);
    stage.invite(stage.alice, (ALICE, FACTORY), "a1", SOUND);
    let ok = stage.world.take_response(stage.alice);
    assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
    stage.world.send(stage.alice, &phone::by_caller("ACK", &ok, 1));
    let contact = ok.contacts().next().unwrap().unwrap();
    let address = contact.address().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned();
    stage.invite(stage.dave, (DAVE, &address), "d1", SOUND);
    let full = stage.world.take_response(stage.dave);
    assert_eq!(full.status(), Some(486));
    assert!(full.header_text(HeaderName::Warning).unwrap().contains("meeting-full"));
    stage.world.pass(Duration::from_secs(1));
    assert_eq!(stage.world.core(stage.site, 0).load().conferences, 1, "it goes on");
}

#[test]
fn a_user_has_so_many_meetings_under_way_and_others_begin_theirs() {
    let mut stage = stage(|limits| limits.meetings_per_organiser_max = 1);
    let (alice, dave) = (stage.alice, stage.dave);
    let begin = |stage: &mut Stage, (line, who): (Line, &str), call_id: &str| {
        stage.invite(line, (who, FACTORY), call_id, SOUND);
        let answer = stage.world.take_response(line);
        if answer.status() == Some(200) {
            stage.world.send(line, &phone::by_caller("ACK", &answer, 1));
        }
        answer
    };
    let first = begin(&mut stage, (alice, ALICE), "a1");
    assert_eq!(first.status(), Some(200));
    let refused = begin(&mut stage, (alice, ALICE), "a2");
    assert_eq!((refused.status(), refused.header_text(HeaderName::RetryAfter)), (Some(480), Some("30")));
    assert!(refused.header_text(HeaderName::Warning).unwrap().contains("too-many-meetings"));
    assert_eq!(begin(&mut stage, (dave, DAVE), "d1").status(), Some(200));
    stage.world.send(alice, &phone::by_caller("BYE", &first, 2));
    assert_eq!(stage.world.take_response(alice).status(), Some(200));
    assert_eq!(begin(&mut stage, (alice, ALICE), "a3").status(), Some(200), "there is room again");
    assert_eq!(stage.hits("meetings_per_organiser_max"), 1);
}

/// What a call is forked to beyond us may be as many devices as it likes, each with a tag of its own.
#[test]
fn so_many_devices_that_answer_one_call_begin_dialogs() {
    // The one that takes it has a place, whoever rang before.
    for number in [0, 15, 16, 19] {
        let mut stage = stage(|_| {});
        stage.invite(stage.alice, (ALICE, DAVE), "c1", SOUND);
        let invite = stage.world.only(stage.dave);
        let tagged = |status: &str, number: usize| {
            phone::answer(&invite, status, "dave").replace("tag=callee", &format!("tag=device{number}"))
        };
        for number in 0..20 {
            stage.world.send(stage.dave, &tagged("180 Ringing", number));
            assert_eq!(stage.world.only(stage.alice).status(), Some(180));
        }
        let answer = phone::with_body(&tagged("200 OK", number), "", "application/sdp", SOUND);
        stage.world.send(stage.dave, &answer);
        let ok = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::by_caller("BYE", &ok, 2));
        assert_eq!(stage.world.take(stage.dave).len(), 1, "{number}");
        assert!(stage.world.take(stage.alice).is_empty(), "{number}: no 481");
    }
}
