use tempfile::TempDir;

use super::*;
use crate::roots::Roots;
use crate::testing::{Authority, Wish, now, pem};

/// A directory with the files of a test.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        Files { directory: TempDir::new().expect("a directory") }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.directory.path().join(name);
        std::fs::write(&file, text).expect("a file");
        file
    }

    fn certificate(&self, name: &str, identity: &Identity) -> PathBuf {
        self.write(name, &identity.chain.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>())
    }

    fn key(&self, name: &str, identity: &Identity) -> PathBuf {
        self.write(name, &pem("PRIVATE KEY", identity.key.secret_der()))
    }
}

fn identity() -> Identity {
    Authority::root("Root").below("Intermediate", vec![]).issue(Wish { years: Some((2026, 2027)), ..Wish::default() })
}

#[test]
fn a_matching_pair_is_loaded_with_its_chain() {
    let (files, identity) = (Files::new(), identity());
    let loaded = Identity::load(&files.certificate("c.pem", &identity), &files.key("k.pem", &identity), now());
    let loaded = loaded.expect("an identity");
    assert_eq!(loaded.chain, identity.chain);
    assert_eq!(loaded.chain.len(), 2);
    assert_eq!(loaded.key, identity.key);
}

#[test]
fn a_key_of_another_certificate_is_told_with_both_files() {
    let (files, one, other) = (Files::new(), identity(), identity());
    let error =
        Identity::load(&files.certificate("c.pem", &one), &files.key("k.pem", &other), now()).expect_err("a mismatch");
    assert!(matches!(error, LoadError::KeyMismatch { .. }));
    let text = error.to_string();
    assert!(text.contains("c.pem") && text.contains("k.pem"), "{text}");
}

#[test]
fn an_expired_certificate_is_told_with_its_date() {
    let files = Files::new();
    let root = Authority::root("Root");
    let load = |years| {
        let identity = root.issue(Wish { years: Some(years), ..Wish::default() });
        Identity::load(&files.certificate("c.pem", &identity), &files.key("k.pem", &identity), now())
            .expect_err("no identity")
    };
    let expired = load((2020, 2025));
    assert!(matches!(expired, LoadError::Expired { .. }) && expired.to_string().contains("2025"), "{expired}");
    let early = load((2028, 2029));
    assert!(matches!(early, LoadError::NotYetValid { .. }) && early.to_string().contains("2028"), "{early}");
}

#[test]
fn a_file_that_is_missing_empty_or_garbled_is_told_apart() {
    let (files, identity) = (Files::new(), identity());
    let key = files.key("k.pem", &identity);
    let certificate = files.certificate("c.pem", &identity);
    let load = |certificate: &Path, key: &Path| Identity::load(certificate, key, now()).expect_err("no identity");
    let absent = files.directory.path().join("absent.pem");
    assert!(matches!(load(&absent, &key), LoadError::Read { .. }));
    assert!(matches!(load(&files.write("e.pem", "nothing here\n"), &key), LoadError::NoCertificate { .. }));
    assert!(matches!(load(&key, &key), LoadError::NoCertificate { .. }));
    assert!(matches!(load(&certificate, &certificate), LoadError::NoKey { .. }));
    let garbled = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(load(&files.write("g.pem", garbled), &key), LoadError::Malformed { .. }));
    let no_key = files.write("n.pem", &pem("PRIVATE KEY", b"no key"));
    assert!(matches!(load(&certificate, &no_key), LoadError::UnsupportedKey { .. }));
    let no_certificate = files.write("x.pem", &pem("CERTIFICATE", b"no certificate"));
    assert!(matches!(load(&no_certificate, &key), LoadError::Malformed { .. }));
}

#[test]
fn roots_are_loaded_from_files_and_an_unreadable_one_is_an_error() {
    let files = Files::new();
    let authority = |name: &str| pem("CERTIFICATE", &Authority::root(name).certificate());
    let two = files.write("two.pem", &(authority("A") + &authority("B")));
    let one = files.write("one.pem", &authority("C"));
    assert_eq!(Roots::from_pem_files(&[two, one.clone()]).expect("roots").len(), 3);
    let twice = Roots::from_pem_files(&[one.clone(), one]).expect("roots");
    assert_eq!(twice.len(), 1, "an authority named twice is one");
    let bad = files.write("bad.pem", &pem("CERTIFICATE", b"no certificate"));
    assert!(matches!(Roots::from_pem_files(&[bad]), Err(LoadError::Malformed { .. })));
}

#[test]
fn a_key_with_a_password_is_told_as_one_in_either_form() {
    let (files, identity) = (Files::new(), identity());
    for (name, text) in [
        ("new.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        (
            "old.pem",
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0102\n\nMIIB\n-----END EC PRIVATE KEY-----\n",
        ),
    ] {
        let loaded = Identity::load(&files.certificate("c.pem", &identity), &files.write(name, text), now());
        let told = loaded.expect_err(name).to_string();
        assert!(told.contains("encrypted with a password") && told.contains(name), "{told}");
    }
}
