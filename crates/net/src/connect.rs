//! Connecting to a partner: TCP, then TLS as the client with the name that discovery gave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use federation::flow::{ConnectFailure, ConnectStep, Direction, FlowFacts};
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls_pki_types::ServerName;
use signaling::{Answer, Input, QuestionId};
use sip::Transport;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::flow::{StreamFlow, UNACKNOWLEDGED_SERVER_TIME, tune};
use crate::framing::Framing;
use crate::tls::TlsWire;
use crate::wire::{PlainWire, Wire, WireError};
use crate::worker::{Shared, Worker};

/// Whom to connect to, and on which side.
pub(crate) struct Called {
    pub(crate) remote: SocketAddr,
    pub(crate) server_name: String,
    pub(crate) transport: Transport,
    pub(crate) is_inner: bool,
    /// Which of ours the partner is shown, by its number; on the inner side there is one.
    pub(crate) certificate: u16,
}

/// Connects and answers; the new flow belongs to this worker.
pub(crate) async fn connect(worker: Shared, id: QuestionId, called: Called) {
    let remote = called.remote;
    let permit = worker.borrow().occupancy.enter(remote.ip());
    let (config, time) = {
        let worker = worker.borrow();
        (worker.tls_for(&called), worker.limits.connect_time())
    };
    let established = establish(config, &called, time).await;
    let mut worker = worker.borrow_mut();
    match established {
        Ok(connection) => worker.open_outbound(id, connection, &called, permit),
        Err(why) => {
            tracing::debug!(%remote, %why, "connecting failed");
            worker.counters.connects_failed += 1;
            worker.answer(id, Answer::Connected(Err(why)));
        }
    }
}

struct Established {
    stream: TcpStream,
    local: SocketAddr,
    wire: Wire,
    unread: BytesMut,
}

/// The error is for the operator: which step failed, and how. `time` holds for each of the two.
async fn establish(
    config: Option<Arc<ClientConfig>>,
    called: &Called,
    time: Duration,
) -> Result<Established, ConnectFailure> {
    let remote = called.remote;
    let stream = dial(remote, time).await?;
    let hung_up = |error: std::io::Error| failed(ConnectStep::Tcp, format!("{remote} hung up: {error}"));
    let local = stream.local_addr().map_err(hung_up)?;
    tune(&stream, UNACKNOWLEDGED_SERVER_TIME).map_err(hung_up)?;
    let Some(config) = config else {
        return Ok(Established { stream, local, wire: Wire::Plain(PlainWire::default()), unread: BytesMut::new() });
    };
    let (tls, unread) = shake_hands(config, &stream, remote, &called.server_name, time).await?;
    Ok(Established { stream, local, wire: Wire::Tls(tls), unread })
}

/// TCP alone.
pub(crate) async fn dial(remote: SocketAddr, time: Duration) -> Result<TcpStream, ConnectFailure> {
    let dialled = timeout(time, TcpStream::connect(remote)).await;
    let silent = |_| failed(ConnectStep::Tcp, format!("{remote} did not accept within {} s", time.as_secs()));
    dialled.map_err(silent)?.map_err(|error| {
        let is_refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
        let at = if is_refused { ConnectStep::Refused } else { ConnectStep::Tcp };
        failed(at, format!("{remote} cannot be reached: {error}"))
    })
}

fn failed(at: ConnectStep, what: String) -> ConnectFailure {
    ConnectFailure { at, what }
}

/// TLS over it, and what the peer sent beyond the handshake.
pub(crate) async fn shake_hands(
    config: Arc<ClientConfig>,
    stream: &TcpStream,
    remote: SocketAddr,
    server_name: &str,
    time: Duration,
) -> Result<(TlsWire, BytesMut), ConnectFailure> {
    let unfinished = |what: String| failed(ConnectStep::Tls, what);
    let name = ServerName::try_from(server_name.trim_end_matches('.').to_owned())
        .map_err(|_| unfinished(format!("{server_name} is no name to ask a TLS server for")))?;
    let connection = UnbufferedClientConnection::new(config, name)
        .map_err(|error| unfinished(format!("TLS cannot begin: {error}")))?;
    let mut tls = TlsWire::client(connection);
    let mut unread = BytesMut::new();
    timeout(time, tls.handshake(stream, &mut unread))
        .await
        .map_err(|_| unfinished(format!("{remote} did not complete the TLS handshake within {} s", time.as_secs())))?
        .map_err(|error| {
            let is_alert = matches!(error, WireError::Tls(rustls::Error::AlertReceived(_)));
            let at = if is_alert { ConnectStep::Alert } else { ConnectStep::Tls };
            failed(at, format!("the TLS handshake with {remote} failed: {error}"))
        })?;
    Ok((tls, unread))
}

impl Worker {
    /// `None`: without TLS.
    fn tls_for(&self, called: &Called) -> Option<Arc<ClientConfig>> {
        let config = match &self.inside {
            Some(inside) if called.is_inner => &inside.client,
            _ => self.tls_clients.get(called.certificate),
        };
        (called.transport == Transport::Tls).then(|| config.clone())
    }

    /// The authorities that count on this side.
    pub(crate) fn roots_of(&self, is_inner: bool) -> &certificates::Roots {
        self.inside.as_ref().filter(|_| is_inner).map_or(&self.roots, |inside| &inside.roots)
    }

    fn open_outbound(
        &mut self,
        question: QuestionId,
        established: Established,
        called: &Called,
        permit: crate::occupancy::Permit,
    ) {
        self.enter();
        let Established { stream, local, wire, unread } = established;
        let certificate = match &wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => tls.peer_certificate(self.roots_of(called.is_inner)),
        };
        let facts = FlowFacts {
            id: self.next_flow_id(),
            transport: called.transport,
            local,
            remote: called.remote,
            direction: Direction::Outbound,
            certificate,
            is_inner: called.is_inner,
        };
        self.counters.flows_connected += 1;
        let framing = Framing::new(facts.transport, self.limits.message);
        let flow = StreamFlow::new(facts.clone(), stream, wire, unread, framing);
        // In place before the core hears of it: its first output may be a message for the partner.
        self.keep(flow, permit);
        self.core.handle_input(self.now, Input::Answer { id: question, answer: Answer::Connected(Ok(facts)) });
        self.finish();
    }
}
