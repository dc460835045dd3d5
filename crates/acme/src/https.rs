//! HTTPS to the authority: few requests, each short, on a thread where waiting costs nobody anything.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::error::AcmeError;

#[derive(Clone)]
pub(crate) struct Https {
    agent: Agent,
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Https {
    /// # Errors
    /// The authorities' file cannot be read.
    pub(crate) fn new(roots: Option<&Path>) -> Result<Https, AcmeError> {
        let trusted: Vec<Certificate<'static>> =
            read_roots(roots)?.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(trusted)))
            .unversioned_rustls_crypto_provider(certificates::tls::provider())
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIME))
            .build();
        Ok(Https { agent: config.new_agent(), retry_after: Arc::default() })
    }

    /// How long the last response asked us to wait that was none.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, request: Request<Vec<u8>>) -> Result<Response<Full<Bytes>>, ureq::Error> {
        let response = match request.body().is_empty() {
            true => self.agent.run(request.map(drop)),
            false => self.agent.run(request),
        }?;
        let is_put_off = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&response.status());
        let wait = is_put_off.then(|| wait_of(response.headers())).flatten();
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = wait;
        let (parts, mut body) = response.into_parts();
        let bytes = body.with_config().limit(RESPONSE_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(parts, Full::new(bytes.into())))
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for Https {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let https = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            let request = Request::from_parts(parts, body);
            let ran = tokio::task::spawn_blocking(move || https.run(request)).await;
            let response = ran.map_err(|error| Error::Other(error.into()))?;
            response.map(BytesResponse::from).map_err(|error| Error::Other(error.into()))
        })
    }
}

fn read_roots(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, AcmeError> {
    let Some(file) = file else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|error| {
        let what = format!("[certificate.acme] roots: {} cannot be read: {error}", file.display());
        AcmeError::here(what, "write the authority's root certificate there, in PEM")
    })
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let until = |date: SystemTime| date.duration_since(SystemTime::now()).unwrap_or_default();
    value.parse().map(Duration::from_secs).ok().or_else(|| httpdate::parse_http_date(value).ok().map(until))
}

const REQUEST_TIME: Duration = Duration::from_secs(30);
/// A chain has some kilobytes.
const RESPONSE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let wait = |value: &str| wait_of(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        assert!(wait(&later).is_some_and(|time| (85..=90).contains(&time.as_secs())));
        assert_eq!(wait("soon"), None);
    }
}
