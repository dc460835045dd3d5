//! The grammar that challenges and credentials share: `Digest name=value, name="value"` (RFC 7235 section 2.1).

use std::borrow::Cow;

/// Splits the value of an authentication header after its scheme. Yields name and unquoted value; `Err` once, at the
/// first thing that is no parameter.
pub(super) struct Parameters<'a> {
    rest: &'a str,
}

/// The text is no list of parameters.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct NotParameters;

impl<'a> Parameters<'a> {
    /// None when the scheme is not Digest.
    pub(super) fn of_digest(value: &'a str) -> Option<Parameters<'a>> {
        let value = value.trim_matches(is_space);
        let (scheme, rest) = value.split_once(is_space)?;
        scheme.eq_ignore_ascii_case("Digest").then_some(Parameters { rest })
    }

    fn take_parameter(&mut self) -> Result<(&'a str, Cow<'a, str>), NotParameters> {
        let (name, rest) = self.rest.split_once('=').ok_or(NotParameters)?;
        let name = name.trim_matches(is_space);
        if name.is_empty() || name.contains(|c: char| is_space(c) || c == ',' || c == '"') {
            return Err(NotParameters);
        }
        let (value, rest) = take_value(rest.trim_start_matches(is_space))?;
        self.rest = rest.trim_start_matches(is_space);
        if !self.rest.is_empty() && !self.rest.starts_with(',') {
            return Err(NotParameters);
        }
        Ok((name, value))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), NotParameters>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty list elements are allowed (RFC 7230 section 7).
        self.rest = self.rest.trim_start_matches(|c| is_space(c) || c == ',');
        if self.rest.is_empty() {
            return None;
        }
        let parameter = self.take_parameter();
        if parameter.is_err() {
            self.rest = "";
        }
        Some(parameter)
    }
}

/// A quoted string or a token, and what follows it.
fn take_value(text: &str) -> Result<(Cow<'_, str>, &str), NotParameters> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c| is_space(c) || c == ',').unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return if token.is_empty() || token.contains('"') { Err(NotParameters) } else { Ok((token.into(), rest)) };
    };
    let mut escaped = false;
    for (index, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok((unescape(&quoted[..index]), &quoted[index + 1..])),
            _ => {}
        }
    }
    Err(NotParameters)
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    plain.into()
}

/// The text as a quoted string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Line ends are here because a folded header value still holds its folds.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Vec<(String, String)>, NotParameters> {
        let parameters = Parameters::of_digest(value).ok_or(NotParameters)?;
        parameters.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.into_owned()))).collect()
    }

    #[test]
    fn tokens_quotes_escapes_and_folds() {
        let pairs = parse("digest realm=\"a, \\\"b\\\"\",\r\n  nc = 00000001 , , qop=auth").expect("is well formed");
        let expected = [("realm", "a, \"b\""), ("nc", "00000001"), ("qop", "auth")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_parameter_list() {
        for value in [
            "Basic abc",
            "Digest",
            "Digest realm",
            "Digest realm=\"open",
            "Digest realm=\"a\" b",
            "Digest a=",
            "Digest =b",
            "Digest a b=c",
        ] {
            assert_eq!(parse(value), Err(NotParameters), "{value}");
        }
    }

    #[test]
    fn quoting_is_undone_by_parsing() {
        let text = "back\\slash \"quote\"";
        let pairs = parse(&format!("Digest realm={}", quote(text))).expect("is well formed");
        assert_eq!(pairs, [("realm".to_owned(), text.to_owned())]);
    }
}
