//! A device with two flows (RFC 5626), in an organisation of one and of three workers.

use std::time::Duration;

use sim::{Line, World, first_line};
use sip::HeaderName;

use crate::phone;

/// Alice writes and calls. Bob has a phone with two flows, of which the second was registered last, and a plain one.
struct Play {
    world: World,
    site: usize,
    alice: Line,
    first: Line,
    second: Line,
    plain: Line,
}

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(9, |workers, seed| play(opening(workers, seed)));
}

fn opening(workers: u16, seed: u64) -> Play {
    let mut world = World::new(seed);
    let site = world.organisation("contoso.example", workers, &[], false);
    world.user(site, ALICE);
    world.user(site, BOB);
    let by_seed = |n: u64| u16::try_from((seed / 3 + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, site, by_seed(0), ALICE);
    let plain = phone::register(&mut world, site, by_seed(seed), BOB);
    let mut flow = |reg_id: u32| {
        let line = world.connect(site, by_seed(u64::from(reg_id)), None);
        let registered = phone::register_flow(&mut world, line, BOB, reg_id);
        assert_eq!(registered.header_text(HeaderName::Require), Some("outbound"));
        assert_eq!(registered.header_text(HeaderName::FlowTimer), Some("120"));
        assert!(world.take(line).is_empty());
        world.pass(Duration::from_secs(1));
        line
    };
    let (first, second) = (flow(1), flow(2));
    Play { world, site, alice, first, second, plain }
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

impl Play {
    fn send(&mut self, method: &str, call_id: &str) {
        self.world.send(self.alice, &phone::request(method, ALICE, BOB, call_id));
    }

    /// What arrived at this line alone, answered so.
    fn answer(&mut self, line: Line, start: &str, status: &str) {
        let request = self.world.only(line);
        assert!(first_line(&request).starts_with(start), "{}", first_line(&request));
        self.world.send(line, &phone::answer(&request, status, "bob"));
    }

    fn assert_over(&mut self) {
        self.world.assert_quiet();
        assert!(self.world.is_idle(self.site), "something waits for somebody");
    }
}

#[test]
fn a_device_is_asked_over_the_flow_that_it_registered_last() {
    everywhere(|mut play| {
        play.send("MESSAGE", "m1");
        play.answer(play.second, "MESSAGE sip:bob@", "200 OK");
        play.answer(play.plain, "MESSAGE sip:bob@", "200 OK");
        assert!(play.world.take(play.first).is_empty());
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.assert_over();
    });
}

#[test]
fn a_flow_that_ends_hands_the_call_to_the_other_one() {
    everywhere(|mut play| {
        play.send("INVITE", "c1");
        play.answer(play.plain, "INVITE", "486 Busy Here");
        assert!(first_line(&play.world.only(play.plain)).starts_with("ACK"));
        play.answer(play.second, "INVITE", "180 Ringing");
        assert_eq!(play.world.only(play.alice).status(), Some(180));
        play.world.hang_up(play.second);
        play.answer(play.first, "INVITE", "200 OK");
        let ok = play.world.only(play.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        play.world.send(play.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&play.world.only(play.first)).starts_with("ACK"));
        play.world.assert_quiet();
    });
}

#[test]
fn a_message_on_a_flow_that_ends_goes_over_the_other_one() {
    everywhere(|mut play| {
        play.world.hang_up(play.plain);
        play.send("MESSAGE", "m1");
        let lost = play.world.only(play.second);
        assert!(first_line(&lost).starts_with("MESSAGE"));
        play.world.hang_up(play.second);
        play.answer(play.first, "MESSAGE", "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.assert_over();
    });
}

/// The first flow says nothing to a call for 32 seconds. Whoever sent another request has given up by then.
#[test]
fn a_flow_that_is_silent_loses_its_calls_alone() {
    everywhere(|mut play| {
        play.world.hang_up(play.plain);
        play.send("INVITE", "c1");
        play.send("OPTIONS", "o1");
        assert_eq!(play.world.take(play.second).len(), 2);
        play.world.pass(Duration::from_secs(31));
        assert!(play.world.take(play.first).is_empty());
        play.world.pass(Duration::from_secs(2));
        play.answer(play.first, "INVITE", "200 OK");
        let statuses: Vec<_> = play.world.take(play.alice).iter().map(|answer| answer.status()).collect();
        assert!(statuses.contains(&Some(200)), "{statuses:?}");
    });
}

#[test]
fn flow_failed_is_answered_by_the_other_flow_and_any_other_answer_is_the_devices() {
    everywhere(|mut play| {
        play.world.hang_up(play.plain);
        play.send("MESSAGE", "m1");
        play.answer(play.second, "MESSAGE", "430 Flow Failed");
        play.answer(play.first, "MESSAGE", "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.send("INVITE", "c1");
        play.answer(play.second, "INVITE", "486 Busy Here");
        assert!(first_line(&play.world.only(play.second)).starts_with("ACK"));
        assert_eq!(play.world.only(play.alice).status(), Some(486));
        assert!(play.world.take(play.first).is_empty());
        play.send("INVITE", "c2");
        for line in [play.second, play.first] {
            play.answer(line, "INVITE", "430 Flow Failed");
            assert!(first_line(&play.world.only(line)).starts_with("ACK"));
        }
        assert_eq!(play.world.only(play.alice).status(), Some(430), "there is no third flow");
        play.world.assert_quiet();
    });
}

#[test]
fn nobody_is_called_anew_once_the_caller_has_given_up() {
    everywhere(|mut play| {
        play.world.hang_up(play.plain);
        play.send("INVITE", "c1");
        play.answer(play.second, "INVITE", "180 Ringing");
        assert_eq!(play.world.only(play.alice).status(), Some(180));
        let cancel = phone::request("CANCEL", ALICE, BOB, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        play.world.send(play.alice, &cancel);
        play.answer(play.second, "CANCEL", "200 OK");
        play.world.hang_up(play.second);
        assert!(play.world.take(play.first).is_empty());
        let statuses: Vec<_> = play.world.take(play.alice).iter().map(|answer| answer.status()).collect();
        assert_eq!(statuses, [Some(200), Some(487)]);
    });
}

/// Alice signs in, and Bob's phone by a datagram flow, which he prefers to the stream that he may have, too.
fn by_datagrams(has_stream: bool) -> (World, [Line; 3]) {
    let mut world = World::new(1);
    let site = world.organisation("contoso.example", 1, &[], false);
    world.user(site, ALICE);
    world.user(site, BOB);
    let alice = phone::register(&mut world, site, 0, ALICE);
    let stream = world.connect(site, 0, None);
    if has_stream {
        phone::register_flow(&mut world, stream, BOB, 1);
        world.pass(Duration::from_secs(1));
    }
    let datagrams = world.datagrams(site, None);
    phone::register_flow(&mut world, datagrams, BOB, 2);
    (world, [alice, stream, datagrams])
}

/// RFC 3261 section 18.1.1, where nobody dials: what the device has opened is what there is.
#[test]
fn a_large_request_goes_by_the_stream_that_the_device_has_and_else_by_datagram() {
    for has_stream in [true, false] {
        let (mut world, [alice, stream, datagrams]) = by_datagrams(has_stream);
        for (call_id, length, line) in
            [("small", 100, datagrams), ("large", 1300, if has_stream { stream } else { datagrams })]
        {
            let request = phone::request("MESSAGE", ALICE, BOB, call_id);
            world.send(alice, &phone::with_body(&request, "", "text/plain", &"x".repeat(length)));
            let arrived = world.only(line);
            assert_eq!((arrived.call_id(), arrived.body().len()), (Ok(call_id), length));
            let transport = if line == stream { "TLS" } else { "UDP" };
            assert_eq!(arrived.top_via().unwrap().transport, transport);
            world.send(line, &phone::answer(&arrived, "200 OK", "bob"));
            assert_eq!(world.only(alice).status(), Some(200));
        }
        world.assert_quiet();
    }
}

/// The next flow of a large request that its stream failed is the datagram flow, after all.
#[test]
fn a_stream_that_fails_leaves_the_datagrams() {
    let (mut world, [alice, stream, datagrams]) = by_datagrams(true);
    let request = phone::request("MESSAGE", ALICE, BOB, "large");
    world.send(alice, &phone::with_body(&request, "", "text/plain", &"x".repeat(1300)));
    assert!(first_line(&world.only(stream)).starts_with("MESSAGE"));
    world.hang_up(stream);
    let arrived = world.only(datagrams);
    world.send(datagrams, &phone::answer(&arrived, "200 OK", "bob"));
    assert_eq!(world.only(alice).status(), Some(200));
    world.assert_quiet();
}

#[test]
fn what_no_datagram_holds_is_refused_and_not_lost() {
    let (mut world, [alice, _, datagrams]) = by_datagrams(false);
    let (mut held, mut refused) = (0, 0);
    for length in (64_400..64_900).step_by(10) {
        let request = phone::request("INVITE", ALICE, BOB, &format!("c{length}"));
        world.send(alice, &phone::with_body(&request, "", "application/sdp", &"x".repeat(length)));
        let arrived = world.take(datagrams);
        match world.take(alice).first() {
            None => {
                let [invite] = &arrived[..] else { panic!("{} messages", arrived.len()) };
                assert!(invite.as_bytes().len() <= 65_507, "{length}");
                world.send(datagrams, &phone::answer(invite, "486 Busy Here", "bob"));
                held += 1;
            }
            Some(answer) => {
                assert_eq!((answer.status(), arrived.len()), (Some(513), 0));
                refused += 1;
            }
        }
        world.take(datagrams);
        world.take(alice);
    }
    assert!(held > 0 && refused > 3, "{held} held, {refused} refused");
}

#[test]
fn by_datagrams_no_time_is_said_between_keep_alives() {
    let mut world = World::new(1);
    let site = world.organisation("contoso.example", 1, &[], false);
    world.user(site, BOB);
    let line = world.datagrams(site, None);
    let registered = phone::register_flow(&mut world, line, BOB, 1);
    assert_eq!(registered.header_text(HeaderName::Require), Some("outbound"));
    assert!(registered.header(HeaderName::FlowTimer).is_none());
}
