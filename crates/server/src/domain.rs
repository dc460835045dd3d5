//! Domain and host names as administrators type them: checked, in lower case, without a trailing dot, in the form that the DNS has.

/// Why a text names no domain; says what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no domain name: {why}")]
pub struct DomainError {
    text: String,
    why: String,
}

/// Reads a domain name and returns the form in which it is compared; of an internationalized one its A-labels (UTS 46).
///
/// # Errors
/// For whatever could not be looked up in the DNS as a host: addresses, URIs, wildcards, empty or overlong labels.
pub fn parse(text: &str) -> Result<String, DomainError> {
    read(text).map_err(|why| DomainError { text: text.to_owned(), why })
}

/// Reads a domain, or `*.` and a domain: whatever is below it.
///
/// # Errors
/// As [`parse`].
pub fn parse_entry(text: &str) -> Result<String, DomainError> {
    let typed = text.trim();
    let error = |why: String| Err(DomainError { text: text.to_owned(), why });
    if let Some(domain) = typed.strip_prefix("*.").filter(|domain| !domain.is_empty()) {
        return read(domain).map_or_else(error, |domain| Ok(format!("*.{domain}")));
    }
    match (typed, typed.strip_prefix(['*', '.']).map(read)) {
        ("*", _) => error("whoever has no entry comes in by discovery, under [federation] in comity.toml".to_owned()),
        (_, Some(Ok(domain))) => error(format!("write *.{domain} for all that is below it, or {domain} for it alone")),
        _ => parse(text),
    }
}

/// Whether an entry is for all below a single label, such as a top-level domain.
pub fn is_for_top_level(entry: &str) -> bool {
    entry.strip_prefix("*.").is_some_and(|domain| !domain.contains('.'))
}

/// A domain or an entry for a person to read: with the Unicode that its A-labels stand for.
pub fn shown(entry: &str) -> String {
    match idna::domain_to_unicode(entry) {
        (unicode, Ok(())) if unicode != entry => format!("{entry} ({unicode})"),
        _ => entry.to_owned(),
    }
}

fn read(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return Err("it is empty; write one such as fabrikam.example".to_owned());
    }
    if let Some(is_more) = has_more(&name) {
        let meant =
            host_within(&name).map_or_else(|| ", such as fabrikam.example".to_owned(), |host| format!(": {host}"));
        return Err(format!("{is_more}{meant}"));
    }
    if name.contains('*') {
        return Err("a * stands only before a partner entry's domain, as *.fabrikam.example".to_owned());
    }
    check_labels(if name.is_ascii() { name } else { ascii(&name)? })
}

/// What of it is beyond a name, and what to write in its stead.
fn has_more(name: &str) -> Option<&'static str> {
    let is_address = name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[');
    match name {
        _ if is_address => Some("it is an IP address; write a name"),
        _ if name.contains('@') => Some("write the part after the @ alone"),
        _ if name.contains('/') || has_scheme(name) => Some("write the name alone, without a scheme or a path"),
        _ if name.contains(':') => Some("it has a port; write the name alone"),
        _ => None,
    }
}

/// The name in a URI, an address of a person, or a host with its port.
fn host_within(text: &str) -> Option<String> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:")).unwrap_or(text);
    let text = text.split(['/', ';', '?']).next().unwrap_or_default();
    let host = text.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let is_name = !host.is_empty() && has_more(host).is_none();
    is_name.then(|| read(host).ok()).flatten()
}

fn ascii(name: &str) -> Result<String, String> {
    idna::domain_to_ascii(name)
        .map_err(|_| "it has characters that are in no domain name; write it as its owner does".to_owned())
}

fn check_labels(name: String) -> Result<String, String> {
    if name.len() > NAME_LENGTH_MAX {
        return Err("it is longer than 253 characters".to_owned());
    }
    if !name.split('.').all(is_label) {
        return Err("its parts are letters, digits and hyphens, each of 1 to 63 characters".to_owned());
    }
    if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("its last part is a number".to_owned());
    }
    Ok(name)
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
        Some(_) => {
            Err(DomainError { text: text.to_owned(), why: "after the colon belongs a port from 1 to 65535".to_owned() })
        }
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
        assert_eq!(parse(" contoso.example ").unwrap(), "contoso.example");
        for typed in ["xn--bcher-kva.example", "bücher.example", "BÜCHER.Example.", "bücher。example"] {
            assert_eq!(parse(typed).unwrap(), "xn--bcher-kva.example", "{typed}");
        }
        assert_eq!(parse("faß.example").unwrap(), "xn--fa-hia.example", "as registries have it");
    }

    #[test]
    fn what_is_no_name_is_told_why() {
        for (text, why) in [
            ("", "empty"),
            ("alice@contoso.example", "after the @ alone: contoso.example"),
            ("alice@", "after the @ alone, such as"),
            ("sip:alice@Contoso.example:5061;transport=tls", "after the @ alone: contoso.example"),
            ("sip:contoso.example", "without a scheme or a path: contoso.example"),
            ("https://bücher.example/contact", "without a scheme or a path: xn--bcher-kva.example"),
            ("*.contoso.example", "partner entry"),
            ("bü cher.example", "letters, digits"),
            ("\u{202e}contoso.example", "in no domain name"),
            ("192.0.2.1", "IP address"),
            ("[2001:db8::1]", "IP address"),
            ("2001:db8::1", "IP address"),
            ("contoso.example:5061", "has a port; write the name alone: contoso.example"),
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
        assert_eq!(parse_entry("*.bücher.example").unwrap(), "*.xn--bcher-kva.example");
        for (text, why) in [
            (
                "*fabrikam.example",
                "write *.fabrikam.example for all that is below it, or fabrikam.example for it alone",
            ),
            (".fabrikam.example", "write *.fabrikam.example"),
            ("*.*.example", "stands only before"),
            ("fabrikam.*", "stands only before"),
            ("*.", "stands only before"),
            ("*.bob@fabrikam.example", "after the @"),
            ("*", "discovery, under [federation]"),
        ] {
            let error = parse_entry(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_entry_below_a_single_label_is_for_a_top_level_domain() {
        assert!(is_for_top_level("*.example") && is_for_top_level("*.xn--p1ai"));
        assert!(!is_for_top_level("*.fabrikam.example") && !is_for_top_level("example"));
    }

    #[test]
    fn an_internationalized_name_is_shown_in_both_forms() {
        assert_eq!(shown("xn--bcher-kva.example"), "xn--bcher-kva.example (bücher.example)");
        assert_eq!(shown("*.xn--bcher-kva.example"), "*.xn--bcher-kva.example (*.bücher.example)");
        for same in ["fabrikam.example", "xn--.example", "xn--0.example"] {
            assert_eq!(shown(same), same);
        }
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
