//! Our own certificates and keys from PEM files. Each error names the file, what is wrong with it, and
//! what to do.

use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate chain, our own first, with the key of its first certificate.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Why a certificate, a key or a trust store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{} cannot be read: {source}. Check the path, and that this user may read it", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{} holds no certificate. Give a PEM file with a \"BEGIN CERTIFICATE\" block", file.display())]
    NoCertificate { file: PathBuf },
    #[error("{} holds no private key. Give a PEM file with a \"BEGIN PRIVATE KEY\" block", file.display())]
    NoKey { file: PathBuf },
    #[error(
        "the key in {} is encrypted with a password, which nobody is there to type. Write it without one: \
         openssl pkey -in {} -out NEW-FILE",
        file.display(), file.display()
    )]
    EncryptedKey { file: PathBuf },
    #[error("{} is malformed: {what}. Write it again from where it came", file.display())]
    Malformed { file: PathBuf, what: String },
    #[error("the key in {} cannot be used: {what}. Use an ECDSA P-256 or an RSA key of 2048 bits or more", file.display())]
    UnsupportedKey { file: PathBuf, what: String },
    #[error(
        "the key in {} is not the key of the first certificate in {}. Give the pair that was issued together, \
         the server's own certificate first",
        key.display(), certificate.display()
    )]
    KeyMismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate in {} expired on {not_after}. Renew it; if that day is still to come, check the clock of this machine", file.display())]
    Expired { file: PathBuf, not_after: String },
    #[error("the certificate in {} is not valid before {not_before}. Check the clock of this machine", file.display())]
    NotYetValid { file: PathBuf, not_before: String },
    #[error("the system has no trusted authorities. Install its CA certificates, or name a PEM file of authorities")]
    NoSystemRoots,
}

impl Identity {
    /// Loads and checks a pair: the key fits the first certificate, which is valid now.
    pub fn load(certificate_file: &Path, key_file: &Path, now: UnixTime) -> Result<Identity, LoadError> {
        let identity = Identity { chain: read_certificates(certificate_file)?, key: read_key(key_file)? };
        check_key(&identity, certificate_file, key_file)?;
        check_validity(&identity.chain[0], certificate_file, now)?;
        Ok(identity)
    }
}

/// Every certificate of a PEM file, at least one.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(LoadError::NoCertificate { file: file.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(LoadError::Malformed { file: file.to_owned(), what: error.to_string() }),
    }
}

/// The first private key of a PEM file.
fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        _ if is_encrypted(&text) => LoadError::EncryptedKey { file: file.to_owned() },
        pem::Error::NoItemsFound => LoadError::NoKey { file: file.to_owned() },
        other => LoadError::Malformed { file: file.to_owned(), what: other.to_string() },
    })
}

/// In the form of PKCS #8 (RFC 7468 section 11), or in the one before it, with a header that says so.
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.lines().any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
}

fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(file).map_err(|source| LoadError::Read { file: file.to_owned(), source })
}

fn check_key(identity: &Identity, certificate_file: &Path, key_file: &Path) -> Result<(), LoadError> {
    let provider: CryptoProvider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider
        .key_provider
        .load_private_key(identity.key.clone_key())
        .map_err(|error| LoadError::UnsupportedKey { file: key_file.to_owned(), what: error.to_string() })?;
    match CertifiedKey::new(identity.chain.clone(), key).keys_match() {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(LoadError::KeyMismatch { certificate: certificate_file.to_owned(), key: key_file.to_owned() })
        }
        Err(error) => Err(LoadError::Malformed { file: certificate_file.to_owned(), what: error.to_string() }),
    }
}

fn check_validity(certificate: &CertificateDer<'_>, file: &Path, now: UnixTime) -> Result<(), LoadError> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| LoadError::Malformed { file: file.to_owned(), what: error.to_string() })?;
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > validity.not_after.timestamp() {
        return Err(LoadError::Expired { file: file.to_owned(), not_after: validity.not_after.to_string() });
    }
    if now < validity.not_before.timestamp() {
        return Err(LoadError::NotYetValid { file: file.to_owned(), not_before: validity.not_before.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
