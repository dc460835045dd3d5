//! Connections: how they come to be, carry bytes in pieces, move between workers, and end or break.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use federation::flow::{Direction, FlowFacts};
use federation::trust::PeerCertificate;
use signaling::{Handoff, Input};
use sip::{FlowId, Frame, Message, MessageLimits, Method, ParseError, Transport, build};

use crate::lanes::{End, LaneKey, Mail, Parcel};
use crate::network::Place;
use crate::organisation::{Stream, UDP_LISTENER};
use crate::world::{Condition, Line, OURS, World, shared};

impl World {
    /// A stream is accepted by this worker. It has no far end yet.
    pub(crate) fn accept(
        &mut self,
        (site, worker): (usize, u16),
        certificate: Option<PeerCertificate>,
        places: (Place, Place),
        is_inner: bool,
    ) -> End {
        let flow = FlowId::Stream { worker, serial: self.next_serial() };
        let facts = FlowFacts {
            id: flow,
            transport: Transport::Tls,
            local: self.sites[site].address_on(is_inner),
            remote: SocketAddr::from(([198, 51, 100, 7], 40_000)),
            direction: Direction::Inbound,
            certificate: shared(certificate),
            is_inner,
        };
        self.sites[site].streams.insert(flow, Stream::new(worker, facts.clone(), places));
        self.input(site, worker, Input::FlowOpened(facts));
        End::Site { site, flow }
    }

    pub(crate) fn join_ends(&mut self, one: End, other: End) {
        self.far.insert(one, other);
        self.far.insert(other, one);
    }

    pub(crate) fn transmit(&mut self, site: usize, worker: u16, flow: FlowId, bytes: Bytes) {
        if let FlowId::Datagram { remote, listener } = flow {
            assert_eq!(listener, UDP_LISTENER, "the only one for datagrams");
            return self.send_packet(site, remote, bytes);
        }
        Message::parse(bytes.clone()).expect(OURS);
        let Some(stream) = self.sites[site].streams.get(&flow) else { return };
        assert_eq!(stream.worker, worker, "only its owner writes on a flow");
        let (is_mute, way) = (stream.is_mute, (stream.place, stream.far_place));
        if let (false, Place::Site(far)) = (stream.facts.is_inner, stream.far_place) {
            self.check_concealed(site, far, &bytes);
        }
        if let Some(far) = self.far.get(&End::Site { site, flow }).copied().filter(|_| !is_mute) {
            self.send_pieces(far, bytes, way);
        }
    }

    /// Where an organisation hides from another what is behind its edge, nothing that it sends there names anything of it.
    fn check_concealed(&self, site: usize, far: usize, bytes: &[u8]) {
        if !self.sites[site].hides_topology_from(self.sites[far].domain()) {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        let names = text.split("\r\n").take_while(|line| !line.is_empty()).filter(|line| {
            let may_name = ["Via:", "Record-Route:", "Contact:", "Warning:"].iter().any(|name| line.starts_with(name));
            let domain = self.sites[site].domain();
            may_name
                && [format!("{domain}.inside"), format!("-{}", domain.replace(".example", ".example.invalid"))]
                    .iter()
                    .any(|inner| line.contains(inner.as_str()))
        });
        let told: Vec<&str> = names.collect();
        assert!(told.is_empty(), "a partner sees {told:?} in {text}");
    }

    /// Puts bytes on their way to one end of a stream, in pieces of any size.
    pub(crate) fn send_pieces(&mut self, to: End, mut bytes: Bytes, way: (Place, Place)) {
        while !bytes.is_empty() {
            let length = match self.weather.piece_bytes_max {
                0 => bytes.len(),
                most => (1 + self.random.below(most)).min(bytes.len()),
            };
            let piece = bytes.split_to(length);
            let due = self.now + self.network.piece(&mut self.random, &self.weather, way);
            self.lanes.put(LaneKey::Stream(to), due, Parcel::Bytes { to, bytes: piece });
        }
    }

    pub(crate) fn bytes_arrived(&mut self, to: End, bytes: &[u8]) {
        match to {
            End::Site { site, flow } => {
                if let Some(stream) = self.sites[site].streams.get_mut(&flow) {
                    stream.buffer.extend_from_slice(bytes);
                    self.read(site, flow);
                }
            }
            End::Line(line) => {
                self.lines[line.0].buffer.extend_from_slice(bytes);
                self.read_line(line);
            }
        }
    }

    /// Cuts messages out of what has arrived; a message may move or end the stream it came on.
    fn read(&mut self, site: usize, flow: FlowId) {
        while let Some(stream) = self.sites[site].streams.get_mut(&flow).filter(|stream| !stream.is_moving) {
            let worker = stream.worker;
            match stream.framer.cut(&mut stream.buffer) {
                Ok(Some(Frame::Message(bytes))) => self.read_message((site, worker), flow, bytes),
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => break,
                Err(_) => self.end((site, worker), flow),
            }
        }
    }

    /// As the shell does it: where the borders are sound, what cannot be read is refused and the stream stays.
    fn read_message(&mut self, (site, worker): (usize, u16), flow: FlowId, bytes: Bytes) {
        match Message::parse(bytes.clone()) {
            Ok(message) if message.is_request() => self.read_request((site, worker), flow, message),
            Ok(message) => self.input(site, worker, Input::Message { flow, message }),
            Err(ParseError::Framing(_)) => self.end((site, worker), flow),
            Err(error) => {
                let core = &mut self.sites[site].cores[usize::from(worker)];
                let response = core.refuse_unreadable(self.now, flow, (&bytes, &error), MessageLimits::DEFAULT);
                if let Some(response) = response {
                    self.transmit(site, worker, flow, response);
                }
            }
        }
    }

    fn read_request(&mut self, (site, worker): (usize, u16), flow: FlowId, message: Message) {
        match self.sites[site].streams.get(&flow).map(|stream| stream.condition) {
            Some(Condition::Overloaded) if message.method() == Some(Method::Ack) => {}
            Some(Condition::Overloaded) => {
                let refusal = build::response(&message, 503, None, Some("overloaded")).build();
                self.transmit(site, worker, flow, refusal);
            }
            Some(Condition::Breaking) => self.end((site, worker), flow),
            _ => self.input(site, worker, Input::Message { flow, message }),
        }
    }

    fn end(&mut self, (site, worker): (usize, u16), flow: FlowId) {
        self.close(site, flow);
        self.drain(site, worker);
    }

    fn read_line(&mut self, line: Line) {
        loop {
            let state = &mut self.lines[line.0];
            match state.framer.cut(&mut state.buffer).expect(OURS) {
                Some(Frame::Message(bytes)) => self.received(line, Message::parse(bytes).expect(OURS)),
                Some(Frame::Ping | Frame::Pong) => {}
                None => return,
            }
        }
    }

    /// An organisation ends a stream of its own, after what was written on it.
    pub(crate) fn close(&mut self, site: usize, flow: FlowId) {
        let Some(stream) = self.sites[site].streams.remove(&flow) else { return };
        let worker = usize::from(stream.worker);
        self.sites[site].ended[worker].push_back(flow);
        let end = End::Site { site, flow };
        self.lanes.clear(LaneKey::Stream(end));
        if let Some(far) = self.far.remove(&end) {
            self.send_fin(far, (stream.place, stream.far_place));
        }
    }

    pub(crate) fn send_fin(&mut self, to: End, way: (Place, Place)) {
        let due = self.now + self.network.piece(&mut self.random, &self.weather, way);
        self.lanes.put(LaneKey::Stream(to), due, Parcel::Fin { to });
    }

    /// The far end is gone, or so it seems.
    pub(crate) fn fin_arrived(&mut self, to: End) {
        if let Some(far) = self.far.remove(&to) {
            self.far.remove(&far);
        }
        match to {
            End::Site { site, flow } => {
                // Of one that is being moved its new worker will find out.
                if let Some(stream) = self.sites[site].streams.remove(&flow).filter(|stream| !stream.is_moving) {
                    self.input(site, stream.worker, Input::FlowClosed(flow));
                }
            }
            End::Line(line) => self.line_ended(line),
        }
    }

    /// The connection breaks: what is on its way is lost, and each end learns of it after `late`.
    pub(crate) fn break_stream(&mut self, end: End, late: Duration) {
        let ends = [Some(end), self.far.remove(&end)];
        for end in ends.into_iter().flatten() {
            self.far.remove(&end);
            self.lanes.clear(LaneKey::Stream(end));
            self.lanes.put_single(self.now + late, Parcel::Fin { to: end });
        }
    }

    /// The stream leaves its worker; nothing is read from it until the other one has it.
    pub(crate) fn begin_move(&mut self, site: usize, worker: u16, flow: FlowId) {
        match self.sites[site].streams.get_mut(&flow) {
            Some(stream) => {
                stream.is_moving = true;
                self.sites[site].moving[usize::from(worker)] = Some(flow);
            }
            None => self.not_moved(site, worker, flow),
        }
    }

    /// The core believes the flow with the other worker, which will never say that it has ended.
    pub(crate) fn not_moved(&mut self, site: usize, worker: u16, flow: FlowId) {
        self.sites[site].ended[usize::from(worker)].push_back(flow);
        let now = self.now;
        let ended = Input::Handoff(Handoff::FlowEnded { flow });
        self.sites[site].cores[usize::from(worker)].handle_input(now, ended);
    }

    pub(crate) fn adopt(&mut self, site: usize, to: u16, facts: FlowFacts, known: Handoff) {
        let flow = facts.id;
        self.input(site, to, Input::FlowOpened(facts));
        self.input(site, to, Input::Handoff(known));
        match self.sites[site].streams.get_mut(&flow) {
            Some(stream) => {
                (stream.worker, stream.is_moving) = (to, false);
                self.read(site, flow);
            }
            None => self.input(site, to, Input::FlowClosed(flow)),
        }
    }

    /// In order between two workers. What goes is what would go to another node: bytes.
    pub(crate) fn hand_off(&mut self, (site, from): (usize, u16), to: u16, handoff: Handoff, late: Duration) {
        let text = serde_json::to_vec(&handoff).expect("a handoff is serialisable");
        let handoff = Box::new(serde_json::from_slice(&text).expect("and comes back"));
        let mail = match &*handoff {
            Handoff::FlowMoved { flow, .. } if self.sites[site].moving[usize::from(from)].as_ref() == Some(flow) => {
                let flow = *flow;
                self.sites[site].moving[usize::from(from)] = None;
                match self.sites[site].streams.get(&flow) {
                    Some(stream) => Mail::Adopt { facts: Box::new(stream.facts.clone()), known: handoff },
                    None => return self.not_moved(site, from, flow),
                }
            }
            _ => Mail::Handoff(handoff),
        };
        let may_wait = matches!(&mail, Mail::Handoff(handoff) if handoff.may_wait());
        let weather = &self.weather;
        let mut travel = self.random.duration(weather.handoff.0, weather.handoff.1) + late;
        if self.random.percent(weather.stall.0) {
            travel += weather.stall.1;
        }
        let lane = LaneKey::Mail { site, from, to, may_wait };
        self.lanes.put(lane, self.now + travel, Parcel::Mail { site, to, mail });
    }

    pub(crate) fn send_packet(&mut self, site: usize, remote: SocketAddr, bytes: Bytes) {
        let flow = FlowId::Datagram { listener: UDP_LISTENER, remote };
        let Some(line) = self.lines.iter().position(|line| line.site == site && line.flow == flow) else { return };
        let way = (Place::Site(site), Place::Line(line));
        if let Some(travel) = self.network.datagram(&mut self.random, &self.weather, way) {
            self.lanes.put_single(self.now + travel, Parcel::PacketToLine { line: Line(line), bytes });
        }
    }

    /// Every stream of an organisation, in order.
    pub(crate) fn ends_of(&self, site: usize) -> Vec<End> {
        self.sites[site].streams.keys().map(|flow| End::Site { site, flow: *flow }).collect()
    }

    /// The far ends that are organisations, by theirs.
    pub(crate) fn partner_ends(&self, site: usize) -> BTreeMap<End, usize> {
        let ends = self.ends_of(site).into_iter();
        ends.filter_map(|end| match self.far.get(&end) {
            Some(End::Site { site: other, .. }) => Some((end, *other)),
            _ => None,
        })
        .collect()
    }
}
