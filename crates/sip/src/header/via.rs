//! Via (RFC 3261 20.42, RFC 3581 rport).

use super::grammar::{Params, check_params, is_token, params, parse_digits, trim};
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
    let (name, rest) = text.split_once('/')?;
    let (version, rest) = rest.split_once('/')?;
    if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
        return None;
    }
    let rest = rest.trim_start_matches(SPACES);
    let (transport, rest) = rest.split_at(rest.find(SPACES)?);
    let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    let (host, port) = split_host_port(trim(sent_by))?;
    let well_formed = is_token(transport.as_bytes()) && check_params(params, ONCE);
    well_formed.then_some(Via { transport, host, port, text, params })
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// What a response is sent by and matched with.
const ONCE: &[&str] = &["branch", "received", "rport", "maddr", "ttl"];
