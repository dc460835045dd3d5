//! What TLSA records can be about: digests of the certificate, and of those authorities of its chain that really vouch for it.

use federation::dane::{ChainSubjects, Subject};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256, Sha512};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain::AnyPurpose;
use crate::roots::Roots;

/// `None`: the certificate cannot be read.
pub(super) fn of(end_entity: &[u8], intermediates: &[CertificateDer<'_>], now: UnixTime) -> Option<ChainSubjects> {
    let own = subject(end_entity)?;
    let der = CertificateDer::from(end_entity);
    let parsed = EndEntityCert::try_from(&der).ok();
    let vouches = |authority: &&CertificateDer<'_>| {
        let alone = Roots::empty().with_certificates(std::slice::from_ref(*authority)).ok();
        let verified = alone.zip(parsed.as_ref()).map(|(alone, own)| alone.verify(own, intermediates, now, AnyPurpose));
        matches!(verified, Some(Ok(_)))
    };
    let sent = intermediates.iter().take(AUTHORITIES_MAX);
    let authorities = sent.filter(vouches).filter_map(|authority| subject(authority)).collect();
    Some(ChainSubjects { own, authorities })
}

fn subject(der: &[u8]) -> Option<Subject> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Subject { certificate: digests(der), key: digests(certificate.public_key().raw) })
}

fn digests(bytes: &[u8]) -> [Vec<u8>; 2] {
    [Sha256::digest(bytes).to_vec(), Sha512::digest(bytes).to_vec()]
}

/// Each costs the check of a signature or two, at a stranger's word.
const AUTHORITIES_MAX: usize = 3;
