//! SIP over WebSockets (RFC 7118): the frames of RFC 6455 between a flow's bytes and its messages. No socket here, so
//! that a WebSocket moves between workers as every flow does.
//!
//! The rules of the protocol are tungstenite's. It reads from a pipe that is filled with what the wire decoded, and
//! writes into one that is emptied onto the wire.

mod origins;
pub mod upgrade;

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use sip::{Frame, MessageLimits};
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, Utf8Bytes};

pub use origins::{Origin, OriginError, Origins};

/// The framing of one flow.
pub struct WebSocket {
    protocol: tungstenite::WebSocket<Pipe>,
    /// What the peer is told when we end it (RFC 6455 section 7.4.1).
    close_code: CloseCode,
    is_over: bool,
}

#[derive(Default)]
struct Pipe {
    received: BytesMut,
    output: Vec<u8>,
}

impl WebSocket {
    pub fn new(limits: MessageLimits) -> WebSocket {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(limits.bytes_max))
            .max_frame_size(Some(limits.bytes_max));
        WebSocket {
            protocol: tungstenite::WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config)),
            close_code: CloseCode::Away,
            is_over: false,
        }
    }

    /// The next frame of what was received, all of which is taken. A message is whole, whatever pieces it came in, and
    /// text or binary alike; its own end is the parser's business.
    pub fn cut(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, Box<Error>> {
        self.protocol.get_mut().receive(received);
        match self.protocol.read() {
            Ok(Message::Text(text)) => Ok(Some(sip_frame(text.into()))),
            Ok(Message::Binary(bytes)) => Ok(Some(sip_frame(bytes))),
            // A ping has its answer in the output already.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(Some(Frame::Pong)),
            Ok(Message::Close(_)) => {
                // The answer to it.
                self.protocol.flush().ok();
                self.is_over = true;
                Ok(None)
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                self.is_over = true;
                Ok(None)
            }
            Err(error) => {
                self.close_code = code_of(&error);
                Err(Box::new(error))
            }
        }
    }

    /// The peer has said that no more will come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// A message that has no sure end: the peer will be told so.
    pub fn message_was_ambiguous(&mut self) {
        self.close_code = CloseCode::Invalid;
    }

    /// Puts a message into the output, as text where it is some. After the end there is nobody to read it.
    pub fn queue(&mut self, message: Bytes) {
        let framed = Utf8Bytes::try_from(message.clone()).map_or_else(|_| Message::Binary(message), Message::Text);
        self.protocol.write(framed).ok();
    }

    pub fn ping(&mut self) {
        self.protocol.write(Message::Ping(Bytes::new())).ok();
    }

    /// Nothing, where the peer has said it before.
    pub fn say_goodbye(&mut self) {
        let frame = CloseFrame { code: self.close_code, reason: Utf8Bytes::default() };
        self.protocol.close(Some(frame)).ok();
    }

    /// What is to go out now.
    pub fn take_output(&mut self) -> Bytes {
        std::mem::take(&mut self.protocol.get_mut().output).into()
    }
}

impl Pipe {
    fn receive(&mut self, bytes: &mut BytesMut) {
        if self.received.is_empty() {
            self.received = std::mem::take(bytes);
        } else if !bytes.is_empty() {
            self.received.extend_from_slice(&std::mem::take(bytes));
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.received.is_empty() {
            // Gives the buffer up: an idle flow holds none.
            self.received = BytesMut::new();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.received.len().min(into.len());
        self.received.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The keep-alives of RFC 5626 are allowed here, too (RFC 7118 section 6), each a message of its own.
fn sip_frame(message: Bytes) -> Frame {
    match &message[..] {
        b"\r\n\r\n" => Frame::Ping,
        b"" | b"\r\n" => Frame::Pong,
        _ => Frame::Message(message),
    }
}

fn code_of(error: &Error) -> CloseCode {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    }
}

/// What one WebSocket holds while it is idle, bytes.
const READ_BYTES: usize = 1024;

#[cfg(test)]
mod tests;
