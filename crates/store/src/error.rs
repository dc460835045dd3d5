//! What can go wrong in the store, in words for the person at the command line.

use std::path::PathBuf;

use conference::ConferenceId;
use sip::Aor;

/// Why the store did not do what it was asked. `Display` says what was wrong, [`StoreError::hint`] what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("user {0} exists")]
    UserExists(Aor),
    #[error("there is no user {0}")]
    UserUnknown(Aor),
    /// As many messages, or as many bytes, wait for the user as may.
    #[error("the mailbox of {0} is full")]
    MailboxFull(Aor),
    /// As many of one sender, or of one partner, wait for the user as may.
    #[error("the mailbox of {0} has as much of the sender as one may leave there")]
    SenderFull(Aor),
    #[error("{domain} is blocked")]
    PartnerBlocked { domain: String },
    #[error("{domain} is not blocked")]
    PartnerNotBlocked { domain: String },
    #[error("there is no entry for {domain}")]
    PartnerUnknown { domain: String },
    #[error("{edge} is the edge of the hosting provider {provider}")]
    EdgeOfProvider { edge: String, provider: String },
    #[error("{edge} is the edge of the partner {domain}")]
    EdgeOfPartner { edge: String, domain: String },
    #[error("there is no hosting provider {0:?}")]
    ProviderUnknown(String),
    #[error("users of our domains are looked for at the hosting provider {0} already")]
    AddressSpaceShared(String),
    #[error("there is no policy {0:?}")]
    PolicyUnknown(String),
    #[error("the policy {name} is given to {holders}")]
    PolicyInUse { name: String, holders: String },
    #[error("revision {offered} is older than revision {known}, which is known here")]
    OlderRevision { known: u64, offered: u64 },
    #[error("what has changed since {base} is of no use where {known} is known")]
    OtherBase { known: String, base: String },
    #[error("{aor} allows {max} addresses and domains already")]
    AllowsFull { aor: Aor, max: u64 },
    #[error("there is no meeting {0}")]
    MeetingUnknown(ConferenceId),
    #[error("meeting {0} exists")]
    MeetingExists(ConferenceId),
    #[error("{max} meetings are still to take place")]
    MeetingsFull { max: u64 },
    #[error("cannot write {path}: {source}")]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("cannot open {path}: {source}")]
    Unopened { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was written by a newer version (schema {found}, this one knows {known})")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("there is no database at {path}")]
    Absent { path: PathBuf },
    #[error("a restore was cut off, and there is no database at {path}")]
    RestoreCut { path: PathBuf },
    #[error("{path} exists")]
    CopyExists { path: PathBuf },
    #[error("{path} is damaged: {found}")]
    Damaged { path: PathBuf, found: String },
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// It would do, and was to be tried alone: a change that ends with this is taken back.
    #[error("it was tried, and nothing of it is kept")]
    OnlyTried,
    /// More changes are waiting than the queue holds.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store's threads have ended: the server is stopping.
    #[error("the store is closed")]
    Closed,
    /// The changes ran but could not be made durable, so none of them happened.
    #[error("the store could not commit: {0}")]
    Commit(String),
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// What the administrator can do about it, as one line.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            StoreError::UserExists(aor) => format!("to change its password: comity user passwd {aor}"),
            StoreError::UserUnknown(_) => "to see the users: comity user list".to_owned(),
            StoreError::MailboxFull(_) | StoreError::SenderFull(_) => {
                "what waits is delivered when a device of the user registers".to_owned()
            }
            StoreError::PartnerBlocked { domain } => format!("first lift the block: comity partner unblock {domain}"),
            StoreError::PartnerNotBlocked { domain } => {
                format!("to see its entry: comity partner show {domain}; to remove it: comity partner remove {domain}")
            }
            StoreError::PartnerUnknown { .. } => "to see the entries: comity partner list".to_owned(),
            StoreError::EdgeOfProvider { .. } => {
                "a provider's domains are found by their SRV records: add the domain without --edge".to_owned()
            }
            StoreError::EdgeOfPartner { domain, .. } => {
                format!(
                    "one edge is either a partner's or a provider's; to let its domains be found by DNS: comity partner set {domain} --no-edge"
                )
            }
            StoreError::ProviderUnknown(_) => "to see them: comity provider list".to_owned(),
            StoreError::AddressSpaceShared(name) => {
                format!("there can be one such provider: comity provider set {name} --hosts-users no")
            }
            StoreError::PolicyUnknown(_) => "to see the policies: comity policy list".to_owned(),
            StoreError::PolicyInUse { .. } => {
                "give them another first: comity user policy, comity policy group".to_owned()
            }
            StoreError::AllowsFull { aor, .. } => format!("take some away: comity user unallow {aor}"),
            StoreError::OlderRevision { .. } => {
                "the home's database was set back by other means than comity restore; restore it by that".to_owned()
            }
            StoreError::OnlyTried => "to do it, ask for it without dry_run".to_owned(),
            StoreError::OtherBase { .. } => "the home tells all of it then, by itself".to_owned(),
            StoreError::MeetingUnknown(_) => "to see the meetings: comity meeting list --all".to_owned(),
            StoreError::MeetingExists(_) => "try again: each meeting gets a name of its own by chance".to_owned(),
            StoreError::MeetingsFull { .. } => "cancel some that are not wanted: comity meeting list".to_owned(),
            StoreError::Unwritable { source, .. } if is_full_or_read_only(source) => ROOM.to_owned(),
            StoreError::Unopened { source, .. } | StoreError::Sqlite(source) if is_of_the_disk(source) => {
                ROOM.to_owned()
            }
            StoreError::Unwritable { .. } => "check that the folder exists and belongs to this user".to_owned(),
            StoreError::Unopened { .. } => "check that the file is the database of a comity server".to_owned(),
            StoreError::Newer { .. } => "run the version that wrote it, or restore an older copy".to_owned(),
            StoreError::Absent { .. } => {
                "the server makes it when it first starts; is this its configuration?".to_owned()
            }
            StoreError::RestoreCut { path } => format!(
                "restore the copy again; or, to begin with an empty database, remove {}",
                crate::backup::unfinished(path).display()
            ),
            StoreError::CopyExists { .. } => "name another file: a copy is never written over".to_owned(),
            StoreError::Damaged { .. } => "take another copy; the database of this server was not touched".to_owned(),
            StoreError::Overloaded => "try again in a moment".to_owned(),
            StoreError::Commit(_) => "check the disk's space and health; nothing was changed".to_owned(),
            StoreError::Hash(_) | StoreError::Closed | StoreError::Unreadable(_) | StoreError::Sqlite(_) => {
                return None;
            }
        })
    }
}

fn is_full_or_read_only(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(DiskFull | ReadOnly | SystemIoFailure))
}

const ROOM: &str = "make room on the disk of the data folder, and see that it can be written to; nothing was changed";
