//! What a leg sends: one source with its numbers, cut into packets and protected.

use std::time::Instant;

use sdp::{AudioSession, Encoding, Format, Key, Suite};

use crate::dtmf::PassedPress;
use crate::random::Random;
use crate::rtcp::SenderInfo;
use crate::rtp::{Header, sequence_distance};
use crate::srtp::{KeyError, Protector};

/// One leg's way out.
pub struct Egress {
    format: Format,
    packet_bytes: usize,
    ssrc: u32,
    sequence: u16,
    /// Of the next packet.
    timestamp: u32,
    /// The first packet after a pause is marked (RFC 3551 section 4.1).
    is_marked: bool,
    /// Payload that does not fill a packet yet.
    gathered: Vec<u8>,
    protection: Option<(Suite, Key)>,
    protector: Option<Protector>,
    packets: u32,
    octets: u32,
    /// Over all sources that this leg was.
    packets_sent: u64,
    is_reported: bool,
    /// The key that the other phone presses, where its sound is made into another encoding.
    press: Option<PassedPress>,
}

impl Egress {
    /// # Errors
    /// Where our key is not the suite's.
    pub fn new(session: &AudioSession, random: &mut Random) -> Result<Egress, KeyError> {
        let protection = protection(session);
        let protector = protection.as_ref().map(|(suite, key)| Protector::new(*suite, key)).transpose()?;
        let drawn = random.draw();
        Ok(Egress {
            format: session.format,
            packet_bytes: packet_bytes(session),
            ssrc: (drawn >> 32) as u32,
            // The lower half, so that no receiver of SRTP misses the first rollover (RFC 4568 section 6.4).
            sequence: (drawn & 0x7fff) as u16,
            timestamp: random.draw() as u32,
            is_marked: true,
            gathered: Vec::new(),
            protection,
            protector,
            packets: 0,
            octets: 0,
            packets_sent: 0,
            is_reported: true,
            press: None,
        })
    }

    /// Goes on under another agreement: as the same source, unless clock or key change, which no receiver could tell from a
    /// jump (RFC 7160), or from forgery.
    ///
    /// # Errors
    /// Where our key is not the suite's; nothing has changed then.
    pub fn change(&mut self, session: &AudioSession, random: &mut Random) -> Result<(), KeyError> {
        if session.format.encoding != self.format.encoding || protection(session) != self.protection {
            *self = Egress { packets_sent: self.packets_sent, ..Egress::new(session, random)? };
        }
        self.format = session.format;
        self.packet_bytes = packet_bytes(session);
        Ok(())
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn clock_rate(&self) -> u32 {
        self.format.encoding.clock_rate()
    }

    pub fn packets_sent(&self) -> u64 {
        self.packets_sent
    }

    /// Takes the payload of one frame. Calls `send` with each packet that is full, which may be none.
    pub fn send_frame(&mut self, payload: &[u8], frame_ticks: u32, mut send: impl FnMut(Vec<u8>)) {
        if payload.is_empty() {
            return self.pass(frame_ticks);
        }
        if self.format.encoding == Encoding::Opus {
            self.packet(payload, frame_ticks).map(&mut send);
            return;
        }
        self.gathered.extend_from_slice(payload);
        let mut gathered = std::mem::take(&mut self.gathered);
        // A byte is a tick: all three are 64 kbit/s by a clock of 8 kHz.
        while gathered.len() >= self.packet_bytes {
            let packet: Vec<u8> = gathered.drain(..self.packet_bytes).collect();
            self.packet(&packet, u32::try_from(packet.len()).unwrap_or(0)).map(&mut send);
        }
        self.gathered = gathered;
    }

    /// Time goes on without a packet.
    pub fn pass(&mut self, ticks: u32) {
        let gathered = u32::try_from(self.gathered.len()).unwrap_or(0);
        self.gathered.clear();
        self.timestamp = self.timestamp.wrapping_add(ticks + gathered);
        self.is_marked = true;
    }

    fn packet(&mut self, payload: &[u8], ticks: u32) -> Option<Vec<u8>> {
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        self.sequence = sequence.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(ticks);
        let marker = std::mem::take(&mut self.is_marked);
        let header = Header { marker, payload_type: self.format.payload_type, sequence, timestamp, ssrc: self.ssrc };
        self.print(&header, payload)
    }

    /// Another leg's packet as ours, under numbers that [`Egress::next_numbers`] led to. What is sent next goes on behind it.
    pub fn forward(&mut self, header: &Header, payload: &[u8]) -> Option<Vec<u8>> {
        if sequence_distance(self.sequence, header.sequence) >= 0 {
            self.sequence = header.sequence.wrapping_add(1);
            self.timestamp = header.timestamp.wrapping_add(self.format.encoding.clock_rate() / FRAMES_PER_SEC);
        }
        self.gathered.clear();
        self.print(&Header { ssrc: self.ssrc, ..*header }, payload)
    }

    /// A telephone event of the other leg, said in our time: its clock may be another. It goes beside the sound, which time does
    /// not stand still for (RFC 4733 section 2.5.1.1).
    pub fn event(&mut self, now: Instant, header: &Header, payload: &[u8]) -> Option<Vec<u8>> {
        let begun = PassedPress { received: header.timestamp, timestamp: self.timestamp, began: now, lasted: None };
        let press = match self.press.take() {
            Some(press) => press.or_next(begun)?,
            None => begun,
        };
        let (press, payload) = press.pass(now, payload, self.clock_rate())?;
        self.press = Some(press);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.print(&Header { sequence, timestamp: press.timestamp, ssrc: self.ssrc, ..*header }, &payload)
    }

    /// The number and the time of the next packet.
    pub fn next_numbers(&self) -> (u16, u32) {
        (self.sequence, self.timestamp)
    }

    /// `None`: it must not be sent; the key is used up, or was used for this number.
    fn print(&mut self, header: &Header, payload: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(payload.len() + PACKET_BYTES_MORE);
        bytes.extend_from_slice(&header.print());
        bytes.extend_from_slice(payload);
        if let Some(protector) = &mut self.protector {
            protector.protect_rtp(&mut bytes).ok()?;
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        self.packets_sent += 1;
        self.is_reported = false;
        Some(bytes)
    }

    /// What a sender report says; `None` if nothing was sent since the last, which makes us a receiver.
    pub fn report(&mut self, ntp: u64) -> Option<SenderInfo> {
        let is_sender = !std::mem::replace(&mut self.is_reported, true);
        let info = SenderInfo { ntp, timestamp: self.timestamp, packets: self.packets, octets: self.octets };
        is_sender.then_some(info)
    }

    pub fn protect_rtcp(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        if let Some(protector) = &mut self.protector {
            protector.protect_rtcp(&mut packet).ok()?;
        }
        Some(packet)
    }
}

fn protection(session: &AudioSession) -> Option<(Suite, Key)> {
    session.protection.as_ref().map(|protection| (protection.suite, protection.local.clone()))
}

/// Of G.711 and G.722. What a peer asks for is taken within reason.
fn packet_bytes(session: &AudioSession) -> usize {
    usize::from(session.packet_ms.clamp(PACKET_MS_MIN, PACKET_MS_MAX)) * 8
}

const FRAMES_PER_SEC: u32 = 50;
const PACKET_MS_MIN: u8 = 10;
const PACKET_MS_MAX: u8 = 100;
/// Header and tag.
const PACKET_BYTES_MORE: usize = 12 + 16;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use sdp::Direction;

    use super::*;

    fn session(packet_ms: u8) -> AudioSession {
        let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
        AudioSession {
            remote,
            remote_rtcp: remote,
            format: Format { payload_type: 0, encoding: Encoding::Pcmu },
            telephone_event: None,
            protection: None,
            direction: Direction::SendRecv,
            packet_ms,
        }
    }

    /// Marker, and numbers counted from the first, of the packets of so many frames.
    fn sent(packet_ms: u8, frames: usize) -> Vec<(bool, u16, u32, usize)> {
        let mut egress = Egress::new(&session(packet_ms), &mut Random::new([1; 32])).unwrap();
        let (first, begin) = egress.next_numbers();
        let mut sent = Vec::new();
        for frame in 0..frames {
            let payload = if frame == 4 { vec![] } else { vec![7; 160] };
            egress.send_frame(&payload, 160, |packet| {
                let (header, len) = Header::parse(&packet).unwrap();
                let numbers = (header.sequence.wrapping_sub(first), header.timestamp.wrapping_sub(begin));
                sent.push((header.marker, numbers.0, numbers.1, packet.len() - len));
            });
        }
        sent
    }

    #[test]
    fn packets_are_as_long_as_the_peer_wants_them() {
        let as_frames = [(true, 0, 0, 160), (false, 1, 160, 160), (false, 2, 320, 160)];
        assert_eq!(sent(20, 3), as_frames);
        assert_eq!(sent(10, 1), [(true, 0, 0, 80), (false, 1, 80, 80)]);
        assert_eq!(sent(30, 3), [(true, 0, 0, 240), (false, 1, 240, 240)]);
        assert_eq!(sent(0, 1).len(), 2, "no packet without sound");
    }

    #[test]
    fn time_goes_on_in_a_pause_and_what_follows_is_marked() {
        assert_eq!(sent(20, 6)[3..], [(false, 3, 480, 160), (true, 4, 800, 160)]);
    }

    #[test]
    fn another_key_or_clock_is_another_source() {
        let random = &mut Random::new([1; 32]);
        let mut egress = Egress::new(&session(20), random).unwrap();
        let first = egress.ssrc();
        egress.change(&session(30), random).unwrap();
        assert_eq!(egress.ssrc(), first);
        let opus = Format { payload_type: 96, encoding: Encoding::Opus };
        egress.change(&AudioSession { format: opus, ..session(20) }, random).unwrap();
        assert_ne!(egress.ssrc(), first);
    }
}
