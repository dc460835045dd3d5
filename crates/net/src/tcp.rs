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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::flow::{StreamFlow, tune};
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
    /// The worker's handshakes in progress, all listeners together.
    pub(crate) slots: Arc<Semaphore>,
}

impl Acceptor {
    pub(crate) async fn accept(self, listener: TcpListener) {
        loop {
            let slot = self.handshake_slot().await;
            match listener.accept().await {
                Ok((stream, remote)) => self.take(stream, remote, slot),
                Err(error) => self.accept_failed(&error).await,
            }
        }
    }

    /// Waits until one more handshake may run: until then the kernel's backlog holds the newcomers.
    async fn handshake_slot(&self) -> Option<OwnedSemaphorePermit> {
        self.tls.as_ref()?;
        if let Err(TryAcquireError::NoPermits) = self.slots.try_acquire() {
            let mut worker = self.worker.borrow_mut();
            worker.counters.handshakes_full += 1;
            let limit_max = worker.limits.handshakes_max;
            worker.alarms.handshakes.ring(std::time::Instant::now(), "handshakes_max", limit_max);
        }
        self.slots.clone().acquire_owned().await.ok()
    }

    fn take(&self, stream: TcpStream, remote: SocketAddr, slot: Option<OwnedSemaphorePermit>) {
        let admitted = self.worker.borrow_mut().admit_connection(remote);
        if let Some(permit) = admitted {
            tokio::task::spawn_local(self.clone().establish(stream, remote, slot, permit));
        }
    }

    async fn establish(
        self,
        stream: TcpStream,
        remote: SocketAddr,
        slot: Option<OwnedSemaphorePermit>,
        permit: Permit,
    ) {
        let time = self.worker.borrow().limits.handshake_time();
        let mut unread = BytesMut::new();
        let shaken = tokio::time::timeout(time, self.shake_hands(&stream, &mut unread)).await;
        drop(slot);
        let failure = match shaken {
            Ok(Ok(wire)) => {
                self.worker.borrow_mut().open_inbound(self.transport, stream, remote, wire, unread, permit);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timeout".to_owned(),
        };
        tracing::debug!(%remote, failure, "handshake failed");
        self.worker.borrow_mut().counters.handshakes_failed += 1;
    }

    async fn shake_hands(&self, stream: &TcpStream, unread: &mut BytesMut) -> Result<Wire, WireError> {
        tune(stream)?;
        let Some(config) = &self.tls else { return Ok(Wire::Plain(PlainWire::default())) };
        let mut tls = TlsWire::new(ServerConnection::new(config.clone())?.into());
        tls.handshake(stream, unread).await?;
        Ok(Wire::Tls(tls))
    }

    async fn accept_failed(&self, error: &io::Error) {
        self.worker.borrow_mut().counters.accepts_failed += 1;
        // One connection that was gone before we took it is nothing; a lack of descriptors lasts.
        let is_passing = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
        if !is_passing {
            tracing::warn!(%error, "accepting fails");
            tokio::time::sleep(ACCEPT_PAUSE).await;
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

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
