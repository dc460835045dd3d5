//! Commands of root on the folder of a server that runs as a user of its own. Only root can try this; for others these
//! tests have nothing to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use crate::place::Place;

/// The user whom every system has for what is nobody's.
const NOBODY: u32 = 65_534;

/// A place where a server of another user keeps its `data/`; `None` where the test does not run as root.
fn place() -> Option<(Place, PathBuf)> {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    if fs::metadata(place.path()).unwrap().uid() != 0 {
        return None;
    }
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    Some((place, data))
}

#[test]
fn what_root_adds_before_the_first_start_belongs_to_the_server() {
    let Some((place, data)) = place() else { return };
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    let owners: Vec<u32> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().metadata().unwrap().uid()).collect();
    assert!(!owners.is_empty());
    assert!(owners.iter().all(|owner| *owner == NOBODY), "{owners:?}");
}

#[test]
fn the_key_is_for_root_and_for_the_server() {
    let Some((place, data)) = place() else { return };
    let data = data.to_str().unwrap();
    let init = ["init", "--domain", "contoso.example", "--directory", "new", "--data", data, "--yes"];
    let told = place.run(&init).ok().stdout;
    assert!(told.contains("new/sip.contoso.example.key: the private key, readable by root and the group "), "{told}");
    let key = fs::metadata(place.path().join("new/sip.contoso.example.key")).unwrap();
    assert_eq!((key.uid(), key.gid(), key.mode() & 0o777), (0, NOBODY, 0o640));
    place.run(&["check", "--config", "new/comity.toml"]).ok();
}

#[test]
fn a_server_says_whose_its_folder_has_to_be() {
    let Some((place, data)) = place() else { return };
    place.certify(&["sip.contoso.example"]);
    fs::set_permissions(place.path().join("contoso.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(data.join("comity.lock"), "").unwrap();
    fs::set_permissions(data.join("comity.lock"), fs::Permissions::from_mode(0o600)).unwrap();
    let told = place.run(&["serve"]).stderr;
    assert!(told.contains("all in it have to belong to the user that the server runs as"), "{told}");
}

#[test]
fn check_finds_the_key_that_only_root_can_read() {
    let Some((place, _)) = place() else { return };
    place.certify(&["sip.contoso.example"]);
    let key = place.path().join("contoso.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for command in ["check", "serve"] {
        let told = place.run(&[command]).stderr;
        assert!(told.contains("[certificate] key: cannot read contoso.key: Permission denied"), "{told}");
        assert!(told.contains("the server runs as nobody: "), "{told}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    place.run(&["check"]).ok();
}
