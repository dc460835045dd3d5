//! A server whose disk becomes read-only while it works, as a kernel makes it after an error of the disk.
//!
//! The step `disk` of `./test` makes the disk, an ext4 of its own under which all temporary folders are. After an error it stays
//! read-only until it is mounted again; so what a server does when it can write again is seen on files that are made immutable.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sip::Method;

use crate::keeping::{check_integrity, check_refused, first_message, number, send};
use crate::phone::Phone;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const AWAY: &str = "away@contoso.example";

/// The disk, and the device that it is on.
struct Disk {
    folder: PathBuf,
    device: String,
}

impl Disk {
    fn ours() -> Disk {
        let folder = std::env::temp_dir();
        assert!(folder.ends_with("comity-failing-disk"), "{}: run it by ./test disk", folder.display());
        Disk { folder, device: std::env::var("COMITY_DEVICE").unwrap() }
    }

    /// As after an error of the disk.
    fn fail(&self) {
        let name = self.device.trim_start_matches("/dev/");
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
        assert!(std::fs::write(self.folder.join("probe"), "").is_err(), "it can only be read");
    }

    fn mount_again(&self) {
        run("umount", &[self.folder.to_str().unwrap()]);
        run("mount", &[&self.device, self.folder.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}

/// The index of the log, `comity.db-shm`, is not among them: it is memory that the server writes to.
fn set_immutable(place: &Path, how: &str) {
    let files = ["data", "data/comity.db", "data/comity.db-wal"].map(|name| place.join(name));
    run("chattr", &[&[how], &files.each_ref().map(|file| file.to_str().unwrap())[..]].concat());
}

/// A server with one message that waits, all of it on disk.
fn with_a_message() -> Served {
    let served = Served::start();
    for aor in [ALICE, BOB, AWAY] {
        Phone::add_user(&served, aor);
    }
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    assert_eq!(send(&mut alice, AWAY, 1).status(), Some(202));
    run("sync", &[]);
    served
}

/// What is in memory goes on, and what would have to be kept is refused.
fn check_it_goes_on(served: &mut Served) {
    let mut bob = Phone::connect(served, BOB, Ipv4Addr::LOCALHOST);
    assert_eq!(bob.register().status(), Some(200));
    let mut alice = Phone::connect(served, ALICE, Ipv4Addr::LOCALHOST);
    alice.call_id = "second".to_owned();
    alice.offer_proof(&Method::Message, &format!("sip:{BOB}"), BOB, "X-Number: 2\r\n");
    let message = bob.receive();
    assert_eq!(number(&message), "2");
    bob.answer(&message, 200);
    assert_eq!(alice.final_response().status(), Some(200));
    check_refused(&mut alice, AWAY, 3..13);
    let told = [
        "error: the store could not commit: disk I/O error",
        "next: check the disk's space and health; nothing was changed",
    ];
    served.run(&["partner", "add", "fabrikam.example"]).fails(&told);
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("warning: the database has not been writable since"), "{status}");
    assert_eq!(served.run(&["user", "list", "--json"]).ok().json().as_array().unwrap().len(), 3);
    assert!(served.server.try_wait().unwrap().is_none(), "it is the same server");
}

/// Takes what waited, and nothing that was refused.
fn check_nothing_is_lost(served: &mut Served, away: &mut Phone, message: &sip::Message) {
    assert_eq!(number(message), "1");
    away.answer(message, 200);
    served
        .wait_until("that was all", |served| served.run(&["status", "--json"]).ok().json()["messages"]["stored"] == 0);
    served.run(&["partner", "add", "fabrikam.example"]).ok();
    assert!(!served.run(&["status"]).ok().stdout.contains("cannot be written"));
    check_integrity(served.place.path());
}

#[test]
#[ignore = "needs a disk of its own that can fail; ./test disk"]
fn a_disk_that_becomes_read_only_loses_nothing() {
    let disk = Disk::ours();
    let mut served = with_a_message();
    disk.fail();
    check_it_goes_on(&mut served);
    served.signal("-TERM");
    assert!(served.server.wait().unwrap().success(), "it ends as ever");
    disk.mount_again();
    served.server = served.place.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut served = served.when_ready();
    let mut away = Phone::connect(&served, AWAY, Ipv4Addr::LOCALHOST);
    let message = first_message(&mut away);
    check_nothing_is_lost(&mut served, &mut away, &message);
}

#[test]
#[ignore = "needs a disk of its own that can fail; ./test disk"]
fn a_disk_that_can_be_written_to_again_is_taken_up_without_a_restart() {
    Disk::ours();
    let mut served = with_a_message();
    set_immutable(served.place.path(), "+i");
    check_it_goes_on(&mut served);
    let mut away = Phone::connect(&served, AWAY, Ipv4Addr::LOCALHOST);
    assert_eq!(away.register().status(), Some(200));
    set_immutable(served.place.path(), "-i");
    let message = away.receive();
    check_nothing_is_lost(&mut served, &mut away, &message);
    drop(away);
    served.wait_until("he is away again", |served| {
        let users = served.run(&["user", "list", "--json"]).ok().json();
        users.as_array().unwrap().iter().all(|user| user["aor"] != AWAY || user["registrations"] == 0)
    });
    let mut alice = Phone::connect(&served, ALICE, Ipv4Addr::LOCALHOST);
    alice.call_id = "third".to_owned();
    assert_eq!(send(&mut alice, AWAY, 20).status(), Some(202));
}
