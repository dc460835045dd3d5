//! Small services of ours on the network, by HTTP: so many connections at once, each for a bounded time.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// The listeners at work; they end when this is dropped.
#[derive(Default)]
pub(crate) struct Listening(Vec<AbortHandle>);

impl Listening {
    /// Serves whoever connects, each for this time at most. `what` names the service in the log.
    pub(crate) fn add<S, F>(&mut self, listener: TcpListener, what: &'static str, time: Duration, serve: S)
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.push(tokio::spawn(accept(listener, what, time, serve)).abort_handle());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// The set ends its connections with this task.
async fn accept<S, F>(listener: TcpListener, what: &'static str, time: Duration, serve: S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("nobody closes it");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve(stream);
                connections.spawn(async move {
                    let _ = timeout(time, served).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely: they come back. The workers say so, and count it.
            Err(error) => {
                tracing::debug!(%error, "nobody can be accepted for {what}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// At one address; whoever comes then waits in the system's queue.
const CONNECTIONS_MAX: usize = 16;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
