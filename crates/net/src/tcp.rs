//! Accepting stream connections, and the TLS handshake before a connection becomes a flow.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use federation::flow::{Direction, FlowFacts};
use rustls::{ServerConfig, ServerConnection};
use sip::Transport;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{SemaphorePermit, TryAcquireError};
use tokio::time::timeout;

use crate::flow::{StreamFlow, tune};
use crate::handshakes::{Crowded, Handshakes, Place};
use crate::occupancy::{Full, Permit};
use crate::tls::TlsWire;
use crate::wire::{PlainWire, Wire, WireError};
use crate::worker::{Shared, Worker};

/// What the connections of one listener have in common.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) worker: Shared,
    pub(crate) transport: Transport,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// The worker's, all listeners together.
    pub(crate) handshakes: Handshakes,
}

/// Why a connection did not become a flow.
#[derive(Debug, thiserror::Error)]
enum HandshakeFailure {
    #[error("it sent nothing")]
    Silent,
    #[error("it sent nothing, and a newcomer needed its place")]
    Displaced,
    #[error("the handshake took too long")]
    Slow,
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Acceptor {
    pub(crate) async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.take(stream, remote),
                Err(error) => self.accept_failed(&error).await,
            }
            // Whoever has spoken already is to be heard before the next newcomer needs room.
            tokio::task::yield_now().await;
        }
    }

    fn take(&self, stream: TcpStream, remote: SocketAddr) {
        let mut worker = self.worker.borrow_mut();
        let Some(permit) = worker.admit_connection(remote) else { return };
        let place = match &self.tls {
            Some(config) => match worker.admit_handshake(remote, &self.handshakes) {
                Some(place) => Some((place, config.clone())),
                None => return,
            },
            None => None,
        };
        tokio::task::spawn_local(self.clone().establish(stream, remote, permit, place));
    }

    async fn establish(
        self,
        stream: TcpStream,
        remote: SocketAddr,
        permit: Permit,
        place: Option<(Place, Arc<ServerConfig>)>,
    ) {
        let mut unread = BytesMut::new();
        match self.secure(&stream, place, &mut unread).await {
            Ok(wire) => {
                self.worker.borrow_mut().open_inbound(self.transport, stream, remote, wire, unread, permit);
            }
            Err(failure) => {
                tracing::debug!(%remote, %failure, "handshake failed");
                let mut worker = self.worker.borrow_mut();
                worker.counters.handshakes_failed += 1;
                worker.counters.unfinished_displaced += u64::from(matches!(failure, HandshakeFailure::Displaced));
            }
        }
    }

    async fn secure(
        &self,
        stream: &TcpStream,
        place: Option<(Place, Arc<ServerConfig>)>,
        unread: &mut BytesMut,
    ) -> Result<Wire, HandshakeFailure> {
        tune(stream).map_err(WireError::from)?;
        let Some((place, config)) = place else { return Ok(Wire::Plain(PlainWire::default())) };
        self.expect_first_byte(stream, &place).await?;
        let time = self.worker.borrow().limits.handshake_time();
        timeout(time, self.shake_hands(stream, config, unread)).await.map_err(|_| HandshakeFailure::Slow)?
    }

    /// Until then the connection holds no more than its place. Peeks: that a socket is called ready proves nothing.
    async fn expect_first_byte(&self, stream: &TcpStream, place: &Place) -> Result<(), HandshakeFailure> {
        let time = self.worker.borrow().limits.silent_time();
        let mut byte = [0];
        tokio::select! {
            biased;
            peeked = timeout(time, stream.peek(&mut byte)) => {
                peeked.map_err(|_| HandshakeFailure::Silent)?.map_err(WireError::from)?;
            }
            () = place.displaced() => return Err(HandshakeFailure::Displaced),
        }
        if place.speak() { Ok(()) } else { Err(HandshakeFailure::Displaced) }
    }

    async fn shake_hands(
        &self,
        stream: &TcpStream,
        config: Arc<ServerConfig>,
        unread: &mut BytesMut,
    ) -> Result<Wire, HandshakeFailure> {
        let _turn = self.turn().await;
        let connection = ServerConnection::new(config).map_err(WireError::from)?;
        let mut tls = TlsWire::new(connection.into());
        tls.handshake(stream, unread).await?;
        Ok(Wire::Tls(tls))
    }

    /// Waits until one more handshake may run.
    async fn turn(&self) -> SemaphorePermit<'_> {
        if let Err(TryAcquireError::NoPermits) = self.handshakes.turns.try_acquire() {
            let mut worker = self.worker.borrow_mut();
            worker.counters.handshakes_full += 1;
            let limit_max = worker.limits.handshakes_max;
            worker.alarms.handshakes.ring(std::time::Instant::now(), "handshakes_max", limit_max);
        }
        self.handshakes.turns.acquire().await.expect("nobody closes it")
    }

    async fn accept_failed(&self, error: &io::Error) {
        self.count_failed_accept(error);
        if !is_passing(error) {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn count_failed_accept(&self, error: &io::Error) {
        let mut worker = self.worker.borrow_mut();
        worker.counters.accepts_failed += 1;
        if !is_passing(error) && worker.alarms.accepts.is_due(std::time::Instant::now()) {
            tracing::warn!(%error, "accepting fails");
        }
    }
}

impl Worker {
    fn admit_connection(&mut self, remote: SocketAddr) -> Option<Permit> {
        let now = std::time::Instant::now();
        match self.occupancy.admit(remote.ip(), &self.limits) {
            Ok(permit) => return Some(permit),
            Err(Full::Total) => {
                self.counters.connections_refused += 1;
                self.alarms.connections.ring(now, "connections_max", self.limits.connections_max);
            }
            Err(Full::Ip) => {
                self.counters.connections_per_ip_refused += 1;
                let limit_max = self.limits.connections_per_ip_max;
                self.alarms.connections_per_ip.ring(now, "connections_per_ip_max", limit_max);
            }
        }
        None
    }

    fn admit_handshake(&mut self, remote: SocketAddr, handshakes: &Handshakes) -> Option<Place> {
        let entered = handshakes.enter(remote.ip(), &self.limits);
        let (place, crowded) = match entered {
            Ok((place, crowded)) => (Some(place), crowded),
            Err(crowded) => (None, Some(crowded)),
        };
        self.counters.unfinished_refused += u64::from(place.is_none());
        let now = std::time::Instant::now();
        let limits = &self.limits;
        match crowded {
            Some(Crowded::Total) => self.alarms.unfinished.ring(now, "unfinished_max", limits.unfinished_max),
            Some(Crowded::Ip) => {
                let limit_max = limits.unfinished_per_ip_max;
                self.alarms.unfinished_per_ip.ring(now, "unfinished_per_ip_max", limit_max);
            }
            None => {}
        }
        place
    }

    fn open_inbound(
        &mut self,
        transport: Transport,
        stream: TcpStream,
        remote: SocketAddr,
        wire: Wire,
        unread: BytesMut,
        permit: Permit,
    ) {
        // A socket that cannot say where it is has been reset already.
        let Ok(local) = stream.local_addr() else { return };
        let certificate = match &wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => {
                self.counters.handshakes_completed += 1;
                self.counters.handshakes_resumed += u64::from(tls.is_resumed());
                tls.peer_certificate(&self.roots)
            }
        };
        let id = self.next_flow_id();
        let facts = FlowFacts { id, transport, local, remote, direction: Direction::Inbound, certificate };
        tracing::debug!(flow = ?id, %transport, %remote, "accepted");
        self.open(StreamFlow::new(facts, stream, wire, unread, self.limits.message), permit);
    }
}

/// One connection that was gone before we took it is nothing; a lack of descriptors lasts.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
