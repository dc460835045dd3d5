//! A socket with messages in and out of it, without waiting: TCP, TLS as its client, or a datagram socket with one peer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mio::event::Source;
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Registry, Token};
use rustls::{ClientConfig, ClientConnection, Connection};
use rustls_pki_types::ServerName;
use sip::{Frame, Framer, Message};

/// Until a socket is ready, or so much time has passed. A machine that was stopped meanwhile interrupts it: nothing was ready then.
pub fn wait(poll: &mut Poll, events: &mut Events, longest: Duration) -> io::Result<()> {
    match poll.poll(events, Some(longest)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        outcome => outcome,
    }
}

pub struct Wire {
    socket: Socket,
    framer: Framer,
    inbound: BytesMut,
    outbound: Vec<u8>,
    /// Answers to our CRLFCRLF (RFC 5626 section 3.5.1).
    pub pongs: u64,
}

enum Socket {
    Tcp(TcpStream),
    Tls(Box<Connection>, TcpStream),
    Udp(UdpSocket),
}

impl Wire {
    pub fn tcp(stream: TcpStream) -> Wire {
        Wire::over(Socket::Tcp(stream))
    }

    pub fn tls_client(stream: TcpStream, config: &Arc<ClientConfig>, name: &ServerName<'static>) -> io::Result<Wire> {
        let client = ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
        Ok(Wire::tls(client.into(), stream))
    }

    fn tls(mut connection: Connection, stream: TcpStream) -> Wire {
        connection.set_buffer_limit(None);
        Wire::over(Socket::Tls(Box::new(connection), stream))
    }

    /// A datagram socket that is connected.
    pub fn udp(socket: UdpSocket) -> Wire {
        Wire::over(Socket::Udp(socket))
    }

    fn over(socket: Socket) -> Wire {
        Wire { socket, framer: Framer::default(), inbound: BytesMut::new(), outbound: Vec::new(), pongs: 0 }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match &mut self.socket {
            Socket::Tcp(stream) | Socket::Tls(_, stream) => stream,
            Socket::Udp(socket) => socket,
        };
        source.register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// What the request's Via has to say.
    pub fn transport(&self) -> &'static str {
        match self.socket {
            Socket::Tcp(_) => "TCP",
            Socket::Tls(..) => "TLS",
            Socket::Udp(_) => "UDP",
        }
    }

    pub fn local(&self) -> io::Result<SocketAddr> {
        match &self.socket {
            Socket::Tcp(stream) | Socket::Tls(_, stream) => stream.local_addr(),
            Socket::Udp(socket) => socket.local_addr(),
        }
    }

    /// Whether messages can be sent: the handshake is over.
    pub fn is_up(&self) -> bool {
        !matches!(&self.socket, Socket::Tls(connection, _) if connection.is_handshaking())
    }

    /// Goes out with the next [`Wire::flush`]; by UDP at once, or it is lost.
    pub fn send(&mut self, message: &[u8]) {
        match &self.socket {
            Socket::Udp(socket) => drop(socket.send(message)),
            Socket::Tcp(_) | Socket::Tls(..) => self.outbound.extend_from_slice(message),
        }
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// What ended the connection.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.socket {
            Socket::Udp(_) => Ok(()),
            Socket::Tcp(stream) => {
                while !self.outbound.is_empty() {
                    let Some(written) = unless_blocked(stream.write(&self.outbound))? else { return Ok(()) };
                    self.outbound.drain(..written);
                }
                Ok(())
            }
            Socket::Tls(connection, stream) => {
                if !connection.is_handshaking() && !self.outbound.is_empty() {
                    connection.writer().write_all(&self.outbound)?;
                    self.outbound.clear();
                }
                while connection.wants_write() {
                    if unless_blocked(connection.write_tls(stream))?.is_none() {
                        return Ok(());
                    }
                }
                Ok(())
            }
        }
    }

    /// Everything that has come, message by message.
    ///
    /// # Errors
    /// What ended the connection.
    pub fn receive(&mut self, mut each: impl FnMut(Message)) -> io::Result<()> {
        let end = self.read();
        while let Some(frame) = self.cut()? {
            match frame {
                Frame::Message(bytes) => each(Message::parse(bytes).map_err(io::Error::other)?),
                Frame::Pong => self.pongs += 1,
                Frame::Ping => self.send(b"\r\n"),
            }
        }
        end
    }

    fn cut(&mut self) -> io::Result<Option<Frame>> {
        self.framer.cut(&mut self.inbound).map_err(io::Error::other)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        match &mut self.socket {
            Socket::Tcp(stream) => {
                while let Some(count) = unless_blocked(stream.read(&mut chunk))? {
                    take(&mut self.inbound, &chunk[..count])?;
                }
            }
            Socket::Tls(connection, stream) => {
                while let Some(count) = unless_blocked(connection.read_tls(stream))? {
                    if count == 0 {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    connection.process_new_packets().map_err(io::Error::other)?;
                    while let Some(count) = unless_blocked(connection.reader().read(&mut chunk))? {
                        take(&mut self.inbound, &chunk[..count])?;
                    }
                }
            }
            // Each datagram is a message whole.
            Socket::Udp(socket) => {
                while let Some(count) = unless_blocked(socket.recv(&mut chunk))? {
                    self.inbound.extend_from_slice(&chunk[..count]);
                }
            }
        }
        Ok(())
    }
}

fn take(inbound: &mut BytesMut, chunk: &[u8]) -> io::Result<()> {
    if chunk.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    inbound.extend_from_slice(chunk);
    Ok(())
}

/// `None`: there is nothing now, or no room.
fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

const CHUNK_BYTES: usize = 64 * 1024;
