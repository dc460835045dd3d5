//! Datagrams: one message each, and nothing kept between them.

mod places;
mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use federation::flow::{Direction, FlowFacts};
use signaling::Input;
use sip::{FlowId, Message, ParseError, Transport, framing, stun};

pub use self::places::DatagramPlaces;
pub(crate) use self::places::PLACES_MAX;
use self::places::Place;
pub(crate) use self::socket::DatagramSocket;
use self::socket::Received;
use crate::turns::Turn;
use crate::wire_log::{self, Way};
use crate::worker::{Shared, Worker};

/// What all datagrams of one socket have in common.
#[derive(Clone, Copy)]
pub(crate) struct Listener {
    pub(crate) number: u8,
    pub(crate) local: SocketAddr,
    pub(crate) is_inner: bool,
}

/// The task of one datagram socket.
pub(crate) async fn receive(worker: Shared, socket: Rc<DatagramSocket>, listener: Listener) {
    // An error means that the runtime is shutting down.
    while socket.readable().await.is_ok() {
        worker.borrow_mut().take_datagrams(&socket, listener);
        tokio::task::yield_now().await;
    }
}

impl Worker {
    fn take_datagrams(&mut self, socket: &DatagramSocket, listener: Listener) {
        self.enter();
        let mut turn = Turn::begin(self.now, &self.limits, 1);
        while turn.take(Instant::now()) {
            match socket.try_receive(&mut self.scratch) {
                Ok(Received { length, remote, local }) => {
                    let Listener { number, local, .. } = self.listener_at(listener, local);
                    let facts = FlowFacts {
                        id: FlowId::Datagram { listener: number, remote },
                        transport: Transport::Udp,
                        local,
                        remote,
                        direction: Direction::Inbound,
                        certificate: None,
                        is_inner: listener.is_inner,
                    };
                    self.take_datagram(facts, length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP message about an earlier datagram of ours; retransmission deals with that.
                Err(error) => tracing::debug!(%error, "receiving a datagram failed"),
            }
        }
        self.finish();
    }

    /// Of a datagram that came to this address of ours, at a socket of all addresses.
    fn listener_at(&self, listener: Listener, local: Option<IpAddr>) -> Listener {
        let Some(local) = local else { return listener };
        let number = self.datagram_places.number(Place { listener: listener.number, local });
        Listener { number, local: SocketAddr::new(local, listener.local.port()), ..listener }
    }

    /// The first `length` bytes of the scratch buffer.
    fn take_datagram(&mut self, facts: FlowFacts, length: usize) {
        let bytes = &self.scratch[..length];
        // Nothing is kept of it, and nothing written to the wire's log: it is no SIP.
        if let Some(response) = stun::binding_response(bytes, facts.remote).filter(|_| facts.remote.port() != 0) {
            if self.core.may_answer_datagram(self.now, facts.remote.ip(), length, response.len()) {
                self.counters.stun_answered += 1;
                self.answer_stun(facts.id, &response);
            }
            return;
        }
        // Nobody can be answered at port 0; a NAT binding is kept alive by whatever is sent (RFC 5626 4.4.2).
        if length < DATAGRAM_BYTES_MIN || facts.remote.port() == 0 {
            self.counters.datagrams_ignored += 1;
            return;
        }
        wire_log::message(Way::In, &facts, bytes);
        let framed = framing::check_datagram(Bytes::copy_from_slice(bytes));
        let framed = framed.inspect_err(|_| self.counters.framing_errors += 1).map_err(ParseError::from);
        let parsed = framed.and_then(|bytes| {
            let parsed = Message::parse_within(bytes, self.limits.message);
            parsed.inspect_err(|_| self.counters.parse_errors += 1)
        });
        match parsed {
            Ok(message) => {
                self.counters.datagrams_received += 1;
                self.core.handle_input(self.now, Input::Datagram { facts, message });
                self.settle();
            }
            Err(error) => {
                tracing::debug!(remote = %facts.remote, %error, "no message");
                self.refuse_datagram(facts.id, length, &error);
            }
        }
    }

    /// The first `length` bytes of the scratch buffer are no message that can be read.
    fn refuse_datagram(&mut self, flow: FlowId, length: usize, error: &ParseError) {
        let received = &self.scratch[..length];
        let response = self.core.refuse_unreadable(self.now, flow, (received, error), self.limits.message);
        if let (FlowId::Datagram { listener, remote }, Some(response)) = (flow, response) {
            self.counters.parse_errors_answered += 1;
            self.send_datagram(listener, remote, &response);
        }
    }

    fn answer_stun(&mut self, flow: FlowId, response: &[u8]) {
        let FlowId::Datagram { listener, remote } = flow else { return };
        if let Some((socket, from)) = self.datagram_socket(listener) {
            // If the socket is full, the client asks again.
            self.counters.datagrams_unsent += u64::from(socket.try_send(response, remote, from).is_err());
        }
    }

    /// The socket of a listener's number, and the address to send from where it is a place of a socket of all addresses.
    fn datagram_socket(&self, number: u8) -> Option<(&DatagramSocket, Option<IpAddr>)> {
        let place = self.datagram_places.get(number);
        let listener = place.map_or(number, |place| place.listener);
        let socket = self.datagram_sockets.get(usize::from(listener))?.as_deref()?;
        Some((socket, place.map(|place| place.local)))
    }

    pub(crate) fn send_datagram(&mut self, listener: u8, remote: SocketAddr, bytes: &[u8]) {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            self.counters.datagrams_oversized += 1;
            return;
        }
        let Some((socket, from)) = self.datagram_socket(listener) else {
            self.counters.datagrams_unsent += 1;
            return;
        };
        wire_log::datagram_out(remote, bytes);
        match socket.try_send(bytes, remote, from) {
            Ok(()) => self.counters.datagrams_sent += 1,
            // The socket is full, or the address cannot be reached: lost like any datagram, and retransmitted.
            Err(error) => {
                self.counters.datagrams_unsent += 1;
                tracing::debug!(%remote, %error, "sending a datagram failed");
            }
        }
    }
}

/// No start line with its headers is this short: keep-alives (CRLFs, NULs) are.
const DATAGRAM_BYTES_MIN: usize = 32;
/// The payload of the largest IPv4 packet.
const DATAGRAM_BYTES_MAX: usize = 65_507;
