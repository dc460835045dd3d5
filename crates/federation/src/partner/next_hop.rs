//! A next hop that an administrator writes as a SIP URI: where requests go in place of the server that the DNS names.

use sip::Uri;

use super::{EDGE_PORT_DEFAULT, Edge};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no next hop: {why}")]
pub struct NextHopError {
    text: String,
    why: &'static str,
}

/// Reads `sip:HOST`, `sip:HOST:PORT` or `sip:HOST:PORT;transport=tls` as "host:port". The host is a DNS name, which the
/// certificate there has to name.
///
/// # Errors
/// For any other URI: it is spoken with by TLS alone, and an address cannot be verified by name.
pub fn parse_next_hop(text: &str) -> Result<String, NextHopError> {
    let refuse = |why| NextHopError { text: text.to_owned(), why };
    let uri = Uri::parse(text).map_err(|_| refuse("write it as sip:HOST:PORT;transport=tls"))?;
    if !uri.is_sip() || uri.user().is_some() || uri.headers().is_some() {
        return Err(refuse("write it as sip:HOST:PORT;transport=tls, without a user or headers"));
    }
    let is_tls = |name: &str| name.eq_ignore_ascii_case("tls");
    if uri.param("transport").is_some_and(|transport| !transport.is_some_and(is_tls)) {
        return Err(refuse("other organisations are reached by TLS alone (transport=tls)"));
    }
    let named = format!("{}:{}", uri.host(), uri.port().unwrap_or(EDGE_PORT_DEFAULT));
    let edge: Edge = named.parse().map_err(|_| refuse("its host has to be a DNS name, which its certificate names"))?;
    Ok(edge.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_uri_by_tls_names_a_host_and_a_port() {
        let reads = |text: &str| parse_next_hop(text).map_err(|error| error.why);
        assert_eq!(reads("sip:Sbc.corp.example").as_deref(), Ok("sbc.corp.example:5061"));
        assert_eq!(reads("sip:sbc.corp.example:5071;transport=TLS").as_deref(), Ok("sbc.corp.example:5071"));
        assert_eq!(reads("sips:sbc.corp.example").as_deref(), Ok("sbc.corp.example:5061"));
        for (bad, why) in [
            ("sbc.corp.example", "write it as"),
            ("sip:alice@sbc.corp.example", "without a user"),
            ("sip:sbc.corp.example;transport=tcp", "by TLS alone"),
            ("sip:192.0.2.1", "DNS name"),
        ] {
            assert!(reads(bad).is_err_and(|found| found.contains(why)), "{bad}");
        }
    }
}
