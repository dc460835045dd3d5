//! URIs (RFC 3261 19.1, 25.1), kept as received: escapes are compared, never decoded or written again.

mod marks;

use std::{
    borrow::Cow,
    fmt, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    ParseError,
    header::grammar::{parse_digits, split_once, split_run, trim},
};

use marks::Marks;

/// `sip:` and `sips:` in their parts; of any other scheme only the scheme is known.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    /// With the leading semicolon, or empty.
    params: &'a str,
    headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// The whole text is one URI, no white space around it.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, ParseError> {
        let (uri, rest) = Uri::read(text).ok_or(ParseError::Invalid("URI"))?;
        rest.is_empty().then_some(uri).ok_or(ParseError::Invalid("URI"))
    }

    /// The URI at the start, and what is left from the first byte on that no URI has.
    pub(crate) fn read(text: &'a str) -> Option<(Uri<'a>, &'a str)> {
        let marks = Marks::find(text.as_bytes())?;
        let (text, rest) = text.split_at(marks.end);
        let uri = Uri { scheme: &text[..marks.scheme_end], ..Uri::bare(text) };
        let uri = match uri.is_sip() {
            true => parse_sip(uri, &marks)?,
            false => uri,
        };
        Some((uri, rest))
    }

    fn bare(text: &'a str) -> Uri<'a> {
        Uri { text, scheme: "", user: None, password: None, host: "", port: None, params: "", headers: None }
    }

    /// As received, without the colon.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    pub fn is_sip(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("sip") || self.is_sips()
    }

    pub fn is_sips(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("sips")
    }

    /// Raw: escapes kept, password and `@` left out.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// IPv6 in its brackets; empty for a scheme that is not SIP's.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// Where the host is written as an address.
    pub fn host_address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// To compare domains with: lower case, without a trailing dot.
    pub fn host_lowercase(&self) -> Cow<'a, str> {
        let host = self.host.strip_suffix('.').unwrap_or(self.host);
        match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        }
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `None`: absent; `Some(None)`: without a value. Raw.
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        let found = self.params().find(|(found, _)| eq_escaped(found, name, true))?;
        Some(found.1)
    }

    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// Whether it has this parameter with this value, however that is escaped and in whichever case (RFC 3261 19.1.4).
    pub fn has_param_value(&self, name: &str, value: &str) -> bool {
        self.param(name).flatten().is_some_and(|found| eq_escaped(found, value, true))
    }

    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut rest = self.params;
        iter::from_fn(move || {
            let (param, behind) = split_run(rest.strip_prefix(';')?, |byte| byte != b';');
            rest = behind;
            Some(split_value(param))
        })
    }

    /// The `transport` parameter, raw: `tcp`, `TLS` ...
    pub fn transport(&self) -> Option<&'a str> {
        self.param("transport").flatten()
    }

    /// What follows `?`, raw.
    pub fn headers(&self) -> Option<&'a str> {
        self.headers
    }

    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The same without what follows `?`: a Request-URI has no headers (RFC 3261 19.1.1). A question mark may be of the user
    /// part, too.
    pub fn without_headers(&self) -> &'a str {
        match self.headers {
            Some(headers) => &self.text[..self.text.len() - headers.len() - 1],
            None => self.text,
        }
    }

    /// The same resource (RFC 3261 19.1.4); URIs of other schemes are compared as text.
    pub fn eq_uri(&self, other: &Uri<'_>) -> bool {
        if !self.is_sip() {
            return self.text == other.text;
        }
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && eq_optional(self.user, other.user, false)
            && eq_optional(self.password, other.password, false)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && self.params_agree(other)
            && other.params_agree(self)
            && self.headers_within(other)
            && other.headers_within(self)
    }

    /// Those in both agree, and none that decides where a request goes is only here.
    fn params_agree(&self, other: &Uri<'_>) -> bool {
        self.params().all(|(name, value)| match other.param(name) {
            Some(theirs) => eq_optional(value, theirs, true),
            None => !DECISIVE.iter().any(|decisive| eq_escaped(name, decisive, true)),
        })
    }

    fn headers_within(&self, other: &Uri<'_>) -> bool {
        let pairs = |headers: Option<&'a str>| headers.unwrap_or("").split('&').map(split_value);
        let theirs = || other.headers.unwrap_or("").split('&').map(split_value);
        pairs(self.headers).all(|(name, value)| {
            theirs().any(|(their_name, their_value)| {
                eq_escaped(name, their_name, true) && eq_optional(value, their_value, false)
            })
        })
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// `host`, `host:port`, `[v6]:port`; white space around the colon as Via allows it. Checks the host's letters.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.starts_with('[') {
        true => text.split_at(text.find(']')? + 1),
        false => split_run(text, |byte| byte != b':'),
    };
    let (host, rest) = (trim(host), trim(rest));
    if !is_host(host) {
        return None;
    }
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some((host, None)),
        Some(port) => parse_port(trim(port)).map(|port| (host, Some(port))),
    }
}

/// Nothing behind the user part may hold `@`: others would take what is before the last for the user. A bracket begins an
/// address for some readers, wherever it stands before the port.
fn parse_sip<'a>(bare: Uri<'a>, marks: &Marks) -> Option<Uri<'a>> {
    let text = bare.text;
    let start = marks.scheme_end + 1;
    let is_in_user = |mark: Option<usize>| mark.filter(|mark| marks.at.is_some_and(|at| *mark < at));
    if marks.has_two_ats || is_in_user(marks.bracket).is_some() {
        return None;
    }
    let (user, password) = match (marks.at, is_in_user(marks.colon)) {
        (None, _) => (None, None),
        (Some(at), None) => (Some(&text[start..at]), None),
        (Some(at), Some(colon)) => (Some(&text[start..colon]), Some(&text[colon + 1..at])),
    };
    let params_end = marks.question.unwrap_or(text.len());
    let host_end = marks.semicolon.unwrap_or(params_end);
    let (host, port) = split_host_port(&text[marks.at.map_or(start, |at| at + 1)..host_end])?;
    let headers = marks.question.map(|question| &text[question + 1..]);
    let uri = Uri { user, password, host, port, params: &text[host_end..params_end], headers, ..bare };
    (user != Some("") && params_are_sound(&uri)).then_some(uri)
}

/// Named, each at most once (RFC 3261 19.1.1): two `transport` are two ways for one request. Few enough to be
/// compared with each other.
fn params_are_sound(uri: &Uri<'_>) -> bool {
    if uri.params.is_empty() && uri.headers.is_none() {
        return true;
    }
    let headers = uri.headers.map_or(0, |headers| headers.split('&').count());
    headers <= PARTS_MAX
        && uri.params().enumerate().all(|(index, (name, _))| {
            let is_said = uri.params().take(index).any(|(earlier, _)| eq_escaped(earlier, name, true));
            index < PARTS_MAX && !name.is_empty() && !is_said
        })
}

/// A name, an IPv4 address or an IPv6 reference. An underscore is no host letter, but it is found in the wild.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(is_ipv6);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= HOST_LEN_MAX && are_labels(name.as_bytes())
}

/// The grammar of RFC 3261 has three colons before an IPv4 address by mistake; RFC 5118 4.10 has both read.
fn is_ipv6(address: &str) -> bool {
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    match address.split_once(":::") {
        Some((groups, v4)) => v4.parse::<Ipv4Addr>().is_ok() && is_address(&format!("{groups}::{v4}")),
        None => is_address(address),
    }
}

/// Separated by dots, none of them empty.
fn are_labels(name: &[u8]) -> bool {
    let mut label_len = 0;
    for byte in name {
        match byte {
            b'.' if label_len == 0 => return false,
            b'.' => label_len = 0,
            _ if label_len == LABEL_LEN_MAX || !is_label_byte(*byte) => return false,
            _ => label_len += 1,
        }
    }
    label_len != 0
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn parse_port(text: &str) -> Option<u16> {
    let port = parse_digits(text.as_bytes())?.try_into().ok()?;
    (port != 0 && text.len() <= 5).then_some(port)
}

fn split_value(text: &str) -> (&str, Option<&str>) {
    match split_once(text, b'=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    }
}

fn eq_optional(left: Option<&str>, right: Option<&str>, ignore_case: bool) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => eq_escaped(left, right, ignore_case),
        _ => false,
    }
}

/// `%61` is `a`; `%40` is not `@`: an escaped reserved character stays another one (RFC 3261 19.1.4).
fn eq_escaped(left: &str, right: &str, ignore_case: bool) -> bool {
    let is_escaped = |text: &str| text.bytes().any(|byte| byte == b'%');
    if !is_escaped(left) && !is_escaped(right) {
        return if ignore_case { left.eq_ignore_ascii_case(right) } else { left == right };
    }
    let fold = |(byte, escaped): (u8, bool)| match ignore_case {
        true => (byte.to_ascii_lowercase(), escaped),
        false => (byte, escaped),
    };
    units(left.as_bytes()).map(fold).eq(units(right.as_bytes()).map(fold))
}

/// Characters, and whether each stands for a reserved one.
fn units(bytes: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (unit, length) = match *rest {
            [] => return None,
            [b'%', high, low, ..] => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    let byte = high << 4 | low;
                    ((byte, RESERVED.contains(&byte)), 3)
                }
                _ => ((b'%', false), 1),
            },
            [byte, ..] => ((byte, false), 1),
        };
        rest = &rest[length..];
        Some(unit)
    })
}

/// Every `%HH` replaced by its byte.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    units(text.as_bytes()).map(|(byte, _)| byte).collect()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|digit| digit as u8)
}

const RESERVED: &[u8] = b";/?:@&=+$,";

/// In one URI only, these make two different ones (RFC 3261 19.1.4, and its example for `transport`).
const DECISIVE: &[&str] = &["transport", "user", "ttl", "method", "maddr"];

/// Parameters of a URI, and its headers.
const PARTS_MAX: usize = 32;

/// Of a domain name and of its labels, bytes (RFC 1035 2.3.4).
const HOST_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Uri<'_> {
        Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn parts_are_found_and_kept_raw() {
        let uri = parse("SIPS:al%20ice;x=1?:pw@Edge.A.Example.:5061;transport=TLS;lr?Subject=a%20b&x=y");
        assert!(uri.is_sips());
        assert_eq!((uri.user(), uri.password()), (Some("al%20ice;x=1?"), Some("pw")));
        assert_eq!((uri.host(), uri.port()), ("Edge.A.Example.", Some(5061)));
        assert_eq!(uri.host_lowercase(), "edge.a.example");
        assert_eq!((uri.transport(), uri.param("LR"), uri.param("x")), (Some("TLS"), Some(None), None));
        assert_eq!(uri.headers(), Some("Subject=a%20b&x=y"));
        assert_eq!(uri.without_headers(), "SIPS:al%20ice;x=1?:pw@Edge.A.Example.:5061;transport=TLS;lr");
        assert_eq!(parse("sip:a?b@c").without_headers(), "sip:a?b@c");
    }

    #[test]
    fn rfc_4475_uris() {
        // 3.1.1.3 and 3.1.1.4: escapes; 3.1.1.10: a parameter in the user part.
        let escaped = parse("sip:sips%3Auser%40example.com@example.net");
        assert_eq!((escaped.user(), escaped.host()), (Some("sips%3Auser%40example.com"), "example.net"));
        assert_eq!(parse("sip:null-%00-null@example.com").user(), Some("null-%00-null"));
        let semi = parse("sip:user;par=u%40example.net@example.com");
        assert_eq!((semi.user(), semi.host()), (Some("user;par=u%40example.net"), "example.com"));
        assert_eq!(parse("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com").host(), "example.com");
    }

    #[test]
    fn a_host_is_no_longer_than_a_name_and_its_labels_may_be() {
        let host = |first: usize| format!("{}{}", "x".repeat(first), format!(".{}", "y".repeat(49)).repeat(4));
        for (first, is_host) in [(53, true), (54, false)] {
            let host = host(first);
            assert_eq!(Uri::parse(&format!("sip:a@{host}")).is_ok(), is_host, "{}", host.len());
            assert_eq!(Uri::parse(&format!("sip:a@{host}.:5061;lr")).is_ok(), is_host, "the root is not counted");
            assert_eq!(split_host_port(&host).is_some(), is_host, "as a Via has it");
        }
        assert!(Uri::parse(&format!("sip:{}.example", "x".repeat(63))).is_ok());
        assert!(Uri::parse(&format!("sip:{}.example", "x".repeat(64))).is_err());
    }

    #[test]
    fn hosts() {
        assert_eq!(parse("sip:[2001:db8::10]:5070").port(), Some(5070));
        assert_eq!(parse("sip:[2001:db8::10:5070]").host(), "[2001:db8::10:5070]");
        assert_eq!(parse("sip:a_b.example").host(), "a_b.example");
        for bad in [
            "sip:",
            "sip:@a",
            "sip:[::1]:5060@a",
            "sip:a:[::1]@a",
            "sip:a@",
            "sip:2001:db8::10",
            "sip:[2001:db8::10",
            "sip:[2001:db8::zz]",
            "sip:[]",
            "sip:a..b",
            "sip:.a",
            "sip:.",
            "sip:a b",
            "sip:a:port",
            "sip:a:99999",
            "sip:a@b@c",
            "sip:a@b;x=c@d",
            "sip:a@b?x=c@d",
            "sip:a%4@b",
            "sip:a%zz@b",
            "sip:a@b;;lr",
            "sip:a@b;transport=tcp;Transport=tls",
            "sip:a@b;lr;l%72",
            "sip:a@b;x=1;X=1",
            "sip:a\"@b",
            "sip:a<@b",
            "sip:\u{e9}@b",
            "a@b",
            "1sip:a",
            ":a",
        ] {
            assert!(Uri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn equivalence_is_that_of_rfc_3261_19_1_4() {
        for (left, right) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(parse(left).eq_uri(&parse(right)), "{left} {right}");
            assert!(parse(right).eq_uri(&parse(left)), "{left} {right}");
        }
        for (left, right) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:a%40b@c", "sip:a%2540b@c"),
            ("sip:b@c", "sip:c"),
        ] {
            assert!(!parse(left).eq_uri(&parse(right)), "{left} {right}");
            assert!(!parse(right).eq_uri(&parse(left)), "{left} {right}");
        }
        assert!(!parse("sip:a%3Bb@c").eq_uri(&parse("sip:a;b@c")), "an escaped reserved character is another one");
        assert!(parse("tel:+1").eq_uri(&parse("tel:+1")));
    }

    #[test]
    fn parts_are_few() {
        let of = |parts: usize| format!("sip:a@b{}", (0..parts).map(|part| format!(";p{part}")).collect::<String>());
        assert_eq!(parse(&of(PARTS_MAX)).params().count(), PARTS_MAX);
        assert!(Uri::parse(&of(PARTS_MAX + 1)).is_err());
        assert!(Uri::parse(&format!("sip:a@b?{}", "a=b&".repeat(PARTS_MAX))).is_err());
    }

    #[test]
    fn host_and_port_of_a_via() {
        assert_eq!(split_host_port("a : 5060"), Some(("a", Some(5060))));
        assert_eq!(split_host_port("[::1] :1"), Some(("[::1]", Some(1))));
        assert_eq!(split_host_port("[::1]1"), None);
        assert_eq!(split_host_port(""), None);
    }
}
