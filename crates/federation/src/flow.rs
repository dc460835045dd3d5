//! What is known of a flow (a connection, or a remote address over UDP) when a request arrives on it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::flow::{FlowId, Transport};

use crate::trust::PeerCertificate;
use crate::verification::Role;

/// Why there is no connection to a server: where it failed, and how, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ConnectFailure {
    pub at: ConnectStep,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectStep {
    /// TCP: nobody answered, or no way leads there.
    Tcp,
    /// There is a machine, and it said no.
    Refused,
    /// TLS over it.
    Tls,
    /// The same, which the server ended with an alert.
    Alert,
}

/// Facts fixed when the flow came to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowFacts {
    pub id: FlowId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub direction: Direction,
    /// The certificate the peer presented; only ever on a TLS flow.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// Of the inner side: accepted by a listener of [inside], or opened by us to what is behind us. Such a certificate
    /// was looked at with the authorities of that side.
    #[serde(default)]
    pub is_inner: bool,
}

impl FlowFacts {
    /// The peer's part in the handshake: whoever accepted the connection is the server.
    pub fn peer_role(&self) -> Role {
        match self.direction {
            Direction::Inbound => Role::Client,
            Direction::Outbound => Role::Server,
        }
    }

    /// The peer's certificate, if the flow is secure.
    pub fn secure_certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_deref().filter(|_| self.transport == Transport::Tls)
    }
}

/// Whether a host, as a URI has it, is this address in any of its spellings.
pub fn is_written(host: &str, address: IpAddr) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(|written: IpAddr| written == address)
}

/// Whom an address counts for: of IPv6 the network of 64 bits, since whoever has one of its addresses has all of them. An address
/// of IPv4 that is written as one of IPv6 is the former.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Who opened the flow, or which way a message crosses the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// What a flow carries, fixed for life by the first request that is admitted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowKind {
    Undecided,
    Partner,
    Client,
    /// Between an edge and what is behind it.
    Inside,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let of = |address: &str| network_of(address.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:9::9"));
        assert_ne!(of("2001:db8:1:2::4"), of("2001:db8:1:3::4"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
