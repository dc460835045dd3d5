//! TLS-ALPN-01: a certificate of our own making, shown by the listeners that there are.

use certificates::TlsAlpn;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::error::AcmeError;

pub(crate) struct Answers(TlsAlpn);

impl Answers {
    pub(super) fn new(shown: TlsAlpn) -> Answers {
        Answers(shown)
    }

    /// RFC 8737 section 3: the name alone, and the digest of the key authorization in a critical extension.
    pub(super) fn show(&self, name: &str, digest: &[u8]) -> Result<(), AcmeError> {
        let failed = |error: &dyn std::fmt::Display| {
            AcmeError::here(format!("no certificate can be made for the challenge: {error}"), "report it with the log")
        };
        let make = || {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new([name.to_owned()])?;
            params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
            Ok::<_, rcgen::Error>((params.self_signed(&key)?, key))
        };
        let (certificate, key) = make().map_err(|error| failed(&error))?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        self.0.show(name, certificate.der().clone(), key).map_err(|error| failed(&error))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.clear();
    }
}
