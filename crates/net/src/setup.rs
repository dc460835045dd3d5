//! What a worker is started with, and how its sockets are bound.

use std::net::SocketAddr;
use std::sync::Arc;

use signaling::CoreConfig;
use sip::Transport;
use socket2::{Domain, Protocol, Socket, Type};

use crate::media::MediaThreads;
use crate::udp::{DatagramPlaces, PLACES_MAX};
use crate::{Accounts, Inbox, Limits, Mailbox, Networks, Origins, Resolver};

/// Everything that one worker's thread needs; see [`run`](crate::run).
pub struct WorkerSetup {
    pub core: CoreConfig,
    /// In the order of `core.listeners`.
    pub listeners: Vec<ListenerSetup>,
    /// The same of all workers.
    pub datagram_places: Arc<DatagramPlaces>,
    /// Whose web pages may open WebSockets here.
    pub origins: Arc<Origins>,
    /// What authorities are answered that look whether a name leads here.
    pub challenges: certificates::TlsAlpn,
    /// How partners are connected to, by the number of the certificate that they are shown.
    pub tls_clients: TlsClients,
    pub roots: certificates::Roots,
    /// Where edge and home are two.
    pub inside: Option<InsideTls>,
    pub resolver: Resolver,
    pub accounts: Arc<dyn Accounts>,
    /// Where the sound of its conferences and anchored calls is.
    pub media: MediaThreads,
    /// Of all workers, by number; this worker's own among them.
    pub mailboxes: Vec<Mailbox>,
    pub inbox: Inbox,
    pub limits: Limits,
}

/// One for each certificate of ours, so that no session of one is resumed with another.
#[derive(Clone)]
pub struct TlsClients {
    pub first: Arc<rustls::ClientConfig>,
    pub further: Vec<Arc<rustls::ClientConfig>>,
}

impl TlsClients {
    pub fn of(first: Arc<rustls::ClientConfig>) -> TlsClients {
        TlsClients { first, further: Vec::new() }
    }

    /// The first where there is none of this number.
    pub(crate) fn get(&self, number: u16) -> &Arc<rustls::ClientConfig> {
        let further = usize::from(number).checked_sub(1).and_then(|index| self.further.get(index));
        further.unwrap_or(&self.first)
    }
}

/// What TLS on the inner side is done with: a certificate of its own, and authorities of its own.
#[derive(Clone)]
pub struct InsideTls {
    pub client: Arc<rustls::ClientConfig>,
    pub roots: certificates::Roots,
}

/// A socket to listen on. Every worker binds it for itself; the kernel spreads connections and remote addresses.
#[derive(Clone)]
pub struct ListenerSetup {
    pub transport: Transport,
    pub address: SocketAddr,
    /// For [`Transport::Tls`] and [`Transport::Wss`], and only there.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Of the inner side.
    pub is_inner: bool,
    /// Load balancers, whose connections begin with a PROXY header; of a stream.
    pub balancers: Arc<Networks>,
}

/// Why a worker cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    #[error("cannot listen on {address} ({transport}): {reason}. {advice}")]
    Bind { transport: Transport, address: SocketAddr, reason: String, advice: &'static str },
    #[error("the listener {address} ({transport}) has no certificate. Give it one, or let it listen without TLS")]
    NoCertificate { transport: Transport, address: SocketAddr },
    #[error(
        "there are more than {PLACES_MAX} addresses to listen on. Listen on 0.0.0.0 or [::] instead, which are all"
    )]
    TooManyListeners,
    #[error("the name servers cannot be read: {reason}. Name them in the configuration, under [dns]")]
    Resolver { reason: String },
    #[error("the worker's runtime cannot start: {reason}. Check the limit of open files")]
    Runtime { reason: String },
}

/// Whether nobody listens there yet. To be asked once before the workers start: they share each port among
/// themselves, so the kernel would let a second server of the same user share it too.
pub fn check_free(transport: Transport, address: SocketAddr) -> Result<(), NetError> {
    bind(transport, address, Sharing::Exclusive).map(drop)
}

/// A non-blocking socket, bound and, for a stream, listening.
pub(crate) fn listen(transport: Transport, address: SocketAddr) -> Result<Socket, NetError> {
    let socket = bind(transport, address, Sharing::AmongWorkers)?;
    if transport != Transport::Udp {
        socket.listen(LISTEN_BACKLOG).map_err(|error| bind_error(transport, address, &error))?;
    }
    Ok(socket)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Exclusive,
    AmongWorkers,
}

fn bind(transport: Transport, address: SocketAddr, sharing: Sharing) -> Result<Socket, NetError> {
    let attempt = || {
        let (kind, protocol) = match transport {
            Transport::Udp => (Type::DGRAM, Protocol::UDP),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => (Type::STREAM, Protocol::TCP),
        };
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        if address.is_ipv6() {
            // A remote address has one spelling, whatever the system's default is.
            socket.set_only_v6(true)?;
        }
        if transport != Transport::Udp {
            socket.set_reuse_address(true)?;
        }
        socket.set_reuse_port(sharing == Sharing::AmongWorkers)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    attempt().map_err(|error| bind_error(transport, address, &error))
}

fn bind_error(transport: Transport, address: SocketAddr, error: &std::io::Error) -> NetError {
    use std::io::ErrorKind;
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "Stop the other program, or choose another port",
        ErrorKind::AddrNotAvailable => "Choose an address that this machine has",
        ErrorKind::PermissionDenied => "Choose a port of 1024 or above, or grant CAP_NET_BIND_SERVICE",
        _ => "Check the address and the port",
    };
    NetError::Bind { transport, address, reason: error.to_string(), advice }
}

const LISTEN_BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn workers_share_a_port_that_nobody_else_gets() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let first = listen(transport, any()).expect("a free port");
            let address = first.local_addr().expect("bound").as_socket().expect("an IP socket");
            let error = check_free(transport, address).expect_err("taken");
            assert!(error.to_string().contains("Stop the other program"), "{error}");
            let second = listen(transport, address);
            assert!(second.is_ok(), "{transport}");
            drop((first, second));
            assert_eq!(check_free(transport, address), Ok(()));
        }
    }

    #[test]
    fn a_foreign_address_is_explained() {
        let foreign = SocketAddr::from(([192, 0, 2, 1], 5060));
        let error = listen(Transport::Udp, foreign).expect_err("not ours");
        assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:5060 (UDP): "), "{error}");
        assert!(error.to_string().ends_with("Choose an address that this machine has"), "{error}");
    }
}
