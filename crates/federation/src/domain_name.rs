//! Domain names as this crate compares them: lower case, without the trailing dot, exact.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Lower case, without a trailing dot.
pub(crate) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// `canonical(a) == canonical(b)`, without allocating.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let strip = |name: &str| name.len() - usize::from(name.ends_with('.'));
    a[..strip(a)].eq_ignore_ascii_case(&b[..strip(b)])
}

/// Whether a canonical name can be looked up as a partner's domain: at least one letter-digit-hyphen
/// label of 1 to 63 bytes (underscores tolerated), 253 bytes in all, and no address literal.
pub fn is_dns_name(name: &str) -> bool {
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let numeric_end = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && !numeric_end && name.split('.').all(label_ok)
}

/// Whether the host of a URI is an address: IPv6 in brackets (RFC 3261 25.1).
pub(crate) fn is_address(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether a name is below another, at any depth.
pub(crate) fn is_below(name: &str, parent: &str) -> bool {
    let (name, parent) = (canonical(name), canonical(parent));
    name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// The name without its first label.
pub(crate) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_trailing_dot() {
        assert!(same("Fabrikam.COM.", "fabrikam.com"));
        assert!(!same("fabrikam.com", "fabrikam.com.au"));
        assert_eq!(canonical("Fabrikam.COM."), "fabrikam.com");
        assert!(same("", "."));
    }

    #[test]
    fn an_address_or_a_stray_byte_is_no_dns_name() {
        for good in ["fabrikam.com", "localhost", "a-b.c1.example", "3com.com"] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in ["", ".", "192.0.2.1", "[2001:db8::1]", "a..b", "-a.com", "a-.com", "a b.com", "*.fabrikam.com"] {
            assert!(!is_dns_name(bad), "{bad}");
        }
        assert!(!is_dns_name(&format!("{}.com", "a".repeat(64))));
    }

    #[test]
    fn an_address_is_one_as_a_uri_writes_it() {
        for address in ["192.0.2.1", "[2001:db8::1]"] {
            assert!(is_address(address), "{address}");
        }
        for other in ["", "[]", "2001:db8::1", "[192.0.2.1]", "192.0.2", "contoso.com", "[2001:db8::1"] {
            assert!(!is_address(other), "{other}");
        }
    }

    #[test]
    fn below_is_at_any_depth_and_at_a_label_s_end() {
        assert!(is_below("x.y.Fabrikam.com.", "fabrikam.com"));
        for name in ["fabrikam.com", "xfabrikam.com", ".fabrikam.com", "com"] {
            assert!(!is_below(name, "fabrikam.com"), "{name}");
        }
    }

    #[test]
    fn a_parent_is_the_name_without_its_first_label() {
        assert_eq!(parent("edge.fabrikam.com"), Some("fabrikam.com"));
        assert_eq!(parent("com"), None);
    }
}
