//! Where the home comes to: TLS with certificates on both sides, on addresses of the inner side alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use certificates::{Roots, ServedIdentity};
use federation::inside::Inside;
use federation::verification::Role;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::answer::{Asker, answer};
use crate::config::Config;
use crate::control::Control;
use crate::listening::Listening;
use crate::start_error::StartError;

/// The inner side, as far as a listener needs it.
pub(crate) struct Inner {
    pub(crate) identity: Arc<ServedIdentity>,
    pub(crate) roots: Roots,
}

/// What each connection is served by.
struct Door {
    tls: TlsAcceptor,
    roots: Roots,
    rules: Inside,
    control: Control,
    /// Strangers are told of in the log, and cannot fill it.
    told_at: Mutex<Option<Instant>>,
}

/// Binds all of them, then serves; none where the configuration has none.
///
/// # Errors
/// The first address that cannot be listened on.
pub(crate) async fn open(config: &Config, inner: Inner, control: &Control) -> Result<Listening, StartError> {
    let mut listening = Listening::default();
    let Some(inside) = config.inside.as_ref().filter(|inside| !inside.control.is_empty()) else {
        return Ok(listening);
    };
    let tls: ServerConfig = certificates::tls::recording_server_config(&inner.identity)?;
    let door = Arc::new(Door {
        tls: TlsAcceptor::from(Arc::new(tls)),
        roots: inner.roots,
        rules: inside.rules.clone(),
        control: control.clone(),
        told_at: Mutex::default(),
    });
    let mut bound = Vec::new();
    for address in &inside.control {
        bound.push((*address, bind(*address).await?));
    }
    for (address, listener) in bound {
        tracing::info!(%address, "listening for the home");
        let door = door.clone();
        listening.add(listener, "the home", CONNECTION_TIME, move |stream| door.clone().serve(stream));
    }
    Ok(listening)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::InnerControl { address, source })
}

impl Door {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, self.tls.accept(stream)).await else {
            return tracing::debug!("a handshake at the control address came to nothing");
        };
        let asker = self.judge(stream.get_ref().1.peer_certificates().unwrap_or_default());
        if let Err(why) = &asker {
            self.tell(why);
        }
        let service = service_fn(|request| answer(request, asker.clone(), self.control.clone()));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).keep_alive(asker.is_ok()).max_buf_size(HEAD_BYTES_MAX);
        // A home that hangs up early tries again.
        let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }

    fn judge(&self, chain: &[CertificateDer<'_>]) -> Asker {
        if chain.is_empty() {
            return Err("no certificate was shown: whoever speaks here has to show the home's".to_owned());
        }
        let certificate = certificates::facts(chain, &self.roots, UnixTime::now());
        self.rules.check_certificate(&certificate, Role::Client).map_err(|refusal| refusal.reason)?;
        let home = self.rules.peer_names.iter().find(|name| certificate.names.dns.contains(*name));
        home.cloned().ok_or_else(|| "the certificate names nobody".to_owned())
    }

    fn tell(&self, why: &str) {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|at| at.elapsed() >= TELL_PAUSE) {
            *told_at = Some(Instant::now());
            tracing::warn!(why, "somebody who is not the home was refused at the control address");
        }
    }
}

const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// For the whole of a connection, the largest snapshot included.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Of a request without its body.
const HEAD_BYTES_MAX: usize = 16 << 10;
const TELL_PAUSE: Duration = Duration::from_secs(60);
