//! A certificate authority and TLS connections in memory, for the tests of this crate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::load::Identity;
use crate::roots::Roots;

pub(crate) use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, CodeSigning, ServerAuth};

/// 2026-11-01.
pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_793_491_200))
}

pub(crate) fn sip_domain() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20])
}

/// A certificate authority, at the root or below another.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    above: Vec<CertificateDer<'static>>,
}

/// What is to stand in a certificate.
#[derive(Default)]
pub(crate) struct Wish<'a> {
    pub uris: &'a [&'a str],
    pub dns: &'a [&'a str],
    pub purposes: Vec<ExtendedKeyUsagePurpose>,
    /// First and last year; without, it is valid for centuries.
    pub years: Option<(i32, i32)>,
    /// Where its authority's list of revoked certificates is.
    pub list: Option<&'a str>,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority_params(name, vec![]), key()).expect("a root");
        Authority { issuer, above: vec![] }
    }

    pub(crate) fn below(&self, name: &str, purposes: Vec<ExtendedKeyUsagePurpose>) -> Authority {
        let issuer = CertifiedIssuer::signed_by(authority_params(name, purposes), key(), &self.issuer);
        let issuer = issuer.expect("an intermediate");
        let above = [vec![issuer.as_ref().der().clone()], self.above.clone()].concat();
        Authority { issuer, above }
    }

    /// One whose key is for signatures, but not for those of certificates.
    pub(crate) fn that_may_not_sign_below(&self, name: &str) -> Authority {
        let mut params = authority_params(name, vec![]);
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::signed_by(params, key(), &self.issuer).expect("an intermediate");
        let above = [vec![issuer.as_ref().der().clone()], self.above.clone()].concat();
        Authority { issuer, above }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.as_ref().der().clone()
    }

    pub(crate) fn issuer(&self) -> &CertifiedIssuer<'static, KeyPair> {
        &self.issuer
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::empty().with_certificates(&[self.certificate()]).expect("roots")
    }

    pub(crate) fn issue(&self, wish: Wish<'_>) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("edge");
        let ia5 = |text: &&str| (*text).try_into().expect("ASCII");
        params.subject_alt_names.extend(wish.uris.iter().map(ia5).map(SanType::URI));
        params.subject_alt_names.extend(wish.dns.iter().map(ia5).map(SanType::DnsName));
        params.extended_key_usages = wish.purposes;
        let point = |url: &str| rcgen::CrlDistributionPoint { uris: vec![url.to_owned()] };
        params.crl_distribution_points.extend(wish.list.map(point));
        if let Some((first, last)) = wish.years {
            params.not_before = rcgen::date_time_ymd(first, 1, 1);
            params.not_after = rcgen::date_time_ymd(last, 12, 31);
        }
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = [vec![certificate.der().clone()], self.above.clone()].concat();
        Identity { chain, key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key") }
    }
}

fn authority_params(text: &str, purposes: Vec<ExtendedKeyUsagePurpose>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(text);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = purposes;
    params
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// Puts an identity into two files, each replaced as a whole.
pub(crate) fn write_pem(identity: &Identity, certificate: &Path, key: &Path) {
    put(certificate, &identity.chain.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>());
    put(key, &pem("PRIVATE KEY", identity.key.secret_der()));
}

/// Another file by the same name: never takes its length and time for those of the old one.
pub(crate) fn put(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, file).expect("a file");
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let bits = bytes.iter().chain([&0; 2]).take(3).fold(0usize, |bits, &byte| bits << 8 | usize::from(byte));
        let digit = |place: usize| char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
        (0..4).map(|place| if place <= bytes.len() { digit(place) } else { '=' }).collect::<String>()
    };
    let lines: String = der.chunks(48).map(|line| line.chunks(3).map(group).collect::<String>() + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

/// Both ends of a connection after the handshake, and after what the server sends with it (tickets).
pub(crate) struct Pair {
    pub client: ClientConnection,
    pub server: ServerConnection,
}

/// A handshake in memory; an error is the first that either side saw.
pub(crate) fn connect(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<Pair, rustls::Error> {
    connect_to("edge.contoso.com", client, server)
}

/// The same, with another name to ask for (SNI).
pub(crate) fn connect_to(
    name: &'static str,
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<Pair, rustls::Error> {
    let name = ServerName::try_from(name).expect("a name");
    let mut client = ClientConnection::new(client.clone(), name)?;
    let mut server = ServerConnection::new(server.clone())?;
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory");
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).expect("memory");
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).expect("memory");
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Pair { client, server })
}
