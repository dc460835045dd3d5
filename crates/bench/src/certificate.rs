//! An authority of a run's own, and the certificates that the server and its partner show.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use certificates::{Identity, ServedIdentity};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::UnixTime;

use crate::scene::{DOMAIN, EDGE, PARTNER};

/// Writes `ca.pem`, `server.pem`, `server.key`, `partner.pem` and `partner.key`: P-256, both purposes.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_all(folder: &Path) -> anyhow::Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Whoever has the name of its issuer has signed itself, OpenSSL finds.
    params.distinguished_name.push(DnType::CommonName, "Authority");
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let authority = Issuer::new(params, key);
    for (file, names) in [("server", &[EDGE, DOMAIN][..]), ("partner", &[PARTNER])] {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        fs::write(folder.join(format!("{file}.pem")), params.signed_by(&key, &authority)?.pem())?;
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    }
    Ok(())
}

/// TLS of a partner, who shows a certificate; or of a phone, which has none. Whom the server's names is not asked.
///
/// # Errors
/// When the files cannot be read.
pub fn client_config(shown: Option<(&Path, &Path)>) -> anyhow::Result<Arc<ClientConfig>> {
    let identity = match shown {
        Some((chain, key)) => {
            let loaded = Identity::load(chain, key, UnixTime::now()).with_context(|| format!("{}", chain.display()))?;
            Some(ServedIdentity::new(&loaded)?)
        }
        None => None,
    };
    Ok(Arc::new(certificates::tls::recording_client_config(identity.as_ref())?))
}
