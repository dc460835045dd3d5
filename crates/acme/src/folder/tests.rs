use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::order::self_made;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn origin(directory: &str) -> Origin {
    Origin { directory: directory.to_owned(), names: names(&["sip.contoso.example"]), spread: 0.25 }
}

fn put(folder: &AcmeFolder, directory: &str) -> Issued {
    let issued = self_made(&names(&["sip.contoso.example"])).expect("a certificate");
    folder.keep(&issued, &origin(directory)).expect("a disk");
    issued
}

#[test]
fn the_last_certificate_counts_and_the_one_before_stays() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = AcmeFolder::new(place.path().join("acme"));
    assert_eq!(folder.live(), None);
    for round in 0..4 {
        let issued = put(&folder, &format!("https://{round}.example"));
        assert_eq!(folder.live().expect("one that counts").origin, origin(&format!("https://{round}.example")));
        assert_eq!(std::fs::read_to_string(folder.chain()).expect("a chain"), issued.chain);
        assert_eq!(std::fs::read_to_string(folder.key()).expect("a key"), issued.key);
    }
    let folders = std::fs::read_dir(place.path().join("acme")).expect("a folder").flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count();
    assert_eq!(folders, 2);
}

#[test]
fn nobody_else_reads_them() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = AcmeFolder::new(place.path().join("acme"));
    put(&folder, "");
    folder.write(&folder.account(), b"{}").expect("a disk");
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.path().join("acme")), 0o700);
    for file in [folder.key(), folder.chain(), folder.account()] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(folder.live().is_some_and(|live| live.is_self_made()));
}

#[test]
fn one_that_cannot_be_read_does_not_count() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = AcmeFolder::new(place.path().join("acme"));
    put(&folder, "https://a.example");
    std::fs::write(folder.chain(), "no certificate").expect("a disk");
    assert_eq!(folder.live(), None);
    put(&folder, "https://a.example");
    std::fs::remove_file(folder.key()).expect("a disk");
    assert_eq!(folder.live(), None);
}
