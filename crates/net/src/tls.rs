//! TLS by rustls' unbuffered connections over a non-blocking socket: they can move between threads, and what is received and
//! sent is kept here only for as long as there is some of it.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use certificates::{Roots, TlsAlpn};
use federation::trust::PeerCertificate;
use rustls::client::UnbufferedClientConnection;
use rustls::server::{Acceptor, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, HandshakeKind, ServerConfig};
use rustls_pki_types::UnixTime;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::wire::{Flushed, Peer, WireError, read_available};

pub(crate) struct TlsWire {
    side: Box<Side>,
    /// What has come of a record, or of a message of the handshake, whose rest has not.
    received: BytesMut,
    /// Records for the socket.
    sending: BytesMut,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What is to be sent as soon as the connection lets it.
#[derive(Clone, Copy)]
enum Outgoing<'a> {
    Application(&'a [u8]),
    Goodbye,
}

/// What one step of a connection takes from, and gives to.
struct Exchange<'a> {
    plaintext: &'a mut BytesMut,
    sending: &'a mut BytesMut,
    outgoing: Option<Outgoing<'a>>,
}

/// Whether there is more to do with what has been received.
enum Step {
    More,
    PeerClosed,
    Wait,
}

impl TlsWire {
    pub(crate) fn client(connection: UnbufferedClientConnection) -> TlsWire {
        TlsWire::new(Side::Client(connection))
    }

    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<TlsWire, rustls::Error> {
        Ok(TlsWire::new(Side::Server(UnbufferedServerConnection::new(config)?)))
    }

    fn new(side: Side) -> TlsWire {
        TlsWire { side: Box::new(side), received: BytesMut::new(), sending: BytesMut::new() }
    }

    /// A client's connection. While a challenge waits, what the client begins with is read first, and then decided with what
    /// to go on: `true` if it is an authority that looks at the challenge. The caller bounds it.
    pub(crate) async fn accept(
        stream: &TcpStream,
        usual: &Arc<ServerConfig>,
        challenges: &TlsAlpn,
    ) -> Result<(TlsWire, bool), WireError> {
        if !challenges.is_waiting() {
            return Ok((TlsWire::server(usual.clone())?, false));
        }
        let mut received = BytesMut::new();
        let mut acceptor = Acceptor::default();
        let challenge = loop {
            match acceptor.accept() {
                Ok(Some(accepted)) => break challenges.answer(&accepted.client_hello()),
                Ok(None) => stream.readable().await?,
                // The connection will say what is wrong with it.
                Err(_) => break None,
            }
            read_hello(stream, &mut acceptor, &mut received)?;
        };
        let is_challenge = challenge.is_some();
        let mut wire = TlsWire::server(challenge.unwrap_or_else(|| usual.clone()))?;
        wire.received = received;
        Ok((wire, is_challenge))
    }

    /// Appends what was decrypted to `plaintext`; what was received is decrypted in its place. An error leaves an alert in
    /// the output.
    pub(crate) fn decode(&mut self, received: &mut [u8], plaintext: &mut BytesMut) -> Result<Peer, WireError> {
        self.decode_within(RECEIVED_BYTES_MAX, received, plaintext)
    }

    fn decode_within(
        &mut self,
        kept_bytes_max: usize,
        received: &mut [u8],
        plaintext: &mut BytesMut,
    ) -> Result<Peer, WireError> {
        if self.received.is_empty() {
            let (used, peer) = self.take_records(received, plaintext)?;
            self.received.extend_from_slice(&received[used..]);
            return Ok(peer);
        }
        let mut whole = std::mem::take(&mut self.received);
        whole.extend_from_slice(received);
        let (used, peer) = self.take_records(&mut whole, plaintext)?;
        if used < whole.len() {
            whole.advance(used);
            self.received = whole;
        }
        // A message of the handshake, which rustls lets have less than this.
        let is_bounded = self.received.len() < kept_bytes_max;
        if is_bounded { Ok(peer) } else { Err(io::Error::from(io::ErrorKind::InvalidData).into()) }
    }

    /// Of the bytes received, how many are done with.
    fn take_records(&mut self, received: &mut [u8], plaintext: &mut BytesMut) -> Result<(usize, Peer), rustls::Error> {
        let mut used = 0;
        loop {
            let (done, step) = self.step(&mut received[used..], plaintext, None);
            used += done;
            match step {
                Ok(Step::More) => {}
                Ok(Step::Wait) => return Ok((used, Peer::Open)),
                Ok(Step::PeerClosed) => return Ok((used, Peer::Closed)),
                Err(error) => {
                    // The alert is what a connection that failed has left to say.
                    let (_, _) = self.step(&mut received[used..], plaintext, None);
                    return Err(error);
                }
            }
        }
    }

    fn step(
        &mut self,
        received: &mut [u8],
        plaintext: &mut BytesMut,
        outgoing: Option<Outgoing<'_>>,
    ) -> (usize, Result<Step, rustls::Error>) {
        let exchange = Exchange { plaintext, sending: &mut self.sending, outgoing };
        match &mut *self.side {
            Side::Client(client) => exchange.advance(client.process_tls_records(received)),
            Side::Server(server) => exchange.advance(server.process_tls_records(received)),
        }
    }

    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.send(Outgoing::Application(bytes));
    }

    /// Before the end of the handshake there is nothing to take leave of.
    pub(crate) fn say_goodbye(&mut self) {
        self.send(Outgoing::Goodbye);
    }

    fn send(&mut self, outgoing: Outgoing<'_>) {
        // Nothing of what waits for its rest is complete: it is only shown again.
        let (mut received, mut plaintext) = (std::mem::take(&mut self.received), BytesMut::new());
        while let (_, Ok(Step::More)) = self.step(&mut received, &mut plaintext, Some(outgoing)) {}
        self.received = received;
    }

    pub(crate) fn flush(&mut self, stream: &TcpStream) -> io::Result<Flushed> {
        while !self.sending.is_empty() {
            match stream.try_write(&self.sending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sending.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Pending),
                Err(error) => return Err(error),
            }
        }
        // An idle flow holds no memory for output.
        self.sending = BytesMut::new();
        Ok(Flushed::All)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.sending.len()
    }

    pub(crate) fn has_partial(&self) -> bool {
        !self.received.is_empty()
    }

    /// Room that it has taken, whether there is something in it or not.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.received.capacity() + self.sending.capacity()
    }

    fn state(&self) -> &CommonState {
        match &*self.side {
            Side::Client(client) => client,
            Side::Server(server) => server,
        }
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.state().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// What the peer showed, judged now: a resumed session brings the certificate of the session it resumes.
    pub(crate) fn peer_certificate(&self, roots: &Roots) -> Option<Arc<PeerCertificate>> {
        let chain = self.state().peer_certificates().filter(|chain| !chain.is_empty())?;
        Some(Arc::new(certificates::facts(chain, roots, UnixTime::now())))
    }

    /// Shakes hands, either side. Application bytes that came with the last flight end up in `unread`.
    pub(crate) async fn handshake(&mut self, stream: &TcpStream, unread: &mut BytesMut) -> Result<(), WireError> {
        // A client speaks first; a server may have read already what its client said.
        self.decode_or_refuse(stream, &mut [], unread)?;
        loop {
            let flushed = self.flush(stream)?;
            if !self.state().is_handshaking() {
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
        self.decode_or_refuse(stream, &mut received[..count], unread)
    }

    fn decode_or_refuse(
        &mut self,
        stream: &TcpStream,
        received: &mut [u8],
        unread: &mut BytesMut,
    ) -> Result<(), WireError> {
        let decoded = self.decode(received, unread);
        if decoded.is_err() {
            // The alert tells the peer why; whether it arrives is not worth waiting for.
            self.flush(stream).ok();
        }
        decoded.map(drop)
    }
}

impl Exchange<'_> {
    /// Does what the connection is ready for. Returns how many of the bytes shown to it are done with.
    fn advance<Data>(self, status: UnbufferedStatus<'_, '_, Data>) -> (usize, Result<Step, rustls::Error>) {
        let UnbufferedStatus { mut discard, state } = status;
        let step = state.and_then(|state| match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    self.plaintext.extend_from_slice(record.payload);
                }
                Ok(Step::More)
            }
            ConnectionState::EncodeTlsData(mut data) => {
                append(self.sending, 0, |room| data.encode(room).map_err(Full::from));
                Ok(Step::More)
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(Step::More)
            }
            ConnectionState::PeerClosed => Ok(Step::PeerClosed),
            ConnectionState::WriteTraffic(mut traffic) => {
                match self.outgoing {
                    Some(Outgoing::Application(bytes)) => {
                        let records = bytes.len() / RECORD_BYTES_MAX + 1;
                        let room = bytes.len() + records * RECORD_OVERHEAD_BYTES;
                        append(self.sending, room, |room| traffic.encrypt(bytes, room).map_err(Full::from));
                    }
                    Some(Outgoing::Goodbye) => {
                        append(self.sending, 0, |room| traffic.queue_close_notify(room).map_err(Full::from));
                    }
                    None => {}
                }
                Ok(Step::Wait)
            }
            // Early data is never offered.
            _ => Ok(Step::Wait),
        });
        (discard, step)
    }
}

/// Why records were not written.
enum Full {
    Needs(usize),
    /// The keys of TLS 1.2 are used up; the peer is being told that the connection ends.
    Exhausted,
}

impl From<EncodeError> for Full {
    fn from(error: EncodeError) -> Full {
        match error {
            EncodeError::InsufficientSize(size) => Full::Needs(size.required_size),
            EncodeError::AlreadyEncoded => Full::Exhausted,
        }
    }
}

impl From<EncryptError> for Full {
    fn from(error: EncryptError) -> Full {
        match error {
            EncryptError::InsufficientSize(size) => Full::Needs(size.required_size),
            EncryptError::EncryptExhausted => Full::Exhausted,
        }
    }
}

/// Lets records be written behind those that wait, in as much room as they need.
fn append(sending: &mut BytesMut, room: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, Full>) {
    let begin = sending.len();
    sending.resize(begin + room, 0);
    let written = loop {
        match write(&mut sending[begin..]) {
            Ok(written) => break written,
            Err(Full::Needs(room)) => sending.resize(begin + room, 0),
            Err(Full::Exhausted) => break 0,
        }
    };
    sending.truncate(begin + written);
}

/// Not in the async function: its buffer would be part of every waiting handshake.
fn read_hello(stream: &TcpStream, acceptor: &mut Acceptor, kept: &mut BytesMut) -> Result<(), WireError> {
    let mut received = [0; HANDSHAKE_READ_BYTES];
    match read_available(stream, &mut received)? {
        None => Ok(()),
        Some(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Some(count) => {
            let mut received = &received[..count];
            kept.extend_from_slice(received);
            while !received.is_empty() {
                if acceptor.read_tls(&mut received)? == 0 {
                    return Err(io::Error::from(io::ErrorKind::InvalidData).into());
                }
            }
            Ok(())
        }
    }
}

const HANDSHAKE_READ_BYTES: usize = 8192;
const RECORD_BYTES_MAX: usize = 16_384;
/// Header, content type, tag, and the explicit nonce of TLS 1.2.
const RECORD_OVERHEAD_BYTES: usize = 32;
const RECEIVED_BYTES_MAX: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Authority;

    /// A record of a ClientHello that says that it is so long.
    fn part_of_hello(message_bytes: u32, is_first: bool) -> Vec<u8> {
        let mut part = vec![0; 4096];
        if is_first {
            part[..4].copy_from_slice(&message_bytes.to_be_bytes());
            part[0] = CLIENT_HELLO;
        }
        let len = u16::try_from(part.len()).expect("short").to_be_bytes();
        [&[HANDSHAKE, 3, 1, len[0], len[1]], &part[..]].concat()
    }

    /// The most that was kept of a message of the handshake that is never whole, and whether the connection went on.
    fn kept_of(message_bytes: u32, kept_bytes_max: usize) -> (usize, bool) {
        let edge = Authority::new().edge("contoso.example");
        let mut wire = TlsWire::server(edge.server).expect("a server");
        let mut kept = 0;
        for part in 0..14 {
            let mut record = part_of_hello(message_bytes, part == 0);
            let decoded = wire.decode_within(kept_bytes_max, &mut record, &mut BytesMut::new());
            kept = kept.max(wire.received.len());
            if decoded.is_err() {
                return (kept, false);
            }
        }
        (kept, true)
    }

    #[test]
    fn a_message_of_the_handshake_without_an_end_is_not_kept() {
        let (kept, goes_on) = kept_of(60_000, RECEIVED_BYTES_MAX);
        assert!(goes_on && kept >= 14 * 4096, "{kept}: it may yet be whole");
        let (kept, goes_on) = kept_of(60_000, 20_000);
        assert!(!goes_on && kept < 20_000 + 2 * 4096, "{kept}");
        let (kept, goes_on) = kept_of(0xff_ffff, RECEIVED_BYTES_MAX);
        assert!(!goes_on && kept < 2 * 4096, "{kept}: the library does not wait for one so long");
    }

    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
}
