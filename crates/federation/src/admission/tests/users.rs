//! A user of ours proves itself.

use sip::auth::Algorithm;

use super::*;

const ALICE: &str = "sip:alice@contoso.com";
const BOB: &str = "sip:bob@fabrikam.com";

fn ha1() -> UserHa1 {
    UserHa1::new(&"alice@contoso.com".parse().unwrap(), "secret")
}

fn known(ha1: Option<UserHa1>) -> Evidence {
    Evidence { credentials: Some(ha1), ..Evidence::default() }
}

fn register(to: &str, extra: &str) -> String {
    request("REGISTER", "sip:contoso.com", ALICE, &format!("<{to}>"), extra)
}

fn message(extra: &str) -> String {
    request("MESSAGE", BOB, ALICE, &format!("<{BOB}>"), extra)
}

/// An answer to the challenges of a refusal, as a header line.
fn answered(refusal: &Refusal, header: &str, user: &str, password: &str, request: (&Method, &str), nc: u32) -> String {
    let challenges: Vec<&str> = refusal.headers.iter().map(|(_, value)| value.as_str()).collect();
    let value = answer(&challenges, user, password, request.0, request.1, b"", "abc", nc).expect("an answer");
    format!("{header}: {value}\r\n")
}

fn answered_message(refusal: &Refusal, user: &str, password: &str, nc: u32) -> String {
    message(&answered(refusal, "Proxy-Authorization", user, password, (&Method::Message, BOB), nc))
}

fn is_stale(refusal: &Refusal) -> bool {
    refusal.headers.iter().all(|(_, value)| value.to_ascii_lowercase().contains("stale=true"))
}

#[test]
fn a_registration_is_challenged_as_a_registrar_does_with_sha256_first() {
    let refusal = Edge::new().refusal(&register(ALICE, ""));
    assert_eq!((refusal.status, refusal.word.as_str()), (401, "authentication-required"));
    let names: Vec<HeaderName> = refusal.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [HeaderName::WwwAuthenticate, HeaderName::WwwAuthenticate]);
    assert!(refusal.headers[0].1.contains("SHA-256") && refusal.headers[1].1.contains("MD5"));
    assert!(refusal.headers.iter().all(|(_, value)| value.contains("realm=\"contoso.com\"")));
    assert!(!is_stale(&refusal));
}

#[test]
fn anything_else_is_challenged_as_a_proxy_does() {
    let refusal = Edge::new().refusal(&message(""));
    assert_eq!((refusal.status, refusal.word.as_str()), (407, "authentication-required"));
    assert!(refusal.headers.iter().all(|(name, _)| *name == HeaderName::ProxyAuthenticate));
}

#[test]
fn credentials_of_another_realm_are_passed_over() {
    let mut edge = Edge::new();
    let refusal = edge.refusal(&message(""));
    let foreign = "Proxy-Authorization: Digest username=\"alice\", realm=\"elsewhere\", nonce=\"n\", uri=\"sip:x\", response=\"00000000000000000000000000000000\"\r\n\
                   Proxy-Authorization: Negotiate xyz\r\n";
    assert_eq!(edge.refused(&message(foreign)), (407, "authentication-required".into()));
    let ours = answered(&refusal, "Proxy-Authorization", "alice", "secret", (&Method::Message, BOB), 1);
    let request = message(&format!("{foreign}{ours}"));
    assert_eq!(edge.question(&request), Question::Credentials("alice@contoso.com".parse().expect("an aor")));
}

#[test]
fn a_user_with_the_right_password_is_admitted() {
    let mut edge = Edge::new();
    let refusal = edge.refusal(&message(""));
    edge.evidence = known(Some(ha1()));
    let admitted = edge.admitted(&answered_message(&refusal, "alice", "secret", 1));
    let aor: Aor = "alice@contoso.com".parse().expect("an aor");
    assert_eq!(admitted.origin(), &Origin::User { aor: aor.clone() });
    assert_eq!((admitted.kind(), admitted.aor(), admitted.domain()), (FlowKind::Client, Some(&aor), "contoso.com"));
}

#[test]
fn an_unknown_user_gets_the_answer_of_a_wrong_password() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    let request = answered_message(&challenge, "alice", "wrong", 1);
    edge.evidence = known(Some(ha1()));
    let wrong = edge.refusal(&request);
    edge.evidence = known(None);
    let unknown = edge.refusal(&request);
    let public = |refusal: &Refusal| {
        let lengths: Vec<usize> = refusal.headers.iter().map(|(_, value)| value.len()).collect();
        (refusal.status, refusal.word, lengths, is_stale(refusal))
    };
    assert_eq!(public(&wrong), public(&unknown));
    assert_eq!((wrong.status, wrong.word.as_str()), (407, "authentication-failed"));
    assert_ne!(wrong.reason, unknown.reason);
}

#[test]
fn an_answer_that_no_password_makes_right_is_told_from_a_wrong_password() {
    let refused_of = |ha1: UserHa1, user: &str, rest: &str| {
        let mut edge = Edge::new().with_evidence(known(Some(ha1)));
        let nonce = edge.nonces.issue(edge.now);
        let header = format!(
            "Proxy-Authorization: Digest username=\"{user}\", realm=\"contoso.com\", nonce=\"{nonce}\", uri=\"sip:bob@fabrikam.com\", \
             response=\"{}\"{rest}\r\n",
            "0".repeat(32)
        );
        let refusal = edge.refusal(&message(&header));
        assert_eq!((refusal.status, refusal.word.as_str()), (407, "authentication-failed"));
        refusal.reason
    };
    let refused = |user: &str, rest: &str| refused_of(ha1(), user, rest);
    let counted = ", qop=auth, nc=00000001, cnonce=\"c\"";
    assert!(refused("alice", "").contains(ANSWERED_WITHOUT_QOP));
    assert!(refused("alice", &format!("{counted}, algorithm=SHA-256")).contains(ANSWERED_BY_MD5));
    assert_eq!(refused("alice", counted), "wrong password for alice@contoso.com");
    assert_eq!(refused("alice@contoso.com", counted), "wrong password for alice@contoso.com");
    for name in ["Alice", "alice@Contoso.com"] {
        assert_eq!(refused(name, counted), format!("wrong password for alice@contoso.com{NAMED_IN_CAPITALS}"));
    }
    let of_before = UserHa1 { of_address: None, ..ha1() };
    assert_eq!(refused_of(of_before.clone(), "alice", counted), "wrong password for alice@contoso.com");
    let with_domain = refused_of(of_before, "alice@contoso.com", counted);
    assert_eq!(with_domain, format!("wrong password for alice@contoso.com{NAMED_WITH_DOMAIN}"));
}

#[test]
fn a_user_may_sign_in_by_the_whole_address_and_by_no_other() {
    let mut edge = Edge::new();
    let refusal = edge.refusal(&message(""));
    edge.evidence = known(Some(ha1()));
    let admitted = edge.admitted(&answered_message(&refusal, "alice@contoso.com", "secret", 1));
    assert_eq!(admitted.origin(), &Origin::User { aor: "alice@contoso.com".parse().expect("an aor") });
    let wrong = edge.refused(&answered_message(&refusal, "alice@contoso.com", "wrong", 2));
    assert_eq!(wrong, (407, "authentication-failed".into()));
    for other in ["bob@contoso.com", "alice@fabrikam.com"] {
        let refused = edge.refused(&answered_message(&refusal, other, "secret", 3));
        assert_eq!(refused, (403, "identity-mismatch".into()), "{other}");
    }
}

#[test]
fn a_user_that_does_not_exist_is_not_admitted_with_any_response() {
    let mut edge = Edge::new().with_evidence(known(None));
    let nothing = "Proxy-Authorization: Digest username=\"alice\", realm=\"contoso.com\", nonce=\"NONCE\", uri=\"sip:bob@fabrikam.com\", response=\"00000000000000000000000000000000\"\r\n";
    let nonce = edge.nonces.issue(edge.now);
    assert_eq!(edge.refused(&message(&nothing.replace("NONCE", &nonce))).1, "authentication-failed");
}

#[test]
fn a_user_cannot_speak_as_another_with_its_own_password() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    edge.evidence = known(Some(ha1()));
    for user in ["mallory", "alice@contoso.net", "alice@", "", "alice@contoso.com@contoso.com"] {
        let request = answered_message(&challenge, user, "secret", 1);
        assert_eq!(edge.refused(&request), (403, "identity-mismatch".into()), "{user}");
    }
}

#[test]
fn who_hides_his_name_is_told_that_and_not_that_his_domain_is_no_partner() {
    let invite = initial("INVITE", "sip:anonymous@Anonymous.invalid", BOB);
    assert_eq!(Edge::new().refused(&invite), (433, "anonymity-disallowed".into()));
}

#[test]
fn a_user_name_may_carry_the_domain() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    let request = answered_message(&challenge, "alice@Contoso.com", "secret", 1);
    assert_eq!(edge.question(&request), Question::Credentials("alice@contoso.com".parse().expect("an aor")));
}

#[test]
fn a_captured_request_does_not_work_twice() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    edge.evidence = known(Some(ha1()));
    edge.admitted(&answered_message(&challenge, "alice", "secret", 1));
    let replayed = edge.refusal(&answered_message(&challenge, "alice", "secret", 1));
    assert_eq!(replayed.status, 407);
    assert!(is_stale(&replayed));
    edge.admitted(&answered_message(&challenge, "alice", "secret", 2));
}

#[test]
fn a_wrong_password_does_not_use_up_the_nonce() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    edge.evidence = known(Some(ha1()));
    edge.refused(&answered_message(&challenge, "alice", "wrong", 1));
    edge.admitted(&answered_message(&challenge, "alice", "secret", 1));
}

#[test]
fn an_old_nonce_and_one_from_before_a_restart_are_stale() {
    let mut edge = Edge::new();
    let challenge = edge.refusal(&message(""));
    let request = answered_message(&challenge, "alice", "secret", 1);
    edge.now += Duration::from_secs(301);
    let refusal = edge.refusal(&request);
    edge.evidence = known(Some(ha1()));
    assert_eq!((refusal.status, refusal.word.as_str(), is_stale(&refusal)), (407, "authentication-required", true));
    edge.now -= Duration::from_secs(301);
    edge.nonces = NonceBook::new([8; 32], edge.now, Duration::from_secs(300), 100);
    assert!(is_stale(&edge.refusal(&request)));
}

#[test]
fn a_tls_flow_remembers_its_user_for_all_but_registrations() {
    let mut edge = Edge::new().with_user("alice@contoso.com").with_kind(FlowKind::Client);
    for method in ["INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "ACK"] {
        edge.admitted(&initial(method, ALICE, BOB));
    }
    assert_eq!(edge.refused(&register(ALICE, "")), (401, "authentication-required".into()));
    let other = initial("INVITE", "sip:carol@contoso.com", BOB);
    assert_eq!(edge.refused(&other), (407, "authentication-required".into()));
}

#[test]
fn a_flow_in_the_clear_remembers_nobody() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut edge = Edge::new().with_user("alice@contoso.com").with_transport(transport);
        assert_eq!(edge.refused(&message("")), (407, "authentication-required".into()));
    }
}

#[test]
fn a_signed_route_of_this_flow_proves_requests_within_a_dialog() {
    let proven = Evidence { proven_by_route: true, in_dialog: true, ..Evidence::default() };
    let mut edge = Edge::new().with_transport(Transport::Udp).with_evidence(proven);
    for method in ["ACK", "BYE", "INVITE", "INFO"] {
        edge.admitted(&in_dialog(method, ALICE, BOB));
    }
    edge.evidence.proven_by_route = false;
    assert_eq!(edge.refused(&in_dialog("BYE", ALICE, BOB)), (407, "authentication-required".into()));
}

#[test]
fn a_signed_route_proves_nothing_outside_of_a_dialog_nor_for_a_message() {
    let proven = Evidence { proven_by_route: true, in_dialog: true, ..Evidence::default() };
    let mut edge = Edge::new().with_transport(Transport::Udp).with_evidence(proven);
    assert_eq!(edge.refused(&initial("INVITE", ALICE, BOB)).0, 407);
    for method in ["MESSAGE", "PUBLISH"] {
        assert_eq!(edge.refused(&in_dialog(method, ALICE, BOB)).0, 407, "{method}");
    }
}

#[test]
fn an_ack_that_nothing_proves_is_refused_without_a_challenge() {
    let refusal = Edge::new().refusal(&in_dialog("ACK", ALICE, BOB));
    assert_eq!((refusal.status, refusal.headers.len()), (403, 0));
}

/// RFC 3261 section 13.2.2.4: of a phone whose connection is another one than that over which the dialog began.
#[test]
fn an_ack_is_proven_by_the_credentials_of_its_invite() {
    let mut edge = Edge::new().with_transport(Transport::Udp);
    edge.evidence = Evidence { in_dialog: true, ..known(Some(ha1())) };
    let within = |method: &str, credentials: &str| {
        let request = in_dialog(method, ALICE, BOB);
        request.replacen("\r\n", &format!("\r\n{credentials}"), 1)
    };
    let challenge = edge.refusal(&within("INVITE", ""));
    let shown = |method: &Method, password: &str, nc: u32| {
        answered(&challenge, "Proxy-Authorization", "alice", password, (method, BOB), nc)
    };
    let credentials = shown(&Method::Invite, "secret", 1);
    edge.admitted(&within("INVITE", &credentials));
    // Whoever has seen them may send them again: nobody is signed in by that.
    edge = edge.with_transport(Transport::Tls);
    assert_eq!(edge.admitted(&within("ACK", &credentials)).signs_in(), None);
    edge.admitted(&within("ACK", &shown(&Method::Ack, "secret", 2)));
    for wrong in ["", &shown(&Method::Invite, "another", 1), &shown(&Method::Bye, "secret", 1)] {
        assert_eq!(edge.refused(&within("ACK", wrong)), (403, "authentication-required".into()), "{wrong}");
    }
    edge.evidence.in_dialog = false;
    assert_eq!(edge.refused(&within("ACK", &credentials)).0, 403, "it belongs to no dialog of ours");
}

#[test]
fn a_client_cannot_speak_for_a_partner() {
    let mut edge = Edge::new().with_user("alice@contoso.com").with_kind(FlowKind::Client);
    let spoofed = initial("INVITE", BOB, ALICE);
    assert_eq!(edge.refused(&spoofed), (403, "mixed-traffic".into()));
}

#[test]
fn a_user_registers_itself_only_and_only_with_us() {
    let mut edge = Edge::new();
    assert_eq!(edge.refused(&register("sip:carol@contoso.com", "")), (403, "identity-mismatch".into()));
    assert_eq!(edge.refused(&register("sip:alice@contoso.net", "")), (403, "identity-mismatch".into()));
    assert_eq!(edge.refused(&register("sip:alice@tailspin.com", "")), (403, "relay-denied".into()));
    assert_eq!(edge.refused(&register("sip:contoso.com", "")), (400, "malformed-request".into()));
    let elsewhere = request("REGISTER", "sip:tailspin.com", ALICE, &format!("<{ALICE}>"), "");
    assert_eq!(edge.refused(&elsewhere), (403, "relay-denied".into()));
}

#[test]
fn a_phone_that_was_given_an_address_for_its_server_registers_there() {
    let at = |registrar: &str, to: &str| request("REGISTER", registrar, ALICE, &format!("<{to}>"), "");
    for registrar in ["sip:192.0.2.1:5062;transport=tcp", "sip:[2001:db8::1]", "sip:edge.contoso.com"] {
        assert_eq!(Edge::new().refused(&at(registrar, ALICE)), (401, "authentication-required".into()), "{registrar}");
    }
    assert_eq!(Edge::new().refused(&at("sip:192.0.2.1", "sip:alice@192.0.2.1")), (403, "relay-denied".into()));
}

#[test]
fn nobody_signs_in_as_a_user_of_a_domain_that_is_not_ours() {
    for domain in ["sip.contoso.com", "192.0.2.1", "[2001:db8::1]"] {
        let aor = format!("sip:alice@{domain}");
        let register = request("REGISTER", &format!("sip:{domain}"), &aor, &format!("<{aor}>"), "");
        let refusal = Edge::new().refusal(&register);
        assert_eq!((refusal.status, refusal.word.as_str()), (403, "domain-not-served"), "{domain}");
        assert!(refusal.reason.contains("serves contoso.com"), "{}", refusal.reason);
    }
}

#[test]
fn a_certificate_makes_no_user() {
    let mut edge = Edge::new().with_certificate(&["contoso.com"], &[]);
    assert_eq!(edge.refused(&message("")), (407, "authentication-required".into()));
}

#[test]
fn only_the_algorithms_that_are_offered_count() {
    let mut edge = Edge::new();
    let both = edge.refusal(&message(""));
    edge.organisation.digest = vec![Algorithm::Md5];
    let again = edge.refusal(&answered_message(&both, "alice", "secret", 1));
    let offered: Vec<&str> = again.headers.iter().map(|(_, value)| value.as_str()).collect();
    assert!(offered.len() == 1 && offered[0].contains("algorithm=MD5"), "{offered:?}");
    edge.evidence = known(Some(ha1()));
    edge.admitted(&answered_message(&again, "alice", "secret", 1));
}

#[test]
fn who_gives_up_at_sha_256_is_offered_md5_alone() {
    let offered = |extra: &str| {
        let refusal = Edge::new().refusal(&register(ALICE, extra));
        refusal.headers.iter().map(|(_, value)| value.contains("MD5")).collect::<Vec<bool>>()
    };
    for old in [
        "baresip v1.0.0 (x86_64/linux)",
        "kamailio (5.6.3 (x86_64/linux))",
        "Janus WebRTC Server SIP Plugin 0.0.8",
        "sofia-sip/1.12.11devel",
    ] {
        assert_eq!(offered(&format!("User-Agent: {old}\r\n")), [true], "{old}");
    }
    assert_eq!(offered("User-Agent: baresip v2.0.0 (x86_64/linux)\r\n"), [false, true]);
}

/// A MESSAGE with a password, tried as often as said; what became of the last one.
fn guessed(edge: &mut Edge, password: &str, times: usize) -> Refusal {
    let mut refusal = edge.refusal(&message(""));
    for _ in 0..times {
        let challenge = edge.refusal(&message(""));
        refusal = edge.refusal(&answered_message(&challenge, "alice", password, 1));
    }
    refusal
}

#[test]
fn who_guesses_passwords_is_stopped_where_he_is() {
    for credentials in [Some(ha1()), None] {
        let mut edge = Edge::new().with_evidence(known(credentials));
        assert_eq!(guessed(&mut edge, "wrong", 30).word.as_str(), "authentication-failed");
        let refusal = guessed(&mut edge, "secret", 1);
        assert_eq!((refusal.status, refusal.word.as_str()), (503, "too-many-guesses"));
        assert_eq!(refusal.headers, [(HeaderName::RetryAfter, "301".to_owned())]);
        // A user more, and the same one from elsewhere or over another transport, are not concerned.
        edge.facts.remote = "192.0.2.99:50000".parse().expect("an address");
        assert_eq!(guessed(&mut edge, "wrong", 1).word.as_str(), "authentication-failed");
    }
}

#[test]
fn guesses_are_forgotten_in_time_and_for_whoever_knows_the_password() {
    let mut edge = Edge::new().with_evidence(known(Some(ha1())));
    guessed(&mut edge, "wrong", 29);
    let challenge = edge.refusal(&message(""));
    edge.admitted(&answered_message(&challenge, "alice", "secret", 1));
    assert_eq!(guessed(&mut edge, "wrong", 30).word.as_str(), "authentication-failed");
    edge.now += Duration::from_secs(301);
    assert_eq!(guessed(&mut edge, "wrong", 1).word.as_str(), "too-many-guesses");
    edge.now += Duration::from_secs(300);
    assert_eq!(guessed(&mut edge, "wrong", 1).word.as_str(), "authentication-failed");
}
