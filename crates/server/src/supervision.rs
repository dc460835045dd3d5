//! What a service manager is told by the protocol of sd_notify(3): that the server serves, that it ends, and, where it keeps a
//! watchdog, that every worker still answers.
//!
//! Where nobody asks for it (`NOTIFY_SOCKET` is not set), nothing is told.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::AbortHandle;

use crate::running::Running;
use crate::workers::Workers;

/// Tells about one running server. The watchdog is fed until this is dropped.
pub struct Supervision {
    watchdog: Option<AbortHandle>,
}

impl Supervision {
    /// Everything is ready: says so, and feeds the watchdog from now on, twice in the time that it allows.
    pub fn ready(running: &Running) -> Supervision {
        tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving {}", running.summary()))]);
        let time = sd_notify::watchdog_enabled().filter(|time| !time.is_zero());
        let feed = |time: Duration| {
            let workers = running.workers().clone();
            tokio::spawn(feed_watchdog(workers, time / 2, || tell(&[NotifyState::Watchdog]))).abort_handle()
        };
        Supervision { watchdog: time.map(feed) }
    }

    /// The server takes nothing new any more. What is under way may take as long as the configuration grants, whatever the
    /// service manager's own patience is.
    pub fn stopping(&self, running: &Running) {
        let time = (running.drain_time() + END_TIME).as_micros();
        let extend = NotifyState::ExtendTimeoutUsec(u32::try_from(time).unwrap_or(u32::MAX));
        tell(&[NotifyState::Stopping, extend, NotifyState::Status("finishing what is under way")]);
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        if let Some(task) = &self.watchdog {
            task.abort();
        }
    }
}

/// A worker that hangs must not be kept alive by the others, nor by this thread: what does not answer is restarted.
async fn feed_watchdog(workers: Workers, pause: Duration, feed: impl Fn()) {
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match workers.silent().await.as_slice() {
            [] => feed(),
            silent => {
                tracing::warn!(workers = ?silent, "workers do not answer: the service manager's watchdog starves")
            }
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the server is");
    }
}

/// For the rest after draining: last bytes, and the store.
const END_TIME: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Server;
    use crate::config::Config;
    use crate::workers::ANSWER_TIME;

    fn config(folder: &Path) -> Config {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["sip.contoso.example".to_owned()]).unwrap();
        std::fs::write(folder.join("c.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(folder.join("c.key"), key.serialize_pem()).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(
            "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\nworkers = 2\n[certificate]\n\
             chain = \"c.pem\"\nkey = \"c.key\"\nroots = \"c.pem\"\n[listen]\ntls = [\"{free}\"]\n"
        );
        Config::parse(&folder.join("comity.toml"), &text, &|_| Ok(())).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_worker_that_hangs_starves_the_watchdog() {
        let folder = tempfile::tempdir().unwrap();
        let running = Server::start(config(folder.path())).await.unwrap();
        let workers = running.workers().clone();
        let fed = Arc::new(AtomicU64::new(0));
        let feed = {
            let fed = fed.clone();
            move || {
                fed.fetch_add(1, Ordering::SeqCst);
            }
        };
        let task = tokio::spawn(feed_watchdog(workers.clone(), Duration::from_millis(10), feed));
        while fed.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        let (let_go, hold) = std::sync::mpsc::channel::<()>();
        let hold = Arc::new(std::sync::Mutex::new(hold));
        let hang = move |core: &mut signaling::Core, _| {
            if core.worker() == 1 {
                let _ = hold.lock().unwrap().recv();
            }
        };
        assert_eq!(workers.ask(hang).await.len(), 1, "the other one still answers");
        let before = fed.load(Ordering::SeqCst);
        tokio::time::sleep(ANSWER_TIME + Duration::from_secs(1)).await;
        assert_eq!(fed.load(Ordering::SeqCst), before);

        drop(let_go);
        let hungry = fed.load(Ordering::SeqCst);
        while fed.load(Ordering::SeqCst) == hungry {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.abort();
        running.stop().await;
    }
}
