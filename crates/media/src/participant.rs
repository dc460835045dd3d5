//! One leg as the mixer knows it.

use sdp::Encoding;

use crate::fade::Fade;
use crate::outlet::Outlet;
use crate::resample::Resampler;
use crate::tone::Tones;

pub struct Participant {
    pub encoding: Encoding,
    pub is_muted: bool,
    pub is_held: bool,
    /// What the others hear of him.
    pub speaking: Fade,
    /// What he hears of the others.
    pub hearing: Fade,
    /// His frame as it is in the mix; empty if it is not.
    pub voice: Vec<i32>,
    /// Tones for him alone.
    pub tones: Tones,
    /// His own stream, as long as what he hears is not what others hear.
    pub own: Option<Box<Outlet>>,
    inlet: Resampler,
    resampled: Vec<i16>,
}

/// Which mix all of those hear who have none of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    Everybody,
    Nobody,
}

impl Participant {
    pub fn new(encoding: Encoding, mix_rate: u32) -> Self {
        Self {
            encoding,
            is_muted: false,
            is_held: false,
            speaking: Fade::closed(),
            hearing: Fade::open(),
            voice: Vec::new(),
            tones: Tones::default(),
            own: None,
            inlet: Resampler::new(encoding.sample_rate(), mix_rate),
            resampled: Vec::new(),
        }
    }

    pub fn retune(&mut self, mix_rate: u32) {
        self.inlet = Resampler::new(self.encoding.sample_rate(), mix_rate);
        if let Some(own) = &mut self.own {
            own.retune(mix_rate);
        }
    }

    pub fn may_speak(&self) -> bool {
        !self.is_muted && !self.is_held
    }

    /// Takes his frame into the mix, or out of it.
    pub fn speak(&mut self, mix_rate: u32, samples: &[i16], is_chosen: bool, mix: &mut [i32]) {
        self.speaking.aim(is_chosen && self.may_speak());
        if self.speaking.is_closed() {
            return self.inlet.pass(samples);
        }
        self.resampled.clear();
        self.inlet.run(samples, &mut self.resampled);
        self.resampled.resize(mix.len(), 0);
        self.voice.extend(self.resampled.iter().map(|sample| i32::from(*sample)));
        self.speaking.run(mix_rate, &mut self.voice);
        mix.iter_mut().zip(&self.voice).for_each(|(sum, voice)| *sum += voice);
    }

    /// Nothing came of him in this frame, so the next that comes fades in.
    pub fn fall_silent(&mut self) {
        self.speaking = Fade::closed();
    }

    /// What he hears is not what others hear.
    pub fn is_apart(&self, is_chosen: bool) -> bool {
        is_chosen || !self.voice.is_empty() || self.hearing.is_moving() || !self.tones.is_silent()
    }

    /// What is to be heard of the others, less himself, with his tones.
    pub fn listen(&mut self, mix_rate: u32, mix: &[i32], own_mix: &mut Vec<i32>) {
        own_mix.clear();
        own_mix.extend_from_slice(mix);
        own_mix.iter_mut().zip(&self.voice).for_each(|(sum, voice)| *sum -= voice);
        self.hearing.run(mix_rate, own_mix);
        self.tones.run(mix_rate, own_mix);
    }

    pub fn heard(&self) -> Heard {
        if self.is_held { Heard::Nobody } else { Heard::Everybody }
    }
}
