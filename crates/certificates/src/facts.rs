//! The facts of a peer's chain, as `federation` judges them. Nothing a peer sends makes this fail: what
//! cannot be read is a fact too.

mod chain;
mod subjects;

pub(crate) use chain::AnyPurpose;

use federation::trust::{Names, PeerCertificate, Purposes, Why};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::roots::Roots;

/// Names of one kind that are kept of one certificate.
pub const NAMES_MAX: usize = 1000;
/// Characters that are kept of a subject, an issuer or a serial number.
pub const TEXT_CHARS_MAX: usize = 256;

/// Reads a chain as presented, the peer's own certificate first. An empty chain is an unreadable one.
pub fn facts(chain: &[CertificateDer<'_>], roots: &Roots, now: UnixTime) -> PeerCertificate {
    let (end_entity, intermediates) = match chain.split_first() {
        Some((end_entity, intermediates)) => (end_entity.as_ref(), intermediates),
        None => (&[][..], &[][..]),
    };
    let (statement, verdict) = match Statement::read(end_entity) {
        Ok(statement) => {
            let verdict = chain::verify(end_entity, intermediates, statement.purposes, roots, now);
            (statement, verdict)
        }
        Err(what) => (Statement::default(), (Err(Why::Unreadable(what)), Purposes::default())),
    };
    let validity = statement.validity(now);
    let dane = roots.looks_for_tlsa().then(|| subjects::of(end_entity, intermediates, now)).flatten().map(Box::new);
    let Statement { names, issuer, serial, subject, not_after_unix, .. } = statement;
    let fingerprint = Sha256::digest(end_entity).into();
    let (chain, purposes) = verdict;
    PeerCertificate { chain, validity, dane, purposes, names, fingerprint, issuer, serial, subject, not_after_unix }
}

/// What a certificate says of itself, before anybody vouches for it.
#[derive(Default)]
struct Statement {
    purposes: Purposes,
    names: Names,
    issuer: String,
    serial: String,
    subject: String,
    not_before_unix: i64,
    not_after_unix: i64,
}

impl Statement {
    fn read(der: &[u8]) -> Result<Statement, String> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err("bytes follow the certificate".to_owned());
        }
        Ok(Statement {
            purposes: purposes(&certificate)?,
            names: names(&certificate)?,
            issuer: printable(&certificate.issuer().to_string()),
            serial: printable(&hexadecimal(certificate.raw_serial())),
            subject: printable(&certificate.subject().to_string()),
            not_before_unix: certificate.validity().not_before.timestamp(),
            not_after_unix: certificate.validity().not_after.timestamp(),
        })
    }

    /// One that cannot be read was never valid: its dates are both those of 1970.
    fn validity(&self, now: UnixTime) -> Result<(), Why> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match () {
            () if now > self.not_after_unix => Err(Why::Expired),
            () if now < self.not_before_unix => Err(Why::NotYetValid),
            () => Ok(()),
        }
    }
}

fn purposes(certificate: &X509Certificate<'_>) -> Result<Purposes, String> {
    let usage = certificate.extended_key_usage().map_err(|error| error.to_string())?;
    Ok(usage.map_or(Purposes::default(), |usage| Purposes {
        client_auth: usage.value.client_auth,
        server_auth: usage.value.server_auth,
        sip_domain: usage.value.other.iter().any(|oid| oid.as_bytes() == chain::SIP_DOMAIN),
        any: usage.value.any,
        stated: true,
    }))
}

fn names(certificate: &X509Certificate<'_>) -> Result<Names, String> {
    let mut names = Names::default();
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(host) if is_plain(host) && names.dns.len() < NAMES_MAX => {
                names.dns.push(host.to_ascii_lowercase());
            }
            GeneralName::URI(uri) if names.sip_uris.len() < NAMES_MAX => names.sip_uris.extend(sip_identity(uri)),
            // A URI that is no text may have been meant as a SIP identity: then DNS names prove no domain.
            GeneralName::Invalid(tag, _) if tag.0 == URI_TAG && names.sip_uris.len() < NAMES_MAX => {
                names.sip_uris.push(UNREADABLE_URI.to_owned());
            }
            _ => {}
        }
    }
    Ok(names)
}

/// What a `sip:` URI names, lower case: its host, or `user@host` if it has a user part, which makes it a
/// user's and no domain's. `None`: another scheme, `sips:` included (RFC 5922 7.1).
fn sip_identity(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") {
        return None;
    }
    if !is_plain(rest) {
        return Some(UNREADABLE_URI.to_owned());
    }
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let host = host.split([';', '?', ':']).next().unwrap_or_default();
    let identity = user.map_or(host.to_owned(), |user| format!("{user}@{host}"));
    Some(identity.to_ascii_lowercase())
}

/// Printable ASCII without spaces, so that names can stand in a log line.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Without control characters, at most [`TEXT_CHARS_MAX`] characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(TEXT_CHARS_MAX).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// uniformResourceIdentifier in GeneralName (RFC 5280 4.2.1.6).
const URI_TAG: u32 = 6;
/// Stands for a URI that cannot be read; no domain is equal to it.
const UNREADABLE_URI: &str = "(unreadable)";

#[cfg(test)]
mod tests;
