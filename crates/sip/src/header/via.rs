//! Via (RFC 3261 20.42, RFC 3581 rport).

use super::grammar::{
    Params, check_params, is_space, is_token_byte, params, parse_digits, split_once, split_run, trim,
};
use crate::{HeaderName, ParseError, uri::split_host_port};

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// As received: `UDP`, `TLS` ... in any case; see [`crate::Transport::parse`].
    pub transport: &'a str,
    /// The sent-by host; IPv6 in its brackets.
    pub host: &'a str,
    pub port: Option<u16>,
    text: &'a str,
    params: &'a str,
}

impl<'a> Via<'a> {
    /// One value: `SIP/2.0/UDP host:port;params`, white space and folds wherever the grammar has them.
    pub fn parse(value: &'a [u8]) -> Result<Via<'a>, ParseError> {
        std::str::from_utf8(value)
            .ok()
            .and_then(|text| parse_parts(trim(text)))
            .ok_or(ParseError::Malformed(HeaderName::Via))
    }

    pub fn branch(&self) -> Option<&'a str> {
        self.param("branch").flatten()
    }

    /// The address the request came from, as the next element wrote it.
    pub fn received(&self) -> Option<&'a str> {
        self.param("received").flatten()
    }

    /// `None`: no rport. `Some(None)`: asked for. `Some(Some(port))`: filled in.
    /// A value that is no port counts as asked for.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.param("rport")?;
        Some(value.and_then(|text| parse_digits(text.as_bytes())).and_then(|port| port.try_into().ok()))
    }

    /// `None`: absent; `Some(None)`: without a value. Surrounding quotes are taken off.
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params().get(name)
    }

    pub fn params(&self) -> Params<'a> {
        params(self.params)
    }

    /// The whole value, as received.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

fn parse_parts(text: &str) -> Option<Via<'_>> {
    let rest = match text.strip_prefix("SIP/2.0/") {
        Some(rest) => rest,
        None => parse_spaced_protocol(text)?,
    };
    let (transport, rest) = split_run(trim(rest), is_token_byte);
    let (sent_by, params) = split_run(rest, |byte| byte != b';');
    let (host, port) = split_host_port(trim(sent_by))?;
    let well_formed = !transport.is_empty() && rest.bytes().next().is_some_and(is_space) && check_params(params, ONCE);
    well_formed.then_some(Via { transport, host, port, text, params })
}

/// What follows the name and the version, as seldom as anybody writes them with white space or in small letters.
fn parse_spaced_protocol(text: &str) -> Option<&str> {
    let (name, rest) = split_once(text, b'/')?;
    let (version, rest) = split_once(rest, b'/')?;
    (trim(name).eq_ignore_ascii_case("SIP") && trim(version) == "2.0").then_some(rest)
}

/// What a response is sent by and matched with.
const ONCE: &[&str] = &["branch", "received", "rport", "maddr", "ttl"];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Via<'_> {
        Via::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn parts_are_found() {
        let via = parse("SIP/2.0/TLS edge.a.example:5061;branch=z9hG4bK1;received=192.0.2.1;rport=4711");
        assert_eq!((via.transport, via.host, via.port), ("TLS", "edge.a.example", Some(5061)));
        assert_eq!((via.branch(), via.received()), (Some("z9hG4bK1"), Some("192.0.2.1")));
        assert_eq!(via.rport(), Some(Some(4711)));
        assert_eq!(parse("SIP/2.0/UDP a;rport").rport(), Some(None));
        assert_eq!(parse("SIP/2.0/UDP a").rport(), None);
        assert_eq!(parse("SIP/2.0/UDP a").port, None);
    }

    #[test]
    fn white_space_and_folds_are_where_the_grammar_has_them() {
        // RFC 4475 3.1.1.1
        let via = parse("SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw");
        assert_eq!((via.transport, via.host, via.branch()), ("UDP", "192.0.2.2", Some("390skdjuw")));
        let via = parse("SIP  / 2.0  / TCP     spindle.example.com : 5070   ;\r\n  branch  =   z9hG4bK9ikj8");
        assert_eq!((via.host, via.port, via.branch()), ("spindle.example.com", Some(5070), Some("z9hG4bK9ikj8")));
    }

    #[test]
    fn ipv6() {
        // RFC 5118 4.4, 4.5
        let via = parse("SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255];branch=z9hG4bKas3-111");
        assert_eq!((via.host, via.port), ("[2001:db8::9:1]", Some(6050)));
        assert_eq!(via.received(), Some("[2001:db8::9:255]"));
        assert_eq!(parse("SIP/2.0/UDP [::1];received=2001:db8::9:255").received(), Some("2001:db8::9:255"));
    }

    #[test]
    fn malformed_vias() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;branch=1",
            "SIP/7.0/UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/ a",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a:0",
            "SIP/2.0/UDP a:65536",
            "SIP/2.0/UDP a;branch=",
            "SIP/2.0/UDP a;branch=z9hG4bK\x0c",
            "SIP/2.0/UDP a:",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP [2001:db8::g]",
            "SIP/2.0/UDP a;branch=1;Branch=2",
            "SIP/2.0/UDP a;;",
            "SIP/2.0/UDP a, SIP/2.0/UDP b",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
