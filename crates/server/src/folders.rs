//! Folders and names that are still there after a power cut: what a folder lists is on disk only once the folder itself was
//! synced, however often what it lists was.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder, and those that it is in, where they are absent.
pub fn create(path: &Path, mode: u32) -> io::Result<()> {
    let absent = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).take_while(|folder| !folder.exists());
    let absent: Vec<&Path> = absent.collect();
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    absent.into_iter().try_for_each(sync_name)
}

/// Makes the name of a file or folder durable.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_absent_is_made_and_what_is_there_stays_as_it_is() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("a/b");
        create(&folder, 0o700).expect("it can be made");
        assert_eq!(folder.metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
        create(&folder, 0o755).expect("it is there");
        assert_eq!(folder.metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
    }
}
