//! A server whose disk fills up, and has room again; and one whose disk can only be read.
//!
//! The step `disk` of `./test` makes the disk: a small one of its own, under which all temporary folders are.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sip::Method;

use crate::keeping::{check_integrity, check_refused, first_message, number, send};
use crate::phone::Phone;
use crate::place::Place;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const AWAY: &str = "away@contoso.example";
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

/// All that is free on the disk, taken until this is dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn fill() -> Ballast {
        let path = std::env::temp_dir().join("ballast");
        let mut file = File::options().append(true).create(true).open(&path).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        Ballast(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn check_disk_is_ours() {
    let temporary = std::env::temp_dir();
    assert!(temporary.ends_with("comity-small-disk"), "{}: run it by ./test disk", temporary.display());
}

fn metric(served: &Served, name: &str) -> u64 {
    let text = served.run(&["metrics"]).ok().stdout;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

/// A meeting that is open now; answers its address.
fn schedule(served: &Served) -> String {
    let meeting = served.schedule(ALICE, &[]);
    meeting["uri"].as_str().unwrap().trim_start_matches("sip:").to_owned()
}

fn join(phone: &mut Phone, meeting: &str) -> Option<u16> {
    phone.offer = OFFER;
    let contact = "Contact: <sip:alice@phone.invalid;transport=tcp>\r\n";
    phone.offer_proof(&Method::Invite, &format!("sip:{meeting}"), meeting, contact);
    phone.final_response().status()
}

/// A call that is answered and ended, so that there would be a record of it.
fn call(alice: &mut Phone, bob: &mut Phone) {
    alice.call_id = "of-a-full-disk".to_owned();
    alice.offer_proof(
        &Method::Invite,
        "sip:bob@contoso.example",
        BOB,
        "Contact: <sip:alice@phone.invalid;transport=tcp>\r\n",
    );
    let invite = bob.receive();
    assert_eq!(invite.method(), Some(Method::Invite));
    bob.answer(&invite, 200);
    assert_eq!(alice.final_response().status(), Some(200));
}

#[test]
#[ignore = "needs a small disk of its own; ./test disk"]
fn a_full_disk_refuses_what_would_be_kept_and_nothing_else() {
    check_disk_is_ours();
    let mut served = Served::start();
    for aor in [ALICE, BOB, AWAY] {
        Phone::add_user(&served, aor);
    }
    let meeting = schedule(&served);
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(send(&mut alice, AWAY, 1).status(), Some(202));
    let full = Ballast::fill();
    let log_len = served.log().len();

    // What is in memory goes on.
    let mut bob = Phone::connect(&served, BOB, Ipv4Addr::LOCALHOST);
    assert_eq!(bob.register().status(), Some(200));
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    alice.call_id = "second".to_owned();
    alice.offer_proof(&Method::Message, &format!("sip:{BOB}"), BOB, "X-Number: 2\r\n");
    let message = bob.receive();
    assert_eq!(number(&message), "2");
    bob.answer(&message, 200);
    assert_eq!(alice.final_response().status(), Some(200));
    call(&mut alice, &mut bob);
    let mut organiser = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    organiser.call_id = "joins".to_owned();
    assert_eq!(join(&mut organiser, &meeting), Some(200));

    // What would have to be kept is refused, and says why.
    let mut sender = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    sender.call_id = "third".to_owned();
    check_refused(&mut sender, AWAY, 3..63);
    let told = [
        "error: the store could not commit: database or disk is full",
        "next: check the disk's space and health; nothing was changed",
    ];
    served.run(&["partner", "add", "fabrikam.example"]).fails(&told);
    served.run(&["meeting", "cancel", meeting.split(['-', '@']).nth(1).unwrap()]).fails(&told);
    served.run(&["user", "passwd", AWAY, "--generate"]).fails(&told);
    let copy = served.run(&["backup", "copy.db"]);
    assert!(copy.code == Some(1) && copy.stderr.contains("next: make room on its disk"), "{}", copy.stderr);
    assert!(!served.place.path().join("copy.db").exists());
    assert!(metric(&served, "comity_store_failures_total") >= 60);
    assert!(metric(&served, "comity_call_records_dropped_total") >= 1);
    let status = served.run(&["status"]).ok();
    assert!(status.stdout.contains("warning: the database has not been writable since"), "{}", status.stdout);
    assert!(status.stdout.contains("database or disk is full"), "{}", status.stdout);

    // Who comes for his messages while they cannot be marked as sent gets them when they can, by themselves.
    let mut away = Phone::connect(&served, AWAY, Ipv4Addr::LOCALHOST);
    assert_eq!(away.register().status(), Some(200));
    let grown = served.log().len() - log_len;
    assert!(served.log().len().is_multiple_of(4096) && grown > 0, "the log's last page is full, too: {grown}");
    drop(full);
    let message = away.receive();
    assert_eq!(number(&message), "1");
    away.answer(&message, 200);
    drop(away);
    served.wait_until("he is away again", |served| {
        let users = served.run(&["user", "list", "--json"]).ok().json();
        users.as_array().unwrap().iter().all(|user| user["aor"] != AWAY || user["registrations"] == 0)
    });
    let mut sender = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    sender.call_id = "fourth".to_owned();
    assert_eq!(send(&mut sender, AWAY, 63).status(), Some(202));
    served.run(&["partner", "add", "fabrikam.example"]).ok();
    assert!(!served.run(&["status"]).ok().stdout.contains("cannot be written"));
    served.run(&["backup", "copy.db"]).ok();
    check_integrity(served.place.path());
    let stored = served.run(&["status", "--json"]).ok().json()["messages"]["stored"].clone();
    assert_eq!(stored, 1, "what was refused is not there after all");
    assert!(served.server.try_wait().unwrap().is_none(), "it is the same server");
    let log = served.log();
    assert!(log[log_len + grown..].contains("partner entry changed"), "the log goes on, too: {log}");
}

#[test]
#[ignore = "needs a small disk of its own; ./test disk"]
fn a_server_killed_on_a_full_disk_starts_on_it_or_says_why_not() {
    check_disk_is_ours();
    let mut served = Served::start();
    for aor in [ALICE, AWAY] {
        Phone::add_user(&served, aor);
    }
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(send(&mut alice, AWAY, 1).status(), Some(202));
    let full = Ballast::fill();
    assert_eq!(send(&mut alice, AWAY, 2).status(), Some(500));
    served.server.kill().unwrap();
    served.server.wait().unwrap();
    let answer = served.place.command(&["serve"]).stdout(Stdio::null()).output().unwrap();
    let told = String::from_utf8(answer.stderr).unwrap();
    assert_eq!(answer.status.code(), Some(1), "{told}");
    assert!(told.contains("database or disk is full"), "{told}");
    assert!(told.contains("make room"), "{told}");
    drop(full);
    served.server = served.place.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut served = served.when_ready();
    check_integrity(served.place.path());
    let mut away = Phone::connect(&served, AWAY, Ipv4Addr::LOCALHOST);
    let message = first_message(&mut away);
    assert_eq!(number(&message), "1");
    away.answer(&message, 200);
    served
        .wait_until("that was all", |served| served.run(&["status", "--json"]).ok().json()["messages"]["stored"] == 0);
}

#[test]
#[ignore = "needs a small disk of its own; ./test disk"]
fn a_disk_that_can_only_be_read_is_named() {
    check_disk_is_ours();
    let place = Place::new("tls = [\"127.0.0.1:15061\"]");
    place.certify(&["sip.contoso.example"]);
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    let before = std::fs::read(place.path().join("data/comity.db")).unwrap();
    let mount = |options: &str| {
        let disk = std::env::temp_dir();
        assert!(Command::new("mount").args(["-o", options]).arg(&disk).status().unwrap().success());
    };
    mount("remount,bind,ro");
    let [serve, add, list] =
        [&["serve"][..], &["partner", "add", "adatum.example"], &["partner", "list"]].map(|words| place.run(words));
    mount("remount,bind,rw");
    for answer in [serve, add, list] {
        assert_eq!(answer.code, Some(1));
        assert!(
            answer.stderr.contains("data/comity.") && answer.stderr.contains("Read-only file system"),
            "{}",
            answer.stderr
        );
    }
    assert_eq!(std::fs::read(place.path().join("data/comity.db")).unwrap(), before);
    place.run(&["partner", "add", "adatum.example"]).ok();
    check_integrity(place.path());
}
