use super::*;

const ABSORBED: RequestOutcome = RequestOutcome::Absorbed;

#[test]
fn invite_gets_a_100_when_nobody_responds() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    talk.receive_new(udp(), &invite);
    talk.run_until(10_000);
    talk.expect(&["200 udp 100 INVITE"]);
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    talk.expect(&["10000 udp 100 INVITE"]);
}

#[test]
fn retransmitted_invite_gets_its_100_at_once() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    talk.receive_new(udp(), &invite);
    talk.run_until(50);
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    talk.run_until(10_000);
    talk.expect(&["50 udp 100 INVITE"]);
}

#[test]
fn refused_invite_is_retransmitted_until_the_ack() {
    let mut talk = Conversation::new();
    let (invite, ack) = (request(Method::Invite, "z9hG4bKa"), request(Method::Ack, "z9hG4bKa"));
    let id = talk.receive_new(udp(), &invite);
    assert_eq!(talk.respond(id, &invite, 180), Ok(()));
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    talk.expect(&["0 udp 180 INVITE", "0 udp 180 INVITE"]);
    talk.run_until(1000);
    assert_eq!(talk.respond(id, &invite, 486), Ok(()));
    talk.run_until(8600);
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    assert_eq!(talk.receive(udp(), &ack), ABSORBED);
    assert_eq!(talk.receive(udp(), &ack), ABSORBED);
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    assert_eq!(talk.respond(id, &invite, 200), Ok(()), "a second final response is dropped");
    talk.run_until(20_000);
    talk.expect(&[
        "1000 udp 486 INVITE",
        "1500 udp 486 INVITE",
        "2500 udp 486 INVITE",
        "4500 udp 486 INVITE",
        "8500 udp 486 INVITE",
        "8600 udp 486 INVITE",
        "13600 server 0 ended, acked true",
    ]);
    assert_eq!(talk.respond(id, &invite, 486), Err(NoTransaction));
    talk.end();
}

#[test]
fn what_has_its_final_response_is_owed_none() {
    for method in [Method::Invite, Method::Options] {
        let mut talk = Conversation::new();
        let request = request(method, "z9hG4bKa");
        let id = talk.receive_new(udp(), &request);
        assert!(talk.layer.owes_final());
        assert_eq!(talk.respond(id, &request, 486), Ok(()));
        assert!(!talk.layer.owes_final());
        assert_eq!(talk.layer.counts(), (1, 0), "it absorbs repeats for a while");
    }
}

#[test]
fn refused_invite_that_is_never_acknowledged() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    let id = talk.receive_new(udp(), &invite);
    assert_eq!(talk.respond(id, &invite, 404), Ok(()));
    talk.run_until(60_000);
    let mut lines: Vec<String> = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
        .map(|milliseconds| format!("{milliseconds} udp 404 INVITE"))
        .into();
    lines.push("32000 server 0 ended, acked false".to_owned());
    talk.expect(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    talk.end();
}

#[test]
fn refused_invite_over_a_stream() {
    let mut talk = Conversation::new();
    let (invite, ack) = (request(Method::Invite, "z9hG4bKa"), request(Method::Ack, "z9hG4bKa"));
    let id = talk.receive_new(tls(), &invite);
    assert_eq!(talk.layer.server_flow(id), Some(tls()));
    assert_eq!(talk.respond(id, &invite, 404), Ok(()));
    talk.run_until(20_000);
    assert_eq!(talk.receive(tls(), &ack), ABSORBED);
    talk.expect(&["0 tls 404 INVITE", "20000 server 0 ended, acked true"]);
    assert_eq!(talk.layer.server_flow(id), None);
    talk.end();
}

/// RFC 6026: the INVITE is absorbed while 2xx and ACK pass, end to end.
#[test]
fn answered_invite_passes_2xx_and_ack() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    let id = talk.receive_new(udp(), &invite);
    assert_eq!(talk.respond(id, &invite, 200), Ok(()));
    talk.run_until(400);
    assert_eq!(talk.receive(udp(), &invite), ABSORBED);
    talk.run_until(500);
    assert_eq!(talk.respond(id, &invite, 200), Ok(()), "retransmitted by the callee, or of another branch");
    assert_eq!(talk.respond(id, &invite, 486), Ok(()));
    assert_eq!(talk.receive(udp(), &request(Method::Ack, "z9hG4bKb")), RequestOutcome::AckFor2xx);
    assert_eq!(talk.receive(udp(), &request(Method::Ack, "z9hG4bKa")), RequestOutcome::AckFor2xx);
    talk.run_until(60_000);
    talk.expect(&["0 udp 200 INVITE", "500 udp 200 INVITE", "32000 server 0 ended, acked true"]);
    assert_eq!(talk.respond(id, &invite, 200), Err(NoTransaction));
    talk.end();
}

#[test]
fn cancel_finds_its_invite() {
    let mut talk = Conversation::new();
    let (invite, cancel) = (request(Method::Invite, "z9hG4bKa"), request(Method::Cancel, "z9hG4bKa"));
    let id = talk.receive_new(udp(), &invite);
    assert_eq!(talk.respond(id, &invite, 180), Ok(()));
    assert_eq!(talk.receive(udp(), &cancel), RequestOutcome::Cancel { cancelled: Some(id) });
    assert_eq!(talk.respond(id, &invite, 487), Ok(()));
    talk.run_until(100);
    assert_eq!(talk.receive(udp(), &cancel), ABSORBED);
    assert_eq!(talk.receive(udp(), &request(Method::Ack, "z9hG4bKa")), ABSORBED);
    talk.run_until(60_000);
    talk.expect(&[
        "0 udp 180 INVITE",
        "0 udp 200 CANCEL",
        "0 udp 487 INVITE",
        "100 udp 200 CANCEL",
        "5100 server 0 ended, acked true",
    ]);
    talk.end();
}

#[test]
fn cancel_that_comes_too_late_or_matches_nothing() {
    let mut talk = Conversation::new();
    let invite = request(Method::Invite, "z9hG4bKa");
    let id = talk.receive_new(tls(), &invite);
    assert_eq!(talk.respond(id, &invite, 200), Ok(()));
    let too_late = RequestOutcome::Cancel { cancelled: None };
    assert_eq!(talk.receive(tls(), &request(Method::Cancel, "z9hG4bKa")), too_late);
    let nothing = RequestOutcome::CancelOfNothing;
    assert_eq!(talk.receive(tls(), &request(Method::Cancel, "z9hG4bKb")), nothing);
    assert_eq!(talk.receive(tls(), &from(Method::Cancel, "z9hG4bKa", "mallory-pc")), nothing);
    talk.receive_new(tls(), &request(Method::Message, "z9hG4bKc"));
    assert_eq!(talk.receive(tls(), &request(Method::Cancel, "z9hG4bKc")), nothing);
    talk.expect(&["0 tls 200 INVITE", "0 tls 200 CANCEL"]);
}

#[test]
fn other_request_is_answered_again_until_timer_j() {
    let mut talk = Conversation::new();
    let message = request(Method::Message, "z9hG4bKa");
    let id = talk.receive_new(udp(), &message);
    assert_eq!(talk.receive(udp(), &message), ABSORBED);
    talk.expect(&[]);
    assert_eq!(talk.respond(id, &message, 202), Ok(()));
    talk.run_until(31_999);
    assert_eq!(talk.receive(udp(), &message), ABSORBED);
    assert_eq!(talk.respond(id, &message, 404), Ok(()), "a second final response is dropped");
    talk.run_until(60_000);
    talk.expect(&["0 udp 202 MESSAGE", "31999 udp 202 MESSAGE", "32000 server 0 ended, acked true"]);
    talk.receive_new(udp(), &message);
}

#[test]
fn other_request_over_a_stream_ends_with_its_final_response() {
    let mut talk = Conversation::new();
    let message = request(Method::Message, "z9hG4bKa");
    let id = talk.receive_new(tls(), &message);
    assert_eq!(talk.respond(id, &message, 202), Ok(()));
    talk.expect(&["0 tls 202 MESSAGE", "0 server 0 ended, acked true"]);
    assert_eq!(talk.respond(id, &message, 202), Err(NoTransaction));
    talk.end();
}

/// RFC 4320 section 4.1.
#[test]
fn provisional_responses_to_other_requests() {
    let mut talk = Conversation::new();
    let message = request(Method::Message, "z9hG4bKa");
    let id = talk.receive_new(udp(), &message);
    assert_eq!(talk.respond(id, &message, 100), Ok(()), "too early over UDP: dropped");
    assert_eq!(talk.respond(id, &message, 180), Ok(()), "never allowed: dropped");
    talk.expect(&[]);
    talk.run_until(4000);
    assert_eq!(talk.receive(udp(), &message), ABSORBED);
    talk.expect(&["3500 udp 100 MESSAGE", "4000 udp 100 MESSAGE"]);

    let mut talk = Conversation::new();
    let id = talk.receive_new(tls(), &message);
    assert_eq!(talk.respond(id, &message, 100), Ok(()));
    talk.run_until(4000);
    talk.expect(&["0 tls 100 MESSAGE"]);
}

/// RFC 4320 section 4.2.
#[test]
fn other_requests_never_get_a_408() {
    let mut talk = Conversation::new();
    let message = request(Method::Message, "z9hG4bKa");
    let id = talk.receive_new(tls(), &message);
    assert_eq!(talk.respond(id, &message, 408), Ok(()));
    talk.expect(&["0 server 0 ended, acked false"]);
    talk.end();
}

#[test]
fn other_request_that_nobody_answers_ends_with_its_client() {
    let mut talk = Conversation::new();
    let message = request(Method::Message, "z9hG4bKa");
    let id = talk.receive_new(tls(), &message);
    talk.run_until(60_000);
    talk.expect(&["3500 tls 100 MESSAGE", "32000 server 0 ended, acked false"]);
    assert_eq!(talk.respond(id, &message, 200), Err(NoTransaction));
    talk.end();
}

#[test]
fn method_branch_and_sent_by_tell_transactions_apart() {
    let mut talk = Conversation::new();
    let ids = [
        talk.receive_new(udp(), &from(Method::Message, "z9hG4bKa", "a.example")),
        talk.receive_new(udp(), &from(Method::Message, "z9hG4bKb", "a.example")),
        talk.receive_new(udp(), &from(Method::Message, "z9hG4bKa", "b.example")),
        talk.receive_new(udp(), &from(Method::Message, "z9hG4bKa", "a.example:5062")),
        talk.receive_new(udp(), &from(Method::Options, "z9hG4bKa", "a.example")),
    ];
    assert_eq!(ids.map(|id| id.0), [0, 1, 2, 3, 4]);
    assert_eq!(talk.receive(udp(), &from(Method::Message, "z9hG4bKa", "A.Example")), ABSORBED);
}

#[test]
fn branches_without_the_magic_cookie_match_as_in_rfc_2543() {
    let mut talk = Conversation::new();
    let (invite, ack) = (request(Method::Invite, "1"), request(Method::Ack, "1"));
    let id = talk.receive_new(tls(), &invite);
    assert_eq!(talk.receive(tls(), &invite), ABSORBED);
    assert_eq!(talk.receive(tls(), &request(Method::Cancel, "1")), RequestOutcome::Cancel { cancelled: Some(id) });
    assert_eq!(talk.respond(id, &invite, 487), Ok(()));
    let ack = parse(
        &str::from_utf8(ack.as_bytes())
            .expect("is text")
            .replace("sip:bob@fabrikam.com>", "sip:bob@fabrikam.com>;tag=totag"),
    );
    assert_eq!(talk.receive(tls(), &ack), ABSORBED);
    talk.expect(&["0 tls 100 INVITE", "0 tls 200 CANCEL", "0 tls 487 INVITE", "0 server 0 ended, acked true"]);
    let other_call = str::from_utf8(invite.as_bytes()).expect("is text").replace("call1", "call2");
    talk.receive_new(tls(), &invite);
    talk.receive_new(tls(), &parse(&other_call));
}

#[test]
fn malformed_requests_make_no_transaction() {
    let mut talk = Conversation::new();
    let text = request(Method::Message, "z9hG4bKa");
    let text = str::from_utf8(text.as_bytes()).expect("is text");
    for (from, to) in [("CSeq: 1 MESSAGE", "CSeq: 1 INVITE"), ("Via: SIP/2.0/UDP", "Via:"), ("CSeq: 1", "CSeq: x")] {
        let outcome = talk.receive(udp(), &parse(&text.replace(from, to)));
        assert!(matches!(outcome, RequestOutcome::Malformed(_)), "{from} -> {to}");
    }
    talk.end();
}

#[test]
fn a_limit_bounds_them_but_cancel_is_answered() {
    let mut talk = Conversation::with_limits(TransactionLimits { server_max: 1, client_max: 0, lingering_max: 1000 });
    let id = talk.receive_new(udp(), &request(Method::Invite, "z9hG4bKa"));
    assert_eq!(talk.receive(udp(), &request(Method::Invite, "z9hG4bKb")), RequestOutcome::Full);
    let cancelled = RequestOutcome::Cancel { cancelled: Some(id) };
    assert_eq!(talk.receive(udp(), &request(Method::Cancel, "z9hG4bKa")), cancelled);
    assert_eq!(talk.receive(udp(), &request(Method::Cancel, "z9hG4bKa")), cancelled);
    talk.expect(&["0 udp 200 CANCEL", "0 udp 200 CANCEL"]);
    assert_eq!(talk.layer.counts(), (1, 0));
}

#[test]
fn what_went_well_takes_no_room_of_others_and_the_oldest_ends_first() {
    let mut talk = Conversation::with_limits(TransactionLimits { server_max: 1, client_max: 0, lingering_max: 2 });
    let first = request(Method::Invite, "z9hG4bKa");
    for (request, status) in [(&first, 200), (&request(Method::Message, "z9hG4bKb"), 202)] {
        let id = talk.receive_new(udp(), request);
        assert_eq!(talk.respond(id, request, status), Ok(()));
    }
    assert_eq!((talk.layer.counts(), talk.layer.lingering()), ((0, 0), (2, 0)));
    talk.expect(&["0 udp 200 INVITE", "0 udp 202 MESSAGE"]);
    let third = request(Method::Message, "z9hG4bKc");
    let id = talk.receive_new(udp(), &third);
    assert_eq!(talk.respond(id, &third, 200), Ok(()));
    talk.expect(&["0 udp 200 MESSAGE", "0 server 0 ended, acked true"]);
    assert_eq!(talk.layer.lingering_forgotten(), 1);
    assert_eq!((talk.layer.counts(), talk.layer.lingering()), ((0, 0), (2, 0)));
    // A refusal is no success: whoever has proven nothing takes no room but that of what is under way.
    let fourth = request(Method::Message, "z9hG4bKd");
    let id = talk.receive_new(udp(), &fourth);
    assert_eq!(talk.respond(id, &fourth, 403), Ok(()));
    assert_eq!(talk.receive(udp(), &request(Method::Message, "z9hG4bKe")), RequestOutcome::Full);
    talk.run_until(32_000);
    assert_eq!((talk.layer.counts(), talk.layer.lingering()), ((0, 0), (0, 0)));
}

#[test]
fn pending_invites_of_a_flow() {
    let mut talk = Conversation::new();
    let refused = request(Method::Invite, "z9hG4bKa");
    let first = talk.receive_new(tls(), &refused);
    let second = talk.receive_new(tls(), &request(Method::Invite, "z9hG4bKb"));
    talk.receive_new(udp(), &request(Method::Invite, "z9hG4bKc"));
    talk.receive_new(tls(), &request(Method::Message, "z9hG4bKd"));
    assert_eq!(talk.layer.pending_invites(tls()), [first, second]);
    assert_eq!(talk.respond(first, &refused, 486), Ok(()));
    assert_eq!(talk.layer.pending_invites(tls()), [second]);
}
