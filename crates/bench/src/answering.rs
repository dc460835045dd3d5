//! The answering peer: says 200 to every request, over whatever it comes. It stands for what is behind an edge.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use sip::{HeaderName, Message, Method, build};

use crate::wire::{Wire, wait};

/// On a thread of its own; ends when dropped.
pub struct Answering {
    pub address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Answering {
    /// On TCP and UDP at one address; port 0 takes any.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn begin(port: u16) -> io::Result<Answering> {
        let mut peer = Peer::bind((Ipv4Addr::LOCALHOST, port).into())?;
        let address = peer.address;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Err(error) = peer.turn() {
                    eprintln!("bench: the answering peer: {error}");
                    return;
                }
            }
        });
        Ok(Answering { address, is_over, thread: Some(thread) })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Peer {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    datagrams: UdpSocket,
    wires: HashMap<Token, Wire>,
    next: usize,
}

impl Peer {
    fn bind(address: SocketAddr) -> io::Result<Peer> {
        let mut listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let mut datagrams = UdpSocket::bind(address)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut datagrams, DATAGRAMS, Interest::READABLE)?;
        let (events, wires) = (Events::with_capacity(1024), HashMap::new());
        Ok(Peer { address, poll, events, listener, datagrams, wires, next: FIRST_WIRE })
    }

    fn turn(&mut self) -> io::Result<()> {
        wait(&mut self.poll, &mut self.events, Duration::from_millis(100))?;
        let tokens: Vec<Token> = self.events.iter().map(mio::event::Event::token).collect();
        for token in tokens {
            match token {
                LISTENER => self.accept()?,
                DATAGRAMS => self.answer_datagrams(),
                wire => self.answer_wire(wire),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let mut wire = Wire::tcp(stream);
            let token = Token(self.next);
            self.next += 1;
            wire.register(self.poll.registry(), token)?;
            self.wires.insert(token, wire);
        }
        Ok(())
    }

    fn answer_wire(&mut self, token: Token) {
        let Some(wire) = self.wires.get_mut(&token) else { return };
        let mut answers = Vec::new();
        let mut received = wire.receive(|request| answers.extend(answer(&request, self.address)));
        for answer in answers {
            wire.send(&answer);
        }
        received = received.and_then(|()| wire.flush());
        if received.is_err() {
            self.wires.remove(&token);
        }
    }

    fn answer_datagrams(&mut self) {
        let mut bytes = [0; 65_535];
        while let Ok((count, sender)) = self.datagrams.recv_from(&mut bytes) {
            let request = Message::parse(Bytes::copy_from_slice(&bytes[..count]));
            if let Some(answer) = request.ok().and_then(|request| answer(&request, self.address)) {
                // What finds no room is lost, as on any network.
                let _ = self.datagrams.send_to(&answer, sender);
            }
        }
    }
}

fn answer(request: &Message, address: SocketAddr) -> Option<Bytes> {
    let method = request.method().filter(|method| *method != Method::Ack)?;
    let mut response = build::response(request, 200, None, Some("answered"));
    if method.forms_dialog() {
        // Where no transport is named, the next request would come by UDP (RFC 3263 section 4.1).
        let is_tcp = request.header_text(HeaderName::Via).is_some_and(|via| via.starts_with("SIP/2.0/TCP"));
        let transport = if is_tcp { ";transport=tcp" } else { "" };
        response = response.header(HeaderName::Contact, format!("<sip:{address}{transport}>"));
    }
    Some(match method {
        Method::Invite => response.body("application/sdp", ANSWER).build(),
        Method::Subscribe => response.header(HeaderName::Expires, 600).build(),
        _ => response.build(),
    })
}

const LISTENER: Token = Token(0);
const DATAGRAMS: Token = Token(1);
const FIRST_WIRE: usize = 2;
const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0 101\r\n\
                      a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
