//! A message that got its 202 outlives a server that is killed.

use std::net::Ipv4Addr;
use std::process::Stdio;

use sip::Method;

use crate::phone::Phone;
use crate::served::Served;

fn stored(served: &Served) -> u64 {
    served.run(&["status", "--json"]).ok().json()["messages"]["stored"].as_u64().unwrap()
}

#[test]
fn a_message_with_its_202_outlives_a_killed_server() {
    let mut served = Served::start();
    for user in [ALICE, BOB] {
        Phone::add_user(&served, user);
    }
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    for number in 0..3 {
        let line = format!("X-Number: {number}\r\n");
        assert_eq!(alice.ask(&Method::Message, &format!("sip:{BOB}"), BOB, &line).status(), Some(202));
    }
    served.signal("-KILL");
    served.server.wait().unwrap();

    let log = std::fs::File::create(served.place.path().join("log")).unwrap();
    served.server = served.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    served.wait_until("the server is ready", |served| served.place.run(&["status"]).code == Some(0));
    assert_eq!(stored(&served), 3);
    let shown = served.run(&["status"]).ok().stdout;
    assert!(shown.contains("3 wait for users who are away, the oldest since 20"), "{shown}");
    let users = served.run(&["user", "list", "--json"]).ok().json();
    assert_eq!((&users[0]["stored_messages"], &users[1]["stored_messages"]), (&0.into(), &3.into()));

    let mut bob = Phone::connect(&served, BOB, Ipv4Addr::LOCALHOST);
    assert_eq!(bob.register().status(), Some(200));
    for number in ["0", "1", "2"] {
        let message = bob.receive();
        assert_eq!(message.header_by_name("X-Number"), Some(number.as_bytes()));
        bob.answer(&message, 200);
    }
    served.wait_until("all are delivered", |served| stored(served) == 0);
    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!(status["messages"]["repeats"], 0);

    // A user's messages go with the user.
    drop(bob);
    let asks_for_bob =
        |served: &mut Served| served.run(&["user", "list", "--json"]).ok().json()[1]["registrations"] == 0;
    served.wait_until("bob is away again", asks_for_bob);
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(alice.message(BOB).status(), Some(202));
    assert_eq!(stored(&served), 1);
    served.run(&["user", "remove", BOB]).ok();
    assert_eq!(stored(&served), 0);
}

const BOB: &str = "bob@contoso.example";
const ALICE: &str = "alice@contoso.example";
