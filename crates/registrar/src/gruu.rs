//! Globally routable user agent URIs (RFC 5627): an address of one device of a user.
//!
//! A public one is the address-of-record with the device's instance ID as `gr` (section 5.4). Nothing has to be kept for it:
//! whoever has the instance ID has the GRUU.

use sip::{Aor, HeaderName, Message, Uri};

use crate::Binding;

/// Whether the client looks for GRUUs in the answer to its REGISTER.
pub(crate) fn is_asked_for(request: &Message) -> bool {
    [HeaderName::Supported, HeaderName::Require].iter().any(|header| request.has_option_tag(*header, OPTION_TAG))
}

/// The public GRUU of the device that this binding leads to, of the scheme of its Contact; `None` where it has no instance ID
/// of which one can be made.
pub(crate) fn public(aor: &Aor, binding: &Binding) -> Option<String> {
    let scheme = if Uri::parse(&binding.contact).is_ok_and(|uri| uri.is_sips()) { "sips" } else { "sip" };
    Some(format!("{scheme}:{aor};gr={}", gr(binding.instance.as_deref()?)?))
}

/// Whether a URI of the binding's user names its device.
pub(crate) fn names(uri: &Uri<'_>, binding: &Binding) -> bool {
    let gr = binding.instance.as_deref().and_then(gr);
    gr.is_some_and(|gr| uri.has_param_value("gr", &gr))
}

/// The value of `gr` for an instance ID as it stands in a Contact: `"<urn:...>"`.
fn gr(instance: &str) -> Option<String> {
    let urn = instance.strip_prefix("\"<")?.strip_suffix(">\"")?;
    let is_uri_byte = |byte: u8| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte);
    if urn.is_empty() || urn.len() > INSTANCE_BYTES_MAX || !urn.bytes().all(is_uri_byte) {
        return None;
    }
    let written = |byte: u8| match is_parameter_byte(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Some(urn.bytes().map(written).collect())
}

/// `paramchar` of RFC 3261 section 25.1.
fn is_parameter_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte)
}

const OPTION_TAG: &str = "gruu";

/// A UUID as URN has 45.
const INSTANCE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_becomes_a_parameter_of_a_uri() {
        for (instance, expected) in [
            (
                "\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"",
                Some("urn:uuid:00000000-0000-1000-8000-000A95A0E128"),
            ),
            ("\"<urn:x:a;b=c?d@e%20>\"", Some("urn:x:a%3Bb%3Dc%3Fd%40e%2520")),
            ("\"<urn:uuid:1>, <sip:b@evil.invalid>\"", None),
            ("\"<urn:a b>\"", None),
            ("\"<>\"", None),
            ("<urn:uuid:1>", None),
            ("\"", None),
            ("\"urn:uuid:1\"", None),
        ] {
            assert_eq!(gr(instance).as_deref(), expected, "{instance}");
        }
    }

    #[test]
    fn of_a_long_instance_id_no_address_is_made() {
        let of_length = |bytes: usize| gr(&format!("\"<{}>\"", "u".repeat(bytes))).is_some();
        assert!(of_length(INSTANCE_BYTES_MAX) && !of_length(INSTANCE_BYTES_MAX + 1));
    }
}
