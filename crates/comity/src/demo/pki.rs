//! A small authority for the demo. Its certificates are for servers only, as public authorities issue them today.

use std::path::Path;

use anyhow::Context;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// The authority that every organisation of the demo trusts.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM text.
pub struct Issued {
    pub chain_pem: String,
    pub key_pem: String,
}

impl Authority {
    pub fn new() -> anyhow::Result<Authority> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Comity demo authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Authority { certificate_pem, issuer: Issuer::new(params, key) })
    }

    /// A certificate with the serverAuth purpose alone.
    pub fn issue(&self, dns_names: &[&str], sip_uris: &[&str]) -> anyhow::Result<Issued> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, dns_names[0]);
        for name in dns_names {
            params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(*name)?));
        }
        for uri in sip_uris {
            params.subject_alt_names.push(SanType::URI(Ia5String::try_from(*uri)?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, &self.certificate_pem).with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }
}
