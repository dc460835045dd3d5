//! The Unix socket of the control API: private to the server's user and root, twice over (mode and peer credentials).

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::DuplexStream;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Control;

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error(
        "the control socket {} has a path of more than {PATH_BYTES_MAX} bytes, which the system does not allow",
        path.display()
    )]
    PathTooLong { path: PathBuf },
    #[error("cannot open the control socket {}: {source}", path.display())]
    Unopened { path: PathBuf, source: io::Error },
}

/// The API being served on its socket.
pub struct ControlSocket {
    path: PathBuf,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl ControlSocket {
    /// Opens the socket and serves until [`ControlSocket::stop`]. What a crashed server left there is removed: the caller
    /// holds the lock of the folder.
    ///
    /// # Errors
    /// When the path is too long or not writable.
    pub fn open(path: &Path, control: Control) -> Result<ControlSocket, SocketError> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(SocketError::PathTooLong { path: path.to_owned() });
        }
        let listener =
            OwnerOnly::bind(path).map_err(|source| SocketError::Unopened { path: path.to_owned(), source })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = axum::serve(listener, control.router()).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Ok(ControlSocket { path: path.to_owned(), stop, served: tokio::spawn(served.into_future()) })
    }

    /// Removes the socket and lets the answers under way finish.
    pub async fn stop(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "the control socket cannot be removed");
        }
        let _ = self.stop.send(());
        let abort = self.served.abort_handle();
        if tokio::time::timeout(FINISH_TIME, self.served).await.is_err() {
            abort.abort();
        }
    }
}

/// Serves one connection within this process and returns its other end.
pub(super) fn serve_one(router: Router) -> DuplexStream {
    let (client, server) = tokio::io::duplex(DUPLEX_BYTES);
    tokio::spawn(axum::serve(OneStream(Some(server)), router).into_future());
    client
}

/// Accepts connections of the user that owns the socket, which is the server's, and of root.
struct OwnerOnly {
    listener: UnixListener,
    owner: u32,
}

impl OwnerOnly {
    fn bind(path: &Path) -> io::Result<OwnerOnly> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(OwnerOnly { listener, owner: std::fs::metadata(path)?.uid() })
    }

    fn may_enter(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.owner)
    }
}

impl Listener for OwnerOnly {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (UnixStream, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) if self.may_enter(&stream) => return (stream, address),
                Ok(_) => tracing::warn!("another user knocked at the control socket"),
                // Out of descriptors, most likely: they come back.
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

struct OneStream(Option<DuplexStream>);

impl Listener for OneStream {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// `sun_path` of Linux without its closing zero.
const PATH_BYTES_MAX: usize = 107;
const FINISH_TIME: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
const DUPLEX_BYTES: usize = 64 << 10;
