//! What is recorded of calls, at organisations of one and of three workers each.

use std::collections::BTreeMap;
use std::time::Duration;

use conference::{Command, ConferenceId};
use federation::decision::{Answerer, Outcome};
use federation::flow::Direction;
use signaling::{CallKind, CallRecord, Ending, LegRecord, Record, Way};
use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const DAVE: &str = "dave@contoso.example";
/// Of a phone that shows no support of transfers.
const SIMPLE: &str = "simple@contoso.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

/// Contoso and Fabrikam allow each other; Alice and Dave of the one and Bob of the other are signed in.
struct Stage {
    world: World,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    bob: Line,
    dave: Line,
}

fn stage(workers: u16, seed: u64) -> Stage {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    for (site, aor) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, aor);
    }
    world.user(contoso, SIMPLE);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let dave = phone::register(&mut world, contoso, by_seed(2), DAVE);
    let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
    Stage { world, contoso, fabrikam, alice, bob, dave }
}

fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(8, |workers, seed| play(stage(workers, seed)));
}

impl Stage {
    /// The last word of each record, by user.
    fn calls(&self, site: usize) -> BTreeMap<String, CallRecord> {
        let calls = self.world.records(site).iter().filter_map(|record| match record {
            Record::Call(call) => Some((call.user.to_string(), (**call).clone())),
            Record::Leg(_) => None,
        });
        calls.collect()
    }

    fn legs(&self, site: usize) -> Vec<LegRecord> {
        let leg = |record: &Record| match record {
            Record::Leg(leg) => Some((**leg).clone()),
            Record::Call(_) => None,
        };
        self.world.records(site).iter().filter_map(leg).collect()
    }

    fn only(&self, site: usize, user: &str) -> CallRecord {
        let mut calls = self.calls(site);
        let call = calls.remove(user).unwrap_or_else(|| panic!("nothing of {user} in {calls:?}"));
        assert_eq!(calls.len(), 0, "{calls:?}");
        call
    }

    /// Alice calls Bob, whose phone rings for a second; returns his INVITE and her 200.
    fn call_bob(&mut self) -> (Message, Message) {
        self.world.send(self.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
        let invite = self.world.only(self.bob);
        self.world.pass(Duration::from_millis(100));
        self.world.send(self.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        assert_eq!(self.world.only(self.alice).status(), Some(180));
        self.world.pass(Duration::from_secs(1));
        self.world.send(self.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = self.world.only(self.alice);
        assert_eq!(ok.status(), Some(200));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&self.world.only(self.bob)).starts_with("ACK"));
        (invite, ok)
    }

    /// A phone that shows no support of transfers calls, so that its server stands between; returns the INVITE that came and the 200.
    fn call_between(
        &mut self,
        (from, caller): (Line, &str),
        (to, callee): (Line, &str),
        call_id: &str,
    ) -> (Message, Message) {
        let invite = phone::simple(&phone::request("INVITE", caller, callee, call_id));
        self.world.send(from, &phone::with_body(&invite, "", "application/sdp", SDP));
        let invite = self.world.only(to);
        self.world.send(to, &phone::with_body(&phone::answer(&invite, "200 OK", "bob"), "", "application/sdp", SDP));
        let ok = self.world.only(from);
        self.world.send(from, &phone::by_caller("ACK", &ok, 1));
        self.world.only(to);
        (invite, ok)
    }

    /// Joins a meeting; returns the 200.
    fn join(&mut self, line: Line, from: &str, to: &str, call_id: &str) -> Message {
        let invite = phone::with_body(&phone::request("INVITE", from, to, call_id), "", "application/sdp", SDP);
        self.world.send(line, &invite);
        let ok = self.world.take_response(line);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(line, &phone::by_caller("ACK", &ok, 1));
        ok
    }
}

fn why(call: &CallRecord) -> Option<Ending> {
    call.end.as_ref().map(|end| end.why.clone())
}

fn refused(status: u16, word: Option<&str>) -> Option<Ending> {
    Some(Ending::Refused { status, word: word.map(str::to_owned) })
}

#[test]
fn a_call_to_a_partner_is_recorded_at_both_and_says_how_long_it_took() {
    everywhere(|mut stage| {
        let (invite, _) = stage.call_bob();
        let under_way = stage.only(stage.contoso, ALICE);
        assert_eq!(why(&under_way), None);
        let count = |stage: &mut Stage, site| {
            let counts = stage.world.on_cores(site, |core, _| core.status().calls_under_way);
            counts.into_iter().sum::<usize>()
        };
        assert_eq!(count(&mut stage, 0), 1);

        stage.world.pass(Duration::from_secs(30));
        stage.world.send(stage.bob, &phone::by_callee("BYE", &invite, 1));
        let bye = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&bye, "200 OK", "x"));
        assert_eq!(stage.world.only(stage.bob).status(), Some(200));
        assert_eq!(count(&mut stage, 0), 0);

        let alice = stage.only(stage.contoso, ALICE);
        assert_eq!((alice.direction, alice.kind, &alice.way), (Direction::Outbound, CallKind::Call, &Way::Proxied));
        assert_eq!((alice.other.as_str(), alice.partner.as_deref()), (BOB, Some("fabrikam.example")));
        assert!((100..300).contains(&alice.ringing_ms.unwrap()), "{alice:?}");
        assert!((1_100..1_500).contains(&alice.answered_ms.unwrap()), "{alice:?}");
        assert!((29_000..32_000).contains(&alice.talked_ms(0).unwrap()), "{alice:?}");
        assert_eq!(why(&alice), Some(Ending::ByCallee));
        assert_eq!(CallRecord { end: None, ..alice }, under_way);

        let bob = stage.only(stage.fabrikam, BOB);
        assert_eq!((bob.direction, bob.partner.as_deref()), (Direction::Inbound, Some("contoso.example")));
        assert_eq!((bob.other.as_str(), why(&bob)), (ALICE, Some(Ending::ByCallee)));
        stage.world.assert_quiet();
    });
}

#[test]
fn a_session_of_messages_is_of_its_own_kind() {
    everywhere(|mut stage| {
        let messages = SDP.replace("m=audio 40000 RTP/AVP 0", "m=message 5060 sip null");
        let invite = phone::with_body(&phone::request("INVITE", ALICE, BOB, "c1"), "", "application/sdp", &messages);
        stage.world.send(stage.alice, &invite);
        let invite = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::by_caller("ACK", &ok, 1));
        let count = |core: &mut signaling::Core, _| {
            let status = core.status();
            (
                status.calls_under_way,
                status.message_sessions_under_way,
                core.counts().set_up_times.counts.iter().sum::<u64>(),
            )
        };
        let counted = stage.world.on_cores(stage.contoso, count);
        let sum = counted.into_iter().fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
        assert_eq!(sum, (0, 1, 0));
        for (site, user) in [(stage.contoso, ALICE), (stage.fabrikam, BOB)] {
            let record = stage.only(site, user);
            assert_eq!((record.kind, &record.way), (CallKind::Messages, &Way::Between));
        }
    });
}

#[test]
fn a_call_between_two_of_ours_leaves_a_record_for_each() {
    everywhere(|mut stage| {
        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, DAVE, "c2"));
        let invite = stage.world.only(stage.dave);
        stage.world.send(stage.dave, &phone::answer(&invite, "200 OK", "dave"));
        let ok = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::by_caller("ACK", &ok, 1));
        stage.world.only(stage.dave);
        stage.world.send(stage.alice, &phone::by_caller("BYE", &ok, 2));
        let bye = stage.world.only(stage.dave);
        stage.world.send(stage.dave, &phone::answer(&bye, "200 OK", "x"));
        stage.world.only(stage.alice);
        let calls = stage.calls(stage.contoso);
        assert_eq!(calls.keys().collect::<Vec<_>>(), [ALICE, DAVE]);
        assert!(calls.values().all(|call| why(call) == Some(Ending::ByCaller) && call.partner.is_none()), "{calls:?}");
        assert_eq!((calls[ALICE].direction, calls[DAVE].direction), (Direction::Outbound, Direction::Inbound));
        let ended = stage.world.on_cores(stage.contoso, |core, _| core.counts().calls_ended.values().sum::<u64>());
        assert_eq!(ended.into_iter().sum::<u64>(), 1, "it is one call");
    });
}

#[test]
fn what_never_became_a_call_says_why() {
    everywhere(|mut stage| {
        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, BOB, "busy"));
        let invite = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&invite, "486 Busy Here", "bob"));
        assert_eq!(stage.world.take_response(stage.alice).status(), Some(486));
        let alice = stage.only(stage.contoso, ALICE);
        assert_eq!((why(&alice), alice.answered_ms), (refused(486, None), None));
        assert_eq!(why(&stage.only(stage.fabrikam, BOB)), refused(486, None));

        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "nobody@fabrikam.example", "unknown"));
        assert_eq!(stage.world.take_response(stage.alice).status(), Some(404));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), refused(404, Some("user-unknown")));

        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "bob@stranger.example", "stranger"));
        let status = stage.world.take_response(stage.alice).status().unwrap();
        let alice = stage.only(stage.contoso, ALICE);
        assert!(
            matches!(why(&alice), Some(Ending::Refused { status: told, word: Some(_) }) if told == status),
            "{alice:?}"
        );
    });
}

#[test]
fn who_gives_up_has_cancelled() {
    everywhere(|mut stage| {
        let invite = phone::request("INVITE", ALICE, BOB, "given-up");
        stage.world.send(stage.alice, &invite);
        let ringing = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        let cancel = invite.replacen("INVITE sip:", "CANCEL sip:", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        stage.world.send(stage.alice, &cancel);
        stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        let alice = stage.only(stage.contoso, ALICE);
        assert_eq!(why(&alice), Some(Ending::Cancelled));
        assert!(alice.ringing_ms.is_some());
        assert_eq!(why(&stage.only(stage.fabrikam, BOB)), Some(Ending::Cancelled));
    });
}

#[test]
fn a_caller_whose_connection_breaks_while_it_rings_has_lost_it() {
    everywhere(|mut stage| {
        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, BOB, "broken"));
        let ringing = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
        stage.world.hang_up(stage.alice);
        assert!(first_line(&stage.world.only(stage.bob)).starts_with("CANCEL"));
        stage.world.send(stage.bob, &phone::answer(&ringing, "487 Request Terminated", "bob"));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ConnectionLost));
    });
}

#[test]
fn a_phone_that_is_gone_ends_the_call_until_it_says_otherwise() {
    everywhere(|mut stage| {
        let (invite, _) = stage.call_bob();
        stage.world.hang_up(stage.alice);
        let lost = stage.only(stage.contoso, ALICE);
        assert_eq!(why(&lost), Some(Ending::ConnectionLost));
        assert_eq!(why(&stage.only(stage.fabrikam, BOB)), None, "his own connection stands");
        stage.world.send(stage.bob, &phone::by_callee("BYE", &invite, 1));
        stage.world.take(stage.bob);
        assert_eq!(why(&stage.only(stage.fabrikam, BOB)), Some(Ending::ByCallee));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ByCallee), "the last word counts");
        let counts = stage.world.on_cores(stage.contoso, |core, _| core.counts().calls_ended.values().sum::<u64>());
        assert_eq!(counts.into_iter().sum::<u64>(), 1, "it is one call");
    });
}

#[test]
fn a_call_that_goes_on_over_another_connection_is_under_way_again() {
    everywhere(|mut stage| {
        let (invite, ok) = stage.call_bob();
        stage.world.hang_up(stage.alice);
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ConnectionLost));
        let again = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        let contact = format!("alice@phone{}.invalid", again.0);
        let header = format!("Contact: <sip:{contact};transport=tls>\n");
        let moved = phone::with_body(&phone::by_caller("INVITE", &ok, 2), &header, "application/sdp", SDP);
        stage.world.send(again, &moved);
        let moved = stage.world.only(stage.bob);
        assert!(first_line(&moved).starts_with("INVITE"), "{}", first_line(&moved));
        stage.world.send(stage.bob, &phone::answer(&moved, "200 OK", "bob"));
        assert_eq!(stage.world.only(again).status(), Some(200));
        stage.world.send(again, &phone::by_caller("ACK", &ok, 2));
        assert!(first_line(&stage.world.only(stage.bob)).starts_with("ACK"));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), None);
        let bye = phone::by_callee("BYE", &invite, 1);
        let elsewhere = bye.replace("alice@phone.invalid", "alice@phone99.invalid");
        stage.world.send(stage.bob, &elsewhere.replace("BYE", "INFO"));
        let info = stage.world.only(again);
        assert!(
            first_line(&info).starts_with(&format!("INFO sip:{contact}")),
            "her only device: {}",
            first_line(&info)
        );
        stage.world.send(again, &phone::answer(&info, "200 OK", "alice"));
        assert_eq!(stage.world.only(stage.bob).status(), Some(200));
        phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        stage.world.send(stage.bob, &elsewhere.replace("BYE", "OPTIONS"));
        let refused = stage.world.only(stage.bob);
        assert_eq!(refused.status(), Some(481), "one of two, and which is not said: {}", first_line(&refused));
        stage.world.send(stage.bob, &bye.replace("alice@phone.invalid", &contact).replace("CSeq: 1", "CSeq: 2"));
        let bye = stage.world.only(again);
        stage.world.send(again, &phone::answer(&bye, "200 OK", "alice"));
        assert_eq!(stage.world.only(stage.bob).status(), Some(200));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ByCallee));
        let counts = stage.world.on_cores(stage.contoso, |core, _| core.counts().calls_ended.values().sum::<u64>());
        assert_eq!(counts.into_iter().sum::<u64>(), 1, "it is one call, lost for a while");
    });
}

/// RFC 3311: where a phone says so that it has another address.
#[test]
fn a_call_that_goes_on_by_an_update_is_under_way_again() {
    everywhere(|mut stage| {
        let (_, ok) = stage.call_bob();
        stage.world.hang_up(stage.alice);
        let again = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        stage.world.send(again, &phone::by_caller("UPDATE", &ok, 2));
        let update = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&update, "488 Not Acceptable Here", "bob"));
        assert_eq!(stage.world.only(again).status(), Some(488));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ConnectionLost), "nothing was agreed upon");
        stage.world.send(again, &phone::by_caller("UPDATE", &ok, 3));
        let update = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&update, "200 OK", "bob"));
        assert_eq!(stage.world.only(again).status(), Some(200));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), None);
    });
}

/// Whoever knows the Call-ID of a call that was lost may say it in one of his own.
#[test]
fn a_call_of_somebody_else_brings_none_back() {
    everywhere(|mut stage| {
        let (_, ok) = stage.call_bob();
        stage.world.hang_up(stage.alice);
        let moved = phone::with_body(&phone::by_caller("INVITE", &ok, 2), "", "application/sdp", SDP);
        stage.world.send(stage.dave, &moved.replace(&format!("From: <sip:{ALICE}>"), &format!("From: <sip:{DAVE}>")));
        stage.world.take(stage.dave);
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ConnectionLost));
        let own = phone::request("INVITE", DAVE, BOB, "c1")
            .replace(&format!("To: <sip:{BOB}>"), &format!("To: <sip:{BOB}>;tag=x"));
        stage.world.send(stage.dave, &own);
        if let Some(invite) = stage.world.take(stage.bob).first().cloned() {
            stage.world.send(stage.bob, &phone::answer(&invite, "200 OK", "bob"));
        }
        assert_eq!(why(&stage.calls(stage.contoso)[ALICE]), Some(Ending::ConnectionLost));
    });
}

#[test]
fn a_bye_of_somebody_else_ends_no_record() {
    everywhere(|mut stage| {
        stage.call_bob();
        let bye = phone::request("BYE", DAVE, ALICE, "c1")
            .replace(&format!("To: <sip:{ALICE}>"), &format!("To: <sip:{ALICE}>;tag=x"));
        stage.world.send(stage.dave, &bye);
        stage.world.take(stage.dave);
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), None);
    });
}

#[test]
fn a_call_that_we_stand_between_is_one_call_whoever_hangs_up() {
    everywhere(|mut stage| {
        let alice = phone::register_simple(&mut stage.world, stage.contoso, 0, SIMPLE);
        for (by_caller, call_id) in [(true, "s1"), (false, "s2")] {
            let (invite, ok) = stage.call_between((alice, SIMPLE), (stage.bob, BOB), call_id);
            let (from, to, bye) = match by_caller {
                true => (alice, stage.bob, phone::by_caller("BYE", &ok, 2)),
                false => (stage.bob, alice, phone::by_callee("BYE", &invite, 2)),
            };
            stage.world.send(from, &bye);
            let bye = stage.world.only(to);
            stage.world.send(to, &phone::answer(&bye, "200 OK", "x"));
            stage.world.take(from);
            let ended = if by_caller { Ending::ByCaller } else { Ending::ByCallee };
            let caller = stage.only(stage.contoso, SIMPLE);
            assert_eq!((&caller.way, why(&caller)), (&Way::Between, Some(ended.clone())));
            assert_eq!(caller.call_id, call_id);
            assert_eq!(why(&stage.only(stage.fabrikam, BOB)), Some(ended));
        }
    });
}

/// Each server hears from nobody, and says so to the other; neither takes that for somebody who hung up.
#[test]
fn a_call_whose_phones_are_both_gone_was_ended_by_neither() {
    everywhere(|mut stage| {
        stage.world.user(stage.fabrikam, "plain@fabrikam.example");
        let alice = phone::register_simple(&mut stage.world, stage.contoso, 0, SIMPLE);
        let bob = phone::register_simple(&mut stage.world, stage.fabrikam, 0, "plain@fabrikam.example");
        stage.call_between((alice, SIMPLE), (bob, "plain@fabrikam.example"), "gone");
        stage.world.pass(Duration::from_secs(1_000));
        let asked: Vec<String> = stage.world.take(bob).iter().map(first_line).collect();
        let (checks, byes): (Vec<_>, Vec<_>) = asked.iter().partition(|line| line.starts_with("OPTIONS"));
        assert!(!checks.is_empty() && byes.iter().all(|line| line.starts_with("BYE")), "{asked:?}");
        for (site, user) in [(stage.contoso, SIMPLE), (stage.fabrikam, "plain@fabrikam.example")] {
            let record = stage.only(site, user);
            assert_eq!((&record.way, why(&record)), (&Way::Between, Some(Ending::ConnectionLost)));
        }
    });
}

#[test]
fn a_phone_that_breaks_off_while_it_is_called_is_away() {
    for rings in [false, true] {
        everywhere(|mut stage| {
            stage.world.send(stage.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
            let invite = stage.world.only(stage.bob);
            if rings {
                stage.world.send(stage.bob, &phone::answer(&invite, "180 Ringing", "bob"));
                stage.world.take(stage.alice);
            }
            stage.world.hang_up(stage.bob);
            let answer = stage.world.only(stage.alice);
            assert_eq!(answer.status(), Some(480));
            assert!(answer.header_text(HeaderName::Warning).unwrap().contains("user-offline"), "{rings}");
            assert_eq!(why(&stage.only(stage.fabrikam, BOB)), refused(480, Some("user-offline")));
        });
    }
}

#[test]
fn a_phone_that_says_503_is_not_away() {
    everywhere(|mut stage| {
        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
        let invite = stage.world.only(stage.bob);
        stage.world.send(stage.bob, &phone::answer(&invite, "503 Service Unavailable", "bob"));
        let answer = stage.world.take_response(stage.alice);
        assert_eq!(
            (answer.status(), answer.header_text(HeaderName::Warning)),
            (Some(500), None),
            "RFC 3261 section 16.7"
        );
    });
}

#[test]
fn what_a_phone_answers_is_known_also_where_we_stand_between() {
    everywhere(|mut stage| {
        stage.world.user(stage.fabrikam, "plain@fabrikam.example");
        let bob = phone::register_simple(&mut stage.world, stage.fabrikam, 0, "plain@fabrikam.example");
        stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "plain@fabrikam.example", "busy"));
        let invite = stage.world.only(bob);
        stage.world.send(bob, &phone::answer(&invite, "486 Busy Here", "bob"));
        assert_eq!(stage.world.only(stage.alice).status(), Some(486));
        let told = stage.world.decisions(stage.fabrikam);
        let told: Vec<_> = told.filter(|record| record.call_id == "busy").map(|record| &record.outcome).collect();
        assert!(told.iter().any(|outcome| matches!(outcome, Outcome::Way { stands_between: true, .. })), "{told:?}");
        let is_answer =
            |outcome: &&&Outcome| matches!(outcome, Outcome::Answered { status: 486, by: Answerer::Device, .. });
        assert_eq!(told.iter().filter(is_answer).count(), 1, "{told:?}");
    });
}

#[test]
fn whose_account_is_removed_is_in_no_call_any_more() {
    everywhere(|mut stage| {
        let alice = phone::register_simple(&mut stage.world, stage.contoso, 0, SIMPLE);
        stage.call_between((alice, SIMPLE), (stage.bob, BOB), "c1");
        stage.world.remove_user(stage.contoso, &SIMPLE.parse().unwrap());
        let bye = stage.world.only(stage.bob);
        assert!(first_line(&bye).starts_with("BYE"), "{}", first_line(&bye));
        assert_eq!(bye.header_text(HeaderName::Reason), Some("SIP;cause=404;text=\"user-unknown\""));
    });
}

/// RFC 3261 section 12.2.1.1: the route is the phone's to keep.
#[test]
fn a_bye_without_the_route_of_its_call_is_refused_and_ends_no_record() {
    everywhere(|mut stage| {
        let (_, ok) = stage.call_bob();
        let bye = phone::by_caller("BYE", &ok, 2);
        let kept = bye.lines().skip(1).filter(|line| !line.starts_with("Route:")).collect::<Vec<_>>().join("\n");
        for contact in ["sip:bob@192.0.2.77:5062", "sip:bob@1a2b3c.invalid;transport=ws"] {
            stage.world.send(stage.alice, &format!("BYE {contact} SIP/2.0\n{kept}\n"));
            let refused = stage.world.only(stage.alice);
            assert_eq!(refused.status(), Some(481));
            assert!(refused.header_text(HeaderName::Warning).unwrap().contains("route-missing"));
        }
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), None);
        stage.world.send(stage.alice, &bye.replace("BYE2in", "BYE4in").replace("CSeq: 2", "CSeq: 4"));
        stage.world.only(stage.bob);
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), Some(Ending::ByCaller));
    });
}

#[test]
fn legs_of_a_meeting_are_recorded_with_their_sound() {
    everywhere(|mut stage| {
        let alice = stage.join(stage.alice, ALICE, "meet@contoso.example", "a1");
        let contact = alice.contacts().next().unwrap().unwrap();
        let uri = contact.address().unwrap().uri();
        let address = uri.as_str().strip_prefix("sip:").unwrap().to_owned();
        let bob = stage.join(stage.bob, BOB, &address, "b1");
        stage.world.send(stage.bob, &phone::by_caller("BYE", &bob, 2));
        assert_eq!(stage.world.only(stage.bob).status(), Some(200));

        let id = address.split('@').next().and_then(|user| user.strip_prefix("meet-")).unwrap();
        let id = ConferenceId::parse(id).unwrap();
        stage.world.on_cores(stage.contoso, |core, now| core.command_conference(now, &id, None, &Command::End));
        assert!(first_line(&stage.world.only(stage.alice)).starts_with("BYE"));

        let calls = stage.calls(stage.contoso);
        assert_eq!(calls.keys().collect::<Vec<_>>(), [ALICE, address.as_str()]);
        let (hers, his) = (&calls[ALICE], &calls[&address]);
        for call in [hers, his] {
            assert_eq!((call.kind, &call.way), (CallKind::Meeting, &Way::Meeting(id.to_string())));
        }
        assert_eq!((hers.other.as_str(), why(hers)), (address.as_str(), Some(Ending::ByMeeting)));
        assert_eq!((his.other.as_str(), his.partner.as_deref()), (BOB, Some("fabrikam.example")));
        assert_eq!((his.direction, why(his)), (Direction::Inbound, Some(Ending::ByCaller)));
        assert_eq!(stage.only(stage.fabrikam, BOB).kind, CallKind::Call, "to his own server it is one like any other");

        let legs: Vec<_> = stage
            .legs(stage.contoso)
            .into_iter()
            .map(|leg| (leg.call_id.clone(), leg.who.clone(), leg.loss()))
            .collect();
        assert_eq!(
            legs,
            [("b1".to_owned(), BOB.to_owned(), Some(0.1)), ("a1".to_owned(), ALICE.to_owned(), Some(0.1))]
        );
    });
}

#[test]
fn at_a_drain_what_is_under_way_is_recorded_as_such_once() {
    everywhere(|mut stage| {
        let (invite, _) = stage.call_bob();
        stage.world.drain_site(stage.contoso);
        let taken = |stage: &mut Stage| -> Vec<CallRecord> {
            stage.world.on_cores(0, |core, now| core.take_open_records(now)).into_iter().flatten().collect()
        };
        let records = taken(&mut stage);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].user.to_string().as_str(), why(&records[0])), (ALICE, Some(Ending::Drained)));
        assert_eq!(taken(&mut stage), []);
        stage.world.send(stage.bob, &phone::by_callee("BYE", &invite, 1));
        assert_eq!(why(&stage.only(stage.contoso, ALICE)), None, "nothing more is said of it");
    });
}
