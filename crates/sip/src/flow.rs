//! What a message travels on: an opaque flow (RFC 5626) and the transport's name in Via and URIs.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

/// A connection for life, or a pair of our datagram socket and a remote address. Opaque below the shell.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FlowId {
    Stream { worker: u16, serial: u64 },
    Datagram { listener: u8, remote: SocketAddr },
}

impl FlowId {
    /// Whether the transport retransmits by itself (RFC 3261 17: fewer timers run).
    pub fn is_reliable(self) -> bool {
        matches!(self, FlowId::Stream { .. })
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// A WebSocket over TCP (RFC 7118).
    Ws,
    /// A WebSocket over TLS.
    Wss,
}

impl Transport {
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// Where a URI names no port (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// As Via spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// As the `transport` URI parameter spells it.
    pub fn param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            // There is one value for both (RFC 7118 section 5.3).
            Transport::Ws | Transport::Wss => "ws",
        }
    }

    /// As Via spells it, in any case. `None`: a transport that we do not speak.
    pub fn parse(text: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|transport| transport.as_str().eq_ignore_ascii_case(text))
    }

    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Whether nobody on the way reads what goes over it, or slips anything in.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether a message is a WebSocket's (RFC 7118): framed by that, and open to web pages.
    pub fn is_web_socket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_read_in_any_case() {
        assert_eq!(Transport::parse("tLs"), Some(Transport::Tls));
        assert_eq!(Transport::parse("UDP"), Some(Transport::Udp));
        assert_eq!(Transport::parse("wss"), Some(Transport::Wss));
        assert_eq!(Transport::parse("SCTP"), None);
    }

    #[test]
    fn only_streams_are_reliable() {
        let remote = "192.0.2.1:5060".parse().expect("an address");
        assert!(FlowId::Stream { worker: 0, serial: 1 }.is_reliable());
        assert!(!FlowId::Datagram { listener: 0, remote }.is_reliable());
    }
}
