//! The bytes of a stream flow: as they are, or through TLS. Output is queued here until the socket takes it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::tls::TlsWire;

pub(crate) enum Wire {
    Plain(PlainWire),
    Tls(TlsWire),
}

/// Why a stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Whether more may come from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Open,
    Closed,
}

/// Whether output is still waiting for the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    All,
    Pending,
}

impl Wire {
    /// Appends what was received to `plaintext`; TLS decrypts it in its place.
    pub(crate) fn decode(&mut self, received: &mut [u8], plaintext: &mut BytesMut) -> Result<Peer, WireError> {
        match self {
            Wire::Plain(_) => {
                plaintext.extend_from_slice(received);
                Ok(Peer::Open)
            }
            Wire::Tls(tls) => tls.decode(received, plaintext),
        }
    }

    pub(crate) fn queue(&mut self, bytes: Bytes) {
        match self {
            Wire::Plain(plain) => plain.queue(bytes),
            Wire::Tls(tls) => tls.queue(&bytes),
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self, stream: &TcpStream) -> io::Result<Flushed> {
        match self {
            Wire::Plain(plain) => plain.flush(stream),
            Wire::Tls(tls) => tls.flush(stream),
        }
    }

    /// The same, waiting for the socket. The caller bounds it.
    pub(crate) async fn flush_all(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.flush(stream)? == Flushed::Pending {
            stream.writable().await?;
        }
        Ok(())
    }

    /// Waits for bytes and appends them; an end is an error. The caller bounds it.
    pub(crate) async fn read_more(&mut self, stream: &TcpStream, plaintext: &mut BytesMut) -> Result<(), WireError> {
        stream.readable().await?;
        match self.read_once(stream, plaintext)? {
            Peer::Open => Ok(()),
            Peer::Closed => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    /// Not in the async function above: its buffer would be part of everything that waits.
    fn read_once(&mut self, stream: &TcpStream, plaintext: &mut BytesMut) -> Result<Peer, WireError> {
        let mut received = [0; READ_BYTES];
        match read_available(stream, &mut received)? {
            None => Ok(Peer::Open),
            Some(0) => Ok(Peer::Closed),
            Some(count) => self.decode(&mut received[..count], plaintext),
        }
    }

    /// Whether part of a record of TLS is there, whose rest is to come.
    pub(crate) fn has_partial(&self) -> bool {
        matches!(self, Wire::Tls(tls) if tls.has_partial())
    }

    /// Bytes that the socket has not taken.
    pub(crate) fn queued_bytes(&self) -> usize {
        match self {
            Wire::Plain(plain) => plain.queued_bytes,
            Wire::Tls(tls) => tls.queued_bytes(),
        }
    }

    /// Queues what tells the peer that no more will come.
    pub(crate) fn say_goodbye(&mut self) {
        if let Wire::Tls(tls) = self {
            tls.say_goodbye();
        }
    }
}

#[derive(Default)]
pub(crate) struct PlainWire {
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
}

impl PlainWire {
    fn queue(&mut self, bytes: Bytes) {
        self.queued_bytes += bytes.len();
        self.queue.push_back(bytes);
    }

    fn flush(&mut self, stream: &TcpStream) -> io::Result<Flushed> {
        while self.queued_bytes > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let used = self.queue.len().min(SLICES_MAX);
            for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(bytes);
            }
            match stream.try_write_vectored(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Pending),
                Err(error) => return Err(error),
            }
        }
        // An idle flow holds no memory for output.
        self.queue = VecDeque::new();
        Ok(Flushed::All)
    }

    fn advance(&mut self, mut written: usize) {
        self.queued_bytes -= written;
        while let Some(front) = self.queue.front_mut() {
            let taken = front.len().min(written);
            front.advance(taken);
            written -= taken;
            if !front.is_empty() {
                break;
            }
            self.queue.pop_front();
        }
    }
}

/// Reads once. `None`: nothing is there yet. `Some(0)`: the peer closed its half.
pub(crate) fn read_available(stream: &TcpStream, into: &mut [u8]) -> io::Result<Option<usize>> {
    let mut received = None;
    let outcome = stream.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(stream)).read(into)?;
        received = Some(count);
        // A read that does not fill the buffer emptied the socket: saying so spares the read that would find nothing.
        if 0 < count && count < into.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (received, outcome) {
        (Some(count), _) => Ok(Some(count)),
        (None, Err(error)) if is_transient(&error) => Ok(None),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(None),
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

const SLICES_MAX: usize = 64;
const READ_BYTES: usize = 4096;
