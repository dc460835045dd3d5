//! A phone's one connection: TLS, and messages cut out of it. Nothing is ever accepted or dialled back.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sip::{Frame, Framer, Message};

/// Where a phone connects, and whom it expects there.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    /// What the server's certificate must name.
    pub server_name: &'static str,
    pub tls: Arc<ClientConfig>,
}

pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
    local: SocketAddr,
    framer: Framer,
    buffer: BytesMut,
    /// Received, and nobody has asked for it yet.
    inbox: VecDeque<Message>,
    pongs: usize,
}

impl Line {
    /// Connects and completes the handshake.
    pub fn open(door: &Door) -> anyhow::Result<Line> {
        let socket = TcpStream::connect_timeout(&door.address, CONNECT_WITHIN)
            .with_context(|| format!("cannot connect to {}", door.address))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(CONNECT_WITHIN))?;
        socket.set_write_timeout(Some(CONNECT_WITHIN))?;
        let local = socket.local_addr()?;
        let connection = ClientConnection::new(door.tls.clone(), ServerName::try_from(door.server_name)?)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("the TLS handshake failed")?;
        }
        Ok(Line { stream, local, framer: Framer::default(), buffer: BytesMut::new(), inbox: VecDeque::new(), pongs: 0 })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush().context("cannot send")
    }

    /// The first message that fits, from those already received or yet to come; the others stay for later.
    /// `None` when none came in time.
    pub fn receive(&mut self, within: Duration, fits: impl Fn(&Message) -> bool) -> anyhow::Result<Option<Message>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(at) = self.inbox.iter().position(&fits) {
                return Ok(self.inbox.remove(at));
            }
            if !self.read_once(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Asks whether the flow lives and waits for the answer (RFC 5626 section 3.5.1).
    pub fn ping(&mut self, within: Duration) -> anyhow::Result<()> {
        let (before, deadline) = (self.pongs, Instant::now() + within);
        self.send(b"\r\n\r\n")?;
        while self.pongs == before {
            if !self.read_once(deadline)? {
                bail!("no answer to the keep-alive");
            }
        }
        Ok(())
    }

    /// Whether anything came before the deadline.
    fn read_once(&mut self, deadline: Instant) -> anyhow::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        self.stream.sock.set_read_timeout(Some(left))?;
        let mut piece = [0; 16_384];
        match self.stream.read(&mut piece) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error).context("the connection broke"),
        }
        while let Some(frame) = self.framer.cut(&mut self.buffer)? {
            match frame {
                Frame::Message(bytes) => self.inbox.push_back(parse(bytes)?),
                Frame::Pong => self.pongs += 1,
                Frame::Ping => self.send(b"\r\n")?,
            }
        }
        Ok(true)
    }
}

fn parse(bytes: Bytes) -> anyhow::Result<Message> {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Message::parse(bytes).with_context(|| format!("the server sent something that is no message: {text}"))
}

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
