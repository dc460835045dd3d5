//! Connecting to a partner: TCP, then TLS as the client with the name that discovery gave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use federation::flow::{Direction, FlowFacts};
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use signaling::{Answer, Input, QuestionId};
use sip::Transport;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::flow::{StreamFlow, tune};
use crate::framing::Framing;
use crate::tls::TlsWire;
use crate::wire::Wire;
use crate::worker::{Shared, Worker};

/// Connects and answers; the new flow belongs to this worker.
pub(crate) async fn connect(worker: Shared, id: QuestionId, remote: SocketAddr, server_name: String) {
    let permit = worker.borrow().occupancy.enter(remote.ip());
    let (config, time) = {
        let worker = worker.borrow();
        (worker.tls_client.clone(), worker.limits.connect_time())
    };
    let established = establish(config, remote, server_name, time).await;
    let mut worker = worker.borrow_mut();
    match established {
        Ok(connection) => worker.open_outbound(id, connection, remote, permit),
        Err(why) => {
            tracing::debug!(%remote, why, "connecting failed");
            worker.counters.connects_failed += 1;
            worker.answer(id, Answer::Connected(Err(why)));
        }
    }
}

struct Established {
    stream: TcpStream,
    local: SocketAddr,
    tls: TlsWire,
    unread: BytesMut,
}

/// The error is for the operator: which step failed, and how. `time` holds for each of the two.
async fn establish(
    config: Arc<ClientConfig>,
    remote: SocketAddr,
    server_name: String,
    time: Duration,
) -> Result<Established, String> {
    let stream = dial(remote, time).await?;
    let local = stream.local_addr().map_err(|error| format!("{remote} hung up: {error}"))?;
    tune(&stream).map_err(|error| format!("{remote} hung up: {error}"))?;
    let (tls, unread) = shake_hands(config, &stream, remote, &server_name, time).await?;
    Ok(Established { stream, local, tls, unread })
}

/// TCP alone.
pub(crate) async fn dial(remote: SocketAddr, time: Duration) -> Result<TcpStream, String> {
    timeout(time, TcpStream::connect(remote))
        .await
        .map_err(|_| format!("{remote} did not accept within {} s", time.as_secs()))?
        .map_err(|error| format!("{remote} cannot be reached: {error}"))
}

/// TLS over it, and what the peer sent beyond the handshake.
pub(crate) async fn shake_hands(
    config: Arc<ClientConfig>,
    stream: &TcpStream,
    remote: SocketAddr,
    server_name: &str,
    time: Duration,
) -> Result<(TlsWire, BytesMut), String> {
    let name = ServerName::try_from(server_name.trim_end_matches('.').to_owned())
        .map_err(|_| format!("{server_name} is no name to ask a TLS server for"))?;
    let connection = ClientConnection::new(config, name).map_err(|error| format!("TLS cannot begin: {error}"))?;
    let mut tls = TlsWire::new(connection.into());
    let mut unread = BytesMut::new();
    timeout(time, tls.handshake(stream, &mut unread))
        .await
        .map_err(|_| format!("{remote} did not complete the TLS handshake within {} s", time.as_secs()))?
        .map_err(|error| format!("the TLS handshake with {remote} failed: {error}"))?;
    Ok((tls, unread))
}

impl Worker {
    fn open_outbound(
        &mut self,
        question: QuestionId,
        established: Established,
        remote: SocketAddr,
        permit: crate::occupancy::Permit,
    ) {
        self.enter();
        let Established { stream, local, tls, unread } = established;
        let facts = FlowFacts {
            id: self.next_flow_id(),
            transport: Transport::Tls,
            local,
            remote,
            direction: Direction::Outbound,
            certificate: tls.peer_certificate(&self.roots),
        };
        self.counters.flows_connected += 1;
        let framing = Framing::new(facts.transport, self.limits.message);
        let flow = StreamFlow::new(facts.clone(), stream, Wire::Tls(tls), unread, framing);
        // In place before the core hears of it: its first output may be a message for the partner.
        self.keep(flow, permit);
        self.core.handle_input(self.now, Input::Answer { id: question, answer: Answer::Connected(Ok(facts)) });
        self.finish();
    }
}
