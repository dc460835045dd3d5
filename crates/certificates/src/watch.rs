//! Watches the files of an identity by looking at them now and then: that sees a file that was written, renamed into
//! place, or reached by a link that now leads elsewhere, on every file system.
//!
//! A changed pair is loaded once it has been the same for two looks. So a pair of which one half is there, or half a
//! file, is never judged, unless its writer stops halfway; then it is refused.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls_pki_types::UnixTime;

use crate::load::{Identity, LoadError};

/// The certificate and the key as they were when last looked at.
#[derive(Debug)]
pub struct IdentityWatch {
    files: [PathBuf; 2],
    /// Of the pair that was loaded.
    loaded: Option<[Stamp; 2]>,
    /// At the last look.
    seen: Option<[Stamp; 2]>,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    device: u64,
    inode: u64,
}

impl IdentityWatch {
    /// Loads the pair as it is, and remembers what it was read from.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load(certificate: &Path, key: &Path, now: UnixTime) -> Result<(Identity, IdentityWatch), LoadError> {
        let files = [certificate.to_owned(), key.to_owned()];
        // Before reading: what is written meanwhile is a change.
        let loaded = stamps(&files);
        let identity = Identity::load(certificate, key, now)?;
        Ok((identity, IdentityWatch { files, loaded, seen: loaded }))
    }

    /// Looks once. `None`: nothing has changed, or it changes just now. A pair that is refused is tried again at each
    /// look: it may have been not yet valid, or not yet readable.
    pub fn look(&mut self, now: UnixTime) -> Option<Result<Identity, LoadError>> {
        let stamps = stamps(&self.files);
        let is_settled = self.seen == stamps;
        self.seen = stamps;
        if self.loaded == stamps || !is_settled {
            return None;
        }
        let identity = Identity::load(&self.files[0], &self.files[1], now);
        if identity.is_ok() {
            self.loaded = stamps;
        }
        Some(identity)
    }
}

/// `None` where one of them is not there.
fn stamps(files: &[PathBuf; 2]) -> Option<[Stamp; 2]> {
    Some([stamp(&files[0])?, stamp(&files[1])?])
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp {
        modified: metadata.modified().ok()?,
        length: metadata.len(),
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::testing::{Authority, Wish, now, put, write_pem};

    struct Pair {
        folder: TempDir,
        authority: Authority,
    }

    impl Pair {
        fn new() -> (Pair, IdentityWatch) {
            let pair = Pair { folder: tempfile::tempdir().expect("a folder"), authority: Authority::root("Root") };
            pair.renew();
            let (_, watch) = IdentityWatch::load(&pair.path("cert"), &pair.path("key"), now()).expect("a pair");
            (pair, watch)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Replaces both files and returns the new certificate.
        fn renew(&self) -> Identity {
            let identity = self.authority.issue(Wish::default());
            write_pem(&identity, &self.path("cert"), &self.path("key"));
            identity
        }
    }

    #[test]
    fn a_new_pair_is_loaded_once_and_only_when_it_has_settled() {
        let (pair, mut watch) = Pair::new();
        assert!(watch.look(now()).is_none(), "nothing has changed");
        let renewed = pair.renew();
        assert!(watch.look(now()).is_none(), "it may still be written");
        let loaded = watch.look(now()).expect("a change").expect("a good pair");
        assert_eq!(loaded.chain, renewed.chain);
        assert!(watch.look(now()).is_none(), "it is loaded already");
    }

    #[test]
    fn half_a_pair_is_refused_until_the_other_half_is_there() {
        let (pair, mut watch) = Pair::new();
        let old_key = std::fs::read_to_string(pair.path("key")).expect("a key");
        let renewed = pair.renew();
        let new_key = std::fs::read_to_string(pair.path("key")).expect("a key");
        put(&pair.path("key"), &old_key);
        assert!(watch.look(now()).is_none());
        for _ in 0..2 {
            assert!(matches!(watch.look(now()), Some(Err(LoadError::KeyMismatch { .. }))));
        }
        put(&pair.path("key"), &new_key);
        assert!(watch.look(now()).is_none());
        assert_eq!(watch.look(now()).expect("a change").expect("a pair").chain, renewed.chain);
    }

    #[test]
    fn a_file_that_is_gone_is_told_and_its_return_is_no_change() {
        let (pair, mut watch) = Pair::new();
        let aside = pair.path("aside");
        std::fs::rename(pair.path("cert"), &aside).expect("renamed");
        assert!(watch.look(now()).is_none());
        assert!(matches!(watch.look(now()), Some(Err(LoadError::Read { .. }))));
        std::fs::rename(&aside, pair.path("cert")).expect("renamed");
        assert!(watch.look(now()).is_none() && watch.look(now()).is_none());
    }

    #[test]
    fn a_pair_that_is_not_yet_valid_is_taken_when_it_is() {
        let (pair, mut watch) = Pair::new();
        let identity = pair.authority.issue(Wish { years: Some((2027, 2030)), ..Wish::default() });
        write_pem(&identity, &pair.path("cert"), &pair.path("key"));
        assert!(watch.look(now()).is_none());
        assert!(matches!(watch.look(now()), Some(Err(LoadError::NotYetValid { .. }))));
        let later = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + 365 * 86_400));
        assert!(matches!(watch.look(later), Some(Ok(_))));
    }
}
