//! Address of record: whom a user or a domain means, in the one form that is compared and stored.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Message, ParseError, Uri,
    uri::{decode, split_host_port},
};

/// Domain in lower case without a trailing dot; user with escapes decoded, then in lower case, for accounts
/// are case-insensitive here (RFC 3261 would tell them apart). Port, password and parameters are no part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Aor {
    /// The user, `@`, the domain: shared, for an address goes along with all that is about its user.
    text: Arc<str>,
    user_len: usize,
}

/// As it is serialised.
#[derive(Serialize, Deserialize)]
struct Parts {
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
        Ok(Aor::of_parts(&user.to_ascii_lowercase(), &domain))
    }

    fn of_parts(user: &str, domain: &str) -> Aor {
        Aor { text: format!("{user}@{domain}").into(), user_len: user.len() }
    }

    /// Who a message says it is from (RFC 3261 section 20.20); `None` where that is no user.
    pub fn of_sender(message: &Message) -> Option<Aor> {
        Aor::from_uri(&message.from().ok()?.uri()).ok()
    }

    /// Of a `sip:` or `sips:` URI with a user part.
    pub fn from_uri(uri: &Uri<'_>) -> Result<Aor, ParseError> {
        let user = uri.user().filter(|_| uri.is_sip()).ok_or(INVALID)?;
        let user = String::from_utf8(decode(user)).map_err(|_| INVALID)?;
        Aor::new(&user, uri.host())
    }

    pub fn user(&self) -> &str {
        &self.text[..self.user_len]
    }

    pub fn domain(&self) -> &str {
        &self.text[self.user_len + 1..]
    }

    /// `sip:user@domain`, escaped as needed.
    pub fn uri(&self) -> String {
        format!("sip:{self}")
    }
}

impl From<Parts> for Aor {
    fn from(Parts { user, domain }: Parts) -> Aor {
        Aor::of_parts(&user, &domain)
    }
}

impl From<Aor> for Parts {
    fn from(aor: Aor) -> Parts {
        Parts { user: aor.user().to_owned(), domain: aor.domain().to_owned() }
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aor({self})")
    }
}

/// `user@domain`, escaped as in a URI, so that reading it back gives the same.
impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.user().bytes() {
            match is_user_byte(byte) {
                true => write!(f, "{}", byte as char)?,
                false => write!(f, "%{byte:02X}")?,
            }
        }
        write!(f, "@{}", self.domain())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Aor {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn one_form_for_all_spellings() {
        let alice = Aor::new("alice", "contoso.com").expect("an address");
        for text in ["Alice@Contoso.COM.", "sip:%41lice@contoso.com", "sips:alice:pw@contoso.com:5061;lr?x=y"] {
            assert_eq!(read(text), alice, "{text}");
        }
        assert_eq!(alice.to_string(), "alice@contoso.com");
        assert_eq!(alice.uri(), "sip:alice@contoso.com");
        assert_eq!((alice.user(), alice.domain()), ("alice", "contoso.com"));
    }

    #[test]
    fn printed_and_read_back_it_is_the_same() {
        for (user, printed) in [
            ("a@b", "a%40b@c.d"),
            ("sip:x", "sip%3Ax@c.d"),
            ("50%", "50%25@c.d"),
            ("ren\u{e9}", "ren%C3%A9@c.d"),
            ("a;b=c", "a;b=c@c.d"),
            ("#1 2", "%231%202@c.d"),
        ] {
            let aor = Aor::new(user, "c.d").expect("an address");
            assert_eq!(aor.to_string(), printed);
            assert_eq!(read(printed), aor);
            assert_eq!(read(&aor.uri()), aor);
        }
    }

    #[test]
    fn no_address_of_record() {
        for bad in ["", "alice", "@a", "sip:a.example", "tel:+1", "alice@", "a@b@c", "%00@a", "a%0d%0a@b", "%ff@a"] {
            assert!(bad.parse::<Aor>().is_err(), "{bad}");
        }
        assert!(Aor::new("a", "b:5060").is_err());
        assert!(Aor::new("a", " b").is_err());
        assert!(Aor::new("a\r\nb", "c").is_err());
    }
}
