//! The demo's certificates: one authority, and for each name only the purpose that public authorities still give.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority made for one demo; its key is never written.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub file: PathBuf,
}

/// A certificate and its key.
pub struct Certified {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

/// What a certificate says.
#[derive(Copy, Clone, Debug)]
pub struct CertificateNames {
    /// The first is the subject, too.
    pub dns: &'static [&'static str],
    /// `sip:` URIs (RFC 5922 section 7.1).
    pub uris: &'static [&'static str],
}

impl Authority {
    /// Makes one and writes its certificate to `folder/ca.pem`.
    pub fn create(folder: &Path) -> anyhow::Result<Authority> {
        let authority = Authority { issuer: issuer("Comity demo authority")?, file: folder.join("ca.pem") };
        let written = fs::write(&authority.file, authority.issuer.as_ref().pem());
        written.context("cannot write the authority's certificate")?;
        Ok(authority)
    }

    /// One that nobody trusts.
    pub fn unknown() -> anyhow::Result<Authority> {
        Ok(Authority { issuer: issuer("Somebody else's authority")?, file: PathBuf::new() })
    }

    /// A certificate with the serverAuth purpose alone.
    pub fn certify(&self, names: CertificateNames) -> anyhow::Result<Certified> {
        let mut params = CertificateParams::default();
        let subject = names.dns.first().copied().unwrap_or("edge");
        params.distinguished_name.push(DnType::CommonName, subject);
        for name in names.dns {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        for uri in names.uris {
            params.subject_alt_names.push(SanType::URI((*uri).try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certified { certificate_pem: certificate.pem(), certificate: certificate.der().clone(), key })
    }

    /// How a phone connects: it verifies the server against this authority, and shows `certified` if it has one.
    pub fn client_config(&self, certified: Option<&Certified>) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.as_ref().der().clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(Arc::new(match certified {
            None => builder.with_no_client_auth(),
            Some(Certified { certificate, key, .. }) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                builder.with_client_auth_cert(vec![certificate.clone()], key)?
            }
        }))
    }
}

impl Certified {
    /// Writes `certificate.pem` and `certificate.key`, the key for its owner alone.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::write(folder.join("certificate.pem"), &self.certificate_pem).context("cannot write a certificate")?;
        let mut options = fs::OpenOptions::new();
        let mut key = options.write(true).create_new(true).mode(0o600).open(folder.join("certificate.key"))?;
        key.write_all(self.key.serialize_pem().as_bytes()).context("cannot write a key")
    }
}

fn issuer(name: &str) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// From yesterday, for clocks that disagree, to in three months.
fn set_validity(params: &mut CertificateParams) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_1970;
    params.not_before = now - DAY;
    params.not_after = now + DAY * 90;
}

const DAY: Duration = Duration::from_secs(86_400);
