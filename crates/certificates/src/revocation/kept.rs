//! Lists on disk as they were fetched, so that a server that starts without a network knows what was known.
//!
//! They are no more believed than what comes from the network: a list counts only when the certificate's issuer has signed it.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::LISTS_MAX;

/// A folder with a file for each address.
#[derive(Clone, Debug)]
pub struct KeptLists(PathBuf);

impl KeptLists {
    pub fn new(folder: PathBuf) -> KeptLists {
        KeptLists(folder)
    }

    /// What was kept of this address.
    pub fn read(&self, url: &str) -> Option<Vec<u8>> {
        std::fs::read(self.file(url)).ok()
    }

    /// Keeps a list, whole or not at all; the oldest ones beyond [`LISTS_MAX`] go.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, url: &str, list: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (file, new) = (self.file(url), self.0.join("new"));
        let mut open = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        open.write_all(list)?;
        open.sync_all()?;
        std::fs::rename(&new, file)?;
        self.forget_oldest();
        Ok(())
    }

    /// The address says nothing that a file could not be named, however an authority wrote it.
    fn file(&self, url: &str) -> PathBuf {
        let digest = Sha256::digest(url.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.join(format!("{name}.crl"))
    }

    fn forget_oldest(&self) {
        let Ok(found) = std::fs::read_dir(&self.0) else { return };
        let modified =
            |path: &Path| path.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut files: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
        files.sort_by_key(|path| std::cmp::Reverse(modified(path)));
        for beyond in files.iter().skip(LISTS_MAX) {
            // One that stays is older still next time.
            std::fs::remove_file(beyond).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_by_its_address_and_replaced_by_the_next() {
        let place = tempfile::tempdir().expect("a folder");
        let kept = KeptLists::new(place.path().join("crl"));
        assert_eq!(kept.read("http://a.example/1.crl"), None);
        kept.keep("http://a.example/1.crl", b"one").expect("a disk");
        kept.keep("http://a.example/../2.crl", b"two").expect("a disk");
        kept.keep("http://a.example/1.crl", b"one again").expect("a disk");
        assert_eq!(kept.read("http://a.example/1.crl").as_deref(), Some(&b"one again"[..]));
        assert_eq!(kept.read("http://a.example/../2.crl").as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn there_are_never_more_than_are_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let kept = KeptLists::new(place.path().to_owned());
        for number in 0..LISTS_MAX + 3 {
            kept.keep(&format!("http://a.example/{number}.crl"), b"list").expect("a disk");
        }
        assert_eq!(std::fs::read_dir(place.path()).expect("a folder").count(), LISTS_MAX);
    }
}
