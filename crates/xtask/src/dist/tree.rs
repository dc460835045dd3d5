//! The folder that becomes the package: every file with the mode it shall have, whatever the umask of who builds.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A new, empty tree.
pub struct Tree {
    path: PathBuf,
}

impl Tree {
    /// What an earlier run left there goes away.
    pub fn new(path: &Path) -> anyhow::Result<Tree> {
        if path.exists() {
            fs::remove_dir_all(path).with_context(|| path.display().to_string())?;
        }
        fs::create_dir_all(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(Tree { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder with all above it; `place` is as it will be on the system, without the first slash.
    pub fn folder(&self, place: &str) -> anyhow::Result<PathBuf> {
        let mut path = self.path.clone();
        for part in place.split('/') {
            path.push(part);
            if !path.exists() {
                fs::create_dir(&path).with_context(|| path.display().to_string())?;
                fs::set_permissions(&path, Permissions::from_mode(0o755))?;
            }
        }
        Ok(path)
    }

    pub fn file(&self, place: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.write(place, bytes.as_ref(), 0o644)
    }

    pub fn program(&self, place: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.write(place, bytes.as_ref(), 0o755)
    }

    /// Compressed, the same bytes for the same text; `place` ends in `.gz`.
    pub fn compressed(&self, place: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let mut gzip = Command::new("gzip").arg("-9n").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // Written from a thread: gzip may want to be read before it has read everything.
        let mut input = gzip.stdin.take().context("gzip has no input")?;
        let bytes = bytes.as_ref().to_vec();
        let writing = std::thread::spawn(move || input.write_all(&bytes));
        let output = gzip.wait_with_output()?;
        let written = writing.join().ok().context("writing to gzip")?;
        written.context("gzip")?;
        ensure!(output.status.success(), "gzip: {}", output.status);
        self.file(place, output.stdout)
    }

    /// Every file that will be on the system, with its place, in order.
    pub fn files(&self) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        collect(&self.path, "", &mut files)?;
        files.retain(|(place, _)| !place.starts_with("DEBIAN/"));
        files.sort();
        Ok(files)
    }

    fn write(&self, place: &str, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
        if let Some((folder, _)) = place.rsplit_once('/') {
            self.folder(folder)?;
        }
        let path = self.path.join(place);
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(fs::set_permissions(&path, Permissions::from_mode(mode))?)
    }
}

fn collect(folder: &Path, place: &str, files: &mut Vec<(String, PathBuf)>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{place}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_do_not_depend_on_who_builds() {
        let path = std::env::temp_dir().join(format!("comity-tree-{}", std::process::id()));
        let tree = Tree::new(&path).expect("a new folder");
        tree.program("usr/bin/comity", b"program").expect("a program");
        tree.file("DEBIAN/control", b"text").expect("a file");
        tree.compressed("usr/share/doc/comity/changelog.gz", b"text").expect("gzip");
        let mode = |place: &str| fs::metadata(path.join(place)).expect(place).permissions().mode() & 0o7777;
        assert_eq!(["usr/bin", "usr/bin/comity", "DEBIAN/control"].map(mode), [0o755, 0o755, 0o644]);
        let places: Vec<String> = tree.files().expect("a list").into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["usr/bin/comity", "usr/share/doc/comity/changelog.gz"]);
        fs::remove_dir_all(path).expect("it is ours");
    }
}
