//! A database copied while its server is busy, and put in the place of another.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusqlite::Connection;
use sip::Method;

use crate::load;
use crate::load::{Door, Ledger, Load, RECEIVERS, RESTLESS, SENDERS};
use crate::phone::Phone;
use crate::place::Place;
use crate::served::Served;

const MEETING: [&str; 13] = [
    "meeting",
    "create",
    "--organiser",
    "away@contoso.example",
    "--subject",
    "Budget",
    "--at",
    "2090-12-01 10:00",
    "--zone",
    "UTC",
    "--for",
    "45m",
    "--json",
];

fn stop(served: &mut Served) {
    served.signal("-TERM");
    served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
}

/// Makes a copy in the midst of everything; answers the partners that were entered before it. Ends with a kill.
fn back_up_under_load(served: &mut Served) -> BTreeSet<String> {
    let door = Door { tcp_port: served.tcp_port, folder: served.place.path().to_owned() };
    let load = Load::start(&door, &Arc::new(AtomicU64::new(1)), 1);
    let waiting = |ledger: &Ledger| -> Vec<u64> {
        ledger.acknowledged.iter().filter(|number| !ledger.came.contains_key(number)).copied().collect()
    };
    served.wait_until("there is enough to copy", |_| {
        let ledger = load.ledger.lock().unwrap();
        waiting(&ledger).len() >= 10 && ledger.partners.len() >= 3
    });
    let (partners, promised) = {
        let ledger = load.ledger.lock().unwrap();
        (ledger.partners.clone(), waiting(&ledger))
    };
    let told = served.run(&["backup", "copy.db"]).ok().stdout;
    assert!(told.starts_with("copy.db written: ") && told.contains("with 8 users, "), "{told}");
    served.wait_until("changes go on after it", |_| load.ledger.lock().unwrap().partners.len() > partners.len());
    served.server.kill().unwrap();
    let ledger = load.end();
    let ledger = ledger.lock().unwrap();
    let copied = load::stored_numbers(&Connection::open(served.place.path().join("copy.db")).unwrap());
    for number in promised {
        assert!(copied.contains_key(&number) || ledger.came.contains_key(&number), "{number} is not in the copy");
    }
    partners
}

#[test]
fn a_copy_made_under_load_serves_in_another_folder() {
    let mut busy = Served::start();
    for aor in SENDERS.iter().chain(&RECEIVERS).chain(&[RESTLESS]) {
        Phone::add_user(&busy, aor);
    }
    let meeting = busy.run(&MEETING).ok().json()["meeting"]["id"].as_str().unwrap().to_owned();
    let partners_before = back_up_under_load(&mut busy);
    assert!(!partners_before.is_empty());
    busy.run(&["backup", "copy.db"])
        .fails(&["error: copy.db exists", "next: name another file: a copy is never written over"]);
    let copy = busy.place.path().join("copy.db");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let mut other = Served::start();
    other.run(&["user", "add", "other@contoso.example", "--generate"]).ok();
    let copy = copy.to_str().unwrap();
    let holder = format!("error: comity serve (process {}) works in data", other.server.id());
    other
        .place
        .run(&["restore", copy])
        .fails(&[&holder, "next: end it first, as with systemctl stop comity, then restore"]);
    stop(&mut other);
    let told = other.place.run(&["restore", copy]).ok().stdout;
    assert!(told.starts_with("data/comity.db restored, with 8 users, "), "{told}");
    assert!(told.contains("what was there before is now data/comity.db.replaced-"), "{told}");
    other.server = other.place.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut other = other.when_ready();

    let users = other.run(&["user", "list", "--json"]).ok().json();
    assert_eq!(users.as_array().unwrap().len(), 8);
    let partners = other.run(&["partner", "list"]).ok().stdout;
    assert!(partners_before.iter().all(|domain| partners.contains(domain.as_str())), "{partners}");
    assert!(other.run(&["meeting", "show", &meeting]).ok().stdout.contains("Budget"));
    let away = users.as_array().unwrap().iter().find(|user| user["aor"] == RECEIVERS[3]).unwrap();
    assert!(away["stored_messages"].as_u64().unwrap() > 0, "{users}");
    let mut phone = Phone::connect(&other, RECEIVERS[3], Ipv4Addr::LOCALHOST);
    phone.try_register().unwrap();
    let message = phone.receive();
    assert_eq!(message.method(), Some(Method::Message));
    stop(&mut other);
}

#[test]
fn a_copy_is_made_and_restored_without_a_server() {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    place.run(&["backup", "copy.db"]).fails(&[
        "error: there is no database at data/comity.db",
        "next: the server makes it when it first starts; is this its configuration?",
    ]);
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    let made = place.run(&["backup", "copy.db", "--json"]).ok().json();
    assert_eq!((&made["file"], &made["contents"]["partners"]), (&"copy.db".into(), &1.into()));
    place.run(&["partner", "remove", "fabrikam.example"]).ok();
    let restored = place.run(&["restore", "copy.db", "--json"]).ok().json();
    assert_eq!(restored["contents"]["partners"], 1);
    assert!(place.run(&["partner", "list"]).ok().stdout.contains("fabrikam.example"));
    assert!(place.path().join(restored["replaced"].as_str().unwrap()).exists());

    std::fs::write(place.path().join("text.db"), "not a database, says whoever wrote this here").unwrap();
    let told = place.run(&["restore", "text.db"]).stderr;
    assert!(told.contains("error: text.db is damaged: ") && told.contains("was not touched"), "{told}");
    let told = place.run(&["restore", "absent.db"]).stderr;
    assert!(told.contains("error: cannot read absent.db: "), "{told}");
    std::fs::write(place.path().join("copy.db-wal"), "the rest").unwrap();
    assert!(place.run(&["restore", "copy.db"]).stderr.contains("a part of it is in copy.db-wal"));
    assert!(place.run(&["partner", "list"]).ok().stdout.contains("fabrikam.example"));
}

#[test]
fn roots_copy_is_roots_and_what_root_restores_is_the_servers() {
    const NOBODY: u32 = 65_534;
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    if place.path().metadata().unwrap().uid() != 0 {
        return;
    }
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    place.run(&["backup", "copy.db"]).ok();
    assert_eq!(place.path().join("copy.db").metadata().unwrap().uid(), 0);
    place.run(&["restore", "copy.db"]).ok();
    let entries = || std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap());
    assert!(entries().count() >= 3, "the database, the one before it, and the lock");
    for entry in entries() {
        assert_eq!(entry.metadata().unwrap().uid(), NOBODY, "{:?}", entry.file_name());
    }
}
