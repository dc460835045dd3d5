//! One connection to the server, from an address that its user chose: plain or TLS, with messages cut out of it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use certificates::ServedIdentity;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sip::{Frame, Framer, Message};
use socket2::{Domain, Socket, Type};

use crate::server::DOMAIN;

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

pub struct Line {
    stream: Box<dyn Stream>,
    /// The same socket, for its times.
    socket: TcpStream,
    framer: Framer,
    buffer: BytesMut,
    inbox: VecDeque<Message>,
}

impl Line {
    pub fn plain(from: Ipv4Addr, port: u16) -> io::Result<Line> {
        let socket = connect(from, port)?;
        Ok(Line::over(socket.try_clone()?, socket))
    }

    /// With a certificate if there is one; whom the server's names is not asked.
    pub fn tls(from: Ipv4Addr, port: u16, identity: Option<&Arc<ServedIdentity>>) -> io::Result<Line> {
        let socket = connect(from, port)?;
        let config = certificates::tls::recording_client_config(identity).map_err(io::Error::other)?;
        let name = ServerName::try_from(format!("sip.{DOMAIN}")).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Line::over(stream, socket))
    }

    fn over(stream: impl Stream + 'static, socket: TcpStream) -> Line {
        let stream = Box::new(stream);
        Line { stream, socket, framer: Framer::default(), buffer: BytesMut::new(), inbox: VecDeque::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// The next message; `None`: none came in time.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn receive(&mut self, within: Duration) -> io::Result<Option<Message>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(message) = self.cut()? {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn cut(&mut self) -> io::Result<Option<Message>> {
        while let Some(frame) = self.framer.cut(&mut self.buffer).map_err(io::Error::other)? {
            if let Frame::Message(bytes) = frame {
                self.inbox.push_back(Message::parse(bytes).map_err(io::Error::other)?);
            }
        }
        Ok(self.inbox.pop_front())
    }
}

/// Plain TCP, whose reading and writing give up after a time.
pub fn connect(from: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(), GIVE_UP)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GIVE_UP))?;
    stream.set_write_timeout(Some(GIVE_UP))?;
    Ok(stream)
}

pub const GIVE_UP: Duration = Duration::from_secs(10);
