//! RFC 3261 section 25.1 by the letter, of the headers with addresses and of Via: what our parser takes beyond it is told apart from
//! what it has to take.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sip::{HeaderName, Message};

/// The headers that are judged here, by their long names in lower case.
pub const JUDGED: [&str; 6] = ["via", "from", "to", "contact", "route", "record-route"];

/// Those of them that have a value outside of the grammar.
pub fn outside(message: &Message) -> Vec<&'static str> {
    let is_outside = |header: &&'static str| {
        let (name, rule): (HeaderName, fn(&mut Text<'_>) -> bool) = match *header {
            "via" => (HeaderName::Via, vias),
            "from" => (HeaderName::From, from),
            "to" => (HeaderName::To, from),
            "contact" => (HeaderName::Contact, contacts),
            "route" => (HeaderName::Route, routes),
            _ => (HeaderName::RecordRoute, routes),
        };
        message.header_all(name).any(|value| !is_whole(&unfolded(value), rule))
    };
    JUDGED.into_iter().filter(is_outside).collect()
}

fn is_whole(value: &[u8], rule: fn(&mut Text<'_>) -> bool) -> bool {
    let mut text = Text { rest: value.trim_ascii() };
    // UTF8-NONASCII is whole letters.
    std::str::from_utf8(value).is_ok() && rule(&mut text) && text.rest.is_empty()
}

/// A continuation is a blank (section 7.3.1).
fn unfolded(value: &[u8]) -> Vec<u8> {
    value.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect()
}

/// What is left to read. Each rule takes what it is about from the front, and says whether it stood there.
struct Text<'a> {
    rest: &'a [u8],
}

fn vias(text: &mut Text<'_>) -> bool {
    text.list(|text| {
        let protocol = text.token() && text.mark(b'/') && text.token() && text.mark(b'/') && text.token();
        protocol && text.blanks() && text.host_and_port() && text.params()
    })
}

fn from(text: &mut Text<'_>) -> bool {
    text.address(true) && text.params()
}

fn contacts(text: &mut Text<'_>) -> bool {
    text.eat(b'*') || text.list(|text| text.address(true) && text.params())
}

fn routes(text: &mut Text<'_>) -> bool {
    text.list(|text| text.address(false) && text.params())
}

impl<'a> Text<'a> {
    fn list(&mut self, element: impl Fn(&mut Text<'a>) -> bool) -> bool {
        loop {
            if !element(self) {
                return false;
            }
            if !self.mark(b',') {
                return true;
            }
        }
    }

    /// name-addr, or where it may be bare, addr-spec without comma, semicolon and question mark (section 20).
    fn address(&mut self, may_be_bare: bool) -> bool {
        let begin = self.rest;
        let is_named = if self.rest.first() == Some(&b'"') {
            self.quoted()
        } else {
            while self.token() && self.blanks() {}
            true
        };
        self.blanks();
        // A token without a blank behind it is no display name: the cursor stands right behind it then.
        let is_apart = begin.len() == self.rest.len() || !is_token_byte(begin[begin.len() - self.rest.len() - 1]);
        if is_named && is_apart && self.eat(b'<') {
            let uri = self.take_while(|byte| byte != b'>');
            return self.eat(b'>') && is_uri(uri);
        }
        self.rest = begin;
        let uri = self.take_while(|byte| !b";,? \t<>\"".contains(&byte));
        may_be_bare && is_uri(uri)
    }

    /// Each once (section 7.3.1).
    fn params(&mut self) -> bool {
        let mut names = BTreeSet::new();
        while self.mark(b';') {
            let begin = self.rest;
            if !self.token() {
                return false;
            }
            let name = begin[..begin.len() - self.rest.len()].to_ascii_lowercase();
            let is_whole = if self.mark(b'=') { self.value(&name) } else { !VALUED.contains(&&name[..]) };
            if !is_whole || !names.insert(name) {
                return false;
            }
        }
        true
    }

    fn value(&mut self, name: &[u8]) -> bool {
        match name {
            b"tag" | b"branch" => self.token(),
            b"q" => {
                let digits = self.take_while(|byte| byte.is_ascii_digit() || byte == b'.');
                let text = std::str::from_utf8(digits).unwrap_or_default();
                let whole = text.split('.').next().unwrap_or_default();
                text.len() <= 5 && ["0", "1"].contains(&whole) && text.parse::<f32>().is_ok_and(|q| q <= 1.0)
            }
            b"expires" | b"ttl" => !self.take_while(|byte| byte.is_ascii_digit()).is_empty(),
            b"received" => {
                let address = self.take_while(|byte| byte.is_ascii_hexdigit() || b".:[]".contains(&byte));
                std::str::from_utf8(address).is_ok_and(|text| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
            }
            _ if self.rest.first() == Some(&b'"') => self.quoted(),
            _ if self.rest.first() == Some(&b'[') => self.host_and_port(),
            _ => self.token(),
        }
    }

    fn host_and_port(&mut self) -> bool {
        let host = match self.rest.first() {
            Some(b'[') => {
                let inside = self.take_while(|byte| byte != b']');
                if !self.eat(b']') {
                    return false;
                }
                [inside, b"]"].concat()
            }
            _ => self.take_while(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)).to_vec(),
        };
        is_host(&host) && (!self.mark(b':') || !self.take_while(|byte| byte.is_ascii_digit()).is_empty())
    }

    fn quoted(&mut self) -> bool {
        if !self.eat(b'"') {
            return false;
        }
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match byte {
                b'"' => return true,
                b'\\' => match self.rest.split_first() {
                    Some((escaped, rest)) if escaped.is_ascii() && !b"\r\n".contains(escaped) => self.rest = rest,
                    _ => return false,
                },
                b'\t' | b' '..=b'~' | 0x80.. => {}
                _ => return false,
            }
        }
        false
    }

    fn token(&mut self) -> bool {
        !self.take_while(is_token_byte).is_empty()
    }

    /// With blanks around it, or nothing is taken.
    fn mark(&mut self, mark: u8) -> bool {
        let begin = self.rest;
        self.blanks();
        if !self.eat(mark) {
            self.rest = begin;
            return false;
        }
        self.blanks();
        true
    }

    /// Whether there was one.
    fn blanks(&mut self) -> bool {
        !self.take_while(|byte| b" \t".contains(&byte)).is_empty()
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn take_while(&mut self, is_of_it: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_of_it(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn is_uri(bytes: &[u8]) -> bool {
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else { return false };
    let (scheme, rest) = (bytes[..colon].to_ascii_lowercase(), &bytes[colon + 1..]);
    match &scheme[..] {
        b"sip" | b"sips" => is_sip_uri(rest),
        _ => {
            let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && scheme.iter().all(is_scheme)
                && consists_of(rest, b";/?:@&=+$,")
                && !rest.is_empty()
        }
    }
}

/// What follows the scheme.
fn is_sip_uri(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |byte| *byte == b'@');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let (user, place) = second.map_or((None, first), |place| (Some(first), place));
    let is_user = |user: &[u8]| {
        let mut parts = user.splitn(2, |byte| *byte == b':');
        let (name, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        !name.is_empty() && consists_of(name, b"&=+$,;?/") && consists_of(password, b"&=+$,")
    };
    let mut parts = place.splitn(2, |byte| *byte == b'?');
    let (place, headers) = (parts.next().unwrap_or_default(), parts.next());
    let mut params = place.split(|byte| *byte == b';');
    let mut host = Text { rest: params.next().unwrap_or_default() };
    let is_param = |param: &[u8]| {
        let mut parts = param.splitn(2, |byte| *byte == b'=');
        let is_part = |part: Option<&[u8]>| part.is_none_or(|part| !part.is_empty() && consists_of(part, b"[]/:&+$"));
        is_part(parts.next()) && is_part(parts.next())
    };
    let is_header = |header: &[u8]| {
        let mut parts = header.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next();
        !name.is_empty() && consists_of(name, b"[]/?:+$") && value.is_some_and(|value| consists_of(value, b"[]/?:+$"))
    };
    user.is_none_or(is_user)
        && host.rest.iter().all(|byte| !b" \t".contains(byte))
        && host.host_and_port()
        && host.rest.is_empty()
        && params.all(is_param)
        && headers.is_none_or(|headers| headers.split(|byte| *byte == b'&').all(is_header))
}

/// Of unreserved letters, of escapes and of these.
fn consists_of(bytes: &[u8], further: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
                _ => return false,
            },
            _ if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(byte) || further.contains(byte) => after,
            _ => return false,
        };
    }
    true
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Some(inside) = text.strip_prefix('[') {
        return inside.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        let is_inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // RFC 1035 section 2.3.4: no name of the DNS has a longer one.
        (1..=63).contains(&label.len()) && is_inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let top = name.rsplit('.').next().unwrap_or_default();
    text.parse::<Ipv4Addr>().is_ok()
        || name.split('.').all(is_label) && top.starts_with(|letter: char| letter.is_ascii_alphabetic())
}

/// Parameters that are nothing without a value.
const VALUED: [&[u8]; 7] = [b"tag", b"branch", b"q", b"expires", b"ttl", b"received", b"maddr"];

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rule: fn(&mut Text<'_>) -> bool, within: &[&str], outside: &[&str]) {
        for value in within {
            assert!(is_whole(value.as_bytes(), rule), "{value}");
        }
        for value in outside {
            assert!(!is_whole(value.as_bytes(), rule), "{value}");
        }
    }

    #[test]
    fn addresses_by_the_letter() {
        of(
            from,
            &[
                "sip:a@b.example",
                "<sip:a@b.example;transport=tcp?Subject=x>;tag=1",
                "\"A. \\\" B\" <sips:a:secret@[2001:db8::1]:5061> ; tag = 1;x",
                "A B <tel:+1-201-555-0123>",
                "sip:a@b.example;tag=1;y=\"z\"",
                "<sip:%61@192.0.2.1>",
            ],
            &[
                "A<sip:a@b.example>",
                "sip:a@b.example?Subject=x",
                "<sip:a@b.example>;tag=8=1",
                "<sip:a@b.example>;tag",
                "<sip:a@b.example>;x;X",
                "= <sip:a@b.example>",
                "<sip:a@b@c.example>",
                "<sip:a%4@b.example>",
                "<sip:a@b_c.example>",
                "<sip:@b.example>",
                "\"A <sip:a@b.example>",
                "<sip:a@b.example",
                "<sip:a@b.example;=x>",
            ],
        );
    }

    #[test]
    fn lists_and_vias_by_the_letter() {
        of(
            contacts,
            &["*", "<sip:a@b.example>;q=0.5;expires=60, sip:c@d.example"],
            &["**", "<sip:a@b.example>;q=2", "<sip:a@b.example>,,<sip:c@d.example>", "<sip:a@b.example>;expires=x"],
        );
        of(routes, &["<sip:p.example;lr>,<sip:q.example>;x=y"], &["sip:p.example", "<sip:p.example>,"]);
        of(
            vias,
            &[
                "SIP/2.0/UDP a.example:5060;branch=z9hG4bK1;rport",
                "SIP / 2.0 / TCP [2001:db8::1] : 5062 ;received=192.0.2.1",
            ],
            &[
                "SIP/2.0/UDP a.example:;branch=1",
                "SIP/2.0 a.example",
                "SIP/2.0/UDP a.example;branch=",
                "SIP/2.0/UDP 1.2.3",
            ],
        );
    }
}
