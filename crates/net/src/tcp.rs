//! Accepting stream connections, and the handshakes, of TLS and of a WebSocket, before a connection becomes a flow.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use federation::flow::{Direction, FlowFacts};
use rustls::ServerConfig;
use signaling::Input;
use sip::Transport;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::flow::{StreamFlow, UNACKNOWLEDGED_TIME, linger, tune};
use crate::framing::Framing;
use crate::handshakes::{Crowded, Handshakes, Place};
use crate::networks::Networks;
use crate::occupancy::{Full, Permit};
use crate::proxy_protocol;
use crate::tls::TlsWire;
use crate::web_socket::upgrade::{self, Rejection, Verdict};
use crate::wire::{PlainWire, Wire, WireError};
use crate::worker::{Shared, Worker};

/// What the connections of one listener have in common.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) worker: Shared,
    pub(crate) transport: Transport,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) is_inner: bool,
    /// Who hands on connections of others, and says whose they are.
    pub(crate) balancers: Arc<Networks>,
    /// The worker's, all listeners together.
    pub(crate) handshakes: Handshakes,
}

/// A connection that is through its handshakes.
struct Accepted {
    stream: TcpStream,
    remote: SocketAddr,
    wire: Wire,
    /// Bytes that came with the end of the handshake.
    unread: BytesMut,
}

/// Why a connection did not become a flow.
#[derive(Debug, thiserror::Error)]
enum HandshakeFailure {
    #[error("it sent nothing")]
    Silent,
    #[error("it sent nothing, and a newcomer needed its place")]
    Displaced,
    #[error("it did not go on, and a newcomer who had begun fewer needed its turn")]
    Outdone,
    #[error("it sent a PROXY header, which only load balancers in proxy_from may, and once")]
    Introduced,
    #[error("the handshake took too long")]
    Slow,
    #[error("an authority looked whether a name leads here")]
    Challenged,
    #[error("no WebSocket for it: {} ({})", .0.reason, .0.status)]
    Refused(Rejection),
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Acceptor {
    pub(crate) async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) if self.balancers.contains(remote.ip()) => self.take_introduced(stream, remote),
                Ok((stream, remote)) => self.admit(stream, remote),
                Err(error) => self.accept_failed(&error).await,
            }
            // Whoever has spoken already is to be heard before the next newcomer needs room.
            tokio::task::yield_now().await;
        }
    }

    /// `remote` is where the limits count it, and what is said of it.
    pub(crate) fn admit(&self, stream: TcpStream, remote: SocketAddr) {
        let mut worker = self.worker.borrow_mut();
        let Some(permit) = worker.admit_connection(remote) else { return };
        let place = match self.tls.is_some() || self.transport.is_web_socket() {
            true => match worker.admit_handshake(remote, &self.handshakes) {
                Some(place) => Some(place),
                None => return,
            },
            false => None,
        };
        tokio::task::spawn_local(self.clone().establish(stream, remote, permit, place));
    }

    async fn establish(self, stream: TcpStream, remote: SocketAddr, permit: Permit, place: Option<Place>) {
        let mut unread = BytesMut::new();
        match self.secure(&stream, remote.ip(), place, &mut unread).await {
            Ok(wire) => {
                let accepted = Accepted { stream, remote, wire, unread };
                self.worker.borrow_mut().open_inbound(self.transport, self.is_inner, accepted, permit);
            }
            Err(HandshakeFailure::Challenged) => tracing::debug!(%remote, "an authority was answered"),
            Err(failure) => {
                tracing::debug!(%remote, %failure, "handshake failed");
                self.worker.borrow_mut().handshake_failed(&failure);
                if matches!(failure, HandshakeFailure::Refused(_)) {
                    // The answer is lost with a socket that is closed before the peer has read it.
                    linger(&stream).await;
                }
            }
        }
    }

    async fn secure(
        &self,
        stream: &TcpStream,
        ip: IpAddr,
        place: Option<Place>,
        unread: &mut BytesMut,
    ) -> Result<Wire, HandshakeFailure> {
        tune(stream, UNACKNOWLEDGED_TIME).map_err(WireError::from)?;
        let Some(place) = place else { return Ok(Wire::Plain(PlainWire::default())) };
        self.expect_first_byte(stream, &place).await?;
        let time = self.worker.borrow().limits.handshake_time();
        timeout(time, self.take_turn(stream, ip, unread)).await.map_err(|_| HandshakeFailure::Slow)?
    }

    /// Until then the connection holds no more than its place. Peeks: that a socket is called ready proves nothing.
    async fn expect_first_byte(&self, stream: &TcpStream, place: &Place) -> Result<(), HandshakeFailure> {
        let time = self.worker.borrow().limits.silent_time();
        let mut beginning = [0; proxy_protocol::BEGINNING_BYTES];
        let count = tokio::select! {
            biased;
            peeked = timeout(time, stream.peek(&mut beginning)) => {
                peeked.map_err(|_| HandshakeFailure::Silent)?.map_err(WireError::from)?
            }
            () = place.displaced() => return Err(HandshakeFailure::Displaced),
        };
        if proxy_protocol::is_header(&beginning[..count]) {
            return Err(HandshakeFailure::Introduced);
        }
        if place.speak() { Ok(()) } else { Err(HandshakeFailure::Displaced) }
    }

    /// Waits until one more handshake may run, and goes on for as long as nobody has a better claim to the turn.
    async fn take_turn(&self, stream: &TcpStream, ip: IpAddr, unread: &mut BytesMut) -> Result<Wire, HandshakeFailure> {
        if self.handshakes.are_full() {
            let mut worker = self.worker.borrow_mut();
            worker.counters.handshakes_full += 1;
            let limit_max = worker.limits.handshakes_max;
            worker.alarms.handshakes.ring(std::time::Instant::now(), "handshakes_max", limit_max);
        }
        let mut turn = self.handshakes.turn(ip);
        turn.come().await;
        tokio::select! {
            biased;
            done = self.shake_hands(stream, unread) => done,
            () = turn.taken_away() => Err(HandshakeFailure::Outdone),
        }
    }

    /// TLS, then the WebSocket's, whichever there are.
    async fn shake_hands(&self, stream: &TcpStream, unread: &mut BytesMut) -> Result<Wire, HandshakeFailure> {
        let mut wire = match &self.tls {
            None => Wire::Plain(PlainWire::default()),
            Some(config) => {
                let challenges = self.worker.borrow().challenges.clone();
                let (mut tls, is_challenge) = TlsWire::accept(stream, config, &challenges).await?;
                tls.handshake(stream, unread).await?;
                if is_challenge {
                    // RFC 8737 section 3: nothing is exchanged over it.
                    tls.say_goodbye();
                    tls.flush(stream).ok();
                    return Err(HandshakeFailure::Challenged);
                }
                Wire::Tls(tls)
            }
        };
        if self.transport.is_web_socket() {
            self.upgrade(stream, &mut wire, unread).await?;
        }
        Ok(wire)
    }

    /// Reads the request for a WebSocket and answers it. What came beyond it stays in `unread`.
    async fn upgrade(
        &self,
        stream: &TcpStream,
        wire: &mut Wire,
        unread: &mut BytesMut,
    ) -> Result<(), HandshakeFailure> {
        let origins = self.worker.borrow().origins.clone();
        loop {
            match upgrade::judge(unread, &origins) {
                Verdict::Accepted { request_bytes, response } => {
                    unread.advance(request_bytes);
                    wire.queue(response);
                    return Ok(wire.flush_all(stream).await.map_err(WireError::from)?);
                }
                Verdict::Refused(rejection) => {
                    wire.queue(rejection.response());
                    wire.say_goodbye();
                    // Best effort, within what the socket takes at once.
                    wire.flush(stream).ok();
                    SockRef::from(stream).shutdown(Shutdown::Write).ok();
                    return Err(HandshakeFailure::Refused(rejection));
                }
                Verdict::Incomplete => wire.read_more(stream, unread).await?,
            }
        }
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

    fn handshake_failed(&mut self, failure: &HandshakeFailure) {
        self.counters.handshakes_failed += 1;
        let is_displaced = matches!(failure, HandshakeFailure::Displaced | HandshakeFailure::Outdone);
        self.counters.unfinished_displaced += u64::from(is_displaced);
        self.counters.introductions_refused += u64::from(matches!(failure, HandshakeFailure::Introduced));
        let HandshakeFailure::Refused(rejection) = failure else { return };
        self.counters.web_sockets_refused += 1;
        let Some(word) = rejection.word else { return };
        self.enter();
        self.core.handle_input(self.now, Input::WebSocketRefused(word));
        self.finish();
        if self.alarms.origins.is_due(self.now) {
            let origin = &rejection.reason;
            tracing::warn!(%word, origin, "a web page was refused a WebSocket: its origin is not in [web] origins");
        }
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

    fn open_inbound(&mut self, transport: Transport, is_inner: bool, accepted: Accepted, permit: Permit) {
        let Accepted { stream, remote, wire, unread } = accepted;
        // A socket that cannot say where it is has been reset already.
        let Ok(local) = stream.local_addr() else { return };
        let certificate = match &wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => {
                self.counters.handshakes_completed += 1;
                self.counters.handshakes_resumed += u64::from(tls.is_resumed());
                tls.peer_certificate(self.roots_of(is_inner))
            }
        };
        self.counters.web_sockets_opened += u64::from(transport.is_web_socket());
        let id = self.next_flow_id();
        let facts = FlowFacts { id, transport, local, remote, direction: Direction::Inbound, certificate, is_inner };
        tracing::debug!(flow = ?id, %transport, %remote, "accepted");
        let framing = Framing::new(transport, self.limits.message);
        self.open(StreamFlow::new(facts, stream, wire, unread, framing), permit);
    }
}

/// One connection that was gone before we took it is nothing; a lack of descriptors lasts.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
