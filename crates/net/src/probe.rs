//! A connection to a partner's edge that is made to be looked at and closed again. Nothing is sent over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use certificates::Roots;
use federation::flow::ConnectFailure;
use federation::trust::PeerCertificate;
use rustls::ClientConfig;
use signaling::Breakage;
use sip::{Frame, Framer, Message};
use tokio::net::TcpStream;

use crate::connect::{dial, shake_hands};
use crate::wire::Wire;
use crate::{InsideTls, Limits};

/// How far it came. Errors are for the operator.
#[derive(Debug)]
pub struct Probe {
    /// How long TCP took.
    pub tcp: Result<Duration, ConnectFailure>,
    /// How long TLS took; `None` where there was no TCP.
    pub tls: Option<Result<Duration, ConnectFailure>>,
    pub certificate: Option<Arc<PeerCertificate>>,
    /// The peer ended the connection by itself right after the handshake. In TLS 1.3 this is how one refuses the
    /// certificate of whoever connects.
    pub hung_up: Option<String>,
}

/// Connects as a worker would, within the same times, and stays a moment to see whether the peer hangs up.
pub async fn probe(
    config: Arc<ClientConfig>,
    roots: &Roots,
    remote: SocketAddr,
    server_name: &str,
    limits: &Limits,
) -> Probe {
    let mut probe = Probe { tcp: Ok(Duration::ZERO), tls: None, certificate: None, hung_up: None };
    let dialled = Instant::now();
    let stream = match dial(remote, limits.connect_time()).await {
        Ok(stream) => stream,
        Err(error) => return Probe { tcp: Err(error), ..probe },
    };
    probe.tcp = Ok(dialled.elapsed());
    let shaken = Instant::now();
    let mut tls = match shake_hands(config, &stream, remote, server_name, limits.connect_time()).await {
        Ok((tls, _)) => tls,
        Err(error) => return Probe { tls: Some(Err(error)), ..probe },
    };
    probe.tls = Some(Ok(shaken.elapsed()));
    probe.certificate = tls.peer_certificate(roots);
    probe.hung_up = tokio::time::timeout(REFUSAL_TIME, tls.ended(&stream)).await.ok().map(|error| error.to_string());
    tls.say_goodbye();
    // A courtesy: the connection is over either way.
    let _ = tls.flush(&stream);
    probe
}

/// Whether somebody accepts there, and, where TLS is given with the name to ask for, finishes a handshake.
///
/// # Errors
/// Why not, for the operator.
pub async fn reach(remote: SocketAddr, tls: Option<(&InsideTls, &str)>, time: Duration) -> Result<(), String> {
    let stream = dial(remote, time).await.map_err(|failure| failure.what)?;
    let Some((inside, server_name)) = tls else { return Ok(()) };
    let shaken = shake_hands(inside.client.clone(), &stream, remote, server_name, time).await;
    let (mut tls, _) = shaken.map_err(|failure| failure.what)?;
    tls.say_goodbye();
    // A courtesy: the connection is over either way.
    let _ = tls.flush(&stream);
    Ok(())
}

/// One request, and where it goes.
#[derive(Debug)]
pub struct Question {
    pub remote: SocketAddr,
    pub server_name: String,
    pub request: Bytes,
}

/// Sends a request over a connection of its own, once `is_proven` says so of the certificate, and reads its final response.
///
/// # Errors
/// For the operator: at which step it failed, and how.
pub async fn ask(
    (config, roots): (Arc<ClientConfig>, &Roots),
    question: Question,
    is_proven: impl FnOnce(&PeerCertificate) -> bool,
    limits: &Limits,
) -> Result<Message, String> {
    let Question { remote, server_name, request } = question;
    let stream = dial(remote, limits.connect_time()).await.map_err(|failure| failure.what)?;
    let shaken = shake_hands(config, &stream, remote, &server_name, limits.connect_time()).await;
    let (tls, unread) = shaken.map_err(|failure| failure.what)?;
    if !tls.peer_certificate(roots).is_some_and(|certificate| is_proven(&certificate)) {
        return Err(format!("{remote} showed another certificate this time"));
    }
    let mut wire = Wire::Tls(tls);
    wire.queue(request);
    let answer = tokio::time::timeout(ANSWER_TIME, answer(&mut wire, &stream, unread, limits)).await;
    let answer = answer.unwrap_or_else(|_| Err(format!("{remote} did not answer within {} s", ANSWER_TIME.as_secs())));
    if let Wire::Tls(tls) = &mut wire {
        tls.say_goodbye();
        // A courtesy: the connection is over either way.
        let _ = tls.flush(&stream);
    }
    answer
}

async fn answer(wire: &mut Wire, stream: &TcpStream, mut unread: BytesMut, limits: &Limits) -> Result<Message, String> {
    wire.flush_all(stream).await.map_err(|error| format!("it cannot be written to: {error}"))?;
    let mut framer = Framer::new(limits.message);
    loop {
        let no_sip = || match Breakage::no_sip(&unread) {
            Breakage::NoSip(beginning) => format!("it answers with what is no SIP; it begins with \"{beginning}\""),
            Breakage::Tls(how) => how,
        };
        let not_read = no_sip();
        match framer.cut(&mut unread).map_err(|_| not_read.clone())? {
            Some(Frame::Message(bytes)) => {
                let message = Message::parse_within(bytes, limits.message).map_err(|_| not_read)?;
                if message.status().is_some_and(|status| status >= 200) {
                    return Ok(message);
                }
            }
            Some(Frame::Ping | Frame::Pong) => {}
            None => wire.read_more(stream, &mut unread).await.map_err(|error| format!("it hung up: {error}"))?,
        }
    }
}

/// For a final response.
const ANSWER_TIME: Duration = Duration::from_secs(8);
/// How long a peer that refuses our certificate takes to say so.
const REFUSAL_TIME: Duration = Duration::from_millis(700);
