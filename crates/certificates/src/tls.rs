//! The rustls configurations of listeners and of connections to partners: TLS 1.2 and 1.3 by aws-lc-rs,
//! no ALPN (SIP over TLS has none) but for WebSockets.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, ServerConfig, SupportedProtocolVersion};

use crate::served::{ServedIdentity, Sessions};
use crate::verifier::{RecordingClientVerifier, RecordingServerVerifier};

/// Sessions that one listener remembers; the oldest are forgotten first.
pub const SESSIONS_MAX: usize = 4096;

/// The one provider, passed explicitly: nothing depends on a process-wide default.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For one listener. Each has a session cache of its own, so that no session crosses to a listener with
/// other rules; the peer's certificate is part of a session, and is judged again after resumption.
pub fn server_config(
    served: &Arc<ServedIdentity>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(served.clone());
    config.session_storage = Sessions::new(served.clone());
    // Each would be kept here, and a client uses one; with the resumed session it gets the next.
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// For connections to partners, with our certificate for whoever asks for it. Sessions are not resumed:
/// connections to partners are few and long.
pub fn client_config(
    served: Option<&Arc<ServedIdentity>>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match served {
        Some(served) => builder.with_client_cert_resolver(served.clone()),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// [`server_config`] that asks for certificates and records them: partners and phones on one port.
pub fn recording_server_config(served: &Arc<ServedIdentity>) -> Result<ServerConfig, Error> {
    server_config(served, Arc::new(RecordingClientVerifier::new(&provider())))
}

/// For WebSockets: nobody is asked for a certificate, since a browser would ask its user for one. It speaks HTTP alone
/// and says so (ALPN), so that nothing that was meant for another service can be led here.
pub fn web_server_config(served: &Arc<ServedIdentity>) -> Result<ServerConfig, Error> {
    let mut config = server_config(served, WebPkiClientVerifier::no_client_auth())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// [`client_config`] whose peer is judged afterwards, before the first byte.
pub fn recording_client_config(served: Option<&Arc<ServedIdentity>>) -> Result<ClientConfig, Error> {
    client_config(served, Arc::new(RecordingServerVerifier::new(&provider())))
}

pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

#[cfg(test)]
mod tests;
