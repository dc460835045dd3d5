//! Where account and certificates are: files for the server's user alone, each whole or not there.
//!
//! `live` is a link to the folder of the certificate that counts. It is exchanged in one step, so that whoever reads
//! through it finds a certificate and its own key, also after a power cut.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::error::AcmeError;
use crate::order::Issued;
use crate::renewal::Life;

#[derive(Clone, Debug)]
pub struct AcmeFolder(PathBuf);

/// What is known of a certificate beside what it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Empty: we made it ourselves, and no authority vouches for it.
    pub directory: String,
    pub names: Vec<String>,
    /// Drawn once a certificate: see [`Life::renewal_unix`].
    pub spread: f64,
}

/// The certificate that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub origin: Origin,
    pub life: Life,
    /// DER, the server's own first.
    pub certificate: CertificateDer<'static>,
}

impl Live {
    pub fn is_self_made(&self) -> bool {
        self.origin.directory.is_empty()
    }
}

impl AcmeFolder {
    pub fn new(folder: PathBuf) -> AcmeFolder {
        AcmeFolder(folder)
    }

    /// The certificate with its intermediates.
    pub fn chain(&self) -> PathBuf {
        self.live_link().join(CHAIN)
    }

    pub fn key(&self) -> PathBuf {
        self.live_link().join(KEY)
    }

    pub(crate) fn account(&self) -> PathBuf {
        self.0.join("account.json")
    }

    fn live_link(&self) -> PathBuf {
        self.0.join("live")
    }

    /// `None`: there is none, or one that cannot be read, which is replaced as if there were none.
    pub fn live(&self) -> Option<Live> {
        let origin = std::fs::read(self.live_link().join(ORIGIN)).ok()?;
        let certificate = CertificateDer::from_pem_file(self.chain()).ok()?;
        let life = Life::of(&certificate)?;
        std::fs::metadata(self.key()).ok()?;
        Some(Live { origin: serde_json::from_slice(&origin).ok()?, life, certificate })
    }

    /// Keeps a certificate, and makes it the one that counts. Of those before it, the last stays.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, issued: &Issued, origin: &Origin) -> Result<(), AcmeError> {
        let before = std::fs::read_link(self.live_link()).ok();
        let name = self.free_name();
        let folder = self.0.join(&name);
        self.make(&folder)?;
        let text = serde_json::to_vec_pretty(origin).expect("an origin can always be written");
        self.write(&folder.join(ORIGIN), &text)?;
        self.write(&folder.join(KEY), issued.key.as_bytes())?;
        self.write(&folder.join(CHAIN), issued.chain.as_bytes())?;
        self.point_to(&name).map_err(|error| unwritable(&self.live_link(), &error))?;
        self.forget_all_but(&[Some(PathBuf::from(name)), before]);
        Ok(())
    }

    /// Writes a file of ours, whole, for our user alone.
    pub(crate) fn write(&self, file: &Path, text: &[u8]) -> Result<(), AcmeError> {
        self.make(&self.0)?;
        replace(file, text).map_err(|error| unwritable(file, &error))
    }

    fn make(&self, folder: &Path) -> Result<(), AcmeError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| sync_name(folder)).map_err(|error| unwritable(folder, &error))
    }

    fn free_name(&self) -> String {
        let taken = |number: &u32| self.0.join(number.to_string()).exists();
        (1..).find(|number| !taken(number)).unwrap_or_default().to_string()
    }

    fn point_to(&self, name: &str) -> io::Result<()> {
        let new = self.0.join("live.new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => symlink(name, &new)?,
        }
        std::fs::rename(&new, self.live_link())?;
        sync_name(&new)
    }

    /// What cannot be removed stays: it harms nobody.
    fn forget_all_but(&self, kept: &[Option<PathBuf>]) {
        let Ok(found) = std::fs::read_dir(&self.0) else { return };
        for entry in found.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let name = PathBuf::from(entry.file_name());
            if !kept.iter().flatten().any(|other| *other == name) {
                std::fs::remove_dir_all(entry.path()).ok();
            }
        }
    }
}

fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::remove_file(&new).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut open = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    open.write_all(text)?;
    open.sync_all()?;
    std::fs::rename(&new, file)?;
    sync_name(file)
}

/// What a folder lists is on disk only once the folder itself was synced.
fn sync_name(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn unwritable(path: &Path, error: &io::Error) -> AcmeError {
    let what = format!("cannot write {}: {error}", path.display());
    AcmeError::here(what, "make room on the disk of the data folder, or make it writable for the server's user")
}

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";
const ORIGIN: &str = "origin.json";

#[cfg(test)]
mod tests;
