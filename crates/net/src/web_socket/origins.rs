//! Which web pages may open a WebSocket here (RFC 6455 section 10.2).

use std::fmt;

/// The origins of pages that may. A program that is no browser shows none, and could show any: it is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    allowed: Vec<Origin>,
}

/// One origin, or all whose host lies below a name: `https://phone.contoso.example`, `https://*.contoso.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Exactly(String),
    /// Any number of labels before it, and at least one.
    Below(String),
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin such as \"https://phone.contoso.example\" or \"https://*.contoso.example\", found {0:?}")]
pub struct OriginError(String);

impl Origins {
    pub fn new(allowed: Vec<Origin>) -> Origins {
        Origins { allowed }
    }

    /// Pages of a domain's own host and of all hosts below it, by https.
    pub fn of_domains<'a>(domains: impl IntoIterator<Item = &'a str>) -> Origins {
        let hosts = |domain: &str| [Host::Exactly(domain.to_owned()), Host::Below(domain.to_owned())];
        let origin = |host| Origin { scheme: Scheme::Https, host, port: Scheme::Https.port() };
        Origins { allowed: domains.into_iter().flat_map(hosts).map(origin).collect() }
    }

    /// Whether a page with this `Origin` header may; `null`, which a page without an origin shows, never.
    pub(crate) fn allow(&self, shown: &str) -> bool {
        let Ok(Origin { scheme, host: Host::Exactly(host), port }) = Origin::parse(shown) else { return false };
        self.allowed
            .iter()
            .any(|allowed| allowed.scheme == scheme && allowed.port == port && allowed.host.covers(&host))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.allowed.iter()
    }
}

impl Origin {
    /// Reads `SCHEME://HOST[:PORT]` (RFC 6454 section 6.2); the host may begin with `*.`.
    ///
    /// # Errors
    /// Where it is nothing of the kind, such as a URL with a path.
    pub fn parse(text: &str) -> Result<Origin, OriginError> {
        let error = || OriginError(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(error)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(error()),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| error())?),
            _ => (authority, scheme.port()),
        };
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix("*.") {
            Some(parent) => Host::Below(parent.to_owned()),
            None => Host::Exactly(host),
        };
        if is_host(host.name()) { Ok(Origin { scheme, host, port }) } else { Err(error()) }
    }
}

impl Host {
    fn name(&self) -> &str {
        match self {
            Host::Exactly(name) | Host::Below(name) => name,
        }
    }

    fn covers(&self, host: &str) -> bool {
        match self {
            Host::Exactly(name) => name == host,
            Host::Below(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let below = if matches!(self.host, Host::Below(_)) { "*." } else { "" };
        write!(f, "{scheme}://{below}{}", self.host.name())?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A name, or an address as URLs write it.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label)
}

/// RFC 1035 section 2.3.4.
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Origins {
        Origins::new(texts.iter().map(|text| Origin::parse(text).expect("an origin")).collect())
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let origins =
            origins(&["https://Phone.contoso.example", "http://localhost:8080", "https://[2001:db8::1]:8443"]);
        for shown in ["https://phone.contoso.example", "https://phone.contoso.example:443", "http://LOCALHOST:8080"] {
            assert!(origins.allow(shown), "{shown}");
        }
        assert!(origins.allow("https://[2001:db8::1]:8443"));
        for shown in [
            "http://phone.contoso.example",
            "https://phone.contoso.example:8443",
            "https://contoso.example",
            "https://a.phone.contoso.example",
            "http://localhost",
            "null",
            "",
            "*",
            "https://*",
        ] {
            assert!(!origins.allow(shown), "{shown}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_and_for_no_part_of_one() {
        let origins = Origins::of_domains(["contoso.example"]);
        for shown in ["https://contoso.example", "https://a.contoso.example", "https://a.b.contoso.example"] {
            assert!(origins.allow(shown), "{shown}");
        }
        for shown in [
            "https://evilcontoso.example",
            "https://.contoso.example",
            "https://contoso.example.evil.example",
            "https://*.contoso.example",
            "http://contoso.example",
        ] {
            assert!(!origins.allow(shown), "{shown}");
        }
    }

    #[test]
    fn what_is_no_origin_is_said_to_be_none() {
        for text in
            ["contoso.example", "wss://contoso.example", "https://contoso.example/", "https://a b", "https://a:x"]
        {
            assert_eq!(Origin::parse(text), Err(OriginError(text.to_owned())));
        }
    }

    #[test]
    fn an_origin_is_printed_as_it_is_written() {
        for text in ["https://phone.contoso.example", "https://*.contoso.example", "http://localhost:8080"] {
            assert_eq!(Origin::parse(text).expect("an origin").to_string(), text);
        }
    }
}
