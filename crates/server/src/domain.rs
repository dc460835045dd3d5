//! Domain and host names as administrators type them: checked, in lower case, without a trailing dot.

/// Why a text names no domain; says what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no domain name: {why}")]
pub struct DomainError {
    text: String,
    why: &'static str,
}

/// Reads a domain name and returns the form in which it is compared.
///
/// # Errors
/// For whatever could not be looked up in the DNS as a host: addresses, URIs, wildcards, empty or overlong labels.
pub fn parse(text: &str) -> Result<String, DomainError> {
    let error = |why| Err(DomainError { text: text.to_owned(), why });
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return error("it is empty");
    }
    if name.contains('@') || name.starts_with("sip:") || name.starts_with("sips:") {
        return error("write the part after the @ alone, such as fabrikam.example");
    }
    if name.contains("://") || name.contains('/') {
        return error("write the name alone, without a scheme or a path");
    }
    if name.contains('*') {
        return error("a * stands only before a partner entry's domain, as *.fabrikam.example");
    }
    if !name.is_ascii() {
        return error("write it in its ASCII form, which starts with xn--");
    }
    if name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[') {
        return error("it is an IP address");
    }
    if name.contains(':') {
        return error("it has a port; write the name alone");
    }
    if name.len() > NAME_LENGTH_MAX {
        return error("it is longer than 253 characters");
    }
    if !name.split('.').all(is_label) {
        return error("its parts are letters, digits and hyphens, each of 1 to 63 characters");
    }
    if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return error("its last part is a number");
    }
    Ok(name)
}

/// Reads a domain, or `*.` and a domain: whatever is below it.
///
/// # Errors
/// As [`parse`].
pub fn parse_entry(text: &str) -> Result<String, DomainError> {
    match text.strip_prefix("*.") {
        Some(domain) => parse(domain).map(|domain| format!("*.{domain}")),
        None => parse(text),
    }
}

/// Reads `HOST` or `HOST:PORT`, as a partner's edge is written. A port of 5061 is left out of the result.
///
/// # Errors
/// As [`parse`], and for a port that is none.
pub fn parse_edge(text: &str) -> Result<String, DomainError> {
    // What has a scheme has no port after its first colon.
    let (host, port) = match text.rsplit_once(':').filter(|_| !has_scheme(text)) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let host = parse(host)?;
    match port.map(str::parse::<u16>) {
        None | Some(Ok(EDGE_PORT_DEFAULT)) => Ok(host),
        Some(Ok(port)) if port > 0 => Ok(format!("{host}:{port}")),
        Some(_) => Err(DomainError { text: text.to_owned(), why: "after the colon belongs a port from 1 to 65535" }),
    }
}

fn has_scheme(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("://") || text.starts_with("sip:") || text.starts_with("sips:")
}

/// Letters, digits and hyphens (RFC 1123 section 2.1); underscores are in use and harmless.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

const NAME_LENGTH_MAX: usize = 253;
const EDGE_PORT_DEFAULT: u16 = federation::partner::EDGE_PORT_DEFAULT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_the_form_that_is_compared() {
        assert_eq!(parse("Contoso.Example.").unwrap(), "contoso.example");
        assert_eq!(parse("localhost").unwrap(), "localhost");
        assert_eq!(parse("xn--bcher-kva.example").unwrap(), "xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_name_is_told_why() {
        for (text, why) in [
            ("", "empty"),
            ("alice@contoso.example", "after the @"),
            ("sip:contoso.example", "after the @"),
            ("https://contoso.example/", "without a scheme"),
            ("*.contoso.example", "partner entry"),
            ("bücher.example", "xn--"),
            ("192.0.2.1", "IP address"),
            ("[2001:db8::1]", "IP address"),
            ("contoso.example:5061", "port"),
            ("contoso..example", "letters, digits"),
            ("-contoso.example", "letters, digits"),
            ("contoso.123", "number"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_entry_may_be_for_all_below_a_domain() {
        assert_eq!(parse_entry("*.Fabrikam.example.").unwrap(), "*.fabrikam.example");
        assert_eq!(parse_entry("fabrikam.example").unwrap(), "fabrikam.example");
        assert!(parse_entry("*fabrikam.example").is_err() && parse_entry("*.*.example").is_err());
    }

    #[test]
    fn an_edge_has_a_port_or_the_usual_one() {
        assert_eq!(parse_edge("SIP.fabrikam.example").unwrap(), "sip.fabrikam.example");
        assert_eq!(parse_edge("sip.fabrikam.example:5061").unwrap(), "sip.fabrikam.example");
        assert_eq!(parse_edge("sip.fabrikam.example:5071").unwrap(), "sip.fabrikam.example:5071");
        assert!(parse_edge("sip.fabrikam.example:0").is_err());
        assert!(parse_edge("sip.fabrikam.example:sip").is_err());
    }
}
