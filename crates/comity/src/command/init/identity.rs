//! A key, a request for a certificate, and a certificate that vouches for itself, with the names that the plan asks for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plan::{Certificate, CertificateName, NameKind, Plan};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};

use super::answers::CertificateChoice;

/// Everything in PEM.
pub struct Identity {
    pub key: String,
    pub request: String,
    pub certificate: Option<String>,
}

/// Makes an ECDSA P-256 key and what belongs to it.
pub fn make(plan: &Plan, choice: CertificateChoice) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut identity = Identity { key: key.serialize_pem(), request: String::new(), certificate: None };
    for certificate in &plan.certificates {
        identity.request = request_params(plan, certificate)?.serialize_request(&key)?.pem()?;
        if choice == CertificateChoice::SelfSigned {
            identity.certificate = Some(self_signed_params(plan, certificate)?.self_signed(&key)?.pem());
        }
    }
    Ok(identity)
}

/// For a public authority, which certifies DNS names for servers, and refuses requests for anything else.
fn request_params(plan: &Plan, certificate: &Certificate) -> Result<CertificateParams, rcgen::Error> {
    let names = certificate.names.iter().filter(|name| name.kind == NameKind::Dns);
    params(plan, names, vec![ExtendedKeyUsagePurpose::ServerAuth])
}

/// Nobody limits it, so that it has every name, and the purpose that stock verifiers want of a client.
fn self_signed_params(plan: &Plan, certificate: &Certificate) -> Result<CertificateParams, rcgen::Error> {
    let purposes = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let mut params = params(plan, certificate.names.iter(), purposes)?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_1970;
    // From yesterday, for clocks that disagree.
    (params.not_before, params.not_after) = (now - DAY, now + SELF_SIGNED_LIFE);
    Ok(params)
}

fn params<'a>(
    plan: &Plan,
    names: impl Iterator<Item = &'a CertificateName>,
    purposes: Vec<ExtendedKeyUsagePurpose>,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if plan.edge.len() <= COMMON_NAME_CHARS_MAX {
        params.distinguished_name.push(DnType::CommonName, plan.edge.as_str());
    }
    let names = names.map(|CertificateName { kind, value, .. }| match kind {
        NameKind::Dns => value.as_str().try_into().map(SanType::DnsName),
        NameKind::Uri => value.as_str().try_into().map(SanType::URI),
    });
    params.subject_alt_names = names.collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purposes;
    Ok(params)
}

/// X.520's upper bound. A longer edge stands among the alternative names only, where it is looked for anyway.
const COMMON_NAME_CHARS_MAX: usize = 64;
const DAY: Duration = Duration::from_secs(86_400);
const SELF_SIGNED_LIFE: Duration = Duration::from_secs(365 * 86_400);
