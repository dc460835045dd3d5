//! HTTP-01: a listener that knows nothing but the answers to the challenges, and is gone with them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::AcmeError;

type ByToken = Arc<Mutex<BTreeMap<String, String>>>;

pub(crate) struct Answers {
    by_token: ByToken,
    /// Dropped, the listeners end.
    _listeners: JoinSet<()>,
}

impl Answers {
    pub(super) async fn open(listen: &[SocketAddr]) -> Result<Answers, AcmeError> {
        let by_token = ByToken::default();
        let mut listeners = JoinSet::new();
        for address in listen {
            let listener = TcpListener::bind(address).await.map_err(|error| taken(*address, &error))?;
            listeners.spawn(serve(listener, by_token.clone()));
        }
        Ok(Answers { by_token, _listeners: listeners })
    }

    pub(super) fn show(&self, token: &str, authorization: &str) {
        let mut by_token = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        by_token.insert(token.to_owned(), authorization.to_owned());
    }
}

fn taken(address: SocketAddr, error: &std::io::Error) -> AcmeError {
    let what = format!("cannot listen on {address} for the authority ([certificate.acme] http): {error}");
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return AcmeError::here(
            what,
            "ports below 1024 need CAP_NET_BIND_SERVICE: systemctl edit comity, as its unit says; or let http name another port",
        );
    }
    AcmeError::here(
        what,
        "free the port, or let the web server that has it pass /.well-known/acme-challenge/ on to another one that http names",
    )
}

/// Each connection is short, and there are few at once: the authority asks from several places, and so may anybody.
async fn serve(listener: TcpListener, by_token: ByToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, remote)) => {
                tracing::debug!(%remote, "somebody looks at a challenge");
                let by_token = by_token.clone();
                connections.spawn(async move {
                    let _ = timeout(CONNECTION_TIME, answer(stream, by_token)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting fails");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(stream: TcpStream, by_token: ByToken) {
    let service = service_fn(move |request| {
        let response = respond(&request, &by_token);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_buf_size(REQUEST_BYTES_MAX);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a look at a challenge failed");
    }
}

fn respond(request: &Request<Incoming>, by_token: &ByToken) -> Response<Full<Bytes>> {
    let token = request.uri().path().strip_prefix(PLACE).filter(|_| request.method() == Method::GET);
    let by_token = by_token.lock().unwrap_or_else(PoisonError::into_inner);
    let found = token.and_then(|token| by_token.get(token)).cloned();
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Full::from(found.unwrap_or_default()));
    *response.status_mut() = status;
    response
}

/// RFC 8555 section 8.3.
const PLACE: &str = "/.well-known/acme-challenge/";
const CONNECTIONS_MAX: usize = 32;
const CONNECTION_TIME: Duration = Duration::from_secs(10);
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn it_knows_the_answers_and_nothing_else_and_goes_with_them() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let answers = Answers::open(&[free]).await.unwrap();
        answers.show("token", "token.thumbprint");
        let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: sip.contoso.example\r\n\r\n");
        let known = get(free, &ask("GET", "/.well-known/acme-challenge/token")).await;
        assert!(known.starts_with("HTTP/1.1 200 ") && known.ends_with("\r\n\r\ntoken.thumbprint"), "{known}");
        for (method, path) in
            [("GET", "/"), ("GET", "/.well-known/acme-challenge/"), ("POST", "/token"), ("GET", "/token")]
        {
            assert!(get(free, &ask(method, path)).await.starts_with("HTTP/1.1 404 "), "{method} {path}");
        }
        let Err(AcmeError::Here { what, .. }) = Answers::open(&[free]).await else { panic!("the port is taken") };
        assert!(what.contains("Address already in use"), "{what}");
        drop(answers);
        tokio::task::yield_now().await;
        Answers::open(&[free]).await.map(drop).unwrap();
    }
}
