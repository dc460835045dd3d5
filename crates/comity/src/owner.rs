//! Whose files a command makes and reads. A packaged server runs as a user of its own while root types the commands: a
//! database that root made, or a key that only root can read, would keep that server from starting.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setgroups, setuid};

use crate::failure::Failure;

/// The user that a server runs as who is not root: the one to whom its data folder belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUser {
    uid: Uid,
    gid: Gid,
    data: PathBuf,
}

impl ServerUser {
    /// `None` unless this process is root's and the folder is there and is another's.
    pub fn of(data: &Path) -> Option<ServerUser> {
        if !Uid::effective().is_root() {
            return None;
        }
        let folder = std::fs::metadata(data).ok().filter(|folder| folder.is_dir() && folder.uid() != 0)?;
        Some(ServerUser { uid: Uid::from_raw(folder.uid()), gid: Gid::from_raw(folder.gid()), data: data.to_owned() })
    }

    /// Makes this process that user's, for good and with the groups that a service of that user has.
    pub fn become_it(&self) -> Result<(), Failure> {
        let known = User::from_uid(self.uid).ok().flatten();
        let groups = match known.and_then(|user| std::ffi::CString::new(user.name).ok()) {
            Some(name) => initgroups(&name, self.gid),
            None => setgroups(&[self.gid]),
        };
        groups.and_then(|()| setgid(self.gid)).and_then(|()| setuid(self.uid)).map_err(|error| {
            let error = format!("cannot act as {}, to whom {} belongs: {error}", self.name(), self.data.display());
            Failure::new(error, "run this as that user, or as root with all of root's rights")
        })
    }

    pub fn gid(&self) -> u32 {
        self.gid.as_raw()
    }

    pub fn name(&self) -> String {
        User::from_uid(self.uid).ok().flatten().map_or_else(|| format!("user {}", self.uid), |user| user.name)
    }

    pub fn group_name(&self) -> String {
        Group::from_gid(self.gid).ok().flatten().map_or_else(|| self.gid.to_string(), |group| group.name)
    }
}

/// What to do about a file that may not be read: by whom, and is that the server's user?
pub fn denied_hint(data: &Path) -> String {
    let owner = std::fs::metadata(data).ok().map(|folder| (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid())));
    match owner {
        Some((uid, gid)) if uid == Uid::effective() => {
            let user = ServerUser { uid, gid, data: data.to_owned() };
            let (name, group) = (user.name(), user.group_name());
            format!("the server runs as {name}: let the group {group} read it: chgrp {group} FILE; chmod g+r FILE")
        }
        _ => "run this as the server's user, or as root".to_owned(),
    }
}
