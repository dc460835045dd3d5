//! TLS by rustls' own connection types over a non-blocking socket, so that a connection can move between threads.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use bytes::BytesMut;
use certificates::{Roots, TlsAlpn};
use federation::trust::PeerCertificate;
use rustls::server::{AcceptedAlert, Acceptor};
use rustls::{Connection, ServerConfig, ServerConnection};
use rustls_pki_types::UnixTime;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::wire::{Flushed, Peer, SocketWriter, WireError, read_available};

pub(crate) struct TlsWire {
    connection: Box<Connection>,
    /// Upper bound of what rustls holds for the socket; rustls itself does not say.
    queued_bytes: usize,
}

impl TlsWire {
    pub(crate) fn new(mut connection: Connection) -> TlsWire {
        // The flow has a limit of its own, at which it ends; rustls would silently take less.
        connection.set_buffer_limit(None);
        TlsWire { connection: Box::new(connection), queued_bytes: 0 }
    }

    /// A client's connection. While a challenge waits, what the client begins with is read first, and then decided with what
    /// to go on: `true` if it is an authority that looks at the challenge. The caller bounds it.
    pub(crate) async fn accept(
        stream: &TcpStream,
        usual: &Arc<ServerConfig>,
        challenges: &TlsAlpn,
    ) -> Result<(TlsWire, bool), WireError> {
        if !challenges.is_waiting() {
            return Ok((TlsWire::new(ServerConnection::new(usual.clone())?.into()), false));
        }
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => stream.readable().await?,
                Err((error, alert)) => return Err(refuse(stream, error, alert)),
            }
            read_hello(stream, &mut acceptor)?;
        };
        let challenge = challenges.answer(&accepted.client_hello());
        let is_challenge = challenge.is_some();
        let connection = accepted.into_connection(challenge.unwrap_or_else(|| usual.clone()));
        let connection = connection.map_err(|(error, alert)| refuse(stream, error, alert))?;
        Ok((TlsWire::new(connection.into()), is_challenge))
    }

    /// Appends what was decrypted to `plaintext`. An error leaves an alert in the output.
    pub(crate) fn decode(&mut self, mut received: &[u8], plaintext: &mut BytesMut) -> Result<Peer, WireError> {
        while !received.is_empty() {
            if self.connection.read_tls(&mut received)? == 0 {
                return Ok(Peer::Closed);
            }
            let state = self.connection.process_new_packets()?;
            self.take_plaintext(plaintext)?;
            if state.peer_has_closed() {
                return Ok(Peer::Closed);
            }
        }
        Ok(Peer::Open)
    }

    fn take_plaintext(&mut self, plaintext: &mut BytesMut) -> io::Result<()> {
        let mut reader = self.connection.reader();
        loop {
            let taken = match reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(chunk) => {
                    plaintext.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            reader.consume(taken);
        }
    }

    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.connection.writer().write_all(bytes).expect("without a buffer limit rustls takes everything");
        self.queued_bytes += bytes.len() + (bytes.len() / RECORD_BYTES_MAX + 1) * RECORD_OVERHEAD_BYTES;
    }

    pub(crate) fn flush(&mut self, stream: &TcpStream) -> io::Result<Flushed> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut SocketWriter(stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.queued_bytes = self.queued_bytes.saturating_sub(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Pending),
                Err(error) => return Err(error),
            }
        }
        self.queued_bytes = 0;
        Ok(Flushed::All)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        if self.connection.wants_write() { self.queued_bytes.max(1) } else { 0 }
    }

    pub(crate) fn say_goodbye(&mut self) {
        self.connection.send_close_notify();
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// What the peer showed, judged now: a resumed session brings the certificate of the session it resumes.
    pub(crate) fn peer_certificate(&self, roots: &Roots) -> Option<Arc<PeerCertificate>> {
        let chain = self.connection.peer_certificates().filter(|chain| !chain.is_empty())?;
        Some(Arc::new(certificates::facts(chain, roots, UnixTime::now())))
    }

    /// Shakes hands, either side. Application bytes that came with the last flight end up in `unread`.
    pub(crate) async fn handshake(&mut self, stream: &TcpStream, unread: &mut BytesMut) -> Result<(), WireError> {
        loop {
            let flushed = self.flush(stream)?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            let interest = match flushed {
                Flushed::All => Interest::READABLE,
                Flushed::Pending => Interest::READABLE | Interest::WRITABLE,
            };
            stream.ready(interest).await?;
            self.advance_handshake(stream, unread)?;
        }
    }

    /// Waits until the peer ends the connection, and says how; whatever else it sends is dropped. The caller bounds it.
    pub(crate) async fn ended(&mut self, stream: &TcpStream) -> WireError {
        let mut unread = BytesMut::new();
        loop {
            if let Err(error) = stream.readable().await {
                return error.into();
            }
            if let Err(error) = self.advance_handshake(stream, &mut unread) {
                return error;
            }
            unread.clear();
        }
    }

    /// Not in the async functions above: its buffer would be part of every waiting handshake.
    fn advance_handshake(&mut self, stream: &TcpStream, unread: &mut BytesMut) -> Result<(), WireError> {
        let mut received = [0; HANDSHAKE_READ_BYTES];
        let Some(count) = read_available(stream, &mut received)? else { return Ok(()) };
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let decoded = self.decode(&received[..count], unread);
        if decoded.is_err() {
            // The alert tells the peer why; whether it arrives is not worth waiting for.
            self.flush(stream).ok();
        }
        decoded.map(drop)
    }
}

/// Not in the async function: its buffer would be part of every waiting handshake.
fn read_hello(stream: &TcpStream, acceptor: &mut Acceptor) -> Result<(), WireError> {
    let mut received = [0; HANDSHAKE_READ_BYTES];
    match read_available(stream, &mut received)? {
        None => Ok(()),
        Some(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Some(count) => {
            let mut received = &received[..count];
            while !received.is_empty() {
                if acceptor.read_tls(&mut received)? == 0 {
                    return Err(io::Error::from(io::ErrorKind::InvalidData).into());
                }
            }
            Ok(())
        }
    }
}

/// The alert tells the client why; whether it arrives is not worth waiting for.
fn refuse(stream: &TcpStream, error: rustls::Error, mut alert: AcceptedAlert) -> WireError {
    alert.write_all(&mut SocketWriter(stream)).ok();
    error.into()
}

const HANDSHAKE_READ_BYTES: usize = 8192;
const RECORD_BYTES_MAX: usize = 16_384;
/// Header, content type, tag, and the explicit nonce of TLS 1.2.
const RECORD_OVERHEAD_BYTES: usize = 32;
