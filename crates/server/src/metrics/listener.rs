//! `GET /metrics` for a scraper and `GET /health` for a load balancer, over plain HTTP on the network, and nothing else: the
//! control API stays on its Unix socket.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Listen;
use crate::control::Control;
use crate::listening::Listening;

/// Binds all of them, then serves.
///
/// # Errors
/// The first address that cannot be listened on.
pub(crate) async fn open(listen: &Listen, control: &Control) -> Result<Listening, (SocketAddr, io::Error)> {
    let metrics = listen.metrics.iter().map(|address| (*address, Audience::Scraper));
    let health = listen.health.iter().map(|address| (*address, Audience::Balancer));
    let mut bound = Vec::new();
    for (address, audience) in metrics.chain(health) {
        let listener = TcpListener::bind(address).await.map_err(|error| (address, error))?;
        bound.push((address, listener, audience));
    }
    let mut listening = Listening::default();
    for (address, listener, audience) in bound {
        tracing::info!(%address, ?audience, "listening by HTTP");
        let control = control.clone();
        listening.add(listener, "HTTP", CONNECTION_TIME, move |stream| serve(stream, control.clone(), audience));
    }
    Ok(listening)
}

/// Who asks at an address. A scraper may know whether we are well, a balancer not how busy we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Scraper,
    Balancer,
}

/// One request a connection. A scraper that hangs up early is its own concern.
async fn serve(stream: TcpStream, control: Control, audience: Audience) {
    let service = service_fn(|request| answer(request, control.clone(), audience));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false).max_buf_size(REQUEST_BYTES_MAX);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    control: Control,
    audience: Audience,
) -> Result<Response<Body>, Infallible> {
    let plain = |status, text: &str| {
        let mut response = Response::new(Body::from(format!("{text}\n")));
        *response.status_mut() = status;
        response
    };
    let is_scraper = audience == Audience::Scraper;
    Ok(match (request.uri().path(), request.method()) {
        ("/health", &Method::GET | &Method::HEAD | &Method::OPTIONS) => {
            let (status, text) = control.health_response().await;
            plain(status, text.trim_end())
        }
        ("/metrics", &Method::GET) if is_scraper => {
            let mut response = Response::new(Body::from(control.metrics().await));
            let value = super::CONTENT_TYPE.parse().expect("a header's value");
            response.headers_mut().insert(CONTENT_TYPE, value);
            response
        }
        ("/metrics", _) if is_scraper => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
            response.headers_mut().insert(ALLOW, "GET".parse().expect("a header's value"));
            response
        }
        _ if is_scraper => plain(StatusCode::NOT_FOUND, "only /metrics and /health are here"),
        _ => plain(StatusCode::NOT_FOUND, "only /health is here"),
    })
}

/// For the whole of a connection: a request that trickles in must not keep the others out.
const CONNECTION_TIME: Duration = Duration::from_secs(5);
/// hyper's least.
const REQUEST_BYTES_MAX: usize = 8192;
