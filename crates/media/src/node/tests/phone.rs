//! Phones of our own, with the packets of this crate and a network between.

use std::net::SocketAddr;

use sdp::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};

use crate::codec::{Decoder, Encoder, frame_len};
use crate::rtp::{self, Header};
use crate::srtp::{Protector, Unprotector};
use crate::tests::level_of;

/// One phone: it says a tone, and keeps what it hears.
pub struct Phone {
    pub address: SocketAddr,
    pub encoding: Encoding,
    pub suite: Option<Suite>,
    /// What it says; 0 is silence.
    pub tone: f32,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub heard: Vec<i16>,
    /// Of what it received.
    pub headers: Vec<Header>,
    /// The telephone events among it.
    pub events: Vec<Vec<u8>>,
    pub rtcp: Vec<Vec<u8>>,
    said: usize,
    encoder: Encoder,
    decoder: Decoder,
    protector: Option<Protector>,
    unprotector: Option<Unprotector>,
}

impl Phone {
    /// Number n is at 192.0.2.n and says a tone of its own.
    pub fn new(number: u8, encoding: Encoding, suite: Option<Suite>) -> Phone {
        Phone {
            address: SocketAddr::from(([192, 0, 2, number], 4000)),
            encoding,
            suite,
            tone: 300.0 + 200.0 * f32::from(number),
            ssrc: 0x1000 + u32::from(number),
            sequence: 65_500,
            timestamp: u32::MAX - 5_000,
            heard: Vec::new(),
            headers: Vec::new(),
            events: Vec::new(),
            rtcp: Vec::new(),
            said: 0,
            encoder: Encoder::new(encoding),
            decoder: Decoder::new(encoding),
            protector: suite.map(|suite| Protector::new(suite, &key(suite, number)).unwrap()),
            unprotector: suite.map(|suite| Unprotector::new(suite, &key(suite, 100 + number)).unwrap()),
        }
    }

    /// As both sides agreed, as seen from the node.
    pub fn session(&self) -> AudioSession {
        let number = match self.address.ip() {
            std::net::IpAddr::V4(address) => address.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        let payload_type = match self.encoding {
            Encoding::Pcmu => 0,
            Encoding::Pcma => 8,
            Encoding::G722 => 9,
            Encoding::Opus => 107,
        };
        AudioSession {
            remote: self.address,
            remote_rtcp: SocketAddr::new(self.address.ip(), self.address.port() + 1),
            format: Format { payload_type, encoding: self.encoding },
            telephone_event: Some(101),
            protection: self.suite.map(|suite| Protection {
                suite,
                local: key(suite, 100 + number),
                remote: key(suite, number),
            }),
            direction: Direction::SendRecv,
            packet_ms: 20,
        }
    }

    /// The packet of the next 20 ms.
    pub fn say(&mut self) -> Vec<u8> {
        let rate = self.encoding.sample_rate();
        let angle = |index: usize| std::f32::consts::TAU * self.tone * index as f32 / rate as f32;
        let frame: Vec<i16> =
            (self.said..self.said + frame_len(rate)).map(|index| (angle(index).sin() * 6000.0) as i16).collect();
        self.said += frame.len();
        let mut payload = Vec::new();
        self.encoder.encode(&frame, &mut payload);
        let packet = self.packet(self.session().format.payload_type, self.timestamp, &payload);
        self.timestamp = self.timestamp.wrapping_add(self.encoding.clock_rate() / 50);
        packet
    }

    pub fn packet(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header { marker: false, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [&header.print()[..], payload].concat();
        if let Some(protector) = &mut self.protector {
            protector.protect_rtp(&mut packet).unwrap();
        }
        packet
    }

    pub fn protect_rtcp(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        if let Some(protector) = &mut self.protector {
            protector.protect_rtcp(&mut packet).unwrap();
        }
        packet
    }

    /// Panics at a packet that no phone could use.
    pub fn hear(&mut self, bytes: &[u8]) {
        let mut packet = bytes.to_vec();
        if let Some(unprotector) = &mut self.unprotector {
            unprotector.unprotect_rtp(bytes, &mut packet).unwrap();
        }
        let (header, len) = Header::parse(&packet).unwrap();
        self.headers.push(header);
        if header.payload_type == self.session().format.payload_type {
            self.decoder.decode(rtp::payload(&packet, len).unwrap(), &mut self.heard).unwrap();
        } else if Some(header.payload_type) == self.session().telephone_event {
            self.events.push(packet[len..].to_vec());
        }
    }

    pub fn hear_rtcp(&mut self, bytes: &[u8]) {
        let mut packet = bytes.to_vec();
        if let Some(unprotector) = &mut self.unprotector {
            unprotector.unprotect_rtcp(bytes, &mut packet).unwrap();
        }
        self.rtcp.push(packet);
    }

    /// Which of the tones of the phones 1 to 5 were heard in the last so many frames.
    pub fn hears(&self, frames: usize) -> Vec<u8> {
        let rate = self.encoding.sample_rate();
        let last = &self.heard[self.heard.len().saturating_sub(frames * frame_len(rate))..];
        (1..=5).filter(|number| level_of(300.0 + 200.0 * f32::from(*number), rate, last) > 2000.0).collect()
    }
}

/// Of the phone with the number; ours for it is the one of 100 more.
fn key(suite: Suite, number: u8) -> Key {
    Key(vec![number; suite.key_bytes()])
}
