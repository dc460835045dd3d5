//! From the mix to one stream of payloads: kept within 16 bits, brought to the encoding's sample rate, encoded.

use sdp::Encoding;

use crate::codec::Encoder;
use crate::limiter::Limiter;
use crate::resample::Resampler;

pub struct Outlet {
    encoding: Encoding,
    limiter: Limiter,
    resampler: Resampler,
    encoder: Encoder,
    /// Frames of silence in a row.
    silent: u32,
    payload: Vec<u8>,
}

impl Outlet {
    pub fn new(encoding: Encoding, mix_rate: u32) -> Self {
        Self {
            encoding,
            limiter: Limiter::new(),
            resampler: Resampler::new(mix_rate, encoding.sample_rate()),
            encoder: Encoder::new(encoding),
            silent: 0,
            payload: Vec::new(),
        }
    }

    /// Another that goes on where this one is, for a listener who is to hear a mix of his own from now on.
    pub fn fork(&self) -> Self {
        Self {
            encoding: self.encoding,
            limiter: self.limiter.clone(),
            resampler: self.resampler.clone(),
            encoder: self.encoder.fork(),
            silent: 0,
            payload: Vec::new(),
        }
    }

    pub fn retune(&mut self, mix_rate: u32) {
        self.resampler = Resampler::new(mix_rate, self.encoding.sample_rate());
    }

    /// Makes the next payload of a frame of the mix; `None` is silence. Says whether it had to encode: the payload of lasting
    /// silence is sent again as it is, which costs nothing and keeps the stream and what lies on its way awake.
    pub fn run(&mut self, mix_rate: u32, mix: Option<&[i32]>, workspace: &mut Workspace) -> bool {
        self.silent = if mix.is_some() { 0 } else { self.silent.saturating_add(1) };
        if self.silent > SILENT_FRAMES && !self.payload.is_empty() {
            return false;
        }
        let Workspace { silence, limited, resampled } = workspace;
        silence.resize((mix_rate / 50) as usize, 0);
        limited.clear();
        resampled.clear();
        self.limiter.run(mix_rate, mix.unwrap_or(silence), limited);
        self.resampler.run(limited, resampled);
        self.encoder.encode(resampled, &mut self.payload);
        true
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Room to work in, shared by all outlets of a mixer.
#[derive(Default)]
pub struct Workspace {
    silence: Vec<i32>,
    limited: Vec<i16>,
    resampled: Vec<i16>,
}

/// Until an encoder with memory has come to rest.
const SILENT_FRAMES: u32 = 10;
