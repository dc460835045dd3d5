//! What a hop changes in a request (RFC 3261 sections 16.6 and 18.2.1, RFC 3581). All of it pure text.

use std::net::{IpAddr, SocketAddr};

use crate::error::ParseError;
use crate::flow::Transport;
use crate::message::Message;

/// The Max-Forwards value to send on: one less, or 70 where there is none. None when it is used up: 483.
pub fn next_max_forwards(request: &Message) -> Result<Option<u8>, ParseError> {
    Ok(request.max_forwards()?.map_or(Some(MAX_FORWARDS), |hops| hops.checked_sub(1)))
}

/// The value of the Via that we add: with rport, since we take responses where requests left from.
///
/// `host` is a name, an IPv4 address or an IPv6 address in brackets; `branch` starts with the magic cookie.
pub fn via_value(transport: Transport, host: &str, port: u16, branch: &str) -> String {
    format!("SIP/2.0/{} {host}:{port};branch={branch};rport", transport.as_str())
}

/// The value of the Record-Route that we add; `user` carries what we want to know of the dialog again.
pub fn record_route_value(user: &str, host: &str, port: u16, transport: Transport) -> String {
    format!("<sip:{user}@{host}:{port};transport={};lr>", transport.param())
}

/// The top Via of a request that came from `source`, with received and rport as responses need them, or None when it
/// is right as it came. What a client wrote there itself is replaced: it would misdirect our responses.
pub fn received_via(request: &Message, source: SocketAddr) -> Result<Option<String>, ParseError> {
    let via = request.top_via()?;
    let wants_rport = via.rport().is_some();
    let is_source = bare_address(via.host) == Some(source.ip());
    if is_source && !wants_rport && via.received().is_none() {
        return Ok(None);
    }
    let text = via.as_str();
    let mut value = text[..text.find(';').unwrap_or(text.len())].trim_end().to_owned();
    for param in via.params() {
        if !["received", "rport"].iter().any(|name| param.name.eq_ignore_ascii_case(name)) {
            value.push(';');
            value.push_str(param.name);
            value.extend(param.value.map(|value| format!("={value}")));
        }
    }
    // RFC 3581 section 4: received goes with rport even where it says what sent-by says.
    if !is_source || wants_rport {
        value += &format!(";received={}", source.ip().to_canonical());
    }
    if wants_rport {
        value += &format!(";rport={}", source.port());
    }
    Ok(Some(value))
}

/// Where the responses to a request that came from `source` by UDP go (RFC 3261 section 18.2.2): to the port of its sent-by,
/// unless it asks with rport for the one it came from (RFC 3581). Its sent-by has to be the address that it came from: a
/// client behind a NAT that knows nothing of rport names an address and a port inside, and is answered at `source`.
pub fn response_address(request: &Message, source: SocketAddr) -> SocketAddr {
    match request.top_via() {
        Ok(via) if via.rport().is_none() && bare_address(via.host) == Some(source.ip().to_canonical()) => {
            SocketAddr::new(source.ip(), via.port.unwrap_or(Transport::Udp.default_port()))
        }
        _ => source,
    }
}

/// The address that a sent-by host is, or None for a name.
fn bare_address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// RFC 3261 section 8.1.1.6.
pub const MAX_FORWARDS: u8 = 70;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &str) -> Message {
        let text = format!(
            "OPTIONS sip:fabrikam.com SIP/2.0\r\n{headers}From: <sip:alice@contoso.com>;tag=1\r\n\
             To: <sip:fabrikam.com>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).expect("is well formed")
    }

    fn received(via: &str, source: &str) -> Option<String> {
        let source = source.parse().expect("is an address");
        received_via(&request(&format!("Via: {via}\r\n")), source).expect("the Via is well formed")
    }

    #[test]
    fn max_forwards_counts_down() {
        let via = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n";
        for (header, next) in [
            ("", Some(70)),
            ("Max-Forwards: 70\r\n", Some(69)),
            ("Max-Forwards: 1\r\n", Some(0)),
            ("Max-Forwards: 0\r\n", None),
        ] {
            assert_eq!(next_max_forwards(&request(&format!("{via}{header}"))), Ok(next));
        }
    }

    #[test]
    fn our_values() {
        let via = via_value(Transport::Tls, "edge.contoso.com", 5061, "z9hG4bK1");
        assert_eq!(via, "SIP/2.0/TLS edge.contoso.com:5061;branch=z9hG4bK1;rport");
        let record_route = record_route_value("token", "edge.contoso.com", 5061, Transport::Tls);
        assert_eq!(record_route, "<sip:token@edge.contoso.com:5061;transport=tls;lr>");
    }

    #[test]
    fn source_is_written_where_sent_by_does_not_say_it() {
        assert_eq!(received("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", "192.0.2.1:5060"), None);
        assert_eq!(
            received("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", "192.0.2.1:5060").as_deref(),
            Some("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.1")
        );
        assert_eq!(
            received("SIP/2.0/TLS edge.contoso.com ; branch = z9hG4bK1", "[::ffff:192.0.2.1]:5061").as_deref(),
            Some("SIP/2.0/TLS edge.contoso.com;branch=z9hG4bK1;received=192.0.2.1")
        );
    }

    #[test]
    fn rport_is_filled_in() {
        assert_eq!(
            received("SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1", "192.0.2.1:40000").as_deref(),
            Some("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.1;rport=40000")
        );
        assert_eq!(
            received("SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport;x=\"y\"", "[2001:db8::1]:5060").as_deref(),
            Some("SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;x=\"y\";received=2001:db8::1;rport=5060")
        );
    }

    #[test]
    fn a_response_goes_to_the_port_of_sent_by_unless_it_is_behind_a_nat() {
        for (via, source, expected) in [
            ("192.0.2.1:5080", "192.0.2.1:40000", "192.0.2.1:5080"),
            ("192.0.2.1", "192.0.2.1:40000", "192.0.2.1:5060"),
            ("192.0.2.1:5080;rport", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("192.0.2.1:5080", "[::ffff:192.0.2.1]:40000", "[::ffff:192.0.2.1]:5080"),
            ("[2001:DB8::1]:5080", "[2001:db8::1]:40000", "[2001:db8::1]:5080"),
            ("10.0.0.1:5080", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("phone.example:5080", "192.0.2.1:40000", "192.0.2.1:40000"),
            ("203.0.113.1:5080;received=192.0.2.1;maddr=203.0.113.2", "192.0.2.1:40000", "192.0.2.1:40000"),
        ] {
            let request = request(&format!("Via: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n"));
            let address = |text: &str| text.parse().expect("is an address");
            assert_eq!(response_address(&request, address(source)), address(expected), "{via} from {source}");
        }
    }

    #[test]
    fn what_a_client_claims_is_replaced() {
        assert_eq!(
            received("SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;branch=z9hG4bK1", "192.0.2.1:5060").as_deref(),
            Some("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        );
        assert_eq!(
            received("SIP/2.0/UDP a.example;rport=9;received=203.0.113.9;branch=z9hG4bK1", "192.0.2.1:5060").as_deref(),
            Some("SIP/2.0/UDP a.example;branch=z9hG4bK1;received=192.0.2.1;rport=5060")
        );
    }
}
