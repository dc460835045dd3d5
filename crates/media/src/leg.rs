//! One leg: one phone, whom we hear and who hears us.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sdp::{AudioSession, Encoding};

use crate::command::{LegId, LegReport, MediaEvent};
use crate::conversation::Conversation;
use crate::egress::Egress;
use crate::entry::{Entry, PacketKind};
use crate::ingress::{Dropped, Ingress, Received, ReceivedKind};
use crate::rtcp;
use crate::rtp::{self, Header};
use crate::srtp::KeyError;

pub struct Leg {
    id: LegId,
    /// Once offer and answer are through.
    media: Option<Media>,
    pub is_muted: bool,
    pub is_held: bool,
    said: Said,
}

struct Media {
    session: AudioSession,
    ingress: Ingress,
    egress: Egress,
    conversation: Conversation,
    /// When something came last, or was first expected.
    heard_at: Instant,
}

/// What signalling knows already.
#[derive(Default)]
struct Said {
    is_heard: bool,
    is_refused: bool,
    is_silent: bool,
    talking: Option<(bool, Instant)>,
    /// Keys told since when.
    keys: Option<(Instant, u32)>,
}

impl Leg {
    pub fn new(id: LegId) -> Leg {
        Leg { id, media: None, is_muted: false, is_held: false, said: Said::default() }
    }

    pub fn encoding(&self) -> Option<Encoding> {
        self.media.as_ref().map(|media| media.session.format.encoding)
    }

    /// Sends and receives like this from now on.
    ///
    /// # Errors
    /// Where a key is not its suite's: the leg is silent then, as what was asked for must not be sent in the clear.
    pub fn run(
        &mut self,
        entry: &mut Entry<'_>,
        session: AudioSession,
        trusted: Option<IpAddr>,
    ) -> Result<(), KeyError> {
        let before = self.media.take();
        let media = match before {
            Some(mut media) => {
                media.change(entry, session, trusted)?;
                media
            }
            None => Media::new(entry, session, trusted)?,
        };
        self.media = Some(media);
        self.said.is_silent = false;
        Ok(())
    }

    /// Looks at a packet. One that counts and is RTP is given back; its payload is in the entry's buffer.
    pub fn handle_packet(
        &mut self,
        entry: &mut Entry<'_>,
        kind: PacketKind,
        source: SocketAddr,
        bytes: &[u8],
    ) -> Option<Received> {
        let media = self.media.as_mut()?;
        let is_rtcp = kind == PacketKind::Rtcp || media.shares_port() && rtp::is_rtcp(bytes);
        let received = if is_rtcp {
            media.handle_rtcp(entry, source, bytes).map(|()| None)
        } else {
            media.ingress.receive(entry.now, source, bytes, entry.buffer).map(Some)
        };
        match received {
            Ok(received) => {
                media.heard_at = entry.now;
                self.said.is_silent = false;
                received.inspect(|received| self.tell_of(entry, received))
            }
            Err(dropped) => {
                self.refuse(entry, source, dropped);
                None
            }
        }
    }

    fn tell_of(&mut self, entry: &mut Entry<'_>, received: &Received) {
        entry.counts.packets_received += 1;
        if !std::mem::replace(&mut self.said.is_heard, true) {
            entry.tell(MediaEvent::Heard { leg: self.id });
        }
        if let ReceivedKind::Event(Some(key)) = received.kind
            && self.said.may_tell_key(entry.now)
        {
            entry.tell(MediaEvent::Dtmf { leg: self.id, key });
        }
    }

    fn refuse(&mut self, entry: &mut Entry<'_>, source: SocketAddr, dropped: Dropped) {
        let counts = &mut entry.counts;
        match dropped {
            Dropped::Malformed => counts.packets_malformed += 1,
            Dropped::Stray => counts.packets_stray += 1,
            Dropped::Stranger => {
                counts.packets_refused += 1;
                if !std::mem::replace(&mut self.said.is_refused, true) {
                    entry.tell(MediaEvent::SourceRefused { leg: self.id, source: source.ip() });
                }
            }
        }
    }

    /// Keeps a packet until it is to be heard.
    pub fn store(&mut self, entry: &Entry<'_>, received: &Received) {
        let Some(media) = &mut self.media else { return };
        match media.session.direction.receives() {
            true => media.ingress.store(entry.now, received, entry.buffer),
            false => media.ingress.pause(),
        }
    }

    /// Appends what is to be heard of the leg now, one frame; nothing where there is nothing.
    pub fn pull_frame(&mut self, now: Instant, frame: &mut Vec<i16>) {
        if let Some(media) = self.media.as_mut().filter(|media| media.session.direction.receives()) {
            media.ingress.pull_frame(now, frame);
        }
    }

    /// Sends the payload of one frame; an empty one is a pause.
    pub fn send_frame(&mut self, entry: &mut Entry<'_>, payload: &[u8]) {
        let Some(media) = &mut self.media else { return };
        let to = media.sends_to();
        let payload = if to.is_some() { payload } else { &[] };
        let ticks = media.egress.clock_rate() / FRAMES_PER_SEC;
        let id = self.id;
        media.egress.send_frame(payload, ticks, |bytes| {
            if let Some(to) = to {
                entry.transmit(id, PacketKind::Rtp, to, bytes);
            }
        });
    }

    /// Lets time go by in which nothing is sent.
    pub fn pass(&mut self, frames: u32) {
        if let Some(media) = &mut self.media {
            media.egress.pass(frames * (media.egress.clock_rate() / FRAMES_PER_SEC));
        }
    }

    /// The number and the time of the next packet.
    pub fn next_numbers(&self) -> Option<(u16, u32)> {
        self.media.as_ref().map(|media| media.egress.next_numbers())
    }

    /// Sends a packet that came from the other leg, under our numbers. A payload type that this peer does not know is left out.
    pub fn forward(&mut self, entry: &mut Entry<'_>, kind: ReceivedKind, header: &Header, payload: &[u8]) {
        let Some(media) = &mut self.media else { return };
        let payload_type = match kind {
            ReceivedKind::Sound => Some(media.session.format.payload_type),
            ReceivedKind::Event(_) => media.session.telephone_event,
            ReceivedKind::Other => None,
        };
        let (Some(payload_type), Some(to)) = (payload_type, media.sends_to()) else { return };
        if let Some(bytes) = media.egress.forward(&Header { payload_type, ..*header }, payload) {
            entry.transmit(self.id, PacketKind::Rtp, to, bytes);
        }
    }

    /// Sends a telephone event that came from the other leg, whose encoding is another. A peer that knows none hears none.
    pub fn forward_event(&mut self, entry: &mut Entry<'_>, header: &Header, payload: &[u8]) {
        let Some(media) = &mut self.media else { return };
        let (Some(payload_type), Some(to)) = (media.session.telephone_event, media.sends_to()) else { return };
        if let Some(bytes) = media.egress.event(entry.now, &Header { payload_type, ..*header }, payload) {
            entry.transmit(self.id, PacketKind::Rtp, to, bytes);
        }
    }

    /// Whether what the leg says may be heard.
    pub fn may_speak(&self) -> bool {
        let receives = self.media.as_ref().is_some_and(|media| media.session.direction.receives());
        receives && !self.is_muted && !self.is_held
    }

    /// Reports where it is time, and tells of silence.
    pub fn handle_timeout(&mut self, entry: &mut Entry<'_>) {
        let Some(media) = &mut self.media else { return };
        if media.conversation.is_due(entry.now) {
            media.report(entry, self.id, false);
        }
        let is_silent = media.session.direction.receives() && entry.now >= media.heard_at + SILENT_TIME;
        if is_silent && !std::mem::replace(&mut self.said.is_silent, true) {
            entry.tell(MediaEvent::Silent { leg: self.id });
        }
    }

    /// Tells whether the leg talks, where that is new and the last word of it was a second ago.
    pub fn tell_talking(&mut self, entry: &mut Entry<'_>, is_talking: bool) {
        let (was_talking, may_say) = match self.said.talking {
            Some((was_talking, said_at)) => (was_talking, entry.now >= said_at + TALKING_TIME),
            None => (false, true),
        };
        if is_talking != was_talking && may_say {
            self.said.talking = Some((is_talking, entry.now));
            entry.tell(MediaEvent::Talking { leg: self.id, is_talking });
        }
    }

    /// Says good-bye, and how it was.
    pub fn close(mut self, entry: &mut Entry<'_>) {
        if let Some(media) = &mut self.media {
            media.report(entry, self.id, true);
        }
        let report = self.media.map_or_else(LegReport::default, |media| media.leg_report());
        entry.tell(MediaEvent::Closed { leg: self.id, report });
    }
}

impl Said {
    /// Nobody presses more keys than these in a second; what claims to would only keep signalling busy.
    fn may_tell_key(&mut self, now: Instant) -> bool {
        let (since, told) = self.keys.filter(|(since, _)| now < *since + KEYS_TIME).unwrap_or((now, 0));
        self.keys = Some((since, told + 1));
        told < KEYS_MAX
    }
}

impl Media {
    fn new(entry: &mut Entry<'_>, session: AudioSession, trusted: Option<IpAddr>) -> Result<Media, KeyError> {
        Ok(Media {
            ingress: Ingress::new(&session, trusted)?,
            egress: Egress::new(&session, entry.random)?,
            conversation: Conversation::new(entry.now, entry.random),
            heard_at: entry.now,
            session,
        })
    }

    fn change(
        &mut self,
        entry: &mut Entry<'_>,
        session: AudioSession,
        trusted: Option<IpAddr>,
    ) -> Result<(), KeyError> {
        self.ingress.change(&session, trusted)?;
        self.egress.change(&session, entry.random)?;
        if session.remote != self.session.remote || session.remote_rtcp != self.session.remote_rtcp {
            self.ingress.release_source();
            self.conversation.release_source();
        }
        if !session.direction.receives() {
            self.ingress.pause();
        }
        self.heard_at = entry.now;
        self.session = session;
        Ok(())
    }

    /// RTCP comes and goes by the port of RTP (RFC 5761).
    fn shares_port(&self) -> bool {
        self.session.remote == self.session.remote_rtcp
    }

    /// Where sound goes: to where it comes from, once it does, and until then to where the peer said. `None`: nowhere.
    fn sends_to(&self) -> Option<SocketAddr> {
        let to = self.ingress.source().unwrap_or(self.session.remote);
        let is_wanted = self.session.direction.sends() && is_address(self.session.remote);
        (is_wanted && is_address(to)).then_some(to)
    }

    fn handle_rtcp(&mut self, entry: &mut Entry<'_>, source: SocketAddr, bytes: &[u8]) -> Result<(), Dropped> {
        self.ingress.receive_rtcp(source, bytes, entry.buffer)?;
        let items = rtcp::parse(entry.buffer).map_err(|_| Dropped::Malformed)?;
        let at = (entry.now, entry.clock.ntp(entry.now));
        self.conversation.handle_items(at, source, &items, (&self.egress, self.ingress.reception()));
        Ok(())
    }

    fn report(&mut self, entry: &mut Entry<'_>, leg: LegId, is_bye: bool) {
        let of = (&mut self.egress, self.ingress.reception());
        let report = match is_bye {
            true => self.conversation.bye(entry.now, entry.clock, of),
            false => self.conversation.report(entry.now, entry.clock, of, entry.random),
        };
        let (kind, source, remote) = match self.shares_port() {
            true => (PacketKind::Rtp, self.ingress.source(), self.session.remote),
            false => (PacketKind::Rtcp, self.conversation.source(), self.session.remote_rtcp),
        };
        let to = source.unwrap_or(remote);
        if let Some(bytes) = self.egress.protect_rtcp(report).filter(|_| is_address(to)) {
            entry.transmit(leg, kind, to, bytes);
        }
    }

    fn leg_report(&self) -> LegReport {
        let (totals, told) = (self.ingress.totals(), self.conversation.told());
        LegReport {
            encoding: Some(self.session.format.encoding),
            is_protected: self.session.protection.is_some(),
            packets_received: totals.received,
            packets_sent: self.egress.packets_sent(),
            packets_lost: totals.lost,
            packets_late: totals.late,
            jitter_ms: totals.jitter_ms,
            jitter_ms_max: totals.jitter_ms_max,
            peer_lost: told.lost,
            peer_jitter_ms: told.jitter_ms,
            round_trip_ms: told.round_trip_ms,
            gap_ms_max: totals.gap_ms_max,
        }
    }
}

/// A held call may name no address (RFC 3264 section 8.4), and an unused stream no port.
fn is_address(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

const FRAMES_PER_SEC: u32 = 50;
const SILENT_TIME: Duration = Duration::from_secs(15);
const TALKING_TIME: Duration = Duration::from_secs(1);
const KEYS_TIME: Duration = Duration::from_secs(1);
/// An automatic dialler makes ten (RFC 4733 section 2.5.1.1: 40 to 65 ms each, and as long between).
const KEYS_MAX: u32 = 15;
