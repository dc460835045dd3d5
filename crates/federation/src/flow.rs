//! What is known of a flow (a connection, or a remote address over UDP) when a request arrives on it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::flow::{FlowId, Transport};

use crate::trust::PeerCertificate;
use crate::verification::Role;

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
