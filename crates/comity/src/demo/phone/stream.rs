//! RTP of a phone on a thread of its own: a packet of its tone each 20 ms, and what comes is remembered for a while.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::codec::{Decoder, Encoder, FRAME_MS, frame_len};
use media::rtp::{self, Header};
use media::srtp::{KeyError, Protector, Unprotector};
use rand::RngExt;
use sdp::AudioSession;

use super::tone::{SAMPLE_RATE, Tone};

/// Runs until it is dropped.
pub struct Stream {
    heard: Arc<Mutex<Heard>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The last second of what came, and how much came in all.
#[derive(Default)]
struct Heard {
    samples: VecDeque<i16>,
    total: usize,
}

impl Stream {
    pub fn start(socket: UdpSocket, session: &AudioSession, hz: u32) -> anyhow::Result<Stream> {
        let (heard, is_over) = (Arc::new(Mutex::new(Heard::default())), Arc::new(AtomicBool::new(false)));
        let (mut mouth, mut ear) = (Mouth::new(session, hz)?, Ear::new(session, heard.clone())?);
        let over = is_over.clone();
        let run = move || {
            let mut next = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let now = Instant::now();
                if now >= next {
                    mouth.say(&socket);
                    next = (next + FRAME).max(now);
                }
                ear.listen(&socket, next);
            }
        };
        let thread = std::thread::Builder::new().name("sound".to_owned()).spawn(run)?;
        Ok(Stream { heard, is_over, thread: Some(thread) })
    }

    /// What comes from now on for so long; where less comes, there is silence behind it.
    pub fn listen(&self, time: Duration) -> Vec<i16> {
        let wanted = time.as_millis() as usize * SAMPLE_RATE as usize / 1000;
        let (before, deadline) = (self.lock().total, Instant::now() + time * 2);
        while self.lock().total < before + wanted && Instant::now() < deadline {
            std::thread::sleep(FRAME / 2);
        }
        let heard = self.lock();
        let fresh = (heard.total - before).min(heard.samples.len());
        let mut sound: Vec<i16> = heard.samples.iter().skip(heard.samples.len() - fresh).copied().collect();
        sound.resize(sound.len().max(wanted), 0);
        sound
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Mouth {
    tone: Tone,
    encoder: Encoder,
    protector: Option<Protector>,
    remote: SocketAddr,
    sends: bool,
    /// Of the next packet.
    header: Header,
}

impl Mouth {
    fn new(session: &AudioSession, hz: u32) -> Result<Mouth, KeyError> {
        let protector = session.protection.as_ref().map(|keys| Protector::new(keys.suite, &keys.local)).transpose()?;
        let mut random = rand::rng();
        let header = Header {
            marker: true,
            payload_type: session.format.payload_type,
            sequence: random.random::<u16>() >> 1,
            timestamp: random.random(),
            ssrc: random.random(),
        };
        Ok(Mouth {
            tone: Tone::new(hz),
            encoder: Encoder::new(session.format.encoding),
            protector,
            remote: session.remote,
            sends: session.direction.sends() && !session.remote.ip().is_unspecified(),
            header,
        })
    }

    fn say(&mut self, socket: &UdpSocket) {
        let samples = frame_len(SAMPLE_RATE);
        let mut payload = Vec::new();
        self.encoder.encode(&self.tone.play(samples), &mut payload);
        let mut packet = [&self.header.print()[..], &payload].concat();
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(samples as u32);
        let is_ready = self.protector.as_mut().is_none_or(|protector| protector.protect_rtp(&mut packet).is_ok());
        if self.sends && is_ready {
            // What the network does not take is lost, as any packet may be.
            let _ = socket.send_to(&packet, self.remote);
        }
    }
}

struct Ear {
    heard: Arc<Mutex<Heard>>,
    decoder: Decoder,
    unprotector: Option<Unprotector>,
    payload_type: u8,
}

impl Ear {
    fn new(session: &AudioSession, heard: Arc<Mutex<Heard>>) -> Result<Ear, KeyError> {
        let keys = session.protection.as_ref();
        Ok(Ear {
            heard,
            decoder: Decoder::new(session.format.encoding),
            unprotector: keys.map(|keys| Unprotector::new(keys.suite, &keys.remote)).transpose()?,
            payload_type: session.format.payload_type,
        })
    }

    /// Takes one packet, if one comes in time.
    fn listen(&mut self, socket: &UdpSocket, until: Instant) {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let _ = socket.set_read_timeout(Some(left));
        let mut bytes = [0; 2048];
        let Ok((length, _)) = socket.recv_from(&mut bytes) else { return };
        let packet = &bytes[..length];
        if rtp::is_rtcp(packet) {
            return;
        }
        let Some(unprotector) = &mut self.unprotector else { return self.hear(packet) };
        let mut opened = Vec::new();
        if unprotector.unprotect_rtp(packet, &mut opened).is_ok() {
            self.hear(&opened);
        }
    }

    fn hear(&mut self, packet: &[u8]) {
        let Ok((header, length)) = Header::parse(packet) else { return };
        let Ok(payload) = rtp::payload(packet, length) else { return };
        let mut samples = Vec::new();
        if header.payload_type != self.payload_type || self.decoder.decode(payload, &mut samples).is_err() {
            return;
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.total += samples.len();
        heard.samples.extend(samples);
        let old = heard.samples.len().saturating_sub(SAMPLE_RATE as usize);
        heard.samples.drain(..old);
    }
}

const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
