//! A bridge: the legs of a conference and their mixer, or the two of an anchored call.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use sdp::AudioSession;

use crate::command::{Announcement, BridgeKind, LegId};
use crate::entry::{Entry, PacketKind};
use crate::forwarding::Forwarding;
use crate::ingress::{Received, ReceivedKind};
use crate::leg::Leg;
use crate::mixer::Mixer;

pub struct Bridge {
    kind: BridgeKind,
    legs: BTreeMap<u32, Leg>,
    mixer: Mixer,
    /// By the leg that they come from.
    forwardings: BTreeMap<u32, Forwarding>,
    /// What each leg says in the frame in hand.
    frames: BTreeMap<u32, Vec<i16>>,
}

impl Bridge {
    pub fn new(kind: BridgeKind) -> Bridge {
        let (legs, forwardings, frames) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Bridge { kind, legs, mixer: Mixer::new(kind), forwardings, frames }
    }

    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    pub fn run(
        &mut self,
        entry: &mut Entry<'_>,
        (leg, kind): (LegId, BridgeKind),
        session: AudioSession,
        trusted: Option<IpAddr>,
    ) {
        if kind != self.kind {
            self.become_kind(kind);
        }
        let encoding = session.format.encoding;
        match self.leg(leg).run(entry, session, trusted) {
            Ok(()) => self.insert_into_mixer(leg.serial, encoding),
            Err(_) => self.mixer.remove(leg.serial),
        }
        self.forwardings.clear();
    }

    /// A leg may be muted or held before it runs.
    fn leg(&mut self, leg: LegId) -> &mut Leg {
        self.legs.entry(leg.serial).or_insert_with(|| Leg::new(leg))
    }

    fn become_kind(&mut self, kind: BridgeKind) {
        (self.kind, self.mixer) = (kind, Mixer::new(kind));
        let encodings: Vec<_> = self.legs.iter().filter_map(|(leg, it)| it.encoding().map(|is| (*leg, is))).collect();
        encodings.into_iter().for_each(|(leg, encoding)| self.insert_into_mixer(leg, encoding));
    }

    fn insert_into_mixer(&mut self, leg: u32, encoding: sdp::Encoding) {
        self.mixer.insert(leg, encoding);
        if let Some(it) = self.legs.get(&leg) {
            self.mixer.set_muted(leg, it.is_muted);
            self.mixer.set_held(leg, it.is_held);
        }
    }

    pub fn mute(&mut self, leg: LegId, is_muted: bool) {
        self.leg(leg).is_muted = is_muted;
        self.mixer.set_muted(leg.serial, is_muted);
        self.forwardings.clear();
    }

    pub fn hold(&mut self, leg: LegId, is_held: bool) {
        self.leg(leg).is_held = is_held;
        self.mixer.set_held(leg.serial, is_held);
        self.forwardings.clear();
    }

    pub fn announce(&mut self, to: Option<LegId>, announcement: Announcement) {
        self.mixer.announce(to.map(|leg| leg.serial), announcement);
    }

    /// `false`: there is no such leg.
    pub fn close(&mut self, entry: &mut Entry<'_>, leg: LegId) -> bool {
        let Some(closed) = self.legs.remove(&leg.serial) else { return false };
        self.mixer.remove(leg.serial);
        self.frames.remove(&leg.serial);
        self.forwardings.clear();
        closed.close(entry);
        true
    }

    pub fn handle_packet(
        &mut self,
        entry: &mut Entry<'_>,
        (leg, kind): (LegId, PacketKind),
        source: SocketAddr,
        bytes: &[u8],
    ) {
        let Some(it) = self.legs.get_mut(&leg.serial) else { return };
        let Some(received) = it.handle_packet(entry, kind, source, bytes) else { return };
        let forwards_to = self.forwards_to(leg.serial);
        match (forwards_to, self.legs.get_mut(&leg.serial)) {
            (Some(other), _) => self.forward(entry, (leg.serial, other), &received),
            (None, Some(it)) => {
                it.store(entry, &received);
                self.forward_event(entry, leg.serial, &received);
            }
            (None, None) => {}
        }
    }

    /// A key pressed in an anchored call is the other phone's to hear, whatever becomes of the sound.
    fn forward_event(&mut self, entry: &mut Entry<'_>, from: u32, received: &Received) {
        let may_speak = self.legs.get(&from).is_some_and(Leg::may_speak);
        let is_event = matches!(received.kind, ReceivedKind::Event(_));
        if self.kind != BridgeKind::Anchor || !is_event || !may_speak {
            return;
        }
        let payload = entry.buffer[received.payload.clone()].to_vec();
        let others = self.legs.iter_mut().filter(|(serial, leg)| **serial != from && !leg.is_held);
        others.for_each(|(_, leg)| leg.forward_event(entry, &received.header, &payload));
    }

    /// The other leg, where packets pass untouched.
    fn forwards_to(&self, leg: u32) -> Option<u32> {
        let other = *self.legs.keys().find(|other| **other != leg)?;
        let is_untouched = self.is_untouched();
        is_untouched.then_some(other)
    }

    /// Both legs of an anchored call speak the same encoding.
    fn is_untouched(&self) -> bool {
        let mut encodings = self.legs.values().map(Leg::encoding);
        let (Some(Some(first)), Some(Some(second)), None) = (encodings.next(), encodings.next(), encodings.next())
        else {
            return false;
        };
        self.kind == BridgeKind::Anchor && first == second
    }

    fn forward(&mut self, entry: &mut Entry<'_>, (from, to): (u32, u32), received: &Received) {
        let may_speak = self.legs.get(&from).is_some_and(Leg::may_speak);
        let Some(other) = self.legs.get_mut(&to) else { return };
        let forwarding = self.forwardings.entry(from).or_default();
        if received.is_beginning || !may_speak || other.is_held {
            forwarding.interrupt();
        }
        let (true, Some(next), Some(encoding)) = (may_speak && !other.is_held, other.next_numbers(), other.encoding())
        else {
            return;
        };
        let header = forwarding.renumber(entry.now, &received.header, next, encoding.clock_rate());
        let payload = entry.buffer[received.payload.clone()].to_vec();
        other.forward(entry, received.kind, &header, &payload);
    }

    /// Goes on by one frame.
    pub fn tick(&mut self, entry: &mut Entry<'_>) {
        if !self.is_untouched() {
            self.mix(entry);
        }
        self.legs.values_mut().for_each(|leg| leg.handle_timeout(entry));
    }

    fn mix(&mut self, entry: &mut Entry<'_>) {
        for (serial, leg) in &mut self.legs {
            let frame = self.frames.entry(*serial).or_default();
            frame.clear();
            leg.pull_frame(entry.now, frame);
        }
        let said = self.frames.iter().filter(|(_, frame)| !frame.is_empty());
        let inputs: Vec<(u32, &[i16])> = said.map(|(serial, frame)| (*serial, frame.as_slice())).collect();
        self.mixer.mix(&inputs);
        for (serial, leg) in &mut self.legs {
            leg.send_frame(entry, self.mixer.payload(*serial));
            if self.kind == BridgeKind::Conference {
                leg.tell_talking(entry, self.mixer.talks(*serial));
            }
        }
    }

    /// Leaves out frames whose time is over.
    pub fn skip(&mut self, frames: u32) {
        if !self.is_untouched() {
            self.legs.values_mut().for_each(|leg| leg.pass(frames));
        }
    }
}
