//! What a client sends in Authorization and Proxy-Authorization (RFC 7616 section 3.4, RFC 3261 section 22.4).

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use super::digest::{Algorithm, DigestInput, Ha1, Qop, QopInput, unhex};
use super::parameters::Parameters;
use crate::error::ParseError;
use crate::method::Method;

/// Digest credentials as they came. Parsing proves nothing: see [`DigestCredentials::verify`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestCredentials<'a> {
    username: Cow<'a, str>,
    realm: Cow<'a, str>,
    nonce: Cow<'a, str>,
    uri: Cow<'a, str>,
    response: Cow<'a, str>,
    algorithm: Option<Cow<'a, str>>,
    cnonce: Option<Cow<'a, str>>,
    qop: Option<Cow<'a, str>>,
    nc: Option<Cow<'a, str>>,
}

impl<'a> DigestCredentials<'a> {
    /// Parses the value of an Authorization or Proxy-Authorization header.
    ///
    /// Errors: another scheme, a malformed or repeated parameter, or one of username, realm, nonce, uri and response
    /// is absent.
    pub fn parse(value: &'a str) -> Result<DigestCredentials<'a>, ParseError> {
        let fields = Fields::collect(value).ok_or_else(malformed)?;
        Ok(DigestCredentials {
            username: fields.username.ok_or_else(malformed)?,
            realm: fields.realm.ok_or_else(malformed)?,
            nonce: fields.nonce.ok_or_else(malformed)?,
            uri: fields.uri.ok_or_else(malformed)?,
            response: fields.response.ok_or_else(malformed)?,
            algorithm: fields.algorithm,
            cnonce: fields.cnonce,
            qop: fields.qop,
            nc: fields.nc,
        })
    }

    pub fn username(&self) -> &str {
        &self.username
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Hexadecimal digits, if the client kept to the grammar.
    pub fn response(&self) -> &str {
        &self.response
    }

    /// MD5 when the parameter is absent; None when it names something else than MD5 and SHA-256.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::parse)
    }

    /// The nonce count; None when absent or not eight hexadecimal digits.
    pub fn nc(&self) -> Option<u32> {
        let digits = self.nc.as_deref()?;
        let well_formed = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if well_formed { u32::from_str_radix(digits, 16).ok() } else { None }
    }

    pub fn cnonce(&self) -> Option<&str> {
        self.cnonce.as_deref()
    }

    pub fn qop(&self) -> Option<&str> {
        self.qop.as_deref()
    }

    /// Whether the sender of this `method` request with this `body` knew the password behind `ha1`.
    ///
    /// False too for what we do not accept: no qop (the form of RFC 2069 can be replayed and forged by chosen plain
    /// text), a `-sess` algorithm, no cnonce or nc. The nonce is judged by [`super::NonceBook`] alone. Takes the same
    /// time wherever the digests differ.
    pub fn verify(&self, method: &Method, body: &[u8], ha1: &Ha1) -> bool {
        self.is_response_of(method, body, ha1).unwrap_or(false)
    }

    /// None when something that we ask for is absent.
    fn is_response_of(&self, method: &Method, body: &[u8], ha1: &Ha1) -> Option<bool> {
        let algorithm = self.algorithm()?;
        self.nc()?;
        let qop = QopInput {
            qop: Qop::parse(self.qop.as_deref()?)?,
            nc: self.nc.as_deref()?,
            cnonce: self.cnonce.as_deref()?,
        };
        let input = DigestInput { nonce: &self.nonce, qop: Some(qop), method, uri: &self.uri, body };
        let expected = input.response(algorithm, ha1.of(algorithm));
        Some(expected.ct_eq(&unhex(&self.response)?).into())
    }
}

#[derive(Default)]
struct Fields<'a> {
    username: Option<Cow<'a, str>>,
    realm: Option<Cow<'a, str>>,
    nonce: Option<Cow<'a, str>>,
    uri: Option<Cow<'a, str>>,
    response: Option<Cow<'a, str>>,
    algorithm: Option<Cow<'a, str>>,
    cnonce: Option<Cow<'a, str>>,
    qop: Option<Cow<'a, str>>,
    nc: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// None when malformed, or when a parameter is repeated: two readers could take different ones.
    fn collect(value: &'a str) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        for parameter in Parameters::of_digest(value)? {
            let (name, value) = parameter.ok()?;
            let Some(field) = fields.named(name) else { continue };
            if field.replace(value).is_some() {
                return None;
            }
        }
        Some(fields)
    }

    fn named(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        match name.to_ascii_lowercase().as_str() {
            "username" => Some(&mut self.username),
            "realm" => Some(&mut self.realm),
            "nonce" => Some(&mut self.nonce),
            "uri" => Some(&mut self.uri),
            "response" => Some(&mut self.response),
            "algorithm" => Some(&mut self.algorithm),
            "cnonce" => Some(&mut self.cnonce),
            "qop" => Some(&mut self.qop),
            "nc" => Some(&mut self.nc),
            _ => None,
        }
    }
}

fn malformed() -> ParseError {
    ParseError::Invalid("digest credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1, with the request's method and password.
    fn vector(algorithm: &str, response: &str) -> String {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    const MD5: &str = "8ca523f5e9506fed4657c9700eebdbec";
    const SHA256: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

    fn verifies(value: &str) -> bool {
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let credentials = DigestCredentials::parse(value).expect("is well formed");
        credentials.verify(&Method::Other("GET".into()), b"", &ha1)
    }

    #[test]
    fn rfc_7616_vectors() {
        assert!(verifies(&vector("MD5", MD5)));
        assert!(verifies(&vector("SHA-256", SHA256)));
        assert!(verifies(&vector("SHA-256", &SHA256.to_uppercase())));
    }

    #[test]
    fn algorithm_is_md5_when_absent() {
        let value = vector("MD5", MD5).replace("algorithm=MD5, ", "");
        assert_eq!(DigestCredentials::parse(&value).map(|c| c.algorithm()).ok(), Some(Some(Algorithm::Md5)));
        assert!(verifies(&value));
    }

    #[test]
    fn any_difference_is_refused() {
        let good = vector("SHA-256", SHA256);
        for (from, to) in [
            ("/dir/index.html", "/dir/other.html"),
            ("00000001", "00000002"),
            ("nc=00000001", "nc=1"),
            ("f2/wE4q74", "f2/wE4q75"),
            ("7ypf", "8ypf"),
            ("qop=auth", "qop=auth-int"),
            ("qop=auth, ", ""),
            ("SHA-256", "MD5"),
            ("SHA-256", "SHA-256-sess"),
            ("753927", "753928"),
            ("753927", "3927"),
            ("753927", "75392x"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            assert!(!verifies(&bad), "{from} -> {to}");
        }
    }

    #[test]
    fn a_count_of_another_form_is_refused() {
        let ha1 = Ha1::new("alice", "r", "secret");
        let verifies = |nc: &str| {
            let qop = QopInput { qop: Qop::Auth, nc, cnonce: "c" };
            let input = DigestInput { nonce: "n", qop: Some(qop), method: &Method::Message, uri: "sip:r", body: b"" };
            let response = super::super::digest::hex(&input.response(Algorithm::Md5, &ha1.md5));
            let value = format!(
                "Digest username=\"alice\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", qop=auth, nc={nc}, \
                 cnonce=\"c\", response=\"{response}\""
            );
            DigestCredentials::parse(&value).expect("is well formed").verify(&Method::Message, b"", &ha1)
        };
        assert!(verifies("0000000a"));
        assert!(!verifies("1") && !verifies("000000001") && !verifies("+0000001"));
    }

    #[test]
    fn auth_int_covers_the_body() {
        let ha1 = Ha1::new("alice", "contoso.com", "secret");
        let challenge = "Digest realm=\"contoso.com\", nonce=\"n\", algorithm=SHA-256, qop=\"auth-int\"";
        let value = super::super::answer(
            &[challenge],
            "alice",
            "secret",
            &Method::Message,
            "sip:contoso.com",
            b"hello",
            "c",
            1,
        )
        .expect("the challenge is one we answer");
        let credentials = DigestCredentials::parse(&value).expect("is well formed");
        assert!(credentials.verify(&Method::Message, b"hello", &ha1));
        assert!(!credentials.verify(&Method::Message, b"HELLO", &ha1));
    }

    #[test]
    fn malformed_credentials() {
        let good = vector("MD5", MD5);
        for bad in [
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(),
            good.replace("username", "user"),
            good.replace("opaque", "realm"),
            good.replace("\"Mufasa\"", "\"Mufasa"),
        ] {
            assert!(DigestCredentials::parse(&bad).is_err(), "{bad}");
        }
    }
}
