//! What our TLS listeners answer an authority that looks whether a name leads to us (TLS-ALPN-01, RFC 8737).
//!
//! Only while an order waits for it, and only to who asks for `acme-tls/1` by a name that is being proven; whoever
//! wants to speak SIP or HTTP is answered as ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::{VERSIONS, provider};

/// The challenge certificates of the names that are being proven, shared by all listeners.
#[derive(Clone, Debug, Default)]
pub struct TlsAlpn(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    /// As many as there are below: looked at in each handshake, without a lock.
    count: AtomicUsize,
    by_name: RwLock<BTreeMap<String, Arc<ServerConfig>>>,
}

impl TlsAlpn {
    /// From now on `name`, in lower case, is answered with this certificate.
    ///
    /// # Errors
    /// For a key that is of no use.
    pub fn show(
        &self,
        name: &str,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), Error> {
        let provider = provider();
        let key = provider.key_provider.load_private_key(key)?;
        // Nothing looks at the certificate here: its critical extension is none that the verifier knows.
        let shown = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        let mut by_name = self.0.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(name.to_owned(), Arc::new(config));
        self.0.count.store(by_name.len(), Ordering::Release);
        Ok(())
    }

    /// The order is over: nothing is answered any more.
    pub fn clear(&self) {
        let mut by_name = self.0.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.clear();
        self.0.count.store(0, Ordering::Release);
    }

    /// Whether anything is to be answered.
    pub fn is_waiting(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// With what to go on with the handshake, where it is an authority's.
    pub fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let is_authority = hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS));
        let name = hello.server_name().filter(|_| is_authority)?.to_ascii_lowercase();
        self.0.by_name.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }
}

/// RFC 8737 section 6.2.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

#[cfg(test)]
mod tests;
