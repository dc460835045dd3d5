//! Opus as one channel at 48 kHz (RFC 6716, RFC 7587).

use ropus::{Application, Bitrate, Channels, DecodeMode, InbandFec, Signal};

use super::{DecodeError, FRAME_MS, frame_len};

pub struct Encoder {
    opus: ropus::Encoder,
    /// The last frame, for a fork to begin with.
    last: Vec<i16>,
}

impl Encoder {
    pub fn new() -> Self {
        let opus = ropus::Encoder::builder(SAMPLE_RATE, Channels::Mono, Application::Voip)
            .bitrate(Bitrate::Bits(BITS_PER_SEC))
            .complexity(COMPLEXITY)
            .signal(Signal::Voice)
            .inband_fec(InbandFec::Enabled)
            .packet_loss_perc(LOSS_PERCENT)
            .build()
            .expect("every setting is within the codec's range");
        Self { opus, last: Vec::new() }
    }

    /// Another for the same sound. The codec's state cannot be copied, so it is made anew out of the last frame: enough that the
    /// seam is hardly heard.
    pub fn fork(&self) -> Self {
        let mut fork = Self::new();
        fork.encode(&self.last, &mut Vec::new());
        fork
    }

    /// Appends one packet; nothing if the frame has not [`FRAME_MS`].
    pub fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) {
        if frame.len() != frame_len(SAMPLE_RATE) {
            return;
        }
        payload.resize(PACKET_BYTES_MAX, 0);
        let len = self.opus.encode(frame, payload).unwrap_or(0);
        payload.truncate(len);
        self.last.clear();
        self.last.extend_from_slice(frame);
    }
}

pub struct Decoder {
    opus: ropus::Decoder,
}

impl Decoder {
    pub fn new() -> Self {
        let opus = ropus::Decoder::new(SAMPLE_RATE, Channels::Mono).expect("Opus decodes to 48 kHz");
        Self { opus }
    }

    /// Appends up to 120 ms, the most that a packet may hold (RFC 6716 section 3.2.5).
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        self.append(payload, SAMPLES_MAX, DecodeMode::Normal, out).ok_or(DecodeError::Malformed)
    }

    pub fn conceal(&mut self, out: &mut Vec<i16>) {
        self.append_frame(&[], DecodeMode::Normal, out);
    }

    pub fn recover(&mut self, next: &[u8], out: &mut Vec<i16>) {
        self.append_frame(next, DecodeMode::Fec, out);
    }

    /// One frame, silent if the codec has nothing better.
    fn append_frame(&mut self, payload: &[u8], mode: DecodeMode, out: &mut Vec<i16>) {
        let end = out.len() + frame_len(SAMPLE_RATE);
        if self.append(payload, frame_len(SAMPLE_RATE), mode, out).is_none() {
            self.append(&[], frame_len(SAMPLE_RATE), DecodeMode::Normal, out);
        }
        out.resize(end, 0);
    }

    fn append(&mut self, payload: &[u8], samples_max: usize, mode: DecodeMode, out: &mut Vec<i16>) -> Option<()> {
        let start = out.len();
        out.resize(start + samples_max, 0);
        let decoded = self.opus.decode(payload, &mut out[start..], mode);
        out.truncate(start + decoded.as_ref().map_or(0, |samples| (*samples).min(samples_max)));
        decoded.ok().map(|_| ())
    }
}

const SAMPLE_RATE: u32 = 48_000;
const SAMPLES_MAX: usize = 6 * (SAMPLE_RATE * FRAME_MS / 1000) as usize;
/// A voice up to 12 kHz, and each frame once more within the packet after it.
const BITS_PER_SEC: u32 = 32_000;
/// The step above which each costs much time for what is hardly heard.
const COMPLEXITY: u8 = 3;
/// What is assumed of the way to a peer: the least, in steps of five, with which the encoder repeats frames at this rate.
const LOSS_PERCENT: u8 = 10;
/// What a frame takes at the highest rate (RFC 6716 section 3.2.1).
const PACKET_BYTES_MAX: usize = 1275;
