//! Lines: where the messages of an organisation's phones come and go. A phone speaks on one, or a test by hand.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use federation::trust::PeerCertificate;
use sip::{FlowId, Framer, Message};

use crate::lanes::{End, LaneKey, Parcel};
use crate::network::Place;
use crate::organisation::UDP_LISTENER;
use crate::world::{Line, World, first_line};

pub(crate) struct LineState {
    pub site: usize,
    /// The organisation's name for it.
    pub flow: FlowId,
    /// For datagrams: the worker that the kernel gives all of them; `None` draws one for each.
    pub worker: Option<u16>,
    /// Who speaks on it; `None`: a test, by hand.
    pub phone: Option<usize>,
    pub is_open: bool,
    pub received: VecDeque<Message>,
    pub framer: Framer,
    pub buffer: BytesMut,
}

impl World {
    /// A new stream from the test to an organisation, accepted by this worker.
    pub fn connect(&mut self, site: usize, worker: u16, certificate: Option<PeerCertificate>) -> Line {
        let line = Line(self.lines.len());
        let places = (Place::Site(site), Place::Line(line.0));
        let End::Site { flow, .. } = self.accept((site, worker), certificate, places, false) else {
            unreachable!("an organisation accepted it")
        };
        self.add_line(site, flow, None);
        self.join_ends(End::Site { site, flow }, End::Line(line));
        line
    }

    /// A phone that speaks UDP. The kernel gives all its packets to this worker, or each to any.
    pub fn datagrams(&mut self, site: usize, worker: impl Into<Option<u16>>) -> Line {
        let port = 30_000 + u16::try_from(self.lines.len()).expect("few lines");
        let remote = SocketAddr::from(([198, 51, 100, 8], port));
        self.add_line(site, FlowId::Datagram { listener: UDP_LISTENER, remote }, worker.into())
    }

    /// Where the datagrams of this line come from; `None` for a stream.
    pub fn line_address(&self, line: Line) -> Option<SocketAddr> {
        match self.lines[line.0].flow {
            FlowId::Datagram { remote, .. } => Some(remote),
            FlowId::Stream { .. } => None,
        }
    }

    fn add_line(&mut self, site: usize, flow: FlowId, worker: Option<u16>) -> Line {
        self.lines.push(LineState {
            site,
            flow,
            worker,
            phone: None,
            is_open: true,
            received: VecDeque::new(),
            framer: Framer::default(),
            buffer: BytesMut::new(),
        });
        Line(self.lines.len() - 1)
    }

    /// Puts bytes on their way to the organisation.
    pub(crate) fn send_on(&mut self, line: Line, bytes: Bytes) {
        let LineState { site, flow, .. } = self.lines[line.0];
        let way = (Place::Line(line.0), Place::Site(site));
        if flow.is_reliable() {
            let to = End::Site { site, flow };
            if self.far.contains_key(&End::Line(line)) {
                self.send_pieces(to, bytes, way);
            }
        } else if let Some(travel) = self.network.datagram(&mut self.random, &self.weather, way) {
            self.lanes.put_single(self.now + travel, Parcel::PacketToSite { site, line, bytes });
        }
    }

    pub(crate) fn received(&mut self, line: Line, message: Message) {
        match self.lines[line.0].phone {
            Some(phone) => {
                self.note(format!("{} receives {}", self.phones[phone].name(), first_line(&message)));
                let now = self.now;
                self.phones[phone].handle_message(now, message);
                self.drain_phone(phone);
            }
            None => self.lines[line.0].received.push_back(message),
        }
    }

    /// The organisation ended the line.
    pub(crate) fn line_ended(&mut self, line: Line) {
        let state = &mut self.lines[line.0];
        state.is_open = false;
        if let Some(phone) = state.phone {
            let now = self.now;
            self.note(format!("{} has lost its connection", self.phones[phone].name()));
            self.phones[phone].handle_closed(now, line);
            self.drain_phone(phone);
        }
    }

    /// Ends a line from this side, after what was sent on it.
    pub(crate) fn end_line(&mut self, line: Line) {
        let LineState { site, flow, .. } = self.lines[line.0];
        self.lines[line.0].is_open = false;
        self.lanes.clear(LaneKey::Stream(End::Line(line)));
        if self.far.remove(&End::Line(line)).is_some() {
            let to = End::Site { site, flow };
            self.far.remove(&to);
            self.send_fin(to, (Place::Line(line.0), Place::Site(site)));
        }
    }
}

/// A test that speaks by hand.
impl World {
    /// Sends one message on a line; the text has plain line ends.
    pub fn send(&mut self, line: Line, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n").into_bytes());
        Message::parse(bytes.clone()).expect("the test's message parses");
        self.send_on(line, bytes);
        self.settle();
    }

    /// Sends these bytes on a line, be they a message or not.
    pub fn send_bytes(&mut self, line: Line, bytes: impl Into<Bytes>) {
        self.send_on(line, bytes.into());
        self.settle();
    }

    /// Whether neither side has ended the line.
    pub fn is_line_open(&self, line: Line) -> bool {
        self.lines[line.0].is_open
    }

    /// What came in on a line, in order; empties it.
    pub fn take(&mut self, line: Line) -> Vec<Message> {
        std::mem::take(&mut self.lines[line.0].received).into()
    }

    /// The one message that came in on a line.
    pub fn only(&mut self, line: Line) -> Message {
        let mut all = self.take(line);
        assert_eq!(all.len(), 1, "expected one message, got {:#?}", all.iter().map(first_line).collect::<Vec<_>>());
        all.remove(0)
    }

    /// The first response on a line; requests that came with it stay.
    pub fn take_response(&mut self, line: Line) -> Message {
        let received = &mut self.lines[line.0].received;
        let at = received.iter().position(|message| !message.is_request()).expect("a response");
        received.remove(at).expect("it is there")
    }

    /// Nothing is left that the test did not look at.
    pub fn assert_quiet(&mut self) {
        for (line, state) in self.lines.iter().enumerate() {
            let left: Vec<String> = state.received.iter().map(first_line).collect();
            assert!(left.is_empty(), "line {line} still has {left:?}");
        }
    }

    /// Ends a line from the test's side.
    pub fn hang_up(&mut self, line: Line) {
        self.end_line(line);
        self.settle();
    }

    /// The worker that has a line's stream now.
    pub fn worker_of(&self, line: Line) -> u16 {
        let LineState { site, flow, .. } = &self.lines[line.0];
        self.sites[*site].streams[flow].worker
    }

    /// Gives this worker a response that another worker is waiting for.
    pub fn misdeliver(&mut self, site: usize, worker: u16, certificate: PeerCertificate, text: &str) {
        let line = self.connect(site, worker, Some(certificate));
        self.send(line, text);
    }
}
