//! Conversations: what goes in, and all that comes out.

use super::*;
use crate::Message;

type Usage = InviteUsage<u8>;

fn request(method: &str, sequence: u32, to_tag: &str, body: &str) -> Message {
    let text = format!(
        "{method} sip:meet@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK{sequence}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@a.example>;tag=a\r\nTo: <sip:meet@contoso.example>{to_tag}\r\n\
         Call-ID: c\r\nCSeq: {sequence} {method}\r\nContact: <sip:alice@192.0.2.1>\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into()).expect("a request")
}

fn us() -> Us {
    let headers = vec![(HeaderName::Allow, "INVITE".to_owned())];
    Us { contact: "<sip:meet@contoso.example>;isfocus".to_owned(), headers }
}

/// As a line each: what a reader of the trace would see.
fn drain(usage: &mut Usage) -> Vec<String> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    std::iter::from_fn(|| usage.poll_output())
        .map(|output| match output {
            UsageOutput::Request { request, .. } => {
                let message = via(request);
                format!("request {} {}", cseq(&message), text(message.body())).trim().to_owned()
            }
            UsageOutput::Ack(ack) => {
                let message = via(ack);
                format!("ack {} {}", cseq(&message), text(message.body())).trim().to_owned()
            }
            UsageOutput::Respond { to, status, response } => {
                let message = Message::parse(response).expect("a response");
                format!("respond {to} {status} {}", text(message.body())).trim().to_owned()
            }
            UsageOutput::Offered { offer } => format!("offered {:?}", offer.map(|offer| text(&offer))),
            UsageOutput::Answered { answer } => format!("answered {}", text(&answer)),
            UsageOutput::OfferRefused { status } => format!("offer refused {status}"),
            UsageOutput::Ended { cause } => format!("ended {cause:?}"),
        })
        .collect()
}

fn via(request: RequestBuilder) -> Message {
    request.header(HeaderName::Via, "SIP/2.0/TLS e.example;branch=z9hG4bKx").message().expect("a request")
}

fn cseq(message: &Message) -> String {
    message.header_text(HeaderName::CSeq).unwrap_or_default().to_owned()
}

/// What the peer says to the last request of ours.
fn response(usage: &Usage, method: &Method, status: u16, body: &str) -> Message {
    let sequence = usage.dialog().local_sequence();
    let text = format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/TLS e.example;branch=z9hG4bKx\r\nFrom: <sip:meet@contoso.example>;tag=t\r\n\
         To: <sip:alice@a.example>;tag=a\r\nCall-ID: c\r\nCSeq: {sequence} {method}\r\n\
         Contact: <sip:alice@192.0.2.9>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into()).expect("a response")
}

fn begun(now: Instant) -> Usage {
    let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
    usage.accept(now, Some(Session::sdp("answer")));
    usage.handle_request(now, None, &request("ACK", 1, ";tag=t", "")).expect("an ACK");
    assert_eq!(drain(&mut usage), ["respond 1 200 answer"]);
    assert_eq!(usage.next_timeout(), None);
    usage
}

fn now() -> Instant {
    // Any moment will do: only differences count.
    static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the epoch of a test")]
        Instant::now()
    });
    *EPOCH
}

#[test]
fn a_2xx_is_repeated_until_its_ack() {
    let now = now();
    let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
    assert!(!usage.is_established());
    usage.accept(now, Some(Session::sdp("answer")));
    assert_eq!(drain(&mut usage), ["respond 1 200 answer"]);
    for after_ms in [500, 1500, 3500, 7500, 11_500] {
        let at = now + Duration::from_millis(after_ms);
        assert_eq!(usage.next_timeout(), Some(at));
        usage.handle_timeout(at);
        assert_eq!(drain(&mut usage), ["respond 1 200 answer"]);
    }
    usage.handle_request(now, None, &request("ACK", 2, ";tag=t", "")).expect("an ACK of something else");
    assert!(usage.next_timeout().is_some());
    usage.handle_request(now, None, &request("ACK", 1, ";tag=t", "")).expect("the ACK");
    assert_eq!((usage.next_timeout(), drain(&mut usage)), (None, vec![]));
}

#[test]
fn without_an_ack_the_session_ends() {
    let now = now();
    let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
    usage.accept(now, Some(Session::sdp("answer")));
    usage.hang_up(now);
    assert_eq!(drain(&mut usage), ["respond 1 200 answer"], "a BYE waits for the ACK");
    usage.handle_timeout(now + Duration::from_secs(32));
    assert_eq!(drain(&mut usage), ["request 1 BYE", "ended Unacknowledged"]);
    assert!(usage.is_over());
}

#[test]
fn a_bye_that_is_wanted_goes_with_the_ack() {
    let now = now();
    let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
    usage.accept(now, Some(Session::sdp("answer")));
    usage.hang_up(now);
    usage.handle_request(now, None, &request("ACK", 1, ";tag=t", "")).expect("the ACK");
    assert_eq!(drain(&mut usage), ["respond 1 200 answer", "request 1 BYE", "ended HungUp"]);
    let late = usage.handle_request(now, Some(2), &request("INFO", 2, ";tag=t", ""));
    assert_eq!(late.map_err(|refusal| refusal.status), Err(481));
}

#[test]
fn an_invite_without_an_offer_is_offered_to_and_answers_in_its_ack() {
    let now = now();
    let mut usage = Usage::incoming(&request("INVITE", 1, "", ""), 1, "t", us()).expect("a dialog");
    usage.accept(now, Some(Session::sdp("offer")));
    usage.handle_request(now, None, &request("ACK", 1, ";tag=t", "answer")).expect("the ACK");
    assert_eq!(drain(&mut usage), ["respond 1 200 offer", "answered answer"]);
    let mut silent = Usage::incoming(&request("INVITE", 1, "", ""), 1, "t", us()).expect("a dialog");
    silent.accept(now, Some(Session::sdp("offer")));
    silent.handle_request(now, None, &request("ACK", 1, ";tag=t", "")).expect("the ACK");
    assert_eq!(drain(&mut silent), ["respond 1 200 offer", "request 1 BYE", "ended HungUp"]);
}

#[test]
fn the_peer_changes_the_session_one_offer_at_a_time() {
    let now = now();
    let mut usage = begun(now);
    assert_eq!(usage.handle_request(now, Some(2), &request("INVITE", 2, ";tag=t", "hold")), Ok(true));
    assert_eq!(drain(&mut usage), ["offered Some(\"hold\")"]);
    let second = usage.handle_request(now, Some(3), &request("UPDATE", 3, ";tag=t", "more")).expect_err("one is there");
    assert_eq!((second.status, second.headers.len()), (500, 1));
    usage.refuse(488);
    assert_eq!(drain(&mut usage), ["respond 2 488"], "the session goes on");
    assert_eq!(usage.handle_request(now, Some(4), &request("UPDATE", 4, ";tag=t", "")), Ok(true));
    assert_eq!(drain(&mut usage), ["respond 4 200"]);
    let old = usage.handle_request(now, Some(5), &request("INVITE", 2, ";tag=t", "x")).expect_err("it is old");
    assert_eq!(old.status, 500);
    assert_eq!(usage.handle_request(now, Some(6), &request("INFO", 5, ";tag=t", "")), Ok(false));
    assert_eq!(usage.handle_request(now, Some(7), &request("BYE", 6, ";tag=t", "")), Ok(true));
    assert_eq!(drain(&mut usage), ["respond 7 200", "ended PeerLeft"]);
}

#[test]
fn we_change_the_session_and_acknowledge_each_repeat() {
    let now = now();
    let mut usage = begun(now);
    usage.offer(now, Some(Session::sdp("new")));
    assert_eq!(drain(&mut usage), ["request 1 INVITE new"]);
    let crossed = usage.handle_request(now, Some(2), &request("INVITE", 2, ";tag=t", "x")).expect_err("ours is out");
    assert_eq!(crossed.status, 491);
    let ok = response(&usage, &Method::Invite, 200, "answer");
    usage.handle_response(now, &ok, 0);
    assert_eq!(drain(&mut usage), ["ack 1 ACK", "answered answer"]);
    usage.handle_response(now, &ok, 0);
    assert_eq!(drain(&mut usage), ["ack 1 ACK"]);
    usage.hang_up(now);
    let message = match usage.poll_output() {
        Some(UsageOutput::Request { request, .. }) => via(request),
        other => panic!("{other:?}"),
    };
    assert_eq!(message.request_uri(), Some("sip:alice@192.0.2.9"), "the new Contact");
}

#[test]
fn we_ask_for_an_offer_and_answer_it_in_the_ack() {
    let now = now();
    let mut usage = begun(now);
    usage.offer(now, None);
    let ok = response(&usage, &Method::Invite, 200, "theirs");
    usage.handle_response(now, &ok, 0);
    assert_eq!(drain(&mut usage), ["request 1 INVITE", "offered Some(\"theirs\")"]);
    usage.accept(now, Some(Session::sdp("ours")));
    assert_eq!(drain(&mut usage), ["ack 1 ACK ours"]);
}

#[test]
fn offers_that_crossed_are_made_again_later() {
    let now = now();
    let mut usage = begun(now);
    usage.offer(now, Some(Session::sdp("new")));
    drain(&mut usage);
    usage.handle_response(now, &response(&usage, &Method::Invite, 491, ""), 7);
    let at = now + Duration::from_millis(70);
    assert_eq!((usage.next_timeout(), drain(&mut usage)), (Some(at), vec![]));
    usage.handle_timeout(at);
    assert_eq!(drain(&mut usage), ["request 2 INVITE new"]);
    usage.handle_response(now, &response(&usage, &Method::Invite, 488, ""), 0);
    assert_eq!(drain(&mut usage), ["offer refused 488"]);
    assert!(usage.is_established());
}

#[test]
fn what_says_that_the_dialog_is_gone_ends_the_session() {
    let now = now();
    for (method, status, ends) in [
        (Method::Message, 481, vec!["ended Lost { status: 481 }"]),
        (Method::Message, 408, vec![]),
        (Method::Message, 415, vec![]),
        (Method::Invite, 408, vec!["offer refused 408", "request 2 BYE", "ended Lost { status: 408 }"]),
    ] {
        let mut usage = begun(now);
        match method {
            Method::Invite => usage.offer(now, Some(Session::sdp("new"))),
            _ => drop(usage.request(&method)),
        }
        drain(&mut usage);
        usage.handle_response(now, &response(&usage, &method, status, ""), 0);
        assert_eq!(drain(&mut usage), ends, "{method} {status}");
    }
}

#[test]
fn a_session_that_we_began_is_acknowledged_at_once() {
    let invite = request("INVITE", 1, "", "offer");
    let ok = Message::parse(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nFrom: <sip:alice@a.example>;tag=a\r\n\
         To: <sip:meet@contoso.example>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.2>\r\n\
         Content-Length: 6\r\n\r\nanswer"
            .into(),
    )
    .expect("a response");
    let mut usage = Usage::outgoing(&invite, &ok, us()).expect("a dialog");
    assert_eq!(drain(&mut usage), ["ack 1 ACK", "answered answer"]);
    assert!(usage.is_established());
}

#[test]
fn a_session_is_taken_over_from_others_and_given_back() {
    let now = now();
    let mut dialog = Dialog::uas(&request("INVITE", 1, "", "offer"), "t").expect("a dialog");
    dialog.confirm();
    dialog.pass(4);
    let mut usage = Usage::resumed(dialog, us(), false);
    assert!(usage.is_established());
    usage.offer(now, Some(Session::sdp("ours")));
    assert_eq!(drain(&mut usage), ["request 5 INVITE ours"]);
    usage.handle_response(now, &response(&usage, &Method::Invite, 488, ""), 0);
    assert_eq!(drain(&mut usage), ["offer refused 488"]);
    assert_eq!(usage.into_dialog().local_sequence(), 5);
}

#[test]
fn before_our_answer_leaving_is_refusing() {
    let now = now();
    for (act, status) in [(Usage::cancelled as fn(&mut Usage), 487), (|usage| usage.refuse(403), 403)] {
        let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
        act(&mut usage);
        assert_eq!(drain(&mut usage), [format!("respond 1 {status}"), "ended Refused".to_owned()]);
    }
    let mut usage = Usage::incoming(&request("INVITE", 1, "", "offer"), 1, "t", us()).expect("a dialog");
    usage.hang_up(now);
    assert_eq!(drain(&mut usage), ["respond 1 480", "ended Refused"]);
}
