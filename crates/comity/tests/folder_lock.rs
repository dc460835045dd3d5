//! One process at a time works in a data folder: a server, or a command while none runs.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::place::Place;
use crate::served::Served;

fn place() -> Place {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    place.run(&["user", "list"]).ok();
    place
}

/// The lock of the folder, as a command of that name holds it.
fn hold(place: &Place, holder: &str) -> File {
    let path = place.path().join("data/comity.lock");
    let mut file = File::options().write(true).create(true).truncate(true).open(path).unwrap();
    file.try_lock().unwrap();
    file.write_all(holder.as_bytes()).unwrap();
    file
}

#[test]
fn the_lock_is_for_nobody_else_to_read() {
    let lock = std::fs::metadata(place().path().join("data/comity.lock")).unwrap();
    assert_eq!(lock.mode() & 0o777, 0o600);
}

#[test]
fn a_command_says_who_works_in_the_folder_when_that_does_not_end() {
    let place = place();
    let held = hold(&place, "4711 comity partner\n");
    place
        .run(&["user", "add", "alice@contoso.example", "--generate"])
        .fails(&["error: comity partner (process 4711) works in data", "next: try again when it is done"]);
    drop(held);
    assert_eq!(place.run(&["user", "list", "--json"]).ok().json(), serde_json::json!([]), "nobody was added");
}

#[test]
fn a_server_that_takes_no_commands_yet_is_named_too() {
    let place = place();
    let _held = hold(&place, "4711 comity serve\n");
    place.run(&["user", "list"]).fails(&[
        "error: comity serve (process 4711) works in data",
        "next: it takes no commands yet: see its log, and try again once it has started",
    ]);
}

#[test]
fn a_command_waits_for_one_that_is_soon_done() {
    let place = place();
    let held = hold(&place, "4711 comity partner\n");
    let waiting = place.command(&["user", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    drop(held);
    assert!(waiting.wait_with_output().unwrap().status.success());
}

#[test]
fn commands_at_the_same_moment_all_do_what_they_say() {
    let place = place();
    let add = |number: usize| -> Child {
        let user = format!("user{number}@contoso.example");
        let mut command = place.command(&["user", "add", &user, "--generate"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<Child> = (0..8).map(add).collect();
    assert!(all.into_iter().all(|mut child| child.wait().unwrap().success()));
    assert_eq!(place.run(&["user", "list", "--json"]).ok().json().as_array().unwrap().len(), 8);
}

#[test]
fn a_server_starts_once_a_command_is_done_and_its_lock_ends_with_it() {
    let mut served = Served::start();
    let lock = std::fs::read_to_string(served.place.path().join("data/comity.lock")).unwrap();
    assert_eq!(lock, format!("{} comity serve\n", served.server.id()));
    served.signal("-KILL");
    served.server.wait().unwrap();
    // Killed, it left its name and no lock.
    let held = hold(&served.place, "4711 comity user\n");
    served.server = served.place.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(served.server.try_wait().unwrap().is_none(), "it waits");
    drop(held);
    served.when_ready().run(&["status"]).ok();
}
