//! A connection from a home to the control address of one edge: TLS in which the edge shows that it has the name by which
//! the configuration calls it, and JSON over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use federation::inside::Inside;
use federation::verification::Role;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use net::{InsideTls, Resolver};
use rustls_pki_types::{ServerName, UnixTime};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::control::answers::ErrorAnswer;

/// How edges are reached.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) port: u16,
    /// Where an edge has another one.
    pub(crate) ports_by_edge: BTreeMap<String, u16>,
    pub(crate) rules: Inside,
    pub(crate) tls: InsideTls,
    pub(crate) resolver: Resolver,
    /// Another one each time that this server starts.
    pub(crate) life: String,
}

/// Why there is no answer, for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The edge understood, and says no.
    #[error("the edge refuses ({status}): {text}")]
    Refused { status: StatusCode, text: String },
    #[error("{0}")]
    Broken(String),
}

pub(super) struct Line {
    edge: String,
    life: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    /// To the first of the edge's addresses that accepts.
    pub(super) async fn open(way: &Way, edge: &str) -> Result<Line, LineError> {
        let stream = timeout(OPEN_TIME, connect(way, edge)).await;
        let stream = stream.unwrap_or_else(|_| Err(format!("no connection within {} s", OPEN_TIME.as_secs())));
        let stream = stream.map_err(LineError::Broken)?;
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = certificates::facts(shown, &way.tls.roots, UnixTime::now());
        let one = Inside { peer_names: vec![edge.to_owned()], ..way.rules.clone() };
        one.check_certificate(&certificate, Role::Server).map_err(|refusal| LineError::Broken(refusal.reason))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Line { edge: edge.to_owned(), life: way.life.clone(), sender })
    }

    /// To whoever is at the other end of this.
    #[cfg(test)]
    pub(super) async fn over(ours: tokio::io::DuplexStream) -> Line {
        let (sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a line");
        tokio::spawn(connection);
        Line { edge: "edge.corp.example".to_owned(), life: "1".to_owned(), sender }
    }

    /// Goes on in another protocol (RFC 9110 section 7.8), for as long as both want.
    pub(super) async fn upgrade(mut self, path: &str, protocol: &str) -> Result<TokioIo<Upgraded>, LineError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", &self.edge)
            .header("connection", "upgrade")
            .header("upgrade", protocol)
            .body(Full::new(Bytes::new()))
            .map_err(broken)?;
        let response = timeout(OPEN_TIME, self.sender.send_request(request)).await.map_err(broken)?.map_err(broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response).await);
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await.map_err(broken)?))
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, LineError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.edge)
            .header("content-type", "application/json")
            .header(LIFE_HEADER, &self.life)
            .body(Full::new(Bytes::from(body)))
            .map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        serde_json::from_slice(&body_of(response).await?)
            .map_err(|error| LineError::Broken(format!("the edge's answer is not understood: {error}")))
    }
}

async fn body_of(response: Response<Incoming>) -> Result<Bytes, LineError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok(body.map_err(broken)?.to_bytes())
}

async fn refused(response: Response<Incoming>) -> LineError {
    let status = response.status();
    match body_of(response).await {
        Ok(body) => {
            let text = match serde_json::from_slice(&body) {
                Ok(ErrorAnswer { error, hint: Some(hint) }) => format!("{error}; {hint}"),
                Ok(ErrorAnswer { error, hint: None }) => error,
                Err(_) => "without a word".to_owned(),
            };
            LineError::Refused { status, text }
        }
        Err(error) => error,
    }
}

async fn connect(way: &Way, edge: &str) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(edge.to_owned()).map_err(|_| format!("{edge} is no name to ask a server for"))?;
    let port = way.ports_by_edge.get(edge).copied().unwrap_or(way.port);
    let addresses = way.resolver.addresses(edge).await.map_err(|failure| failure.to_string())?;
    let mut failures = Vec::new();
    for address in addresses.into_iter().take(ADDRESSES_MAX) {
        let address = SocketAddr::new(address, port);
        match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let shaken = TlsConnector::from(way.tls.client.clone()).connect(name, stream).await;
                return shaken.map_err(|error| format!("the TLS handshake with {address} failed: {error}"));
            }
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer within {} s", CONNECT_TIME.as_secs())),
        }
    }
    Err(match failures.as_slice() {
        [] => format!("{edge} has no address"),
        failures => {
            format!("{}; is [inside] control set there, and open from here?", failures.join(", "))
        }
    })
}

fn broken(error: impl std::fmt::Display) -> LineError {
    LineError::Broken(format!("the conversation with the edge broke: {error}"))
}

/// Says at each request which life of the home asks.
pub(crate) const LIFE_HEADER: &str = "comity-life";
/// For all addresses, and the handshake.
const OPEN_TIME: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_secs(3);
const ADDRESSES_MAX: usize = 4;
const ANSWER_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Whoever answers like this, once.
    async fn line(answer: Vec<u8>) -> Line {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 4096]).await;
            let _ = theirs.write_all(&answer).await;
        });
        Line::over(ours).await
    }

    async fn said(answer: Vec<u8>) -> Result<u64, LineError> {
        line(answer).await.ask(Method::GET, "/edge", Vec::new()).await
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_given_up() {
        let endless = |length: usize| [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b' '; length], b"7"].concat();
        assert_eq!(said(endless(ANSWER_BYTES_MAX - 1)).await.unwrap(), 7);
        assert!(matches!(said(endless(ANSWER_BYTES_MAX)).await.unwrap_err(), LineError::Broken(_)));
    }

    #[tokio::test]
    async fn a_refusal_comes_with_what_the_edge_says() {
        let body = r#"{"error":"revision 6 is older than revision 7","hint":"restore it"}"#;
        let head = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n", body.len());
        let error = said([head.as_bytes(), body.as_bytes()].concat()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the edge refuses (409 Conflict): revision 6 is older than revision 7; restore it"
        );
        let silent = said(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        assert!(matches!(silent, Err(LineError::Refused { status: StatusCode::INTERNAL_SERVER_ERROR, .. })));
    }
}
