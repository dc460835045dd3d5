//! What a peer's certificate says, as facts. Nothing here decides: the ladder in
//! [`crate::verification`] judges these facts per request, with the domain it claims in hand.

use serde::{Deserialize, Serialize};

use crate::dane::ChainSubjects;

/// The facts of one certificate, fixed to the connection that presented it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerCertificate {
    /// Whether the chain ends at an anchor of ours, whatever its purposes.
    pub chain: Result<Anchor, Why>,
    /// Whether the moment of the handshake lies within the certificate's own validity, whatever its chain.
    pub validity: Result<(), Why>,
    /// What TLSA records can be about; absent where the DNS is not validated.
    pub dane: Option<Box<ChainSubjects>>,
    pub purposes: Purposes,
    pub names: Names,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: Fingerprint,
    pub issuer: String,
    /// Hexadecimal, lower case.
    pub serial: String,
    pub subject: String,
    /// Seconds since the Unix epoch.
    pub not_after_unix: i64,
}

impl PeerCertificate {
    /// The fingerprint as 64 lower case hexadecimal digits.
    pub fn fingerprint_hex(&self) -> String {
        hexadecimal(&self.fingerprint)
    }
}

/// SHA-256 of a certificate's DER.
pub type Fingerprint = [u8; 32];

/// Lower case digits, without separators.
pub fn hexadecimal(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads 64 hexadecimal digits, of either case, with or without the colons that openssl puts between bytes.
pub fn fingerprint(text: &str) -> Option<Fingerprint> {
    let digits: Vec<u32> =
        text.trim().chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// Fingerprints as text, for what people read.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{Fingerprint, fingerprint, hexadecimal};

    pub(crate) fn serialize<S: Serializer>(all: &[Fingerprint], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(hexadecimal))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fingerprint>, D::Error> {
        let read = |text: &String| {
            fingerprint(text).ok_or_else(|| de::Error::custom(format_args!("{text:?} is no fingerprint")))
        };
        Vec::<String>::deserialize(deserializer)?.iter().map(read).collect()
    }
}

/// What an administrator has said about one domain's certificates, beside its entry in the partner list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainTrust {
    /// If there are any, only these certificates prove the domain, and they need no chain.
    pub pins: Vec<Fingerprint>,
    /// The domain's own authorities, by the fingerprints of their certificates.
    pub anchors: Vec<Fingerprint>,
}

/// The trust anchor a chain ends at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anchor {
    /// Vouches for every domain.
    Public { name: String },
    /// A partner's own authority: vouches for those domains alone whose [`DomainTrust`] names it.
    Partner { name: String, fingerprint: Fingerprint },
}

/// Why a chain was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    UnknownIssuer,
    Expired,
    NotYetValid,
    BadSignature,
    Revoked,
    /// By our policy that is to be known, and it is not.
    RevocationUnknown,
    /// The bytes are no certificate.
    Unreadable(String),
    Other(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::UnknownIssuer => f.write_str("its issuer is not among the trusted authorities"),
            Why::Expired => f.write_str("it, or a certificate of its chain, has expired"),
            Why::NotYetValid => f.write_str("it, or a certificate of its chain, is not valid yet"),
            Why::BadSignature => f.write_str("a signature in its chain is wrong"),
            Why::Revoked => f.write_str("it has been revoked"),
            Why::RevocationUnknown => f.write_str(
                "whether it has been revoked cannot be known, since no current list of its authority is held ([federation] crl)",
            ),
            Why::Unreadable(what) => write!(f, "it cannot be read: {what}"),
            Why::Other(what) => f.write_str(what),
        }
    }
}

/// The extended key usages of a certificate (RFC 5280 4.2.1.12, RFC 5924).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purposes {
    pub client_auth: bool,
    pub server_auth: bool,
    /// id-kp-sipDomain, 1.3.6.1.5.5.7.3.20.
    pub sip_domain: bool,
    /// anyExtendedKeyUsage, 2.5.29.37.0.
    pub any: bool,
    /// The extension is present at all; without it a certificate is good for every purpose.
    pub stated: bool,
}

/// The subject alternative names that SIP reads (RFC 5922 7.1). The common name is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// What each `sip:` URI names, lower case: the host of one without user part. One with a user part
    /// is kept as `user@host`: it proves no domain, but its presence keeps the DNS names from proving one.
    pub sip_uris: Vec<String>,
    /// DNS names, lower case, wildcards as they are written.
    pub dns: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_openssl_and_browsers_write_it() {
        let plain = "0f".repeat(32);
        let colons = vec!["0F"; 32].join(":");
        assert_eq!(fingerprint(&plain), Some([15; 32]));
        assert_eq!(fingerprint(&colons), Some([15; 32]));
        assert_eq!(hexadecimal(&[15; 32]), plain);
        for bad in ["", "0f", &plain[1..], &format!("{plain}0"), &format!("{plain}00"), &plain.replace('f', "g")] {
            assert_eq!(fingerprint(bad), None, "{bad}");
        }
    }
}
