//! Lists of revoked certificates, fetched in the background: never in the way of a handshake.
//!
//! What is fetched is what certificates name whose chain was accepted. A list is taken only when it is signed by who issued
//! such a certificate, so that it needs no TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use certificates::Roots;
use certificates::revocation::{KeptLists, Seen};
use federation::trust::Fingerprint;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use net::Resolver;
use rustls_pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::control::Control;

/// Fetches for one server, until the runtime ends.
pub(crate) struct RevocationService {
    roots: Roots,
    resolver: Resolver,
    control: Control,
    kept: KeptLists,
    due_by_url: BTreeMap<String, Instant>,
    revoked: BTreeSet<Fingerprint>,
}

impl RevocationService {
    /// `folder` is where lists are kept over a restart.
    pub(crate) fn new(roots: Roots, resolver: Resolver, control: Control, folder: PathBuf) -> RevocationService {
        let (kept, due_by_url, revoked) = (KeptLists::new(folder), BTreeMap::new(), BTreeSet::new());
        RevocationService { roots, resolver, control, kept, due_by_url, revoked }
    }

    pub(crate) async fn run(mut self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.refresh().await;
            self.tell().await;
            self.roots.revocations().forget_before(now_unix().saturating_sub(REMEMBERED_SECS));
        }
    }

    /// Fetches what is due, a few at a time.
    async fn refresh(&mut self) {
        let now = Instant::now();
        let wanted = self.roots.revocations().wanted();
        self.due_by_url.retain(|url, _| wanted.iter().any(|seen| seen.url == *url));
        let due = |seen: &Seen| self.due_by_url.get(&seen.url).is_none_or(|due| *due <= now);
        let mut waiting: Vec<Seen> = wanted.into_iter().filter(due).collect();
        waiting.iter().filter(|seen| !self.due_by_url.contains_key(&seen.url)).for_each(|seen| self.recall(seen));
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE_MAX
                && let Some(seen) = waiting.pop()
            {
                let resolver = self.resolver.clone();
                running.spawn(async move { (fetch(&resolver, &seen.url).await, seen) });
            }
            let Some(Ok((fetched, seen))) = running.join_next().await else { return };
            self.take(&seen, fetched);
        }
    }

    /// Before the network is asked for the first time, what the last server has left.
    fn recall(&self, seen: &Seen) {
        if self.roots.revocations().next_update_unix(&seen.url).is_some() {
            return;
        }
        let Some(list) = self.kept.read(&seen.url) else { return };
        match self.roots.take_kept_list(seen, &list, UnixTime::now()) {
            Ok(_) => tracing::debug!(url = seen.url, "a list of revoked certificates was kept"),
            Err(why) => tracing::debug!(url = seen.url, why, "a list that was kept is of no use"),
        }
    }

    fn keep(&self, url: &str, list: &[u8]) {
        if let Err(error) = self.kept.keep(url, list) {
            tracing::warn!(%error, "a list of revoked certificates cannot be kept: a restart has to fetch it again");
        }
    }

    fn take(&mut self, seen: &Seen, fetched: Result<Vec<u8>, String>) {
        let taken = fetched.and_then(|list| {
            let taken = self.roots.take_list(seen, &list, UnixTime::now());
            taken.inspect(|_| self.keep(&seen.url, &list))
        });
        let pause = match taken {
            Ok(next_update_unix) => {
                tracing::debug!(url = seen.url, next_update_unix, "a list of revoked certificates is held");
                // Twice before it is out of date, so that one failure costs nothing.
                (Duration::from_secs(next_update_unix.saturating_sub(now_unix())) / 2).clamp(RETRY_PAUSE, LIFE_MAX)
            }
            Err(why) => {
                tracing::debug!(url = seen.url, why, "a list of revoked certificates cannot be had");
                self.roots.revocations().failed(&seen.url, why);
                RETRY_PAUSE
            }
        };
        self.due_by_url.insert(seen.url.clone(), Instant::now() + pause);
    }

    /// Gives the workers the certificates that are revoked, for the connections that stand.
    async fn tell(&mut self) {
        let revoked = self.roots.revocations().revoked(UnixTime::now());
        if revoked == self.revoked {
            return;
        }
        for fingerprint in revoked.difference(&self.revoked) {
            let fingerprint = federation::trust::hexadecimal(fingerprint);
            tracing::warn!(fingerprint, "a certificate that a partner shows has been revoked");
        }
        match self.control.publish_partners().await {
            Ok(()) => self.revoked = revoked,
            Err(error) => tracing::warn!(%error, "the workers do not know yet which certificates are revoked"),
        }
    }
}

/// The bytes at an address, by HTTP. The error is for the operator.
async fn fetch(resolver: &Resolver, url: &str) -> Result<Vec<u8>, String> {
    timeout(FETCH_TIME, fetch_slowly(resolver, url))
        .await
        .unwrap_or_else(|_| Err(format!("it took longer than {} s", FETCH_TIME.as_secs())))
}

async fn fetch_slowly(resolver: &Resolver, url: &str) -> Result<Vec<u8>, String> {
    let uri: hyper::Uri = url.parse().map_err(|error| format!("the address cannot be read: {error}"))?;
    let host = uri.host().ok_or("the address names no host")?;
    let addresses = resolver.addresses(host).await.map_err(|failure| failure.to_string())?;
    let stream = TcpStream::connect((addresses[0], uri.port_u16().unwrap_or(80))).await;
    let stream = stream.map_err(|error| format!("{host} cannot be reached: {error}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path).header("host", authority).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.map_err(|error| error.to_string())?).await;
    let response = response.map_err(|error| error.to_string())?;
    if response.status() != hyper::StatusCode::OK {
        return Err(format!("{host} answers {}", response.status()));
    }
    let body = Limited::new(response.into_body(), LIST_BYTES_MAX).collect().await;
    connection.abort();
    Ok(body.map_err(|error| format!("it cannot be read: {error}"))?.to_bytes().to_vec())
}

fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How soon a new certificate's list is asked for.
const PAUSE: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_secs(300);
const LIFE_MAX: Duration = Duration::from_secs(86_400);
const FETCH_TIME: Duration = Duration::from_secs(20);
const AT_ONCE_MAX: usize = 4;
/// The largest lists of public authorities have some megabytes.
const LIST_BYTES_MAX: usize = 16 << 20;
/// After its last handshake. A certificate that comes back sooner is judged by a list at once.
const REMEMBERED_SECS: u64 = 7 * 86_400;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Where a list of so many bytes is to be had, once.
    fn serve(bytes: usize) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/one.crl", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            assert!(peer.read(&mut asked).unwrap() > 0);
            // Whoever has read enough hangs up.
            peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok();
            for chunk in vec![7; bytes].chunks(1 << 20) {
                peer.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).ok();
                peer.write_all(chunk).ok();
                peer.write_all(b"\r\n").ok();
            }
            peer.write_all(b"0\r\n\r\n").ok();
        });
        url
    }

    #[tokio::test]
    async fn a_list_longer_than_the_limit_is_not_read() {
        let nobody = net::DnsSettings { servers: vec!["127.0.0.1:9".parse().unwrap()], ..net::DnsSettings::default() };
        let resolver = Resolver::new(&nobody).unwrap();
        let whole = fetch(&resolver, &serve(LIST_BYTES_MAX)).await.unwrap();
        assert_eq!(whole.len(), LIST_BYTES_MAX);
        let why = fetch(&resolver, &serve(LIST_BYTES_MAX + 1)).await.unwrap_err();
        assert_eq!(why, "it cannot be read: length limit exceeded");
    }
}
