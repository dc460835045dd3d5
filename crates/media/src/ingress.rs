//! What a leg receives: packets that may come, opened, counted, and made into frames of sound in time.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

use sdp::{AudioSession, Format, Key, Suite};

use crate::codec::{Decoder, frame_len};
use crate::dtmf::DtmfReceiver;
use crate::jitter::{JitterBuffer, JitterCounts, Pulled};
use crate::reception::{Reception, Verdict};
use crate::rtp::{self, Header};
use crate::source::{SourceLock, Standing};
use crate::srtp::{KeyError, Unprotector};

/// One leg's way in.
pub struct Ingress {
    format: Format,
    telephone_event: Option<u8>,
    trusted_source: Option<IpAddr>,
    protection: Option<(Suite, Key)>,
    unprotector: Option<Unprotector>,
    lock: SourceLock,
    stream: Option<Stream>,
    decoder: Decoder,
    /// Decoded and not yet heard, at the encoding's sample rate.
    decoded: Vec<i16>,
    totals: Totals,
}

/// One source.
struct Stream {
    reception: Reception,
    jitter: JitterBuffer,
    dtmf: DtmfReceiver,
    /// None before the first packet, and after a time in which none was expected.
    heard_at: Option<Instant>,
}

/// Over all sources that there were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub received: u64,
    pub lost: u64,
    pub late: u64,
    pub jitter_ms: f32,
    pub jitter_ms_max: f32,
    pub gap_ms_max: u32,
}

/// A packet that counts; its payload is within the buffer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub header: Header,
    pub payload: Range<usize>,
    pub kind: ReceivedKind,
    /// Its numbers have nothing to do with those of the packet before.
    pub is_beginning: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedKind {
    Sound,
    /// A telephone event; the first packet of a press has the key.
    Event(Option<char>),
    /// Of a payload type that nobody agreed on, comfort noise among them.
    Other,
}

/// Why a packet does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    Malformed,
    /// From where it may not come, or not genuine.
    Stranger,
    /// Replayed, or far from all the others.
    Stray,
}

impl Ingress {
    /// # Errors
    /// Where the peer's key is not the suite's.
    pub fn new(session: &AudioSession, trusted_source: Option<IpAddr>) -> Result<Ingress, KeyError> {
        let protection = protection(session);
        let unprotector = protection.as_ref().map(|(suite, key)| Unprotector::new(*suite, key)).transpose()?;
        Ok(Ingress {
            format: session.format,
            telephone_event: session.telephone_event,
            trusted_source,
            protection,
            unprotector,
            lock: SourceLock::default(),
            stream: None,
            decoder: Decoder::new(session.format.encoding),
            decoded: Vec::new(),
            totals: Totals::default(),
        })
    }

    /// Goes on under another agreement; what stays the same in it is not disturbed.
    ///
    /// # Errors
    /// Where the peer's key is not the suite's; nothing has changed then.
    pub fn change(&mut self, session: &AudioSession, trusted_source: Option<IpAddr>) -> Result<(), KeyError> {
        let protection = protection(session);
        if protection != self.protection {
            self.unprotector = protection.as_ref().map(|(suite, key)| Unprotector::new(*suite, key)).transpose()?;
            self.protection = protection;
            self.lock.release();
        }
        if session.format.encoding != self.format.encoding {
            self.decoder = Decoder::new(session.format.encoding);
            self.decoded.clear();
            self.end_stream();
        }
        (self.format, self.telephone_event) = (session.format, session.telephone_event);
        self.trusted_source = trusted_source;
        Ok(())
    }

    /// The phone may send from elsewhere from now on.
    pub fn release_source(&mut self) {
        self.lock.release();
    }

    /// Nothing is expected for a while.
    pub fn pause(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.heard_at = None;
        }
    }

    /// Where the phone is, once it has been heard.
    pub fn source(&self) -> Option<SocketAddr> {
        self.lock.source()
    }

    /// Looks at an RTP packet, and opens it into `buffer`.
    ///
    /// # Errors
    /// Where it does not count.
    pub fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<Received, Dropped> {
        let (header, header_len) = Header::parse(bytes).map_err(|_| Dropped::Malformed)?;
        let standing = match &mut self.unprotector {
            Some(_) => self.lock.protected(now, source),
            None => self.lock.plain(now, source, header.ssrc, self.trusted_source),
        };
        if standing == Standing::Stranger {
            return Err(Dropped::Stranger);
        }
        self.open(bytes, buffer)?;
        let len = rtp::payload(buffer, header_len).map_err(|_| Dropped::Malformed)?.len();
        let payload = header_len..header_len + len;
        let is_beginning = self.count(now, &header)?;
        self.lock.accept(now, source, header.ssrc);
        let kind = self.kind(now, &header, &buffer[payload.clone()]);
        Ok(Received { header, payload, kind, is_beginning })
    }

    fn open(&mut self, bytes: &[u8], buffer: &mut Vec<u8>) -> Result<(), Dropped> {
        use crate::srtp::Unusable;
        let Some(unprotector) = &mut self.unprotector else {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return Ok(());
        };
        unprotector.unprotect_rtp(bytes, buffer).map_err(|unusable| match unusable {
            Unusable::Malformed => Dropped::Malformed,
            Unusable::Replayed | Unusable::Exhausted => Dropped::Stray,
            Unusable::Forged | Unusable::TooManySources => Dropped::Stranger,
        })
    }

    /// Whether a stream begins with the packet.
    fn count(&mut self, now: Instant, header: &Header) -> Result<bool, Dropped> {
        if self.stream.as_ref().is_some_and(|stream| stream.reception.ssrc != header.ssrc) {
            self.end_stream();
        }
        let is_first = self.stream.is_none();
        let clock_rate = self.format.encoding.clock_rate();
        let stream = self.stream.get_or_insert_with(|| Stream::new(header, clock_rate));
        let verdict = stream.reception.handle_packet(header);
        match verdict {
            Verdict::Expected => {}
            Verdict::Restarted => stream.jitter.restart(),
            Verdict::Stray => return Err(Dropped::Stray),
        }
        self.totals.received += 1;
        let gap = stream.heard_at.replace(now).map_or(0, |before| now.duration_since(before).as_millis());
        self.totals.gap_ms_max = self.totals.gap_ms_max.max(u32::try_from(gap).unwrap_or(u32::MAX));
        Ok(is_first || verdict == Verdict::Restarted)
    }

    fn kind(&mut self, now: Instant, header: &Header, payload: &[u8]) -> ReceivedKind {
        let Some(stream) = &mut self.stream else { return ReceivedKind::Other };
        if header.payload_type == self.format.payload_type {
            stream.reception.measure_jitter(now, header.timestamp);
            return ReceivedKind::Sound;
        }
        if Some(header.payload_type) == self.telephone_event {
            return ReceivedKind::Event(stream.dtmf.handle_packet(header, payload));
        }
        ReceivedKind::Other
    }

    /// Keeps what was received until it is to be heard.
    pub fn store(&mut self, now: Instant, received: &Received, buffer: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        let payload = match received.kind {
            ReceivedKind::Sound => &buffer[received.payload.clone()],
            ReceivedKind::Event(_) | ReceivedKind::Other => &[],
        };
        stream.jitter.insert(now, &received.header, payload);
    }

    /// Appends the frame that is to be heard now; nothing as long as nothing came.
    pub fn pull_frame(&mut self, now: Instant, frame: &mut Vec<i16>) {
        if self.stream.is_none() {
            return;
        }
        let encoding = self.format.encoding;
        let len = frame_len(encoding.sample_rate());
        let mut pulls = 0;
        while self.decoded.len() < len && pulls < PULLS_MAX {
            pulls += 1;
            self.pull(now, len);
        }
        self.decoded.resize(self.decoded.len().max(len), 0);
        frame.extend(self.decoded.drain(..len));
    }

    fn pull(&mut self, now: Instant, len: usize) {
        let start = self.decoded.len();
        let pulled = self.stream.as_mut().map_or(Pulled::Silence, |stream| stream.jitter.pull(now));
        let (payload, is_heard) = match pulled {
            Pulled::Sound(payload) => (payload, true),
            Pulled::Surplus(payload) => (payload, false),
            Pulled::Lost { next: Some(next) } => return self.decoder.recover(next, &mut self.decoded),
            Pulled::Lost { next: None } => return self.decoder.conceal(&mut self.decoded),
            Pulled::Silence => return self.decoded.resize(start + len, 0),
        };
        if self.decoder.decode(&payload, &mut self.decoded).is_err() {
            self.decoder.conceal(&mut self.decoded);
        }
        let encoding = self.format.encoding;
        let samples = u64::try_from(self.decoded.len() - start).unwrap_or(0);
        let ticks = samples * u64::from(encoding.clock_rate()) / u64::from(encoding.sample_rate());
        if let Some(stream) = &mut self.stream {
            stream.jitter.played(u32::try_from(ticks).unwrap_or(0));
        }
        if !is_heard {
            self.decoded.truncate(start);
        }
    }

    /// Opens an RTCP packet into `buffer`.
    ///
    /// # Errors
    /// Where it does not count.
    pub fn receive_rtcp(&mut self, source: SocketAddr, bytes: &[u8], buffer: &mut Vec<u8>) -> Result<(), Dropped> {
        if let Some(unprotector) = &mut self.unprotector {
            return unprotector.unprotect_rtcp(bytes, buffer).map_err(|_| Dropped::Stranger);
        }
        if self.trusted_source != Some(source.ip()) {
            return Err(Dropped::Stranger);
        }
        buffer.clear();
        buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// How the source is heard that is heard now.
    pub fn reception(&mut self) -> Option<&mut Reception> {
        self.stream.as_mut().map(|stream| &mut stream.reception)
    }

    pub fn totals(&self) -> Totals {
        self.stream.as_ref().map_or(self.totals, |stream| stream.added_to(self.totals))
    }

    fn end_stream(&mut self) {
        self.totals = self.totals();
        self.stream = None;
    }
}

impl Stream {
    fn new(header: &Header, clock_rate: u32) -> Stream {
        Stream {
            reception: Reception::new(header.ssrc, clock_rate, header.sequence),
            jitter: JitterBuffer::new(clock_rate),
            dtmf: DtmfReceiver::default(),
            heard_at: None,
        }
    }

    fn added_to(&self, totals: Totals) -> Totals {
        let JitterCounts { late, surplus, .. } = self.jitter.counts;
        Totals {
            lost: totals.lost + self.reception.lost(),
            late: totals.late + late + surplus,
            jitter_ms: self.reception.jitter_ms(),
            jitter_ms_max: totals.jitter_ms_max.max(self.reception.jitter_ms_max()),
            ..totals
        }
    }
}

fn protection(session: &AudioSession) -> Option<(Suite, Key)> {
    session.protection.as_ref().map(|protection| (protection.suite, protection.remote.clone()))
}

/// Packets may hold a tenth of a frame; a peer that sends thousands of empty ones is not to be worked for.
const PULLS_MAX: usize = 16;
