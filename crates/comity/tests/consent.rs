//! First contacts on a real server: what is held, and what a user and the administrator say of it, outlive a server that is killed.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;

use certificates::ServedIdentity;
use sip::{Message, Method};

use crate::partner;
use crate::phone::Phone;
use crate::served::Served;

fn start() -> (Served, Arc<ServedIdentity>) {
    let served = Served::start_with("federation = { discovery = true }", "127.0.0.1:9");
    let identity =
        partner::identity(served.place.path(), &served.authority, &["sip.mallory.example", "mallory.example"]);
    Phone::add_user(&served, ALICE);
    served.run(&["policy", "set", "organisation", "--first-contact", "ask"]).ok();
    (served, identity)
}

/// Writes to somebody here over a connection of its own; answers the status.
fn eve_writes(served: &Served, identity: &Arc<ServedIdentity>, to: &str, text: &'static str) -> Option<u16> {
    let mut line = Phone::over(EVE, partner::connect(Ipv4Addr::LOCALHOST, served.tls_port, Some(identity)));
    line.call_id = format!("of-eve-{}", text.replace(' ', "-"));
    line.text = text;
    line.message(to).status()
}

fn text(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

fn restart(served: &mut Served) {
    served.signal("-KILL");
    served.server.wait().unwrap();
    let log = std::fs::File::create(served.place.path().join("log")).unwrap();
    served.server = served.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    served.wait_until("the server is ready", |served| served.place.run(&["status"]).code == Some(0));
}

#[test]
fn a_held_message_and_its_question_outlive_a_killed_server_and_a_word_delivers_it() {
    let (mut served, identity) = start();
    assert_eq!(eve_writes(&served, &identity, ALICE, "Hello Alice"), Some(202));
    assert_eq!(eve_writes(&served, &identity, "nobody@contoso.example", "Hello nobody"), Some(202));
    let why = served.run(&["why", "of-eve-Hello-nobody"]).ok().stdout;
    assert!(why.contains("there is no such account"), "{why}");
    restart(&mut served);
    let asked = served.run(&["consent", "list", "--json"]).ok().json();
    assert_eq!((asked.as_array().unwrap().len(), &asked[0]["sender"]), (1, &EVE.into()));
    assert_eq!((&asked[0]["verdict"], &asked[0]["held"]), (&"asked".into(), &1.into()));

    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(alice.register().status(), Some(200));
    let question = alice.receive();
    alice.answer(&question, 200);
    assert!(text(&question).starts_with("eve@mallory.example, "), "{}", text(&question));
    assert!(!text(&question).contains("Hello"), "{}", text(&question));

    let asker = question.from().unwrap().uri().as_str().trim_start_matches("sip:").to_owned();
    alice.text = "yes";
    assert_eq!(alice.message(&asker).status(), Some(200));
    for expected in ["Yes: ", "Hello Alice"] {
        let message = alice.receive();
        assert!(text(&message).starts_with(expected), "{}", text(&message));
        alice.answer(&message, 200);
    }
    let metrics = served.run(&["metrics"]).ok().stdout;
    assert!(metrics.contains("comity_held_messages 0\n"), "{metrics}");
    assert!(metrics.contains("comity_held_messages_released_total 1\n"), "{metrics}");
}

#[test]
fn an_administrator_sees_and_decides_whom_a_user_hears_from() {
    let (served, identity) = start();
    let dry_run = ["why", "--from", EVE, "--to", ALICE, "--dry-run"];
    assert!(
        served.run(&dry_run).ok().stdout.contains("alice@contoso.example would be asked about eve@mallory.example")
    );
    assert_eq!(eve_writes(&served, &identity, ALICE, "one"), Some(202));
    assert!(served.run(&["why", "of-eve-one"]).ok().stdout.contains("until the user agrees"));

    let allowed = served.run(&["consent", "allow", ALICE, "EVE@mallory.example", "--json"]).ok().json();
    assert_eq!((&allowed["sender"], &allowed["released"]), (&EVE.into(), &1.into()));
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(alice.register().status(), Some(200));
    let texts: Vec<String> = std::iter::repeat_with(|| {
        let message = alice.receive();
        alice.answer(&message, 200);
        text(&message)
    })
    .take(2)
    .collect();
    assert_eq!(texts[1], "one");
    assert!(served.run(&dry_run).ok().stdout.contains("has agreed to hear from"));

    served.run(&["consent", "deny", ALICE, EVE]).ok();
    assert_eq!(eve_writes(&served, &identity, ALICE, "two"), Some(202));
    assert!(served.run(&["why", "of-eve-two"]).ok().stdout.contains("the user has refused its sender"));
    let listed = served.run(&["consent", "list", "--user", ALICE]).ok().stdout;
    assert!(listed.contains("eve@mallory.example") && listed.contains("denied"), "{listed}");

    let forgotten = served.run(&["consent", "forget", ALICE, EVE]).ok().stdout;
    assert!(forgotten.contains("is asked about eve@mallory.example at the next contact"), "{forgotten}");
    served
        .run(&["consent", "allow", "nobody@contoso.example", EVE])
        .fails(&["error: there is no user nobody@contoso.example", "next: to see the users: comity user list"]);
}

#[test]
fn where_users_are_not_hidden_a_call_is_refused_by_its_word_and_a_name_that_nobody_has_by_404() {
    let lines = "federation = { discovery = true, discovered = { hide_users = false } }";
    let served = Served::start_with(lines, "127.0.0.1:9");
    let identity =
        partner::identity(served.place.path(), &served.authority, &["sip.mallory.example", "mallory.example"]);
    Phone::add_user(&served, ALICE);
    served.run(&["policy", "set", "organisation", "--first-contact", "ask"]).ok();
    assert_eq!(eve_writes(&served, &identity, ALICE, "one"), Some(202));
    assert_eq!(eve_writes(&served, &identity, "nobody@contoso.example", "one"), Some(404));
    let mut line = Phone::over(EVE, partner::connect(Ipv4Addr::LOCALHOST, served.tls_port, Some(&identity)));
    let refused = line.ask(&Method::Invite, &format!("sip:{ALICE}"), ALICE, "Contact: <sip:eve@phone.invalid>\r\n");
    let warning = refused.header_text(sip::HeaderName::Warning).unwrap_or_default();
    assert_eq!((refused.status(), warning.contains("consent-needed")), (Some(403), true), "{warning}");
}

const ALICE: &str = "alice@contoso.example";
const EVE: &str = "eve@mallory.example";
