//! The address headers: From, To, Contact, Route, Record-Route, Path ... (RFC 3261 20.10, 25.1).

use std::borrow::Cow;

use super::grammar::{Params, check_params, find_outside, params, quoted_end, trim, unquote};
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

    /// The same, the error naming the header it was read from.
    pub fn parse_in(name: HeaderName, value: &'a [u8]) -> Result<NameAddr<'a>, ParseError> {
        std::str::from_utf8(value)
            .ok()
            .and_then(|text| parse_parts(trim(text)))
            .ok_or(ParseError::Malformed(name))
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
        let (display, rest) = text.split_at(quoted_end(text)?);
        return parse_bracketed(text, display, trim(rest).strip_prefix('<')?);
    }
    match text.split_once('<') {
        Some((display, rest)) if is_unquoted_display(display) => parse_bracketed(text, trim(display), rest),
        _ => parse_bare(text),
    }
}

fn parse_bracketed<'a>(text: &'a str, display: &'a str, rest: &'a str) -> Option<NameAddr<'a>> {
    let (uri, params) = rest.split_once('>')?;
    let uri = Uri::parse(uri).ok()?;
    check_params(params, ONCE).then_some(NameAddr { text, display, uri, params })
}

/// A URI with a comma, question mark or semicolon must be bracketed; an `@` after the first semicolon
/// says that the semicolon was in the user part, where others would read another address than we.
fn parse_bare(text: &str) -> Option<NameAddr<'_>> {
    let (uri, params) = text.split_at(text.find([';', ' ', '\t', '\r', '\n']).unwrap_or(text.len()));
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
