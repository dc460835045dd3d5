//! Whether a chain ends at an anchor of ours, and for which purposes.
//!
//! Every certificate of a chain limits the purposes of those below it, so the chain is verified for one
//! purpose after the other until one holds. Whether that purpose is good enough is not decided here.

use federation::trust::{Anchor, Purposes, Why};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};

use crate::revocation::{RevocationPolicy, Standing};
use crate::roots::{Roots, Vouched};

/// The verdict, and of the purposes that the certificate states those for which the chain vouches.
pub(super) fn verify(
    shown: &[u8],
    intermediates: &[CertificateDer<'_>],
    stated: Purposes,
    roots: &Roots,
    now: UnixTime,
) -> (Result<Anchor, Why>, Purposes) {
    let der = CertificateDer::from(shown);
    let end_entity = match EndEntityCert::try_from(&der) {
        Ok(end_entity) => end_entity,
        Err(error) => return (Err(why(error)), stated),
    };
    let mut purposes = stated;
    for usage in Usage::in_order(stated) {
        match roots.verify(&end_entity, intermediates, now, usage) {
            Ok(path) => return (look_up(path, &der, intermediates, roots, now), purposes),
            Err(Error::RequiredEkuNotFoundContext(_)) => purposes = usage.without(purposes),
            Err(error) => return (Err(why(error)), stated),
        }
    }
    if Usage::in_order(stated).next().is_some() {
        return (Err(Why::Other("an authority of its chain may not vouch for its purpose".to_owned())), stated);
    }
    // The certificate is for something else altogether. That is for the ladder to say, not for the chain.
    (roots.verify(&end_entity, intermediates, now, AnyPurpose).map(|path| path.anchor).map_err(why), stated)
}

/// Whether the accepted certificate has been taken back since.
fn look_up(
    path: Vouched,
    der: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &Roots,
    now: UnixTime,
) -> Result<Anchor, Why> {
    let chain = [std::slice::from_ref(der), intermediates].concat();
    match roots.revocations().look_up(&chain, &path.issuer_key, now) {
        Standing::Revoked => Err(Why::Revoked),
        Standing::Unknown if roots.revocations().policy() == RevocationPolicy::Required => Err(Why::RevocationUnknown),
        Standing::Unknown | Standing::NotRevoked | Standing::NotLookedUp => Ok(path.anchor),
    }
}

/// A purpose that a SIP peer's certificate may have.
#[derive(Clone, Copy)]
enum Usage {
    ServerAuth,
    SipDomain,
    ClientAuth,
}

impl Usage {
    /// Those that are stated, the most useful first.
    fn in_order(stated: Purposes) -> impl Iterator<Item = Usage> {
        let every = !stated.stated || stated.any;
        [
            (stated.server_auth, Usage::ServerAuth),
            (stated.sip_domain, Usage::SipDomain),
            (stated.client_auth, Usage::ClientAuth),
        ]
        .into_iter()
        .filter_map(move |(named, usage)| (named || every).then_some(usage))
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Usage::ServerAuth => SERVER_AUTH,
            Usage::SipDomain => SIP_DOMAIN,
            Usage::ClientAuth => CLIENT_AUTH,
        }
    }

    /// What remains once the chain does not vouch for this one. "Any" and "not stated" are spelt out first.
    fn without(self, purposes: Purposes) -> Purposes {
        let every = !purposes.stated || purposes.any;
        let keep = |named: bool, usage: Usage| (named || every) && self.oid() != usage.oid();
        Purposes {
            server_auth: keep(purposes.server_auth, Usage::ServerAuth),
            sip_domain: keep(purposes.sip_domain, Usage::SipDomain),
            client_auth: keep(purposes.client_auth, Usage::ClientAuth),
            any: false,
            stated: true,
        }
    }
}

/// RFC 5280 4.2.1.12: a certificate without the extension, or with anyExtendedKeyUsage, is good for all.
impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?;
            if purpose == KeyPurposeId::new(self.oid()) || purpose == KeyPurposeId::new(ANY) {
                return Ok(());
            }
            present.push(purpose.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = webpki::KeyUsage::required_if_present(self.oid());
        Err(Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext { required, present }))
    }
}

pub(crate) struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

fn why(error: Error) -> Why {
    match error {
        Error::UnknownIssuer => Why::UnknownIssuer,
        Error::CertExpired { .. } => Why::Expired,
        Error::CertNotValidYet { .. } => Why::NotYetValid,
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => Why::BadSignature,
        Error::CertRevoked => Why::Revoked,
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => Why::Unreadable(error.to_string()),
        Error::CaUsedAsEndEntity => Why::Other("it is an authority's own certificate".to_owned()),
        Error::EndEntityUsedAsCa => {
            Why::Other("what signed it, or a certificate above it, may not sign certificates".to_owned())
        }
        Error::NameConstraintViolation => {
            Why::Other("an authority of its chain may not vouch for its names".to_owned())
        }
        other => Why::Other(format!("its chain is not valid ({other})")),
    }
}

/// Object identifiers as their DER contents (RFC 5280 4.2.1.12, RFC 5924 3).
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
pub(super) const SIP_DOMAIN: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 20];
const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0];
