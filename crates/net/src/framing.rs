//! How messages lie in a flow's bytes: one after the other (RFC 3261 18.3), or each in a WebSocket message (RFC 7118).

use bytes::{Bytes, BytesMut};
use sip::{Frame, Framer, FramingError, MessageLimits, Transport};

use crate::web_socket::WebSocket;
use crate::wire::Wire;

pub(crate) enum Framing {
    Stream(Framer),
    WebSocket(Box<WebSocket>),
}

/// Why there are no borders any more in what a peer sends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Sip(#[from] FramingError),
    #[error(transparent)]
    WebSocket(#[from] Box<tungstenite::Error>),
}

impl Framing {
    pub(crate) fn new(transport: Transport, limits: MessageLimits) -> Framing {
        match transport.is_web_socket() {
            true => Framing::WebSocket(Box::new(WebSocket::new(limits))),
            false => Framing::Stream(Framer::new(limits)),
        }
    }

    /// The next frame of what was received.
    pub(crate) fn cut(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self {
            Framing::Stream(framer) => Ok(framer.cut(received)?),
            Framing::WebSocket(web_socket) => Ok(web_socket.cut(received)?),
        }
    }

    pub(crate) fn queue(&mut self, message: Bytes, wire: &mut Wire) {
        match self {
            Framing::Stream(_) => wire.queue(message),
            Framing::WebSocket(web_socket) => web_socket.queue(message),
        }
        self.move_output(wire);
    }

    /// What the framing says by itself: answers to pings and to the end.
    pub(crate) fn move_output(&mut self, wire: &mut Wire) {
        if let Framing::WebSocket(web_socket) = self {
            let output = web_socket.take_output();
            if !output.is_empty() {
                wire.queue(output);
            }
        }
    }

    /// The peer has said, in the framing's own way, that it sends no more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Framing::WebSocket(web_socket) if web_socket.is_over())
    }

    pub(crate) fn message_was_ambiguous(&mut self) {
        if let Framing::WebSocket(web_socket) = self {
            web_socket.message_was_ambiguous();
        }
    }

    /// Whether a peer can be asked if it is there: on a plain stream only clients may ask (RFC 5626 3.5.1).
    pub(crate) fn has_pings(&self) -> bool {
        matches!(self, Framing::WebSocket(_))
    }

    /// `false`: there are no pings.
    pub(crate) fn ping(&mut self, wire: &mut Wire) -> bool {
        if let Framing::WebSocket(web_socket) = self {
            web_socket.ping();
        }
        self.move_output(wire);
        self.has_pings()
    }

    pub(crate) fn say_goodbye(&mut self, wire: &mut Wire) {
        if let Framing::WebSocket(web_socket) = self {
            web_socket.say_goodbye();
        }
        self.move_output(wire);
    }
}
