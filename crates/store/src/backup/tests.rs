use std::os::unix::fs::PermissionsExt;

use federation::partner::Partner;

use super::*;

const NOW: i64 = 1_800_000_000;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn add_partner(store: &Store, number: usize) {
    let domain = format!("partner{number}.example");
    store.put_partner(&Partner::allowed(domain), 1).unwrap();
}

#[test]
fn a_copy_is_of_one_moment_private_whole_and_one_file() {
    let place = Place::new();
    let store = Store::open(&place.path("comity.db")).unwrap();
    (0..5).for_each(|number| add_partner(&store, number));
    // Another has it open, and its last changes are in the log alone.
    assert!(place.path("comity.db-wal").metadata().unwrap().len() > 0);
    let copy = place.path("copy.db");
    let contents = back_up(&place.path("comity.db"), &copy).unwrap();
    assert_eq!(contents, Contents { partners: 5, ..Contents::default() });
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    add_partner(&store, 5);
    assert_eq!(place.names(), ["comity.db", "comity.db-shm", "comity.db-wal", "copy.db"]);
    assert_eq!(inspect(&copy).unwrap().partners, 5);
}

#[test]
fn nothing_is_written_over_and_a_failed_copy_leaves_nothing() {
    let place = Place::new();
    let absent = back_up(&place.path("comity.db"), &place.path("copy.db"));
    assert!(matches!(absent, Err(StoreError::Absent { .. })));
    drop(Store::open(&place.path("comity.db")).unwrap());
    fs::write(place.path("copy.db"), "precious").unwrap();
    let refused = back_up(&place.path("comity.db"), &place.path("copy.db"));
    assert!(matches!(refused, Err(StoreError::CopyExists { .. })));
    assert_eq!(fs::read(place.path("copy.db")).unwrap(), b"precious");
    fs::write(place.path("text.db"), "no database, but long enough to be looked at as one").unwrap();
    assert!(back_up(&place.path("text.db"), &place.path("other.db")).is_err());
    assert!(!place.path("other.db").exists());
}

#[test]
fn a_copy_becomes_the_database_and_what_was_there_is_kept_with_its_log() {
    let place = Place::new();
    let database = place.path("comity.db");
    let store = Store::open(&database).unwrap();
    add_partner(&store, 0);
    for _ in 0..7 {
        store.next_incarnation().unwrap();
    }
    back_up(&database, &place.path("copy.db")).unwrap();
    add_partner(&store, 1);
    // As a server that was killed leaves them.
    std::mem::forget(store);
    // As a restoring that was killed leaves them.
    fs::write(place.path("comity.db.restoring"), "half a copy").unwrap();
    fs::write(place.path("comity.db.restoring-wal"), "and its log").unwrap();
    let mut copy = File::open(place.path("copy.db")).unwrap();
    let Restored { contents, replaced } = restore(&mut copy, &database, NOW).unwrap();
    assert_eq!(contents.partners, 1);
    let replaced = replaced.unwrap();
    assert_eq!(replaced, place.path(&format!("comity.db.replaced-{NOW}")));
    assert_eq!(database.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    assert!(!place.names().iter().any(|name| name.contains("restoring")), "{:?}", place.names());
    let store = Store::open(&database).unwrap();
    assert_eq!(store.partners().unwrap().len(), 1);
    assert_eq!(store.next_incarnation().unwrap(), NOW as u32 + 1, "what earlier starts named is not named again");
    let replaced = Store::open(&replaced).unwrap();
    assert_eq!(replaced.partners().unwrap().len(), 2);
    let epochs = [&store, &replaced].map(|store| store.revision().unwrap().epoch);
    assert_ne!(epochs[0], epochs[1], "edges that were told more than the copy has believe it all the same");
    // Where there is none yet, none is replaced.
    let mut copy = File::open(place.path("copy.db")).unwrap();
    assert_eq!(restore(&mut copy, &place.path("new.db"), NOW).unwrap().replaced, None);
}

/// The power may go after the old one was set aside and before the copy has its name.
#[test]
fn where_a_restore_was_cut_off_no_empty_database_takes_its_place() {
    let place = Place::new();
    let database = place.path("comity.db");
    add_partner(&Store::open(&database).unwrap(), 0);
    back_up(&database, &place.path("copy.db")).unwrap();
    fs::rename(&database, place.path("comity.db.replaced-1")).unwrap();
    fs::copy(place.path("copy.db"), place.path("comity.db.restoring")).unwrap();
    assert!(matches!(Store::open(&database), Err(StoreError::RestoreCut { .. })));
    assert!(!database.exists());
    let mut copy = File::open(place.path("copy.db")).unwrap();
    restore(&mut copy, &database, NOW).unwrap();
    assert_eq!(Store::open(&database).unwrap().partners().unwrap().len(), 1);
}

#[test]
fn a_copy_that_is_damaged_or_newer_changes_nothing() {
    let place = Place::new();
    let database = place.path("comity.db");
    let store = Store::open(&database).unwrap();
    (0..200).for_each(|number| add_partner(&store, number));
    back_up(&database, &place.path("copy.db")).unwrap();
    drop(store);
    let before = (place.names(), fs::read(&database).unwrap());
    let whole = fs::read(place.path("copy.db")).unwrap();
    let refused = |bytes: &[u8]| restore(&mut &bytes[..], &database, NOW).unwrap_err();

    let mut damaged = whole.clone();
    for page in 2..4 {
        damaged[page * 4096..page * 4096 + 64].fill(0xa5);
    }
    for bytes in [&damaged[..], &whole[..whole.len() / 2], &whole[..100], b"", b"a text and no database at all"] {
        let error = refused(bytes);
        assert!(matches!(error, StoreError::Damaged { .. }), "{} bytes: {error}", bytes.len());
    }
    let mut newer = whole;
    newer[60..64].copy_from_slice(&99u32.to_be_bytes()); // user_version
    assert!(matches!(refused(&newer), StoreError::Newer { found: 99, .. }));
    assert_eq!((place.names(), fs::read(&database).unwrap()), before);
}
