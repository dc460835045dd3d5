//! The address headers: From, To, Contact, Route, Record-Route, Path ... (RFC 3261 20.10, 25.1).

use std::borrow::Cow;

use super::grammar::{Params, check_params, find_outside, is_space, params, quoted_end, split_once, trim, unquote};
use crate::{HeaderName, ParseError, Uri};

/// `"Display" <uri>;params`, or `uri;params`: without brackets the parameters are the header's.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    text: &'a str,
    display: &'a str,
    uri: Uri<'a>,
    params: &'a str,
}

/// Contact: an address, or `*` (RFC 3261 10.2.2: all of them).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ContactValue<'a> {
    Star,
    Address(NameAddr<'a>),
}

impl<'a> NameAddr<'a> {
    /// Exactly one address. Fails with `Invalid("address")`: the caller knows the header's name.
    pub fn parse(text: &'a str) -> Result<NameAddr<'a>, ParseError> {
        let text = trim(text);
        parse_parts(text).ok_or(ParseError::Invalid("address"))
    }

    /// The same, the error naming the header it was read from. A tag has a value (RFC 3261 25.1 `tag-param`): without
    /// one nobody could say of which dialog a To is, nor give it one.
    pub fn parse_in(name: HeaderName, value: &'a [u8]) -> Result<NameAddr<'a>, ParseError> {
        let has_tags = matches!(name, HeaderName::From | HeaderName::To);
        let is_tagged_well = |address: &NameAddr<'a>| !has_tags || address.param("tag") != Some(None);
        let address = std::str::from_utf8(value).ok().and_then(|text| parse_parts(trim(text)));
        address.filter(is_tagged_well).ok_or(ParseError::Malformed(name))
    }

    /// Without quotes and escapes; `None` when there is none.
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        let text = unquote(self.display);
        match text {
            "" => None,
            _ if text.len() < self.display.len() && text.contains('\\') => Some(Cow::Owned(unescape(text))),
            _ => Some(Cow::Borrowed(text)),
        }
    }

    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    pub fn tag(&self) -> Option<&'a str> {
        self.param("tag").flatten()
    }

    /// A parameter of the header, not of the URI. `None`: absent; `Some(None)`: without a value.
    /// Surrounding quotes are taken off, escapes inside are kept.
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params().get(name)
    }

    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// All of the header's parameters, values as received.
    pub fn params(&self) -> Params<'a> {
        params(self.params)
    }

    /// The whole text, as received.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

impl<'a> ContactValue<'a> {
    pub fn parse(value: &'a [u8]) -> Result<ContactValue<'a>, ParseError> {
        match value {
            b"*" => Ok(ContactValue::Star),
            _ => NameAddr::parse_in(HeaderName::Contact, value).map(ContactValue::Address),
        }
    }

    pub fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            ContactValue::Star => None,
            ContactValue::Address(address) => Some(address),
        }
    }
}

fn parse_parts(text: &str) -> Option<NameAddr<'_>> {
    if text.starts_with('"') {
        let (display, rest) = text.split_at(quoted_end(text.as_bytes())?);
        return parse_bracketed(text, display, trim(rest).strip_prefix('<')?);
    }
    match split_once(text, b'<') {
        Some((display, rest)) if is_unquoted_display(display) => parse_bracketed(text, trim(display), rest),
        _ => parse_bare(text),
    }
}

fn parse_bracketed<'a>(text: &'a str, display: &'a str, rest: &'a str) -> Option<NameAddr<'a>> {
    let (uri, rest) = Uri::read(rest)?;
    let params = rest.strip_prefix('>')?;
    check_params(params, ONCE).then_some(NameAddr { text, display, uri, params })
}

/// A URI with a comma, question mark or semicolon must be bracketed; an `@` after the first semicolon
/// says that the semicolon was in the user part, where others would read another address than we.
fn parse_bare(text: &str) -> Option<NameAddr<'_>> {
    let end = text.bytes().position(|byte| byte == b';' || is_space(byte)).unwrap_or(text.len());
    let (uri, params) = text.split_at(end);
    if uri.contains([',', '?']) || find_outside(params.as_bytes(), b'@').is_some() {
        return None;
    }
    let uri = Uri::parse(uri).ok()?;
    check_params(params, ONCE).then_some(NameAddr { text, display: "", uri, params })
}

/// `*(token LWS)`, and letters beyond ASCII and the marks that phones leave unquoted. What could be
/// read as another header value, a URI or a quote is refused (RFC 4475 3.1.2.15: `Bell, Alexander <sip:...>`).
fn is_unquoted_display(text: &str) -> bool {
    !text.chars().any(|char| {
        matches!(char, ',' | ';' | ':' | '"' | '\\' | '>') || (char.is_control() && !matches!(char, '\t' | '\r' | '\n'))
    })
}

/// Quoted pairs become their second character; folds stay.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.extend(chars.next()),
            _ => plain.push(char),
        }
    }
    plain
}

/// Two tags are two dialogs; two expiries are two bindings.
const ONCE: &[&str] = &["tag", "expires", "q", "reg-id", "+sip.instance"];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> NameAddr<'_> {
        NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn parts_are_found() {
        let address = parse("\"Bell, \\\"Al\\\" \" <sips:al;x@a.example;lr?subject=x>;tag=1;+sip.instance=\"<urn:1>\"");
        assert_eq!(address.display_name().as_deref(), Some("Bell, \"Al\" "));
        assert_eq!(address.uri().as_str(), "sips:al;x@a.example;lr?subject=x");
        assert_eq!(address.tag(), Some("1"));
        assert_eq!(address.param("+SIP.instance"), Some(Some("<urn:1>")));
        assert_eq!(address.param("lr"), None, "it is the URI's");
    }

    #[test]
    fn without_brackets_the_params_are_the_headers() {
        let address = parse("sip:alice@a.example;tag=x;lr");
        assert_eq!(address.uri().as_str(), "sip:alice@a.example");
        assert_eq!((address.tag(), address.param("lr")), (Some("x"), Some(None)));
        assert_eq!(address.display_name(), None);
        assert_eq!(parse("sip:a.example").uri().host(), "a.example");
        assert_eq!(parse("sip:a@b\r\n ;\r\n  tag = 98asjd8").tag(), Some("98asjd8"));
    }

    #[test]
    fn display_names_need_no_quotes() {
        assert_eq!(parse("J. Rosenberg (home) <sip:j@b>").display_name().as_deref(), Some("J. Rosenberg (home)"));
        assert_eq!(parse("Ren\u{e9} <sip:r@b>").display_name().as_deref(), Some("Ren\u{e9}"));
        assert_eq!(parse("\"\" <sip:r@b>").display_name(), None);
        // RFC 4475 3.1.1.6: no white space before the bracket.
        assert_eq!(parse("\"caller\"<sip:caller@example.com>;tag=323").tag(), Some("323"));
        // RFC 4475 3.1.1.1
        let folded = parse("\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8");
        assert_eq!(folded.display_name().as_deref(), Some("J Rosenberg \\\""));
    }

    #[test]
    fn what_others_could_read_differently_is_refused() {
        for bad in [
            "",
            "alice",
            "<sip:a@b",
            "sip:a@b>",
            "< sip:a@b>",
            "<sip:a@b >",
            "<<sip:a@b>>",
            "<sip:a@b>tag=1",
            "<sip:a@b>;tag=",
            "<sip:a@b>;tag=1;tag=2",
            "<sip:a@b>;TAG=1;tag=1",
            "<sip:a@b>, <sip:c@d>",
            "<sip:a@b> <sip:c@d>",
            "\"open <sip:a@b>",
            "\"esc\\\" <sip:a@b>",
            "\"Al\" Bell <sip:a@b>",
            "Al \"Bell\" <sip:a@b>",
            "Bell, Alexander <sip:a@b>",  // RFC 4475 3.1.2.15
            "sip:a@b?Route=%3Csip:c%3E",  // RFC 4475 3.1.2.13
            "sip:user;par=u@example.net", // the semicolon of a user part
            "sip:a,b@c",
            "sip:a@b <sip:c@d>",
            "<sip:a@b>;x=\"open",
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_without_a_value_is_none_where_dialogs_have_theirs() {
        for name in [HeaderName::From, HeaderName::To] {
            for bad in ["<sip:a@b>;tag", "sip:a@b ;   tag   ", "<sip:a@b>;x;TAG;y=1"] {
                assert_eq!(NameAddr::parse_in(name, bad.as_bytes()), Err(ParseError::Malformed(name)), "{bad}");
            }
        }
        assert!(NameAddr::parse_in(HeaderName::Contact, b"<sip:a@b>;tag").is_ok(), "a parameter like any other");
    }

    #[test]
    fn other_schemes_pass() {
        assert_eq!(parse("<tel:+1-201-555-0123;phone-context=x>;tag=1").uri().scheme(), "tel");
        assert_eq!(parse("isbn:2983792873").uri().scheme(), "isbn");
    }

    #[test]
    fn contact_star() {
        assert_eq!(ContactValue::parse(b"*"), Ok(ContactValue::Star));
        assert!(ContactValue::parse(b"*;expires=0").is_err());
        let contact = ContactValue::parse(b"<sip:a@b>;expires=5").expect("an address");
        assert_eq!(contact.address().and_then(|address| address.param("expires")), Some(Some("5")));
        assert_eq!(ContactValue::parse(b"\xff"), Err(ParseError::Malformed(HeaderName::Contact)));
    }
}
