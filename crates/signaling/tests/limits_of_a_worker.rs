//! What all senders together may take of one worker: the answer at each limit, and that it is counted.

use std::time::Duration;

use federation::decision::{Outcome, Recorded};
use federation::trust::{PeerCertificate, Why};
use signaling::Limits;
use sim::{Line, Place, World, allowed, certificate};
use sip::{HeaderName, Message};

use crate::narrow::{self, ALICE, DAVE, Stage};
use crate::phone;

fn stage(narrow: impl Fn(&mut Limits)) -> Stage {
    narrow::stage(phone::register, narrow)
}

impl Stage {
    fn write(&mut self, call_id: &str) {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, DAVE, call_id));
    }

    fn is_told_of_overload(&mut self, limit: &str) {
        let answer = self.world.only(self.alice);
        assert_eq!(answer.status(), Some(503), "{limit}");
        assert!(answer.header_text(HeaderName::Warning).unwrap().contains("overloaded"));
        assert_eq!(self.hits(limit), 1, "{limit}");
    }

    /// The 200 to an INVITE of alice, acknowledged; what it took of transactions is over.
    fn call_and_wait(&mut self) -> Message {
        self.world.send(self.alice, &phone::request("INVITE", ALICE, DAVE, "call"));
        let invite = self.world.only(self.dave);
        self.world.send(self.dave, &phone::answer(&invite, "200 OK", "dave"));
        let ok = self.world.only(self.alice);
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        self.world.only(self.dave);
        self.world.pass(Duration::from_secs(40));
        ok
    }
}

#[test]
fn the_last_transactions_are_for_calls_under_way() {
    let mut stage = stage(|limits| limits.server_transactions_max = 10);
    let ok = stage.call_and_wait();
    for number in 0..9 {
        stage.write(&format!("m{number}"));
        stage.world.only(stage.dave);
    }
    stage.write("one-more");
    stage.is_told_of_overload("server_transactions_max");
    stage.world.send(stage.alice, &phone::by_caller("BYE", &ok, 2));
    let bye = stage.world.only(stage.dave);
    stage.world.send(stage.dave, &phone::answer(&bye, "200 OK", "dave"));
    assert_eq!(stage.world.only(stage.alice).status(), Some(200));
}

#[test]
fn what_went_well_takes_no_room_of_what_is_under_way() {
    for (lingering_max, passes) in [(10, true), (1, false)] {
        let mut stage = stage(|limits| {
            limits.server_transactions_max = 2;
            limits.client_transactions_max = 1;
            limits.lingering_transactions_max = lingering_max;
        });
        let mut answers = Vec::new();
        for number in 0..3 {
            stage.world.send(stage.alice, &phone::request("INVITE", ALICE, DAVE, &format!("call{number}")));
            let invite = stage.world.only(stage.dave);
            answers.push(phone::answer(&invite, "200 OK", "dave"));
            stage.world.send(stage.dave, answers.last().unwrap());
            assert_eq!(stage.world.only(stage.alice).status(), Some(200));
        }
        // Dave has no ACK, and says it again.
        stage.world.send(stage.dave, &answers[0]);
        assert_eq!(stage.world.take(stage.alice).len(), usize::from(passes), "{lingering_max}");
    }
}

#[test]
fn who_has_proven_nothing_cannot_take_them_all() {
    let mut stage = stage(|limits| limits.server_transactions_unproven_max = 2);
    for number in 0..2 {
        stage.write(&format!("m{number}"));
        stage.world.only(stage.dave);
    }
    let stranger = stage.world.connect(stage.site, 0, None);
    stage.world.send(stranger, &phone::request("REGISTER", ALICE, ALICE, "new"));
    let answer = stage.world.only(stranger);
    assert_eq!((answer.status(), answer.header_text(HeaderName::RetryAfter)), (Some(503), Some("5")));
    let counts = stage.world.core(stage.site, 0).counts();
    assert_eq!(counts.limits_hit["server_transactions_unproven_max"], 1);
    stage.write("goes-on");
    stage.world.only(stage.dave);
}

#[test]
fn what_could_not_be_sent_on_is_refused() {
    let mut stage = stage(|limits| limits.client_transactions_max = 1);
    stage.write("m0");
    stage.world.only(stage.dave);
    // A message would be kept.
    stage.world.send(stage.alice, &phone::request("OPTIONS", ALICE, DAVE, "o1"));
    stage.is_told_of_overload("client_transactions_max");
}

#[test]
fn a_device_more_than_may_be_is_not_called() {
    for (max, called, hits) in [(1, 1, 1), (2, 2, 0)] {
        let mut stage = stage(|limits| limits.branches_max = max);
        let second = phone::register(&mut stage.world, stage.site, 0, DAVE);
        stage.write("to-both");
        let both = [stage.dave, second].map(|line| stage.world.take(line).len());
        assert_eq!(both.iter().sum::<usize>(), called, "{both:?}");
        assert_eq!(stage.hits("branches_max"), hits);
    }
}

#[test]
fn the_oldest_decision_is_forgotten() {
    let mut stage = stage(|limits| limits.decisions_max = 5);
    for number in 0..10 {
        stage.write(&format!("m{number}"));
        stage.world.only(stage.dave);
    }
    assert_eq!(stage.world.core(stage.site, 0).decisions().iter().count(), 5);
}

#[test]
fn what_is_turned_away_is_remembered_apart() {
    let mut stage = stage(|limits| (limits.turned_away_max, limits.decisions_max) = (2, 2));
    stage.write("taken");
    stage.world.only(stage.dave);
    let decisions = |stage: &Stage| stage.world.core(stage.site, 0).decisions().iter().cloned().collect::<Vec<_>>();
    let before = decisions(&stage);
    let long = "x".repeat(3_000);
    for (call_id, from, to) in [
        ("hops", "Max-Forwards: 70", "Max-Forwards: 0"),
        ("uri", "sip:dave@", "sip:d\u{e4}ve@"),
        (long.as_str(), "Max-Forwards: 70", "Max-Forwards: 70"),
    ] {
        let request = phone::request("MESSAGE", ALICE, DAVE, call_id).replace(from, to).replace('\n', "\r\n");
        stage.world.send_bytes(stage.alice, request.into_bytes());
        stage.world.only(stage.alice);
    }
    let turned_away = stage.world.core(stage.site, 0).turned_away().iter();
    let reasons: Vec<_> =
        turned_away.map(|found| (found.record.call_id.clone(), found.record.outcome.clone())).collect();
    let refused = |reason: &str| Outcome::Refused {
        status: 400,
        word: "malformed-request".to_owned(),
        reason: reason.to_owned(),
    };
    let expected = [
        ("uri".to_owned(), refused("malformed start line")),
        (long[..256].to_owned(), refused("the Call-ID is longer than 256 bytes")),
    ];
    assert_eq!(reasons, expected);
    let domains = |found: &Recorded| (found.record.from_domain.clone(), found.record.to_domain.clone());
    let ours = ("contoso.example".to_owned(), "contoso.example".to_owned());
    let core = stage.world.core(stage.site, 0);
    assert!(core.turned_away().iter().map(domains).all(|named| named == ours));
    assert_eq!(decisions(&stage), before);
}

#[test]
fn who_shows_nothing_is_let_go() {
    let mut stage = stage(|limits| limits.undecided_secs_max = 3);
    let silent = stage.world.connect(stage.site, 0, None);
    stage.world.pass(Duration::from_secs(2));
    assert!(stage.world.is_line_open(silent));
    stage.world.pass(Duration::from_secs(2));
    assert!(!stage.world.is_line_open(silent) && stage.world.is_line_open(stage.alice));
    assert_eq!(stage.world.core(stage.site, 0).counts().limits_hit["undecided_secs_max"], 1);
}

#[test]
fn who_shows_a_certificate_that_is_vouched_for_may_be_silent() {
    let mut stage = stage(|limits| limits.undecided_secs_max = 3);
    let shown = certificate(&["sip.fabrikam.example"]);
    let ready = stage.world.connect(stage.site, 0, Some(shown.clone()));
    let unknown = PeerCertificate { chain: Err(Why::UnknownIssuer), ..shown };
    let unknown = stage.world.connect(stage.site, 0, Some(unknown));
    stage.world.pass(Duration::from_secs(60));
    assert!(stage.world.is_line_open(ready) && !stage.world.is_line_open(unknown));
}

#[test]
fn a_user_more_than_one_flow_may_prove_proves_himself_each_time() {
    for (max, status, hits) in [(1, Some(407), 1), (2, None, 0)] {
        let mut stage = stage(|limits| limits.users_per_flow_max = max);
        phone::register_on(&mut stage.world, stage.alice, DAVE);
        stage.world.send(stage.alice, &phone::request("MESSAGE", DAVE, ALICE, "his"));
        let came = stage.world.only(stage.alice);
        assert_eq!(came.status(), status, "it is on its way to alice, or he is asked for his password");
        assert_eq!(stage.hits("users_per_flow_max"), hits);
    }
}

/// Each of the two who are signed in has used one, and so does whoever asks again.
#[test]
fn of_more_nonces_than_are_remembered_the_oldest_is_forgotten_and_counted() {
    for (max, hits) in [(1, 2), (2, 1), (3, 0)] {
        let mut stage = stage(|limits| limits.nonces_max = max);
        phone::refresh(&mut stage.world, stage.alice, ALICE, 3);
        assert_eq!(stage.hits("nonces_max"), hits, "{max}");
    }
}

/// As many as may watch one user, all over a connection that ends before it has answered anything.
#[test]
fn watchers_who_are_gone_together_are_let_go_one_by_one() {
    let watch_and_vanish = || {
        let mut stage = stage(|limits| limits.presence.watchers_per_user_of_one_max = 900);
        for number in 0..900 {
            let headers = "Event: presence\nExpires: 600\n";
            let subscribe = phone::request("SUBSCRIBE", DAVE, ALICE, &format!("w{number}"));
            stage.world.send(stage.dave, &subscribe.replacen("Max-F", &format!("{headers}Max-F"), 1));
        }
        assert!(stage.world.take(stage.dave).len() >= 1800, "each has its 200 and its NOTIFY");
        stage.world.hang_up(stage.dave);
        stage.world.pass(Duration::from_secs(700));
        stage.write("still-there");
        assert_eq!(stage.world.take_response(stage.alice).status(), Some(202));
    };
    // What each of them needed of the stack, one within the other, was not there for all.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(watch_and_vanish).unwrap();
    thread.join().unwrap();
}

const STACK_BYTES: usize = 512 << 10;

#[test]
fn of_more_answered_calls_than_are_remembered_the_oldest_is_forgotten() {
    for (max, hits) in [(1, None), (0, Some(1))] {
        let mut stage = stage(|limits| limits.calls_proxied_max = max);
        stage.call_and_wait();
        assert_eq!(stage.world.core(stage.site, 0).counts().limits_hit.get("calls_proxied_max").copied(), hits);
    }
}

#[test]
fn a_meeting_more_than_there_may_be_is_refused() {
    let mut stage = stage(|limits| limits.conferences_max = 0);
    stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "meet@contoso.example", "meeting"));
    stage.is_told_of_overload("conferences_max");
}

#[test]
fn a_message_that_no_device_answers_in_time_is_kept() {
    let mut stage = stage(|limits| limits.message_answer_secs_max = 3);
    stage.write("m1");
    stage.world.only(stage.dave);
    stage.world.pass(Duration::from_secs(2));
    assert!(stage.world.take(stage.alice).is_empty());
    stage.world.pass(Duration::from_secs(2));
    assert_eq!(stage.world.take_response(stage.alice).status(), Some(202));
}

/// Bob's domain is one whose name servers answer after half a minute.
fn stage_with_slow_partner(narrow: impl Fn(&mut Limits)) -> Stage {
    let mut world = World::new(1);
    let [site, _] = world.allies(["contoso.example", "fabrikam.example"], 1);
    world.configure(site, |config| narrow(&mut config.limits));
    world.user(site, ALICE);
    world.user(site, DAVE);
    let late = sim::Trouble { late: Duration::from_secs(30), failure: None };
    world.zones.set_trouble("fabrikam.example", late);
    let alice = phone::register(&mut world, site, 0, ALICE);
    let dave = phone::register(&mut world, site, 0, DAVE);
    Stage { world, site, alice, dave }
}

#[test]
fn what_a_decision_needs_and_does_not_get_in_time_is_an_answer() {
    let mut stage = stage_with_slow_partner(|limits| limits.answer_secs_max = 3);
    stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "bob@fabrikam.example", "c1"));
    stage.world.pass(Duration::from_secs(2));
    assert!(stage.world.take(stage.alice).iter().all(|message| message.status() < Some(200)));
    stage.world.pass(Duration::from_secs(2));
    let answer = stage.world.take_response(stage.alice);
    assert_eq!(answer.status(), Some(504));
    assert!(answer.header_text(HeaderName::Warning).unwrap().contains("no-answer"));
}

#[test]
fn so_many_wait_for_a_connection_to_a_partner_and_the_next_is_told() {
    let mut stage = stage_with_slow_partner(|limits| {
        limits.waiting_per_link_max = 2;
        limits.partner_connections = 1;
    });
    for number in 0..2 {
        let invite = phone::request("INVITE", ALICE, "bob@fabrikam.example", &format!("c{number}"));
        stage.world.send(stage.alice, &invite);
        assert!(stage.world.take(stage.alice).is_empty());
    }
    stage.world.send(stage.alice, &phone::request("INVITE", ALICE, "bob@fabrikam.example", "one-more"));
    stage.is_told_of_overload("waiting_per_link_max");
    stage.write("others-go-on");
    stage.world.only(stage.dave);
}

/// Each of a partner's addresses takes five seconds to try.
#[test]
fn all_ways_to_a_partner_together_are_tried_for_so_long() {
    let mut world = World::new(1);
    let [site, far] = world.allies(["contoso.example", "fabrikam.example"], 1);
    world.configure(site, |config| config.limits.link_secs_max = 8);
    world.user(site, ALICE);
    let addresses = ["192.0.2.71", "192.0.2.72", "192.0.2.73", "192.0.2.74"];
    world.server(far, 10, "edge.fabrikam.example", &addresses);
    world.network.cut(Place::Site(site), Place::Site(far));
    let alice = phone::register(&mut world, site, 0, ALICE);
    world.send(alice, &phone::request("INVITE", ALICE, "bob@fabrikam.example", "c1"));
    world.pass(Duration::from_secs(9));
    assert!(world.take(alice).iter().all(|message| message.status() < Some(200)));
    world.pass(Duration::from_secs(2));
    let answer = world.take_response(alice);
    assert_eq!(answer.status(), Some(504));
    assert!(answer.header_text(HeaderName::Warning).unwrap().contains("partner-unreachable"));
}

/// Dave writes to Alice over a new connection, with his password.
fn writes(stage: &mut Stage, call_id: &str) -> Line {
    let line = stage.world.connect(stage.site, 0, None);
    let message = phone::request("MESSAGE", DAVE, ALICE, call_id);
    stage.world.send(line, &message);
    let challenge = stage.world.take_response(line);
    stage.world.send(line, &phone::answered(&message, &challenge, DAVE));
    line
}

#[test]
fn a_user_with_a_connection_more_than_he_may_have_loses_the_oldest_that_he_does_not_need() {
    let mut stage = stage(|limits| limits.flows_per_user_max = 2);
    let first = writes(&mut stage, "one");
    assert_eq!(stage.hits("flows_per_user_max"), 0, "with the one by which he signed in");
    let second = writes(&mut stage, "two");
    assert_eq!(stage.hits("flows_per_user_max"), 1);
    let open = [stage.dave, first, second, stage.alice].map(|line| stage.world.is_line_open(line));
    assert_eq!(open, [true, false, true, true]);
    let received = stage.world.take(stage.alice);
    assert_eq!(received.len(), 2, "what he wrote has gone on");
    stage.world.hang_up(second);
    let third = writes(&mut stage, "three");
    assert!(stage.world.is_line_open(third) && stage.world.is_line_open(stage.dave));
    assert_eq!(stage.hits("flows_per_user_max"), 1, "what ended counts no more");
}

#[test]
fn a_user_whose_connections_are_all_needed_gets_no_other() {
    let mut stage = stage(|limits| limits.flows_per_user_max = 1);
    let refused = writes(&mut stage, "one");
    assert!(!stage.world.is_line_open(refused) && stage.world.is_line_open(stage.dave));
    assert_eq!(stage.hits("flows_per_user_max"), 1);
}

#[test]
fn a_partner_has_so_many_connections_to_a_worker() {
    let mut stage = stage(|limits| limits.flows_per_partner_max = 1);
    stage.world.replace_partners(stage.site, vec![allowed("fabrikam.example"), allowed("adatum.example")]);
    let mut number = 0;
    let mut writes = |domain: &str| {
        let line = stage.world.connect(stage.site, 0, Some(certificate(&[domain])));
        number += 1;
        stage.world.send(line, &phone::request("MESSAGE", &format!("bob@{domain}"), ALICE, &format!("m{number}")));
        line
    };
    let [first, second, other] = ["fabrikam.example", "fabrikam.example", "adatum.example"].map(&mut writes);
    let open = [first, second, other].map(|line| stage.world.is_line_open(line));
    assert_eq!((open, stage.hits("flows_per_partner_max")), ([false, true, true], 1));
}
