//! The digest computation itself (RFC 7616 section 3.4), for SHA-256 and MD5, without the `-sess` variants.

use std::fmt;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use crate::aor::Aor;
use crate::method::Method;

/// Hash of a challenge (RFC 7616 section 6.1). RFC 8760 section 2.1 names what SIP may use.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// The token on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// Every algorithm, the strongest first.
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// The token in any case; `None` for what we do not know.
    pub fn parse(token: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(token))
    }

    /// Hash of `parts` joined by colons.
    pub(super) fn hash(self, parts: &[&[u8]]) -> HashValue {
        match self {
            Algorithm::Sha256 => HashValue::from_slice(&sha256(parts)),
            Algorithm::Md5 => HashValue::from_slice(&md5(parts)),
        }
    }
}

/// 32 bytes of SHA-256 or 16 of MD5.
pub(super) type HashValue = SmallVec<[u8; 32]>;

/// H(user:realm:password) by both algorithms; what a server keeps instead of the password.
///
/// It authenticates as well as the password does within its realm: keep it secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    pub sha256: [u8; 32],
    pub md5: [u8; 16],
}

impl Ha1 {
    pub fn new(user: &str, realm: &str, password: &str) -> Ha1 {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Ha1 { sha256: sha256(&parts), md5: md5(&parts) }
    }

    pub(super) fn of(&self, algorithm: Algorithm) -> &[u8] {
        match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(secret)")
    }
}

/// What a server keeps of one user's password. A client counts the username that it sends into its answer (RFC 7616 section
/// 3.4.2), and some send the name alone, others the whole address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserHa1 {
    pub of_name: Ha1,
    /// None: the password was set when the name alone was counted.
    pub of_address: Option<Ha1>,
}

impl UserHa1 {
    /// In the realm of the user's own domain.
    pub fn new(aor: &Aor, password: &str) -> UserHa1 {
        UserHa1 {
            of_name: Ha1::new(aor.user(), aor.domain(), password),
            of_address: Some(Ha1::new(&aor.to_string(), aor.domain(), password)),
        }
    }

    /// What the answer of a client that signs in by this username is compared with, in the realm of the user's domain.
    pub fn of_username(&self, username: &str, realm: &str) -> &Ha1 {
        self.of_address.as_ref().filter(|_| is_address_in(username, realm)).unwrap_or(&self.of_name)
    }
}

/// Whether a username is an address in this domain. A name may have an `@` of its own.
pub fn is_address_in(username: &str, domain: &str) -> bool {
    username.rsplit_once('@').is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain))
}

/// Quality of protection: what the digest covers besides method and URI.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Qop {
    Auth,
    AuthInt,
}

impl Qop {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }

    pub(super) fn parse(token: &str) -> Option<Qop> {
        [Qop::Auth, Qop::AuthInt].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(token))
    }
}

/// How the request and the nonce enter the digest.
pub(super) struct DigestInput<'a> {
    pub nonce: &'a str,
    /// None: the form of RFC 2069, without cnonce and nc.
    pub qop: Option<QopInput<'a>>,
    pub method: &'a Method,
    pub uri: &'a str,
    pub body: &'a [u8],
}

pub(super) struct QopInput<'a> {
    pub qop: Qop,
    /// Eight hexadecimal digits, as sent.
    pub nc: &'a str,
    pub cnonce: &'a str,
}

impl DigestInput<'_> {
    /// The value of `response` (RFC 7616 section 3.4.1) as bytes.
    pub(super) fn response(&self, algorithm: Algorithm, ha1: &[u8]) -> HashValue {
        let ha1 = hex(ha1);
        let ha2 = hex(&self.ha2(algorithm));
        let nonce = self.nonce.as_bytes();
        match &self.qop {
            None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
            Some(input) => algorithm.hash(&[
                ha1.as_bytes(),
                nonce,
                input.nc.as_bytes(),
                input.cnonce.as_bytes(),
                input.qop.as_str().as_bytes(),
                ha2.as_bytes(),
            ]),
        }
    }

    fn ha2(&self, algorithm: Algorithm) -> HashValue {
        let (method, uri) = (self.method.as_str().as_bytes(), self.uri.as_bytes());
        match &self.qop {
            Some(QopInput { qop: Qop::AuthInt, .. }) => {
                let body = hex(&algorithm.hash(&[self.body]));
                algorithm.hash(&[method, uri, body.as_bytes()])
            }
            _ => algorithm.hash(&[method, uri]),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of a string of hexadecimal digits in either case.
pub(super) fn unhex(text: &str) -> Option<HashValue> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    each_joined(parts, |part| hasher.update(part));
    hasher.finalize().into()
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Md5::new();
    each_joined(parts, |part| hasher.update(part));
    hasher.finalize().into()
}

fn each_joined(parts: &[&[u8]], mut take: impl FnMut(&[u8])) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            take(b":");
        }
        take(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_round_trip() {
        assert_eq!(hex(&[0x00, 0xfe, 0x1a]), "00fe1a");
        assert_eq!(unhex("00FE1a").as_deref(), Some(&[0x00, 0xfe, 0x1a][..]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }

    #[test]
    fn ha1_hides_itself_from_logs() {
        assert_eq!(format!("{:?}", Ha1::new("alice", "contoso.com", "secret")), "Ha1(secret)");
    }
}
