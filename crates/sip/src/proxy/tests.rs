//! Conversations with a response context: what branches answer, then the exact list of outputs. A leftover fails.

use std::time::{Duration, Instant};

use super::*;
use crate::build;
use crate::flow::FlowId;
use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::transaction::{ClientTransactionId, Failure};

const FLOW: FlowId = FlowId::Stream { worker: 0, serial: 1 };
const CALL_TIME: Duration = Duration::from_secs(60);

/// A context and its branches, which are numbered from 1.
struct Fork {
    context: ResponseContext,
    method: Method,
    now: Instant,
}

impl Fork {
    #[expect(clippy::disallowed_methods, reason = "a test starts somewhere in time")]
    fn open(method: Method, wait_for_all: bool) -> Fork {
        Fork { context: ResponseContext::new(method.clone(), wait_for_all), method, now: Instant::now() }
    }

    fn new(method: Method, wait_for_all: bool, branches: u64) -> Fork {
        let mut fork = Fork::open(method, wait_for_all);
        (1..=branches).for_each(|serial| fork.add(serial));
        fork.context.close_target_set();
        fork
    }

    fn invite(branches: u64) -> Fork {
        Fork::new(Method::Invite, false, branches)
    }

    fn add(&mut self, serial: u64) {
        self.context.add_branch(self.now, id(serial), request(&self.method, serial).as_bytes().clone(), FLOW);
    }

    fn answer(&mut self, serial: u64, status: u16) {
        self.answer_with(serial, status, &[]);
    }

    fn answer_with(&mut self, serial: u64, status: u16, headers: &[(HeaderName, &str)]) {
        let request = request(&self.method, serial);
        let mut response = build::response(&request, status, None, Some(&serial.to_string()));
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = Message::parse(response.build()).expect("is well formed");
        self.context.handle_response(self.now, id(serial), response);
    }

    fn fail(&mut self, serial: u64, failure: Failure) {
        self.context.handle_failure(self.now, id(serial), failure);
    }

    fn cancel(&mut self) {
        self.context.cancel(self.now, None);
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.context.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.context.handle_timeout(at);
        }
        self.now = end;
    }

    fn poll(&mut self) -> Vec<ContextOutput> {
        std::iter::from_fn(|| self.context.poll_output()).collect()
    }

    fn expect(&mut self, lines: &[&str]) {
        let found: Vec<String> = self.poll().into_iter().map(line).collect();
        assert_eq!(found, lines);
    }
}

fn line(output: ContextOutput) -> String {
    match output {
        ContextOutput::Forward(response) => {
            let tag = response.to().expect("has a To").tag().map(str::to_owned).unwrap_or_default();
            format!("forward {} of {tag}", response.status().expect("is a response"))
        }
        ContextOutput::Generate { status } => format!("generate {status}"),
        ContextOutput::Overloaded(response) => {
            let tag = response.to().expect("has a To").tag().map(str::to_owned).unwrap_or_default();
            format!("500 for the 503 of {tag}")
        }
        ContextOutput::SendCancel { id, flow, cancel } => {
            let cancel = Message::parse(cancel).expect("is well formed");
            assert!(id.cancel && flow == FLOW && cancel.method() == Some(Method::Cancel));
            format!("cancel {}", id.serial)
        }
        ContextOutput::GiveUp { id } => format!("give up {}", id.serial),
        ContextOutput::Ended => "ended".to_owned(),
    }
}

fn id(serial: u64) -> ClientTransactionId {
    ClientTransactionId { serial, cancel: false }
}

fn request(method: &Method, serial: u64) -> Message {
    let text = format!(
        "{method} sip:bob@192.0.2.{serial} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.com:5061;branch=z9hG4bK{serial}\r\n\
         Via: SIP/2.0/TLS edge.contoso.com:5061;branch=z9hG4bKx\r\nRoute: <sip:p.fabrikam.com;lr>\r\nMax-Forwards: 69\r\n\
         From: <sip:alice@contoso.com>;tag=a\r\nTo: <sip:bob@fabrikam.com>\r\nCall-ID: call1\r\nCSeq: 5 {method}\r\n\
         Contact: <sip:alice@192.0.2.9>\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into()).expect("is well formed")
}

#[test]
fn one_branch_rings_and_answers() {
    let mut fork = Fork::invite(1);
    fork.answer(1, 100);
    fork.answer(1, 180);
    fork.answer(1, 200);
    fork.expect(&["forward 180 of 1", "forward 200 of 1"]);
    fork.wait(Duration::from_secs(31));
    fork.answer(1, 200);
    fork.expect(&["forward 200 of 1"]);
    fork.wait(Duration::from_secs(1));
    fork.expect(&["ended"]);
    assert_eq!(fork.context.next_timeout(), None);
}

#[test]
fn both_ring_and_one_answers() {
    let mut fork = Fork::invite(2);
    fork.answer(1, 180);
    fork.answer(2, 180);
    fork.answer(2, 200);
    fork.expect(&["forward 180 of 1", "forward 180 of 2", "forward 200 of 2", "cancel 1"]);
    fork.answer(1, 183);
    fork.answer(1, 487);
    fork.expect(&[]);
    fork.wait(CALL_TIME);
    fork.expect(&["ended"]);
}

#[test]
fn both_answer_before_the_cancel_arrives() {
    let mut fork = Fork::invite(2);
    fork.answer(1, 180);
    fork.answer(2, 200);
    fork.expect(&["forward 180 of 1", "forward 200 of 2", "cancel 1"]);
    fork.answer(1, 200);
    fork.answer(2, 200);
    fork.expect(&["forward 200 of 1", "forward 200 of 2"]);
    fork.wait(CALL_TIME);
    fork.expect(&["ended"]);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut fork = Fork::invite(3);
    fork.answer(1, 200);
    fork.expect(&["forward 200 of 1"]);
    fork.answer(2, 100);
    fork.expect(&["cancel 2"]);
    fork.answer(3, 404);
    fork.answer(2, 487);
    fork.expect(&[]);
    fork.wait(CALL_TIME);
    fork.expect(&["ended"]);
}

#[test]
fn negative_responses_are_held_until_all_ended() {
    for (first, second, best) in [
        (404, 486, "forward 404 of 1"),
        (486, 404, "forward 486 of 1"),
        (500, 486, "forward 486 of 2"),
        (302, 486, "forward 302 of 1"),
        (486, 484, "forward 484 of 2"),
        (487, 480, "forward 480 of 2"),
        (503, 500, "forward 500 of 2"),
        (503, 503, "500 for the 503 of 1"),
    ] {
        let mut fork = Fork::invite(2);
        fork.answer(1, first);
        fork.expect(&[]);
        fork.answer(1, first);
        fork.expect(&[]);
        fork.answer(2, second);
        fork.expect(&[best, "ended"]);
    }
}

#[test]
fn a_6xx_cancels_the_others_and_wins() {
    let mut fork = Fork::invite(3);
    fork.answer(1, 180);
    fork.answer(2, 401);
    fork.answer(3, 603);
    fork.expect(&["forward 180 of 1", "cancel 1"]);
    assert!(!fork.context.is_open());
    fork.answer(1, 487);
    fork.expect(&["forward 603 of 3", "ended"]);
}

#[test]
fn a_2xx_is_forwarded_even_after_a_6xx() {
    let mut fork = Fork::invite(2);
    fork.answer(1, 180);
    fork.answer(2, 603);
    fork.answer(1, 200);
    fork.expect(&["forward 180 of 1", "cancel 1", "forward 200 of 1"]);
    fork.wait(CALL_TIME);
    fork.expect(&["ended"]);
}

#[test]
fn challenges_are_aggregated() {
    let mut fork = Fork::invite(3);
    fork.answer_with(1, 407, &[(HeaderName::ProxyAuthenticate, "Digest realm=\"one\"")]);
    fork.answer(2, 486);
    let both =
        [(HeaderName::WwwAuthenticate, "Digest realm=\"three\""), (HeaderName::WwwAuthenticate, "Digest realm=\"3\"")];
    fork.answer_with(3, 401, &both);
    let outputs = fork.poll();
    let [ContextOutput::Forward(response), ContextOutput::Ended] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(response.status(), Some(407));
    let challenges = |name| response.header_all(name).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(challenges(HeaderName::ProxyAuthenticate), [b"Digest realm=\"one\""]);
    assert_eq!(challenges(HeaderName::WwwAuthenticate), [&b"Digest realm=\"three\""[..], b"Digest realm=\"3\""]);
}

#[test]
fn failures_stand_for_responses() {
    for (failure, status) in [(Failure::Timeout, "generate 408"), (Failure::TransportFailed, "generate 500")] {
        let mut fork = Fork::invite(1);
        fork.fail(1, failure);
        fork.expect(&[status, "ended"]);
    }
    let mut fork = Fork::invite(2);
    fork.answer(1, 486);
    fork.fail(2, Failure::Timeout);
    fork.expect(&["forward 486 of 1", "ended"]);
}

#[test]
fn a_target_set_that_is_open_waits_for_the_next() {
    let mut fork = Fork::open(Method::Invite, false);
    fork.add(1);
    fork.fail(1, Failure::TransportFailed);
    fork.expect(&[]);
    fork.add(2);
    fork.context.close_target_set();
    fork.answer(2, 200);
    fork.expect(&["forward 200 of 2"]);
}

#[test]
fn upstream_cancel_reaches_the_branches() {
    let mut fork = Fork::invite(3);
    fork.answer(1, 180);
    fork.expect(&["forward 180 of 1"]);
    fork.cancel();
    fork.cancel();
    fork.expect(&["cancel 1"]);
    fork.answer(2, 180);
    fork.expect(&["cancel 2", "forward 180 of 2"]);
    fork.answer(1, 487);
    fork.answer(2, 487);
    fork.expect(&[]);
    fork.fail(3, Failure::Timeout);
    fork.expect(&["forward 487 of 1", "ended"]);
}

#[test]
fn cancel_of_silent_branches_is_487() {
    let mut fork = Fork::invite(1);
    fork.answer(1, 180);
    fork.cancel();
    fork.fail(1, Failure::Timeout);
    fork.expect(&["forward 180 of 1", "cancel 1", "generate 487", "ended"]);

    let mut fork = Fork::open(Method::Invite, false);
    fork.cancel();
    fork.expect(&["generate 487", "ended"]);
}

#[test]
fn cancel_crosses_with_the_answer() {
    let mut fork = Fork::invite(1);
    fork.answer(1, 180);
    fork.cancel();
    fork.answer(1, 200);
    fork.expect(&["forward 180 of 1", "cancel 1", "forward 200 of 1"]);
    fork.cancel();
    fork.wait(CALL_TIME);
    fork.expect(&["ended"]);
}

#[test]
fn a_branch_added_when_it_is_too_late_is_cancelled() {
    let mut fork = Fork::open(Method::Invite, false);
    fork.add(1);
    fork.answer(1, 200);
    fork.add(2);
    fork.answer(2, 100);
    fork.expect(&["forward 200 of 1", "cancel 2"]);
}

#[test]
fn timer_c_is_reset_by_provisionals_but_100() {
    let minute = Duration::from_secs(60);
    let mut fork = Fork::invite(1);
    fork.answer(1, 180);
    fork.wait(minute * 3);
    fork.answer(1, 180);
    fork.wait(minute * 3);
    fork.answer(1, 100);
    fork.expect(&["forward 180 of 1", "forward 180 of 1"]);
    fork.wait(Duration::from_secs(1));
    fork.expect(&["cancel 1"]);
    fork.answer(1, 487);
    fork.expect(&["generate 408", "ended"]);
}

#[test]
fn timer_c_without_any_response() {
    let mut fork = Fork::invite(1);
    fork.wait(Duration::from_secs(200));
    fork.expect(&["generate 408", "ended"]);
}

#[test]
fn a_message_goes_to_all_and_the_first_2xx_up() {
    let mut fork = Fork::new(Method::Message, true, 3);
    fork.answer(1, 486);
    fork.answer(2, 180);
    fork.expect(&[]);
    fork.answer(2, 200);
    fork.expect(&["forward 200 of 2"]);
    fork.cancel();
    fork.answer(2, 200);
    fork.expect(&[]);
    fork.answer(3, 202);
    fork.expect(&["ended"]);
    assert_eq!(fork.context.next_timeout(), None);
}

#[test]
fn a_message_that_nobody_takes() {
    let mut fork = Fork::new(Method::Message, true, 3);
    fork.answer(1, 600);
    fork.fail(2, Failure::Timeout);
    fork.expect(&[]);
    fork.answer(3, 480);
    fork.expect(&["forward 600 of 1", "ended"]);

    let mut fork = Fork::new(Method::Message, true, 2);
    fork.fail(1, Failure::Timeout);
    fork.answer(2, 500);
    fork.expect(&["forward 500 of 2", "ended"]);

    let mut fork = Fork::new(Method::Message, true, 1);
    fork.fail(1, Failure::Timeout);
    fork.expect(&["generate 408", "ended"]);
}

#[test]
fn invite_that_waits_for_all_cancels_only_for_the_caller() {
    let mut fork = Fork::new(Method::Invite, true, 2);
    fork.answer(1, 180);
    fork.answer(2, 180);
    fork.cancel();
    fork.expect(&["forward 180 of 1", "forward 180 of 2", "cancel 1", "cancel 2"]);

    let mut fork = Fork::new(Method::Invite, true, 2);
    fork.answer(1, 180);
    fork.answer(2, 200);
    fork.expect(&["forward 180 of 1", "forward 200 of 2"]);
}

#[test]
fn responses_to_cancel_and_of_strangers_mean_nothing() {
    let mut fork = Fork::invite(1);
    let response = build::response(&request(&Method::Cancel, 1), 200, None, Some("x")).build();
    let response = Message::parse(response).expect("is well formed");
    fork.context.handle_response(fork.now, ClientTransactionId { serial: 1, cancel: true }, response.clone());
    fork.context.handle_response(fork.now, id(9), response);
    fork.context.handle_failure(fork.now, ClientTransactionId { serial: 1, cancel: true }, Failure::Timeout);
    fork.expect(&[]);
}

#[test]
fn what_no_cancel_can_be_made_of_is_given_up() {
    for (is_cancelled, ending) in [(true, "generate 487"), (false, "generate 408")] {
        let mut fork = Fork::open(Method::Invite, false);
        fork.context.add_branch(fork.now, id(1), "INVITE".into(), FLOW);
        fork.context.close_target_set();
        fork.answer(1, 180);
        match is_cancelled {
            true => fork.cancel(),
            false => fork.wait(Duration::from_secs(181)),
        }
        fork.expect(&["forward 180 of 1", "give up 1"]);
        fork.fail(1, Failure::Timeout);
        fork.expect(&[ending, "ended"]);
    }
}

#[test]
fn cancel_has_the_headers_of_rfc_3261_9_1() {
    let mut fork = Fork::invite(2);
    fork.answer(1, 100);
    fork.answer(2, 200);
    let outputs = fork.poll();
    let [ContextOutput::Forward(_), ContextOutput::SendCancel { cancel, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    let cancel = Message::parse(cancel.clone()).expect("is well formed");
    assert_eq!(cancel.request_uri(), Some("sip:bob@192.0.2.1"));
    let headers: Vec<String> = cancel
        .headers()
        .map(|header| {
            let value = str::from_utf8(header.value).expect("is text");
            format!("{}: {value}", header.name)
        })
        .collect();
    assert_eq!(
        headers,
        [
            "Via: SIP/2.0/TLS edge.fabrikam.com:5061;branch=z9hG4bK1",
            "Max-Forwards: 70",
            "Route: <sip:p.fabrikam.com;lr>",
            "From: <sip:alice@contoso.com>;tag=a",
            "To: <sip:bob@fabrikam.com>",
            "Call-ID: call1",
            "CSeq: 5 CANCEL",
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
            "Content-Length: 0",
        ]
    );
}

#[test]
fn why_the_caller_gave_up_is_said_though_he_has_left_since() {
    let mut fork = Fork::invite(1);
    fork.context.cancel(fork.now, Some("SIP;cause=200".to_owned()));
    fork.cancel();
    assert!(fork.poll().is_empty(), "no provisional response yet");
    fork.answer(1, 180);
    let [ContextOutput::SendCancel { cancel, .. }, ..] = &fork.poll()[..] else { panic!("no CANCEL") };
    let cancel = Message::parse(cancel.clone()).expect("is well formed");
    assert_eq!(cancel.header_text(HeaderName::Reason), Some("SIP;cause=200"));
}

#[test]
fn what_is_not_answered_in_time_counts_as_unanswered_and_what_comes_later_is_not_forwarded() {
    let mut fork = Fork::open(Method::Message, true);
    fork.context = fork.context.giving_up_at(fork.now + Duration::from_secs(15));
    (1..=2).for_each(|serial| fork.add(serial));
    fork.context.close_target_set();
    fork.wait(Duration::from_secs(14));
    fork.expect(&[]);
    fork.wait(Duration::from_secs(1));
    fork.expect(&["generate 408", "ended"]);
    fork.answer(2, 200);
    fork.expect(&[]);
}

#[test]
fn a_device_that_refused_in_time_answers_for_one_that_is_silent() {
    let mut fork = Fork::open(Method::Message, true);
    fork.context = fork.context.giving_up_at(fork.now + Duration::from_secs(15));
    (1..=2).for_each(|serial| fork.add(serial));
    fork.context.close_target_set();
    fork.answer(1, 486);
    fork.expect(&[]);
    fork.wait(Duration::from_secs(15));
    fork.expect(&["forward 486 of 1", "ended"]);
}
