//! The files of a new server. None is ever overwritten, and all are written or none.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use server::folders;

use super::answers::{Answers, CertificateChoice};
use crate::configuration::{SYSTEM_DATA, is_the_systems};
use crate::failure::Failure;
use crate::owner::ServerUser;

/// Where they are, all in one folder, named for the edge.
pub struct Files {
    /// The folder for what the server keeps, where it is not the usual one. It is not made here.
    pub data: Option<PathBuf>,
    /// Who runs the server, if not who types this.
    pub server_user: Option<ServerUser>,
    pub config: PathBuf,
    pub key: PathBuf,
    pub request: PathBuf,
    pub certificate: PathBuf,
}

/// One file to write.
pub struct File<'a> {
    path: &'a Path,
    text: String,
    mode: u32,
    group: Option<u32>,
}

impl Files {
    pub fn new(config: PathBuf, answers: &Answers) -> Files {
        let beside = |ending: &str| config.with_file_name(format!("{}.{ending}", answers.edge));
        let data = answers.data.clone().or_else(|| is_the_systems(&config).then(|| PathBuf::from(SYSTEM_DATA)));
        let server_user = data.as_ref().and_then(|data| ServerUser::of(&config.with_file_name(data)));
        Files { key: beside("key"), request: beside("csr"), certificate: beside("pem"), config, data, server_user }
    }

    /// None of them may be there. A certificate that is could only belong to another key.
    pub fn all(&self) -> [&Path; 4] {
        [&self.config, &self.key, &self.request, &self.certificate]
    }

    /// Those that are made now.
    pub fn made(&self, certificate: CertificateChoice) -> Vec<&Path> {
        let is_made = |path: &&Path| match certificate {
            CertificateChoice::SelfSigned => true,
            CertificateChoice::Request => *path != self.certificate,
            CertificateChoice::Ordered => *path == self.config,
        };
        self.all().into_iter().filter(is_made).collect()
    }
}

impl File<'_> {
    pub fn public(path: &Path, text: String) -> File<'_> {
        File { path, text, mode: 0o644, group: None }
    }

    /// For its owner alone, and for whom the server runs as, through that user's group.
    pub fn private<'a>(path: &'a Path, text: String, server_user: Option<&ServerUser>) -> File<'a> {
        File { path, text, mode: 0o600, group: server_user.map(ServerUser::gid) }
    }

    /// Fails if there is one, whatever came between the check and now.
    fn create(&self) -> io::Result<fs::File> {
        OpenOptions::new().write(true).create_new(true).mode(self.mode).open(self.path)
    }

    /// The group first: at no moment may another group read it.
    fn open_to_group(&self, file: &fs::File) -> io::Result<()> {
        let Some(group) = self.group else { return Ok(()) };
        fchown(file, None, Some(group))?;
        file.set_permissions(fs::Permissions::from_mode(self.mode | 0o040))
    }
}

/// Refuses if one of them is there, a dangling link included.
pub fn check_new(paths: &[&Path]) -> Result<(), Failure> {
    let existing: Vec<String> =
        paths.iter().filter(|path| path.symlink_metadata().is_ok()).map(|path| path.display().to_string()).collect();
    match existing.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::new(format!("{one} exists already; nothing was written"), HINT_EXISTING)),
        several => {
            Err(Failure::new(format!("{} exist already; nothing was written", several.join(", ")), HINT_EXISTING))
        }
    }
}

/// Writes all of them, in a folder that is made where there is none.
pub fn write(files: &[File<'_>]) -> Result<(), Failure> {
    for (number, file) in files.iter().enumerate() {
        if let Err(error) = write_one(file) {
            // Half a setup would stand in the way of the next try.
            for written in &files[..number] {
                let _ = fs::remove_file(written.path);
            }
            let error = format!("{} cannot be written: {error}", file.path.display());
            return Err(Failure::new(
                error,
                "nothing was left behind; name a folder that you may write to: --directory DIR",
            ));
        }
    }
    Ok(())
}

fn write_one(file: &File<'_>) -> io::Result<()> {
    if let Some(folder) = file.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        folders::create(folder, 0o777)?;
    }
    let mut created = file.create()?;
    let written = created.write_all(file.text.as_bytes()).and_then(|()| file.open_to_group(&created));
    let written = written.and_then(|()| created.sync_all());
    let written = written.and_then(|()| folders::sync_name(file.path));
    if written.is_err() {
        let _ = fs::remove_file(file.path);
    }
    written
}

const HINT_EXISTING: &str = "move what is there away, or name another folder: --directory DIR";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_takes_the_others_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (key, config) = (folder.path().join("edge.key"), folder.path().join("comity.toml"));
        fs::write(&config, "mine").unwrap();
        let files = [File::private(&key, "key".to_owned(), None), File::public(&config, "theirs".to_owned())];
        assert!(write(&files).is_err());
        assert!(!key.exists());
        assert_eq!(fs::read_to_string(&config).unwrap(), "mine");
    }
}
