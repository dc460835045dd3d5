//! The lexical floor under every typed header (RFC 3261 25.1): tokens, linear white space, quotes, lists.
//!
//! White space includes CR and LF: in a value that passed framing they only occur as folds.

/// `token` of RFC 3261 25.1; not empty.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the white space and folds around it.
pub fn trim(text: &str) -> &str {
    let kept = trim_start(text.as_bytes());
    let start = text.len() - kept.len();
    &text[start..start + trim_end(kept).len()]
}

pub(crate) fn trim_bytes(bytes: &[u8]) -> &[u8] {
    trim_start(trim_end(bytes))
}

pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    bytes
}

pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_space(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Only digits, leading zeros allowed, no sign; `None` when it is no such number or beyond `u64`.
pub fn parse_digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Where the first `separator` outside quoted strings and angle brackets is.
///
/// A quotation mark inside angle brackets is no quote: there it is an error, for the URI's parser to find.
pub(crate) fn find_outside(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let found = from + memchr::memchr3(separator, b'"', b'<', &bytes[from..])?;
        from = match bytes[found] {
            b'"' => found + quoted_end(&bytes[found..])?,
            b'<' => found + memchr::memchr(b'>', &bytes[found..])?,
            _ => return Some(found),
        };
    }
}

/// The elements of a comma list, trimmed; commas in quotes and in angle brackets are text.
///
/// Empty elements are skipped, as RFC 9110 5.6.1 asks of readers of the same grammar.
pub fn split_list(value: &[u8]) -> List<'_> {
    List { rest: value }
}

/// See [`split_list`].
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// What has not been read yet, trimmed.
    pub(crate) fn rest(&self) -> &'a [u8] {
        trim_bytes(self.rest)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let element = match find_outside(self.rest, b',') {
                Some(comma) => {
                    let element = &self.rest[..comma];
                    self.rest = &self.rest[comma + 1..];
                    element
                }
                None => std::mem::take(&mut self.rest),
            };
            let element = trim_bytes(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// One `;name=value` of a header. The value as received, with its quotes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    pub name: &'a str,
    pub value: Option<&'a str>,
}

/// Reads `;a;b=c;d="e"`. Stops at what is no parameter: call [`check_params`] where that must not be.
pub fn params(text: &str) -> Params<'_> {
    Params { rest: text }
}

/// See [`params`].
#[derive(Clone, Debug)]
pub struct Params<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        let text = skip_space(self.rest).strip_prefix(';')?;
        let (param, rest) = read_param(skip_space(text))?;
        self.rest = rest;
        Some(param)
    }
}

impl<'a> Params<'a> {
    /// The first of that name in any case: `None` absent, `Some(None)` without a value; quotes taken off.
    pub fn get(mut self, name: &str) -> Option<Option<&'a str>> {
        let param = self.find(|param| param.name.eq_ignore_ascii_case(name))?;
        Some(param.value.map(unquote))
    }
}

/// Whether all of `text` is parameters, and no name that `once` lists occurs twice or with an empty value, which others refuse
/// or take for none.
pub(crate) fn check_params(text: &str, once: &[&str]) -> bool {
    let mut all = params(text);
    let mut seen = 0u32;
    for param in &mut all {
        if let Some(index) = once.iter().position(|name| param.name.eq_ignore_ascii_case(name)) {
            if seen & (1 << index) != 0 || param.value == Some("") {
                return false;
            }
            seen |= 1 << index;
        }
    }
    trim(all.rest).is_empty()
}

/// The text between the quotation marks, escapes kept; other text as it is.
pub fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// Where a quoted string at the start ends, its closing mark included; `None`: it does not end.
pub(crate) fn quoted_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// One parameter at the start, and what is left: nothing, or the next semicolon.
fn read_param(text: &str) -> Option<(Param<'_>, &str)> {
    let (name, rest) = split_run(text, is_token_byte);
    if name.is_empty() {
        return None;
    }
    let rest = skip_space(rest);
    let (value, rest) = match rest.strip_prefix('=') {
        None => (None, rest),
        Some(rest) => {
            let (value, rest) = read_param_value(skip_space(rest))?;
            (Some(value), skip_space(rest))
        }
    };
    let is_whole = rest.is_empty() || rest.starts_with(';');
    is_whole.then_some((Param { name, value }, rest))
}

/// `gen-value`, and what phones send beside it: anything but white space, control characters, quotes and brackets inside.
fn read_param_value(text: &str) -> Option<(&str, &str)> {
    match text.starts_with('"') {
        true => Some(text.split_at(quoted_end(text.as_bytes())?)),
        false => Some(split_run(text, |byte| PARAM_VALUE[byte as usize])),
    }
}

/// The longest start of which every byte is `within`, and the rest. What ends a run has to be ASCII.
#[inline(always)]
pub(crate) fn split_run(text: &str, within: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !within(byte)).unwrap_or(text.len()))
}

/// What is before the first `mark`, which is ASCII, and what is behind it.
///
/// A plain loop: most of what is read here is shorter than what a search by words takes to begin.
#[inline(always)]
pub(crate) fn split_once(text: &str, mark: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}

#[inline(always)]
fn skip_space(text: &str) -> &str {
    split_run(text, is_space).1
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(byte as u8, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

/// What an unquoted value is made of; letters beyond ASCII, too.
static PARAM_VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_blank = byte as u8 == b' ' || (byte as u8).is_ascii_control();
        table[byte] = !is_blank && !matches!(byte as u8, b';' | b'"' | b'<' | b'>' | b',' | b'\\');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> Vec<&str> {
        split_list(value.as_bytes()).map(|element| std::str::from_utf8(element).expect("text")).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_are_text() {
        assert_eq!(
            list(r#""Bell, \"Al\"," <sip:a,b@c;x=1,2>;q="1,2" , <sip:d>"#),
            [r#""Bell, \"Al\"," <sip:a,b@c;x=1,2>;q="1,2""#, "<sip:d>"]
        );
        assert_eq!(list(" a,,b , "), ["a", "b"]);
        assert_eq!(list("<sip:a\">, <sip:b\">"), ["<sip:a\">", "<sip:b\">"]);
        assert_eq!(list(""), [""; 0]);
    }

    #[test]
    fn params_tolerate_white_space_and_folds() {
        let text = "; tag \r\n = abc ;lr;x=\"a;\\\"b\" ; y=[2001:db8::1]";
        let found: Vec<_> = params(text).map(|param| (param.name, param.value)).collect();
        let expected = [("tag", Some("abc")), ("lr", None), ("x", Some("\"a;\\\"b\"")), ("y", Some("[2001:db8::1]"))];
        assert_eq!(found, expected);
        assert_eq!(params(text).get("X"), Some(Some("a;\\\"b")));
        assert_eq!(params(text).get("LR"), Some(None));
        assert_eq!(params(text).get("z"), None);
    }

    #[test]
    fn malformed_params_are_found() {
        assert!(check_params("", &[]));
        assert!(check_params(";a=1;b", &["a", "b"]));
        for bad in [";", ";=1", ";a=\"x", "a", ";a=b c", ";a=1;", ";a=1;A=2", ";a=x\"y\""] {
            assert!(!check_params(bad, &["a"]), "{bad}");
        }
    }

    #[test]
    fn digits_have_no_sign() {
        assert_eq!(parse_digits(b"0068"), Some(68));
        for bad in [&b""[..], b"+1", b"-1", b"1 ", b"0x1", b"99999999999999999999"] {
            assert_eq!(parse_digits(bad), None);
        }
    }
}
