//! A store of its own for a test.

use crate::Store;

/// In a folder that is gone with the handle.
pub(crate) fn new_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("comity.db")).unwrap();
    (folder, store)
}
