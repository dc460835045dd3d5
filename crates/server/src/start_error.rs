//! Why a server does not start, in words for whoever started it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use acme::AcmeError;
use certificates::LoadError;
use net::NetError;
use signaling::WorkerId;
use store::StoreError;

use crate::control::SocketError;
use crate::folder_lock::LockHolder;

/// Why a server does not start; one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make the folder {}: {source}; {}", path.display(), hint(source))]
    Folder { path: PathBuf, source: io::Error },
    #[error("{holder} works in {}; {}", path.display(), if holder.is_server() { "to see it: comity status" } else { "try again when it is done" })]
    FolderInUse { path: PathBuf, holder: LockHolder },
    #[error("cannot lock {}: {source}; {}", path.display(), hint(source))]
    Lock { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Certificate(#[from] LoadError),
    #[error("{0}; {advice}", advice = .0.advice())]
    Acme(#[from] AcmeError),
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(
        "cannot listen on {address} by HTTP ([listen] metrics or health): {source}. Choose a free address of this machine"
    )]
    Http { address: SocketAddr, source: io::Error },
    #[error(
        "cannot listen on {address} for the home ([inside] control): {source}. Choose a free address of this machine"
    )]
    InnerControl { address: SocketAddr, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("worker {0} ended while it started")]
    WorkerLost(WorkerId),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// What to do when the server's own folder cannot be written to.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "this folder and all in it have to belong to the user that the server runs as"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "a service of systemd may write there only if its ReadWritePaths say so: systemctl edit comity"
        }
        _ => "name another folder as data in comity.toml, or make room for this one",
    }
}
