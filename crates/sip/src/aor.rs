//! Address of record: whom a user or a domain means, in the one form that is compared and stored.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ParseError, Uri,
    uri::{decode, split_host_port},
};

/// Domain in lower case without a trailing dot; user with escapes decoded, then in lower case, for accounts
/// are case-insensitive here (RFC 3261 would tell them apart). Port, password and parameters are no part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Aor {
    user: String,
    domain: String,
}

impl Aor {
    /// `user` as text, not escaped.
    pub fn new(user: &str, domain: &str) -> Result<Aor, ParseError> {
        let is_host = matches!(split_host_port(domain), Some((host, None)) if host.len() == domain.len());
        if user.is_empty() || user.chars().any(char::is_control) || !is_host {
            return Err(INVALID);
        }
        let domain = domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase();
        Ok(Aor { user: user.to_ascii_lowercase(), domain })
    }

    /// Of a `sip:` or `sips:` URI with a user part.
    pub fn from_uri(uri: &Uri<'_>) -> Result<Aor, ParseError> {
        let user = uri.user().filter(|_| uri.is_sip()).ok_or(INVALID)?;
        let user = String::from_utf8(decode(user)).map_err(|_| INVALID)?;
        Aor::new(&user, uri.host())
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// `sip:user@domain`, escaped as needed.
    pub fn uri(&self) -> String {
        format!("sip:{self}")
    }
}

/// `user@domain`, escaped as in a URI, so that reading it back gives the same.
impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.user.bytes() {
            match is_user_byte(byte) {
                true => write!(f, "{}", byte as char)?,
                false => write!(f, "%{byte:02X}")?,
            }
        }
        write!(f, "@{}", self.domain)
    }
}

/// `user@domain` or `sip:user@domain`, escapes decoded.
impl FromStr for Aor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Aor, ParseError> {
        let has_scheme = text.split_once('@').is_some_and(|(user, _)| user.contains(':'));
        match has_scheme {
            true => Aor::from_uri(&Uri::parse(text)?),
            false => Aor::from_uri(&Uri::parse(&format!("sip:{text}"))?),
        }
    }
}

/// `unreserved` and `user-unreserved` of RFC 3261 25.1.
fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte)
}

const INVALID: ParseError = ParseError::Invalid("address of record");
